"""The real clients against a local server that answers as the venues do, from recorded and generated rows."""

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd
import pytest

from cryptopattern_pipelines.market import binance
from cryptopattern_pipelines.market.answers import Form, frame_of
from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.live import TICKERS, LiveSource, NoVenueError
from cryptopattern_pipelines.market.transport import Answer, Patience
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, MARKET_CANDLES
from cryptopattern_tests.replay import BinanceReplies, OkxReplies, Reply, Server, as_json, faults, serving
from cryptopattern_tests.replay.limits import okx_limits
from cryptopattern_tests.replay.server import Fault
from cryptopattern_tests.replay.world import World

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
SPOT, USDM = "/api/v3/klines", "/fapi/v1/klines"
RECENT, HISTORY = "/api/v5/market/candles", "/api/v5/market/history-candles"
QUICK = Patience(timeout=0.5, attempts=4, pause=0.005)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def binance_klines(count: int) -> list[list[Any]]:
    return [
        [ms(START + n * HOUR), "10.5", "13", "9", str(10 + n / 1000), "5", ms(START + (n + 1) * HOUR) - 1, "50",
         7, "2", "20", "0"]
        for n in range(count)
    ]  # fmt: skip


def okx_candles(count: int) -> list[list[str]]:
    return [
        [str(ms(START + n * HOUR)), "10.5", "13", "9", str(10 + n / 1000), "500", "5", "50", "1"] for n in range(count)
    ]


def replies(count: int) -> tuple[BinanceReplies, OkxReplies]:
    """Both venues with BTC on both their markets, so many hours from START on."""
    klines, candles = binance_klines(count), okx_candles(count)
    return (
        BinanceReplies(klines={(path, "BTCUSDT", "1h"): klines for path in (SPOT, USDM)}),
        OkxReplies(candles={"BTC-USDT": candles, "BTC-USDT-SWAP": candles}),
    )


def live(
    server: Server, patience: Patience = QUICK, *, binance: str | None = None, okx: str | None = None
) -> LiveSource:
    """The real source, with every venue at this server but those that are given another address."""
    return LiveSource(
        binance_spot_url=binance or server.url,
        binance_usdm_url=binance or server.url,
        okx_url=okx or server.url,
        patience=patience,
        seed=1,
    )


@pytest.fixture
def venues() -> Iterator[Server]:
    with serving(*replies(12)) as server:
        yield server


@pytest.fixture
def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture(scope="module")
def cassettes(shared: Path) -> Path:
    return shared / "market" / "cassettes"


def test_recorded_binance_klines_become_the_right_rows(cassettes: Path) -> None:
    recorded = BinanceReplies.recorded(cassettes / "gocryptotrader_binance_public_http.json")
    start = datetime(2020, 4, 30, 21, tzinfo=UTC)
    with serving(recorded, OkxReplies()) as server:
        source = live(server)
        rows = source.candles(["BTC"], start, start + 6 * HOUR)
    MARKET_CANDLES.pandera.validate(rows)
    assert rows[["symbol", "venue", "market", "instrument"]].drop_duplicates().to_numpy().tolist() == [
        ["BTC", "binance", "spot", "BTCUSDT"]
    ]
    assert rows["hour"].tolist() == [start + n * HOUR for n in range(6)]
    first = rows.iloc[0]
    assert first[["open", "high", "low", "close"]].tolist() == [8819.15, 8849.8, 8734.5, 8761.92]
    assert first[["volume_base", "volume_usd"]].tolist() == [3089.560545, 27174569.16633405]
    assert first[["trades", "taker_buy_volume_base"]].tolist() == [34467, 1553.361498]
    # The recording has no USD-M hours and no OKX at all: markets that don't list a coin are no problem.
    assert source.problems == []


