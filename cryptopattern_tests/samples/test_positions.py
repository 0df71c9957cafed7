"""What liquidation charts are drawn from: open positions and where they would be liquidated."""

import numpy as np
import pandas as pd
import pytest

from cryptopattern_tests.samples.market import COINS, Market
from cryptopattern_tests.samples.positions import by_price, by_price_and_hour, positions

AT = pd.Timestamp("2025-01-29 17:30", tz="UTC")


@pytest.mark.parametrize("leverage", ["all_leverage", "optical_opti"])
@pytest.mark.parametrize("name", [coin.name for coin in COINS])
def test_nothing_waits_where_the_price_has_been(market: Market, name: str, leverage: str) -> None:
    held = positions(market, name, AT, leverage)
    frame = market.hours[name]
    frame = frame[frame["hour"] < AT.floor("h")].tail(held.hours)
    for price, usd, is_long, born in zip(held.price, held.waiting_usd, held.long, held.born, strict=True):
        after = frame.iloc[born + 1 :]
        if usd > 0 and len(after):
            assert price < after["low"].min() if is_long else price > after["high"].max()


def test_no_hour_after_the_time_of_the_chart_is_used(market: Market) -> None:
    cut = {name: frame[frame["hour"] < AT.floor("h")] for name, frame in market.hours.items()}
    known = Market(cut, market.path)
    for name in cut:
        whole, part = positions(market, name, AT), positions(known, name, AT)
        np.testing.assert_array_equal(whole.waiting_usd, part.waiting_usd)


def test_the_last_column_over_time_is_what_waits_at_the_end(market: Market) -> None:
    held = positions(market, "ETH", AT)
    edges = np.linspace(2600, 4200, 161)
    grid = by_price_and_hour(held, edges)
    assert grid.shape == (160, held.hours)
    np.testing.assert_allclose(grid[:, -1], by_price(held, edges), rtol=1e-6, atol=1)


def test_a_crowd_of_shorts_shows_as_shorts_waiting(market: Market) -> None:
    before_squeeze = positions(market, "ETH", pd.Timestamp("2025-01-29 18:00", tz="UTC"))
    assert before_squeeze.long_pct < 30
