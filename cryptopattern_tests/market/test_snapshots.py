"""Snapshots against a plain working-out, row by row, of their definitions; alone and in a range; without the future."""

import random
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.market import snapshots
from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.snapshots import FEWEST_FUNDING_HOURS, LOOKBACK, exchange_snapshots
from cryptopattern_pipelines.market.source import WindowError
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    EXCHANGE_SNAPSHOTS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
)

HOUR = timedelta(hours=1)
START = datetime(2024, 5, 1, tzinfo=UTC)
LANES = [
    ("binance", "spot"),
    ("binance", "perpetual"),
    ("okx", "perpetual"),
    ("okx", "spot"),
    ("gate", "perpetual"),
]

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def candle(
    hour: datetime, price: float, usd: float, lane: tuple[str, str] = LANES[0], symbol: str = "BTC"
) -> dict[str, Any]:
    venue, market = lane
    names = {"hour": hour, "symbol": symbol, "venue": venue, "market": market, "instrument": "x"}
    prices = {"open": price, "high": price * 1.1, "low": price * 0.9, "close": price}
    return {**names, **prices, "volume_base": usd / price, "volume_usd": usd}


def metric(hour: datetime, venue: str = "binance", symbol: str = "BTC", **facts: Any) -> dict[str, Any]:
    return {"hour": hour, "symbol": symbol, "venue": venue, "instrument": "x", **facts}


def liquidation(hour: datetime, long: float, short: float, venue: str = "binance", span: int = 1) -> dict[str, Any]:
    return {"hour": hour, "symbol": "BTC", "venue": venue, "long_liquidated_usd": long, "short_liquidated_usd": short,
            "span_hours": span, "completeness": "complete"}  # fmt: skip


def tables(candles: list[Any], metrics: list[Any], liquidations: list[Any]) -> Tables:
    return (
        MARKET_CANDLES.conform(candles),
        DERIVATIVES_METRICS.conform(metrics),
        REALISED_LIQUIDATIONS.conform(liquidations),
    )


def price_about_100(chance: random.Random) -> float:
    """Mostly within the 3 % that venues may differ by."""
    return chance.uniform(80, 120) if chance.random() < 0.15 else chance.uniform(99, 101)


def history(seed: int, hours: int = 120, holes: float = 0.02) -> Tables:
    """Two symbols on up to five markets, some prices far off, with holes, and with funding that goes a month back."""
    chance = random.Random(seed)
    candles, metrics, liquidations = [], [], []
    for symbol in ("BTC", "ETH"):
        for lane in LANES[: chance.randint(1, 5)]:
            candles += [
                candle(START + n * HOUR, price_about_100(chance), chance.choice([0.0, 1e6, 3e6, 9e6]), lane, symbol)
                for n in range(hours)
                if chance.random() > holes
            ]
        for venue in ("binance", "okx"):
            for n in range(hours - 720, hours):
                hour = START + n * HOUR
                if chance.random() < holes:
                    continue
                facts: dict[str, Any] = {
                    "funding_rate": chance.choice([-0.0001, 0.0, 0.0001, 0.0002]),
                    "funding_interval_hours": chance.choice([4, 8]),
                    "long_short_account_ratio": chance.uniform(0.5, 3),
                    "taker_volume_ratio": chance.uniform(0.5, 2),
                }
                if chance.random() > holes:
                    facts |= {
                        "open_interest_base": chance.uniform(1e3, 2e3),
                        "open_interest_usd": chance.uniform(1e5, 2e5),
                        "open_interest_time": hour + HOUR - timedelta(minutes=chance.choice([5, 60, 180])),
                    }
                metrics.append(metric(hour, venue, symbol, **facts))
    for venue in ("binance", "all"):
        liquidations += [
            liquidation(START + n * HOUR, chance.uniform(0, 9), chance.uniform(0, 9), venue)
            for n in range(hours)
            if chance.random() > holes / 2
        ]
    # Of the days of which `all` told no hours.
    told = {row["hour"] for row in liquidations if row["venue"] == "all"}
    liquidations += [
        liquidation(hour, chance.uniform(0, 200), chance.uniform(0, 200), "all", 24)
        for hour in (START + n * HOUR for n in range(23, hours, 24))
        if hour not in told
    ]
    return tables(candles, metrics, liquidations)


