"""Liquidation heatmaps: price levels of the strongest bands, and the numbers beside them.

What belongs here: palettes, the plot's box, bands. What does not: how an axis is fitted (`axes.py`).
"""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.axes import (
    NUMBER_CHARACTERS,
    Axis,
    Box,
    TickLabel,
    channel_max,
    fit_axis,
    numbers_of,
    tick_labels,
    writes_decimal_comma,
)
from cryptopattern_pipelines.reading.ocr import Engine, Word

# Colours from weakest to strongest. viridis, magma, cividis: matplotlib's; the others as the charts draw them.
PALETTES: dict[str, tuple[str, ...]] = {
    "viridis": (
        "440154",
        "482475",
        "414487",
        "355f8d",
        "2a788e",
        "21918c",
        "22a884",
        "44bf70",
        "7ad151",
        "bddf26",
        "fde725",
    ),
    "magma": (
        "000004",
        "140e36",
        "3b0f70",
        "641a80",
        "8c2981",
        "b73779",
        "de4968",
        "f7705c",
        "fe9f6d",
        "fecf92",
        "fcfdbf",
    ),
    "cividis": ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"),
    "blue": (
        "0a0b26",
        "0c1438",
        "0f2153",
        "12326e",
        "144788",
        "18629c",
        "1b7faf",
        "1f9cb3",
        "28b6b0",
        "49c89a",
        "70d580",
        "a1dc5f",
        "c9de49",
        "e9d93d",
        "f7c638",
        "fba936",
        "fa7f3a",
        "f9503e",
    ),
    "kingfisher": (
        "2d3752",
        "2b485a",
        "28576b",
        "245e7a",
        "237c98",
        "24839d",
        "56826b",
        "5b627a",
        "61358e",
        "651d99",
        "762090",
        "952a76",
        "b63858",
    ),
}


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


@dataclass(frozen=True)
class _Plot:
    palette: str
    box: Box
    sharp: bool  # has enough rows with sharp edges to be a loaded chart


_STEPS = 200  # places on a palette
_OFF = 255
_FAR = 20.0  # greatest distance in RGB of a pixel from its place on the palette: JPEG noise and watermarks
_FOREIGN = 75.0  # the same of pixels that are no band at all: candles, lines
_FAINT = 16  # places that count as the palette's start

_LEAST_EDGES = 12  # rows with band edges in a loaded chart: a blurred one has none
_PRICE = r"\$\d[\d,.]*|\d[\d,]*[.,]\d{2,}"
_LEAST_SIDE = 60  # pixels of the smallest picture or plot in which bands can be told
_LEAST_LABELS = 3
_LEAST_STRENGTH = 0.03
_NOISE = 0.011  # of a row's strength: two places on the palette


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[:2], 16), int(colour[2:4], 16), int(colour[4:], 16)


@functools.cache
def _tables(palette: str) -> tuple[np.ndarray, np.ndarray]:
    """For each colour of 6 bits a channel, its place on the palette in 1/_STEPS, and the same with _OFF off it."""
    stops = np.array([_rgb(colour) for colour in PALETTES[palette]], dtype=np.float32)
    place = np.linspace(0, len(stops) - 1, _STEPS + 1)
    points = np.stack([np.interp(place, np.arange(len(stops)), stops[:, i]) for i in range(3)], axis=1)
    axis = np.arange(64, dtype=np.float32) * 4 + 1.5
    nearby, strict = np.empty((64, 64, 64), np.uint8), np.empty((64, 64, 64), np.uint8)
    green, blue = np.meshgrid(axis, axis, indexing="ij")
    for i, red in enumerate(axis):
        colours = np.stack([np.full(green.size, red), green.ravel(), blue.ravel()], axis=1)
        square = (colours**2).sum(1)[:, None] - 2 * colours @ points.T.astype(np.float32) + (points**2).sum(1)[None, :]
        nearest = square.argmin(axis=1)
        off = square[np.arange(len(nearest)), nearest]
        nearby[i] = np.where(off > _FOREIGN**2, _OFF, nearest).reshape(64, 64)
        strict[i] = np.where(off > _FAR**2, _OFF, nearest).reshape(64, 64)
    return nearby, strict


