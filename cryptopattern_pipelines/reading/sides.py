"""Which end of a two-coloured bar stands for longs: by words and legends, else by the colours' order.

What belongs here: finding `Long` and `Short` on a picture and what they are tied to. What does not: the shares.
"""

import re
from collections.abc import Sequence

import numpy as np

from cryptopattern_pipelines.reading.bars import BarTable
from cryptopattern_pipelines.reading.ocr import Word

_WORDS = {"long": re.compile(r"^\W*longs?\W*$", re.IGNORECASE), "short": re.compile(r"^\W*shorts?\W*$", re.IGNORECASE)}
_COLOURED = 60  # least difference of a pixel's channels that makes it coloured


def long_is_left(picture: np.ndarray, table: BarTable, words: Sequence[Word]) -> bool | None:
    """Whether longs stand at the left of the bars; None where nothing tells.

    A legend's or heading's colours decide, then headings over the two ends; without either, longs are taken to be
    green, teal or blue, and at the left: a table the other way round needs words. `words` are those of the picture
    outside its table.
    """
    said = {side: [word for word in _single(words) if way.match(word.text)] for side, way in _WORDS.items()}
    colours = _side_colours(picture, table)
    if colours is not None:
        votes = [
            _nearest(colour, colours) == (side == "long")
            for side, found in said.items()
            for word in found
            if (colour := _colour_at(picture, word)) is not None
        ]
        if votes and len(set(votes)) == 1:
            return votes[0]
    middle = table.left + table.width / 2
    for long in said["long"]:
        for short in said["short"]:
            apart = abs(long.x - short.x) > 0.3 * table.width and abs(long.y - short.y) < long.height
            if apart and (long.x < middle) != (short.x < middle):
                return long.x < short.x
    return None if table.mirrored else True


def _single(words: Sequence[Word]) -> list[Word]:
    """Words but those of titles, `Long/Short ... Distribution`."""
    titles = {word.line for word in words if re.search(r"distribution|liquidation", word.text, re.IGNORECASE)}
    return [word for word in words if word.line not in titles]


def _side_colours(picture: np.ndarray, table: BarTable) -> tuple[np.ndarray, np.ndarray] | None:
    """The colours (RGB) of the bars' left and right ends, None where all bars have but one."""
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for bar in table.bars:
        middle = picture[bar.top + bar.height // 4 : bar.bottom - bar.height // 4]
        cut = round(table.boundary(bar))
        for side, part in zip(
            sides, (middle[:, int(table.left) + 2 : cut - 2], middle[:, cut + 2 : int(table.right) - 2]), strict=True
        ):
            if part.shape[1] > 6:
                side.append(np.median(part, axis=(0, 1)))
    return None if not all(sides) else (np.median(sides[0], axis=0), np.median(sides[1], axis=0))


def _nearest(colour: np.ndarray, sides: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether a colour is rather the left side's than the right side's, brightness left aside."""
    left, right = (float(np.linalg.norm(_hue(colour) - _hue(side))) for side in sides)
    return left < right


def _hue(colour: np.ndarray) -> np.ndarray:
    chroma = colour - colour.min()
    return chroma / max(1.0, float(chroma.max()))


def _colour_at(picture: np.ndarray, word: Word) -> np.ndarray | None:
    """The colour (RGB) of a word's letters, or of the legend's mark beside it; None where neither is coloured."""
    rows = slice(max(0, word.top), word.bottom)
    own = _coloured(picture[rows, word.left : word.right])
    if own is not None:
        return own
    for reach in (1.5, 3.5):
        before = _coloured(picture[rows, max(0, word.left - round(reach * word.height)) : max(0, word.left - 1)])
        if before is not None:
            return before
    return None


def _coloured(part: np.ndarray) -> np.ndarray | None:
    if part.size == 0:
        return None
    pixels = part.reshape(-1, 3).astype(np.float32)
    chroma = pixels.max(axis=1) - pixels.min(axis=1)
    strong = pixels[chroma > max(_COLOURED, 0.6 * float(chroma.max()))]
    return np.median(strong, axis=0) if len(strong) > 0.04 * len(pixels) else None
