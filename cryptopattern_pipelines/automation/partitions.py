"""The two partitions definitions, and how a run's partitions become a window of time.

Partitions are time alone: symbols, venues and screenshots are rows. A partition exists once it has ended,
so nothing is ever computed from an hour or a day that is still going on.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dagster as dg

# Liquid perpetual markets and the charts made from them begin in 2020. An hourly asset that starts here
# stays under the 100,000 partitions that Dagster advises until 2031.
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)

HOURLY = dg.HourlyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC")
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC")


class Window(NamedTuple):
    """Hours or days from `start` up to, and without, `end`; both UTC."""

    start: datetime
    end: datetime

    def reaching_back(self, lookback: timedelta) -> "Window":
        """The same window from `lookback` before its start, for what its first rows are computed from."""
        return Window(self.start - lookback, self.end)


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of all the partitions that a run was asked for."""
    window = context.partition_time_window
    return Window(window.start.astimezone(UTC), window.end.astimezone(UTC))
