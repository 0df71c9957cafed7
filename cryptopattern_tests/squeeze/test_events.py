"""Squeezes told by hand-made moves, rules for any market, and the known cascades of the real history."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze.events import DEFAULTS, EventSettings, squeeze_events
from cryptopattern_pipelines.squeeze.grid import WindowError
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS, SQUEEZE_ANALYSES, SQUEEZE_EVENTS
from cryptopattern_tests.squeeze.frames import Numbers, candles, claims, hours, liquidations, utc, walk
from cryptopattern_tests.squeeze.history import CASCADES, SYMBOLS, history, missed

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
NO_LIQUIDATIONS = REALISED_LIQUIDATIONS.empty()
NO_ANALYSES = SQUEEZE_ANALYSES.empty()

# Thirty days of .1 % up and down an hour, to midnight, then whatever a test is about.
CALM_DAYS = 31
START = utc("2024-01-01")
TODAY = START + CALM_DAYS * DAY
CALM = [100.0 if hour % 2 == 0 else 100.1 for hour in range(24 * CALM_DAYS)]


def market(start: datetime, prices: dict[str, Numbers], interest: dict[str, Numbers] | None = None) -> pd.DataFrame:
    """Hourly snapshots with only the columns that events are told from; no row where a price is NaN."""
    frames = [
        pd.DataFrame(
            {
                "hour": hours(start, len(series)),
                "symbol": symbol,
                "average_price": np.asarray(series, float),
                "price_change_1h_pct": np.nan,
                "venues": "binance:perpetual",
                "outlier_venues": "",
                "open_interest_base": np.nan if interest is None else np.asarray(interest[symbol], float),
            }
        )
        for symbol, series in prices.items()
    ]
    return pd.concat(frames, ignore_index=True).dropna(subset="average_price").astype({"symbol": "str"})


def after_calm(prices: list[float], interest: list[float] | None = None) -> pd.DataFrame:
    """BTC calm until TODAY, then these closes, then the last of them until the day after tomorrow begins."""

    def filled(calm: list[float], then: list[float]) -> list[float]:
        return calm + then + [then[-1]] * (48 - len(then))

    known: dict[str, Numbers] | None = None
    if interest is not None:
        known = {"BTC": filled([1000.0] * len(CALM), interest)}
    return market(START, {"BTC": filled(CALM, prices)}, known)


def told(snapshots: pd.DataFrame, days: int = 2, **facts: Any) -> pd.DataFrame:
    """The events of today and the days after."""
    given_facts = {"candles": None, "liquidations": NO_LIQUIDATIONS, "analyses": NO_ANALYSES} | facts
    rows = squeeze_events(snapshots, start=TODAY, end=TODAY + days * DAY, **given_facts)
    SQUEEZE_EVENTS.pandera.validate(rows)
    return rows


def fed(hourly_longs: list[float]) -> pd.DataFrame:
    """A feed of long liquidations from START on."""
    times = hours(START, len(hourly_longs))
    return REALISED_LIQUIDATIONS.conform(
        pd.DataFrame(
            {
                "hour": times,
                "symbol": "BTC",
                "venue": "binance",
                "long_liquidated_usd": hourly_longs,
                "short_liquidated_usd": 0.0,
                "span_hours": 1,
                "completeness": "complete",
            }
        )
    )


FALL = [100.1, 99.0, 95.0, 96.0]


def test_a_fall_is_a_long_squeeze_with_its_figures() -> None:
    event = told(after_calm(FALL)).iloc[0]
    assert event["squeeze_type"] == "LONG_SQUEEZE"
    # The hour of 4 % is more sigmas of one hour than the two of 5 % are of two.
    assert event["started_at"] == TODAY + 2 * HOUR
    assert event["peaked_at"] == TODAY + 2 * HOUR
    assert event["ended_at"] == TODAY + 3 * HOUR
    assert event["known_at"] == TODAY + 7 * HOUR
    assert event["day"] == TODAY
    assert (event["trigger_price"], event["peak_price"]) == (99.0, 95.0)
    assert event["move_pct"] == pytest.approx(100 * (95 / 99 - 1))
    assert event["evidence"] == ""
    assert event[["open_interest_drop_pct", "liquidated_usd", "liquidated_proxy_usd", "signals_before"]].isna().all()


def test_sigmas_are_those_known_before_the_move() -> None:
    hourly = np.log(100.1 / 100.0)
    event = told(after_calm([95.0])).iloc[0]
    assert event["trigger_price"] == 100.1
    assert event["move_sigmas"] == pytest.approx(np.log(100.1 / 95.0) / hourly)
    assert event["severity"] == "EXTREME"


def test_a_rise_is_a_short_squeeze() -> None:
    rows = told(after_calm([104.0]))
    assert rows["squeeze_type"].tolist() == ["SHORT_SQUEEZE"]
    assert rows["move_pct"].tolist() == pytest.approx([100 * (104 / 100.1 - 1)])


def test_a_move_too_small_to_force_anyone_is_none_however_calm_it_was() -> None:
    assert told(after_calm([100.1 * 0.986])).empty
    assert len(told(after_calm([100.1 * 0.984]))) == 1


def test_a_move_within_the_usual_spread_is_none() -> None:
    wild = walk(1, len(CALM), sigma=0.02)
    prices = [*wild, *[wild[-1] * 0.96] * 48]
    assert told(market(START, {"BTC": prices})).empty


def test_a_wave_after_less_than_the_quiet_hours_is_the_same_event() -> None:
    one = told(after_calm([95.0, 95.0, 95.0, 95.0, 90.0]))
    times = one[["started_at", "peaked_at", "ended_at"]].to_numpy().tolist()
    assert times == [[TODAY, TODAY + 4 * HOUR, TODAY + 5 * HOUR]]
    two = told(after_calm([95.0, 95.0, 95.0, 95.0, 95.0, 90.0]))
    assert two["started_at"].tolist() == [TODAY, TODAY + 5 * HOUR]


def test_the_start_is_that_of_the_fastest_window_and_not_of_the_approach() -> None:
    slide = [98.0, 98.0, 98.0, 85.0]
    assert told(after_calm(slide))["started_at"].tolist() == [TODAY + 3 * HOUR]
    assert told(after_calm(slide))["trigger_price"].tolist() == [98.0]


def test_the_rest_after_a_fall_does_not_make_it_longer() -> None:
    """At 02:00 the price is lower than ever and down 5 % in four hours, but by its own doing hardly moved."""
    assert told(after_calm([95.0, 95.0, 94.99]))["ended_at"].tolist() == [TODAY + HOUR]


def test_a_fall_that_stops_above_the_last_low_does_not_drive_the_move_on() -> None:
    """At 02:00 the price is down 6 % in four hours and fell again, but it has been lower."""
    rows = told(after_calm([90.0, 95.0, 94.1]))
    assert rows.loc[rows["squeeze_type"] == "LONG_SQUEEZE", "ended_at"].tolist() == [TODAY + HOUR]


def test_of_a_run_that_will_not_end_the_last_hours_are_told() -> None:
    falls = 80.0 * 0.95 ** np.arange(14)
    rows = told(after_calm(np.repeat(falls, 4).tolist() + [falls[-1]] * 16), days=3)
    # Fast are the hours 0, 4, ... 52; the 48 that end with the last one begin after 4.
    assert rows[["started_at", "ended_at"]].to_numpy().tolist() == [[TODAY + 8 * HOUR, TODAY + 53 * HOUR]]


def test_an_event_that_ends_after_midnight_is_told_once_on_the_day_that_knows_it() -> None:
    late = [100.0] * 21 + [99.9, 95.0]
    rows = told(after_calm(late))
    assert rows["day"].tolist() == [TODAY + DAY]
    assert rows["started_at"].tolist() == [TODAY + 22 * HOUR]
    assert told(after_calm(late), days=1).empty
    # An hour more of the four is missing at midnight.
    just = told(after_calm([100.0] * 18 + [99.9, 95.0]))
    assert (just["day"].tolist(), just["known_at"].tolist()) == ([TODAY], [TODAY + DAY])


@pytest.mark.parametrize(("lowest", "count"), [(977.0, 0), (976.0, 1), (1100.0, 0)])
def test_open_interest_must_fall_where_it_is_known(lowest: float, count: int) -> None:
    # Hourly open interest comes an hour late: here three hours after the fall, of 5.1 %.
    rows = told(after_calm([95.0] * 4, [1000.0, 1000.0, 1000.0, lowest]))
    assert len(rows) == count
    if count:
        assert rows["evidence"].tolist() == ["open_interest"]
        assert rows["open_interest_drop_pct"].tolist() == pytest.approx([2.4])
        assert rows["liquidated_proxy_usd"].tolist() == pytest.approx([24 * 100.1])
        assert rows["liquidated_usd"].tolist() == rows["liquidated_proxy_usd"].tolist()
        assert rows["liquidated_source"].tolist() == ["open_interest_proxy"]


def test_a_venue_that_is_silent_for_an_hour_closed_nobodys_position() -> None:
    def metrics(silent: int, lowest: float) -> pd.DataFrame:
        times = hours(TODAY - 4 * HOUR, 24)
        left = np.where(times >= TODAY + 2 * HOUR, lowest, 1000.0)
        whole = pd.DataFrame({"hour": times, "symbol": "BTC", "venue": "binance", "open_interest_base": left})
        other = whole.assign(venue="okx", open_interest_base=500.0)
        return pd.concat([whole, other.drop(index=silent)]).astype({"symbol": "str", "venue": "str"})

    drops = []
    for silent in range(24):
        assert told(after_calm(FALL), metrics=metrics(silent, 1000.0)).empty
        [event] = told(after_calm(FALL), metrics=metrics(silent, 800.0)).to_dict("records")
        drops.append(event["open_interest_drop_pct"])
    # Of both venues, or where one is silent within the event, from the hour before it to its being over, of the other.
    assert drops == pytest.approx([100 * 200 / 1500] * 5 + [20.0] * 6 + [100 * 200 / 1500] * 13)
    # One venue is what the snapshots say of it, gaps and all.
    interest = [1000.0, np.nan, 900.0, 950.0, 880.0, 880.0]
    snapshots = after_calm(FALL, interest)
    alone = snapshots.assign(venue="binance")
    pd.testing.assert_frame_equal(told(snapshots), told(snapshots, metrics=alone))


def test_the_larger_the_move_the_less_open_interest_has_to_fall() -> None:
    assert len(told(after_calm([88.0] * 4, [1000.0, 1000.0, 1000.0, 989.0]))) == 1
    assert told(after_calm([88.0] * 4, [1000.0, 1000.0, 1000.0, 991.0])).empty


def test_open_interest_may_rise_before_it_falls() -> None:
    rows = told(after_calm([95.0] * 3, [1100.0, 1050.0, 1060.0]))
    assert rows["open_interest_drop_pct"].tolist() == pytest.approx([100 * 50 / 1100])


def test_liquidations_of_the_squeezed_side_must_stand_out_where_a_feed_exists() -> None:
    usual = [float(hour % 100) for hour in range(len(CALM))]
    rows = told(after_calm(FALL), liquidations=fed([*usual, 3.0, 96.0, 98.5, 0.0]))
    assert rows["evidence"].tolist() == ["liquidations"]
    assert rows["liquidated_usd"].tolist() == [98.5]
    assert rows["liquidated_source"].tolist() == ["hourly_feed"]
    # 98.5 is beyond all but the 99s: of the 720 hours before the start, 7.
    assert rows["liquidated_percentile"].tolist() == pytest.approx([100 * 713 / 720])
    unseen = fed([*usual, 3.0, 90.0, 90.0, 99.0])
    assert told(after_calm(FALL), liquidations=unseen, settings=UNCERTAIN).empty
    # It is a move of 40 sigmas: the feed may have been throttled.
    assert told(after_calm(FALL), liquidations=unseen)["evidence"].tolist() == [""]


UNCERTAIN = replace(DEFAULTS, certain_sigmas=1000.0)


def fed_daily(totals: list[float]) -> pd.DataFrame:
    """A feed of long liquidations that tells days alone, from START on."""
    days = [str((START + number * DAY + 23 * HOUR).tz_localize(None)) for number in range(len(totals))]
    rows = [(day, "BTC", "all", usd, 0.0) for day, usd in zip(days, totals, strict=True)]
    return liquidations(*rows, span_hours=24)


def test_where_no_feed_tells_hours_the_totals_of_the_days_must_stand_out() -> None:
    usual = [float(day % 10) for day in range(CALM_DAYS)]
    rows = told(after_calm(FALL), liquidations=fed_daily([*usual, 50.0]), settings=UNCERTAIN)
    assert rows[["evidence", "liquidated_usd", "liquidated_source", "liquidated_percentile"]].to_numpy().tolist() == [
        ["liquidations", 50.0, "daily_feed", 100.0]
    ]
    assert told(after_calm(FALL), liquidations=fed_daily([*usual, 5.0]), settings=UNCERTAIN).empty
    # The day of the start, which ends after the event, is told by then; a day later than the event is not its own.
    assert told(after_calm(FALL), liquidations=fed_daily([*usual, 5.0, 50.0]), settings=UNCERTAIN).empty


def test_what_a_days_total_decides_is_known_when_the_day_is_over() -> None:
    usual = [1.0] * CALM_DAYS
    plain, daily = told(after_calm(FALL)), told(after_calm(FALL), liquidations=fed_daily([*usual, 50.0]))
    assert (plain["known_at"].tolist(), daily["known_at"].tolist()) == ([TODAY + 7 * HOUR], [TODAY + DAY])
    assert plain["day"].tolist() == daily["day"].tolist() == [TODAY]


def test_an_event_across_midnight_has_the_totals_of_both_days() -> None:
    late = [100.0] * 22 + [95.0, 94.9, 85.0]
    rows = told(after_calm(late), liquidations=fed_daily([1.0] * CALM_DAYS + [50.0, 60.0]))
    assert rows["day"].tolist() == [TODAY + DAY]
    assert rows["ended_at"].tolist() == [TODAY + DAY + HOUR]
    assert rows["liquidated_usd"].tolist() == [110.0]


def test_liquidations_that_are_known_to_stand_out_need_no_fall_of_open_interest() -> None:
    rising = [1000.0, 1100.0, 1200.0, 1200.0]
    usual = [float(day % 10) for day in range(CALM_DAYS)]
    rows = told(after_calm(FALL, rising), liquidations=fed_daily([*usual, 50.0]))
    assert rows["evidence"].tolist() == ["liquidations"]
    # And a move that they don't show needs one, however large it is.
    assert told(after_calm(FALL, rising), liquidations=fed_daily([*usual, 5.0])).empty


def test_a_daily_total_is_no_figure_of_an_hour() -> None:
    usual = [float(hour % 100) for hour in range(len(CALM))]
    hourly = fed([*usual, 3.0, 96.0, 98.5, 0.0])
    both = pd.concat([hourly, fed_daily([1e9] * (CALM_DAYS + 1))])
    assert told(after_calm(FALL), liquidations=both)["liquidated_usd"].tolist() == [98.5]


def test_a_feed_of_less_than_a_week_is_no_condition() -> None:
    young = fed([0.0] * len(CALM) + [5.0, 5.0, 5.0]).iloc[-100:]
    rows = told(after_calm(FALL), liquidations=young)
    assert rows["evidence"].tolist() == [""]
    assert rows["liquidated_usd"].isna().all()


def test_an_aggregate_stands_for_its_venues() -> None:
    hour = str((TODAY + 2 * HOUR).tz_localize(None))
    single, whole = (liquidations((hour, "BTC", venue, usd, 0.0)) for venue, usd in (("okx", 7.0), ("all", 40.0)))
    feed = fed([1.0] * (len(CALM) + 4))
    assert told(after_calm(FALL), liquidations=pd.concat([feed, single]))["liquidated_usd"].tolist() == [8.0]
    assert told(after_calm(FALL), liquidations=pd.concat([feed, single, whole]))["liquidated_usd"].tolist() == [40.0]


def test_candles_say_where_the_peak_was() -> None:
    closes = [*CALM, 95.0, 94.0, 94.5]
    priced = candles(START, {"BTC": closes})
    priced.loc[priced["hour"] == TODAY, "low"] = 80.0
    rows = told(after_calm([95.0, 92.0]), candles=priced)
    assert rows[["peaked_at", "peak_price", "trigger_price"]].to_numpy().tolist() == [[TODAY, 80.0, 100.1]]


def test_the_signals_of_the_hour_before_are_named() -> None:
    analyses = claims(TODAY - HOUR, {"BTC": ["NONE"] * 5})
    analyses["volume_spike_strength"] = [60.0, np.nan, np.nan, np.nan, np.nan]
    analyses["funding_extreme_strength"] = [90.0, 90.0, np.nan, 99.0, 99.0]
    assert told(after_calm([95.0]), analyses=analyses)["signals_before"].tolist() == ["volume_spike,funding_extreme"]
    assert told(after_calm(FALL), analyses=analyses)["signals_before"].tolist() == [""]


def test_without_snapshots_there_are_no_events() -> None:
    assert told(after_calm(FALL).iloc[:0]).empty


@pytest.mark.parametrize("start", [TODAY + HOUR, TODAY + 5 * DAY])
def test_only_whole_days_are_told(start: pd.Timestamp) -> None:
    with pytest.raises(WindowError):
        squeeze_events(after_calm(FALL), None, NO_LIQUIDATIONS, NO_ANALYSES, start, TODAY + 2 * DAY)


def test_quiet_hours_shorter_than_the_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="quiet_hours 2 is too short"):
        replace(DEFAULTS, quiet_hours=2)


# Rules for any market, with short windows, so that a market of few days has all there is to have.
SHORT = EventSettings(
    sigma_hours=24, sigmas=2.0, longest_hours=9, move_times_drop=4.0, liquidation_percentile=50.0,
    liquidation_hours=200, daily_percentile=50.0, liquidation_days=9, certain_sigmas=6.0,
)  # fmt: skip
BACK_DAYS, DAYS = 16, 8
FIRST = START + BACK_DAYS * DAY
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Facts:
    """What a day's events are told from: snapshots, candles, liquidations and analyses."""

    frames: tuple[pd.DataFrame, ...]

    def events(self, first: int = 0, last: int = DAYS) -> pd.DataFrame:
        snapshots, priced, liquidated, analyses = self.frames
        return squeeze_events(snapshots, priced, liquidated, analyses, FIRST + first * DAY, FIRST + last * DAY, SHORT)

    def between(self, since: pd.Timestamp, until: pd.Timestamp) -> "Facts":
        return Facts(tuple(f[(f["hour"] >= since) & (f["hour"] < until)] for f in self.frames))

    def plus(self, other: "Facts") -> "Facts":
        return Facts(tuple(pd.concat(both, ignore_index=True) for both in zip(self.frames, other.frames, strict=True)))


