"""Where a heatmap stands on a picture.

What belongs here: the plot's box and palette. What does not: the bands in it (`bands.py`), the colour bar's place
(`colour_bar.py`), palettes (`palettes.py`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.colour_bar import ColourBar, find_colour_bar
from cryptopattern_pipelines.reading.palettes import OFF, Palette, best_palette
from cryptopattern_pipelines.reading.pixels import Box, channel_max, runs_of, without_gaps

_COARSE = 4  # pixels at a time in which the plot is looked for
_MOST_PAIRS = 3000  # pairs of colours that are looked at to tell the palette
_LEAST_EDGES = 12  # rows with band edges in a loaded chart: a blurred one has none
_LEAST_SIDE = 60  # pixels of the smallest picture or plot in which bands can be told
_EVEN = 24  # levels of a channel by which an axis line's pixels differ at most in a JPEG, and from the page at least
_MOST_OF_HEIGHT = 0.6  # of a picture that an axis line takes at least


@dataclass(frozen=True)
class Plot:
    """Where a heatmap stands on a picture, in which palette it is drawn, and its colour bar.

    `sharp` says whether it has enough rows with sharp edges to be a loaded chart.
    """

    palette: Palette
    box: Box
    sharp: bool
    bar: ColourBar | None = None


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
        own &= channel_max(np.abs(part - page.astype(np.float32))) >= np.abs(page - palette.ground).max() / 2
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
    drawn = (channel_max(np.abs(near - usual)) <= _EVEN) & (np.abs(usual - page).max(axis=1) > _EVEN)
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
    ground = channel_max(np.abs(part - palette.ground)) < channel_max(np.abs(part - page.astype(np.float32)))
    off = np.flatnonzero(((palette.places(part) != OFF) & ground).mean(axis=0) < 0.4)
    return int(off[-1]) + 1 if off.size else 0


def _is_ground(colour: np.ndarray, palette: Palette) -> bool:
    return bool(np.abs(colour - palette.ground).max() < 6)


def _long_edges(pixels: np.ndarray) -> np.ndarray:
    """1 where a pixel differs from the one below and so do all its neighbours along a long horizontal run."""
    step = (channel_max(cv2.absdiff(pixels[1:], pixels[:-1])) >= 6).astype(np.uint8)
    return cv2.morphologyEx(step, cv2.MORPH_OPEN, np.ones((1, max(9, pixels.shape[1] // 50)), np.uint8))
