"""A picture becomes a `Reading`: what kind of chart it is and what stands on it.

What belongs here: the contract, which reader is asked for which kind, and reading many pictures at once. What does
not: how a kind is told (`classify.py`) or read (`distribution.py`, `histogram.py`, `heatmap.py`, ...).
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cryptopattern_pipelines.reading.bars import BarTable, find_table
from cryptopattern_pipelines.reading.buttons import read_header
from cryptopattern_pipelines.reading.classify import (
    Title,
    classify,
    market_of,
    names_liquidations,
    symbol_near,
    text_lines,
)
from cryptopattern_pipelines.reading.dashboard import read_dashboard
from cryptopattern_pipelines.reading.distribution import ShareReading, read_distribution
from cryptopattern_pipelines.reading.heatmap import Heatmap, Plot, find_plot, read_heatmap
from cryptopattern_pipelines.reading.histogram import read_histogram
from cryptopattern_pipelines.reading.liquidation_map import legend_of, read_map
from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Engine, Word, default_engine
from cryptopattern_pipelines.reading.picture import MAX_BYTES, FileTooLarge, UnreadablePicture, file_bytes, load_picture
from cryptopattern_pipelines.reading.pixels import is_noise
from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS
from cryptopattern_pipelines.reading.text_page import text_page
from cryptopattern_pipelines.reading.top_bar import read_top_bar
from cryptopattern_pipelines.reading.workers import attempt, map_isolated

# Raised whenever the same picture may read differently: readings are kept by the picture's hash and this.
READER_VERSION = "4"

_MOST_PIXELS = 4_000_000  # larger pictures are read at a smaller scale
_SMALL = 800_000  # pixels: pictures re-sent so small that their title may need enlarging further
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
# Charts that draw bands on a price axis, but of something else than liquidations.
_OTHER_BANDS = re.compile(
    r"order\s?(?:book|flow)|limit\s?orders?|book\s?map|depth|liquidity|volume\s?profile|spectro|temperature",
    re.IGNORECASE,
)
_SPANISH = re.compile(r"mapas? de calor (?:de |das? )?liquida", re.IGNORECASE)
_LEAST_SIDE = 48  # pixels: no chart is smaller
_SURE = 0.7  # confidence of a word under which a title is read again
_A_CHART = 0.3  # share of the ink that is no text, over which something is drawn on a picture
_MOST_STRETCHED = 25  # longer side by shorter: long pages reach 20, and beyond 32,767 pixels Tesseract gives up


@dataclass(frozen=True)
class Level:
    """A price level: USD, side (long, short or None), strength in the chart's unit, as a fraction of the largest."""

    price: float
    side: str | None
    strength: float
    strength_share: float


@dataclass(frozen=True)
class Mark:
    """Where on the picture something was read, for drawing: a box in its pixels, and what was read there.

    `kind` is title, row, plot, or level (a line: top and bottom are one).
    """

    kind: str
    left: float
    top: float
    right: float
    bottom: float
    label: str = ""


@dataclass(frozen=True)
class Reading:
    """All that was read from one picture; design.md's contract, and what the tables need beside it.

    `image_type` is one of schemas.IMAGE_TYPES, `confidence` a fraction, `evidence` what the type was told by, `error`
    why the picture or a part of it could not be read, None where nothing is missing. Times are UTC.
    """

    file: str
    sha256: str
    image_type: str = "unknown"
    confidence: float = 0.0
    evidence: str = ""
    title: str | None = None
    symbol: str | None = None
    venue: str | None = None
    timeframe: str | None = None
    leverage: str | None = None
    current_price: float | None = None
    chart_time: datetime | None = None
    readings: tuple[ShareReading, ...] = ()
    levels: tuple[Level, ...] = ()
    metrics: tuple[MetricReading, ...] = ()
    words: tuple[Word, ...] = ()
    marks: tuple[Mark, ...] = ()
    error: str | None = None
    reader_version: str = READER_VERSION


def read_picture(data: bytes, file: str = "", *, engine: Engine | None = None, max_bytes: int = MAX_BYTES) -> Reading:
    """Read a picture from its file's bytes. What is no readable picture becomes `unknown`, its `error` saying why.

    Raises:
        TextEngineError: no engine that reads text can be started.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        picture = load_picture(data, max_bytes=max_bytes)
    except UnreadablePicture as error:
        return Reading(file, sha256, confidence=1.0, evidence="not a readable picture", error=str(error))
    return replace(read_pixels(picture.pixels, engine or default_engine()), file=file, sha256=sha256)


def read_file(path: Path) -> Reading:
    """Read one file. One that can't be opened, or has too many bytes, becomes `unknown`, its `error` saying why."""
    try:
        return read_picture(file_bytes(path), str(path))
    except UnreadablePicture as error:
        sha256 = _sha256_of(path) if isinstance(error, FileTooLarge) else ""
        return Reading(str(path), sha256, confidence=1.0, evidence="not a readable picture", error=str(error))
    except OSError as error:
        return Reading(str(path), "", evidence="not a readable file", error=error.strerror or str(error))


