"""The five signals of a squeeze, each a strength from 0 to 100 or absent (NaN), for any number of rows at once.

Dominance and volume spike are the guide's. The guide names the other three with their weights and leaves their
strengths open; here each begins at about 50, where its cause is seen in some 6 % of all hours on real history
(funding: by its definition in 10 %), and reaches 100 at twice that cause:

| signal | weight | present when | strength |
|---|---|---|---|
| liquidation_dominance | .40 | one side's share >= 70 % | 1.2 x abs(long - short), at most 100 |
| volume_spike | .25 | 24h volume change > 50 % | 1.5 x change, at most 100 |
| price_acceleration | .20 | the move of the last 4 hours >= 2 trailing sigmas | 25 x sigmas, at most 100 |
| funding_extreme | .10 | funding in the lowest or highest 5 % of its trailing 30 days | abs(2 x percentile - 100) |
| open_interest_change | .05 | coins of open interest changed by >= 10 % in 24 hours | 5 x abs(change), at most 100 |

None of the last four says which side will be squeezed: only dominance does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, previous
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma_of_logs

WEIGHTS = {
    "liquidation_dominance": 0.40,
    "volume_spike": 0.25,
    "price_acceleration": 0.20,
    "funding_extreme": 0.10,
    "open_interest_change": 0.05,
}


@dataclass(frozen=True)
class SignalSettings:
    """Thresholds of the signals and of what follows from them. Shares, changes and percentiles are in percent."""

    dominance_threshold: float = 70.0
    volume_spike_threshold: float = 50.0
    acceleration_sigmas: float = 2.0
    acceleration_hours: int = 4
    sigma_hours: int = 168
    funding_tail: float = 5.0
    open_interest_threshold: float = 10.0
    confidence_threshold: float = 75.0
    max_reading_age_hours: float = 24.0
    realised_hours: int = 24
    max_daily_age_hours: int = 24

    @property
    def snapshots_lookback(self) -> timedelta:
        """How long before a window its snapshots must begin."""
        return timedelta(hours=self.acceleration_hours + self.sigma_hours)

    @property
    def readings_lookback(self) -> timedelta:
        """How long before a window its readings, and its levels, must begin."""
        return timedelta(hours=math.ceil(self.max_reading_age_hours))

    @property
    def liquidations_lookback(self) -> timedelta:
        """How long before a window its realised liquidations must begin."""
        return timedelta(hours=max(self.realised_hours - 1, self.max_daily_age_hours))

    @property
    def lookback(self) -> timedelta:
        """The longest of the three."""
        return max(self.snapshots_lookback, self.readings_lookback, self.liquidations_lookback)


def liquidation_dominance(long_pct: Floats, short_pct: Floats, settings: SignalSettings) -> Floats:
    """Strength by the shares of long and short liquidations (percent, NaN where not known)."""
    dominant = np.fmax(long_pct, short_pct) >= settings.dominance_threshold
    return np.where(dominant, np.minimum(100.0, np.abs(long_pct - short_pct) * 1.2), np.nan)


def volume_spike(volume_change_24h_pct: Floats, settings: SignalSettings) -> Floats:
    """Strength by the change of the 24h volume against the 24 hours before (percent)."""
    spike = volume_change_24h_pct > settings.volume_spike_threshold
    return np.where(spike, np.minimum(100.0, volume_change_24h_pct * 1.5), np.nan)


def price_acceleration(log_prices: Floats, settings: SignalSettings) -> Floats:
    """Strength by the last hours' move in trailing sigmas, hours x symbols, NaN where not known.

    Sigma is the `trailing_sigma` of the `sigma_hours` before the move began, times the root of the move's hours.
    """
    move = np.abs(log_prices - previous(log_prices, settings.acceleration_hours))
    hourly = previous(trailing_sigma_of_logs(log_prices, settings.sigma_hours), settings.acceleration_hours)
    sigma = hourly * np.sqrt(settings.acceleration_hours)
    sigmas = move / sigma
    return np.where(sigmas >= settings.acceleration_sigmas, np.minimum(100.0, 25.0 * sigmas), np.nan)


def funding_extreme(funding_percentile: Floats, settings: SignalSettings) -> Floats:
    """Strength by the rank of the funding rate in its trailing 30 days (percent, ties at their middle)."""
    strength = np.abs(2.0 * funding_percentile - 100.0)
    return np.where(strength >= 100.0 - 2.0 * settings.funding_tail, strength, np.nan)


def open_interest_change(open_interest_change_24h_pct: Floats, settings: SignalSettings) -> Floats:
    """Strength by the change of open interest in coins over 24 hours (percent, either sign)."""
    change = np.abs(open_interest_change_24h_pct)
    return np.where(change >= settings.open_interest_threshold, np.minimum(100.0, 5.0 * change), np.nan)


# The signals that one figure of a snapshot tells: its column, and its strength by it.
OF_FIGURES: dict[str, tuple[str, Callable[[Floats, SignalSettings], Floats]]] = {
    "volume_spike": ("volume_change_24h_pct", volume_spike),
    "funding_extreme": ("funding_percentile", funding_extreme),
    "open_interest_change": ("open_interest_change_24h_pct", open_interest_change),
}
