"""Wilson's interval against published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.intervals import wilson


@pytest.mark.parametrize(
    ("wins", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_newcombe_1998_table_1(wins: int, trials: int, low: float, high: float) -> None:
    ends = wilson(np.array([wins]), np.array([trials]))
    assert [round(float(end[0]), 4) for end in ends] == [low, high]


def test_no_trials_have_no_interval() -> None:
    low, high = wilson(np.array([0]), np.array([0]))
    assert np.isnan(low[0])
    assert np.isnan(high[0])


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_in_its_interval_and_that_in_0_to_1(counts: tuple[int, int]) -> None:
    wins, trials = counts
    low, high = (float(end[0]) for end in wilson(np.array([wins]), np.array([trials])))
    assert 0 <= low <= wins / trials <= high <= 1
    assert low < high