def facts(seed: int, symbols: tuple[str, ...] = ("ADA", "BTC", "ETH")) -> Facts:
    """Jumpy prices with gaps, for the look-back and the days; open interest and liquidations known here and there."""
    random = np.random.default_rng(seed)
    count = (BACK_DAYS + DAYS) * 24
    prices: dict[str, Numbers] = {}
    interest: dict[str, Numbers] = {}
    for symbol in symbols:
        steps = random.normal(0, 0.01, count) * random.choice([1, 1, 1, 1, 1, 5], count)
        prices[symbol] = np.where(random.random(count) < 0.02, np.nan, 100 * np.exp(np.cumsum(steps)))
        coins = 1000 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
        interest[symbol] = np.where(np.arange(count) // 30 % 3 == 0, np.nan, coins)
    snapshots = market(START, prices, interest)
    priced = candles(START, prices)
    wick = np.exp(np.abs(random.normal(0, 0.004, (2, len(priced)))))
    priced = priced.assign(high=priced["high"] * wick[0], low=priced["low"] / wick[1])
    # The first symbol has no feed, the second one of days alone.
    fed_rows = snapshots[snapshots["symbol"].isin(symbols[2:]) & (random.random(len(snapshots)) < 0.9)]
    liquidated = REALISED_LIQUIDATIONS.conform(
        fed_rows[["hour", "symbol"]].assign(
            venue="okx",
            long_liquidated_usd=random.exponential(9, len(fed_rows)),
            short_liquidated_usd=random.exponential(9, len(fed_rows)),
            span_hours=1,
            completeness="sampled",
        )
    )
    of_days = liquidations(
        *(
            (str((START + day * DAY + 23 * HOUR).tz_localize(None)), symbol, "all",
             float(random.exponential(200)), float(random.exponential(200)))
            for symbol in symbols[1:] for day in range(BACK_DAYS + DAYS) if random.random() < 0.9
        ),
        span_hours=24,
    )  # fmt: skip
    liquidated = pd.concat([liquidated, of_days], ignore_index=True)
    analyses = claims(START, {symbol: ["NONE"] * count for symbol in symbols})
    analyses["volume_spike_strength"] = np.where(random.random(len(analyses)) < 0.5, 60.0, np.nan)
    return Facts((snapshots, priced, liquidated, analyses[random.random(len(analyses)) < 0.9]))


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left.reset_index(drop=True), right.reset_index(drop=True), check_exact=True)


