"""Hours of tables that a run is about to write, claimed in Postgres: no two runs write one at once, on any machines.

Files are put whole and rows published in one transaction whoever comes second, so two writers break nothing; but what
one of them read before the other wrote (pictures of an hour, what a venue had brought) would be lost by the one that
comes last.

What belongs here: the claims. Which run writes what is told by whoever runs it.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

import psycopg2

from cryptopattern_pipelines.storage.postgres import LOCKS

_DAY = timedelta(days=1)
_AGAIN_SECONDS = 1.0
# Beside the locks of `postgres.py`, whose names these may not meet.
_CLAIMS = LOCKS + 1
# So soon the server gives up a client whose machine is gone, and with it the claims; one that ended it knows at once.
_DEAD_AFTER = (
    "SET LOCAL tcp_keepalives_idle = 30; SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3"
)
_TRY = """
    SELECT bool_and(CASE WHEN alone THEN pg_try_advisory_xact_lock(%s, hashtext(name))
                         ELSE pg_try_advisory_xact_lock_shared(%s, hashtext(name)) END)
    FROM unnest(%s::text[], %s::bool[]) AS wanted (name, alone)"""


@contextmanager
def claimed(
    url: str,
    tables: Iterable[str],
    start: datetime,
    end: datetime,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the days of these tables that [start, end) touches, while the body runs; others who want one wait.

    `waiting` is called once if another one holds them. All are taken or none, so no two wait for each other. They are
    gone with the process, however it ends, and with its connection.

    Args:
        url: the database that all runs share. Claims are a transaction's, so PgBouncer may stand before it.
        tables: names of tables.
        start: first partition's start, UTC.
        end: where the last partition ends, UTC.
        waiting: called once, where it has to wait.

    Raises:
        psycopg2.Error: the server can't be reached.
    """
    wanted = _locks(tables, start, end)
    told = False
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        while not _taken(cursor, wanted):
            connection.rollback()
            if not told:
                waiting()
                told = True
            # Two that each hold what the other wants, for an instant, don't meet again at the next.
            time.sleep(random.uniform(0.5, 1.5) * _AGAIN_SECONDS)  # noqa: S311 - no secret
        yield


def _taken(cursor: psycopg2.extensions.cursor, wanted: dict[str, bool]) -> bool:
    # The transaction stays open and does nothing: it has no snapshot, so it keeps nothing from being vacuumed.
    cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = 0; {_DEAD_AFTER}")
    cursor.execute(_TRY, (_CLAIMS, _CLAIMS, list(wanted), list(wanted.values())))
    return cursor.fetchone() == (True,)


def _locks(tables: Iterable[str], start: datetime, end: datetime) -> dict[str, bool]:
    """Names of locks, and whether each is held alone or shared.

    A month that is wanted whole is one lock, held alone. Of others each day is held alone and the month shared, so that
    it can't be had whole meanwhile. So a year is a dozen locks a table; a server has room for some thousands.
    """
    spans: dict[str, bool] = {}
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        month = day.replace(day=1)
        following = (month + 31 * _DAY).replace(day=1)
        whole = start <= month and following <= end
        spans[f"{month:%Y-%m}"] = whole
        if not whole:
            spans[f"{day:%Y-%m-%d}"] = True
        day = following if whole else day + _DAY
    return {f"{table} {span}": alone for table in sorted(tables) for span, alone in spans.items()}
