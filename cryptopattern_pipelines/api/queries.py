"""Questions to the serving tables, in plain SQL over a small pool of connections that read only.

What belongs here: SQL, pages and their cursors. Names of tables and columns come from the schemas, values are bound:
nothing of a request becomes SQL. What does not: what an answer looks like (`formats.py`).
"""

import base64
import binascii
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg2
import sqlalchemy as sa

from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.resources.database import ServingDatabase, database_url, with_options
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage import counts, deliveries
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgresError
from cryptopattern_pipelines.storage.postgres import SERVING
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES, TABLES, TEXT, TIME, WHOLE, TableSchema

_CONNECTIONS = 8
_POOL_SECONDS = 5.0
_STATEMENT_SECONDS = 5
_AWAY = "the database does not answer: try again in a minute"
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_LONGEST_CURSOR = 600


@dataclass(frozen=True)
class Asked:
    """Which rows of a table: columns that equal a value, a range of partitions, how many, and after which row.

    `minima` are columns that have at least a value, in rows where the column of `minima_of` has its value, or in all.
    Rows come newest first.
    """

    equal: Mapping[str, Any]
    start: datetime | None = None
    end: datetime | None = None
    limit: int = 100
    cursor: str | None = None
    minima: Mapping[str, float] | None = None
    minima_of: tuple[str, str] | None = None


@dataclass(frozen=True)
class Page:
    """Some rows, each as JSON text, and the cursor of the next page; None on the last."""

    rows: list[str]
    next: str | None


@dataclass(frozen=True)
class TableState:
    """How a serving table stands: rows as the server estimates them, its newest partition that has rows."""

    table: str
    rows: int
    newest: datetime | None
    hours_behind: float | None


@dataclass(frozen=True)
class Count:
    """Rows of a table of the last hours, as far back as `since`, counted by some of its columns.

    `labels` are the columns' names in the metrics, `columns` what they are in SQL.
    """

    name: str
    means: str
    table: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    since: str = "24 hours"


# In steps that a person reads off a chart: below half, and then finer towards certainty.
_BAND = (
    "CASE WHEN confidence >= 0.95 THEN '0.95-1' WHEN confidence >= 0.9 THEN '0.9-0.95' "
    "WHEN confidence >= 0.75 THEN '0.75-0.9' WHEN confidence >= 0.5 THEN '0.5-0.75' ELSE '0-0.5' END"
)
COUNTS = (
    Count(
        "pictures_read",
        "pictures of the last 24 hours, by kind of chart and confidence in it",
        "classified_images",
        ("image_type", "confidence"),
        ("image_type", _BAND),
    ),
    Count(
        "readings",
        "readings of symbols on charts of the last 24 hours, by kind of chart and confidence",
        "liquidation_readings",
        ("image_type", "confidence"),
        ("image_type", _BAND),
    ),
    Count(
        "alerts",
        "alerts of the last 24 hours, by kind and whether they were told",
        "squeeze_alerts",
        ("kind", "status"),
        ("kind", "status"),
    ),
    Count(
        "alert_deliveries",
        "alerts of the last 7 days to addresses, by what came of sending them",
        deliveries.TABLE,
        ("status",),
        ("status",),
        "7 days",
    ),
)


