"""One price path a symbol, out of the candles of all its venues and markets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, epoch_hours

CANDLE_COLUMNS = ("hour", "symbol", "venue", "market", "high", "low", "close")


@dataclass(frozen=True)
class PricePaths:
    """Highs, lows and closes in USD, hours x symbols, NaN where no venue has a candle."""

    grid: HourGrid
    high: Floats
    low: Floats
    close: Floats


def price_paths(candles: pd.DataFrame, first: int, last: int) -> PricePaths:
    """Lay out one candle for each symbol and hour of [first, last), in hours since 1970.

    Of several candles for an hour the perpetual market's goes before spot, and then the venue's whose name comes
    first in the alphabet. The choice is made hour by hour: which venue begins, ends or fails later has no say in
    it, and another venue fills the hours that the first one lacks.

    Args:
        candles: MARKET_CANDLES, at least CANDLE_COLUMNS.
        first: first hour.
        last: the hour after the last.
    """
    hours = epoch_hours(candles["hour"])
    inside = (hours >= first) & (hours < last)
    rows, hours = candles[inside], hours[inside]
    grid = HourGrid(first, last - first, tuple(sorted(rows["symbol"].unique())))
    venue = np.unique(rows["venue"].astype(object).to_numpy(), return_inverse=True)[1]
    perpetual = (rows["market"] == "perpetual").to_numpy(dtype=bool)
    order = np.lexsort((-venue, perpetual))
    cells = grid.cells(hours, rows["symbol"])[order]
    high, low, close = (
        grid.spread(cells, rows[name].to_numpy(dtype=np.float64)[order], np.nan) for name in ("high", "low", "close")
    )
    return PricePaths(grid, high, low, close)
