"""Nothing knows the future: facts published after an hour change no row up to it, in any table."""

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_tests.integration.facts import change_archive_after, change_landing_after
from cryptopattern_tests.integration.installation import HOUR, SAMPLES, Installation, tables_of

# The last days of the sample: they have screenshots.
WINDOW = Window(datetime(2025, 1, 18, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
HOURS = int((WINDOW.end - WINDOW.start) / HOUR)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, module_postgres_url: str) -> Installation:
    installation = Installation.at(tmp_path_factory.mktemp("untouched"), module_postgres_url)
    installation.fill(WINDOW)
    return installation


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_row_up_to_an_hour_knows_what_was_published_after_it(
    seed: int, untouched: Installation, tmp_path: Path, postgres_url: str
) -> None:
    # Not too near the window's end, so that there is something to change, screenshots included.
    moment = WINDOW.start + HOUR * random.Random(seed).randrange(24, HOURS - 12)
    assert change_archive_after(moment, SAMPLES / "data", tmp_path / "archive" / "data") > 100
    assert change_landing_after(moment, SAMPLES / "landing", tmp_path / "landing") > 1
    changed = Installation.at(tmp_path / "data", postgres_url, tmp_path / "archive", tmp_path / "landing")
    # Readings are kept by the picture's hash: the same pictures need not be read again.
    shutil.copytree(Path(untouched.settings.store_root) / "_readings", Path(changed.settings.store_root) / "_readings")
    changed.fill(WINDOW)

    later_rows_moved = 0
    for name in tables_of("hour"):
        before = (rows_of(installation, name, WINDOW.start, moment) for installation in (untouched, changed))
        pd.testing.assert_frame_equal(*before, obj=f"{name} up to {moment}")
        after = [rows_of(installation, name, moment, WINDOW.end) for installation in (untouched, changed)]
        later_rows_moved += not after[0].equals(after[1])
    assert later_rows_moved >= 8, "the changed facts reached too few tables for the test to mean anything"
    midnight = moment.replace(hour=0)
    for name in tables_of("day"):
        before = (rows_of(installation, name, WINDOW.start, midnight) for installation in (untouched, changed))
        pd.testing.assert_frame_equal(*before, obj=f"{name} up to {midnight}")


def rows_of(installation: Installation, table: str, start: datetime, end: datetime) -> pd.DataFrame:
    return installation.rows(table, start, end)


def test_the_days_of_the_test_hold_outcomes(untouched: Installation) -> None:
    rates = untouched.rows("win_rates", WINDOW.end - timedelta(days=1), WINDOW.end)
    assert rates["sample_size"].sum() > 0
    assert untouched.rows("squeeze_analyses", *WINDOW)["liquidation_dominance_strength"].notna().sum() > 0
