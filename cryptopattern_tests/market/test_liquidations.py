"""What was closed by force, from Gate, OKX and CoinGlass: in dollars, and no hour that a feed can't tell wholly."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cryptopattern_pipelines.market import limits
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.market.transport import Patience
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS
from cryptopattern_tests.replay import CoinglassReplies, GateReplies, OkxReplies, Server, as_json, serving
from cryptopattern_tests.replay.server import Route

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 1, 9, tzinfo=UTC)
CONTRACTS = [
    {"name": "BTC_USDT", "quanto_multiplier": "0.0001", "create_time": 1600000000.25},
    {"name": "PEPE_USDT", "quanto_multiplier": "10000000", "create_time": 1600000000.25},
    {"name": "NEW_USDT", "quanto_multiplier": "1", "create_time": START.timestamp() + 60},
]
SWAP = {"instId": "BTC-USDT-SWAP", "state": "live", "listTime": "1", "ctType": "linear", "settleCcy": "USDT",
        "ctVal": "0.01", "ctMult": "1"}  # fmt: skip


def gate_order(
    minute: float, contract: str = "BTC_USDT", size: int = 10, price: str = "100", **more: Any
) -> dict[str, Any]:
    at = int(START.timestamp() + 60 * minute)
    return {"time": at, "contract": contract, "size": size, "order_size": -size, "fill_price": price, "left": 0, **more}


def okx_order(minute: float, side: str, contracts: str, price: str = "100") -> dict[str, str]:
    at = str(int((START.timestamp() + 60 * minute) * 1000))
    position = "long" if side == "sell" else "short"
    return {"side": side, "posSide": position, "bkPx": price, "sz": contracts, "ts": at, "bkLoss": "0", "ccy": ""}


def asked(
    server: Server, *coins: str, hours: int = 1, key: str = "", venues: tuple[str, ...] = ("gate", "okx", "coinglass")
) -> tuple[pd.DataFrame, list[str]]:
    """The rows by hour, symbol and venue, and the problems."""
    limits.forget()
    source = LiveSource(
        binance_spot_url=server.url,
        binance_usdm_url=server.url,
        okx_url=server.url,
        gate_url=server.url,
        coinglass_url=server.url,
        coinglass_key=key,
        venues=venues,
        patience=Patience(timeout=0.5, attempts=2, pause=0.002),
        wall=lambda: START + hours * HOUR + timedelta(minutes=7),
    )
    rows = source.realised_liquidations(coins, START, START + hours * HOUR)
    REALISED_LIQUIDATIONS.pandera.validate(rows)
    return rows.set_index(["hour", "symbol", "venue"]), [str(problem) for problem in source.problems]


def of_gate(orders: list[dict[str, Any]], *coins: str, hours: int = 1, **more: Any) -> tuple[pd.DataFrame, list[str]]:
    with serving(GateReplies(orders, CONTRACTS, **more)) as server:
        return asked(server, *coins, hours=hours, venues=("gate",))


def of_okx(orders: list[dict[str, str]], hours: int = 1) -> tuple[pd.DataFrame, list[str]]:
    with serving(OkxReplies(instruments={"SWAP": [SWAP]}, liquidations={"BTC-USDT": orders})) as server:
        return asked(server, "BTC", hours=hours, venues=("okx",))


def test_gates_contracts_become_dollars_by_side() -> None:
    orders = [
        gate_order(1, size=600, left=-100, price="50000"),
        gate_order(2, size=-20, price="40000"),
        gate_order(3, "PEPE_USDT", size=3, price="0.00001"),
    ]
    rows, problems = of_gate(orders, "BTC", "PEPE")
    # 600 contracts of 0.0001 BTC, of which 100 weren't filled.
    assert rows.loc[(START, "BTC", "gate"), ["long_liquidated_usd", "short_liquidated_usd"]].tolist() == [2500.0, 80.0]
    assert rows.loc[(START, "PEPE", "gate"), "long_liquidated_usd"] == pytest.approx(300.0)
    assert set(rows["completeness"]) == {"complete"}
    assert set(rows["span_hours"]) == {1}
    assert problems == []


def test_gates_partial_liquidation_counts_the_order_and_not_the_position() -> None:
    rows, _ = of_gate([gate_order(1, size=1000, order_size=-10)], "BTC")
    assert rows["long_liquidated_usd"].tolist() == [10 * 0.0001 * 100]


def test_an_hour_in_which_others_were_closed_is_nought_and_one_of_silence_is_missing() -> None:
    rows, problems = of_gate([gate_order(1, "PEPE_USDT")], "BTC", hours=2)
    assert rows.index.tolist() == [(pd.Timestamp(START), "BTC", "gate")]
    assert rows[["long_liquidated_usd", "short_liquidated_usd"]].to_numpy().tolist() == [[0.0, 0.0]]
    [problem] = problems
    assert "no liquidations in 1 rows" in problem
    assert "2024-03-01 10:00" in problem


def test_a_contract_that_is_listed_within_the_hour_has_no_row_of_it() -> None:
    rows, _ = of_gate([gate_order(1), gate_order(61)], "NEW", hours=2)
    assert [hour for hour, *_ in rows.index] == [START + HOUR]


@pytest.mark.parametrize("most", [1000, 100])
def test_an_hour_of_more_orders_than_an_answer_holds_comes_whole(most: int) -> None:
    orders = [gate_order(n / 100, size=n + 1) for n in range(3000)]
    rows, problems = of_gate(orders, "BTC", most=most)
    assert rows["long_liquidated_usd"].tolist() == [pytest.approx(3000 * 3001 / 2 * 0.0001 * 100)]
    assert problems == []


def test_a_second_of_more_orders_than_an_answer_holds_is_told() -> None:
    rows, problems = of_gate([gate_order(1, size=n + 1) for n in range(2000)], "BTC")
    assert rows.empty
    assert "more orders in the second" in problems[0]


def test_orders_at_an_hours_edge_are_its_own() -> None:
    rows, _ = of_gate([gate_order(0), gate_order(60, size=7), gate_order(59.99, size=-1)], "BTC", hours=2)
    assert rows["long_liquidated_usd"].tolist() == pytest.approx([0.1, 0.07])
    assert rows["short_liquidated_usd"].tolist() == [0.01, 0.0]


def test_alike_orders_count_each_and_a_whole_answer_told_twice_once() -> None:
    alike = [gate_order(1), gate_order(1), gate_order(2), gate_order(3)]
    rows, _ = of_gate(alike, "BTC")
    assert rows["long_liquidated_usd"].tolist() == [pytest.approx(4 * 0.1)]
    rows, _ = of_gate([*alike[1:], *alike[1:]], "BTC")
    assert rows["long_liquidated_usd"].tolist() == [pytest.approx(3 * 0.1)]


def test_okx_contracts_become_dollars_by_side() -> None:
    orders = [okx_order(-5, "sell", "1"), okx_order(10, "sell", "300", "50000"), okx_order(20, "buy", "7", "60000")]
    rows, problems = of_okx(orders)
    told = rows.loc[(START, "BTC", "okx")]
    assert told[["long_liquidated_usd", "short_liquidated_usd"]].tolist() == [150_000.0, 4_200.0]
    assert told["completeness"] == "sampled"
    assert problems == []


def test_okx_hours_before_its_oldest_order_are_missing_and_told() -> None:
    rows, problems = of_okx([okx_order(30, "sell", "1"), okx_order(150, "buy", "1")], hours=3)
    assert [hour for hour, *_ in rows.index] == [START + HOUR, START + 2 * HOUR]
    # Nothing was closed in the second hour, and the feed reaches beyond it.
    assert rows["long_liquidated_usd"].tolist() == [0.0, 0.0]
    assert "okx perpetual BTC-USDT-SWAP: no liquidations in 1 rows" in problems[0]


def test_okx_without_any_order_is_missing_and_never_nought() -> None:
    rows, problems = of_okx([])
    assert rows.empty
    assert "its feed shows no order from before them" in problems[0]


def test_okx_pages_are_joined_where_orders_share_a_moment() -> None:
    orders = [okx_order(-5, "sell", "1"), *(okx_order(n // 3 / 10, "buy", str(n + 1)) for n in range(250))]
    rows, _ = of_okx(orders)
    assert rows["short_liquidated_usd"].tolist() == [pytest.approx(250 * 251 / 2 * 0.01 * 100)]


def test_coinglass_is_asked_with_the_key_and_told_as_all_venues() -> None:
    told = {"time": int(START.timestamp() * 1000), "aggregated_long_liquidation_usd": 5916885.14234,
            "aggregated_short_liquidation_usd": "12969583.87632"}  # fmt: skip
    with serving(CoinglassReplies({"BTC": [told]})) as server:
        rows, problems = asked(server, "BTC", "ETH", key="secret", venues=("coinglass",))
        [query] = [
            each for each in server.asked_for("/api/futures/liquidation/aggregated-history") if each["symbol"] == "BTC"
        ]
    assert query["exchange_list"] == "Binance,Bybit,OKX"
    assert rows.loc[(START, "BTC", "all"), ["long_liquidated_usd", "short_liquidated_usd"]].tolist() == [
        5916885.14234,
        12969583.87632,
    ]
    assert "ETH: no liquidations in 1 rows" in problems[0]
    assert not any("secret" in problem for problem in problems)


def test_a_bad_key_is_said_clearly_and_others_go_on() -> None:
    def refusing(path: str, query: dict[str, str]) -> Any:
        return as_json({"code": "401", "msg": "API key missing."}) if path.startswith("/api/futures/liq") else None

    routes: tuple[Route, ...] = (refusing, GateReplies([gate_order(1)], CONTRACTS))
    with serving(*routes) as server:
        rows, problems = asked(server, "BTC", key="bad", venues=("gate", "coinglass"))
    assert rows.index.get_level_values("venue").tolist() == ["gate"]
    assert "set COINGLASS_API_KEY" in problems[0]


def test_without_a_key_coinglass_is_not_asked_and_no_problem() -> None:
    with serving(GateReplies([gate_order(1)], CONTRACTS)) as server:
        _, problems = asked(server, "BTC", venues=("gate", "coinglass"))
        assert not any("futures/liquidation" in path for path, _ in server.asked)
    assert problems == []


def test_dead_feeds_cost_their_rows_and_are_told() -> None:
    with serving() as server:
        rows, problems = asked(server, "BTC", key="key")
    assert rows.empty
    assert {problem.split()[0] for problem in problems} == {"gate", "okx", "all"}
