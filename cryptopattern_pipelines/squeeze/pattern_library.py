"""What each named pattern was worth by the end of each day, corrected for having looked at many.

What belongs here: counting, the tests and the status. What does not: the patterns (`patterns.py`).

Each pattern is tried on each symbol, on all together, for two timeframes and both sides: hundreds of tests a day, of
which one in twenty would look good by chance. So a pattern is FOUND only by its q-value over all of the day's tests
(Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, JRSS B 57, 1995, 289-300) in the earlier two
thirds of its history, and CONFIRMED only when it is better than the base rate in the later third too, which had no
part in finding it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, Truths, Whole, labels
from cryptopattern_pipelines.squeeze.intervals import difference_score, wilson
from cryptopattern_pipelines.squeeze.outcomes import HORIZON_HOURS, Outcomes, OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.squeeze.patterns import PATTERNS, begins
from cryptopattern_pipelines.storage.schemas import PATTERN_LIBRARY, SIDES

ALL = "all"
TIMEFRAMES = ("24h", "7d")
STATUSES = ("NO_DATA", "NO_EDGE", "FOUND", "CONFIRMED", "NOT_CONFIRMED")


@dataclass(frozen=True)
class LibrarySettings:
    """How much history a day counts, how it is split, and what is taken for better than chance.

    - `discovery_share`: of the period, the part that patterns are found in.
    - `least_windows`: with fewer the normal approximation behind the tests says little.
    - `largest_q`: of the patterns found, so great a share may be there by chance.
    - `largest_p`: in the later part, for the one test of a pattern that was found.
    """

    history_days: int = 1461
    discovery_share: float = 2 / 3
    least_windows: int = 10
    largest_q: float = 0.10
    largest_p: float = 0.05
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)

    @property
    def lookback(self) -> timedelta:
        """How long before the first day its features must begin; the facts behind them as `features.py` says."""
        # A pattern begins where it did not hold an hour before, and some compare with the day before that.
        return timedelta(days=self.history_days, hours=25)


DEFAULTS = LibrarySettings()


@dataclass(frozen=True)
class _Tally:
    """Arrays days x columns of one stretch of each day's history; wins and returns by side."""

    occurrences: Whole
    windows: Whole
    wins: dict[str, Whole]
    returns: dict[str, Floats]
    hours: Floats
    base_wins: dict[str, Whole]
    base_hours: Whole


def pattern_library(
    features: Features, candles: pd.DataFrame, days: list[datetime], settings: LibrarySettings = DEFAULTS
) -> pd.DataFrame:
    """Count every pattern by the end of each day.

    A pattern occurs in the hour in which it begins (`patterns.begins`). Of its occurrences only those count whose
    whole timeframe has ended by the day's end, and of windows that overlap only the first, from the oldest on; for
    `all` only the first over all symbols, as these move together. A side wins as `outcomes.py` tells it. The base
    rate is the share of wins over every hour of the same symbol and period.

    Args:
        features: from `settings.lookback` before the first day's end, or from where they begin, to the last one's.
        candles: MARKET_CANDLES, at least `paths.CANDLE_COLUMNS`, from the volatility's hours before.
        days: midnights at which the days begin.
        settings: history, split and thresholds.

    Returns:
        PATTERN_LIBRARY: a row for each pattern, timeframe and side of `all` and of each symbol in which it occurred.
    """
    grid = features.grid
    if not grid.symbols or not len(days):
        return PATTERN_LIBRARY.empty()
    ends = np.array([_row(grid, day) + 24 for day in days])
    oldest, newest = _stretches(features.scored, ends, 24 * settings.history_days)
    split = oldest + np.round((newest - oldest) * settings.discovery_share).astype(np.int64)
    starts = [begins(features, pattern) for pattern in PATTERNS]
    lead = settings.outcomes.volatility_hours
    paths = price_paths(candles, grid.first - lead, grid.first + grid.length)
    parts: list[pd.DataFrame] = []
    for timeframe in TIMEFRAMES:
        horizon = HORIZON_HOURS[timeframe]
        known = _on(grid, paths.grid.symbols, outcomes(paths, horizon, settings.outcomes), lead)
        for number, (fresh, holds) in enumerate(starts):
            whole, early, late = (
                _tally(fresh & known.known, holds, known, horizon, begin, end)
                for begin, end in ((oldest, newest), (oldest, split), (split, newest))
            )
            parts.extend(_rows(number, timeframe, side, whole, early, late, horizon, settings) for side in SIDES)
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[(frame["occurrences"] > 0) | (frame["column"] == len(grid.symbols))].reset_index(drop=True)
    frame["q_value"] = _q_values(frame)
    frame["status"] = labels(STATUSES, _statuses(frame, settings))
    frame["day"] = grid.times(ends[frame.pop("day_number").to_numpy()] - 24)
    frame["symbol"] = labels((*grid.symbols, ALL), frame.pop("column").to_numpy())
    return PATTERN_LIBRARY.conform(frame.sort_values(list(PATTERN_LIBRARY.key), ignore_index=True))


