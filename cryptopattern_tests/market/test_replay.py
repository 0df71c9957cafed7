"""The replay server keeps venues' limits as they do: so much an interval, then 429, then a ban."""

from cryptopattern_tests.replay.limits import binance_limits, gate_limits, okx_limits
from cryptopattern_tests.replay.server import Keeper

KLINES = ("/fapi/v1/klines", {"symbol": "BTCUSDT", "limit": "1500"})


def statuses(keepers: tuple[Keeper, ...], path: str, query: dict[str, str], times: int, now: float) -> list[int]:
    told = []
    for _ in range(times):
        refusals = [keeper(path, query, now)[0] for keeper in keepers]
        told.append(next((refusal.status for refusal in refusals if refusal), 200))
    return told


def test_binance_counts_weight_by_the_minute_and_bans_who_goes_on() -> None:
    keepers = binance_limits()
    # 240 of weight 10.
    assert statuses(keepers, *KLINES, 247, now=0) == [200] * 240 + [429] * 6 + [418]
    assert statuses(keepers, *KLINES, 1, now=61) == [418]
    assert statuses(keepers, *KLINES, 1, now=181) == [200]


def test_binance_tells_the_used_weight() -> None:
    [told] = [headers for keeper in binance_limits() if (headers := keeper(*KLINES, 0.0)[1])]
    assert told == {"X-MBX-USED-WEIGHT-1M": "10"}


def test_okx_counts_by_address_or_by_instrument() -> None:
    keepers = okx_limits()
    assert statuses(keepers, "/api/v5/market/candles", {"instId": "A"}, 41, now=0)[-2:] == [200, 429]
    assert statuses(keepers, "/api/v5/market/candles", {"instId": "A"}, 1, now=2) == [200]
    ratio = "/api/v5/rubik/stat/taker-volume-contract"
    assert statuses(keepers, ratio, {"instId": "A"}, 6, now=0) == [200] * 5 + [429]
    assert statuses(keepers, ratio, {"instId": "B"}, 1, now=0) == [200]


def test_gate_counts_by_endpoint() -> None:
    keepers = gate_limits()
    assert statuses(keepers, "/api/v4/futures/usdt/liq_orders", {}, 201, now=0)[-2:] == [200, 429]
    assert statuses(keepers, "/api/v4/futures/usdt/contracts", {}, 1, now=0) == [200]
