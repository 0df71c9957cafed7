"""Distribution charts of many symbols: one two-coloured bar a symbol, read by its pixels and by its text.

What belongs here: symbols, percentages and badges of the rows, and which of bar and text is believed. What does not:
how bars are found (`bars.py`), titles and types (`classify.py`), charts of one symbol (`histogram.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cryptopattern_pipelines.reading.bars import Bar, BarTable, ground_colour
from cryptopattern_pipelines.reading.ocr import Engine, Line, Word
from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS, is_near_known, meant_symbol, relative_width

Method = Literal["bar", "text", "both", "area", "line"]

_DIGITS = "0123456789.,%"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_COVERED = 1.5  # percentage points: something lies over a boundary that can be off by more
_PERCENT = re.compile(r"(?<![\d.])(100[.,]0|\d{1,2}[.,]\d)(?!\d)")


@dataclass(frozen=True)
class ShareReading:
    """One symbol's shares on a chart, in percent, summing to 100.

    `arrows` is the badge: +1, +2 where shorts dominate, -1, -2 where longs do, 0 where none stands, None where the
    badge's place isn't on the picture. `method` says what the value was taken from: "both" where bar and text agree.
    `agreement` is the distance between the two in percentage points, None where one of them is missing.
    """

    symbol: str | None
    long_pct: float
    short_pct: float
    method: Method
    confidence: float
    arrows: int | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class DistributionChart:
    """What the rows of a chart say; `error` tells of rows left out, None where none was."""

    readings: tuple[ShareReading, ...]
    words: tuple[Word, ...]
    error: str | None = None


def read_distribution(picture: np.ndarray, table: BarTable, engine: Engine) -> DistributionChart:
    """Read the rows of a distribution chart, from top to bottom.

    `picture` is RGB, uint8; `table` holds its bars. A row whose symbol can't be read is left out and told of: a share
    under a wrong name is worse than none.
    """
    symbols = _symbols(picture, table, engine)
    texts = _texts(picture, table, engine)
    table = _calibrated(table, texts)
    shares = [_settled(bar, pair) for bar, pair in zip(table.bars, texts, strict=True)]
    doubtful = [number for number, share in enumerate(shares) if share.confidence < 0.9]
    if doubtful:
        again = _texts(picture, replace(table, bars=tuple(table.bars[i] for i in doubtful)), engine, singly=True)
        for number, pair in zip(doubtful, again, strict=True):
            shares[number] = max(
                (_settled(table.bars[number], (left, right))
                 for left in (texts[number][0], pair[0]) for right in (texts[number][1], pair[1])),
                key=lambda share: share.confidence,
            )  # fmt: skip
    arrows = _arrows(picture, table)
    rows: dict[str, ShareReading] = {}
    problems = []
    for number, (symbol, share) in enumerate(zip(symbols, shares, strict=True)):
        if share.confidence == 0:
            problems.append(f"row {number + 1}: share not readable")
        elif symbol is None:
            problems.append(f"row {number + 1}: symbol not readable")
        elif symbol.text in rows:
            problems.append(f"row {number + 1}: {symbol.text} read twice")
        else:
            rows[symbol.text] = replace(
                share,
                symbol=symbol.text,
                arrows=arrows[number],
                confidence=round(min(share.confidence, symbol.confidence), 3),
            )
    words = _in_lines([(s, *t) for s, t in zip(symbols, texts, strict=True)])
    return DistributionChart(tuple(rows.values()), words, "; ".join(problems) or None)


def percent_in(text: str) -> float | None:
    """The percentage with one decimal that stands alone in a text, None where none or more than one does."""
    found = _PERCENT.findall(text.replace(" ", ""))
    return float(found[0].replace(",", ".")) if len(found) == 1 else None


def _settled(bar: Bar, pair: tuple[Line, Line]) -> ShareReading:
    """One row's share from the bar's boundary and the two texts.

    The texts count where the bar bears them out; else the bar's own word does, unless something lies over its boundary
    and the texts sum to 100. The confidence is 0 where neither can be trusted.
    """
    left, right = (percent_in(line.text) for line in pair)
    said = [left, None if right is None else round(100 - right, 1)]
    distances = {value: abs(value - bar.long_pct) for value in said if value is not None}
    agreement = round(min(distances.values()), 3) if distances else None
    both_texts = len(distances) == 1 and None not in said
    if bar.error > _COVERED:
        return _share(left or 0.0, "text", 0.75 if both_texts else 0.0, None)
    near = [value for value, distance in distances.items() if distance <= bar.error + 0.1]
    if len(near) == 1:
        return _share(near[0], "both", 0.99 if both_texts else 0.9, agreement)
    # No text, none that fits the bar, or two that both do and don't sum to 100.
    return _share(round(bar.long_pct, 1), "bar", 0.8 if near or not distances else 0.6, agreement)


def _calibrated(table: BarTable, texts: Sequence[tuple[Line, Line]]) -> BarTable:
    """The table with its ends where the rows' own texts say that they are.

    Blurred or washed-out colours can shift the ends or the boundaries of all bars alike. Where five rows or more have
    two texts that sum to 100, and they lie on one line against the bars to within half a point, that line is the scale.
    """
    pairs = []
    for bar, (left, right) in zip(table.bars, texts, strict=True):
        long_pct, short_pct = percent_in(left.text), percent_in(right.text)
        if long_pct is not None and short_pct is not None and abs(long_pct + short_pct - 100) < 0.05:
            pairs.append((bar.long_pct, long_pct))
    inner = np.array([pair for pair in pairs if 2 < pair[0] < 98])
    if len(inner) < 5 or np.ptp(inner[:, 0]) < 20:
        return table
    off = inner[:, 1] - inner[:, 0]
    inner = inner[np.abs(off - np.median(off)) < 1.5]
    slope, shift = np.polyfit(inner[:, 0], inner[:, 1], 1)
    missed = np.abs(slope * inner[:, 0] + shift - inner[:, 1])
    if len(inner) < max(5, 0.6 * len(pairs)) or np.quantile(missed, 0.9) > 0.5 or abs(slope - 1) > 0.1:
        return table
    return replace(
        table,
        bars=tuple(
            replace(bar, long_pct=float(np.clip(slope * bar.long_pct + shift, 0, 100)))
            if 0 < bar.long_pct < 100
            else bar
            for bar in table.bars
        ),
    )


def _share(long_pct: float, method: Method, confidence: float, agreement: float | None) -> ShareReading:
    return ShareReading(None, long_pct, round(100 - long_pct, 1), method, confidence, agreement=agreement)


def _texts(picture: np.ndarray, table: BarTable, engine: Engine, *, singly: bool = False) -> list[tuple[Line, Line]]:
    """What stands on each bar's left and right half, boxes in the picture's pixels."""
    first, last = int(np.ceil(table.left)) + 1, int(table.right) - 1
    strips = [ink_of_text(picture[bar.top + 1 : bar.bottom - 1, first:last]) for bar in table.bars]
    middle = (last - first) // 2
    height = max(bar.height for bar in table.bars)
    read = []
    for start, end in ((0, middle), (middle, last - first)):
        columns = np.flatnonzero(sum((strip[:, start:end] > 128).any(axis=0).astype(int) for strip in strips) > 0)
        if columns.size == 0:
            read.append([Line("", 0.0)] * len(strips))
            continue
        a = max(start, start + int(columns[0]) - height // 3)
        b = min(end, start + int(columns[-1]) + 1 + height // 3)
        crops = [strip[:, a:b] for strip in strips]
        lines = engine.lines(crops, whitelist=_DIGITS) if singly else engine.stacked(crops, whitelist=_DIGITS)
        read.append([_moved(line, first + a, bar.top + 1) for line, bar in zip(lines, table.bars, strict=True)])
    return list(zip(*read, strict=True))


def ink_of_text(strip: np.ndarray) -> np.ndarray:
    """How much a pixel is text, 0 to 255: white or black, whichever stands on these coloured bars.

    White is high in its least channel, where the bars' green and red are both low: the boundary between them vanishes.
    """
    white, black = strip.min(axis=2), 255 - strip.max(axis=2)
    return white if np.count_nonzero(white > 150) >= np.count_nonzero(black > 205) else black


def _symbols(picture: np.ndarray, table: BarTable, engine: Engine) -> list[Word | None]:
    """The symbol at the left of each bar, None where none can be read for sure.

    All are read at once; those that aren't plainly a known symbol are read again in other ways, until two agree.
    """
    end = max(1, int(table.left) - 1)
    widths = [_label_width(picture[bar.top : bar.bottom, :end]) for bar in table.bars]
    read: list[list[Line]] = [[] for _ in table.bars]
    chosen: list[Word | None] = [None] * len(read)
    open_rows = list(range(len(read)))
    unit = 0.0
    ways = ((0.0, True, _LETTERS), (0.12, True, ""), (0.0, False, _LETTERS), (0.06, False, ""))
    for margin, stacked, whitelist in ways:
        bars = [table.bars[row] for row in open_rows]
        tops = [max(0, bar.top - round(margin * bar.height)) for bar in bars]
        crops = [
            picture[top : bar.bottom + round(margin * bar.height), :end] for top, bar in zip(tops, bars, strict=True)
        ]
        lines = (engine.stacked if stacked else engine.lines)(crops, whitelist=whitelist)
        for row, top, line in zip(open_rows, tops, lines, strict=True):
            read[row].append(_moved(line, 0, top))
        if len(open_rows) == len(read):
            unit = _width_unit(lines, widths)
        for row in open_rows:
            chosen[row] = _agreed(read[row], widths[row], unit)
        open_rows = [row for row in open_rows if chosen[row] is None]
    return chosen


def _agreed(lines: Sequence[Line], width: int, unit: float) -> Word | None:
    """The symbol that readings of one label agree on, None where they don't (yet).

    One is enough where it is a known symbol read with confidence, two where it is known or clearly meant, or, for a
    coin that isn't known, where both read it the same with confidence and the picture's edge doesn't cut it. A symbol
    that would be drawn much wider or narrower than the label is, in the chart's own lettering, is none.
    """
    votes: dict[str, float] = {}
    words: dict[str, Word] = {}
    for line in lines:
        text = line.text.replace(" ", "").upper()
        symbol = meant_symbol(text) or text
        if not 0 < len(text) <= 12 or not symbol.isalnum():
            continue
        if unit and not 0.78 < width / (unit * relative_width(symbol)) < 1.28:
            continue
        known = symbol in KNOWN_SYMBOLS
        first, last = line.words[0], line.words[-1]
        if not known and (first.left <= 1 or line.confidence < (0.9 if is_near_known(symbol) else 0.7)):
            continue
        sure = known and symbol == text and len(symbol) > 2 and line.confidence > 0.8
        votes[symbol] = votes.get(symbol, 0) + (2 if sure else 1)
        confidence = max(line.confidence, 0.95 if sure else 0.8 if known else 0.5)
        words[symbol] = replace(first, width=last.right - first.left, text=symbol, confidence=confidence)
    best = max(votes, key=lambda symbol: votes[symbol], default=None)
    others = max((count for symbol, count in votes.items() if symbol != best), default=0)
    return words[best] if best is not None and votes[best] >= 2 and votes[best] > others else None


def _label_width(crop: np.ndarray) -> int:
    """Pixels from the first to the last column of the text that stands nearest to the crop's right end."""
    grey = crop.mean(axis=2)
    apart = np.abs(grey - np.median(grey)).max(axis=0, initial=0)
    columns = np.flatnonzero(apart > max(40.0, 0.4 * float(apart.max(initial=0))))
    if columns.size == 0:
        return 0
    gaps = np.flatnonzero(np.diff(columns) > 0.8 * crop.shape[0])
    start = columns[gaps[-1] + 1] if gaps.size else columns[0]
    return int(columns[-1] - start + 1)