def test_recorded_binance_derivatives_become_the_right_rows(cassettes: Path) -> None:
    recorded = BinanceReplies.recorded(cassettes / "gocryptotrader_binance_public_http.json")
    start = datetime(2020, 10, 18, 2, tzinfo=UTC)
    with serving(recorded, OkxReplies()) as server:
        rows = live(server).derivatives_metrics(["BTC"], start, start + HOUR)
        settled = live(server).derivatives_metrics(
            ["BTC"], datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
        )
    DERIVATIVES_METRICS.pandera.validate(rows)
    [row] = rows.to_dict("records")
    assert (row["open_interest_base"], row["open_interest_usd"]) == (36316.877, 413220015.26744573)
    assert row["open_interest_time"] == start + timedelta(minutes=50)

    def recorded_at(name: str, minute: int) -> float:
        answers = recorded.statistics[f"/futures/data/{name}", "BTCUSDT", "5m"]
        at = ms(start + timedelta(minutes=minute))
        [ratio] = {each["longShortRatio"] for each in answers if each["timestamp"] == at}
        return float(ratio)

    # The ratio of 03:00 is recorded too, but was not yet published at the hour's end.
    assert row["long_short_account_ratio"] == recorded_at("globalLongShortAccountRatio", 55)
    assert row["top_account_ratio"] == recorded_at("topLongShortAccountRatio", 50)
    assert row["top_position_ratio"] == recorded_at("topLongShortPositionRatio", 50)
    assert recorded_at("globalLongShortAccountRatio", 60) != recorded_at("globalLongShortAccountRatio", 55)
    assert (row["funding_rate"], row["funding_interval_hours"]) == (0.0001, 8)
    assert settled["funding_rate"].tolist()[:10] == [-0.00012359] * 8 + [-0.00012383] * 2
    assert settled["funding_interval_hours"].tolist() == [8] * 24


def test_recorded_okx_answers_become_the_right_rows(cassettes: Path) -> None:
    recorded = json.loads((cassettes / "okx_http_get_candlesticks_full.json").read_text())["data"]
    funding = json.loads((cassettes / "okx_http_get_funding_rate_history.json").read_text())["data"]
    begin = datetime(2024, 1, 1, 3, tzinfo=UTC)
    # The recording is of minutes; only its times are moved, onto hours.
    candles = [[str(ms(begin + (1 - n) * HOUR)), *row[1:]] for n, row in enumerate(recorded)]
    with serving(
        OkxReplies(candles={"BTC-USDT-SWAP": candles}, funding={"BTC-USDT-SWAP": funding}), BinanceReplies()
    ) as server:
        rows = live(server).candles(["BTC"], begin, begin + 2 * HOUR)
        metrics = live(server).derivatives_metrics(["BTC"], begin, begin + HOUR)
    MARKET_CANDLES.pandera.validate(rows)
    # 1040.37 contracts of 0.01 BTC.
    latest = rows.iloc[1]
    assert latest[["venue", "market", "instrument"]].tolist() == ["okx", "perpetual", "BTC-USDT-SWAP"]
    assert latest[["close", "volume_base", "volume_usd"]].tolist() == [102820.4, 10.4037, 1069603.34883]
    assert rows.iloc[0][["open", "low", "volume_base"]].tolist() == [102806.0, 102783.1, 71.6404]
    assert pd.isna(latest["trades"])
    [row] = metrics.to_dict("records")
    assert (row["funding_rate"], row["funding_interval_hours"]) == (0.00015, 8)
    assert row["funding_time"] == datetime(2024, 1, 1, tzinfo=UTC)


def test_okx_spot_volume_is_base_first_and_quote_second() -> None:
    spot = [[str(ms(START)), "10", "12", "9", "11", "500", "5200", "5200", "1"]]
    with serving(BinanceReplies(), OkxReplies(candles={"BTC-USDT": spot})) as server:
        [row] = live(server).candles(["BTC"], START, START + HOUR).to_dict("records")
    assert (row["volume_base"], row["volume_usd"]) == (500.0, 5200.0)


