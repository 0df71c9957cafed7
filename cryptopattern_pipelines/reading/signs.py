"""Signs of changes: as printed, by the shape of an arrow, by colour.

What belongs here: telling rises from falls beside a number. What does not: which change belongs to which value
(`dashboard.py`), how numbers are written (`metrics.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from cryptopattern_pipelines.reading.metrics import parse_change
from cryptopattern_pipelines.reading.ocr import Engine
from cryptopattern_pipelines.reading.pixels import Box, off_ground, saturation
from cryptopattern_pipelines.reading.tick_labels import enlarged

_VIVID = 60  # least difference of a colour's channels that tells a sign
_LEAST_TOLD = 3  # marks that it takes to believe that a page swaps the colours
_LIKE_ARROWS = "1479"  # digits as which arrows and plus signs are misread


def is_filled(picture: np.ndarray, box: Box) -> bool:
    """Whether a box has a ground of its own (a pill) that differs from what is around it."""
    outer, inner = box.of(picture, 3), box.of(picture, -1)
    if min(inner.shape[:2]) < 7:
        return False
    around = np.median(np.concatenate([outer[0], outer[-1]]), axis=0)
    rim = np.concatenate([inner[0, 3:-3], inner[-1, 3:-3]])
    return bool((np.abs(rim - around).max(axis=1) > 12).mean() > 0.9)


class Signs:
    """Signs of changes: as printed, by the shape of an arrow, by colour. What colours mean is learnt from the page."""

    def __init__(self, picture: np.ndarray, engine: Engine, comma: bool) -> None:
        self._picture, self._engine, self._comma = picture, engine, comma
        self._swapped = False

    def learn(self, boxes: Iterable[Box]) -> None:
        """Take from the marks before changes whether rises are red here, as in East Asia."""
        pairs = [(self.mark(box)[0], self.colour(box)) for box in boxes]
        told = [mark == colour for mark, colour in pairs if mark and colour]
        self._swapped = len(told) >= _LEAST_TOLD and not any(told)

    def change(self, box: Box, readings: Sequence[str]) -> float | None:
        """A change with its sign: the arrow's or the printed one, else the colour's; None where that is not clear."""
        sign, start = self.mark(box)
        changes = [change for reading in readings if (change := self._parsed(reading))]
        if sign is not None:
            # A mark that wasn't read as one may have been read as a digit.
            changes = [change for change in changes if change[1]]
        if len(changes) < 2 or len({size for size, _ in changes}) > 1:
            crop = self._crop(box, start if sign is not None else None)
            again = self._engine.lines([crop, enlarged(crop, 0.2)])
            changes += [change for line in again if (change := self._parsed(line.text))]
        counted = Counter(size for size, _ in changes).most_common(1)
        if not counted or counted[0][1] < 2 or counted[0][1] <= len(changes) - counted[0][1]:
            return None
        size = counted[0][0]
        printed = {sign for number, sign in changes if number == size} - {""}
        colour = self.colour(box)
        if sign is None and printed:
            sign = next(iter(printed)) if len(printed) == 1 and (colour is None or colour in printed) else None
        elif sign is None and not (size >= 10 and str(int(size))[0] in _LIKE_ARROWS):
            sign = colour
        if sign is None or (printed and sign not in printed):
            return None
        return -size if sign == "-" else size

    def _crop(self, box: Box, start: int | None) -> np.ndarray:
        """A box's pixels with a margin, none at the left where the text is to begin there."""
        margin = -2 if is_filled(self._picture, box) else 3
        if start is None:
            return box.of(self._picture, margin)
        return self._picture[max(0, box.top - margin) : box.bottom + margin, start : box.right + margin]

    def _parsed(self, reading: str) -> tuple[float, str] | None:
        return parse_change(reading, decimal_comma=self._comma)

    def mark(self, box: Box) -> tuple[str | None, int]:
        """The sign that a text's first glyph is by its shape (minus, plus, arrow), and where what follows begins."""
        crop = box.of(self._picture, -1 if is_filled(self._picture, box) else 0)
        off = off_ground(crop)
        ink = (off > 0.4 * np.percentile(off, 99)).astype(np.uint8)
        columns = np.flatnonzero(ink.any(axis=0))
        if columns.size < 4:
            return None, box.left
        rows = np.flatnonzero(ink.any(axis=1))
        height = rows[-1] - rows[0] + 1
        end = int(np.flatnonzero(np.diff(columns) > 1)[0]) if (np.diff(columns) > 1).any() else len(columns) - 1
        glyph = ink[rows[0] : rows[-1] + 1, columns[0] : columns[end] + 1]
        sign = _sign_of_shape(glyph, height)
        return sign, box.left if sign is None else box.left + int(columns[end]) + 2

    def colour(self, box: Box) -> str | None:
        """`+` where what is coloured in a box is green, `-` where it is red, None where it is neither or both."""
        pixels = box.of(self._picture)
        vivid = saturation(pixels) > _VIVID
        if vivid.sum() < max(6, 0.03 * vivid.size):
            return None
        hue = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., 0][vivid].astype(int) * 2
        green, red = float(((hue >= 85) & (hue <= 185)).mean()), float(((hue >= 335) | (hue <= 18)).mean())
        if max(green, red) < 0.8:
            return None
        return "+" if (green > red) != self._swapped else "-"


