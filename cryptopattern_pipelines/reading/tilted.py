"""Labels of a horizontal axis that stand at an angle: how far they are turned, where each points, what it says.

What belongs here: turning a strip of labels upright. What does not: labels that stand upright already and fitting
(`axes.py`).
"""

import math

import cv2
import numpy as np

from cryptopattern_pipelines.reading.ocr import Engine
from cryptopattern_pipelines.reading.pixels import Box, off_ground
from cryptopattern_pipelines.reading.printed_numbers import NUMBER_CHARACTERS, is_ambiguous, numbers_of
from cryptopattern_pipelines.reading.tick_labels import TickLabel

_LEAST_TILT = 8.0  # degrees
_LEAST_LABELS = 4
_INK = 0.35  # least share of the strongest ink's distance from the ground


def tilted_labels(
    picture: np.ndarray, strip: Box, engine: Engine, *, decimal_comma: bool = False, most: int = 12
) -> list[TickLabel]:
    """Up to `most` labels that are turned, evenly chosen, left to right; none where labels stand upright.

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


def _tilt(ink: np.ndarray) -> float | None:
    """Degrees by which most pieces of text are turned, positive where they fall to the right; None where upright."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    sizes = stats[1:count, 2:4].max(axis=1)
    sizes = sizes[(sizes >= 4) & (sizes <= 60)]
    if sizes.size < 2 * _LEAST_LABELS:
        return None
    reach = max(3, 2 * round(0.15 * float(np.median(sizes))) + 1)
    joined = cv2.dilate(ink, np.ones((reach, reach), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    angles = []
    for i in range(1, count):
        left, top, width, height, area = stats[i].tolist()
        if max(width, height) < 2 * np.median(sizes) or area < 30:
            continue
        y, x = np.nonzero(labels[top : top + height, left : left + width] == i)
        spread = np.cov(x, y)
        across, along = np.linalg.eigvalsh(spread)
        if along > 7 * max(across, 0.1):
            angles.append(0.5 * math.degrees(math.atan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1])))
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
