"""Moments like one lie before it, apart from each other, with outcomes that were known by then."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.similar import LOOKS, NoMomentError, Similar, similar
from cryptopattern_tests.squeeze.frames import candles, utc, walk

START = utc("2024-01-01")
LENGTH = 2400
AT = (START + timedelta(hours=2300)).to_pydatetime()
TWINS = (500, 900, 905, 1500)


def market() -> tuple[Features, pd.DataFrame]:
    """Noise, but for a moment at hour 2300 that looked the same at the hours of TWINS and at 2290."""
    grid = HourGrid(epoch_hour(START), LENGTH, ("BTC",))
    figures = np.random.default_rng(1).normal(size=(LENGTH, 1, len(LOOKS)))
    for number, hour in enumerate((*TWINS, 2290)):
        figures[hour] = figures[2300] + 0.01 * (number + 1)
    return Features(grid, LOOKS, figures, np.ones(grid.shape, dtype=bool)), candles(START, {"BTC": walk(3, LENGTH)})


def found(count: int = 3) -> Similar:
    return similar(*market(), "BTC", AT, count=count)


def test_the_nearest_come_first_and_lie_a_horizon_apart() -> None:
    near = found(30).neighbours
    hours = ((near["hour"] - START) // pd.Timedelta(hours=1)).tolist()
    # 905 overlaps 900, which is nearer; what came after 2290 was not known yet.
    assert hours[:3] == [500, 900, 1500]
    assert near["distance"].is_monotonic_increasing
    gaps = np.diff(np.sort(hours))
    assert gaps.min() >= 24
    assert max(hours) + 24 <= 2300


def test_odds_stand_beside_the_base_rate_with_an_interval() -> None:
    odds = found(30).odds
    assert odds["side"].tolist() == ["long", "short"]
    assert (odds["n"] == len(found(30).neighbours)).all()
    assert (odds["interval_low_pct"] <= odds["rate_pct"]).all()
    assert (odds["rate_pct"] <= odds["interval_high_pct"]).all()
    assert odds["base_rate_pct"].between(5, 60).all()


def test_what_came_later_changes_no_answer() -> None:
    made, prices = market()
    figures = made.figures.copy()
    figures[2301:] += 5
    changed = prices.assign(close=prices["close"].where(prices["hour"] <= AT, 1.0), low=prices["low"].clip(upper=1.0))
    changed["low"] = prices["low"].where(prices["hour"] <= AT, 1.0)
    there, here = found(), similar(replace(made, figures=figures), changed, "BTC", AT, count=3)
    pd.testing.assert_frame_equal(there.neighbours, here.neighbours)
    pd.testing.assert_frame_equal(there.odds, here.odds)


def test_what_is_not_known_at_the_moment_is_not_compared() -> None:
    made, prices = market()
    figures = made.figures.copy()
    figures[2300, 0, LOOKS.index("takers_24h")] = np.nan
    answer = similar(replace(made, figures=figures), prices, "BTC", AT, count=3)
    assert "takers_24h" not in answer.looked_at
    assert len(answer.looked_at) == len(LOOKS) - 1


@pytest.mark.parametrize(
    ("symbol", "hour", "told"),
    [("XMR", 2300, "XMR has no snapshot"), ("BTC", 700, "hours of BTC with a known outcome")],
)
def test_too_little_to_compare_with_is_said(symbol: str, hour: int, told: str) -> None:
    with pytest.raises(NoMomentError, match=told):
        similar(*market(), symbol, (START + timedelta(hours=hour)).to_pydatetime())
