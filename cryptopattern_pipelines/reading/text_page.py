"""Where text stands on a picture, and a page that shows nothing else.

What belongs here: telling letters from bars, bands, candles and lines by their shapes. What does not: reading them
(`ocr.py`).

Tesseract spends more time on what a chart draws than on its words, and reads letters into it. On a page from which
the drawing is gone, and where every text is dark on white whatever ground it stood on, it takes half the time.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from cryptopattern_pipelines.reading.glyphs import ink_of, joined, text_box
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import Box, usual_colours

_TALLEST = 90  # pixels of the tallest line of text
_FAINT = 16  # grey levels: a text that differs less from its own ground is none
_READ_AT = 22  # pixels of height at which small print is read without losing its points
_SAME = 10  # greatest difference of two pixels of one colour, in any channel
_GROUND, _MOST_GROUNDS = 0.04, 5  # share of the picture that a ground covers at least; how many there can be
_WHITE = 245  # grey level of a page's blanks, at least
_NARROW, _BLANK = 24, 2.5  # pixels, and heights of its usual text, to which wide blanks are narrowed
_MOST_LABELS = 16  # of one axis that are read
_MOST_PARTS, _MOST_TEXTS = 10_000, 500  # charts of 4 million pixels have under 4,000 parts and 160 texts


@dataclass(frozen=True)
class TextPage:
    """`pixels`: grey, uint8, the picture's size, its texts dark on white. `boxes`: one a text, in no order.

    `scale` is how much the page should be enlarged before it is read: until its small print is large enough.
    `drawn` is the share of the picture's ink that is no text: near 0 on a page of words, over a half on a chart.
    `crowded` says that the picture has far more parts or texts than any chart; then only its tallest texts are here.
    """

    pixels: np.ndarray
    boxes: tuple[Box, ...]
    scale: float
    drawn: float
    crowded: bool = False

    def words(self, engine: Engine) -> list[Word]:
        """Every word on the page, boxes in the picture's pixels. Wide blanks are narrowed for the engine's eyes."""
        if not self.boxes:
            return []
        blank = max(_NARROW, round(_BLANK * float(np.median([box.height for box in self.boxes]))))
        ink = self.pixels < _WHITE
        rows, columns = (_without_wide_blanks(np.asarray(ink.any(axis=axis)), blank) for axis in (1, 0))
        found = engine.words(self.pixels[np.ix_(rows, columns)], scale=self.scale)
        return [_moved_back(word, rows, columns) for word in found]


def text_page(picture: np.ndarray) -> TextPage:
    """The texts of a picture (RGB, uint8, height x width x 3) on a white page."""
    ink = ink_of(picture, 9)
    found = _text_boxes(_without_grounds(ink, picture))
    crowded = found is None or len(found) > _MOST_TEXTS
    boxes = _thinned(sorted(found or (), key=lambda box: (-box.height, box.top))[:_MOST_TEXTS])
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    page = np.full(grey.shape, 255, np.uint8)
    texts = np.zeros(grey.shape, np.uint8)
    for box in boxes:
        margin = max(2, round(0.15 * box.height))
        cut = (
            slice(max(0, box.top - margin), box.bottom + margin),
            slice(max(0, box.left - margin), box.right + margin),
        )
        texts[cut] = 1
        text = _dark_on_white(grey[cut])
        if text is not None:
            page[cut] = np.minimum(page[cut], text)
    small = float(np.percentile([box.height for box in boxes], 20)) if boxes else _READ_AT
    inked = cv2.countNonZero(ink)
    drawn = 1 - cv2.countNonZero(cv2.bitwise_and(ink, texts)) / inked if inked else 0.0
    return TextPage(page, tuple(boxes), float(np.clip(_READ_AT / small, 1.0, 2.0)), drawn, crowded)


def _without_wide_blanks(inked: np.ndarray, blank: int) -> np.ndarray:
    """The places of a row of truths that stay when runs of false are cut to a length."""
    last = np.maximum.accumulate(np.where(inked, np.arange(len(inked)), -1))
    after = len(inked) - 1 - np.maximum.accumulate(np.where(inked[::-1], np.arange(len(inked)), -1))[::-1]
    here = np.arange(len(inked))
    return np.flatnonzero((here - last <= blank // 2) | (after - here <= blank // 2))


def _moved_back(word: Word, rows: np.ndarray, columns: np.ndarray) -> Word:
    """A word of the narrowed page in its place on the picture."""
    left, right = (int(columns[min(max(x, 0), len(columns) - 1)]) for x in (word.left, word.right - 1))
    top, bottom = (int(rows[min(max(y, 0), len(rows) - 1)]) for y in (word.top, word.bottom - 1))
    return replace(word, left=left, top=top, width=right - left + 1, height=bottom - top + 1)


def _without_grounds(ink: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The ink without the grounds: beside a filled area the page stands out from its surroundings, too.

    What has the colour of a ground and is connected to such pixels that don't stand out is ground.
    """
    sample = picture[::3, ::3].reshape(-1, 3)
    limits = [
        [np.clip(colour + way * _SAME, 0, 255) for way in (-1, 1)]
        for colour in usual_colours(sample, _MOST_GROUNDS, _GROUND)
    ]
    of_each = [np.zeros(ink.shape, np.uint8)] + [cv2.inRange(picture, least, most) for least, most in limits]
    count, areas = cv2.connectedComponents(np.bitwise_or.reduce(of_each), connectivity=4)
    stays = np.ones(count, np.uint8)
    stays[areas[ink == 0]] = 0
    stays[0] = 1
    return cv2.bitwise_and(ink, stays[areas])


