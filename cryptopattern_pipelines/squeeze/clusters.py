"""The nearest prices at which liquidations wait, above and below each hour's price, by the newest picture.

What belongs here: which picture is used, and the search among its levels. What does not: reading levels (`reading/`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import (
    MICROSECONDS_PER_HOUR,
    Floats,
    HourGrid,
    Whole,
    epoch_hours,
    epoch_microseconds,
)

LEVEL_COLUMNS = ("sha256", "symbol", "captured_at", "price", "strength_share")
PLACES = ("above", "below")


@dataclass(frozen=True)
class _Pictures:
    """Levels by picture, and pictures by time.

    Levels of picture p are the rows from `starts[p]` to before `starts[p + 1]`, by price. `newest` is hours x symbols:
    the newest picture of each hour's end, -1 for none.
    """

    price: Floats
    strength: Floats
    starts: Whole
    captured: Whole
    newest: Whole


def nearest_clusters(
    grid: HourGrid, levels: pd.DataFrame | None, at: Whole, prices: Floats, max_age_hours: float
) -> dict[str, Floats]:
    """Columns of SQUEEZE_ANALYSES about clusters, one value for each of the cells `at`, NaN where none is known.

    Of each symbol the newest picture with levels that was captured before the hour's end counts, if it is not older
    than `max_age_hours` then; of two captured at once the one whose hash is greater. A level at the price itself is
    above it.

    Args:
        grid: its first hour lies at least `max_age_hours` before the hours that are wanted.
        levels: LIQUIDATION_LEVELS, at least LEVEL_COLUMNS; symbols are canonical names, rows without one are left out.
        at: cells of the grid, flattened.
        prices: USD at the end of those cells' hours.
        max_age_hours: as said.
    """
    names = ("nearest_cluster_{}", "cluster_{}_distance_pct", "cluster_{}_strength")
    columns = {name.format(place): np.full(len(at), np.nan) for place in PLACES for name in names}
    columns["clusters_age_hours"] = np.full(len(at), np.nan)
    if levels is None or levels.empty:
        return columns
    pictures = _pictures(grid, levels[levels["symbol"].notna()])
    picture = pictures.newest.ravel()[at]
    row_ends = (at // len(grid.symbols) + grid.first + 1) * MICROSECONDS_PER_HOUR
    age = (row_ends - np.append(pictures.captured, 0)[picture]) / MICROSECONDS_PER_HOUR
    found = np.flatnonzero((picture >= 0) & (age <= max_age_hours))
    picture, price = picture[found], prices[found]
    columns["clusters_age_hours"][found] = age[found]

    first, end = pictures.starts[picture], pictures.starts[picture + 1]
    place_of = _first_at_least(pictures.price, first, end, price)
    for place, row, there in zip(PLACES, (place_of, place_of - 1), (place_of < end, place_of > first), strict=True):
        to, level = found[there], row[there]
        columns[f"nearest_cluster_{place}"][to] = pictures.price[level]
        columns[f"cluster_{place}_distance_pct"][to] = 100 * np.abs(pictures.price[level] / price[there] - 1)
        columns[f"cluster_{place}_strength"][to] = pictures.strength[level]
    return columns


def _pictures(grid: HourGrid, levels: pd.DataFrame) -> _Pictures:
    captured = epoch_microseconds(levels["captured_at"])
    symbol, sha256 = (pd.factorize(levels[name], sort=True)[0] for name in ("symbol", "sha256"))
    price, strength = (levels[name].to_numpy(dtype=np.float64) for name in ("price", "strength_share"))
    order = np.lexsort((strength, price, symbol, sha256, captured))
    rows = levels.iloc[order]
    begins = np.ones(len(order), dtype=bool)
    for key in (captured[order], symbol[order], sha256[order]):
        begins[1:] &= key[1:] == key[:-1]
    begins[1:] = ~begins[1:]
    starts = np.append(np.flatnonzero(begins), len(order))
    heads = rows.iloc[starts[:-1]]
    cells = grid.cells(epoch_hours(heads["captured_at"]), heads["symbol"])
    newest = np.maximum.accumulate(grid.spread(cells, np.arange(len(heads)), -1), axis=0)
    return _Pictures(price[order], strength[order], starts, captured[order][starts[:-1]], newest)


def _first_at_least(sorted_values: Floats, first: Whole, end: Whole, sought: Floats) -> npt.NDArray[np.int64]:
    """For each row the first place in [first, end) whose value is at least the one sought, or end; by bisection."""
    low, high = first.copy(), end.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        less = open_ & (sorted_values[np.minimum(middle, len(sorted_values) - 1)] < sought)
        low = np.where(less, middle + 1, low)
        high = np.where(open_ & ~less, middle, high)
    return low
