"""Labels of an axis that stand at an angle: how far they are turned, where each points, what it says.

What belongs here: turning labels upright. What does not: labels that stand upright already (`tick_labels.py`) and
fitting (`axes.py`).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.ocr import Engine
from cryptopattern_pipelines.reading.pixels import Box, off_ground
from cryptopattern_pipelines.reading.printed_numbers import NUMBER_CHARACTERS, is_ambiguous, numbers_of
from cryptopattern_pipelines.reading.tick_labels import TickLabel

_LEAST_TILT = 8.0  # degrees
_LEAST_LABELS = 4
_INK = 0.35  # least share of the strongest ink's distance from the ground
_LEAST_IN_COLUMN = 3
_ALIKE = 8.0  # degrees by which labels of one column may seem to differ


@dataclass(frozen=True)
class _Piece:
    """Glyphs that stand close together: their box, how far they are turned (degrees), length by height, squared."""

    box: Box
    angle: float
    stretch: float
    x: float  # centre of the ink
    y: float


def tilted_labels(
    picture: np.ndarray, strip: Box, engine: Engine, *, decimal_comma: bool = False, most: int = 12
) -> list[TickLabel]:
    """Up to `most` turned labels under a horizontal axis, evenly chosen, left to right; none where they stand upright.

    The upper end of a label points to its tick: a label's box is the column of that end.
    """
    pixels = strip.of(picture)
    if min(pixels.shape[:2]) < 12:
        return []
    tilt = _tilt(_ink(pixels))
    if tilt is None:
        return []
    found = _labels(pixels, tilt, engine, most)
    if abs(tilt) > 80 and len(numbers_of([text for _, text in found], decimal_comma=decimal_comma)) < _LEAST_LABELS:
        found = _labels(pixels, -tilt, engine, most)
    return [
        TickLabel(
            Box(round(x), 0, round(x) + 1, 1).moved(strip.left, strip.top),
            False,
            tuple(numbers_of([text], decimal_comma=decimal_comma)),
            is_ambiguous([text]),
        )
        for x, text in sorted(found, key=lambda label: label[0])
    ]


def tilted_column(picture: np.ndarray, strip: Box, engine: Engine, *, decimal_comma: bool = False) -> list[TickLabel]:
    """The turned labels in a strip at the right of a vertical axis, top to bottom; none where they stand upright.

    The left end of a label points to its tick: a label's box is the row of that end's middle. Labels that something
    else runs through, a legend, are left out.
    """
    pixels = strip.of(picture)
    if min(pixels.shape[:2]) < 12:
        return []
    labels = _column(_pieces(_ink(pixels))[0])
    if not labels:
        return []
    tilt = float(np.median([label.angle for label in labels]))
    left = float(np.median([label.box.left for label in labels]))  # a 1 begins later than its box
    crops = [_upright(pixels, label, tilt) for label in labels]
    found = []
    for label, line in zip(labels, engine.lines(crops, whitelist=NUMBER_CHARACTERS), strict=True):
        row = round(label.y - (label.x - left) * math.tan(math.radians(tilt)))
        box = Box(label.box.left, row, label.box.right, row + 1).moved(strip.left, strip.top)
        numbers = tuple(numbers_of([line.text], decimal_comma=decimal_comma))
        found.append(TickLabel(box, False, numbers, is_ambiguous([line.text])))
    return found


def _column(pieces: list[_Piece]) -> list[_Piece]:
    """Of pieces that are turned the most that begin in one column, are turned alike and are of one height."""
    turned = [p for p in pieces if p.stretch > 1.7 and _LEAST_TILT <= abs(p.angle) <= 60]
    best: list[_Piece] = []
    for one in turned:
        reach = 0.25 * one.box.height
        alike = [
            p
            for p in turned
            if abs(p.box.left - one.box.left) <= reach
            and abs(p.angle - one.angle) <= _ALIKE
            and 0.6 <= p.box.height / one.box.height <= 1.6
        ]
        best = max(best, alike, key=len)
    return sorted(best, key=lambda p: p.y) if len(best) >= _LEAST_IN_COLUMN else []


def _upright(pixels: np.ndarray, label: _Piece, tilt: float) -> np.ndarray:
    """A crop of one label, turned upright, four times the size."""
    part = label.box.of(pixels, 4)
    x, y = label.x - max(0, label.box.left - 4), label.y - max(0, label.box.top - 4)
    turn = cv2.getRotationMatrix2D((x, y), tilt, 4.0)
    long = math.hypot(label.box.width, label.box.height)
    size = (round(4 * long) + 16, round(4 * 0.75 * label.box.height) + 16)
    turn[:, 2] += np.array([size[0] / 2 - x, size[1] / 2 - y])
    ground = np.median(pixels.reshape(-1, 3), axis=0).tolist()
    return cv2.warpAffine(part, turn, size, flags=cv2.INTER_CUBIC, borderValue=ground)


def _ink(pixels: np.ndarray) -> np.ndarray:
    off = off_ground(pixels)
    return (off > max(24.0, _INK * float(np.percentile(off, 99)))).astype(np.uint8)


def _without_wide(pixels: np.ndarray, ground: list[float]) -> np.ndarray:
    """The pixels without what spans a good part of the strip (a slider, a rule): turned, it would cut labels off."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(_ink(pixels), connectivity=8)
    wide = np.flatnonzero(stats[:, 2] > 0.3 * pixels.shape[1])
    clean = pixels.copy()
    for i in wide[wide > 0].tolist():
        top, height = int(stats[i, 1]), int(stats[i, 3])
        clean[top : top + height][labels[top : top + height] == i] = ground
    return clean


