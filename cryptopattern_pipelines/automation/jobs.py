"""The jobs: one for all that is hourly, one for all that is daily, one for screenshots that come late.

A job has one partitions definition, and every asset in it takes the run's whole range, so an hour and a year are the
same job and each is one run.
"""

import dagster as dg

from cryptopattern_pipelines.storage.schemas import TABLES

SCREENSHOT_TABLES = [
    "raw_screenshots",
    "quarantined_screenshots",
    "ocr_outputs",
    "classified_images",
    "liquidation_readings",
    "liquidation_levels",
    "dashboard_metrics",
]
# What an hour's analyses take from screenshots.
LATE_SCREENSHOT_TABLES = [*SCREENSHOT_TABLES, "squeeze_analyses"]


# One run at a time writes tables: see `concurrency` in dagster.yaml.
WRITES = {"cryptopattern/writes": "tables"}
# On a run that a person started and waits for: the process that it lives in.
PROCESS_TAG = "cryptopattern/process"


def _tables_and_serving(names: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*names, *(["serving", name] for name in names))


def _of(partition: str) -> list[str]:
    return [table.name for table in TABLES.values() if table.partition == partition]


hourly = dg.define_asset_job(
    "hourly",
    _tables_and_serving(_of("hour")),
    tags=WRITES,
    description="Every hourly asset: screenshots, market, squeeze analyses and their serving tables.",
)
daily = dg.define_asset_job(
    "daily",
    _tables_and_serving(_of("day")),
    tags=WRITES,
    description="Every daily asset: what is learned from the hours, and its serving tables.",
)
late_screenshots = dg.define_asset_job(
    "late_screenshots",
    _tables_and_serving(LATE_SCREENSHOT_TABLES),
    tags=WRITES,
    description="Screenshots of hours gone by, and the analyses that they may change.",
)
