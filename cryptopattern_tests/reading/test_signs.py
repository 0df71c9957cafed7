"""Signs of changes by arrows, print and colour."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.signs import Signs
from cryptopattern_tests.reading.drawn import font

GREEN, RED, GREY = (20, 170, 90), (220, 50, 60), (120, 120, 125)
UP, DOWN = ((6, 30), (22, 30), (14, 16)), ((6, 16), (22, 16), (14, 30))


def drawn(text: str, ink: tuple[int, int, int], arrow: tuple[tuple[int, int], ...] = ()) -> tuple[np.ndarray, Box]:
    page = Image.new("RGB", (160, 48), (250, 250, 252))
    draw = ImageDraw.Draw(page)
    draw.text((30 if arrow else 6, 12), text, ink, font(20))
    if arrow:
        draw.polygon(arrow, ink)
    pixels = np.array(page)
    dark = pixels.min(axis=2) < 235
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return pixels, Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


@pytest.mark.parametrize(
    ("text", "ink", "arrow", "change"),
    [
        ("2.31%", GREEN, UP, 2.31),
        ("2.31%", RED, DOWN, -2.31),
        ("2.31%", GREY, DOWN, -2.31),
        ("2.31%", RED, (), -2.31),
        ("2.31%", GREEN, (), 2.31),
        ("2.31%", GREY, (), None),
        ("-2.31%", GREY, (), -2.31),
        ("+2.31%", GREY, (), 2.31),
        ("+2.31%", RED, (), 2.31),
    ],
)
def test_a_change_has_the_sign_that_is_seen(
    text: str, ink: tuple[int, int, int], arrow: tuple[tuple[int, int], ...], change: float | None
) -> None:
    pixels, box = drawn(text, ink, arrow)
    assert Signs(pixels, default_engine(), False).change(box, [text, text]) == change


def test_colours_are_swapped_where_marks_say_so() -> None:
    pages = [drawn("2.31%", RED, UP), drawn("1.20%", GREEN, DOWN), drawn("3.55%", RED, UP), drawn("4.10%", RED)]
    picture = np.vstack([pixels for pixels, _ in pages])
    boxes = [box.moved(0, 48 * i) for i, (_, box) in enumerate(pages)]
    signs = Signs(picture, default_engine(), False)
    signs.learn(boxes)
    assert signs.change(boxes[3], ["4.10%", "4.10%"]) == 4.10
