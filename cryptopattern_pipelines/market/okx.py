"""OKX's public REST interface, spot and swap: which questions to ask, and rows out of its answers.

Documentation: https://www.okx.com/docs-v5/en/ (cited by the heading). Times are milliseconds UTC, everything is a
string, lists come newest first. Errors come with status 200 too: `code` is "0" when all is well.
"""

import functools
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.answers import AnswerError, Columns, columns_of, frame_of, joined, milliseconds
from cryptopattern_pipelines.market.symbols import Instrument, Market
from cryptopattern_pipelines.market.transport import Host

VENUE = "okx"

# Path and greatest limit; the first reaches back 1,440 candles, the second has no newest ones. Each is asked until
# it brings nothing new; the last once more, since an empty page needn't be the last one.
_HISTORY = ("/api/v5/market/history-candles", 100)
_CANDLES = (("/api/v5/market/candles", 300), _HISTORY, _HISTORY)
_FUNDING_LIMIT = 100
_STATISTICS_LIMIT = 100
_INSTRUMENT_TYPES = {"spot": "SPOT", "perpetual": "SWAP"}

_HOUR_MS = 3_600_000

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


def busy(content: Any) -> bool:
    """Whether an answer asks to try again."""
    return isinstance(content, dict) and str(content.get("code")) in _TRY_AGAIN


async def candles(host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns:
    """Closed hourly candles that begin in [start, end), for `hourly.candle_rows`; none for an unknown instrument.

    "Get candlesticks" and "Get candlesticks history": [ts, open, high, low, close, vol, volCcy, volCcyQuote,
    confirm]; `after` asks for those earlier than it; `confirm` is "1" once a candle is complete. The second has no
    newest candles, so what the first no longer has is asked of it.

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
    pages = []
    begin, after = milliseconds(start), milliseconds(end)
    rows: list[Any] | None = []
    for path, limit in _CANDLES:
        while after > begin:
            wanted = min(limit, (after - begin) // _HOUR_MS)
            rows = await _rows(host, path, instId=instrument.name, bar="1H", after=after, limit=wanted)
            page = columns_of(rows or [], columns, host.name)
            hour = page["hour"] // 1000
            new = hour < after
            if not new.any():
                break
            after = int(hour[new].min())
            kept = new & (hour >= begin) & (page["confirm"] == 1)
            pages.append({name: values[kept] for name, values in page.items()})
        if rows is None:
            break
    found = joined(pages, columns.values())
    del found["confirm"]
    return found


async def funding(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame:
    """Settled funding rates of [start, end): `time`, `rate` (fraction).

    "Get funding rate history": of the last three months; `fundingRate` is what was predicted, `realizedRate` what
    was paid.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    columns = {"fundingTime": "time", "realizedRate": "rate"}
    pages = [frame_of([], columns, host.name)]
    after = end
    while after > start:
        rows = await _rows(
            host,
            "/api/v5/public/funding-rate-history",
            instId=instrument.name,
            after=milliseconds(after),
            limit=_FUNDING_LIMIT,
        )
        page = frame_of(rows or [], columns, host.name, may_lack=True)
        page = page[page["time"] < pd.Timestamp(after)]
        if page.empty:
            break
        pages.append(page)
        after = page["time"].min().to_pydatetime()
    found = pd.concat(pages, ignore_index=True)
    return found[(found["time"] >= pd.Timestamp(start)) & found["rate"].notna()]


async def snapshots(host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame:
    """Open interest and ratios by five minutes, taken in [start, end): the columns that `hourly.metrics_rows` needs.

    "Get contract open interest history": [ts, oi (contracts), oiCcy (coins), oiUsd]; "Get contract long/short
    ratio" and those of top traders: [ts, ratio]; "Get contract taker volume": [ts, sellVol, buyVol]. Each has its
    latest 1,440 rows, five days of five minutes. Whether `ts` begins or ends the period isn't documented; it is
    taken to begin it, the figure being of its end, which errs towards late.

    Raises:
        VenueError: the venue didn't answer, or not as documented.
    """
    begin, stop = start - hourly.PERIOD, end - hourly.PERIOD
    parts = [await _statistic(host, instrument, path, begin, stop) for path in _STATISTICS]
    merged = functools.reduce(lambda left, right: left.merge(right, on="time", how="outer"), parts)
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
    rows = await _rows(host, "/api/v5/market/tickers", instType=_INSTRUMENT_TYPES[market])
    told = frame_of(rows or [], columns, host.name, may_lack=True).dropna()
    base, usd = (
        (told["vol"], told["vol_ccy"]) if market == "spot" else (told["vol_ccy"], told["vol_ccy"] * told["last_price"])
    )
    return told.drop(columns=["vol", "vol_ccy"]).assign(volume_24h_base=base, volume_24h_usd=usd)


async def _statistic(host: Host, instrument: Instrument, path: str, start: datetime, end: datetime) -> pd.DataFrame:
    """One statistic by five minutes, its `ts` in [start, end); `end` asks for those earlier than it."""
    columns = {0: "time", **_STATISTICS[path]}
    pages = [frame_of([], columns, host.name)]
    before = end
    while before > start:
        rows = await _rows(
            host,
            path,
            instId=instrument.name,
            period="5m",
            end=milliseconds(before),
            limit=min(_STATISTICS_LIMIT, int((before - start) / hourly.PERIOD) + 1),
        )
        page = frame_of(rows or [], columns, host.name, may_lack=True)
        page = page[page["time"] < pd.Timestamp(before)]
        if page.empty:
            break
        pages.append(page)
        before = page["time"].min().to_pydatetime()
    found = pd.concat(pages, ignore_index=True).drop_duplicates("time", keep="last")
    return found[found["time"] >= pd.Timestamp(start)]


async def _rows(host: Host, path: str, **params: str | int) -> list[Any] | None:
    """The rows of an answer; None for an unknown instrument."""
    content = (await host.get(path, **params)).content
    if isinstance(content, dict):
        if str(content.get("code")) == "0" and isinstance(content.get("data"), list):
            return content["data"]
        if str(content.get("code")) == _UNKNOWN_INSTRUMENT:
            return None
    raise AnswerError(f"{host.name} answered {str(content)[:200]} to {path}: see its error codes, or report it")
