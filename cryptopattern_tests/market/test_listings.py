"""Names that venues list, day by day, and who trades most: from listings and candles, knowing nothing later."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.market.archive import KLINES, ArchiveSource
from cryptopattern_pipelines.market.choice import Choice, choice_of
from cryptopattern_pipelines.market.listings import (
    Listing,
    by_day,
    instruments_of,
    most_traded,
    names_to_ask,
    symbol_rows,
)
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.market.source import SymbolError
from cryptopattern_pipelines.storage.schemas import SYMBOLS
from cryptopattern_tests.market.test_archive import UM, kline, put
from cryptopattern_tests.replay import as_json, serving

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2025, 3, 1, tzinfo=UTC)
NOTHING = Listing(instruments_of([]), START, START, START, frozenset())


def listing(
    *rows: tuple[str, str, datetime | None, datetime | None], days: int = 10, asked: timedelta = HOUR
) -> Listing:
    frame = instruments_of(("binance", market, name, since, until) for name, market, since, until in rows)
    end = START + days * DAY
    return Listing(frame, START, end, end + asked, frozenset({"binance:spot", "binance:perpetual"}))


def candles(*rows: tuple[int, str, str, str, float], venue: str = "binance") -> pd.DataFrame:
    """Hour, coin, market, instrument, USD."""
    frame = pd.DataFrame(rows, columns=["hour", "symbol", "market", "instrument", "volume_usd"])
    hours = pd.Series([START + hour * HOUR for hour in frame["hour"]], dtype="datetime64[us, UTC]")
    return by_day(frame.assign(hour=hours, venue=venue))


def rows_of(
    days: int, listed: Listing = NOTHING, traded: pd.DataFrame | None = None, first: int = 0, earlier: Any = None
) -> pd.DataFrame:
    rows = symbol_rows(
        START + first * DAY,
        START + days * DAY,
        SYMBOLS.empty() if earlier is None else earlier,
        listed,
        candles() if traded is None else traded,
    )
    SYMBOLS.pandera.validate(rows)
    return rows


def shown(rows: pd.DataFrame, *columns: str) -> list[list[Any]]:
    return rows.assign(day=(rows["day"] - pd.Timestamp(START)) // DAY)[["day", "symbol", *columns]].to_numpy().tolist()


def filled(frame: pd.DataFrame) -> list[list[Any]]:
    return frame.astype(object).where(frame.notna(), "").to_numpy().tolist()


def test_a_name_is_listed_while_it_trades_and_known_ever_after() -> None:
    listed = listing(
        ("BTCUSDT", "spot", START - DAY, None),
        ("BTCUSDT", "perpetual", START + DAY, None),
        ("OLDUSDT", "perpetual", START - DAY, START + DAY + 5 * HOUR),
        ("NEWUSDT", "spot", START + 2 * DAY + HOUR, None),
    )
    assert shown(rows_of(3, listed), "status", "markets") == [
        [0, "BTC", "listed", "binance:spot"],
        [0, "OLD", "listed", "binance:perpetual"],
        [1, "BTC", "listed", "binance:perpetual,binance:spot"],
        [1, "OLD", "delisted", "binance:perpetual"],
        [2, "BTC", "listed", "binance:perpetual,binance:spot"],
        [2, "NEW", "listed", "binance:spot"],
        [2, "OLD", "delisted", "binance:perpetual"],
    ]
    old = rows_of(3, listed).query("symbol == 'OLD'")
    assert set(old["first_seen"]) == {START - DAY}
    assert old["last_seen"].tolist() == [START + DAY, START + DAY + 5 * HOUR, START + DAY + 5 * HOUR]


def test_rows_do_not_depend_on_the_range_that_they_are_made_in() -> None:
    listed = listing(
        ("BTCUSDT", "spot", START - DAY, None),
        ("OLDUSDT", "spot", START, START + 2 * DAY),
        ("XUSDT", "spot", START + DAY, None),
    )
    traded = candles(
        (1, "BTC", "spot", "BTCUSDT", 5.0), (30, "BTC", "spot", "BTCUSDT", 7.0), (60, "X", "spot", "XUSDT", 1.0)
    )
    whole = rows_of(4, listed, traded)
    parts, earlier = [], SYMBOLS.empty()
    for day in range(4):
        earlier = rows_of(day + 1, listed, traded, first=day, earlier=earlier)
        parts.append(earlier)
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))


def test_nothing_from_after_a_day_moves_its_rows() -> None:
    then = START + 2 * DAY
    one = listing(("BTCUSDT", "spot", START, then + HOUR), ("XUSDT", "spot", then + HOUR, None))
    other = listing(("BTCUSDT", "spot", START, None), ("YUSDT", "perpetual", then, None))
    early = candles((1, "BTC", "spot", "BTCUSDT", 5.0))
    late = candles((1, "BTC", "spot", "BTCUSDT", 5.0), (49, "Z", "spot", "ZUSDT", 9.0))
    pd.testing.assert_frame_equal(rows_of(2, one, early), rows_of(3, other, late).query("day < @then"))


def test_without_a_listing_candles_tell_and_nobody_is_said_to_be_delisted() -> None:
    rows = rows_of(2, traded=candles((1, "BTC", "perpetual", "BTCUSDT", 5.0), (2, "BTC", "perpetual", "BTCUSDT", 6.0)))
    assert shown(rows, "status", "first_seen", "last_seen", "volume_24h_usd")[0] == [
        0, "BTC", "listed", START + HOUR, START + 3 * HOUR, 11.0
    ]  # fmt: skip
    assert rows["status"].tolist() == ["listed", "listed"]
    assert np.isnan(rows["volume_24h_usd"].tolist()[1])


def test_a_venue_that_does_not_answer_delists_nobody() -> None:
    before = rows_of(1, traded=candles((1, "BTC", "spot", "BTC-USDT", 5.0), venue="okx"))
    rows = rows_of(2, listing(("ETHUSDT", "spot", START, None)), first=1, earlier=before)
    assert shown(rows, "status") == [[1, "BTC", "listed"], [1, "ETH", "listed"]]


def test_a_spot_name_without_a_beginning_counts_when_asked_soon_or_known_before() -> None:
    late = listing(("BTCUSDT", "spot", None, None), days=1, asked=9 * HOUR)
    assert rows_of(1, late).empty
    assert shown(rows_of(1, listing(("BTCUSDT", "spot", None, None), days=1)), "first_seen") == [[0, "BTC", START]]
    earlier = rows_of(1, traded=candles((1, "BTC", "spot", "BTCUSDT", 5.0))).assign(day=pd.Timestamp(START - DAY))
    assert shown(rows_of(1, late, earlier=earlier), "status", "last_seen") == [[0, "BTC", "listed", START + DAY]]


def test_bundles_and_renames() -> None:
    turn = datetime(2024, 9, 9, tzinfo=UTC)
    frame = instruments_of([("binance", "perpetual", name, turn - DAY, None) for name in ("MATICUSDT", "1000PEPEUSDT")])
    listed = Listing(frame, turn - DAY, turn + 9 * DAY, turn, frozenset({"binance:perpetual"}))
    rows = symbol_rows(turn, turn + 2 * DAY, SYMBOLS.empty(), listed, candles())
    assert rows[["symbol", "multiplier"]].to_numpy().tolist() == [["MATIC", 1], ["PEPE", 1000]] * 2
    assert rows["renamed_to"].fillna("").tolist() == ["", "", "POL", ""]
    assert names_to_ask(rows, ["POL", "PEPE"]) == {"POL", "MATIC", "PEPE", "1000PEPE"}


def test_the_most_traded_are_counted_by_coin_and_need_a_perpetual() -> None:
    rows = rows_of(
        1,
        traded=candles(
            (1, "ETH", "perpetual", "ETHUSDT", 5.0),
            (1, "BTC", "perpetual", "BTCUSDT", 5.0),
            (1, "POL", "perpetual", "POLUSDT", 3.0),
            (1, "POL", "spot", "MATICUSDT", 3.0),
            (1, "SPOTONLY", "spot", "SPOTONLYUSDT", 99.0),
            (1, "USDC", "perpetual", "USDCUSDT", 99.0),
        ),
    )
    assert most_traded(rows, 2) == ["POL", "BTC"]
    assert most_traded(rows, 9) == ["POL", "BTC", "ETH"]
    assert most_traded(rows.sample(frac=1, random_state=1), 9) == ["POL", "BTC", "ETH"]


def test_the_archive_lists_what_its_files_hold(tmp_path: Path) -> None:
    def hours(first: datetime, count: int) -> list[list[object]]:
        return [kline(first + n * HOUR) for n in range(count)]

    folder = f"{UM}/monthly/klines"
    put(tmp_path, f"{folder}/OLDUSDT/1h/OLDUSDT-1h-2025-01.zip", KLINES, hours(START - 40 * DAY, 30))
    put(tmp_path, f"{folder}/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip", KLINES, hours(START - 50 * DAY + 5 * HOUR, 24))
    put(tmp_path, f"{folder}/BTCUSDT/1h/BTCUSDT-1h-2025-02.zip", KLINES, hours(START - 28 * DAY, 28 * 24))
    put(tmp_path, f"{folder}/BTCUSDT_250328/1h/BTCUSDT_250328-1h-2025-02.zip", KLINES, hours(START - 28 * DAY, 1))
    daily = "data/spot/daily/klines/XUSDT/1h/XUSDT-1h"
    put(tmp_path, f"{daily}-2025-02-27.zip", KLINES, hours(START - 2 * DAY, 24))
    put(tmp_path, f"{daily}-2025-02-28.zip", KLINES, hours(START - DAY, 24))
    told = ArchiveSource(tmp_path).listing(START)
    assert filled(told.instruments) == [
        ["binance", "spot", "XUSDT", START - 2 * DAY, ""],
        ["binance", "perpetual", "BTCUSDT", START - 50 * DAY + 5 * HOUR, ""],
        ["binance", "perpetual", "OLDUSDT", START - 40 * DAY, START - 40 * DAY + 30 * HOUR],
    ]
    assert (told.start, told.end) == (START - 50 * DAY, START)
    assert told.markets == {"binance:spot", "binance:perpetual"}


def test_a_mirror_that_does_not_list_speaks_of_no_day(tmp_path: Path) -> None:
    with serving() as mirror:
        source = ArchiveSource(mirror.url, cache=tmp_path)
        told = source.listing(START)
    assert told.instruments.empty
    assert told.start == told.end
    assert "doesn't list its files: name coins in CRYPTOPATTERN_SYMBOLS" in str(source.problems[0])


def test_the_venues_listings_speak_of_the_day_that_ended_last() -> None:
    now = START + DAY + HOUR
    onboard = int((START - 9 * DAY).timestamp() * 1000)

    def binance(symbols: Iterable[dict[str, Any]]) -> Any:
        return as_json({"symbols": [{"status": "TRADING", "contractType": "PERPETUAL", **each} for each in symbols]})

    def route(path: str, query: dict[str, str]) -> Any:
        if path == "/api/v3/exchangeInfo":
            return binance([{"symbol": "BTCUSDT"}, {"symbol": "ETHBTC"}, {"symbol": "OUTUSDT", "status": "BREAK"}])
        if path == "/fapi/v1/exchangeInfo":
            return binance([{"symbol": "1000PEPEUSDT", "onboardDate": onboard}])
        return as_json({"code": "50011", "msg": "busy"}, 400)

    with serving(route) as venues:
        source = LiveSource(
            binance_spot_url=venues.url, binance_usdm_url=venues.url, okx_url="http://127.0.0.1:9", wall=lambda: now
        )
        told = source.listing(START + DAY)
    assert filled(told.instruments) == [
        ["binance", "spot", "BTCUSDT", "", ""],
        ["binance", "perpetual", "1000PEPEUSDT", START - 9 * DAY, ""],
    ]
    assert (told.start, told.end, told.asked) == (START, START + DAY, now)
    assert told.markets == {"binance:spot", "binance:perpetual"}
    assert {problem.venue for problem in source.problems} == {"okx"}


def test_a_choice_names_coins_and_may_ask_for_the_most_traded() -> None:
    assert choice_of(["btcusdt", "BTC", "MATIC", "top:50"]) == Choice(("BTC", "POL"), 50)
    assert tuple(choice_of(["top:100"])) == ("top:100",)
    assert choice_of(choice_of(["ETH", "top:5"])) == Choice(("ETH",), 5)
    for wrong in (["top:0"], ["top:many"], ["top:5", "top:6"], ["top:"]):
        with pytest.raises(SymbolError, match="give one as top:100"):
            choice_of(wrong)
