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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
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
        at, host = hour.astimezone(UTC), self.host.replace(" ", "-")
        instrument = next((str(self.params[name]) for name in _INSTRUMENT if name in self.params), "all")
        endpoint = self.path.strip("/").replace("/", "-")
        mark = hashlib.sha256(self.question.encode()).hexdigest()[:8]
        folder = f"{_RAW_ANSWERS}/date={at:%Y-%m-%d}/hour={at:%H}/venue={host.split('-')[0]}"
        return f"{folder}/{host}.{endpoint}.{instrument}.{mark}.{self.attempt}.json.gz"

    def packed(self) -> bytes:
        """The file's bytes."""
        told = {"question": self.question, "status": self.status, "date": self.date, "body": self.body}
        return gzip.compress(json.dumps(told, ensure_ascii=False).encode(), mtime=0)


def keep_raw_answers(root: str | Path | UPath, answers: Iterable[RawAnswer], hour: datetime) -> None:
    """Keep answers to questions whose first hour this is."""
    with files_at(root).writing(_RAW_ANSWERS) as put:
        for answer in answers:
            put(answer.name(hour), answer.packed())
