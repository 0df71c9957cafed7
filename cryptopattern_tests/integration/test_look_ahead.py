"""Nothing knows the future: facts published after an hour change no row up to it, in any table."""

import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.assets import alerts, forecasts, market, outcomes, screenshots, squeeze, symbols
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, range_tags
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_tests.integration.facts import change_archive_after, change_landing_after, spoil_archive
from cryptopattern_tests.integration.installation import HOUR, SAMPLES, Installation, tables_of

# Long enough for a month's outcomes and for the volatility that a squeeze is measured by, to the sample's end.
WINDOW = Window(datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
# The hours that are computed anew over changed facts; from before the first screenshot on. Days all are.
ANEW = Window(datetime(2025, 1, 25, tzinfo=UTC), WINDOW.end)
# The one file of the sample that is set aside bears this time.
BROKEN_AT = datetime(2025, 1, 29, 10, tzinfo=UTC)
# Between the sample's screenshots, so that some of every kind lie before the moment, and some after it.
EARLY = (datetime(2025, 1, 28, 19, tzinfo=UTC), 8)
LATE = (datetime(2025, 1, 29, 11, tzinfo=UTC), 3)
# What changed facts always reach; what is read from a picture moves where a picture comes later.
MOVES = {
    "raw_screenshots",
    "market_candles",
    "derivatives_metrics",
    "realised_liquidations",
    "quarantined_market_rows",
    "exchange_snapshots",
    "market_contradictions",
    "squeeze_analyses",
    "win_rates",
    "squeeze_events",
}


def fill(installation: Installation, hours: Window, days: Window) -> None:
    """Every Parquet table; without the serving tables, which are copies, a run costs half."""
    tables = dg.load_assets_from_modules([screenshots, market, symbols, squeeze, outcomes, forecasts, alerts])
    assets = [asset for asset in tables if isinstance(asset, dg.AssetsDefinition)]
    resources = dict(build_definitions(installation.settings).resources or {})
    quiet = logs.from_level("CRITICAL")
    hourly = [asset for asset in assets if asset.partitions_def == HOURLY]
    daily = [asset for asset in assets if asset.partitions_def == DAILY]
    # Forecasts once more, as a backfill does: their models are made by the days.
    for partitions, window, chosen in (
        (HOURLY, hours, hourly),
        (DAILY, days, daily),
        (HOURLY, hours, [forecasts.squeeze_forecasts, alerts.squeeze_alerts]),
    ):
        tags = range_tags(partitions, window)
        with dg.DagsterInstance.ephemeral() as instance:
            assert dg.materialize(chosen, instance=instance, resources=resources, run_config=quiet, tags=tags).success


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's, with some hours that can't be, so that no table stays empty."""
    root = tmp_path_factory.mktemp("archive")
    spoil_archive(SAMPLES / "data", root / "data")
    return root


@pytest.fixture(scope="module")
def untouched(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.at(tmp_path_factory.mktemp("untouched"), None, archive)
    fill(installation, WINDOW, WINDOW)
    return installation


@pytest.mark.parametrize("hours", [EARLY, LATE], ids=["early", "late"])
def test_no_row_up_to_an_hour_knows_what_was_published_after_it(
    hours: tuple[datetime, int], archive: Path, untouched: Installation, tmp_path: Path
) -> None:
    first, count = hours
    moment = first + HOUR * random.Random(1).randrange(count)
    assert change_archive_after(moment, archive / "data", tmp_path / "archive" / "data") > 100
    assert change_landing_after(moment, SAMPLES / "landing", tmp_path / "landing") > 1
    changed = Installation.at(tmp_path / "data", None, tmp_path / "archive", tmp_path / "landing")
    # A store's files are replaced, never written into, so a link is as good as a copy. Readings are kept by the
    # picture's hash: the same pictures need not be read again.
    shutil.copytree(untouched.settings.store_root, changed.settings.store_root, copy_function=os.link)
    for name in tables_of("day"):
        shutil.rmtree(Path(changed.settings.store_root) / name)
    fill(changed, ANEW, WINDOW)

    moved = set()
    for partition, until in (("hour", moment), ("day", moment.replace(hour=0))):
        for name in tables_of(partition):
            there, here = (installation.rows(name, WINDOW.start, until) for installation in (untouched, changed))
            assert len(there) > 0 or (name == "quarantined_screenshots" and until <= BROKEN_AT), name
            pd.testing.assert_frame_equal(there, here, obj=f"{name} up to {until}")
            there, here = (installation.rows(name, until, WINDOW.end) for installation in (untouched, changed))
            if not there.equals(here):
                moved.add(name)
    assert moved >= MOVES, f"changed facts did not reach {sorted(MOVES - moved)}"
    assert moved >= {"ocr_outputs", "classified_images", "liquidation_readings", "liquidation_levels"}


def test_the_untouched_rows_hold_outcomes_and_squeezes(untouched: Installation) -> None:
    rates = untouched.rows("win_rates", WINDOW.end - timedelta(days=1), WINDOW.end)
    assert (rates.groupby("timeframe")["sample_size"].sum() > 0).to_dict() == {"24h": True, "7d": True, "1m": True}
    assert len(untouched.rows("squeeze_events", *WINDOW)) > 0
    assert untouched.rows("squeeze_analyses", *WINDOW)["liquidation_dominance_strength"].notna().sum() > 0
