"""Tables of two-coloured bars, found and measured by their pixels alone.

What belongs here: where the bars are, and where each one's colour changes, to a fraction of a pixel. What does not:
text, symbols, badges (`distribution.py`).

Longs are drawn in a colour with more green than red (green, lime, teal, cyan, blue), shorts in one with more red than
green (red, orange, pink, purple): that holds for every palette met, so `green - red` alone tells the sides, and it is
linear, so it holds on the blurred pixels between them. Longs stand at the left, unless the table is `mirrored`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.pixels import (
    channel_max,
    channel_min,
    distance_from,
    runs_of,
    saturation,
    usual_colours,
)

# Distance of a bar from the ground in OpenCV's Lab: in lightness (the text on it) or in either chroma.
_APART = np.array([60, 13, 13])
_ALL = 0.97  # share of a row's pixels from which it is all of one thing
_CORNER = 4.5  # pixels of a bar's end in which a rounded corner can hide a short share
_FULL = 0.6  # least share of a bar's row that is not the ground's colour: letters may have it
_GAP = 12  # pixels: gaps between bars up to which their colours may run into each other
_PALE = 70  # a ground's channels differ by less, those of bars by more
_PURE = 0.9  # share of a bar's columns that must lie on their side of its boundary


@dataclass(frozen=True)
class Bar:
    """One bar: its first row and the first below it, and the share of its longs' colour in percent by the boundary.

    `error` is how far off that can be, in percentage points: about a pixel; more at the ends, where rounded corners
    hide a short share, and where something lies over the boundary; 50 where nothing could be measured.
    """

    top: int
    bottom: int
    long_pct: float
    error: float

    @property
    def height(self) -> int:
        """Pixels."""
        return self.bottom - self.top


@dataclass(frozen=True)
class BarTable:
    """Bars of one width below each other; `left` and `right` are their ends in pixels, with fractions.

    `mirrored` where the longs' colour stands at the right.
    """

    left: float
    right: float
    bars: tuple[Bar, ...]
    mirrored: bool = False

    @property
    def width(self) -> float:
        """Pixels that stand for 100 %."""
        return self.right - self.left

    @property
    def pitch(self) -> float:
        """Pixels from one bar's top to the next one's."""
        return float(np.median(np.diff([bar.top for bar in self.bars]))) if len(self.bars) > 1 else 0.0

    def left_pct(self, bar: Bar) -> float:
        """Percent of a bar that its left colour covers."""
        return 100 - bar.long_pct if self.mirrored else bar.long_pct

    def boundary(self, bar: Bar) -> float:
        """Column at which a bar's colour changes, with a fraction."""
        return self.left + self.width * self.left_pct(bar) / 100


