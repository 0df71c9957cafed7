"""Each fault of written rows, by rows that have it and rows that don't."""

from datetime import UTC, datetime, timedelta

import pandas as pd

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
