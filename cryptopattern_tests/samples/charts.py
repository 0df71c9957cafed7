"""Draws liquidation charts with known numbers, laid out like the ones that traders save, and says what they show.

Geometry, colours and wording follow the genuine charts, so that a reader made for those reads these.
Every picture bears a translucent SIMULATED where the genuine ones bear their maker's mark. A chart's
truth has the keys of the labelled sets that readers are scored against.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cryptopattern_tests.samples.drawing import Canvas, rgb

BACKGROUND = "#2d3752"
GREEN = ("#1d4b1a", "#2e862e", "#3ca53c")
RED = ("#8b0000", "#cc0000", "#ff0000")
INK = rgb("#9ba6bf")
MARK = rgb("#c8d2e6", 26)
EXCHANGES = {
    "binance": "#91cc75",
    "bitfinex": "#fac858",
    "bitget": "#ee6666",
    "bitmex": "#73c0de",
    "bybit": "#3ba272",
    "okx": "#fc8452",
}
# Strength of a heatmap's band, from none to the strongest: background, dark blue, teal, olive, purple, crimson.
BANDS = (
    (0.0, "#2d3752"),
    (0.17, "#28576b"),
    (0.33, "#237c98"),
    (0.42, "#24839d"),
    (0.5, "#56826b"),
    (0.67, "#61358e"),
    (0.75, "#651d99"),
    (1.0, "#b63858"),
)


@dataclass(frozen=True)
class Chart:
    """A picture (RGB) and what it shows: the keys of a line of truth.jsonl, without `file`."""

    picture: Image.Image
    truth: dict[str, Any]

    def encoded(self, jpeg_quality: int | None = None) -> bytes:
        """The file's bytes: PNG, or JPEG of that quality (1 to 95), which makes the text ragged as a re-send does."""
        out = io.BytesIO()
        if jpeg_quality is None:
            self.picture.save(out, "PNG", optimize=True)
        else:
            self.picture.save(out, "JPEG", quality=jpeg_quality)
        return out.getvalue()


def truth_of(image_type: str, **shown: Any) -> dict[str, Any]:
    """A truth row with every key; what isn't given is not shown.

    Raises:
        KeyError: a key that truth rows don't have.
    """
    row: dict[str, Any] = {
        "image_type": image_type,
        "title": None,
        "symbol": None,
        "timeframe": None,
        "leverage": None,
        "current_price": None,
        "readings": [],
        "levels": [],
        "price_range": None,
        "long_share": None,
        "metrics": [],
    }
    strange = sorted(set(shown) - set(row))
    if strange:
        raise KeyError(f"truth rows have no {strange}")
    return row | shown


def totals_truth(longs: float, shorts: float, unit: str | None) -> list[dict[str, Any]]:
    """The metrics of a map whose cumulative lines end at these totals: no text says them, an axis does."""
    return [
        {"name": f"cumulated_{side}_liquidations", "value": round(total, 2), "unit": unit, "text": None, "change": None}
        for side, total in (("long", longs), ("short", shorts))
    ]


def arrows(long_pct: float) -> int:
    """The badge beside a row: up where shorts dominate, down (minus) where longs do; one from 60 %, two from 75 %."""
    dominant = max(long_pct, 100 - long_pct)
    count = 2 if dominant >= 75 else 1 if dominant >= 60 else 0
    return count if long_pct < 50 else -count


