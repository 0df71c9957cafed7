"""Spread over Celery's workers, the store on S3 and a worker killed: the rows are those of one run on one machine."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import boto3
import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa
from rich.console import Console

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.automation.spread import BACKFILL_TAG, PART_TAG, STAGES, spread
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.resources.celery_launcher import SettingsCeleryRunLauncher
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.integration.cluster import Cluster, cluster
from cryptopattern_tests.integration.installation import SAMPLES, Installation

DAYS = Window(datetime(2025, 1, 28, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
PARTS = 2
PATIENCE_SECONDS = 900


@pytest.fixture
def spread_settings(
    tmp_path: Path, fresh_database: Callable[[], str], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """A cluster over the sample with its store on S3, and this process as one of its commands."""
    given = {
        "CRYPTOPATTERN_STORE_URL": f"{bucket}/store",
        "CRYPTOPATTERN_DATABASE_URL": fresh_database(),
        "CRYPTOPATTERN_LANDING": str(SAMPLES / "landing"),
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": str(SAMPLES),
        "CRYPTOPATTERN_AUTOMATION": "false",
        "OMP_THREAD_LIMIT": "1",
    }
    (tmp_path / "spread").mkdir()
    with cluster(tmp_path / "spread", given, workers=2) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        prepare_home(load_settings())
        yield made


def one_machine(folder: Path, database_url: str) -> Installation:
    """The same range by one run of each job, in this process, into a folder."""
    at = Installation.at(folder, database_url).settings
    made = Installation(at.model_copy(update={"store_url": str(folder / "store")}))
    for job in ("history", "daily", "forecasts"):
        assert made.run(job, DAYS).success
    return made


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects_of(store_url: str) -> dict[str, bytes]:
    name, _, prefix = store_url.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=f"{prefix}/")
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    return {key.removeprefix(f"{prefix}/"): client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


def rows_of(url: str) -> Mapping[str, pd.DataFrame]:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return {
            name: pd.read_sql(sa.text(f"SELECT * FROM serving.{name} ORDER BY {', '.join(table.key)}"), connection)
            for name, table in TABLES.items()
        }


def kill_at_work(made: Cluster, instance: dg.DagsterInstance, worker: str) -> str:
    """Kill a worker without warning while it has a run in hand; that run's id."""
    launcher = instance.run_launcher
    assert isinstance(launcher, SettingsCeleryRunLauncher)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            told = launcher.celery.AsyncResult(run.tags["dagster-celery/task_id"])
            if told.state == "STARTED" and told.info["hostname"] == f"cryptopattern@{worker}":
                made.kill(worker)
                return run.run_id
        time.sleep(0.05)
    raise AssertionError(f"{worker} had no run: {made.log(worker).read_text()[-2000:]}")


def test_spread_over_workers_of_whom_one_is_killed_it_is_as_on_one_machine(
    spread_settings: Cluster, tmp_path: Path, fresh_database: Callable[[], str]
) -> None:
    spread_settings.start_daemon()
    for worker in ("one", "two"):
        spread_settings.start_worker(worker)
    url = fresh_database()
    alone = one_machine(tmp_path / "alone", url)  # while the others come up

    told: list[BaseException | str] = []

    def fill(instance: dg.DagsterInstance) -> None:
        try:
            told.append(spread(instance, DAYS, PARTS, Console(quiet=True)))
        except BaseException as error:  # noqa: BLE001 (told by the test)
            told.append(error)

    with dg.DagsterInstance.get() as instance:
        filling = threading.Thread(target=fill, args=(instance,))
        filling.start()
        killed = kill_at_work(spread_settings, instance, "two")
        filling.join(PATIENCE_SECONDS)
        assert not filling.is_alive()
        [backfill] = told
        assert isinstance(backfill, str), backfill
        runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill}))

    # It cost its own run, which was run again, and nothing else.
    [failed] = [run for run in runs if not run.is_success]
    assert failed.run_id == killed
    assert [run.tags[PART_TAG] for run in runs if run.parent_run_id == killed] == [failed.tags[PART_TAG]]
    assert len(runs) == len(STAGES) * PARTS + 1

    here, there = files_of(Path(alone.settings.store_root)), objects_of(os.environ["CRYPTOPATTERN_STORE_URL"])
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert sum(name.endswith(".parquet") for name in here) > 600
    mine, theirs = rows_of(url), rows_of(os.environ["CRYPTOPATTERN_DATABASE_URL"])
    for name in TABLES:
        pd.testing.assert_frame_equal(mine[name], theirs[name], obj=name)
    assert len(mine["squeeze_analyses"]) == 2 * 24 * 3
    assert len(mine["liquidation_readings"]) > 0
