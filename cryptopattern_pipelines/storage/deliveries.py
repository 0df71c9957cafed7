"""What came of sending alerts: a row for each alert and address in `serving.alert_deliveries`.

What belongs here: SQL of that log. It is no copy of a Parquet table: where it is lost, what is young enough is sent
again. What does not: what is sent (`alerting.py`). An address is known by the label that this gives it.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import sqlalchemy as sa

from cryptopattern_pipelines.storage.postgres import LOCKS, SERVING
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ALERTS

TABLE = "alert_deliveries"
_FULL_NAME = f"{SERVING}.{TABLE}"
# That of the one sender.
_LOCK = (LOCKS, 2)

Key = tuple[datetime, str, str, str]


@dataclass(frozen=True)
class Delivery:
    """One alert to one address."""

    hour: datetime
    rule: str
    symbol: str
    claim: str
    address: str
    status: str
    attempts: int
    last_error: str | None

    @property
    def alert(self) -> Key:
        """The key of its row in squeeze_alerts."""
        return (self.hour, self.rule, self.symbol, self.claim)


def deliveries_table(metadata: sa.MetaData) -> sa.Table:
    """The log as SQLAlchemy has it."""
    text, moment = sa.Text(), sa.TIMESTAMP(timezone=True)
    return sa.Table(
        TABLE,
        metadata,
        sa.Column("hour", moment, primary_key=True, comment="hour of the alert in squeeze_alerts, UTC"),
        sa.Column("rule", text, primary_key=True, comment="its rule"),
        sa.Column("symbol", text, primary_key=True, comment="its symbol"),
        sa.Column("claim", text, primary_key=True, comment="its claim"),
        sa.Column("address", text, primary_key=True, comment="service, and a hash of the address without its secrets"),
        sa.Column(
            "status",
            text,
            nullable=False,
            comment="WAITING; SENDING: begun, and cut off if it stays; SENT; FAILED: tried again; GIVEN_UP; "
            "TOO_OLD when it was found, never sent",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="times that it was begun"),
        sa.Column("next_attempt_at", moment, nullable=False, comment="not tried again before"),
        sa.Column("sent_at", moment, nullable=True, comment="when the service took it"),
        sa.Column("last_error", text, nullable=True, comment="why it wasn't taken the last time, in one line"),
        comment="one alert and one address that it is sent to",
    )


class DeliveryLog:
    """The log, held by one sender at a time; every change is committed at once."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def held(cls, url: str) -> Iterator["DeliveryLog | None"]:
        """The log for a `with`; None while another sender holds it. A sender that dies lets go of it."""
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            log = cls(connection)
            yield log if log._ask("SELECT pg_try_advisory_lock(%s, %s)", _LOCK)[0][0] else None

    def _ask(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(question, tuple(values))
            return list(cursor.fetchall()) if cursor.description else []

    def queue(self, alert: Key, address: str, now: datetime) -> None:
        """Note that an alert is to be sent, once."""
        self._ask(
            f"INSERT INTO {_FULL_NAME} (hour, rule, symbol, claim, address, status, attempts, next_attempt_at) "
            "VALUES (%s, %s, %s, %s, %s, 'WAITING', 0, %s) ON CONFLICT DO NOTHING",
            (*alert, address, now),
        )

    def note_too_old(
        self,
        listeners: Sequence[tuple[str, str, timedelta]],
        start: datetime,
        until: datetime,
        reason: str,
        now: datetime,
    ) -> int:
        """Note alerts of the hours from `start` to `until`, both included, that are new and were never queued.

        Args:
            listeners: rules, each with an address and its cool-down: what was told within it is no loss.
            start: the first hour.
            until: the last hour.
            reason: why they are not sent.
            now: the time, UTC.

        Returns:
            how many rows were noted; the next call notes none of them again.
        """
        if not listeners:
            return 0
        rules, addresses, cooldowns = zip(*listeners, strict=True)
        same = "(d.rule, d.symbol, d.claim) = (a.rule, a.symbol, a.claim)"
        noted = self._ask(
            # What has no row of its own comes first: few are left to be looked at for their cool-down.
            f"""WITH lost AS MATERIALIZED (
                SELECT hour, rule, symbol, claim FROM {SERVING}.{SQUEEZE_ALERTS.name} a
                WHERE status = 'NEW' AND hour >= %s AND hour <= %s
                AND NOT EXISTS (SELECT 1 FROM {_FULL_NAME} d WHERE d.hour = a.hour AND {same})
            )
            INSERT INTO {_FULL_NAME}
                (hour, rule, symbol, claim, address, status, attempts, next_attempt_at, last_error)
            SELECT a.hour, a.rule, a.symbol, a.claim, listener.address, 'TOO_OLD', 0, %s, %s
            FROM lost a JOIN unnest(%s::text[], %s::text[], %s::interval[]) AS listener(rule, address, cooldown)
                ON listener.rule = a.rule
            WHERE NOT EXISTS (SELECT 1 FROM {_FULL_NAME} d WHERE {same} AND d.status NOT IN ('GIVEN_UP', 'TOO_OLD')
                AND d.hour > a.hour - listener.cooldown AND d.hour < a.hour + listener.cooldown)
            ON CONFLICT DO NOTHING RETURNING 1""",
            (start, until, now, reason, list(rules), list(addresses), list(cooldowns)),
        )
        return len(noted)

    def told_near(self, alert: Key, cooldown: timedelta) -> bool:
        """Whether another alert of the same rule, symbol and claim was queued or sent within a cool-down of it."""
        hour, *same = alert
        return bool(
            self._ask(
                f"SELECT 1 FROM {_FULL_NAME} WHERE rule = %s AND symbol = %s AND claim = %s AND hour <> %s "
                "AND hour > %s AND hour < %s AND status NOT IN ('GIVEN_UP', 'TOO_OLD') LIMIT 1",
                (*same, hour, hour - cooldown, hour + cooldown),
            )
        )

    def due(self, now: datetime) -> list[Delivery]:
        """What is to be tried now, the newest first: an old alert must not keep a fresh one waiting."""
        rows = self._ask(
            f"SELECT hour, rule, symbol, claim, address, status, attempts, last_error FROM {_FULL_NAME} "
            "WHERE status IN ('WAITING', 'SENDING', 'FAILED') AND next_attempt_at <= %s "
            "ORDER BY hour DESC, rule, symbol, claim, address",
            (now,),
        )
        return [Delivery(*row) for row in rows]

    def note(self, delivery: Delivery, status: str, **more: Any) -> None:
        """Note how a delivery stands."""
        names = ["status", *more]
        self._ask(
            f"UPDATE {_FULL_NAME} SET {', '.join(f'{name} = %s' for name in names)} "
            "WHERE (hour, rule, symbol, claim, address) = (%s, %s, %s, %s, %s)",
            (status, *more.values(), *delivery.alert, delivery.address),
        )


@dataclass(frozen=True)
class Deliveries:
    """How the deliveries of some hours' alerts stand: how many wait, are tried again, were taken, given up, or were too
    old when their alert was found. The last error is none of these last.
    """

    waiting: int
    tried_again: int
    sent: int
    given_up: int
    too_old: int
    newest_sent_at: datetime | None
    last_error: str | None


def deliveries_since(url: str, since: datetime) -> Deliveries:
    """How the deliveries of alerts of hours since a moment stand; none of any where there is no such table yet."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (_FULL_NAME,))
        if cursor.fetchone() == (None,):
            return Deliveries(0, 0, 0, 0, 0, None, None)
        cursor.execute(
            f"""SELECT count(*) FILTER (WHERE status = 'WAITING'),
                count(*) FILTER (WHERE status IN ('SENDING', 'FAILED')),
                count(*) FILTER (WHERE status = 'SENT'),
                count(*) FILTER (WHERE status = 'GIVEN_UP'),
                count(*) FILTER (WHERE status = 'TOO_OLD'),
                max(sent_at),
                (array_agg(last_error ORDER BY hour DESC)
                    FILTER (WHERE last_error IS NOT NULL AND status <> 'TOO_OLD'))[1]
            FROM {_FULL_NAME} WHERE hour >= %s""",
            (since,),
        )
        return Deliveries(*cursor.fetchone())
