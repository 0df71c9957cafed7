"""Parquet tables: one file a partition, whole or absent, the same bytes for the same rows.

What belongs here: where a partition's file lies, how it is written and how a range is read. The columns
and their rules are in `schemas.py`, the difference between a disk and an object store in `files.py`.

    <root>/<table>/date=2024-08-05/13.parquet     an hourly table
    <root>/<table>/date=2024-08-05/day.parquet    a daily one
    <root>/_imported/<table>/date=…              rows from a user's own files, laid out alike
    <root>/_screenshots/ab/ab12….png             pictures' bytes, by their SHA-256
    <root>/_models/ab/ab12….json                 trained models, likewise, each with its card (.md)
"""

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from cryptopattern_pipelines.storage.files import files_at
from cryptopattern_pipelines.storage.rows import checked, partitions
from cryptopattern_pipelines.storage.schemas import TABLES, TEXT, TableSchema

_PICTURES = "_screenshots"
_MODELS = "_models"
_IMPORTED = "_imported"
_DAY = "date="
_ASKED_BLINDLY = 24  # partitions that are asked for without a look at the days that there are
_BATCH = 64  # files that one task reads: far fewer hand-overs between threads than one file a task


class UnreadablePartitionError(RuntimeError):
    """A partition's file that is no Parquet file of its table; the message names it and what to do."""


class KeptBytesError(RuntimeError):
    """Kept bytes that are missing, or bytes that don't have the hash that they are to be kept by."""


@dataclass(frozen=True)
class Written:
    """What one write put into the store."""

    partitions: int
    empty: int
    rows: int
    size_bytes: int


