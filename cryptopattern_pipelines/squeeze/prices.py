"""Prices that can be compared over time, although they are averages over venues that come and go.

What belongs here: what a snapshot's price moved by because another set of venues is averaged, taken out. What does not:
what is made of the moves.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, Whole, previous

# Of EXCHANGE_SNAPSHOTS, what `comparable_log_prices` needs.
PRICE_COLUMNS = ("average_price", "price_change_1h_pct", "venues", "outlier_venues")
# Logarithms are taken as whole numbers of this fraction, whose sums are exact: a running sum of floats would make an
# hour's last digit depend on where its range begins. It is a trillionth of a price.
_STEP = 2.0**-40


def comparable_log_prices(grid: HourGrid, cells: Whole, rows: Mapping[str, pd.Series]) -> Floats:
    """Logarithms of `average_price`, hours x symbols, whose differences compare the same venues; NaN where not known.

    Where other venues are averaged than in the hour before, one may be dearer than another without anyone having
    traded at another price. `price_change_1h_pct` compares the venues of both hours, so what the average moved beyond
    it is taken out of this and all later hours. After an hour that isn't known it can't be told, and stays.

    Args:
        grid: the hours and symbols.
        cells: where each row stands in it.
        rows: PRICE_COLUMNS of the rows.
    """
    log_price = np.rint(np.log(_spread(grid, cells, rows["average_price"])) / _STEP)
    change = np.rint(np.log1p(_spread(grid, cells, rows["price_change_1h_pct"]) / 100) / _STEP)
    (asked, names), (outliers, _) = (pd.factorize(rows[name]) for name in ("venues", "outlier_venues"))
    kinds = grid.spread(cells, (outliers * len(names) + asked).astype(np.float64), np.nan)
    other = kinds != previous(kinds, 1)
    moved = log_price - previous(log_price, 1) - change
    apart = np.where(other & np.isfinite(moved), moved, 0.0)
    return (log_price - np.cumsum(apart, axis=0)) * _STEP


def _spread(grid: HourGrid, cells: Whole, values: pd.Series) -> Floats:
    return grid.spread(cells, values.to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
