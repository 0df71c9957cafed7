"""The cumulative lines of a liquidation map: how high they end over the baseline, which is what their totals are.

What belongs here: following a line over bars of any colour. What does not: the bars (`liquidation_map.py`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.pixels import Box, runs_of, saturation

_COLOURED = 50  # least difference of a line's channels; areas under lines are paler
_PALER = 0.35  # of a hue's usual saturation: the area under a line has less
_COLUMNS = 450  # that are looked at, of wider plots every second or third one
_HUES = 24  # hues that are told apart around the circle
_LEAST_SPAN = 0.05  # of the plot's width over which a line must be followed
# Hues of the Kingfisher's lines, how far their channels differ, and in which share of the columns they are at least: as
# they are drawn, and as a messenger's JPEG leaves them.
_PINKS = ((300, 330, _COLOURED, 0.5), (290, 340, 40, 0.8))
_BEYOND = 0.06  # of the plot's width: how far outside of the bars a line may end
_AT_END = 0.004  # of the width: columns at which a line's end is looked at
_GAP = 0.012  # of the width: columns without the line that are leapt


@dataclass(frozen=True)
class _Track:
    """A line followed from one end: its middle and thickness in each column, rows counted from the top."""

    middles: tuple[float, ...]
    thickness: float
    span: int


def of_hue(picture: np.ndarray, low: int, high: int, least: int = _COLOURED) -> np.ndarray:
    """Pixels (uint8) with a hue between two angles in degrees, around the circle, whose channels differ by `least`."""
    hue = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)[..., 0].astype(np.int16) * 2
    inside = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    return (inside & (saturation(picture) > least)).astype(np.uint8)


@dataclass(frozen=True)
class LineEnds:
    """How high over the plot's bottom the long and the short line end, in pixels."""

    long: float
    short: float

    @property
    def long_share(self) -> float:
        """Percent of the long total in both."""
        return 100 * self.long / (self.long + self.short)


