"""The sensors: screenshots that come late ask for the hours that they belong to, and those for their days."""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, first_in, range_tags
from cryptopattern_pipelines.resources.stores import LandingFolder

HOUR = timedelta(hours=1)
# A file that changed less than this ago may still be being written: it is left for the next tick.
SETTLED_AFTER_SECONDS = 5.0
# By then the hourly schedule, at seven past, has run an hour that was still going on when its file came.
SCHEDULE_HAS_RUN_AFTER = timedelta(minutes=20)

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
    unsettled = new["changed_ns"] > time.time_ns() - int(SETTLED_AFTER_SECONDS * 1e9)
    settled = new[~unsettled.cummax()]
    return settled, int(settled["number"].max()) if len(settled) else number


def _filled(instance: dg.DagsterInstance, hours: Iterable[datetime]) -> set[datetime]:
    """Those of the hours whose screenshots have been materialised."""
    keys = instance.get_materialized_partitions(dg.AssetKey("raw_screenshots")) if hours else set()
    return {hour for hour in hours if hour.strftime(HOURLY.fmt) in keys}


def days_after_late_screenshots(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that runs the days anew which counted the analyses that late screenshots have changed."""

    @dg.run_status_sensor(
        name="days_after_late_screenshots",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[jobs.late_screenshots],
        request_job=jobs.daily,
        minimum_interval_seconds=30,
        default_status=status,
        description="Late screenshots change the analyses of their hours, and so every day that has counted them.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        first = first_in(context.dagster_run.tags, HOURLY)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if first is None or first >= today:
            return dg.SkipReason("the day isn't over: the daily schedule counts it")
        days = Window(first.replace(hour=0), today)
        return dg.RunRequest(run_key=context.dagster_run.run_id, tags=range_tags(DAILY, days))

    return sensor
