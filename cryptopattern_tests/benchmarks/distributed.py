"""A range in parts by one and by two Celery workers and by Dagster's default launcher, against one run in one process.

Each way has a folder, a Postgres and a daemon of its own, and fills the same range of the bundled sample (or of real
history beside the project, where it is there) from nothing. The clock counts from the first part handed out to the last
one's end; services that were up before are not counted. `CRYPTOPATTERN_DISTRIBUTED_DAYS` says how many days (60).
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg
from rich.console import Console

from cryptopattern_pipelines.automation.fill import fill_history
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.automation.spread import spread
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.integration.cluster import Cluster

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared")) / "market" / "archive"
_SAMPLE = PROJECT / "data" / "samples"
_DAYS = int(os.environ.get("CRYPTOPATTERN_DISTRIBUTED_DAYS", "60"))
_PARTS = 8
_PATIENCE_SECONDS = 120


def run() -> list[Figure]:
    """Asset partitions a second of each way, beside those of one run in one process."""
    real = _REAL.is_dir()
    end = datetime(2024, 8, 19, tzinfo=UTC) if real else datetime(2025, 1, 29, tzinfo=UTC)
    window = Window(end - timedelta(days=_DAYS), end)
    partitions = sum(2 * _DAYS * (24 if table.partition == "hour" else 1) for table in TABLES.values())
    given = {
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": str(_REAL if real else _SAMPLE),
        "CRYPTOPATTERN_SYMBOLS": "BTC,ETH,SOL",
        "CRYPTOPATTERN_DATABASE_URL": "embedded",
        "CRYPTOPATTERN_AUTOMATION": "false",
    }
    alone = partitions / _in_this_process(given, window)
    ways = {f"{workers} Celery worker{'s' * (workers > 1)}": workers for workers in (1, 2)}
    figures = []
    for name, workers in {**ways, "default launcher": 0}.items():
        speed = partitions / _spread(given, window, workers)
        print(f"{name}: {speed:.4g} a second, one process {alone:.4g}", file=sys.stderr, flush=True)
        label = f"distributed: {_DAYS} days in {_PARTS} parts, {name}"
        figures.append(Figure(label, speed, alone, "partitions a second"))
    return [*figures, Figure("distributed: the same in one process", alone, None, "partitions a second")]


@contextmanager
def _made(given: dict[str, str], workers: int) -> Iterator[Cluster]:
    """A folder, its Postgres, and processes that end with the body; without workers there is no broker, either."""
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        made = Cluster(Path(folder), given, max(workers, 1))
        if not workers:
            made.environment["CRYPTOPATTERN_BROKER_URL"] = ""
        with mock.patch.dict(os.environ, made.environment):
            settings = load_settings()
            prepare_home(settings)
            try:
                yield made
            finally:
                made.stop()
                EmbeddedPostgres(settings.postgres_folder).stop()


def _in_this_process(given: dict[str, str], window: Window) -> float:
    with _made(given, 0), dg.DagsterInstance.get() as instance:
        settings = load_settings()
        began = time.perf_counter()
        store = TableStore(settings.store_root)
        fill_history(build_definitions(settings), instance, store, window, Console(quiet=True))
        return time.perf_counter() - began


def _spread(given: dict[str, str], window: Window, workers: int) -> float:
    with _made(given, workers) as made, dg.DagsterInstance.get() as instance:
        if workers:
            made.start_redis()
            for number in range(workers):
                made.start_worker(str(number))
        made.start_daemon()
        _wait_until_up(instance, made, workers)
        began = time.perf_counter()
        spread(instance, window, _PARTS, Console(quiet=True))
        return time.perf_counter() - began


def _wait_until_up(instance: dg.DagsterInstance, made: Cluster, workers: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answers = instance.run_launcher.celery.control.ping(timeout=1) if workers else []  # type: ignore[attr-defined]
        healthy = instance.get_daemon_statuses(["QUEUED_RUN_COORDINATOR"])["QUEUED_RUN_COORDINATOR"].healthy
        if healthy and len(answers) == workers:
            return
        time.sleep(1)
    raise TimeoutError(f"the services did not come up: see {made.folder}")
