"""Single-symbol liquidation maps: bars over price, the current price, the cumulative lines' long share.

What belongs here: baseline, bars, clusters, line ends. What does not: how labels become an axis (`axes.py`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from cryptopattern_pipelines.reading.axes import Axis, CategoryAxis, category_axis, fit_axis
from cryptopattern_pipelines.reading.classify import VENUES
from cryptopattern_pipelines.reading.cumulative import LineEnds, line_ends, of_hue
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import Box, channel_max, saturation
from cryptopattern_pipelines.reading.printed_numbers import is_foreign, numbers_of, writes_decimal_comma
from cryptopattern_pipelines.reading.tick_labels import (
    UNCLEAR_SIGN,
    TickLabel,
    are_ambiguous,
    bottom_labels,
    tick_labels,
)
from cryptopattern_pipelines.reading.tilted import tilted_column, tilted_labels

_COLOURED = 50  # least difference of a bar's or line's channels; areas under the lines are paler
_THIN = 25  # least difference of a thin bar from its surroundings
_LEAST_SIDE = 60  # pixels of the smallest picture in which bars can be told
_LEAST_BARS = 8
_MOST_LABELS = 40  # of an axis whose steps differ
_LEAST_TOTAL = 1000  # USD: smaller ones have lost their M or B in reading
_SHARES_APART = 1.0  # percentage points between the long share of the totals and that of the lines' heights
_OFF_ZERO = 0.02  # of the greater total: how far from 0 its axis may be at the bars' feet
_VENUES = {venue.lower() for venue in VENUES}
_LEVERAGES = ("5x", "10x", "25x", "50x", "100x")
_LINE_NAMES = re.compile(r"\W*(?:cumul|long|short|leverage|liquidation)", re.IGNORECASE)
_PRICE = re.compile(r"\W*(?:price|pre[cg\u00e7]o|precio|preis|prix|prezzo|fiyat)", re.IGNORECASE)


@dataclass(frozen=True)
class MapLevel:
    """A cluster of liquidations: price (USD) and its standard error, the side that is liquidated there.

    `strength` is the height of its bar as a fraction of the chart's highest.
    """

    price: float
    side: str | None
    strength: float
    error: float


@dataclass(frozen=True)
class Totals:
    """What the cumulative lines end at, in USD, or in a unit of the chart's own: `unit` is None."""

    long: float
    short: float
    unit: str | None


@dataclass(frozen=True)
class LiquidationMap:
    """What a liquidation map shows; `long_share` is in percent of both cumulated totals, None without their lines.

    `totals` are None where the axis at the right can't be read. `error` says in one line why something is missing, None
    where nothing is.
    """

    levels: tuple[MapLevel, ...] = ()
    current_price: float | None = None
    long_share: float | None = None
    totals: Totals | None = None
    price_range: tuple[float, float] | None = None
    plot: Box | None = None
    error: str | None = None


def read_map(picture: np.ndarray, words: Sequence[Word], engine: Engine) -> LiquidationMap:
    """Clusters, current price and long share of a liquidation map.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. Levels are the ten highest bars that
    stand out from their neighbours, highest first.
    """
    plot = find_bars(picture)
    if plot is None:
        return LiquidationMap(error="the chart was not loaded: no bars over a baseline")
    ends = line_ends(picture, plot)
    share = None if ends is None else ends.long_share
    decimal_comma = writes_decimal_comma(word.text for word in words)
    foreign = is_foreign(word.text for word in words)
    totals = None if ends is None else _totals(picture, plot, ends, engine, decimal_comma, foreign=foreign)
    axis, labels = _price_axis_under(picture, plot, engine, decimal_comma)
    if foreign and are_ambiguous(labels):
        return LiquidationMap((), None, share, totals, None, plot, UNCLEAR_SIGN)
    if axis is None:
        current = _current_price(picture, words, plot, None, engine, decimal_comma=decimal_comma)
        return LiquidationMap(
            (), current, share, totals, None, plot, "too few price labels could be read under the bars"
        )
    axis = _with_points(axis, words, plot, decimal_comma=decimal_comma)
    current = _current_price(picture, words, plot, axis, engine, decimal_comma=decimal_comma)
    levels = tuple(
        MapLevel(price, None if current is None else "long" if price < current else "short", height, axis.error)
        for price, height in (
            (axis.value(plot.left + x), height) for x, height in _clusters(_bar_heights(picture, plot))
        )
    )
    return LiquidationMap(levels, current, share, totals, _ends(axis, plot), plot)


