"""Files of an archive, each checked against the CHECKSUM beside it: from a folder, or from a mirror over HTTP.

What belongs here: getting a file's bytes and knowing that they are whole. What does not: what is in them.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Protocol

import httpx

from cryptopattern_pipelines.market.source import MarketError


class ArchiveError(MarketError):
    """The archive, or a file of it, can't be read."""


class ChecksumError(ArchiveError):
    """A file differs from its CHECKSUM, or has none that can be read."""


class Files(Protocol):
    """The files of one archive."""

    def read(self, path: str) -> bytes | None:
        """The whole file's bytes, verified; None when the archive doesn't have it.

        Raises:
            ArchiveError: it is there but can't be had, or is not what its CHECKSUM says.
        """
        ...

    def place(self, path: str) -> str:
        """Where a file lies, for a message."""
        ...


class FolderFiles:
    """An archive that lies in a folder."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ArchiveError(f"the archive's folder {root} is not there: set the archive's folder or address")
        self.root = root

    def place(self, path: str) -> str:
        """The file's path."""
        return str(self.root / path)

    def read(self, path: str) -> bytes | None:
        """See `Files.read`."""
        try:
            content = (self.root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"{self.place(path)} can't be read ({error.strerror}): check its rights") from error
        try:
            checksum = (self.root / f"{path}.CHECKSUM").read_bytes()
        except FileNotFoundError:
            raise ChecksumError(_without_checksum(self.place(path))) from None
        if hashlib.sha256(content).hexdigest() != _sha256_of(checksum, self.place(path)):
            raise ChecksumError(f"{self.place(path)} is not what its CHECKSUM says: copy both files again")
        return content


class MirrorFiles:
    """An archive that a server has, e.g. https://data.binance.vision; what was fetched is kept by its hash.

    The CHECKSUM is asked for each time, so a file that the archive has put right since is fetched anew.

    Args:
        address: base address of the mirror.
        cache: folder in which fetched files are kept, named by their SHA-256.
        timeout: seconds for connecting and between two pieces of an answer.
        attempts: how often a request is sent before it counts as failed.
        pause: seconds before the second attempt, doubled for each one after.
    """

    def __init__(
        self, address: str, cache: Path, *, timeout: float = 20, attempts: int = 4, pause: float = 0.5
    ) -> None:
        self.address = address.rstrip("/")
        self.cache = cache
        self.attempts = attempts
        self.pause = pause
        # Threads of one source share the connections.
        self._client = httpx.Client(timeout=timeout, follow_redirects=True)

    def place(self, path: str) -> str:
        """The file's address."""
        return f"{self.address}/{path}"

    def read(self, path: str) -> bytes | None:
        """See `Files.read`."""
        checksum = self._get(f"{path}.CHECKSUM")
        if checksum is None:
            if self._get(path, "HEAD") is not None:
                raise ChecksumError(_without_checksum(self.place(path)))
            return None
        sha256 = _sha256_of(checksum, self.place(path))
        kept = self.cache / sha256[:2] / f"{sha256}.zip"
        if kept.is_file():
            content = kept.read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
        fetched = self._get(path)
        if fetched is None:
            raise ArchiveError(f"{self.place(path)} has a CHECKSUM but isn't there: try again later")
        if hashlib.sha256(fetched).hexdigest() != sha256:
            raise ChecksumError(f"{self.place(path)} is not what its CHECKSUM says: try again, or use another mirror")
        _keep(kept, fetched)
        return fetched

    def _get(self, path: str, method: str = "GET") -> bytes | None:
        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                answer = self._client.request(method, self.place(path))
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__} {error}".strip()
                continue
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            if answer.is_success:
                return answer.content
            reason = f"status {answer.status_code}"
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS and answer.status_code < 500:
                break
        raise ArchiveError(f"{self.place(path)} can't be fetched ({reason}): check the mirror's address, or wait")


def _keep(path: Path, content: bytes) -> None:
    """Write beside, then rename, so that a kept file is always whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, suffix=f".{threading.get_ident()}.part")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(beside).replace(path)


def _sha256_of(checksum: bytes, place: str) -> str:
    found = re.match(rb"\s*([0-9a-fA-F]{64})\b", checksum)
    if found is None:
        raise ChecksumError(f"{place}.CHECKSUM holds no SHA-256: fetch it again")
    return found[1].decode().lower()


def _without_checksum(place: str) -> str:
    return f"{place} has no CHECKSUM beside it: fetch {place.rsplit('/', 1)[-1]}.CHECKSUM too"
