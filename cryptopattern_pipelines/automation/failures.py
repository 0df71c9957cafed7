"""Failures: why a run failed, in a line, and the sensors that tell people of them, and of hours that stay away."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from cryptopattern_pipelines.automation.partitions import partitions_told
from cryptopattern_pipelines.automation.sensors import (
    ATTEMPT_TAG,
    HOUR,
    MISSED_FOR_AT_MOST,
    MISSED_TAG,
    MOST_ATTEMPTS,
)
from cryptopattern_pipelines.resources.notifier import DeliveryError, Notifier
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES
from cryptopattern_pipelines.tracking import ErrorTracker

_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
# Runs that ended at nearly the same time may be recorded in the other order, and a clock may be put back.
_OVERLAP = timedelta(days=1)
# So many hours without a row: a restart or a venue's outage is made up for by itself before.
SILENT_AFTER = timedelta(hours=3)
# A service that is away for hours must not be asked each minute about a hundred failures.
_AT_ONCE = 20


def reason_of(events: Iterable[dg.DagsterEvent]) -> str:
    """Where and why a run failed, in one line, by its events; '' when none of them says."""
    for event in events:
        error = getattr(event.event_specific_data, "error", None)
        if error is not None:
            while error.cause is not None:
                error = error.cause
            told = re.sub(r"^[\w.]+\.(?=\w+: )", "", error.message.strip().splitlines()[0])
            return f"{event.step_key or 'run'}: {told}"
    return ""


def reason_of_run(instance: dg.DagsterInstance, run_id: str) -> str:
    """Where and why a run failed, in one line."""
    page = instance.get_records_for_run(run_id, of_type=_FAILURES)
    events = [record.event_log_entry.get_dagster_event() for record in page.records]
    last = next((event.message for event in reversed(events) if event.message), "its process was killed or is gone")
    return reason_of(events) or last.splitlines()[0]


def failures(status: dg.DefaultSensorStatus, ui: str, tracker: ErrorTracker | None = None) -> dg.SensorDefinition:
    """The sensor that tells people, and what tracks errors, of runs that failed for good; `ui` is the UI's address."""

    @dg.sensor(
        name="failures",
        minimum_interval_seconds=60,
        default_status=status,
        description="A run that failed and is not tried again is told once, with its partitions and the reason: in the "
        "daemon's log, and at the addresses of CRYPTOPATTERN_NOTIFY. A message that can't be delivered is sent again.",
    )
    def sensor(context: dg.SensorEvaluationContext, notifier: dg.ResourceParam[Notifier]) -> dg.SkipReason:
        since, told = _read(context.cursor)
        since = min(since, datetime.now(UTC))
        wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since - _OVERLAP)
        found = sorted(context.instance.get_run_records(wanted), key=lambda record: record.update_timestamp)
        if context.cursor is None:
            told = {record.dagster_run.run_id for record in found}  # what failed before the sensor began is not news
        new = [record for record in found if record.dagster_run.run_id not in told][:_AT_ONCE]
        said = f"told {len(new)} failures" if new else "no run has failed"
        for record in new:
            run = record.dagster_run
            if _is_over(run):
                partitions, reason = partitions_told(run.tags), reason_of_run(context.instance, run.run_id)
                title = f"cryptopattern: {run.job_name}, {partitions}: failed"
                body = f"{reason}\n{ui}/runs/{run.run_id}"
                context.log.error(f"{title}: {body}")
                if tracker is not None:
                    tracker.run_failed(run.run_id, reason, job=run.job_name, partition=partitions, run=run.run_id)
                try:
                    notifier.send(title, body)
                except DeliveryError as error:
                    said = f"not delivered, sent again in a minute: {error}"
                    break
            told.add(run.run_id)
            since = max(since, record.update_timestamp)
        kept = [record.dagster_run.run_id for record in found if record.dagster_run.run_id in told]
        context.update_cursor(json.dumps({"since": since.isoformat(), "told": kept}))
        return dg.SkipReason(said)

    return sensor


def silence(status: dg.DefaultSensorStatus, ui: str) -> dg.SensorDefinition:
    """The sensor that tells people when no hour has come for long, and when they come again."""

    @dg.sensor(
        name="silence",
        minimum_interval_seconds=300,
        default_status=status,
        description=f"No hour of squeeze_analyses for {SILENT_AFTER // HOUR} hours is told once, and once when they "
        "come again. A run that fails is told by `failures`; this one tells what fails no run, as a schedule put off.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, store: Store, notifier: dg.ResourceParam[Notifier]
    ) -> dg.SkipReason:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        present = store.table(SQUEEZE_ANALYSES).present(now - MISSED_FOR_AT_MOST, now)
        # With no hour in a month nothing is new: a fresh installation stays untold, and a silent one silent.
        if not len(present):
            return dg.SkipReason("nothing new to tell")
        newest = present.max()
        is_silent = newest + HOUR <= now - SILENT_AFTER
        if is_silent is (context.cursor == "silent"):
            return dg.SkipReason("nothing new to tell")
        said = "no hour has come" if is_silent else "hours come again"
        since = f"the newest is {newest:%Y-%m-%d %H:%M} UTC"
        context.log.warning(f"{said}: {since}")
        try:
            notifier.send(f"cryptopattern: {said}", f"{since}; `make doctor` says more\n{ui}")
        except DeliveryError as error:
            return dg.SkipReason(f"not delivered, sent again in five minutes: {error}")
        context.update_cursor("silent" if is_silent else "")
        return dg.SkipReason(said)

    return sensor


def _read(cursor: str | None) -> tuple[datetime, set[str]]:
    """When the newest failure that was told happened, and the runs told around then."""
    kept: dict[str, Any] = json.loads(cursor) if cursor else {"since": datetime.now(UTC).isoformat(), "told": []}
    return datetime.fromisoformat(kept["since"]), set(kept["told"])


def _is_over(run: dg.DagsterRun) -> bool:
    """Whether nobody tries a failed run again, so that a person has to look."""
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return False
    # Missed hours are asked for again for weeks: told when they first fail, and when they are given up.
    attempt = run.tags.get(ATTEMPT_TAG)
    return MISSED_TAG not in run.tags or attempt in {None, "1", str(MOST_ATTEMPTS)}
