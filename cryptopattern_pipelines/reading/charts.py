"""Each kind of chart's reader, and what it found as a `Reading`.

What belongs here: what is asked of which reader, and when a chart is not what its title says. What does not: telling
the kind (`classify.py`, `reading.py`), reading itself (`distribution.py`, `histogram.py`, `heatmap.py`, ...).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cryptopattern_pipelines.reading.bars import BarTable
from cryptopattern_pipelines.reading.buttons import read_header
from cryptopattern_pipelines.reading.classify import Title, market_of, names_liquidations
from cryptopattern_pipelines.reading.contract import Level, Mark, Reading
from cryptopattern_pipelines.reading.dashboard import read_dashboard
from cryptopattern_pipelines.reading.distribution import DistributionChart, read_distribution
from cryptopattern_pipelines.reading.heatmap import Heatmap, read_heatmap
from cryptopattern_pipelines.reading.heatmap_plot import Plot, find_plot
from cryptopattern_pipelines.reading.histogram import read_histogram
from cryptopattern_pipelines.reading.lines import text_lines
from cryptopattern_pipelines.reading.liquidation_map import legend_of, read_map
from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.shares import ShareReading
from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS
from cryptopattern_pipelines.reading.top_bar import read_top_bar

# Charts that draw bands on a price axis, but of something else than liquidations.
_OTHER_BANDS = re.compile(
    r"order\s?(?:book|flow)|limit\s?orders?|book\s?map|depth|liquidity|volume\s?profile|spectro|temperature",
    re.IGNORECASE,
)
_SPANISH = re.compile(r"mapas? de calor (?:de |das? )?liquida", re.IGNORECASE)


def _reading(title: Title, words: Sequence[Word], **more: Any) -> Reading:
    marks = (Mark("title", *title.box, title.image_type),) if title.box else ()
    more["marks"] = marks + more.get("marks", ())
    return Reading(
        "", "", title.image_type, title.confidence, title.evidence, title.title, title.symbol, title.venue,
        title.timeframe, title.leverage, chart_time=title.chart_time, words=tuple(words), **more,
    )  # fmt: skip


def rows_of(picture: np.ndarray, table: BarTable, above: Sequence[Word], engine: Engine) -> DistributionChart:
    """The rows of a table of bars; `above` are the words over it."""
    around = [*above, *_words_below(picture, table, engine)]
    right = int(table.right) + 2
    if table.mirrored and picture.shape[1] - right > 30:  # a legend may stand beside it
        around += [word.moved(right, 0) for word in engine.words(picture[:, right:])]
    return read_distribution(picture, table, engine, around)


def distribution_of(table: BarTable, chart: DistributionChart, title: Title, above: Sequence[Word]) -> Reading | None:
    """A chart of many symbols; None where it is one of one symbol, whose bars lie like a table's."""
    if not chart.readings and not _of_many(title):
        return None
    lines = 1 + max((word.line for word in above), default=-1)
    below = [replace(word, line=word.line + lines) for word in chart.words]
    marks = [
        Mark("row", table.left, bar.top, table.boundary(bar), bar.bottom, f"{bar.long_pct:.1f}") for bar in table.bars
    ]
    return _reading(
        replace(title, symbol=None), [*above, *below], readings=chart.readings, error=chart.error, marks=tuple(marks)
    )


def _of_many(title: Title) -> bool:
    """Whether a distribution's title is that of a chart of many symbols."""
    return re.search(r"long\W{0,3}short|liquidations\W", title.title or "", re.IGNORECASE) is not None


def _words_below(picture: np.ndarray, table: BarTable, engine: Engine) -> list[Word]:
    """The words under a table, where a legend may stand."""
    below = picture[table.bars[-1].bottom + 2 :]
    if len(below) < 12 or np.ptp(below[..., 1]) < 60:
        return []
    moved = (word.moved(0, table.bars[-1].bottom + 2) for word in engine.words(below[: round(8 * table.pitch) + 60]))
    return [replace(word, line=word.line + 10_000) for word in moved]


