"""What a run reads pictures with: the reader, and what it has read before."""

from collections.abc import Callable, Iterator
from os import cpu_count
from typing import Any, NamedTuple

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.reading import READER_VERSION, Reading, decode, encode, read_picture
from cryptopattern_pipelines.reading.workers import Failure, map_isolated
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.readings import ReadingCache

_LONGEST_SECONDS = 60.0
_NOT_READ = "not read"


class _Kept(NamedTuple):
    """A picture that has not been read yet."""

    sha256: str
    file: str
    data: bytes
    max_bytes: int


class Reader(dg.ConfigurableResource[Any]):
    """Reads the pictures of `raw_screenshots`, each once for each version of the reader."""

    max_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "Reader":
        """The reader of the settings."""
        return cls(max_bytes=settings.max_content_length)

    def read(
        self, store: TableStore, pictures: pd.DataFrame, log: Callable[[str], None] = lambda _: None
    ) -> dict[str, Reading]:
        """The readings of these rows of `raw_screenshots`, by the pictures' hashes.

        They are read on all cores, in processes of their own: a picture that crashes or hangs its reader costs only
        itself.
        """
        cache = ReadingCache(store.root, READER_VERSION)
        readings = {sha256: decode(text) for sha256, text in cache.get_all(pictures["sha256"]).items()}
        unread = [
            _Kept(sha256, file, store.kept_bytes(kept_at), self.max_bytes)
            for sha256, file, kept_at in pictures[["sha256", "file", "kept_at"]].itertuples(index=False)
            if sha256 not in readings
        ]
        for number, (kept, reading) in enumerate(zip(unread, _read_all(unread), strict=True), 1):
            log(
                f"{number} of {len(unread)}: {kept.file}: {reading.image_type}, {len(reading.readings)} readings, "
                f"{len(reading.levels)} levels, {len(reading.metrics)} metrics"
            )
            if reading.evidence != _NOT_READ:
                cache.put(kept.sha256, encode(reading))
            readings[kept.sha256] = reading
        return readings


def _read_all(unread: list[_Kept]) -> Iterator[Reading]:
    if unread:
        default_engine()  # where none can be started the run fails, instead of filling its hours with nothing
    outcomes = map_isolated(_read_one, unread, cpu_count() or 1, _LONGEST_SECONDS)
    for kept, outcome in zip(unread, outcomes, strict=True):
        if isinstance(outcome, Failure):
            # Not kept: a machine that was short of memory or time may read it on another day.
            yield Reading(kept.file, kept.sha256, evidence=_NOT_READ, error=outcome.reason)
        else:
            yield outcome


def _read_one(kept: _Kept) -> Reading:
    return read_picture(kept.data, kept.file, max_bytes=kept.max_bytes)
