"""Alerts: what rules find, quiet hours, cool-down, odds; and that neither the future nor the range changes a row."""

from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.alerts import Known, QuietHours, Rule, squeeze_alerts
from cryptopattern_pipelines.squeeze.events import squeeze_events, squeezes_under_way
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ALERTS, SQUEEZE_FORECASTS, WIN_RATES
from cryptopattern_tests.squeeze.frames import claims, utc
from cryptopattern_tests.squeeze.test_events import FALL, NO_ANALYSES, NO_LIQUIDATIONS, TODAY, after_calm

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
START = utc("2024-08-05")
BERLIN = ZoneInfo("Europe/Berlin")


def known(scores: list[float], severities: list[str] | None = None, start: datetime = START, **more: Any) -> Known:
    """BTC's shorts squeezed with these scores, hour by hour from the day before `start` on; 0 claims nothing."""
    analyses = claims(start - DAY, {"BTC": ["SHORT_SQUEEZE"] * len(scores)})
    analyses["probability"] = np.asarray(scores, float)
    if severities:
        analyses["severity"] = severities
    nothing = {"forecasts": SQUEEZE_FORECASTS.empty(), "under_way": pd.DataFrame(), "rates": WIN_RATES.empty()}
    return Known(analyses=analyses, **(nothing | more))


def told(facts: Known, rule: Rule, hours: int = 24, start: datetime = START) -> list[tuple[int, str]]:
    rows = squeeze_alerts(facts, [rule], start, start + hours * HOUR)
    SQUEEZE_ALERTS.pandera.validate(rows)
    return [((row.hour - start) // HOUR, row.status) for row in rows.itertuples()]


def new(facts: Known, rule: Rule, hours: int = 24, start: datetime = START) -> list[int]:
    return [hour for hour, status in told(facts, rule, hours, start) if status == "NEW"]


def test_what_goes_on_is_told_again_after_each_cool_down() -> None:
    assert new(known([0.0] * 24 + [60.0] * 14), Rule("r", probability=50, cooldown_hours=6)) == [0, 6, 12]


def test_the_cool_down_of_an_alert_of_yesterday_reaches_over_midnight() -> None:
    rule = Rule("r", probability=50, cooldown_hours=6)
    rows = squeeze_alerts(known([0.0] * 22 + [60.0] * 8), [rule], START, START + DAY)
    assert rows["status"].tolist() == ["COOLDOWN"] * 4 + ["NEW", "COOLDOWN"]
    assert rows["told_at"].iloc[0] == START - 2 * HOUR


def test_what_gets_more_severe_breaks_the_cool_down() -> None:
    severities = ["MINOR"] * 24 + ["MODERATE", "MODERATE", "MAJOR", "MAJOR", "MODERATE"]
    assert new(known([0.0] * 24 + [60.0] * 5, severities), Rule("r", cooldown_hours=24)) == [0, 2]


def test_quiet_hours_hold_back_and_start_no_cool_down() -> None:
    quiet = QuietHours(time(22), time(7), BERLIN)  # 20:00 to 05:00 UTC in summer
    rule = Rule("r", probability=50, cooldown_hours=24, quiet=quiet)
    # An hour is told at its end: the one of 03:00 ends at 06:00 in Berlin, the one of 04:00 at 07:00.
    assert told(known([0.0] * 24 + [60.0] * 6), rule) == [
        *((hour, "QUIET") for hour in range(4)),
        (4, "NEW"),
        (5, "COOLDOWN"),
    ]


@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    hour=st.integers(0, 366 * 24),
)
def test_quiet_hours_are_those_of_the_wall_clock_all_year_round(start: int, length: int, zone: str, hour: int) -> None:
    begin, end = (time(*divmod(minute % 1440, 60)) for minute in (start, start + length))
    moment = (utc("2024-01-01") + hour * HOUR).to_pydatetime()
    local = moment.astimezone(ZoneInfo(zone))
    since_start = (60 * local.hour + local.minute - start) % 1440
    assert QuietHours(begin, end, ZoneInfo(zone)).holds(moment) is (since_start < length)


@given(
    scores=st.lists(st.sampled_from([0.0, 55.0, 70.0]), min_size=96, max_size=96),
    ranks=st.lists(st.sampled_from(["MINOR", "MAJOR"]), min_size=96, max_size=96),
    first=st.integers(24, 94),
    length=st.integers(1, 48),
    cooldown=st.integers(1, 24),
)
@settings(max_examples=60)
def test_rows_depend_neither_on_the_range_nor_on_what_comes_after(
    scores: list[float], ranks: list[str], first: int, length: int, cooldown: int
) -> None:
    rule = Rule("r", probability=50, cooldown_hours=cooldown, quiet=QuietHours(time(1), time(4), BERLIN))
    facts = known(scores, ranks)
    whole = squeeze_alerts(facts, [rule], START, START + 3 * DAY)
    begin = START - DAY + first * HOUR
    end = min(begin + length * HOUR, START + 3 * DAY)
    chain = begin.floor("D") - DAY
    seen = facts.analyses[(facts.analyses["hour"] >= chain) & (facts.analyses["hour"] < end)]
    part = squeeze_alerts(Known(seen, facts.forecasts, facts.under_way, facts.rates), [rule], begin, end)
    expected = whole[(whole["hour"] >= begin) & (whole["hour"] < end)].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)