class ParquetTable:
    """One table under a root: a folder, or any address that fsspec knows."""

    def __init__(self, schema: TableSchema, root: str | Path | UPath) -> None:
        self.schema = schema
        self.files = files_at(root)

    def write(
        self,
        frame: pd.DataFrame | Iterable[dict[str, Any]],
        start: datetime,
        end: datetime,
        *,
        empty_too: bool = True,
    ) -> Written:
        """Write the file of every partition in [start, end); one without rows gets an empty file.

        With `empty_too=False` it gets none, and a file that is there stays. All rows are checked before the first file
        is written. Files of other partitions stay as they are.

        Raises:
            InvalidRowsError: a row breaks the schema or lies outside the window.
            ValueError: start or end is not a partition's start in UTC.
        """
        rows = checked(self.schema, frame, start, end)
        window = partitions(self.schema, start, end)
        table = pyarrow.Table.from_pandas(rows, schema=self.schema.arrow, preserve_index=False)
        table = table.replace_schema_metadata(None)
        cuts = [*rows[self.schema.partition].searchsorted(window).tolist(), len(rows)]
        numbers = [i for i in range(len(window)) if empty_too or cuts[i] < cuts[i + 1]]

        def write_one(number: int) -> int:
            rows = cuts[number + 1] - cuts[number]
            data = self._bytes(table.slice(cuts[number], rows)) if rows else self._empty
            put(self._name(window[number]), data)
            return len(data)

        with self.files.writing(self.schema.name) as put, ThreadPoolExecutor(self.files.workers) as pool:
            sizes = list(pool.map(write_one, numbers))
        return Written(
            partitions=len(numbers),
            empty=sum(cuts[i] == cuts[i + 1] for i in numbers),
            rows=len(rows),
            size_bytes=sum(sizes),
        )

    def read(
        self,
        start: datetime,
        end: datetime,
        columns: list[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the partitions in [start, end) that exist, sorted by partition and key.

        A partition that was never written adds no row: ask `present` where the difference matters. Columns
        not asked for are not decoded; rows are filtered by `where` (on any of the table's columns) before
        they meet in one frame. Types are the schema's, without a row too.

        Raises:
            KeyError: a column is asked for that the table doesn't have.
            UnreadablePartitionError: a file is damaged or was written by another schema.
            ValueError: start or end is not a partition's start in UTC.
        """
        wanted = self.schema.names if columns is None else list(columns)
        strange = sorted(set(wanted) - set(self.schema.names))
        if strange:
            raise KeyError(f"{self.schema.name}: unknown columns {strange}")
        decoded = self._arrow(wanted if where is None else self._with_columns_of(wanted, where))
        names = [self._name(at) for at in self._of_written_days(partitions(self.schema, start, end))]

        def read_some(some: list[str]) -> pyarrow.Table | None:
            tables = [table for name in some if (table := self._read_one(name, decoded)) is not None]
            if not tables:
                return None
            table = pyarrow.concat_tables(tables)
            return table if where is None else table.filter(where).select(wanted)

        # Few files, or files far away: one a task, so that all of them are under way at once.
        size = min(_BATCH, max(1, len(names) // (4 * self.files.workers)))
        batches = [names[i : i + size] for i in range(0, len(names), size)]
        with ThreadPoolExecutor(self.files.workers) as pool:
            found = [table for table in pool.map(read_some, batches) if table is not None]
        table = pyarrow.concat_tables([self._arrow(wanted).empty_table(), *found]).combine_chunks()
        return table.to_pandas(types_mapper={pyarrow.int64(): pd.Int64Dtype()}.get)

    def present(self, start: datetime, end: datetime) -> pd.DatetimeIndex:
        """Return the starts of the partitions in [start, end) that have a file, with rows or without.

        Raises:
            ValueError: start or end is not a partition's start in UTC.
        """
        window = partitions(self.schema, start, end)
        folders = list(dict.fromkeys(self._folder(at) for at in self._of_written_days(window)))
        with ThreadPoolExecutor(self.files.workers) as pool:
            listed = pool.map(self.files.names, folders)
            found = {f"{folder}/{name}" for folder, names in zip(folders, listed, strict=True) for name in names}
        return window[[self._name(at) in found for at in window]]

    def days(self) -> pd.DatetimeIndex:
        """Return the days (UTC) of which any partition was ever written, sorted."""
        names = self.files.names(self.schema.name)
        days = [name.removeprefix(_DAY) for name in names if name.startswith(_DAY)]
        return pd.DatetimeIndex(pd.to_datetime(sorted(days), format="%Y-%m-%d", utc=True))

    @cached_property
    def _empty(self) -> bytes:
        """The file of a partition without rows: a year without screenshots has as many of these as of others."""
        return self._bytes(self.schema.arrow.empty_table())

    def _bytes(self, table: pyarrow.Table) -> bytes:
        """One partition's rows as the bytes of its file; every choice that shows in them is made here."""
        sink = pyarrow.BufferOutputStream()
        # snappy: opening zstd for each column of a ten-row file took twice as long as all the rest.
        pq.write_table(
            table,
            sink,
            version="2.6",
            data_page_version="1.0",
            compression="snappy",
            use_dictionary=[column.name for column in self.schema.columns if column.dtype == TEXT],
            write_statistics=True,
            row_group_size=1 << 20,
            store_schema=False,
        )
        return sink.getvalue().to_pybytes()

    def _of_written_days(self, window: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The partitions of a long window but for days of which nothing was ever written.

        Most look back further than a young store reaches, and an object that isn't there costs as much as one that is.
        """
        return window if len(window) <= _ASKED_BLINDLY else window[window.floor("D").isin(self.days())]

    def _folder(self, at: pd.Timestamp) -> str:
        return f"{self.schema.name}/{_DAY}{at:%Y-%m-%d}"

    def _name(self, at: pd.Timestamp) -> str:
        return f"{self._folder(at)}/{f'{at:%H}' if self.schema.partition == 'hour' else 'day'}.parquet"

    def _arrow(self, names: list[str]) -> pyarrow.Schema:
        arrow = self.schema.arrow
        return pyarrow.schema([arrow.field(name) for name in names])

    def _with_columns_of(self, wanted: list[str], where: pc.Expression) -> list[str]:
        # An expression doesn't list its columns, but it does print them; one too many does no harm.
        printed = str(where)
        return [name for name in self.schema.names if name in wanted or name in printed]

    def _read_one(self, name: str, expected: pyarrow.Schema) -> pyarrow.Table | None:
        data = self.files.get(name)
        if data is None or data == self._empty:
            return None
        try:
            # ParquetFile on bytes took a quarter of the time of read_table or a dataset on ten-row files.
            table = pq.ParquetFile(pyarrow.BufferReader(data)).read(expected.names, use_threads=False)
            return table if table.schema == expected else self._brought_up_to_date(table, expected)
        except (pyarrow.ArrowException, ValueError) as error:
            raise UnreadablePartitionError(
                f"{self.files.where(name)} can't be read as {self.schema.name} ({str(error).splitlines()[0]}); "
                f"materialise that {self.schema.partition} again"
            ) from error

    def _brought_up_to_date(self, table: pyarrow.Table, expected: pyarrow.Schema) -> pyarrow.Table:
        """Give a file from before a column was added that column: empty, or with the value that held before."""
        before = {column.name: column.before for column in self.schema.columns}
        for field in expected:
            if field.name not in table.column_names:
                told = before[field.name]
                if told is None and not field.nullable and len(table):
                    raise ValueError(f"column {field.name} is missing: an older version wrote it")
                table = table.append_column(field, pyarrow.repeat(pyarrow.scalar(told, field.type), len(table)))
        return table.select(expected.names).cast(expected)


class TableStore:
    """All Parquet tables under one root, and the pictures' bytes beside them."""

    def __init__(self, root: str | Path | UPath) -> None:
        self.root = root
        self.files = files_at(root)

    def table(self, name: str) -> ParquetTable:
        """Return a table by its name.

        Raises:
            KeyError: there is no such table.
        """
        if name not in TABLES:
            raise KeyError(f"no table {name!r}; there are {', '.join(TABLES)}")
        return ParquetTable(TABLES[name], self.root)

    def imported(self, name: str) -> ParquetTable:
        """Return what a user's own files brought to a table, kept apart from what its asset writes.

        Raises:
            KeyError: there is no such table.
        """
        return ParquetTable(self.table(name).schema, UPath(self.root) / _IMPORTED)

    def keep_bytes(self, sha256: str, data: bytes, suffix: str) -> str:
        """Keep bytes by their hash, once, and return their path within the store.

        Raises:
            KeptBytesError: the bytes don't have that hash, or the suffix is not letters and digits alone.
        """
        suffix = suffix.removeprefix(".").lower()
        if not re.fullmatch("[a-z0-9]{1,8}", suffix):
            raise KeptBytesError(f"suffix {suffix!r} for {sha256} is not 1 to 8 letters and digits")
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise KeptBytesError(f"bytes to keep have SHA-256 {actual}, not {sha256}; read the file again")
        path = f"{_PICTURES}/{sha256[:2]}/{sha256}.{suffix}"
        if not self.files.exists(path):
            with self.files.writing(_PICTURES) as put:
                put(path, data)
        return path

    def keep_model(self, data: bytes, card: str) -> str:
        """Keep a trained model by the SHA-256 of its bytes, and its card beside it, and return that hash."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self.files.writing(_MODELS) as put:
            put(_card_path(sha256), card.encode())
            put(_model_path(sha256), data)
        return sha256

    def card_place(self, sha256: str) -> str:
        """Where the card of a kept model lies: a path, or an address."""
        return self.files.where(_card_path(sha256))

    def kept_model(self, sha256: str) -> bytes:
        """Return a trained model's bytes by their hash.

        Raises:
            KeptBytesError: nothing lies there, or other bytes than those.
        """
        data = self.files.get(_model_path(sha256))
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            said = "is missing" if data is None else "is damaged"
            raise KeptBytesError(
                f"model {self.files.where(_model_path(sha256))} {said}: materialise squeeze_forecaster again, from the "
                f"day on that names it"
            )
        return data

    def kept_bytes(self, path: str) -> bytes:
        """Return kept bytes by the path that `keep_bytes` returned.

        Raises:
            KeptBytesError: the path is none of those, or nothing lies there.
        """
        if not re.fullmatch(_PICTURES + r"/[0-9a-f]{2}/[0-9a-f]{64}\.[a-z0-9]{1,8}", path):
            raise KeptBytesError(f"{path!r} is not a path that bytes are kept at")
        data = self.files.get(path)
        if data is None:
            raise KeptBytesError(f"{self.files.where(path)} is missing; put the picture into the landing folder again")
        return data


def _model_path(sha256: str) -> str:
    return f"{_MODELS}/{sha256[:2]}/{sha256}.json"


def _card_path(sha256: str) -> str:
    return f"{_MODELS}/{sha256[:2]}/{sha256}.md"
