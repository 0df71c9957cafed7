"""Liquidation heatmaps: price levels of the strongest bands, and the numbers beside them.

What belongs here: what the numbers beside the plot mean. What does not: the plot's box (`heatmap_plot.py`), its bands
(`bands.py`), how an axis is fitted (`axes.py`).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptopattern_pipelines.reading.axes import Axis, fit_axis
from cryptopattern_pipelines.reading.bands import strongest_bands
from cryptopattern_pipelines.reading.heatmap_plot import Plot
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.printed_numbers import (
    NUMBER_CHARACTERS,
    Number,
    is_foreign,
    numbers_of,
    writes_decimal_comma,
)
from cryptopattern_pipelines.reading.tick_labels import UNCLEAR_SIGN, TickLabel, are_ambiguous, tick_labels


@dataclass(frozen=True)
class HeatmapLevel:
    """A band: its price (USD) and the price's standard error, its side of the current price where that is known.

    `strength` is the band's place on the colour scale, as a fraction of the scale: at the chart's right edge where
    the band is `standing` there, else its greatest before.
    """

    price: float
    side: str | None
    strength: float
    error: float
    standing: bool = True


@dataclass(frozen=True)
class Heatmap:
    """What a heatmap shows; `error` says in one line why levels are missing, None where they are not."""

    levels: tuple[HeatmapLevel, ...] = ()
    current_price: float | None = None
    colour_bar_max: float | None = None
    price_range: tuple[float, float] | None = None
    palette: str | None = None
    plot: Box | None = None
    error: str | None = None


_PRICE = r"\$\d[\d,.]*|\d[\d,]*[.,]\d{2,}"
_LEAST_LABELS = 3
# How far under the middle of its digits a label's tick is, in their height: ECharts and canvases put the em box's
# middle on it, plotly and matplotlib the digits' own.
_DROP = 0.08
_DEAREST = 2e6  # USD that a coin may cost: what is more is a volume
_ALIKE_DIGITS = ({8, 9}, {3, 8}, {6, 8}, {5, 6}, {3, 9})  # in print under 8 pixels
_NARROWEST_STRIP = 16  # pixels beside the plot in which labels can stand


def read_heatmap(picture: np.ndarray, words: Sequence[Word], engine: Engine, plot: Plot | None) -> Heatmap:
    """Levels, current price and scale of a liquidation heatmap.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. Levels are the ten strongest bands at
    the right edge, strongest first: those still stand, while bands that end earlier were hit by the price. `plot` is
    what `find_plot` finds.
    """
    if plot is None or not plot.sharp:
        return Heatmap(error="the chart was not loaded: no sharp bands in the plot")
    decimal_comma = writes_decimal_comma(word.text for word in words)
    largest = _colour_bar_max(picture, plot, words, engine, decimal_comma)
    plain, dollars = _header_prices(words, plot.box, decimal_comma)
    drop = 0.0 if _has_ladder(words, plot) else _DROP
    header = plain if len(plain) == 1 else dollars
    labels, axis = _price_labels(picture, plot, engine, header, drop=drop, decimal_comma=decimal_comma)
    if axis is None:
        missing = "too few price labels could be read beside the heatmap"
        price = dollars[0] if len(dollars) == 1 and dollars[0] < _DEAREST else None
        return Heatmap((), price, largest, None, plot.palette.name, plot.box, missing)
    current = _current_price(labels, dollars or plain, axis, plot.box)
    if current is None and is_foreign(word.text for word in words) and are_ambiguous(labels):
        missing = UNCLEAR_SIGN
        return Heatmap((), None, largest, None, plot.palette.name, plot.box, missing)
    levels = tuple(
        HeatmapLevel(axis.value(row), _side(axis.value(row), current), strength, axis.error, standing)
        for row, strength, standing in strongest_bands(picture, plot)
    )
    ends = sorted((axis.value(plot.box.top - 0.5), axis.value(plot.box.bottom - 0.5)))
    return Heatmap(levels, current, largest, (ends[0], ends[1]), plot.palette.name, plot.box)


def _side(price: float, current: float | None) -> str | None:
    """Longs are liquidated below the current price, shorts above it."""
    return None if current is None else "long" if price < current else "short"


def _price_labels(
    picture: np.ndarray, plot: Plot, engine: Engine, header: Sequence[float], *, drop: float, decimal_comma: bool
) -> tuple[list[TickLabel], Axis | None]:
    """The labels beside the plot and the line through them: at its right, or at its left where that has no axis."""
    found: list[TickLabel] = []
    for edge in ("left", "right"):
        strip = _label_strip(picture, plot, edge)
        if strip is None:
            continue
        labels = tick_labels(picture, strip, engine, edge=edge, decimal_comma=decimal_comma)
        axis = _price_axis(labels, plot, header, drop)
        if axis is not None:
            return labels, axis
        found += labels
    return found, None


def _label_strip(picture: np.ndarray, plot: Plot, edge: str) -> Box | None:
    """Where labels of the axis may stand, `edge` being the strip's side at the plot; it ends before the colour bar."""
    box = plot.box
    reach = max(60, round(0.14 * box.width), round(0.2 * min(picture.shape[:2])))
    margin = max(8, round(0.02 * box.height))
    top, bottom = max(0, box.top - margin), min(picture.shape[0], box.bottom + margin)
    left, right = (box.right + 2, box.right + reach) if edge == "left" else (box.left - reach, box.left - 2)
    if plot.bar is not None and plot.bar.upright:
        if edge == "left" and plot.bar.box.left > box.right:
            right = min(right, plot.bar.box.left - 2)
        if edge == "right" and plot.bar.box.right < box.left:
            left = max(left, plot.bar.box.right + 2)
    left, right = max(0, left), min(picture.shape[1], right)
    return Box(left, top, right, bottom) if right - left >= _NARROWEST_STRIP else None


