"""Trailing sums depend on their own window alone; windows of time are refused unless they are whole UTC hours."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.grid import HourGrid, WindowError, epoch_hour, previous, trailing_sum, window
from cryptopattern_tests.squeeze.frames import utc


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), st.integers(1, 60))
def test_trailing_sum_is_the_plain_sum(values: list[int], length: int) -> None:
    array = np.array(values)[:, None]
    plain = [sum(values[max(0, t - length + 1) : t + 1]) for t in range(len(values))]
    assert trailing_sum(array, length)[:, 0].tolist() == plain


@given(
    st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=60),
    st.lists(st.floats(1e-12, 1e6), max_size=30),
    st.integers(1, 25),
)
def test_what_lies_before_the_window_leaves_no_trace(values: list[float], before: list[float], length: int) -> None:
    alone = trailing_sum(np.array(values)[:, None], length)[length - 1 :]
    after = trailing_sum(np.array(before + values)[:, None], length)[len(before) + length - 1 :]
    assert alone.tobytes() == after.tobytes()


def test_trailing_sum_leaves_its_argument_alone() -> None:
    values = np.ones((5, 1))
    trailing_sum(values, 3)
    assert values.tolist() == [[1.0]] * 5


@pytest.mark.parametrize("rows", [1, 3, 5, 9])
def test_previous_has_nothing_before_the_first_row(rows: int) -> None:
    moved = previous(np.arange(5.0)[:, None], rows)[:, 0]
    assert np.isnan(moved[:rows]).all()
    assert moved[rows:].tolist() == list(range(max(0, 5 - rows)))


def test_cells_outside_of_the_grid_are_left_out() -> None:
    grid = HourGrid(10, 2, ("A", "B"))
    symbols = pd.Series(["B", "A", "C", "A", "A", None], dtype="str")
    cells = grid.cells(np.array([10, 11, 10, 12, 9, 10]), symbols)
    assert cells.tolist() == [1, 2, -1, -1, -1, -1]
    assert grid.spread(cells, np.arange(6), -9).tolist() == [[-9, 0], [1, -9]]


def test_a_window_is_counted_in_hours_since_1970() -> None:
    assert window(utc("1970-01-02"), utc("1970-01-02 05:00")) == (24, 29)
    assert epoch_hour(utc("2024-08-05 13:00")) == 478_573


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (datetime(2024, 8, 5), utc("2024-08-06"), "no time zone"),  # noqa: DTZ001 (what is tested)
        (utc("2024-08-05 00:30"), utc("2024-08-06"), "not on the hour"),
        (utc("2024-08-06"), utc("2024-08-06"), "not after"),
    ],
)
def test_a_window_that_is_none_is_refused(start: datetime, end: datetime, reason: str) -> None:
    with pytest.raises(WindowError, match=reason):
        window(start, end)