@given(scores=st.lists(st.sampled_from([0.0, 60.0]), min_size=72, max_size=72), cooldown=st.integers(1, 24))
@settings(max_examples=60)
def test_within_two_days_no_two_alerts_lie_nearer_than_the_cool_down(scores: list[float], cooldown: int) -> None:
    at = new(known(scores), Rule("r", probability=50, cooldown_hours=cooldown), hours=24)
    assert all(later - earlier >= cooldown for earlier, later in pairwise(at))
    first = next((hour for hour in range(24, 48) if scores[hour] and not any(scores[:hour])), None)
    assert first is None or at[0] == first - 24


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (Rule("r"), 1),
        (Rule("r", symbols=("ETH",)), 0),
        (Rule("r", symbols=("ETH", "BTC")), 1),
        (Rule("r", severity="MODERATE"), 1),
        (Rule("r", severity="MAJOR"), 0),
        (Rule("r", probability=60.1), 0),
        (Rule("r", side="long"), 1),
        (Rule("r", side="short"), 0),
        (Rule("r", lift=1.0), 0),  # not known
    ],
)
def test_each_field_of_a_rule_filters(rule: Rule, count: int) -> None:
    assert len(told(known([0.0] * 24 + [60.0]), rule)) == count


def rate(day: datetime, condition: str, won: float, windows: int = 20) -> dict[str, Any]:
    return {
        "day": day, "symbol": "BTC", "condition": condition, "timeframe": "24h", "side": "long", "wins": 1,
        "sample_size": 90, "effective_sample_size": windows, "win_rate_pct": won, "interval_low_pct": 10.0,
        "interval_high_pct": 90.0, "base_rate_pct": 40.0, "base_sample_size": 100, "lift": won / 40, "verdict": "EDGE",
    }  # fmt: skip


def test_odds_are_the_win_rates_of_the_day_before() -> None:
    rates = WIN_RATES.conform(
        [rate(START - 2 * DAY, "all", 50.0), rate(START - DAY, "all", 60.0), rate(START, "all", 99.0)]
    )
    [row] = squeeze_alerts(known([0.0] * 30 + [60.0], rates=rates), [Rule("r", lift=1.5)], START, START + DAY).to_dict(
        "records"
    )
    assert (row["odds_pct"], row["base_rate_pct"], row["lift"], row["odds_of"]) == (60.0, 40.0, 1.5, "all")
    assert (row["odds_day"], row["sample_size"], row["base_sample_size"]) == (START - DAY, 20, 100)
    assert (row["interval_low_pct"], row["interval_high_pct"], row["verdict"]) == (10.0, 90.0, "EDGE")


@pytest.mark.parametrize(("windows", "odds"), [(10, 80.0), (9, 60.0)])
def test_odds_of_the_own_severity_come_first_where_there_are_enough(windows: int, odds: float) -> None:
    rates = WIN_RATES.conform([rate(START - DAY, "all", 60.0), rate(START - DAY, "severity:MODERATE", 80.0, windows)])
    rows = squeeze_alerts(known([0.0] * 24 + [60.0], rates=rates), [Rule("r")], START, START + DAY)
    assert rows["odds_pct"].tolist() == [odds]


