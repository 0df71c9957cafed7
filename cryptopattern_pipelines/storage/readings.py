"""What a reader made of a picture, kept by the picture's hash and the reader's version, so nothing is read twice."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from upath import UPath

from cryptopattern_pipelines.storage.files import files_at

_READINGS = "_readings"


class ReadingCache:
    """Readings as text (JSON) under the store's root: `_readings/<version>/ab/ab12….json`."""

    def __init__(self, root: str | Path | UPath, version: str) -> None:
        self.files = files_at(root)
        self.version = version

    def get(self, sha256: str) -> str | None:
        """Return the reading of a picture, or None where this version hasn't read it."""
        data = self.files.get(self._name(sha256))
        return None if data is None else data.decode()

    def get_all(self, sha256s: Iterable[str]) -> dict[str, str]:
        """Return the readings of those of these pictures that this version has read."""
        wanted = list(dict.fromkeys(sha256s))
        with ThreadPoolExecutor(self.files.workers) as pool:
            found = zip(wanted, pool.map(self.get, wanted), strict=True)
            return {sha256: reading for sha256, reading in found if reading is not None}

    def put(self, sha256: str, reading: str) -> None:
        """Keep the reading of a picture."""
        with self.files.writing(_READINGS) as put:
            put(self._name(sha256), reading.encode())

    def _name(self, sha256: str) -> str:
        return f"{_READINGS}/{self.version}/{sha256[:2]}/{sha256}.json"
