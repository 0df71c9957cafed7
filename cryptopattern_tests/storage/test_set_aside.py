"""Broken rows of the tables from outside: which are set aside, what stops the write, and where they are kept."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.rows import MANY_BROKEN, InvalidRowsError, checked, sorted_out
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    QUARANTINED_MARKET_ROWS,
    REALISED_LIQUIDATIONS,
)
from cryptopattern_pipelines.storage.set_aside import rows_set_aside, set_aside

HOUR = timedelta(hours=1)
START = datetime(2024, 8, 5, 12, tzinfo=UTC)
END = START + 3 * HOUR


def candle(**changes: Any) -> dict[str, Any]:
    names = {"hour": START, "symbol": "BTC", "venue": "binance", "market": "spot", "instrument": "BTCUSDT"}
    figures = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume_base": 1.0, "volume_usd": 10.0}
    return {**names, **figures, **changes}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"high": 8.5}, "not low <= open, close <= high"),
        ({"low": 12.0}, "not low <= open, close <= high"),
        ({"close": 11.5}, "not low <= open, close <= high"),
        ({"low": 0.0}, "low 0.0 is not greater_than(0)"),
        ({"close": -10.0, "low": -11.0}, "close -10.0 is not greater_than(0)"),
        ({"volume_usd": -1.0}, "volume_usd -1.0 is not greater_than_or_equal_to(0)"),
        ({"open": None}, "open is missing"),
        ({"volume_base": float("inf")}, "volume_base is infinite"),
        ({"trades": -3}, "trades -3 is not greater_than(0)"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside_with_its_reason_and_the_others_stay(
    change: dict[str, Any], reason: str
) -> None:
    good, broken = sorted_out(MARKET_CANDLES, pd.DataFrame([candle(), candle(symbol="ETH", **change)]))
    assert good["symbol"].tolist() == ["BTC"]
    checked(MARKET_CANDLES, good, START, END)
    [row] = checked(QUARANTINED_MARKET_ROWS, broken, START, END).to_dict("records")
    assert reason in row["reason"].split("; ")
    assert (row["table_name"], row["number"], row["symbol"], row["venue"]) == ("market_candles", 1, "ETH", "binance")
    kept = json.loads(row["row_json"])
    assert list(kept) == MARKET_CANDLES.names
    name, value = next(iter(change.items()))
    assert kept[name] == ("inf" if value == float("inf") else value)


@pytest.mark.parametrize(
    ("schema", "row"),
    [
        (DERIVATIVES_METRICS, {"instrument": "x", "open_interest_base": -1.0}),
        (DERIVATIVES_METRICS, {"instrument": "x", "funding_rate": float("-inf")}),
        (
            REALISED_LIQUIDATIONS,
            {"span_hours": 1, "long_liquidated_usd": -1.0, "short_liquidated_usd": 0.0, "completeness": "complete"},
        ),
    ],
)
def test_the_other_tables_from_outside_set_theirs_aside_too(schema: Any, row: dict[str, Any]) -> None:
    good, broken = sorted_out(schema, pd.DataFrame([{"hour": START, "symbol": "BTC", "venue": "okx", **row}]))
    assert good.empty
    assert broken["table_name"].tolist() == [schema.name]


def test_of_rows_with_one_key_copies_count_once_and_those_that_differ_not_at_all() -> None:
    rows = [candle(), candle(), candle(symbol="ETH"), candle(symbol="ETH", close=10.5), candle(symbol="SOL")]
    good, broken = sorted_out(MARKET_CANDLES, pd.DataFrame(rows))
    assert good["symbol"].tolist() == ["BTC", "SOL"]
    assert broken[["number", "symbol", "reason"]].to_numpy().tolist() == [
        [1, "BTC", "a copy of another row"],
        [2, "ETH", "told differently by another row of its key"],
        [3, "ETH", "told differently by another row of its key"],
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"market": "swap"}, "column market breaks isin"),
        ({"symbol": None}, "column symbol breaks not_nullable"),
        ({"instrument": None}, "column instrument breaks not_nullable"),
        ({"close": "ten"}, "a column can't become its type"),
        ({"clsoe": 10.0}, "unknown columns"),
    ],
)
def test_what_is_our_own_fault_stops_the_write(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRowsError, match=words):
        sorted_out(MARKET_CANDLES, pd.DataFrame([candle(), candle(symbol="ETH", high=1.0) | change]))


def test_a_missing_column_stops_the_write() -> None:
    rows = pd.DataFrame([candle()]).drop(columns="close")
    with pytest.raises(InvalidRowsError, match=r"missing columns \['close'\]"):
        sorted_out(MARKET_CANDLES, rows)


def test_when_most_of_many_rows_are_broken_nothing_is_written() -> None:
    def rows(broken: int, good: int) -> pd.DataFrame:
        changes = [{"low": 0.0}] * broken + [{}] * good
        return pd.DataFrame([candle(symbol=f"C{n}", **change) for n, change in enumerate(changes)])

    told = r"24 of 47 rows of 2024-\S+ \S+ are broken, most of them.*low 0.0 is not greater_than"
    with pytest.raises(InvalidRowsError, match=told):
        sorted_out(MARKET_CANDLES, rows(MANY_BROKEN, MANY_BROKEN - 1))
    for broken, good in ((MANY_BROKEN, MANY_BROKEN), (MANY_BROKEN - 1, 0)):
        assert len(sorted_out(MARKET_CANDLES, rows(broken, good))[1]) == broken


def test_most_rows_broken_is_judged_by_the_hour_whatever_the_range() -> None:
    def hour(number: int, broken: int, good: int) -> list[dict[str, Any]]:
        at = {"hour": START + number * timedelta(hours=1)}
        return [candle(symbol=f"C{n}", **at, **({"low": 0.0} if n < broken else {})) for n in range(broken + good)]

    # Each alone, and a day of them: most rows of the day are broken, but there are few in each hour.
    few = [hour(number, 5, 1) for number in range(24)]
    assert all(len(sorted_out(MARKET_CANDLES, pd.DataFrame(rows))[1]) == 5 for rows in few)
    assert len(sorted_out(MARKET_CANDLES, pd.DataFrame([row for rows in few for row in rows]))[1]) == 120
    # One that fails alone fails among a day of good ones, too.
    lost = hour(30, MANY_BROKEN, 3)
    good = [row for number in range(24) for row in hour(number, 0, 40)]
    for rows in (lost, [*good, *lost]):
        with pytest.raises(InvalidRowsError, match="24 of 27 rows of"):
            sorted_out(MARKET_CANDLES, pd.DataFrame(rows))
    with pytest.raises(InvalidRowsError, match=r"\(and so of 1 more hours\)"):
        sorted_out(MARKET_CANDLES, pd.DataFrame([*hour(3, MANY_BROKEN, 3), *lost]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["BTC", "ETH", "SOL"]),
            st.sampled_from([10.0, 10.5, 0.0, -1.0, float("nan"), float("inf")]),
            st.sampled_from([11.0, 8.0]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_every_row_is_written_or_set_aside_whatever_their_order(
    rows: list[tuple[str, float, float]], chance: Any
) -> None:
    frame = MARKET_CANDLES.conform([candle(symbol=symbol, close=close, high=high) for symbol, close, high in rows])
    good, broken = sorted_out(MARKET_CANDLES, frame)
    assert len(good) + len(broken) == len(frame)
    checked(QUARANTINED_MARKET_ROWS, broken, START, END)
    shuffled = list(range(len(frame)))
    chance.shuffle(shuffled)
    again = sorted_out(MARKET_CANDLES, frame.iloc[shuffled].reset_index(drop=True))
    pd.testing.assert_frame_equal(
        checked(MARKET_CANDLES, good, START, END), checked(MARKET_CANDLES, again[0], START, END)
    )
    pd.testing.assert_frame_equal(broken, again[1])


def test_a_row_that_cannot_be_takes_no_other_of_its_key_with_it() -> None:
    good, broken = sorted_out(MARKET_CANDLES, pd.DataFrame([candle(low=0.0), candle(), candle(high=5.0)]))
    assert good["low"].tolist() == [9.0]
    assert len(broken) == 2
    assert not broken["reason"].str.contains("key").any()


def quarantined(hour: datetime, symbol: str) -> pd.DataFrame:
    return sorted_out(MARKET_CANDLES, pd.DataFrame([candle(hour=hour, symbol=symbol, low=0.0)]))[1]


def test_rows_set_aside_are_kept_by_table_and_replaced_by_the_hours_next_run(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    set_aside(store, MARKET_CANDLES, QUARANTINED_MARKET_ROWS.empty(), START, END)
    assert list(tmp_path.rglob("*.parquet")) == [], "hours without broken rows need no file"
    set_aside(store, MARKET_CANDLES, quarantined(START, "BTC"), START, END)
    metrics = pd.DataFrame([{"hour": START + HOUR, "symbol": "ETH", "venue": "okx", "instrument": "x"}])
    set_aside(store, DERIVATIVES_METRICS, sorted_out(DERIVATIVES_METRICS, metrics.assign(open_interest_usd=-1.0))[1],
              START, END)  # fmt: skip
    assert rows_set_aside(store, START, END)["table_name"].tolist() == ["market_candles", "derivatives_metrics"]
    # Another hour's run leaves this one be; its own replaces it.
    set_aside(store, MARKET_CANDLES, quarantined(START + HOUR, "SOL"), START + HOUR, START + 2 * HOUR)
    assert rows_set_aside(store, START, END)["symbol"].tolist() == ["BTC", "SOL", "ETH"]
    set_aside(store, MARKET_CANDLES, QUARANTINED_MARKET_ROWS.empty(), START, START + HOUR)
    assert rows_set_aside(store, START, END)["symbol"].tolist() == ["SOL", "ETH"]