def _price_axis(labels: Sequence[TickLabel], plot: Plot, header: Sequence[float], drop: float) -> Axis | None:
    """The line through the labels. The Kingfisher puts a label's baseline on its tick, the others its middle.

    The current price should lie on it: the one that the header says, else the tag's. Where there are too few labels,
    the tag stands in for one if it lies on the others' line.
    """
    tagged = [value for label in labels if (value := _tagged(label)) is not None]
    known = header[0] if len(header) == 1 else tagged[0] if len(tagged) == 1 and not header else None
    at = [label for label in labels if not label.filled and label.numbers]
    if len(at) < _LEAST_LABELS:
        at = [label for label in labels if label.numbers]
    kingfisher = plot.palette.name == "kingfisher"
    pixels = [label.box.bottom - 0.5 if kingfisher else _middle(label, drop) for label in at]
    # The Kingfisher's ticks stand a step apart from an end that isn't round, so what its labels round off is not nil.
    numbers = [label.numbers for label in at]
    extent = (plot.box.top, plot.box.bottom)

    def fitted(numbers: Sequence[Sequence[Number]]) -> Axis | None:
        return fit_axis(pixels, numbers, near=known, least=_LEAST_LABELS, grid=not kingfisher, extent=extent)

    axis = fitted(numbers)
    if len(header) == 1 and (axis is None or not 0.2 < axis.value(plot.box.y) / header[0] < 5):
        axis = fitted([with_first_digit_of(header[0], several) for several in numbers]) or axis
    return axis


def with_first_digit_of(price: float, numbers: Sequence[Number]) -> list[Number]:
    """Numbers as large as a price, with its first digit, where they have it or one that small print makes of it.

    Labels of one axis often begin with one digit, so a blurred one is misread all along: the price over the plot tells.
    """
    power = 10.0 ** math.floor(math.log10(price))
    first = int(price / power)
    found = []
    for number in numbers:
        own = int(number.value / power)
        if own == first or {own, first} in _ALIKE_DIGITS:
            found.append(replace(number, value=number.value + (first - own) * power))
    return found


