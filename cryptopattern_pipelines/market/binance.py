"""Binance's public REST interface, spot and USD-M: which questions to ask, and rows out of its answers.

Documentation: spot https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md, USD-M
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api (cited by the heading).
Times are milliseconds UTC, numbers strings. An unknown symbol is answered with status 400 and code -1121.
"""

import functools
from datetime import datetime
from typing import Any

import httpx
import pandas as pd

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.answers import AnswerError, Columns, columns_of, frame_of, joined, milliseconds
from cryptopattern_pipelines.market.symbols import Instrument, Market
from cryptopattern_pipelines.market.transport import Answer, Host

VENUE = "binance"

_KLINES = {"spot": "/api/v3/klines", "perpetual": "/fapi/v1/klines"}
_TICKERS = {"spot": "/api/v3/ticker/24hr", "perpetual": "/fapi/v1/ticker/24hr"}
# Spot: weight 2 whatever the limit, at most 1000. USD-M: at most 1500, but 499 has the most candles for its weight.
_KLINES_LIMIT = {"spot": 1000, "perpetual": 499}
_FUNDING_LIMIT = 1000
_STATISTICS_LIMIT = 500

_HOUR_MS = 3_600_000

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


async def candles(host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns:
    """Closed hourly candles that begin in [start, end), for `hourly.candle_rows`; none for an unknown symbol.

    "Kline/Candlestick data": [open time, open, high, low, close, volume (base), close time, quote volume, trades,
    taker buy base volume, taker buy quote volume, unused]; `startTime` and `endTime` bound the open time, both
    included, the earliest come first. The last candle may still be forming: it counts once the venue's own clock
    has passed its end.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    market = instrument.market
    pages = []
    begin, stop, asked_twice = milliseconds(start), milliseconds(end), False
    while begin < stop:
        answer = await host.get(
            _KLINES[market],
            symbol=instrument.name,
            interval="1h",
            startTime=begin,
            endTime=stop - 1,
            limit=min(_KLINES_LIMIT[market], (stop - begin) // _HOUR_MS),
        )
        rows = _rows(host, answer)
        if rows is None:
            break
        page = columns_of(rows, _KLINES_COLUMNS, host.name)
        hour = page["hour"] // 1000
        new = (begin <= hour) & (hour < stop)
        # A short page needn't be the last one, nor one without anything new: that one is asked for once more.
        if not new.any():
            if asked_twice:
                break
            asked_twice = True
            continue
        begin, asked_twice = int(hour[new].max()) + _HOUR_MS, False
        kept = new & (hour + _HOUR_MS <= milliseconds(answer.at))
        pages.append({name: values[kept] for name, values in page.items()})
    return joined(pages, _KLINES_COLUMNS.values())


async def funding(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame:
    """Settled funding rates of [start, end): `time`, `rate` (fraction); see "Get Funding Rate History".

    `startTime` and `endTime` are both included, the earliest come first, at most 1000.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {"fundingTime": "time", "fundingRate": "rate"}
    pages = [frame_of([], columns, host.name)]
    begin, stop = milliseconds(start), milliseconds(end)
    while begin < stop:
        answer = await host.get(
            "/fapi/v1/fundingRate", symbol=instrument.name, startTime=begin, endTime=stop - 1, limit=_FUNDING_LIMIT
        )
        rows = _rows(host, answer)
        if not rows:
            break
        page = frame_of(rows, columns, host.name)
        latest = milliseconds(page["time"].max())
        pages.append(page)
        if latest < begin:
            break
        begin = latest + 1
    return pd.concat(pages, ignore_index=True)


async def snapshots(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame:
    """Open interest and ratios by five minutes, taken in [start, end): the columns that `hourly.metrics_rows` needs.

    "Open Interest Statistics", "Long/Short Ratio", "Top Trader Long/Short Ratio" (accounts, positions), "Taker
    Buy/Sell Volume": at most 500 rows, of the latest 30 days only. `sumOpenInterest` is in the instrument's base
    units. Five minutes are asked for, as the archive has them, so that both sources say the same.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    # Newer labels name a period's start, and the figures are of its end.
    begin = start - hourly.PERIOD
    parts = [await _statistic(host, instrument, path, begin, end) for path in _STATISTICS]
    merged = functools.reduce(lambda left, right: left.merge(right, on="time", how="outer"), parts)
    return merged.assign(time=hourly.snapshot_times(merged["time"]))


async def tickers(host: Host, market: Market) -> pd.DataFrame:
    """The last 24 hours of every instrument of this market, in the instruments' units, with the columns of TICKERS.

    "24hr ticker price change statistics": `volume` is base, `quoteVolume` quote.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {
        "symbol": "instrument",
        "lastPrice": "last_price",
        "highPrice": "high_24h",
        "lowPrice": "low_24h",
        "volume": "volume_24h_base",
        "quoteVolume": "volume_24h_usd",
        "closeTime": "time",
    }
    return frame_of(_rows(host, await host.get(_TICKERS[market])) or [], columns, host.name)


async def _statistic(host: Host, instrument: Instrument, path: str, start: datetime, end: datetime) -> pd.DataFrame:
    """One statistic by five minutes, its labels in [start, end); what is older than 30 days is not there."""
    columns = {"timestamp": "time", **_STATISTICS[path]}
    pages = [frame_of([], columns, host.name)]
    begin = start
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
        pages.append(frame_of(_rows(host, answer, too_old=_BAD_PARAMETER) or [], columns, host.name, may_lack=True))
        begin = stop
    return pd.concat(pages, ignore_index=True).drop_duplicates("time", keep="last")


def _rows(host: Host, answer: Answer, too_old: int | None = None) -> list[Any] | None:
    """The rows of an answer; None for an unknown symbol, or for a time that the venue says is too old."""
    content = answer.content
    if isinstance(content, list):
        return content
    # Some spans without data are answered so.
    if content is None and answer.status == httpx.codes.OK:
        return []
    code = content.get("code") if isinstance(content, dict) else None
    if code is not None and code in (_UNKNOWN_SYMBOL, too_old):
        return None
    raise AnswerError(f"{host.name} answered {str(content)[:200]}: its interface may have changed, report it")