def _sign_of_shape(glyph: np.ndarray, height: int) -> str | None:
    """The sign that a glyph's mask (all rows of its line) says: dash, cross, arrow or triangle; None for others."""
    rows = np.flatnonzero(glyph.any(axis=1))
    if not rows.size:
        return None
    tall, wide = int(rows[-1] - rows[0]) + 1, glyph.shape[1]
    middle = (rows[0] + rows[-1]) / 2 / height
    if tall <= 0.3 * height and wide >= max(3.0, 1.4 * tall, 0.18 * height) and 0.3 < middle < 0.8:
        return "-"
    part = glyph[rows[0] : rows[-1] + 1]
    alike = float((part == part[:, ::-1]).mean())
    if tall < 5 or alike < 0.7:
        return None
    if tall <= 0.85 * height and _is_cross(part):
        return "+"
    return None if alike < 0.85 else _sign_of_arrow(part) or _sign_of_triangle(part)


def _is_cross(part: np.ndarray) -> bool:
    tall, wide = part.shape
    rows, columns = np.flatnonzero(part.mean(axis=1) > 0.85), np.flatnonzero(part.mean(axis=0) > 0.85)
    if not rows.size or not columns.size or part.mean() > 0.6 or not 0.75 <= wide / tall <= 1.4:
        return False
    if float((part == part[::-1]).mean()) < 0.7:  # an arrow's head is at one end
        return False
    thin = rows.size <= 0.4 * tall and columns.size <= 0.4 * wide
    return thin and 0.28 < rows.mean() / (tall - 1) < 0.72 and 0.28 < columns.mean() / (wide - 1) < 0.72


def _sign_of_arrow(part: np.ndarray) -> str | None:
    """`+` or `-` for a shaft with a head: neither end is as wide as the head is."""
    tall, wide = part.shape
    widths = part.sum(axis=1)
    upper, lower = widths[: round(0.4 * tall)].max(), widths[-round(0.4 * tall) :].max()
    if tall < 8 or not 0.4 <= wide / tall <= 1.05 or part[:, wide // 2].mean() < 0.85:
        return None
    widest = float(np.flatnonzero(widths >= 0.8 * wide).mean()) / (tall - 1) if widths.max() >= 0.8 * wide else 0.0
    if min(upper, lower) > 0.45 * wide or not (0.15 < widest < 0.38 or 0.62 < widest < 0.85):
        return None
    return "+" if upper > lower else "-"


def _sign_of_triangle(part: np.ndarray) -> str | None:
    """`+` or `-` for a triangle: its rows grow evenly from a point to its base, each without a hole."""
    tall, wide = part.shape
    if not part.any(axis=1).all():
        return None  # of two pieces, such as a colon
    widths = part.sum(axis=1).astype(float)
    spans = np.array([np.flatnonzero(row)[-1] - np.flatnonzero(row)[0] + 1 for row in part])
    if not 0.75 <= wide / tall <= 2.4 or not 0.4 <= part.mean() <= 0.75 or (widths < 0.9 * spans).any():
        return None
    trend = float(np.corrcoef(np.arange(tall), widths)[0, 1])
    if abs(trend) <= 0.93 or widths.min() > 0.4 * wide:
        return None
    return "+" if trend > 0 else "-"
