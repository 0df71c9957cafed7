"""The landing folder: which files lie in it, when each was captured, and which of them are pictures.

The folder is `<landing>/[<SYMBOL>/]name.png`. What is learned of a file (its hash and its time) is remembered in an
index beside the store, by path, size and time of modification, so that a folder of thousands is hashed once. The
index is a cache: without it everything is found out again, with the same result.
"""

import hashlib
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path, PurePosixPath
from stat import S_ISREG

import pandas as pd

from cryptopattern_pipelines.reading.capture_time import CapturedAt, captured_at
from cryptopattern_pipelines.reading.picture import UnreadablePicture, load_picture
from cryptopattern_pipelines.storage.schemas import TIME

ENTRY_COLUMNS = ["number", "file", "size_bytes", "changed_ns", "sha256", "captured_at", "captured_at_source"]
_KNOWN = ["sha256", "captured_at", "file", "size_bytes"]
REJECTED_COLUMNS = [*_KNOWN, "reason"]
PICTURE_COLUMNS = [*_KNOWN, "captured_at_source", "symbol_hint", "source_hint", "format", "width", "height"]

# Names under which programs keep a file that they are still writing, and what systems strew about.
_NOT_YET = re.compile(r"^\.|~$|\.(tmp|part|partial|crdownload|download)$|^(Thumbs\.db|desktop\.ini)$", re.IGNORECASE)
_MAKERS = {"kingfisher": re.compile("king.?fisher", re.IGNORECASE), "coinglass": re.compile("coin.?glass", re.I)}
# A name is written no later than its file, but in a zone that may be ahead of UTC: beyond this it isn't believed.
_CLOCKS_DIFFER = timedelta(hours=24)
_TRUST = {"file_name": 0, "exif": 1, "file_time": 2}


@dataclass(frozen=True)
class Examined:
    """A window's files: pictures and those set aside, a row each; and the hash of every file, by its path."""

    pictures: pd.DataFrame
    rejected: pd.DataFrame
    present: dict[str, str]