def test_the_markets_of_these_rules_have_events_of_every_kind() -> None:
    rows = facts(1).events()
    assert set(rows["squeeze_type"]) == {"LONG_SQUEEZE", "SHORT_SQUEEZE"}
    assert (rows["started_at"].dt.floor("D") < rows["day"]).any()
    several = pd.concat([facts(seed).events() for seed in range(5)])
    assert set(several["evidence"]) == {"", "open_interest", "liquidations", "open_interest,liquidations"}
    assert set(several["liquidated_source"].dropna()) == {"hourly_feed", "daily_feed", "open_interest_proxy"}


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_events_keep_their_schema_and_their_order_in_time(seed: int) -> None:
    rows = facts(seed).events()
    SQUEEZE_EVENTS.pandera.validate(rows)
    assert (rows["started_at"] <= rows["peaked_at"]).all()
    assert (rows["peaked_at"] < rows["ended_at"]).all()
    assert ((rows["known_at"] > rows["day"]) & (rows["known_at"] <= rows["day"] + DAY)).all()
    assert ((rows["move_pct"] > 0) == (rows["squeeze_type"] == "SHORT_SQUEEZE")).all()
    assert not rows.duplicated(["symbol", "started_at"]).any()


@given(seeds, seeds, st.integers(1, DAYS - 1))
@settings(max_examples=25, deadline=None)
def test_no_day_knows_what_comes_after_it(seed: int, other: int, days: int) -> None:
    now, ever = FIRST + days * DAY, FIRST + DAYS * DAY
    truth = facts(seed)
    rows = truth.events()
    past = rows[rows["day"] < now]
    changed = truth.between(START, now).plus(facts(other, ("ADA", "BTC", "NEW")).between(now, ever)).events()
    same(past, changed[changed["day"] < now])
    same(past, truth.between(START, now).events(0, days))


