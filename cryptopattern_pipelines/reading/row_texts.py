"""Where texts stand on and around a table of bars, and the reading of many of them at once.

What belongs here: finding the texts of the rows by their ink, and handing them to the engine. What does not: what
they say (`distribution.py`), how the bars are found (`bars.py`).

Charts place a row's symbol and percentages left of its bar, right of it, on it, or above it as a caption. Left and
right of the bars the texts form columns with blank gutters between them; on a bar and above it they are parted by
blanks in their own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cryptopattern_pipelines.reading.bars import Bar, BarTable
from cryptopattern_pipelines.reading.ocr import LINE, Engine, Line, Word
from cryptopattern_pipelines.reading.pixels import channel_max, channel_min, distance_from, runs_of

_LEAST_TEXT = 5  # pixels: nothing lower can be read
_INK = 110  # of 255: what counts as ink


@dataclass(frozen=True)
class Item:
    """One text of a row: its box in the picture's pixels, and its ink, 0 to 255, with the blank around it left out.

    `cut` where it touches the picture's edge or a bar, so that a part of it may not be seen.
    """

    left: int
    top: int
    ink: np.ndarray
    cut: bool = False

    @property
    def right(self) -> int:
        """First column to the right."""
        return self.left + self.ink.shape[1]

    @property
    def x(self) -> float:
        """Middle of the box."""
        return self.left + self.ink.shape[1] / 2

    @property
    def height(self) -> int:
        """Pixels."""
        return self.ink.shape[0]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.ink.shape[1]


# First column and the one behind the last of something in a row, and whether it is cut.
Run = tuple[int, int, bool]

# One text a row at most, None where the row has none there.
Column = tuple[Item | None, ...]


def columns_beside(picture: np.ndarray, table: BarTable, *, left: bool, captions: bool = False) -> list[Column]:
    """The columns of texts at one side of the bars, the nearest to them first; `picture` is RGB, uint8.

    Where there are `captions`, which reach over the bars' ends, only the bars' own rows are looked at.
    """
    start, end = (0, max(0, int(table.left) - 1)) if left else (int(np.ceil(table.right)) + 2, picture.shape[1])
    if end - start < 8:
        return []
    height = float(np.median([bar.height for bar in table.bars]))
    masks, inks, tops = [], [], []
    for top, bottom in _bands(picture, table, captions=captions):
        zone = picture[top:bottom, start:end]
        between = zone[[0, 1, -2, -1]]  # rows without texts and badges
        ink = distance_from(zone, np.median(between, axis=(0, 1)))
        inks.append(ink)
        tops.append(top)
    strongest = float(np.quantile(np.concatenate([ink.max(axis=1) for ink in inks]), 0.9))
    if strongest < 40:
        return []
    for ink in inks:
        mask = ink > 0.4 * strongest
        mask[:, mask.mean(axis=0) > 0.95] = False  # frames and axes
        for a, b in runs_of(mask.mean(axis=0) * len(mask) > 0.6 * height):
            if b - a > 0.9 * height:
                mask[:, a:b] = False  # badges
        masks.append(mask)
    inked = np.array([mask.any(axis=0) for mask in masks])
    heights = [int(np.ptp(rows)) + 1 for mask in masks if (rows := np.flatnonzero(mask.any(axis=1))).size]
    gutter = max(3, round(0.45 * float(np.median(heights or [0]))))
    texts = [runs_of(row, gutter - 1) for row in inked]
    runs = _column_runs(inked, texts, gutter)
    parts = [_parted([(a, b, False) for a, b in row], runs) for row in texts]
    columns = []
    for number in range(len(runs)):
        column = tuple(
            _item(ink, mask, own[number], (start, top)) if number in own else None
            for own, ink, mask, top in zip(parts, inks, masks, tops, strict=True)
        )
        if sum(item is not None for item in column) >= max(2, 0.2 * len(column)):
            columns.append(column)
    return columns[::-1] if left else columns


def _column_runs(inked: np.ndarray, texts: Sequence[Sequence[tuple[int, int]]], gutter: int) -> list[tuple[int, int]]:
    """Where the columns are, by the ink of all rows (rows x pixels) and their texts.

    A few labels may be so long that they reach into the next column; but where most of a column's texts go on into the
    next one, the two are one column of which only the longest labels fill the end.
    """
    runs = runs_of(np.asarray(inked.mean(axis=0) > 0.08), gutter - 1)
    merged: list[tuple[int, int]] = runs[:1]
    for run in runs[1:]:
        met = [
            {n for n, row in enumerate(texts) for a, b in row if a < end and b > start}
            for start, end in (merged[-1], run)
        ]
        both = {n for n, row in enumerate(texts) for a, b in row if a < merged[-1][1] and b > run[0]}
        if len(both) > 0.5 * min(len(met[0]), len(met[1])):
            merged[-1] = (merged[-1][0], run[1])
        else:
            merged.append(run)
    return merged


def _parted(texts: Sequence[Run], columns: Sequence[tuple[int, int]]) -> dict[int, Run]:
    """The part of a row's texts that stands in each column: a text that reaches into two is parted, and cut."""
    own: dict[int, Run] = {}
    for text in texts:
        met = [number for number, column in enumerate(columns) if text[0] < column[1] and text[1] > column[0]]
        for number in met:
            start = text[0] if number == met[0] else columns[number][0]
            end = text[1] if number == met[-1] else columns[number][1]
            before = own.get(number)
            cut = len(met) > 1 or (before is not None and before[2])
            own[number] = (before[0] if before else start, end, cut)
    return own


def texts_above(picture: np.ndarray, table: BarTable) -> list[list[Item]]:
    """The texts of each row's caption, which stands between its bar and the one above; [] where there is no room."""
    gap = round(table.pitch - float(np.median([bar.height for bar in table.bars])))
    if gap < _LEAST_TEXT + 3:
        return [[] for _ in table.bars]
    rim = 1 + table.bars[0].height // 8  # round bars reach beyond their full rows
    found = [_caption(picture, bar, gap - rim, rim) for bar in table.bars[1:]]
    # Over the first bar stands the title, too: its caption is as high as the others.
    reach = [bar.top - item.top + 1 for bar, items in zip(table.bars[1:], found, strict=True) for item in items]
    return [_caption(picture, table.bars[0], max(reach, default=0), rim), *found]


def _caption(picture: np.ndarray, bar: Bar, reach: int, rim: int) -> list[Item]:
    top, bottom = max(0, bar.top - reach), bar.top - rim
    if bottom - top < _LEAST_TEXT:
        return []
    zone = picture[top:bottom]
    ink = distance_from(zone, np.median(zone[:, ::4], axis=(0, 1)))
    return _row_items(ink, ink > max(40.0, 0.4 * float(ink.max())), 0, top)


def texts_on(picture: np.ndarray, table: BarTable) -> list[list[Item]]:
    """The texts on each bar, from left to right."""
    first, last = int(np.ceil(table.left)) + 1, int(table.right) - 1
    strips = [picture[bar.top + 1 : bar.bottom - 1, first:last] for bar in table.bars]
    cuts = [int(np.clip(round(table.boundary(bar)) - first, 0, last - first)) for bar in table.bars]
    dark = [_is_dark_text([strip[:, :cut] for strip, cut in zip(strips, cuts, strict=True)]),
            _is_dark_text([strip[:, cut:] for strip, cut in zip(strips, cuts, strict=True)])]  # fmt: skip
    found = []
    for bar, strip, cut in zip(table.bars, strips, cuts, strict=True):
        if dark[0] == dark[1]:
            ink = 255 - channel_max(strip) if dark[0] else channel_min(strip)
        else:  # each side has letters of its own
            ink = np.empty(strip.shape[:2], np.uint8)
            for part, is_dark in ((slice(None, cut), dark[0]), (slice(cut, None), dark[1])):
                ink[:, part] = 255 - channel_max(strip[:, part]) if is_dark else channel_min(strip[:, part])
        ink = _stretched(ink)
        mask = ink > _INK
        parts = cv2.connectedComponents(mask.astype(np.uint8))[1]
        mask &= ~np.isin(parts, np.concatenate([parts[:, 0], parts[:, -1]]))  # the ground in rounded corners
        items = _row_items(ink, np.asarray(mask), first, bar.top + 1)
        found.append([item for item in items if item.width > 0.5 * item.height or item.height < 0.8 * len(ink)])
    return found