def price_range_under(picture: np.ndarray, engine: Engine, decimal_comma: bool) -> tuple[float, float] | None:
    """Least and greatest price of the axis under a picture's bars, None where no bars or too few labels are found."""
    plot = find_bars(picture)
    axis = None if plot is None else _price_axis_under(picture, plot, engine, decimal_comma)[0]
    return None if plot is None or axis is None else _ends(axis, plot)


def _ends(axis: Axis | CategoryAxis, plot: Box) -> tuple[float, float]:
    return axis.value(plot.left), axis.value(plot.right - 1)


def _totals(
    picture: np.ndarray, plot: Box, ends: LineEnds, engine: Engine, decimal_comma: bool, *, foreign: bool
) -> Totals | None:
    """What both lines end at on the axis at the plot's right; None where it can't be read, or isn't 0 at the bottom."""
    margin = max(8, plot.height // 20)
    right = min(picture.shape[1], plot.right + max(80, plot.width // 8))
    strip = Box(min(plot.right + 2, right), max(0, plot.top - 2 * margin), right, plot.bottom + margin)
    turned = tilted_column(picture, strip, engine, decimal_comma=decimal_comma)
    labels = turned or tick_labels(picture, strip, engine, decimal_comma=decimal_comma)
    labels = [x for x in labels if not x.filled and x.numbers and not (foreign and x.ambiguous)]
    axis = fit_axis(
        [label.box.y for label in labels],
        [label.numbers for label in labels],
        grid=bool(turned),
        pixel_error=1.0 if turned else 0.6,
    )
    if axis is None or axis.slope >= 0:
        return None
    base = plot.bottom - 0.5
    long, short = (axis.value(base - end) for end in (ends.long, ends.short))
    if abs(axis.value(base)) > _OFF_ZERO * max(long, short):
        return None
    if turned and all(number.half_unit <= 0.5 for label in labels for number in label.numbers):
        # Which end or edge of a turned label points to its tick can't be told to a pixel, but the lines begin at 0.
        return Totals(long - axis.value(base), short - axis.value(base), None)
    agree = abs(100 * long / (long + short) - ends.long_share) <= _SHARES_APART
    return Totals(long, short, "USD") if agree and max(long, short) >= _LEAST_TOTAL else None


def find_bars(picture: np.ndarray) -> Box | None:
    """The box of the bars: its bottom is the baseline, where the count of coloured pixels in a row falls most."""
    if min(picture.shape[:2]) < _LEAST_SIDE:
        return None
    coloured = saturation(picture) > _COLOURED
    height = len(coloured)
    size = max(4, height // 120)
    total = np.concatenate([[0], np.cumsum(coloured.sum(axis=1))])
    at = np.arange(size, height - size + 1)
    fall = (total[at] - total[at - size]) - (total[at + size] - total[at])
    if not fall.size or fall.max() <= 0:
        return None
    base = _baseline(coloured, at, fall, size)
    columns = np.flatnonzero(coloured[base - 3 : base].any(axis=0))
    if len(columns) < _LEAST_BARS or columns[-1] - columns[0] < 0.2 * picture.shape[1]:
        return None
    left, right = int(columns[0]), int(columns[-1]) + 1
    filled = np.flatnonzero(coloured[:base, left:right].sum(axis=1) > 0)
    return Box(left, int(filled[0]), right, base)


def _baseline(coloured: np.ndarray, at: np.ndarray, fall: np.ndarray, size: int) -> int:
    """Of the rows where the count falls most the one with most coloured pixels in one piece over it (no slider)."""
    rows = coloured.sum(axis=1)
    steep = [int(fall.argmax())]
    for i in np.argsort(-fall)[: 40 * size].tolist():
        if fall[i] < 0.25 * fall.max():
            break
        if all(abs(i - other) > 2 * size for other in steep):
            steep.append(i)

    def over(i: int) -> int:
        empty = np.flatnonzero(rows[: at[i]] <= 0.01 * coloured.shape[1])
        return int(rows[int(empty[-1]) + 1 if empty.size else 0 : at[i]].sum())

    return int(at[max(steep, key=over)])


def _bar_heights(picture: np.ndarray, plot: Box) -> np.ndarray:
    """Height in pixels of the bar in each column of the plot, 0 where there is none.

    A bar is coloured without a break from the baseline up. Lines that cross it are coloured, too; a column that is one
    line alone (the Kingfisher's drop to zero) or a dashed one (the current price) is none.
    """
    part = picture[: plot.bottom, plot.left : plot.right]
    # Bars a pixel wide lose their colour in a JPEG, but not their difference from what lies at both sides.
    step = 6
    beside = channel_max(cv2.absdiff(part[:, step:], part[:, :-step])) > _THIN
    coloured = (saturation(part) > _COLOURED).astype(np.uint8)
    thin = beside[:, :-step] & beside[:, step:]
    coloured[:, step:-step] = np.maximum(coloured[:, step:-step], thin)
    closed = cv2.morphologyEx(coloured, cv2.MORPH_CLOSE, np.ones((4, 1), np.uint8))
    closed[-3:] = np.maximum(closed[-3:], closed[-6:-3].max(axis=0))  # an axis line may cover the feet of the bars
    upward = closed[::-1]
    heights = np.where(upward.all(axis=0), len(upward), upward.argmin(axis=0))
    inside = np.arange(len(upward))[:, None] < heights
    tall = np.maximum(heights, 1)
    whole = (inside & (coloured[::-1] > 0)).sum(axis=0) >= 0.85 * tall
    line = (inside & (of_hue(part, 300, 330)[::-1] > 0)).sum(axis=0) > 0.5 * tall
    return _without_grid(np.where(whole & ~line, heights, 0))


def _without_grid(heights: np.ndarray) -> np.ndarray:
    """Heights of bars without vertical grid lines: thin, higher than both sides, three or more of one height."""
    away = max(3, len(heights) // 300)
    padded = np.pad(heights, away)
    beside = np.maximum(padded[: -2 * away], padded[2 * away :])
    spikes = np.flatnonzero((heights - beside > 0.15 * heights.max()) & (heights > 0.7 * heights.max()))
    firsts = spikes[np.concatenate([[True], np.diff(spikes) > away])] if spikes.size else spikes
    alike = [int((np.abs(heights[firsts] - heights[i]) <= 2).sum()) for i in firsts]
    if max(alike, default=0) < 3:
        return heights
    grid = min(int(heights[i]) for i, count in zip(firsts, alike, strict=True) if count >= 3)
    return np.where(np.isin(np.arange(len(heights)), spikes[heights[spikes] >= grid - 2]), 0, heights)


def _clusters(heights: np.ndarray) -> list[tuple[float, float]]:
    """Middle column (from the plot's left) and share of the greatest height of the ten highest bars.

    A bar counts where it is higher than what stands at both of its sides: of a group of bars the highest.
    """
    greatest = int(heights.max())
    bars = []
    edges = np.concatenate([[-1], heights, [-1]])
    for peak in np.flatnonzero((edges[1:-1] >= edges[:-2]) & (edges[1:-1] >= edges[2:]) & (heights > 0)).tolist():
        first = last = peak
        while first > 0 and heights[first - 1] >= heights[peak] - 2:
            first -= 1
        while last < len(heights) - 1 and heights[last + 1] >= heights[peak] - 2:
            last += 1
        if heights[first : last + 1].max() == heights[peak]:
            bars.append(((first + last) / 2, float(heights[peak]) / greatest))
    return sorted(set(bars), key=lambda bar: (-bar[1], bar[0]))[:10]


def _price_axis_under(
    picture: np.ndarray, plot: Box, engine: Engine, decimal_comma: bool
) -> tuple[Axis | CategoryAxis | None, Sequence[TickLabel]]:
    """The price axis by the labels under the bars, upright or turned, and those labels."""
    height, width = picture.shape[:2]
    top, right = plot.bottom + 2, min(width, plot.right + 40)
    deep = Box(max(0, plot.left - 90), top, right, min(height, plot.bottom + max(60, round(0.2 * height))))
    labels = tilted_labels(picture, deep, engine, decimal_comma=decimal_comma)
    axis = _price_axis(labels)
    if axis is not None:
        return axis, labels
    strip = Box(max(0, plot.left - 40), top, right, min(height, plot.bottom + max(24, round(0.07 * height))))
    labels = bottom_labels(picture, strip, engine, decimal_comma=decimal_comma)
    axis = _price_axis(labels)
    if isinstance(axis, CategoryAxis):  # bins without liquidations are left out anywhere: every label counts
        labels = bottom_labels(picture, strip, engine, decimal_comma=decimal_comma, most=_MOST_LABELS)
        axis = _price_axis(labels) or axis
    return axis, labels


def _price_axis(labels: Sequence[TickLabel]) -> Axis | CategoryAxis | None:
    """A straight line where nearly all labels lie on one, else label by label."""
    pixels, readings = [label.box.x for label in labels], [label.numbers for label in labels]
    line = fit_axis(pixels, readings, least=4)
    if line is not None and line.inliers >= 0.65 * line.labels and line.slope > 0:
        return line
    return category_axis(pixels, readings)


def _with_points(
    axis: Axis | CategoryAxis, words: Sequence[Word], plot: Box, *, decimal_comma: bool
) -> Axis | CategoryAxis:
    """The axis, its values divided by the power of ten by which a number over the plot says that they are too large.

    Labels like 3060.0 may all have lost their points in reading; a price over its own place on the axis has the same
    digits there. It must have its own point: one without may have lost a digit itself.
    """
    reach = 0.02 * abs(axis.value(plot.right) - axis.value(plot.left))
    found: set[int] = set()
    for word in words:
        x = word.x
        if plot.left <= x <= plot.right and word.y <= plot.top + 0.3 * plot.height:
            found |= {
                power
                for number in numbers_of([word.text], decimal_comma=decimal_comma)
                for power in (1, 10, 100, 1000)
                if (power == 1 or number.half_unit < 0.5) and abs(axis.value(x) - number.value * power) <= reach
            }
    return axis.divided(found.pop()) if len(found) == 1 else axis


def _current_price(
    picture: np.ndarray,
    words: Sequence[Word],
    plot: Box,
    axis: Axis | CategoryAxis | None,
    engine: Engine,
    *,
    decimal_comma: bool,
) -> float | None:
    """The number over the plot that stands where the axis has that price, else the one named so that is read twice."""
    over = [word for word in words if word.y <= plot.top + 0.3 * plot.height]
    if axis is not None:
        low, high = axis.value(plot.left), axis.value(plot.right)
        for word in over:
            for x in (word.x, _middle_of_line(word, over)):
                for number in _either_way(word.text, decimal_comma):
                    if plot.left <= x <= plot.right and abs(axis.value(x) - number) <= 0.02 * (high - low):
                        return number
    for i, word in enumerate(over):
        if not _PRICE.match(word.text):
            continue
        for other in [w for w in over[i : i + 3] if w.line == word.line]:
            for number in _either_way(re.sub(r"^\D+", "", other.text), decimal_comma):
                if axis is not None and not axis.value(plot.left) <= number <= axis.value(plot.right):
                    continue
                box = Box(other.left, other.top, other.right, other.bottom)
                again = engine.lines([box.of(picture, 3)])[0].text
                if number in _either_way(re.sub(r"^\D+", "", again), decimal_comma):
                    return number
    return None


def _either_way(text: str, decimal_comma: bool) -> list[float]:
    """The numbers that a text may be, with the page's decimal sign first: small points are misread as commas."""
    return [
        number.value
        for comma in (decimal_comma, not decimal_comma)
        for number in numbers_of([text], decimal_comma=comma)
    ]


def _middle_of_line(word: Word, words: Sequence[Word]) -> float:
    """Middle column of the words that stand close together with a word: labels are centred as a whole."""
    left, right = word.left, word.right
    for other in sorted((w for w in words if w.line == word.line), key=lambda w: abs(w.x - word.x)):
        if other.left - right <= other.height and left - other.right <= other.height:
            left, right = min(left, other.left), max(right, other.right)
    return (left + right) / 2


def legend_of(picture: np.ndarray, words: Sequence[Word], plot: Box) -> tuple[str | None, str | None]:
    """Venues and leverages that a legend names, as `binance_okx` and `25x_50x_100x`, None where it names none.

    Named is what stands in one line over or under the plot. Where an entry wasn't read, a gap or ink at an end of the
    line tells, and nothing is named.
    """
    outside = [word for word in words if word.y < plot.top + 0.2 * plot.height or word.y > plot.bottom]
    venues = _row_of(picture, outside, lambda text: text.lower() in _VENUES, 2)
    leverages = _row_of(picture, outside, lambda text: text in _LEVERAGES, 3)
    start = _LEVERAGES.index(leverages[0]) if leverages else 0
    if leverages != _LEVERAGES[start : start + len(leverages)]:
        leverages = ()
    return "_".join(venues).lower() or None, "_".join(leverages) or None


def _row_of(picture: np.ndarray, words: Sequence[Word], is_entry: Callable[[str], bool], least: int) -> tuple[str, ...]:
    """Texts of the entries of one line, left to right, if there are enough and none beside them was left unread."""
    for first in words:
        if not is_entry(first.text):
            continue
        line = [w for w in words if abs(w.y - first.y) < 0.7 * first.height]
        row = sorted((w for w in line if is_entry(w.text)), key=lambda w: w.left)
        gaps = [b.left - a.right for a, b in pairwise(row)]
        if len(row) < least or min(gaps) <= 0 or max(gaps) > 1.5 * min(gaps) + 4:
            continue
        gap, height = round(float(np.median(gaps))), first.height
        # Where the entry before the row would end, and where the mark of the one after it would stand.
        before, after = row[0].left - gap, row[-1].right + gap
        names = [w for w in line if _LINE_NAMES.match(w.text)]
        ends = (
            _is_empty(picture, first, before - 2 * height, before + 1)
            or _is_near(before, [w.right for w in names], gap),
            _is_empty(picture, first, row[-1].right + 3, after - 2) or _is_near(after, [w.left for w in names], gap),
        )
        if all(ends):
            return tuple(word.text for word in row)
    return ()


def _is_near(place: int, edges: Sequence[int], gap: int) -> bool:
    return any(abs(edge - place) < 0.5 * gap + 4 for edge in edges)


def _is_empty(picture: np.ndarray, word: Word, left: int, right: int) -> bool:
    part = picture[word.top : word.bottom, max(0, left) : max(0, right)]
    return part.size == 0 or int(np.ptp(part, axis=(0, 1)).max()) < _THIN
