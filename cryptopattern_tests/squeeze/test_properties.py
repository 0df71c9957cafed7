"""Rules for any market: nothing knows the future, a range equals its parts, scale and company do not matter."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.squeeze import analyses as analyses_module
from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.squeeze.win_rates import WinRateSettings, win_rates
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES, WIN_RATES
from cryptopattern_tests.squeeze.frames import candles, claims, levels, liquidations, reading, readings, snapshots, utc

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
START = utc("2024-08-01")
LENGTH = 30
# Short windows, so that a market of few hours has all there is to have.
SETTINGS = SignalSettings(
    sigma_hours=12, acceleration_hours=2, max_reading_age_hours=5.5, realised_hours=4, max_daily_age_hours=7
)
RATES = WinRateSettings(history_days=40, outcomes=OutcomeSettings(volatility_hours=24))

seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Facts:
    """What an hour's analyses are made from."""

    snapshots: pd.DataFrame
    readings: pd.DataFrame
    liquidations: pd.DataFrame
    levels: pd.DataFrame

    def analyses(self, start: pd.Timestamp = START, end: pd.Timestamp = START + LENGTH * HOUR) -> pd.DataFrame:
        return squeeze_analyses(self.snapshots, self.readings, self.liquidations, start, end, SETTINGS, self.levels)

    def until(self, end: pd.Timestamp) -> "Facts":
        """What is known at a time: rows of hours that have ended, and pictures that were taken, by then."""
        return Facts(
            self.snapshots[self.snapshots["hour"] < end],
            self.readings[self.readings["captured_at"] < end],
            self.liquidations[self.liquidations["hour"] < end],
            self.levels[self.levels["captured_at"] < end],
        )

    def since(self, start: pd.Timestamp) -> "Facts":
        return self.looking_back(start, start, start)

    def looking_back(self, snapshots: pd.Timestamp, readings: pd.Timestamp, liquidations: pd.Timestamp) -> "Facts":
        return Facts(
            self.snapshots[self.snapshots["hour"] >= snapshots],
            self.readings[self.readings["captured_at"] >= readings],
            self.liquidations[self.liquidations["hour"] >= liquidations],
            self.levels[self.levels["captured_at"] >= readings],
        )

    def plus(self, other: "Facts") -> "Facts":
        return Facts(
            pd.concat([self.snapshots, other.snapshots], ignore_index=True),
            pd.concat([self.readings, other.readings], ignore_index=True),
            pd.concat([self.liquidations, other.liquidations], ignore_index=True),
            pd.concat([self.levels, other.levels], ignore_index=True),
        )


def facts(seed: int, symbols: tuple[str, ...] = ("ADA", "BTC", "ETH")) -> Facts:
    """Facts with gaps and missing values, over twenty hours of look-back and the window."""
    random = np.random.default_rng(seed)
    begin, count = START - 20 * HOUR, LENGTH + 20
    jumps = random.normal(0, 0.01, (len(symbols), count)) * random.choice([1, 1, 1, 6], (len(symbols), count))
    prices = 100 * np.exp(np.cumsum(jumps, axis=1))
    rows = count * len(symbols)

    def some(values: np.ndarray) -> np.ndarray:
        return np.where(random.random(rows) < 0.1, np.nan, values)

    market = snapshots(
        begin,
        dict(zip(symbols, prices, strict=True)),
        volume_change_24h_pct=some(random.normal(0, 60, rows)),
        open_interest_change_24h_pct=some(random.normal(0, 8, rows)),
        funding_percentile=some(random.uniform(0, 100, rows)),
    )
    market = market[random.random(rows) > 0.05]
    read = readings(
        *(
            reading(
                begin + pd.Timedelta(minutes=int(random.integers(0, count * 60))),
                str(random.choice(symbols)),
                float(random.integers(0, 1001)) / 10,
                sha256=f"{number:064x}",
                image_type=str(random.choice(["liquidation_distribution_all", "liquidation_distribution_opti"])),
            )
            for number in range(15)
        )
    )
    liquidated = liquidations(
        *(
            (
                str((begin + hour * HOUR).tz_localize(None)),
                symbol,
                venue,
                float(random.exponential(9)),
                float(random.exponential(9)),
            )
            for hour in range(count)
            # The first symbol has daily totals alone.
            for symbol in symbols[1:]
            for venue in ("all", "binance", "gate", "okx")
            if random.random() < (0.05 if venue == "all" else 0.4)
        )
    )
    daily = liquidations(
        *(
            (
                str((begin + hour * HOUR).tz_localize(None)),
                symbol,
                "daily",
                float(random.exponential(9)),
                float(random.exponential(9)),
            )
            for hour in range(7, count, 12)
            for symbol in symbols
        ),
        span_hours=24,
    )
    seen = [
        levels(
            begin + pd.Timedelta(minutes=int(random.integers(0, count * 60))),
            str(random.choice(symbols)),
            np.round(100 * np.exp(random.normal(0, 0.05, 6)), 2),
            sha256=f"{number:064x}",
        )
        for number in range(10)
    ]
    return Facts(market, read, pd.concat([liquidated, daily], ignore_index=True), pd.concat(seen, ignore_index=True))


