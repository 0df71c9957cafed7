"""A local server that speaks venues' REST from recorded or generated rows, and an archive mirror's files.

What belongs here: how a venue answers a question about rows it has (ranges, limits, order, errors), and faults on
demand. The real clients run against it unmodified, through their base addresses.
"""

import csv
import itertools
import json
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

Query = dict[str, str]

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Reply:
    """One answer. `cut` closes the connection after half of the body; `wait` is seconds before it comes."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0
    cut: bool = False


Route = Callable[[str, Query], Reply | None]


def as_json(content: Any, status: int = 200, **more: Any) -> Reply:
    """An answer that says this in JSON."""
    return Reply(json.dumps(content).encode(), status, **more)


class Server:
    """What a test sees of a running server: its address, what it was asked, and faults to come.

    `faults[path]` are answered first, one a question, in their order. `now` is the clock that its answers bear.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, Query]] = []
        self.faults: defaultdict[str, list[Reply]] = defaultdict(list)
        self.now: pd.Timestamp | None = None
        self.lock = threading.Lock()

    def asked_for(self, path: str) -> list[Query]:
        """The questions to one path, in their order."""
        return [query for asked, query in self.asked if asked == path]


@contextmanager
def serving(*routes: Route) -> Iterator[Server]:
    """Serve these routes on a loopback port; the first that knows a path answers, else it is 404."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: in two, the second waits for the first to be acknowledged.
        wbufsize = -1

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query))
            with server.lock:
                server.asked.append((target.path, query))
                waiting = server.faults[target.path]
                fault = waiting.pop(0) if waiting else None
            replies = (route(target.path, query) for route in routes)
            self.send(fault or next((reply for reply in replies if reply), Reply(b"not found", 404)))

        do_HEAD = do_GET  # noqa: N815

        def send(self, reply: Reply) -> None:
            time.sleep(reply.wait)
            self.send_response_only(reply.status)
            moment = server.now if server.now is not None else pd.Timestamp.now("UTC")
            self.send_header("Date", format_datetime(moment.to_pydatetime(), usegmt=True))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            self.close_connection = reply.cut

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet: `Server.asked` tells what was asked."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = Server(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def files_of(folder: Path) -> Route:
    """An archive's mirror: the files of this folder."""

    def route(path: str, query: Query) -> Reply | None:
        place = folder / path.lstrip("/")
        return Reply(place.read_bytes()) if place.is_file() else None

    return route


@dataclass
class BinanceReplies:
    """Binance as it answers from these rows, which are as it gives them.

    Args:
        klines: by path, symbol and interval.
        funding: by symbol.
        statistics: by path, symbol and period.
        tickers: by path.
        days_kept: of statistics, before the last row that there is; an older `startTime` is an error.
        most: rows of klines that one answer holds, by path.
    """

    klines: dict[tuple[str, str, str], list[list[Any]]] = field(default_factory=dict)
    funding: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statistics: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    tickers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    days_kept: int = 30
    most: dict[str, int] = field(default_factory=lambda: {"/api/v3/klines": 1000, "/fapi/v1/klines": 1500})

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path in ("/api/v3/klines", "/fapi/v1/klines"):
            rows = self.klines.get((path, query["symbol"], query["interval"]))
            return _ranged(rows, lambda row: row[0], query, 500, self.most[path])
        if path == "/fapi/v1/fundingRate":
            return _ranged(self.funding.get(query["symbol"]), lambda row: row["fundingTime"], query, 100, 1000)
        if path.startswith("/futures/data/"):
            told = self.statistics.get((path, query["symbol"], query["period"]), [])
            if told and int(query.get("startTime", 2**62)) < int(told[-1]["timestamp"]) - self.days_kept * _DAY_MS:
                return as_json({"code": -1130, "msg": "parameter 'startTime' is invalid."}, 400)
            return _ranged(told, lambda row: int(row["timestamp"]), query, 30, 500)
        if path in ("/api/v3/ticker/24hr", "/fapi/v1/ticker/24hr"):
            return as_json(self.tickers.get(path, []))
        return None

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
    """

    candles: dict[str, list[list[str]]] = field(default_factory=dict)
    funding: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    statistics: dict[tuple[str, str], list[list[str]]] = field(default_factory=dict)
    tickers: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    kept: int = 1440
    fresh: int = 2

    def __call__(self, path: str, query: Query) -> Reply | None:
        """Answer a question, as a route."""
        if path == "/api/v5/market/candles":
            rows = self.candles.get(query["instId"])
            return self._earlier(rows and _newest(rows, 0)[: self.kept], 0, query, "after", 300)
        if path == "/api/v5/market/history-candles":
            rows = self.candles.get(query["instId"])
            return self._earlier(rows and _newest(rows, 0)[self.fresh :], 0, query, "after", 100)
        if path == "/api/v5/public/funding-rate-history":
            return self._earlier(self.funding.get(query["instId"]), "fundingTime", query, "after", 100)
        if path.startswith("/api/v5/rubik/stat/"):
            return self._earlier(self.statistics.get((path, query["instId"]), []), 0, query, "end", 100)
        if path == "/api/v5/market/tickers":
            return as_json({"code": "0", "msg": "", "data": self.tickers.get(query["instType"], [])})
        return None

    def _earlier(self, rows: list[Any] | None, key: int | str, query: Query, before: str, most: int) -> Reply:
        if rows is None:
            return as_json({"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        end, limit = int(query.get(before, 2**62)), min(int(query.get("limit", 100)), most)
        earlier = [row for row in _newest(rows, key) if int(row[key]) < end]
        return as_json({"code": "0", "msg": "", "data": earlier[:limit]})


def _newest(rows: list[Any], key: int | str) -> list[Any]:
    return sorted(rows, key=lambda row: -int(row[key]))
