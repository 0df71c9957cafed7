"""How often claims were right, counted by the end of each day, beside how often any hour would have been.

What belongs here: which outcomes a day may count, the counting, and the verdict. What does not: how an outcome is
told (`outcomes.py`), the intervals' formulas (`intervals.py`), and whether they hold (`coverage.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import (
    Floats,
    HourGrid,
    Truths,
    Whole,
    WindowError,
    epoch_hours,
    labels,
    window,
)
from cryptopattern_pipelines.squeeze.intervals import difference_score, discoveries, ratio_interval, wilson
from cryptopattern_pipelines.squeeze.outcomes import HORIZON_HOURS, Outcomes, OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.storage.schemas import SEVERITIES, SIDE_OF, SIDES, WIN_RATES

ANALYSIS_COLUMNS = ("hour", "symbol", "squeeze_type", "probability", "severity")
CONDITION_COLUMNS = ("hour", "symbol", "condition")
ALL = "all"
SEVERITY_CONDITIONS = tuple(f"severity:{severity}" for severity in SEVERITIES)
VERDICTS = ("NO_DATA", "NO_EDGE", "EDGE", "ADVERSE")
BIASES = ("NONE", "LONG", "SHORT")
_CONFIDENCE = 0.95
# Returns are added up as whole numbers of this fraction: a running sum of floats carries rounding from all that came
# before, so that a day counted alone would differ from the same day of a range.
_RETURN_UNIT = 1e-12


@dataclass(frozen=True)
class WinRateSettings:
    """How much history a day counts, which analyses, and from when on a rate may be called an edge.

    An analysis counts when it names a side and its score is above `probability_above`: at 0 every analysis with a
    signal. With fewer than `least_windows` windows the normal approximation behind the verdict says little.
    """

    history_days: int = 365
    probability_above: float = 0.0
    least_windows: int = 10
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)

    @property
    def lookback(self) -> timedelta:
        """How long before a window of days its analyses and candles must begin."""
        return timedelta(days=self.history_days, hours=self.outcomes.volatility_hours)


DEFAULTS = WinRateSettings()


class ConditionError(ValueError):
    """A table of conditions that win rates can't be counted by; the message says what is wrong with it."""


@dataclass(frozen=True)
class _Days:
    """The days asked for, as rows of the grid: each counts entries from `oldest` to before `ends`, horizon apart."""

    oldest: Whole
    ends: Whole


@dataclass(frozen=True)
class _Count:
    """Arrays days x symbols: entries, and those whose windows do not overlap; wins and returns among either.

    Returns are whole numbers of _RETURN_UNIT.
    """

    entries: Whole
    wins: Whole
    returns: Whole
    windows: Whole
    window_wins: Whole
    window_returns: Whole


@dataclass(frozen=True)
class _Trades:
    """What every hour's trade of one side and horizon came to, hours x symbols, and the base rate by day."""

    known: Truths
    won: Truths
    returns: Whole
    horizon: int