def test_these_facts_tell_sides_by_every_source_and_clusters() -> None:
    rows = pd.concat([facts(seed).analyses() for seed in range(5)])
    assert set(rows["dominance_source"].dropna()) == {
        "all_leverage", "optical_opti", "realised_liquidations", "daily_liquidations",
    }  # fmt: skip
    assert rows["nearest_cluster_above"].notna().any()


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        left.reset_index(drop=True), right.reset_index(drop=True), check_exact=True, check_dtype=True
    )


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_analyses_keep_their_schema(seed: int) -> None:
    rows = facts(seed).analyses()
    SQUEEZE_ANALYSES.pandera.validate(rows)
    assert rows[["hour", "symbol"]].apply(tuple, axis=1).is_monotonic_increasing
    none = rows["squeeze_type"] == "NONE"
    assert (rows.loc[none, "probability"] == 0).all()
    assert (rows["short_pct"] > rows["long_pct"]).equals(rows["squeeze_type"] == "SHORT_SQUEEZE")


@given(seeds, seeds, st.integers(1, LENGTH))
@settings(max_examples=40, deadline=None)
def test_no_analysis_knows_what_comes_after_its_hour(seed: int, other: int, hours: int) -> None:
    now = START + hours * HOUR
    truth = facts(seed)
    another_future = truth.until(now).plus(facts(other).since(now))
    no_future = truth.until(now)
    rows = truth.analyses()
    past = rows[rows["hour"] < now]
    later = another_future.analyses()
    same(past, later[later["hour"] < now])
    same(past, no_future.analyses())


@given(seeds, st.integers(0, LENGTH - 1))
@settings(max_examples=40, deadline=None)
def test_an_hour_computed_alone_equals_the_same_hour_of_a_range(seed: int, number: int) -> None:
    known = facts(seed)
    hour = START + number * HOUR
    rows = known.analyses()
    needed = known.looking_back(
        hour - SETTINGS.snapshots_lookback,
        hour - SETTINGS.readings_lookback,
        hour - SETTINGS.liquidations_lookback,
    )
    alone = needed.until(hour + HOUR).analyses(hour, hour + HOUR)
    same(rows[rows["hour"] == hour], alone)


@given(seeds, st.integers(1, 200))
@settings(max_examples=20, deadline=None)
def test_how_many_rows_are_worked_on_at_a_time_does_not_matter(seed: int, block: int) -> None:
    known = facts(seed)
    rows = known.analyses()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyses_module, "_BLOCK", block)
        same(rows, known.analyses())


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_rows_handed_in_does_not_matter(seed: int) -> None:
    known = facts(seed)
    shuffled = Facts(
        *(
            frame.sample(frac=1, random_state=seed)
            for frame in (known.snapshots, known.readings, known.liquidations, known.levels)
        )
    )
    same(known.analyses(), shuffled.analyses())


@given(seeds, seeds)
@settings(max_examples=20, deadline=None)
def test_a_symbol_more_changes_no_other_symbols_analyses(seed: int, other: int) -> None:
    known = facts(seed)
    rows = known.plus(facts(other, ("AAA", "ZZZ"))).analyses()
    same(known.analyses(), rows[~rows["symbol"].isin(["AAA", "ZZZ"])])


@given(seeds, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=20, deadline=None)
def test_the_scale_of_prices_and_liquidations_does_not_matter(seed: int, price: int, volume: int) -> None:
    # Powers of two, which scale floats without rounding.
    known = facts(seed)
    liquidated = known.liquidations.copy()
    liquidated[["long_liquidated_usd", "short_liquidated_usd"]] *= 2.0**volume
    market = known.snapshots.assign(average_price=known.snapshots["average_price"] * 2.0**price)
    rows = known.analyses()
    seen = known.levels.assign(price=known.levels["price"] * 2.0**price)
    scaled = Facts(market, known.readings, liquidated, seen).analyses()
    prices = {name: rows[name] * 2.0**price for name in ("price", "nearest_cluster_above", "nearest_cluster_below")}
    same(rows.assign(**prices).drop(columns=STRENGTH), scaled.drop(columns=STRENGTH))
    # The logarithm of a scaled price is rounded anew.
    assert scaled[STRENGTH].tolist() == pytest.approx(rows[STRENGTH].tolist(), rel=1e-9, nan_ok=True)


STRENGTH = "price_acceleration_strength"


DAYS = 70


