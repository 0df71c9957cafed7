"""Fill a range of partitions by one run of a job, in this process, with its progress shown.

The daemon can do the same from the UI; here no daemon is needed, and nobody waits for its ticks.
"""

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
import dagster as dg
import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.failures import reason_of
from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.automation.partitions import (
    DAILY,
    FIRST_DAY,
    HOURLY,
    Partitions,
    Window,
    keys_in,
    range_tags,
)
from cryptopattern_pipelines.storage.parquet import TableStore


class FillError(click.ClickException):
    """A range can't be filled; the message says which and why."""


def window_to_fill(start: datetime, end: datetime) -> Window:
    """The window [start, end), if all its hours are over.

    Raises:
        FillError: it is empty, begins before the first partition, or reaches into time that isn't over.
    """
    if start >= end:
        raise FillError(f"nothing between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}: the end is not included")
    if start < FIRST_DAY:
        raise FillError(f"{start:%Y-%m-%d} is before the first partition, {FIRST_DAY:%Y-%m-%d}")
    over = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if end > over:
        raise FillError(
            f"{end:%Y-%m-%d %H:%M} is not over yet: the last hour that is ended at {over:%Y-%m-%d %H:%M} UTC"
        )
    return Window(start, end)


def whole_days(window: Window) -> Window | None:
    """The days that lie wholly in a window of hours; None when there is no such day."""
    start = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    start += timedelta(days=1) if start < window.start else timedelta(0)
    end = window.end.replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(start, end) if start < end else None


def keys_of(job: dg.JobDefinition, window: Window) -> list[str]:
    """The keys of the job's partitions in a window."""
    return keys_in(_partitions_of(job), window)


def _partitions_of(job: dg.JobDefinition) -> Partitions:
    return HOURLY if job.partitions_def == HOURLY else DAILY


def run_tags(job: dg.JobDefinition, window: Window) -> dict[str, str]:
    """What a run of the job in this process bears: its partitions, and the process whose death is its end."""
    return {**range_tags(_partitions_of(job), window), PROCESS_TAG: _this_process()}


def fill_history(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    store: TableStore,
    hours: Window,
    console: Console,
    *,
    only_missing: bool = False,
) -> bool:
    """Fill the hours, then the days, then the forecasts of a window, each in one run; whether there was anything to do.

    Forecasts take their models from the days before them, and days come after hours: so they have a run after the days,
    and none before, where they would be made without those models.

    Raises:
        FillError: a run failed; the message names the step and the reason.
    """
    history, daily, forecasts = (definitions.resolve_job_def(name) for name in ("history", "daily", "forecasts"))
    ran = False
    for job, window in ((history, hours), (daily, whole_days(hours)), (forecasts, hours)):
        if window is None:
            continue
        # The schedule leaves forecasts, too, but made without the models of days that were run after them.
        stale = job is forecasts and (ran or not has_run(job, window, instance))
        if only_missing and not stale and is_filled(job, window, instance, store):
            continue
        fill(job, window, instance, console)
        ran = True
    return ran


def is_filled(job: dg.JobDefinition, window: Window, instance: dg.DagsterInstance, store: TableStore) -> bool:
    """Whether every asset of the job has been materialised for every partition of the window, and its file is there."""
    wanted = set(keys_of(job, window))
    assets = job.asset_layer.selected_asset_keys
    tables = [key.path[0] for key in assets if len(key.path) == 1]
    return all(wanted <= set(instance.get_materialized_partitions(key)) for key in assets) and all(
        len(store.table(name).present(*window)) == len(wanted) for name in tables
    )


def has_run(job: dg.JobDefinition, window: Window, instance: dg.DagsterInstance) -> bool:
    """Whether a run of the job over this very window has gone well."""
    tags = range_tags(_partitions_of(job), window)
    wanted = dg.RunsFilter(job_name=job.name, statuses=[dg.DagsterRunStatus.SUCCESS], tags=tags)
    return bool(instance.get_runs(wanted, limit=1))


def fill(job: dg.JobDefinition, window: Window, instance: dg.DagsterInstance, console: Console) -> str:
    """Materialise every asset of the job for the whole window, in one run; its id.

    Raises:
        FillError: the run failed; the message names the step and the reason.
    """
    keys = keys_of(job, window)
    end_dead_runs(instance)
    run_id = str(uuid.uuid4())
    tags = run_tags(job, window)
    with _progress(job, len(keys), run_id, instance, console) as went_well:
        result = job.execute_in_process(logs.of_range(job), instance, raise_on_error=False, run_id=run_id, tags=tags)
        if result.success:
            went_well.set()
    if not result.success:
        failed = result.filter_events(lambda event: event.is_step_failure or event.is_run_failure)
        reason = reason_of(failed) or "see the run in the UI"
        if dg.DagsterExecutionInterruptedError.__name__ in reason:  # Ctrl-C: Dagster tells it as a step's failure
            raise FillError(f"{job.name} {keys[0]} … {keys[-1]} was stopped: say it again, and it is made whole")
        raise FillError(f"{job.name} {keys[0]} … {keys[-1]} failed: {reason}")
    return run_id


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Report as failed the runs of `fill` whose process is gone: nobody else would, and they would stay STARTED."""
    going = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=going)):
        process = run.tags.get(PROCESS_TAG)
        if process and process.startswith(f"{socket.gethostname()}:") and not _is_alive(process):
            instance.report_run_failed(run, "the process that ran it is gone (killed, or the machine was restarted)")


def _this_process() -> str:
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def _is_alive(tag: str) -> bool:
    _, pid, created = tag.rsplit(":", 2)
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == created
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _progress(
    job: dg.JobDefinition, partitions: int, run_id: str, instance: dg.DagsterInstance, console: Console
) -> Iterator[threading.Event]:
    """Show which step is running, how many are done and for how long, while the body runs.

    The body sets the event when all went well.
    """
    unit = "hours" if _partitions_of(job) is HOURLY else "days"
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[job]}[/] {task.fields[range]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    ended, went_well = threading.Event(), threading.Event()
    with Progress(*columns, console=console) as progress:
        total = len(job.asset_layer.selected_asset_keys)
        task = progress.add_task("starting", total=total, job=job.name, range=f"{partitions:,} {unit}")

        def follow() -> None:
            kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
            cursor = None
            while True:
                last_look = ended.wait(0.3)
                page = instance.get_records_for_run(run_id, cursor=cursor, of_type=kinds)
                cursor = page.cursor
                for record in page.records:
                    event = record.event_log_entry.get_dagster_event()
                    if event.event_type == dg.DagsterEventType.STEP_START:
                        progress.update(task, description=str(event.step_key).replace("__", "."))
                    else:
                        progress.advance(task)
                if last_look and not page.has_more:
                    progress.update(task, description="done" if went_well.is_set() else "[red]failed[/]")
                    if not went_well.is_set():
                        progress.stop_task(task)
                    return

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield went_well
        finally:
            ended.set()
            watcher.join(timeout=5)
