"""Intervals against published values, and what may be said of them for any counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.intervals import difference_score, discoveries, ratio_interval, wilson


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


def of(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_a_ratios_interval_by_hand() -> None:
    # Wilson: 30/100 in [.2189, .3958], 20/100 in [.1334, .2888]. Lower end .2189 (.6 - .2189) over
    # .06 + sqrt(.0036 - .2189 x .2888 x .3811 x .1112) = 0.08342 / .09035; the upper one in the same way.
    low, high = ratio_interval(of(0.3), of(100), of(0.2), of(100))
    assert float(low[0]) == pytest.approx(0.9234, abs=0.0002)
    assert float(high[0]) == pytest.approx(2.4446, abs=0.002)


def test_a_ratio_of_nothing_and_over_nothing() -> None:
    low, high = ratio_interval(of(0.0, 0.5, np.nan), of(20, 20, 0), of(0.3, 0.0, 0.3), of(50, 50, 50))
    assert low[0] == 0
    assert np.isnan(high[1])
    assert np.isnan(low[2])
    assert np.isnan(high[2])


counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_a_ratio_lies_in_its_interval(some: tuple[int, int], base: tuple[int, int]) -> None:
    share, other = some[0] / some[1], base[0] / base[1]
    low, high = ratio_interval(of(share), of(some[1]), of(other), of(base[1]))
    assert low[0] >= 0
    if other > 0:
        assert low[0] <= share / other * (1 + 1e-9)
        assert np.isnan(high[0]) or high[0] >= share / other * (1 - 1e-9)


@given(counts, st.floats(0.01, 0.99))
def test_against_a_share_that_is_known_the_score_is_wilsons(some: tuple[int, int], truth: float) -> None:
    low, high = wilson(of(some[0]), of(some[1]))
    score = difference_score(of(some[0] / some[1]), of(some[1]), of(truth), of(1e15))
    if abs(abs(score[0]) - 1.959964) > 1e-4:
        assert (abs(score[0]) < 1.959964) == (low[0] <= truth <= high[0])


def test_what_stands_out_among_many_has_to_stand_out_more() -> None:
    # Alone 1.97 is beyond the 1.96 of 5 %; the largest of four has to reach the 2.50 of 1.25 %.
    assert discoveries(of(1.97), 0.05).tolist() == [True]
    assert discoveries(of(1.97, 0, 0, 0), 0.05).tolist() == [False] * 4
    assert discoveries(of(-2.51, 0, 0, 0), 0.05).tolist() == [True, False, False, False]
    # Missing ones were not looked at; and four that all reach 1.96 stand out together.
    assert discoveries(of(1.97, np.nan, np.nan, np.nan), 0.05).tolist() == [True, False, False, False]
    assert discoveries(of(1.97, 1.97, -1.97, 1.97), 0.05).tolist() == [True] * 4


def test_where_nothing_is_to_be_found_little_is() -> None:
    scores = np.random.default_rng(1).normal(size=(12, 20_000))
    assert discoveries(scores, 0.05).any(axis=0).mean() == pytest.approx(0.05, abs=0.005)
