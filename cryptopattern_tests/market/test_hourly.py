"""What was known by each hour's end: on events made by Hypothesis, against a plain search through them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.symbols import Instrument
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS

FIRST = pd.Timestamp("2024-03-01", tz="UTC")
HOURS = pd.date_range(FIRST, periods=30, freq="h").as_unit("us")
BTC = Instrument("BTC", "perpetual", "BTCUSDT")
HOUR = pd.Timedelta(hours=1)

minutes = st.integers(-12 * 60, 31 * 60)
rates = st.lists(st.tuples(minutes, st.floats(-0.02, 0.02), st.sampled_from([1, 2, 4, 8])), max_size=12)
maybe = st.none() | st.floats(0.5, 5)
shots = st.lists(st.tuples(minutes, maybe, maybe), max_size=40)


def funding_of(events: list[tuple[int, float, int]]) -> pd.DataFrame:
    times = pd.Series([FIRST + pd.Timedelta(minutes=m) for m, _, _ in events], dtype="datetime64[us, UTC]")
    rate = pd.Series([rate for _, rate, _ in events], dtype="float64")
    return pd.DataFrame(
        {"time": times, "rate": rate, "interval_hours": pd.Series([n for *_, n in events], dtype="int64")}
    )


def snapshots_of(events: list[tuple[int, float | None, float | None]]) -> pd.DataFrame:
    times = pd.Series([FIRST + pd.Timedelta(minutes=m) for m, _, _ in events], dtype="datetime64[us, UTC]")
    interest = pd.Series([value for _, value, _ in events], dtype="float64")
    ratio = pd.Series([value for *_, value in events], dtype="float64")
    frame = pd.DataFrame({"time": times, "open_interest_base": interest, "open_interest_usd": interest * 10})
    return frame.assign(**dict.fromkeys(hourly.FIGURES, ratio))


def rows_of(funding: pd.DataFrame, snapshots: pd.DataFrame, hours: pd.DatetimeIndex = HOURS) -> pd.DataFrame:
    return hourly.metrics_rows(funding, snapshots, hours, BTC, "binance")


@settings(max_examples=60, deadline=None)
@given(rates, shots)
def test_each_hour_has_the_last_facts_that_were_published_by_its_end(
    settled: list[tuple[int, float, int]], taken: list[tuple[int, float | None, float | None]]
) -> None:
    rows = rows_of(funding_of(settled), snapshots_of(taken)).set_index("hour")
    last_at = {minute: (rate, interval) for minute, rate, interval in settled}
    shot_at = {minute: (interest, ratio) for minute, interest, ratio in taken}
    for place, hour in enumerate(HOURS):
        end = 60 * (place + 1)
        before = [minute for minute in last_at if minute < end]
        rate = None
        if before and end - max(before) <= 60 * last_at[max(before)][1]:
            rate = last_at[max(before)][0]
        figures = []
        for which in (0, 1):
            known = [m for m, shot in shot_at.items() if shot[which] is not None and m + 5 <= end and end - m <= 240]
            figures.append(shot_at[max(known)][which] if known else None)
        if rate is None and figures == [None, None]:
            assert hour not in rows.index
            continue
        row = rows.loc[hour]
        got = [row["funding_rate"], row["open_interest_base"], row["long_short_account_ratio"]]
        assert [None if pd.isna(value) else value for value in got] == [rate, *figures]


@settings(max_examples=60, deadline=None)
@given(rates, shots, st.integers(0, 29), st.randoms(use_true_random=False))
def test_no_fact_of_later_moves_an_earlier_row(
    settled: list[tuple[int, float, int]],
    taken: list[tuple[int, float | None, float | None]],
    hour: int,
    chance: np.random.Generator,
) -> None:
    funding, snapshots = funding_of(settled), snapshots_of(taken)
    end = HOURS[hour] + HOUR
    later_funding, later_snapshots = funding["time"] >= end, snapshots["time"] >= end
    changed_funding, changed_snapshots = funding.copy(), snapshots.copy()
    changed_funding.loc[later_funding, "rate"] = chance.random()
    changed_snapshots.loc[later_snapshots, "open_interest_base"] = 1 + chance.random()
    if chance.random() < 0.5:
        changed_funding, changed_snapshots = funding[~later_funding], snapshots[~later_snapshots]
    before = rows_of(funding, snapshots)
    after = rows_of(changed_funding, changed_snapshots)
    pd.testing.assert_frame_equal(before[before["hour"] < end], after[after["hour"] < end], check_exact=True)


@settings(max_examples=60, deadline=None)
@given(rates, shots, st.integers(0, 29))
def test_an_hour_alone_is_the_same_as_in_a_range(
    settled: list[tuple[int, float, int]], taken: list[tuple[int, float | None, float | None]], hour: int
) -> None:
    funding, snapshots = funding_of(settled), snapshots_of(taken)
    alone = rows_of(funding, snapshots, HOURS[hour : hour + 1])
    together = rows_of(funding, snapshots)
    together = together[together["hour"] == HOURS[hour]].reset_index(drop=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_a_rate_settled_some_milliseconds_past_the_hour_belongs_to_the_hour_that_begins() -> None:
    late = funding_of([(8 * 60, 0.0001, 8)])
    late["time"] += pd.Timedelta(milliseconds=14)
    rows = rows_of(late, snapshots_of([])).set_index("hour")
    assert rows.index.min() == FIRST + 8 * HOUR
    assert rows.index.max() == FIRST + 15 * HOUR
    assert (rows["funding_time"] == FIRST + 8 * HOUR).all()


def test_an_early_clock_makes_no_earlier_knowledge() -> None:
    early = funding_of([(8 * 60, 0.0001, 8)])
    early["time"] -= pd.Timedelta(milliseconds=3)
    assert rows_of(early, snapshots_of([]))["hour"].min() == FIRST + 8 * HOUR


def test_intervals_are_the_time_since_the_settlement_before() -> None:
    settled = pd.DataFrame(
        {"time": FIRST + pd.to_timedelta([0, 8, 16, 20, 22, 70], "h") + pd.Timedelta("7ms"), "rate": 0.1}
    )
    assert hourly.with_intervals(settled)["interval_hours"].tolist() == [8, 8, 8, 4, 2, 8]


def intervals_of(hours: list[int]) -> list[int]:
    settled = pd.DataFrame({"time": FIRST + pd.to_timedelta(hours, "h") + pd.Timedelta("7ms"), "rate": 0.1})
    told: list[int] = hourly.with_intervals(settled)["interval_hours"].tolist()
    return told


@given(st.sampled_from([1, 2, 4, 8]), st.integers(2, 11), st.integers(3, 5))
def test_a_settlement_that_is_missing_lengthens_no_interval(interval: int, missing: int, days: int) -> None:
    hours = list(range(0, 24 * days, interval))
    del hours[missing % len(hours) or 2]
    # Before the third of them it isn't known what is usual here.
    assert intervals_of(hours)[2:] == [interval] * (len(hours) - 2)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        ([0, 8, 24, 32], [8, 8, 8, 8]),  # one lacks
        ([0, 8, 32, 40], [8, 8, 8, 8]),  # two lack
        ([0, 4, 8, 16, 20], [8, 4, 4, 4, 4]),  # one lacks
        ([0, 4, 8, 16, 24, 32], [8, 4, 4, 4, 8, 8]),  # a longer interval, believed when it comes again
        ([12, 14, 16, 24, 32], [8, 2, 2, 8, 8]),  # back to the usual one at once
        ([12, 14, 16, 22, 24], [8, 2, 2, 2, 2]),  # two lack
        ([0, 8, 16, 20, 24], [8, 8, 8, 4, 4]),  # a shorter one
        ([22, 23, 24, 28, 32], [8, 1, 1, 4, 4]),  # OKX's way back from an hour
    ],
)
def test_a_longer_interval_is_told_from_a_gap(hours: list[int], told: list[int]) -> None:
    assert intervals_of(hours) == told


@given(st.lists(st.integers(0, 30), min_size=1, max_size=25, unique=True), st.integers(0, 24))
def test_an_interval_depends_on_what_lies_within_its_reach_before_it_alone(places: list[int], which: int) -> None:
    hours = sorted(4 * place for place in places)
    at = hours[which % len(hours)]
    reach = hourly.REACH_OF_INTERVALS // HOUR
    whole = dict(zip(hours, intervals_of(hours), strict=True))
    near = [hour for hour in hours if at - reach <= hour <= at]
    assert intervals_of(near)[-1] == whole[at]


def test_real_intervals_are_those_that_the_archive_tells(shared: Path) -> None:
    source = ArchiveSource(shared / "market" / "archive")
    asked = {}

    def settled(funding: pd.DataFrame, *others: object, **named: object) -> pd.DataFrame:
        asked["funding"] = funding
        return DERIVATIVES_METRICS.empty()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hourly, "metrics_rows", settled)
        source.derivatives_metrics(["SOL"], datetime(2022, 11, 2, tzinfo=UTC), datetime(2022, 12, 1, tzinfo=UTC))
    told = asked["funding"].sort_values("time", ignore_index=True)
    assert set(told["interval_hours"]) == {2, 4, 8}
    assert hourly.with_intervals(told[["time", "rate"]])["interval_hours"].tolist() == told["interval_hours"].tolist()


def test_a_settlement_without_a_rate_still_ends_an_interval() -> None:
    settled = pd.DataFrame({"time": FIRST + pd.to_timedelta([0, 8, 16], "h"), "rate": [0.1, np.nan, 0.3]})
    told = hourly.with_intervals(settled)
    assert list(zip(told["rate"], told["interval_hours"], strict=True)) == [(0.1, 8), (0.3, 8)]


def test_binance_labels_mean_the_end_of_five_minutes_and_from_june_2026_their_start() -> None:
    labels = pd.Series(pd.to_datetime(["2026-06-24 23:55", "2026-06-25 00:00"], utc=True))
    shift = hourly.snapshot_times(labels) - labels
    assert shift.tolist() == [timedelta(0), timedelta(minutes=5)]


def test_a_snapshot_of_zeros_is_one_that_failed() -> None:
    [row] = rows_of(funding_of([]), snapshots_of([(10, 3.0, 2.0), (15, 0.0, 0.0)]), HOURS[:1]).to_dict("records")
    assert (row["open_interest_base"], row["long_short_account_ratio"]) == (3.0, 2.0)
    assert row["open_interest_time"] == FIRST + pd.Timedelta("10min")


def test_a_bundle_becomes_coins() -> None:
    pepe = Instrument("PEPE", "perpetual", "1000PEPEUSDT", 1000)
    told = {"open": 9.0, "high": 12.0, "low": 8.0, "close": 10.0, "volume_base": 5.0, "volume_usd": 50.0}
    told |= {"trades": 3.0, "taker_buy_volume_base": 2.0}
    columns = {"hour": HOURS[:1].asi8, **{name: np.array([value]) for name, value in told.items()}}
    [row] = hourly.candle_rows([(pepe, columns)], "binance").to_dict("records")
    assert (row["symbol"], row["close"], row["volume_base"], row["volume_usd"]) == ("PEPE", 0.01, 5000.0, 50.0)
    assert (row["trades"], row["taker_buy_volume_base"]) == (3, 2000.0)
    [metrics] = hourly.metrics_rows(funding_of([]), snapshots_of([(30, 2.0, None)]), HOURS[:1], pepe, "x").to_dict(
        "records"
    )
    assert (metrics["open_interest_base"], metrics["open_interest_usd"]) == (2000.0, 20.0)


def test_an_hour_without_price_is_left_out_and_one_without_trades_kept() -> None:
    told = dict.fromkeys(("open", "high", "low", "close"), np.array([0.0, 5.0]))
    told |= dict.fromkeys(("volume_base", "volume_usd", "trades", "taker_buy_volume_base"), np.zeros(2))
    rows = hourly.candle_rows([(BTC, {"hour": HOURS[:2].asi8, **told})], "binance")
    assert rows["hour"].tolist() == [HOURS[1]]
    assert rows["volume_usd"].tolist() == [0.0]
    assert rows["trades"].isna().all()


def test_no_events_make_no_rows() -> None:
    rows = rows_of(funding_of([]), snapshots_of([]))
    assert rows.empty
    assert list(rows.columns) == DERIVATIVES_METRICS.names
