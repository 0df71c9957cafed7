"""Broken rows of the tables from outside, kept from when they were met until `quarantined_market_rows` gathers them.

    <root>/_set_aside/<table>/date=2024-08-05/13.parquet     that table's broken rows; a file only where there were any

What belongs here: where they lie. What makes a row broken is in `rows.py`.
"""

import dataclasses
from datetime import datetime

import pandas as pd

from cryptopattern_pipelines.storage.parquet import ParquetTable, TableStore
from cryptopattern_pipelines.storage.schemas import MARKET_TABLES, QUARANTINED_MARKET_ROWS, TableSchema


def set_aside(store: TableStore, schema: TableSchema, broken: pd.DataFrame, start: datetime, end: datetime) -> None:
    """Keep a table's broken rows of [start, end) in place of those that were kept before.

    Args:
        store: where.
        schema: the table that they were meant for.
        broken: rows of QUARANTINED_MARKET_ROWS.
        start: first hour's start, UTC.
        end: where the last hour ends, UTC.

    Raises:
        InvalidRowsError: a row lies outside [start, end).
    """
    table = _table(store, schema.name)
    before = table.present(start, end) if _has_any(table) else []
    if len(broken):
        table.write(broken, start, end, empty_too=False)
    for hour in before:
        if hour not in set(broken["hour"]):
            table.write(QUARANTINED_MARKET_ROWS.empty(), hour, hour + pd.Timedelta("1h"))


def rows_set_aside(store: TableStore, start: datetime, end: datetime) -> pd.DataFrame:
    """All tables' broken rows of [start, end), as rows of QUARANTINED_MARKET_ROWS."""
    tables = [_table(store, schema.name) for schema in MARKET_TABLES]
    found = [table.read(start, end) for table in tables if _has_any(table)]
    return pd.concat([QUARANTINED_MARKET_ROWS.empty(), *found], ignore_index=True)


def _table(store: TableStore, name: str) -> ParquetTable:
    return ParquetTable(dataclasses.replace(QUARANTINED_MARKET_ROWS, name=f"_set_aside/{name}"), store.root)


def _has_any(table: ParquetTable) -> bool:
    return bool(table.files.names(table.schema.name))
