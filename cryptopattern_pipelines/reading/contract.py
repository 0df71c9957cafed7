"""What is read from one picture, and how it is written down.

What belongs here: the readings' fields, their JSON. What does not: reading (`reading.py`).
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Word
from cryptopattern_pipelines.reading.shares import ShareReading

# Raised whenever the same picture may read differently: readings are kept by the picture's hash and this.
READER_VERSION = "5"


@dataclass(frozen=True)
class Level:
    """A price level: USD, side (long, short or None), strength, and that as a fraction of the chart's largest.

    Strengths are in the chart's unit where its colour bar was read; else fractions: of the colour scale on a heatmap,
    of the highest bar on a map.
    """

    price: float
    side: str | None
    strength: float
    strength_share: float


@dataclass(frozen=True)
class Mark:
    """Where on the picture something was read, for drawing: a box in its pixels, and what was read there.

    `kind` is title, row, plot, or level (a line: top and bottom are one).
    """

    kind: str
    left: float
    top: float
    right: float
    bottom: float
    label: str = ""


@dataclass(frozen=True)
class Reading:
    """All that was read from one picture; design.md's contract, and what the tables need beside it.

    `image_type` is one of schemas.IMAGE_TYPES, `confidence` a fraction, `evidence` what the type was told by, `error`
    why the picture or a part of it could not be read, None where nothing is missing. Times are UTC.
    """

    file: str
    sha256: str
    image_type: str = "unknown"
    confidence: float = 0.0
    evidence: str = ""
    title: str | None = None
    symbol: str | None = None
    venue: str | None = None
    timeframe: str | None = None
    leverage: str | None = None
    current_price: float | None = None
    chart_time: datetime | None = None
    readings: tuple[ShareReading, ...] = ()
    levels: tuple[Level, ...] = ()
    metrics: tuple[MetricReading, ...] = ()
    words: tuple[Word, ...] = ()
    marks: tuple[Mark, ...] = ()
    error: str | None = None
    reader_version: str = READER_VERSION

    @property
    def unread(self) -> bool:
        """Whether the file was no picture that could be read: `error` says why."""
        return self.image_type == "unknown" and self.error is not None

    @property
    def strengths_in_unit(self) -> bool:
        """Whether the levels' strengths are in the chart's unit; else they are fractions, and none is above 1."""
        return any(level.strength > 1 for level in self.levels)


def to_dict(reading: Reading, *, words: bool = False) -> dict[str, Any]:
    """A reading as design.md's contract has it: keys and their order; `words` only where asked for."""
    row: dict[str, Any] = {
        name: getattr(reading, name)
        for name in (
            "file", "sha256", "image_type", "confidence", "title", "symbol", "venue", "timeframe", "leverage",
            "current_price",
        )
    }  # fmt: skip
    row["file"] = os.fsencode(reading.file).decode(errors="backslashreplace")  # names need not be UTF-8, JSON must
    row["chart_time"] = reading.chart_time.isoformat() if reading.chart_time else None
    shares = ("symbol", "long_pct", "short_pct", "arrows", "method", "confidence")
    row["readings"] = [{name: getattr(share, name) for name in shares} for share in reading.readings]
    row["levels"] = [{"price": x.price, "side": x.side, "strength": x.strength} for x in reading.levels]
    row["metrics"] = [asdict(metric) for metric in reading.metrics]
    if words:
        row["words"] = [asdict(word) for word in reading.words]
    row["error"] = reading.error
    return row


def to_json(reading: Reading, *, words: bool = False) -> str:
    """`to_dict` as one line of JSON."""
    return json.dumps(to_dict(reading, words=words), ensure_ascii=False)


def encode(reading: Reading) -> str:
    """A whole reading as one line of JSON, for keeping; `decode` brings back an equal one."""
    row = asdict(reading)
    row["chart_time"] = reading.chart_time.isoformat() if reading.chart_time else None
    return json.dumps(row, ensure_ascii=False)


def decode(text: str) -> Reading:
    """The reading that `encode` wrote."""
    row = json.loads(text)
    row["chart_time"] = datetime.fromisoformat(row["chart_time"]) if row["chart_time"] else None
    for name, kind in (
        ("readings", ShareReading), ("levels", Level), ("metrics", MetricReading), ("words", Word), ("marks", Mark)
    ):  # fmt: skip
        row[name] = tuple(kind(**part) for part in row[name])
    return Reading(**row)
