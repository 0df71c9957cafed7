"""OKX's public REST interface, spot and swap: which questions to ask, within which limits, and rows of answers.

Documentation: https://www.okx.com/docs-v5/en/ (cited by the heading). Times are milliseconds UTC, everything is a
string, lists come newest first. Errors come with status 200 too: `code` is "0" when all is well.

Limits (each endpoint's "Rate limit" and "Rate limit rule"), in requests per 2 seconds. By address: candles 40,
history candles 20, tickers 20, instruments 20, liquidation orders 40 (20 here: some clients were told so). By address
and instrument: funding history 10, open interest history 10, ratios and taker volume 5. Over it: status 429 or code
50011.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.answers import (
    EITHER,
    TEXT,
    AnswerError,
    Columns,
    Form,
    VenueError,
    by_time,
    columns_of,
    frame_from,
    frame_of,
    holes,
    joined,
    microseconds,
    milliseconds,
    numbers,
    those,
)
from cryptopattern_pipelines.market.limits import Cost, Quota
from cryptopattern_pipelines.market.liquidations import Liquidations, hourly_rows, no_orders, untold
from cryptopattern_pipelines.market.source import HOUR, Problem
from cryptopattern_pipelines.market.symbols import Instrument, Market, okx_instruments
from cryptopattern_pipelines.market.transport import Answer, Host, gathered
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS

VENUE = "okx"

# Path and greatest limit; the first reaches back 1,440 candles, the second has no newest ones. Each is asked for what
# the ones before did not bring, and twice, since a page may come short, empty or out of its turn.
_HISTORY = ("/api/v5/market/history-candles", 100)
_NEWEST = ("/api/v5/market/candles", 300)
_CANDLES = (_NEWEST, _HISTORY, _NEWEST, _HISTORY)
_FUNDING_LIMIT = 100
_STATISTICS_LIMIT = 100
_LIQUIDATIONS_LIMIT = 100
_INSTRUMENT_TYPES = {"spot": "SPOT", "perpetual": "SWAP"}

_HOUR_MS = 3_600_000
_PERIOD_MS = hourly.PERIOD // timedelta(milliseconds=1)

_UNKNOWN_INSTRUMENT = "51001"
# Unavailable, timed out, rate limit, busy, system error, sub-account rate limit.
_TRY_AGAIN = {"50001", "50004", "50011", "50013", "50026", "50061"}

# Volume: `vol` is base for spot and contracts for swaps, `volCcy` quote for spot and base for swaps, `volCcyQuote`
# quote for both.
_BASE_VOLUME_AT = {"spot": 5, "perpetual": 6}

# Each statistic's path, and our columns by the place in its lists.
_STATISTICS = {
    "/api/v5/rubik/stat/contracts/open-interest-history": {2: "open_interest_base", 3: "open_interest_usd"},
    "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract": {1: "long_short_account_ratio"},
    "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract-top-trader": {1: "top_account_ratio"},
    "/api/v5/rubik/stat/contracts/long-short-position-ratio-contract-top-trader": {1: "top_position_ratio"},
    "/api/v5/rubik/stat/taker-volume-contract": {1: "sold", 2: "bought"},
}


_FUNDING = "/api/v5/public/funding-rate-history"
_LIQUIDATIONS = "/api/v5/public/liquidation-orders"
_INSTRUMENTS = "/api/v5/public/instruments"
_TICKERS = "/api/v5/market/tickers"

# By path, which column of our tables a field becomes; `hour` and `time` are when. The volume in coins is one of two, by
# market, and the takers' ratio the second field over the first.
_CANDLE_FIELDS = {0: "hour", 1: "open", 2: "high", 3: "low", 4: "close", 5: "volume_base", 6: "volume_base"}
FIELDS: dict[str, dict[Any, str]] = {
    _NEWEST[0]: {**_CANDLE_FIELDS, 7: "volume_usd"},
    _HISTORY[0]: {**_CANDLE_FIELDS, 7: "volume_usd"},
    _FUNDING: {"fundingTime": "time", "realizedRate": "funding_rate"},
    **{
        path: {0: "time"}
        | {at: name if name in DERIVATIVES_METRICS.names else "taker_volume_ratio" for at, name in told.items()}
        for path, told in _STATISTICS.items()
    },
    _LIQUIDATIONS: {"ts": "time"},
}

_BY_ADDRESS = {
    _NEWEST[0]: Quota(40, 2),
    _HISTORY[0]: Quota(20, 2),
    _TICKERS: Quota(20, 2),
    _INSTRUMENTS: Quota(20, 2),
    _LIQUIDATIONS: Quota(20, 2),
}
_BY_INSTRUMENT = {
    _FUNDING: Quota(10, 2),
    "/api/v5/rubik/stat/contracts/open-interest-history": Quota(10, 2),
}
_RUBIK = Quota(5, 2)

# [ts, open, high, low, close, vol, volCcy, volCcyQuote, confirm], all text.
_CANDLES_FORM = Form(dict.fromkeys(range(9), TEXT))
_STATISTICS_FORMS = {
    path: Form(dict.fromkeys([0, *columns], TEXT), others=(1, 2, 3), may_lack=True)
    for path, columns in _STATISTICS.items()
}
_FUNDING_FORM = Form(
    {"fundingTime": TEXT, "realizedRate": TEXT},
    others=("instId", "instType", "fundingRate", "formulaType", "method"),
    may_lack=True,
)
_TICKERS_FORM = Form(
    dict.fromkeys(["instId", "last", "high24h", "low24h", "vol24h", "volCcy24h", "ts"], TEXT),
    others=("instType", "lastSz", "askPx", "askSz", "bidPx", "bidSz", "open24h", "sodUtc0", "sodUtc8"),
    may_lack=True,
)
_ORDERS_FORM = Form({"side": TEXT, "bkPx": TEXT, "sz": TEXT, "ts": EITHER}, others=("posSide", "bkLoss", "ccy", "time"))


def costs(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """What a request takes of OKX's limits."""
    if path in _BY_ADDRESS:
        return [Cost(path, _BY_ADDRESS[path])]
    return [Cost((path, params.get("instId")), _BY_INSTRUMENT.get(path, _RUBIK))]


