"""The reader against two readers of text: the guide's OCR recipe, and RapidOCR where it is installed.

All read the same pictures in this process, on one core and in turns, so that a busy machine slows all alike. The
rivals only read text: a field counts as theirs where its words or digits stand anywhere in it, which is less than the
reader must do, who has to put each number in its place.

The pictures are 92 of the labelled screenshots beside the project, evenly chosen, or the bundled sample where there are
none; the batch and the memory are of all of them.
RapidOCR is no part of the project: `pip install rapidocr onnxruntime` into its environment brings it in.
"""

import importlib.util
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cryptopattern_pipelines.reading.ocr import BLOCK, TesserocrEngine
from cryptopattern_pipelines.reading.reading import Reading, read_paths, read_picture
from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_tests.benchmarks.figure import Figure

_SHARED = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared")) / "screenshots"
_SAMPLE = PROJECT / "data" / "samples"
_GUIDES_CHARACTERS = "0123456789.%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_GUIDES_LEAST_CONFIDENCE = 75
_COMPARED = 92  # pictures that the rivals read, too: RapidOCR takes seconds for each
KINDS = ("title words", "symbol", "percentages", "price", "metric values")


@dataclass(frozen=True)
class Labelled:
    """A picture's file and what stands on it."""

    file: Path
    truth: dict[str, Any]


def labelled() -> list[Labelled]:
    """The labelled pictures that are here."""
    sets = [(path, path.parent) for path in sorted(_SHARED.glob("*/truth.jsonl"))]
    found = []
    for truths, folder in sets or [(_SAMPLE / "truth.jsonl", _SAMPLE)]:
        for line in truths.read_text("utf-8").splitlines():
            truth = json.loads(line)
            found.append(Labelled(folder / truth["file"], truth))
    return [picture for picture in found if picture.file.is_file()]


class GuidesRecipe:
    """The guide's reading of a picture: blur, adaptive threshold, closing, Tesseract with a list of characters.

    Tesseract is the system's command as in the guide; where there is none, the wheel's, whose model stays loaded.
    """

    name = "guide's recipe"

    def __init__(self) -> None:
        try:
            import pytesseract

            pytesseract.get_tesseract_version()
            self._pytesseract: Any = pytesseract
        except (ImportError, OSError, RuntimeError):
            self._pytesseract = None
            self._engine = TesserocrEngine()

    @staticmethod
    def prepared(picture: np.ndarray) -> np.ndarray:
        """What the guide hands to Tesseract; `picture` is BGR."""
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        blurred = cv2.GaussianBlur(grey, (3, 3), 0)
        bits = cv2.adaptiveThreshold(blurred, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 11, 2)
        return cv2.morphologyEx(bits, cv2.MORPH_CLOSE, np.ones((2, 2), np.uint8))

    def words(self, data: bytes) -> list[tuple[str, float]]:
        """Words and their confidences in percent."""
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            return []
        page = self.prepared(decoded)
        if self._pytesseract is None:
            words = self._engine.words(page, scale=1.0, mode=BLOCK, whitelist=_GUIDES_CHARACTERS)
            return [(word.text, 100 * word.confidence) for word in words]
        config = f"--oem 3 --psm 6 -c tessedit_char_whitelist={_GUIDES_CHARACTERS}"
        table = self._pytesseract.image_to_data(page, config=config, output_type=self._pytesseract.Output.DICT)
        return list(zip(table["text"], map(float, table["conf"]), strict=True))

    def text(self, data: bytes) -> str:
        """The words that the guide keeps."""
        return " ".join(text for text, confidence in self.words(data) if confidence > _GUIDES_LEAST_CONFIDENCE)


class Rapid:
    """RapidOCR with the models that its wheel holds, on one thread."""

    name = "RapidOCR"

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        self._engine: Any = RapidOCR(params={"Global.log_level": "error", **threads})

    def text(self, data: bytes) -> str:
        """All that stands on a picture."""
        return " ".join(self._engine(data).txts or ())


@dataclass(frozen=True)
class Field:
    """One thing printed on a picture: its kind, its text, its number, and whose it is where a chart has many rows."""

    kind: str
    text: str
    number: float | None = None
    symbol: str | None = None


def fields_of(truth: dict[str, Any]) -> Iterator[Field]:
    """What is printed on a picture; shares that it shows by areas or lines alone are left out."""
    for word in re.findall(r"[a-z0-9]+", (truth["title"] or "").lower()):
        yield Field("title words", word)
    if truth["symbol"]:
        yield Field("symbol", truth["symbol"])
    for row in truth["readings"] if truth["long_share"] is None else ():
        yield Field("percentages", f"{row['long_pct']:.1f}", row["long_pct"], row["symbol"])
    price = truth["current_price"]
    if price is not None:
        yield Field("price", f"{price:.10f}".rstrip("0").rstrip("."), price)
    for metric in truth["metrics"]:
        if isinstance(metric["value"], int | float):
            yield Field("metric values", metric["text"], metric["value"])


