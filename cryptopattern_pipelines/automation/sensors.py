"""The sensors: late screenshots ask for their hours, hours that were missed for themselves, and both for their days."""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
import pandas as pd
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.again import AGAIN_TAG
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, first_in, range_tags
from cryptopattern_pipelines.resources.stores import LandingFolder, Store
from cryptopattern_pipelines.storage import schemas

HOUR = timedelta(hours=1)
# A file that changed less than this ago may still be being written: it is left for the next tick.
SETTLED_AFTER_SECONDS = 5.0
# By then the hourly schedule, at seven past, has run an hour that was still going on when its file came.
SCHEDULE_HAS_RUN_AFTER = timedelta(minutes=20)
# Binance keeps open interest for 30 days: what is older is better backfilled from the archive, by a person.
MISSED_FOR_AT_MOST = timedelta(days=29)
# On a run that fills missed hours: the first of them.
MISSED_TAG = "cryptopattern/missed"
# And how often it has been asked for, this time included.
ATTEMPT_TAG = "cryptopattern/attempt"
# A gap that its run did not fill, as while the network is down, is asked for again after four times as long each time.
FIRST_WAIT = timedelta(minutes=15)
MOST_ATTEMPTS = 6

Requests = Iterator[dg.RunRequest | dg.SkipReason]


def windows_to_run(hours: Iterable[datetime], reach: timedelta, last: datetime) -> list[Window]:
    """The fewest windows that hold each of the hours and what follows from it for `reach`, up to the hour `last`."""
    windows: list[Window] = []
    for hour in sorted(hours):
        if hour > last:
            continue
        end = min(hour + max(reach, HOUR), last + HOUR)
        if windows and hour <= windows[-1].end:
            windows[-1] = Window(windows[-1].start, max(end, windows[-1].end))
        else:
            windows.append(Window(hour, end))
    return windows


def hours_of(changed: pd.DataFrame, entries: pd.DataFrame) -> set[datetime]:
    """The hours of every copy of the changed files' contents: an earlier copy takes the row from a later one's hour."""
    copies = entries.loc[entries["sha256"].isin(changed["sha256"]), "captured_at"]
    return set(copies.dt.floor("h").dt.to_pydatetime())


def new_screenshots(status: dg.DefaultSensorStatus, reading_age: timedelta) -> dg.SensorDefinition:
    """The sensor of the landing folder; a reading may change the analyses of `reading_age` after it."""

    @dg.sensor(
        name="new_screenshots",
        job=jobs.late_screenshots,
        # Late by at most half a minute; a tick over a folder of known files costs a listing.
        minimum_interval_seconds=30,
        default_status=status,
        description="New files in the landing folder ask for the hours they were captured in, in as few runs as those "
        "hours make ranges. Files of the hour still going on are the hourly schedule's, unless it doesn't run.",
    )
    def sensor(context: dg.SensorEvaluationContext, landing_folder: LandingFolder) -> Requests:
        landing = landing_folder.open()
        now = datetime.now(UTC)
        last_closed = now.replace(minute=0, second=0, microsecond=0) - HOUR
        cursor = _Cursor.read(context.cursor, landing.index_name())
        entries = landing.entries()
        new, through = _settled_since(entries, cursor.number)
        fresh = hours_of(new, entries)
        overdue = {hour for hour in cursor.waiting if hour + HOUR + SCHEDULE_HAS_RUN_AFTER < now}
        waiting = {hour for hour in fresh if hour > last_closed} | (cursor.waiting - overdue)
        windows = windows_to_run(fresh | (overdue - _filled(context.instance, overdue)), reading_age, last_closed)
        for told in landing.unreadable:
            context.log.warning(f"can't be opened, and is passed over: {told}")
        for window in windows:
            tags = range_tags(HOURLY, window)
            yield dg.RunRequest(run_key=f"{'...'.join(tags.values())} of {cursor.index} {through}", tags=tags)
        if not windows:
            told = f"no new file in {landing_folder.folder}" if new.empty else f"{len(new)} new files"
            yield dg.SkipReason(f"{told}; {len(waiting)} hours are still going on" if waiting else told)
        context.update_cursor(_Cursor(cursor.index, through, frozenset(waiting)).written())

    return sensor


class _Cursor:
    """How far an index was seen, and the hours of files that were still going on then."""

    def __init__(self, index: str, number: int, waiting: frozenset[datetime]) -> None:
        self.index, self.number, self.waiting = index, number, waiting

    @classmethod
    def read(cls, text: str | None, index: str) -> "_Cursor":
        """The cursor of this index; an index that was made anew has been seen nothing of."""
        kept: dict[str, Any] = json.loads(text) if text else {}
        waiting = frozenset(datetime.fromisoformat(hour) for hour in kept.get("waiting", []))
        return cls(index, kept["number"] if kept.get("index") == index else 0, waiting)

    def written(self) -> str:
        """The cursor as text."""
        waiting = sorted(hour.isoformat() for hour in self.waiting)
        return json.dumps({"index": self.index, "number": self.number, "waiting": waiting})


