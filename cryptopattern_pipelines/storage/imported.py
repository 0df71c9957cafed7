"""Rows from a user's own files, kept apart from what a table's asset writes, so that they outlive each run of it.

What belongs here: taking such rows into the store, and filling an asset's rows up with them. What does not: how a file
becomes rows (`market/history.py`).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cryptopattern_pipelines.storage.parquet import ParquetTable, TableStore
from cryptopattern_pipelines.storage.schemas import FROM_IMPORT, TEXT, TableSchema

_REJECTED = "_imported/_rejected"


@dataclass(frozen=True)
class Taken:
    """What an import changed: how many partitions, and the first and the last of them (None: nothing)."""

    partitions: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None


def with_imported(
    store: TableStore, schema: TableSchema, rows: pd.DataFrame, start: datetime, end: datetime
) -> pd.DataFrame:
    """An asset's rows of [start, end), filled up with what was imported, and said which values were.

    The asset's own values come first.
    """
    others = imported(store, schema, start, end)
    if others.empty:
        return rows
    together = schema.filled_up(rows, others)
    key, values = list(schema.key), _values(schema)
    at = pd.MultiIndex.from_frame(together[key])
    filled = at.isin(pd.MultiIndex.from_frame(others[key]))
    own = rows.set_index(key)[values].reindex(at[filled]).notna().to_numpy()
    told = together.loc[filled, values].notna().to_numpy() & ~own
    names = [",".join(np.array(values)[row]) or None for row in told]
    of_import = pd.Series(names, index=together.index[filled], dtype=TEXT).reindex(together.index)
    return together.assign(**{FROM_IMPORT: of_import})


def without_imported(schema: TableSchema, rows: pd.DataFrame) -> pd.DataFrame:
    """What an asset's own source told of a table's rows, `with_imported` undone."""
    if rows[FROM_IMPORT].isna().all():
        return rows
    own = rows.copy()
    of_import = own.pop(FROM_IMPORT).fillna("").str.split(",")
    for name in _values(schema):
        own[name] = own[name].mask(of_import.map(lambda names, name=name: name in names))
    needed = [column.name for column in schema.columns if not column.nullable]
    return schema.conform(own.dropna(subset=needed))


def _values(schema: TableSchema) -> list[str]:
    return [name for name in schema.names if name not in (*schema.key, FROM_IMPORT)]


def imported(store: TableStore, schema: TableSchema, start: datetime, end: datetime) -> pd.DataFrame:
    """What was imported of a table's [start, end)."""
    table = store.imported(schema.name)
    return table.read(start, end) if _has_any(table) else schema.empty()


def take_in(
    store: TableStore, schema: TableSchema, rows: pd.DataFrame, advance: Callable[[int], None] = lambda done: None
) -> Taken:
    """Keep rows of a user's file; a value of an earlier import stays where these rows have none.

    The same rows once more change nothing. Killed half-way and run again, all are there.

    Args:
        store: where to.
        schema: the table.
        rows: in its columns, one a key.
        advance: called with the number of rows that were dealt with.

    Raises:
        InvalidRowsError: a row breaks the schema; its month's files stay as they were.
    """
    table = store.imported(schema.name)
    has_any = _has_any(table)
    changed: list[pd.Timestamp] = []
    for month in _by_month(schema, rows):
        start, end = _window(schema, month[schema.partition])
        there = table.read(start, end) if has_any else schema.empty()
        together = schema.filled_up(month, there)
        known = pd.concat([there, together], ignore_index=True).duplicated().to_numpy()[len(there) :]
        news = together.loc[~known, schema.partition].drop_duplicates().sort_values()
        if len(news):
            part = together[together[schema.partition].isin(news)]
            table.write(part, *_window(schema, news), empty_too=False)
            changed += news.tolist()
        advance(len(month))
    return Taken(len(changed), min(changed, default=None), max(changed, default=None))


def keep_rejected(store: TableStore, schema: TableSchema, file: Path, rejected: pd.DataFrame) -> str | None:
    """Keep what of a file was set aside as CSV, named by the file and its hash; where it lies, None where nothing was.

    A later import of the same file replaces it.
    """
    with file.open("rb") as bytes_of:
        digest = hashlib.file_digest(bytes_of, "sha256").hexdigest()
    name = f"{_REJECTED}/{schema.name}/{file.name.split('.')[0]}-{digest[:12]}.csv"
    if rejected.empty and not store.files.exists(name):
        return None
    with store.files.writing(_REJECTED) as put:
        put(name, rejected.to_csv(index=False, lineterminator="\n").encode())
    return None if rejected.empty else store.files.where(name)


def _has_any(table: ParquetTable) -> bool:
    return bool(table.files.names(table.schema.name))


def _by_month(schema: TableSchema, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    at = rows[schema.partition]
    for _, month in rows.groupby(at.dt.year * 12 + at.dt.month, sort=True):
        yield month


def _window(schema: TableSchema, at: pd.Series) -> tuple[pd.Timestamp, pd.Timestamp]:
    return at.min(), at.max() + pd.Timedelta(1, "h" if schema.partition == "hour" else "D")
