"""The stores that a run is handed: the Parquet tables and the landing folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation.partitions import FIRST_DAY, Window
from cryptopattern_pipelines.reading.landing import Landing
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage.imported import imported, with_imported
from cryptopattern_pipelines.storage.parquet import ParquetTable, TableStore
from cryptopattern_pipelines.storage.rows import sorted_out
from cryptopattern_pipelines.storage.schemas import MARKET_TABLES, QUARANTINED_MARKET_ROWS, TableSchema
from cryptopattern_pipelines.storage.set_aside import rows_set_aside, set_aside


class Store(dg.ConfigurableResource[Any]):
    """The Parquet tables under one root."""

    root: str

    @classmethod
    def of(cls, settings: Settings) -> "Store":
        """The store of the settings."""
        return cls(root=settings.store_root)

    @property
    def tables(self) -> TableStore:
        """The store itself."""
        return TableStore(self.root)

    def table(self, schema: TableSchema) -> ParquetTable:
        """One table."""
        return self.tables.table(schema.name)

    def read(self, schema: TableSchema, window: Window, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """A table's rows of a window, of all columns or of these; hours that were never filled have none."""
        start = pd.Timestamp(window.start).floor("h" if schema.partition == "hour" else "D")
        return self.table(schema).read(start, window.end, None if columns is None else list(columns))

    def from_outside(
        self, schema: TableSchema, rows: pd.DataFrame, window: Window
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of a window that can be, filled up with what a user imported, and those that can't be.

        Only the market's tables are from outside: of any other all rows come back as they are.

        Raises:
            InvalidRowsError: as `sorted_out`.
        """
        if schema not in MARKET_TABLES:
            return rows, QUARANTINED_MARKET_ROWS.empty()
        good, broken = sorted_out(schema, rows)
        return with_imported(self.tables, schema, good, *window), broken

    def imported(self, schema: TableSchema, window: Window) -> pd.DataFrame:
        """What a user imported of a window."""
        return imported(self.tables, schema, *window)

    def set_aside(self, schema: TableSchema, broken: pd.DataFrame, window: Window) -> None:
        """Keep the rows of a window that can't be, of a table from outside."""
        if schema in MARKET_TABLES:
            set_aside(self.tables, schema, broken, *window)

    def rows_set_aside(self, window: Window) -> pd.DataFrame:
        """All rows of a window that can't be, of every table from outside."""
        return rows_set_aside(self.tables, *window)


class LandingFolder(dg.ConfigurableResource[Any]):
    """The folder that screenshots are put into."""

    folder: str
    index: str
    extensions: list[str]
    max_bytes: int
    timezone: str = "UTC"

    @classmethod
    def of(cls, settings: Settings) -> "LandingFolder":
        """The landing folder of the settings; what was learned of its files is kept in the data folder."""
        return cls(
            folder=str(settings.landing_folder),
            index=str(settings.data / _index_name(settings.screenshot_timezone.key)),
            extensions=list(settings.allowed_extensions),
            max_bytes=settings.max_content_length,
            timezone=settings.screenshot_timezone.key,
        )

    def open(self) -> Landing:
        """The landing folder itself."""
        return Landing(
            Path(self.folder),
            Path(self.index),
            tuple(self.extensions),
            self.max_bytes,
            FIRST_DAY,
            ZoneInfo(self.timezone),
        )


def _index_name(timezone: str) -> str:
    """An index for each zone: it keeps times of capture, which another zone moves."""
    return "landing-index.sqlite" if timezone == "UTC" else f"landing-index-{timezone.replace('/', '-')}.sqlite"
