"""What a year of hourly runs leaves in Dagster's event log, with old logs deleted daily and without.

A real hourly run is made once; its events are copied for each hour of a simulated year, day by day, and after each day
the housekeeping of that day is done. The rival is the same year without housekeeping, which is Dagster's own default.
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.housekeeping import KEEP_LOGS
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.resources.dagster_storage import BatchingEventLogStorage
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_tests.benchmarks.figure import Figure

_DAYS = 365
_HOUR_RUN = "2025-01-29-12:00"
_YEAR = datetime(2025, 2, 1, tzinfo=UTC)

_COPY = sa.text("""
    INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    SELECT :day || '-' || hour, event, dagster_event_type,
        CAST(:begins AS timestamp) + hour * interval '1 hour' + (timestamp - min(timestamp) OVER ()),
        step_key, asset_key,
        CASE WHEN partition IS NULL THEN NULL
             ELSE to_char(CAST(:begins AS timestamp) + hour * interval '1 hour', 'YYYY-MM-DD-HH24:MI') END
    FROM real_run, generate_series(0, 23) AS hour
""")


def run() -> list[Figure]:
    """Megabytes of the event log after a year, and what a day's housekeeping costs."""
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        settings = load_settings(
            data=Path(folder),
            database_url=None,
            market_source="archive",
            archive=str(PROJECT / "data" / "samples"),
            landing=PROJECT / "data" / "samples" / "landing",
            symbols="BTC,ETH,SOL",
            automation=False,
        )
        prepare_home(settings)
        try:
            hourly = build_definitions(settings).resolve_job_def("hourly")
            with dg.DagsterInstance.get() as instance:
                quiet = logs.from_level("CRITICAL")
                real = hourly.execute_in_process(quiet, instance, partition_key=_HOUR_RUN)
                storage = instance.event_log_storage
                assert isinstance(storage, BatchingEventLogStorage)
                with storage.index_transaction() as connection:
                    made = sa.text("CREATE TABLE real_run AS SELECT * FROM event_logs WHERE run_id = :run")
                    connection.execute(made, {"run": real.run_id})
                    events = connection.execute(sa.text("SELECT count(*) FROM real_run")).scalar_one()
                bytes_without, _ = _year(storage, tidy=False)
                bytes_with, seconds = _year(storage, tidy=True)
        finally:
            EmbeddedPostgres(settings.postgres_folder).stop()
    return [
        Figure("retention: events of one hourly run", events, None, "events"),
        Figure(
            "retention: event log after a year", bytes_with / 2**20, bytes_without / 2**20, "MB", less_is_better=True
        ),
        Figure("retention: a day's housekeeping at the end of the year", seconds, None, "seconds"),
    ]


def _year(storage: BatchingEventLogStorage, *, tidy: bool) -> tuple[int, float]:
    """Bytes that the log takes on disk after a year, indexes included, and seconds of the last day's housekeeping."""
    with storage.index_transaction() as connection:
        connection.execute(sa.text("TRUNCATE event_logs"))
    seconds = 0.0
    for day in range(_DAYS):
        begins = _YEAR + timedelta(days=day)
        with storage.index_transaction() as connection:
            connection.execute(_COPY, {"day": str(day), "begins": begins.replace(tzinfo=None)})
        if tidy:
            started = time.perf_counter()
            storage.forget(begins + timedelta(days=1) - KEEP_LOGS)
            seconds = time.perf_counter() - started
            if day % 7 == 0:  # as the server's own autovacuum would, in the time that a week takes
                with storage.index_connection() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("VACUUM event_logs"))
    with storage.index_connection() as connection:
        return int(connection.execute(sa.text("SELECT pg_total_relation_size('event_logs')")).scalar_one()), seconds
