"""What venues' documentation allows, and what it doesn't: right rows, or none and the reason told."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cryptopattern_pipelines.market.live import VENUES, LiveSource
from cryptopattern_pipelines.storage.schemas import TableSchema
from cryptopattern_tests.replay import matrix
from cryptopattern_tests.replay.server import Fault, Query, Reply, Server, as_json, serving
from cryptopattern_tests.replay.venues import BinanceReplies, GateReplies, OkxReplies
from cryptopattern_tests.replay.world import World

WORLD = World(("BTC",), hours=1)
PATHS = [path for paths in matrix.VENUES.values() for path in paths]
# Of those that decide of rows by what they hold, not by what their numbers are.
LISTS = ("/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo", "/api/futures/liquidation/exchange-list")
SERIES = [path for path in PATHS if path not in (*LISTS, "/api/v5/public/instruments")]
TIMES = ("time", "timestamp", "fundingTime", "ts")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(*WORLD.routes()) as running:
        running.now = WORLD.now
        yield running


def outcome(
    server: Server,
    told: dict[str, Fault],
    venues: tuple[str, ...] = VENUES,
    tables: tuple[TableSchema, ...] = matrix.TABLES,
) -> tuple[int, int, int, list[str]]:
    """Rows that are missing, missing and not told, wrong; and what is told, with these faults at these paths."""
    server.lasting.update(told)
    try:
        frames, problems = matrix.run(tables, WORLD, venues, server, matrix.QUICK)
    finally:
        server.lasting.clear()
    whole = {table.name: matrix.whole_market(WORLD, venues)[table.name] for table in tables}
    rows = {table.name: matrix.by_key(frames[table.name], table) for table in tables}
    missing = matrix.missing_rows(whole, rows)
    untold = [row for row in missing if not matrix.is_told(row, problems)]
    return len(missing), len(untold), matrix.wrong_rows(whole, rows, problems), [str(problem) for problem in problems]


def of_values(change: Callable[[Any, Any], Any]) -> Fault:
    """Each leaf of an answer's rows, by its name or place."""

    def walk(name: Any, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [walk(place, each) for place, each in enumerate(value)]
        return change(name, value)

    def fault(reply: Reply, query: Query, ask: Callable[[Query], Reply]) -> Reply:
        content = json.loads(reply.body)
        if isinstance(content, list):
            return as_json(walk(None, content))
        return as_json({**content, **{key: walk(None, content[key]) for key in ("data", "symbols") if key in content}})

    return fault


def exponent(name: Any, value: Any) -> Any:
    """`0.0002` as `2e-04`, where a text is a number with a point."""
    return (
        f"{float(value):.12E}"
        if isinstance(value, str) and value.replace(".", "", 1).isdigit() and "." in value
        else value
    )


def zipped(reply: Reply, query: Query, ask: Callable[[Query], Reply]) -> Reply:
    return replace(reply, body=gzip.compress(reply.body), headers={"Content-Encoding": "gzip"})


def with_mark(reply: Reply, query: Query, ask: Callable[[Query], Reply]) -> Reply:
    return replace(reply, body=b"\xef\xbb\xbf" + reply.body)


@pytest.mark.parametrize("form", [of_values(exponent), zipped, with_mark], ids=["exponents", "gzip", "byte order mark"])
def test_the_same_told_in_another_form_is_the_same(server: Server, form: Fault) -> None:
    assert outcome(server, dict.fromkeys(PATHS, form)) == (0, 0, 0, [])


def scaled(factor: float) -> Callable[[Any, Any], Any]:
    def change(name: Any, value: Any) -> Any:
        if name in TIMES or (name == 0 and str(value).isdigit() and len(str(value)) == 13):
            return type(value)(int(int(value) * factor))
        return value

    return change


def number_as(odd: Any) -> Callable[[Any, Any], Any]:
    """Each text that is a number, but for times, as this."""

    def change(name: Any, value: Any) -> Any:
        number = isinstance(value, str) and value.replace(".", "", 1).removeprefix("-").isdigit() and len(value) < 13
        return odd if number or isinstance(value, float) else value

    return change


NOT_SO: dict[str, Fault] = {
    "times in another unit": of_values(scaled(1e-3)),
    "times in microseconds": of_values(scaled(1e3)),
    "infinite numbers": of_values(number_as("Infinity")),
    "numbers that are none": of_values(number_as("NaN")),
    "numbers of Python's": of_values(number_as("1_000")),
    "lists for numbers": of_values(number_as([1])),
}


@pytest.mark.parametrize("path", SERIES)
def test_what_no_documentation_allows_makes_no_row(server: Server, path: str) -> None:
    venue = next(venue for venue, paths in matrix.VENUES.items() if path in paths).split()[0]
    for name, fault in NOT_SO.items():
        missing, untold, wrong, told = outcome(server, {path: fault}, (venue,), matrix.tables_from(path))
        assert (untold, wrong) == (0, 0), (name, missing, told)


ENVELOPES: dict[str, Reply] = {
    "OKX": as_json({"code": "51000", "msg": "Parameter error", "data": []}),
    "OKX, as a number": as_json({"code": 50000, "msg": "Body empty", "data": []}),
    "CoinGlass": as_json({"code": "40001", "msg": "API key missing."}),
    "CoinGlass, without data": as_json({"code": "0", "msg": "success", "data": None}),
    "Gate": as_json({"label": "INVALID_PARAM_VALUE", "message": "Invalid contract"}),
    "Gate, by status": as_json({"label": "CONTRACT_NOT_FOUND", "message": ""}, 400),
    "Binance": as_json({"code": -1000, "msg": "An unknown error occurred."}, 400),
    "Binance, not yet trading": as_json({"code": -1122, "msg": "Invalid symbol status."}, 400),
    "text": Reply(b'"down for maintenance"'),
    "a page": Reply(b"<html>down for maintenance</html>"),
    "nothing": Reply(b""),
    "too deep": Reply(b"[" * 100_000),
    "a number without end": Reply(b"1" * 5000),
}


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_an_error_in_any_venues_form_is_told(server: Server, envelope: Reply) -> None:
    missing, untold, wrong, told = outcome(server, dict.fromkeys(PATHS, lambda reply, query, ask: envelope))
    assert (untold, wrong) == (0, 0)
    assert missing == sum(map(len, matrix.whole_market(WORLD, VENUES).values()))
    assert told


def test_an_unknown_symbol_is_neither_a_row_nor_a_problem(server: Server) -> None:
    def unknown(reply: Reply, query: Query, ask: Callable[[Query], Reply]) -> Reply:
        if "symbol" in query:
            return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        if "instId" in query:
            return as_json({"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        return reply

    told: dict[str, Fault] = dict.fromkeys(PATHS, unknown)
    # Liquidations are told by family, and so stay.
    assert outcome(server, told, ("binance", "okx")) == (6, 6, 0, [])


@pytest.mark.parametrize("date", ["nonsense", "Fri, 01 Mar 2024 10:07:00 -0000", ""])
def test_a_date_of_another_form_is_no_crash(server: Server, date: str) -> None:
    dated: Fault = lambda reply, query, ask: replace(reply, headers={"Date": date})  # noqa: E731
    assert outcome(server, dict.fromkeys(PATHS, dated)) == (0, 0, 0, [])


@pytest.mark.parametrize("after", ["soon", "1.5", "²", "Fri, 01 Mar 2024 10:07:00 -0000"])
def test_a_wait_of_another_form_is_an_ordinary_pause(server: Server, after: str) -> None:
    busy = Reply(b"{}", 429, headers={"Retry-After": after.encode().decode("latin-1")})
    for path in PATHS:
        server.faults[path].append(busy)
    assert outcome(server, {}) == (0, 0, 0, [])


# Beside what trades in USDT: coin-margined and dated contracts, other quotes, what is gone, and what is yet to come.
OTHERS = {
    "BTCUSD_PERP": "TRADING",
    "BTCUSDT_240329": "TRADING",
    "ETHBTC": "TRADING",
    "SRMUSDT": "SETTLING",
    "RAYUSDT": "CLOSE",
    "SCUSDT": "PENDING_TRADING",
    "BTTUSDT": "BREAK",
    "1000PEPEUSDT": "TRADING",
    "1000000MOGUSDT": "TRADING",
    "币安人生USDT": "TRADING",
    "A B-USDT": "TRADING",
    "USDT": "TRADING",
}
OTHERS_OF_OKX = {
    "BTC-USD-SWAP": ("live", "inverse", "BTC", "100"),
    "BTC-USDT-240329": ("live", "linear", "USDT", "0.01"),
    "BTC-USDC-SWAP": ("live", "linear", "USDC", "0.0001"),
    "ETH-BTC": ("live", "", "", ""),
    "LUNA-USDT-SWAP": ("suspend", "linear", "USDT", "1"),
    "OLD-USDT-SWAP": ("expired", "linear", "USDT", ""),
    "NEW-USDT-SWAP": ("preopen", "linear", "USDT", ""),
    "PEPE-USDT-SWAP": ("live", "linear", "USDT", "10000000"),
}


def binance_with_others() -> BinanceReplies:
    binance = WORLD.binance()
    more: list[dict[str, Any]] = [
        {"symbol": name, "status": status, "onboardDate": 1, "contractType": "", "deliveryDate": 4133404800000}
        for name, status in OTHERS.items()
    ]
    binance.listings = {path: [*more, *listed] for path, listed in binance.listings.items()}
    return binance


def okx_with_others() -> OkxReplies:
    okx = WORLD.okx()
    more = [
        {"instId": name, "state": state, "ctType": kind, "settleCcy": settled, "ctVal": size,
         "ctMult": "1" if size else "", "listTime": "", "expTime": "1711699200000"}
        for name, (state, kind, settled, size) in OTHERS_OF_OKX.items()
    ]  # fmt: skip
    okx.instruments = {kind: [*more, *listed] for kind, listed in okx.instruments.items()}
    okx.candles = {
        # The hour that goes on, and one that isn't finished for want of trades, are told as such.
        name: [[*row[:8], "0"] if int(row[0]) >= WORLD.end.timestamp() * 1000 else row for row in rows]
        for name, rows in okx.candles.items()
    }
    return okx


def gate_with_others() -> GateReplies:
    gate = WORLD.gate()
    more = [
        {"name": name, "quanto_multiplier": "0", "create_time": 0, "in_delisting": True}
        for name in ("BTC_USD", "BTC_USDT_20240329", "ZZZ_USDT", "BTC_USDC")
    ]
    gate.contracts = [*more, *gate.contracts]
    order = {**gate.orders[0], "contract": "GONE_USDT"}
    gate.orders = [order, *gate.orders]
    return gate


def test_what_else_is_listed_changes_nothing() -> None:
    with serving(binance_with_others(), okx_with_others(), gate_with_others(), WORLD.coinglass()) as server:
        server.now = WORLD.now
        assert outcome(server, {}) == (0, 0, 0, [])


def test_a_listing_holds_what_trades_in_dollar_coins_alone() -> None:
    with serving(binance_with_others(), okx_with_others()) as server:
        server.now = WORLD.now
        source = LiveSource(
            binance_spot_url=server.url,
            binance_usdm_url=server.url,
            okx_url=server.url,
            wall=WORLD.now.to_pydatetime,
            patience=matrix.QUICK,
        )
        listed = source.listing(WORLD.end).instruments
    names = {place: set(rows["instrument"]) for place, rows in listed.groupby(["venue", "market"])}
    usdt = {"BTCUSDT", "1000PEPEUSDT", "1000000MOGUSDT", "币安人生USDT"}
    assert names[("binance", "spot")] == names[("binance", "perpetual")] == usdt
    assert names[("okx", "spot")] == {"BTC-USDT"}
    assert names[("okx", "perpetual")] == {"BTC-USDT-SWAP", "PEPE-USDT-SWAP"}
