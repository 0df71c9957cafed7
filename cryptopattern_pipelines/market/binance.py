"""Binance's public REST interface, spot and USD-M: which questions to ask, within which limits, and rows of answers.

Documentation: spot https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md, USD-M
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api (cited by the heading).
Times are milliseconds UTC, other numbers strings. An unknown symbol is answered with status 400 and code -1121.

Limits ("LIMITS" of spot, "Limits" of USD-M, and each endpoint's "Request Weight"): 6,000 weight a minute for spot,
2,400 for USD-M, both told by X-MBX-USED-WEIGHT-1M; over it 429, and 418 for who goes on. Funding history and
information share 500 requests in 5 minutes; `/futures/data/*` weigh nothing and have 1,000 requests in 5 minutes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pandas as pd

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.answers import (
    NUMBER,
    TEXT,
    AnswerError,
    Columns,
    Form,
    by_time,
    columns_of,
    frame_from,
    frame_of,
    holes,
    joined,
    microseconds,
    milliseconds,
    those,
)
from cryptopattern_pipelines.market.limits import Cost, Quota
from cryptopattern_pipelines.market.symbols import Instrument, Market
from cryptopattern_pipelines.market.transport import Answer, Host

VENUE = "binance"

_KLINES = {"spot": "/api/v3/klines", "perpetual": "/fapi/v1/klines"}
_TICKERS = {"spot": "/api/v3/ticker/24hr", "perpetual": "/fapi/v1/ticker/24hr"}
_LISTINGS = {"spot": "/api/v3/exchangeInfo", "perpetual": "/fapi/v1/exchangeInfo"}
_FUNDING = "/fapi/v1/fundingRate"
# Spot: weight 2 whatever the limit, at most 1000. USD-M: at most 1500, but 499 has the most candles for its weight.
_KLINES_LIMIT = {"spot": 1000, "perpetual": 499}
_FUNDING_LIMIT = 1000
_STATISTICS_LIMIT = 500

_USED = "X-MBX-USED-WEIGHT-1M"
_SPOT = Quota(6000, 60, used=_USED)
_USDM = Quota(2400, 60, used=_USED)
_FUNDING_QUOTA = Quota(500, 300)
_STATISTICS_QUOTA = Quota(1000, 300)
_SPOT_WEIGHTS = {"/api/v3/klines": 2, "/api/v3/ticker/24hr": 80, "/api/v3/exchangeInfo": 20}
_USDM_WEIGHTS = {"/fapi/v1/ticker/24hr": 40, "/fapi/v1/exchangeInfo": 1}

_HOUR_MS = 3_600_000
_PERIOD = hourly.PERIOD // timedelta(microseconds=1)
# Statistics are kept for 30 days; to which hour of the thirtieth isn't documented.
_KEPT = timedelta(days=29)
_KEPT_AT_MOST = timedelta(days=30)

_UNKNOWN_SYMBOL = -1121
_BAD_PARAMETER = -1130

_KLINES_COLUMNS = {
    0: "hour",
    1: "open",
    2: "high",
    3: "low",
    4: "close",
    5: "volume_base",
    7: "volume_usd",
    8: "trades",
    9: "taker_buy_volume_base",
}
_KLINES_FORM = Form(
    {0: NUMBER, 1: TEXT, 2: TEXT, 3: TEXT, 4: TEXT, 5: TEXT, 7: TEXT, 8: NUMBER, 9: TEXT}, others=(6, 10, 11)
)
_FUNDING_COLUMNS = {"fundingTime": "time", "fundingRate": "rate"}
_FUNDING_FORM = Form({"fundingTime": NUMBER, "fundingRate": TEXT}, others=("symbol", "markPrice"))
_TICKERS_COLUMNS = {
    "symbol": "instrument",
    "lastPrice": "last_price",
    "highPrice": "high_24h",
    "lowPrice": "low_24h",
    "volume": "volume_24h_base",
    "quoteVolume": "volume_24h_usd",
    "closeTime": "time",
}
_TICKERS_FORM = Form(
    {name: NUMBER if name == "closeTime" else TEXT for name in _TICKERS_COLUMNS},
    others=(
        "askPrice", "askQty", "bidPrice", "bidQty", "count", "firstId", "lastId", "lastQty", "openPrice", "openTime",
        "prevClosePrice", "priceChange", "priceChangePercent", "weightedAvgPrice",
    ),
)  # fmt: skip

# Each statistic's path, and our columns by its fields.
_STATISTICS = {
    "/futures/data/openInterestHist": {
        "sumOpenInterest": "open_interest_base",
        "sumOpenInterestValue": "open_interest_usd",
    },
    "/futures/data/globalLongShortAccountRatio": {"longShortRatio": "long_short_account_ratio"},
    "/futures/data/topLongShortAccountRatio": {"longShortRatio": "top_account_ratio"},
    "/futures/data/topLongShortPositionRatio": {"longShortRatio": "top_position_ratio"},
    "/futures/data/takerlongshortRatio": {"buySellRatio": "taker_volume_ratio"},
}
# By path, which column of our tables a field becomes; `hour` and `time` are when.
FIELDS: dict[str, dict[Any, str]] = {
    **dict.fromkeys(_KLINES.values(), _KLINES_COLUMNS),
    _FUNDING: {"fundingTime": "time", "fundingRate": "funding_rate"},
    **{path: {"timestamp": "time", **columns} for path, columns in _STATISTICS.items()},
}
# Some examples show `timestamp` as text, the answers have a number.
_STATISTICS_FORMS = {
    path: Form(
        {"timestamp": (*NUMBER, *TEXT), **dict.fromkeys(columns, TEXT)},
        others=("symbol", "CMCCirculatingSupply", "longAccount", "shortAccount", "buyVol", "sellVol"),
        may_lack=True,
    )
    for path, columns in _STATISTICS.items()
}


def spot_costs(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """What a request takes of spot's limit."""
    return [Cost("weight", _SPOT, _SPOT_WEIGHTS.get(path, 1))]