@dataclass(frozen=True)
class Landing:
    """A landing folder, the file that its index is kept in, and what is taken for a picture there.

    A time of capture before `earliest` isn't believed: the file's own time is taken instead. `zone` is where the clocks
    of names and EXIF times without an offset stood; the index keeps times, so each zone needs its own. What can't be
    opened at all (no permission, a name that isn't UTF-8) is told in `unreadable` after the folder was listed.
    """

    folder: Path
    index: Path
    extensions: tuple[str, ...]
    max_bytes: int
    earliest: datetime
    zone: tzinfo = UTC
    unreadable: list[str] = field(default_factory=list, compare=False)

    def entries(self) -> pd.DataFrame:
        """Every file of the folder: ENTRY_COLUMNS.

        `number` grows with each file, and with each change of a file, that this index has not met before;
        `changed_ns` is when the system last saw the file change. A name under which a download is still being written
        is passed over. A folder that isn't there has no files.
        """
        self.unreadable.clear()
        rows = list(self._entries())
        frame = pd.DataFrame(rows, columns=ENTRY_COLUMNS)
        return frame.astype({"captured_at": TIME, "number": "int64", "size_bytes": "int64", "changed_ns": "int64"})

    def index_name(self) -> str:
        """What tells this index from one that was made anew: its numbers mean nothing to the other."""
        with closing(self._open_index()) as index:
            return str(index.execute("SELECT name FROM self").fetchone()[0])

    def _open_index(self) -> sqlite3.Connection:
        """The index, each statement a transaction of its own: hashing a large folder locks nobody out."""
        self.index.parent.mkdir(parents=True, exist_ok=True)
        index = sqlite3.connect(self.index, timeout=30, isolation_level=None)
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")
        index.execute(
            "CREATE TABLE IF NOT EXISTS files (number INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT, size INTEGER,"
            " modified_ns INTEGER, sha256 TEXT, captured_us INTEGER, source TEXT, UNIQUE (file, size, modified_ns))"
        )
        index.execute("CREATE TABLE IF NOT EXISTS self (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT)")
        index.execute("INSERT OR IGNORE INTO self VALUES (1, ?)", (uuid.uuid4().hex,))
        return index

    def _entries(self) -> Iterator[tuple[object, ...]]:
        known_as = (
            "SELECT number, sha256, captured_us, source FROM files WHERE file = ? AND size = ? AND modified_ns = ?"
        )
        with closing(self._open_index()) as index:
            for path, stat in self._walk():
                file = path.relative_to(self.folder).as_posix()
                key = (file, stat.st_size, stat.st_mtime_ns)
                known = index.execute(known_as, key).fetchone()
                if known is None:
                    try:
                        learned = self._learn(path, stat)
                    except FileNotFoundError:
                        continue  # removed since the folder was listed
                    except OSError as error:
                        self.unreadable.append(f"{file}: {error.strerror}")
                        continue
                    index.execute(
                        "INSERT OR IGNORE INTO files (file, size, modified_ns, sha256, captured_us, source)"
                        " VALUES (?, ?, ?, ?, ?, ?)",
                        (*key, *learned),
                    )
                    known = index.execute(known_as, key).fetchone()
                number, sha256, captured_us, source = known
                captured = pd.Timestamp(captured_us, unit="us", tz=UTC)
                yield number, file, stat.st_size, stat.st_ctime_ns, sha256, captured, source

    def _walk(self) -> Iterator[tuple[Path, os.stat_result]]:
        for root, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if _NOT_YET.search(name):
                    continue
                path = Path(root, name)
                try:
                    str(path).encode()
                    stat = path.stat()
                except UnicodeEncodeError:
                    self.unreadable.append(f"{os.fsencode(path)!r}: its name is not UTF-8; rename it")
                    continue
                except FileNotFoundError:
                    continue  # renamed or removed since the folder was listed, or a link to nothing
                except OSError as error:
                    self.unreadable.append(f"{path}: {error.strerror}")
                    continue
                if S_ISREG(stat.st_mode):
                    yield path, stat
                else:
                    self.unreadable.append(f"{path}: not a regular file, but a pipe, device or socket")

    def _learn(self, path: Path, stat: os.stat_result) -> tuple[str, int, str]:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file_time = datetime.fromtimestamp(stat.st_mtime, UTC)
        if file_time < self.earliest:  # an unpacked archive or a broken clock: when it came here is known at least
            file_time = datetime.fromtimestamp(stat.st_ctime, UTC)
        captured = captured_at(path.name, None, file_time, self.zone)
        if captured.source == "file_time" and self._may_be_picture(path):
            with suppress(UnreadablePicture):  # its reason is told when its hour is examined
                exif = load_picture(path, self.max_bytes, zone=self.zone).exif_time
                captured = captured_at(path.name, exif, file_time, self.zone)
        if not self.earliest <= captured.time <= file_time + _CLOCKS_DIFFER:
            captured = CapturedAt(file_time, "file_time")
        return sha256, pd.Timestamp(captured.time).value // 1000, captured.source

    def _may_be_picture(self, path: Path | PurePosixPath) -> bool:
        return path.suffix.lower().lstrip(".") in self.extensions

    def examine(self, start: datetime, end: datetime) -> Examined:
        """Open what was captured in [start, end), once per content, and tell the pictures from the rest."""
        entries = self.entries()
        captured = first_copies(entries)
        captured = captured[captured["captured_at"].between(start, end, inclusive="left")]
        pictures: list[dict[str, object]] = []
        rejected: list[dict[str, object]] = []
        for entry in captured.to_dict("records"):
            file = PurePosixPath(str(entry["file"]))
            known = {name: entry[name] for name in _KNOWN}
            try:
                if not self._may_be_picture(file):
                    raise UnreadablePicture(f"the name doesn't end in one of {', '.join(self.extensions)}")
                picture = load_picture(self.folder / file, self.max_bytes)
            except FileNotFoundError:
                continue  # removed since the folder was listed
            except OSError as error:
                self.unreadable.append(f"{file}: {error.strerror}")
                continue
            except UnreadablePicture as reason:
                rejected.append(known | {"reason": str(reason)})
            else:
                shown = {"format": picture.format, "width": picture.width, "height": picture.height}
                hints = {"symbol_hint": _symbol_hint(file), "source_hint": _source_hint(file)}
                pictures.append(known | {"captured_at_source": entry["captured_at_source"]} | hints | shown)
        return Examined(
            _with_hour(pictures, PICTURE_COLUMNS),
            _with_hour(rejected, REJECTED_COLUMNS),
            dict(zip(entries["file"], entries["sha256"], strict=True)),
        )


def first_copies(entries: pd.DataFrame) -> pd.DataFrame:
    """One row for each content: the copy whose time is known best, then the earliest, then the first by name."""
    trust = entries["captured_at_source"].map(_TRUST)
    ordered = entries.assign(trust=trust).sort_values(["trust", "captured_at", "file"], kind="stable")
    return ordered.drop_duplicates("sha256").drop(columns="trust").sort_values(["captured_at", "sha256"])


def with_rows_of_removed_files(kept: pd.DataFrame, fresh: pd.DataFrame, present: dict[str, str]) -> pd.DataFrame:
    """Fresh rows, and those kept earlier whose file is no longer in the folder, under its name or any other.

    Without them an hour that is run again after the folder was tidied up would lose its pictures. A file that is still
    there with other content was half written when its row was made: that row goes.
    """
    gone = ~kept["sha256"].isin(present.values()) & ~kept["file"].isin(present.keys())
    parts = [part for part in (kept[gone], fresh) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else kept.iloc[:0]


def _with_hour(rows: list[dict[str, object]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns).astype({"captured_at": TIME})
    return frame.assign(hour=frame["captured_at"].dt.floor("h"))


def _symbol_hint(file: PurePosixPath) -> str | None:
    folder = file.parts[0] if len(file.parts) > 1 else ""
    return folder.upper() if re.fullmatch(r"[A-Za-z0-9]{1,20}", folder) else None


def _source_hint(file: PurePosixPath) -> str | None:
    return next((maker for maker, pattern in _MAKERS.items() if pattern.search(file.name)), None)
