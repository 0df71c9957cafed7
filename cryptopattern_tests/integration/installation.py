"""A whole installation in a folder of its own, for tests that run the lineage from end to end."""

import dataclasses
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, range_tags
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, load_settings
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import TABLES

SAMPLES = PROJECT / "data" / "samples"
HOUR = timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Installation:
    """Settings that point into one folder, and what a test asks of an installation."""

    settings: Settings

    @classmethod
    def at(
        cls, folder: Path, database_url: str | None, archive: Path = SAMPLES, landing: Path = SAMPLES / "landing"
    ) -> "Installation":
        """An installation over an archive and a landing folder; by default those of the bundled sample."""
        return cls(
            load_settings(
                data=folder,
                landing=landing,
                database_url=database_url,
                market_source="archive",
                archive=str(archive),
                symbols="BTC,ETH,SOL",
                automation=False,
            )
        )

    @property
    def store(self) -> TableStore:
        """Its Parquet tables."""
        return TableStore(self.settings.store_root)

    def run(self, job_name: str, window: Window) -> dg.ExecuteInProcessResult:
        """One run of a job over a window, on an instance that is forgotten afterwards."""
        job = build_definitions(self.settings).resolve_job_def(job_name)
        tags = range_tags(DAILY if job_name == "daily" else HOURLY, window)
        with dg.DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(instance=instance, tags=tags)

    def fill(self, window: Window) -> None:
        """Every hourly and then every daily asset of a window of whole days, and its forecasts with their models."""
        assert self.run("hourly", window).success
        assert self.run("daily", window).success
        assert self.run("forecasts", window).success

    def rows(self, table: str, start: datetime, end: datetime) -> pd.DataFrame:
        """A table's rows."""
        return self.store.table(table).read(start, end)

    def files(self) -> dict[str, str]:
        """The hash of every Parquet file, by its path in the store."""
        root = Path(self.settings.store_root)
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*.parquet"))
        }


def tables_of(partition: str) -> Iterable[str]:
    """The names of all hourly ("hour") or daily ("day") tables."""
    return [table.name for table in TABLES.values() if table.partition == partition]