def plainly(given: Tables, symbol: str, hour: datetime) -> dict[str, Any] | None:
    """One snapshot by loops over rows, from the definitions."""
    candles, metrics, liquidations = (
        {
            (row["hour"], row["venue"], row.get("market")): row
            for row in frame[frame["symbol"] == symbol].to_dict("records")
        }
        for frame in given
    )
    lanes = sorted({key[1:] for key in candles}, key=":".join)
    quoted = [lane for lane in lanes if (hour, *lane) in candles]
    if not quoted:
        return None

    def change(facts: dict[Any, Any], name: str, back: int) -> float | None:
        keys = {key[1:] for key in facts}
        pairs = [
            (facts[hour, *key][name], facts[hour - back * HOUR, *key][name])
            for key in keys
            if (hour, *key) in facts and (hour - back * HOUR, *key) in facts
        ]
        pairs = [(now, then) for now, then in pairs if not pd.isna(now) and not pd.isna(then)]
        return 100 * (sum(now for now, _ in pairs) / sum(then for _, then in pairs) - 1) if pairs else None

    def day(facts: dict[Any, Any], key: Any, name: str, ago: int = 0) -> float | None:
        hours = [hour - n * HOUR for n in range(ago, ago + 24)]
        return sum(facts[at, *key][name] for at in hours) if all((at, *key) in facts for at in hours) else None

    def price_middle(at: datetime) -> float:
        return statistics.median(candles[at, *lane]["close"] for lane in lanes if (at, *lane) in candles)

    def outliers(at: datetime) -> tuple[list[Any], list[Any]]:
        """Those of an hour, and those of them that three others contradict."""
        there = [lane for lane in lanes if (at, *lane) in candles]
        middle = price_middle(at)
        far = [lane for lane in there if abs(candles[at, *lane]["close"] - middle) > 0.03 * middle]
        agreeing = len(there) - len(far)
        if len(there) < 3 or 2 * agreeing <= len(there):
            return [], []
        return far, far if agreeing >= 3 else []

    trusted = {(at, *lane): row for (at, *lane), row in candles.items() if tuple(lane) not in outliers(at)[1]}
    closes = [candles[hour, *lane]["close"] for lane in quoted]
    believed = [trusted[hour, *lane] for lane in quoted if (hour, *lane) in trusted]
    coins = sum(row["volume_base"] for row in believed)
    seen = [row for (at, *_), row in trusted.items() if hour - 24 * HOUR < at <= hour]
    whole = {lane: day(candles, lane, "volume_usd") for lane in lanes}
    before = {lane: day(candles, lane, "volume_usd", 24) for lane in lanes}
    both = [lane for lane in lanes if whole[lane] is not None and before[lane] is not None]
    touched = {lane for lane in lanes if any((hour - n * HOUR, *lane) in candles for n in range(24))}

    rates: dict[datetime, dict[str, float]] = {}
    for (at, venue, _), row in sorted(metrics.items(), key=lambda item: item[0][:2]):
        rates.setdefault(at, {})[venue] = row["funding_rate"] * (8 / row["funding_interval_hours"])
    told = rates.get(hour, {})
    rate = sum(told.values()) / len(told) if told else None
    month = [
        sum(past[venue] - told[venue] for venue in past if venue in told)
        for at, past in rates.items()
        if hour - 720 * HOUR < at <= hour and past.keys() & told.keys()
    ]
    rank = (
        100 * (sum(past < 0 for past in month) + sum(past == 0 for past in month) / 2) / len(month)
        if len(month) >= FEWEST_FUNDING_HOURS
        else None
    )
    by_venue = sorted((venue, row) for (at, venue, _), row in metrics.items() if at == hour)
    now = [row for _, row in by_venue]
    interest = [row for row in now if not pd.isna(row["open_interest_base"])]

    def liquidated(venue: str, name: str) -> float | None:
        row = liquidations.get((hour, venue, None))
        if row is not None and row["span_hours"] == 24:
            return row[name]
        hours = {key: row for key, row in liquidations.items() if row["span_hours"] == 1}
        return day(hours, (venue, None), name)

    longs, shorts = (
        {venue: liquidated(venue, f"{side}_liquidated_usd") for venue in ("all", "binance")}
        for side in ("long", "short")
    )
    counted = next((venue for venue in ("all", "binance") if longs[venue] is not None), "")
    age = max(((hour + HOUR - row["open_interest_time"]) / HOUR for row in interest), default=None)
    volumes = [(whole[lane] or 0.0, before[lane] or 0.0) for lane in both]
    apart = max(closes) - min(closes)
    changes = {
        "price_change_24h_pct": change(trusted, "close", 24),
        "volume_change_24h_pct": 100 * (sum(x for x, _ in volumes) / sum(x for _, x in volumes) - 1) if both else None,
        "open_interest_change_24h_pct": change(metrics, "open_interest_base", 24),
    }
    volume = [value for value in whole.values() if value is not None]
    flags = {
        "no_derivatives": rate is None and not interest,
        "no_funding": rate is None and bool(interest),
        "no_open_interest": rate is not None and not interest,
        "one_venue": len({venue for venue, _ in quoted}) < 2,
        "outlier_venue": bool(outliers(hour)[0]),
        "prices_disagree": not outliers(hour)[0] and apart > 0.03 * price_middle(hour),
        "stale_metrics": age is not None and age > 2,
        "volume_incomplete": any(whole[lane] is None for lane in touched),
        "liquidations_incomplete": any(
            longs[venue] is None
            and any(
                row["venue"] == venue and row["span_hours"] == 1 and 0 <= (hour - row["hour"]) / HOUR < 24
                for row in liquidations.values()
            )
            for venue in ("all", "binance")
        ),
        "short_history": changes["price_change_24h_pct"] is None
        or (bool(volume) and changes["volume_change_24h_pct"] is None)
        or (bool(interest) and changes["open_interest_change_24h_pct"] is None)
        or (rate is not None and rank is None),
    }
    return {
        "hour": hour,
        "symbol": symbol,
        "average_price": sum(row["close"] for row in believed) / len(believed),
        "volume_weighted_price": sum(row["close"] * row["volume_base"] for row in believed) / coins if coins else None,
        "price_variance": apart,
        "price_spread_bps": 10_000 * apart / price_middle(hour),
        "high_24h": max(row["high"] for row in seen),
        "low_24h": min(row["low"] for row in seen),
        "price_change_1h_pct": change(trusted, "close", 1),
        **changes,
        "volume_24h_usd": sum(volume) if volume else None,
        "open_interest_usd": sum(row["open_interest_usd"] for row in interest) if interest else None,
        "open_interest_base": sum(row["open_interest_base"] for row in interest) if interest else None,
        "funding_rate": rate,
        "funding_percentile": rank,
        "long_short_account_ratio": sum(row["long_short_account_ratio"] for row in now) / len(now) if now else None,
        "taker_volume_ratio": sum(row["taker_volume_ratio"] for row in now) / len(now) if now else None,
        "long_liquidated_24h_usd": longs.get(counted),
        "short_liquidated_24h_usd": shorts.get(counted),
        "liquidation_venues": counted,
        "venues": ",".join(":".join(lane) for lane in quoted),
        "venue_count": len(quoted),
        "volume_venues": ",".join(":".join(lane) for lane in lanes if whole[lane] is not None),
        "open_interest_venues": ",".join(venue for venue, row in by_venue if not pd.isna(row["open_interest_base"])),
        "funding_venues": ",".join(told),
        "account_ratio_venues": ",".join(venue for venue, _ in by_venue),
        "outlier_venues": ",".join(":".join(lane) for lane in outliers(hour)[0]),
        "metrics_age_hours": age,
        "quality_flags": ",".join(sorted(name for name, present in flags.items() if present)),
    }


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.01, 0.2]))
def test_rows_are_what_the_definitions_say(seed: int, holes: float) -> None:
    given_tables = history(seed, holes=holes)
    chance = random.Random(seed)
    start = START + chance.randrange(100) * HOUR
    rows = exchange_snapshots(*given_tables, start, start + 3 * HOUR)
    EXCHANGE_SNAPSHOTS.pandera.validate(rows)
    hours = [start + n * HOUR for n in range(3)]
    expected = [row for hour in hours for symbol in ("BTC", "ETH") if (row := plainly(given_tables, symbol, hour))]
    wanted = EXCHANGE_SNAPSHOTS.conform(expected)
    pd.testing.assert_frame_equal(rows, wanted, check_exact=False, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 119), st.booleans())
