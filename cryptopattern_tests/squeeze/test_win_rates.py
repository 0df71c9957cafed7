"""Win rates counted by hand, what a day may know, and a simulated market with an edge and one without."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.grid import WindowError
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.squeeze.win_rates import DEFAULTS, WinRateSettings, win_rates
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, SQUEEZE_ANALYSES, WIN_RATES
from cryptopattern_tests.squeeze.frames import candles, claims, utc, walk

DAY = pd.Timedelta(days=1)
NO_ANALYSES = SQUEEZE_ANALYSES.empty()


def rates(analyses: pd.DataFrame, market: pd.DataFrame, day: datetime, days: int = 1) -> pd.DataFrame:
    rows = win_rates(analyses, market, day, day + days * DAY, DEFAULTS)
    WIN_RATES.pandera.validate(rows)
    return rows


def row(frame: pd.DataFrame, timeframe: str, side: str, symbol: str = "BTC") -> pd.Series:
    found = frame[(frame["symbol"] == symbol) & (frame["timeframe"] == timeframe) & (frame["side"] == side)]
    assert len(found) == 1
    return found.iloc[0]


# A week of calm (sigma .1 % an hour, .49 % a day), then a rise of .05 % an hour: of 1.2 % in 24 hours.
START = utc("2024-01-01")
CALM_HOURS = 7 * 24 + 1
CALM = [100.0 if t % 2 == 0 else 100.1 for t in range(CALM_HOURS)]
RISE = [100 * np.exp(0.0005 * t) for t in range(1, 24 * 4)]
RISING = candles(START, {"BTC": CALM + RISE})
EVERY_HOUR = claims(START, {"BTC": ["SHORT_SQUEEZE"] * len(CALM + RISE)})
FIRST_RISING_DAY = utc("2024-01-08")


def test_every_symbol_with_candles_has_six_rows_without_analyses() -> None:
    found = rates(NO_ANALYSES, candles(START, {"BTC": CALM, "ETH": CALM}), utc("2024-01-03"))
    assert list(zip(found["symbol"], found["timeframe"], found["side"], strict=True)) == [
        (symbol, timeframe, side)
        for symbol in ("BTC", "ETH")
        for timeframe in ("24h", "7d", "1m")
        for side in ("long", "short")
    ]
    assert (found["day"] == utc("2024-01-03")).all()
    assert (found["verdict"] == "NO_DATA").all()
    assert (found[["wins", "sample_size", "effective_sample_size"]] == 0).all(axis=None)
    assert found[["win_rate_pct", "interval_low_pct", "interval_high_pct", "lift"]].isna().all(axis=None)


def test_no_candles_no_rows() -> None:
    found = rates(EVERY_HOUR, MARKET_CANDLES.empty(), utc("2024-01-03"))
    assert found.empty
    assert list(found.columns) == WIN_RATES.names


def test_a_symbol_has_rows_from_its_first_candle_on_and_while_its_history_lasts() -> None:
    market = candles(START, {"BTC": CALM + RISE})
    found = rates(NO_ANALYSES, market, utc("2023-12-30"), days=4)
    assert found["day"].unique().tolist() == [START, START + DAY]
    last_candle_day = utc("2024-01-11")
    gone = rates(NO_ANALYSES, market, last_candle_day + 363 * DAY, days=4)
    assert gone["day"].unique().tolist() == [last_candle_day + 363 * DAY, last_candle_day + 364 * DAY]


def test_overlapping_windows_are_counted_once() -> None:
    # By the end of January 10 the entries of the hours up to January 9 23:00 are decided: 3 days after the first.
    found = row(rates(EVERY_HOUR, RISING, utc("2024-01-10")), "24h", "long")
    known_from = START + pd.Timedelta(hours=84)  # half a week of returns gives a sigma
    newest = utc("2024-01-09 23:00")
    assert found["sample_size"] == (newest - known_from) / pd.Timedelta(hours=1) + 1
    assert found["effective_sample_size"] == (newest - known_from) // DAY + 1
    assert found["base_sample_size"] == found["effective_sample_size"]


@pytest.mark.parametrize(("apart", "windows"), [(23, 1), (24, 2), (25, 2)])
def test_a_window_may_begin_where_the_one_before_ends(apart: int, windows: int) -> None:
    types = ["NONE"] * (CALM_HOURS + len(RISE))
    types[CALM_HOURS] = types[CALM_HOURS + apart] = "SHORT_SQUEEZE"
    found = row(rates(claims(START, {"BTC": types}), RISING, utc("2024-01-10")), "24h", "long")
    assert found[["sample_size", "effective_sample_size"]].tolist() == [2, windows]


def test_claims_of_a_rise_that_came_are_wins_and_of_a_fall_are_not() -> None:
    types = ["NONE"] * CALM_HOURS + ["SHORT_SQUEEZE", "LONG_SQUEEZE"] * (len(RISE) // 2)
    found = rates(claims(START, {"BTC": types}), RISING, utc("2024-01-10"))
    long, short = row(found, "24h", "long"), row(found, "24h", "short")
    # Rising entries: January 8 01:00 to January 9 23:00, 47 hours, 24 of them long; two days fit one after the other.
    assert long[["sample_size", "effective_sample_size", "wins", "win_rate_pct"]].tolist() == [24, 2, 2, 100.0]
    assert short[["sample_size", "effective_sample_size", "wins", "win_rate_pct"]].tolist() == [23, 2, 0, 0.0]
    assert long["interval_low_pct"] == pytest.approx(34.24, abs=0.01)
    assert long["interval_high_pct"] == 100.0
    # All hours: the barrier is .4897 % up. The rise starts after hour 168 and passes it in its 10th hour for entries
    # at 100 and in its 12th for those at 100.1: even hours from 154 to 168 (8) and odd ones from 157 to 167 (6) see
    # that within 24 hours, and so do the 47 that rise.
    assert long["base_rate_pct"] == pytest.approx(100 * 61 / 132)
    assert short["base_rate_pct"] == 0.0
    assert long["lift"] == pytest.approx(132 / 61)
    assert pd.isna(short["lift"])


def test_an_outcome_counts_from_the_day_on_which_its_horizon_ends() -> None:
    types = ["NONE"] * (CALM_HOURS + len(RISE))
    types[CALM_HOURS - 1] = "SHORT_SQUEEZE"  # the hour that ends at January 8 01:00, so its horizon does at 9 01:00
    market = claims(START, {"BTC": types})
    counted = {str(day.date()): row(rates(market, RISING, day), "24h", "long")["sample_size"] for day in days_of("8 9")}
    assert counted == {"2024-01-08": 0, "2024-01-09": 1}


def days_of(numbers: str) -> list[pd.Timestamp]:
    return [utc(f"2024-01-{int(number):02}") for number in numbers.split()]


def test_an_analysis_without_a_signal_claims_nothing() -> None:
    silent = EVERY_HOUR.assign(probability=0.0)
    assert (rates(silent, RISING, utc("2024-01-10"))["sample_size"] == 0).all()
    above = win_rates(EVERY_HOUR, RISING, utc("2024-01-10"), utc("2024-01-11"), WinRateSettings(probability_above=50.0))
    assert (above["sample_size"] == 0).all()


def test_history_older_than_the_days_counted_is_forgotten() -> None:
    short = WinRateSettings(history_days=3)
    day = utc("2024-01-10")
    found = win_rates(EVERY_HOUR, RISING, day, day + DAY, short)
    # Entries from January 8 00:00 to January 9 23:00.
    assert row(found, "24h", "long")["sample_size"] == 48


@pytest.mark.parametrize(("start", "end"), [("2024-01-10 01:00", "2024-01-11"), ("2024-01-10", "2024-01-10 12:00")])
def test_only_whole_days_are_counted(start: str, end: str) -> None:
    with pytest.raises(WindowError, match="not midnight"):
        win_rates(EVERY_HOUR, RISING, utc(start), utc(end), DEFAULTS)


def market_with_an_edge(edge: float, seed: int, symbols: int, length: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random walks in which the day after each claim drifts by `edge` sigmas of a day to the side that it names."""
    random = np.random.default_rng(seed)
    closes, types = {}, {}
    for symbol in range(symbols):
        returns = random.normal(0, 0.01, length)
        named = np.full(length, "NONE", dtype=object)
        for hour in range(200, length - 24, 60):
            side = random.choice([-1, 1])
            named[hour] = "SHORT_SQUEEZE" if side > 0 else "LONG_SQUEEZE"
            returns[hour + 1 : hour + 25] += side * edge * 0.01 / np.sqrt(24)
        closes[f"S{symbol}"] = 100 * np.exp(np.cumsum(returns))
        types[f"S{symbol}"] = list(named)
    return candles(START, closes), claims(START, types)