def _tagged(label: TickLabel) -> float | None:
    """The number on a filled tag, if most of several readings agree on it."""
    values = [number.value for number in label.numbers] if label.filled else []
    best = max(values, key=values.count, default=0.0)
    return best if values.count(best) >= max(3, 0.6 * len(values)) else None


def _header_prices(words: Sequence[Word], box: Box, decimal_comma: bool) -> tuple[list[float], list[float]]:
    """What looks like a price over the plot: plain numbers, and those with a $ before them."""
    plain: set[float] = set()
    dollars: set[float] = set()
    for word in words:
        if word.bottom <= box.top and word.confidence > 0.5 and re.fullmatch(_PRICE, word.text):
            for number in numbers_of([word.text], decimal_comma=decimal_comma):
                (dollars if word.text[0] == "$" else plain).add(number.value)
    return sorted(plain), sorted(dollars)


def _middle(label: TickLabel, drop: float) -> float:
    """Where a label's tick is: `drop` of its digits' height under their middle."""
    return label.box.y + (0.0 if label.filled else drop * label.box.height)


def _has_ladder(words: Sequence[Word], plot: Plot) -> bool:
    """Whether numbers stand all along the colour bar, not at its two ends alone: so plotly and matplotlib draw it."""
    if plot.bar is None:
        return False
    bar, upright = plot.bar.box, plot.bar.upright
    inner = 0
    for word in words:
        if upright:
            beside = abs(word.left - bar.right) <= 4 * word.height
            along = bar.top + 2 * word.height < word.y < bar.bottom - 2 * word.height
        else:
            beside = min(abs(word.top - bar.bottom), abs(word.bottom - bar.top)) <= 2 * word.height
            along = bar.left + 2 * word.height < word.x < bar.right - 2 * word.height
        inner += beside and along and word.text[0].isdigit()
    return inner >= 2


def _current_price(labels: Sequence[TickLabel], header: Sequence[float], axis: Axis, box: Box) -> float | None:
    """The price on the filled tag, else over the plot, if the axis has a place for it; the one that both say, if any.

    Where the tag stands is no check: charts shift it so that it doesn't cover a label.
    """

    def on_axis(prices: Sequence[float]) -> list[float]:
        return [price for price in prices if box.top <= (price - axis.intercept) / axis.slope <= box.bottom]

    tagged = on_axis([number.value for label in labels if label.filled for number in label.numbers])
    above = on_axis(header)
    if len(above) == 1:
        return next((price for price in tagged if math.isclose(price, above[0], rel_tol=2e-3)), above[0])
    best = max(tagged, key=tagged.count, default=0.0)
    return best if tagged.count(best) >= 2 else None


def _colour_bar_max(
    picture: np.ndarray, plot: Plot, words: Sequence[Word], engine: Engine, decimal_comma: bool
) -> float | None:
    """The number at the strong end of the colour bar: over an upright one, to the right of a lying one."""
    if plot.bar is None:
        return None
    bar, upright = plot.bar.box, plot.bar.upright
    reach = max(24, round(0.04 * picture.shape[0]))
    near = [
        word
        for word in words
        if (upright and abs(word.x - bar.x) <= 2 * reach and bar.top - reach <= word.y <= bar.top + 2)
        or (not upright and abs(word.y - bar.y) <= reach / 2 and bar.right - 2 <= word.left <= bar.right + 2 * reach)
    ]
    # Wider by a glyph at both ends: a first digit that the page's reading has lost must make the two differ.
    boxes = [Box(word.left - word.height, word.top, word.right + word.height, word.bottom) for word in near]
    lines = engine.lines([box.of(picture, 3) for box in boxes], whitelist=NUMBER_CHARACTERS)
    for word, line in zip(near, lines, strict=True):
        page, own = (numbers_of([text], decimal_comma=decimal_comma) for text in (word.text, line.text))
        if page and page == own:
            return page[0].value
    return None
