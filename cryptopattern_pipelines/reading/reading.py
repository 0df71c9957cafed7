"""A picture becomes a `Reading`: what kind of chart it is and what stands on it.

What belongs here: opening files, telling which reader is asked, and reading many pictures at once. What does not: how
a kind is told (`classify.py`) or read (`charts.py`), what a reading holds (`contract.py`).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from cryptopattern_pipelines.reading.bars import find_table
from cryptopattern_pipelines.reading.buttons import read_header
from cryptopattern_pipelines.reading.charts import READ_AS, distribution_of, rows_of, unknown, untitled
from cryptopattern_pipelines.reading.classify import Title, classify, symbol_near
from cryptopattern_pipelines.reading.contract import (
    READER_VERSION,
    Level,
    Mark,
    Reading,
    decode,
    encode,
    to_dict,
    to_json,
)
from cryptopattern_pipelines.reading.distribution import DistributionChart
from cryptopattern_pipelines.reading.heatmap_plot import find_plot
from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Engine, Word, default_engine
from cryptopattern_pipelines.reading.picture import MAX_BYTES, FileTooLarge, UnreadablePicture, file_bytes, load_picture
from cryptopattern_pipelines.reading.pixels import channel_max, channel_min, is_noise
from cryptopattern_pipelines.reading.text_page import text_page
from cryptopattern_pipelines.reading.workers import attempt, map_isolated

__all__ = [
    "READER_VERSION", "Level", "Mark", "MetricReading", "Reading", "decode", "encode", "read_file", "read_paths",
    "read_picture", "read_pixels", "to_dict", "to_json",
]  # fmt: skip

_MOST_PIXELS = 4_000_000  # larger pictures are read at a smaller scale
_SMALL = 800_000  # pixels: pictures re-sent so small that their title may need enlarging further
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
_LEAST_SIDE = 48  # pixels: no chart is smaller
_SURE = 0.7  # confidence of a word under which a title is read again
_A_CHART = 0.3  # share of the ink that is no text, over which something is drawn on a picture
_MOST_STRETCHED = 25  # longer side by shorter: long pages reach 20, and beyond 32,767 pixels Tesseract gives up


def read_picture(data: bytes, file: str = "", *, engine: Engine | None = None, max_bytes: int = MAX_BYTES) -> Reading:
    """Read a picture from its file's bytes. What is no readable picture becomes `unknown`, its `error` saying why.

    Raises:
        TextEngineError: no engine that reads text can be started.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        picture = load_picture(data, max_bytes=max_bytes)
    except UnreadablePicture as error:
        return Reading(file, sha256, confidence=1.0, evidence="not a readable picture", error=str(error))
    return replace(read_pixels(picture.pixels, engine or default_engine()), file=file, sha256=sha256)


def read_file(path: Path) -> Reading:
    """Read one file. One that can't be opened, or has too many bytes, becomes `unknown`, its `error` saying why."""
    try:
        return read_picture(file_bytes(path), str(path))
    except UnreadablePicture as error:
        sha256 = _sha256_of(path) if isinstance(error, FileTooLarge) else ""
        return Reading(str(path), sha256, confidence=1.0, evidence="not a readable picture", error=str(error))
    except OSError as error:
        return Reading(str(path), "", evidence="not a readable file", error=error.strerror or str(error))


