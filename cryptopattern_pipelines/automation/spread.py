"""A range of history as many runs that workers take beside each other, with the rows of one run after another.

One run for a range is the rule of the project; here the range is cut at midnights into parts, and each part of each
stage is a run, handed to Dagster's queue as soon as all that it reads is there. Rows look back, never ahead. So a part
waits for the earlier parts of the stages that it reads and for its own, and for no later one.

What belongs here: the stages, and in which order parts are handed out. Who runs them is Dagster's launcher.
"""

import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

# What `dagster job launch` hands runs out with; none of it has a public name.
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.remote_representation.code_location import CodeLocation
from dagster._core.storage.tags import PRIORITY_TAG, WILL_RETRY_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import BaseWorkspaceRequestContext, WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.failures import reason_of_run
from cryptopattern_pipelines.automation.fill import FillError, whole_days
from cryptopattern_pipelines.automation.housekeeping import FAILED_CHECK, LATE_CHECK
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, partitions_told, range_tags

# On each run of a spread backfill: which backfill, and which part of it. Runs that are tried again keep them.
BACKFILL_TAG, PART_TAG = "cryptopattern/backfill", "cryptopattern/part"

_LOCATION = "cryptopattern"
# A worker writes what its runs say to its own log: there an event for each partition is not worth its place.
_QUIET = logs.from_level("WARNING")
_DAY = timedelta(days=1)
_POLL_SECONDS = 1.0
# Whether a failed run is tried again is written down a moment after its failure.
_LOOKS_BEFORE_FAILED = 3


@dataclass(frozen=True)
class Stage:
    """Tables that are run together, a run for each part, and the stages whose tables they read."""

    name: str
    job: str
    tables: tuple[str, ...]
    needs: tuple[str, ...] = ()
    # A day that is made from the day before it: parts go one after another.
    in_order: bool = False


STAGES = (
    Stage(
        "sources",
        "history",
        (
            "raw_screenshots",
            "quarantined_screenshots",
            "ocr_outputs",
            "classified_images",
            "liquidation_readings",
            "liquidation_levels",
            "dashboard_metrics",
            "market_candles",
            "derivatives_metrics",
            "realised_liquidations",
            "quarantined_market_rows",
        ),
    ),
    Stage("snapshots", "history", ("exchange_snapshots", "market_contradictions"), needs=("sources",)),
    Stage("analyses", "history", ("squeeze_analyses",), needs=("snapshots",)),
    Stage("outcomes", "daily", ("squeeze_events", "win_rates", "pattern_library"), needs=("analyses",)),
    Stage("models", "daily", ("symbols", "squeeze_forecaster"), needs=("outcomes",), in_order=True),
    Stage("forecasts", "forecasts", ("squeeze_forecasts",), needs=("models",)),
    Stage("alerts", "forecasts", ("squeeze_alerts",), needs=("forecasts",)),
)


