"""Each signal's threshold and strength, by hand-worked numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze import signals
from cryptopattern_pipelines.squeeze.signals import WEIGHTS, SignalSettings
from cryptopattern_pipelines.storage.schemas import SIGNALS

SETTINGS = SignalSettings()
ABSENT = np.nan


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_the_weights_are_the_guides_and_named_as_the_table_names_them() -> None:
    assert list(WEIGHTS) == SIGNALS
    assert list(WEIGHTS.values()) == [0.40, 0.25, 0.20, 0.10, 0.05]


@pytest.mark.parametrize(
    ("long_pct", "short_pct", "strength"),
    [
        (25.5, 74.5, 58.8),
        (30.0, 70.0, 48.0),
        (70.0, 30.0, 48.0),
        (69.9, 30.1, ABSENT),
        (5.0, 95.0, 100.0),
        (ABSENT, ABSENT, ABSENT),
    ],
)
def test_dominance(long_pct: float, short_pct: float, strength: float) -> None:
    found = signals.liquidation_dominance(one(long_pct), one(short_pct), SETTINGS)
    assert found == pytest.approx(one(strength), nan_ok=True)


@pytest.mark.parametrize(
    ("change", "strength"),
    [(50.0, ABSENT), (50.1, 75.15), (60.0, 90.0), (66.7, 100.0), (900.0, 100.0), (-60.0, ABSENT), (ABSENT, ABSENT)],
)
def test_volume_spike(change: float, strength: float) -> None:
    assert signals.volume_spike(one(change), SETTINGS) == pytest.approx(one(strength), nan_ok=True)


@pytest.mark.parametrize(
    ("percentile", "strength"),
    [(95.0, 90.0), (94.9, ABSENT), (5.0, 90.0), (5.1, ABSENT), (100.0, 100.0), (0.0, 100.0), (ABSENT, ABSENT)],
)
def test_funding_extreme(percentile: float, strength: float) -> None:
    assert signals.funding_extreme(one(percentile), SETTINGS) == pytest.approx(one(strength), nan_ok=True)


@pytest.mark.parametrize(
    ("change", "strength"),
    [(10.0, 50.0), (-10.0, 50.0), (9.9, ABSENT), (14.0, 70.0), (-35.0, 100.0), (ABSENT, ABSENT)],
)
def test_open_interest_change(change: float, strength: float) -> None:
    assert signals.open_interest_change(one(change), SETTINGS) == pytest.approx(one(strength), nan_ok=True)


def prices_with_a_move(move: float, hours_of_move: int = 4, calm: int = 168) -> np.ndarray:
    """Logs of a price that goes up and down by 1 % each hour for `calm` hours, then moves evenly by `move`."""
    calm_returns = np.tile([0.01, -0.01], calm // 2)
    returns = np.concatenate([calm_returns, np.full(hours_of_move, move / hours_of_move)])
    return np.concatenate([[0.0], np.cumsum(returns)])[:, None]


@pytest.mark.parametrize(
    # The calm hours' sigma is .01, of four hours .02.
    ("move", "strength"),
    [(0.05, 62.5), (-0.05, 62.5), (0.06, 75.0), (0.0399, ABSENT), (0.0401, 50.125), (0.5, 100.0)],
)
def test_price_acceleration_is_measured_in_sigmas_of_before_the_move(move: float, strength: float) -> None:
    found = signals.price_acceleration(prices_with_a_move(move), SETTINGS)[-1]
    assert found == pytest.approx(one(strength), nan_ok=True)


def test_price_acceleration_needs_half_of_its_past() -> None:
    prices = prices_with_a_move(0.06)
    half, less = prices.copy(), prices.copy()
    half[:84] = np.nan
    less[:86] = np.nan
    assert signals.price_acceleration(half, SETTINGS)[-1] == pytest.approx(one(75.0))
    assert np.isnan(signals.price_acceleration(less, SETTINGS)[-1])


def test_a_price_that_never_moved_gives_no_scale() -> None:
    prices = np.zeros((200, 1))
    prices[-1] = 1.0
    assert np.isnan(signals.price_acceleration(prices, SETTINGS)).all()


@given(st.lists(st.floats(-200, 1000), min_size=1), st.lists(st.floats(0, 100), min_size=1))
def test_strengths_stay_on_their_scale(changes: list[float], shares: list[float]) -> None:
    change, share = np.array(changes), np.array(shares)
    for strength in (
        signals.volume_spike(change, SETTINGS),
        signals.open_interest_change(change, SETTINGS),
        signals.funding_extreme(share, SETTINGS),
        signals.liquidation_dominance(share, 100 - share, SETTINGS),
    ):
        present = strength[~np.isnan(strength)]
        assert ((present >= 40) & (present <= 100)).all()
