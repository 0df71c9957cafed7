"""Axes: printed numbers -> values, tick labels -> a line from pixels to values that misread labels can't bend.

What belongs here: how a number is written, where tick labels stand, and fitting. What does not: what is drawn inside
the plot (`heatmap.py`, `liquidation_map.py`).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.ocr import Engine

_SEPARATE = 9  # height of digits in pixels from which they stand apart
_SMALL_PRINT = 9  # height of digits in pixels under which one reading isn't to be trusted

_LOW_TAG = 1.2  # height of a tag in labels' heights: lower ones are cut
NUMBER_CHARACTERS = "0123456789.,KMBT$"

_POWERS = {"": 0, "K": 3, "M": 6, "B": 9, "T": 12}
_NUMBER = re.compile(r"(\d[\d.,]*\d|\d|[.,]\d+)([KMBT]?)", re.IGNORECASE)
_ROUND = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0)  # what steps between ticks begin with
# Groups of thousands, no needless zero in front: a number that begins with one has lost its point in reading.
_WRITTEN = r"[1-9]\d{{0,2}}(?:{t}\d{{3}})+(?:{d}\d+)?|(?:0|[1-9]\d*)(?:{d}\d+)?|{d}\d+"


@dataclass(frozen=True)
class Number:
    """A number as printed: its value, and half a unit of its last digit (what rounding may have hidden)."""

    value: float
    half_unit: float


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; `right` and `bottom` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def x(self) -> float:
        """Middle column."""
        return (self.left + self.right - 1) / 2

    @property
    def y(self) -> float:
        """Middle row."""
        return (self.top + self.bottom - 1) / 2

    def moved(self, x: int, y: int) -> "Box":
        """The same box on a picture of which this one's is a crop that begins at (x, y)."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def of(self, picture: np.ndarray, margin: int = 0) -> np.ndarray:
        """The pixels inside, with a margin as far as the picture goes."""
        return picture[
            max(0, self.top - margin) : self.bottom + margin, max(0, self.left - margin) : self.right + margin
        ]


@dataclass(frozen=True)
class TickLabel:
    """One label beside an axis: where its ink stands, whether it is a filled tag, what number each reading gave.

    `ambiguous` says whether the numbers are others where the decimal sign is the comma, or the point.
    """

    box: Box
    filled: bool
    numbers: tuple[Number, ...]
    ambiguous: bool = False


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


def writes_decimal_comma(texts: Iterable[str]) -> bool:
    """Whether the page writes 1.234,5: told by numbers that have one reading alone, US style where none has.

    One plain number like `16,1` is not enough: it may be a day and the beginning of a time.
    """
    comma = dot = 0
    for text in texts:
        for match in re.finditer(r"(?<![\d:])\d[\d.,]*\d(?![\d.,:])", text):
            number = match[0]
            last = max(number.rfind(","), number.rfind("."))
            if last < 0:
                continue
            digits, both = len(number) - last - 1, "," in number and "." in number
            # 0,251 and 12,5 can't be thousands; 1.234,5 says it by its two signs.
            small = re.fullmatch(r"0[.,]\d+", number) is not None
            if both or digits != 3 or small:
                marked = text[: match.start()].endswith("$") or text[match.end() :].startswith(
                    ("K", "M", "B", "T", "%")
                )
                weight = 2 if both or small or marked else 1
                comma += weight * (number[last] == ",")
                dot += weight * (number[last] == ".")
    return comma > dot + 1


def parse_number(text: str, *, decimal_comma: bool = False) -> Number | None:
    """The number in a text that holds just one, K, M, B and T multiplied out, None where there is none or doubt.

    A number with a leading zero but no separator has lost its point in reading, so it is refused.
    """
    found = [match for match in _NUMBER.finditer(text.replace(" ", "")) if match[0]]
    if len(found) != 1:
        return None
    digits, suffix = found[0][1], found[0][2].upper()
    usual = (",", ".") if decimal_comma else (".", ",")
    for decimal, thousands in (usual, usual[::-1]):  # 12,5 and 1.234.567 have one reading on any page
        if re.fullmatch(_WRITTEN.format(d=re.escape(decimal), t=re.escape(thousands)), digits):
            break
    else:
        return None
    whole, _, fraction = digits.replace(thousands, "").partition(decimal)
    power = _POWERS[suffix]
    return Number(float(f"{whole or '0'}.{fraction}e{power}"), float(f"5e{power - len(fraction) - 1}"))


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
        exact, misread = _on_grid(p, v, half, pixel_error)
        p, v, half = p[~misread], v[~misread], np.where(exact, 0.0, half)[~misread]
    return _mean_line(p, v, half, pixel_error, count)


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


