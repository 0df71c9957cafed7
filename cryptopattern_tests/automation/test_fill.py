"""Which windows may be filled, and what becomes of runs whose process is gone."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from cryptopattern_pipelines.automation.fill import (
    FillError,
    _this_process,
    end_dead_runs,
    has_run,
    run_tags,
    whole_days,
    window_to_fill,
)
from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.resources.settings import load_settings

MIDNIGHT = datetime(2024, 6, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (MIDNIGHT, MIDNIGHT, "nothing between"),
        (MIDNIGHT, MIDNIGHT - HOUR, "nothing between"),
        (datetime(2019, 1, 1, tzinfo=UTC), MIDNIGHT, "before the first partition"),
        (MIDNIGHT, datetime.now(UTC) + HOUR, "not over yet"),
    ],
)
def test_a_window_that_can_not_be_filled_is_refused_with_the_reason(start: datetime, end: datetime, told: str) -> None:
    with pytest.raises(FillError, match=told):
        window_to_fill(start, end)


def test_days_are_those_that_lie_wholly_in_the_hours() -> None:
    day = timedelta(days=1)
    assert whole_days(Window(MIDNIGHT, MIDNIGHT + 2 * day)) == Window(MIDNIGHT, MIDNIGHT + 2 * day)
    assert whole_days(Window(MIDNIGHT + HOUR, MIDNIGHT + 3 * day - HOUR)) == Window(MIDNIGHT + day, MIDNIGHT + 2 * day)
    assert whole_days(Window(MIDNIGHT + HOUR, MIDNIGHT + day)) is None


def test_a_run_whose_process_is_gone_is_reported_and_a_living_one_is_not() -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "from cryptopattern_pipelines.automation.fill import _this_process as p; print(p())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with dg.DagsterInstance.ephemeral() as instance:
        started = dg.DagsterRunStatus.STARTED
        dead = create_run_for_test(instance, status=started, tags={PROCESS_TAG: gone})
        living = create_run_for_test(instance, status=started, tags={PROCESS_TAG: _this_process()})
        strange = create_run_for_test(instance, status=started)
        end_dead_runs(instance)
        status = {run.run_id: run.status for run in instance.get_runs()}
    assert status[dead.run_id] == dg.DagsterRunStatus.FAILURE
    assert status[living.run_id] == status[strange.run_id] == started


def test_a_job_has_run_over_a_window_only_when_that_very_window_went_well() -> None:
    window, longer = Window(MIDNIGHT, MIDNIGHT + 3 * HOUR), Window(MIDNIGHT, MIDNIGHT + 4 * HOUR)
    job = build_definitions(load_settings(automation=False)).resolve_job_def("forecasts")
    with dg.DagsterInstance.ephemeral() as instance:
        create_run_for_test(instance, "forecasts", tags=run_tags(job, window), status=dg.DagsterRunStatus.FAILURE)
        assert not has_run(job, window, instance)
        create_run_for_test(instance, "forecasts", tags=run_tags(job, window), status=dg.DagsterRunStatus.SUCCESS)
        assert has_run(job, window, instance)
        assert not has_run(job, longer, instance)