def _places(pixels: np.ndarray, palette: str, *, strict: bool = True) -> np.ndarray:
    """Each pixel's place on the palette in 1/_STEPS (uint8), _OFF off it.

    Thin bands in a JPEG or a scaled picture blend with their neighbours and leave the palette: hence `strict=False`.
    """
    small = pixels >> 2
    return _tables(palette)[strict][small[..., 0], small[..., 1], small[..., 2]]


def find_plot(picture: np.ndarray) -> _Plot | None:
    """The heatmap on a picture: where long horizontal edges between colours of one palette lie densest."""
    if min(picture.shape[:2]) < _LEAST_SIDE:
        return None
    factor = max(1, round(picture.shape[1] / 1400))
    small = np.ascontiguousarray(picture[factor // 2 :: factor, factor // 2 :: factor])
    rows, columns = np.nonzero(_long_edges(small))
    above, below = small[rows, columns], small[rows + 1, columns]
    best, palette = np.zeros(len(rows), np.float32), ""
    for name in PALETTES:
        upper, lower = _places(above, name), _places(below, name)
        step = np.minimum(np.abs(upper.astype(np.int16) - lower), 60)
        weight = np.where((upper != _OFF) & (lower != _OFF), step, 0).astype(np.float32)
        if weight.sum() > best.sum():
            best, palette = weight, name
    weights = np.zeros(small.shape[:2], np.float32)
    weights[rows, columns] = best
    box = _densest(weights)
    if box is None or box.width < _LEAST_SIDE:
        return None
    sharp = int((box.of(weights) > 0).any(axis=1).sum()) >= _LEAST_EDGES and box.width > 0.15 * small.shape[1]
    top, bottom = _plot_rows(small, box, palette)
    box = Box(
        box.left * factor,
        top * factor,
        min(box.right * factor, picture.shape[1]),
        min(bottom * factor, picture.shape[0]),
    )
    return _Plot(palette, box, sharp)


def _densest(weight: np.ndarray) -> Box | None:
    """The box of the largest dense part of a map of edges."""
    height, width = weight.shape
    size = (max(9, width // 40), max(9, height // 40))
    dense = cv2.boxFilter(weight, -1, size)
    if not dense.any():
        return None
    mask = (dense > 0.1 * np.percentile(dense[dense > 0], 90)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((max(3, height // 20), max(3, width // 20)), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    sums = np.bincount(labels.ravel(), weights=weight.ravel(), minlength=count)
    left, top, across, down, _ = (int(n) for n in stats[1 + int(np.argmax(sums[1:]))])
    part = (weight[top : top + down, left : left + across] > 0).astype(np.float32)
    columns, rows = part.sum(axis=0), part.sum(axis=1)
    usual = np.percentile(columns, 90)
    # Bands begin anywhere, but those that stand end together at the right edge; labels beside it have edges, too.
    begin, filled = np.flatnonzero(columns > 0.2 * usual), np.flatnonzero(rows > 0)
    if not begin.size or not filled.size:
        return None
    right = _steepest_fall(columns, int(np.flatnonzero(columns > 0.25 * usual)[-1]) + 1, max(5, width // 150))
    return Box(left + int(begin[0]), top + int(filled[0]), left + right, top + int(filled[-1]) + 2)


def _steepest_fall(profile: np.ndarray, near: int, size: int) -> int:
    """Where a profile falls most within some steps of `near`: the first index after what came before."""
    total = np.concatenate([[0.0], np.cumsum(profile)])
    at = np.arange(max(size, near - 6 * size), min(len(profile), near + 2 * size) + 1)
    if not at.size:
        return near
    after = np.minimum(at + size, len(profile))
    fall = (total[at] - total[at - size]) - (total[after] - total[at])
    return int(at[int(fall.argmax())])


def _right_strip(box: Box, share: float) -> Box:
    return Box(max(box.left, box.right - max(6, round(share * box.width)) - 2), box.top, box.right - 2, box.bottom)


def _plot_rows(picture: np.ndarray, box: Box, palette: str) -> tuple[int, int]:
    """First row and first row after the plot: as far as the palette's colours go on beside the right edge.

    Rows that look like the page to the right of the plot are the page, unless the plot's ground has the same colour.
    """
    strip = _right_strip(box, 0.08)
    colour = np.median(picture[:, strip.left : strip.right], axis=1)
    places = _places(colour.astype(np.uint8), palette)
    gap = max(2, round(0.03 * box.height))
    on = _closed(places != _OFF, gap)
    beside = picture[box.top : box.bottom, box.right + 2 : box.right + 2 + max(4, strip.width // 4)].reshape(-1, 3)
    if len(beside):
        page, ground = np.median(beside, axis=0), np.array(_rgb(PALETTES[palette][0]))
        if np.abs(page - ground).max() >= 6:
            on &= np.abs(colour - page).max(axis=1) >= np.abs(page - ground).max() / 2
    on[box.top : box.bottom] = True
    above = np.flatnonzero(~on[: box.top])
    below = np.flatnonzero(~on[box.bottom :])
    return (int(above[-1]) + 1 if above.size else 0), (box.bottom + int(below[0]) if below.size else len(on))


def _closed(mask: np.ndarray, gap: int) -> np.ndarray:
    """A mask of rows with its gaps of up to that many rows filled."""
    column = np.pad(mask.astype(np.uint8), gap, mode="edge")[:, None]
    return cv2.morphologyEx(column, cv2.MORPH_CLOSE, np.ones((gap + 1, 1), np.uint8))[gap:-gap, 0] > 0


def _row_strength(picture: np.ndarray, plot: _Plot, box: Box) -> np.ndarray:
    """For each row of a box the middle place on the palette, 0 to 1, of its pixels that are on it; 0 where few are."""
    places = _places(box.of(picture), plot.palette, strict=False)
    on = places != _OFF
    middle = np.ma.median(np.ma.masked_array(places, ~on), axis=1).filled(0) / _STEPS
    return np.where(on.mean(axis=1) >= 0.4, middle, 0.0)


def _long_edges(pixels: np.ndarray) -> np.ndarray:
    """1 where a pixel differs from the one below and so do all its neighbours along a long horizontal run."""
    step = (channel_max(cv2.absdiff(pixels[1:], pixels[:-1])) >= 6).astype(np.uint8)
    return cv2.morphologyEx(step, cv2.MORPH_OPEN, np.ones((1, max(9, pixels.shape[1] // 50)), np.uint8))


def read_heatmap(picture: np.ndarray, words: Sequence[Word], engine: Engine) -> Heatmap:
    """Levels, current price and scale of a liquidation heatmap.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. Levels are the ten strongest bands at
    the right edge, strongest first: those still stand, while bands that end earlier were hit by the price.
    """
    plot = find_plot(picture)
    if plot is None or not plot.sharp:
        return Heatmap(error="the chart was not loaded: no sharp bands in the plot")
    decimal_comma = writes_decimal_comma(word.text for word in words)
    largest = _colour_bar_max(picture, plot, words, engine, decimal_comma)
    labels = _price_labels(picture, plot, engine, decimal_comma)
    header = _header_price(words, plot.box, decimal_comma)
    axis = _price_axis(labels, plot, header)
    if axis is None:
        missing = "too few price labels could be read beside the heatmap"
        price = _header_price(words, plot.box, decimal_comma, dollars_only=True)
        return Heatmap((), price, largest, None, plot.palette, plot.box, missing)
    current = _current_price(labels, header, axis, plot.box)
    levels = tuple(
        HeatmapLevel(axis.value(row), _side(axis.value(row), current), strength, axis.error, standing)
        for row, strength, standing in _levels(picture, plot)
    )
    ends = sorted((axis.value(plot.box.top - 0.5), axis.value(plot.box.bottom - 0.5)))
    return Heatmap(levels, current, largest, (ends[0], ends[1]), plot.palette, plot.box)


def _side(price: float, current: float | None) -> str | None:
    """Longs are liquidated below the current price, shorts above it."""
    return None if current is None else "long" if price < current else "short"


def _price_labels(picture: np.ndarray, plot: _Plot, engine: Engine, decimal_comma: bool) -> list[TickLabel]:
    """The labels at the right of the plot, or at its left where the right has too few."""
    box, reach = plot.box, max(60, round(0.14 * plot.box.width))
    margin = max(8, round(0.02 * box.height))
    top, bottom = max(0, box.top - margin), min(picture.shape[0], box.bottom + margin)
    right = Box(box.right + 2, top, min(picture.shape[1], box.right + reach), bottom)
    labels = tick_labels(picture, right, engine, edge="left", decimal_comma=decimal_comma)
    if sum(bool(label.numbers) for label in labels) >= _LEAST_LABELS:
        return labels
    left = Box(max(0, box.left - reach), top, max(0, box.left - 2), bottom)
    return tick_labels(picture, left, engine, edge="right", decimal_comma=decimal_comma)


def _price_axis(labels: Sequence[TickLabel], plot: _Plot, known: float | None) -> Axis | None:
    """The line through the labels. The Kingfisher puts a label's baseline on its tick, the others its middle."""
    at = [label for label in labels if not label.filled]
    pixels = [label.box.bottom - 0.5 if plot.palette == "kingfisher" else _middle(label) for label in at]
    return fit_axis(pixels, [label.numbers for label in at], near=known, least=_LEAST_LABELS)


def _header_price(words: Sequence[Word], box: Box, decimal_comma: bool, *, dollars_only: bool = False) -> float | None:
    """The price that stands over the plot, where one number alone looks like a price there; one with $ goes before."""
    plain: set[float] = set()
    dollars: set[float] = set()
    for word in words:
        if word.bottom <= box.top and word.confidence > 0.5 and re.fullmatch(_PRICE, word.text):
            for number in numbers_of([word.text], decimal_comma=decimal_comma):
                (dollars if word.text[0] == "$" else plain).add(number.value)
    found = dollars if dollars or dollars_only else plain
    return found.pop() if len(found) == 1 else None


def _middle(label: TickLabel) -> float:
    """Where a label's tick is: the middle of its em box, which lies a little under the middle of its digits."""
    return label.box.y + (0.0 if label.filled else 0.13 * label.box.height)


def _current_price(labels: Sequence[TickLabel], header: float | None, axis: Axis, box: Box) -> float | None:
    """The price on the filled tag, else over the plot, if the axis has a place for it; the one that both say, if any.

    Where the tag stands is no check: charts shift it so that it doesn't cover a label.
    """
    tagged = [number.value for label in labels if label.filled for number in label.numbers]
    inside = [price for price in tagged if box.top <= (price - axis.intercept) / axis.slope <= box.bottom]
    if header is not None and box.top <= (header - axis.intercept) / axis.slope <= box.bottom:
        return next((price for price in inside if math.isclose(price, header, rel_tol=2e-3)), header)
    best = max(inside, key=inside.count, default=0.0)
    return best if inside.count(best) >= 2 else None


def _levels(picture: np.ndarray, plot: _Plot) -> list[tuple[float, float, bool]]:
    """Row, strength and whether it stands at the right edge, of the ten strongest bands, strongest first.

    CoinGlass ends a band where the price has taken it, so what stands at the right edge counts there. The Kingfisher
    fades bands in and out, so its five strongest over the whole time are reported beside the five that stand.
    """
    standing = _bands(_row_strength(picture, plot, _right_strip(plot.box, 0.02)), plot.box)
    if plot.palette != "kingfisher":
        return [(*band, True) for band in standing[:10]]
    apart = 0.005 * plot.box.height
    found = [(*band, True) for band in standing[:5]]
    for row, strength in _bands(_greatest_strength(picture, plot), plot.box):
        if len(found) < 10 and all(abs(row - other[0]) > apart for other in found):
            stands = any(abs(row - other) <= apart for other, _ in standing)
            found.append((row, strength, stands))
    return sorted(found, key=lambda band: -band[1])


def _greatest_strength(picture: np.ndarray, plot: _Plot) -> np.ndarray:
    """For each row of the plot the greatest strength that a band in it keeps up for a while."""
    places = _places(plot.box.of(picture), plot.palette)
    run = np.ones((1, max(5, plot.box.width // 60)), np.uint8)
    return cv2.erode(np.where(places == _OFF, 0, places).astype(np.uint8), run).max(axis=1) / _STEPS


def _bands(strength: np.ndarray, box: Box) -> list[tuple[float, float]]:
    """Row and strength of the bands, strongest first: where the strength has a top, noise of a place or two aside."""
    bands = []
    edges = np.concatenate([[-1.0], strength, [-1.0]])
    for peak in np.flatnonzero((edges[1:-1] >= edges[:-2]) & (edges[1:-1] >= edges[2:])).tolist():
        floor = strength[peak] - _NOISE
        first = last = peak
        while first > 0 and strength[first - 1] >= floor:
            first -= 1
        while last < len(strength) - 1 and strength[last + 1] >= floor:
            last += 1
        top = float(strength[first : last + 1].max())
        if top == strength[peak] and top >= _LEAST_STRENGTH:
            bands.append((box.top + (first + last) / 2, top))
    return sorted(set(bands), key=lambda band: (-band[1], band[0]))


def _colour_bar(picture: np.ndarray, plot: _Plot) -> tuple[Box, bool] | None:
    """The colour bar, and whether it stands upright: where the palette runs through without a jump."""
    box = plot.box
    region = Box(
        max(0, box.left - box.width // 4),
        max(0, box.top - box.height // 4),
        min(picture.shape[1], box.right + box.width // 4),
        min(picture.shape[0], box.bottom + box.height // 2),
    )
    places = _places(region.of(picture), plot.palette).astype(np.int16)
    across, down = box.left - region.left, box.top - region.top
    places[down : down + box.height, across : across + box.width] = _OFF
    for upright in (True, False):
        along = places if upright else places[:, ::-1].T  # from strong to weak downwards
        step = max(3, along.shape[0] // 80)
        fall = along[:-step] - along[step:]
        smooth = (along[:-step] != _OFF) & (along[step:] != _OFF) & (fall > 0) & (fall < 0.5 * _STEPS)
        count, _, stats, _ = cv2.connectedComponentsWithStats(smooth.astype(np.uint8), connectivity=4)
        for left, top, width, height, area in sorted(stats[1:count].tolist(), key=lambda row: -row[3]):
            if height < 4 * width or height < 30 or area < 0.6 * width * height:
                continue
            middle = along[top : top + height + step, left + width // 2]
            if middle[: step + 1].min() > 0.75 * _STEPS and middle[-step - 1 :].min() < 0.25 * _STEPS:
                end = places.shape[1] - top
                bar = (
                    Box(left, top, left + width, top + height + step)
                    if upright
                    else Box(end - height - step, left, end, left + width)
                )
                return bar.moved(region.left, region.top), upright
    return None


def _colour_bar_max(
    picture: np.ndarray, plot: _Plot, words: Sequence[Word], engine: Engine, decimal_comma: bool
) -> float | None:
    """The number at the strong end of the colour bar: over an upright one, to the right of a lying one."""
    found = _colour_bar(picture, plot)
    if found is None:
        return None
    bar, upright = found
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