def tick_labels(
    picture: np.ndarray, strip: Box, engine: Engine, *, edge: str = "left", decimal_comma: bool = False
) -> list[TickLabel]:
    """The labels of a vertical axis that stand in a strip beside the plot, top to bottom, each read by itself.

    `edge` is the strip's side at the plot: labels are those whose near end lies where most near ends lie, which
    leaves out what else the strip may show. A filled tag (the current price) is marked as such.
    """
    boxes = _label_boxes(picture, strip, edge)
    texts: list[list[str]] = [[] for _ in boxes]
    ways = [[_label_crop(picture, box, filled) for box, filled in boxes]]
    height = float(np.median([box.height for box, _ in boxes])) if boxes else 0.0
    if height < _SMALL_PRINT:
        ways += [[enlarged(_label_crop(picture, box, filled), noise) for box, filled in boxes] for noise in (0.1, 0.3)]
    for crops in ways:
        for several, line in zip(texts, engine.lines(crops, whitelist=NUMBER_CHARACTERS), strict=True):
            several.append(line.text)
    for several, (box, filled) in zip(texts, boxes, strict=True):
        if filled:
            if box.height < _LOW_TAG * height:
                # It has lost a part of its rim to a label under it; the least channel shows white on red alone.
                more = [box.of(picture, margin).min(axis=2) for margin in (0, 1, 2)]
            else:
                more = [box.of(picture, -margin) for margin in (2, 3)]
                more += [enlarged(_label_crop(picture, box, True), 0.2)]
            several += [line.text for line in engine.lines(more, whitelist=NUMBER_CHARACTERS)]
        else:
            glyphs = _glyphs(box.of(picture, 2))
            several[:] = [text for text in several if _most_parts(text) >= glyphs]
    numbers = _with_lost_points([numbers_of(several, decimal_comma=decimal_comma) for several in texts])
    unclear = [numbers_of(several) != numbers_of(several, decimal_comma=True) for several in texts]
    return [
        TickLabel(box, filled, tuple(several), ambiguous)
        for (box, filled), several, ambiguous in zip(boxes, numbers, unclear, strict=True)
    ]


def _most_parts(text: str) -> int:
    """How many glyphs of full height a text may look like: the two stems of an M stand apart in small print."""
    return sum(c.isalnum() or c == "$" for c in text) + text.count("M")


def _glyphs(crop: np.ndarray) -> int:
    """How many glyphs of full height stand apart in a crop of one line, 0 where it is too small to tell.

    A reading with fewer characters has lost one: a digit, or a unit like the micro sign.
    """
    if crop.shape[0] < _SEPARATE + 4:
        return 0
    off = off_ground(crop)
    _, _, stats, _ = cv2.connectedComponentsWithStats((off > 0.5 * np.percentile(off, 99)).astype(np.uint8))
    return int((stats[1:, 3] >= 0.6 * (crop.shape[0] - 4)).sum())


def numbers_of(texts: Iterable[str], *, decimal_comma: bool = False) -> list[Number]:
    """The numbers that several readings of one text hold, those that are none left out."""
    numbers = (parse_number(text, decimal_comma=decimal_comma) for text in texts)
    return [number for number in numbers if number is not None]


def _with_lost_points(readings: list[list[Number]]) -> list[list[Number]]:
    """The readings and, for those without a point, what they say if they have lost the one that most labels have."""
    decimals = Counter(number.half_unit for several in readings for number in several[:1] if number.half_unit < 0.5)
    unit, count = decimals.most_common(1)[0] if decimals else (0.5, 0)
    if count < max(3, 0.3 * len(readings)):
        return readings
    return [
        [
            *several,
            *(Number(n.value * 2 * unit, unit) for n in several if n.half_unit == 0.5 and n.value * 2 * unit > 0),
        ]
        for several in readings
    ]


def enlarged(crop: np.ndarray, noise: float) -> np.ndarray:
    """A crop of one line, black on white, six times the size, what is fainter than `noise` of its ink cut away."""
    off = off_ground(crop)
    ink = np.clip((off / max(1.0, float(np.percentile(off, 99))) - noise) / (1 - noise), 0, 1)
    large = cv2.resize(ink, None, fx=6, fy=6, interpolation=cv2.INTER_LINEAR)
    return cv2.copyMakeBorder(255 - (large * 255).astype(np.uint8), 6, 6, 12, 12, cv2.BORDER_CONSTANT, value=255)


