"""A simulated market whose truth is known: with an edge planted behind each claim, or with none.

Prices are random walks by the hour. Now and then liquidations crowd on one side for some hours: analyses claim that
side's squeeze and, where an edge is planted, the day that follows the first of those hours drifts to it. With
`edge=0` claims, scores and every column of the snapshots are noise, and nothing can be forecast from any of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.storage.schemas import EXCHANGE_SNAPSHOTS, MARKET_CANDLES, SEVERITIES, SQUEEZE_ANALYSES
from cryptopattern_tests.squeeze.frames import hours, utc

START = utc("2023-01-01")
# Before the first claim, so that its outcome has a sigma.
WARM_UP_HOURS = 200
DRIFT_HOURS = 24


@dataclass(frozen=True)
class SimulatedMarket:
    """One market: MARKET_CANDLES, EXCHANGE_SNAPSHOTS and SQUEEZE_ANALYSES of the same hours and symbols.

    `side` is hours x symbols: 1 where a rise is claimed, -1 where a fall is, 0 where nothing is.
    """

    candles: pd.DataFrame
    snapshots: pd.DataFrame
    analyses: pd.DataFrame
    side: npt.NDArray[np.int64]


def simulate(  # noqa: PLR0917 (a market's few numbers)
    seed: int,
    symbols: int = 4,
    length: int = 24 * 365,
    edge: float = 0.0,
    spacing: int = 60,
    run: int = 6,
    sigma: float = 0.01,
) -> SimulatedMarket:
    """Simulate a market of `length` hours from START on, its symbols named S000, S001, ...

    Args:
        seed: the same seed gives the same market; a symbol's prices do not depend on how many there are.
        symbols: how many.
        length: hours.
        edge: drift of the DRIFT_HOURS after a claim's first hour, to the claimed side, in sigmas of a day.
        spacing: hours from one claim's first hour to the next one's, on average; at least DRIFT_HOURS + run.
        run: hours that a claim stands.
        sigma: of an hour's log return.

    Raises:
        ValueError: claims stand so close that their drifts would overlap.
    """
    jitter = spacing - DRIFT_HOURS - run
    if jitter < 0:
        raise ValueError(f"spacing {spacing} is less than {DRIFT_HOURS} + {run} hours: drifts would overlap")
    names = [f"S{number:03d}" for number in range(symbols)]
    columns = [_symbol(np.random.default_rng([seed, number]), length, edge, spacing, run, jitter, sigma)
               for number in range(symbols)]  # fmt: skip
    noise = {name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]}
    side = noise["side"].astype(np.int64)
    frame = pd.DataFrame({"hour": hours(START, length).repeat(symbols), "symbol": names * length}).astype(
        {"symbol": "str"}
    )
    return SimulatedMarket(_candles(frame, noise), _snapshots(frame, noise), _analyses(frame, noise), side)


def _symbol(  # noqa: PLR0917 (as `simulate`)
    random: np.random.Generator, length: int, edge: float, spacing: int, run: int, jitter: int, sigma: float
) -> dict[str, npt.NDArray[np.float64]]:
    """One symbol's numbers by hour."""
    returns = random.normal(0, sigma, length)
    side = np.zeros(length)
    first = np.arange(WARM_UP_HOURS, length - DRIFT_HOURS - spacing, spacing)
    first = first + random.integers(0, jitter + 1, len(first))
    sides = random.choice([-1.0, 1.0], len(first))
    for offset in range(run):
        side[first + offset] = sides
    for offset in range(1, DRIFT_HOURS + 1):
        returns[first + offset] += sides * edge * sigma * np.sqrt(DRIFT_HOURS) / DRIFT_HOURS
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate([[100.0], close[:-1]])
    wick = np.exp(np.abs(random.normal(0, sigma / 4, (2, length))))
    crowded = np.where(side == 0, random.uniform(50, 65, length), random.uniform(70, 95, length))
    shorts = np.where(side < 0, 100 - crowded, crowded)
    return {
        "side": side,
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) * wick[0],
        "low": np.minimum(opened, close) / wick[1],
        "volume": random.lognormal(10, 1, length),
        "short_pct": np.round(np.where(side == 0, 50.0, shorts), 1),
        "volume_change": random.normal(0, 60, length),
        "funding": random.uniform(0, 100, length),
        "open_interest_change": random.normal(0, 5, length),
    }


def _candles(frame: pd.DataFrame, noise: dict[str, npt.NDArray[np.float64]]) -> pd.DataFrame:
    return MARKET_CANDLES.conform(
        frame.assign(
            venue="binance",
            market="perpetual",
            instrument=frame["symbol"] + "USDT",
            **{name: noise[name].ravel() for name in ("open", "high", "low", "close")},
            volume_base=noise["volume"].ravel(),
            volume_usd=(noise["volume"] * noise["close"]).ravel(),
        )
    )


def _snapshots(frame: pd.DataFrame, noise: dict[str, npt.NDArray[np.float64]]) -> pd.DataFrame:
    close = pd.DataFrame(noise["close"])
    coins = 1e6 * np.exp(np.cumsum(noise["open_interest_change"] / 2400, axis=0))
    funding = noise["funding"].ravel()
    return EXCHANGE_SNAPSHOTS.conform(
        frame.assign(
            average_price=noise["close"].ravel(),
            price_variance=0.0,
            high_24h=pd.DataFrame(noise["high"]).rolling(24, min_periods=1).max().to_numpy().ravel(),
            low_24h=pd.DataFrame(noise["low"]).rolling(24, min_periods=1).min().to_numpy().ravel(),
            price_change_1h_pct=100 * (close / close.shift(1) - 1).to_numpy().ravel(),
            price_change_24h_pct=100 * (close / close.shift(24) - 1).to_numpy().ravel(),
            volume_24h_usd=(noise["volume"] * noise["close"]).ravel(),
            volume_change_24h_pct=noise["volume_change"].ravel(),
            open_interest_usd=(coins * noise["close"]).ravel(),
            open_interest_base=coins.ravel(),
            open_interest_change_24h_pct=noise["open_interest_change"].ravel(),
            funding_rate=(funding - 50) / 1e6,
            funding_percentile=funding,
            venues="binance:perpetual",
            venue_count=1,
            metrics_age_hours=1.0,
            quality_flags="one_venue",
        )
    )


def _analyses(frame: pd.DataFrame, noise: dict[str, npt.NDArray[np.float64]]) -> pd.DataFrame:
    """Analyses by dominance alone, with the guide's score and cuts."""
    side, shorts = noise["side"].ravel(), noise["short_pct"].ravel()
    direction = np.where(side == 0, 0.0, np.abs(2 * shorts - 100))
    strength = np.where(side == 0, np.nan, np.minimum(100.0, 1.2 * direction))
    score = np.round(np.where(side == 0, 0.0, strength * direction / 100), 1)
    return SQUEEZE_ANALYSES.conform(
        frame.assign(
            price=noise["close"].ravel(),
            squeeze_type=np.select([side > 0, side < 0], ["SHORT_SQUEEZE", "LONG_SQUEEZE"], "NONE"),
            probability=score,
            direction_confidence=np.round(direction, 1),
            severity=np.array(SEVERITIES)[np.digitize(score, [45.0, 65.0, 80.0])],
            estimated_timeframe="uncertain",
            risk_level="INSUFFICIENT_DATA",
            signal_count=(side != 0).astype(int),
            liquidation_dominance_strength=strength,
            liquidation_dominance_weight=np.where(side == 0, np.nan, 0.40),
            long_pct=100 - shorts,
            short_pct=shorts,
            market_sources="binance:perpetual",
        )
    )