@given(seeds, st.integers(0, DAYS - 1))
@settings(max_examples=25, deadline=None)
def test_a_day_told_alone_equals_the_same_day_of_a_range(seed: int, number: int) -> None:
    truth = facts(seed)
    rows = truth.events()
    day = FIRST + number * DAY
    backs = (SHORT.snapshots_lookback, SHORT.event_lookback, SHORT.liquidations_lookback, SHORT.event_lookback)
    needed = Facts(
        tuple(
            f[(f["hour"] >= day - back) & (f["hour"] < day + DAY)] for f, back in zip(truth.frames, backs, strict=True)
        )
    )
    same(rows[rows["day"] == day], needed.events(number, number + 1))


@given(seeds, seeds)
@settings(max_examples=15, deadline=None)
def test_neither_company_nor_the_order_of_rows_moves_an_event(seed: int, other: int) -> None:
    truth = facts(seed)
    joined = facts(other, ("AAA", "ZZZ")).plus(truth)
    shuffled = Facts(tuple(f.sample(frac=1, random_state=seed) for f in joined.frames)).events()
    same(truth.events(), shuffled[~shuffled["symbol"].isin(["AAA", "ZZZ"])])


@given(seeds, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=15, deadline=None)
def test_the_scale_of_prices_coins_and_liquidations_does_not_matter(seed: int, price: int, volume: int) -> None:
    # Powers of two, which scale floats without rounding; but logarithms of prices are rounded anew.
    truth = facts(seed)
    snapshots, priced, liquidated, analyses = truth.frames
    usd = ["long_liquidated_usd", "short_liquidated_usd"]
    scaled = Facts(
        (
            snapshots.assign(
                average_price=snapshots["average_price"] * 2.0**price,
                open_interest_base=snapshots["open_interest_base"] * 2.0**volume,
            ),
            priced.assign(**{name: priced[name] * 2.0**price for name in ("open", "high", "low", "close")}),
            liquidated.assign(**{name: liquidated[name] * 2.0**volume for name in usd}),
            analyses,
        )
    ).events()
    rows = truth.events()
    prices = {name: rows[name] * 2.0**price for name in ("trigger_price", "peak_price")}
    proxy = rows["liquidated_source"] == "open_interest_proxy"
    volumes = {
        "liquidated_usd": rows["liquidated_usd"] * np.where(proxy, 2.0 ** (volume + price), 2.0**volume),
        "liquidated_proxy_usd": rows["liquidated_proxy_usd"] * 2.0 ** (volume + price),
    }
    pd.testing.assert_frame_equal(rows.assign(**prices, **volumes), scaled, rtol=1e-9)


@pytest.mark.parametrize("day", CASCADES)
def test_known_cascades_are_found_for_every_symbol(shared: Path, day: str) -> None:
    """Where a feed has few symbols by one venue's open interest, and with daily totals whichever venues' there is."""
    start, end = utc(day), utc(day) + (CASCADES[day] + 1) * DAY
    past = history(shared, start, end)
    told_hourly = squeeze_events(past.snapshots, past.candles, past.hourly, NO_ANALYSES, start, end)
    SQUEEZE_EVENTS.pandera.validate(told_hourly)
    assert set(past.snapshots["symbol"]) == set(SYMBOLS)
    assert missed(told_hourly, past.snapshots) == []
    # The hourly feed is of three symbols and of 2024.
    with_feed = set(told_hourly.loc[told_hourly["liquidated_source"] == "hourly_feed", "symbol"])
    assert with_feed == ({"BTC", "ETH", "SOL"} if day == "2024-08-05" else set())
    feeds = pd.concat([past.hourly, past.daily])
    for snapshots in (past.snapshots, past.both_venues):
        assert missed(squeeze_events(snapshots, past.candles, feeds, NO_ANALYSES, start, end), snapshots) == []
