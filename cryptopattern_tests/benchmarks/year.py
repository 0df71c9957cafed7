"""A year of nine symbols through every hourly and daily asset, Parquet and Postgres, by one backfill; and its rival.

The rival is one run a partition: the same jobs, store and database, once the year is there, over a sample of hours and
days; each run in this process. That is in its favour: Dagster gives each run a process of its own, whose start (some
2.5 s) and whose wait in the daemon's queue come on top for each. The work is 2024 from the real history beside the
project, or the last month of the bundled sample where that is absent.
"""

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.plan import execute_step
from dagster._core.instance.runs.run_domain import RunDomain
from rich.console import Console

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.fill import fill_history, keys_of
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.resources.dagster_storage import BatchingEventLogStorage
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.parquet import ParquetTable, TableStore
from cryptopattern_tests.benchmarks._shares import REST, Part, Shares
from cryptopattern_tests.benchmarks.figure import Figure

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared")) / "market" / "archive"
_SAMPLE = PROJECT / "data" / "samples"
_HOUR = timedelta(hours=1)
_RIVALS_HOURS, _RIVALS_DAYS = 8, 2
_QUIET = logs.from_level("CRITICAL")

_PARTS = [
    Part(RunDomain, "_log_asset_planned_events", "planned events"),
    Part(execute_step, "_log_materialization_or_observation_events_for_asset", "materialisation events"),
    Part(BatchingEventLogStorage, "store_event", "other events"),
    Part(ParquetTable, "write", "Parquet, written"),
    Part(ParquetTable, "read", "Parquet, read"),
    Part(postgres, "publish", "Postgres"),
    Part(ArchiveSource, "candles", "archive"),
    Part(ArchiveSource, "derivatives_metrics", "archive"),
]


def run() -> list[Figure]:
    """Partitions a second of both ways, and where the time of ours goes."""
    real = _REAL.is_dir()
    start, end = (
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
        if real
        else (datetime(2024, 12, 30, tzinfo=UTC), datetime(2025, 1, 29, tzinfo=UTC))
    )
    window = Window(start, end)
    symbols = "BTC,ETH,XRP,ADA,SOL,DOGE,BNB,AVAX,LINK" if real else "BTC,ETH,SOL"
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        settings = load_settings(
            data=Path(folder),
            database_url=None,
            market_source="archive",
            archive=str(_REAL if real else _SAMPLE),
            symbols=symbols,
            automation=False,
        )
        prepare_home(settings)
        server = EmbeddedPostgres(settings.postgres_folder)
        try:
            definitions = build_definitions(settings)
            hourly, daily = (definitions.resolve_job_def(name) for name in ("hourly", "daily"))
            with dg.DagsterInstance.get() as instance:
                began, of_server = time.perf_counter(), _server_seconds(server)
                with Shares().measured(_PARTS) as shares:
                    fill_history(definitions, instance, TableStore(settings.store_root), window, Console(quiet=True))
                ours, of_server = time.perf_counter() - began, _server_seconds(server) - of_server
                recorded = _materialisations(instance)
                hour = _seconds_a_run(hourly, window, _HOUR, _RIVALS_HOURS, instance)
                day = _seconds_a_run(daily, window, 24 * _HOUR, _RIVALS_DAYS, instance)
        finally:
            server.stop()
    hours, days = keys_of(hourly, window), keys_of(daily, window)
    partitions = _assets(hourly) * len(hours) + _assets(daily) * len(days)
    assert recorded == partitions, f"{recorded} materialisations are recorded of {partitions}"
    rival = hour * len(hours) + day * len(days)
    work = f"year: {len(hours):,} hours and {len(days)} days x {symbols.count(',') + 1} symbols"
    processor = sum(shares.processor.values())
    return [
        Figure(f"{work}, one backfill", ours, rival, "s", less_is_better=True, mark=360 if real else None),
        Figure(f"{work}, asset partitions", partitions / ours, partitions / rival, "a second", ratio_mark=100),
        Figure("year: materialisations recorded", recorded, None, "events"),
        Figure("year: processor time of this process", processor, None, "s", less_is_better=True),
        Figure("year: processor time of Postgres", of_server, None, "s", less_is_better=True),
        Figure("year: rival's run of an hour", hour, None, "s", less_is_better=True),
        Figure("year: rival's run of a day", day, None, "s", less_is_better=True),
        *(
            Figure(
                f"year: share of {'computing and the rest' if share == REST else share}",
                100 * seconds / ours,
                None,
                "%",
            )
            for share, seconds in sorted(shares.clock.items(), key=lambda each: -each[1])
        ),
    ]


def _assets(job: dg.JobDefinition) -> int:
    return len(job.asset_layer.selected_asset_keys)


def _materialisations(instance: dg.DagsterInstance) -> int:
    """How many partitions of assets have their materialisation in Dagster's event log."""
    storage = instance.event_log_storage
    assert isinstance(storage, BatchingEventLogStorage)
    with storage.index_connection() as connection:
        distinct = sa.text(
            "SELECT count(DISTINCT (asset_key, partition)) FROM event_logs"
            " WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        )
        return int(connection.execute(distinct).scalar_one())


def _seconds_a_run(
    job: dg.JobDefinition, window: Window, length: timedelta, runs: int, instance: dg.DagsterInstance
) -> float:
    """Seconds of a run of one partition, over so many of them that lie evenly in the window."""
    step = (window.end - window.start) // length // runs * length
    keys = [keys_of(job, Window(at, at + length))[0] for at in (window.end - n * step - length for n in range(runs))]
    began = time.perf_counter()
    for key in keys:
        job.execute_in_process(_QUIET, instance, partition_key=key)
    return (time.perf_counter() - began) / runs


def _server_seconds(server: EmbeddedPostgres) -> float:
    """Processor time that the server's processes have taken so far, those that ended included."""
    seconds = 0.0
    for process in server._processes():
        times = process.cpu_times()
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
