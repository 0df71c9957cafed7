"""The jobs: one for all that is hourly, one for all that is daily, one for screenshots that come late, and two for
hours gone by: all but forecasts, and forecasts alone, which take their models from the days before them.

A job has one partitions definition, and every asset in it takes the run's whole range, so an hour and a year are the
same job and each is one run.
"""

import dagster as dg

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.housekeeping import health_checks
from cryptopattern_pipelines.storage.schemas import TABLES

# One run at a time writes tables: see `concurrency` in dagster.yaml.
WRITES = {"cryptopattern/writes": "tables"}
# On a run that a person started and waits for: the process that it lives in.
PROCESS_TAG = "cryptopattern/process"


def _and_serving(tables: dg.AssetSelection) -> dg.AssetSelection:
    """Tables, and the assets that publish them; without the checks of `housekeeping.py`, which run once a day."""
    published = tables | (tables.downstream(depth=1) & dg.AssetSelection.groups("serving"))
    return published - dg.AssetSelection.checks(health_checks())


def _of(partition: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(table.name for table in TABLES.values() if table.partition == partition))


hourly = dg.define_asset_job(
    "hourly",
    _and_serving(_of("hour")),
    tags=WRITES,
    config=logs.CONFIG,
    description="Every hourly asset: screenshots, market, squeeze analyses and their serving tables.",
)
daily = dg.define_asset_job(
    "daily",
    _and_serving(_of("day")),
    tags=WRITES,
    config=logs.CONFIG,
    description="Every daily asset: what is learned from the hours, and its serving tables.",
)
late_screenshots = dg.define_asset_job(
    "late_screenshots",
    _and_serving(
        dg.AssetSelection.groups("screenshots")
        | dg.AssetSelection.assets("squeeze_analyses", "squeeze_forecasts", "squeeze_alerts")
    ),
    tags=WRITES,
    config=logs.CONFIG,
    description="Screenshots of hours gone by, and the analyses, forecasts and alerts that they may change.",
)
# What takes from the days before it: in a backfill, whose days come after its hours, it has its run last.
_AFTER_DAYS = dg.AssetSelection.assets("squeeze_forecasts", "squeeze_alerts")

history = dg.define_asset_job(
    "history",
    _and_serving(_of("hour") - _AFTER_DAYS),
    tags=WRITES,
    config=logs.CONFIG,
    description="Hourly assets but forecasts and alerts: a backfill's first run; daily and forecasts follow.",
)
forecasts = dg.define_asset_job(
    "forecasts",
    _and_serving(_AFTER_DAYS),
    tags=WRITES,
    config=logs.CONFIG,
    description="Forecasts and alerts of hours that were run before the days whose models and win rates they take.",
)
