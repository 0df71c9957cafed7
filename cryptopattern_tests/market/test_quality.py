"""Each fault of written rows, by rows that have it and rows that don't."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from cryptopattern_pipelines.market.listings import markets_listed
from cryptopattern_pipelines.market.quality import lone_jumps, missing_hours, prices_apart, stale_feeds
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    EXCHANGE_SNAPSHOTS,
    MARKET_CANDLES,
    TIME,
)

HOUR = timedelta(hours=1)
START = datetime(2024, 5, 1, tzinfo=UTC)


def lane(hours: list[int], venue: str = "binance", symbol: str = "BTC", **more: list[float]) -> pd.DataFrame:
    when = pd.Series([START + n * HOUR for n in hours]).astype(TIME)
    return pd.DataFrame({"hour": when, "symbol": symbol, "venue": venue, "market": "spot", **more})


def test_hours_are_missing_from_a_markets_own_first_row_on() -> None:
    rows = pd.concat(
        [
            lane([-3, -2, 0, 3]),  # lacks 1, 2, 4 and 5; its hour before the window is another run's
            lane([2, 3, 4, 5], "okx"),  # new at 2
            lane(list(range(-1, 6)), symbol="ETH"),
            lane([-25], symbol="GONE"),  # delisted more than a day ago
            lane([-24], symbol="JUST"),
        ]
    )
    found = missing_hours(rows, START, START + 6 * HOUR)
    assert found[["symbol", "venue", "missing"]].to_numpy().tolist() == [["BTC", "binance", 4], ["JUST", "binance", 1]]
    assert found["hour"].tolist() == [START + HOUR, START]
    # Earlier is another run's gap; what ended is waited for for a day.
    before = missing_hours(rows, START - HOUR, START)
    assert before[["symbol", "missing"]].to_numpy().tolist() == [["BTC", 1], ["GONE", 1], ["JUST", 1]]
    for end in (START, START + HOUR):
        assert missing_hours(MARKET_CANDLES.empty(), START, end).empty


DAY = timedelta(days=1)


def listing(day: int, *listed: str, delisted: str = "") -> pd.DataFrame:
    """Rows of SYMBOLS by the end of a day, counted from START's: each `name=venue:market:instrument,…`."""
    told = [(name, "listed") for name in listed] + ([(delisted, "delisted")] if delisted else [])
    pairs = [(*each.split("="), status) for each, status in told]
    days = pd.Series([START + day * DAY] * len(pairs)).astype(TIME)
    rows = {"status": [status for *_, status in pairs], "instruments": [text for _, text, _ in pairs]}
    return pd.DataFrame({"day": days, **rows}).astype({"status": "str", "instruments": "str"})


BTC, BTC_OF_OKX, OLD = "BTC=binance:spot:BTCUSDT", "BTC=okx:spot:BTC-USDT", "MATIC=binance:spot:MATICUSDT"
NEW = "ETH=binance:spot:ETHUSDT"


def missing(rows: pd.DataFrame, listings: list[pd.DataFrame], first: int = 0, hours: int = 24) -> list[list[object]]:
    every = pd.concat([listing(0), *listings], ignore_index=True)
    listed = markets_listed(every, {"BTC", "ETH", "POL"})
    begin = START + first * HOUR
    found = missing_hours(rows, begin, begin + hours * HOUR, listed)
    when = (found["hour"] - START) // HOUR
    return found.assign(at=when)[["symbol", "venue", "at", "missing"]].to_numpy().tolist()


def test_a_market_that_vanished_lacks_every_hour_for_as_long_as_it_is_listed() -> None:
    rows = lane(list(range(-48, 72)), "binance")
    # OKX tells nothing for days: that it was not seen the day before is no excuse.
    days = [listing(day, BTC, BTC_OF_OKX) for day in (-1, 0)]
    assert missing(rows, days, hours=48) == [["BTC", "okx", 0, 48]]
    assert missing(MARKET_CANDLES.empty(), days) == [["BTC", "binance", 0, 24], ["BTC", "okx", 0, 24]]
    # From the day on by whose end it was delisted it lacks nothing; a name of before a rename is the coin's own.
    assert missing(lane([], symbol="POL"), [listing(-1, OLD), listing(0, delisted=OLD)]) == []
    assert missing(lane([], symbol="POL"), [listing(-1, OLD)]) == [["POL", "binance", 0, 24]]
    assert missing(rows, [listing(-1, BTC, delisted=BTC_OF_OKX)]) == []


