"""A market of generated rows, the same for every venue's way of telling it: candles, funding, statistics, liquidations.

What belongs here: rows as venues give them, from a coin, an hour and nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from cryptopattern_tests.replay.server import Route
from cryptopattern_tests.replay.venues import BinanceReplies, CoinglassReplies, GateReplies, OkxReplies

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

_FIVE = ("openInterestHist", "globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio",
         "takerlongshortRatio")  # fmt: skip
_RUBIK = ("contracts/open-interest-history", "contracts/long-short-account-ratio-contract",
          "contracts/long-short-account-ratio-contract-top-trader",
          "contracts/long-short-position-ratio-contract-top-trader", "taker-volume-contract")  # fmt: skip


@dataclass(frozen=True)
class World:
    """These coins on every venue, for so many hours from a start on and a day before them.

    `page` is how many candles one answer holds at most, where that is less than the venue's own limit.
    """

    coins: tuple[str, ...]
    start: datetime = datetime(2024, 3, 1, 9, tzinfo=UTC)
    hours: int = 3
    page: int = 100_000

    @property
    def end(self) -> datetime:
        """When the last hour is over."""
        return self.start + self.hours * HOUR

    @property
    def now(self) -> pd.Timestamp:
        """When a run asks: seven minutes past the end."""
        return pd.Timestamp(self.end + 7 * MINUTE)

    def routes(self) -> tuple[Route, ...]:
        """Every venue."""
        return self.binance(), self.okx(), self.gate(), self.coinglass()

    def binance(self) -> BinanceReplies:
        """Spot and USD-M."""
        names = {coin: f"{coin}USDT" for coin in self.coins}
        listed = [{"symbol": name, "status": "TRADING", "onboardDate": 1} for name in names.values()]
        return BinanceReplies(
            klines={
                (path, name, "1h"): [
                    [ms(hour), *_prices(coin, hour), "5", ms(hour + HOUR) - 1, "50", 7, "2", "20", "0"]
                    for hour in self._hours()
                ]
                for coin, name in names.items()
                for path in ("/api/v3/klines", "/fapi/v1/klines")
            },
            funding={
                name: [
                    {"symbol": name, "fundingTime": ms(at), "fundingRate": f"0.000{1 + _of(coin)}", "markPrice": "10"}
                    for at in self._settlements()
                ]
                for coin, name in names.items()
            },
            statistics={
                (f"/futures/data/{kind}", name, "5m"): [_statistic(kind, coin, at) for at in self._fives()]
                for coin, name in names.items()
                for kind in _FIVE
            },
            listings={"/api/v3/exchangeInfo": listed, "/fapi/v1/exchangeInfo": listed},
            most={"/api/v3/klines": min(1000, self.page), "/fapi/v1/klines": min(1500, self.page)},
        )

    def okx(self) -> OkxReplies:
        """Spot and swaps."""
        names = [(coin, f"{coin}-USDT{end}") for coin in self.coins for end in ("", "-SWAP")]
        swaps = [(coin, name) for coin, name in names if name.endswith("-SWAP")]
        listing = {"state": "live", "listTime": "1", "ctType": "linear", "settleCcy": "USDT", "ctVal": "0.1"}
        return OkxReplies(
            most=self.page,
            candles={
                name: [
                    [str(ms(hour)), *_prices(coin, hour), "500", "5", "50", "1"]
                    for hour in self._hours()
                ]
                for coin, name in names
            },
            funding={
                name: [
                    {"instId": name, "instType": "SWAP", "fundingTime": str(ms(at)), "realizedRate": "0.0002",
                     "fundingRate": "0.0003"}
                    for at in self._settlements()
                ]
                for _, name in swaps
            },
            statistics={
                (f"/api/v5/rubik/stat/{kind}", name): [
                    [str(ms(at)), str(40 + _of(coin)), str(4 + _of(coin)), "400"][: 2 if "ratio" in kind else 4]
                    for at in self._fives()
                ]
                for coin, name in swaps
                for kind in _RUBIK
            },
            instruments={
                kind: [{**listing, "instId": name, "ctMult": "1"} for _, name in names if name.endswith("P") is swap]
                for kind, swap in (("SPOT", False), ("SWAP", True))
            },
            liquidations={
                f"{coin}-USDT": [
                    {"bkLoss": "0", "bkPx": str(10 + _of(coin)), "ccy": "", "posSide": side, "side": order,
                     "sz": str(3 + _of(coin)), "ts": str(ms(at) + 1)}
                    for at in self._moments()
                    for side, order in (("long", "sell"), ("short", "buy"))
                ]
                for coin in self.coins
            },
        )  # fmt: skip

    def gate(self) -> GateReplies:
        """Forced orders of USDT perpetuals."""
        return GateReplies(
            orders=[
                {"time": int(at.timestamp()), "contract": f"{coin}_USDT", "size": 5 * sign, "order_size": -5 * sign,
                 "order_price": "9", "fill_price": str(10 + _of(coin)), "left": -sign}
                for at in self._moments()
                for coin in self.coins
                for sign in (1, -1)
            ],
            contracts=[
                {"name": f"{coin}_USDT", "quanto_multiplier": "0.1", "create_time": 1600000000.5} for coin in self.coins
            ],
        )  # fmt: skip

    def coinglass(self) -> CoinglassReplies:
        """Sums over venues."""
        return CoinglassReplies(
            {
                coin: [
                    {"time": ms(hour), "aggregated_long_liquidation_usd": 100.5 + _of(coin),
                     "aggregated_short_liquidation_usd": 20.25}
                    for hour in self._hours()
                ]
                for coin in self.coins
            }
        )  # fmt: skip

    def _hours(self) -> list[datetime]:
        return [self.start + n * HOUR for n in range(-24, self.hours + 1)]

    def _fives(self) -> list[datetime]:
        return [self.start - 6 * HOUR + n * 5 * MINUTE for n in range((self.hours + 6) * 12 + 2)]

    def _moments(self) -> list[datetime]:
        return [self.start - 2 * HOUR + n * 17 * MINUTE for n in range((self.hours + 2) * 60 // 17 + 1)]

    def _settlements(self) -> list[datetime]:
        midnight = self.start.replace(hour=0)
        return [midnight + n * 8 * HOUR for n in range(-9, self.hours // 8 + 4) if midnight + n * 8 * HOUR <= self.end]


def ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def _of(coin: str) -> int:
    """A small number of a coin's own."""
    return sum(coin.encode()) % 7


def _prices(coin: str, hour: datetime) -> list[str]:
    base = 10 + _of(coin) + hour.hour / 100
    return [f"{base:.2f}", f"{base + 2:.2f}", f"{base - 2:.2f}", f"{base + 1:.2f}"]


def _statistic(kind: str, coin: str, at: datetime) -> dict[str, Any]:
    value = f"{1 + _of(coin) / 10 + at.minute / 1000:.4f}"
    named = {"symbol": f"{coin}USDT", "timestamp": ms(at)}
    if kind == "openInterestHist":
        return {**named, "sumOpenInterest": value, "sumOpenInterestValue": f"{10 * float(value):.3f}"}
    if kind == "takerlongshortRatio":
        return {"timestamp": ms(at), "buySellRatio": value, "buyVol": "2", "sellVol": "1"}
    return {**named, "longShortRatio": value, "longAccount": "0.6", "shortAccount": "0.4"}
