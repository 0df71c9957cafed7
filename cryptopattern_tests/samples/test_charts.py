"""A chart shows the numbers that it was given, and its truth says so."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cryptopattern_tests.samples.charts import EXCHANGES, Chart, arrows, distribution, heatmap, liquidation_map
from cryptopattern_tests.samples.panels import Metric, candle_chart, dashboard

SYMBOLS = ["BTC", "ETH", "1000BONK", "SOL", "XRP"]
shares = st.lists(st.integers(0, 1000).map(lambda n: n / 10), min_size=1, max_size=5)


def _pixels(chart: Chart) -> NDArray[np.int16]:
    return np.asarray(chart.picture).astype(np.int16)


@settings(max_examples=25, deadline=None)
@given(shares=shares, scale=st.sampled_from([0.8, 1.0, 1.37]))
def test_the_green_of_a_row_is_as_long_as_its_share(shares: list[float], scale: float) -> None:
    chart = distribution(dict(zip(SYMBOLS, shares, strict=False)), scale=scale, mark=False)
    pixels = _pixels(chart)
    for i, row in enumerate(chart.truth["readings"]):
        # Just under the bar's upper edge, where no text stands.
        line = pixels[round((64 + 35 * i + 3.5) * scale), round(100 * scale) : round(700 * scale)]
        green = np.clip((line[:, 1] - line[:, 0] + 70) / 140, 0, 1)
        measured = 100 * (green > 0.5).sum() / (600 * scale)
        assert measured == pytest.approx(row["long_pct"], abs=0.5)
        assert row["long_pct"] + row["short_pct"] == pytest.approx(100)


@settings(max_examples=25, deadline=None)
@given(shares=shares)
def test_a_badge_stands_beside_a_row_exactly_where_the_rule_says(shares: list[float]) -> None:
    chart = distribution(dict(zip(SYMBOLS, shares, strict=False)))
    pixels = _pixels(chart)
    for i, row in enumerate(chart.truth["readings"]):
        red, green, _ = pixels[64 + 35 * i + 20, 730]
        shown = 1 if red > green + 60 else -1 if green > red + 40 else 0
        assert shown == np.sign(row["arrows"])


@pytest.mark.parametrize(
    ("long_pct", "badge"),
    [(50, 0), (59.9, 0), (60, -1), (74.9, -1), (75, -2), (100, -2), (40.1, 0), (40, 1), (25.1, 1), (25, 2), (0, 2)],
)
def test_one_arrow_from_60_percent_two_from_75(long_pct: float, badge: int) -> None:
    assert arrows(long_pct) == badge


def test_a_distribution_has_the_genuine_charts_size_and_colours() -> None:
    chart = distribution({f"C{i}": 50.0 for i in range(30)}, "optical_opti")
    assert chart.picture.size == (800, 1130)
    assert chart.picture.getpixel((2, 2)) == (0x2D, 0x37, 0x52)
    assert chart.truth["image_type"] == "liquidation_distribution_opti"
    assert chart.truth["title"] == "Long/Short Liquidations Distribution (optical_opti)"


def test_a_share_outside_0_to_100_or_a_strange_leverage_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        distribution({"BTC": 100.1})
    with pytest.raises(ValueError, match="from 0 to 100"):
        distribution({})
    with pytest.raises(ValueError, match="isolated"):
        distribution({"BTC": 50}, "isolated")


def test_png_keeps_every_pixel_and_jpeg_loses_more_at_lower_quality() -> None:
    chart = distribution({"BTC": 63.0, "ETH": 12.4})
    kept = {q: np.asarray(Image.open(io.BytesIO(chart.encoded(q)))).astype(int) for q in (None, 90, 40)}
    loss = {q: float(np.abs(pixels - _pixels(chart)).mean()) for q, pixels in kept.items()}
    assert loss[None] == 0 < loss[90] < loss[40]


def test_a_map_tells_share_levels_and_sides_from_what_waits() -> None:
    prices = np.linspace(3000.0, 4000.0, 101)
    waiting = np.full((len(EXCHANGES), 101), 0.1)
    for i, size in ((20, 9.0), (35, 7.0), (70, 8.0), (80, 6.0), (95, 5.0)):
        waiting[:, i] = size
    at = pd.Timestamp("2025-01-29 12:00", tz="UTC").to_pydatetime()
    chart = liquidation_map("ETH", prices, waiting, 3455.5, at)
    assert [(level["price"], level["side"]) for level in chart.truth["levels"]] == [
        (3200.0, "long"),
        (3700.0, "short"),
        (3350.0, "long"),
        (3800.0, "short"),
        (3950.0, "short"),
    ]
    total = waiting.sum(axis=0)
    assert chart.truth["long_share"] == pytest.approx(100 * total[prices < 3455.5].sum() / total.sum(), abs=0.01)
    assert chart.truth["title"].endswith("Wed, 29 Jan 2025 12:00:00 GMT all_leverage")
    # The strongest bin's bar is the tallest thing left of the price: its column has no background up to 9/10.
    x = round(80 + 640 * (20 + 0.5) / 101)
    assert tuple(_pixels(chart)[150, x]) != (0x2D, 0x37, 0x52)


def test_a_heatmaps_levels_are_its_hottest_rows_at_the_right_edge() -> None:
    hours = pd.date_range("2025-01-20", periods=48, freq="h", tz="UTC")
    candles = pd.DataFrame({"hour": hours, "open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5})
    prices = np.linspace(90.0, 110.0, 81)
    strength = np.full((81, 48), 0.05)
    strength[10, 20:] = 1.0
    strength[60, 5:40] = 0.9
    strength[70, 30:] = 0.6
    chart = heatmap("LINK", candles, prices, strength)
    assert [level["price"] for level in chart.truth["levels"]][:2] == [prices[10], prices[70]]
    pitch = prices[1] - prices[0]
    y = round(620 - 600 * (prices[10] - (prices[0] - pitch / 2)) / (81 * pitch))
    assert tuple(_pixels(chart)[y, 860]) == (0xB6, 0x38, 0x58)


@given(value=st.floats(0.01, 5e12), change=st.none() | st.floats(-99, 999).map(lambda x: round(x, 2)))
def test_a_metrics_truth_is_what_its_text_says(value: float, change: float | None) -> None:
    metric = Metric("Open Interest", value, "USD", change)
    truth = metric.truth
    assert truth["value"] == pytest.approx(value, rel=0.006, abs=0.006)
    assert truth["text"].startswith("$")
    assert truth["change"] == change


def test_a_dashboard_lists_its_tiles_and_a_candle_chart_nothing() -> None:
    tiles = [Metric("Price", 3283.0, "USD", -1.2), Metric("Funding Rate", -0.0221, "%", decimals=4)]
    board = dashboard("ETH Market Metrics", "ETH", tiles)
    assert board.truth["current_price"] == 3283.0
    assert [(m["name"], m["value"], m["text"]) for m in board.truth["metrics"]] == [
        ("Price", 3283.0, "$3,283.00"),
        ("Funding Rate", -0.0221, "-0.0221%"),
    ]
    hours = pd.date_range("2025-01-20", periods=48, freq="h", tz="UTC")
    candles = pd.DataFrame(
        {"hour": hours, "open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume_usd": 1e6}
    )
    chart = candle_chart("LINK", candles)
    assert chart.truth["image_type"] == "unknown"
    assert chart.truth["readings"] == chart.truth["levels"] == chart.truth["metrics"] == []