def test_a_coin_that_is_not_listed_yet_lacks_nothing_and_after_its_first_row_what_is_missing() -> None:
    # Listed in the day at 7 o'clock, and without row at 9.
    rows = pd.concat([lane(list(range(-24, 24)), "binance"), lane([7, 8, *range(10, 24)], symbol="ETH")])
    before, after = listing(-1, BTC), listing(0, BTC, NEW)
    assert missing(rows, [before]) == [["ETH", "binance", 9, 1]]
    assert missing(rows, [before, after]) == [["ETH", "binance", 9, 1]]


def test_a_market_that_ends_in_the_day_lacks_only_what_lies_before_its_last_row() -> None:
    rows = pd.concat([lane(list(range(-24, 24)), "binance"), lane([-1, 0, 1, 3, 4], symbol="ETH")])
    before, after = listing(-1, BTC, NEW), listing(0, BTC, delisted=NEW)
    assert missing(rows, [before, after]) == [["ETH", "binance", 2, 1]]
    # While the day goes on nobody knows that it has ended.
    assert missing(rows, [before]) == [["ETH", "binance", 2, 20]]


def test_a_market_that_no_listing_speaks_of_is_waited_for_for_a_day() -> None:
    rows = pd.concat([lane([-30, -2], "bybit"), lane(list(range(-24, 24)), "binance")])
    days = [listing(-1, BTC)]
    assert missing(rows, days) == [["BTC", "bybit", 0, 23]]
    assert missing(rows, []) == missing(rows, days)


def test_a_jump_is_told_where_one_market_makes_it_alone() -> None:
    hours = [-1, 0, 1]
    calm = [lane(hours, venue, close=[100.0, 101.0, 90.0]) for venue in ("binance", "okx")]
    wild = lane(hours, "gate", close=[100.0, 105.0, 93.5])
    found = lone_jumps(pd.concat([*calm, wild]), START, START + 2 * HOUR)
    # All fell by a tenth in hour 1: no jump of one alone.
    assert found[["hour", "venue"]].to_numpy().tolist() == [[pd.Timestamp(START), "gate"]]
    assert found[["change_pct", "others_pct"]].round(9).to_numpy().tolist() == [[5.0, 1.0]]
    assert lone_jumps(pd.concat([calm[0], wild]), START, START + 2 * HOUR).empty
    assert lone_jumps(MARKET_CANDLES.empty(), START, START + HOUR).empty


def test_open_interest_is_stale_when_it_is_old_or_gone() -> None:
    def row(hour: int, venue: str, age_minutes: int | None) -> dict[str, object]:
        end = START + (hour + 1) * HOUR
        told = None if age_minutes is None else end - timedelta(minutes=age_minutes)
        base = None if age_minutes is None else 1.0
        return {"hour": START + hour * HOUR, "symbol": "BTC", "venue": venue, "instrument": "x",
                "open_interest_base": base, "open_interest_time": told}  # fmt: skip

    rows = DERIVATIVES_METRICS.conform(
        [
            *(row(n, "fresh", 60) for n in range(-1, 3)),
            *(row(n, "old", age) for n, age in ((-1, 5), (0, 121), (1, 181), (2, 5))),
            *(row(n, "gone", age) for n, age in ((-1, 5), (0, None), (1, None), (2, None))),
            *(row(n, "never", None) for n in range(-1, 3)),
        ]
    )
    found = stale_feeds(rows, START, START + 3 * HOUR)
    assert found[["venue", "stale"]].to_numpy().tolist() == [["gone", 3], ["old", 2]]
    assert found["hour"].tolist() == [START] * 2
    assert found["oldest_hours"].iloc[1] == 181 / 60
    assert pd.isna(found["oldest_hours"].iloc[0])
    assert stale_feeds(DERIVATIVES_METRICS.empty(), START, START + HOUR).empty


def test_prices_are_apart_where_a_snapshots_flags_say_so() -> None:
    flags = ["", "one_venue,outlier_venue", "prices_disagree", "short_history"]
    rows = pd.DataFrame(
        {
            "hour": pd.Series([START + n * HOUR for n in range(4)]).astype(TIME),
            "symbol": "BTC",
            "price_spread_bps": [1.0, 400.0, 500.0, 1.0],
            "outlier_venues": ["", "okx:spot", "", ""],
            "quality_flags": pd.array(flags, dtype="str"),
        }
    )
    assert prices_apart(rows)["price_spread_bps"].tolist() == [400.0, 500.0]
    assert prices_apart(EXCHANGE_SNAPSHOTS.empty()).empty
