"""Triple barriers: which was touched first, when it is known, and the plain search that the fast one must equal."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.grid import HourGrid
from cryptopattern_pipelines.squeeze.outcomes import Outcomes, OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import PricePaths
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma

CALM = 8
# Sigma over eight returns of +-1 % is .01; over a horizon of four hours .02, so the barriers stand at e^+-.02.
FREE = OutcomeSettings(fee_bps=0, slippage_bps=0)
SETTINGS = replace(FREE, volatility_hours=CALM)
HORIZON = 4
UP, DOWN = 100 * np.exp(0.0201), 100 * np.exp(-0.0201)


def path(close: list[float], high: list[float] | None = None, low: list[float] | None = None) -> PricePaths:
    """Eight calm hours that end at 100, then these candles; high and low are the close unless given."""
    calm = [100.0 if t % 2 == 0 else 100 * np.exp(0.01) for t in range(CALM + 1)]
    arrays = (np.array(calm + list(after))[:, None] for after in (high or close, low or close, close))
    grid = HourGrid(0, CALM + 1 + len(close), ("BTC",))
    return PricePaths(grid, *arrays)


def entry(paths: PricePaths, settings: OutcomeSettings = SETTINGS) -> tuple[bool, bool, bool]:
    """Known, long won, short won of the entry at the last calm hour's close."""
    found = outcomes(paths, HORIZON, settings)
    return bool(found.known[CALM, 0]), bool(found.long_won[CALM, 0]), bool(found.short_won[CALM, 0])


def test_the_first_touch_decides() -> None:
    assert entry(path([101, UP, DOWN, 100])) == (True, True, False)
    assert entry(path([101, DOWN, UP, 100])) == (True, False, True)


def test_a_wick_is_a_touch() -> None:
    assert entry(path([100, 100, 100, 100], high=[100, 100, 100, UP])) == (True, True, False)
    assert entry(path([100, 100, 100, 100], low=[100, DOWN, 100, 100])) == (True, False, True)


def test_nothing_touched_is_no_win() -> None:
    assert entry(path([101, 99, 101, 99])) == (True, False, False)


def test_both_in_one_candle_is_a_loss_for_either() -> None:
    assert entry(path([100, 100, UP, 100], high=[100, UP, UP, 100], low=[100, DOWN, 100, 100])) == (True, False, False)


def test_a_touch_after_the_horizon_does_not_count() -> None:
    assert entry(path([100.5, 100, 100.5, 100, UP])) == (True, False, False)


def test_the_entrys_own_candle_does_not_count() -> None:
    paths = path([100.5, 100, 100.5, 100])
    paths.high[CALM], paths.low[CALM] = 200.0, 50.0
    assert entry(paths) == (True, False, False)


def test_it_is_known_only_after_the_whole_horizon() -> None:
    assert entry(path([UP, 100, 100])) == (False, False, False)


def test_missing_candles_are_forgiven_up_to_the_coverage() -> None:
    half = replace(SETTINGS, least_coverage=0.5)
    nan = float("nan")
    assert entry(path([nan, UP, 100, 100])) == (False, False, False)
    assert entry(path([nan, UP, nan, 100]), half) == (True, True, False)
    assert entry(path([nan, UP, nan, nan]), half) == (False, False, False)


def test_an_outcome_whose_last_hours_are_yet_to_come_is_not_known() -> None:
    half = replace(SETTINGS, least_coverage=0.5)
    assert entry(path([100, 100.5, 100]), half) == (False, False, False)
    assert entry(path([100, 100.5, 100, UP]), half) == (True, True, False)


def test_barriers_need_not_stand_alike() -> None:
    near_stop = replace(SETTINGS, target_sigmas=1.0, stop_sigmas=0.25)
    # .6 % down is a stop of the long and no target of the short; up again is then the short's stop.
    assert entry(path([99.4, UP, 100, 100]), near_stop) == (True, False, False)
    assert entry(path([100.4, UP, 100, 100]), near_stop) == (True, True, False)
    assert entry(path([100.4, DOWN, 100, 100]), near_stop) == (True, False, True)


def test_a_target_counts_when_it_is_reached_net_of_costs() -> None:
    # .05 % and .05 % each way: the target of 2 % is reached net at 2.2 %.
    costly = replace(SETTINGS, fee_bps=5, slippage_bps=5)
    almost, enough = 100 * np.exp(0.0219), 100 * np.exp(0.0221)
    assert entry(path([101, almost, 100, 100])) == (True, True, False)
    assert entry(path([101, almost, 100, 100]), costly) == (True, False, False)
    assert entry(path([101, enough, 100, 100]), costly) == (True, True, False)
    # A fall of 1.81 % is a loss of 2.01 % net: the long is stopped, and the short not yet at its target.
    assert entry(path([100, 100 * np.exp(-0.0181), UP * 1.01, 100]), costly) == (True, False, False)
    assert entry(path([100, 100 * np.exp(-0.0179), UP * 1.01, 100]), costly) == (True, True, False)


def returns(paths: PricePaths, settings: OutcomeSettings = SETTINGS) -> tuple[float, float]:
    """Net log returns in the direction of long and short, entered at the last calm hour's close."""
    found = outcomes(paths, HORIZON, settings)
    return float(np.log1p(found.long_return[CALM, 0])), float(-np.log1p(-found.short_return[CALM, 0]))