def test_no_fact_of_later_moves_an_earlier_row(seed: int, hour: int, drop: bool) -> None:
    whole = history(seed % 5)
    cut = START + (hour + 1) * HOUR
    chance = random.Random(seed)
    changed: list[pd.DataFrame] = []
    for frame in whole:
        later = frame["hour"] >= cut
        if drop:
            changed.append(frame[~later])
            continue
        other = frame.copy()
        for name in ("close", "high", "volume_usd", "funding_rate", "open_interest_base", "long_liquidated_usd"):
            if name in other:
                other.loc[later, name] *= chance.uniform(2, 3)
        other.loc[later, "venue"] = "elsewhere"
        changed.append(other)
    end = START + 120 * HOUR
    candles, metrics, liquidations = changed
    before = exchange_snapshots(*whole, START, end)
    after = exchange_snapshots(candles, metrics, liquidations, START, end)
    before, after = (rows[rows["hour"] < cut].reset_index(drop=True) for rows in (before, after))
    assert len(before)
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 119), st.integers(1, 5))
def test_an_hour_alone_is_the_same_to_the_bit_as_in_a_range(seed: int, hour: int, span: int) -> None:
    whole = history(seed % 5, holes=0.05)
    together = exchange_snapshots(*whole, START, START + 120 * HOUR)
    first = START + hour * HOUR
    # With no more of the past than is promised to be enough.
    candles, metrics, liquidations = (
        frame[(frame["hour"] >= first - LOOKBACK) & (frame["hour"] < first + span * HOUR)] for frame in whole
    )
    alone = exchange_snapshots(candles, metrics, liquidations, first, first + span * HOUR)
    within = (together["hour"] >= first) & (together["hour"] < first + span * HOUR)
    part = together[within].reset_index(drop=True)
    alone = alone[alone["hour"] < START + 120 * HOUR].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, alone, check_exact=True)


