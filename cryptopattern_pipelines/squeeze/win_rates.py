"""How often an analysis was right, counted by the end of each day, beside how often any hour would have been.

What belongs here: which outcomes a day may count, the counting, and the verdict. What does not: how an outcome is
told (`outcomes.py`) and the interval's formula (`intervals.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import HourGrid, Truths, Whole, WindowError, epoch_hours, labels, window
from cryptopattern_pipelines.squeeze.intervals import wilson
from cryptopattern_pipelines.squeeze.outcomes import HORIZON_HOURS, Outcomes, OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.storage.schemas import SIDES, WIN_RATES

ANALYSIS_COLUMNS = ("hour", "symbol", "squeeze_type", "probability")
SIDE_OF = {"SHORT_SQUEEZE": "long", "LONG_SQUEEZE": "short"}
VERDICTS = ("NO_DATA", "NO_EDGE", "EDGE", "ADVERSE")
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class WinRateSettings:
    """How much history a day counts, and which analyses.

    An analysis counts when it names a side and its score is above `probability_above`: at 0 every analysis with a
    signal.
    """

    history_days: int = 365
    probability_above: float = 0.0
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)

    @property
    def lookback(self) -> timedelta:
        """How long before a window of days its analyses and candles must begin."""
        return timedelta(days=self.history_days, hours=self.outcomes.volatility_hours)


DEFAULTS = WinRateSettings()


@dataclass(frozen=True)
class _Days:
    """The days asked for, as rows of the grid: each counts entries from `oldest` to before `ends`, horizon apart."""

    oldest: Whole
    ends: Whole


@dataclass(frozen=True)
class _Count:
    """Arrays days x symbols: entries, entries whose windows do not overlap, and wins among either."""

    entries: Whole
    wins: Whole
    windows: Whole
    window_wins: Whole


def win_rates(
    analyses: pd.DataFrame, candles: pd.DataFrame, start: datetime, end: datetime, settings: WinRateSettings = DEFAULTS
) -> pd.DataFrame:
    """Count wins for each day in [start, end), symbol, timeframe and side.

    A day counts the analyses of the `history_days` that end with it whose whole horizon has ended too. A
    SHORT_SQUEEZE is right when a long wins, a LONG_SQUEEZE when a short does. Analyses follow one another hour by
    hour, and most of their windows overlap: those are one piece of evidence, not many. So the win rate and its
    interval come from windows that do not overlap, taken from the oldest on, each the next to begin at or after the
    end of the one before. The base rate is the share of wins over every hour with a known outcome of the same symbol
    and days; `base_sample_size` is how many windows that do not overlap those hours hold. It averages all ways to
    choose such windows, since one of them, begun at a chance hour, would make a poor yardstick at 30 days.

    Rows handed in from before `start` serve as history (`settings.lookback` says how much is needed). Hours of a
    symbol without candles are left out of both rates.

    Args:
        analyses: SQUEEZE_ANALYSES, at least ANALYSIS_COLUMNS.
        candles: MARKET_CANDLES, at least `paths.CANDLE_COLUMNS`.
        start: midnight at which the first day begins, UTC.
        end: midnight at which the last day ends, UTC.
        settings: history, barriers and which analyses count.

    Returns:
        WIN_RATES: six rows for each day and each symbol that has a candle in the day's history.

    Raises:
        WindowError: start or end is not midnight UTC, or end is not after start.
    """
    first, last = window(start, end)
    for time, hour in ((start, first), (end, last)):
        if hour % 24:
            raise WindowError(f"{time} is not midnight UTC: win rates are made for whole days")
    lead = settings.lookback // timedelta(hours=1)
    paths = price_paths(candles, first - lead, last)
    ends = np.arange(first + 24, last + 1, 24) - paths.grid.first
    days = _Days(ends - 24 * settings.history_days, ends)
    claims = _claims(paths.grid, analyses, settings)

    present = _prefix(np.isfinite(paths.close))
    listed = (present[days.ends] - present[days.oldest] > 0).ravel()
    parts: list[dict[str, npt.NDArray[np.generic]]] = []
    for horizon in HORIZON_HOURS.values():
        known = outcomes(paths, horizon, settings.outcomes)
        parts.extend(_rates(known, claims[side], side, horizon, days) for side in SIDES)
    columns = {name: np.stack([part[name].ravel()[listed] for part in parts], axis=1).ravel() for name in parts[0]}

    day, symbol = (each.ravel()[listed] for each in np.indices((len(days.ends), len(paths.grid.symbols))))
    combinations = len(HORIZON_HOURS) * len(SIDES)
    timeframe, side = (np.tile(each.ravel(), len(day)) for each in np.indices((len(HORIZON_HOURS), len(SIDES))))
    frame = pd.DataFrame(
        {
            "day": paths.grid.times(np.repeat(days.ends[day] - 24, combinations)),
            "symbol": paths.grid.names(np.repeat(symbol, combinations)),
            "timeframe": labels(HORIZON_HOURS, timeframe),
            "side": labels(SIDES, side),
            **columns,
        }
    )
    frame["verdict"] = labels(VERDICTS, columns["verdict"])
    return WIN_RATES.conform(frame)


def _claims(grid: HourGrid, analyses: pd.DataFrame, settings: WinRateSettings) -> dict[str, Truths]:
    """For each side, where on the grid an analysis claims it."""
    counted = analyses[(analyses["probability"] > settings.probability_above).to_numpy(dtype=bool)]
    cells = grid.cells(epoch_hours(counted["hour"]), counted["symbol"])
    sides = counted["squeeze_type"].map(SIDE_OF)
    return {side: grid.spread(cells, (sides == side).to_numpy(dtype=bool), False) for side in SIDES}


def _rates(
    known: Outcomes, claimed: Truths, side: str, horizon: int, days: _Days
) -> dict[str, npt.NDArray[np.generic]]:
    """The columns of WIN_RATES for one side and horizon, each days x symbols."""
    won = known.long_won if side == "long" else known.short_won
    claims = _count(known.known & claimed, won, horizon, days)
    every_hour = _count(known.known, won, horizon, days)
    low, high = wilson(claims.window_wins, claims.windows, _CONFIDENCE)
    rate = _share(claims.window_wins, claims.windows)
    base = _share(every_hour.wins, every_hour.entries)
    verdict = np.select([claims.windows == 0, low > base, high < base], [0, 2, 3], 1)
    return {
        "wins": claims.window_wins,
        "sample_size": claims.entries,
        "effective_sample_size": claims.windows,
        "win_rate_pct": 100 * rate,
        "interval_low_pct": 100 * low,
        "interval_high_pct": 100 * high,
        "base_rate_pct": 100 * base,
        "base_sample_size": every_hour.windows,
        "lift": rate / np.where(base > 0, base, np.nan),
        "verdict": verdict,
    }


def _share(part: Whole, whole: Whole) -> npt.NDArray[np.float64]:
    return part / np.where(whole > 0, whole, np.nan)


def _prefix(truths: Truths) -> Whole:
    """How many are true before each row; one row more than was handed in."""
    counted = np.zeros((len(truths) + 1, truths.shape[1]), dtype=np.int64)
    np.cumsum(truths, axis=0, out=counted[1:])
    return counted


def _count(entered: Truths, won: Truths, horizon: int, days: _Days) -> _Count:
    """Count entries and wins of each day, of all and of those whose windows do not overlap."""
    # An entry at the close of row t is decided when row t + horizon closes.
    after_newest = np.maximum(days.ends - horizon, days.oldest)
    entries, wins = (
        prefix[after_newest] - prefix[days.oldest] for prefix in (_prefix(entered), _prefix(entered & won))
    )
    # next_entry[t] is the first entry at or after row t, or the number of rows.
    rows, columns = entered.shape
    numbers = np.where(entered, np.arange(rows)[:, None], rows)
    next_entry = np.vstack([np.minimum.accumulate(numbers[::-1], axis=0)[::-1], np.full((1, columns), rows)])
    column = np.arange(columns)
    at = next_entry[days.oldest]
    windows, window_wins = np.zeros_like(at), np.zeros_like(at)
    # All days and symbols step on together, one window at a time.
    while (inside := at < after_newest[:, None]).any():
        windows += inside
        window_wins += inside & won[np.minimum(at, rows - 1), column]
        at = next_entry[np.minimum(at + horizon, rows), column]
    return _Count(entries, wins, windows, window_wins)
