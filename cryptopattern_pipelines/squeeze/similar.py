"""Moments like this one: the hours before it at which the market looked most alike, and what came after them.

What belongs here: the search and the odds. What does not: what a moment looks like (`features.py`).
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.features import LOOKBACK, Features
from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole, epoch_hour
from cryptopattern_pipelines.squeeze.intervals import wilson
from cryptopattern_pipelines.squeeze.outcomes import HORIZON_HOURS, OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.storage.schemas import SIDES

# What makes a moment: the state of price, volatility, volume, interest, funding and crowd, but not the clock.
LOOKS = (
    "volatility_6h",
    "volatility_24h",
    "volatility_week",
    "move_4h",
    "move_24h",
    "move_week",
    "move_month",
    "range_24h",
    "place_24h",
    "volume_month",
    "volume_24h",
    "interest_24h",
    "interest_week",
    "funding_rank",
    "funding_week",
    "accounts_month",
    "takers_24h",
)
_FEWEST_HOURS = 720
_MOST_DEVIATIONS = 4.0


class NoMomentError(ValueError):
    """There is no moment to compare with, or nothing to compare it to; the message says which and what to do."""


@dataclass(frozen=True)
class Similar:
    """The neighbours, nearest first, and the odds of each side beside those of any hour.

    Attributes:
        neighbours: `hour`, `distance` (root mean square of the features' differences in standard deviations),
            `move_pct` (close to close over the horizon), `long_won`, `short_won`.
        odds: a row for each side: `wins`, `n`, `rate_pct`, `interval_low_pct`, `interval_high_pct`, `base_rate_pct`,
            `base_n` (windows that do not overlap).
        looked_at: the features that were known at the moment, and so were compared.
    """

    neighbours: pd.DataFrame
    odds: pd.DataFrame
    looked_at: tuple[str, ...]


def similar(
    features: Features,
    candles: pd.DataFrame,
    symbol: str,
    at: datetime,
    *,
    count: int = 30,
    timeframe: str = "24h",
    settings: OutcomeSettings | None = None,
) -> Similar:
    """Find the moments of a symbol that looked most like the end of the hour `at`, and tell what came after them.

    Only hours whose outcome was known by the end of `at` are looked at, and features are scaled by the mean and
    deviation of just those hours; so the answer is the one that could have been given then. Neighbours lie at least
    a timeframe apart, the nearer going first, so that none is told twice. A feature that is unknown at the moment is
    not compared; one that is unknown at another hour counts there as the mean.

    Args:
        features: from as far back as neighbours may lie, to the hour `at` or beyond.
        candles: MARKET_CANDLES, at least `paths.CANDLE_COLUMNS`, of the same time and a week before.
        symbol: canonical name.
        at: start of the hour, UTC.
        count: neighbours at most.
        timeframe: how long an outcome is waited for, a key of HORIZON_HOURS.
        settings: barriers.

    Raises:
        NoMomentError: the symbol has no snapshot with a month's history in that hour, or fewer than a month of hours
            with known outcomes lie before it.
        WindowError: `at` is not on the hour or has no time zone.
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 (a second to load)

    settings = settings or OutcomeSettings()
    horizon = HORIZON_HOURS[timeframe]
    grid = features.grid
    row = epoch_hour(at) - grid.first
    days = LOOKBACK.days
    if symbol not in grid.symbols or not 0 <= row < grid.length or not features.scored[row, grid.symbols.index(symbol)]:
        raise NoMomentError(
            f"{symbol} has no snapshot with a month's prices before it at {at:%Y-%m-%dT%H:%M}: backfill from "
            f"{days} days before it"
        )
    column = grid.symbols.index(symbol)
    lead = settings.volatility_hours
    paths = price_paths(candles[(candles["symbol"] == symbol).to_numpy()], grid.first - lead, grid.first + row + 1)
    if not paths.grid.symbols:
        raise NoMomentError(f"{symbol} has no candles before {at:%Y-%m-%dT%H:%M}: backfill market_candles")
    found = outcomes(paths, horizon, settings)
    known = found.known[lead:, 0] & features.scored[: row + 1, column]
    known[max(0, row + 1 - horizon) :] = False
    hours = np.flatnonzero(known)
    if len(hours) < _FEWEST_HOURS:
        raise NoMomentError(
            f"only {len(hours)} hours of {symbol} with a known outcome lie before {at:%Y-%m-%dT%H:%M}: backfill at "
            f"least {_FEWEST_HOURS} more"
        )
    names, moment, past = _scaled(features, column, row, hours)
    # A tree, as it needs no threads: where the machine grants fewer than were counted on, the plain search goes wrong.
    search = NearestNeighbors(n_neighbors=min(len(hours), count * (2 * horizon + 1)), algorithm="kd_tree").fit(past)
    distance, order = (found_by[0] for found_by in search.kneighbors(moment[None]))
    kept = _apart(hours[order], horizon, count)
    near = hours[order][kept]
    won = {"long": found.long_won[lead:, 0], "short": found.short_won[lead:, 0]}
    close = paths.close[lead:, 0]
    neighbours = pd.DataFrame(
        {
            "hour": grid.times(near),
            "distance": distance[kept] / np.sqrt(len(names)),
            "move_pct": 100 * (close[near + horizon] / close[near] - 1),
            **{f"{side}_won": won[side][near] for side in SIDES},
        }
    )
    return Similar(neighbours, _odds(won, near, hours, horizon), names)


def _scaled(features: Features, column: int, row: int, hours: Whole) -> tuple[tuple[str, ...], Floats, Floats]:
    """The features compared, the moment and the hours in deviations from those hours' mean."""
    at = [features.names.index(name) for name in LOOKS if np.isfinite(features.column(name)[row, column])]
    past, moment = features.figures[hours, column][:, at], features.figures[row, column, at]
    known = np.isfinite(past)
    enough = 2 * known.sum(axis=0) >= len(hours)
    at = [each for each, told in zip(at, enough.tolist(), strict=True) if told]
    past, moment, known = past[:, enough], moment[enough], known[:, enough]
    total = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, past, 0.0).sum(axis=0) / total
    deviation = np.sqrt((np.where(known, past - mean, 0.0) ** 2).sum(axis=0) / total)
    deviation = np.where(deviation > 0, deviation, 1.0)

    def scaled(values: Floats) -> Floats:
        clipped = np.clip((values - mean) / deviation, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        return np.where(np.isnan(clipped), 0.0, clipped)

    return tuple(features.names[each] for each in at), scaled(moment), scaled(past)


def _apart(hours: Whole, horizon: int, count: int) -> Whole:
    """Positions of the first hours of a list that lie a horizon apart from all taken before."""
    free = np.ones(len(hours), dtype=bool)
    taken: list[int] = []
    while len(taken) < count and free.any():
        place = int(np.argmax(free))
        taken.append(place)
        free &= np.abs(hours - hours[place]) >= horizon
    return np.array(taken, dtype=np.int64)


def _odds(won: dict[str, Truths], near: Whole, hours: Whole, horizon: int) -> pd.DataFrame:
    wins = np.array([int(won[side][near].sum()) for side in SIDES])
    n = np.full(len(SIDES), len(near))
    low, high = wilson(wins, n)
    return pd.DataFrame(
        {
            "side": SIDES,
            "wins": wins,
            "n": n,
            "rate_pct": 100 * wins / n,
            "interval_low_pct": 100 * low,
            "interval_high_pct": 100 * high,
            "base_rate_pct": [100 * float(won[side][hours].mean()) for side in SIDES],
            "base_n": len(hours) // horizon,
        }
    )