def usdm_costs(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """What a request takes of USD-M's limits. Klines weigh 1 below 100 rows, 2 below 500, 5 up to 1000, then 10."""
    if path.startswith("/futures/data/"):
        return [Cost("statistics", _STATISTICS_QUOTA)]
    if path == _FUNDING:
        return [Cost("funding", _FUNDING_QUOTA)]
    weight = _USDM_WEIGHTS.get(path, 1)
    if path == _KLINES["perpetual"]:
        limit = int(params.get("limit", 500))
        weight = 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
    return [Cost("weight", _USDM, weight)]


async def candles(host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns | None:
    """Closed hourly candles that begin in [start, end), for `hourly.candle_rows`; None for an unknown symbol.

    "Kline/Candlestick data": [open time, open, high, low, close, volume (base), close time, quote volume, trades,
    taker buy base volume, taker buy quote volume, unused]; `startTime` and `endTime` bound the open time, both
    included, the earliest come first. The last candle may still be forming: it counts once the venue's clock and this
    machine's have passed its end.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    pages: list[Columns] = []
    spans = [(milliseconds(start), milliseconds(end))]
    # What the first round didn't bring may be in a page that came short, empty or out of its turn.
    for _ in range(2):
        for begin, stop in spans:
            found = await _candles(host, instrument, begin, stop)
            if found is None:
                return None
            pages += found
        have = np.unique(joined(pages, _KLINES_COLUMNS.values())["hour"] // 1000)
        spans = holes(
            have, milliseconds(start), min(milliseconds(end), milliseconds(host.wall()) // _HOUR_MS * _HOUR_MS)
        )
    return joined(pages, _KLINES_COLUMNS.values())


async def _candles(host: Host, instrument: Instrument, begin: int, stop: int) -> list[Columns] | None:
    """The pages from one time to another, as they come."""
    market = instrument.market
    first, pages = begin, []
    while begin < stop:
        answer = await host.get(
            _KLINES[market],
            symbol=instrument.name,
            interval="1h",
            startTime=begin,
            endTime=stop - 1,
            limit=min(_KLINES_LIMIT[market], (stop - begin) // _HOUR_MS),
        )
        rows = _rows(host, answer, _KLINES_FORM, _KLINES[market])
        if rows is None:
            return None
        page = columns_of(rows, _KLINES_COLUMNS, host.name)
        hour = page["hour"] // 1000
        kept = (first <= hour) & (hour < stop) & (hour + _HOUR_MS <= milliseconds(host.closed_until(answer)))
        pages.append({name: values[kept] for name, values in page.items()})
        new = (begin <= hour) & (hour < stop)
        if not new.any():
            break
        begin = int(hour[new].max()) + _HOUR_MS
    return pages


async def funding(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame | None:
    """Settled funding rates of [start, end): `time`, `rate` (fraction); None for an unknown symbol.

    "Get Funding Rate History": `startTime` and `endTime` are both included, the earliest come first, at most 1000.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    pages: list[Columns] = []
    begin, stop, again = milliseconds(start), milliseconds(end), True
    while begin < stop:
        answer = await host.get(
            _FUNDING, symbol=instrument.name, startTime=begin, endTime=stop - 1, limit=_FUNDING_LIMIT
        )
        rows = _rows(host, answer, _FUNDING_FORM, _FUNDING, instrument)
        if rows is None:
            return None
        page = columns_of(rows, _FUNDING_COLUMNS, host.name)
        latest = int(page["time"].max()) // 1000 if len(page["time"]) else -1
        # An empty page needn't be the last one: it is asked for once more.
        if latest < begin:
            if not again:
                break
            again = False
            continue
        pages.append(page)
        begin, again = latest + 1, True
    return frame_from(joined(pages, _FUNDING_COLUMNS.values()))


async def funding_of_all(host: Host, start: datetime, end: datetime) -> pd.DataFrame:
    """Settled funding rates of [start, end) of every symbol at once: `instrument`, `time`, `rate`.

    The same endpoint, whose `symbol` needn't be given: 500 symbols in some six requests instead of 500.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {"symbol": "instrument", **_FUNDING_COLUMNS}
    form = Form({"symbol": TEXT, **_FUNDING_FORM.needed}, others=_FUNDING_FORM.others)
    pages = [frame_of([], columns, host.name)]
    begin, stop = milliseconds(start), milliseconds(end)
    while begin < stop:
        answer = await host.get(_FUNDING, startTime=begin, endTime=stop - 1, limit=_FUNDING_LIMIT)
        page = frame_of(_rows(host, answer, form, _FUNDING) or [], columns, host.name)
        pages.append(page)
        if len(page) < _FUNDING_LIMIT:
            break
        latest = milliseconds(page["time"].max())
        if latest <= begin or not page["time"].is_monotonic_increasing:
            raise AnswerError(f"{host.name} gave the funding of all symbols out of order: it is asked for one by one")
        # The rates of one moment may be cut by the page's end: that moment is asked for again.
        begin = latest
    return pd.concat(pages, ignore_index=True).drop_duplicates(["instrument", "time"], keep="last", ignore_index=True)


async def snapshots(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame | None:
    """Open interest and ratios by five minutes, taken in [start, end): the columns that `hourly.metrics_rows` needs.

    "Open Interest Statistics", "Long/Short Ratio", "Top Trader Long/Short Ratio" (accounts, positions), "Taker
    Buy/Sell Volume": at most 500 rows, of the latest 30 days only. `sumOpenInterest` is in the instrument's base
    units. Five minutes are asked for, as the archive has them, so that both sources say the same. None for an unknown
    symbol.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    # Newer labels name a period's start, and the figures are of its end.
    begin = start - hourly.PERIOD
    parts = []
    for path in _STATISTICS:
        part = await _statistic(host, instrument, path, begin, end)
        if part is None:
            return None
        parts.append(part)
    merged = frame_from(by_time(parts))
    return merged.assign(time=hourly.snapshot_times(merged["time"]))


async def tickers(host: Host, market: Market) -> pd.DataFrame:
    """The last 24 hours of every instrument of this market, in the instruments' units, with the columns of TICKERS.

    "24hr ticker price change statistics": `volume` is base, `quoteVolume` quote.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    rows = _rows(host, await host.get(_TICKERS[market]), _TICKERS_FORM, _TICKERS[market])
    return frame_of(rows or [], _TICKERS_COLUMNS, host.name)


async def listed_since(host: Host, market: Market) -> dict[str, pd.Timestamp]:
    """The symbols that trade now, and since when: of spot that isn't told, and is the beginning of time.

    "Exchange information": `status` is TRADING; USD-M has `onboardDate`.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    content = (await host.get(_LISTINGS[market])).content
    try:
        Form({"symbol": TEXT, "status": TEXT}).check(content["symbols"], host.name)
        listed = {
            each["symbol"]: pd.Timestamp(int(each.get("onboardDate", 0)), unit="ms", tz="UTC")
            for each in content["symbols"]
            if each["status"] == "TRADING"
        }
    except (KeyError, TypeError, ValueError, OverflowError):
        raise AnswerError(f"{host.name} tells its symbols in another form: its interface may have changed") from None
    if not listed:
        raise AnswerError(f"{host.name} lists no symbol: report it")
    return listed


async def _statistic(host: Host, instrument: Instrument, path: str, start: datetime, end: datetime) -> Columns | None:
    """One statistic by five minutes, its labels in [start, end); what is older than 30 days is not there."""
    columns = {"timestamp": "time", **_STATISTICS[path]}
    form = _STATISTICS_FORMS[path]
    pages: list[Columns] = []
    begin, again = start, True
    # Which rows come when a span holds more than the limit isn't documented: no span does.
    while begin < end:
        stop = min(end, begin + _STATISTICS_LIMIT * hourly.PERIOD)
        answer = await host.get(
            path,
            symbol=instrument.name,
            period="5m",
            startTime=milliseconds(begin),
            endTime=milliseconds(stop) - 1,
            limit=_STATISTICS_LIMIT,
        )
        if isinstance(answer.content, dict) and answer.content.get("code") == _BAD_PARAMETER:
            # The span begins before what is kept; of the rest of it that may be there.
            later = [answer.at - kept + hourly.PERIOD for kept in (_KEPT_AT_MOST, _KEPT)]
            within = [moment for moment in later if begin < moment < stop]
            if within:
                begin = within[0]
                continue
            rows: list[Any] = []
        else:
            found = _rows(host, answer, form, path, instrument)
            if found is None:
                return None
            rows = found
        page = columns_of(rows, columns, host.name, may_lack=True)
        page = those(page, (page["time"] >= microseconds(begin)) & (page["time"] < microseconds(stop)))
        pages.append(page)
        # Of the days that are kept, what a page lacks is asked for once more: it may have come short, or empty.
        lacks = _first_gap(page["time"], begin, stop)
        if lacks is not None and again and host.wall() - stop < _KEPT:
            begin, again = lacks, False
            continue
        begin, again = stop, True
    return joined(pages, columns.values())


def _first_gap(times: np.ndarray, begin: datetime, stop: datetime) -> datetime | None:
    """Where the first hole among these five-minute times begins, that is longer than one of them; None without one."""
    every = np.sort(np.concatenate([[microseconds(begin - hourly.PERIOD), microseconds(stop)], times]))
    after = every[:-1][np.diff(every) > 2 * _PERIOD]
    return begin + timedelta(microseconds=int(after[0]) + _PERIOD - microseconds(begin)) if len(after) else None


def _rows(host: Host, answer: Answer, form: Form, path: str, instrument: Instrument | None = None) -> list[Any] | None:
    """The rows of an answer, of the documented form and for the instrument asked; None for an unknown symbol."""
    content = answer.content
    # Some spans without data are answered with null.
    if content is None and answer.status == httpx.codes.OK:
        return []
    if isinstance(content, dict) and content.get("code") == _UNKNOWN_SYMBOL:
        return None
    if not isinstance(content, list):
        raise AnswerError(f"{host.name} answered {str(content)[:200]}: its interface may have changed, report it")
    host.new_fields |= {(path, str(field)) for field in form.check(content, host.name)}
    if instrument and any(row.get("symbol", instrument.name) != instrument.name for row in content):
        raise AnswerError(f"{host.name} answered for another symbol than {instrument.name}: report it")
    return content
