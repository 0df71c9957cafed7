"""The two partitions definitions, and how a run's partitions become a window of time.

Partitions are time alone: symbols, venues and screenshots are rows. A partition exists once it has ended,
so nothing is ever computed from an hour or a day that is still going on.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from cryptopattern_pipelines.storage.schemas import TableSchema

# Liquid perpetual markets and the charts made from them begin in 2020. An hourly asset that starts here
# stays under the 100,000 partitions that Dagster advises until 2031.
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)

HOURLY = dg.HourlyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC")
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC")

Partitions = dg.TimeWindowPartitionsDefinition


class Window(NamedTuple):
    """Hours or days from `start` up to, and without, `end`; both UTC."""

    start: datetime
    end: datetime

    def reaching_back(self, lookback: timedelta) -> "Window":
        """The same window from `lookback` before its start, for what its first rows are computed from."""
        return Window(self.start - lookback, self.end)


def partitions_of(table: TableSchema) -> Partitions:
    """The partitions definition of a table's asset, and of the asset that publishes it."""
    return HOURLY if table.partition == "hour" else DAILY


def keys_in(partitions: Partitions, window: Window) -> list[str]:
    """The keys of the partitions in a window, oldest first."""
    return list(partitions.get_partition_keys_in_time_window(dg.TimeWindow(*window)))


def range_tags(partitions: Partitions, window: Window) -> dict[str, str]:
    """The tags that make one run materialise all partitions of a window."""
    keys = keys_in(partitions, window)
    return {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}


def first_in(tags: Mapping[str, str], partitions: Partitions) -> datetime | None:
    """When the first partition begins that a run's tags ask for; None for a run of no range."""
    key = tags.get(ASSET_PARTITION_RANGE_START_TAG)
    return None if key is None else partitions.time_window_for_partition_key(key).start


def partitions_told(tags: Mapping[str, str]) -> str:
    """Which partitions a run's tags ask for, for people."""
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first is None or last is None:
        return tags.get(PARTITION_NAME_TAG, "no partition")
    return first if first == last else f"{first} to {last}"


def window_told(tags: Mapping[str, str], partitions: Partitions) -> Window | None:
    """The window of the partitions that a run's tags ask for; None for a run of none."""
    one = tags.get(PARTITION_NAME_TAG)
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG, one), tags.get(ASSET_PARTITION_RANGE_END_TAG, one)
    if first is None or last is None:
        return None
    start, end = (partitions.time_window_for_partition_key(key) for key in (first, last))
    return Window(start.start.astimezone(UTC), end.end.astimezone(UTC))


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of all the partitions that a run was asked for."""
    window = context.partition_time_window
    return Window(window.start.astimezone(UTC), window.end.astimezone(UTC))
