"""One price path a symbol: which of several candles is taken."""

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import epoch_hour
from cryptopattern_pipelines.squeeze.paths import PricePaths, price_paths
from cryptopattern_tests.squeeze.frames import candles, utc

START = utc("2024-08-01")
FIRST = epoch_hour(START)


def paths(*frames: pd.DataFrame, length: int = 3) -> PricePaths:
    return price_paths(pd.concat(frames), FIRST, FIRST + length)


def test_perpetual_goes_before_spot_and_binance_before_okx() -> None:
    spot = candles(START, {"BTC": [1.0, 1.0, 1.0]}, market="spot")
    okx = candles(START, {"BTC": [2.0, 2.0, np.nan]}, venue="okx")
    binance = candles(START, {"BTC": [np.nan, 3.0, np.nan]})
    for order in ((spot, okx, binance), (binance, okx, spot)):
        assert paths(*order).close[:, 0].tolist() == [2.0, 3.0, 1.0]


def test_high_and_low_are_of_the_same_candle_as_the_close() -> None:
    spot = candles(START, {"BTC": [1.0, 1.5]}, market="spot")
    perpetual = candles(START, {"BTC": [2.0, 3.0]})
    found = paths(spot, perpetual)
    assert found.low[:2, 0].tolist() == [2.0, 2.0]
    assert found.high[:2, 0].tolist() == [2.0, 3.0]
    assert np.isnan(found.close[2, 0])


def test_candles_outside_of_the_window_and_their_symbols_are_left_out() -> None:
    found = paths(candles(START, {"BTC": [1.0, 2.0, 3.0, 4.0]}), candles(START + pd.Timedelta(hours=3), {"NEW": [9.0]}))
    assert found.grid.symbols == ("BTC",)
    assert found.close[:, 0].tolist() == [1.0, 2.0, 3.0]
