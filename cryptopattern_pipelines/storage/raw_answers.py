"""Answers of venues as they came, kept beside the tables, so that a row can be followed back to what it was read from.

    <root>/_raw_answers/date=2024-08-05/hour=13/venue=binance/
        binance-spot.api-v3-klines.BTCUSDT.1c0ffee1.0.json.gz

The hour is the first that the question was for; then come the host, the endpoint, the instrument (`all` where the
question names none), the beginning of the question's SHA-256, and the attempt, from 0. Inside: `question`, `status`,
`date` (the answer's header) and `body`. The same answer makes the same bytes.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from upath import UPath

from cryptopattern_pipelines.storage.files import files_at

_RAW_ANSWERS = "_raw_answers"
_INSTRUMENT = ("symbol", "instId", "instFamily")


@dataclass(frozen=True)
class RawAnswer:
    """One answer: of which host, to what, the how manieth attempt from 0, its status, Date header and body."""

    host: str
    path: str
    params: Mapping[str, str | int]
    attempt: int
    status: int
    date: str
    body: str

    @property
    def question(self) -> str:
        """The question as a path with its query."""
        return f"{self.path}?{urlencode(sorted(self.params.items()))}" if self.params else self.path

    def name(self, hour: datetime) -> str:
        """Where it is kept, for a question whose first hour this is."""
        host = self.host.replace(" ", "-")
        instrument = next((str(self.params[name]) for name in _INSTRUMENT if name in self.params), "all")
        endpoint = self.path.strip("/").replace("/", "-")
        mark = hashlib.sha256(self.question.encode()).hexdigest()[:8]
        return f"{_folder(hour, host.split('-')[0])}/{host}.{endpoint}.{instrument}.{mark}.{self.attempt}.json.gz"

    def packed(self) -> bytes:
        """The file's bytes."""
        told = {"question": self.question, "status": self.status, "date": self.date, "body": self.body}
        return gzip.compress(json.dumps(told, ensure_ascii=False).encode(), mtime=0)


def kept_answers(
    root: str | Path | UPath, hour: datetime, venue: str, instruments: Iterable[str], back: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The answers of a venue on these instruments to questions that began with an hour, or up to `back` before it.

    The nearest first, each with its full path and what is in it: `question`, `status`, `date`, `body`.
    """
    files, wanted = files_at(root), {*instruments, "all"}
    for hours in range(back + 1):
        folder = _folder(hour - timedelta(hours=hours), venue)
        for name in sorted(files.names(folder)):
            parts = name.split(".")
            content = files.get(f"{folder}/{name}") if name.endswith(".json.gz") and parts[2] in wanted else None
            if content is not None:
                yield files.where(f"{folder}/{name}"), json.loads(gzip.decompress(content))


def _folder(hour: datetime, venue: str) -> str:
    at = hour.astimezone(UTC)
    return f"{_RAW_ANSWERS}/date={at:%Y-%m-%d}/hour={at:%H}/venue={venue}"


def keep_raw_answers(root: str | Path | UPath, answers: Iterable[RawAnswer], hour: datetime) -> None:
    """Keep answers to questions whose first hour this is."""
    with files_at(root).writing(_RAW_ANSWERS) as put:
        for answer in answers:
            put(answer.name(hour), answer.packed())