def _label_boxes(picture: np.ndarray, strip: Box, edge: str) -> list[tuple[Box, bool]]:
    """Boxes of the ink of the labels in a strip, and whether each is a filled tag."""
    pixels = strip.of(picture)
    if min(pixels.shape[:2]) < 5:
        return []
    off = off_ground(pixels)
    strong = (off > _ink_threshold(off)).astype(np.uint8)
    tall = np.ones((max(24, round(0.12 * pixels.shape[0])), 1), np.uint8)
    lines = cv2.morphologyEx(strong, cv2.MORPH_OPEN, tall)  # an axis line joins the tag and the labels at its ticks
    ink = _without_ticks(_without_lines(cv2.subtract(strong, lines), 0.1 * pixels.shape[0], edge))
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(3, _glyph_height(ink))), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for left, top, width, height, _ in stats[1:count].tolist():
        if 4 <= height <= 0.12 * pixels.shape[0] and 1.2 * height <= width <= 14 * height:
            box = Box(left, top, left + width, top + height)
            core = _filled_core(off, box)
            found.append((_tight(off, box), False) if core is None else (core, True))
    column = _common_end([box for box, filled in found if not filled], edge)
    kept = []
    for box, filled in found:
        end = box.left if edge == "left" else -box.right
        if (
            column is None
            or filled
            or (abs(end - column[0]) <= 0.5 * column[1] + 1 and 0.6 <= box.height / column[1] <= 1.6)
        ):
            kept.append((box.moved(strip.left, strip.top), filled))
    return sorted(kept, key=lambda label: label[0].top)


def channel_max(pixels: np.ndarray) -> np.ndarray:
    """The greatest of each pixel's three channels (numpy's own `max` over an axis of three is ten times slower)."""
    first, second, third = cv2.split(pixels)
    return cv2.max(cv2.max(first, second), third)


def off_ground(pixels: np.ndarray) -> np.ndarray:
    """How far each pixel is from the ground colour (the most frequent one), the greatest of the channels' distances."""
    flat = pixels.reshape(-1, 3)
    coarse = (flat >> 3).astype(np.int32)
    key = (coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2]
    ground = flat[key == int(np.bincount(key, minlength=1 << 15).argmax())].astype(np.float32).mean(axis=0)
    return channel_max(np.abs(pixels.astype(np.float32) - ground))


def _ink_threshold(off: np.ndarray) -> float:
    """Over the ground's noise (JPEG), under faint text."""
    return float(np.clip(4 * np.percentile(off, 60) + 8, 12, 28))


def _without_lines(ink: np.ndarray, tallest: float, edge: str = "") -> np.ndarray:
    """Ink (uint8) without frames, axis lines and what sticks out of the plot into the strip at that edge."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    left, width, height, area = stats[:, 0], stats[:, 2], stats[:, 3], stats[:, 4]
    touches = (left == 0) & (edge == "left") | (left + width == ink.shape[1]) & (edge == "right")
    tag = (area > 0.6 * width * height) & (height >= 7) & (width >= 1.3 * height)
    keep = (height <= tallest) & (tag | (width <= 0.9 * ink.shape[1]) & ~touches)
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _without_ticks(ink: np.ndarray) -> np.ndarray:
    """Ink without the marks that point from an axis to its labels: flat, while points are as wide as they are high."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    width, height = stats[:, 2], stats[:, 3]
    keep = (height > 0.3 * _glyph_height(ink)) | (width < 2 * height)
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _glyph_height(ink: np.ndarray) -> int:
    """Median height of the glyphs in a mask of text."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights = stats[1:count, 3]
    heights = heights[heights >= 4]
    return int(np.median(heights)) if heights.size else 0


def _filled_core(off: np.ndarray, box: Box) -> Box | None:
    """The rectangle of a filled tag: rows and columns of the box that are mostly ink, its rim all but closed."""
    part = off[box.top : box.bottom, box.left : box.right]
    ink = off > 0.45 * np.percentile(part, 98)
    part = _without_holes(ink[box.top : box.bottom, box.left : box.right])
    rows = np.flatnonzero(part.mean(axis=1) > 0.6)
    if rows.size < 7:
        return None
    columns = np.flatnonzero(part[rows[0] : rows[-1] + 1].mean(axis=0) > 0.6)
    if columns.size < 14:
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    part = part[top:bottom, left:right]
    rim = np.concatenate([part[0, 2:-2], part[-1, 2:-2], part[2:-2, 0], part[2:-2, -1]])
    if float(rim.mean()) <= 0.85:
        return None
    return Box(box.left + left, box.top + top, box.left + right, box.top + bottom)


def _without_holes(ink: np.ndarray) -> np.ndarray:
    """Ink whose holes are filled: the letters on a tag may have the page's colour."""
    outlines, _ = cv2.findContours(ink.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(ink.shape, np.uint8), outlines, -1, 1, cv2.FILLED)


