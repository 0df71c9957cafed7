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
from cryptopattern_pipelines.squeeze.liquidations import liquidated
from cryptopattern_pipelines.squeeze.signals import SignalSettings

# In order of preference. A map shows the liquidations of all leverages, as the distribution of that name does.
READING_SOURCES = {
    "all_leverage": ("liquidation_distribution_all", "liquidation_map"),
    "optical_opti": ("liquidation_distribution_opti",),
}
SOURCES = (*READING_SOURCES, "realised_liquidations", "daily_liquidations")


@dataclass(frozen=True)
class Dominance:
    """Arrays hours x symbols: shares in percent, number of the source in SOURCES (-1 for none), the reading's row.

    `reading` is the row number in the readings that were handed in, -1 where no picture was used; `age_hours` is
    at the hour's end the age of that picture, or that of a daily total's day; NaN where neither was used. `newest`
    has, for each of READING_SOURCES, the row number of its newest reading within the age, -1 for none, used or not.
    """

    long_pct: Floats
    short_pct: Floats
    source: npt.NDArray[np.int8]
    reading: Whole
    age_hours: Floats
    newest: dict[str, Whole]


def dominance(
    grid: HourGrid, readings: pd.DataFrame, liquidations: pd.DataFrame, settings: SignalSettings
) -> Dominance:
    """Find the shares of long and short liquidations at the end of each hour of the grid.

    For each symbol and hour the first of these that there is:
    1. the newest reading of an all-leverage chart captured before the hour's end and not older than
       `max_reading_age_hours` then; of several captured at the same instant the surer one,
    2. the same of an `optical_opti` chart,
    3. the shares of what was really liquidated in the trailing `realised_hours`, where an hourly feed has anything,
    4. those of the newest daily total whose day ended no more than `max_daily_age_hours` before,
    5. nothing.
    An all-leverage reading goes before a newer `optical_opti` one so that a series keeps to one measure: the two
    differ, and changing between them would look like a change of the market.

    Args:
        grid: its first hour lies at least `settings.lookback` before the hours that are wanted.
        readings: LIQUIDATION_READINGS; symbols are the coins' canonical names (1000PEPE is PEPE), as the table says.
        liquidations: REALISED_LIQUIDATIONS; where a venue `all` is there for an hour it stands for all venues. A row
            of more than one hour (`span_hours`) is a daily total and counts in no hour.
        settings: ages and lengths.
    """
    daily = (liquidations["span_hours"] > 1).to_numpy(dtype=bool)
    long_pct, source, age_hours = _daily_shares(grid, liquidations[daily], settings)
    realised = _realised_shares(grid, liquidations[~daily], settings)
    known = ~np.isnan(realised)
    long_pct[known], age_hours[known] = realised[known], np.nan
    source[known] = SOURCES.index("realised_liquidations")
    short_pct = 100.0 - long_pct

    reading = np.full(grid.shape, -1, dtype=np.int64)
    captured = epoch_microseconds(readings["captured_at"])
    hour_ends = (np.arange(grid.length)[:, None] + grid.first + 1) * MICROSECONDS_PER_HOUR
    newest = {}
    for name in reversed(READING_SOURCES):
        found = _newest(grid, readings, captured, READING_SOURCES[name])
        age = (hour_ends - np.append(captured, 0)[found]) / MICROSECONDS_PER_HOUR
        use = (found >= 0) & (age <= settings.max_reading_age_hours)
        newest[name] = np.where(use, found, -1)
        reading[use], age_hours[use] = found[use], age[use]
        source[use] = SOURCES.index(name)
    used = reading >= 0
    for share, column in ((long_pct, "long_pct"), (short_pct, "short_pct")):
        share[used] = readings[column].to_numpy(dtype=np.float64)[reading[used]]
    return Dominance(long_pct, short_pct, source, reading, age_hours, newest)


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


def _realised_shares(grid: HourGrid, liquidations: pd.DataFrame, settings: SignalSettings) -> Floats:
    """Share of longs in what was liquidated in the trailing hours, percent; NaN where nothing was."""
    longs, shorts, _ = liquidated(grid, liquidations)
    longs, shorts = (trailing_sum(usd, settings.realised_hours) for usd in (longs, shorts))
    return _share_of_longs(longs, shorts)


def _daily_shares(
    grid: HourGrid, liquidations: pd.DataFrame, settings: SignalSettings
) -> tuple[Floats, npt.NDArray[np.int8], Floats]:
    """Share of longs in the newest daily total, percent, the source's number, and the hours since its day ended."""
    if liquidations.empty:
        nothing = np.full((2, *grid.shape), np.nan)
        return nothing[0], np.full(grid.shape, -1, dtype=np.int8), nothing[1]
    longs, shorts, known = liquidated(grid, liquidations)
    rows = np.arange(grid.length)[:, None]
    newest = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    share = np.take_along_axis(_share_of_longs(longs, shorts), np.maximum(newest, 0), axis=0)
    age = (rows - newest).astype(np.float64)
    use = (newest >= 0) & (age <= settings.max_daily_age_hours) & ~np.isnan(share)
    source = np.where(use, SOURCES.index("daily_liquidations"), -1).astype(np.int8)
    return np.where(use, share, np.nan), source, np.where(use, age, np.nan)


def _share_of_longs(longs: Floats, shorts: Floats) -> Floats:
    total = longs + shorts
    return np.where(total > 0, 100.0 * longs, np.nan) / np.where(total > 0, total, 1.0)
