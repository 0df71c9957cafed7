"""Colour bars: the strip beside a heatmap in which its palette runs from weak to strong.

What belongs here: finding the strip and its colours, whatever palette it is. What does not: the numbers beside it
(`heatmap.py`).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from cryptopattern_pipelines.reading.palettes import Palette
from cryptopattern_pipelines.reading.pixels import Box

_LEAST_LENGTH = 40  # pixels
_STOPS = 48  # colours that are taken from a bar
_LEAST_PATH = 240  # of the colours from end to end, all channels together: sliders and shadows have less
_LEAST_RANGE = 180  # of the colours, the channels' ranges together
_WIDEST_STEP = 110  # between two of the stops
_LARGEST_JUMP = 25  # between two rows of a bar
_MOST_DETOUR = 1.4  # how much longer the path is through all of the stops than through a few: noise goes to and fro


@dataclass(frozen=True)
class ColourBar:
    """Where it stands, whether it is upright (strong end at the top) or lies (at the right), and its palette."""

    box: Box
    upright: bool
    palette: Palette


def find_colour_bar(picture: np.ndarray) -> ColourBar | None:
    """The longest strip whose colours change evenly along it and not across it, an upright one if there is any.

    `picture` is RGB, uint8, height x width x 3.
    """
    factor = max(1, round(max(picture.shape[:2]) / 1400))
    small = np.ascontiguousarray(picture[factor // 2 :: factor, factor // 2 :: factor])
    bar = _longest(small, upright=True) or _longest(small, upright=False)
    if bar is None or factor == 1:
        return bar
    box = Box(bar.box.left * factor, bar.box.top * factor, bar.box.right * factor, bar.box.bottom * factor)
    return replace(bar, box=box)


def _longest(picture: np.ndarray, upright: bool) -> ColourBar | None:
    pixels = picture if upright else _turned(picture)
    length = pixels.shape[0]
    step = max(4, length // 80)
    if length < 2 * _LEAST_LENGTH or pixels.shape[1] < 8:
        return None
    changes = _sum(cv2.absdiff(pixels[step:], pixels[:-step]))[:, 1:]
    level = _sum(cv2.absdiff(pixels[:, 1:], pixels[:, :-1]))[:-step]
    mask = cv2.bitwise_and(cv2.inRange(changes, 6, 150), cv2.inRange(level, 0, 18))
    long = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((_LEAST_LENGTH // 2, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(long, connectivity=4)
    for left, top, width, height, area in sorted(stats[1:count].tolist(), key=lambda row: -row[3]):
        if height < max(_LEAST_LENGTH - step, 4 * width) or area < 0.6 * width * height:
            continue
        inner = slice(left + 1 + width // 4, left + 1 + width - width // 4)
        rows = np.median(pixels[:, inner], axis=1)
        first, last = _extent(rows, top + step, top + height)
        first, last = _without_page(rows, pixels[:, max(0, left - 4)].astype(np.float32), first, last)
        stops = _stops(rows[first:last])
        if stops is None:
            continue
        right, end = left + width + 1, picture.shape[1]
        box = Box(left, first, right, last) if upright else Box(end - last, left, end - first, right)
        return ColourBar(box, upright, Palette("colour bar", stops))
    return None


def _turned(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1].transpose(1, 0, 2))


def _extent(rows: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """First row and first row after the gradient of which the rows from `first` to `last` are a part.

    It goes on as far as no jump parts two rows; ends of one colour are the page. `rows` are colours, n x 3.
    """
    jumps = np.flatnonzero(np.abs(np.diff(rows, axis=0)).sum(axis=1) > _LARGEST_JUMP)
    before, after = jumps[jumps < first], jumps[jumps >= last - 1]
    start, end = (int(before[-1]) + 1 if before.size else 0), (int(after[0]) + 1 if after.size else len(rows))
    reach = last - first
    start, end = max(start, first - 3 * reach), min(end, last + 3 * reach)
    top = np.abs(rows[start:end] - rows[start]).sum(axis=1) > 6
    bottom = np.abs(rows[start:end] - rows[end - 1]).sum(axis=1) > 6
    if not top.any():
        return start, start
    return start + int(top.argmax()), end - int(bottom[::-1].argmax())


def _without_page(rows: np.ndarray, page: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """The same without the rows at both ends in which the bar's colour blends with that of the page beside it."""
    apart = np.abs(rows - page).sum(axis=1)
    reach = max(3, (last - first) // 24)
    if last - first < 4 * reach:
        return first, last
    ends = apart[first : first + reach], apart[last - reach : last]
    blended = [end < 0.75 * end[inner] for end, inner in zip(ends, (-1, 0), strict=True)]
    return first + int(blended[0].sum()) + 1, last - int(blended[1].sum()) - 1


def _stops(rows: np.ndarray) -> np.ndarray | None:
    """Colours from the last row to the first, evenly chosen; None where they don't run evenly through a palette."""
    if len(rows) < _LEAST_LENGTH - 6:
        return None
    place = np.linspace(len(rows) - 1, 0, _STOPS)
    stops = np.stack([np.interp(place, np.arange(len(rows)), rows[:, i]) for i in range(3)], axis=1)
    steps = np.abs(np.diff(stops, axis=0)).sum(axis=1)
    long_steps = np.abs(np.diff(stops[:: _STOPS // 12], axis=0)).sum()
    if steps.sum() < _LEAST_PATH or np.ptp(stops, axis=0).sum() < _LEAST_RANGE:
        return None
    if steps.max() > _WIDEST_STEP or steps.sum() > _MOST_DETOUR * long_steps:
        return None
    return stops.astype(np.float32)


def _sum(difference: np.ndarray) -> np.ndarray:
    """The channels' sum, at most 255."""
    first, second, third = cv2.split(difference)
    return cv2.add(cv2.add(first, second), third)