def line_ends(picture: np.ndarray, plot: Box) -> LineEnds | None:
    """The ends of the cumulative lines, None where no two lines can be followed from the plot's sides.

    The long line falls from the left end towards the price, the short one rises to the right end. The Kingfisher draws
    both pink and drops the short one to zero in the last bin.
    """
    part = picture[: plot.bottom, plot.left : plot.right]
    pink = next((way for way in _PINKS if _is_line(of_hue(part, *way[:3]), way[3])), None)
    if pink is not None:
        # The bars may end before the line does.
        beyond = round(_BEYOND * plot.width)
        mask = of_hue(picture[: plot.bottom, max(0, plot.left - beyond) : plot.right + beyond], *pink[:3])
        long_end, short_end = _pink_end(mask), _pink_end(mask[:, ::-1])
    else:
        part = np.ascontiguousarray(part[:, :: max(1, plot.width // _COLUMNS)])
        colours, strong = cv2.cvtColor(part, cv2.COLOR_RGB2HSV)[..., 0], saturation(part)
        long_end, short_end = _end(colours, strong), _end(colours[:, ::-1], strong[:, ::-1])
    if long_end is None or short_end is None or long_end + short_end <= 0:
        return None
    return LineEnds(long_end, short_end)


def _is_line(mask: np.ndarray, least: float) -> bool:
    """Whether what is coloured is a line over a share of the width, not bars."""
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 7), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    span = stats[1:, 2]
    return bool(mask.any(axis=0).mean() > least and (span > 0.05 * mask.shape[1]).any())


def _end(hue: np.ndarray, strong: np.ndarray) -> float | None:
    """Height over the bottom of the line that comes from the left side and falls, whatever its colour."""
    height, width = hue.shape
    near = max(4, round(0.03 * width))
    zone, coloured = hue[:, : 2 * near].astype(int) * _HUES // 180, strong[:, : 2 * near] > _COLOURED
    tracks = []
    for place in range(_HUES):
        # A line is in all columns at its end; bars, too, but those are thick.
        if ((zone == place) & coloured).any(axis=0).mean() < 0.25:
            continue
        away = np.abs(np.arange(256) - round((place + 0.5) * 180 / _HUES))
        alike = (np.minimum(away, 180 - away) <= 1.2 * 90 / _HUES + 2).astype(np.uint8) * 255
        shade = cv2.bitwise_and(strong, cv2.LUT(hue, alike))
        some = shade[::5, ::3]
        # The area under a line has its hue, too, but is paler.
        usual = float(np.percentile(some[some > _COLOURED], 95)) if (some > _COLOURED).any() else 0.0
        columns = np.ascontiguousarray((shade > max(_COLOURED, _PALER * usual)).T)
        columns[:, columns.mean(axis=0) > 0.6] = False  # coloured grid lines
        tracks += _tracks(columns, near)
    return max(
        ((track.span, height - track.middles[0]) for track in tracks if _is_total(track, height, width)),
        default=(0, None),
    )[1]


def _is_total(track: _Track, height: int, width: int) -> bool:
    """Whether a track is a cumulative line's: thin, long, falling, all but without a rise."""
    moves = np.diff(track.middles)
    rises, falls = float(-moves[moves < 0].sum()), float(moves[moves > 0].sum())
    thin = track.thickness <= max(5.0, 0.015 * height)
    # Bars of its hue that a long line crosses shake it.
    rough = 0.3 if track.span > 0.25 * width else 0.1
    even = rises <= rough * falls + 0.01 * height and falls >= max(3.0, 0.01 * height)  # grid lines do not fall
    # What is followed but a little way, low over the bottom, may be the tops of a few bars.
    clear = track.span >= 0.15 * width or height - track.middles[0] >= 0.12 * height
    return thin and even and clear and track.span >= _LEAST_SPAN * width


def _tracks(columns: np.ndarray, near: int) -> list[_Track]:
    """Every line in a mask (its columns as rows) that begins within `near` columns, followed as far as it goes."""
    height = columns.shape[1]
    thin = max(7.0, 0.02 * height)
    begun: list[tuple[int, int]] = []
    found = []
    for start in range(near):
        for run in _inclusive(columns[start]):
            if run[1] - run[0] > thin or any(run[0] <= last + 3 and run[1] >= first - 3 for first, last in begun):
                continue
            begun.append(run)
            found.append(_follow(columns, start, run))
    return found


def _follow(columns: np.ndarray, start: int, run: tuple[int, int]) -> _Track:
    """Go on from a run to the next column's that is near; a bar may hide a few columns, the slope goes on there."""
    width, height = columns.shape
    most, up, down, gap = round(0.3 * height), 3, max(4, round(0.02 * height)), max(4, round(_GAP * width))
    middles, thicknesses, lost = [(run[0] + run[1]) / 2], [run[1] - run[0] + 1], 0
    for column in columns[start + 1 :]:
        slope = max(0.0, (middles[-1] - middles[max(0, len(middles) - 12)]) / 12)
        low, high = max(0, run[0] - up), run[1] + down + round(1.5 * slope * lost)
        runs = []
        if column[low : high + 1].any():
            first = max(0, low - most)
            runs = [(a + first, b + first) for a, b in _inclusive(column[first : high + most])]
            runs = [r for r in runs if r[1] >= low and r[0] <= high and r[1] - r[0] <= most]
        if not runs:
            lost += 1
            if lost > gap:
                break
            continue
        run = min(runs, key=lambda r: abs(r[0] + r[1] - run[0] - run[1] - 2 * slope * lost))
        lost = 0
        middles.append((run[0] + run[1]) / 2)
        thicknesses.append(run[1] - run[0] + 1)
    end = int(np.argmax(middles)) + 1  # from its lowest point on it may be the other line
    return _Track(tuple(middles[:end]), float(np.median(thicknesses[:end])), end)


def _inclusive(column: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run in a column."""
    return [(start, end - 1) for start, end in runs_of(column)]


def _pink_end(mask: np.ndarray) -> float | None:
    """Height over the bottom at which the Kingfisher's line ends at the left, or drops to zero."""
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 7), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    stretches = (stats[:, 2] >= 2) & (stats[:, 4] >= 3)
    stretches[0] = False
    line = stretches[labels] & (mask > 0)
    columns = np.flatnonzero(line.any(axis=0))
    height, width = mask.shape
    if not columns.size or columns[0] > (_BEYOND + 0.03) * width:
        return None
    runs = [_inclusive(line[:, column])[0] for column in columns]
    steep = line[:, columns].sum(axis=0) > 0.04 * height
    falling = np.flatnonzero(steep & (columns - columns[0] <= 0.02 * width))  # a drop leans a few pixels
    drop = min(len(columns) - 1, int(falling[-1]) + 1) if falling.size else 0
    # The line turns down all but straight at its end: its top counts, not the middle of what is coloured.
    near = columns <= columns[drop] + max(2, round(_AT_END * width))
    top = min(first for (first, _), here in zip(runs, near, strict=True) if here)
    return height - top - float(np.median([last - first + 1 for first, last in runs])) / 2