def distribution(
    long_pct: dict[str, float],
    leverage: str = "all_leverage",
    *,
    scale: float = 1.0,
    font: str | None = None,
    mark: bool = True,
) -> Chart:
    """A long/short liquidations distribution: a row a symbol, in the given order.

    Args:
        long_pct: share of long liquidations by symbol, percent; one decimal is shown and drawn.
        leverage: what stands in the title's brackets: `all_leverage` or `optical_opti`.
        scale: 1 is 800 pixels wide.
        font: a font file, or none for the built-in one.
        mark: whether SIMULATED lies over the middle rows.

    Raises:
        ValueError: no row, a share outside 0 to 100, or another leverage.
    """
    kinds = {"all_leverage": "liquidation_distribution_all", "optical_opti": "liquidation_distribution_opti"}
    if not long_pct or not all(0 <= share <= 100 for share in long_pct.values()):
        raise ValueError(f"a distribution needs rows with shares from 0 to 100: {long_pct}")
    if leverage not in kinds:
        raise ValueError(f"leverage {leverage!r} is none of {sorted(kinds)}")
    title = f"Long/Short Liquidations Distribution ({leverage})"
    canvas = Canvas(800, 80 + 35 * len(long_pct), BACKGROUND, scale, font)
    canvas.text((400, 32), title, 27, rgb("#ffffff"), "ms", bold=True)
    readings = []
    for i, (symbol, share) in enumerate(long_pct.items()):
        long, short = round(share, 1), round(100 - round(share, 1), 1)
        readings.append({"symbol": symbol, "long_pct": long, "short_pct": short, "arrows": arrows(long)})
        top = 64 + 35 * i
        edge = 100 + 6 * long
        canvas.gradient(max(100, edge - 4), top, 700, top + 23, RED, radius=4)
        if 0 < long < 100:
            # The green bar's round end lies on red, so the red bar begins square behind it.
            canvas.box(max(100, edge - 4), top, min(700, edge + 4), top + 23, rgb(RED[0]))
        canvas.gradient(100, top, edge, top + 23, GREEN, radius=4)
        canvas.text((80, top + 19), symbol, 14.5, rgb("#eef1f6"), "rs")
        canvas.text((160, top + 19), f"{long:.1f}%", 14.5, rgb("#ffffff"), "rs")
        canvas.text((680, top + 19), f"{short:.1f}%", 14.5, rgb("#ffffff"), "rs")
        _badge(canvas, top, arrows(long))
    if mark:
        canvas.text((400, 64 + 17.5 * len(long_pct)), "SIMULATED", 96, MARK, "mm", bold=True)
    return Chart(canvas.finish(), truth_of(kinds[leverage], title=title, leverage=leverage, readings=readings))


def _badge(canvas: Canvas, top: float, count: int) -> None:
    if not count:
        return
    up = count > 0
    canvas.box(720, top, 801, top + 27, rgb("#912b27" if up else "#2b6a3f"), radius=4)
    colour = rgb("#f2918c" if up else "#9cd6ab")
    for x in (753.5,) if abs(count) == 1 else (746, 758):
        tip, tail = (top + 6, top + 16) if up else (top + 16, top + 6)
        step = 3 if up else -3
        canvas.line([(x, tip), (x, tail)], colour, 1.2)
        canvas.line([(x - 3, tip + step), (x, tip), (x + 3, tip + step)], colour, 1.2)


def strongest(prices: NDArray[np.float64], strength: NDArray[np.float64], count: int = 5) -> list[int]:
    """Indices of the strongest levels, strongest first, no two within a hundredth of the axis of each other."""
    apart = 0.01 * (prices[-1] - prices[0])
    chosen: list[int] = []
    for i in np.argsort(-strength, kind="stable"):
        if len(chosen) == count or strength[i] <= 0:
            break
        if all(abs(prices[i] - prices[j]) > apart for j in chosen):
            chosen.append(int(i))
    return chosen


def _round_step(span: float, count: int) -> float:
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= rough)


