"""Each analysis says in one sentence what it says in figures."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_READINGS, REALISED_LIQUIDATIONS
from cryptopattern_tests.squeeze.frames import liquidations, reading, readings, snapshots, utc

HOUR = utc("2024-08-05 13:00")
NOTHING_READ = LIQUIDATION_READINGS.empty()
NOTHING_LIQUIDATED = REALISED_LIQUIDATIONS.empty()


def analysis(read: pd.DataFrame, liquidated: pd.DataFrame = NOTHING_LIQUIDATED, **market: Any) -> pd.Series:
    rows = squeeze_analyses(
        snapshots(HOUR, {"BTC": [54_018.0]}, **market), read, liquidated, HOUR, HOUR + pd.Timedelta(hours=1),
        SignalSettings(),
    )  # fmt: skip
    return rows.iloc[0]


def said(read: pd.DataFrame, liquidated: pd.DataFrame = NOTHING_LIQUIDATED, **market: Any) -> str:
    return str(analysis(read, liquidated, **market)["explanation"])


def test_a_reading_with_signals() -> None:
    sentence = said(
        readings(reading("2024-08-05 10:30", "BTC", 78.0)), volume_change_24h_pct=120.4, funding_percentile=99
    )
    assert sentence == (
        "Shorts hold 78 % of the liquidations read 3 h ago (all_leverage), volume is up 120 %, funding is extreme: "
        "a short squeeze may come (score 46 of 100, 3 of 5 signals)."
    )


def test_a_side_without_a_signal() -> None:
    opti = reading("2024-08-05 13:30", "BTC", 40.4, image_type="liquidation_distribution_opti")
    assert said(readings(opti)) == (
        "Longs hold 60 % of the liquidations read just now (optical_opti): "
        "no signal of a long squeeze (score 0 of 100, 0 of 5 signals)."
    )


def test_a_map_is_called_one_though_it_counts_as_all_leverage() -> None:
    row = analysis(readings(reading("2024-08-05 13:30", "BTC", 50.0, image_type="liquidation_map")))
    assert row["dominance_source"] == "all_leverage"
    assert row["explanation"].startswith(
        "Longs and shorts hold 50 % each of the liquidations read just now (liquidation map): "
    )


def test_realised_liquidations_by_the_hour_and_by_the_day() -> None:
    hourly = liquidations(("2024-08-05 12:00", "BTC", "binance", 90.0, 10.0))
    assert said(NOTHING_READ, hourly).startswith(
        "Longs were 90 % of what was liquidated in the last 24 h: a long squeeze"
    )
    daily = liquidations(("2024-08-04 23:00", "BTC", "all", 10.0, 90.0), span_hours=24)
    assert said(NOTHING_READ, daily).startswith(
        "Shorts were 90 % of what was liquidated in the day that ended 14 h ago: "
    )


def test_without_a_side_the_reason_is_given() -> None:
    assert said(NOTHING_READ, volume_change_24h_pct=5_000.0) == (
        "No chart of the last 24 h and no liquidations say which side dominates, volume is up more than 999 %: "
        "no squeeze is named (1 of 5 signals)."
    )
    assert said(readings(reading("2024-08-05 13:30", "BTC", 50.0))) == (
        "Longs and shorts hold 50 % each of the liquidations read just now (all_leverage): "
        "no squeeze is named (0 of 5 signals)."
    )


@settings(deadline=None)
@given(
    share=st.none() | st.integers(0, 1000),
    minutes=st.integers(0, 24 * 60 - 1),
    volume=st.floats(-99, 1e6),
    funding=st.floats(0, 100),
    interest=st.floats(-50, 50),
)
def test_the_sentence_has_the_rows_own_figures(
    *, share: int | None, minutes: int, volume: float, funding: float, interest: float
) -> None:
    taken = HOUR + pd.Timedelta(hours=1) - pd.Timedelta(minutes=minutes + 1)
    read = NOTHING_READ if share is None else readings(reading(taken, "BTC", share / 10))
    row = analysis(
        read, volume_change_24h_pct=volume, funding_percentile=funding, open_interest_change_24h_pct=interest
    )
    sentence = row["explanation"]
    assert f"{row['signal_count']} of 5 signals" in sentence
    assert ("volume is up" in sentence) == (not np.isnan(row["volume_spike_strength"]))
    assert ("funding is extreme" in sentence) == (not np.isnan(row["funding_extreme_strength"]))
    assert ("open interest changed much" in sentence) == (not np.isnan(row["open_interest_change_strength"]))
    assert ("short squeeze" in sentence) == (row["squeeze_type"] == "SHORT_SQUEEZE")
    assert ("long squeeze" in sentence) == (row["squeeze_type"] == "LONG_SQUEEZE")
    if row["squeeze_type"] != "NONE":
        assert f"score {round(row['probability'])} of 100" in sentence
        assert f" {round(max(row['long_pct'], row['short_pct']))} %" in sentence
    assert sentence.endswith(").")
    assert sentence.count(".") == 1


@pytest.mark.parametrize("age", [6.0, 30.0])
def test_no_age_is_beyond_the_phrases(age: float) -> None:
    aged = SignalSettings(max_reading_age_hours=age, max_daily_age_hours=3)
    taken = HOUR + pd.Timedelta(hours=1) - pd.Timedelta(hours=age)
    market = snapshots(HOUR, {"BTC": [1.0]})
    rows = squeeze_analyses(
        market, readings(reading(taken, "BTC", 80.0)), NOTHING_LIQUIDATED, HOUR, HOUR + pd.Timedelta(hours=1), aged
    )
    assert f"read {age:g} h ago" in rows["explanation"].iloc[0]
