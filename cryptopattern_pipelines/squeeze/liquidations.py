"""Realised liquidations of all venues, laid out hours x symbols."""

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, Truths, epoch_hours


def liquidated(grid: HourGrid, liquidations: pd.DataFrame) -> tuple[Floats, Floats, Truths]:
    """USD of longs and of shorts in the rows of each hour, 0 without a row, and where there is one.

    Where a venue `all` has a row it stands for all venues.

    Args:
        grid: hours x symbols.
        liquidations: REALISED_LIQUIDATIONS, all of one span (`span_hours`), at least `hour`, `symbol`, `venue` and the
            two figures.
    """
    size = grid.length * len(grid.symbols)
    if liquidations.empty:
        return np.zeros(grid.shape), np.zeros(grid.shape), np.zeros(grid.shape, dtype=bool)
    # Sorted, because a sum of floats depends on the order of its terms.
    rows = liquidations.sort_values(["hour", "symbol", "venue"], kind="stable")
    cells = grid.cells(epoch_hours(rows["hour"]), rows["symbol"])
    whole_market = (rows["venue"] == "all").to_numpy(dtype=bool)
    covered = np.zeros(size + 1, dtype=bool)
    covered[cells[whole_market]] = True
    counted = (cells >= 0) & (whole_market | ~covered[cells])
    known = np.bincount(cells[counted], minlength=size) > 0
    longs, shorts = (
        np.bincount(cells[counted], rows[column].to_numpy(dtype=np.float64)[counted], size).astype(np.float64)
        for column in ("long_liquidated_usd", "short_liquidated_usd")
    )
    return longs.reshape(grid.shape), shorts.reshape(grid.shape), known.reshape(grid.shape)
