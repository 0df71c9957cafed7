"""The sensors: screenshots that come late ask for the hours that they belong to."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.partitions import HOURLY, Window
from cryptopattern_pipelines.resources.stores import LandingFolder

HOUR = timedelta(hours=1)
# A file that changed less than this ago may still be being written: it is left for the next tick.
SETTLED_AFTER_SECONDS = 5.0


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


def range_tags(window: Window) -> dict[str, str]:
    """The tags that make one run materialise all hourly partitions of a window."""
    first, last = window.start, window.end - HOUR
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.strftime(HOURLY.fmt),
        ASSET_PARTITION_RANGE_END_TAG: last.strftime(HOURLY.fmt),
    }


def new_screenshots(status: dg.DefaultSensorStatus, reading_age: timedelta) -> dg.SensorDefinition:
    """The sensor of the landing folder; a reading may change the analyses of `reading_age` after it."""

    @dg.sensor(
        name="new_screenshots",
        job=jobs.late_screenshots,
        # Late by at most half a minute; a tick over a folder of known files costs a listing.
        minimum_interval_seconds=30,
        default_status=status,
        description="New files in the landing folder ask for the hours they were captured in, in as few runs as those "
        "hours make ranges. Files of the hour still going on are left to the hourly schedule.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, landing_folder: LandingFolder
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # The cursor is the system's own time of change (ctime), which a copy that keeps an old date of
        # modification can't set back: no file is passed over, and none is asked for twice.
        until = time.time_ns() - int(SETTLED_AFTER_SECONDS * 1e9)
        entries = landing_folder.open().entries()
        changed = entries[entries["changed_ns"].between(int(context.cursor or 0), until, inclusive="right")]
        if changed.empty:
            yield dg.SkipReason(f"no new file in {landing_folder.folder}")
            return
        last_closed = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
        windows = windows_to_run(hours_of(changed, entries), reading_age, last_closed)
        context.log.info(f"{len(changed)} new files, {len(windows)} ranges of hours to run")
        for window in windows:
            tags = range_tags(window)
            yield dg.RunRequest(run_key=f"{'...'.join(tags.values())} of {until}", tags=tags)
        if not windows:
            yield dg.SkipReason(f"{len(changed)} new files, all of the hour still going on")
        context.update_cursor(str(until))

    return sensor
