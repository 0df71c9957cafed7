"""The simulated market behaves as markets do, and as its README says."""

import numpy as np
import pandas as pd
import pytest

from cryptopattern_tests.samples.market import COINS, DAYS, PLANTED, START, Market, Planted, simulate
from cryptopattern_tests.samples.readme import measured

NAMES = [coin.name for coin in COINS]
SQUEEZES = [planted for planted in PLANTED if planted.move]
FALSE_ALARMS = [planted for planted in PLANTED if not planted.move]


def test_the_same_seed_makes_the_same_market_and_another_seed_another(market: Market) -> None:
    again, other = simulate(), simulate(seed=7)
    for name in NAMES:
        pd.testing.assert_frame_equal(market.hours[name], again.hours[name], check_exact=True)
        assert not market.hours[name]["close"].equals(other.hours[name]["close"])


@pytest.mark.parametrize("name", NAMES)
def test_every_hour_has_one_possible_candle_that_opens_where_the_last_closed(market: Market, name: str) -> None:
    frame = market.hours[name]
    assert frame["hour"].tolist() == list(pd.date_range(START, periods=24 * DAYS, freq="h"))
    for market_of in ("", "spot_"):
        o, h, low, c = (frame[market_of + part].to_numpy() for part in ("open", "high", "low", "close"))
        assert (low > 0).all()
        assert (low <= np.minimum(o, c)).all()
        assert (np.maximum(o, c) <= h).all()
        assert (o[1:] == c[:-1]).all()
        assert (frame[f"{market_of}taker_buy_base"] <= frame[f"{market_of}volume_base"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_volatility_clusters_with_fat_tails_and_draws_volume(market: Market, name: str) -> None:
    frame = market.hours[name]
    returns = np.log(frame["close"]).diff().dropna()
    assert returns.abs().autocorr(1) > 0.15
    assert returns.abs().autocorr(24) > 0.05
    assert returns.kurt() > 3
    assert np.corrcoef(returns.abs(), np.log(frame["volume_usd"].iloc[1:]))[0, 1] > 0.4


@pytest.mark.parametrize("planted", SQUEEZES, ids=lambda p: f"{p.coin}-{p.start:%m-%d}")
def test_a_planted_squeeze_runs_against_the_crowd_and_flushes_it_out(market: Market, planted: Planted) -> None:
    got = measured(market, planted)
    frame = market.hours[planted.coin].set_index("hour")
    during = frame.loc[planted.start : planted.start + pd.Timedelta(hours=planted.hours - 1)]
    other = "long" if planted.side == "short" else "short"
    lean = frame["crowd"][planted.start - pd.Timedelta(hours=1)]
    assert got["move_pct"] * np.sign(planted.move) > 5
    assert got["build_up_pct"] > 10
    assert got["interest_pct"] < -10
    assert got["liquidated_usd"] > 20 * during[f"{other}_liquidated_usd"].sum()
    assert lean < -0.7 if planted.side == "short" else lean > 0.7


@pytest.mark.parametrize("planted", FALSE_ALARMS, ids=lambda p: f"{p.coin}-{p.start:%m-%d}")
def test_a_false_alarm_builds_up_like_a_squeeze_and_comes_to_nothing(market: Market, planted: Planted) -> None:
    got = measured(market, planted)
    assert got["build_up_pct"] > 10
    assert abs(got["move_pct"]) < 5
    assert abs(got["interest_pct"]) < 2


@pytest.mark.parametrize("name", NAMES)
def test_funding_is_a_basis_point_in_calm_and_follows_a_strong_crowd(market: Market, name: str) -> None:
    settled = market.hours[name][::8]
    before = market.hours[name]["crowd"].rolling(8).mean().shift(1)[::8]
    rate = settled["funding_rate"]
    # A squeeze's own move pushes the premium the other way, so a few settlements stand apart.
    assert (rate[before.abs() < 0.3] == 0.0001).mean() > 0.97
    assert (rate[before < -0.85] < 0).mean() > 0.9
    assert (rate[before > 0.85] > 0.0001).mean() > 0.9


def test_a_price_within_an_hour_lies_on_its_candle_and_the_last_is_its_close(market: Market) -> None:
    for name in NAMES:
        row = market.hours[name].set_index("hour").loc[pd.Timestamp("2025-01-28 12:00", tz="UTC")]
        for minute in range(0, 60, 5):
            price = market.price(name, pd.Timestamp("2025-01-28 12:00", tz="UTC") + pd.Timedelta(minutes=minute))
            assert row["low"] <= price <= row["high"]
        assert market.price(name, pd.Timestamp("2025-01-28 13:00", tz="UTC")) == row["close"]