def _width_unit(lines: Sequence[Line], widths: Sequence[int]) -> float:
    """Pixels for one of `relative_width`, by the labels that read as known symbols at once; 0 where they are few."""
    units = [
        width / relative_width(line.text)
        for line, width in zip(lines, widths, strict=True)
        if line.text in KNOWN_SYMBOLS and len(line.text) > 2
    ]
    return float(np.median(units)) if len(units) >= 3 else 0.0


def _arrows(picture: np.ndarray, table: BarTable) -> list[int | None]:
    """The badge right of each bar: see `ShareReading.arrows`."""
    height = float(np.median([bar.height for bar in table.bars]))
    start = round(table.right + 0.3 * height)
    if picture.shape[1] - start < 1.5 * height:
        return [None] * len(table.bars)
    ground = ground_colour(picture)
    return [_badge(picture[bar.top : bar.bottom, start:].astype(np.float32), ground, height) for bar in table.bars]


def _badge(strip: np.ndarray, ground: np.ndarray, height: float) -> int | None:
    """Arrows on one badge, with their sign: the badge's own colour gives the sign, its arrows' shafts their number."""
    colour = np.median(strip, axis=0)
    green = colour[:, 1] - colour[:, 0] - (ground[1] - ground[0])
    on = np.flatnonzero(np.abs(green) > 20)
    if on.size < 0.8 * height:
        return 0
    sign = -1 if np.median(green[on]) > 0 else 1
    edge = max(2, round(0.12 * height))
    badge = strip[edge:-edge, on[0] + edge : on[-1] + 1 - edge]
    if badge.shape[1] < 1.8 * height:
        return None  # cut: a second arrow might stand where the picture ends
    light = np.clip((badge - np.median(badge, axis=(0, 1))).sum(axis=2), 0, None).sum(axis=0)
    shafts = np.flatnonzero(light > light.max() / 2)
    if float(light.max()) < 40 * edge:
        return None
    return sign * (1 if shafts[-1] - shafts[0] + 1 < 0.33 * height else 2)


def _moved(line: Line, x: int, y: int) -> Line:
    return replace(line, words=tuple(word.moved(x, y) for word in line.words))


def _in_lines(rows: Sequence[tuple[Word | None, Line, Line]]) -> tuple[Word, ...]:
    """The rows' words, numbered by line and word from 0."""
    words = []
    for number, (symbol, left, right) in enumerate(rows):
        row = [*([symbol] if symbol else []), *left.words, *right.words]
        words += [replace(word, line=number, word=place) for place, word in enumerate(row)]
    return tuple(words)
