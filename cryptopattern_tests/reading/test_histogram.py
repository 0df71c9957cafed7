import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.histogram import Histogram, read_histogram
from cryptopattern_pipelines.reading.ocr import default_engine

from . import drawn


def chart(shares: str, price: str, *, bar: float | None = None) -> np.ndarray:
    """Bars of both sides under a price, 30 % of their area long; `bar` draws a bar of that share as well."""
    page = Image.new("RGB", (900, 520), (20, 24, 34))
    draw = ImageDraw.Draw(page)
    draw.text((40, 20), "Liquidation Distribution - All Leverage", (230, 230, 235), drawn.font(24))
    draw.text((40, 60), shares, (230, 230, 235), drawn.font(17))
    draw.text((420, 120), price, (230, 230, 235), drawn.font(15), anchor="ma")
    for y in range(142, 450, 10):
        draw.line((420, y, 420, y + 5), (230, 230, 235), 1)
    for number in range(20):
        x, long = 100 + 32 * number, number < 10
        draw.rectangle((x, 450 - (90 if long else 210), x + 22, 449), (38, 166, 91) if long else (220, 50, 50))
        if number % 2 == 0:
            draw.text((x + 11, 460), f"{1 + 0.02 * number:.4f}", (150, 150, 160), drawn.font(13), anchor="ma")
    if bar is not None:
        draw.rectangle((40, 90, 440, 112), (220, 50, 50))
        draw.rectangle((40, 90, 40 + 4 * bar, 112), (38, 166, 91))
    return np.array(page)


def read(picture: np.ndarray) -> Histogram:
    return read_histogram(picture, default_engine().words(picture), default_engine())


@pytest.mark.parametrize(
    "shares", ["Longs 30.4% Shorts 69.6%", "30.4% Longs / 69.6% Shorts", "Long: 30,4% | Short: 69,6%"]
)
def test_shares_that_sum_to_100_are_read_as_they_stand(shares: str) -> None:
    reading = read(chart(shares, "Current Price: 1.2034")).reading
    assert reading is not None
    assert (reading.long_pct, reading.short_pct, reading.method) == (30.4, 69.6, "text")
    assert reading.agreement is not None
    assert reading.agreement < 2


def test_the_bar_bears_out_the_text_or_overrules_it() -> None:
    agreed = read(chart("Longs 30.4% Shorts 69.6%", "1.2034", bar=30.4)).reading
    assert agreed is not None
    assert (agreed.long_pct, agreed.method) == (30.4, "both")
    against = read(chart("Longs 80.4% Shorts 19.6%", "1.2034", bar=30.4)).reading
    assert against is not None
    assert against.method == "bar"
    assert against.long_pct == pytest.approx(30.4, abs=0.3)


@pytest.mark.parametrize("shares", ["", "Longs 30.4% Shorts 59.6%"])
def test_without_shares_that_sum_the_area_is_told(shares: str) -> None:
    reading = read(chart(shares, "Current Price: 1.2034")).reading
    assert reading is not None
    assert reading.method == "area"
    assert reading.long_pct == pytest.approx(30, abs=1)
    assert reading.confidence < 0.75


@pytest.mark.parametrize("price", ["Current Price: 1.2034", "1.2034"])
def test_the_current_price_has_a_name_or_a_dashed_line(price: str) -> None:
    assert read(chart("Longs 30.4% Shorts 69.6%", price)).current_price == 1.2034


def test_a_price_off_the_axis_is_not_believed() -> None:
    assert read(chart("Longs 30.4% Shorts 69.6%", "Current Price: 7.2034")).current_price is None


def test_a_chart_without_bars_says_what_is_missing() -> None:
    found = read(np.full((300, 500, 3), 240, np.uint8))
    assert found.reading is None
    assert found.error is not None