def _settled_since(entries: pd.DataFrame, number: int) -> tuple[pd.DataFrame, int]:
    """The entries after a number, up to the first that may still be being written, and the last one's number."""
    new = entries[entries["number"] > number].sort_values("number")
    # A change that lies ahead was made by another clock, or before this one was put back.
    unsettled = (new["changed_ns"] - time.time_ns()).abs() < int(SETTLED_AFTER_SECONDS * 1e9)
    settled = new[~unsettled.cummax()]
    return settled, int(settled["number"].max()) if len(settled) else number


def _filled(instance: dg.DagsterInstance, hours: Iterable[datetime]) -> set[datetime]:
    """Those of the hours whose screenshots have been materialised."""
    keys = instance.get_materialized_partitions(dg.AssetKey("raw_screenshots")) if hours else set()
    return {hour for hour in hours if hour.strftime(HOURLY.fmt) in keys}


def missed_hours(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that fills the hours which nobody ran, such as those while the machine was off."""

    @dg.sensor(
        name="missed_hours",
        job=jobs.hourly,
        minimum_interval_seconds=300,
        default_status=status,
        description="Hours without a file of squeeze_analyses, after the oldest hour of the last 29 days that has one, "
        "are filled: one run for each gap, the newest gap first. The run goes on to the last closed hour, since hours "
        "after a gap look back into it. A gap that can't be filled is asked for six times in three weeks.",
    )
    def sensor(context: dg.SensorEvaluationContext, store: Store) -> dg.RunRequest | dg.SkipReason:
        instance, now = context.instance, datetime.now(UTC)
        if instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES, tags=jobs.WRITES), limit=1):
            return dg.SkipReason("a run is writing tables: gaps are told once it has ended")
        due = (now - SCHEDULE_HAS_RUN_AFTER).replace(minute=0, second=0, microsecond=0)
        present = store.table(schemas.SQUEEZE_ANALYSES).present(due - MISSED_FOR_AT_MOST, due)
        starts = gaps(present, due)
        for start in reversed(starts):
            tags = {MISSED_TAG: start.isoformat()}
            asked = instance.get_run_records(dg.RunsFilter(tags=tags))
            waits = FIRST_WAIT * 4 ** (len(asked) - 1) if asked else timedelta(0)
            if len(asked) < MOST_ATTEMPTS and all(record.create_timestamp + waits <= now for record in asked):
                attempt = str(len(asked) + 1)
                tags |= {ATTEMPT_TAG: attempt, **range_tags(HOURLY, Window(start, due))}
                return dg.RunRequest(run_key=f"missed from {start.isoformat()}, attempt {attempt}", tags=tags)
        told = ", ".join(start.strftime(HOURLY.fmt) for start in starts)
        return dg.SkipReason(f"gaps were asked for already: from {told}" if starts else "no hour was missed")

    return sensor


def gaps(present: Iterable[datetime], end: datetime) -> list[datetime]:
    """The first hour of each gap between the hours that are present, and from the newest up to `end`; oldest first."""
    hours = sorted(present)
    return [hour + HOUR for hour, following in pairwise([*hours, end]) if following > hour + HOUR]


def days_after_late_hours(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that runs the days anew which counted hours that have changed since."""

    @dg.run_status_sensor(
        name="days_after_late_hours",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[jobs.late_screenshots, jobs.hourly],
        request_job=jobs.daily,
        minimum_interval_seconds=30,
        default_status=status,
        description="Late screenshots and missed hours change analyses, and so every day that has counted them.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.job_name == jobs.hourly.name and not {MISSED_TAG, AGAIN_TAG} & set(run.tags):
            return dg.SkipReason("an hour in its turn: the daily schedule counts it")
        first = first_in(run.tags, HOURLY)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if first is None or first >= today:
            return dg.SkipReason("the day isn't over: the daily schedule counts it")
        days = Window(first.replace(hour=0), today)
        return dg.RunRequest(run_key=run.run_id, tags=range_tags(DAILY, days))

    return sensor


def forecasts_after_late_days(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that forecasts the hours anew whose models came after them."""

    @dg.run_status_sensor(
        name="forecasts_after_late_days",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[jobs.daily],
        request_job=jobs.forecasts,
        minimum_interval_seconds=30,
        default_status=status,
        description="Days that are run late, as after missed hours, may bring models for hours that are there already.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        first = first_in(context.dagster_run.tags, DAILY)
        if first is None:
            return dg.SkipReason("a day in its turn: its hours come after it")
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        start = first + timedelta(days=1)
        if start >= now:
            return dg.SkipReason("no hour after those days is over: the hourly schedule forecasts it")
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags=range_tags(HOURLY, Window(start, now)))

    return sensor
