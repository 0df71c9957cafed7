"""How venues answer questions about rows that they have: ranges, limits of a page, order, errors.

What belongs here: one class a venue, made from rows as the venue gives them. The real clients run against them
unmodified, through their base addresses.
"""

import csv
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd

from cryptopattern_tests.replay.server import Query, Reply, as_json

_DAY_MS = 86_400_000


@dataclass
class BinanceReplies:
    """Binance as it answers from these rows, which are as it gives them.

    Args:
        klines: by path, symbol and interval.
        funding: by symbol.
        statistics: by path, symbol and period.
        tickers: by path.
        listings: of exchange information, by path.
        days_kept: of statistics, before the last row that there is; an older `startTime` is an error.
        most: rows of klines that one answer holds, by path.
    """

    klines: dict[tuple[str, str, str], list[list[Any]]] = field(default_factory=dict)
    funding: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statistics: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    tickers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    listings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    days_kept: int = 30
    most: dict[str, int] = field(default_factory=lambda: {"/api/v3/klines": 1000, "/fapi/v1/klines": 1500})

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path in ("/api/v3/klines", "/fapi/v1/klines"):
            rows = self.klines.get((path, query["symbol"], query["interval"]))
            return _ranged(rows, lambda row: row[0], query, 500, self.most[path])
        if path == "/fapi/v1/fundingRate":
            return self._funding(query)
        if path.startswith("/futures/data/"):
            return self._statistic(path, query)
        if path in ("/api/v3/ticker/24hr", "/fapi/v1/ticker/24hr"):
            return as_json(self.tickers.get(path, []))
        if path in self.listings:
            return as_json({"symbols": self.listings[path]})
        return None

    def _funding(self, query: Query) -> Reply:
        if "symbol" in query:
            return _ranged(self.funding.get(query["symbol"]), lambda row: row["fundingTime"], query, 100, 1000)
        everyone = [{**row, "symbol": name} for name, rows in self.funding.items() for row in rows]
        begin, end = int(query.get("startTime", 0)), int(query.get("endTime", 2**62))
        told = sorted((row for row in everyone if begin <= row["fundingTime"] <= end), key=_funding_order)
        return as_json(told[: int(query.get("limit", 100))])

    def _statistic(self, path: str, query: Query) -> Reply:
        told = self.statistics.get((path, query["symbol"], query["period"]), [])
        if told and int(query.get("startTime", 2**62)) < int(told[-1]["timestamp"]) - self.days_kept * _DAY_MS:
            return as_json({"code": -1130, "msg": "parameter 'startTime' is invalid."}, 400)
        return _ranged(told, lambda row: int(row["timestamp"]), query, 30, 500)

    @classmethod
    def archived(cls, root: Path, names: Iterable[str], months: Iterable[str]) -> "BinanceReplies":
        """The rows of an archive's files, of these instruments and months (`2025-01`), as the venue answers them.

        Args:
            root: the archive's folder, which holds `data/`.
            names: instruments, e.g. BTCUSDT.
            months: each file's rows are those of a month or of one of its days.
        """
        replies = cls()
        for name, month in itertools.product(names, months):
            for folder, path in (("spot", "/api/v3/klines"), ("futures/um", "/fapi/v1/klines")):
                for row in _archived(root, f"{folder}/monthly/klines/{name}/1h/{name}-1h-{month}"):
                    # Spot files count microseconds from 2025 on; the venue answers in milliseconds.
                    opened, closed = (int(row[place]) // (1000 if len(row[place]) > 13 else 1) for place in (0, 6))
                    candle = [opened, *row[1:6], closed, row[7], int(row[8]), *row[9:]]
                    replies.klines.setdefault((path, name, "1h"), []).append(candle)
            for row in _archived(root, f"futures/um/monthly/fundingRate/{name}/{name}-fundingRate-{month}"):
                told = {"symbol": name, "fundingTime": int(row[0]), "fundingRate": row[2]}
                replies.funding.setdefault(name, []).append(told)
            for row in _archived(root, f"futures/um/daily/metrics/{name}/{name}-metrics-{month}-*"):
                at = int(pd.Timestamp(row[0], tz="UTC").value // 1_000_000)
                for path, fields in _STATISTICS.items():
                    figures = {field: row[place] for field, place in fields.items()}
                    told = {"symbol": name, **figures, "timestamp": at}
                    replies.statistics.setdefault((f"/futures/data/{path}", name, "5m"), []).append(told)
        return replies

    @classmethod
    def recorded(cls, cassette: Path) -> "BinanceReplies":
        """The rows of gocryptotrader's recording: what was answered to any range is given for every range."""
        routes = json.loads(cassette.read_text())["routes"]
        replies = cls()
        for path, methods in routes.items():
            for recording in methods["GET"]:
                query, answered = dict(parse_qsl(recording["queryString"])), recording["data"]
                if not isinstance(answered, list) or ("symbol" not in query and "ticker" not in path):
                    continue
                if path.endswith("/klines"):
                    replies.klines.setdefault((path, query["symbol"], query["interval"]), []).extend(answered)
                elif path == "/fapi/v1/fundingRate":
                    replies.funding.setdefault(query["symbol"], []).extend(answered)
                elif path.startswith("/futures/data/"):
                    replies.statistics.setdefault((path, query["symbol"], query["period"]), []).extend(answered)
                elif path in ("/api/v3/ticker/24hr", "/fapi/v1/ticker/24hr") and not query:
                    replies.tickers[path] = answered
        return replies


# By the statistic's path: its answers' fields, and the place of each in a line of the archive's `metrics`.
_STATISTICS = {
    "openInterestHist": {"sumOpenInterest": 2, "sumOpenInterestValue": 3},
    "topLongShortAccountRatio": {"longShortRatio": 4},
    "topLongShortPositionRatio": {"longShortRatio": 5},
    "globalLongShortAccountRatio": {"longShortRatio": 6},
    "takerlongshortRatio": {"buySellRatio": 7},
}


def _archived(root: Path, pattern: str) -> Iterator[list[str]]:
    """The lines of an archive's files, their headers left out."""
    for place in sorted((root / "data").glob(f"{pattern}.zip")):
        with zipfile.ZipFile(place) as archive:
            lines = archive.read(archive.namelist()[0]).decode().splitlines()
        yield from (row for row in csv.reader(lines) if row[0][:1].isdigit())


def _funding_order(row: dict[str, Any]) -> tuple[int, str]:
    return row["fundingTime"], row["symbol"]


def _ranged(rows: list[Any] | None, time_of: Callable[[Any], int], query: Query, usual: int, most: int) -> Reply:
    """The earliest rows of a range whose ends are both included; an unknown symbol has none at all."""
    if rows is None:
        return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
    begin, end = int(query.get("startTime", 0)), int(query.get("endTime", 2**62))
    limit = min(int(query.get("limit", usual)), most)
    by_time = {time_of(row): row for row in rows if begin <= time_of(row) <= end}
    return as_json([by_time[moment] for moment in sorted(by_time)][:limit])


@dataclass
class OkxReplies:
    """OKX as it answers from these rows, which are as it gives them; lists come newest first.

    Args:
        candles: by instrument; `kept` of the newest are in `candles`, all but `fresh` of them in `history-candles`.
        funding: by instrument.
        statistics: by path and instrument.
        tickers: by instrument type.
        instruments: by instrument type.
        liquidations: by family, each order's details.
        most: candles that one answer holds, where that is less than the endpoint's own limit.
    """

    candles: dict[str, list[list[str]]] = field(default_factory=dict)
    funding: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    statistics: dict[tuple[str, str], list[list[str]]] = field(default_factory=dict)
    tickers: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    instruments: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    liquidations: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    kept: int = 1440
    fresh: int = 2
    most: int = 300

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path == "/api/v5/market/candles":
            rows = self.candles.get(query["instId"])
            return self._earlier(rows and _newest(rows, 0)[: self.kept], 0, query, "after", min(300, self.most))
        if path == "/api/v5/market/history-candles":
            rows = self.candles.get(query["instId"])
            return self._earlier(rows and _newest(rows, 0)[self.fresh :], 0, query, "after", min(100, self.most))
        if path == "/api/v5/public/funding-rate-history":
            return self._earlier(self.funding.get(query["instId"]), "fundingTime", query, "after", 100)
        if path.startswith("/api/v5/rubik/stat/"):
            return self._earlier(self.statistics.get((path, query["instId"]), []), 0, query, "end", 100)
        lists: dict[str, Callable[[], list[Any]]] = {
            "/api/v5/market/tickers": lambda: self.tickers.get(query["instType"], []),
            "/api/v5/public/instruments": lambda: self.instruments.get(query["instType"], []),
            "/api/v5/public/liquidation-orders": lambda: self._liquidations(query),
        }
        return as_json({"code": "0", "msg": "", "data": lists[path]()}) if path in lists else None

    def _liquidations(self, query: Query) -> list[dict[str, Any]]:
        family = query["instFamily"]
        end, limit = int(query.get("after", 2**62)), min(int(query.get("limit", 100)), 100)
        orders = [row for row in _newest(self.liquidations.get(family, []), "ts") if int(row["ts"]) < end][:limit]
        group = {"instFamily": family, "instId": f"{family}-SWAP", "instType": "SWAP", "totalLoss": "0", "uly": family}
        return [{**group, "details": orders}] if orders else []

    def _earlier(self, rows: list[Any] | None, key: int | str, query: Query, before: str, most: int) -> Reply:
        if rows is None:
            return as_json({"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        end, limit = int(query.get(before, 2**62)), min(int(query.get("limit", 100)), most)
        earlier = [row for row in _newest(rows, key) if int(row[key]) < end]
        return as_json({"code": "0", "msg": "", "data": earlier[:limit]})


def _newest(rows: list[Any], key: int | str) -> list[Any]:
    return sorted(rows, key=lambda row: -int(row[key]))


@dataclass
class GateReplies:
    """Gate as it answers from these orders and contracts, which are as it gives them; the newest orders come first.

    Args:
        orders: of the whole market.
        contracts: of the USDT market.
        most: orders that one answer holds.
    """

    orders: list[dict[str, Any]] = field(default_factory=list)
    contracts: list[dict[str, Any]] = field(default_factory=list)
    most: int = 1000

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path == "/api/v4/futures/usdt/contracts":
            return as_json(self.contracts)
        if path == "/api/v4/futures/usdt/liq_orders":
            begin, end = int(query["from"]), int(query["to"])
            if end - begin > 3600:
                return as_json({"label": "INVALID_PARAM_VALUE", "message": "time range exceeds 3600"}, 400)
            orders = [order for order in self.orders if begin <= order["time"] <= end]
            orders.sort(key=lambda order: -order["time"])
            return as_json(orders[: min(int(query.get("limit", 100)), self.most)])
        return None


@dataclass
class CoinglassReplies:
    """CoinGlass as it answers with this key from these rows, which are as it gives them.

    Args:
        history: by coin.
        exchanges: of the exchange list, with its sum.
    """

    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    exchanges: tuple[str, ...] = ("All", "Binance", "OKX", "Bybit")

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path == "/api/futures/liquidation/exchange-list":
            rows = [{"exchange": name, "liquidation_usd": 1.5} for name in self.exchanges]
            return as_json({"code": "0", "msg": "success", "data": rows})
        if path == "/api/futures/liquidation/aggregated-history":
            begin, end = int(query["start_time"]), int(query["end_time"])
            rows = [row for row in self.history.get(query["symbol"], []) if begin <= row["time"] <= end]
            return as_json({"code": "0", "msg": "success", "data": rows[: int(query["limit"])]})
        return None