def test_a_real_hour_alone_is_the_same_to_the_bit_as_in_a_month(shared: Path) -> None:
    source = ArchiveSource(shared / "market" / "archive")
    start, end = datetime(2024, 7, 20, tzinfo=UTC), datetime(2024, 8, 19, tzinfo=UTC)
    names = ["BTC", "ETH", "SOL"]
    candles, metrics = (
        source.candles(names, start - LOOKBACK, end),
        source.derivatives_metrics(names, start - LOOKBACK, end),
    )
    month = exchange_snapshots(candles, metrics, REALISED_LIQUIDATIONS.empty(), start, end)
    EXCHANGE_SNAPSHOTS.pandera.validate(month)
    assert len(month) == 3 * 720
    for n in random.Random(1).sample(range(720), 10):
        hour = start + n * HOUR
        alone = exchange_snapshots(
            source.candles(names, hour - LOOKBACK, hour + HOUR),
            source.derivatives_metrics(names, hour - LOOKBACK, hour + HOUR),
            REALISED_LIQUIDATIONS.empty(),
            hour,
            hour + HOUR,
        )
        part = month[month["hour"] == hour].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone, check_exact=True)


def test_a_market_that_comes_or_goes_changes_no_price() -> None:
    candles = [candle(START + n * HOUR, 100.0, 10.0) for n in range(26)]
    candles += [candle(START + n * HOUR, 150.0, 10.0, LANES[2]) for n in (24, 25)]
    rows = exchange_snapshots(*tables(candles, [], []), START + 24 * HOUR, START + 26 * HOUR)
    assert rows["average_price"].tolist() == [125.0, 125.0]
    assert rows["price_variance"].tolist() == [50.0, 50.0]
    assert rows["price_spread_bps"].tolist() == [4000.0, 4000.0]
    assert rows["price_change_1h_pct"].tolist() == [0.0, 0.0]
    assert rows["price_change_24h_pct"].tolist() == [0.0, 0.0]
    # The newcomer's day isn't whole, so it isn't in the volume, and that is said.
    assert rows["volume_24h_usd"].tolist() == [240.0, 240.0]
    assert rows["quality_flags"].tolist() == ["no_derivatives,prices_disagree,short_history,volume_incomplete"] * 2


def test_funding_percentile_is_the_mid_rank_of_thirty_days() -> None:
    hours = [START + n * HOUR for n in range(800)]
    candles = [candle(hour, 100.0, 10.0) for hour in hours]
    # The first eighty are out of the last hour's window: 700 below, 20 equal with itself.
    rates = [9.0] * 80 + [0.0001] * 700 + [0.0002] * 20
    metrics = [
        metric(hour, funding_rate=rate, funding_interval_hours=8) for hour, rate in zip(hours, rates, strict=True)
    ]
    given_tables = tables(candles, metrics, [])
    [row] = exchange_snapshots(*given_tables, hours[-1], hours[-1] + HOUR).to_dict("records")
    assert row["funding_percentile"] == pytest.approx(100 * (700 + 10) / 720)
    few = exchange_snapshots(*given_tables, hours[0], hours[FEWEST_FUNDING_HOURS])
    assert few["funding_percentile"].isna().tolist() == [True] * (FEWEST_FUNDING_HOURS - 1) + [False]
    # At the 168th hour: 88 equal with itself and none below, the eighty greater.
    assert few["funding_percentile"].iloc[-1] == pytest.approx(100 * 44 / 168)


