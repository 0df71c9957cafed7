"""Killed in the middle of a backfill and run again, the store is as if it had run once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.integration.installation import SAMPLES, Installation

DAYS = ("2025-01-27", "2025-01-30")
PROGRAM = str(Path(sys.executable).with_name("cryptopattern"))
COMMAND = [PROGRAM, "backfill", "--from", DAYS[0], "--to", DAYS[1]]
PATIENCE_SECONDS = 120


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CRYPTOPATTERN_DATA": str(folder),
        "CRYPTOPATTERN_LANDING": str(SAMPLES / "landing"),
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": str(SAMPLES),
        "CRYPTOPATTERN_DATABASE_URL": "embedded",
    }


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """An installation with an embedded server of its own, which is stopped afterwards."""
    made = Installation.at(folder, None)
    try:
        yield made
    finally:
        EmbeddedPostgres(made.settings.postgres_folder).stop()


def backfill(folder: Path) -> None:
    done = subprocess.run(COMMAND, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kill_backfill_after(folder: Path, tables: int) -> None:
    """Start a backfill, and kill it without warning while it writes the table after this many."""
    store = folder / "store"
    with (folder / "killed.log").open("wb") as log:
        process = subprocess.Popen(COMMAND, env=environment(folder), stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(not path.name.startswith("_") for path in store.glob("*")) < tables and process.poll() is None:
            assert time.monotonic() < deadline, (folder / "killed.log").read_text()
            time.sleep(0.002)
        assert process.poll() is None, "the backfill had ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()


def published(made: Installation) -> dict[str, pd.DataFrame]:
    """Every serving table's rows, in the order of its key."""
    engine = sa.create_engine(EmbeddedPostgres(made.settings.postgres_folder).url("cryptopattern"))
    with engine.connect() as connection:
        return {
            name: pd.read_sql(sa.text(f"SELECT * FROM serving.{name} ORDER BY {', '.join(table.key)}"), connection)
            for name, table in TABLES.items()
        }


def test_a_killed_backfill_run_again_equals_one_that_was_never_killed(tmp_path: Path) -> None:
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    with installation(tmp_path / "calm") as calm, installation(tmp_path / "killed") as killed:
        backfill(tmp_path / "calm")
        for tables in random.Random(5).sample(range(1, len(TABLES)), 2):
            kill_backfill_after(tmp_path / "killed", tables)
        backfill(tmp_path / "killed")

        assert killed.files() == calm.files()
        partitions = sum(24 if table.partition == "hour" else 1 for table in TABLES.values())
        assert len(calm.files()) == 3 * partitions
        left = list(Path(killed.settings.store_root).rglob(".*"))
        assert left == [], "a killed writer's unfinished files were not swept"
        here, there = published(calm), published(killed)
        for name in TABLES:
            pd.testing.assert_frame_equal(here[name], there[name], obj=name)
        assert len(here["squeeze_analyses"]) == 24 * 3 * 3


def test_a_backfill_run_twice_changes_nothing(tmp_path: Path) -> None:
    with installation(tmp_path) as made:
        backfill(tmp_path)
        files, rows = made.files(), published(made)
        backfill(tmp_path)
        assert made.files() == files
        assert all(published(made)[name].equals(frame) for name, frame in rows.items())