def test_tickers_of_all_markets_are_in_coins_and_dollars(cassettes: Path) -> None:
    recorded = BinanceReplies.recorded(cassettes / "gocryptotrader_binance_public_http.json")
    usdm = recorded.tickers["/fapi/v1/ticker/24hr"]
    usdm.append({**usdm[0], "symbol": "1000PEPEUSDT", "lastPrice": "0.02", "volume": "30", "quoteVolume": "0.6"})
    one = {"last": "20", "high24h": "22", "low24h": "18", "ts": "1597026383085"}
    okx = OkxReplies(
        tickers={
            "SPOT": [{**one, "instId": "BTC-USDT", "vol24h": "3", "volCcy24h": "61"}],
            "SWAP": [
                {**one, "instId": "BTC-USDT-SWAP", "vol24h": "700", "volCcy24h": "7"},
                {**one, "instId": "BTC-USD-SWAP", "vol24h": "700", "volCcy24h": "7"},
            ],
        }
    )
    with serving(recorded, okx) as server:
        rows = live(server).tickers()
        some = live(server).tickers(["pepe"])
    assert list(rows.columns) == TICKERS
    by_name = rows.set_index(["venue", "instrument"])
    assert by_name.loc[("binance", "BTCUSDT"), "volume_24h_usd"] == 10941924833.36
    assert by_name.loc[("okx", "BTC-USDT"), ["volume_24h_base", "volume_24h_usd"]].tolist() == [3.0, 61.0]
    assert by_name.loc[("okx", "BTC-USDT-SWAP"), ["volume_24h_base", "volume_24h_usd"]].tolist() == [7.0, 140.0]
    assert ("okx", "BTC-USD-SWAP") not in by_name.index
    assert not rows["instrument"].str.contains("ETHBTC").any()
    assert some[["symbol", "last_price", "volume_24h_base", "volume_24h_usd"]].to_numpy().tolist() == [
        ["PEPE", 0.00002, 30_000.0, 0.6]
    ]


def test_long_ranges_come_whole_page_by_page() -> None:
    count = 2_300
    with serving(*replies(count)) as server:
        source = live(server)
        rows = source.candles(["BTC"], START, START + count * HOUR)
        assert {int(query["limit"]) for query in server.asked_for(SPOT)} == {1000, 300}
        assert max(int(query["limit"]) for query in server.asked_for(USDM)) < 500
        assert server.asked_for(HISTORY)
    MARKET_CANDLES.pandera.validate(rows)
    assert rows.groupby(["venue", "market"]).size().to_dict() == {
        (venue, market): count for venue in ("binance", "okx") for market in ("perpetual", "spot")
    }
    assert rows.drop_duplicates(["hour", "close"])["hour"].is_unique
    assert source.problems == []


def test_one_hour_costs_one_question_a_market(venues: Server) -> None:
    assert len(live(venues).candles(["BTC"], START, START + HOUR)) == 4
    assert len(venues.asked) == 4


def test_a_candle_that_still_forms_is_left_out(venues: Server) -> None:
    venues.now = pd.Timestamp(START + 2 * HOUR + timedelta(minutes=59))
    rows = live(venues).candles(["BTC"], START, START + 4 * HOUR)
    assert rows[rows["venue"] == "binance"]["hour"].max() == START + HOUR
    forming = okx_candles(2)
    forming[1][8] = "0"
    with serving(BinanceReplies(), OkxReplies(candles={"BTC-USDT": forming})) as server:
        assert live(server).candles(["BTC"], START, START + 2 * HOUR)["hour"].tolist() == [START]


TOO_MANY = Reply(b"{}", 429, {"Retry-After": "0"})
FAULTS = {
    "5xx storm": [Reply(b"", 500), Reply(b"", 503), Reply(b"<html>", 502)],
    "429 with Retry-After": [TOO_MANY, TOO_MANY],
    "429 without": [Reply(b"{}", 429)],
    "time-out": [Reply(b"[]", wait=0.8)],
    "cut in the body": [Reply(b"[[1, 2], [3, 4]]", cut=True)],
    "truncated JSON": [Reply(b'[[1709251200000, "10.5"')],
    "no JSON": [Reply(b"<html>busy</html>")],
}


@pytest.mark.parametrize("path", [SPOT, RECENT])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_loses_no_row(venues: Server, path: str, fault: str) -> None:
    whole = live(venues).candles(["BTC"], START, START + 12 * HOUR)
    venues.faults[path] += FAULTS[fault]
    source = live(venues)
    pd.testing.assert_frame_equal(source.candles(["BTC"], START, START + 12 * HOUR), whole)
    assert source.problems == []
    assert len(whole) == 48


def test_an_empty_page_in_the_middle_loses_no_row(venues: Server) -> None:
    venues.faults[SPOT] += [as_json(binance_klines(5)), as_json([])]
    rows = live(venues).candles(["BTC"], START, START + 12 * HOUR)
    assert len(rows) == 48