def test_a_forecast_is_told_with_its_chance_and_base_rate() -> None:
    forecasts = SQUEEZE_FORECASTS.conform(
        {
            "hour": START, "symbol": "BTC", "target": target, "probability_pct": chance, "base_rate_pct": 5.0,
            "base_sample_size": 300, "interval_low_pct": 8.0, "interval_high_pct": 20.0, "interval_sample_size": 40,
            "drivers": "funding +0.42", "model_kind": "logistic", "model_version": "v",
        }
        for target, chance in (("short_squeeze", 12.0), ("long_squeeze", 6.0), ("up_move", 90.0))
    )  # fmt: skip
    facts = known([0.0] * 25, forecasts=forecasts)
    [row] = squeeze_alerts(facts, [Rule("r", "forecast", lift=2.0)], START, START + HOUR).to_dict("records")
    assert (row["claim"], row["side"], row["odds_pct"], row["lift"]) == ("short_squeeze", "long", 12.0, 2.4)
    assert row["sentence"] == (
        "The forecaster sees a chance of 12.0 % of a short squeeze within 24 hours. Driven by funding +0.42."
    )
    assert (row["price"], row["squeeze_type"]) == (1.0, "SHORT_SQUEEZE")
    [row] = squeeze_alerts(facts, [Rule("r", "forecast", targets=("up_move",))], START, START + HOUR).to_dict("records")
    assert (row["claim"], row["side"], row["probability"]) == ("up_move", "long", 90.0)
    assert pd.isna(row["squeeze_type"])


def test_an_alert_of_an_analysis_bears_what_the_analysis_says() -> None:
    facts = known([0.0] * 24 + [60.0])
    [row] = squeeze_alerts(facts, [Rule("r")], START, START + DAY).to_dict("records")
    [analysis] = facts.analyses[facts.analyses["hour"] == START].to_dict("records")
    same = ["squeeze_type", "price", "severity", "probability", "direction_confidence", "signal_count"]
    assert {name: row[name] for name in same} == {name: analysis[name] for name in same}
    assert (row["risk_level"], row["estimated_timeframe"]) == ("LOW_CONFIDENCE", "3-7 days")


def under_way(snapshots: pd.DataFrame, start: datetime = TODAY, end: datetime = TODAY + DAY) -> pd.DataFrame:
    """The squeezes under way in a market of one venue."""
    return squeezes_under_way(snapshots, NO_LIQUIDATIONS, snapshots.assign(venue="binance"), start, end)


def test_a_squeeze_is_told_in_the_hour_in_which_it_is_seen_and_not_by_what_comes_after() -> None:
    market = after_calm(FALL)
    seen = under_way(market)
    assert ((seen["hour"] - TODAY) // HOUR).tolist() == [2]
    event = squeeze_events(market, None, NO_LIQUIDATIONS, NO_ANALYSES, TODAY, TODAY + DAY).iloc[0]
    assert seen["started_at"].iloc[-1] == event["started_at"]
    assert seen["move_sigmas"].iloc[-1] == event["move_sigmas"]
    then = market[market["hour"] < TODAY + 3 * HOUR]
    pd.testing.assert_frame_equal(under_way(then, end=TODAY + 3 * HOUR), seen)
    for hour in seen["hour"]:
        alone = under_way(market, hour, hour + HOUR)
        pd.testing.assert_frame_equal(alone, seen[seen["hour"] == hour].reset_index(drop=True))
    facts = known([0.0] * 48, start=TODAY, under_way=seen)
    rows = squeeze_alerts(facts, [Rule("r", "squeeze")], TODAY, TODAY + timedelta(days=1))
    assert rows["claim"].tolist() == ["LONG_SQUEEZE"]
    assert rows["status"].iloc[0] == "NEW"
    assert rows["sentence"].iloc[0].startswith("A long squeeze is under way since 02:00 UTC: price -4.0 %")


@pytest.mark.parametrize("kind", ["squeeze", "forecast"])
def test_without_a_fact_of_its_kind_a_rule_finds_nothing(kind: str) -> None:
    quiet = under_way(after_calm(FALL), TODAY, TODAY + HOUR)
    assert quiet.empty
    facts = known([0.0] * 48, start=TODAY, under_way=quiet)
    assert squeeze_alerts(facts, [Rule("r", kind)], TODAY, TODAY + timedelta(days=1)).empty


def test_a_fall_in_which_open_interest_stays_is_no_squeeze_under_way() -> None:
    market = after_calm(FALL, [1000.0] * 4)
    assert under_way(market).empty
    market = after_calm(FALL, [1000.0, 990.0, 930.0, 930.0])
    assert len(under_way(market)) > 0
