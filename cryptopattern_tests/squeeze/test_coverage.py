"""How often the stated intervals hold, in simulated markets whose truth is known."""

import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.coverage import KEY, coverage, share_inside
from cryptopattern_pipelines.squeeze.grid import WindowError
from cryptopattern_pipelines.squeeze.win_rates import win_rates
from cryptopattern_tests.squeeze.simulated import START, SimulatedMarket, simulate

DAY = pd.Timedelta(days=1)
# Win rates of claims and of all hours, in percent, counted over 960 symbols' years of other markets of the same kind.
TRUE_RATES = {0.0: {"24h": 27.85, "7d": 30.2}, 1.0: {"24h": 62.4}}


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["no edge", "edge"])
def edge_and_market(request: pytest.FixtureRequest) -> tuple[float, SimulatedMarket]:
    return request.param, simulate(seed=11, symbols=150, length=24 * 365, edge=request.param)


def test_intervals_hold_the_truth_in_95_of_100_cases(edge_and_market: tuple[float, SimulatedMarket]) -> None:
    edge, market = edge_and_market
    rows = win_rates(market.analyses, market.candles, START + 364 * DAY, START + 365 * DAY)
    rows = rows[(rows["condition"] == "all") & rows["timeframe"].isin(list(TRUE_RATES[edge]))]
    truth = rows["timeframe"].map(TRUE_RATES[edge])
    held = (rows["interval_low_pct"] <= truth) & (truth <= rows["interval_high_pct"])
    assert len(rows) >= 300
    assert 0.93 <= held.mean() <= 0.97


def test_later_outcomes_lie_inside_in_95_of_100_cases(edge_and_market: tuple[float, SimulatedMarket]) -> None:
    _, market = edge_and_market
    rows = coverage(market.analyses, market.candles, START + 185 * DAY, START + 365 * DAY)
    day = rows[(rows["condition"] == "all") & (rows["timeframe"] == "24h")]
    assert len(day) == 300
    assert 93 <= float(share_inside(day)["inside_pct"].iloc[0]) <= 97
    # The rate of few windows scatters more than the interval says of the truth.
    assert share_inside(day)["between_ends_pct"].iloc[0] < 90


def test_no_outcome_is_on_both_sides_and_none_is_compared_twice() -> None:
    market = simulate(seed=12, symbols=2, length=24 * 300)
    rows = coverage(market.analyses, market.candles, START + 100 * DAY, START + 300 * DAY, wait_days=100)
    assert rows["stated_at"].unique().tolist() == [START + 100 * DAY, START + 200 * DAY]
    assert not rows.duplicated(["stated_at", *KEY]).any()
    first, second = (rows[rows["stated_at"] == START + days * DAY].set_index(KEY) for days in (100, 200))
    # A year of history holds both stretches; windows that cross from one to the other are in it alone.
    both = second["windows"].sub(first["windows"] + first["later_windows"]).dropna()
    assert ((both >= 0) & (both <= 1)).all()


def test_groups_and_small_counts() -> None:
    rows = pd.DataFrame(
        {
            "timeframe": ["24h", "24h", "7d"],
            "windows": [20, 20, 3],
            "later_windows": [10, 10, 10],
            "inside": [True, False, True],
            "between_ends": [False, False, True],
        }
    )
    assert share_inside(rows, "timeframe")["inside_pct"].to_dict() == {"24h": 50.0, "7d": 100.0}
    assert share_inside(rows, least_windows=5)[["rates", "inside_pct"]].to_numpy().tolist() == [[2, 50.0]]


def test_a_range_too_short_for_one_wait_is_refused() -> None:
    market = simulate(seed=12, symbols=1, length=24 * 30)
    with pytest.raises(WindowError, match="less than one wait"):
        coverage(market.analyses, market.candles, START, START + 30 * DAY)