@pytest.mark.parametrize("path", [SPOT, USDM, RECENT, HISTORY])
@pytest.mark.parametrize(
    "fault",
    [faults.empty, faults.duplicated, faults.out_of_order, faults.next_page, faults.page_before, faults.truncated],
)
def test_a_page_that_is_out_of_its_turn_loses_no_row_and_makes_none_wrong(path: str, fault: Fault) -> None:
    count = 1_900
    with serving(*replies(count)) as server:
        whole = live(server).candles(["BTC"], START, START + count * HOUR)
        pages = len(server.asked_for(path))
        server.faults[path] += [lambda reply, query, ask: reply, fault]
        source = live(server)
        pd.testing.assert_frame_equal(source.candles(["BTC"], START, START + count * HOUR), whole)
    assert pages > 1
    assert len(whole) == 4 * count
    assert source.problems == []


def test_okx_says_in_the_body_that_it_is_busy(venues: Server) -> None:
    venues.faults[RECENT] += [as_json({"code": "50011", "msg": "Too Many Requests", "data": []})] * 2
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + 12 * HOUR)) == 48
    assert source.problems == []


def test_retry_after_is_honoured(venues: Server) -> None:
    venues.faults[SPOT] += [Reply(b"{}", 429, {"Retry-After": "1"})]
    begin = pd.Timestamp.now()
    assert len(live(venues).candles(["BTC"], START, START + HOUR)) == 4
    assert pd.Timestamp.now() - begin >= pd.Timedelta("1s")


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "refuses this address"), (418, "has banned this address"), (451, "is not available from this country")],
)
def test_a_refusal_is_said_clearly_and_the_venue_left_alone(venues: Server, status: int, words: str) -> None:
    venues.faults[SPOT] += [Reply(b"{}", status, {"Retry-After": "120"})] * 1000
    names = ["BTC", *(f"C{n}" for n in range(20))]
    source = live(venues)
    rows = source.candles(names, START, START + HOUR)
    assert len(rows) == 3
    [problem] = source.problems
    assert (problem.venue, problem.market) == ("binance", "spot")
    assert words in problem.reason
    assert set(problem.instrument.split(", ")) == {f"{name}USDT" for name in names}
    assert len(venues.asked_for(SPOT)) <= QUICK.at_once


def test_a_venue_that_asks_for_a_long_silence_is_left_alone(venues: Server) -> None:
    venues.faults[USDM] += [Reply(b"{}", 429, {"Retry-After": "3600"})]
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + HOUR)) == 3
    assert "left alone for 3600 s" in source.problems[0].reason


def test_a_dead_venue_costs_its_own_rows_alone(venues: Server, nobody: str) -> None:
    source = live(venues, okx=nobody)
    rows = source.candles(["BTC", "ETH"], START, START + HOUR)
    assert rows["venue"].tolist() == ["binance", "binance"]
    assert {problem.venue for problem in source.problems} == {"okx"}
    names = {name for problem in source.problems for name in problem.instrument.split(", ")}
    assert names == {"BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP"}


def test_when_no_venue_answers_that_is_an_error(venues: Server, nobody: str) -> None:
    source = live(venues, binance=nobody, okx=nobody)
    for ask in (source.candles, source.derivatives_metrics):
        with pytest.raises(NoVenueError, match=r"no venue answered \(.*binance.*okx.*\): check the network"):
            ask(["BTC"], START, START + HOUR)
    with pytest.raises(NoVenueError):
        source.tickers()


def test_a_coin_that_no_venue_has_is_no_problem(venues: Server) -> None:
    source = live(venues)
    rows = source.candles(["NOPE"], START, START + HOUR)
    assert rows.empty
    assert list(rows.columns) == MARKET_CANDLES.names
    assert source.problems == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([["1709251200000", "10"]], "without field 2"),
        ([[1709251200000, "ten", *"12345", "6", 7, "8", "9", "0"]], "no number"),
        ([[1709251200001, *"12345", 1, "6", 7, "8", "9", "0"]], "doesn't begin on the hour"),
        ({"code": -1120, "msg": "Invalid interval."}, "Invalid interval"),
        ("maintenance", "maintenance"),
    ],
)
def test_an_answer_of_another_form_is_told_and_others_go_on(venues: Server, answer: Any, words: str) -> None:
    venues.faults[SPOT] += [as_json(answer)]
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + HOUR)) == 3
    assert words in source.problems[0].reason
    assert "report it" in source.problems[0].reason