class Database:
    """The serving tables, for reading. Safe for many threads; the embedded server is started again where it died."""

    def __init__(self, settings: Settings, connections: int = _CONNECTIONS) -> None:
        self._settings, self._connections = settings, connections
        self._engine: sa.Engine | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def ask(self, question: sa.TextClause, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows that answer a question.

        Raises:
            ApiError: 503: the server is away, too busy, or took longer than it may.
        """
        try:
            return self._ask(question, values)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            if isinstance(error.orig, psycopg2.errors.QueryCanceled):
                raise ApiError(503, f"this takes longer than {_STATEMENT_SECONDS} s: ask for less", _retry()) from None
        # The server was restarted, or died: connections of before are gone, and the embedded one is started again.
        try:
            self.close()
            database_url(self._settings)
            return self._ask(question, values)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, EmbeddedPostgresError):
            raise ApiError(503, _AWAY, _retry()) from None

    def _ask(self, question: sa.TextClause, values: Mapping[str, Any]) -> Sequence[Any]:
        with self._connection() as connection:
            return connection.execute(question, dict(values)).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        with self._lock:
            if self._engine is None:
                self._engine = self._make_engine()
            engine = self._engine
        try:
            connection = engine.connect()
        except sa.exc.TimeoutError:
            raise ApiError(503, "too many questions at once: try again", _retry()) from None
        with connection:
            yield connection

    def _make_engine(self) -> sa.Engine:
        try:
            address = ServingDatabase(self._settings).address()
        except (psycopg2.OperationalError, sa.exc.OperationalError, EmbeddedPostgresError):
            raise ApiError(503, _AWAY, _retry()) from None
        url = with_options(
            address,
            timezone="UTC",
            default_transaction_read_only="on",
            statement_timeout=str(_STATEMENT_SECONDS * 1000),
        )
        return sa.create_engine(
            url,
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            connect_args={"connect_timeout": int(_POOL_SECONDS)},
            isolation_level="AUTOCOMMIT",  # each question is one statement: no BEGIN and ROLLBACK around it
        )

    def page(self, table: TableSchema, asked: Asked) -> Page:
        """A page of a table, newest first.

        Raises:
            ApiError: 400 for a cursor that is none of ours; 503.
        """
        where, values = _where(table, asked)
        order = _order(table)
        key = ", ".join(order)
        inner = f"""
            SELECT {", ".join(table.names)} FROM {SERVING}.{table.name} WHERE {where}
            ORDER BY {_descending(order)} LIMIT :rows"""
        question = sa.text(f"""
            SELECT CAST(row_to_json((SELECT one FROM (SELECT {", ".join(table.names)}) one)) AS text), {key}
            FROM ({inner}) page ORDER BY {_descending(order)}""")
        found = self.ask(question, {**values, "rows": asked.limit + 1})
        rows = [row[0] for row in found[: asked.limit]]
        more = len(found) > asked.limit
        return Page(rows, _cursor(table, found[asked.limit - 1][1:]) if more else None)

    def frame(
        self, table: TableSchema, asked: Asked, columns: Sequence[str] | None = None
    ) -> tuple[pd.DataFrame, str | None]:
        """The same page as a frame with the schema's types, and the next page's cursor."""
        names = list(columns or table.names)
        rows, cursor = self.rows(table, asked, names)
        return frame_of(table, names, rows), cursor

    def rows(self, table: TableSchema, asked: Asked, columns: Sequence[str]) -> tuple[list[Sequence[Any]], str | None]:
        """The same page as rows of these columns' values, and the next page's cursor."""
        where, values = _where(table, asked)
        order = _order(table)
        question = sa.text(f"""
            SELECT {", ".join(columns)}, {", ".join(f"{name} AS key_{name}" for name in order)}
            FROM {SERVING}.{table.name} WHERE {where} ORDER BY {_descending(order)} LIMIT :rows""")
        found = self.ask(question, {**values, "rows": asked.limit + 1})
        more = len(found) > asked.limit
        cursor = _cursor(table, found[asked.limit - 1][len(columns) :]) if more else None
        return [row[: len(columns)] for row in found[: asked.limit]], cursor

    def between(
        self, table: TableSchema, columns: Sequence[str], start: datetime, end: datetime, symbol: str | None = None
    ) -> pd.DataFrame:
        """All rows of the partitions in [start, end), of one symbol or of all, oldest first, as a frame."""
        some = "" if symbol is None else " AND symbol = :symbol"
        question = sa.text(f"""
            SELECT {", ".join(columns)} FROM {SERVING}.{table.name}
            WHERE {table.partition} >= :start AND {table.partition} < :end{some} ORDER BY {", ".join(table.key)}""")
        return frame_of(table, columns, self.ask(question, {"start": start, "end": end, "symbol": symbol}))

    def newest(self, table: TableSchema, symbol: str, until: datetime | None = None) -> datetime | None:
        """The start of a symbol's newest partition in a table, none of after `until`; None where it has none."""
        question = sa.text(f"""
            SELECT max({table.partition}) FROM {SERVING}.{table.name}
            WHERE symbol = :symbol AND {table.partition} <= coalesce(:until, 'infinity'::timestamptz)""")
        [(found,)] = self.ask(question, {"symbol": symbol, "until": until})
        return None if found is None else found.astimezone(UTC)

    def symbols(self) -> list[dict[str, Any]]:
        """Every symbol that has analyses, with its first and newest hour and its newest score."""
        return [dict(row._mapping) for row in self.ask(_SYMBOLS, {})]

    def counts(self, count: Count) -> Sequence[Any]:
        """The labels of a count and how many rows have them; the index on the hour leaves few rows to look at."""
        places = ", ".join(str(place) for place in range(1, len(count.columns) + 1))
        question = f"""
            SELECT {", ".join(count.columns)}, count(*) FROM {SERVING}.{count.table}
            WHERE hour >= now() - interval '{count.since}' GROUP BY {places} ORDER BY {places}"""
        return self.ask(sa.text(question), {})

    def venue_requests(self) -> Sequence[Any]:
        """Host, path, outcome, class of seconds, requests and seconds of all questions that were sent to venues."""
        question = f"SELECT host, path, outcome, within, requests, seconds FROM {SERVING}.{counts.REQUESTS}"
        return self.ask(sa.text(question), {})

    def forecast_scores(self) -> Sequence[Any]:
        """Target and SCORE_COLUMNS of the newest day."""
        table = f"{SERVING}.{counts.SCORES}"
        columns = ", ".join(counts.SCORE_COLUMNS)
        question = f"SELECT target, {columns} FROM {table} WHERE day = (SELECT max(day) FROM {table}) ORDER BY target"
        return self.ask(sa.text(question), {})

    def states(self) -> list[TableState]:
        """How each serving table stands."""
        parts = " UNION ALL ".join(
            f"SELECT '{table.name}' AS name, (SELECT max({table.partition}) FROM {SERVING}.{table.name}) AS newest"
            for table in TABLES.values()
        )
        question = sa.text(f"""
            SELECT name, greatest(reltuples, 0)::bigint, newest FROM ({parts}) states
            JOIN pg_class ON pg_class.oid = to_regclass('{SERVING}.' || name)""")
        now = datetime.now(UTC)
        found = []
        for name, rows, newest in self.ask(question, {}):
            ended = None if newest is None else newest + _LENGTHS[TABLES[name].partition]
            behind = None if ended is None else (now - ended) / timedelta(hours=1)
            found.append(TableState(name, rows, newest, behind))
        return found


# A loose index scan: one look into the index (symbol, hour) for each symbol, however many hours there are.
_SYMBOLS = sa.text(f"""
    WITH RECURSIVE names AS (
        (SELECT symbol FROM {SERVING}.{SQUEEZE_ANALYSES.name} ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT symbol FROM {SERVING}.{SQUEEZE_ANALYSES.name}
            WHERE symbol > names.symbol ORDER BY symbol LIMIT 1)
        FROM names WHERE names.symbol IS NOT NULL
    )
    SELECT names.symbol, oldest.hour AS first_hour, newest.hour AS newest_hour
    FROM names
    JOIN LATERAL (SELECT hour FROM {SERVING}.{SQUEEZE_ANALYSES.name} a
        WHERE a.symbol = names.symbol ORDER BY hour LIMIT 1) oldest ON true
    JOIN LATERAL (SELECT hour FROM {SERVING}.{SQUEEZE_ANALYSES.name} a
        WHERE a.symbol = names.symbol ORDER BY hour DESC LIMIT 1) newest ON true
    ORDER BY names.symbol""")


def frame_of(table: TableSchema, columns: Sequence[str], rows: Sequence[Any]) -> pd.DataFrame:
    """Rows of the database as a frame of the schema's types."""
    types = {column.name: column.dtype for column in table.columns}
    cells = list(zip(*rows, strict=True)) if rows else [()] * (len(columns))
    made = {}
    for name, values in zip(columns, cells, strict=False):
        if types[name] == TIME:
            made[name] = pd.Series(pd.to_datetime(list(values), utc=True)).astype(TIME)
        else:
            made[name] = pd.Series(list(values), dtype=types[name])
    return pd.DataFrame(made)


def _retry() -> dict[str, str]:
    return {"Retry-After": "10"}


def _order(table: TableSchema) -> tuple[str, ...]:
    """What rows are sorted by: the partition, then the rest of the key."""
    return (table.partition, *(name for name in table.key if name != table.partition))


def _descending(names: Sequence[str]) -> str:
    return ", ".join(f"{name} DESC" for name in names)


def _where(table: TableSchema, asked: Asked) -> tuple[str, dict[str, Any]]:
    """The conditions of a page, and the values that are bound in them."""
    said: list[str] = []
    values: dict[str, Any] = {}
    for name, value in asked.equal.items():
        said.append(f"{name} = :equal_{name}")
        values[f"equal_{name}"] = value
    for name, least in (asked.minima or {}).items():
        enough = f"{name} >= :least_{name}"
        values[f"least_{name}"] = least
        if asked.minima_of is not None:
            column, values["minima_of"] = asked.minima_of
            enough = f"({enough} OR {column} <> :minima_of)"
        said.append(enough)
    for sign, name, moment in ((">=", "start", asked.start), ("<", "end", asked.end)):
        if moment is not None:
            said.append(f"{table.partition} {sign} :{name}")
            values[name] = moment
    if asked.cursor is not None:
        order = _order(table)
        after = _read_cursor(table, asked.cursor)
        said.append(f"({', '.join(order)}) < ({', '.join(f':after_{name}' for name in order)})")
        values |= {f"after_{name}": value for name, value in zip(order, after, strict=True)}
    return " AND ".join(said) or "true", values


def _cursor(table: TableSchema, key: Sequence[Any]) -> str:
    """The place after a row of a table, as one word that callers need not understand."""
    plain = [value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in key]
    return base64.urlsafe_b64encode(json.dumps([table.name, *plain]).encode()).decode().rstrip("=")


def _read_cursor(table: TableSchema, cursor: str) -> list[Any]:
    """The key that a cursor bears.

    Raises:
        ApiError: 400: it is none of this table's.
    """
    wrong = ApiError(400, "cursor: not one that this address gave; leave it out to begin at the newest row")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        said = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    order = _order(table)
    if (
        len(cursor) > _LONGEST_CURSOR
        or not isinstance(said, list)
        or len(said) != len(order) + 1
        or said[0] != table.name
    ):
        raise wrong
    types = {column.name: column.dtype for column in table.columns}
    try:
        return [_value_of(types[name], value) for name, value in zip(order, said[1:], strict=True)]
    except (TypeError, ValueError, OverflowError):
        raise wrong from None


def _value_of(dtype: str, value: object) -> Any:
    """A value of a cursor as the column's type; raises ValueError or TypeError for another."""
    if dtype == TIME:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    if dtype == WHOLE and type(value) is int and abs(value) < 1 << 62:
        return value
    if dtype == TEXT and isinstance(value, str) and "\0" not in value:
        value.encode()  # half a surrogate pair can't be sent
        return value
    raise TypeError(dtype)
