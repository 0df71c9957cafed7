"""A user's own files become rows: which hour a row belongs to, units, and what is set aside and why."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.market.history import History, HistoryError, as_one, pieces, rows_of
from cryptopattern_pipelines.market.hourly import PUBLISHING_DELAY
from cryptopattern_pipelines.market.mapping import ColumnMapping, by_name, parse_mapping, read_mapping
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TableSchema,
)

HOUR = timedelta(hours=1)
START = datetime(2024, 8, 5, 13, tzinfo=UTC)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BYBIT = read_mapping("bybit-open-interest")


def taken(file: Path, mapping: ColumnMapping) -> History:
    found = [rows_of(piece.frame, mapping, first=FIRST, now=NOW) for piece in pieces(file, mapping.needs)]
    return as_one(found, mapping)


def of_frame(frame: pd.DataFrame, mapping: ColumnMapping) -> History:
    return as_one([rows_of(frame, mapping, first=FIRST, now=NOW)], mapping)


def shots(*rows: tuple[object, object, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["ts", "symbol", "oi_base"])


def reasons(history: History) -> dict[int, str]:
    return dict(zip(history.rejected["row"], history.rejected["reason"], strict=True))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".csv.gz"])
def test_a_file_of_each_kind_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    frame = shots((START, "BTCUSDT", 2.5), (START + HOUR, "1000PEPEUSDT", 3.0), (START, "ETHUSDT", None))
    file = tmp_path / f"mine{ending}"
    if ending == ".parquet":
        frame.to_parquet(file)
    else:
        text = frame.to_csv(index=False).encode()
        file.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    history = taken(file, BYBIT)
    DERIVATIVES_METRICS.pandera.validate(history.rows)
    shown = history.rows[["hour", "symbol", "venue", "instrument", "open_interest_base", "open_interest_time"]]
    assert shown.to_numpy().tolist() == [
        [START, "BTC", "bybit", "BTCUSDT", 2.5, START],
        [START + HOUR, "PEPE", "bybit", "1000PEPEUSDT", 3000.0, START + HOUR],
    ]
    assert reasons(history) == {3: "has no figure"}


@settings(deadline=None)
@given(st.integers(0, 60 * 24 - 1))
def test_a_snapshot_is_published_by_the_end_of_its_hour_and_not_by_the_one_before(minute: int) -> None:
    when = START + timedelta(minutes=minute)
    [hour] = of_frame(shots((when, "BTC", 1.0)), BYBIT).rows["hour"]
    assert hour < when + PUBLISHING_DELAY <= hour + HOUR


def test_of_several_snapshots_of_an_hour_each_columns_last_counts() -> None:
    mapping = read_mapping("binance-open-interest-ratios")
    frame = pd.DataFrame(
        {
            "ts": [START + timedelta(minutes=m) for m in (55, 5, 56)],
            "symbol": "BTC",
            "oi_base": [None, 1.0, 9.0],
            "oi_usd": [7.0, 6.0, 9.0],
        }
    )
    for name in ("top_lsr_accounts", "top_lsr_positions", "global_lsr_accounts", "taker_buy_sell_ratio"):
        frame[name] = None
    rows = of_frame(frame, mapping).rows
    assert rows[["hour", "open_interest_base", "open_interest_usd"]].to_numpy().tolist() == [
        [START, 1.0, 7.0],
        [START + HOUR, 9.0, 9.0],
    ]


def test_of_several_markets_of_a_coin_one_counts_in_each_hour() -> None:
    history = of_frame(
        shots(
            (START, "BTCUSDC", 1.0), (START + timedelta(minutes=5), "BTCUSDC", 2.0), (START, "BTCUSDT", 3.0),
            (START, "MATICUSDT", 4.0), (START, "POLUSDT", 5.0), (START + HOUR, "MATICUSDT", 6.0),
            (START + HOUR, "BTCUSDC", 7.0),
        ),
        BYBIT,
    )  # fmt: skip
    assert history.rows[["hour", "symbol", "open_interest_base"]].to_numpy().tolist() == [
        [START, "BTC", 3.0], [START, "POL", 5.0], [START + HOUR, "BTC", 7.0], [START + HOUR, "POL", 6.0],
    ]  # fmt: skip
    assert set(reasons(history).values()) == {"another market of the coin and hour counts"}
    assert len(history.rejected) == 3


def test_figures_of_a_day_stand_at_its_last_hour() -> None:
    day = START.replace(hour=0)
    frame = pd.DataFrame({"ts": [day, START], "symbol": "BTC", "liq_long_usd": 5.0, "liq_short_usd": 6.0})
    history = of_frame(frame, read_mapping("liquidations-daily"))
    REALISED_LIQUIDATIONS.pandera.validate(history.rows)
    assert history.rows[["hour", "venue", "span_hours"]].to_numpy().tolist() == [[day + 23 * HOUR, "all", 24]]
    assert list(reasons(history).values()) == ["ts is not on the day"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_may_be_counted_in_any_unit_or_written_out(unit: str) -> None:
    counted = pd.Series([START]).dt.as_unit(unit).astype("int64")
    written = pd.Series(["2024-08-05 13:00:00", "2024-08-05T15:00:00+02:00", "2024-08-05T13:00:00Z"])
    for times in (counted, counted.astype(str), written, written.astype("object"), pd.Series([START])):
        frame = pd.DataFrame({"ts": times, "symbol": "BTC", "oi_base": 1.0})
        assert set(of_frame(frame, BYBIT).rows["hour"]) == {START}


def test_candles_of_a_bundle_are_counted_in_coins_and_no_trades_are_not_known() -> None:
    frame = pd.DataFrame(
        {"hour": [START], "symbol": "1000PEPEUSDT", "venue": " Binance", "market": "perpetual", "open": 10.0,
         "high": 12.0, "low": 9.0, "close": 11.0, "volume_base": 5.0, "volume_usd": 50.0, "trades": 0,
         "taker_buy_volume_base": 0.0}
    )  # fmt: skip
    [row] = of_frame(frame, by_name(MARKET_CANDLES, frame.columns)).rows.to_dict("records")
    assert (row["symbol"], row["venue"], row["instrument"]) == ("PEPE", "binance", "1000PEPEUSDT")
    assert (row["open"], row["close"], row["volume_base"], row["volume_usd"]) == (0.01, 0.011, 5000.0, 50.0)
    assert pd.isna(row["trades"])
    assert pd.isna(row["taker_buy_volume_base"])


def test_a_scale_makes_the_tables_unit() -> None:
    mapping = parse_mapping(
        'table = "derivatives_metrics"\ntime = { column = "t", is = "hour_end" }\n[columns]\nfunding_rate = "percent"\n'
        '[constants]\nsymbol = "BTC"\nvenue = "okx"\n[scale]\nfunding_rate = 0.01\n',
        "mine",
    )
    [row] = of_frame(pd.DataFrame({"t": [START], "percent": [1.5]}), mapping).rows.to_dict("records")
    assert (row["hour"], row["funding_rate"]) == (START - HOUR, 0.015)


def test_every_bad_row_is_set_aside_with_its_reason_and_the_others_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "hour,symbol,venue,market,open,high,low,close,volume_base,volume_usd\n"
        "2024-08-05 13:00,BTC,binance,spot,10,12,9,11,5,50\n"  # 1
        "someday,BTC,binance,spot,10,12,9,11,5,50\n"
        "2024-08-05 13:30,BTC,binance,spot,10,12,9,11,5,50\n"
        "2019-08-05 13:00,BTC,binance,spot,10,12,9,11,5,50\n"
        "2030-08-05 13:00,BTC,binance,spot,10,12,9,11,5,50\n"  # 5
        "2024-08-05 13:00,ETH/BTC,binance,spot,10,12,9,11,5,50\n"
        "2024-08-05 13:00,,binance,spot,10,12,9,11,5,50\n"
        "2024-08-05 14:00,BTC,binance,spot,ten,12,9,11,5,50\n"
        "2024-08-05 14:00,BTC,binance,spot,10,12,9,,5,50\n"
        "2024-08-05 14:00,BTC,binance,spot,10\n"  # 10
        "2024-08-05 14:00,BTC,binance,swap,10,12,9,11,5,50\n"
        "2024-08-05 14:00,BTC,binance,spot,-10,12,9,11,5,50\n"
        "2024-08-05 14:00,BTC,binance,spot,10,12,11,11,5,50\n"
        "2024-08-05 15:00,BTC,binance,spot,10,12,9,11,5,50\n"
        "2024-08-05 15:00,BTC,binance,spot,10,12,9,11.5,5,50\n"  # 15
        "2024-08-05 13:00,btcusdt,binance,spot,10,12,9,11,5,50\n"
        "2024-08-05 13:00,BTC,binance,spot,10,12,9,11,5,50\n"
    )
    names = file.read_text().splitlines()[0].split(",")
    history = taken(file, by_name(MARKET_CANDLES, names).with_constants({"instrument": "x"}))
    assert history.rows[["hour", "symbol", "close"]].to_numpy().tolist() == [[START, "BTC", 11.0]]
    assert reasons(history) == {
        2: "hour is no time",
        3: "hour is not on the hour",
        4: "before 2020-01-01, the store's first hour",
        5: "of an hour that isn't over",
        6: "symbol names no coin in dollars",
        7: "symbol is empty",
        8: "open is no number",
        9: "close is empty",
        10: "has 5 fields, not 10",
        11: "market breaks isin(['spot', 'perpetual'])",
        12: "open breaks greater_than(0)",
        13: "breaks low <= open, close <= high",
        14: "rows of one key that differ",
        15: "rows of one key that differ",
    }
    assert history.rejected.set_index("row").loc[8, "open"] == "ten"


@pytest.mark.parametrize("table", [MARKET_CANDLES, DERIVATIVES_METRICS, REALISED_LIQUIDATIONS])
def test_a_file_without_rows_has_none(tmp_path: Path, table: TableSchema) -> None:
    file = tmp_path / "mine.parquet"
    table.empty().to_parquet(file)
    history = taken(file, by_name(table, table.names))
    assert history.rows.dtypes.equals(table.empty().dtypes)
    assert history.rejected.empty


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"no parquet")
    (tmp_path / "mine.txt").write_text("a")
    (tmp_path / "mine.csv").write_text("ts,symbol\n1,BTC\n")
    for name, told in (("parquet", "can't be read"), ("txt", "neither Parquet nor CSV"), ("csv", "no column oi_base")):
        with pytest.raises(HistoryError, match=rf"mine\.{name} .*{told}|mine\.{name} is {told}"):
            taken(tmp_path / f"mine.{name}", BYBIT)
