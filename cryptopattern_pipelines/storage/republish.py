"""Postgres made anew from the Parquet store: after a lost database, an old backup, or a move to another server."""

from collections.abc import Iterator
from functools import partial

import pandas as pd

from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.parquet import ParquetTable
from cryptopattern_pipelines.storage.rows import weeks


def stretches(url: str, table: ParquetTable) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """The windows that hold every day of which a table has files or rows in Postgres, oldest first, without gaps.

    Raises:
        psycopg2.Error: the server can't be reached, or the tables aren't migrated.
    """
    days = table.days().union(postgres.days(url, table.schema))
    if days.empty:
        return []
    end = days[-1] + pd.Timedelta(days=1)
    return weeks(days[0], end)


def republish(url: str, table: ParquetTable, windows: list[tuple[pd.Timestamp, pd.Timestamp]]) -> Iterator[int]:
    """Replace the rows of each window by those of the files; the number of rows that each has now.

    A row in Postgres whose file is gone is gone afterwards, too. Windows are transactions: killed between two, run it
    again. Runs that publish at the same time are waited for and wait.

    Raises:
        InvalidRowsError: a file's rows break the schema.
        UnreadablePartitionError: a file is damaged.
        psycopg2.Error: the server can't be reached, or refuses the rows.
    """
    for window in windows:
        yield postgres.publish(url, table.schema, partial(table.read, *window), *window)