def _sha256_of(path: Path) -> str:
    """The hash of a file's bytes, '' where it can't be opened (any more) or is no regular file."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def read_paths(
    paths: Iterable[Path | str], processes: int | None = None, *, seconds: float = 60.0
) -> Iterator[Reading]:
    """Read files, and folders of pictures at any depth, in their order, on all cores or on `processes` of them.

    A picture that crashes its reader, or takes longer than `seconds`, costs only itself: it becomes `unknown` with the
    reason as its `error`. So does what has a picture's name but can't be opened, and a folder that can't be listed.
    """
    files = list(_files(Path(path) for path in paths))
    if files:
        default_engine()  # where none can be started, nothing can be read: that is said once, not for each picture
    if len(files) == 1:
        outcomes = iter([attempt(read_file, files[0])])  # a process of its own would cost more than the reading
    else:
        outcomes = map_isolated(read_file, files, processes or _cores(), seconds)
    for file, outcome in zip(files, outcomes, strict=True):
        yield (
            outcome
            if isinstance(outcome, Reading)
            else Reading(str(file), _sha256_of(file), evidence="not read", error=outcome.reason)
        )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found: list[Path] = []
            refused: list[OSError] = []
            for root, _, names in os.walk(path, onerror=refused.append):
                found += (Path(root, name) for name in names if Path(name).suffix.lower() in _SUFFIXES)
            yield from sorted([*found, *(Path(error.filename) for error in refused)])
        else:
            yield path


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_pixels(picture: np.ndarray, engine: Engine) -> Reading:
    """Read a decoded picture (RGB, uint8, height x width x 3); the reading bears no file and no hash."""
    height, width = picture.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return Reading("", "", confidence=1.0, evidence="too small", error=f"{width} x {height} pixels hold no chart")
    if max(height, width) > _MOST_STRETCHED * min(height, width):
        return Reading("", "", confidence=1.0, evidence="a strip", error=f"{width} x {height} pixels hold no chart")
    if is_noise(picture):
        return Reading("", "", confidence=1.0, evidence="noise: no two pixels are alike")
    scale = (_MOST_PIXELS / (height * width)) ** 0.5
    if scale < 1:
        smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return _enlarged(_read(smaller, engine), 1 / scale)
    return _read(picture, engine)


def _read(picture: np.ndarray, engine: Engine) -> Reading:
    height, width = picture.shape[:2]
    table = find_table(picture)
    if table is not None:
        reading = _distribution(picture, table, engine)
        if reading is not None:
            return reading
    page = text_page(picture)
    words = page.words(engine)
    title = classify(words)
    if title is None and page.drawn > _A_CHART and not page.crowded:
        # Its title may stand on a line of the drawing, or under a watermark, and so look like no text.
        words = engine.words(picture, scale=_word_scale(height * width))
        title = classify(words)
    if title is None and height * width < _SMALL and sum(word.confidence > 0.6 for word in words) > 2:
        title = classify(engine.words(picture, scale=3))
    if title is None and table is not None:
        return _unknown(words, "bars of a distribution chart, but no title that tells which")
    if title is None:
        plot = find_plot(picture)
        if plot is None or not plot.sharp:
            return _unknown(words, "no title of a chart that is read")
        title = classify(_words_at_top(picture, engine))
        if title is None:
            return _untitled(picture, plot, words, engine)
    title = _in_full(picture, title, words, engine)
    if table is not None and title.image_type.startswith("liquidation_distribution"):
        reading = _distribution(picture, table, engine, title)
        if reading is not None:
            return reading
    header = read_header(picture, title, words, engine)
    symbol = title.symbol or header.symbol or symbol_near(picture, title, engine)
    title = replace(
        title, symbol=symbol, venue=title.venue or header.venue, timeframe=title.timeframe or header.timeframe
    )
    return _read_as[title.image_type](picture, title, words, engine)


def _in_full(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Title:
    """The title, read again where a word in or beside it is in doubt: a heatmap's bands may run through it."""
    if title.box is None:
        return title
    left, top, right, bottom = title.box
    height = bottom - top
    near = [word for word in words if left - height <= word.right and word.left <= right + height]
    if all(word.confidence > _SURE for word in near if top <= word.y <= bottom):
        return title
    x, y = max(0, left - height), max(0, top - height // 2)
    crop = picture[y : bottom + height // 2, x : right + 14 * height]
    scale = float(np.clip(40 / max(1, height), 1, 4))
    for page in (crop, _without_bands(crop, 2 * height)):
        other = classify([word.moved(x, y) for word in engine.words(page, scale=scale)])
        if (
            other is not None
            and other.image_type == title.image_type
            and len(other.title or "") > len(title.title or "")
        ):
            title = other
    return title


def to_dict(reading: Reading, *, words: bool = False) -> dict[str, Any]:
    """A reading as design.md's contract has it: keys and their order; `words` only where asked for."""
    row: dict[str, Any] = {
        name: getattr(reading, name)
        for name in (
            "file", "sha256", "image_type", "confidence", "title", "symbol", "venue", "timeframe", "leverage",
            "current_price",
        )
    }  # fmt: skip
    row["file"] = os.fsencode(reading.file).decode(errors="backslashreplace")  # names need not be UTF-8, JSON must
    row["chart_time"] = reading.chart_time.isoformat() if reading.chart_time else None
    shares = ("symbol", "long_pct", "short_pct", "arrows", "method", "confidence")
    row["readings"] = [{name: getattr(share, name) for name in shares} for share in reading.readings]
    row["levels"] = [{"price": x.price, "side": x.side, "strength": x.strength} for x in reading.levels]
    row["metrics"] = [asdict(metric) for metric in reading.metrics]
    if words:
        row["words"] = [asdict(word) for word in reading.words]
    row["error"] = reading.error
    return row


def to_json(reading: Reading, *, words: bool = False) -> str:
    """`to_dict` as one line of JSON."""
    return json.dumps(to_dict(reading, words=words), ensure_ascii=False)


def encode(reading: Reading) -> str:
    """A whole reading as one line of JSON, for keeping; `decode` brings back an equal one."""
    row = asdict(reading)
    row["chart_time"] = reading.chart_time.isoformat() if reading.chart_time else None
    return json.dumps(row, ensure_ascii=False)


def decode(text: str) -> Reading:
    """The reading that `encode` wrote."""
    row = json.loads(text)
    row["chart_time"] = datetime.fromisoformat(row["chart_time"]) if row["chart_time"] else None
    for name, kind in (
        ("readings", ShareReading), ("levels", Level), ("metrics", MetricReading), ("words", Word), ("marks", Mark)
    ):  # fmt: skip
        row[name] = tuple(kind(**part) for part in row[name])
    return Reading(**row)


def _word_scale(pixels: int) -> float:
    """How much a picture is enlarged before all of its words are read: small ones hold small print."""
    return 2.0 if pixels < 1_500_000 else 1.5 if pixels < 2_600_000 else 1.0


def _reading(title: Title, words: Sequence[Word], **more: Any) -> Reading:
    marks = (Mark("title", *title.box, title.image_type),) if title.box else ()
    more["marks"] = marks + more.get("marks", ())
    return Reading(
        "", "", title.image_type, title.confidence, title.evidence, title.title, title.symbol, title.venue,
        title.timeframe, title.leverage, chart_time=title.chart_time, words=tuple(words), **more,
    )  # fmt: skip


def _distribution(picture: np.ndarray, table: BarTable, engine: Engine, title: Title | None = None) -> Reading | None:
    """A chart of many symbols, if its title, which stands above the bars if it isn't known yet, says that it is one."""
    top = max(8, table.bars[0].top - 2)
    words = engine.words(picture[:top], scale=_word_scale(picture[:top, :, 0].size * 2))
    title = title or classify(words)
    if title is None or not title.image_type.startswith("liquidation_distribution"):
        return None
    around = [*words, *_words_below(picture, table, engine)]
    right = int(table.right) + 2
    if table.mirrored and picture.shape[1] - right > 30:  # a legend may stand beside it
        around += [word.moved(right, 0) for word in engine.words(picture[:, right:])]
    chart = read_distribution(picture, table, engine, around)
    if not chart.readings and not _of_many(title):
        return None  # a chart of one symbol whose bars lie like a table's
    lines = 1 + max((word.line for word in words), default=-1)
    below = [replace(word, line=word.line + lines) for word in chart.words]
    marks = [
        Mark("row", table.left, bar.top, table.boundary(bar), bar.bottom, f"{bar.long_pct:.1f}") for bar in table.bars
    ]
    return _reading(
        replace(title, symbol=None), [*words, *below], readings=chart.readings, error=chart.error, marks=tuple(marks)
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
        return _unknown(words, "a title that says Liquidation Distribution, but no chart under it")
    readings = () if chart.reading is None else (replace(chart.reading, symbol=title.symbol),)
    return _reading(title, words, readings=readings, current_price=chart.current_price, error=chart.error)


def _map(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Reading:
    chart = read_map(picture, words, engine)
    if not title.strong and not _has_legend_of_a_map(words):
        return _unknown(words, "a title that says Liquidation Map, but no map under it")
    if chart.plot is not None:
        venues, leverages = legend_of(picture, words, chart.plot)
        title = replace(title, venue=title.venue or venues, leverage=title.leverage or leverages)
    readings: tuple[ShareReading, ...] = ()
    if chart.long_share is not None:
        long_pct = round(chart.long_share, 1)
        readings = (ShareReading(title.symbol, long_pct, round(100 - long_pct, 1), "line", 0.8),)
    sides = zip(("long", "short"), chart.totals or (), strict=False)
    metrics = tuple(MetricReading(f"cumulated_{side}_liquidations", total, "USD", None) for side, total in sides)
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
        return _unknown(words, "a title that says Liquidation Heatmap, but no heatmap under it")
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
        return _unknown(words, "labels of metrics, but no values beside them")
    metrics = _metrics(chart.metrics)
    price = next((metric.value for metric in metrics if metric.name == "price"), None)
    return _reading(title, words, metrics=metrics, current_price=price, error=chart.error)


def _metrics(found: Sequence[MetricReading]) -> tuple[MetricReading, ...]:
    """The first of each name."""
    metrics = {metric.name: metric for metric in found[::-1]}
    return tuple(metrics.values())[::-1]


_read_as = {
    "liquidation_distribution_all": _histogram,
    "liquidation_distribution_opti": _histogram,
    "liquidation_map": _map,
    "price_chart_heatmap": _heatmap,
    "market_metrics_dashboard": _dashboard,
}


def _untitled(picture: np.ndarray, plot: Plot, words: Sequence[Word], engine: Engine) -> Reading:
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
        return _unknown(words, "no title of a chart that is read")
    chart = read_heatmap(picture, words, engine, plot)
    if len(chart.levels) < 5:
        return _unknown(words, "no title of a chart that is read")
    if any(_OTHER_BANDS.search(line.text) for line in above):
        return _unknown(words, "bands of something else than liquidations")
    told = named or _speaks_of_leverage(words) or chart.colour_bar_max is not None
    if not told and not any(names_liquidations(line.text) for line in above):
        return _unknown(words, "bands that nothing calls liquidations")
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


def _unknown(words: Sequence[Word], evidence: str) -> Reading:
    return Reading("", "", confidence=0.9, evidence=evidence, words=tuple(words))


def _words_at_top(picture: np.ndarray, engine: Engine) -> list[Word]:
    """The words of the picture's top, long horizontal bands taken out: titles that the plot reaches into."""
    return engine.words(_without_bands(picture[: max(48, picture.shape[0] // 8)], max(24, picture.shape[1] // 24)))


def _without_bands(picture: np.ndarray, length: int) -> np.ndarray:
    """Strokes black on white, grey, of a crop whose horizontal bands of that length or more are taken out."""
    bright = picture.max(axis=2)
    if np.median(bright) > 160:
        bright = 255 - picture.min(axis=2)
    bands = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    strokes = cv2.subtract(bright, bands)
    return 255 - (strokes > 0.3 * strokes.max()).astype(np.uint8) * 255


def _levels(found: Sequence[tuple[float, str | None, float]], unit: float) -> tuple[Level, ...]:
    """Levels from (price, side, strength), strongest first; strengths are multiplied by what 1 stands for."""
    usable = sorted((x for x in found if x[0] > 0 and x[2] >= 0), key=lambda x: -x[2])
    largest = max((strength for *_, strength in usable), default=0.0) or 1.0
    return tuple(Level(price, side, strength * unit, min(1.0, strength / largest)) for price, side, strength in usable)


def _edges(box: Any) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _enlarged(reading: Reading, scale: float) -> Reading:
    """A reading of a reduced picture, its boxes brought back to the picture's own pixels."""
    marks = tuple(
        replace(
            mark, left=mark.left * scale, top=mark.top * scale, right=mark.right * scale, bottom=mark.bottom * scale
        )
        for mark in reading.marks
    )
    return replace(reading, words=tuple(word.scaled(1 / scale) for word in reading.words), marks=marks)
