"""Patterns are found only beyond what trying many explains, confirmed only by what came later, and know no future."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.pattern_library import LibrarySettings, pattern_library
from cryptopattern_pipelines.squeeze.patterns import PATTERNS, begins
from cryptopattern_pipelines.storage.schemas import PATTERN_LIBRARY
from cryptopattern_tests.squeeze.frames import candles, utc, walk

START = utc("2023-01-01")
DAYS = 300
NAMES = (
    "accounts_month", "volume_24h", "funding_rank", "interest_24h", "funding", "long_share", "move_24h",
    "volatility_week", "range_24h", "interest_week", "volatility_24h", "volume_month", "move_4h", "cluster_above",
    "cluster_above_strength", "cluster_below", "cluster_below_strength",
)  # fmt: skip
SETTINGS = LibrarySettings(history_days=DAYS)
LAST = [(START + timedelta(days=DAYS - 1)).to_pydatetime()]


def market(effect: float, seed: int = 0, symbols: tuple[str, ...] = ("BTC", "ETH")) -> tuple[Features, pd.DataFrame]:
    """`fast_rise` begins in every 40th hour; after it the price drifts by `effect` sigmas of an hour for a day."""
    grid = HourGrid(epoch_hour(START), 24 * DAYS, symbols)
    figures = np.full((*grid.shape, len(NAMES)), np.nan)
    drift = np.zeros(grid.shape)
    closes = {}
    for number, symbol in enumerate(symbols):
        rises = np.arange(200 + number, 24 * DAYS - 30, 40)
        figures[rises, number, NAMES.index("move_4h")] = 4.0
        for hour in range(1, 25):
            drift[rises + hour, number] += 0.01 * effect
        closes[symbol] = walk(seed + number, 24 * DAYS) * np.exp(np.cumsum(drift[:, number]))
    return Features(grid, NAMES, figures, np.ones(grid.shape, dtype=bool)), candles(START, closes)


def rows(effect: float, days: list[datetime] = LAST, **more: Any) -> pd.DataFrame:
    found = pattern_library(*market(effect, **more), days, SETTINGS)
    PATTERN_LIBRARY.pandera.validate(found)
    return found


def rise(found: pd.DataFrame, symbol: str = "BTC", side: str = "long") -> pd.Series:
    [row] = found.query("pattern == 'fast_rise' and timeframe == '24h' and symbol == @symbol and side == @side").iloc
    return row


def test_a_planted_pattern_is_found_and_confirmed_and_its_other_side_is_not() -> None:
    found = rows(0.25)
    for symbol in ("BTC", "all"):
        row = rise(found, symbol)
        assert row["status"] == "CONFIRMED"
        assert row["interval_low_pct"] > row["base_rate_pct"]
        assert row["q_value"] >= row["p_value"]
        assert rise(found, symbol, "short")["status"] == "NO_EDGE"


def test_without_an_effect_hardly_a_day_finds_anything() -> None:
    found = [rows(0.0, seed=10 * seed) for seed in range(4)]
    discovered = [(each["status"].isin(["FOUND", "CONFIRMED", "NOT_CONFIRMED"])).any() for each in found]
    assert sum(discovered) <= 1
    assert not any((each["status"] == "CONFIRMED").any() for each in found)


def test_windows_that_overlap_count_once_and_a_window_that_is_not_over_counts_not() -> None:
    made, prices = market(0.0)
    known = rise(pattern_library(made, prices, LAST, SETTINGS))
    occurred = np.arange(200, 24 * DAYS - 30, 40)
    assert known["occurrences"] == known["effective_sample_size"] == (occurred <= 24 * DAYS - 24).sum()
    together = rise(pattern_library(made, prices, LAST, SETTINGS), "all")
    assert together["occurrences"] == 2 * known["occurrences"]
    assert together["effective_sample_size"] == known["effective_sample_size"]


def test_a_pattern_that_never_occurred_is_told_for_all_alone_and_without_a_rate() -> None:
    row = rows(0.0).query("pattern == 'quiet_coil'")
    assert set(row["symbol"]) == {"all"}
    assert set(row["status"]) == {"NO_DATA"}
    assert row["success_rate_pct"].isna().all()


def test_a_days_rows_are_the_same_alone_and_in_a_range_and_know_nothing_of_later() -> None:
    made, prices = market(0.2)
    day = (START + timedelta(days=250)).to_pydatetime()
    several = [day - timedelta(days=1), day, day + timedelta(days=1)]
    among = pattern_library(made, prices, several, SETTINGS)
    end = 24 * 251
    figures = made.figures.copy()
    figures[end:] = 9.0
    later = prices["hour"] >= START + pd.Timedelta(hours=end)
    changed = prices.assign(**{name: prices[name].where(~later, prices[name] * 3) for name in ("high", "low", "close")})
    alone = pattern_library(replace(made, figures=figures), changed, [day], SETTINGS)
    pd.testing.assert_frame_equal(alone, among[among["day"] == day].reset_index(drop=True))


def test_a_coin_that_comes_later_changes_nothing_before_it_came() -> None:
    """Nor does one that never has a scored hour, nor one whose scored hours end before the day's history begins."""
    day = (START + timedelta(days=150)).to_pydatetime()
    settings = LibrarySettings(history_days=100)
    made, prices = market(0.2)
    scored = made.scored.copy()
    scored[: 24 * 60] = False
    expected = pattern_library(replace(made, scored=scored), prices, [day], settings)

    more, prices = market(0.2, symbols=("BTC", "ETH", "LATE", "NEVER"))
    figures = more.figures.copy()
    figures[:, 2:] = np.nan
    came = np.zeros(more.grid.shape, dtype=bool)
    came[:, :2] = scored
    came[24 * 160 :, 2] = True
    in_a_range = pattern_library(
        replace(more, figures=figures, scored=came), prices, [day, day + timedelta(days=50)], settings
    )
    of_day = in_a_range[in_a_range["day"] == day].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_day, expected)
    assert (expected.query("symbol == 'all'")["discovery_windows"] > 0).any()


def test_another_symbol_changes_no_rate_of_the_rest() -> None:
    # Its q-value is the one thing that may: it counts how many were looked at.
    few, more = rows(0.2), rows(0.2, symbols=("BTC", "ETH", "SOL"))
    shared = [name for name in few.columns if name not in ("q_value", "status")]
    both = [each[each["symbol"].isin(["BTC", "ETH"])][shared].reset_index(drop=True) for each in (few, more)]
    pd.testing.assert_frame_equal(*both)


def test_every_pattern_has_a_name_of_its_own_and_begins_only_where_it_did_not_hold_before() -> None:
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)
    made, _ = market(0.0)
    figures = np.random.default_rng(0).normal(size=made.figures.shape) * np.array([0.3, 1, 50, 8, 1, 30] + [1.5] * 11)
    made = replace(made, figures=figures)
    for pattern in PATTERNS:
        fresh, holds = begins(made, pattern)
        assert not (fresh & ~holds).any()
        assert not (fresh[1:] & holds[:-1]).any()
