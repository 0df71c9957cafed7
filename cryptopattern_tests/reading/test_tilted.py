"""Labels that stand at an angle are read where they point."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.axes import fit_axis
from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.tilted import tilted_column, tilted_labels
from cryptopattern_tests.reading.drawn import font
from cryptopattern_tests.samples.drawing import Canvas, rgb

PRICES = [61_250 + 750 * i for i in range(12)]
TICKS = [120 + 60 * i for i in range(12)]


def strip(angle: float) -> np.ndarray:
    """Labels turned by an angle (degrees, rising to the right), the upper end of each under its tick."""
    page = np.full((160, 860, 3), 250, np.uint8)
    for tick, price in zip(TICKS, PRICES, strict=True):
        label = Image.new("RGB", (60, 20), (250, 250, 250))
        ImageDraw.Draw(label).text((58, 10), str(price), (40, 40, 50), font(14), anchor="rm")
        turned = np.array(
            label.rotate(angle, expand=True, fillcolor=(250, 250, 250), resample=Image.Resampling.BICUBIC)
        )
        # Where the middle of the label's right end comes to lie.
        turn = math.radians(angle)
        x = turned.shape[1] / 2 + 28 * math.cos(turn)
        left = round(tick - x)
        page[10 : 10 + turned.shape[0], left : left + turned.shape[1]] = np.minimum(
            page[10 : 10 + turned.shape[0], left : left + turned.shape[1]], turned
        )
    return page


@pytest.mark.parametrize("angle", [25, 45, 90])
def test_turned_labels_point_to_their_ticks(angle: float) -> None:
    picture = strip(angle)
    labels = tilted_labels(picture, Box(0, 0, 860, 160), default_engine())
    axis = fit_axis([label.box.x for label in labels], [label.numbers for label in labels])
    assert axis is not None
    for tick, price in zip(TICKS, PRICES, strict=True):
        assert axis.value(tick) == pytest.approx(price, abs=40)


def test_upright_labels_are_left_alone() -> None:
    assert tilted_labels(strip(0), Box(0, 0, 860, 160), default_engine()) == []


@pytest.mark.parametrize("angle", [-20, 35])
def test_turned_labels_of_a_column_point_to_their_rows(angle: float) -> None:
    """A line of upright text runs over one of them: it is left out."""
    canvas = Canvas(200, 640, "#2d3752", 1, None)
    values = [100 * i for i in range(8)]
    rows = [600 - 70 * i for i in range(8)]
    for row, value in zip(rows, values, strict=True):
        canvas.text((40, row), str(value), 13, rgb("#9ba6bf"), "lm", angle=angle)
    canvas.text((2, rows[4]), "Cumulated short liqs", 15, rgb("#9ba6bf"), "lm")
    labels = tilted_column(np.asarray(canvas.finish()), Box(0, 0, 200, 640), default_engine())
    assert [label.numbers[0].value for label in labels] == [700, 600, 500, 300, 200, 100]
    wanted = [rows[values.index(int(label.numbers[0].value))] for label in labels]
    assert [label.box.top for label in labels] == pytest.approx(wanted, abs=2)


def test_an_upright_column_is_left_alone() -> None:
    canvas = Canvas(200, 640, "#2d3752", 1, None)
    for i in range(8):
        canvas.text((40, 600 - 70 * i), f"{200 * i:,}", 13, rgb("#9ba6bf"), "lm")
    assert tilted_column(np.asarray(canvas.finish()), Box(0, 0, 200, 640), default_engine()) == []