@dataclass(frozen=True)
class _MapAxes:
    """Where prices and heights lie on a liquidation map, in pixels at scale 1."""

    prices: NDArray[np.float64]
    high: float
    cum_high: float
    left: float = 80.0
    right: float = 720.0
    top: float = 60.0
    bottom: float = 530.0

    @property
    def pitch(self) -> float:
        return (self.right - self.left) / len(self.prices)

    @property
    def middles(self) -> NDArray[np.float64]:
        return np.linspace(self.left + self.pitch / 2, self.right - self.pitch / 2, len(self.prices))

    def x_of(self, price: float) -> float:
        return float(np.interp(price, self.prices, self.middles))

    def y_of(self, value: float, full: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / full


def liquidation_map(
    symbol: str,
    prices: NDArray[np.float64],
    waiting: NDArray[np.float64],
    current_price: float,
    at: datetime,
    *,
    leverage: str = "all_leverage",
    exchanges: Sequence[str] = ("binance", "bitfinex", "okx", "bitmex", "bybit", "bitget"),
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """A single symbol's liquidation map: stacked bars over price, cumulative lines away from the current price.

    Args:
        symbol: the coin.
        prices: middle of each bin, rising evenly, on both sides of the current price.
        waiting: what waits in each bin, in the chart's unit, (exchanges by the alphabet, bins): longs below the
            price, shorts above.
        current_price: where the dashed arrow stands; shown with as many decimals as it has, one at least.
        at: time in the title, UTC.
        leverage: the title's last word.
        exchanges: names in the title's order; bars and legend go by the alphabet.
        scale: 1 is 800 x 600 pixels.
        font: a font file, or none for the built-in one.
    """
    title = f"{symbol}: {'_'.join(exchanges)} - {format_datetime(at, usegmt=True)} {leverage}"
    total = waiting.sum(axis=0)
    below = prices < current_price
    long_run = np.cumsum((total * below)[::-1])[::-1][below]
    short_run = np.cumsum(total * ~below)[~below]
    step = _round_step(total.max(), 5)
    axes = _MapAxes(prices, step * math.ceil(total.max() / step), 1.12 * max(long_run[0], short_run[-1]))
    decimals = max(1, len(f"{current_price}".partition(".")[2]))

    canvas = Canvas(800, 600, BACKGROUND, scale, font)
    canvas.text((400, 300), "SIMULATED", 96, MARK, "mm", bold=True)
    long_line = [(x, axes.y_of(v, axes.cum_high)) for x, v in zip(axes.middles[below], long_run, strict=True)]
    short_line = [(x, axes.y_of(v, axes.cum_high)) for x, v in zip(axes.middles[~below], short_run, strict=True)]
    canvas.polygon([(axes.left, axes.bottom), *long_line, (long_line[-1][0], axes.bottom)], rgb("#463048"))
    canvas.polygon([(short_line[0][0], axes.bottom), *short_line, (axes.right, axes.bottom)], rgb("#2b3e4d"))
    tops = np.cumsum(waiting, axis=0)
    for name, heights, ends in zip(sorted(exchanges), waiting, tops, strict=True):
        for x, height, end in zip(axes.middles - axes.pitch / 2, heights, ends, strict=True):
            upper, lower = axes.y_of(end, axes.high), axes.y_of(end - height, axes.high)
            canvas.box(x, upper, x + axes.pitch * 0.85, lower, rgb(EXCHANGES[name]))
    # Both lines are of one colour, whatever the legend says, and the last bin's falls to nothing.
    pink = rgb("#ea7ccc")
    canvas.line([*long_line, (long_line[-1][0] + axes.pitch, axes.bottom)], pink, 2)
    canvas.line([(short_line[0][0], axes.bottom), *short_line, (short_line[-1][0], axes.bottom)], pink, 2)
    labelled = _map_axes(canvas, axes, step, decimals)
    _map_arrow(canvas, axes, current_price, decimals)
    _map_legend(canvas, sorted(exchanges))
    canvas.text((400, 31), title, min(17.0, 17.0 * 777 / canvas.bold_length(title, 17.0)), INK, "ms", bold=True)

    longs, shorts = float(long_run[0]), float(short_run[-1])
    truth = truth_of(
        "liquidation_map",
        title=title,
        symbol=symbol,
        leverage=leverage,
        current_price=current_price,
        levels=[
            {"price": round(float(prices[i]), decimals), "side": "long" if below[i] else "short"}
            for i in strongest(prices, total)
        ],
        price_range=[round(float(prices[i]), decimals) for i in (labelled[0], labelled[-1])],
        long_share=round(100 * longs / (longs + shorts), 2),
        metrics=totals_truth(longs, shorts, None),
    )
    return Chart(canvas.finish(), truth)


def _map_axes(canvas: Canvas, axes: _MapAxes, step: float, decimals: int) -> range:
    """Draw the three axes; returns which bins bear a price."""
    canvas.line([(axes.left, axes.bottom), (axes.right, axes.bottom)], INK, 1)
    for k in range(round(axes.high / step) + 1):
        canvas.text((72, axes.y_of(k * step, axes.high)), f"{k * step:g}", 13, INK, "rm")
    cum_step = _round_step(axes.cum_high / 1.12, 7)
    for k in range(int(axes.cum_high / cum_step) + 1):
        at = (727, axes.y_of(k * cum_step, axes.cum_high))
        canvas.text(at, f"{k * cum_step:,.{0 if cum_step % 1 == 0 else 1}f}", 11, INK, "lm", angle=-20)
    canvas.text((764, 42), "Cum. liquidations", 11.5, INK, "rs")
    canvas.text((741, 534), "Price", 11, INK, "ls")
    labelled = range(0, len(axes.prices), max(1, round(65.4 / axes.pitch)))
    for i in labelled:
        x = axes.middles[i]
        canvas.line([(x, axes.bottom), (x, axes.bottom + 5)], INK, 1)
        canvas.text((x, 548), f"{axes.prices[i]:.{decimals}f}", 11.5, INK, "ms")
    return labelled


def _map_arrow(canvas: Canvas, axes: _MapAxes, price: float, decimals: int) -> None:
    x, top, green = axes.x_of(price), axes.top, rgb("#67a967")
    for y in range(int(top) + 10, int(axes.bottom), 18):
        canvas.box(x - 1.5, y, x + 1.5, min(y + 12, axes.bottom), green)
    canvas.polygon([(x, top), (x - 5, top + 15), (x, top + 10), (x + 5, top + 15)], green)
    canvas.circle((x, axes.bottom), 4, green)
    canvas.text((x, 53), f"{price:.{decimals}f}", 13, INK, "ms")


def _map_legend(canvas: Canvas, exchanges: Sequence[str]) -> None:
    for i, name in enumerate(exchanges):
        canvas.box(606, 55 + 24 * i, 631, 69 + 24 * i, rgb(EXCHANGES[name]), radius=4)
        canvas.text((636, 67 + 24 * i), name, 13.5, INK, "ls")
    for i, (words, colour) in enumerate((("Cumulated short liqs", "#9a60b4"), ("Cumulated long liqs", "#ea7ccc"))):
        y = 62 + 24 * (len(exchanges) + i)
        canvas.line([(606, y), (631, y)], rgb(colour), 2)
        canvas.circle((618.5, y), 6, rgb(colour))
        canvas.circle((618.5, y), 4.5, rgb("#ffffff"))
        canvas.text((636, y + 5), words, 13.5, INK, "ls")


def heatmap(
    symbol: str,
    candles: pd.DataFrame,
    prices: NDArray[np.float64],
    strength: NDArray[np.float64],
    *,
    leverage: str = "all_leverage",
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """A heatmap: bands of waiting liquidations over time and price, the candles on top.

    Args:
        symbol: the coin.
        candles: hour, open, high, low, close; a column of the picture each.
        prices: middle of each row of cells, rising evenly; the axis reaches half a row beyond both ends.
        strength: what waits, in any unit, (prices, candles). The truth's levels are the strongest at the right edge,
            by their mean over the last twentieth of the candles: a band of the last hour alone is a dot.
        leverage: the title's last word.
        scale: 1 is 940 x 640 pixels.
        font: a font file, or none for the built-in one.
    """
    title = f"The Kingfisher {symbol}/USDT Liq Heatmap continuous {leverage}"
    canvas = Canvas(940, 640, BACKGROUND, scale, font)
    left, right, top, bottom = 70.0, 870.0, 20.0, 620.0
    pitch = (prices[-1] - prices[0]) / (len(prices) - 1)
    low, high = prices[0] - pitch / 2, prices[-1] + pitch / 2

    def y_of(price: float) -> float:
        return bottom - (bottom - top) * (price - low) / (high - low)

    at, colours = zip(*BANDS, strict=True)
    palette = np.array([rgb(c)[:3] for c in colours], dtype=float)
    share = strength / strength.max()
    cells = np.stack([np.interp(share, at, palette[:, i]) for i in range(3)], axis=2)
    canvas.cells(left, top, right, bottom, np.round(cells[::-1]).astype(np.uint8))
    canvas.text((470, 345), "SIMULATED", 104, MARK, "mm", bold=True)
    width = (right - left) / len(candles)
    for i, row in enumerate(candles.itertuples()):
        colour = rgb("#0ecb58" if row.close >= row.open else "#f03a48")
        x = left + width * (i + 0.5)
        upper, lower = y_of(max(row.open, row.close)), y_of(min(row.open, row.close))
        canvas.box(x - 0.5, y_of(row.high), x + 0.5, y_of(row.low), colour)
        canvas.box(x - width * 0.45, upper, x + width * 0.45, max(lower, upper + 1), colour)
    axis = rgb("#54606f")
    for x in (left, right):
        canvas.box(x - 1, top, x + 1, bottom, axis)
    canvas.box(left, bottom - 1, right, bottom + 1, axis)
    blue = rgb("#4bb4eb")
    step = _round_step(high - low, 12)
    ticks = step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    for tick in ticks:
        # The genuine charts set a label's baseline, not its middle, on the tick.
        canvas.text((875, y_of(tick)), f"{tick / 1000:.1f}K" if tick >= 1000 else f"{tick:g}", 11, blue, "ls")
    for k in range(5):
        hour = candles["hour"].iloc[min(len(candles) - 1, round(k * len(candles) / 4))]
        canvas.text((left + 200 * k, 632), f"{hour.month}/{hour.day} {hour.hour}:00", 11, blue, "ms")
    canvas.text((470, 30), title, 19, blue, "ms")
    standing = strength[:, -max(1, len(candles) // 20) :].mean(axis=1) * (strength[:, -1] > 0)
    levels = [{"price": round(float(prices[i]), 4)} for i in strongest(prices, standing)]
    truth = truth_of(
        "price_chart_heatmap",
        title=title,
        symbol=symbol,
        leverage=leverage,
        levels=levels,
        price_range=[round(float(ticks[0]), 6), round(float(ticks[-1]), 6)],
    )
    return Chart(canvas.finish(), truth)
