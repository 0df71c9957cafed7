"""When a run is given up: by what the broker says of it, and by what the workers say."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from cryptopattern_pipelines.resources.celery_launcher import SettingsCeleryRunLauncher
from cryptopattern_pipelines.resources.settings import SettingsError

RUN = dg.DagsterRun(job_name="hourly", tags={"dagster-celery/task_id": "a task"})
HERE = {"cryptopattern@here": {"a task": ["active", {}]}}
NOT_HERE: dict[str, dict[str, Any]] = {"cryptopattern@here": {}}


@pytest.fixture
def launcher() -> SettingsCeleryRunLauncher:
    return SettingsCeleryRunLauncher("redis://127.0.0.1:1/0")


@pytest.fixture
def looks(
    launcher: SettingsCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, object, object], WorkerStatus]:
    """One look at the run: the broker tells this state and this of it, the workers answer this, and others a ping."""

    def look(state: str, told: object, answers: object, others: int = 0) -> WorkerStatus:
        result = mock.Mock(state=state, info=told)
        monkeypatch.setattr(launcher.celery, "AsyncResult", lambda _: result)
        inspect = mock.Mock(return_value=mock.Mock(query_task=lambda _: answers))
        monkeypatch.setattr(type(launcher.celery.control), "inspect", inspect)
        ping = mock.Mock(return_value=[{"ok": "pong"}] * others)
        monkeypatch.setattr(type(launcher.celery.control), "ping", ping)
        status: WorkerStatus = launcher.check_run_worker_health(RUN).status
        return status

    return look


def test_a_run_that_its_worker_has_in_hand_goes_on(looks: Callable[..., WorkerStatus]) -> None:
    assert looks("STARTED", {"hostname": "cryptopattern@here"}, HERE) == WorkerStatus.RUNNING


def test_a_run_that_no_worker_knows_of_twice_in_a_row_is_given_up(looks: Callable[..., WorkerStatus]) -> None:
    of_dead = {"hostname": "cryptopattern@here"}
    assert looks("STARTED", of_dead, None, 1) == WorkerStatus.RUNNING
    assert looks("STARTED", of_dead, HERE) == WorkerStatus.RUNNING
    assert looks("STARTED", of_dead, None, 1) == WorkerStatus.RUNNING
    assert looks("STARTED", of_dead, NOT_HERE) == WorkerStatus.FAILED


def test_when_no_worker_answers_at_all_they_have_time_to_come_back_to_the_broker(
    looks: Callable[..., WorkerStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_silent = {"hostname": "cryptopattern@here"}
    now = mock.Mock(return_value=1000.0)
    monkeypatch.setattr("cryptopattern_pipelines.resources.celery_launcher.time.monotonic", now)
    for _ in range(5):
        assert looks("STARTED", of_silent, None) == WorkerStatus.RUNNING
    assert looks("STARTED", of_silent, HERE) == WorkerStatus.RUNNING
    now.return_value = 2000.0
    assert looks("STARTED", of_silent, None) == WorkerStatus.RUNNING
    now.return_value = 2121.0
    assert looks("STARTED", of_silent, None) == WorkerStatus.FAILED


def test_a_broker_that_forgot_does_not_end_what_a_worker_has_in_hand(looks: Callable[..., WorkerStatus]) -> None:
    for _ in range(3):
        assert looks("PENDING", None, HERE) == WorkerStatus.RUNNING
    assert looks("PENDING", None, NOT_HERE) == WorkerStatus.RUNNING
    assert looks("PENDING", None, NOT_HERE) == WorkerStatus.FAILED


@pytest.mark.parametrize(("state", "status"), [("SUCCESS", WorkerStatus.SUCCESS), ("FAILURE", WorkerStatus.FAILED)])
def test_what_the_broker_knows_to_be_over_is_over(
    looks: Callable[..., WorkerStatus], state: str, status: WorkerStatus
) -> None:
    assert looks(state, None, HERE) == status


def test_a_busy_worker_takes_no_further_run(launcher: SettingsCeleryRunLauncher) -> None:
    assert launcher.celery.conf.worker_disable_prefetch is True
    assert launcher.celery.conf.task_acks_late is False
    assert launcher.celery.conf.broker_url == "redis://127.0.0.1:1/0"


def test_without_a_broker_there_is_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTOPATTERN_BROKER_URL", raising=False)
    with pytest.raises(SettingsError, match="CRYPTOPATTERN_BROKER_URL is not set"):
        SettingsCeleryRunLauncher.from_config_value(None, {})  # type: ignore[arg-type]