def market(seed: int, symbols: tuple[str, ...] = ("BTC", "ETH"), days: int = DAYS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candles with gaps and wicks, and analyses that name sides at random, over some days from START."""
    random = np.random.default_rng(seed)
    hours = days * 24
    closes, types = {}, {}
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, hours)))
        close[random.random(hours) < 0.01] = np.nan
        closes[symbol] = close
        types[symbol] = list(random.choice(["SHORT_SQUEEZE", "LONG_SQUEEZE", "NONE"], hours))
    priced = candles(START, closes)
    wick = np.exp(np.abs(random.normal(0, 0.004, (2, len(priced)))))
    return priced.assign(high=priced["high"] * wick[0], low=priced["low"] / wick[1]), claims(START, types)


RETURNS = ["net_return_pct", "base_net_return_pct"]


def counted(analyses: pd.DataFrame, priced: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    return win_rates(analyses, priced, START + first * DAY, START + last * DAY, RATES)


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_win_rates_keep_their_schema(seed: int) -> None:
    priced, analyses = market(seed)
    rows = counted(analyses, priced, 0, DAYS)
    WIN_RATES.pandera.validate(rows)
    assert (rows["condition"] == "all").sum() == DAYS * 2 * 6
    assert (rows["wins"] <= rows["effective_sample_size"]).all()
    assert (rows["effective_sample_size"] <= rows["sample_size"]).all()
    assert (rows["effective_sample_size"] <= rows["base_sample_size"]).all()
    known = rows[rows["effective_sample_size"] > 0]
    assert (known["interval_low_pct"] <= known["win_rate_pct"]).all()
    assert (known["win_rate_pct"] <= known["interval_high_pct"]).all()
    assert ((rows["verdict"] == "NO_DATA") == (rows["effective_sample_size"] == 0)).all()
    assert not (known["lift_low"] > known["lift"] * (1 + 1e-9)).any()
    assert not (known["lift_high"] < known["lift"] * (1 - 1e-9)).any()
    holds = known["base_rate_pct"].between(known["interval_low_pct"], known["interval_high_pct"])
    assert (known.loc[holds, "verdict"] == "NO_EDGE").all()
    assert (rows["bias_strength_pct"].notna() == (rows["bias"] != "NONE")).all()


@given(seeds, seeds, st.integers(1, DAYS - 1))
@settings(max_examples=10, deadline=None)
def test_no_day_knows_what_comes_after_it(seed: int, other: int, days: int) -> None:
    now = START + days * DAY
    priced, analyses = market(seed)
    rows = counted(analyses, priced, 0, DAYS)
    past = rows[rows["day"] < now]

    def with_future(frame: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([frame[frame["hour"] < now], future[future["hour"] >= now]])

    other_priced, other_analyses = market(other, ("BTC", "NEW"))
    changed = counted(with_future(analyses, other_analyses), with_future(priced, other_priced), 0, DAYS)
    same(past, changed[changed["day"] < now])
    known: dict[str, Any] = {name: frame[frame["hour"] < now] for name, frame in (("a", analyses), ("p", priced))}
    same(past, counted(known["a"], known["p"], 0, days))


@given(seeds, st.integers(0, DAYS - 1))
@settings(max_examples=10, deadline=None)
def test_a_day_computed_alone_equals_the_same_day_of_a_range(seed: int, number: int) -> None:
    priced, analyses = market(seed)
    rows = counted(analyses, priced, 0, DAYS)
    day = START + number * DAY
    since, until = day - RATES.lookback, day + DAY
    analyses, priced = (frame[(frame["hour"] >= since) & (frame["hour"] < until)] for frame in (analyses, priced))
    alone = counted(analyses, priced, number, number + 1)
    same(rows[rows["day"] == day], alone)


@given(seeds, st.integers(-20, 20))
@settings(max_examples=8, deadline=None)
def test_neither_scale_nor_company_moves_a_win_rate(seed: int, scale: int) -> None:
    priced, analyses = market(seed)
    rows = counted(analyses, priced, DAYS - 5, DAYS)
    prices = ["open", "high", "low", "close"]
    scaled = priced.assign(
        **{name: priced[name] * 2.0**scale for name in prices}, volume_usd=priced["volume_usd"] * 3.0
    )
    moved = counted(analyses, scaled, DAYS - 5, DAYS)
    same(rows.drop(columns=RETURNS), moved.drop(columns=RETURNS))
    # The logarithm of a scaled price is rounded anew.
    pd.testing.assert_frame_equal(rows[RETURNS], moved[RETURNS], rtol=0, atol=1e-9)
    more_priced, more_analyses = market(seed + 1, ("AAA", "ZZZ"))
    shuffled = pd.concat([more_priced, priced]).sample(frac=1, random_state=1)
    joined = counted(pd.concat([more_analyses, analyses]), shuffled, DAYS - 5, DAYS)
    same(rows, joined[~joined["symbol"].isin(["AAA", "ZZZ"])])