def _histogram(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Reading:
    if _of_many(title) and title.symbol is None:
        return _reading(title, words, error="the title is of a chart of many symbols, but its bars could not be found")
    chart = read_histogram(picture, words, engine)
    if chart.reading is not None and title.symbol is None and chart.reading.method in ("bar", "area"):
        return _reading(title, words, current_price=chart.current_price, error="no symbol, and no shares in words")
    if not title.strong and chart.reading is None:
        return unknown(
            words,
            "a title that says Liquidation Distribution, but no chart to be seen: none is there, or it is covered",
        )
    readings = () if chart.reading is None else (replace(chart.reading, symbol=title.symbol),)
    return _reading(title, words, readings=readings, current_price=chart.current_price, error=chart.error)


def _map(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Reading:
    chart = read_map(picture, words, engine)
    if not title.strong and not _has_legend_of_a_map(words):
        return unknown(
            words, "a title that says Liquidation Map, but no map to be seen: none is there, or it is covered"
        )
    if chart.plot is not None:
        venues, leverages = legend_of(picture, words, chart.plot)
        title = replace(title, venue=title.venue or venues, leverage=title.leverage or leverages)
    readings: tuple[ShareReading, ...] = ()
    if chart.long_share is not None:
        long_pct = round(chart.long_share, 1)
        readings = (ShareReading(title.symbol, long_pct, round(100 - long_pct, 1), "line", 0.8),)
    metrics: tuple[MetricReading, ...] = ()
    if chart.totals is not None:
        metrics = (
            MetricReading("cumulated_long_liquidations", chart.totals.long, chart.totals.unit, None),
            MetricReading("cumulated_short_liquidations", chart.totals.short, chart.totals.unit, None),
        )
    levels = _levels([(level.price, level.side, level.strength) for level in chart.levels], 1.0)
    marks = () if chart.plot is None else (Mark("plot", *_edges(chart.plot)),)
    return _reading(
        title,
        words,
        readings=readings,
        levels=levels,
        metrics=metrics,
        current_price=chart.current_price,
        error=chart.error,
        marks=marks,
    )


def _heatmap(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Reading:
    plot = find_plot(picture)
    chart = read_heatmap(picture, words, engine, plot)
    if not title.strong and not chart.levels and not _speaks_of_leverage(words):
        return unknown(
            words, "a title that says Liquidation Heatmap, but no heatmap to be seen: none is there, or it is covered"
        )
    metrics = read_top_bar(picture, words, engine, plot.box.top if plot else 0)
    return replace(_heatmap_reading(title, words, chart), metrics=_metrics(metrics))


def _heatmap_reading(title: Title, words: Sequence[Word], chart: Heatmap) -> Reading:
    levels = _levels([(level.price, level.side, level.strength) for level in chart.levels], chart.colour_bar_max or 1.0)
    marks: tuple[Mark, ...] = ()
    if chart.plot is not None:
        marks = (Mark("plot", *_edges(chart.plot)),)
        if chart.price_range is not None:
            low, high = chart.price_range
            left, top, right, bottom = _edges(chart.plot)
            for level in levels:
                row = top + (high - level.price) / (high - low) * (bottom - top)
                marks += (Mark("level", left, row, right, row, f"{level.price:g}"),)
    return _reading(title, words, levels=levels, current_price=chart.current_price, error=chart.error, marks=marks)


def _dashboard(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Reading:
    chart = read_dashboard(picture, words, engine)
    # A page's top bar has most of its metrics in one row; it is a dashboard only where it is all of the picture.
    in_one_row = max(chart.rows, default=0) > 0.7 * sum(chart.rows) and picture.shape[0] > 0.2 * picture.shape[1]
    if not title.strong and (len(chart.metrics) < 4 or in_one_row):
        return unknown(words, "labels of metrics, but no values beside them")
    metrics = _metrics(chart.metrics)
    price = next((metric.value for metric in metrics if metric.name == "price"), None)
    return _reading(title, words, metrics=metrics, current_price=price, error=chart.error)


def _metrics(found: Sequence[MetricReading]) -> tuple[MetricReading, ...]:
    """The first of each name."""
    metrics = {metric.name: metric for metric in found[::-1]}
    return tuple(metrics.values())[::-1]


READ_AS = {
    "liquidation_distribution_all": _histogram,
    "liquidation_distribution_opti": _histogram,
    "liquidation_map": _map,
    "price_chart_heatmap": _heatmap,
    "market_metrics_dashboard": _dashboard,
}


def untitled(picture: np.ndarray, plot: Plot, words: Sequence[Word], engine: Engine) -> Reading:
    """A picture without a title that can be read: a heatmap if it has bands on a price axis and looks like none else.

    viridis is a good sign of one; other palettes need the legend's words, or a colour bar under a market's name: titles
    in other scripts go on behind it unread. Other things are drawn in viridis, too: a market must be named above it, or
    the legend's words or the colour scale's sum of money be there.
    """
    box, palette = plot.box, plot.palette.name
    share = box.width * box.height / picture[..., 0].size
    above = [line for line in text_lines(words) if line.bottom < box.top + 0.1 * box.height]
    named = [(line.height, line, market) for line in above if (market := _market_in(line.text))]
    marked = palette == "viridis" or _speaks_of_leverage(words) or (plot.bar is not None and bool(named))
    if share < 0.1 or not marked:
        return unknown(words, "no title of a chart that is read")
    chart = read_heatmap(picture, words, engine, plot)
    if len(chart.levels) < 5:
        return unknown(words, "no title of a chart that is read")
    if any(_OTHER_BANDS.search(line.text) for line in above):
        return unknown(words, "bands of something else than liquidations")
    told = named or _speaks_of_leverage(words) or chart.colour_bar_max is not None
    if not told and not any(names_liquidations(line.text) for line in above):
        return unknown(words, "bands that nothing calls liquidations")
    title = Title("price_chart_heatmap", 0.7, f"bands in {palette} on a price axis, no title", strong=False)
    if named:
        _, line, (symbol, venue, text) = max(named, key=lambda name: name[0])
        at = (line.left, line.top, line.right, line.bottom)
        header = read_header(picture, replace(title, box=at), words, engine)
        title = replace(title, title=text, symbol=symbol, venue=venue, timeframe=header.timeframe, box=at)
    return _heatmap_reading(title, words, chart)


def _market_in(text: str) -> tuple[str, str | None, str] | None:
    """Coin, venue and words of the market that a heading begins or ends with, of all of it where it is Spanish."""
    pair = r"(?:[A-Z][A-Za-z]+\s)?[A-Z0-9]{2,12}/?USDT?"
    match = re.match(rf"({pair})\b", text) or re.search(rf"(?:^|\s)({pair})$", text)
    market = market_of(match[1]) if match else None
    if match and market:
        return (*market, text if _SPANISH.match(text) else match[1])
    first, last = text.split(" ", maxsplit=1)[0], text.rsplit(" ", maxsplit=1)[-1]
    if " " in text and len(first) > 2 and first in KNOWN_SYMBOLS:  # a page of a coin, not of a pair
        return first, None, first
    if _SPANISH.match(text) and last in KNOWN_SYMBOLS:
        return last, None, text
    return None


def _has_legend_of_a_map(words: Sequence[Word]) -> bool:
    text = " ".join(word.text for word in words)
    return re.search(r"Cumulat\w+ (?:Long|Short) Liq|Current Price ?[:.]? ?\d", text, re.IGNORECASE) is not None


def _speaks_of_leverage(words: Sequence[Word]) -> bool:
    text = " ".join(word.text for word in words)
    return re.search(r"Liquidation Leverage|Supercharts", text) is not None


def unknown(words: Sequence[Word], evidence: str) -> Reading:
    """What is none of the charts that are read; `evidence` says by what that was told."""
    return Reading("", "", confidence=0.9, evidence=evidence, words=tuple(words))


def _levels(found: Sequence[tuple[float, str | None, float]], unit: float) -> tuple[Level, ...]:
    """Levels from (price, side, strength), strongest first; strengths are multiplied by what 1 stands for."""
    usable = sorted((x for x in found if x[0] > 0 and x[2] >= 0), key=lambda x: -x[2])
    largest = max((strength for *_, strength in usable), default=0.0) or 1.0
    return tuple(Level(price, side, strength * unit, min(1.0, strength / largest)) for price, side, strength in usable)


def _edges(box: Any) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom
