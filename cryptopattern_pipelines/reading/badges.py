"""Badges of arrows beside the bars of a distribution chart: which side dominates, and how much.

What belongs here: boxes and bare arrows right of the bars. What does not: the bars and their shares
(`distribution.py`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cryptopattern_pipelines.reading.bars import BarTable, ground_colour
from cryptopattern_pipelines.reading.pixels import runs_of
from cryptopattern_pipelines.reading.row_texts import Column
from cryptopattern_pipelines.reading.shares import ShareReading


def arrows_beside(picture: np.ndarray, table: BarTable, columns: Sequence[Column], taken: set[int]) -> list[int | None]:
    """The badge right of each bar: see `ShareReading.arrows`.

    `columns` are those of the texts right of the bars, the nearest first; symbols and numbers among them are `taken`.
    """
    height = float(np.median([bar.height for bar in table.bars]))
    ground = ground_colour(picture)
    start, end = round(table.right + 0.3 * height), picture.shape[1]
    for column in columns:
        present = [item for item in column if item is not None]
        if taken & {id(item) for item in present}:
            first, last = min(item.left for item in present), max(item.right for item in present)
            # The wider one of what lies before and behind the texts.
            start, end = (start, first - 1) if first - start > end - last else (last + 1, end)
    boxes: list[int | None] = [None] * len(table.bars)
    if end - start >= 1.5 * height:
        cut = end == picture.shape[1]
        boxes = [
            _badge(picture[bar.top : bar.bottom, start:end].astype(np.float32), ground, height, cut=cut)
            for bar in table.bars
        ]
    if any(boxes):
        return boxes
    return _bare_arrows(picture[:, start:end], table, ground) or boxes


def _badge(strip: np.ndarray, ground: np.ndarray, height: float, *, cut: bool) -> int | None:
    """Arrows on one badge, with their sign: the badge's own colour gives the sign, its arrows' shafts their number."""
    colour = np.median(strip, axis=0)
    green = colour[:, 1] - colour[:, 0] - (ground[1] - ground[0])
    on = np.flatnonzero(np.abs(green) > 20)
    if on.size < 0.8 * height:
        return 0
    box = strip[:, on[0] : on[-1] + 1]
    filled = np.abs(box[..., 1] - box[..., 0] - (ground[1] - ground[0])) > 12
    if filled.mean() < 0.7:
        return 0  # arrows without a box around them
    sign = -1 if np.median(green[on]) > 0 else 1
    edge = max(2, round(0.12 * height))
    badge = strip[edge:-edge, on[0] + edge : on[-1] + 1 - edge]
    if badge.shape[1] < 1.8 * height and cut and on[-1] >= strip.shape[1] - 2:
        return None  # a second arrow might stand where the picture ends
    light = np.clip((badge - np.median(badge, axis=(0, 1))).sum(axis=2), 0, None).sum(axis=0)
    if light.size == 0 or float(light.max()) < 40 * edge:
        return None
    shafts = [(a + b) / 2 for a, b in runs_of(light > light.max() / 2)]
    return sign * (1 if shafts[-1] - shafts[0] < max(3.0, 0.15 * height) else 2)


def _bare_arrows(zone: np.ndarray, table: BarTable, ground: np.ndarray) -> list[int | None] | None:
    """Coloured arrows without badges, 0 where a row has none; None where what stands there isn't arrows.

    `zone` are the columns of the picture where they may stand. Their colour gives the sign; a gap, or their width
    beside the others', the number.
    """
    height = float(np.median([bar.height for bar in table.bars]))
    reach = max(0, round((min(table.pitch - 2, 24) - height) / 2))  # arrows may be higher than a thin bar
    green = [
        strip[..., 1] - strip[..., 0] - float(ground[1] - ground[0])
        for bar in table.bars
        if (strip := zone[max(0, bar.top - reach) : bar.bottom + reach].astype(np.float32)).size
    ]
    strongest = max((float(np.abs(strip).max()) for strip in green), default=0.0)
    if strongest < 25:
        return None
    marks = [np.abs(strip) > max(15.0, 0.35 * strongest) for strip in green]
    columns = [np.flatnonzero(mark.any(axis=0)) for mark in marks]
    widths = [int(np.ptp(column)) + 1 for column in columns if column.size]
    heights = [int(np.ptp(np.flatnonzero(mark.any(axis=1)))) + 1 for mark in marks if mark.any()]
    usual = float(np.median(heights))
    if usual < 4 or max(widths) > 4 * usual:
        return None
    found: list[int | None] = []
    for strip, mark, column in zip(green, marks, columns, strict=True):
        if column.size == 0:
            found.append(0 if float(np.abs(strip).max(initial=0)) < max(8.0, 0.15 * strongest) else None)
            continue
        wide = int(np.ptp(column)) + 1
        double = len(runs_of(mark.any(axis=0))) == 2 or wide > 1.6 * min(usual, *widths)
        found.append((-1 if float(np.median(strip[mark])) > 0 else 1) * (2 if double else 1))
    return found


def with_sane_arrows(rows: tuple[ShareReading, ...]) -> tuple[ShareReading, ...]:
    """Rows with badges that contradict their shares taken out; all of them where the chart has no badges.

    More arrows stand for greater shares: a row that has fewer than rows usually have at its share was misread.
    """
    if not any(row.arrows for row in rows) and any(max(row.long_pct, row.short_pct) > 62 for row in rows):
        return tuple(replace(row, arrows=None) for row in rows)
    greatest = [[max(row.long_pct, row.short_pct) for row in rows if abs(row.arrows or 0) == count] for count in (1, 2)]
    usual = [float(np.median(shares)) if shares else None for shares in greatest]

    def sane(row: ShareReading) -> bool:
        share, count = max(row.long_pct, row.short_pct), abs(row.arrows or 0)
        least, most = usual[0] if count == 2 else None, usual[count] if count < 2 else None
        in_order = (least is None or share >= least) and (most is None or share <= most)
        return in_order and (not row.arrows or (row.arrows < 0) == (row.long_pct > 50))

    return tuple(row if sane(row) else replace(row, arrows=None) for row in rows)
