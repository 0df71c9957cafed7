"""Each kind of contradiction by a pair of figures that can't both be right, beside one that can."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cryptopattern_pipelines.market.contradictions import (
    LOOKBACK,
    between_sources,
    joined,
    market_contradictions,
)
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    MARKET_CONTRADICTIONS,
    REALISED_LIQUIDATIONS,
)

HOUR = timedelta(hours=1)
START = datetime(2024, 5, 1, tzinfo=UTC)


def candle(hour: datetime = START, venue: str = "binance", market: str = "perpetual", **facts: Any) -> dict[str, Any]:
    names = {"hour": hour, "symbol": "BTC", "venue": venue, "market": market, "instrument": "x"}
    figures = {"open": 100.0, "high": 102.0, "low": 98.0, "close": 100.0, "volume_base": 5.0, "volume_usd": 500.0}
    return {**names, **figures, **facts}


def metric(hour: datetime = START, venue: str = "binance", **facts: Any) -> dict[str, Any]:
    return {"hour": hour, "symbol": "BTC", "venue": venue, "instrument": "x", **facts}


def liquidation(hour: datetime, venue: str, usd: float, span: int = 1) -> dict[str, Any]:
    return {"hour": hour, "symbol": "BTC", "venue": venue, "span_hours": span, "long_liquidated_usd": usd,
            "short_liquidated_usd": 0.0, "completeness": "complete"}  # fmt: skip


def found(
    candles: Sequence[Any] = (), metrics: Sequence[Any] = (), liquidations: Sequence[Any] = (), hours: int = 1
) -> list[tuple[Any, ...]]:
    rows = market_contradictions(
        MARKET_CANDLES.conform(candles),
        DERIVATIVES_METRICS.conform(metrics),
        REALISED_LIQUIDATIONS.conform(liquidations),
        START,
        START + hours * HOUR,
    )
    MARKET_CONTRADICTIONS.pandera.validate(rows)
    return list(rows[["what", "source_a", "source_b", "value_a", "value_b"]].itertuples(index=False, name=None))


def test_closes_that_lie_too_far_apart_stand_beside_each_other() -> None:
    near = candle(venue="okx", close=102.9, high=103.0)
    assert found([candle(), near]) == []
    far = candle(venue="okx", market="spot", close=104.0, high=105.0)
    assert found([candle(), near, far]) == [("price", "binance:perpetual", "okx:spot", 100.0, 104.0)]


def test_funding_of_two_venues_is_held_against_each_other_for_eight_hours() -> None:
    def two(one: float, other: float, hours: int = 8) -> list[tuple[Any, ...]]:
        return found(
            metrics=[
                metric(funding_rate=one, funding_interval_hours=8),
                metric(venue="okx", funding_rate=other, funding_interval_hours=hours),
            ]
        )

    assert two(0.0001, 0.0005) == []
    assert two(0.0001, 0.0007) == [("funding_rate", "binance", "okx", 0.0001, 0.0007)]
    # For an hour, eight times as much.
    assert two(0.0001, 0.0001, hours=1) == [("funding_rate", "binance", "okx", 0.0001, 0.0008)]
    assert two(0.0001, -0.00009) == []
    assert two(0.0001, -0.0001) == [("funding_sign", "okx", "binance", -0.0001, 0.0001)]
    assert [row[0] for row in two(0.001, -0.001)] == ["funding_rate", "funding_sign"]


def test_open_interest_in_usd_is_held_against_coins_times_the_price_of_its_own_hour() -> None:
    def told(usd: float, at: datetime = START + timedelta(minutes=50)) -> dict[str, Any]:
        return metric(open_interest_base=10.0, open_interest_usd=usd, open_interest_time=at)

    assert found([candle()], [told(1030.0)]) == []
    assert found([candle()], [told(2000.0)]) == [
        ("open_interest_usd", "binance", "binance coins x close", 2000.0, 1000.0)
    ]
    # An hour old, and of another price.
    before = candle(START - HOUR, open=200.0, high=201.0, low=199.0, close=200.0, volume_usd=1000.0)
    assert found([before, candle()], [told(2000.0, START)]) == []
    # A spot price is no measure of a perpetual.
    assert found([candle(market="spot")], [told(2000.0)]) == []


def test_volume_in_usd_is_held_against_coins_times_the_candles_prices() -> None:
    assert found([candle(volume_usd=515.0)]) == []
    what = ("volume_usd", "binance:perpetual", "binance:perpetual coins x typical price")
    assert found([candle(volume_usd=520.0)]) == [(*what, 520.0, 500.0)]
    assert found([candle(volume_usd=500.0, volume_base=0.0)]) == [(*what, 500.0, 0.0)]
    assert found([candle(volume_usd=0.0, volume_base=0.0)]) == []


def test_venues_cannot_have_liquidated_more_than_all_of_them() -> None:
    parts = [liquidation(START, "binance", 60.0), liquidation(START, "okx", 50.0)]
    assert found(liquidations=[*parts, liquidation(START, "all", 105.0)]) == []
    assert found(liquidations=[*parts, liquidation(START, "all", 100.0)]) == [
        ("liquidated_usd", "all", "binance+okx", 100.0, 110.0)
    ]
    # A day's total against the hours that are known of its day.
    hours = [liquidation(START - n * HOUR, "binance", 1.0) for n in range(30)]
    assert found(liquidations=[*hours, liquidation(START, "all", 24.0, 24)]) == []
    assert found(liquidations=[*hours, liquidation(START, "all", 20.0, 24)]) == [
        ("liquidated_usd", "all 24h", "binance", 20.0, 24.0)
    ]


def test_an_hours_total_and_a_days_of_one_venue_are_told_apart() -> None:
    hours = [liquidation(START - n * HOUR, "binance", 10.0) for n in range(24)]
    wholes = [liquidation(START, "all", 5.0), liquidation(START, "all", 100.0, 24)]
    assert found(liquidations=[*hours, *wholes]) == [
        ("liquidated_usd", "all", "binance", 5.0, 10.0),
        ("liquidated_usd", "all 24h", "binance", 100.0, 240.0),
    ]
    own = REALISED_LIQUIDATIONS.conform([liquidation(START, "all", 5.0)])
    other = REALISED_LIQUIDATIONS.conform([liquidation(START, "all", 100.0, 24)])
    assert between_sources(own, other, "realised_liquidations", REALISED_LIQUIDATIONS.key).empty
    corrected = REALISED_LIQUIDATIONS.conform([liquidation(START, "all", 6.0), liquidation(START, "all", 200.0, 24)])
    own = REALISED_LIQUIDATIONS.conform([*own.to_dict("records"), *other.to_dict("records")])
    rows = between_sources(own, corrected, "realised_liquidations", REALISED_LIQUIDATIONS.key)
    MARKET_CONTRADICTIONS.pandera.validate(rows)
    assert set(rows["source_a"]) == {"all", "all 24h"}


def test_two_sources_of_one_candle_are_held_against_each_other_cell_by_cell() -> None:
    own = MARKET_CANDLES.conform([candle(), candle(START + HOUR), candle(market="spot")])
    other = MARKET_CANDLES.conform([candle(close=100.05), candle(START + HOUR, close=101.0, volume_base=6.0)])
    rows = between_sources(own, other, "market_candles", MARKET_CANDLES.key)
    MARKET_CONTRADICTIONS.pandera.validate(rows)
    assert rows["hour"].tolist() == [START + HOUR] * 2
    assert rows[["what", "source_a", "source_b", "value_a", "value_b"]].to_numpy().tolist() == [
        ["imported_close", "binance:perpetual", "binance:perpetual imported", 100.0, 101.0],
        ["imported_volume_base", "binance:perpetual", "binance:perpetual imported", 5.0, 6.0],
    ]
    metrics = DERIVATIVES_METRICS.conform([metric(funding_rate=0.0001)])
    silent = DERIVATIVES_METRICS.conform([metric(open_interest_base=5.0)])
    assert between_sources(metrics, silent, "derivatives_metrics", DERIVATIVES_METRICS.key).empty
    assert len(joined(rows, between_sources(own, own, "market_candles", MARKET_CANDLES.key))) == 2


def history(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three days of two venues that often contradict each other."""
    chance = random.Random(seed)
    hours = [START + n * HOUR for n in range(72)]
    candles = [
        candle(hour, venue, close=chance.choice([99.0, 101.5, 103.0]), high=110.0, volume_usd=chance.choice([500, 600]))
        for hour in hours
        for venue in ("binance", "okx")
    ]
    metrics = [
        metric(hour, venue, funding_rate=chance.choice([-1e-3, 0.0, 1e-3]), funding_interval_hours=8,
               open_interest_base=1.0, open_interest_usd=chance.choice([100.0, 150.0]),
               open_interest_time=hour + timedelta(minutes=chance.choice([5, 55, -100])))
        for hour in hours
        for venue in ("binance", "okx")
    ]  # fmt: skip
    liquidations = [liquidation(hour, "binance", chance.uniform(0, 10)) for hour in hours]
    liquidations += [liquidation(hour, "all", 100.0, 24) for hour in hours[23::24]]
    return (
        MARKET_CANDLES.conform(candles),
        DERIVATIVES_METRICS.conform(metrics),
        REALISED_LIQUIDATIONS.conform(liquidations),
    )


@pytest.mark.parametrize("hour", [0, 23, 40, 71])
def test_an_hour_alone_is_the_same_as_in_a_range_and_knows_nothing_later(hour: int) -> None:
    whole = history(hour)
    together = market_contradictions(*whole, START, START + 72 * HOUR)
    assert set(together["what"]) == {
        "price", "funding_rate", "funding_sign", "open_interest_usd", "volume_usd", "liquidated_usd"
    }  # fmt: skip
    at = START + hour * HOUR
    candles, metrics, liquidations = (
        frame[(frame["hour"] >= at - LOOKBACK) & (frame["hour"] <= at)] for frame in whole
    )
    alone = market_contradictions(candles, metrics, liquidations, at, at + HOUR)
    pd.testing.assert_frame_equal(alone, together[together["hour"] == at].reset_index(drop=True), check_exact=True)


def test_no_rows_contradict_nothing() -> None:
    assert found() == []
    assert found([candle()], hours=0) == []
