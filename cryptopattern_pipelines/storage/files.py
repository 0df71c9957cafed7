"""Bytes in a folder or on an object store: put whole or not at all, got, listed.

What belongs here: the difference between a disk and an object store. What the bytes mean does not.
On a disk a file is written in a folder beside its place, handed to the disk, and renamed into it: in the other order a
power cut could leave a name without its bytes. That the name itself is on the disk isn't waited for: a file that is
lost with it is one that isn't there, which every reader knows of. On an object store a put shows the whole object or
the one before it, so it needs no more than that.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from upath import UPath

Put = Callable[[str, bytes], None]

_WRITING = ".writing-"


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
    """Return the files under a folder or under any address that fsspec knows (`s3://…`, `memory://…`)."""
    path = UPath(root)
    if path.protocol in {"", "file", "local"}:
        return DiskFiles(Path(path.path).absolute())
    return ObjectFiles(path)


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

        What a writer that was killed left behind is removed first.
        """
        home = self.root / folder
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        temporary, lock = _claim_temporary(home)
        made: set[Path] = set()

        def put(name: str, data: bytes) -> None:
            place = self.root / name
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            unfinished = temporary / uuid.uuid4().hex
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(place)

        try:
            yield put
        finally:
            lock.release()
            shutil.rmtree(temporary, ignore_errors=True)


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
        self.root = root
        self.fs = root.fs
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
        except FileNotFoundError:
            return None
        return data

    def exists(self, name: str) -> bool:
        """Say whether there is an object of that name."""
        return bool(self.fs.isfile(self._path(name)))

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies under a prefix, none where there is nothing."""
        self.fs.invalidate_cache(self._path(folder))  # another process may have written since
        try:
            return [path.rstrip("/").rsplit("/", 1)[-1] for path in self.fs.ls(self._path(folder), detail=False)]
        except FileNotFoundError:
            return []

    @contextmanager
    def writing(self, folder: str) -> Iterator[Put]:
        """Hand out a function that puts objects, from any thread."""

        def put(name: str, data: bytes) -> None:
            self.fs.pipe_file(self._path(name), data)

        yield put
