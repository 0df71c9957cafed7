"""Cumulative lines of any colour, drawn over bars, are followed to their ends."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.cumulative import line_ends
from cryptopattern_pipelines.reading.pixels import Box

WIDTH, HEIGHT, BASE = 900, 500, 440
PLOT = Box(60, 40, 860, BASE)
ORANGE, BLUE = (250, 160, 60), (90, 120, 240)


def chart(
    inks: tuple[tuple[int, int, int], ...], tops: tuple[int, int] = (300, 100), grid: tuple[int, int, int] | None = None
) -> np.ndarray:
    page = Image.new("RGB", (WIDTH, HEIGHT), (16, 25, 53))
    draw = ImageDraw.Draw(page)
    random = np.random.default_rng(5)
    if grid:
        for row in range(60, BASE, 60):
            draw.line((PLOT.left, row, PLOT.right, row), grid)
    for x in range(PLOT.left, PLOT.right, 8):
        height = int(random.integers(6, 120))
        draw.rectangle((x, BASE - height, x + 5, BASE - 1), ORANGE)
        draw.rectangle((x, BASE - height // 2, x + 5, BASE - 1), BLUE)
    middle = (PLOT.left + PLOT.right) // 2
    for end, top, ink in zip((PLOT.left, PLOT.right - 1), tops, inks, strict=False):
        draw.line(
            ((end, BASE - top), ((end + middle) // 2, BASE - round(top * 0.7)), (middle, BASE - 2)), fill=ink, width=2
        )
    return np.array(page)


@pytest.mark.parametrize(
    "inks",
    [((242, 54, 69), (34, 171, 148)), ((224, 64, 251), (224, 64, 251)), ((255, 235, 59), (33, 200, 243))],
    ids=["red and green", "both purple", "yellow and blue"],
)
def test_the_share_is_read_whatever_the_colours(inks: tuple[tuple[int, int, int], ...]) -> None:
    ends = line_ends(chart(inks), PLOT)
    assert ends is not None
    assert ends.long_share == pytest.approx(75, abs=0.7)


def test_bars_and_grid_lines_are_no_lines() -> None:
    assert line_ends(chart(()), PLOT) is None
    assert line_ends(chart((), grid=(42, 52, 110)), PLOT) is None


def test_one_line_alone_has_no_share() -> None:
    assert line_ends(chart(((242, 54, 69),)), PLOT) is None


@pytest.mark.parametrize("lean", [1, 5])
def test_a_line_that_drops_to_zero_at_its_end_ends_where_the_drop_begins(lean: int) -> None:
    page = Image.new("RGB", (WIDTH, HEIGHT), (45, 55, 82))
    end = PLOT.right - lean
    points = [(PLOT.left, BASE - 300), (460, BASE - 2), (end - 40, BASE - 80), (end, BASE - 100), (PLOT.right, BASE)]
    ImageDraw.Draw(page).line(points, fill=(234, 124, 204), width=2)
    ends = line_ends(np.array(page), PLOT)
    assert ends is not None
    assert ends.long_share == pytest.approx(75, abs=0.7)