def _row(grid: HourGrid, day: datetime) -> int:
    return int(pd.Timestamp(day).timestamp()) // 3600 - grid.first


def _stretches(scored: Truths, ends: Whole, hours: int) -> tuple[Whole, Whole]:
    """Where each day's history begins and ends, days x columns and the last column being all.

    A symbol's history begins at its first scored hour of the last `hours`, for it may be listed later than they
    began; that of all with the oldest of them. Hours after a day's end have no say: without a scored hour by then
    the stretch is empty.
    """
    rows, columns = scored.shape
    number = np.where(scored, np.arange(rows)[:, None], rows)
    next_scored = np.vstack([np.minimum.accumulate(number[::-1], axis=0)[::-1], np.full((1, columns), rows)])
    newest = np.broadcast_to(ends[:, None], (len(ends), columns + 1))
    begun = next_scored[np.clip(ends - hours, 0, rows)]
    begun = np.hstack([begun, begun.min(axis=1, keepdims=True)])
    return np.minimum(begun, newest), newest


def _on(grid: HourGrid, symbols: tuple[str, ...], found: Outcomes, lead: int) -> Outcomes:
    """The outcomes on the features' grid; a symbol without candles has none."""
    at = pd.Index(symbols).get_indexer(pd.Index(grid.symbols))

    def laid(values: npt.NDArray[Any], empty: Any) -> npt.NDArray[Any]:
        none = np.full((len(values), 1), empty, dtype=values.dtype)
        return np.hstack([values, none])[lead:, at]

    return Outcomes(
        laid(found.known, False),
        laid(found.long_won, False),
        laid(found.short_won, False),
        laid(found.long_return, np.nan),
        laid(found.short_return, np.nan),
    )


def _prefix(values: npt.NDArray[Any]) -> Whole:
    """How many are true before each row; one row more than was handed in."""
    return np.vstack([np.zeros((1, values.shape[1]), dtype=np.int64), np.cumsum(values, axis=0, dtype=np.int64)])


def _tally(  # noqa: PLR0917 (what occurred, what came of it, and a stretch)
    fresh: Truths, holds: Truths, known: Outcomes, horizon: int, begin: Whole, end: Whole
) -> _Tally:
    """Count the windows within stretches, days x columns and the last column being all: from `begin`, by `end`."""
    rows, columns = fresh.shape
    first = np.argmax(fresh, axis=1)
    entered = np.hstack([fresh, fresh.any(axis=1, keepdims=True)])
    number = np.where(entered, np.arange(rows)[:, None], rows)
    next_entry = np.vstack([np.minimum.accumulate(number[::-1], axis=0)[::-1], np.full((1, columns + 1), rows)])
    won = {"long": known.long_won, "short": known.short_won}
    returns = {"long": known.long_return, "short": known.short_return}
    # The last hour in a row in which the pattern holds, and how many those are, at most the timeframe.
    ended = np.vstack([np.where(~holds, np.arange(rows)[:, None], rows), np.full((1, columns), rows)])
    lasts = np.minimum(np.minimum.accumulate(ended[::-1], axis=0)[::-1][:rows] - np.arange(rows)[:, None], horizon)

    column = np.arange(columns + 1)
    until = np.maximum(end - horizon, begin)
    at = next_entry[begin, column]
    windows = np.zeros(at.shape, dtype=np.int64)
    wins = {side: np.zeros_like(windows) for side in SIDES}
    gains = {side: np.zeros(at.shape) for side in SIDES}
    hours = np.zeros(at.shape)
    while (inside := at < until).any():
        row = np.minimum(at, rows - 1)
        # Of all symbols together, the first by name of those in which it began in that hour.
        of = np.where(column == columns, first[row], column)
        windows += inside
        for side in SIDES:
            wins[side] += inside & won[side][row, of]
            gains[side] += np.where(inside, returns[side][row, of], 0.0)
        hours += np.where(inside, lasts[row, of], 0)
        at = next_entry[np.minimum(at + horizon, rows), column]

    def within(values: Truths) -> Whole:
        """How many are true in each stretch; of all, the sum over symbols."""
        prefix = _prefix(values)
        counted = prefix[until[:, :-1], column[:-1]] - prefix[begin[:, :-1], column[:-1]]
        return np.hstack([counted, counted.sum(axis=1, keepdims=True)])

    occurrences = within(fresh)
    base_wins = {side: within(won[side]) for side in SIDES}
    return _Tally(occurrences, windows, wins, gains, hours, base_wins, within(known.known))


