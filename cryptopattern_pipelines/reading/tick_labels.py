"""Labels beside an upright axis and under a lying one: where they stand, and what each may say.

What belongs here: finding labels' ink, filled tags, reading each by itself. What does not: labels at an angle
(`tilted.py`), the line through labels (`axes.py`), how numbers are written (`printed_numbers.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.ocr import Engine
from cryptopattern_pipelines.reading.pixels import Box, channel_min, off_ground
from cryptopattern_pipelines.reading.printed_numbers import (
    NUMBER_CHARACTERS,
    Number,
    is_ambiguous,
    numbers_of,
    with_lost_points,
)

# Why an axis is not believed.
UNCLEAR_SIGN = "whether the price labels' sign is the decimal one can't be told"
_SEPARATE = 9  # height of digits in pixels from which they stand apart
_SMALL_PRINT = 9  # height of digits in pixels under which one reading isn't to be trusted
_TICK = 2  # greatest thickness in pixels of the marks that point from an axis to its labels
_TICK_LENGTH = 6  # their usual length in pixels
_TINY_PRINT = 7  # height of digits in pixels under which a number of one or two must be read so twice
_LOW_TAG = 1.2  # height of a tag in labels' heights: lower ones are cut


@dataclass(frozen=True)
class TickLabel:
    """One label beside an axis: where its ink stands, whether it is a filled tag, what number each reading gave.

    `ambiguous` says whether the numbers are others where the decimal sign is the comma, or the point.
    """

    box: Box
    filled: bool
    numbers: tuple[Number, ...]
    ambiguous: bool = False


def are_ambiguous(labels: Sequence[TickLabel]) -> bool:
    """Whether most labels that bear a number would bear another with the other decimal sign."""
    return sum(label.ambiguous for label in labels) > 0.5 * sum(bool(label.numbers) for label in labels)


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
                more = [channel_min(box.of(picture, margin)) for margin in (0, 1, 2)]
            else:
                more = [box.of(picture, -margin) for margin in (2, 3)]
                more += [enlarged(_label_crop(picture, box, True), 0.2)]
            several += [line.text for line in engine.lines(more, whitelist=NUMBER_CHARACTERS)]
        else:
            glyphs = _glyphs(box.of(picture, 2))
            several[:] = [text for text in several if _most_parts(text) >= glyphs]
    found = [numbers_of(several, decimal_comma=decimal_comma) for several in texts]
    if height < _TINY_PRINT:
        found = [[n for n in several if n.value >= 200 * n.half_unit or several.count(n) > 1] for several in found]
    numbers = with_lost_points(found)
    return [
        TickLabel(box, filled, tuple(several), is_ambiguous(own))
        for (box, filled), several, own in zip(boxes, numbers, texts, strict=True)
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


def _ink_threshold(off: np.ndarray) -> float:
    """Over the ground's noise (JPEG), under faint text."""
    return float(np.clip(4 * np.percentile(off, 60) + 8, 12, 28))


def _without_lines(ink: np.ndarray, tallest: float, edge: str = "") -> np.ndarray:
    """Ink (uint8) without frames, axis lines and what sticks out of the plot into the strip at that edge."""
    ink = _cut_from_plot(ink.astype(np.uint8), edge)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    left, width, height, area = stats[:, 0], stats[:, 2], stats[:, 3], stats[:, 4]
    touches = (left == 0) & (edge == "left") | (left + width == ink.shape[1]) & (edge == "right")
    tag = (area > 0.6 * width * height) & (height >= 7) & (width >= 1.3 * height)
    keep = (height <= tallest) & (tag | (width <= 0.9 * ink.shape[1]) & ~touches)
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _cut_from_plot(ink: np.ndarray, edge: str) -> np.ndarray:
    """Ink (uint8) without the flat marks that begin at the plot: a blurred one runs into its label's first digit."""
    if not edge:
        return ink
    near = ink[:, :_TICK_LENGTH] if edge == "left" else ink[:, -_TICK_LENGTH:]
    flat = cv2.subtract(near, cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((_TICK + 1, 1), np.uint8)))
    _, labels = cv2.connectedComponents(flat, connectivity=8)
    marks = np.unique(labels[:, :2] if edge == "left" else labels[:, -2:])
    cut = ink.copy()
    part = cut[:, :_TICK_LENGTH] if edge == "left" else cut[:, -_TICK_LENGTH:]
    part[np.isin(labels, marks[marks > 0])] = 0
    return cut


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
    read = ([line.text for line in engine.lines(crops, whitelist=NUMBER_CHARACTERS)] for crops in ways)
    texts = list(zip(*read, strict=True))
    numbers = with_lost_points([numbers_of(several, decimal_comma=decimal_comma) for several in texts])
    return [
        TickLabel(box, False, tuple(several), is_ambiguous(own))
        for box, several, own in zip(boxes, numbers, texts, strict=True)
    ]
