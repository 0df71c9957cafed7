"""Draws what isn't a liquidation chart: a dashboard of metrics, and a candle chart that a reader must leave alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cryptopattern_tests.samples.charts import Chart, truth_of
from cryptopattern_tests.samples.drawing import Canvas, rgb

UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


@dataclass(frozen=True)
class Metric:
    """A tile of a dashboard: value in `unit` (USD, %, ratio), and the change beside it in percent."""

    name: str
    value: float
    unit: str
    change: float | None = None
    decimals: int = 2

    @property
    def text(self) -> str:
        """The value as it stands on the tile."""
        if self.unit == "%":
            return f"{self.value:.{self.decimals}f}%"
        if self.unit != "USD":
            return f"{self.value:.{self.decimals}f}"
        size, letter = next(((s, c) for s, c in UNITS if self.value >= s >= 1e6), (1.0, ""))
        return f"${self.value / size:,.{self.decimals}f}{letter}"

    @property
    def truth(self) -> dict[str, Any]:
        """The metric as truth rows have it; value and change as shown, multiplied out."""
        number = self.text.strip("$%").replace(",", "")
        factor = next((s for s, c in UNITS if number.endswith(c)), 1.0)
        return {
            "name": self.name,
            "value": round(float(number.rstrip("KMBT")) * factor, 8),
            "unit": self.unit,
            "text": self.text,
            "change": self.change,
        }


def dashboard(
    title: str,
    symbol: str,
    metrics: Sequence[Metric],
    *,
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """A page of tiles, four a row: name above, value, change below in green or red. 1100 pixels wide at scale 1."""
    rows = -(-len(metrics) // 4)
    canvas = Canvas(1100, 96 + 122 * rows, "#0b0e11", scale, font)
    canvas.text((28, 54), title, 25, rgb("#eaecef"), "ls", bold=True)
    canvas.text((1072, 54), "SIMULATED", 16, rgb("#5e6673"), "rs")
    for i, metric in enumerate(metrics):
        x, y = 24 + 266 * (i % 4), 80 + 122 * (i // 4)
        canvas.box(x, y, x + 254, y + 110, rgb("#2b3139"), radius=9)
        canvas.box(x + 1, y + 1, x + 253, y + 109, rgb("#181a20"), radius=8)
        canvas.text((x + 17, y + 31), metric.name, 14, rgb("#929aa5"), "ls")
        canvas.text((x + 17, y + 63), metric.text, 23, rgb("#eaecef"), "ls", bold=True)
        if metric.change is not None:
            colour = rgb("#2ebd85" if metric.change >= 0 else "#f6465d")
            canvas.text((x + 17, y + 91), f"{metric.change:+.2f}%", 14.5, colour, "ls")
    price = next((m.truth["value"] for m in metrics if m.name == "Price"), None)
    truth = truth_of(
        "market_metrics_dashboard",
        title=title,
        symbol=symbol,
        current_price=price,
        metrics=[metric.truth for metric in metrics],
    )
    return Chart(canvas.finish(), truth)


def candle_chart(symbol: str, candles: pd.DataFrame, *, scale: float = 1.0, font: str | None = None) -> Chart:
    """An ordinary candle chart with volume (hour, open, high, low, close, volume_usd): nothing that we read."""
    canvas = Canvas(1000, 620, "#131722", scale, font)
    left, right, top, bottom = 16.0, 900.0, 60.0, 580.0
    low, high = float(candles["low"].min()), float(candles["high"].max())
    low, high = low - 0.25 * (high - low), high + 0.05 * (high - low)
    width = (right - left) / len(candles)

    def y_of(price: float) -> float:
        return bottom - (bottom - top) * (price - low) / (high - low)

    for k in range(9):
        price = low + (high - low) * (k + 0.5) / 9
        canvas.box(left, y_of(price), right, y_of(price) + 1, rgb("#1e2330"))
        canvas.text((right + 10, y_of(price)), f"{price:,.2f}", 12, rgb("#b2b5be"), "lm")
    busiest = float(candles["volume_usd"].max())
    for i, row in enumerate(candles.itertuples()):
        code = "#26a69a" if row.close >= row.open else "#ef5350"
        x = left + width * (i + 0.5)
        canvas.box(x - width * 0.4, bottom - 90 * row.volume_usd / busiest, x + width * 0.4, bottom, rgb(code, 110))
        canvas.box(x - 0.5, y_of(row.high), x + 0.5, y_of(row.low), rgb(code))
        upper, lower = y_of(max(row.open, row.close)), y_of(min(row.open, row.close))
        canvas.box(x - width * 0.35, upper, x + width * 0.35, max(lower, upper + 1), rgb(code))
        if row.hour.hour == 0:
            canvas.text((x, 602), f"{row.hour:%d}", 12, rgb("#b2b5be"), "ms")
    last = candles.iloc[-1]
    head = f"{symbol}USDT  1h  O{last['open']:,.2f}  H{last['high']:,.2f}  L{last['low']:,.2f}  C{last['close']:,.2f}"
    canvas.text((left, 36), head, 16, rgb("#d1d4dc"), "ls")
    canvas.text((450, 300), "SIMULATED", 96, rgb("#c8d2e6", 20), "mm", bold=True)
    return Chart(canvas.finish(), truth_of("unknown"))
