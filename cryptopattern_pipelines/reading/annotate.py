"""A picture with what was read drawn on it, for people to look at.

What belongs here: drawing. What does not: reading.
"""

from pathlib import Path

import cv2
import numpy as np

from cryptopattern_pipelines.for_people import metric, price, strength
from cryptopattern_pipelines.reading.contract import Reading
from cryptopattern_pipelines.reading.picture import MAX_BYTES, UnreadablePicture, load_picture

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WORD, _MARK, _LEVEL, _GOOD, _BAD = (90, 170, 255), (255, 210, 0), (255, 80, 220), (60, 220, 120), (255, 90, 90)
_PANEL = 430  # width of the list beside the picture, pixels
_LINE = 20  # height of one of its lines


def annotate(picture: np.ndarray, reading: Reading) -> np.ndarray:
    """The picture (RGB, uint8) with words, rows, plot and levels outlined, and what was read listed at its right."""
    drawn = picture.copy()
    thick = max(1, picture.shape[1] // 1200)
    for word in reading.words:
        colour = _WORD if word.confidence >= 0.6 else _BAD
        cv2.rectangle(drawn, (word.left, word.top), (word.right, word.bottom), colour, 1)
    for mark in reading.marks:
        start, end = (round(mark.left), round(mark.top)), (round(mark.right), round(mark.bottom))
        if mark.kind == "level":
            cv2.line(drawn, start, end, _LEVEL, thick)
            cv2.putText(
                drawn, mark.label, (start[0] + 4, start[1] - 3), _FONT, 0.45 * thick, _LEVEL, thick, cv2.LINE_AA
            )
        else:
            cv2.rectangle(drawn, start, end, _MARK, thick)
    lines = _lines(reading)
    height = max(drawn.shape[0], _LINE * (len(lines) + 1))
    panel = np.full((height, _PANEL, 3), 24, np.uint8)
    for number, (text, colour) in enumerate(lines):
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(panel, plain, (10, _LINE * (number + 1)), _FONT, 0.45, colour, 1, cv2.LINE_AA)
    page = np.zeros((height, drawn.shape[1] + _PANEL, 3), np.uint8)
    page[: drawn.shape[0], : drawn.shape[1]] = drawn
    page[:, drawn.shape[1] :] = panel
    return page


def write_annotated(reading: Reading, folder: Path) -> Path | None:
    """Write the reading's file as an annotated PNG into a folder; its path, None where the file is no picture
    or can't be opened.

    The name begins as the file's and ends with its hash, so that files of one name don't overwrite each other.
    """
    try:
        picture = load_picture(Path(reading.file))
    except (UnreadablePicture, OSError):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(reading.file).stem.encode(errors="surrogateescape")[:200].decode(errors="ignore")  # names end at 255
    target = folder / f"{stem}.{reading.sha256[:8]}.png"
    target.write_bytes(_encoded(annotate(picture.pixels, reading), ".png"))
    return target


def small_copy(data: bytes, reading: Reading, *, width: int = 900, max_bytes: int = MAX_BYTES) -> bytes:
    """The annotated picture as a JPEG of at most `width` pixels across: some 60 kB, to be shown beside other things.

    Raises:
        UnreadablePicture: `data` is no picture.
    """
    page = annotate(load_picture(data, max_bytes=max_bytes).pixels, reading)
    scale = width / page.shape[1]
    if scale < 1:
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _encoded(page, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 75)


def _encoded(page: np.ndarray, kind: str, *options: int) -> bytes:
    return cv2.imencode(kind, cv2.cvtColor(page, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def _lines(reading: Reading) -> list[tuple[str, tuple[int, int, int]]]:
    """What was read, a line each with its colour."""
    white = (230, 230, 230)
    lines = [(f"{reading.image_type}  {reading.confidence:.2f}  ({reading.evidence})", _GOOD)]
    for name in ("title", "symbol", "venue", "timeframe", "leverage", "current_price", "chart_time"):
        value = getattr(reading, name)
        if value is not None:
            lines.append((f"{name}: {value}", white))
    if reading.error:
        lines.append((reading.error, _BAD))
    for share in reading.readings:
        arrows = "" if share.arrows is None else f" {share.arrows:+d}"
        text = f"{share.symbol or '-':>10}  {share.long_pct:5.1f} / {share.short_pct:5.1f}{arrows}  {share.method}"
        lines.append((text, white if share.confidence >= 0.75 else _MARK))
    unit = "" if reading.strengths_in_unit else " of the strongest"
    for level in reading.levels:
        strong = strength(level.strength, level.strength_share, in_unit=reading.strengths_in_unit)
        lines.append((f"{price(level.price)}  {level.side or ''}  {strong}{unit}", white))
    for one in reading.metrics:
        change = "" if one.change is None else f" ({one.change:+g} %)"
        lines.append((f"{one.name}: {metric(one.name, one.value)} {one.unit or ''}{change}", white))
    return lines