def find_table(picture: np.ndarray) -> BarTable | None:
    """The picture's table of two-coloured bars, None where there is none.

    `picture` is RGB, uint8. A table has three bars or more, wider than 0.3 of the picture, of one height, at one pitch
    with gaps between them, each of one side's colour up to one boundary and of the other's from there.
    """
    ground = ground_colour(picture)
    apart = _apart_from(picture, ground)
    # Letters on a bar may have the ground's colour; the rows above and below them are whole.
    closed = _closed(apart, max(5, round(picture.shape[1] * 0.008)))
    ends = _common_ends(_closed(apart, 3)) or _common_ends(closed)
    if ends is None:
        return None
    left, right = ends
    full = (closed[:, left + 1 : right - 1].mean(axis=1) > _FULL) & ~_valleys(picture[:, left:right:2], ground)
    if right - left < _ALL * picture.shape[1]:
        full &= closed.mean(axis=1) <= _ALL  # a frame around the chart
    rows = [run for run in runs_of(full, 1) if run[1] - run[0] >= 6]
    if len(rows) < 3:
        return None
    usual = sorted(bottom - top for top, bottom in rows)[len(rows) // 2]
    rows = [(top, bottom) for top, bottom in rows if abs(bottom - top - usual) <= max(2.0, 0.25 * usual)]
    rows = _without_strays(rows)
    if not _at_one_pitch(rows):
        return None
    left, right = _without_neighbours(picture, rows, left, right, ground)
    exact = _exact_ends(picture, rows, left, right)
    for mirrored in (False, True):
        measured = [_measured(picture, top, bottom, *exact, mirrored=mirrored) for top, bottom in rows]
        # One row in four may be covered (a pop-up, a tooltip); a picture in which most rows are no bars has none.
        if sum(bar is not None for bar in measured) >= max(3, 0.75 * len(rows)):
            covered = [Bar(top, bottom, 50.0, 50.0) for top, bottom in rows]
            bars = [bar or hidden for bar, hidden in zip(measured, covered, strict=True)]
            found = [number for number, bar in enumerate(measured) if bar is not None]
            # What lies beyond the first and last that are measured is a line of text rather than a covered bar.
            return BarTable(*exact, tuple(bars[found[0] : found[-1] + 1]), mirrored)
    return None


def _without_neighbours(
    picture: np.ndarray, rows: Sequence[tuple[int, int]], left: int, right: int, ground: np.ndarray
) -> tuple[int, int]:
    """The ends without badges close to the bars: between them are columns that have the ground's colour in all rows."""
    middle = np.concatenate([picture[_middle(top, bottom), left:right][::2] for top, bottom in rows])
    blank = (distance_from(middle, ground) < 16).mean(axis=0) > 0.9
    a, b = max(runs_of(~blank), key=lambda run: run[1] - run[0], default=(0, right - left))
    return left + a, left + b


def _valleys(inner: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Which rows are nearer to the ground than those above and below: thin gaps into which the bars' colours run."""
    strength = cv2.reduce(distance_from(inner, ground), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    reach = np.ones((_GAP, 1), np.uint8)
    above, below = (cv2.dilate(strength, reach, anchor=(0, end)) for end in (_GAP - 1, 0))
    return (strength < 0.5 * np.minimum(above, below))[:, 0]


def _without_strays(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The rows without a line of text above or below them that is as high, but stands off their pitch."""
    while len(rows) > 3:
        tops = np.array([top for top, _ in rows])
        steps = np.diff(tops) / float(np.median(np.diff(tops)))
        off = np.abs(steps - np.round(steps)) >= 0.2
        if not off[0] and not off[-1]:
            break
        rows = rows[1:] if off[0] else rows[:-1]
    return rows


def _at_one_pitch(rows: Sequence[tuple[int, int]]) -> bool:
    if len(rows) < 3:
        return False
    tops = np.array([top for top, _ in rows])
    pitch = float(np.median(np.diff(tops)))
    steps = np.diff(tops) / pitch
    gap = pitch - float(np.median([bottom - top for top, bottom in rows]))
    return gap >= 2 and bool(np.all(np.abs(steps - np.round(steps)) < 0.2))


def sides_of(picture: np.ndarray) -> list[np.ndarray]:
    """1 where a pixel has the longs' colour, and 1 where it has the shorts', as the module's head says; uint8."""
    red, green, _ = cv2.split(picture)
    strong = saturation(picture) > 50
    return [(strong & (cv2.subtract(*pair) > 12)).astype(np.uint8) for pair in ((green, red), (red, green))]


def find_share_bar(picture: np.ndarray) -> BarTable | None:
    """The one flat bar of two colours that shows both shares, None where there is none.

    It may be short, but it is a rectangle: its ends and its boundary are the same over all of its rows.
    """
    sides = sides_of(picture)
    strong = sides[0] | sides[1]
    bridge = np.ones((1, max(9, picture.shape[1] // 60)), np.uint8)
    sides = [cv2.morphologyEx(side, cv2.MORPH_CLOSE, bridge) for side in sides]
    rows: list[tuple[int, int, int, int]] = []  # row, left end, boundary, right end
    for y in np.flatnonzero((sides[0].sum(axis=1) > 3) & (sides[1].sum(axis=1) > 3)).tolist():
        shorts = runs_of(sides[1][y])
        pairs = [
            (a, b, d)
            for a, b in runs_of(sides[0][y])
            for c, d in shorts
            if -4 <= c - b <= 6 and d - a > 0.12 * picture.shape[1]
        ]
        if len(pairs) == 1:
            rows.append((y, *pairs[0]))
    groups: list[list[tuple[int, int, int, int]]] = []
    for row in rows:
        last = groups[-1] if groups else None
        usual = last[len(last) // 2] if last else row
        near = all(abs(row[i] - usual[i]) <= reach for i, reach in ((1, 4), (2, 2), (3, 4)))  # ends ring more
        if last and row[0] - last[-1][0] <= 2 and near:
            last.append(row)
        else:
            groups.append([row])
    for group in sorted(groups, key=len, reverse=True):
        top, bottom = group[0][0], group[-1][0] + 1
        left, right = (int(np.median([row[i] for row in group])) for i in (1, 3))
        far = max(4, (bottom - top) // 4)
        around = strong[[max(0, top - far), min(len(strong) - 1, bottom + far - 1)], left:right]
        if bottom - top < 8 or bottom - top > 0.15 * (right - left) or around.mean() > 0.1:
            continue
        exact = _exact_ends(picture, [(top, bottom)], left, right)
        bar = _measured(picture, top, bottom, *exact)
        if bar is not None:
            return BarTable(*exact, (bar,))
    return None


def ground_colour(picture: np.ndarray) -> np.ndarray:
    """The colour (RGB, float) that covers more of the picture than any other, strong colours (flat bars) left aside.

    A frame around the chart doesn't count: an eighth of the picture at each side.
    """
    height, width = picture.shape[:2]
    sample = picture[height // 8 : height - height // 8 : 3, width // 8 : width - width // 8 : 3].reshape(-1, 3)
    pale = sample[saturation(sample) < _PALE]
    return usual_colours(pale if len(pale) > 0.05 * len(sample) else sample)[0]


def _apart_from(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """1 where a pixel's colour is far from the ground's."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    ground = cv2.cvtColor(colour.astype(np.uint8)[None, None], cv2.COLOR_RGB2LAB)[0, 0].astype(int)
    least, most = (np.clip(ground + way * _APART, 0, 255).astype(np.uint8) for way in (-1, 1))
    return (cv2.inRange(lab, least, most) == 0).astype(np.uint8)


def _closed(apart: np.ndarray, width: int) -> np.ndarray:
    """The same with gaps of less than `width` pixels along the rows closed."""
    close = np.ones((1, width), np.uint8)
    return cv2.morphologyEx(apart, cv2.MORPH_CLOSE, close, borderType=cv2.BORDER_CONSTANT, borderValue=0)


def _longest_runs(on: np.ndarray) -> np.ndarray:
    """Start and end (exclusive) of the first longest run of ones in each row that has one: rows x 2."""
    steps = np.diff(np.pad(on.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    order = np.lexsort((start, start - end, row))  # by row, then the longest first
    first = np.flatnonzero(np.diff(row[order], prepend=-1))
    return np.stack([start[order][first], end[order][first]], axis=1)


def _common_ends(apart: np.ndarray) -> tuple[int, int] | None:
    """First column, and first behind the last, that most rows' long runs share."""
    width = apart.shape[1]
    some = apart[:: max(1, len(apart) // 500)]
    ends = _longest_runs(some)
    ends = ends[ends[:, 1] - ends[:, 0] > 0.3 * width]
    if len(ends) < 9:
        return None
    common = []
    for side in ends.T:
        votes = np.convolve(np.bincount(side, minlength=width + 1), [1, 1, 1], "same")
        common.append(int(np.median(side[np.abs(side - votes.argmax()) <= 2])))
    left, right = common
    return (left, right) if right - left > 0.3 * width else None


def _exact_ends(picture: np.ndarray, rows: Iterable[tuple[int, int]], left: int, right: int) -> tuple[float, float]:
    """The bars' ends with fractions of a pixel, from all bars' middle rows together."""
    reach = 4
    inner = np.concatenate([picture[_middle(top, bottom)] for top, bottom in rows])
    exact = []
    for end in (left, right):
        start = max(0, end - reach)
        profile = np.median(inner[:, start : end + reach].astype(np.float32), axis=0)
        exact.append(start + _step(profile, profile[0], profile[-1]))
    return exact[0], exact[1]


def _middle(top: int, bottom: int) -> slice:
    """A bar's rows without its rounded corners and blurred edges."""
    edge = round(0.2 * (bottom - top))
    return slice(top + edge, bottom - edge)


def _step(profile: np.ndarray, before: np.ndarray, behind: np.ndarray) -> float:
    """Where a row of colours (n x 3) steps from one colour to another, in pixels from its start.

    The area under the step: right however symmetrically it is blurred.
    """
    way = behind - before
    length = float(way @ way)
    return float((1 - np.clip((profile - before) @ way / length, 0, 1)).sum()) if length > 0 else len(profile) / 2


def _measured(
    picture: np.ndarray, top: int, bottom: int, left: float, right: float, *, mirrored: bool = False
) -> Bar | None:
    """A bar with its long share; None where its columns aren't of two sides, in that order, parted once."""
    first, last = int(np.ceil(left)) + 1, int(right) - 1
    strip = picture[_middle(top, bottom), first:last].astype(np.float32)
    # Text on it is white or black, where a bar's own pixels are neither: what it covers is taken from its neighbours.
    least, most = channel_min(strip), channel_max(strip)
    # Text stands in the middle rows, and not at the very ends, where a short share may be all of a paler colour.
    bare = max(
        float(np.quantile(least[[0, 1, -2, -1]], 0.95)), *(float(np.median(x)) for x in (least[:, :4], least[:, -4:]))
    )
    bare = min(150.0, bare)
    limit = max(0.42 * max(150.0, float(np.quantile(least, 0.99))), bare + 25)
    plain = (least < limit) & (most > 60)
    seen = plain.sum(axis=0) >= 2
    if seen.mean() < 0.8:
        return None
    colours = (strip * plain[..., None]).sum(axis=0)[seen] / plain.sum(axis=0)[seen, None]
    columns = np.arange(last - first)
    profile = np.stack([np.interp(columns, columns[seen], colours[:, i]) for i in range(3)], axis=1)
    green = (profile[:, 1] - profile[:, 0]) * (-1 if mirrored else 1)
    if np.mean(np.abs(green) > 12) < _PURE:
        return None
    gain = np.concatenate([[0], np.cumsum(np.sign(green))])
    place = int(gain.argmax())
    pure = (np.count_nonzero(green[:place] > 0) + np.count_nonzero(green[place:] < 0)) / len(green)
    if pure < _PURE:
        return None
    pixel = 100 / (right - left)
    if place in (0, len(green)):
        return Bar(top, bottom, 0.0 if (place == 0) != mirrored else 100.0, _CORNER * pixel)
    start = max(0, place - 5)
    before = np.median(profile[max(0, place - 7) : max(place - 2, 1)], axis=0)
    behind = np.median(profile[min(place + 2, len(green) - 1) : place + 7], axis=0)
    boundary = first + start + _step(profile[start : place + 5], before, behind)
    covered = next((gap for gap in runs_of(~seen) if gap[0] - 1 <= place <= gap[1] + 1), (0, 0))
    pixels = (2.0 if min(boundary - left, right - boundary) < _CORNER else 1.3) + covered[1] - covered[0]
    at_left = float(np.clip((boundary - left) * pixel, 0, 100))
    return Bar(top, bottom, 100 - at_left if mirrored else at_left, pixels * pixel)
