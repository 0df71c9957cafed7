"""CoinGlass' interface, version 4: what was closed by force over all venues that it counts. Needs a key.

Documentation: https://docs.coinglass.com/reference/aggregated-liquidation-history and
https://docs.coinglass.com/reference/liquidation-exchange-list. The key goes into the header CG-API-KEY. Errors come
with status 200: `code` is "0" when all is well, "401" for a bad key. Times are milliseconds UTC.

Limits (https://docs.coinglass.com/reference/responses-error-codes): by plan, a minute, told by API-KEY-MAX-LIMIT and
API-KEY-USE-LIMIT; until they are told, the smallest plan's 30.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cryptopattern_pipelines.market.answers import (
    EITHER,
    NUMBER,
    TEXT,
    AnswerError,
    Form,
    VenueError,
    frame_of,
    milliseconds,
)
from cryptopattern_pipelines.market.limits import Cost, Quota
from cryptopattern_pipelines.market.liquidations import Liquidations, untold
from cryptopattern_pipelines.market.source import HOUR, Problem
from cryptopattern_pipelines.market.transport import Host, VenueDownError, gathered
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS

VENUE = "all"
HEADER = "CG-API-KEY"

_HISTORY = "/api/futures/liquidation/aggregated-history"
_EXCHANGES = "/api/futures/liquidation/exchange-list"
_LIMIT = 1000
_QUOTA = Quota(30, 60, used="API-KEY-USE-LIMIT", allowed="API-KEY-MAX-LIMIT")
_COLUMNS = {
    "time": "hour",
    "aggregated_long_liquidation_usd": "long_liquidated_usd",
    "aggregated_short_liquidation_usd": "short_liquidated_usd",
}
# By path, which column of our tables a field becomes; `hour` is when.
FIELDS: dict[str, dict[Any, str]] = {_HISTORY: {**_COLUMNS}}
_HISTORY_FORM = Form({name: NUMBER if name == "time" else EITHER for name in _COLUMNS})

_KEY_REFUSED = "401"
_BUSY = {"429", "500"}


def costs(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """What a request takes of the plan's limit."""
    return [Cost("plan", _QUOTA)]


def busy(content: Any) -> bool:
    """Whether an answer asks to try again."""
    return isinstance(content, dict) and str(content.get("code")) in _BUSY


async def liquidations(host: Host, coins: set[str], hours: pd.DatetimeIndex) -> Liquidations:
    """What was closed by force over all venues that CoinGlass counts, by hours: sampled, as most of them tell it.

    Binance and OKX publish at most one order a second and symbol, so sums over venues are too low by what they leave
    out. The venues are those of the exchange list of the last day. Hours that an answer doesn't have are missing.

    Raises:
        VenueError: the key is refused, or the venues could not be had.
    """
    rows = await _rows(host, _EXCHANGES, range="24h")
    Form({"exchange": TEXT}).check(rows, host.name)
    names = sorted({each["exchange"] for each in rows} - {"All"})
    if not names:
        raise AnswerError(f"{host.name} lists no exchange: report it")
    ordered = sorted(coins)
    answers = await gathered([_history(host, coin, ",".join(names), hours) for coin in ordered])
    frames, problems, lacking = [REALISED_LIQUIDATIONS.empty()], [], []
    for coin, answer in zip(ordered, answers, strict=True):
        if isinstance(answer, VenueError):
            problems.append(Problem(VENUE, "perpetual", coin, str(answer), answer.passing))
            continue
        frames.append(answer)
        if len(answer) < len(hours):
            lacking.append((coin, len(hours) - len(answer)))
    if lacking:
        count = sum(number for _, number in lacking)
        recent = host.wall() - hours[-1] < pd.Timedelta(days=1)
        told = [coin for coin, _ in lacking]
        problems.append(untold(VENUE, told, count, f"{host.name} doesn't have them", passing=bool(recent)))
    return Liquidations(pd.concat(frames, ignore_index=True), problems)


async def _history(host: Host, coin: str, exchanges: str, hours: pd.DatetimeIndex) -> pd.DataFrame:
    """Rows of REALISED_LIQUIDATIONS of one coin; "Coin Liquidation History": `time` begins the interval."""
    pages = [frame_of([], _COLUMNS, host.name)]
    for first in range(0, len(hours), _LIMIT):
        some = hours[first : first + _LIMIT]
        rows = await _rows(
            host,
            _HISTORY,
            exchange_list=exchanges,
            symbol=coin,
            interval="1h",
            limit=_LIMIT,
            start_time=milliseconds(some[0]),
            end_time=milliseconds(some[-1] + HOUR) - 1,
        )
        host.new_fields |= {(_HISTORY, str(field)) for field in _HISTORY_FORM.check(rows, host.name)}
        pages.append(frame_of(rows, _COLUMNS, host.name))
    found = pd.concat(pages, ignore_index=True)
    found["hour"] = pd.DatetimeIndex(found["hour"].to_numpy(dtype="datetime64[us]"), tz="UTC")
    found = found[found["hour"].isin(hours)].drop_duplicates("hour", keep="last")
    if (found[["long_liquidated_usd", "short_liquidated_usd"]].to_numpy() < 0).any():
        raise AnswerError(f"{host.name} answered with a negative amount for {coin}: report it")
    return REALISED_LIQUIDATIONS.conform(found.assign(symbol=coin, venue=VENUE, span_hours=1, completeness="sampled"))


async def _rows(host: Host, path: str, **params: str | int) -> list[Any]:
    content = (await host.get(path, **params)).content
    code = str(content.get("code")) if isinstance(content, dict) else ""
    if code == "0" and isinstance(content.get("data"), list):
        return content["data"]
    if code == _KEY_REFUSED:
        reason = f"{host.name} refuses the key ({content.get('msg')}): set COINGLASS_API_KEY, or leave it empty"
        raise VenueDownError(reason, passing=False)
    raise AnswerError(f"{host.name} answered {str(content)[:200]} to {path}: see its error codes, or report it")