def test_an_okx_error_is_told(venues: Server) -> None:
    venues.faults[RECENT] += [as_json({"code": "50014", "msg": "Parameter instId can not be empty.", "data": []})]
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + HOUR)) == 3
    assert "50014" in source.problems[0].reason


def test_a_bundle_is_asked_for_by_its_name_and_counted_in_coins() -> None:
    binance = BinanceReplies(klines={(USDM, "1000PEPEUSDT", "1h"): binance_klines(1)})
    with serving(binance, OkxReplies()) as server:
        [row] = live(server).candles(["PEPE"], START, START + HOUR).to_dict("records")
    assert (row["symbol"], row["instrument"], row["open"], row["volume_base"]) == (
        "PEPE",
        "1000PEPEUSDT",
        0.0105,
        5000.0,
    )


def test_okx_open_interest_is_known_once_its_five_minutes_are_over() -> None:
    root = "/api/v5/rubik/stat"
    path = f"{root}/contracts/open-interest-history"
    labels = [START - timedelta(minutes=5) + n * timedelta(minutes=5) for n in range(400)]
    name, first, second = "BTC-USDT-SWAP", str(ms(START)), str(ms(START + HOUR))
    okx = OkxReplies(
        statistics={
            (path, name): [[str(ms(at)), "99", str(n), str(10 * n)] for n, at in enumerate(labels, 1)],
            (f"{root}/taker-volume-contract", name): [[first, "2", "3"], [second, "0", "3"]],
            (f"{root}/contracts/long-short-account-ratio-contract", name): [[first, "1.7"]],
        },
        funding={name: [{"fundingTime": first, "realizedRate": "", "fundingRate": "1"}]},
    )  # fmt: skip
    with serving(BinanceReplies(), okx) as server:
        rows = live(server).derivatives_metrics(["BTC"], START, START + 30 * HOUR)
    DERIVATIVES_METRICS.pandera.validate(rows)
    # Published by 01:00 is what was taken at 00:55, which bears 00:50.
    first = rows.iloc[0]
    assert first["open_interest_time"] == START + timedelta(minutes=55)
    assert (first["open_interest_base"], first["open_interest_usd"]) == (12.0, 120.0)
    assert (first["taker_volume_ratio"], first["long_short_account_ratio"]) == (1.5, 1.7)
    assert len(rows) == 30
    assert rows["funding_rate"].isna().all()


def test_an_okx_settlement_without_a_rate_does_not_lengthen_the_next_interval() -> None:
    times = [str(ms(START + 8 * n * HOUR)) for n in range(3)]
    rates = [
        {"fundingTime": time, "realizedRate": rate, "fundingRate": "1"}
        for time, rate in zip(times, ("0.0001", "", "0.0001"), strict=True)
    ]
    okx = OkxReplies(funding={"BTC-USDT-SWAP": rates})
    with serving(BinanceReplies(), okx) as server:
        rows = live(server).derivatives_metrics(["BTC"], START, START + 24 * HOUR).set_index("hour")
    assert rows["funding_interval_hours"].dropna().unique().tolist() == [8]
    assert rows.index[rows["funding_rate"].notna()].tolist() == [START + n * HOUR for n in (*range(8), *range(16, 24))]


def test_metrics_of_an_hour_that_goes_on_are_not_told() -> None:
    funding = {"BTCUSDT": [{"fundingTime": ms(START + 8 * n * HOUR), "fundingRate": "0.0001"} for n in range(-2, 2)]}
    with serving(BinanceReplies(funding=funding), OkxReplies()) as server:
        source = live(server)
        source._wall = lambda: START + 3 * HOUR - timedelta(minutes=20)
        rows = source.derivatives_metrics(["BTC"], START, START + 6 * HOUR)
        assert rows["hour"].tolist() == [START, START + HOUR]
        assert source.derivatives_metrics(["BTC"], START + 2 * HOUR, START + 3 * HOUR).empty


