"""Liquidation heatmaps: price levels of the strongest bands, and the numbers beside them.

What belongs here: the plot's box, bands, what the numbers beside it mean. What does not: palettes (`palettes.py`), the
colour bar's place (`colour_bar.py`), how an axis is fitted (`axes.py`).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cryptopattern_pipelines.reading.axes import Axis, fit_axis
from cryptopattern_pipelines.reading.colour_bar import ColourBar, find_colour_bar
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.palettes import OFF, STEPS, Palette, best_palette
from cryptopattern_pipelines.reading.pixels import Box, channel_max, runs_of, without_gaps
from cryptopattern_pipelines.reading.printed_numbers import NUMBER_CHARACTERS, Number, numbers_of, writes_decimal_comma
from cryptopattern_pipelines.reading.tick_labels import TickLabel, tick_labels


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
class Plot:
    """Where a heatmap stands on a picture, in which palette it is drawn, and its colour bar.

    `sharp` says whether it has enough rows with sharp edges to be a loaded chart.
    """

    palette: Palette
    box: Box
    sharp: bool
    bar: ColourBar | None = None


_COARSE = 4  # pixels at a time in which the plot is looked for
_MOST_PAIRS = 3000  # pairs of colours that are looked at to tell the palette
_LEAST_EDGES = 12  # rows with band edges in a loaded chart: a blurred one has none
_PRICE = r"\$\d[\d,.]*|\d[\d,]*[.,]\d{2,}"
_COMMA_WORDS = re.compile(r"Liquidations-|liquidaci|liquida\u00e7", re.IGNORECASE)  # German, Spanish, Portuguese
_LEAST_SIDE = 60  # pixels of the smallest picture or plot in which bands can be told
_LEAST_LABELS = 3
# How far under the middle of its digits a label's tick is, in their height: ECharts and canvases put the em box's
# middle on it, plotly and matplotlib the digits' own.
_DROP = 0.08
_DEAREST = 2e6  # USD that a coin may cost: what is more is a volume
_ALIKE_DIGITS = ({8, 9}, {3, 8}, {6, 8}, {5, 6}, {3, 9})  # in print under 8 pixels
_NARROWEST_STRIP = 16  # pixels beside the plot in which labels can stand
_LEAST_STRENGTH = 0.03
_ALIKE = 12  # places on the palette by which a band's pixels differ
_EVEN = 24  # levels of a channel by which an axis line's pixels differ at most in a JPEG, and from the page at least
_MOST_OF_HEIGHT = 0.6  # of a picture that an axis line takes at least
_PASSED = 0.35  # of a row's pixels may be weaker than the band that stands in it
_NOISE = 0.011  # of a row's strength: two places on the palette


def find_plot(picture: np.ndarray) -> Plot | None:
    """The heatmap on a picture: where long horizontal edges between colours of one palette lie densest."""
    if min(picture.shape[:2]) < _LEAST_SIDE:
        return None
    factor = max(1, round(picture.shape[1] / 1400))
    small = np.ascontiguousarray(picture[factor // 2 :: factor, factor // 2 :: factor])
    edges = np.nonzero(_long_edges(small))
    if len(edges[0]) < _LEAST_SIDE:
        return None
    bar = find_colour_bar(picture)
    plot = _plot_in(small, edges, bar, factor)
    if plot is None or bar is None or not _holds(plot.box, bar.box):
        return plot
    return _plot_in(small, edges, None, factor)  # what was taken for a colour bar is a part of the plot


def _holds(box: Box, other: Box) -> bool:
    return box.left < other.x < box.right and box.top < other.y < box.bottom


def _plot_in(small: np.ndarray, edges: tuple[np.ndarray, ...], bar: ColourBar | None, factor: int) -> Plot | None:
    """The plot whose bands' edges are among those given, on a picture of which `small` is a `factor`th."""
    rows, columns = edges
    above, below = small[rows, columns], small[rows + 1, columns]
    every = max(1, len(rows) // _MOST_PAIRS)
    palette = best_palette(above[::every], below[::every], [] if bar is None else [bar.palette])
    upper, lower = palette.places(above), palette.places(below)
    step = np.minimum(np.abs(upper.astype(np.int16) - lower), 60)
    weights = np.zeros(small.shape[:2], np.float32)
    weights[rows, columns] = np.where((upper != OFF) & (lower != OFF), step, 0)
    box = _densest(weights)
    if box is None or box.width < _LEAST_SIDE:
        return None
    sharp = int((box.of(weights) > 0).any(axis=1).sum()) >= _LEAST_EDGES and box.width > 0.15 * small.shape[1]
    top, bottom = _plot_rows(small, box, palette)
    first, last = _axis_line_rows(small, box, palette)
    top, bottom = max(top, first), min(bottom, last)
    left = _plot_left(small, Box(box.left, top, box.right, bottom), palette)
    return Plot(palette, Box(left * factor, top * factor, box.right * factor, bottom * factor), sharp, bar)


def _densest(weight: np.ndarray) -> Box | None:
    """The box of the largest dense part of a map of edges."""
    height, width = (side // _COARSE for side in weight.shape)
    coarse = cv2.resize(weight, (width, height), interpolation=cv2.INTER_AREA)
    dense = cv2.boxFilter(coarse, -1, (max(3, width // 40), max(3, height // 40)))
    if not dense.any():
        return None
    mask = (dense > 0.1 * np.percentile(dense[dense > 0], 90)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((max(2, height // 20), max(2, width // 20)), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    sums = np.bincount(labels.ravel(), weights=coarse.ravel(), minlength=count)
    left, top, across, down, _ = (int(n) * _COARSE for n in stats[1 + int(np.argmax(sums[1:]))])
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


def _plot_rows(picture: np.ndarray, box: Box, palette: Palette) -> tuple[int, int]:
    """First row and first row after the plot: as far as a part of each row has the palette's colours, not the page's.

    Pixels that look like the page beside the plot are the page, unless the plot's ground has the same colour.
    """
    every = max(1, box.width // 96)
    part = picture[:, box.left : box.right - 2 : every]
    own = palette.places(part) != OFF
    beside = picture[box.top : box.bottom, box.right + 2 : box.right + 2 + max(4, box.width // 50)].reshape(-1, 3)
    page = np.median(beside, axis=0) if len(beside) else None
    if page is not None and not _is_ground(page, palette):
        own &= np.abs(part - page.astype(np.float32)).max(axis=2) >= np.abs(page - palette.ground).max() / 2
    on = without_gaps(own.mean(axis=1) >= 0.25, max(3, round(0.015 * len(picture))))
    on[box.top : box.bottom] = True
    above = np.flatnonzero(~on[: box.top])
    below = np.flatnonzero(~on[box.bottom :])
    return (int(above[-1]) + 1 if above.size else 0), (box.bottom + int(below[0]) if below.size else len(on))


def _axis_line_rows(picture: np.ndarray, box: Box, palette: Palette) -> tuple[int, int]:
    """First row of the price axis' line at the plot's right and the last one over its foot; all rows without a line.

    Where the page has the ground's colour nothing else tells where the plot ends and the labels of time begin.
    """
    height = len(picture)
    near = picture[:, max(0, box.right - 4) : box.right + 6].astype(np.int16)
    page = np.median(picture[:, box.right + 2 :].reshape(-1, 3), axis=0) if near.shape[1] == 10 else palette.ground * 2
    if not _is_ground(page, palette):
        return 0, height
    usual = np.median(near[box.top : box.bottom], axis=0)
    drawn = (np.abs(near - usual).max(axis=2) <= _EVEN) & (np.abs(usual - page).max(axis=1) > _EVEN)
    column = drawn[:, int(drawn.sum(axis=0).argmax())]
    if column.mean() <= _MOST_OF_HEIGHT:
        return 0, height
    # Candles may stand on the line, a label of time right under its foot.
    pieces = [run for run in runs_of(column) if run[1] - run[0] > 0.03 * height]
    return (pieces[0][0], pieces[-1][1] - 3) if pieces else (0, height)  # the line along the foot is two pixels thick


def _plot_left(picture: np.ndarray, box: Box, palette: Palette) -> int:
    """First column of the plot: bands begin anywhere, but the ground goes on to the left as far as the plot does.

    Where the page has the ground's colour nothing parts the two, so the bands' beginning is all that is known.
    """
    every = max(1, box.height // 96)
    part = picture[box.top : box.bottom : every, : box.left]
    if part.shape[1] < 3:
        return box.left
    page = np.median(part[:, :3].reshape(-1, 3), axis=0)
    if _is_ground(page, palette):
        return box.left
    ground = np.abs(part - palette.ground).max(axis=2) < np.abs(part - page.astype(np.float32)).max(axis=2)
    off = np.flatnonzero(((palette.places(part) != OFF) & ground).mean(axis=0) < 0.4)
    return int(off[-1]) + 1 if off.size else 0


def _is_ground(colour: np.ndarray, palette: Palette) -> bool:
    return bool(np.abs(colour - palette.ground).max() < 6)


def _row_strength(picture: np.ndarray, plot: Plot) -> np.ndarray:
    """How strong the band is that stands at the right edge in each row of the plot, as a place on the palette, 0 to 1.

    It is the place that all but a third of a row's pixels pass: a dashed line is none. Where a pop-up lies over the
    edge, what stands at the pop-up's left counts.
    """
    box, strip = plot.box, _right_strip(plot.box, 0.012)
    strength = _strength_in(picture, plot.palette, strip)
    if plot.palette.name == "kingfisher":  # its bands fade in slowly: what is at the edge alone is the last candle
        strength = np.minimum(strength, _strength_in(picture, plot.palette, _right_strip(box, 0.03)))
    over = _popup(picture, box)
    if over is not None:
        left = max(box.left, over.left - strip.width - 3)
        rows = slice(over.top - box.top, over.bottom - box.top)
        strength[rows] = _strength_in(picture, plot.palette, Box(left, over.top, over.left - 3, over.bottom))
    return strength


def _strength_in(picture: np.ndarray, palette: Palette, strip: Box) -> np.ndarray:
    places = np.sort(palette.places(strip.of(picture), strict=False), axis=1)  # OFF comes last
    on = (places != OFF).sum(axis=1)
    at = places[np.arange(len(places)), np.maximum(0, (_PASSED * on).astype(int))]
    # Candles and their blurred rims have a place on most palettes, but not one and the same.
    alike = (np.abs(places.astype(np.int16) - at[:, None]) <= _ALIKE).sum(axis=1)
    return np.where((on >= 0.4 * places.shape[1]) & (alike >= 0.5 * on), at / STEPS, 0.0)


def _popup(picture: np.ndarray, box: Box) -> Box | None:
    """The part of the plot under a pop-up that lies over its right edge: there the edge isn't seen."""
    if box.right + 4 > picture.shape[1] or box.width < _LEAST_SIDE:
        return None
    rows = picture[box.top : box.bottom].astype(np.int16)
    inside, outside = rows[:, box.right - 5], rows[:, box.right + 3]
    page = np.median(outside, axis=0)
    covered = (np.abs(inside - outside).max(axis=1) <= 6) & (np.abs(outside - page).max(axis=1) > 6)
    if np.abs(np.median(inside, axis=0) - page).max() > 20:  # the page's colour is none of the plot's
        covered |= (np.abs(inside - page).max(axis=1) <= 6) & (np.abs(outside - page).max(axis=1) <= 6)
    run = max(runs_of(covered, max(2, box.height // 50)), key=lambda run: run[1] - run[0], default=(0, 0))
    if run[1] - run[0] < max(12, box.height // 40):
        return None
    fill = np.median(inside[run[0] : run[1]], axis=0)
    same = (np.abs(rows[run[0] : run[1], : box.right] - fill).max(axis=2) <= 8).mean(axis=0) > 0.35
    other = np.flatnonzero(~without_gaps(same[box.left :], max(2, box.width // 30)))
    left = box.left + (int(other[-1]) + 1 if other.size else 0)
    if box.right - left < 8 or left - box.left < 0.3 * box.width:
        return None
    margin = max(2, box.height // 100)  # its rim and shadow
    return Box(
        left - margin, max(box.top, box.top + run[0] - margin), box.right, min(box.bottom, box.top + run[1] + margin)
    )


def _long_edges(pixels: np.ndarray) -> np.ndarray:
    """1 where a pixel differs from the one below and so do all its neighbours along a long horizontal run."""
    step = (channel_max(cv2.absdiff(pixels[1:], pixels[:-1])) >= 6).astype(np.uint8)
    return cv2.morphologyEx(step, cv2.MORPH_OPEN, np.ones((1, max(9, pixels.shape[1] // 50)), np.uint8))


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
    if current is None and _is_unclear(words, labels):
        missing = "whether the price labels' sign is the decimal one can't be told"
        return Heatmap((), None, largest, None, plot.palette.name, plot.box, missing)
    levels = tuple(
        HeatmapLevel(axis.value(row), _side(axis.value(row), current), strength, axis.error, standing)
        for row, strength, standing in _levels(picture, plot)
    )
    ends = sorted((axis.value(plot.box.top - 0.5), axis.value(plot.box.bottom - 0.5)))
    return Heatmap(levels, current, largest, (ends[0], ends[1]), plot.palette.name, plot.box)


def _is_unclear(words: Sequence[Word], labels: Sequence[TickLabel]) -> bool:
    """Whether labels like 2,320 stand on a page in a language that writes decimal commas, but not on all pages."""
    foreign = any(_COMMA_WORDS.search(word.text) for word in words)
    return foreign and sum(label.ambiguous for label in labels) > 0.5 * sum(bool(label.numbers) for label in labels)


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
    if axis is None and len(header) == 1:
        axis = fitted([_with_first_digit_of(header[0], several) for several in numbers])
    return axis


def _with_first_digit_of(price: float, numbers: Sequence[Number]) -> list[Number]:
    """Numbers as large as a price that begin with another digit, if one is easily taken for the other in small print.

    Labels of one axis often begin with one digit, so a blurred one is misread all along: the price over the plot tells.
    """
    power = 10.0 ** math.floor(math.log10(price))
    first = int(price / power)
    return [
        replace(number, value=number.value + (first - int(number.value / power)) * power)
        for number in numbers
        if {int(number.value / power), first} in _ALIKE_DIGITS
    ]


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


def _levels(picture: np.ndarray, plot: Plot) -> list[tuple[float, float, bool]]:
    """Row, strength and whether it stands at the right edge, of the ten strongest bands, strongest first.

    CoinGlass ends a band where the price has taken it, so what stands at the right edge counts there. The Kingfisher
    fades bands in and out, so its five strongest over the whole time are reported beside the five that stand.
    """
    standing = _bands(_row_strength(picture, plot), plot.box)
    if plot.palette.name != "kingfisher":
        return [(*band, True) for band in standing[:10]]
    found = _apart([(*band, True) for band in standing], [], plot.box, 5)
    before = []
    for row, strength in _bands(_greatest_strength(picture, plot), plot.box):
        stands = any(abs(row - other) <= 0.005 * plot.box.height for other, _ in standing)
        before.append((row, strength, stands))
    return sorted(_apart(before, found, plot.box, 10), key=lambda band: -band[1])


def _apart(
    bands: Sequence[tuple[float, float, bool]], found: Sequence[tuple[float, float, bool]], box: Box, most: int
) -> list[tuple[float, float, bool]]:
    """What is found and the strongest of the bands that are not at the side of a stronger one, up to `most` in all."""
    taken = list(found)
    for band in bands:
        if len(taken) < most and all(abs(band[0] - other[0]) > 0.0075 * box.height for other in taken):
            taken.append(band)
    return taken


def _greatest_strength(picture: np.ndarray, plot: Plot) -> np.ndarray:
    """For each row of the plot the greatest strength that a band in it keeps up for a while."""
    places = plot.palette.places(plot.box.of(picture))
    run = np.ones((1, max(5, plot.box.width // 60)), np.uint8)
    return cv2.erode(np.where(places == OFF, 0, places).astype(np.uint8), run).max(axis=1) / STEPS


def _bands(strength: np.ndarray, box: Box) -> list[tuple[float, float]]:
    """Row and strength of the bands, strongest first: where the strength has a top, noise of a place or two aside."""
    bands = []
    edges = np.concatenate([[-1.0], strength, [-1.0]])
    peaks = (edges[1:-1] >= edges[:-2]) & (edges[1:-1] >= edges[2:]) & (strength >= _LEAST_STRENGTH)
    for peak in np.flatnonzero(peaks).tolist():
        floor = strength[peak] - _NOISE
        first = last = peak
        while first > 0 and strength[first - 1] >= floor:
            first -= 1
        while last < len(strength) - 1 and strength[last + 1] >= floor:
            last += 1
        top = float(strength[first : last + 1].max())
        if top == strength[peak]:
            bands.append((box.top + (first + last) / 2, top))
    return sorted(set(bands), key=lambda band: (-band[1], band[0]))


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
