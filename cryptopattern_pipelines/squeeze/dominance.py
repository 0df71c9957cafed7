"""Which side's liquidations dominate at the end of each hour, and where that is known from.

What belongs here: the choice among readings of pictures and realised liquidations. What does not: what a dominant
side means (`signals.py`, `analyses.py`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import (
    MICROSECONDS_PER_HOUR,
    Floats,
    HourGrid,
    Whole,
    epoch_hours,
    epoch_microseconds,
    trailing_sum,
)
from cryptopattern_pipelines.squeeze.signals import SignalSettings

# In order of preference. A map shows the liquidations of all leverages, as the distribution of that name does.
READING_SOURCES = {
    "all_leverage": ("liquidation_distribution_all", "liquidation_map"),
    "optical_opti": ("liquidation_distribution_opti",),
}
SOURCES = (*READING_SOURCES, "realised_liquidations")


@dataclass(frozen=True)
class Dominance:
    """Arrays hours x symbols: shares in percent, number of the source in SOURCES (-1 for none), the reading's row.

    `reading` is the row number in the readings that were handed in, -1 where no picture was used; `age_hours` is
    its age at the hour's end, NaN where none was.
    """

    long_pct: Floats
    short_pct: Floats
    source: npt.NDArray[np.int8]
    reading: Whole
    age_hours: Floats


def dominance(
    grid: HourGrid, readings: pd.DataFrame, liquidations: pd.DataFrame, settings: SignalSettings
) -> Dominance:
    """Find the shares of long and short liquidations at the end of each hour of the grid.

    For each symbol and hour the first of these that there is:
    1. the newest reading of an all-leverage chart captured before the hour's end and not older than
       `max_reading_age_hours` then; of several captured at the same instant the surer one,
    2. the same of an `optical_opti` chart,
    3. the shares of what was really liquidated in the trailing `realised_hours`, where a feed has anything,
    4. nothing.
    An all-leverage reading goes before a newer `optical_opti` one so that a series keeps to one measure: the two
    differ, and changing between them would look like a change of the market.

    Args:
        grid: its first hour lies at least `settings.lookback` before the hours that are wanted.
        readings: LIQUIDATION_READINGS; symbols are the coins' canonical names (1000PEPE is PEPE), as the table says.
        liquidations: REALISED_LIQUIDATIONS; where a venue `all` is there for an hour it stands for all venues.
        settings: ages and lengths.
    """
    long_pct, short_pct = _realised_shares(grid, liquidations, settings)
    source = np.where(np.isnan(long_pct), -1, SOURCES.index("realised_liquidations")).astype(np.int8)
    reading = np.full(grid.shape, -1, dtype=np.int64)
    captured = epoch_microseconds(readings["captured_at"])
    hour_ends = (np.arange(grid.length)[:, None] + grid.first + 1) * MICROSECONDS_PER_HOUR
    for name in reversed(READING_SOURCES):
        newest = _newest(grid, readings, captured, READING_SOURCES[name])
        age = (hour_ends - np.append(captured, 0)[newest]) / MICROSECONDS_PER_HOUR
        use = (newest >= 0) & (age <= settings.max_reading_age_hours)
        reading[use] = newest[use]
        source[use] = SOURCES.index(name)
    used = reading >= 0
    age_hours = np.where(used, (hour_ends - np.append(captured, 0)[reading]) / MICROSECONDS_PER_HOUR, np.nan)
    for share, column in ((long_pct, "long_pct"), (short_pct, "short_pct")):
        share[used] = readings[column].to_numpy(dtype=np.float64)[reading[used]]
    return Dominance(long_pct, short_pct, source, reading, age_hours)


def _newest(grid: HourGrid, readings: pd.DataFrame, captured: Whole, image_types: tuple[str, ...]) -> Whole:
    """Row number of the newest reading of these types captured before each hour's end, -1 for none."""
    rows = np.flatnonzero(readings["image_type"].isin(image_types).to_numpy())
    some = readings.iloc[rows]
    # The picture's hash decides between equals, so that the order of the rows never does.
    order = np.lexsort(
        (
            some["sha256"].astype(object).to_numpy(),
            some["confidence"].to_numpy(dtype=np.float64),
            captured[rows],
        )
    )
    rows, some = rows[order], some.iloc[order]
    cells = grid.cells(epoch_hours(some["captured_at"]), some["symbol"])
    # Ranks grow with time: the greatest rank so far is the newest reading so far.
    ranks = np.maximum.accumulate(grid.spread(cells, np.arange(len(rows)), -1), axis=0)
    return np.append(rows, -1)[ranks]


def _realised_shares(grid: HourGrid, liquidations: pd.DataFrame, settings: SignalSettings) -> tuple[Floats, Floats]:
    """Shares of longs and shorts in what was liquidated in the trailing hours, percent; NaN where nothing was."""
    # Sorted, because a sum of floats depends on the order of its terms.
    rows = liquidations.sort_values(["hour", "symbol", "venue"], kind="stable")
    cells = grid.cells(epoch_hours(rows["hour"]), rows["symbol"])
    whole_market = (rows["venue"] == "all").to_numpy(dtype=bool)
    size = grid.length * len(grid.symbols)
    covered = np.zeros(size, dtype=bool)
    covered[cells[whole_market & (cells >= 0)]] = True
    counted = (cells >= 0) & (whole_market | ~covered[cells])
    longs, shorts = (
        trailing_sum(
            np.bincount(cells[counted], rows[column].to_numpy(dtype=np.float64)[counted], size).reshape(grid.shape),
            settings.realised_hours,
        )
        for column in ("long_liquidated_usd", "short_liquidated_usd")
    )
    total = longs + shorts
    long_pct = np.where(total > 0, 100.0 * longs, np.nan) / np.where(total > 0, total, 1.0)
    return long_pct, 100.0 - long_pct