def test_open_interest_that_a_venue_no_longer_has_is_told() -> None:
    end = START + 40 * timedelta(days=1)
    statistics = {
        ("/futures/data/openInterestHist", "BTCUSDT", "5m"): [
            {"timestamp": ms(end - n * timedelta(minutes=5)), "sumOpenInterest": "5", "sumOpenInterestValue": "50"}
            for n in range(1000, 0, -1)
        ]
    }
    funding = {"BTCUSDT": [{"fundingTime": ms(START + 8 * n * HOUR), "fundingRate": "0.0001"} for n in range(120)]}
    with serving(BinanceReplies(funding=funding, statistics=statistics), OkxReplies()) as server:
        source = live(server)
        rows = source.derivatives_metrics(["BTC"], START, end)
    assert len(rows) == 960
    [problem] = source.problems
    assert (problem.venue, problem.instrument) == ("binance", "BTCUSDT")
    assert f"no open interest in {rows['open_interest_base'].isna().sum()} rows" in problem.reason


@pytest.mark.parametrize("kept", [30, 29.5])
def test_of_a_span_that_begins_before_what_is_kept_the_rest_is_had_and_the_part_before_told(kept: float) -> None:
    now = START + timedelta(days=60)
    path = "/futures/data/openInterestHist"
    told = [
        {"timestamp": ms(now - n * timedelta(minutes=5)), "sumOpenInterest": "5", "sumOpenInterestValue": "50"}
        for n in range(32 * 288, 0, -1)
    ]
    funding = {"BTCUSDT": [{"fundingTime": ms(START + 8 * n * HOUR), "fundingRate": "0.0001"} for n in range(180)]}

    class Forgetting(BinanceReplies):
        def __call__(self, path: str, query: dict[str, str]) -> Reply | None:
            if path.startswith("/futures/data/") and int(query["startTime"]) < ms(now - timedelta(days=kept)):
                return as_json({"code": -1130, "msg": "parameter 'startTime' is invalid."}, 400)
            return super().__call__(path, query)

    venue = Forgetting(funding=funding, statistics={(path, "BTCUSDT", "5m"): told}, days_kept=99)
    begin, end = now - timedelta(days=31), now - timedelta(days=28)
    with serving(venue, OkxReplies()) as server:
        server.now = pd.Timestamp(now)
        source = live(server)
        source._wall = lambda: now
        rows = source.derivatives_metrics(["BTC"], begin, end)
        questions = len(server.asked_for(path))
    there = rows[rows["open_interest_base"].notna()]
    assert len(rows) == 72
    # Up to the end of the first hour that ends within what is kept, or within the 29 days that surely are.
    first = now - timedelta(days=30 if kept == 30 else 29)
    assert there["hour"].min() == first
    assert len(there) == (end - first) / HOUR
    lacking = [problem for problem in source.problems if "no open interest" in problem.reason]
    assert [f"no open interest in {72 - len(there)} rows" in each.reason for each in lacking] == [True]
    assert questions <= 5


def test_live_and_archive_say_the_same(shared: Path) -> None:
    """Over the replay server, filled from the archive; a day's end and two funding settlements are in the hours."""
    archive = ArchiveSource(shared / "market" / "archive")
    start, end = datetime(2024, 8, 4, 12, tzinfo=UTC), datetime(2024, 8, 6, 12, tzinfo=UTC)
    candles = archive.candles(["BTC"], start, end)
    metrics = archive.derivatives_metrics(["BTC"], start, end)
    with serving(_as_binance(shared, candles), OkxReplies()) as server:
        source = live(server, Patience(attempts=2))
        pd.testing.assert_frame_equal(source.candles(["BTC"], start, end), candles)
        pd.testing.assert_frame_equal(source.derivatives_metrics(["BTC"], start, end), metrics)
    assert len(metrics) == len(candles) == 48