def _rows(  # noqa: PLR0917 (one test, its three stretches, and how they are judged)
    number: int,
    timeframe: str,
    side: str,
    whole: _Tally,
    early: _Tally,
    late: _Tally,
    horizon: int,
    settings: LibrarySettings,
) -> pd.DataFrame:
    """The columns of one pattern, timeframe and side, for each day and column."""
    day, column = (each.ravel() for each in np.indices(whole.windows.shape))
    n, wins = whole.windows.ravel(), whole.wins[side].ravel()
    low, high = wilson(wins, n)
    rate, base = _share(wins, n), _base(whole, side)
    p_early, p_late = (_p_value(part, side, horizon, settings) for part in (early, late))
    return pd.DataFrame(
        {
            "day_number": day,
            "column": column,
            "pattern": PATTERNS[number].name,
            "timeframe": timeframe,
            "side": side,
            "conditions": PATTERNS[number].conditions,
            "occurrences": whole.occurrences.ravel(),
            "effective_sample_size": n,
            "success_rate_pct": 100 * rate,
            "interval_low_pct": 100 * low,
            "interval_high_pct": 100 * high,
            "base_rate_pct": 100 * base,
            "base_sample_size": _base_windows(whole, horizon),
            "lift": rate / np.where(base > 0, base, np.nan),
            "average_return_pct": 100 * _share(whole.returns[side].ravel(), n),
            "average_duration_hours": _share(whole.hours.ravel(), n),
            "discovery_windows": early.windows.ravel(),
            "discovery_rate_pct": 100 * _share(early.wins[side].ravel(), early.windows.ravel()),
            "p_value": p_early,
            "confirmation_windows": late.windows.ravel(),
            "confirmation_rate_pct": 100 * _share(late.wins[side].ravel(), late.windows.ravel()),
            "confirmation_base_rate_pct": 100 * _base(late, side),
            "confirmation_p_value": p_late,
        }
    )


def _share(part: Whole | Floats, whole: Whole) -> Floats:
    return part / np.where(whole > 0, whole, np.nan)


def _base(tally: _Tally, side: str) -> Floats:
    return _share(tally.base_wins[side].ravel(), tally.base_hours.ravel())


def _base_windows(tally: _Tally, horizon: int) -> Whole:
    """Windows that do not overlap; of all symbols together, those of the one that has most, as they move together."""
    hours = tally.base_hours.copy()
    hours[:, -1] = hours[:, :-1].max(axis=1)
    return (hours // horizon).ravel()


def _p_value(tally: _Tally, side: str, horizon: int, settings: LibrarySettings) -> Floats:
    """Chance of a rate as far above the base rate, were there no edge; NaN with too few windows."""
    from scipy.special import ndtr  # noqa: PLC0415 (as scikit-learn: loaded where it is needed)

    n = tally.windows.ravel()
    score = difference_score(_share(tally.wins[side].ravel(), n), n, _base(tally, side), _base_windows(tally, horizon))
    return np.where(n >= settings.least_windows, ndtr(-score), np.nan)


def _q_values(frame: pd.DataFrame) -> Floats:
    """Benjamini and Hochberg's adjusted p-values over all tests of each day; NaN stays NaN."""
    q = np.full(len(frame), np.nan)
    p = frame["p_value"].to_numpy()
    for at in frame.groupby("day_number").indices.values():
        tested = at[np.isfinite(p[at])]
        order = tested[np.argsort(-p[tested], kind="stable")]
        ranks = np.arange(len(order), 0, -1)
        q[order] = np.minimum(1.0, np.minimum.accumulate(p[order] * len(order) / ranks)) if len(order) else q[order]
    return q


def _statuses(frame: pd.DataFrame, settings: LibrarySettings) -> Whole:
    tested = np.isfinite(frame["p_value"].to_numpy())
    found = tested & (frame["q_value"].to_numpy() <= settings.largest_q)
    later = frame["confirmation_p_value"].to_numpy()
    return np.select(
        [~tested, ~found, np.isnan(later), later <= settings.largest_p],
        [STATUSES.index(name) for name in ("NO_DATA", "NO_EDGE", "FOUND", "CONFIRMED")],
        STATUSES.index("NOT_CONFIRMED"),
    )
