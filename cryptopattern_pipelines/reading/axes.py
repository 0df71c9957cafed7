"""Axes: places of tick labels -> a line from pixels to values that misread labels can't bend.

What belongs here: fitting. What does not: where labels stand and what they say (`tick_labels.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptopattern_pipelines.reading.printed_numbers import Number

_ROUND = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0)  # what steps between ticks begin with


@dataclass(frozen=True)
class Axis:
    """value = slope * pixel + intercept; `error` is the standard error of a value, in the axis' unit.

    `inliers` labels of `labels` that bore a number lie on the line.
    """

    slope: float
    intercept: float
    error: float
    inliers: int
    labels: int

    def value(self, pixel: float) -> float:
        """What stands at that pixel."""
        return self.slope * pixel + self.intercept

    def divided(self, by: float) -> "Axis":
        """The same axis with all values divided."""
        return replace(self, slope=self.slope / by, intercept=self.intercept / by, error=self.error / by)


def fit_axis(
    pixels: Sequence[float],
    readings: Sequence[Sequence[Number]],
    *,
    near: float | None = None,
    pixel_error: float = 0.6,
    least: int = 3,
    grid: bool = False,
    extent: tuple[float, float] | None = None,
) -> Axis | None:
    """The line through tick labels that most of them agree on; None where that isn't clear.

    `readings` holds for each label all that it may say (small print is read in several ways). `near` is a value that
    should lie on the axis: a line that is off it by less than a half is refused (that is a digit misread all along),
    while a value of another size altogether says nothing. `extent` holds the pixels of the axis' ends. Every pair of
    labels proposes a line; the one with most labels on it wins (RANSAC with all samples drawn). None is returned where
    fewer than `least` labels or half of them agree, or where another line has as many. The line is then the mean of all
    that the labels' rounding allows: labels rounded to 0.1K still pin down the line between them as well as they can.
    With `grid` labels that stand on multiples of a round step are taken for exact.
    """
    label = np.array([i for i, several in enumerate(readings) for _ in several], dtype=int)
    p = np.array([pixels[i] for i in label], dtype=float)
    v = np.array([number.value for several in readings for number in several])
    half = np.array([number.half_unit for several in readings for number in several])
    count = len(set(label.tolist()))
    if count < least:
        return None
    if grid:  # charts that leave out needless zeros print 17 between 16.8 and 17.2: it is rounded no more than these
        half = np.minimum(half, np.median([half[label == i].min() for i in set(label.tolist())]))
    first, second = np.triu_indices(len(p), 1)
    far = (np.abs(p[first] - p[second]) >= max(4.0, 0.25 * float(np.ptp(p)))) & (v[first] != v[second])
    first, second = first[far], second[far]
    slope = (v[second] - v[first]) / (p[second] - p[first])
    # A label may be off by its rounding and the two that propose the line by theirs, stretched by the lever.
    reach = np.abs(p - p[first, None]) / np.abs(p[second] - p[first])[:, None]
    slack = half + half[first, None] + (half[first] + half[second])[:, None] * reach
    slack += 2.5 * pixel_error * np.abs(slope)[:, None]
    residual = np.abs(v[first, None] + slope[:, None] * (p - p[first, None]) - v)
    low, high = extent or (float(p.min()), float(p.max()))
    at_middle = v[first] + slope * ((low + high) / 2 - p[first])
    half_range = np.abs(slope) * (high - low) / 2
    possible = at_middle > 0
    if near is not None:
        off = np.abs(near - at_middle)
        possible &= (off <= 1.3 * half_range) | (off > 0.5 * near)
    if not possible.any():
        return None
    on_line = residual <= slack
    agree = np.zeros((len(slope), len(readings)), dtype=bool)
    for i in range(len(p)):
        agree[:, label[i]] |= on_line[:, i]
    score = np.where(possible, agree.sum(axis=1), 0)
    # A line that holds the value known from elsewhere needs fewer labels that agree.
    confirmed = near is not None and bool((np.abs(near - at_middle) <= 1.3 * half_range)[score.argmax()])
    if score.max() < least or (3 if confirmed else 2) * score.max() < count:
        return None
    tied = np.flatnonzero(score == score.max())
    best = int(tied[np.argmin([np.median((residual[i] / slack[i])[on_line[i]]) for i in tied])])
    other = np.abs(at_middle[tied] - at_middle[best]) > 2 * slack[best].max() + 0.02 * half_range[best]
    if other.any():
        return None
    # Of a label's readings on the line the nearest one counts.
    off = np.where(on_line[best], residual[best] / slack[best], np.inf)
    keep = [int(np.flatnonzero(label == i)[off[label == i].argmin()]) for i in np.flatnonzero(agree[best])]
    p, v, half = p[keep], v[keep], half[keep]
    if grid:
        alike = _in_line(p, v, pixel_error)
        inside = (p > p[alike].min()) & (p < p[alike].max())
        if alike.sum() >= max(4, 0.75 * len(p)) and (alike | inside).all():
            # What is off the line between others is misread, however little: 0.43 for 0.41.
            p, v, half = p[alike], v[alike], half[alike]
        exact, misread = _on_grid(p, v, half, pixel_error)
        p, v, half = p[~misread], v[~misread], np.where(exact, 0.0, half)[~misread]
    return _mean_line(p, v, half, pixel_error, count)


def _in_line(p: np.ndarray, v: np.ndarray, pixel_error: float) -> np.ndarray:
    """The labels on the line between two of them that most lie on, their rounding left aside."""
    first, second = np.triu_indices(len(p), 1)
    slope = (v[second] - v[first]) / (p[second] - p[first])
    off = np.abs(v[first, None] + slope[:, None] * (p - p[first, None]) - v)
    on = off <= 2.5 * pixel_error * np.abs(slope)[:, None]
    return on[on.sum(axis=1).argmax()]


def _on_grid(p: np.ndarray, v: np.ndarray, half: np.ndarray, pixel_error: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of the labels that lie on a line are multiples of one round step, and which are misread ones among them.

    A step is round if it is 1, 2, 2.5, 3, 4 or 5 times a power of ten. None are where an end label that is off the
    grid's own line by more than its rounding shows that the others were rounded, too.
    """
    none = np.zeros(len(v), dtype=bool)
    steps = np.abs(np.diff(v))
    steps = steps[steps > 0]
    for step in sorted(set(steps.tolist()), key=lambda step: -int(np.isclose(steps, step).sum())):
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
        on = np.abs(v / step - np.round(v / step)) < 1e-4
        if np.abs(np.array(_ROUND) - mantissa).min() < 1e-6 and on.sum() >= max(3, 0.5 * len(v)):
            slope, intercept = np.polyfit(p[on], v[on], 1)
            slack = np.where(on, 0.0, half) + 2.5 * pixel_error * abs(slope)
            off = np.abs(slope * p + intercept - v) > slack
            inside = (p > p[on].min()) & (p < p[on].max()) & ~on
            if not (off & ~inside).any() and 4 * off.sum() <= on.sum():
                return on, off
    return none, none


