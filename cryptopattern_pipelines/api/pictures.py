"""Pictures that are sent: verified by decoding, read in processes of their own, kept where the next run finds them.

What belongs here: from bytes to a reading and a file in the landing folder. What does not: what follows for a squeeze
(`analysis.py`).
"""

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.verify import Item, Refused, Verified, verify_and_read
from cryptopattern_pipelines.automation.partitions import FIRST_DAY
from cryptopattern_pipelines.reading.capture_time import CapturedAt, captured_at, time_in_name
from cryptopattern_pipelines.reading.reading import READER_VERSION, Reading, decode, encode
from cryptopattern_pipelines.reading.workers import Crew, Failure
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.readings import ReadingCache

_LONGEST_SECONDS = 30.0
_FORMATS = ("png", "jpeg", "webp", "gif", "bmp")


@dataclass(frozen=True)
class Upload:
    """What a caller sent: the file's name, which is believed for its time alone, and its bytes."""

    name: str
    data: bytes
    received: datetime


@dataclass(frozen=True)
class ReadPicture:
    """A picture that was read: where it is kept within the landing folder, and when it was taken."""

    name: str
    sha256: str
    file: str
    captured: CapturedAt
    format: str
    size_bytes: int
    reading: Reading
    kept: bool


class Pictures:
    """Reads pictures that are sent, each content once for each version of the reader, and keeps them.

    The processes that read stay up; `close` ends them.
    """

    def __init__(self, settings: Settings, processes: int | None = None) -> None:
        self._settings = settings
        self._store = TableStore(settings.store_root)
        self._cache = ReadingCache(self._store.root, READER_VERSION)
        self._crew: Crew[Item, Verified | Refused] = Crew(
            verify_and_read, processes or os.cpu_count() or 1, _LONGEST_SECONDS
        )

    def warm_up(self) -> None:
        """Start the processes now, so that the first caller doesn't wait for them."""
        self._crew.warm_up()

    def close(self) -> None:
        """End the reading processes."""
        self._crew.close()

    def read(self, coin: str | None, uploads: Sequence[Upload], *, keep: bool) -> list[ReadPicture]:
        """Read pictures, and keep them for the next run once all of them are known to be pictures.

        Without `keep` nothing of a picture is left behind, its reading neither. Without a coin a picture is kept beside
        the coins' folders, as one of which it isn't known whose it is.

        Raises:
            ApiError: 413, 415 or 422: one of them is too large, no picture, or broken; none is kept then.
                503: the reader or the disk failed.
        """
        read = [self._read_one(coin, number, upload) for number, upload in enumerate(uploads, 1)]
        return [self._kept(upload, picture) for upload, picture in zip(uploads, read, strict=True)] if keep else read

    def reading(self, sha256: str) -> Reading | None:
        """What was read from a picture by its hash, None where this version has read none of that hash."""
        text = self._cache.get(sha256)
        return None if text is None else decode(text)

    def picture_bytes(self, sha256: str) -> bytes | None:
        """A kept picture's bytes by its hash, None where none is kept."""
        path = self._path(sha256)
        return None if path is None else self._store.kept_bytes(path)

    def can_be_shown(self, sha256: str) -> bool:
        """Whether a picture is kept, and was read by this version: all that drawing it annotated takes."""
        return self._path(sha256) is not None and self.reading(sha256) is not None

    def _path(self, sha256: str) -> str | None:
        paths = (f"_screenshots/{sha256[:2]}/{sha256}.{suffix}" for suffix in _FORMATS)
        return next(filter(self._store.files.exists, paths), None)

    def _read_one(self, coin: str | None, number: int, upload: Upload) -> ReadPicture:
        sha256 = hashlib.sha256(upload.data).hexdigest()
        known = self.reading(sha256)
        item = Item(
            upload.data, sha256, self._settings.max_content_length, self._settings.screenshot_timezone, known is None
        )
        found = self._crew(item)
        if isinstance(found, Failure):
            raise ApiError(422, f"picture {number}: {found.reason}")
        if isinstance(found, Refused):
            raise ApiError(found.status, f"picture {number}: {found.reason}" if found.status != 503 else found.reason)
        suffix = self._suffix(found.format, number)
        earlier = self._earlier(sha256)
        when = self._captured(upload, found.exif_time)
        name = f"{when.time:%Y-%m-%dT%H-%M-%SZ}_{sha256[:16]}.{suffix}"
        file = earlier or (f"{coin}/{name}" if coin else name)
        if earlier:  # the same bytes again: they were taken when they were, and are one row
            when = CapturedAt(time_in_name(PurePath(earlier).name) or when.time, "file_name")
        reading = replace(known or found.reading or Reading(file, sha256), file=file)
        return ReadPicture(
            upload.name, sha256, file, when, found.format, len(upload.data), reading, kept=earlier is not None
        )

    def _captured(self, upload: Upload, exif: datetime | None) -> CapturedAt:
        """When a picture was taken, as the landing folder would tell it; whole seconds, as names bear them."""
        when = captured_at(upload.name, exif, upload.received, self._settings.screenshot_timezone)
        if not FIRST_DAY <= when.time <= upload.received:
            when = CapturedAt(upload.received, "file_time")
        return replace(when, time=when.time.replace(microsecond=0))

    def _suffix(self, kind: str, number: int) -> str:
        allowed = self._settings.allowed_extensions
        for suffix in (kind, "jpg") if kind == "jpeg" else (kind,):
            if suffix in allowed:
                return suffix
        raise ApiError(415, f"picture {number}: {kind} pictures are not taken here, but {', '.join(allowed)}")

    def _earlier(self, sha256: str) -> str | None:
        """The file in the landing folder that an earlier request of the same bytes made, if it is still there."""
        landing = self._settings.landing_folder
        names = (f"*/*Z_{sha256[:16]}.*", f"*Z_{sha256[:16]}.*")
        found = sorted(file for name in names for file in landing.glob(name)) if landing.is_dir() else []
        return found[0].relative_to(landing).as_posix() if found else None

    def _kept(self, upload: Upload, picture: ReadPicture) -> ReadPicture:
        """Put a picture into the landing folder, whole or not at all; its name is made here, none of it by callers."""
        if self.reading(picture.sha256) is None:
            self._cache.put(picture.sha256, encode(picture.reading))
        if picture.kept:
            return picture
        target = self._settings.landing_folder / picture.file
        beside = target.parent / f".{secrets.token_hex(8)}.part"  # which the landing folder's index passes over
        try:
            self._store.keep_bytes(picture.sha256, upload.data, picture.format)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_bytes(upload.data)
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise ApiError(503, f"the pictures can't be kept ({error.strerror}); nothing is wrong with them") from error
        return replace(picture, kept=True)


def from_file(path: Path) -> Upload:
    """A file of this machine as if it were sent when it was last changed.

    Raises:
        OSError: it can't be read.
    """
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Upload(path.name, path.read_bytes(), min(changed, datetime.now(UTC) - timedelta(seconds=1)))
