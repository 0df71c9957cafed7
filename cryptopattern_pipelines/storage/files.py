"""Bytes in a folder or on an object store: put whole or not at all, got, listed.

What belongs here: the difference between a disk and an object store. What the bytes mean does not.
On a disk a file is written in a folder beside its place and renamed into it, and a writer has not ended before all that
it put would outlive a power failure. On an object store a put shows the whole object or the one before it, so it needs
no more than that.
"""

import ctypes
import itertools
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from upath import UPath

Put = Callable[[str, bytes], None]

_WRITING = ".writing-"
# Other processes write, too: what was listed a moment ago says nothing.
_OPTIONS = {"use_listings_cache": False}
# One at a time is one GET an object. With more, each is asked for its size first, and a large one comes in pieces that
# another writer may replace in between.
_S3_OPTIONS = {"max_concurrency": 1}
# So many files of a writer are on the disk before they take their names. A year of hours waits once, at its end: file
# by file took forty times as long. What a power failure leaves of it is written again with the run that it broke.
_FIRST = 8


class StoreError(OSError):
    """The store can't be reached as it is set; the message says where it was looked for and what to do."""


class Files(Protocol):
    """Files under one root, named by their path in it."""

    workers: int

    def where(self, name: str) -> str:
        """Return the full path or address of a file, for people."""
        ...

    def get(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Say whether there is a file of that name."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder, none where there is no such folder."""
        ...

    @contextmanager
    def writing(self, folder: str) -> Iterator[Put]:
        """Hand out a function that puts files into the folder or below it, from any thread."""
        ...


def files_at(root: str | Path | UPath) -> Files:
    """Return the files under a folder or under any address that fsspec knows (`s3://…`, `memory://…`).

    Raises:
        StoreError: nothing that is installed knows such addresses.
    """
    path = UPath(root)
    if path.protocol in {"", "file", "local"}:
        return DiskFiles(Path(path.path).absolute())
    try:
        return ObjectFiles(path)
    except ImportError as error:
        extra = "cryptopattern[s3]" if path.protocol in {"s3", "s3a"} else f"fsspec's package for {path.protocol}://"
        raise StoreError(f"{root}: nothing here knows {path.protocol}:// addresses: install {extra}") from error


class DiskFiles:
    """Files in a folder on a disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workers = min(4, os.cpu_count() or 1)

    def where(self, name: str) -> str:
        """Return the full path of a file, for people."""
        return str(self.root / name)

    def get(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""
        try:
            # The plain call on joined text: a Path costs as much again as opening the file.
            with open(os.path.join(self.root, name), "rb") as file:  # noqa: PTH118, PTH123
                return file.read()
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Say whether there is a file of that name."""
        return (self.root / name).is_file()

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder, none where there is no such folder."""
        try:
            return [path.name for path in (self.root / folder).iterdir()]
        except FileNotFoundError:
            return []

    @contextmanager
    def writing(self, folder: str) -> Iterator[Put]:
        """Hand out a function that puts files into the folder or below it, from any thread.

        What a writer that was killed left behind is removed first. When the body has ended well, the disk has it all.

        Raises:
            OSError: the disk is full or broken; files put before are whole, and no other has taken its name.
        """
        home = self.root / folder
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        temporary, lock = _claim_temporary(home)
        made: set[Path] = set()
        numbers = itertools.count()

        def put(name: str, data: bytes) -> None:
            place = self.root / name
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            unfinished = temporary / uuid.uuid4().hex
            with unfinished.open("wb") as file:
                file.write(data)
                if next(numbers) < _FIRST:
                    file.flush()
                    os.fsync(file.fileno())
            unfinished.replace(place)

        try:
            yield put
            if next(numbers):
                _wait_for_disk(home)
        finally:
            lock.release()
            shutil.rmtree(temporary, ignore_errors=True)


def _wait_for_disk(folder: Path) -> None:
    """Wait until everything written so far is on the folder's disk, names included."""
    if sys.platform != "linux":
        if sys.platform != "win32":  # which has nothing of the kind
            os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Of one disk, where `sync` waits for all; there is no Python function for it (syncfs(2)).
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _claim_temporary(home: Path) -> tuple[Path, FileLock]:
    """Make a folder for unfinished files, with a lock that is held for as long as its writer lives."""
    while True:
        temporary = home / f"{_WRITING}{uuid.uuid4().hex}"
        temporary.mkdir()
        lock = FileLock(temporary / "lock", blocking=False)
        try:
            lock.acquire()
        except (Timeout, FileNotFoundError):
            continue  # another writer swept the folder between its making and its locking
        return temporary, lock


def _sweep(home: Path) -> None:
    """Remove the unfinished files of writers that no longer live: nobody holds their lock."""
    for left in home.glob(f"{_WRITING}*"):
        try:
            with FileLock(left / "lock", blocking=False):
                shutil.rmtree(left, ignore_errors=True)
        except (Timeout, FileNotFoundError):
            continue  # its writer lives, or another one has swept it


class ObjectFiles:
    """Objects under an address that fsspec knows."""

    def __init__(self, root: UPath) -> None:
        options: dict[str, Any] = {**_OPTIONS, **(_S3_OPTIONS if root.protocol in {"s3", "s3a"} else {})}
        self.root = UPath(root, **options)
        self.fs = self.root.fs
        self.workers = 32  # a call waits for the network, not for a core

    def where(self, name: str) -> str:
        """Return the full address of an object, for people."""
        return str(self.root / name)

    def _path(self, name: str) -> str:
        return f"{self.root.path.rstrip('/')}/{name}"

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        try:
            data: bytes = self.fs.cat_file(self._path(name))
        except FileNotFoundError as error:
            self._refuse_missing_bucket(error)
            return None
        return data

    def exists(self, name: str) -> bool:
        """Say whether there is an object of that name."""
        try:
            # Not `isfile`, which takes every error for a no.
            return bool(self.fs.info(self._path(name))["type"] == "file")
        except FileNotFoundError as error:
            self._refuse_missing_bucket(error)
            return False

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies under a prefix, none where there is nothing."""
        try:
            return [path.rstrip("/").rsplit("/", 1)[-1] for path in self.fs.ls(self._path(folder), detail=False)]
        except FileNotFoundError as error:
            self._refuse_missing_bucket(error)
            return []

    @contextmanager
    def writing(self, folder: str) -> Iterator[Put]:
        """Hand out a function that puts objects, from any thread."""

        def put(name: str, data: bytes) -> None:
            try:
                self.fs.pipe_file(self._path(name), data)
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                raise

        yield put

    def _refuse_missing_bucket(self, error: FileNotFoundError) -> None:
        """A bucket that isn't there is a wrong setting; taken for an absent object, the store would look empty."""
        told = getattr(error.__cause__, "response", {})  # botocore's ClientError
        if told.get("Error", {}).get("Code") == "NoSuchBucket":
            raise StoreError(f"{self.root}: there is no such bucket: make it, or mend the store's address") from error
