import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.buttons import Header, parse_span, read_header
from cryptopattern_pipelines.reading.classify import classify
from cryptopattern_pipelines.reading.ocr import default_engine

from . import drawn

DARK = ((22, 26, 37), (44, 50, 60), (60, 68, 82), (225, 225, 230))
LIGHT = ((250, 250, 250), (238, 240, 243), (224, 228, 236), (25, 30, 45))


def header(buttons: list[tuple[str, bool]], look: tuple[tuple[int, int, int], ...]) -> Header:
    """A title with buttons beside it, of which those marked are filled."""
    ground, box, chosen, ink = look
    page = Image.new("RGB", (1100, 300), ground)
    draw = ImageDraw.Draw(page)
    draw.text((30, 40), "Liquidation Heatmap", ink, drawn.font(22))
    draw.rounded_rectangle((280, 34, 520, 68), 6, box)
    draw.text((292, 42), "Binance ORDI/USDT Perpetual", ink, drawn.font(15))
    for number, (text, filled) in enumerate(buttons):
        x = 540 + 90 * number
        if filled:
            draw.rounded_rectangle((x, 36, x + 78, 66), 6, chosen)
        draw.text((x + 39, 43), text, ink, drawn.font(15), anchor="ma")
    draw.rectangle((30, 120, 1000, 280), (68, 1, 84))
    pixels = np.array(page)
    words = default_engine().words(pixels)
    title = classify(words)
    assert title is not None
    return read_header(pixels, title, words, default_engine())


@pytest.mark.parametrize("look", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("chosen", ["12 hour", "24 hour", "1 week", "3 month"])
def test_the_filled_button_counts(look: tuple[tuple[int, int, int], ...], chosen: str) -> None:
    found = header([(text, text == chosen) for text in ("12 hour", "24 hour", "1 week", "3 month")], look)
    assert found == Header(chosen, "ORDI", "Binance")


def test_of_buttons_that_are_all_alike_none_counts() -> None:
    assert header([("12h", True), ("24h", True), ("7d", True)], DARK).timeframe is None
    assert header([("12h", False), ("24h", False), ("7d", False)], DARK).timeframe is None


@pytest.mark.parametrize(
    ("text", "span"),
    [("24h", "24h"), ("1 week", "1 week"), ("12 hour v", "12 hour"), ("lweekv", "1 week"), ("th", "1h"),
     ("2 WEEK", "2 week"), ("30d", "30d"),
     ("24h Volume", None), ("10M", None), ("43h", None), ("Lh", None), ("0d", None), ("", None), ("Log In", None)],
)  # fmt: skip
def test_spans(text: str, span: str | None) -> None:
    assert parse_span(text) == span
