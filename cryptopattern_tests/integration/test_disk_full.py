"""The disk full in the middle of the work: nothing is lost or half-written, and with room again the work gets done."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa
from rich.console import Console

from cryptopattern_pipelines.automation import fill
from cryptopattern_pipelines.automation.fill import FillError, fill_history
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.automation.sensors import gaps
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from cryptopattern_pipelines.storage.postgres import migrate
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.integration.installation import HOUR, Installation

MEGABYTES = 160
BEFORE = Window(datetime(2025, 1, 29, 4, tzinfo=UTC), datetime(2025, 1, 29, 6, tzinfo=UTC))
AFTER = Window(BEFORE.end, BEFORE.end + 3 * HOUR)
# The first is used up by Dagster's log before anything is written, the second amid the tables: then the server stops.
ROOM = (100_000, 1_500_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("needs `mount`")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"may not mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def backfill(made: Installation, window: Window) -> None:
    with dg.DagsterInstance.get() as instance:
        fill_history(build_definitions(made.settings), instance, made.store, window, Console(quiet=True))


def published(url: str) -> dict[str, pd.DataFrame]:
    """Every serving table's rows, in the order of its key."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return {
            name: pd.read_sql(sa.text(f"SELECT * FROM serving.{name} ORDER BY {', '.join(table.key)}"), connection)
            for name, table in TABLES.items()
        }


def test_a_full_disk_costs_nothing_but_the_run(
    small_disk: Path, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAGSTER_HOME", "CRYPTOPATTERN_DATA"):
        monkeypatch.setenv(name, "")  # set below, and put back at the end
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "embedded")
    # Each backfill stands for a command of its own, whose process has ended when the next one looks.
    monkeypatch.setattr(fill, "_is_alive", lambda _: False)
    made = Installation.at(small_disk, None)
    server = EmbeddedPostgres(made.settings.postgres_folder)
    prepare_home(made.settings)
    filler = small_disk / "filler"
    try:
        backfill(made, BEFORE)
        files = made.files()
        for room in ROOM:
            filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
            with pytest.raises((FillError, EmbeddedPostgresError, sa.exc.OperationalError)):
                backfill(made, AFTER)
            assert files.items() <= made.files().items(), "a file from before was lost or changed"
            assert list(Path(made.settings.store_root).rglob(".*")) == [], "unfinished files are left"
            made.store.table("market_candles").read(BEFORE.start, AFTER.end)  # what has a name is whole
            present = made.store.table("squeeze_analyses").present(BEFORE.start, AFTER.end)
            assert gaps(present, AFTER.end) == [AFTER.start], "the sensor of missed hours would not ask for them"
            filler.unlink()
        backfill(made, AFTER)
        rows = published(server.url("cryptopattern"))
        with dg.DagsterInstance.get() as instance:
            going = [run.status for run in instance.get_runs() if not run.is_finished]
        assert going == [], "a run that the disk cut off would hold others back"
    finally:
        server.stop()

    calm = Installation.at(tmp_path / "calm", postgres_url)
    migrate(postgres_url)
    for window in (BEFORE, AFTER):
        for job in ("history", "forecasts"):
            assert calm.run(job, window).success
    assert made.files() == calm.files()
    there = published(postgres_url)
    assert len(rows["squeeze_analyses"]) == 3 * (AFTER.end - BEFORE.start) / timedelta(hours=1)
    for name in TABLES:
        pd.testing.assert_frame_equal(rows[name], there[name], obj=name)
