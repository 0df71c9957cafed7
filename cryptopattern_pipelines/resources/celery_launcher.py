"""Runs handed to Celery's workers, with the broker of the settings: named in `deploy/celery/dagster.yaml`.

It differs from `dagster_celery.launcher.CeleryRunLauncher` in three ways. The broker comes from the settings, so that
its password lies with the others. A run waits for the worker that is free, not behind a long one. And a run is given up
when no worker knows of it any more: of one that was killed with its whole machine the broker says STARTED for ever.
"""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

# Dagster's own launchers import these from here; they have no public name.
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from cryptopattern_pipelines.resources.settings import BROKER_VARIABLE, SettingsError, load_settings

_CELERY = {
    # Else a busy worker takes one more, which then waits for it while others are free. Redis alone can do without.
    "worker_disable_prefetch": True,
    # A run lasts six hours at most (`run_monitoring`); what is told of it is asked for while it goes on.
    "result_expires": 24 * 3600,
    # A broker that restarts is waited for, by workers and by who hands out runs.
    "broker_connection_retry_on_startup": True,
}
_ANSWER_SECONDS = 3.0
# One answer may be lost while a machine is short of everything; two in a row, seconds apart, are none.
_MISSED_AT_MOST = 2
# When no worker answers at all, the broker may have been away, and they are on their way back to it.
_SILENT_AT_MOST_SECONDS = 120.0


class SettingsCeleryRunLauncher(CeleryRunLauncher):
    """Dagster's launcher of runs by Celery, on the Redis of the settings."""

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(
            default_queue="dagster", broker=broker, backend=broker, config_source=dict(_CELERY), inst_data=inst_data
        )
        self._missed: Counter[str] = Counter()
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own: everything is in the settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """The launcher of the settings.

        Raises:
            SettingsError: they name no broker.
        """
        broker = load_settings().broker_url.get_secret_value()
        if not broker:
            raise SettingsError(
                f"{BROKER_VARIABLE} is not set, but dagster.yaml hands runs to workers: set it, or start anew"
            )
        return cls(broker, inst_data)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker has the run in hand, by what the broker says and by what the workers say."""
        told = super().check_run_worker_health(run)
        if told.status not in {WorkerStatus.RUNNING, WorkerStatus.UNKNOWN}:
            return told
        answers = self._answers(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
        if any(answers):
            self._missed.pop(run.run_id, None)
            self._silent_since.pop(run.run_id, None)
            # Also where the broker has forgotten it, as a Redis without a disk does when it is restarted.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        silent = now - self._silent_since.setdefault(run.run_id, now)
        self._missed[run.run_id] += bool(answers)
        if self._missed[run.run_id] < _MISSED_AT_MOST and silent < _SILENT_AT_MOST_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "No worker knows of it: the one that had it is gone.")

    def _answers(self, task_id: str) -> list[bool]:
        """For each worker that answers, and one at work does, too: whether it is at this task."""
        information = self.celery.AsyncResult(task_id).info
        hostname = information.get("hostname") if isinstance(information, dict) else None
        asked = [hostname] if hostname else None
        inspect = self.celery.control.inspect(asked, timeout=_ANSWER_SECONDS, limit=1 if asked else None)
        answers = [task_id in tasks for tasks in (inspect.query_task(task_id) or {}).values()]
        # That the one which took it is silent tells something only if the broker still reaches others.
        others = self.celery.control.ping(timeout=_ANSWER_SECONDS) if asked and not answers else []
        return answers or [False] * len(others)