def test_a_return_is_the_barriers_or_the_last_closes() -> None:
    costly = replace(SETTINGS, fee_bps=5, slippage_bps=5)
    assert returns(path([101, UP * 1.1, 100, 100])) == pytest.approx((0.02, -0.02))
    assert returns(path([101, UP * 1.1, 100, 100]), costly) == pytest.approx((0.02, -0.02))
    assert returns(path([101, 99, 101, 101])) == pytest.approx((np.log(1.01), -np.log(1.01)))
    assert returns(path([101, 99, 101, 101]), costly) == pytest.approx((np.log(1.01) - 0.002, -np.log(1.01) - 0.002))
    half = replace(SETTINGS, least_coverage=0.5)
    assert returns(path([101, 99, 101, float("nan")]), half) == pytest.approx((np.log(1.01), -np.log(1.01)))
    assert np.isnan(returns(path([101, UP, 100]))).all()


def test_a_short_gains_what_the_price_loses() -> None:
    wide = replace(SETTINGS, target_sigmas=100, stop_sigmas=100)
    for last in (50, 80, 125, 200):
        found = outcomes(path([100, 100, 100, last]), HORIZON, wide)
        assert found.long_return[CALM, 0] == pytest.approx((last - 100) / 100)
        assert found.short_return[CALM, 0] == pytest.approx((100 - last) / 100)


def test_no_past_no_barriers() -> None:
    found = outcomes(path([UP, DOWN, UP, DOWN]), HORIZON, SETTINGS)
    assert not found.known[: CALM // 2].any()


def plain(paths: PricePaths, horizon: int, settings: OutcomeSettings) -> Outcomes:
    """The same by loops over entries and candles."""
    close, high, low = paths.close, paths.high, paths.low
    sigma = trailing_sigma(close, settings.volatility_hours) * np.sqrt(horizon)
    costs = settings.costs_bps / 1e4
    known, long_won, short_won = (np.zeros(close.shape, dtype=bool) for _ in range(3))
    long_return, short_return = np.full((2, *close.shape), np.nan)
    for t, s in np.ndindex(close.shape):
        after = slice(t + 1, t + 1 + horizon)
        whole = np.isfinite(close[after, s]).sum() >= settings.least_coverage * horizon
        whole = whole and t + horizon < len(close)
        known[t, s] = whole and np.isfinite(close[t, s]) and np.isfinite(sigma[t, s])
        if not known[t, s]:
            continue
        last = close[t : t + 1 + horizon, s][np.isfinite(close[t : t + 1 + horizon, s])][-1]
        for won, gained, sign in ((long_won, long_return, 1), (short_won, short_return, -1)):
            target = close[t, s] * np.exp(sign * (settings.target_sigmas * sigma[t, s] + costs))
            stop = close[t, s] * np.exp(-sign * (settings.stop_sigmas * sigma[t, s] - costs))
            # Costs move the price that counts against either side.
            gained[t, s] = sign * (last / close[t, s] * np.exp(-sign * costs) - 1)
            for top, bottom in zip(high[after, s], low[after, s], strict=True):
                hit = top >= target if sign > 0 else bottom <= target
                stopped = bottom <= stop if sign > 0 else top >= stop
                if hit or stopped:
                    won[t, s] = hit and not stopped
                    at = settings.target_sigmas if won[t, s] else -settings.stop_sigmas
                    gained[t, s] = sign * np.expm1(sign * at * sigma[t, s])
                    break
    return Outcomes(known, long_won, short_won, long_return, short_return)


@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(1, 60),
    horizon=st.sampled_from([1, 2, 3, 7, 8, 24]),
    target=st.sampled_from([0.3, 1.0, 1.7]),
    stop=st.sampled_from([0.3, 1.0]),
    missing=st.sampled_from([0.0, 0.1]),
    fee=st.sampled_from([0.0, 30.0]),
)
def test_the_fast_search_equals_the_plain_one(
    *, seed: int, length: int, horizon: int, target: float, stop: float, missing: float, fee: float
) -> None:
    random = np.random.default_rng(seed)
    close = np.exp(np.cumsum(random.normal(0, 0.01, (length, 2)), axis=0))
    close[random.random(close.shape) < missing] = np.nan
    high, low = (close * np.exp(sign * np.abs(random.normal(0, 0.01, close.shape))) for sign in (1, -1))
    paths = PricePaths(HourGrid(0, length, ("A", "B")), high, low, close)
    settings = OutcomeSettings(target, stop, 6, 0.8, fee, slippage_bps=0)
    fast, slow = outcomes(paths, horizon, settings), plain(paths, horizon, settings)
    for name in ("known", "long_won", "short_won"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name
    for name in ("long_return", "short_return"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_random_walk_touches_as_the_formula_says() -> None:
    # Both barriers at one sigma of the horizon: 1 - 4/pi (e^(-pi^2/8) - e^(-9 pi^2/8)/3 + ...) = .629 are touched,
    # a little less when looked at 720 times only.
    random = np.random.default_rng(7)
    close = np.exp(np.cumsum(random.normal(0, 0.003, (6000, 60)), axis=0))
    paths = PricePaths(HourGrid(0, 6000, tuple(f"S{i}" for i in range(60))), close, close, close)
    found = outcomes(paths, 720, FREE)
    longs = found.long_won[found.known].mean()
    shorts = found.short_won[found.known].mean()
    assert longs + shorts == pytest.approx(0.629, abs=0.03)
    assert longs == pytest.approx(shorts, abs=0.06)