def test_a_venue_that_comes_or_goes_is_no_change_of_funding_or_open_interest() -> None:
    hours = [START + n * HOUR for n in range(400)]
    facts: dict[str, Any] = {"funding_interval_hours": 8, "long_short_account_ratio": 1.0}
    # The first rises by a hair each hour; the second, whose rates are ten times as high, is silent now and then.
    metrics = [
        metric(hour, funding_rate=1e-4 + n * 1e-9, open_interest_base=100.0, **facts) for n, hour in enumerate(hours)
    ]
    metrics += [
        metric(hour, "okx", funding_rate=1e-3, open_interest_base=900.0, **facts)
        for n, hour in enumerate(hours)
        if n % 7 or n < 350
    ]
    candles = [candle(hour, 100.0, 10.0) for hour in hours]
    rows = exchange_snapshots(*tables(candles, metrics, []), hours[348], hours[-1] + HOUR)
    silent = rows["funding_venues"] == "binance"
    assert silent.sum() == 8
    assert rows["open_interest_venues"].equals(rows["funding_venues"])
    assert rows["account_ratio_venues"].equals(rows["funding_venues"])
    # The levels do jump, and say why; what compares hours doesn't.
    assert rows["open_interest_base"].where(silent).dropna().unique().tolist() == [100.0]
    assert rows["open_interest_change_24h_pct"].unique().tolist() == [0.0]
    assert (rows["funding_percentile"] > 99).all()
    # A venue that has come by itself is compared with its own week, not with what others had before.
    alone = [row for row in metrics if row["venue"] == "okx" or row["hour"] < hours[300]]
    late = exchange_snapshots(*tables(candles, alone, []), hours[398], hours[399])
    assert late["funding_percentile"].tolist() == [50.0]


def test_funding_of_other_intervals_is_made_into_eight_hours() -> None:
    metrics = [
        metric(START, funding_rate=0.0001, funding_interval_hours=4),
        metric(START, "okx", funding_rate=0.0004, funding_interval_hours=8),
    ]
    [row] = exchange_snapshots(*tables([candle(START, 1.0, 1.0)], metrics, []), START, START + HOUR).to_dict("records")
    assert row["funding_rate"] == pytest.approx(0.0003)


def test_no_candles_make_no_rows() -> None:
    for given_tables in (tables([], [], []), tables([candle(START, 1.0, 1.0)], [], [])):
        rows = exchange_snapshots(*given_tables, START + HOUR, START + 3 * HOUR)
        assert rows.empty
        assert list(rows.columns) == EXCHANGE_SNAPSHOTS.names
    assert exchange_snapshots(*tables([candle(START, 1.0, 1.0)], [], []), START, START).empty


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (START.replace(tzinfo=None), START, "has no time zone"),
        (START, START + timedelta(minutes=90), "is not on the hour"),
        (START + HOUR, START, "is before start"),
    ],
)
def test_a_window_that_is_none_is_refused(start: datetime, end: datetime, words: str) -> None:
    with pytest.raises(WindowError, match=words):
        exchange_snapshots(*tables([], [], []), start, end)