def _sha256_of(path: Path) -> str:
    """The hash of a file's bytes, '' where it can't be opened (any more) or is no regular file."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def read_paths(
    paths: Iterable[Path | str], processes: int | None = None, *, seconds: float = 60.0
) -> Iterator[Reading]:
    """Read files, and folders of pictures at any depth, in their order, on all cores or on `processes` of them.

    A picture that crashes its reader, or takes longer than `seconds`, costs only itself: it becomes `unknown` with the
    reason as its `error`. So does what has a picture's name but can't be opened, and a folder that can't be listed.
    """
    files = list(_files(Path(path) for path in paths))
    if files:
        default_engine()  # where none can be started, nothing can be read: that is said once, not for each picture
    if len(files) == 1:
        outcomes = iter([attempt(read_file, files[0])])  # a process of its own would cost more than the reading
    else:
        outcomes = map_isolated(read_file, files, processes or _cores(), seconds)
    for file, outcome in zip(files, outcomes, strict=True):
        yield (
            outcome
            if isinstance(outcome, Reading)
            else Reading(str(file), _sha256_of(file), evidence="not read", error=outcome.reason)
        )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found: list[Path] = []
            refused: list[OSError] = []
            for root, _, names in os.walk(path, onerror=refused.append):
                found += (Path(root, name) for name in names if Path(name).suffix.lower() in _SUFFIXES)
            yield from sorted([*found, *(Path(error.filename) for error in refused)])
        else:
            yield path


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_pixels(picture: np.ndarray, engine: Engine) -> Reading:
    """Read a decoded picture (RGB, uint8, height x width x 3); the reading bears no file and no hash."""
    height, width = picture.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return Reading("", "", confidence=1.0, evidence="too small", error=f"{width} x {height} pixels hold no chart")
    if max(height, width) > _MOST_STRETCHED * min(height, width):
        return Reading("", "", confidence=1.0, evidence="a strip", error=f"{width} x {height} pixels hold no chart")
    if is_noise(picture):
        return Reading("", "", confidence=1.0, evidence="noise: no two pixels are alike")
    scale = (_MOST_PIXELS / (height * width)) ** 0.5
    if scale < 1:
        smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return _enlarged(_read(smaller, engine), 1 / scale)
    return _read(picture, engine)


def _read(picture: np.ndarray, engine: Engine) -> Reading:
    height, width = picture.shape[:2]
    table = find_table(picture)
    above: list[Word] = []
    chart: DistributionChart | None = None
    if table is not None:
        over = picture[: max(8, table.bars[0].top - 2)]
        above = engine.words(over, scale=_word_scale(over[..., 0].size * 2))
        title = classify(above)
        if title is not None and title.image_type.startswith("liquidation_distribution"):
            chart = rows_of(picture, table, above, engine)
            reading = distribution_of(table, chart, title, above)
            if reading is not None:
                return reading
    page = text_page(picture)
    words = page.words(engine)
    title = classify(words)
    if title is None and page.drawn > _A_CHART and not page.crowded:
        # Its title may stand on a line of the drawing, or under a watermark, and so look like no text.
        words = engine.words(picture, scale=_word_scale(height * width))
        title = classify(words)
    if title is None and height * width < _SMALL and sum(word.confidence > 0.6 for word in words) > 2:
        title = classify(engine.words(picture, scale=3))
    if title is None and table is not None:
        return unknown(words, "bars of a distribution chart, but no title that tells which")
    if title is None:
        plot = find_plot(picture)
        if plot is None or not plot.sharp:
            return unknown(words, "no title of a chart that is read")
        title = classify(_words_at_top(picture, engine))
        if title is None:
            return untitled(picture, plot, words, engine)
    title = _in_full(picture, title, words, engine)
    if table is not None and title.image_type.startswith("liquidation_distribution"):
        chart = chart or rows_of(picture, table, above, engine)
        reading = distribution_of(table, chart, title, above)
        if reading is not None:
            return reading
    header = read_header(picture, title, words, engine)
    symbol = title.symbol or header.symbol or symbol_near(picture, title, engine)
    title = replace(
        title, symbol=symbol, venue=title.venue or header.venue, timeframe=title.timeframe or header.timeframe
    )
    return READ_AS[title.image_type](picture, title, words, engine)


def _in_full(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Title:
    """The title, read again where a word in or beside it is in doubt: a heatmap's bands may run through it."""
    if title.box is None:
        return title
    left, top, right, bottom = title.box
    height = bottom - top
    near = [word for word in words if left - height <= word.right and word.left <= right + height]
    if all(word.confidence > _SURE for word in near if top <= word.y <= bottom):
        return title
    x, y = max(0, left - height), max(0, top - height // 2)
    crop = picture[y : bottom + height // 2, x : right + 14 * height]
    scale = float(np.clip(40 / max(1, height), 1, 4))
    for page in (crop, _without_bands(crop, 2 * height)):
        other = classify([word.moved(x, y) for word in engine.words(page, scale=scale)])
        if (
            other is not None
            and other.image_type == title.image_type
            and len(other.title or "") > len(title.title or "")
        ):
            title = other
    return title


def _words_at_top(picture: np.ndarray, engine: Engine) -> list[Word]:
    """The words of the picture's top, long horizontal bands taken out: titles that the plot reaches into."""
    return engine.words(_without_bands(picture[: max(48, picture.shape[0] // 8)], max(24, picture.shape[1] // 24)))


def _enlarged(reading: Reading, scale: float) -> Reading:
    """A reading of a reduced picture, its boxes brought back to the picture's own pixels."""
    marks = tuple(
        replace(
            mark, left=mark.left * scale, top=mark.top * scale, right=mark.right * scale, bottom=mark.bottom * scale
        )
        for mark in reading.marks
    )
    return replace(reading, words=tuple(word.scaled(1 / scale) for word in reading.words), marks=marks)


def _word_scale(pixels: int) -> float:
    """How much a picture is enlarged before all of its words are read: small ones hold small print."""
    return 2.0 if pixels < 1_500_000 else 1.5 if pixels < 2_600_000 else 1.0


def _without_bands(picture: np.ndarray, length: int) -> np.ndarray:
    """Strokes black on white, grey, of a crop whose horizontal bands of that length or more are taken out."""
    bright = channel_max(picture)
    if np.median(bright) > 160:
        bright = 255 - channel_min(picture)
    bands = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    strokes = cv2.subtract(bright, bands)
    return 255 - (strokes > 0.3 * strokes.max()).astype(np.uint8) * 255