def _tight(off: np.ndarray, box: Box) -> Box:
    """The box shrunk to what has at least 0.45 of its strongest ink: blur and JPEG make ink fat."""
    part = off[box.top : box.bottom, box.left : box.right]
    strong = part > 0.45 * np.percentile(part, 98)
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    return Box(
        box.left + int(columns[0]), box.top + int(rows[0]), box.left + int(columns[-1]) + 1, box.top + int(rows[-1]) + 1
    )


def _common_end(boxes: Sequence[Box], edge: str) -> tuple[int, float] | None:
    """Where most labels' near ends lie (negative: right ends), and those labels' height; None without boxes.

    Wide boxes count more: the letters of an upright title stand in a column, too.
    """
    if not boxes:
        return None
    ends = np.array([box.left if edge == "left" else -box.right for box in boxes])
    heights = np.array([box.height for box in boxes])
    near = np.abs(ends[:, None] - ends) <= 0.6 * heights[:, None] + 2
    widths = np.array([box.width - 0.8 * box.height for box in boxes])
    best = int((near * widths).sum(axis=1).argmax())
    return int(np.median(ends[near[best]])), float(np.median(heights[near[best]]))


def _label_crop(picture: np.ndarray, box: Box, filled: bool) -> np.ndarray:
    return box.of(picture, -1) if filled else box.of(picture, 3)


def bottom_labels(
    picture: np.ndarray, strip: Box, engine: Engine, *, decimal_comma: bool = False, most: int = 12
) -> list[TickLabel]:
    """Up to `most` labels, evenly chosen, of the horizontal axis whose labels stand in a strip, left to right."""
    pixels = strip.of(picture)
    if min(pixels.shape[:2]) < 5:
        return []
    off = off_ground(pixels)
    # All labels here have one colour: a third of its contrast is over the ringing that JPEG leaves around the bars.
    threshold = max(_ink_threshold(off), 0.35 * float(np.percentile(off[len(off) // 8 :], 99)))
    ink = _without_lines(off > threshold, 0.6 * pixels.shape[0])
    glyph = _glyph_height(ink)
    if glyph == 0:
        return []
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(3, glyph)), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    found = [
        Box(left, top, left + width, top + height)
        for left, top, width, height, _ in stats[1:count].tolist()
        if 0.7 * glyph <= height <= 1.7 * glyph and width >= 1.2 * height
    ]
    if not found:
        return []
    rows = np.array([box.y for box in found])
    near = np.abs(rows[:, None] - rows) <= 0.6 * glyph
    # The first line of text under the axis that has a good part of all boxes is the labels' line.
    enough = np.flatnonzero(near.sum(axis=1) >= 0.6 * near.sum(axis=1).max())
    line = near[enough[rows[enough].argmin()]]
    chosen = sorted((box for box, on in zip(found, line, strict=True) if on), key=lambda box: box.left)
    if len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).round().astype(int)]
    boxes = [
        Box(box.left + strip.left, box.top + strip.top, box.right + strip.left, box.bottom + strip.top)
        for box in (_tight(off, box) for box in chosen)
    ]
    ways = [[box.of(picture, 3) for box in boxes]]
    if np.median([box.height for box in boxes]) < _SMALL_PRINT:
        ways += [[enlarged(box.of(picture, 3), 0.2) for box in boxes]]
    texts = zip(
        *([line.text for line in engine.lines(crops, whitelist=NUMBER_CHARACTERS)] for crops in ways), strict=True
    )
    numbers = _with_lost_points([numbers_of(several, decimal_comma=decimal_comma) for several in texts])
    return [TickLabel(box, False, tuple(several)) for box, several in zip(boxes, numbers, strict=True)]


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
