"""The guide's probability, severity, timeframe and risk level, by hand-worked numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_READINGS, REALISED_LIQUIDATIONS, SQUEEZE_ANALYSES
from cryptopattern_tests.squeeze.frames import reading, readings, snapshots, utc

HOUR = utc("2024-08-05 13:00")
AFTER = utc("2024-08-05 14:00")
NO_LIQUIDATIONS = REALISED_LIQUIDATIONS.empty()


def analysis(short_pct: float | None, settings: SignalSettings | None = None, **market: Any) -> pd.Series:
    """The analysis of one hour of BTC with that share of shorts and those columns of its snapshot."""
    read = readings() if short_pct is None else readings(reading("2024-08-05 13:30", "BTC", short_pct))
    rows = squeeze_analyses(
        snapshots(HOUR, {"BTC": [54_018.0]}, **market),
        read,
        NO_LIQUIDATIONS,
        HOUR,
        AFTER,
        settings or SignalSettings(),
    )
    SQUEEZE_ANALYSES.pandera.validate(rows)
    return rows.iloc[0]


def test_shorts_dominate_alone() -> None:
    # Strength 1.2 x (74.5 - 25.5) = 58.8; direction 2 x 24.5 = 49; .588 x 49 = 28.812.
    row = analysis(74.5)
    assert row["squeeze_type"] == "SHORT_SQUEEZE"
    assert row["liquidation_dominance_strength"] == pytest.approx(58.8)
    assert row["liquidation_dominance_weight"] == 0.40
    assert row["direction_confidence"] == 49.0
    assert row["probability"] == 28.8
    assert row["signal_count"] == 1
    assert row[["severity", "estimated_timeframe", "risk_level"]].tolist() == [
        "MINOR",
        "uncertain",
        "INSUFFICIENT_DATA",
    ]
    assert row["price"] == 54_018.0
    assert row["market_sources"] == "binance:perpetual"


def test_longs_dominate_with_a_volume_spike() -> None:
    # Strengths 1.2 x 70 = 84 and 1.5 x 60 = 90: (84 x .40 + 90 x .25) / .65 = 86.3077; x .70 = 60.4154.
    row = analysis(15.0, volume_change_24h_pct=60.0)
    assert row["squeeze_type"] == "LONG_SQUEEZE"
    assert row["probability"] == 60.4
    assert row["signal_count"] == 2
    assert row[["severity", "estimated_timeframe", "risk_level"]].tolist() == [
        "MODERATE",
        "3-7 days",
        "MEDIUM_CONFIDENCE",
    ]


def test_four_signals() -> None:
    # (100 x .40 + 75.15 x .25 + 96 x .10 + 60 x .05) / .80 = 89.234375; x .90 = 80.3109375.
    row = analysis(95.0, volume_change_24h_pct=50.1, funding_percentile=2.0, open_interest_change_24h_pct=-12.0)
    assert row["probability"] == 80.3
    assert row["signal_count"] == 4
    assert row[["severity", "estimated_timeframe", "risk_level"]].tolist() == [
        "EXTREME",
        "6-24 hours",
        "HIGH_CONFIDENCE",
    ]
    assert np.isnan(row["price_acceleration_strength"])
    assert np.isnan(row["price_acceleration_weight"])


def test_price_acceleration_counts_from_the_snapshots_before() -> None:
    returns = np.concatenate([np.tile([0.01, -0.01], 84), np.full(4, 0.015)])
    prices = 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    start = HOUR - pd.Timedelta(hours=len(prices) - 1)
    rows = squeeze_analyses(
        snapshots(start, {"BTC": prices}), readings(), NO_LIQUIDATIONS, HOUR, AFTER, SignalSettings()
    )
    # A move of .06 in four hours, whose sigma is .02.
    assert rows["price_acceleration_strength"].tolist() == [pytest.approx(75.0)]
    assert rows["price_acceleration_weight"].tolist() == [0.20]


def test_a_side_below_the_threshold_still_gives_the_direction() -> None:
    # No dominance signal; 100 x .25 / .25 = 100; direction 2 x 10 = 20.
    row = analysis(60.0, volume_change_24h_pct=100.0)
    assert row[["squeeze_type", "probability", "signal_count"]].tolist() == ["SHORT_SQUEEZE", 20.0, 1]
    assert np.isnan(row["liquidation_dominance_strength"])


@pytest.mark.parametrize("short_pct", [None, 50.0])
def test_without_a_dominant_side_there_is_no_squeeze(short_pct: float | None) -> None:
    row = analysis(short_pct, volume_change_24h_pct=100.0, funding_percentile=99.0)
    names = ["squeeze_type", "probability", "direction_confidence", "severity", "estimated_timeframe", "risk_level"]
    assert row[names].tolist() == ["NONE", 0.0, 0.0, "MINOR", "uncertain", "INSUFFICIENT_DATA"]
    assert row["signal_count"] == 2
    assert row["volume_spike_strength"] == 100.0


# Open interest alone, its strength 5 x change, and all liquidations short: the score is that strength.
ONLY_OPEN_INTEREST = SignalSettings(dominance_threshold=101.0, open_interest_threshold=0.0)


@pytest.mark.parametrize(
    ("score", "severity", "timeframe", "risk"),
    [
        (80.0, "EXTREME", "6-24 hours", "LOW_CONFIDENCE"),
        (79.999, "MAJOR", "24-72 hours", "LOW_CONFIDENCE"),
        (65.0, "MAJOR", "24-72 hours", "LOW_CONFIDENCE"),
        (64.999, "MODERATE", "3-7 days", "LOW_CONFIDENCE"),
        (45.0, "MODERATE", "3-7 days", "LOW_CONFIDENCE"),
        (44.999, "MINOR", "uncertain", "LOW_CONFIDENCE"),
        (40.0, "MINOR", "uncertain", "LOW_CONFIDENCE"),
        (39.999, "MINOR", "uncertain", "INSUFFICIENT_DATA"),
        (0.0, "MINOR", "uncertain", "INSUFFICIENT_DATA"),
    ],
)
def test_the_cuts_hold_for_the_score_before_it_is_rounded(
    score: float, severity: str, timeframe: str, risk: str
) -> None:
    row = analysis(100.0, ONLY_OPEN_INTEREST, open_interest_change_24h_pct=score / 5)
    assert row["probability"] == pytest.approx(score, abs=0.01)
    assert row[["severity", "estimated_timeframe", "risk_level"]].tolist() == [severity, timeframe, risk]


@pytest.mark.parametrize(
    ("score", "signals", "risk"),
    [
        (75.0, 3, "HIGH_CONFIDENCE"),
        (74.999, 3, "MEDIUM_CONFIDENCE"),
        (75.0, 2, "MEDIUM_CONFIDENCE"),
        (60.0, 2, "MEDIUM_CONFIDENCE"),
        (59.999, 2, "LOW_CONFIDENCE"),
        (75.0, 1, "LOW_CONFIDENCE"),
    ],
)
def test_risk_asks_for_score_and_signals(score: float, signals: int, risk: str) -> None:
    settings = SignalSettings(
        dominance_threshold=101.0, volume_spike_threshold=0.0, open_interest_threshold=0.0, funding_tail=50.0
    )
    market = {
        "open_interest_change_24h_pct": score / 5,
        "volume_change_24h_pct": score / 1.5 if signals >= 2 else np.nan,
        "funding_percentile": (100 - score) / 2 if signals >= 3 else np.nan,
    }
    row = analysis(100.0, settings, **market)
    assert row["signal_count"] == signals
    assert row["risk_level"] == risk


@pytest.mark.parametrize(("score", "severity"), [(80.0, "EXTREME"), (65.0, "MAJOR"), (45.0, "MODERATE")])
def test_a_rounding_error_of_floats_does_not_decide_at_a_cut(score: float, severity: str) -> None:
    # (score x .10 + score x .05) / .15 comes out a hair below the score.
    settings = SignalSettings(dominance_threshold=101.0, open_interest_threshold=0.0, funding_tail=50.0)
    row = analysis(100.0, settings, funding_percentile=(100 - score) / 2, open_interest_change_24h_pct=score / 5)
    assert row["severity"] == severity


def test_high_confidence_is_a_setting() -> None:
    settings = SignalSettings(confidence_threshold=80.4)
    market = {"volume_change_24h_pct": 50.1, "funding_percentile": 2.0, "open_interest_change_24h_pct": -12.0}
    assert analysis(95.0, settings, **market)["risk_level"] == "MEDIUM_CONFIDENCE"


def test_there_is_a_row_for_each_snapshot_of_the_window_and_no_other() -> None:
    market = snapshots(HOUR - pd.Timedelta(hours=2), {"ETH": [1.0] * 5, "BTC": [2.0] * 3})
    rows = squeeze_analyses(market, readings(), NO_LIQUIDATIONS, HOUR - pd.Timedelta(hours=1), AFTER, SignalSettings())
    assert list(zip(rows["hour"], rows["symbol"], rows["price"], strict=True)) == [
        (HOUR - pd.Timedelta(hours=1), "BTC", 2.0),
        (HOUR - pd.Timedelta(hours=1), "ETH", 1.0),
        (HOUR, "BTC", 2.0),
        (HOUR, "ETH", 1.0),
    ]


def test_no_snapshots_make_an_empty_table() -> None:
    market = snapshots(AFTER, {"BTC": [1.0]})
    rows = squeeze_analyses(market, LIQUIDATION_READINGS.empty(), NO_LIQUIDATIONS, HOUR, AFTER, SignalSettings())
    assert rows.empty
    assert list(rows.columns) == SQUEEZE_ANALYSES.names
