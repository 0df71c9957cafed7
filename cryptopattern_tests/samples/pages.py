"""Draws charts as web pages show them, in a page's theme: heatmaps with a colour bar, maps by leverage, histograms.

Layout and wording follow CoinGlass' pages, where a price axis is a row of labels beside the plot and the current
price stands on a tag or over a dashed line. Every picture bears a translucent SIMULATED.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptopattern_tests.samples.charts import Chart, strongest, totals_truth, truth_of
from cryptopattern_tests.samples.drawing import Canvas, rgb

Floats = NDArray[np.float64]

# Every eighth of matplotlib's maps of these names, which are in the public domain (CC0).
PALETTES = {
    "viridis": ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"),
    "magma": ("#000004", "#1d1147", "#51127c", "#832681", "#b73779", "#e75263", "#fc8961", "#fec488", "#fcfdbf"),
    "cividis": ("#00224e", "#1f386d", "#434e6c", "#61656f", "#7d7c78", "#9c9575", "#bcae6c", "#ddc95a", "#fee838"),
}
LONG_LINE, SHORT_LINE = "#f23645", "#22ab94"
LEVERAGES = {"10x": "#7cb5ec", "25x": "#5b7bd5", "50x": "#f7c948", "100x": "#f08c2e"}


@dataclass(frozen=True)
class Theme:
    """Colours of a page: its ground, its text, its faint text, and the ground of its buttons."""

    ground: str
    ink: str
    faint: str
    button: str


THEMES = {
    "dark": Theme("#0b0e11", "#eaecef", "#848e9c", "#2b3139"),
    "navy": Theme("#131722", "#d1d4dc", "#8a91a3", "#2a2e39"),
    "light": Theme("#ffffff", "#1e2329", "#6b7684", "#e9ecef"),
}


def _number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"


def _in_millions(value: float) -> str:
    return f"{value / 1e6:.2f}M"


def _round_step(span: float, count: int) -> float:
    """The step of 1, 2 or 5 times a power of ten that cuts a span into about that many."""
    power = 10.0 ** math.floor(math.log10(span / count))
    return min((power * k for k in (1, 2, 5, 10)), key=lambda step: abs(step - span / count))


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def heatmap(
    symbol: str,
    prices: Floats,
    strength: Floats,
    path: Floats,
    *,
    venue: str = "Binance",
    timeframe: str = "24 hour",
    palette: str = "viridis",
    largest: float = 88.28e6,
    theme: Theme = THEMES["dark"],
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """A heatmap over time and price with its colour bar at the left, the price on a tag at the right.

    Args:
        symbol: the coin.
        prices: middle of each row of cells, rising evenly.
        strength: what waits, 0 to 1, (prices, columns); the last column's strongest are the truth's levels.
        path: the price over the columns; its last value is the current one.
        venue: first word of the title.
        timeframe: on the chosen button.
        palette: one of PALETTES.
        largest: what a strength of 1 stands for, USD; beside the colour bar.
        theme: the page's colours.
        scale: 1 is 1200 x 660 pixels.
        font: a font file, or none for the built-in one.
    """
    title = f"{venue} {symbol}/USDT Liquidation Heatmap"
    canvas = Canvas(1200, 660, theme.ground, scale, font)
    left, right, top, bottom = 90.0, 1090.0, 110.0, 620.0
    pitch = (prices[-1] - prices[0]) / (len(prices) - 1)
    low, high = prices[0] - pitch / 2, prices[-1] + pitch / 2

    def y_of(price: float) -> float:
        return bottom - (bottom - top) * (price - low) / (high - low)

    stops = np.array([rgb(stop)[:3] for stop in PALETTES[palette]], dtype=float)
    at = np.linspace(0, 1, len(stops))
    colours = np.stack([np.interp(strength, at, stops[:, i]) for i in range(3)], axis=2)
    canvas.cells(left, top, right, bottom, np.round(colours[::-1]).astype(np.uint8))
    columns = np.linspace(left, right, len(path))
    for number in range(1, len(path)):
        colour = rgb("#0ecb81" if path[number] >= path[number - 1] else "#f6465d")
        ends = [(float(columns[i]), y_of(float(path[i]))) for i in (number - 1, number)]
        canvas.line(ends, colour, 2)
    canvas.text((590, 370), "SIMULATED", 110, rgb("#c8d2e6", 22), "mm", bold=True)
    bar = np.round(stops[::-1][:, None]).astype(np.uint8)
    fine = np.stack([np.interp(np.linspace(0, 1, 256), at, bar[:, 0, i]) for i in range(3)], axis=1)
    canvas.cells(30, top + 20, 44, bottom - 20, np.round(fine[:, None]).astype(np.uint8))
    canvas.text((37, top + 12), _in_millions(largest), 11, rgb(theme.ink), "ms")
    canvas.text((37, bottom - 4), "0", 11, rgb(theme.ink), "ms")
    step = _round_step(high - low, 8)
    decimals = _decimals(step)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        canvas.text((right + 8, y_of(number * step)), _number(number * step, decimals), 12, rgb(theme.faint), "lm")
    current = round(float(path[-1]), decimals + 1)
    canvas.box(right + 2, y_of(current) - 9, 1190, y_of(current) + 9, rgb("#f6465d"))
    canvas.text((right + 8, y_of(current)), _number(current, decimals + 1), 12, rgb("#ffffff"), "lm")
    canvas.text((30, 46), title, 20, rgb(theme.ink), "ls", bold=True)
    canvas.box(1060, 22, 1160, 54, rgb(theme.button), radius=5)
    canvas.text((1110, 43), timeframe, 14, rgb(theme.ink), "ms")
    canvas.box(530, 76, 544, 86, rgb(PALETTES[palette][-1]))
    canvas.text((550, 86), "Liquidation Leverage", 13, rgb(theme.ink), "ls")
    levels = [{"price": round(float(prices[i]), 8)} for i in strongest(prices, strength[:, -1])]
    truth = truth_of(
        "price_chart_heatmap",
        title=title,
        symbol=symbol,
        timeframe=timeframe,
        current_price=current,
        levels=levels,
        price_range=[float(low), float(high)],
    )
    return Chart(canvas.finish(), truth)


def leverage_map(
    symbol: str,
    prices: Floats,
    waiting: Floats,
    current_price: float,
    *,
    venue: str = "Binance",
    decimals: int = 1,
    unit: float = 1e6,
    theme: Theme = THEMES["light"],
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """A map of what waits over price, stacked by leverage, with a cumulative line for each side.

    Args:
        symbol: the coin.
        prices: middle of each bin, rising evenly, on both sides of the current price.
        waiting: what waits in each bin, (len(LEVERAGES), bins): longs below the price, shorts above.
        current_price: where the dashed line stands.
        venue: first word of the title.
        decimals: of the prices that are shown.
        unit: USD that 1 in `waiting` stands for.
        theme: the page's colours.
        scale: 1 is 1200 x 620 pixels.
        font: a font file, or none for the built-in one.
    """
    title = f"{venue} {symbol}/USDT Liquidation Map"
    canvas = Canvas(1200, 620, theme.ground, scale, font)
    left, right, top, bottom = 90.0, 1110.0, 120.0, 560.0
    total, below = waiting.sum(axis=0), prices < current_price
    pitch = (right - left) / len(prices)
    middles = left + pitch * (np.arange(len(prices)) + 0.5)
    highest = float(total.max())
    long_run = np.cumsum((total * below)[::-1])[::-1][below]
    short_run = np.cumsum(total * ~below)[~below]
    greatest = 1.05 * max(float(long_run[0]), float(short_run[-1]))

    def y_of(value: float, full: float) -> float:
        return bottom - (bottom - top) * value / full

    canvas.text((600, 330), "SIMULATED", 110, rgb("#8a93a6", 30), "mm", bold=True)
    tops = np.cumsum(waiting, axis=0)
    for code, heights, ends in zip(LEVERAGES.values(), waiting, tops, strict=True):
        for x, height, end in zip(middles.tolist(), heights.tolist(), ends.tolist(), strict=True):
            box = (x - 0.4 * pitch, y_of(end, highest), x + 0.4 * pitch, y_of(end - height, highest))
            canvas.box(*box, rgb(code))
    for run, places, code in ((long_run, middles[below], LONG_LINE), (short_run, middles[~below], SHORT_LINE)):
        canvas.line([(x, y_of(v, greatest)) for x, v in zip(places.tolist(), run.tolist(), strict=True)], rgb(code), 2)
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = y_of(share, 1)
        canvas.text((left - 8, y), _in_millions(share * highest * unit), 12, rgb(theme.faint), "rm")
        canvas.text((right + 8, y), _in_millions(share * greatest * unit), 12, rgb(theme.faint), "lm")
    for number in range(0, len(prices), max(1, len(prices) // 10)):
        place = (float(middles[number]), bottom + 20)
        canvas.text(place, f"{prices[number]:.{decimals}f}", 12, rgb(theme.faint), "ms")
    x = float(np.interp(current_price, prices, middles))
    for y in range(int(top), int(bottom), 8):
        canvas.box(x - 0.8, y, x + 0.8, y + 5, rgb("#e5484d"))
    canvas.text((x, top - 8), f"Current Price:{current_price:.{decimals}f}", 13, rgb(theme.ink), "ms")
    canvas.text((600, 36), title, 19, rgb(theme.ink), "ms", bold=True)
    _legend(canvas, theme)
    truth = truth_of(
        "liquidation_map",
        title=title,
        symbol=symbol,
        current_price=round(current_price, decimals),
        levels=[{"price": round(float(prices[i]), decimals)} for i in strongest(prices, total)],
        price_range=[float(prices[0]), float(prices[-1])],
        long_share=round(100 * float(long_run[0]) / float(long_run[0] + short_run[-1]), 2),
        metrics=totals_truth(unit * float(long_run[0]), unit * float(short_run[-1]), "USD"),
    )
    return Chart(canvas.finish(), truth)


def _legend(canvas: Canvas, theme: Theme) -> None:
    for number, (name, code) in enumerate(LEVERAGES.items()):
        x = 130 + 110 * number
        canvas.box(x, 66, x + 16, 76, rgb(code))
        canvas.text((x + 22, 76), f"{name} Leverage", 12, rgb(theme.ink), "ls")
    for number, (name, code) in enumerate((("Long", LONG_LINE), ("Short", SHORT_LINE))):
        x = 580 + 250 * number
        canvas.circle((x, 71), 5, rgb(code))
        canvas.text((x + 10, 76), f"Cumulative {name} Liquidation Leverage", 12, rgb(theme.ink), "ls")


def histogram(
    symbol: str,
    prices: Floats,
    waiting: Floats,
    current_price: float,
    *,
    leverage: str = "All Leverage",
    decimals: int = 1,
    colours: Sequence[str] = ("#26a69a", "#ef5350"),
    theme: Theme = THEMES["navy"],
    scale: float = 1.0,
    font: str | None = None,
) -> Chart:
    """One symbol's distribution over price: longs in one colour, shorts in another, their shares in words.

    Args:
        symbol: the coin.
        prices: middle of each bin, rising evenly.
        waiting: what waits in each bin: longs below the price, shorts above.
        current_price: where the dashed line stands.
        leverage: `All Leverage` or `Optical Opti`.
        decimals: of the prices that are shown.
        colours: the longs' and the shorts'.
        theme: the page's colours.
        scale: 1 is 1100 x 580 pixels.
        font: a font file, or none for the built-in one.
    """
    kinds = {"All Leverage": "liquidation_distribution_all", "Optical Opti": "liquidation_distribution_opti"}
    title = f"{symbol}/USDT Liquidation Distribution - {leverage}"
    canvas = Canvas(1100, 580, theme.ground, scale, font)
    left, right, top, bottom = 60.0, 1060.0, 130.0, 520.0
    below = prices < current_price
    pitch = (right - left) / len(prices)
    middles = left + pitch * (np.arange(len(prices)) + 0.5)
    for x, value, is_long in zip(middles.tolist(), waiting.tolist(), below.tolist(), strict=True):
        y = bottom - (bottom - top) * value / float(waiting.max())
        canvas.box(x - 0.4 * pitch, y, x + 0.4 * pitch, bottom, rgb(colours[0] if is_long else colours[1]))
    canvas.text((560, 320), "SIMULATED", 100, rgb("#8a93a6", 30), "mm", bold=True)
    for number in range(0, len(prices), max(1, len(prices) // 8)):
        place = (float(middles[number]), bottom + 20)
        canvas.text(place, f"{prices[number]:.{decimals}f}", 12, rgb(theme.faint), "ms")
    x = float(np.interp(current_price, prices, middles))
    for y in range(int(top), int(bottom), 9):
        canvas.box(x - 0.8, y, x + 0.8, y + 5, rgb(theme.ink))
    canvas.text((x, top - 8), f"Current Price: {current_price:.{decimals}f}", 13, rgb(theme.ink), "ms")
    long_pct = round(100 * float(waiting[below].sum()) / float(waiting.sum()), 1)
    short_pct = round(100 - long_pct, 1)
    canvas.text((28, 44), title, 20, rgb(theme.ink), "ls", bold=True)
    canvas.text((28, 74), f"Longs: {long_pct:.1f}%", 15, rgb(colours[0]), "ls")
    canvas.text((160, 74), f"Shorts: {short_pct:.1f}%", 15, rgb(colours[1]), "ls")
    truth = truth_of(
        kinds[leverage],
        title=title,
        symbol=symbol,
        current_price=round(current_price, decimals),
        readings=[{"symbol": symbol, "long_pct": long_pct, "short_pct": short_pct, "arrows": None}],
    )
    return Chart(canvas.finish(), truth)
