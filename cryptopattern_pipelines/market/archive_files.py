"""Files of an archive, each checked against the CHECKSUM beside it: from a folder, or from a mirror over HTTP.

What belongs here: getting a file's bytes and knowing that they are whole, and which files there are. What does not:
what is in them.
"""

import hashlib
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Protocol

import httpx
from filelock import FileLock

from cryptopattern_pipelines.market.source import MarketError


class ArchiveError(MarketError):
    """The archive, or a file of it, can't be read."""


class ChecksumError(ArchiveError):
    """A file differs from its CHECKSUM, or has none that can be read."""


class NoListingError(ArchiveError):
    """A mirror that has files but doesn't list them."""


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

    def names(self, folder: str) -> list[str]:
        """The names of the files and folders in a folder, sorted; none where there is no such folder.

        Raises:
            NoListingError: a mirror lists nothing.
            ArchiveError: they can't be listed now.
        """
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

    def names(self, folder: str) -> list[str]:
        """See `Files.names`."""
        try:
            return sorted(each.name for each in (self.root / folder).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArchiveError(f"{self.place(folder)} can't be listed ({error.strerror}): check its rights") from error

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

    The CHECKSUM is asked for each time, so a file that the archive has put right since is fetched anew. A download
    that was cut off goes on where it stopped, in this run or a later one (HTTP Range, RFC 9110, 14).

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

    def names(self, folder: str) -> list[str]:
        """See `Files.names`. The mirror must list itself as an object store does.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html; Binance's own site lists its bucket so.
        """
        prefix, names, marker = f"{folder}/", [], ""
        address = _LISTED_AT.get(self.address, self.address)
        while True:
            content = self._get(address, params={"delimiter": "/", "prefix": prefix, "marker": marker})
            try:
                page = ET.fromstring(content or b"")  # noqa: S314 - Expat stops entities that swell, and reads no others
            except ET.ParseError as error:
                raise NoListingError(
                    f"{address} doesn't list its files: name coins in CRYPTOPATTERN_SYMBOLS, or give a folder"
                ) from error
            namespace = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            told = [
                element.text or ""
                for path in (f"{namespace}Contents/{namespace}Key", f"{namespace}CommonPrefixes/{namespace}Prefix")
                for element in page.iterfind(path)
            ]
            names += [name.removeprefix(prefix).strip("/") for name in told if name != prefix]
            if page.findtext(f"{namespace}IsTruncated") != "true" or not told:
                return sorted(names)
            marker = max(told)

    def read(self, path: str) -> bytes | None:
        """See `Files.read`."""
        checksum = self._get(self.place(f"{path}.CHECKSUM"))
        if checksum is None:
            if self._get(self.place(path), "HEAD") is not None:
                raise ChecksumError(_without_checksum(self.place(path)))
            return None
        sha256 = _sha256_of(checksum, self.place(path))
        kept = self.cache / sha256[:2] / f"{sha256}.zip"
        content = _whole(kept, sha256)
        if content is None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            # One at a time appends to an unfinished file, be it another thread or another process.
            with FileLock(kept.parent / ".lock"):
                content = _whole(kept, sha256)
                return self._fetched(path, kept, sha256) if content is None else content
        return content

    def _fetched(self, path: str, kept: Path, sha256: str) -> bytes:
        """A file's bytes, kept; what an earlier attempt left of it is gone on with."""
        unfinished = kept.with_suffix(".part")
        resumed = unfinished.is_file()
        if not resumed or _whole(unfinished, sha256) is None:
            self._download(path, unfinished)
        content = _whole(unfinished, sha256)
        if content is None and resumed:
            # What was left may have been harmed.
            unfinished.unlink()
            self._download(path, unfinished)
            content = _whole(unfinished, sha256)
        if content is None:
            unfinished.unlink()
            raise ChecksumError(f"{self.place(path)} is not what its CHECKSUM says: try again, or use another mirror")
        # Not handed to the disk first: a file that a power cut harmed has another hash, and is fetched again.
        unfinished.replace(kept)
        return content

    def _download(self, path: str, to: Path) -> None:
        """Write a file's bytes, after those that are there already."""
        reason = ""
        for attempt in range(self.attempts):
            self._wait(attempt)
            there = to.stat().st_size if to.is_file() else 0
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
            try:
                with self._client.stream("GET", self.place(path), headers=headers) as answer:
                    if answer.status_code == httpx.codes.NOT_FOUND:
                        raise ArchiveError(f"{self.place(path)} has a CHECKSUM but isn't there: try again later")
                    if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                        return  # nothing follows what is there
                    if answer.is_success:
                        goes_on = answer.headers.get("Content-Range", "").startswith(f"bytes {there}-")
                        with to.open("ab" if there and goes_on else "wb") as file:
                            for piece in answer.iter_raw():
                                file.write(piece)
                        return
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__} {error}".strip()
                continue
            reason = f"status {answer.status_code}"
            if not _may_heal(answer):
                break
        raise _unfetched(self.place(path), reason)

    def _get(self, address: str, method: str = "GET", params: dict[str, str] | None = None) -> bytes | None:
        reason = ""
        for attempt in range(self.attempts):
            self._wait(attempt)
            try:
                answer = self._client.request(method, address, params=params)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__} {error}".strip()
                continue
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            if answer.is_success:
                return answer.content
            reason = f"status {answer.status_code}"
            if not _may_heal(answer):
                break
        raise _unfetched(address, reason)

    def _wait(self, attempt: int) -> None:
        if attempt:
            time.sleep(self.pause * 2 ** (attempt - 1))


# data.binance.vision serves files alone; its own page lists them from the bucket behind it.
_LISTED_AT = {"https://data.binance.vision": "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"}


def _whole(path: Path, sha256: str) -> bytes | None:
    """A kept file's bytes, if they are there and have that hash."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def _may_heal(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.status_code >= 500


def _unfetched(address: str, reason: str) -> ArchiveError:
    return ArchiveError(f"{address} can't be fetched ({reason}): check the mirror's address, or wait")


def _sha256_of(checksum: bytes, place: str) -> str:
    found = re.match(rb"\s*([0-9a-fA-F]{64})\b", checksum)
    if found is None:
        raise ChecksumError(f"{place}.CHECKSUM holds no SHA-256: fetch it again")
    return found[1].decode().lower()


def _without_checksum(place: str) -> str:
    return f"{place} has no CHECKSUM beside it: fetch {place.rsplit('/', 1)[-1]}.CHECKSUM too"
