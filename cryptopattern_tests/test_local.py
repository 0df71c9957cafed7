"""What `up` finds after everything died at once: runs that nobody ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, instance_for_test

from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.local import end_orphaned_runs
from cryptopattern_pipelines.resources.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_for_test() as one:
        yield one


def going(instance: dg.DagsterInstance, **tags: str) -> str:
    return create_run_for_test(instance, "hourly", status=dg.DagsterRunStatus.STARTED, tags=tags).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_runs_whose_processes_are_gone_are_ended(settings: Settings, instance: dg.DagsterInstance) -> None:
    of_daemon, of_command = going(instance), going(instance, **{PROCESS_TAG: "here:1:1"})
    assert end_orphaned_runs(settings, instance) == 1
    assert status(instance, of_daemon) == dg.DagsterRunStatus.FAILURE
    assert status(instance, of_command) == dg.DagsterRunStatus.STARTED


def test_nothing_is_ended_while_a_process_of_the_installation_lives(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run = going(instance)
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "dagster api grpc"]
    environment = {**os.environ, "DAGSTER_HOME": str(settings.dagster_home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert end_orphaned_runs(settings, instance) == 0
        worker.kill()
    assert status(instance, run) == dg.DagsterRunStatus.STARTED
    assert end_orphaned_runs(settings, instance) == 1
