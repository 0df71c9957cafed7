"""Labels that stand at an angle are read where they point."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.axes import fit_axis
from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.tilted import tilted_labels
from cryptopattern_tests.reading.drawn import font

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