def _pieces(ink: np.ndarray) -> tuple[list[_Piece], float]:
    """Glyphs joined to pieces of text, and the usual size of a glyph; none where there are few glyphs."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    sizes = stats[1:count, 2:4].max(axis=1)
    sizes = sizes[(sizes >= 4) & (sizes <= 60)]
    if sizes.size < 2 * _LEAST_LABELS:
        return [], 0.0
    glyph = float(np.median(sizes))
    reach = max(3, 2 * round(0.15 * glyph) + 1)
    joined = cv2.dilate(ink, np.ones((reach, reach), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    pieces = []
    for i in range(1, count):
        left, top, width, height, area = stats[i].tolist()
        if max(width, height) < 1.7 * glyph or area < 30:
            continue
        y, x = np.nonzero(labels[top : top + height, left : left + width] == i)
        spread = np.cov(x, y)
        across, along = np.linalg.eigvalsh(spread)
        angle = 0.5 * math.degrees(math.atan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1]))
        box = Box(left, top, left + width, top + height)
        pieces.append(_Piece(box, angle, along / max(across, 0.1), left + float(x.mean()), top + float(y.mean())))
    return pieces, glyph


def _tilt(ink: np.ndarray) -> float | None:
    """Degrees by which most pieces of text are turned, positive where they fall to the right; None where upright."""
    pieces, glyph = _pieces(ink)
    angles = [p.angle for p in pieces if p.stretch > 7 and max(p.box.width, p.box.height) >= 2 * glyph]
    if len(angles) < _LEAST_LABELS:
        return None
    turned = np.array(angles)
    turned[turned > 80] -= 180  # upright or on its head: read upwards first
    tilt = float(np.median(turned))
    tilt = -90.0 if tilt < -84 else tilt
    same = (np.abs(turned - tilt) <= 8).mean()
    return tilt if abs(tilt) >= _LEAST_TILT and same >= 0.6 else None


def _labels(pixels: np.ndarray, tilt: float, engine: Engine, most: int) -> list[tuple[float, str]]:
    """Where the upper end of each label stands (column of the strip), and what it says."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (int(height * sin + width * cos) + 2, int(height * cos + width * sin) + 2)
    turn[:, 2] += (size[0] / 2 - width / 2, size[1] / 2 - height / 2)
    ground = np.median(pixels.reshape(-1, 3), axis=0).tolist()
    pixels = _without_wide(pixels, ground)
    upright = cv2.warpAffine(pixels, turn, size, flags=cv2.INTER_CUBIC, borderValue=ground)
    ink = _ink(upright)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    tall = stats[1:count, 3]
    tall = tall[(tall >= 4) & (tall <= 60)]
    if not tall.size:
        return []
    glyph = int(np.median(tall))
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(3, round(0.7 * glyph))), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    boxes = [
        Box(left, top, left + wide, top + high)
        for left, top, wide, high, _ in stats[1:count].tolist()
        if 0.7 * glyph <= high <= 1.8 * glyph and 1.8 * high <= wide <= 16 * high
    ]
    back = cv2.invertAffineTransform(turn)
    ends = [back @ np.array([box.right if tilt < 0 else box.left, box.y, 1.0]) for box in boxes]
    placed = sorted(zip((float(end[0]) for end in ends), boxes, strict=True), key=lambda label: label[0])
    if len(placed) > most:
        placed = [placed[i] for i in np.linspace(0, len(placed) - 1, most).round().astype(int)]
    lines = engine.lines([box.of(upright, 3) for _, box in placed], whitelist=NUMBER_CHARACTERS)
    return [(x, line.text) for (x, _), line in zip(placed, lines, strict=True)]
