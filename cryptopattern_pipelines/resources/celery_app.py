"""What a worker is started with (`cryptopattern worker`): the very Celery application that hands out runs.

Made from Dagster's own instance, so that broker and queue are said once, in the settings and `dagster.yaml`.
"""

from multiprocessing import process

import dagster as dg
from celery.signals import worker_process_init
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task

with dg.DagsterInstance.get() as _instance:
    _launcher = _instance.run_launcher
    assert isinstance(_launcher, CeleryRunLauncher), "dagster.yaml names no launcher by Celery"
    app = _launcher.celery

_OURSELVES = process.current_process()

execute_job = create_execute_job_task(app)


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery tells no types
def _is_a_process_of_its_own(**_: object) -> None:
    """Let a worker's process start the processes that pictures are read in.

    Celery's own multiprocessing (billiard) puts its idea of a process, a daemon that may have no children, in place of
    Python's. The readers' processes end with the pipe to this one, so they can't outlive it.
    """
    process._current_process = _OURSELVES  # type: ignore[attr-defined]  # no public way
