"""Ink and the lines of text that it makes, whatever they say.

What belongs here: what stands out from its surroundings, glyphs joined to lines. What does not: which ink is text
(`text_page.py`, `dashboard.py`).
"""

import cv2
import numpy as np

from cryptopattern_pipelines.reading.pixels import Box, channel_max

_INK = 26  # least difference of text from its surroundings
_GAP = 0.42  # of its height, to either side of a glyph: nearer glyphs are one text


def ink_of(picture: np.ndarray, around: int) -> np.ndarray:
    """1 where a pixel differs from its surroundings, whichever of the two is the brighter; uint8.

    Surroundings are four times `around` pixels wide and high: strokes must be thinner than half of that.
    """
    height, width = picture.shape[:2]
    usual = cv2.resize(picture, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    usual = cv2.resize(cv2.medianBlur(usual, around), (width, height), interpolation=cv2.INTER_LINEAR)
    return (channel_max(cv2.absdiff(picture, usual)) > _INK).astype(np.uint8)


def joined(glyphs: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Glyphs (left, top, width, height, ... of each) closer than a word's gap made one: OpenCV's labels and boxes.

    The boxes reach beyond the text at both ends; `text_box` takes that off.
    """
    page = np.zeros(shape, np.uint8)
    left, top, across, down = glyphs.T[:4]
    reach = 1 + np.round(_GAP * np.maximum(down, np.minimum(8, across))).astype(int)
    for x, y, end, bottom in zip(left - reach, top, left + across - 1 + reach, top + down - 1, strict=True):
        cv2.rectangle(page, (int(x), int(y)), (int(end), int(bottom)), 1, cv2.FILLED)
    _, labels, lines, _ = cv2.connectedComponentsWithStats(page, connectivity=4)
    return labels, lines


def text_box(left: int, top: int, across: int, down: int, width: int) -> Box:
    """The box of the text that was joined to that one, on a picture of a width."""
    reach = round(0.3 * down)
    return Box(max(0, left + reach), top, min(width, left + across - reach), top + down)
