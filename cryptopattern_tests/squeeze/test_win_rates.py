"""Win rates counted by hand, what a day may know, and a simulated market with an edge and one without."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.grid import WindowError
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.squeeze.win_rates import DEFAULTS, ConditionError, WinRateSettings, win_rates
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, SQUEEZE_ANALYSES, WIN_RATES
from cryptopattern_tests.squeeze.frames import candles, claims, utc, walk
from cryptopattern_tests.squeeze.simulated import START as SIMULATED
from cryptopattern_tests.squeeze.simulated import simulate

DAY = pd.Timedelta(days=1)
NO_ANALYSES = SQUEEZE_ANALYSES.empty()


def rates(analyses: pd.DataFrame, market: pd.DataFrame, day: datetime, days: int = 1) -> pd.DataFrame:
    rows = win_rates(analyses, market, day, day + days * DAY, FREE)
    WIN_RATES.pandera.validate(rows)
    return rows


def row(frame: pd.DataFrame, timeframe: str, side: str, symbol: str = "BTC", condition: str = "all") -> pd.Series:
    key = {"symbol": symbol, "timeframe": timeframe, "side": side, "condition": condition}
    found = frame[(frame[list(key)] == pd.Series(key)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


# Without costs, so that the numbers can be worked by hand.
FREE = WinRateSettings(outcomes=OutcomeSettings(fee_bps=0, slippage_bps=0))


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
    short = replace(FREE, history_days=3)
    day = utc("2024-01-10")
    found = win_rates(EVERY_HOUR, RISING, day, day + DAY, short)
    # Entries from January 8 00:00 to January 9 23:00.
    assert row(found, "24h", "long")["sample_size"] == 48


@pytest.mark.parametrize(("start", "end"), [("2024-01-10 01:00", "2024-01-11"), ("2024-01-10", "2024-01-10 12:00")])
def test_only_whole_days_are_counted(start: str, end: str) -> None:
    with pytest.raises(WindowError, match="not midnight"):
        win_rates(EVERY_HOUR, RISING, utc(start), utc(end), DEFAULTS)


def test_analyses_are_counted_by_their_severity_too() -> None:
    types = ["NONE"] * CALM_HOURS + ["SHORT_SQUEEZE"] * len(RISE)
    analyses = claims(START, {"BTC": types})
    named = ["MAJOR", "MINOR"] * (len(types) // 2) + ["MAJOR"] * (len(types) % 2)
    found = rates(analyses.assign(severity=named).astype({"severity": "str"}), RISING, utc("2024-01-10"))
    assert found["condition"].drop_duplicates().tolist() == ["all", "severity:MINOR", "severity:MAJOR"]
    parts = [row(found, "24h", "long", condition=f"severity:{name}")["sample_size"] for name in ("MINOR", "MAJOR")]
    assert sum(parts) == row(found, "24h", "long")["sample_size"]
    # 47 hours, of which the first belongs to the greater half.
    assert sorted(parts) == [23, 24]


def conditions(*rows: tuple[int, str], **more: list[str | None]) -> pd.DataFrame:
    """Hours after START, the name, and further columns."""
    hours = [START + pd.Timedelta(hours=hour) for hour, _ in rows]
    return pd.DataFrame({"hour": hours, "symbol": "BTC", "condition": [name for _, name in rows], **more})


def test_a_condition_counts_what_its_hours_analyses_claim() -> None:
    types = ["NONE"] * CALM_HOURS + ["SHORT_SQUEEZE", "LONG_SQUEEZE"] * (len(RISE) // 2)
    held = conditions(*[(CALM_HOURS + hour, "pattern:early") for hour in range(4)], (10, "pattern:silent"))
    day = utc("2024-01-10")
    found = win_rates(claims(START, {"BTC": types}), RISING, day, day + DAY, FREE, held)
    WIN_RATES.pandera.validate(found)
    assert row(found, "24h", "long", condition="pattern:early")["sample_size"] == 2
    assert row(found, "24h", "short", condition="pattern:early")["sample_size"] == 2
    assert "pattern:silent" not in set(found["condition"])


def test_a_condition_may_claim_a_side_itself() -> None:
    held = conditions((CALM_HOURS, "pattern:a"), (CALM_HOURS + 1, "pattern:a"), side=["long", None])
    day = utc("2024-01-10")
    found = win_rates(NO_ANALYSES, RISING, day, day + DAY, FREE, held)
    assert row(found, "24h", "long", condition="pattern:a")["sample_size"] == 1
    assert row(found, "24h", "short", condition="pattern:a")["sample_size"] == 0


@pytest.mark.parametrize("name", ["all", "severity:MAJOR", "", None])
def test_a_conditions_name_must_be_its_own(name: str) -> None:
    day = utc("2024-01-10")
    with pytest.raises(ConditionError, match="needs a name"):
        win_rates(NO_ANALYSES, RISING, day, day + DAY, FREE, conditions((1, name)))


def test_a_conditions_side_is_long_or_short() -> None:
    day = utc("2024-01-10")
    with pytest.raises(ConditionError, match="long, short or missing"):
        win_rates(NO_ANALYSES, RISING, day, day + DAY, FREE, conditions((1, "pattern:a"), side=["up"]))


def test_costs_lower_every_rate_and_return() -> None:
    market = candles(START, {"BTC": walk(5, 24 * 200)})
    analyses = claims(START, {"BTC": ["SHORT_SQUEEZE", "LONG_SQUEEZE"] * (12 * 200)})
    day = START + 199 * DAY
    free = rates(analyses, market, day)
    dear = replace(FREE, outcomes=replace(FREE.outcomes, fee_bps=20, slippage_bps=10))
    costly = win_rates(analyses, market, day, day + DAY, dear)
    assert (free["costs_bps"] == 0).all()
    assert (costly["costs_bps"] == 60).all()
    day_rates = (free["timeframe"] == "24h") & (free["condition"] == "all")
    assert (costly["base_rate_pct"] < free["base_rate_pct"])[day_rates].all()
    # Stops are nearer too, so that less is lost at some of them: at most the costs, and at least a part of them.
    loss = (free["base_net_return_pct"] - costly["base_net_return_pct"])[day_rates]
    assert ((loss > 0) & (loss < 0.6 + 0.1)).all()


def test_a_rise_that_came_is_what_it_returned() -> None:
    long = row(rates(EVERY_HOUR, RISING, utc("2024-01-10")), "24h", "long")
    # At the target, in calm hours as in rising ones, but for those whose window ended before: a barrier or a little.
    assert 0 < long["net_return_pct"] < 100 * np.expm1(0.0005 * 24)
    assert long["base_net_return_pct"] > 0


def test_a_planted_edge_is_found_with_its_size_and_bias() -> None:
    market = simulate(seed=1, symbols=4, edge=1.0)
    side = np.where(market.side.ravel() > 0, "long", "short")
    assert set(side) == {"long", "short"}
    found = win_rates(market.analyses, market.candles, SIMULATED + 364 * DAY, SIMULATED + 365 * DAY, DEFAULTS)
    day = found[(found["timeframe"] == "24h") & (found["condition"] == "all")]
    assert (day["verdict"] == "EDGE").all()
    assert day["interval_low_pct"].max() <= TRUE_RATE <= day["interval_high_pct"].min()
    assert (day["lift_low"] > 1).all()
    # Both sides have it, so the market leans to neither.
    assert (day["bias"] == "NONE").all()
    assert day["bias_strength_pct"].isna().all()


# Of 136,000 such claims in other markets of the same kind.
TRUE_RATE = 62.4


def test_an_edge_of_one_side_is_a_bias() -> None:
    market = simulate(seed=1, symbols=4, edge=1.0)
    long = market.analyses[market.analyses["squeeze_type"] != "LONG_SQUEEZE"]
    found = win_rates(long, market.candles, SIMULATED + 364 * DAY, SIMULATED + 365 * DAY, DEFAULTS)
    day = found[(found["timeframe"] == "24h") & (found["condition"] == "all")]
    assert (day["bias"] == "LONG").all()
    gain = (day["win_rate_pct"] - day["base_rate_pct"])[day["side"] == "long"]
    assert day.loc[gain.index, "bias_strength_pct"].tolist() == pytest.approx(gain.tolist())


def test_where_there_is_no_edge_few_are_called_one() -> None:
    market = simulate(seed=2, symbols=60)
    found = win_rates(market.analyses, market.candles, SIMULATED + 364 * DAY, SIMULATED + 365 * DAY, DEFAULTS)
    assert found["verdict"].isin(["EDGE", "ADVERSE"]).mean() <= 0.05
    assert (found["bias"] != "NONE").mean() <= 0.05
    assert not found.loc[found["condition"] == "all", "verdict"].isin(["NO_DATA"]).any()


def test_few_windows_are_never_called_an_edge() -> None:
    found = row(rates(EVERY_HOUR, RISING, utc("2024-01-10")), "24h", "long")
    assert found["effective_sample_size"] < DEFAULTS.least_windows
    assert found["verdict"] == "NO_EDGE"


def test_with_asymmetric_barriers_both_sides_are_counted_apart() -> None:
    market = candles(START, {"BTC": walk(3, 24 * 60)})
    wide = replace(FREE, outcomes=replace(FREE.outcomes, target_sigmas=2.0, stop_sigmas=1.0))
    day = START + 59 * DAY
    found = win_rates(NO_ANALYSES, market, day, day + DAY, wide)
    even = win_rates(NO_ANALYSES, market, day, day + DAY, FREE)
    for side in ("long", "short"):
        assert row(found, "24h", side)["base_rate_pct"] < row(even, "24h", side)["base_rate_pct"]