def stands_in(text: str, field: Field) -> bool:
    """Whether a field's words or digits stand anywhere in a rival's text."""
    if field.kind == "title words":
        return field.text in re.findall(r"[a-z0-9]+", text.lower())
    if field.kind == "symbol":
        return field.text.upper() in re.sub(r"[^A-Z0-9]", "", text.upper())
    digits = re.sub(r"[^0-9.]", "", field.text.replace(",", ""))
    return re.search(rf"(?<![\d.]){re.escape(digits)}(?![\d.]*\d)", text.replace(",", "")) is not None


def is_read(reading: Reading, field: Field) -> bool:
    """Whether our reading has a field in its place: a share in its symbol's row, a number as a number."""
    if field.kind == "title words":
        return field.text in re.findall(r"[a-z0-9]+", (reading.title or "").lower())
    if field.kind == "symbol":
        return (reading.symbol or "") == field.text
    assert field.number is not None
    if field.kind == "percentages":
        shares = [share for share in reading.readings if share.symbol == field.symbol]
        return any(abs(share.long_pct - field.number) < 0.06 for share in shares)
    if field.kind == "price":
        price = reading.current_price
        return price is not None and math.isclose(price, field.number, rel_tol=5e-4)
    return any(math.isclose(metric.value, field.number, rel_tol=5e-3) for metric in reading.metrics)


_TIMES_AS_FAST = {GuidesRecipe.name: 1, Rapid.name: 3}


def run() -> list[Figure]:
    """Seconds a picture and fields read, against each rival; memory of a process; what a second core brings."""
    cv2.setNumThreads(1)
    every = labelled()
    pictures = every[:: -(-len(every) // _COMPARED)]
    files = [picture.file for picture in every]
    megabytes = _peak_megabytes(files)  # before the rivals are here: a process's peak begins as its parent's
    rivals: list[GuidesRecipe | Rapid] = [GuidesRecipe()]
    if importlib.util.find_spec("rapidocr"):
        rivals.append(Rapid())
    else:
        print("RapidOCR is not installed, so it is not measured: pip install rapidocr onnxruntime", file=sys.stderr)
    seconds: dict[str, list[float]] = defaultdict(list)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    read_picture(pictures[0].file.read_bytes())  # the model is loaded once, in the rivals' constructors too
    for picture in pictures:
        data = picture.file.read_bytes()
        fields = list(fields_of(picture.truth))
        reading, took = _timed(read_picture, data)
        seconds["ours"].append(took)
        for field in fields:
            right["ours", field.kind].append(is_read(reading, field))
        for rival in rivals:
            text, took = _timed(rival.text, data)
            seconds[rival.name].append(took)
            for field in fields:
                right[rival.name, field.kind].append(stands_in(text, field))
    figures = []
    for rival in rivals:
        ours, theirs = (statistics.median(seconds[name]) for name in ("ours", rival.name))
        told = f"reading: a picture, {rival.name}"
        figures.append(
            Figure(told, ours, theirs, "seconds", less_is_better=True, ratio_mark=_TIMES_AS_FAST[rival.name])
        )
        for kind in KINDS:
            ours, theirs = (100 * float(np.mean(right[name, kind])) for name in ("ours", rival.name))
            figures.append(Figure(f"reading: {kind} right, {rival.name}", ours, theirs, "%", ratio_mark=1))
    figures.append(Figure("reading: peak memory of a process", megabytes, None, "MB", less_is_better=True, mark=400))
    figures.append(
        Figure("reading: a batch on two cores, on one", *_batches(files), "pictures a second", ratio_mark=1.8)
    )
    return figures


def _timed(call: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = call(*arguments)
    return result, time.perf_counter() - started


_READ_ALL = """
import resource, sys
from pathlib import Path
from cryptopattern_pipelines.reading.reading import read_file
for file in sys.argv[1:]:
    read_file(Path(file))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak_megabytes(files: Sequence[Path]) -> float:
    """Peak resident memory of a fresh process that reads all pictures, one after the other."""
    command = [sys.executable, "-c", _READ_ALL, *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    kilobytes = float(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    return kilobytes / 1024


def _batches(files: Sequence[Path]) -> tuple[float, float]:
    """Pictures a second, start-up included, by two processes and by one."""
    rates = []
    for processes in (2, 1):
        read, took = _timed(list[Reading], read_paths(files, processes))
        rates.append(len(read) / took)
    return rates[0], rates[1]
