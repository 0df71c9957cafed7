"""A range of hours in one run, against one run a partition: the same jobs, store and database.

The work is the bundled sample, or the real history beside the project where it is there: two months of BTC, ETH and
SOL. The rival's runs are a sample of hours, each in this process too: the start of a process and the daemon's queue,
which would come on top for each of them, are left out in its favour.
"""

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from rich.console import Console

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.fill import fill, keys_of, whole_days
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_tests.benchmarks.figure import Figure

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared")) / "market" / "archive"
_SAMPLE = PROJECT / "data" / "samples"
_RIVALS_HOURS = 12


def run() -> list[Figure]:
    """Partitions a second of both ways, over the hourly job."""
    archive = _REAL if _REAL.is_dir() else _SAMPLE
    end = datetime(2024, 8, 19, tzinfo=UTC) if archive is _REAL else datetime(2025, 1, 30, tzinfo=UTC)
    window = Window(end - timedelta(days=60), end)
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        settings = load_settings(
            data=Path(folder),
            database_url=None,
            market_source="archive",
            archive=str(archive),
            symbols="BTC,ETH,SOL",
            automation=False,
        )
        prepare_home(settings)
        try:
            definitions = build_definitions(settings)
            hourly, daily = (definitions.resolve_job_def(name) for name in ("hourly", "daily"))
            with dg.DagsterInstance.get() as instance:
                started = time.perf_counter()
                fill(hourly, window, instance, Console(quiet=True))
                ours = time.perf_counter() - started
                days_window = whole_days(window)
                assert days_window is not None
                fill(daily, days_window, instance, Console(quiet=True))
                both = time.perf_counter() - started
                last = keys_of(hourly, Window(window.end - timedelta(hours=_RIVALS_HOURS), window.end))
                started = time.perf_counter()
                for key in last:
                    hourly.execute_in_process(logs.from_level("CRITICAL"), instance, partition_key=key)
                rivals = time.perf_counter() - started
        finally:
            EmbeddedPostgres(settings.postgres_folder).stop()
    partitions = len(keys_of(hourly, window)) * len(hourly.asset_layer.selected_asset_keys)
    of_rival = _RIVALS_HOURS * len(hourly.asset_layer.selected_asset_keys)
    return [
        Figure("lineage: asset partitions filled", partitions / ours, of_rival / rivals, "a second"),
        Figure("lineage: hours filled", len(keys_of(hourly, window)) / ours, _RIVALS_HOURS / rivals, "a second"),
        Figure(f"lineage: {len(keys_of(hourly, window)):,} hours and their days", both, None, "seconds"),
    ]
