"""What came after each hour: which of two barriers the price touched first, before a time ran out.

What belongs here: the triple-barrier method (M. López de Prado, Advances in Financial Machine Learning, 2018,
ch. 3), for all hours at once. What does not: which hours are counted (`win_rates.py`).
"""

from dataclasses import dataclass

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole, trailing_sum
from cryptopattern_pipelines.squeeze.paths import PricePaths
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma
from cryptopattern_pipelines.storage.schemas import SIDES

HORIZON_HOURS = {"24h": 24, "7d": 7 * 24, "1m": 30 * 24}

# Symbols worked on at a time: the tables of `_first_reach` for a year stay within some 60 MB.
_COLUMNS = 64


@dataclass(frozen=True)
class OutcomeSettings:
    """Where the barriers stand, in trailing sigmas of the horizon, what a trade costs, and how whole a path must be.

    With one sigma either way a driftless random walk touches each side first about 31 times in 100, and neither
    37 times.

    `fee_bps` and `slippage_bps` are basis points of the position, paid at entry and again at exit. The fee is what
    Binance's and OKX's perpetuals take of a taker without discounts (https://www.binance.com/en/fee/futureFee,
    https://www.okx.com/fees); the slippage is an assumption. Funding is not counted.
    """

    target_sigmas: float = 1.0
    stop_sigmas: float = 1.0
    volatility_hours: int = 168
    least_coverage: float = 0.95
    fee_bps: float = 5.0
    slippage_bps: float = 2.0

    @property
    def costs_bps(self) -> float:
        """Of entry and exit together."""
        return 2 * (self.fee_bps + self.slippage_bps)


@dataclass(frozen=True)
class Outcomes:
    """For an entry at the close of each hour, hours x symbols: is its outcome known, and what did either side get.

    `known` says that the path reaches over the whole horizon; when that is, is for the caller to ask: the horizon
    of row t ends with row t + horizon. Returns are fractions of the position's value at entry, net of costs, NaN where
    the outcome is not known: the target's or the stop's, or, where neither was touched, that of the last close within
    the horizon. A short gains what the price loses: at most all of it, while its loss has no bound.
    """

    known: Truths
    long_won: Truths
    short_won: Truths
    long_return: Floats
    short_return: Floats


def outcomes(paths: PricePaths, horizon_hours: int, settings: OutcomeSettings) -> Outcomes:
    """Tell each hour's outcome from the candles of the `horizon_hours` that follow it.

    Entry is at the hour's close C, and costs k are taken from the log return. With s = trailing hourly sigma (known
    at that close) x sqrt(horizon), a long wins when a later high touches C x exp(target x s + k), where it has gained
    its target net of costs, before a low touches C x exp(-stop x s + k); a short the other way round. When one candle
    touches both, which came first can't be told: that is a loss for either side. Nothing touched is no win. An
    outcome is not known when sigma is not, when the horizon ends after the last row, or when less than
    `least_coverage` of its candles are there; a missing candle touches nothing.
    """
    close = paths.close
    sigma = trailing_sigma(close, settings.volatility_hours) * np.sqrt(horizon_hours)
    present = np.isfinite(close).astype(np.int64)
    beyond = np.zeros((horizon_hours, close.shape[1]), dtype=np.int64)
    coverage = trailing_sum(np.vstack([present, beyond]), horizon_hours)[horizon_hours:]
    known = np.isfinite(sigma) & np.isfinite(close) & (coverage >= settings.least_coverage * horizon_hours)
    # What is yet to come is not what is missing: with its last hours an outcome may still change.
    known[max(0, len(close) - horizon_hours) :] = False
    won = {side: np.zeros_like(known) for side in SIDES}
    returns = {side: np.full_like(close, np.nan) for side in SIDES}
    for left in range(0, close.shape[1], _COLUMNS):
        some = np.s_[:, left : left + _COLUMNS]
        path = _Path(paths.high[some], paths.low[some], close[some], sigma[some], horizon_hours)
        for side, (gained, log_return) in _sides(path, settings).items():
            won[side][some] = known[some] & gained
            # As many coins as were sold are bought back, so a short's return is that of the price, turned round.
            gain = np.expm1(log_return) if side == "long" else -np.expm1(-log_return)
            returns[side][some] = np.where(known[some], gain, np.nan)
    return Outcomes(known, won["long"], won["short"], returns["long"], returns["short"])


@dataclass(frozen=True)
class _Path:
    """Prices of some symbols, hours x symbols, the sigma that their barriers are scaled with, and the horizon."""

    high: Floats
    low: Floats
    close: Floats
    sigma: Floats
    horizon: int

    def up(self, barrier: Floats) -> Whole:
        """Rows until a high touches the barrier, a log return."""
        return _first_reach(self.high, self.close * np.exp(barrier), self.horizon)

    def down(self, barrier: Floats) -> Whole:
        """Rows until a low touches it."""
        return _first_reach(-self.low, -self.close * np.exp(barrier), self.horizon)

    def at_the_end(self) -> Floats:
        """Log return to the last close that is known within the horizon."""
        rows = np.arange(len(self.close))[:, None]
        newest = np.maximum.accumulate(np.where(np.isfinite(self.close), rows, 0), axis=0)
        ends = np.minimum(rows + self.horizon, len(rows) - 1)
        last = np.take_along_axis(newest, np.broadcast_to(ends, newest.shape), axis=0)
        return np.log(np.take_along_axis(self.close, last, axis=0) / self.close)


def _sides(path: _Path, settings: OutcomeSettings) -> dict[str, tuple[Truths, Floats]]:
    """For each side: where it touches its target before its stop, and the log return net of costs in its direction."""
    target, stop, costs = (
        settings.target_sigmas * path.sigma,
        settings.stop_sigmas * path.sigma,
        settings.costs_bps / 1e4,
    )
    target_up, target_down = path.up(target + costs), path.down(-target - costs)
    if costs == 0 and settings.stop_sigmas == settings.target_sigmas:
        stop_up, stop_down = target_up, target_down
    else:
        stop_up, stop_down = path.up(stop - costs), path.down(costs - stop)
    end = path.at_the_end()
    found = {}
    for side, first, other, timed_out in (("long", target_up, stop_down, end), ("short", target_down, stop_up, -end)):
        neither = np.minimum(first, other) > path.horizon
        log_return = np.where(neither, timed_out - costs, np.where(first < other, target, -stop))
        found[side] = first < other, log_return
    return found


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
