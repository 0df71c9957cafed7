"""Venues' limits as a server keeps them: fixed intervals, 429 to what is over, and a ban for who goes on.

The figures are written here a second time, from the documentation, and not taken from the clients that they judge.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from cryptopattern_tests.replay.server import Query, Reply, as_json

# A client that was told 429 and asks on so many times in the interval is banned for so many seconds.
_BANNED_AFTER = 5
_BAN_SECONDS = 120


@dataclass
class Limit:
    """At most `most` of weight in each interval of so many seconds, counted apart for each key.

    Args:
        most: see there.
        seconds: see there.
        key: what a question is counted under, None for one that this limit isn't of.
        weight: of a question.
        header: in which the used weight is told.
        bans: whether who goes on is banned.
        body: what the refusal says.
    """

    most: int
    seconds: int
    key: Callable[[str, Query], Hashable | None]
    weight: Callable[[str, Query], int] = lambda path, query: 1
    header: str = ""
    bans: bool = False
    body: dict[str, object] = field(default_factory=dict)
    _used: defaultdict[Hashable, int] = field(default_factory=lambda: defaultdict(int))
    _over: defaultdict[Hashable, int] = field(default_factory=lambda: defaultdict(int))
    _banned_until: float = 0

    def __call__(self, path: str, query: Query, now: float) -> tuple[Reply | None, dict[str, str]]:
        """Count a question; a refusal when it is one too many."""
        key = self.key(path, query)
        if key is None:
            return None, {}
        if now < self._banned_until:
            left = str(int(self._banned_until - now) + 1)
            return as_json(self.body, 418, headers={"Retry-After": left}), {}
        interval = (key, int(now // self.seconds))
        self._used[interval] += self.weight(path, query)
        told = {self.header: str(self._used[interval])} if self.header else {}
        if self._used[interval] <= self.most:
            return None, told
        self._over[interval] += 1
        if self.bans and self._over[interval] > _BANNED_AFTER:
            self._banned_until = now + _BAN_SECONDS
        left = str(int(self.seconds - now % self.seconds) + 1)
        return as_json(self.body, 429, headers={"Retry-After": left} if self.bans else {}), told


def _under(*prefixes: str) -> Callable[[str, Query], str | None]:
    return lambda path, query: prefixes[0] if path.startswith(prefixes) else None


def _path_and_instrument(*prefixes: str) -> Callable[[str, Query], Hashable | None]:
    return lambda path, query: (path, query.get("instId")) if path.startswith(prefixes) else None


def _spot_weight(path: str, query: Query) -> int:
    return {"/api/v3/klines": 2, "/api/v3/exchangeInfo": 20, "/api/v3/ticker/24hr": 80}[path]


def _usdm_weight(path: str, query: Query) -> int:
    if path == "/fapi/v1/klines":
        rows = int(query.get("limit", 500))
        return next(weight for most, weight in ((99, 1), (499, 2), (1000, 5), (1500, 10)) if rows <= most)
    return {"/fapi/v1/exchangeInfo": 1, "/fapi/v1/ticker/24hr": 40}[path]


def binance_limits() -> tuple[Limit, ...]:
    """Binance's: weight a minute, funding and statistics apart; 429, then 418."""
    told: dict[str, Any] = {
        "header": "X-MBX-USED-WEIGHT-1M",
        "bans": True,
        "body": {"code": -1003, "msg": "Too many requests."},
    }
    weighed = ("/fapi/v1/klines", "/fapi/v1/exchangeInfo", "/fapi/v1/ticker")
    return (
        Limit(6000, 60, _under("/api/v3/"), _spot_weight, **told),
        Limit(2400, 60, _under(*weighed), _usdm_weight, **told),
        Limit(500, 300, _under("/fapi/v1/funding"), **{**told, "header": ""}),
        Limit(1000, 300, _under("/futures/data/"), **{**told, "header": ""}),
    )


def okx_limits() -> tuple[Limit, ...]:
    """OKX's, in requests per two seconds: by address, or by address and instrument."""
    told: dict[str, Any] = {"body": {"code": "50011", "msg": "Too Many Requests", "data": []}}
    history = "/api/v5/rubik/stat/contracts/open-interest-history"
    others = ("/api/v5/rubik/stat/contracts/long-short", "/api/v5/rubik/stat/taker")
    return (
        Limit(40, 2, _under("/api/v5/market/candles"), **told),
        Limit(20, 2, _under("/api/v5/market/history-candles"), **told),
        Limit(20, 2, _under("/api/v5/public/instruments"), **told),
        Limit(40, 2, _under("/api/v5/public/liquidation-orders"), **told),
        Limit(10, 2, _path_and_instrument("/api/v5/public/funding-rate-history", history), **told),
        Limit(5, 2, _path_and_instrument(*others), **told),
    )


def gate_limits() -> tuple[Limit, ...]:
    """Gate's: 200 requests in ten seconds to each endpoint."""
    return (Limit(200, 10, lambda path, query: path if path.startswith("/api/v4/") else None),)


def all_limits() -> tuple[Limit, ...]:
    """Those of all venues that ask for no key."""
    return (*binance_limits(), *okx_limits(), *gate_limits())
