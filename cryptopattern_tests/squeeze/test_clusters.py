"""The nearest prices at which liquidations wait, by the newest picture."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_READINGS, REALISED_LIQUIDATIONS, SQUEEZE_ANALYSES
from cryptopattern_tests.squeeze.frames import levels, snapshots, utc

START = utc("2024-08-02")
COLUMNS = ["nearest_cluster_above", "cluster_above_distance_pct", "cluster_above_strength",
           "nearest_cluster_below", "cluster_below_distance_pct", "cluster_below_strength"]  # fmt: skip


def analysed(*pictures: pd.DataFrame, price: float = 100.0, **given_settings: Any) -> pd.DataFrame:
    """Analyses of BTC and ETH, by symbol and hour, at one price throughout."""
    market = snapshots(START, dict.fromkeys(("BTC", "ETH"), [price] * 48))
    known = pd.concat(pictures) if pictures else None
    rows = squeeze_analyses(
        market, LIQUIDATION_READINGS.empty(), REALISED_LIQUIDATIONS.empty(), START, START + pd.Timedelta(days=2),
        SignalSettings(**given_settings), known,
    )  # fmt: skip
    SQUEEZE_ANALYSES.pandera.validate(rows)
    return rows.set_index(["symbol", "hour"])


def at(frame: pd.DataFrame, hour: str, symbol: str = "BTC") -> pd.Series:
    return frame.loc[(symbol, utc(hour))]


def test_the_nearest_levels_above_and_below_are_told_with_distance_and_strength() -> None:
    row = at(analysed(levels("2024-08-02 10:15", "BTC", [120.0, 90.0, 105.0, 98.0, 80.0])), "2024-08-02 10:00")
    assert row[COLUMNS].tolist() == pytest.approx([105.0, 5.0, 0.8, 98.0, 2.0, 0.7])
    assert row["clusters_age_hours"] == 0.75


def test_a_level_at_the_price_is_above_it() -> None:
    row = at(analysed(levels("2024-08-02 10:15", "BTC", [100.0, 99.0])), "2024-08-02 10:00")
    assert row[COLUMNS].tolist() == pytest.approx([100.0, 0.0, 1.0, 99.0, 1.0, 0.9])


def test_where_all_levels_lie_on_one_side_the_other_has_none() -> None:
    found = analysed(levels("2024-08-02 10:15", "BTC", [110.0, 120.0]), levels("2024-08-02 10:15", "ETH", [90.0, 80.0]))
    assert at(found, "2024-08-02 10:00")[COLUMNS].isna().tolist() == [False] * 3 + [True] * 3
    assert at(found, "2024-08-02 10:00", "ETH")[COLUMNS].isna().tolist() == [True] * 3 + [False] * 3


def test_a_picture_stands_from_its_own_hour_until_it_is_too_old() -> None:
    found = analysed(levels("2024-08-02 10:15", "BTC", [110.0]), max_reading_age_hours=3)
    known = found.loc["BTC"]["nearest_cluster_above"].dropna()
    assert known.index.tolist() == list(pd.date_range("2024-08-02 10:00", "2024-08-02 12:00", freq="h", tz="UTC"))
    assert found.loc["ETH"][COLUMNS].isna().all(axis=None)


def test_the_newest_picture_counts_alone() -> None:
    older = levels("2024-08-02 10:15", "BTC", [101.0], sha256="a" * 64)
    newer = levels("2024-08-02 10:45", "BTC", [110.0], sha256="b" * 64)
    for pictures in ((older, newer), (newer, older)):
        assert at(analysed(*pictures), "2024-08-02 10:00")["nearest_cluster_above"] == 110.0


def test_levels_of_no_symbol_are_left_out_and_without_levels_there_are_none() -> None:
    assert analysed(levels("2024-08-02 10:15", None, [101.0]))[COLUMNS].isna().all(axis=None)
    assert analysed()[[*COLUMNS, "clusters_age_hours"]].isna().all(axis=None)


@settings(deadline=None)
@given(st.lists(st.floats(1, 200), min_size=1, max_size=40), st.floats(50, 150))
def test_the_bisection_equals_the_plain_search(prices: list[float], price: float) -> None:
    row = at(analysed(levels("2024-08-02 10:15", "BTC", prices, strength_share=0.5), price=price), "2024-08-02 10:00")
    above, below = (
        min((p for p in prices if p >= price), default=np.nan),
        max((p for p in prices if p < price), default=np.nan),
    )
    assert row[["nearest_cluster_above", "nearest_cluster_below"]].tolist() == pytest.approx(
        [above, below], nan_ok=True
    )
