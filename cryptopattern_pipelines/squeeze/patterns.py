"""The named patterns: what each is, in words and as a rule on features, and where it begins.

What belongs here: the registry. What does not: what a pattern was worth (`pattern_library.py`), and the features'
definitions (`features.py`). A new pattern is one more entry; the correction for having looked at many counts it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.grid import Floats, Truths, previous

Rule = Callable[[Features], Truths]


@dataclass(frozen=True)
class Pattern:
    """A name, its conditions as a person would say them, and the same as a rule: features to hours x symbols.

    An unknown fact meets no condition: comparisons with NaN are false.
    """

    name: str
    conditions: str
    rule: Rule


def _log(ratio: float) -> float:
    return float(np.log(ratio))


def _both(*conditions: Truths) -> Truths:
    return np.logical_and.reduce(conditions)


def _a_day_ago(values: Floats) -> Floats:
    return previous(values, 24)


_CROWD = _log(1.15)
_BUSY = _log(1.5)
_FLIP = 10.0

PATTERNS = (
    Pattern(
        "crowded_longs_with_volume",
        "ratio of long to short accounts >= 1.15 x its month's mean, day's volume >= 1.5 x the day before",
        lambda f: _both(f.column("accounts_month") >= _CROWD, f.column("volume_24h") >= _BUSY),
    ),
    Pattern(
        "crowded_shorts_with_volume",
        "ratio of long to short accounts <= its month's mean / 1.15, day's volume >= 1.5 x the day before",
        lambda f: _both(f.column("accounts_month") <= -_CROWD, f.column("volume_24h") >= _BUSY),
    ),
    Pattern(
        "funding_high_with_rising_interest",
        "funding above 95 % of its month, open interest in coins up by 5 % or more in a day",
        lambda f: _both(f.column("funding_rank") >= 95, f.column("interest_24h") >= 5),
    ),
    Pattern(
        "funding_low_with_rising_interest",
        "funding below 95 % of its month, open interest in coins up by 5 % or more in a day",
        lambda f: _both(f.column("funding_rank") <= 5, f.column("interest_24h") >= 5),
    ),
    Pattern(
        "funding_negative_extreme",
        "shorts pay, and funding is below 95 % of its month",
        lambda f: _both(f.column("funding") < 0, f.column("funding_rank") <= 5),
    ),
    Pattern(
        "funding_positive_extreme",
        "longs pay, and funding is above 95 % of its month",
        lambda f: _both(f.column("funding") > 0, f.column("funding_rank") >= 95),
    ),
    Pattern(
        "dominance_flips_to_longs",
        "longs' share of liquidations >= 60 %, a day before <= 40 %",
        lambda f: _both(f.column("long_share") >= _FLIP, _a_day_ago(f.column("long_share")) <= -_FLIP),
    ),
    Pattern(
        "dominance_flips_to_shorts",
        "shorts' share of liquidations >= 60 %, a day before <= 40 %",
        lambda f: _both(f.column("long_share") <= -_FLIP, _a_day_ago(f.column("long_share")) >= _FLIP),
    ),
    Pattern(
        "open_interest_flush_down",
        "open interest in coins down by 8 % or more in a day, price down by a day's sigma or more",
        lambda f: _both(f.column("interest_24h") <= -8, f.column("move_24h") <= -1),
    ),
    Pattern(
        "open_interest_flush_up",
        "open interest in coins down by 8 % or more in a day, price up by a day's sigma or more",
        lambda f: _both(f.column("interest_24h") <= -8, f.column("move_24h") >= 1),
    ),
    Pattern(
        "quiet_coil",
        "the week's volatility <= .7 x the month's, the day's range <= its sigma, open interest up by 5 % in a week",
        lambda f: _both(
            f.column("volatility_week") <= _log(0.7), f.column("range_24h") <= 1, f.column("interest_week") >= 5
        ),
    ),
    Pattern(
        "volatility_dries_up",
        "the day's volatility <= half of the month's, the day's volume <= half of its month's mean",
        lambda f: _both(f.column("volatility_24h") <= _log(0.5), f.column("volume_month") <= _log(0.5)),
    ),
    Pattern(
        "fast_rise",
        "price up by three sigmas or more in four hours",
        lambda f: f.column("move_4h") >= 3,
    ),
    Pattern(
        "fast_fall",
        "price down by three sigmas or more in four hours",
        lambda f: f.column("move_4h") <= -3,
    ),
    Pattern(
        "cluster_near_above",
        "a cluster of waiting liquidations stands within 2 % above the price, of half the chart's greatest or more",
        lambda f: _both(f.column("cluster_above") <= 2, f.column("cluster_above_strength") >= 0.5),
    ),
    Pattern(
        "cluster_near_below",
        "a cluster of waiting liquidations stands within 2 % below the price, of half the chart's greatest or more",
        lambda f: _both(f.column("cluster_below") <= 2, f.column("cluster_below_strength") >= 0.5),
    ),
)

NAMES = tuple(pattern.name for pattern in PATTERNS)


def begins(features: Features, pattern: Pattern) -> tuple[Truths, Truths]:
    """Where the pattern begins, and where it holds; hours x symbols.

    It begins in an hour in which it holds and in the hour before did not. The first hour can't tell.
    """
    holds = pattern.rule(features) & features.scored
    fresh = holds.copy()
    fresh[1:] &= ~holds[:-1]
    fresh[:1] = False
    return fresh, holds
