import cv2
import numpy as np
import pytest

from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.text_page import text_page

from . import drawn

LINES = ["Binance BTC/USDT Liquidation Map", "Current Price 114,620.5", "Funding rate 0.0100%"]


def bar_chart() -> np.ndarray:
    picture = np.full((500, 900, 3), 30, np.uint8)
    heights = np.random.RandomState(1).randint(8, 300, 80)
    for number, height in enumerate(heights.tolist()):
        cv2.rectangle(picture, (40 + 10 * number, 480 - height), (47 + 10 * number, 480), (60, 170, 90), cv2.FILLED)
    return picture


@pytest.mark.parametrize(
    ("ink", "ground"),
    [((20, 20, 30), (250, 250, 250)), ((235, 235, 240), (24, 28, 40)), ((20, 190, 120), (24, 28, 40))],
)
def test_words_are_read_from_the_page_as_from_the_picture(
    ink: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    picture = drawn.lines_of_text(LINES, 16, ink, ground)
    page = text_page(picture)
    assert np.median(page.pixels) == 255
    words = page.words(default_engine())
    assert " ".join(word.text for word in words) == " ".join(LINES)
    assert page.drawn < 0.05
    tops = [box.top for box in page.boxes]
    assert all(any(abs(word.top - top) <= 6 for top in tops) for word in words)


def test_bars_are_no_text_and_a_label_among_them_is() -> None:
    picture = bar_chart()
    cv2.putText(picture, "Liquidation Map", (300, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (230, 230, 230), 2, cv2.LINE_AA)
    page = text_page(picture)
    assert page.drawn > 0.5
    assert page.pixels[150:].min() == 255
    assert [word.text for word in page.words(default_engine())] == ["Liquidation", "Map"]


def test_texts_of_either_polarity_stand_dark_on_white() -> None:
    picture = np.concatenate(
        [
            drawn.lines_of_text(["dark on light"]),
            drawn.lines_of_text(["light on dark"], 20, (240, 240, 240), (30, 30, 40)),
        ]
    )
    page = text_page(picture)
    words = page.words(default_engine())
    assert " ".join(word.text for word in words) == "dark on light light on dark"
    for box in page.boxes:
        assert np.median(box.of(page.pixels)) > 200


def test_small_print_is_enlarged_and_large_print_is_not() -> None:
    small, large = (text_page(drawn.lines_of_text(LINES, size)) for size in (10, 30))
    assert small.scale > 1.5
    assert large.scale == 1.0


@pytest.mark.parametrize("picture", [np.full((200, 300, 3), 90, np.uint8), np.zeros((60, 60, 3), np.uint8)])
def test_an_empty_picture_is_an_empty_page(picture: np.ndarray) -> None:
    page = text_page(picture)
    assert (page.boxes, page.drawn) == ((), 0.0)
    assert page.pixels.shape == picture.shape[:2]
    assert page.pixels.min() == 255


def test_noise_has_no_text() -> None:
    picture = np.random.RandomState(7).randint(0, 256, (700, 900, 3)).astype(np.uint8)
    page = text_page(picture)
    assert page.boxes == ()
    assert page.drawn == 1.0


def test_a_wall_of_text_is_crowded_and_its_headline_is_kept() -> None:
    lines = [" ".join(f"word{number}" + " " * 12 for number in range(8)) for _ in range(80)]
    picture = np.concatenate([drawn.lines_of_text(["Liquidation Map"], 40), drawn.lines_of_text(lines, 9)])
    page = text_page(picture)
    assert page.crowded
    assert len(page.boxes) <= 500
    assert max(box.height for box in page.boxes) > 25