def win_rates(  # noqa: PLR0917 (two tables, a window, the settings and one table more)
    analyses: pd.DataFrame,
    candles: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: WinRateSettings = DEFAULTS,
    conditions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count wins for each day in [start, end), symbol, condition, timeframe and side.

    A day counts the claims of the `history_days` that end with it whose whole horizon has ended too. A SHORT_SQUEEZE
    is right when a long wins, a LONG_SQUEEZE when a short does, net of costs. Claims follow one another hour by hour,
    and most of their windows overlap: those are one piece of evidence, not many. So the win rate and its interval come
    from windows that do not overlap, taken from the oldest on, each the next to begin at or after the end of the one
    before. The base rate is the share of wins over every hour with a known outcome of the same symbol and days;
    `base_sample_size` is how many windows that do not overlap those hours hold. It averages all ways to choose such
    windows, since one of them, begun at a chance hour, would make a poor yardstick at 30 days.

    A rate is an EDGE when its interval lies above the base rate, the two still differ when the base rate's own error
    is counted (`difference_score`), and when it stands out though so many conditions, timeframes and sides of the
    symbol were looked at that day (`discoveries`, at 5 %); ADVERSE when it lies below in the same way. Where there is
    nothing to find, a symbol's day so calls anything an edge in 5 % of cases at most.

    Conditions are `all` claims; `severity:MINOR` and so on, by the analysis; and whatever `conditions` hands in. All
    but `all` have rows only where they have a claim with a known outcome.

    Rows handed in from before `start` serve as history (`settings.lookback` says how much is needed). Hours of a
    symbol without candles are left out of both rates.

    Args:
        analyses: SQUEEZE_ANALYSES, at least ANALYSIS_COLUMNS.
        candles: MARKET_CANDLES, at least `paths.CANDLE_COLUMNS`.
        start: midnight at which the first day begins, UTC.
        end: midnight at which the last day ends, UTC.
        settings: history, barriers, costs and which analyses count.
        conditions: a row for each hour and symbol at whose end a condition held: at least CONDITION_COLUMNS, the
            condition's name being as the table shall have it, e.g. pattern:volume_and_funding. It counts what the
            hour's analysis claims; with a column `side` (long, short), where that is not missing, what the row claims.

    Returns:
        WIN_RATES: six rows of `all` for each day and each symbol that has a candle in the day's history, and those of
        the other conditions; in the order of days, symbols, conditions, timeframes and sides.

    Raises:
        ConditionError: a condition's name is missing or one of the built-in ones, or a side is none.
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
    claims = _claims(paths.grid, analyses, settings, conditions)

    # Each column is conditions x timeframes and sides x days x symbols.
    parts: list[dict[str, npt.NDArray[Any]]] = []
    for horizon in HORIZON_HOURS.values():
        known = outcomes(paths, horizon, settings.outcomes)
        parts.extend(_rates(_trades(known, side, horizon), claims, side, days) for side in SIDES)
    columns = {name: np.stack([part[name] for part in parts], axis=1) for name in parts[0]}
    columns |= _verdicts(columns, settings)

    present = _prefix(np.isfinite(paths.close))
    listed = np.broadcast_to(present[days.ends] - present[days.oldest] > 0, (len(claims), *present[days.ends].shape))
    listed = listed & ((columns["sample_size"] > 0).any(axis=1) | (np.arange(len(claims)) == 0)[:, None, None])
    day, symbol, condition = np.nonzero(listed.transpose(1, 2, 0))
    shape = columns["wins"].shape[1:2]
    timeframe, side = (np.tile(each.ravel(), len(day)) for each in np.indices((len(HORIZON_HOURS), len(SIDES))))
    flat = {name: column[condition, :, day, symbol].ravel() for name, column in columns.items()}
    six = shape[0]
    frame = pd.DataFrame(
        {
            "day": paths.grid.times(np.repeat(days.ends[day] - 24, six)),
            "symbol": paths.grid.names(np.repeat(symbol, six)),
            "condition": labels(claims, np.repeat(condition, six)),
            "timeframe": labels(HORIZON_HOURS, timeframe),
            "side": labels(SIDES, side),
            **flat,
            "costs_bps": settings.outcomes.costs_bps,
            "verdict": labels(VERDICTS, flat["verdict"]),
            "bias": labels(BIASES, flat["bias"]),
        }
    )
    return WIN_RATES.conform(frame)


def _claims(
    grid: HourGrid, analyses: pd.DataFrame, settings: WinRateSettings, conditions: pd.DataFrame | None
) -> dict[str, dict[str, Truths]]:
    """For each condition, `all` first, and each side: where on the grid it is claimed."""
    counted = analyses[(analyses["probability"] > settings.probability_above).to_numpy(dtype=bool)]
    cells = grid.cells(epoch_hours(counted["hour"]), counted["symbol"])
    sides = counted["squeeze_type"].map(SIDE_OF)
    claimed = {side: grid.spread(cells, (sides == side).to_numpy(dtype=bool), False) for side in SIDES}
    found = {ALL: claimed}
    severity = grid.spread(cells, pd.Index(SEVERITIES).get_indexer(pd.Index(counted["severity"])), -1)
    for number, name in enumerate(SEVERITY_CONDITIONS):
        found[name] = {side: claimed[side] & (severity == number) for side in SIDES}
    if conditions is not None:
        found |= _named(grid, conditions, claimed)
    return found


def _named(grid: HourGrid, conditions: pd.DataFrame, claimed: dict[str, Truths]) -> dict[str, dict[str, Truths]]:
    """The same of the conditions that were handed in, by name."""
    names = conditions["condition"]
    reserved = names.isin([ALL, *SEVERITY_CONDITIONS])
    if names.isna().any() or (names == "").any() or reserved.any():
        raise ConditionError(
            f"a condition needs a name other than {ALL} and severity:...: {names[names.isna() | reserved].unique()[:3]}"
        )
    own = conditions["side"] if "side" in conditions else pd.Series(None, index=conditions.index, dtype="str")
    if not (own.isna() | own.isin(SIDES)).all():
        raise ConditionError(f"a condition's side is long, short or missing, not {own[own.notna()].unique()[:3]}")
    cells = grid.cells(epoch_hours(conditions["hour"]), conditions["symbol"])
    found = {}
    for name in sorted(names.unique()):
        mine = (names == name).to_numpy(dtype=bool)

        def held(rows: npt.NDArray[np.bool_]) -> Truths:
            return grid.spread(cells[rows], np.ones(int(rows.sum()), dtype=bool), False)

        silent = held(mine & own.isna().to_numpy(dtype=bool))
        found[name] = {
            side: (silent & claimed[side]) | held(mine & (own == side).to_numpy(dtype=bool)) for side in SIDES
        }
    return found


def _trades(known: Outcomes, side: str, horizon: int) -> _Trades:
    won, returns = (known.long_won, known.long_return) if side == "long" else (known.short_won, known.short_return)
    whole = np.round(np.where(known.known, returns, 0.0) / _RETURN_UNIT).astype(np.int64)
    return _Trades(known.known, won, whole, horizon)


def _rates(
    trades: _Trades, claims: dict[str, dict[str, Truths]], side: str, days: _Days
) -> dict[str, npt.NDArray[Any]]:
    """Columns of WIN_RATES for one side and horizon, each conditions x days x symbols."""
    every_hour = _count(trades.known, trades, days)
    base = _share(every_hour.wins, every_hour.entries)
    base_return = _share(every_hour.returns, every_hour.entries) * _RETURN_UNIT
    parts = []
    for claimed in claims.values():
        count = _count(trades.known & claimed[side], trades, days)
        low, high = wilson(count.window_wins, count.windows, _CONFIDENCE)
        rate = _share(count.window_wins, count.windows)
        lift_low, lift_high = ratio_interval(rate, count.windows, base, every_hour.windows, _CONFIDENCE)
        parts.append(
            {
                "wins": count.window_wins,
                "sample_size": count.entries,
                "effective_sample_size": count.windows,
                "win_rate_pct": 100 * rate,
                "interval_low_pct": 100 * low,
                "interval_high_pct": 100 * high,
                "base_rate_pct": 100 * base,
                "base_sample_size": every_hour.windows,
                "lift": rate / np.where(base > 0, base, np.nan),
                "lift_low": lift_low,
                "lift_high": lift_high,
                "net_return_pct": 100 * _share(count.window_returns, count.windows) * _RETURN_UNIT,
                "base_net_return_pct": 100 * base_return,
            }
        )
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def _verdicts(columns: dict[str, npt.NDArray[Any]], settings: WinRateSettings) -> dict[str, npt.NDArray[Any]]:
    """Verdict and bias, from columns of conditions x timeframes and sides x days x symbols."""
    rate, base = columns["win_rate_pct"].astype(np.float64) / 100, columns["base_rate_pct"].astype(np.float64) / 100
    windows = columns["effective_sample_size"].astype(np.int64)
    scores = difference_score(rate, windows, base, columns["base_sample_size"].astype(np.int64))
    scores = np.where(windows >= settings.least_windows, scores, np.nan)
    together = scores.reshape(scores.shape[0] * scores.shape[1], *scores.shape[2:])
    found = discoveries(together, 1 - _CONFIDENCE).reshape(scores.shape)
    edge = found & (columns["interval_low_pct"] > columns["base_rate_pct"]) & (columns["lift_low"] > 1)
    # A lift without an upper end says that the base rate may be 0, and nothing is below that.
    adverse = found & (columns["interval_high_pct"] < columns["base_rate_pct"]) & (columns["lift_high"] < 1)
    verdict = np.select([windows == 0, edge, adverse], [0, 2, 3], 1)

    # Timeframes x sides apart; a bias is a side's edge that the other side has not.
    sides = (len(rate), len(HORIZON_HOURS), len(SIDES), *rate.shape[2:])
    by_side, gain = edge.reshape(sides), (100 * (rate - base)).reshape(sides)
    only = by_side & ~by_side[:, :, ::-1]
    bias = np.select([only[:, :, SIDES.index(side)] for side in SIDES], [1, 2], 0)
    strength = np.where(only, gain, np.nan)
    strength = np.fmax(strength[:, :, 0], strength[:, :, 1])
    return {
        "verdict": verdict,
        "bias": np.repeat(bias, len(SIDES), axis=1),
        "bias_strength_pct": np.repeat(strength, len(SIDES), axis=1),
    }


def _share(part: Whole, whole: Whole) -> Floats:
    return part / np.where(whole > 0, whole, np.nan)


def _prefix(values: Truths | Whole) -> Whole:
    """The sum of what stands before each row; one row more than was handed in."""
    counted = np.zeros((len(values) + 1, values.shape[1]), dtype=np.int64)
    np.cumsum(values, axis=0, out=counted[1:])
    return counted


def _count(entered: Truths, trades: _Trades, days: _Days) -> _Count:
    """Count entries, wins and returns of each day, of all and of those whose windows do not overlap."""
    # An entry at the close of row t is decided when row t + horizon closes.
    after_newest = np.maximum(days.ends - trades.horizon, days.oldest)
    entries, wins, returns = (
        prefix[after_newest] - prefix[days.oldest]
        for prefix in (_prefix(entered), _prefix(entered & trades.won), _prefix(np.where(entered, trades.returns, 0)))
    )
    # next_entry[t] is the first entry at or after row t, or the number of rows.
    rows, columns = entered.shape
    numbers = np.where(entered, np.arange(rows)[:, None], rows)
    next_entry = np.vstack([np.minimum.accumulate(numbers[::-1], axis=0)[::-1], np.full((1, columns), rows)])
    column = np.arange(columns)
    at = next_entry[days.oldest]
    windows, window_wins, window_returns = np.zeros((3, *at.shape), dtype=np.int64)
    # All days and symbols step on together, one window at a time.
    while (inside := at < after_newest[:, None]).any():
        entry = np.minimum(at, rows - 1), column
        windows += inside
        window_wins += inside & trades.won[entry]
        window_returns += np.where(inside, trades.returns[entry], 0)
        at = next_entry[np.minimum(at + trades.horizon, rows), column]
    return _Count(entries, wins, returns, windows, window_wins, window_returns)
