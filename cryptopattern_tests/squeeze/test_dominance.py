"""Which reading tells the dominant side of an hour."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_READINGS, REALISED_LIQUIDATIONS
from cryptopattern_tests.squeeze.frames import liquidations, reading, readings, snapshots, utc

START = utc("2024-08-01")
DAYS = 4
NO_READINGS = LIQUIDATION_READINGS.empty()
NO_LIQUIDATIONS = REALISED_LIQUIDATIONS.empty()


def analysed(read: pd.DataFrame, liquidated: pd.DataFrame = NO_LIQUIDATIONS, **settings: Any) -> pd.DataFrame:
    """Analyses of BTC and ETH over four days, by symbol and hour."""
    market = snapshots(START, dict.fromkeys(("BTC", "ETH"), [100.0] * 24 * DAYS))
    end = START + pd.Timedelta(days=DAYS)
    return squeeze_analyses(market, read, liquidated, START, end, SignalSettings(**settings)).set_index(
        ["symbol", "hour"]
    )


def at(frame: pd.DataFrame, hour: str, symbol: str = "BTC") -> pd.Series:
    return frame.loc[(symbol, utc(hour))]


def test_a_reading_stands_from_its_own_hour_until_it_is_too_old() -> None:
    found = analysed(readings(reading("2024-08-02 10:15", "BTC", 80.0)))
    assert found.loc["BTC"]["short_pct"].dropna().index.tolist() == list(
        pd.date_range("2024-08-02 10:00", "2024-08-03 09:00", freq="h", tz="UTC")
    )
    row = at(found, "2024-08-02 10:00")
    assert row["dominance_age_hours"] == 0.75
    assert row["dominance_source"] == "all_leverage"
    assert row["dominance_sha256"] == "0" * 64
    assert at(found, "2024-08-03 09:00")["dominance_age_hours"] == 23.75
    assert found.loc["ETH"]["short_pct"].isna().all()


def test_a_picture_of_the_very_end_belongs_to_the_next_hour() -> None:
    found = analysed(readings(reading("2024-08-02 11:00", "BTC", 80.0)))
    assert np.isnan(at(found, "2024-08-02 10:00")["short_pct"])
    assert at(found, "2024-08-02 11:00")["dominance_age_hours"] == 1.0
    assert at(found, "2024-08-03 10:00")["dominance_age_hours"] == 24.0
    assert np.isnan(at(found, "2024-08-03 11:00")["short_pct"])


def test_the_greatest_age_is_a_setting() -> None:
    found = analysed(readings(reading("2024-08-02 10:00", "BTC", 80.0)), max_reading_age_hours=2)
    assert len(found["short_pct"].dropna()) == 2


def test_of_several_the_newest_is_taken() -> None:
    found = analysed(
        readings(
            reading("2024-08-02 10:50", "BTC", 90.0, sha256="b" * 64),
            reading("2024-08-02 10:10", "BTC", 80.0, sha256="a" * 64),
            reading("2024-08-02 12:00", "BTC", 20.0, sha256="c" * 64),
        )
    )
    assert at(found, "2024-08-02 10:00")["dominance_sha256"] == "b" * 64
    assert at(found, "2024-08-02 11:00")["short_pct"] == 90.0
    assert at(found, "2024-08-02 12:00")["short_pct"] == 20.0


@pytest.mark.parametrize("reverse", [False, True])
def test_of_the_same_instant_the_surer_is_taken_and_then_the_greater_hash(reverse: bool) -> None:
    rows = [
        reading("2024-08-02 10:10", "BTC", 80.0, sha256="a" * 64, confidence=0.9),
        reading("2024-08-02 10:10", "BTC", 81.0, sha256="b" * 64, confidence=0.9),
        reading("2024-08-02 10:10", "BTC", 82.0, sha256="c" * 64, confidence=0.8),
    ]
    found = analysed(readings(*(reversed(rows) if reverse else rows)))
    assert at(found, "2024-08-02 10:00")["dominance_sha256"] == "b" * 64


def test_all_leverage_goes_before_a_newer_optical_opti_while_it_is_young_enough() -> None:
    found = analysed(
        readings(
            reading("2024-08-02 10:10", "BTC", 80.0, sha256="a" * 64),
            reading("2024-08-02 20:10", "BTC", 30.0, sha256="b" * 64, image_type="liquidation_distribution_opti"),
        )
    )
    assert at(found, "2024-08-03 09:00")["dominance_source"] == "all_leverage"
    later = at(found, "2024-08-03 10:00")
    assert later[["dominance_source", "dominance_sha256", "short_pct"]].tolist() == ["optical_opti", "b" * 64, 30.0]


def test_a_map_counts_as_all_leverage_and_a_heatmap_as_nothing() -> None:
    found = analysed(
        readings(
            reading("2024-08-02 10:10", "BTC", 80.0, image_type="liquidation_map"),
            reading("2024-08-02 10:10", "ETH", 80.0, image_type="price_chart_heatmap"),
        )
    )
    assert at(found, "2024-08-02 10:00")["dominance_source"] == "all_leverage"
    assert pd.isna(at(found, "2024-08-02 10:00", "ETH")["dominance_source"])


def test_realised_liquidations_serve_where_no_reading_does() -> None:
    found = analysed(
        readings(reading("2024-08-02 14:30", "BTC", 60.0)),
        liquidations(
            ("2024-08-02 10:00", "BTC", "binance", 30.0, 10.0), ("2024-08-02 12:00", "BTC", "okx", 10.0, 150.0)
        ),
    )
    first = at(found, "2024-08-02 10:00")
    assert first[["dominance_source", "long_pct", "squeeze_type"]].tolist() == [
        "realised_liquidations",
        75.0,
        "LONG_SQUEEZE",
    ]
    assert first[["dominance_sha256", "dominance_age_hours"]].isna().all()
    assert at(found, "2024-08-02 12:00")["short_pct"] == 80.0
    assert at(found, "2024-08-02 14:00")["dominance_source"] == "all_leverage"
    assert pd.isna(at(found, "2024-08-02 09:00")["dominance_source"])


def test_realised_liquidations_are_those_of_the_trailing_day() -> None:
    found = analysed(NO_READINGS, liquidations(("2024-08-02 10:00", "BTC", "binance", 30.0, 10.0)))
    assert found.loc["BTC"]["long_pct"].dropna().index.tolist() == list(
        pd.date_range("2024-08-02 10:00", "2024-08-03 09:00", freq="h", tz="UTC")
    )


def test_an_aggregate_of_all_venues_stands_for_them() -> None:
    found = analysed(
        NO_READINGS,
        liquidations(
            ("2024-08-02 10:00", "BTC", "all", 10.0, 90.0), ("2024-08-02 10:00", "BTC", "binance", 500.0, 0.0)
        ),
    )
    assert at(found, "2024-08-02 10:00")["short_pct"] == 90.0


def test_a_feed_that_saw_nothing_says_nothing() -> None:
    found = analysed(NO_READINGS, liquidations(("2024-08-02 10:00", "BTC", "binance", 0.0, 0.0)))
    assert found["dominance_source"].isna().all()


def test_the_newest_of_both_charts_is_kept_whichever_is_used() -> None:
    found = analysed(
        readings(
            reading("2024-08-02 10:30", "BTC", 80.0, sha256="a" * 64),
            reading("2024-08-02 20:30", "BTC", 30.0, sha256="b" * 64, image_type="liquidation_distribution_opti"),
        )
    )
    charts = ["all_leverage_long_pct", "all_leverage_short_pct", "all_leverage_age_hours",
              "optical_opti_long_pct", "optical_opti_short_pct", "optical_opti_age_hours"]  # fmt: skip
    assert at(found, "2024-08-02 21:00")[charts].tolist() == [20.0, 80.0, 11.5, 70.0, 30.0, 1.5]
    assert at(found, "2024-08-02 21:00")["dominance_source"] == "all_leverage"
    assert at(found, "2024-08-02 12:00")[charts].isna().tolist() == [False] * 3 + [True] * 3
    assert at(found, "2024-08-03 12:00")[charts].isna().tolist() == [True] * 3 + [False] * 3
    assert found.loc["ETH"][charts].isna().all(axis=None)


A_DAY = liquidations(("2024-08-01 23:00", "BTC", "all", 20.0, 80.0), span_hours=24)


def test_a_daily_total_serves_until_it_is_a_day_old_where_nothing_else_does() -> None:
    found = analysed(NO_READINGS, A_DAY)
    known = found.loc["BTC"]["short_pct"].dropna()
    assert known.index.tolist() == list(pd.date_range("2024-08-01 23:00", "2024-08-02 23:00", freq="h", tz="UTC"))
    assert (known == 80.0).all()
    row = at(found, "2024-08-02 05:00")
    assert row[["dominance_source", "dominance_age_hours", "squeeze_type"]].tolist() == [
        "daily_liquidations", 6.0, "SHORT_SQUEEZE",
    ]  # fmt: skip
    assert pd.isna(row["dominance_sha256"])


def test_a_newer_daily_total_takes_its_place() -> None:
    found = analysed(
        NO_READINGS, pd.concat([A_DAY, liquidations(("2024-08-02 23:00", "BTC", "all", 9.0, 1.0), span_hours=24)])
    )
    assert at(found, "2024-08-02 22:00")["short_pct"] == 80.0
    assert at(found, "2024-08-02 23:00")[["short_pct", "dominance_age_hours"]].tolist() == [10.0, 0.0]


def test_a_daily_total_is_no_figure_of_its_hour() -> None:
    hourly = liquidations(("2024-08-01 23:00", "BTC", "binance", 3.0, 1.0))
    found = analysed(NO_READINGS, pd.concat([A_DAY, hourly]))
    row = at(found, "2024-08-01 23:00")
    assert row[["dominance_source", "long_pct"]].tolist() == ["realised_liquidations", 75.0]
    assert pd.isna(row["dominance_age_hours"])
    # The hourly figures are a day old, and the daily total is too.
    assert at(found, "2024-08-02 23:00")["dominance_source"] == "daily_liquidations"
    both = analysed(readings(reading("2024-08-02 10:30", "BTC", 60.0)), A_DAY)
    assert at(both, "2024-08-02 10:00")[["dominance_source", "dominance_age_hours"]].tolist() == ["all_leverage", 0.5]


def test_a_day_on_which_nothing_was_liquidated_says_nothing() -> None:
    nothing = liquidations(("2024-08-01 23:00", "BTC", "all", 0.0, 0.0), span_hours=24)
    assert analysed(NO_READINGS, nothing)["dominance_source"].isna().all()
