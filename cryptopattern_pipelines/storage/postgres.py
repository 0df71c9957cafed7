"""The serving tables in Postgres: brought up to date by migrations, and published window by window.

What belongs here: how rows get into Postgres. The columns are in `schemas.py`, what changed between releases in
`migrations/versions/`.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd
import psycopg2
import pyarrow
import pyarrow.csv
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg2 import sql

from cryptopattern_pipelines.storage.rows import checked
from cryptopattern_pipelines.storage.schemas import TABLES, TableSchema

SERVING = "serving"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Names our advisory locks among those that others may take in the same database; any number does.
LOCKS = 0x63727970


def ensure_schema(url: str, name: str) -> None:
    """Make a schema of the database if it isn't there; several processes may do so at once."""
    with _transaction(url) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCKS,))
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))


def migrate(url: str) -> None:
    """Bring the serving tables to this release's state; several processes may do so at once."""
    ensure_schema(url, SERVING)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:ours, 1)"), {"ours": LOCKS})
        command.upgrade(_alembic(connection), "head")


def _alembic(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def publish(url: str, schema: TableSchema, rows_of: Callable[[], pd.DataFrame], start: datetime, end: datetime) -> int:
    """Replace the rows of [start, end) in one transaction; how many are there now.

    Readers see the window as it was until it is whole. A second publisher of the same table waits for the first, and
    only then are its rows read: what was read before could be older than what the first one publishes.

    Raises:
        InvalidRowsError: a row breaks the schema or lies outside the window.
        psycopg2.Error: the server can't be reached or refuses the rows; nothing was changed then.
    """
    table = sql.Identifier(SERVING, schema.name)
    partition = sql.Identifier(schema.partition)
    with _transaction(url) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCKS, schema.name))
        rows = checked(schema, rows_of(), start, end)
        cursor.execute(
            sql.SQL("DELETE FROM {} WHERE {} >= %s AND {} < %s").format(table, partition, partition), (start, end)
        )
        cursor.copy_expert(
            sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv, NULL '')").format(
                table, sql.SQL(", ").join(map(sql.Identifier, schema.names))
            ),
            _as_csv(schema, rows),
        )
    return len(rows)


def days(url: str, schema: TableSchema) -> pd.DatetimeIndex:
    """The first and the last day (UTC) of which a serving table has rows; none where it is empty."""
    query = sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(
        sql.Identifier(schema.partition), sql.Identifier(SERVING, schema.name)
    )
    with _transaction(url) as cursor:
        cursor.execute(query)
        found = [at for at in cursor.fetchone() if at is not None]
    return pd.DatetimeIndex(pd.to_datetime(found, utc=True)).floor("D")


def claim(url: str, owner: str) -> bool:
    """Mark the serving tables as an owner's, if they are empty or its own already; whether they are its own now.

    The mark is the comment on the schema.
    """
    migrate(url)
    with _transaction(url) as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", (SERVING,))
        [mark] = cursor.fetchone()
        if mark == owner:
            return True
        for name in TABLES:
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(SERVING, name)))
            if cursor.fetchone() == (True,):
                return False
        cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(SERVING), sql.Literal(owner)))
        return True


@contextmanager
def _transaction(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor whose work is committed at the end, or rolled back on an error."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        yield cursor


def _as_csv(schema: TableSchema, rows: pd.DataFrame) -> io.BytesIO:
    """Rows as COPY takes them: every value quoted, a missing one bare, so that '' and NULL stay apart."""
    table = pyarrow.Table.from_pandas(rows, schema=schema.arrow, preserve_index=False)
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(table, sink, options)
    sink.seek(0)
    return sink