def _as_binance(shared: Path, candles: pd.DataFrame) -> BinanceReplies:
    """Binance with these candles, and with the funding and metrics that the archive has around them."""
    um = shared / "market" / "archive" / "data" / "futures" / "um"
    klines = [
        [ms(row.hour), *map(str, (row.open, row.high, row.low, row.close, row.volume_base)), 0, str(row.volume_usd),
         0, "0", "0", "0"]
        for row in candles.itertuples()
    ]  # fmt: skip
    settled = pd.read_csv(um / "monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-08.zip", dtype=str)
    days = [f"2024-08-{day:02}" for day in range(4, 7)]
    taken = pd.concat(
        pd.read_csv(um / f"daily/metrics/BTCUSDT/BTCUSDT-metrics-{day}.zip", dtype=str) for day in days
    ).fillna("")
    taken["timestamp"] = [ms(moment) for moment in pd.to_datetime(taken["create_time"], utc=True)]
    fields = {
        "openInterestHist": {"sum_open_interest": "sumOpenInterest", "sum_open_interest_value": "sumOpenInterestValue"},
        "globalLongShortAccountRatio": {"count_long_short_ratio": "longShortRatio"},
        "topLongShortAccountRatio": {"count_toptrader_long_short_ratio": "longShortRatio"},
        "topLongShortPositionRatio": {"sum_toptrader_long_short_ratio": "longShortRatio"},
        "takerlongshortRatio": {"sum_taker_long_short_vol_ratio": "buySellRatio"},
    }
    return BinanceReplies(
        klines={(USDM, "BTCUSDT", "1h"): klines},
        funding={
            "BTCUSDT": [
                {"fundingTime": int(row.calc_time), "fundingRate": row.last_funding_rate}
                for row in settled.itertuples()
            ]
        },
        statistics={
            (f"/futures/data/{name}", "BTCUSDT", "5m"): taken.rename(columns=names)[
                ["timestamp", *names.values()]
            ].to_dict("records")
            for name, names in fields.items()
        },
    )


def test_every_recorded_binance_answer_is_of_the_documented_form_and_becomes_its_numbers(cassettes: Path) -> None:
    routes = json.loads((cassettes / "gocryptotrader_binance_public_http.json").read_text())["routes"]
    forms: dict[str, tuple[Form, dict[Any, str]]] = {}
    forms |= dict.fromkeys((SPOT, USDM), (binance._KLINES_FORM, binance._KLINES_COLUMNS))
    forms |= dict.fromkeys(binance._TICKERS.values(), (binance._TICKERS_FORM, binance._TICKERS_COLUMNS))
    forms["/fapi/v1/fundingRate"] = (binance._FUNDING_FORM, binance._FUNDING_COLUMNS)
    for path, columns in binance._STATISTICS.items():
        forms[path] = (binance._STATISTICS_FORMS[path], {"timestamp": "time", **columns})
    read: dict[str, int] = {}
    for path, (form, columns) in forms.items():
        for recording in routes[path]["GET"]:
            query, content = dict(parse_qsl(recording["queryString"])), recording["data"]
            # Coin-M's statistics have the same paths, and `pair` for `symbol`: they aren't asked for.
            if "pair" in query:
                continue
            if isinstance(content, dict) and "code" not in content:
                content = [content]
            host = SimpleNamespace(name="binance", new_fields=set())
            rows = binance._rows(host, Answer(200, content, START), form, path)  # type: ignore[arg-type]
            if rows is None:
                assert content["code"] == -1121
                continue
            assert host.new_fields == set()
            # Recordings of minutes and days: an hour's column takes whole hours alone.
            named = {field: "time" if name == "hour" else name for field, name in columns.items()}
            frame = frame_of(rows, named, "binance")
            read[path] = read.get(path, 0) + len(frame)
            for field, name in named.items():
                wanted = [row[field] for row in rows]
                if name == "time":
                    assert [ms(moment) for moment in frame[name]] == wanted
                else:
                    assert frame[name].tolist() == [each if name == "instrument" else float(each) for each in wanted]
    assert set(read) == set(forms)
    assert min(read.values()) > 0


def test_recorded_listings_say_what_trades(cassettes: Path) -> None:
    recorded = json.loads((cassettes / "gocryptotrader_binance_public_http.json").read_text())["routes"]
    swaps = json.loads((cassettes / "okx_http_get_instruments_swap.json").read_text())["data"]

    def listings(path: str, query: dict[str, str]) -> Reply | None:
        return as_json(recorded[path]["GET"][0]["data"]) if path.endswith("/exchangeInfo") else None

    async def since() -> list[dict[str, pd.Timestamp]]:
        with serving(listings, OkxReplies(instruments={"SWAP": swaps})) as server:
            async with live(server)._venues() as venues:
                return [
                    await desk.venue.listed_since(desk.host, desk.market)
                    for desk in venues.desks
                    if (desk.venue.VENUE, desk.market) != ("okx", "spot")
                ]

    spot, usdm, okx_swaps = asyncio.run(since())
    assert "ETHBTC" in spot
    assert usdm["BTCUSDT"] == pd.Timestamp(1569398400000, unit="ms", tz="UTC")
    assert okx_swaps["BTC-USD-SWAP"] == pd.Timestamp(1535424203000, unit="ms", tz="UTC")


