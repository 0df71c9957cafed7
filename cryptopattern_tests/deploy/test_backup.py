"""A dump of the database gives every table back, on the real server."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from cryptopattern_pipelines.resources.dagster_storage import DAGSTER_SCHEMA
from cryptopattern_pipelines.storage.embedded_binaries import installed_binaries
from cryptopattern_pipelines.storage.postgres import SERVING, claim, publish
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES
from cryptopattern_tests.deploy.compose import COMPOSE
from cryptopattern_tests.storage.test_postgres import HOUR, START, analyses, ask

SCRIPT = COMPOSE / "backup.sh"


def tools() -> Path:
    return installed_binaries() / "bin"


def server_of(url: str) -> dict[str, str]:
    """What Postgres's own tools need to find the database."""
    parts = sa.make_url(url)
    return {"PGHOST": str(parts.query["host"]), "PGUSER": str(parts.username), "PGDATABASE": str(parts.database)}


def back_up(url: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **server_of(url), "BACKUPS": str(folder), **more}
    environment["PATH"] = f"{tools()}:{environment['PATH']}"
    return subprocess.run(["sh", SCRIPT, "once"], env=environment, capture_output=True, text=True, check=False)


def contents(url: str) -> Mapping[str, list[tuple[object, ...]]]:
    """Every row of every table there is, by the table."""
    names = ask(url, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN "
                f"('{SERVING}', '{DAGSTER_SCHEMA}') ORDER BY 1")  # fmt: skip
    return {name: sorted(ask(url, f"SELECT * FROM {name}"), key=repr) for (name,) in names}


@pytest.fixture
def filled(fresh_database: Callable[[], str]) -> str:
    url = fresh_database()
    assert claim(url, "its owner")
    rows = analyses(48)
    publish(url, SQUEEZE_ANALYSES, rows.copy, START, START + 48 * HOUR)
    ask(url, f"CREATE SCHEMA {DAGSTER_SCHEMA}; CREATE TABLE {DAGSTER_SCHEMA}.runs AS SELECT 'a run' AS id; SELECT 1")
    return url


def test_a_restored_dump_has_every_table_and_row(
    filled: str, fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    done = back_up(filled, tmp_path)
    assert done.returncode == 0, done.stderr
    [dump] = tmp_path.glob("*.dump")
    empty = fresh_database()
    # The line that docs/deploy.md gives.
    restore = [str(tools() / "pg_restore"), "--clean", "--if-exists", "--exit-on-error", "--single-transaction",
               "--dbname", server_of(empty)["PGDATABASE"], str(dump)]  # fmt: skip
    for _ in range(2):  # over nothing, and over what is there
        subprocess.run(restore, env={**os.environ, **server_of(empty)}, check=True)
        assert contents(empty) == contents(filled)
    assert len(contents(filled)[f"{SERVING}.squeeze_analyses"]) == 96
    assert claim(empty, "its owner")
    assert not claim(empty, "another")
    publish(empty, SQUEEZE_ANALYSES, pd.DataFrame(columns=SQUEEZE_ANALYSES.names).copy, START, START + HOUR)


def test_a_dump_that_fails_leaves_no_file_and_the_older_ones(filled: str, tmp_path: Path) -> None:
    (tmp_path / "cryptopattern-2024-01-01T00-00-00Z.dump").write_text("older")
    done = back_up(filled, tmp_path, PGDATABASE="nobody_has_this")
    assert done.returncode != 0
    assert "nobody_has_this" in done.stderr
    assert back_up(filled, tmp_path).returncode == 0
    assert len([path for path in tmp_path.iterdir() if path.name != ".lock"]) == 2


def test_only_the_newest_dumps_are_kept(filled: str, tmp_path: Path) -> None:
    for month in range(1, 6):
        (tmp_path / f"cryptopattern-2024-0{month}-01T00-00-00Z.dump").write_text("older")
    shutil.copy(SCRIPT, tmp_path / "not-a-dump")
    assert back_up(filled, tmp_path, BACKUPS_KEPT="3").returncode == 0
    kept = sorted(path.name for path in tmp_path.glob("*.dump"))
    assert len(kept) == 3
    assert kept[:2] == [f"cryptopattern-2024-0{month}-01T00-00-00Z.dump" for month in (4, 5)]
    assert (tmp_path / "not-a-dump").exists()