def test_many_symbols_come_in_blocks_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given_tables = history(3)
    end = START + 120 * HOUR
    at_once = exchange_snapshots(*given_tables, START, end)
    monkeypatch.setattr(snapshots, "_CELLS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(exchange_snapshots(*given_tables, START, end), at_once, check_exact=True)
    assert set(at_once["symbol"]) == {"BTC", "ETH"}


@pytest.mark.parametrize(
    ("prices", "named", "average", "flagged"),
    [
        # Within 3 % of each other nobody is an outlier.
        ([100.0, 102.9], "", 101.45, ""),
        # Of two prices neither can be called the wrong one.
        ([100.0, 110.0], "", 105.0, "prices_disagree"),
        # One of three is named, and counts: only two contradict it.
        ([100.0, 100.0, 130.0], "okx:perpetual", 110.0, "outlier_venue"),
        # Three that agree contradict the fourth.
        ([100.0, 101.0, 130.0, 102.0], "okx:perpetual", 101.0, "outlier_venue"),
        # Two against two: no majority.
        ([100.0, 100.0, 130.0, 130.0], "", 115.0, "prices_disagree"),
        ([100.0, 100.0, 50.0, 130.0, 100.0], "okx:perpetual,okx:spot", 100.0, "outlier_venue"),
    ],
)
def test_an_outlier_is_named_and_left_out_where_three_contradict_it(
    prices: list[float], named: str, average: float, flagged: str
) -> None:
    candles = [candle(START, price, 10.0, lane) for price, lane in zip(prices, LANES, strict=False)]
    [row] = exchange_snapshots(*tables(candles, [], []), START, START + HOUR).to_dict("records")
    assert row["outlier_venues"] == named
    assert row["average_price"] == pytest.approx(average)
    assert {"outlier_venue", "prices_disagree"} & set(row["quality_flags"].split(",")) == ({flagged} - {""})
    # What is left out of the average stays in the spread and in the venues.
    assert row["price_variance"] == max(prices) - min(prices)
    assert row["venue_count"] == len(prices)


def test_an_outlier_that_is_left_out_moves_no_high_low_or_change() -> None:
    calm = [candle(START + n * HOUR, 100.0, 10.0, lane) for n in range(25) for lane in LANES[:3]]
    wild = [candle(START + n * HOUR, 1000.0 if n == 24 else 100.0, 10.0, LANES[3]) for n in range(25)]
    [row] = exchange_snapshots(*tables(calm + wild, [], []), START + 24 * HOUR, START + 25 * HOUR).to_dict("records")
    assert (row["high_24h"], row["low_24h"]) == (pytest.approx(110.0), 90.0)
    assert (row["price_change_1h_pct"], row["price_change_24h_pct"]) == (0.0, 0.0)
    assert row["volume_weighted_price"] == pytest.approx(100.0)


def test_the_weighted_price_leans_to_where_coins_are_traded() -> None:
    candles = [candle(START, 100.0, 300.0), candle(START, 102.0, 102.0, LANES[1]), candle(START, 101.0, 0.0, LANES[2])]
    idle = [candle(START + HOUR, 100.0, 0.0)]
    rows = exchange_snapshots(*tables(candles + idle, [], []), START, START + 2 * HOUR)
    assert rows["volume_weighted_price"].iloc[0] == pytest.approx((3 * 100.0 + 1 * 102.0) / 4)
    assert rows["average_price"].iloc[0] == pytest.approx(101.0)
    assert pd.isna(rows["volume_weighted_price"].iloc[1])


def test_a_days_liquidations_stand_in_the_hour_that_ends_the_day_alone() -> None:
    candles = [candle(START + n * HOUR, 100.0, 1.0) for n in range(72)]
    days = [liquidation(START + n * HOUR, 240.0, 24.0, "all", 24) for n in (23, 47)]
    single = [liquidation(START + n * HOUR, 1.0, 2.0) for n in range(24, 72)]
    rows = exchange_snapshots(*tables(candles, [], days + single), START, START + 72 * HOUR).set_index("hour")
    told = rows[["long_liquidated_24h_usd", "short_liquidated_24h_usd", "liquidation_venues"]]
    assert told.loc[START + 23 * HOUR].tolist() == [240.0, 24.0, "all"]
    # Neither carried on, nor summed with a venue's hours.
    assert pd.isna(told.loc[START + 24 * HOUR, "long_liquidated_24h_usd"])
    assert told.loc[START + 47 * HOUR].tolist() == [240.0, 24.0, "all"]
    assert told.loc[START + 48 * HOUR].tolist() == [24.0, 48.0, "binance"]
    assert told["long_liquidated_24h_usd"].notna().sum() == 1 + 1 + 24
    # Hours of `all` come before its day.
    hourly = [liquidation(START + n * HOUR, 5.0, 5.0, "all") for n in range(47)]
    rows = exchange_snapshots(*tables(candles, [], [*hourly, days[1]]), START, START + 48 * HOUR).set_index("hour")
    assert rows["long_liquidated_24h_usd"].loc[[START + 46 * HOUR, START + 47 * HOUR]].tolist() == [120.0, 240.0]
    # An hour and a day of one venue that end together are both told.
    both = [*hourly, liquidation(START + 47 * HOUR, 5.0, 5.0, "all"), days[1]]
    for order in (both, both[::-1]):
        rows = exchange_snapshots(*tables(candles, [], order), START, START + 48 * HOUR).set_index("hour")
        assert rows["long_liquidated_24h_usd"].iloc[-1] == 120.0
