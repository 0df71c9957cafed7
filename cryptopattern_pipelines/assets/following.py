"""Which coins the market assets take in each hour, where the settings ask for the most traded ones.

What belongs here: handing stored rows and the source to the domain's choice. What does not: how coins are ranked
(`market/listings.py`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pandas as pd

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.market.choice import choice_of
from cryptopattern_pipelines.market.listings import (
    DAY,
    Listing,
    ListingSource,
    bundled,
    by_day,
    most_traded,
    names_to_ask,
    symbol_rows,
)
from cryptopattern_pipelines.market.source import MarketError
from cryptopattern_pipelines.market.symbols import as_listed, is_dollar
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas

# A day's names are known from the day before it, or from one of these where that one was never filled.
_LOOKBACK = timedelta(days=31)
# Where a day's rows are missing and can't be made any more, those of so many days before have to do.
_STALE = timedelta(days=7)
_AT_ONCE = timedelta(days=31)
_CANDLES = ["hour", "symbol", "venue", "market", "instrument", "volume_usd"]
_KEY = ["day", "venue", "market", "instrument"]

_Ask = Callable[[Iterable[str], datetime, datetime], pd.DataFrame]


def rows_of_followed(ask: _Ask, store: Store, market: Market, window: Window) -> pd.DataFrame:
    """A source's rows of the coins that are followed in each of a window's hours.

    The most traded ones of a day are those of the day before, so that an hour knows nothing from after it.

    Raises:
        MarketError: the source fails, or a day's most traded coins can't be known.
    """
    choice = choice_of(market.symbols)
    if not choice.top:
        return ask(choice.names, *window)
    known = _known_before(store, market, window)
    coins = {day: {*choice.names, *most_traded(rows, choice.top)} for day, rows in known.items()}
    names = set[str]().union(*(names_to_ask(rows, coins[day]) for day, rows in known.items()))
    rows = ask(sorted(names), *window)
    wanted = pd.MultiIndex.from_tuples([(day, coin) for day, names in coins.items() for coin in sorted(names)])
    mine = pd.MultiIndex.from_arrays([rows["hour"].dt.floor("D"), rows["symbol"]]).isin(wanted)
    return rows[mine].reset_index(drop=True)


def symbols_of(store: Store, market: Market, source: ListingSource, window: Window) -> pd.DataFrame:
    """Rows of SYMBOLS for a window of days, from the days before, the store's candles, and the source's listing.

    Where the most traded coins are asked for, candles of every listed coin with a perpetual are read from the source.

    Raises:
        MarketError: the source fails.
    """
    listing = source.listing(window.end)
    traded = by_day(store.read(schemas.MARKET_CANDLES, window, _CANDLES))
    if choice_of(market.symbols).top:
        read = [
            by_day(source.candles(_names(listing, part), *part)[_CANDLES])
            for part in _parts(window)
            if _names(listing, part)
        ]
        traded = pd.concat([*read, traded], ignore_index=True).drop_duplicates(_KEY, keep="first")
    return symbol_rows(*window, _last_before(store, window.start, _LOOKBACK), listing, traded)


def _known_before(store: Store, market: Market, window: Window) -> dict[pd.Timestamp, pd.DataFrame]:
    """For each day of a window the rows of SYMBOLS of the day before: stored, or made now where they are not."""
    days = pd.date_range(pd.Timestamp(window.start).floor("D"), window.end, freq="D", inclusive="left", unit="us")
    before = Window((days[0] - DAY).to_pydatetime(), days[-1].to_pydatetime())
    present = set(store.table(schemas.SYMBOLS).present(*before))
    rows = store.read(schemas.SYMBOLS, before)
    missing = [day - DAY for day in days if day - DAY not in present]
    if missing:
        made = Window(missing[0].to_pydatetime(), (missing[-1] + DAY).to_pydatetime())
        source = market.open()
        if _speaks(source.listing(made.end), made):
            fresh = symbols_of(store, market, source, made)
            rows = pd.concat([rows, fresh[fresh["day"].isin(missing)]], ignore_index=True)
    return {day: _of_day(store, rows, day - DAY) for day in days}


def _of_day(store: Store, rows: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    found = rows[rows["day"] == day]
    if found.empty:
        found = _last_before(store, day.to_pydatetime(), _STALE)
    if found.empty:
        raise MarketError(
            f"the most traded coins of {day:%Y-%m-%d} are not known: take the market of such days from the archive, or "
            "name coins in CRYPTOPATTERN_SYMBOLS"
        )
    return found


def _speaks(listing: Listing, window: Window) -> bool:
    return listing.start <= window.start and window.end <= listing.end


def _last_before(store: Store, moment: datetime, lookback: timedelta) -> pd.DataFrame:
    """The rows of SYMBOLS of the last day before a moment that has a file."""
    present = store.table(schemas.SYMBOLS).present(moment - lookback, moment)
    if not len(present):
        return schemas.SYMBOLS.empty()
    last = present[-1].to_pydatetime()
    return store.read(schemas.SYMBOLS, Window(last, last + DAY))


def _names(listing: Listing, window: Window) -> list[str]:
    """The names that have a perpetual listed in a window, by which a source finds them, without dollar coins."""
    every = listing.instruments
    there = every[
        (every["market"] == "perpetual")
        & ~(every["since"] >= pd.Timestamp(window.end))
        & ~(every["until"] <= pd.Timestamp(window.start))
    ]
    listed = {as_listed(name) for name in there["instrument"]}
    return sorted(bundled(symbol) for symbol in listed if not is_dollar(symbol.coin))


def _parts(window: Window) -> list[Window]:
    """A window in parts whose candles fit well into memory."""
    starts = pd.date_range(window.start, window.end, freq=_AT_ONCE, inclusive="left").to_pydatetime()
    return [Window(start, min(start + _AT_ONCE, window.end)) for start in starts]