def read_items(
    items: Sequence[Item | None], engine: Engine, whitelist: str = "", *, singly: bool = False
) -> list[Line]:
    """What each text says, '' for None; boxes are the picture's. `singly` takes longer and sees each by itself."""
    present = [item for item in items if item is not None]
    if not present:
        return [Line("", 0.0) for _ in items]
    usual = float(np.quantile([item.height for item in present], 0.8))
    height = max(8, round(2 * usual))
    crops, shifts = [], []
    for item in present:
        above = max(2, (height - item.height) // 2)
        below = max(2, height - item.height - above)
        aside = max(2, round(0.5 * usual))
        crops.append(np.pad(item.ink, ((above, below), (aside, aside))))
        shifts.append((item.left - aside, item.top - above))
    lines = iter((engine.lines if singly else engine.stacked)(crops, whitelist=whitelist))
    moves = iter(shifts)
    return [Line("", 0.0) if item is None else _moved(next(lines), *next(moves)) for item in items]


def read_again(items: Sequence[Item], engine: Engine, whitelist: str, height: int, stretch: float) -> list[Line]:
    """What each text says, read singly at a height of letters in pixels, and at so many times its width."""
    lines = []
    for item in items:
        scale = height / item.height
        size = (max(4, round(item.width * scale * stretch)), height)
        letters = cv2.resize(item.ink, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
        words = engine.words(255 - np.pad(letters, height // 2), scale=1, mode=LINE, whitelist=whitelist)
        text = " ".join(word.text for word in words)
        box = Word(
            text, min((word.confidence for word in words), default=0.0), item.left, item.top, item.width, item.height
        )
        lines.append(Line(text, box.confidence, (box,) if words else ()))
    return lines


def ink_of_text(strip: np.ndarray) -> np.ndarray:
    """How much a pixel is text, 0 to 255: white or black, whichever stands on these coloured bars.

    White is high in its least channel, where the bars' green and red are both low: the boundary between them vanishes.
    """
    return 255 - channel_max(strip) if _is_dark_text([strip]) else channel_min(strip)


def _is_dark_text(strips: Sequence[np.ndarray]) -> bool:
    light = dark = 0
    for strip in strips:
        if strip.size:
            edge = len(strip) // 5  # without the ground above, below and in rounded corners
            middle = strip[edge : len(strip) - edge : 2]
            light += int(np.count_nonzero(channel_min(middle) > 150))
            dark += int(np.count_nonzero(channel_max(middle) < 50))
    return dark > light


def _stretched(ink: np.ndarray) -> np.ndarray:
    """Ink with the bar's own colours brought near 0 and the letters near 255."""
    low, high = float(np.median(ink)), float(ink.max(initial=0))
    if high - low < 60:
        return np.zeros_like(ink)
    return np.clip((ink.astype(np.float32) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)


def _bands(picture: np.ndarray, table: BarTable, *, captions: bool) -> list[tuple[int, int]]:
    """First row and the one behind the last of each row of the chart: as high as rows can be without overlapping."""
    height = float(np.median([bar.height for bar in table.bars]))
    gap = table.pitch - height
    # Ticks of an axis stand in the middle of wide gaps.
    reach = max(0.5 * (height + (8 if captions else min(gap - 2, max(8.0, 0.7 * gap)))), 4.0)
    return [
        (max(0, round((bar.top + bar.bottom) / 2 - reach)),
         min(len(picture), round((bar.top + bar.bottom) / 2 + reach)))
        for bar in table.bars
    ]  # fmt: skip


def _row_items(ink: np.ndarray, mask: np.ndarray, x: int, y: int) -> list[Item]:
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return []
    gap = max(3, round(1.1 * min(len(mask), int(np.ptp(rows)) + 1)))
    items = (_item(ink, mask, (*run, False), (x, y)) for run in runs_of(np.asarray(mask.any(axis=0)), gap - 1))
    return [item for item in items if item is not None]


def _item(ink: np.ndarray, mask: np.ndarray, run: Run, place: tuple[int, int]) -> Item | None:
    """The text in a run of columns of one row, None where there is none of a readable height.

    `place` is where the row's ink begins on the picture, x and y.
    """
    part = mask[:, run[0] : run[1]]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if rows.size == 0 or rows[-1] - rows[0] + 1 < _LEAST_TEXT:
        return None
    # A pixel more at each side keeps the letters' blurred edges.
    top, bottom = max(0, rows[0] - 1), min(len(mask), rows[-1] + 2)
    left, right = max(0, run[0] + columns[0] - 1), min(mask.shape[1], run[0] + columns[-1] + 2)
    own = ink[top:bottom, left:right].astype(np.float32)
    own -= own.min(axis=0)  # each column has some ground: the two sides of a bar are brought to one
    own = (own * (255 / max(1.0, float(own.max())))).astype(np.uint8)
    return Item(place[0] + int(left), place[1] + int(top), own, bool(run[2] or left == 0 or right == mask.shape[1]))


def _moved(line: Line, x: int, y: int) -> Line:
    return replace(line, words=tuple(word.moved(x, y) for word in line.words))