def test_many_symbols_funding_comes_in_few_questions_and_is_the_same() -> None:
    world = World(tuple(f"C{n}X" for n in range(21)), hours=1)
    with serving(*world.routes()) as server:
        server.now = world.now
        many = live(server).derivatives_metrics(world.coins, world.start, world.end)
        in_few = len(server.asked_for("/fapi/v1/fundingRate"))
        few = live(server).derivatives_metrics(world.coins[:2], world.start, world.end)
    assert in_few == 1
    assert len(many) == 42
    pd.testing.assert_frame_equal(many[many["symbol"].isin(world.coins[:2])].reset_index(drop=True), few)


def test_a_new_field_is_told_by_name_and_the_rows_are_whole(venues: Server) -> None:
    more = [[*row, "brand new"] for row in binance_klines(1)]
    venues.faults[SPOT] += [as_json(more)]
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + HOUR)) == 4
    [problem] = source.problems
    assert (problem.kind, problem.passing) == ("new field", False)
    assert "new field '12'" in problem.reason


def test_a_renamed_field_is_told_by_both_names_and_nothing_is_believed() -> None:
    funding = {"BTCUSDT": [{"symbol": "BTCUSDT", "fundingTime": ms(START), "rateOfFunding": "0.0001"}]}
    with serving(BinanceReplies(funding=funding), OkxReplies()) as server:
        source = live(server)
        assert source.derivatives_metrics(["BTC"], START, START + HOUR).empty
    [reason] = [problem.reason for problem in source.problems if problem.venue == "binance"]
    assert "without field 'fundingRate' (new there: 'rateOfFunding')" in reason


def test_a_number_as_text_is_told_and_not_believed(venues: Server) -> None:
    venues.faults[SPOT] += [as_json([[str(row[0]), *row[1:]] for row in binance_klines(1)])]
    source = live(venues)
    assert len(source.candles(["BTC"], START, START + HOUR)) == 3
    assert "field 0 as str, not int" in source.problems[0].reason


def test_an_answer_for_another_symbol_is_not_believed() -> None:
    funding = {"BTCUSDT": [{"symbol": "ETHUSDT", "fundingTime": ms(START), "fundingRate": "0.0001"}]}
    with serving(BinanceReplies(funding=funding), OkxReplies()) as server:
        source = live(server)
        assert source.derivatives_metrics(["BTC"], START, START + HOUR).empty
    assert "for another symbol than BTCUSDT" in source.problems[0].reason


def test_an_hour_that_a_trading_instrument_does_not_tell_is_a_problem_and_one_that_is_delisted_none() -> None:
    klines = {(path, name, "1h"): binance_klines(2) for path in (SPOT, USDM) for name in ("BTCUSDT", "OLDUSDT")}
    listed = [{"symbol": "BTCUSDT", "status": "TRADING"}, {"symbol": "OLDUSDT", "status": "BREAK"}]
    binance_ = BinanceReplies(klines=klines, listings={"/api/v3/exchangeInfo": listed, "/fapi/v1/exchangeInfo": listed})
    with serving(binance_, OkxReplies()) as server:
        source = live(server)
        source.candles(["BTC", "OLD"], START, START + 3 * HOUR)
    assert [(each.market, each.instrument) for each in source.problems] == [
        ("spot", "BTCUSDT"),
        ("perpetual", "BTCUSDT"),
    ]
    assert "no candle in 1 rows" in source.problems[0].reason


def test_two_clocks_must_agree_that_a_candle_is_closed(venues: Server) -> None:
    source = live(venues)
    source._wall = lambda: START + 2 * HOUR - timedelta(seconds=1)
    assert set(source.candles(["BTC"], START, START + 2 * HOUR)["hour"]) == {START}


def test_a_burst_stays_within_the_limits_of_a_venue_that_keeps_them() -> None:
    world = World(tuple(f"C{n}X" for n in range(45)), hours=1)
    with serving(world.okx(), keepers=okx_limits()) as server:
        server.now = world.now
        source = LiveSource(okx_url=server.url, venues=("okx",), patience=QUICK, wall=world.now.to_pydatetime)
        rows = source.candles(world.coins, world.start, world.end)
        assert server.refused == 0
    assert len(rows) == 90
    assert source.problems == []
