"""Hours x symbols: rows of a frame laid out as dense arrays, and sums over their trailing hours.

What belongs here: where a row stands in such an array, and windows over it. What does not: what the numbers mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

MICROSECONDS_PER_HOUR = 3_600_000_000


class WindowError(ValueError):
    """A window's start or end is no UTC hour or day, or its end is not after its start."""


def epoch_hour(time: datetime) -> int:
    """Number of the hour since 1970-01-01 00:00 UTC that begins at `time`.

    Raises:
        WindowError: `time` has no time zone or is not on the hour.
    """
    if time.tzinfo is None:
        raise WindowError(f"{time} has no time zone: give an aware time, e.g. 2024-08-05T13:00+00:00")
    hour, rest = divmod(time - datetime(1970, 1, 1, tzinfo=UTC), timedelta(hours=1))
    if rest:
        raise WindowError(f"{time} is not on the hour: give the start of an hour")
    return hour


def window(start: datetime, end: datetime) -> tuple[int, int]:
    """First hour, and the hour after the last, of [start, end), in hours since 1970.

    Raises:
        WindowError: either is not on the hour or has no time zone, or end is not after start.
    """
    first, last = epoch_hour(start), epoch_hour(end)
    if last <= first:
        raise WindowError(f"the window's end {end} is not after its start {start}")
    return first, last


def epoch_microseconds(times: pd.Series) -> Whole:
    """Microseconds since 1970-01-01 00:00 UTC of aware times."""
    return times.dt.as_unit("us").astype("int64").to_numpy()


def epoch_hours(times: pd.Series) -> Whole:
    """Hours since 1970-01-01 00:00 UTC, each the hour that its time lies in."""
    return epoch_microseconds(times) // MICROSECONDS_PER_HOUR


@dataclass(frozen=True)
class HourGrid:
    """Arrays of shape (hours, symbols): row 0 is the hour numbered `first`, columns are the symbols in order."""

    first: int
    length: int
    symbols: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Hours, symbols."""
        return self.length, len(self.symbols)

    def cells(self, hours: Whole, symbols: pd.Series) -> Whole:
        """Each row's position in the flattened array; -1 for an hour or a symbol that the grid does not have."""
        codes, names = pd.factorize(symbols)
        column_of = pd.Index(self.symbols).get_indexer(pd.Index(names))
        # A missing symbol has code -1; the appended -1 is where that index ends up.
        columns = np.append(column_of, -1)[codes]
        rows = hours - self.first
        inside = (rows >= 0) & (rows < self.length) & (columns >= 0)
        return np.where(inside, rows * len(self.symbols) + columns, -1)

    def spread(self, cells: Whole, values: npt.NDArray[Any], empty: Any) -> npt.NDArray[Any]:
        """Values at their cells, `empty` elsewhere; of several values for one cell, the last stays."""
        # One cell more than the grid has takes the rows that are outside, whose cell is -1.
        flat = np.full(self.length * len(self.symbols) + 1, empty, dtype=values.dtype)
        flat[cells] = values
        return flat[:-1].reshape(self.shape)

    def times(self, rows: Whole) -> pd.Series:
        """Start of the hour of each row number, `datetime64[us, UTC]`."""
        stamps = ((rows + self.first) * MICROSECONDS_PER_HOUR).astype("datetime64[us]")
        return pd.Series(stamps).dt.tz_localize("UTC")

    def names(self, columns: Whole) -> pd.Series:
        """Symbol of each column number."""
        return labels(self.symbols, columns)


def labels(names: Iterable[str] | pd.Series, codes: npt.NDArray[Any]) -> pd.Series:
    """Text for each code, a missing value for -1."""
    texts = names.array if isinstance(names, pd.Series) else pd.array(list(names), dtype="str")
    return pd.Series(texts.take(codes, allow_fill=True))


def trailing_sum(values: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Sum of the `length` rows that end with each row; what lies before the first row counts as zero.

    The sum is put together from blocks of doubling length. A running sum would be as short, but carries rounding
    from all that came before, so that an hour computed alone would differ in its last digit from the same hour
    computed within a year.
    """
    total = np.zeros_like(values)
    block = values.copy()
    taken, size = 0, 1
    while taken < min(length, len(values)):
        if length & size:
            total[taken:] += block[: len(block) - taken]
            taken += size
        block[size:] = block[size:] + block[: max(len(block) - size, 0)]
        size *= 2
    return total


def previous(values: Floats, rows: int) -> Floats:
    """The array as it stood `rows` rows before, NaN where there is no such row."""
    moved = np.full_like(values, np.nan)
    moved[rows:] = values[: max(len(values) - rows, 0)]
    return moved


def trailing_extreme(values: Floats, length: int, fold: np.ufunc) -> Floats:
    """`np.fmax` or `np.fmin` over the `length` rows that end with each row, as many of them as there are."""
    block = values.copy()
    size = 1
    while 2 * size <= length:
        block[size:] = fold(block[size:], block[: max(len(block) - size, 0)])
        size *= 2
    rest = length - size
    block[rest:] = fold(block[rest:], block[: len(block) - rest].copy()) if rest else block
    return block