def busy(content: Any) -> bool:
    """Whether an answer asks to try again."""
    return isinstance(content, dict) and str(content.get("code")) in _TRY_AGAIN


async def candles(host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns | None:
    """Closed hourly candles that begin in [start, end), for `hourly.candle_rows`; None for an unknown instrument.

    "Get candlesticks" and "Get candlesticks history": [ts, open, high, low, close, vol, volCcy, volCcyQuote,
    confirm]; `after` asks for those earlier than it; `confirm` is "1" once a candle is complete, which counts once
    the venue's clock and this machine's have passed its end as well. The second has no newest candles, so what the
    first no longer has is asked of it.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {
        0: "hour",
        1: "open",
        2: "high",
        3: "low",
        4: "close",
        _BASE_VOLUME_AT[instrument.market]: "volume_base",
        7: "volume_usd",
        8: "confirm",
    }
    pages: list[Columns] = []
    begin, end_ms = milliseconds(start), milliseconds(end)
    forming: list[int] = []
    for path, limit in _CANDLES:
        have = np.unique(np.append(joined(pages, columns.values())["hour"] // 1000, forming))
        for earliest, latest in holes(have, begin, end_ms):
            after = latest
            while after > earliest:
                wanted = min(limit, (after - earliest) // _HOUR_MS)
                answer, rows = await _rows(
                    host, path, _CANDLES_FORM, instId=instrument.name, bar="1H", after=after, limit=wanted
                )
                if rows is None:
                    return None
                page = columns_of(rows, columns, host.name)
                hour = page["hour"] // 1000
                inside = (hour >= earliest) & (hour < latest)
                over = (page["confirm"] == 1) & (hour + _HOUR_MS <= milliseconds(host.closed_until(answer)))
                forming += hour[inside & ~over].tolist()
                pages.append({name: values[inside & over] for name, values in page.items()})
                new = hour < after
                if not new.any():
                    break
                after = int(hour[new].min())
    found = joined(pages, columns.values())
    del found["confirm"]
    return found


async def funding(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame | None:
    """Settled funding rates of [start, end): `time`, `rate` (fraction); None for an unknown instrument.

    "Get funding rate history": of the last three months; `fundingRate` is what was predicted, `realizedRate` what
    was paid, empty where that isn't told.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {"fundingTime": "time", "realizedRate": "rate"}
    pages: list[Columns] = []
    after, again = milliseconds(end), True
    while after > milliseconds(start):
        _, rows = await _rows(host, _FUNDING, _FUNDING_FORM, instId=instrument.name, after=after, limit=_FUNDING_LIMIT)
        if rows is None:
            return None
        page = columns_of(rows, columns, host.name, may_lack=True)
        page = those(page, page["time"] < after * 1000)
        # An empty page needn't be the last one: it is asked for once more.
        if not len(page["time"]):
            if not again:
                break
            again = False
            continue
        pages.append(page)
        after, again = int(page["time"].min()) // 1000, True
    found = joined(pages, columns.values())
    return frame_from(those(found, found["time"] >= microseconds(start)))


async def snapshots(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame | None:
    """Open interest and ratios by five minutes, taken in [start, end): the columns that `hourly.metrics_rows` needs.

    "Get contract open interest history": [ts, oi (contracts), oiCcy (coins), oiUsd]; "Get contract long/short
    ratio" and those of top traders: [ts, ratio]; "Get contract taker volume": [ts, sellVol, buyVol]. Each has its
    latest 1,440 rows, five days of five minutes. Whether `ts` begins or ends the period isn't documented; it is
    taken to begin it, the figure being of its end, which errs towards late. None for an unknown instrument.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    begin, stop = start - hourly.PERIOD, end - hourly.PERIOD
    parts = []
    for path in _STATISTICS:
        part = await _statistic(host, instrument, path, begin, stop)
        if part is None:
            return None
        parts.append(part)
    merged = frame_from(by_time(parts))
    ratio = (merged["bought"] / merged["sold"]).replace([np.inf, -np.inf], np.nan)
    return merged.drop(columns=["bought", "sold"]).assign(taker_volume_ratio=ratio, time=merged["time"] + hourly.PERIOD)


async def tickers(host: Host, market: Market) -> pd.DataFrame:
    """The last 24 hours of every instrument of this market, with the columns of TICKERS.

    "Get tickers": of spot `vol24h` is base and `volCcy24h` quote; of swaps `vol24h` is contracts and `volCcy24h`
    base, and the quote volume isn't told: it is taken as base at the last price.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {
        "instId": "instrument",
        "last": "last_price",
        "high24h": "high_24h",
        "low24h": "low_24h",
        "vol24h": "vol",
        "volCcy24h": "vol_ccy",
        "ts": "time",
    }
    _, rows = await _rows(host, _TICKERS, _TICKERS_FORM, instType=_INSTRUMENT_TYPES[market])
    told = frame_of(rows or [], columns, host.name, may_lack=True).dropna()
    base, usd = (
        (told["vol"], told["vol_ccy"]) if market == "spot" else (told["vol_ccy"], told["vol_ccy"] * told["last_price"])
    )
    return told.drop(columns=["vol", "vol_ccy"]).assign(volume_24h_base=base, volume_24h_usd=usd)


async def listed_since(host: Host, market: Market) -> dict[str, pd.Timestamp]:
    """The instruments that trade now, and since when.

    "Get instruments": `state` is live, `listTime` milliseconds.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    live = [each for each in await _instruments(host, market) if each["state"] == "live"]
    try:
        return {each["instId"]: pd.Timestamp(int(each["listTime"] or 0), unit="ms", tz="UTC") for each in live}
    except (ValueError, OverflowError):
        raise AnswerError(f"{host.name} tells since when it lists in another form: report it") from None


async def liquidations(host: Host, coins: set[str], hours: pd.DatetimeIndex) -> Liquidations:
    """What was closed by force in these coins' USDT swaps, by hours: sampled.

    "Get liquidation orders" (in the documentation until 2023, and still answering): by family, newest first, at most
    100, `after` asks for those earlier than it; `sz` counts contracts of `ctVal` x `ctMult` coins, `bkPx` is the
    bankruptcy price; `side` sell closes a long, buy a short. OKX says of its feed that it shows at most one order a
    second and contract, and not all there were. It reaches back a day by that documentation, some hours in practice:
    an hour counts as told when the feed shows an order from before it.

    Raises:
        VenueError: the instruments could not be had.
    """
    sizes = {
        each["instId"]: _size(each, host)
        for each in await _instruments(host, "perpetual")
        if each["ctType"] == "linear" and each["settleCcy"] == "USDT" and each["ctVal"]
    }
    choices = okx_instruments(sorted(coins), "perpetual")
    swaps = [(each.coin, each.name) for choice in choices for each in choice if each.name in sizes]
    if not len(hours):
        return Liquidations(hourly_rows(no_orders(), _pairs({}, hours), VENUE, "sampled"), [])
    answers = await gathered([_orders(host, coin, name, sizes[name], hours) for coin, name in swaps])
    # What shows nothing is asked once more, after all the others.
    silent = [place for place, answer in enumerate(answers) if not isinstance(answer, VenueError) and answer.empty]
    asked_again = [_orders(host, *swaps[place], sizes[swaps[place][1]], hours) for place in silent]
    for place, answer in zip(silent, await gathered(asked_again), strict=True):
        answers[place] = answer
    orders, problems, lacking = [no_orders()], [], []
    # Of a coin with two swaps an hour is told where both tell it.
    told = dict.fromkeys((coin for coin, _ in swaps), hours)
    for (coin, name), answer in zip(swaps, answers, strict=True):
        if isinstance(answer, VenueError):
            problems.append(Problem(VENUE, "perpetual", name, str(answer), answer.passing))
            told[coin] = hours[:0]
            continue
        orders.append(answer)
        reached = hours[hours > answer["time"].min()] if len(answer) else hours[:0]
        told[coin] = told[coin].intersection(reached)
        if len(reached) < len(hours):
            lacking.append((name, len(hours) - len(reached)))
    if lacking:
        count = sum(number for _, number in lacking)
        # Of one coin that may be so; when not one has an order, the feed is out of order.
        nothing = all(isinstance(answer, VenueError) or answer.empty for answer in answers)
        reason = "its feed shows no order from before them"
        problems.append(untold(VENUE, [name for name, _ in lacking], count, reason, passing=nothing))
    rows = hourly_rows(pd.concat(orders), _pairs(told, hours), VENUE, "sampled")
    return Liquidations(rows, problems)


def _size(instrument: dict[str, str], host: Host) -> float:
    """Coins a contract."""
    try:
        size = float(numbers([instrument["ctVal"], instrument["ctMult"] or "1"]).prod())
    except ValueError:
        size = 0.0
    if size <= 0:
        raise AnswerError(f"{host.name} tells the size of {instrument['instId']} as what is no number: report it")
    return size


def _pairs(told: dict[str, pd.DatetimeIndex], hours: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.concat(
        [pd.DataFrame({"symbol": coin, "hour": reached}) for coin, reached in {"": hours[:0], **told}.items()]
    )


async def _orders(host: Host, coin: str, name: str, size: float, hours: pd.DatetimeIndex) -> pd.DataFrame:
    """The orders of one swap, from the last hour's end back to the first one before the hours, or the feed's end."""
    columns = {"ts": "time", "side": "instrument", "bkPx": "price", "sz": "contracts"}
    pages = [frame_of([], columns, host.name)]
    after, oldest, again = (hours[-1] + HOUR).to_pydatetime(), None, True
    while True:
        _, groups = await _rows(
            host,
            _LIQUIDATIONS,
            None,
            instType="SWAP",
            instFamily=name.removesuffix("-SWAP"),
            state="filled",
            after=milliseconds(after),
            limit=_LIQUIDATIONS_LIMIT,
        )
        if not all(isinstance(group, dict) and isinstance(group.get("details"), list) for group in groups or []):
            raise AnswerError(f"{host.name} answered liquidations without field 'details': report it")
        orders = [each for group in groups or [] if group.get("instId", name) == name for each in group["details"]]
        host.new_fields |= {(_LIQUIDATIONS, str(field)) for field in _ORDERS_FORM.check(orders, host.name)}
        page = frame_of(orders, columns, host.name)
        page = page[page["time"] < pd.Timestamp(after)]
        # A page begins with the moment that the one before ended with, which a limit may have cut; one that doesn't is
        # another page, or none, and is asked for once more.
        if oldest is not None and not (page["time"] == oldest).any():
            if not again:
                break
            again = False
            continue
        pages.append(page)
        # How many orders there are isn't told: the list ends where a page has none that is older.
        if page.empty or page["time"].min() == oldest or page["time"].min() < hours[0]:
            break
        oldest, again = page["time"].min(), True
        after = (oldest + pd.Timedelta("1ms")).to_pydatetime()
    # It shows one order a second at most: two that are alike are one, told twice.
    found = pd.concat(pages, ignore_index=True).drop_duplicates(ignore_index=True)
    strange = set(found["instrument"]) - {"sell", "buy"}
    if strange:
        raise AnswerError(f"{host.name} answered field 'side' as {', '.join(sorted(strange))}: report it")
    usd = found["contracts"] * size * found["price"]
    sold = found["instrument"] == "sell"
    return pd.DataFrame({"time": found["time"], "symbol": coin, "long": sold, "usd": usd})


async def _instruments(host: Host, market: Market) -> list[dict[str, str]]:
    fields = ["instId", "state", "listTime", "ctType", "settleCcy", "ctVal", "ctMult"]
    _, rows = await _rows(host, _INSTRUMENTS, None, instType=_INSTRUMENT_TYPES[market])
    if not rows:
        raise AnswerError(f"{host.name} lists no instrument: report it")
    Form(dict.fromkeys(fields, TEXT)).check(rows, host.name)
    return rows


async def _statistic(host: Host, instrument: Instrument, path: str, start: datetime, end: datetime) -> Columns | None:
    """One statistic by five minutes, its `ts` in [start, end); `end` asks for those earlier than it."""
    columns = {0: "time", **_STATISTICS[path]}
    pages: list[Columns] = []
    first, before, again = milliseconds(start), milliseconds(end), True
    while before > first:
        _, rows = await _rows(
            host,
            path,
            _STATISTICS_FORMS[path],
            instId=instrument.name,
            period="5m",
            end=before,
            limit=min(_STATISTICS_LIMIT, (before - first) // _PERIOD_MS + 1),
        )
        if rows is None:
            return None
        page = columns_of(rows, columns, host.name, may_lack=True)
        page = those(page, page["time"] < before * 1000)
        empty = not len(page["time"])
        # A page that is empty needn't be the last one, nor one that begins too early the next: asked for once more.
        if again and (empty or int(page["time"].max()) // 1000 < before - 2 * _PERIOD_MS):
            again = False
            continue
        if empty:
            break
        pages.append(page)
        before, again = int(page["time"].min()) // 1000, True
    found = joined(pages, columns.values())
    return those(found, found["time"] >= microseconds(start))


async def _rows(host: Host, path: str, form: Form | None, **params: str | int) -> tuple[Answer, list[Any] | None]:
    """The answer and its rows, of the documented form; no rows for an unknown instrument."""
    answer = await host.get(path, **params)
    content = answer.content
    if isinstance(content, dict):
        if str(content.get("code")) == "0" and isinstance(content.get("data"), list):
            rows = content["data"]
            if form:
                host.new_fields |= {(path, str(field)) for field in form.check(rows, host.name)}
            asked = params.get("instId")
            if asked and any(isinstance(row, dict) and row.get("instId", asked) != asked for row in rows):
                raise AnswerError(f"{host.name} answered {path} for another instrument than {asked}: report it")
            return answer, rows
        if str(content.get("code")) == _UNKNOWN_INSTRUMENT:
            return answer, None
    raise AnswerError(f"{host.name} answered {str(content)[:200]} to {path}: see its error codes, or report it")
