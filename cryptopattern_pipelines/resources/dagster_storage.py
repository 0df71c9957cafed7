"""Dagster's own storage on the database of the settings: named in `dagster.yaml`, loaded by Dagster itself.

It differs from `dagster_postgres.DagsterPostgresStorage` in three ways. The address comes from the settings, with the
embedded server started when it is not up, at first and at every new connection, so that webserver, daemon, runs and
command line all heal it alike. The tables live in a schema `dagster` beside the serving tables, so that one database is
all that is asked for. And a range of a year writes hundreds of thousands of events: they go over a connection that
stays open, what is planned or made in batches, and none waits for the disk, since what a power failure costs of them a
run writes again.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import dagster as dg
import psycopg2
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# Dagster's own storages import these from here; they have no public name.
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from cryptopattern_pipelines.resources.database import database_url, with_options
from cryptopattern_pipelines.resources.event_rows import columns, rows_of, utc_of
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.postgres import ensure_schema

DAGSTER_SCHEMA = "dagster"

# How many materialisations Dagster hands over at once: without it, one. Set here, so that the runs of the UI have it.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")

_RECYCLE_SECONDS = 600
# Beside the one that stays open: the webserver asks many things at once, and puts its own limit in place of this.
_MORE_CONNECTIONS = 20


class BatchingEventLogStorage(PostgresEventLogStorage):
    """Dagster's event log, in which what a range plans and makes is written by a few insertions.

    Dagster's own is given an event for each partition that is planned, makes the text of each event anew, and has a
    statement of thousands of values built for each batch. Here the rows are the same, but what they share is made, and
    goes to the server, once.
    """

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """All partitions that are planned of an asset come as one event; they are kept as an event each, as ever."""
        return True

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store one event, which may plan many partitions."""
        if _kind(event) == _PLANNED:
            self._store_alike([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store a batch of events, those that are planned or made together."""
        together = [event for event in events if _kind(event) in _TOGETHER]
        others = [event for event in events if _kind(event) not in _TOGETHER]
        if together:
            self._store_alike(together)
        if others:
            super().store_event_batch(others)

    def _store_alike(self, events: Sequence[dg.EventLogEntry]) -> None:
        shared, rows = rows_of(events)
        alike = columns(shared)
        # Of each event's rows the last one's number.
        numbers: dict[int, int] = {}
        with self._connect() as connection:
            for at in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows[at : at + _ROWS_AT_ONCE]
                ids = connection.execute(_INSERT_EVENTS, alike | columns(some)).scalars()
                numbers |= {row.event: number for row, number in zip(some, ids, strict=True)}
        kept = [(events[event], number) for event, number in numbers.items()]
        with self.index_transaction() as connection:
            self._store_asset_event_tags(connection, *zip(*kept, strict=True))
            # An asset's own row tells of its last event alone.
            for event, number in {
                event.get_dagster_event().asset_key: (event, number) for event, number in kept
            }.values():
                self._store_asset_event(connection, event, number)

    def _store_asset_event_tags(
        self, conn: sa.Connection, events: Sequence[dg.EventLogEntry], event_ids: Sequence[int]
    ) -> None:
        """Store the tags that materialisations are found by, in one insertion instead of one each."""
        tags = [
            _Tag(number, key.to_string(), name, value, utc_of(event))
            for number, event in zip(event_ids, events, strict=True)
            if (key := event.get_dagster_event().asset_key)
            for name, value in self._tags_for_asset_event(event).items()
        ]
        if tags:
            conn.execute(_INSERT_TAGS, columns(tags))

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store that a check is planned, a row for each of its partitions; they bear the same event."""
        planned = event.get_dagster_event().event_specific_data
        assert isinstance(planned, AssetCheckEvaluationPlanned)
        subset = planned.partitions_subset
        row = {
            "partition": [None] if subset is None else list(subset.get_partition_keys()),
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "event": serialize_value(event),
            "timestamp": utc_of(event),
            "event_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(_INSERT_PLANNED_CHECKS, row)

    def forget(self, before: datetime) -> int:
        """Delete of what was logged before a time (UTC) all that no partition's state rests on; how many events.

        Kept are each partition's newest materialisation, attempts at it since, and each check's newest evaluation: the
        lineage, the partitions and the checks look as before. An old run keeps its line in the list, without its log,
        and an old materialisation its figures, without the rows and pictures shown beside them.
        """
        old = {"before": before.astimezone(UTC).replace(tzinfo=None)}
        with self.index_transaction() as connection:
            forgotten = connection.execute(_FORGET_EVENTS, old)
            connection.execute(_FORGET_TAGS)
            connection.execute(_FORGET_CHECKS, old)
            shown = connection.execute(_SHOWN_WITH_ROWS, {**old, "since": old["before"] - _LOOKED_THROUGH}).fetchall()
            if shown:
                shorter = [{"id": number, "event": _without_what_is_shown(event)} for number, event in shown]
                connection.execute(_REPLACE, shorter)
        return int(forgotten.rowcount)


# Enough that what a statement costs by itself is nothing, and few enough that their text is some megabytes.
_ROWS_AT_ONCE = 2_000
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_TOGETHER = {_PLANNED, dg.DagsterEventType.ASSET_MATERIALIZATION}

_INSERT_EVENTS = sa.text("""
    INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    SELECT alike.run_id, alike.before || own.place || alike.between || own.time || alike.after, alike.kind,
        CAST(own.timestamp AS timestamp), alike.step_key, alike.asset_key, own.partition
    FROM unnest(
        CAST(:shared AS int[]), CAST(:partition AS text[]), CAST(:place AS text[]), CAST(:time AS text[]),
        CAST(:timestamp AS text[])
    ) WITH ORDINALITY AS own (shared, partition, place, time, timestamp, number)
    JOIN unnest(
        CAST(:run_id AS text[]), CAST(:kind AS text[]), CAST(:step_key AS text[]), CAST(:asset_key AS text[]),
        CAST(:before AS text[]), CAST(:between AS text[]), CAST(:after AS text[])
    ) WITH ORDINALITY AS alike (run_id, kind, step_key, asset_key, before, between, after, number)
    ON alike.number = own.shared
    ORDER BY own.number
    RETURNING id""")


class _Tag(NamedTuple):
    event_id: int
    asset_key: str
    key: str
    value: str
    timestamp: str


_INSERT_TAGS = sa.text("""
    INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)
    SELECT event_id, asset_key, key, value, CAST(at AS timestamp)
    FROM unnest(
        CAST(:event_id AS bigint[]), CAST(:asset_key AS text[]), CAST(:key AS text[]), CAST(:value AS text[]),
        CAST(:timestamp AS text[])
    ) AS tags (event_id, asset_key, key, value, at)""")

_INSERT_PLANNED_CHECKS = sa.text("""
    INSERT INTO asset_check_executions (asset_key, check_name, partition, run_id, execution_status, evaluation_event,
        evaluation_event_timestamp, evaluation_event_storage_id)
    SELECT :asset_key, :check_name, partition, :run_id, :status, :event, CAST(:timestamp AS timestamp),
        CAST(:event_id AS bigint)
    FROM unnest(CAST(:partition AS text[])) AS planned (partition)""")

_FORGET_EVENTS = sa.text("""
    DELETE FROM event_logs old WHERE old.timestamp < :before AND (
        old.dagster_event_type IS NULL
        OR old.dagster_event_type NOT IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED')
        OR EXISTS (
            SELECT FROM event_logs new
            WHERE new.asset_key = old.asset_key AND new.dagster_event_type = 'ASSET_MATERIALIZATION'
            AND new.partition = old.partition AND new.id > old.id
        )
    )""")
_FORGET_TAGS = sa.text("DELETE FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)")
_FORGET_CHECKS = sa.text("""
    DELETE FROM asset_check_executions old WHERE old.create_timestamp < :before AND EXISTS (
        SELECT FROM asset_check_executions new
        WHERE new.asset_key = old.asset_key AND new.check_name = old.check_name
        AND coalesce(new.partition, '') = coalesce(old.partition, '') AND new.id > old.id
    )""")

# Metadata that only someone who looks at a partition wants, by kind: tables, and texts that may hold pictures.
_SHOWN = ("TableMetadataEntryData", "MarkdownMetadataEntryData")
# Older ones have been looked through on the days before; the daily job may have been off for a while.
_LOOKED_THROUGH = timedelta(days=30)
_SHOWN_WITH_ROWS = sa.text(f"""
    SELECT id, event FROM event_logs
    WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND timestamp < :before AND timestamp >= :since
    AND ({" OR ".join(f"event LIKE '%{kind}%'" for kind in _SHOWN)})""")
_REPLACE = sa.text("UPDATE event_logs SET event = :event WHERE id = :id")


def _without_what_is_shown(event: str) -> str:
    """A materialisation as the event log keeps it, without the metadata of those kinds."""
    entry = json.loads(event)
    materialisation = entry["dagster_event"]["event_specific_data"]["materialization"]
    materialisation["metadata_entries"] = [
        metadata
        for metadata in materialisation["metadata_entries"]
        if metadata["entry_data"]["__class__"] not in _SHOWN
    ]
    return json.dumps(entry)


def _kind(event: dg.EventLogEntry) -> dg.DagsterEventType | None:
    return event.get_dagster_event().event_type if event.is_dagster_event else None


class SettingsPostgresStorage(DagsterPostgresStorage):
    """Dagster's run, event and schedule storage in the schema `dagster` of the settings' database."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own: everything is in the settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Start the server if need be, make the schema, and open the storage."""
        settings = load_settings()
        url = database_url(settings)
        if settings.database_url is None:
            heal_on_connect(settings.postgres_folder)
        ensure_schema(url, DAGSTER_SCHEMA)
        storage = cls(postgres_url=with_options(url, search_path=DAGSTER_SCHEMA), inst_data=inst_data)
        unhurried = with_options(url, search_path=DAGSTER_SCHEMA, synchronous_commit="off")
        storage._event_log_storage = BatchingEventLogStorage(unhurried)
        for part in (storage._run_storage, storage._event_log_storage, storage._schedule_storage):
            part._engine = _kept_open(part.postgres_url)
        return storage


def _kept_open(url: str) -> sa.Engine:
    """An engine with a connection that stays open, and is made anew when its server has been away.

    Dagster opens one for every question and every event otherwise: half of what an event costs, and hundreds a minute
    while nothing happens.
    """
    return sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=_MORE_CONNECTIONS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_pre_ping=True,
    )


@cache
def heal_on_connect(folder: Path) -> None:
    """From now on this process starts the embedded server of a folder again when it finds it dead on connecting.

    Dagster makes and replaces its engines by itself, so all engines are listened to; those of other servers connect as
    ever. What was asked over a connection that died with the server fails; the next question finds a server.
    """
    server = EmbeddedPostgres(folder)
    sockets = sa.make_url(server.url()).query["host"]

    @sa.event.listens_for(sa.engine.Engine, "do_connect")
    def connect(dialect: sa.Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
        if parameters.get("host") != sockets:
            return None
        try:
            return dialect.connect(*arguments, **parameters)
        except psycopg2.OperationalError:
            if server.status().state != "stopped":
                raise
            server.start()
            return dialect.connect(*arguments, **parameters)