def _text_boxes(ink: np.ndarray) -> list[Box] | None:
    """Boxes of texts: glyphs closer than a word's gap joined, what is mostly solid (bars, candles) left out.

    None where there are more parts than can be letters of a chart's labels: noise, a photo, a wall of small print.
    """
    parts = cv2.connectedComponentsWithStats(ink, connectivity=8)[2][1:]
    if len(parts) > _MOST_PARTS:
        return None
    across, down, area = parts[:, 2], parts[:, 3], parts[:, 4]
    solid = area / (across * down)
    bands = (across > 3 * down) & (solid > 0.8) & (down > 3)
    frames = (across > 2 * down) & (solid < 0.1) & (down > 20)
    parts = parts[(down <= _TALLEST) & (area >= 2) & (across <= 25 * np.maximum(down, 4)) & ~bands & ~frames]
    left, top, across, down, area = parts.T
    labels, lines = joined(parts, ink.shape)
    count = len(lines)
    owner = labels[top + down // 2, left + across // 2]
    bar = (area > 0.85 * across * down) & (across * down >= 12)
    wide = np.bincount(owner, weights=across, minlength=count)
    of_bars = np.bincount(owner, weights=across * bar, minlength=count)
    bars = of_bars > 0.6 * wide
    boxes = []
    for (x, y, wide_, high, _), is_bars in zip(lines[1:].tolist(), bars[1:].tolist(), strict=True):
        if 6 <= high <= _TALLEST and wide_ >= 1.1 * high and not is_bars:
            boxes.append(text_box(x, y, wide_, high, ink.shape[1]))
    return boxes


def _thinned(boxes: list[Box]) -> list[Box]:
    """The boxes without some labels of an axis that bears very many: a few in even distances say as much.

    Labels of an axis are alike in size and stand in one row at one pitch, as no menu, table or row of tiles does.
    """
    kept = []
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: box.y):
        if rows and abs(box.y - rows[-1][-1].y) <= 0.25 * box.height:
            rows[-1].append(box)
        else:
            rows.append([box])
    for row in rows:
        row.sort(key=lambda box: box.left)
        places, widths = np.array([box.x for box in row]), np.array([box.width for box in row])
        is_axis = len(row) > _MOST_LABELS and _are_alike(np.diff(places)) and _are_alike(widths)
        kept += row[:: -(-len(row) // _MOST_LABELS)] if is_axis else row
    return kept


def _are_alike(lengths: np.ndarray) -> bool:
    """Whether most of some lengths are near the usual one."""
    usual = float(np.median(lengths))
    return float(np.mean(np.abs(lengths - usual) <= 0.2 * usual)) >= 0.7


def _dark_on_white(grey: np.ndarray) -> np.ndarray | None:
    """One text's pixels with its ground made white and its ink black; None where there is too little contrast."""
    ground, low, high = float(np.median(grey)), float(grey.min()), float(grey.max())
    contrast = max(high - ground, ground - low)
    if contrast < _FAINT:
        return None
    way = 1 if high - ground > ground - low else -1
    ink = np.clip((grey.astype(np.float32) - ground) * (way / contrast), 0, 1)
    return 255 - (ink * 255).astype(np.uint8)