def parts_of(hours: Window, count: int) -> list[Window]:
    """The window in so many parts of nearly as many days, cut at midnights; fewer where it has fewer days."""
    first = hours.start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = -(-(hours.end - first) // _DAY)
    count = max(1, min(count, days))
    cuts = [first + round(days * number / count) * _DAY for number in range(1, count)]
    return [Window(start, end) for start, end in zip([hours.start, *cuts], [*cuts, hours.end], strict=True)]


@dataclass(frozen=True)
class Part:
    """One part of one stage."""

    stage: Stage
    number: int
    window: Window | None

    def label(self, count: int) -> str:
        """What its runs bear and people see."""
        return f"{self.stage.name} {self.number + 1} of {count}"


def plan(hours: Window, count: int) -> dict[str, list[Part]]:
    """Each stage's parts, oldest first; a part of days that holds no whole day has no window."""
    windows = parts_of(hours, count)
    return {
        stage.name: [
            Part(stage, number, whole_days(window) if stage.job == "daily" else window)
            for number, window in enumerate(windows)
        ]
        for stage in STAGES
    }


def may_start(part: Part, done: Mapping[str, int]) -> bool:
    """Whether all that a part reads is there; `done` counts each stage's leading parts that are."""
    reads = all(done[need] > part.number for need in part.stage.needs)
    return reads and (not part.stage.in_order or done[part.stage.name] >= part.number)


def spread(instance: dg.DagsterInstance, hours: Window, count: int, console: Console) -> str:
    """Fill the hours, days and forecasts of a window by runs that the daemon hands out; the tag that they bear.

    Runs that failed and are tried again (`run_retries`) are waited for. When one fails for good, or this process is
    interrupted, those that wait in the queue are taken back; what is under way ends by itself. All of it may be run
    again.

    Raises:
        FillError: a part failed for good; the message names it and the reason.
    """
    backfill = uuid.uuid4().hex[:12]
    stages = plan(hours, count)
    with _workspace(instance) as workspace, _progress(sum(map(len, stages.values())), console) as progress:
        try:
            _hand_out(instance, workspace, stages, backfill, progress)
        finally:
            _take_back(instance, backfill)
    return backfill


def _hand_out(
    instance: dg.DagsterInstance,
    workspace: BaseWorkspaceRequestContext,
    stages: Mapping[str, list[Part]],
    backfill: str,
    progress: Progress,
) -> None:
    count = len(stages[STAGES[0].name])
    waiting = [part for parts in stages.values() for part in parts]
    finished: set[tuple[str, int]] = set()
    under_way: dict[str, Part] = {}
    failing: dict[str, int] = {}
    while waiting or under_way:
        done = {name: _leading(name, finished, count) for name in stages}
        for part in [part for part in waiting if may_start(part, done)]:
            waiting.remove(part)
            if part.window is None:
                finished.add((part.stage.name, part.number))
                continue
            label = part.label(count)
            _submit(instance, workspace, part, {BACKFILL_TAG: backfill, PART_TAG: label})
            under_way[label] = part
        runs = _runs_by_part(instance, backfill)
        for label, part in list(under_way.items()):
            of_part = runs.get(label, [])
            if any(run.is_success for run in of_part):
                finished.add((part.stage.name, part.number))
                del under_way[label]
            elif of_part and _is_over(of_part[0]):
                failing[label] = failing.get(label, 0) + 1
                if failing[label] >= _LOOKS_BEFORE_FAILED:
                    run = of_part[0]
                    reason = reason_of_run(instance, run.run_id)
                    raise FillError(f"{label} ({partitions_told(run.tags)}) failed: {reason}")
        going = ", ".join(under_way) or "…"
        progress.update(progress.task_ids[0], completed=len(finished), description=going)
        if under_way:
            time.sleep(_POLL_SECONDS)


def _leading(stage: str, finished: set[tuple[str, int]], count: int) -> int:
    return next((number for number in range(count) if (stage, number) not in finished), count)


def _is_over(run: dg.DagsterRun) -> bool:
    return run.is_finished and run.tags.get(WILL_RETRY_TAG) != "true"


def _runs_by_part(instance: dg.DagsterInstance, backfill: str) -> dict[str, list[dg.DagsterRun]]:
    """The runs of a backfill by the part, the newest first."""
    found: dict[str, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill})):
        found.setdefault(run.tags[PART_TAG], []).append(run)
    return found


def _take_back(instance: dg.DagsterInstance, backfill: str) -> None:
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], tags={BACKFILL_TAG: backfill})
    for run in instance.get_runs(queued):
        instance.run_coordinator.cancel_run(run.run_id)


@contextmanager
def _workspace(instance: dg.DagsterInstance) -> Iterator[BaseWorkspaceRequestContext]:
    """The code location of this process, under the name by which daemon and workers know theirs."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name="cryptopattern_pipelines.definitions"),
        location_name=_LOCATION,
    )
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as process:
        yield process.create_request_context()


def _submit(
    instance: dg.DagsterInstance, workspace: BaseWorkspaceRequestContext, part: Part, tags: Mapping[str, str]
) -> None:
    """Put the run of a part into Dagster's queue."""
    assert part.window is not None
    location: CodeLocation = workspace.get_code_location(_LOCATION)
    [repository] = location.get_repositories().values()
    assets = _assets(part.stage.tables)
    # An asset's own checks; those that look at partitions are one piece, and run once a day.
    checks = {
        check
        for check in repository.asset_graph.asset_check_keys
        if check.asset_key in assets and check.name not in {FAILED_CHECK, LATE_CHECK}
    }
    selector = JobSubsetSelector(location.name, repository.name, part.stage.job, None, assets, checks)
    job = location.get_job(selector)
    plan_of_run = location.get_execution_plan(
        job, run_config=_QUIET, step_keys_to_execute=None, known_state=None, instance=instance
    ).execution_plan_snapshot
    run = instance.create_run(
        job_name=job.name,
        run_id=None,
        run_config=_QUIET,
        status=None,
        tags={
            **range_tags(DAILY if part.stage.job == "daily" else HOURLY, part.window),
            **tags,
            # What is scheduled comes first.
            PRIORITY_TAG: "-1",
        },
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=plan_of_run.step_keys_to_execute,
        execution_plan_snapshot=plan_of_run,
        job_snapshot=job.job_snapshot,
        parent_job_snapshot=job.parent_job_snapshot,
        asset_selection=job.asset_selection,
        asset_check_selection=job.asset_check_selection,
        resolved_op_selection=job.resolved_op_selection,
        op_selection=None,
        remote_job_origin=job.get_remote_origin(),
        job_code_origin=job.get_python_origin(),
        asset_graph=repository.asset_graph,
    )
    instance.submit_run(run.run_id, workspace)


def _assets(tables: Sequence[str]) -> list[dg.AssetKey]:
    """The assets of tables, and those that publish them."""
    return [key for table in tables for key in (dg.AssetKey(table), dg.AssetKey(["serving", table]))]


@contextmanager
def _progress(total: int, console: Console) -> Iterator[Progress]:
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        progress.add_task("…", total=total)
        yield progress
