"""Killed in the middle of a backfill and run again, the store is as if it had run once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.postgres import migrate
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.integration.facts import IMPOSSIBLE_AT, spoil_archive
from cryptopattern_tests.integration.installation import SAMPLES, Installation, tables_of

DAYS = ("2025-01-27", "2025-01-30")
HOURS = 72
PROGRAM = str(Path(sys.executable).with_name("cryptopattern"))
COMMAND = [PROGRAM, "backfill", "--from", DAYS[0], "--to", DAYS[1]]
PATIENCE_SECONDS = 120


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CRYPTOPATTERN_DATA": str(folder),
        "CRYPTOPATTERN_LANDING": str(SAMPLES / "landing"),
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": str(folder / "spoilt"),
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


def prepare(folder: Path) -> None:
    """The sample's archive with broken rows in it, so that there is something to set aside."""
    spoil_archive(SAMPLES / "data", folder / "spoilt" / "data")


def backfill(folder: Path) -> None:
    done = subprocess.run(COMMAND, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kill_backfill_when(folder: Path, there: Callable[[], bool]) -> None:
    """Start a backfill, and kill it without warning at a place; it goes on by milliseconds until it is there."""
    with (folder / "killed.log").open("ab") as log:
        process = subprocess.Popen(COMMAND, env=environment(folder), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                assert process.poll() is None, f"it had ended before: {(folder / 'killed.log').read_text()}"
                assert time.monotonic() < deadline, f"it never got there: {(folder / 'killed.log').read_text()}"
                # Looked at while it stands still: a table is written in less time than a look may take.
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if there():
                    break
                process.send_signal(signal.SIGCONT)
                time.sleep(0.004)
            assert process.poll() is None, "the backfill had ended before it could be killed"
        finally:
            process.kill()
            process.wait()
    assert process.returncode == -signal.SIGKILL


def kill_while_a_table_is_written(folder: Path, made: Installation) -> None:
    root = Path(made.settings.store_root)

    def half_written() -> bool:
        """A part of a table's files is there, and the others are not."""
        return any(0 < files_of(root, name) < HOURS for name in tables_of("hour"))

    kill_backfill_when(folder, half_written)
    assert half_written()


def kill_while_a_table_is_published(folder: Path, made: Installation) -> None:
    server = EmbeddedPostgres(made.settings.postgres_folder)
    server.start()
    url = server.url("cryptopattern")
    migrate(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    looking = engine.execution_options(isolation_level="AUTOCOMMIT")
    # Readers may read, but the one who publishes has to wait here, inside its transaction.
    with engine.connect() as holder, looking.connect() as watcher:
        holder.execute(sa.text("LOCK TABLE serving.squeeze_analyses IN SHARE MODE"))
        waiting = sa.text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'serving.squeeze_analyses'::regclass"
        )
        kill_backfill_when(folder, lambda: bool(watcher.execute(waiting).scalar_one()))
        holder.rollback()
    rows = published(made)
    assert len(rows["market_candles"]) > 0, "nothing was published yet"
    assert rows["squeeze_analyses"].empty, "all was published already"
    assert files_of(Path(made.settings.store_root), "squeeze_analyses") == HOURS


def kill_in_the_daily_job(folder: Path, made: Installation) -> None:
    root = Path(made.settings.store_root)
    daily = tables_of("day")
    assert not any((root / name).exists() for name in daily)
    kill_backfill_when(folder, lambda: any((root / name).exists() for name in daily))
    rows = published(made)
    assert len(rows["squeeze_analyses"]) == 3 * HOURS, "the hourly job had not ended"
    assert rows["win_rates"].empty, "the daily job had ended"


def files_of(root: Path, table: str) -> int:
    return len(list((root / table).glob("date=*/*.parquet")))


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
        prepare(tmp_path / name)
    with installation(tmp_path / "calm") as calm, installation(tmp_path / "killed") as killed:
        backfill(tmp_path / "calm")
        for kill in (kill_while_a_table_is_written, kill_while_a_table_is_published, kill_in_the_daily_job):
            kill(tmp_path / "killed", killed)
        backfill(tmp_path / "killed")

        assert killed.files() == calm.files()
        partitions = sum(24 if table.partition == "hour" else 1 for table in TABLES.values())
        assert sum(not name.startswith("_set_aside") for name in calm.files()) == 3 * partitions
        left = list(Path(killed.settings.store_root).rglob(".*"))
        assert left == [], "a killed writer's unfinished files were not swept"
        here, there = published(calm), published(killed)
        for name in TABLES:
            pd.testing.assert_frame_equal(here[name], there[name], obj=name)
        assert len(here["squeeze_analyses"]) == 24 * 3 * 3
        assert len(here["quarantined_market_rows"]) == len(IMPOSSIBLE_AT) * 3


def test_a_backfill_run_twice_changes_nothing(tmp_path: Path) -> None:
    prepare(tmp_path)
    with installation(tmp_path) as made:
        backfill(tmp_path)
        files, rows = made.files(), published(made)
        backfill(tmp_path)
        assert made.files() == files
        assert all(published(made)[name].equals(frame) for name, frame in rows.items())