def _mean_line(p: np.ndarray, v: np.ndarray, half: np.ndarray, pixel_error: float, labels: int) -> Axis:
    """Least squares, then the mean over all lines that the labels' rounding allows, where that says more."""
    slope, intercept = (float(x) for x in np.polyfit(p, v, 1))
    blur = pixel_error * abs(slope)
    error = blur / math.sqrt(len(p))
    if float(half.max()) < blur:
        return Axis(slope, intercept, error, len(p), labels)
    low, high = float(p.min()), float(p.max())
    width = 2.0 * float(half.max()) + 2.0 * blur
    steps = np.linspace(-width, width, 61)
    at_low = slope * low + intercept + steps[:, None]
    at_high = slope * high + intercept + steps[None, :]
    chance = np.zeros((61, 61))
    # A box of the label's rounding, blurred by a logistic curve of the pixels' standard error.
    scale = blur * math.sqrt(3) / math.pi
    for share, value, box in zip((p - low) / (high - low), v, half, strict=True):
        off = at_low * (1 - share) + at_high * share - value
        chance -= np.logaddexp(_log_cosh(np.array(box / scale)), _log_cosh(off / scale))
    weight = np.exp(chance - chance.max())
    weight /= weight.sum()
    mean_low, mean_high = float((weight * at_low).sum()), float((weight * at_high).sum())
    off_middle = (at_low + at_high - mean_low - mean_high) / 2
    error = max(error, float(np.sqrt((weight * off_middle**2).sum())))
    slope = (mean_high - mean_low) / (high - low)
    return Axis(slope, mean_low - slope * low, error, len(p), labels)


def _log_cosh(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, -x)


@dataclass(frozen=True)
class CategoryAxis:
    """An axis whose steps need not be equal: the value between two labels lies on the line between those two.

    `error` is the standard error of a value.
    """

    pixels: tuple[float, ...]
    values: tuple[float, ...]
    error: float

    def value(self, pixel: float) -> float:
        """What stands at that pixel; beyond the end labels the line through the last two goes on."""
        i = int(np.clip(np.searchsorted(self.pixels, pixel) - 1, 0, len(self.pixels) - 2))
        slope = (self.values[i + 1] - self.values[i]) / (self.pixels[i + 1] - self.pixels[i])
        return self.values[i] + slope * (pixel - self.pixels[i])

    def divided(self, by: float) -> "CategoryAxis":
        """The same axis with all values divided."""
        return replace(self, values=tuple(value / by for value in self.values), error=self.error / by)


def category_axis(
    pixels: Sequence[float], readings: Sequence[Sequence[Number]], *, pixel_error: float = 0.6
) -> CategoryAxis | None:
    """The longest chain of labels that rise from left to right at about the usual rate; None where it is short.

    Steps may differ (bins without liquidations are left out of such axes), hence the wide bounds; a digit misread
    changes the rate by far more, or by less than a pixel.
    """
    points = [(p, number.value) for p, several in zip(pixels, readings, strict=True) for number in several]
    labels = sum(bool(several) for several in readings)
    rates = [(b - a) / (q - p) for i, (p, a) in enumerate(points) for q, b in points[i + 1 : i + 6] if q > p and b > a]
    if labels < 4 or not rates:
        return None
    usual = float(np.median(rates))
    length, before = [1] * len(points), [-1] * len(points)
    for j, (q, b) in enumerate(points):
        for i, (p, a) in enumerate(points[:j]):
            if q > p and usual / 3 <= (b - a) / (q - p) <= 3 * usual and length[i] + 1 > length[j]:
                length[j], before[j] = length[i] + 1, i
    end = int(np.argmax(length))
    if length[end] < 4 or length[end] < 0.6 * labels:
        return None
    chain = []
    while end >= 0:
        chain.append(points[end])
        end = before[end]
    return CategoryAxis(tuple(p for p, _ in chain[::-1]), tuple(v for _, v in chain[::-1]), pixel_error * usual)
