"""What came after each hour: which of two barriers the price touched first, before a time ran out.

What belongs here: the triple-barrier method (M. López de Prado, Advances in Financial Machine Learning, 2018,
ch. 3), for all hours at once. What does not: which hours are counted (`win_rates.py`).
"""

from dataclasses import dataclass

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole, trailing_sum
from cryptopattern_pipelines.squeeze.paths import PricePaths
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma

HORIZON_HOURS = {"24h": 24, "7d": 7 * 24, "1m": 30 * 24}

# Symbols worked on at a time: the tables of `_first_reach` for a year stay within some 60 MB.
_COLUMNS = 64


@dataclass(frozen=True)
class OutcomeSettings:
    """Where the barriers stand, in trailing sigmas of the horizon, and how whole a path must be.

    With one sigma either way a driftless random walk touches each side first about 31 times in 100, and neither
    37 times.
    """

    target_sigmas: float = 1.0
    stop_sigmas: float = 1.0
    volatility_hours: int = 168
    least_coverage: float = 0.95


@dataclass(frozen=True)
class Outcomes:
    """For an entry at the close of each hour, hours x symbols: is its outcome known, and did either side win.

    `known` says that the path reaches over the whole horizon; when that is, is for the caller to ask: the horizon
    of row t ends with row t + horizon.
    """

    known: Truths
    long_won: Truths
    short_won: Truths


def outcomes(paths: PricePaths, horizon_hours: int, settings: OutcomeSettings) -> Outcomes:
    """Tell each hour's outcome from the candles of the `horizon_hours` that follow it.

    Entry is at the hour's close C. With s = trailing hourly sigma (known at that close) x sqrt(horizon), a long wins
    when a later high touches C x exp(target x s) before a low touches C x exp(-stop x s); a short the other way
    round. When one candle touches both, which came first can't be told: that is a loss for either side. Nothing
    touched is no win. An outcome is not known when sigma is not, or when less than `least_coverage` of the
    horizon's candles are there; a missing candle touches nothing.
    """
    close = paths.close
    sigma = trailing_sigma(close, settings.volatility_hours) * np.sqrt(horizon_hours)
    present = np.isfinite(close).astype(np.int64)
    beyond = np.zeros((horizon_hours, close.shape[1]), dtype=np.int64)
    coverage = trailing_sum(np.vstack([present, beyond]), horizon_hours)[horizon_hours:]
    known = np.isfinite(sigma) & np.isfinite(close) & (coverage >= settings.least_coverage * horizon_hours)
    long_won, short_won = np.zeros_like(known), np.zeros_like(known)
    for left in range(0, close.shape[1], _COLUMNS):
        some = np.s_[:, left : left + _COLUMNS]
        won = _won(paths.high[some], paths.low[some], close[some], sigma[some], horizon_hours, settings)
        long_won[some], short_won[some] = known[some] & won[0], known[some] & won[1]
    return Outcomes(known, long_won, short_won)


def _won(  # noqa: PLR0917 (three prices and what they are measured with)
    high: Floats, low: Floats, close: Floats, sigma: Floats, horizon: int, settings: OutcomeSettings
) -> tuple[Truths, Truths]:
    """Where a long and where a short touches its target before its stop."""

    def up(sigmas: float) -> Whole:
        return _first_reach(high, close * np.exp(sigmas * sigma), horizon)

    def down(sigmas: float) -> Whole:
        return _first_reach(-low, -close * np.exp(-sigmas * sigma), horizon)

    target_up, target_down = up(settings.target_sigmas), down(settings.target_sigmas)
    if settings.stop_sigmas == settings.target_sigmas:
        stop_up, stop_down = target_up, target_down
    else:
        stop_up, stop_down = up(settings.stop_sigmas), down(settings.stop_sigmas)
    return target_up < stop_down, target_down < stop_up


def _first_reach(values: Floats, level: Floats, horizon: int) -> Whole:
    """Rows from each row to the first later one whose value is at least its level; horizon + 1 when none is within.

    Looks at blocks of halving length, and steps over a block whose greatest value stays below the level: about
    log2(horizon) looks an entry instead of `horizon`.
    """
    levels = horizon.bit_length()
    rows, columns = values.shape
    below_all = np.full((2**levels, columns), -np.inf)
    # greatest[k][t] is the greatest value of the 2**k rows from t on.
    greatest = [np.vstack([np.where(np.isnan(values), -np.inf, values), below_all])]
    for k in range(levels - 1):
        block = greatest[k].copy()
        np.maximum(block[: -(2**k)], block[2**k :], out=block[: -(2**k)])
        greatest.append(block)
    start = np.arange(rows)[:, None]
    column = np.arange(columns)
    distance = np.ones((rows, columns), dtype=np.int64)
    for k in reversed(range(levels)):
        distance += np.where(greatest[k][start + distance, column] < level, 2**k, 0)
    return np.minimum(distance, horizon + 1)
