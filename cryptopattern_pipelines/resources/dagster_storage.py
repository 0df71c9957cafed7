"""Dagster's own storage on the database of the settings: named in `dagster.yaml`, loaded by Dagster itself.

It differs from `dagster_postgres.DagsterPostgresStorage` in three ways. The address comes from the settings, with the
embedded server started when it is not up, at first and at every new connection, so that webserver, daemon, runs and
command line all heal it alike. The tables live in a schema `dagster` beside the serving tables, so that one database is
all that is asked for. And a range of a year writes hundreds of thousands of events: they go over a connection that
stays open, those that say what a run plans in batches, and none waits for the disk, since what a power failure costs of
them a run writes again.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import dagster as dg
import psycopg2
import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData  # dagster's own storages import it from here; it has no public name
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from cryptopattern_pipelines.resources.database import database_url, with_options
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.postgres import ensure_schema

DAGSTER_SCHEMA = "dagster"

_NO_LIMIT = 0
_RECYCLE_SECONDS = 600
# Beside the one that stays open: the webserver asks many things at once, and puts its own limit in place of this.
_MORE_CONNECTIONS = 20


class BatchingEventLogStorage(PostgresEventLogStorage):
    """Dagster's event log, in which a batch of planned materialisations is one insertion.

    Dagster's own writes batches of materialisations so, but planned ones one by one: two of three seconds of a range.
    """

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store a batch of events, the planned materialisations of it together."""
        planned = [event for event in events if _is_planned(event)]
        others = [event for event in events if not _is_planned(event)]
        if planned:
            self._store_planned(planned)
        if others:
            super().store_event_batch(others)

    def _store_planned(self, events: Sequence[dg.EventLogEntry]) -> None:
        insertion = self.prepare_insert_event_batch(events)
        with self._connect() as connection:
            found = connection.execute(insertion.returning(sa.column("id"))).fetchall()
        ids = [int(row[0]) for row in found]
        # An asset's own row tells of its last event alone.
        last = {event.get_dagster_event().asset_key: (event, number) for event, number in zip(events, ids, strict=True)}
        with self.index_transaction() as connection:
            self._store_asset_event_tags(connection, events, ids)
            for event, number in last.values():
                self._store_asset_event(connection, event, number)

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


def _is_planned(event: dg.EventLogEntry) -> bool:
    return bool(event.get_dagster_event().event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)


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
        # Dagster opens a connection for every event otherwise, half of what an event costs.
        storage._event_log_storage.optimize_for_webserver(
            statement_timeout=_NO_LIMIT, pool_recycle=_RECYCLE_SECONDS, max_overflow=_MORE_CONNECTIONS
        )
        return storage


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