def test_a_planted_edge_is_found() -> None:
    market, analyses = market_with_an_edge(edge=1.0, seed=1, symbols=4, length=24 * 365)
    found = rates(analyses, market, START + 364 * DAY)
    day = found[found["timeframe"] == "24h"]
    assert (day["verdict"] == "EDGE").all()
    assert (day["lift"] > 1.5).all()
    assert (day["effective_sample_size"] == day["sample_size"]).all()


def test_where_there_is_no_edge_few_are_called_one() -> None:
    market, analyses = market_with_an_edge(edge=0.0, seed=2, symbols=100, length=24 * 365)
    found = rates(analyses, market, START + 364 * DAY)
    assert (found["verdict"] == "EDGE").mean() <= 0.05
    assert (found["verdict"] == "ADVERSE").mean() <= 0.05
    assert not found["verdict"].isin(["NO_DATA"]).any()


def test_with_asymmetric_barriers_both_sides_are_counted_apart() -> None:
    market = candles(START, {"BTC": walk(3, 24 * 60)})
    wide = WinRateSettings(outcomes=OutcomeSettings(target_sigmas=2.0, stop_sigmas=1.0))
    day = START + 59 * DAY
    found = win_rates(NO_ANALYSES, market, day, day + DAY, wide)
    even = win_rates(NO_ANALYSES, market, day, day + DAY, DEFAULTS)
    for side in ("long", "short"):
        assert row(found, "24h", side)["base_rate_pct"] < row(even, "24h", side)["base_rate_pct"]
