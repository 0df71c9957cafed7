"""What venues list, day by day: which names, on which markets, since when, until when, and how much of it trades.

What belongs here: making rows of SYMBOLS out of listings and candles, and choosing the most traded coins from them.
What does not: where a listing is from (`live.py`, `archive.py`), and how names are read (`symbols.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

import pandas as pd

from cryptopattern_pipelines.market.renames import RENAMES
from cryptopattern_pipelines.market.source import HOUR, MarketSource, SymbolError
from cryptopattern_pipelines.market.symbols import Symbol, as_listed, is_dollar, parse, renamed
from cryptopattern_pipelines.storage.schemas import SYMBOLS, TEXT, TIME

DAY = timedelta(days=1)
SOON = timedelta(hours=1)

INSTRUMENT = ["venue", "market", "instrument"]


@dataclass(frozen=True)
class Listing:
    """What a source says is listed, and of which days and markets it says it completely.

    Attributes:
        instruments: `venue`, `market`, `instrument`, and `since` and `until`, between which each trades (UTC); empty
            where not known, or where it trades on.
        start: beginning of the first day of which it speaks.
        end: end of the last one.
        asked: when it was had. What it says without `since` may have come after a day's end: it counts for a day only
            when asked for within SOON of it, or when it was known before.
        markets: each `venue:market` of which it speaks.
    """

    instruments: pd.DataFrame
    start: datetime
    end: datetime
    asked: datetime
    markets: frozenset[str]


class ListingSource(MarketSource, Protocol):
    """A source of market data that tells what is listed, too."""

    def listing(self, end: datetime) -> Listing:
        """What is listed in the days before `end`, as far as the source can tell.

        Raises:
            MarketError: it can't be had.
        """
        ...


def instruments_of(rows: Iterable[tuple[str, str, str, pd.Timestamp | None, pd.Timestamp | None]]) -> pd.DataFrame:
    """The frame of a `Listing`."""
    frame = pd.DataFrame(list(rows), columns=[*INSTRUMENT, "since", "until"])
    return frame.astype(dict.fromkeys(INSTRUMENT, TEXT) | {"since": TIME, "until": TIME})


def by_day(candles: pd.DataFrame) -> pd.DataFrame:
    """Each day's candles of each instrument in one row: `first`, `last` (end of the last hour), `volume_usd`.

    Args:
        candles: `hour`, `symbol`, `venue`, `market`, `instrument`, `volume_usd` of MARKET_CANDLES.
    """
    days = candles["hour"].dt.floor("D").rename("day")
    grouped = candles.groupby([days, *INSTRUMENT, "symbol"], sort=False)
    rows = grouped.agg(first=("hour", "min"), last=("hour", "max"), volume_usd=("volume_usd", "sum")).reset_index()
    return rows.assign(last=rows["last"] + HOUR)


def symbol_rows(
    start: datetime, end: datetime, earlier: pd.DataFrame, listing: Listing, traded: pd.DataFrame
) -> pd.DataFrame:
    """Rows of SYMBOLS for the days in [start, end): every name that was ever seen by a day's end.

    A day's rows come from the day before it, from its candles, and from the listing where that speaks of the day. A
    name that neither tells of keeps what was known; it is delisted only when the listing speaks of all its markets.

    Args:
        start: the first day's midnight.
        end: the last day's end.
        earlier: rows of the last day before `start` that is known; may be empty.
        listing: see `Listing`.
        traded: see `by_day`.
    """
    known = earlier.set_index("symbol")[[n for n in SYMBOLS.names if n not in ("day", "symbol")]]
    names = {(row.instrument, row.symbol): _name(row.instrument, row.symbol) for row in _named(listing, traded)}
    frames = []
    for day in pd.date_range(start, end, freq="D", inclusive="left", unit="us"):
        over = day + DAY
        speaks = pd.Timestamp(listing.start) <= day and over <= pd.Timestamp(listing.end)
        seen = _seen(day, listing if speaks else None, traded[traded["day"] == day], set(_split(known)), names)
        known = _carried(known, seen, listing.markets if speaks else frozenset())
        renames = {rename.old: rename.new for rename in RENAMES if pd.Timestamp(rename.day, tz="UTC") <= day}
        known["renamed_to"] = known.index.map(renames.get).astype(TEXT)
        frames.append(known.rename_axis("symbol").reset_index().assign(day=day))
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return SYMBOLS.empty()
    return SYMBOLS.conform(pd.concat(filled, ignore_index=True).sort_values(["day", "symbol"])[SYMBOLS.names])


def most_traded(rows: pd.DataFrame, count: int) -> list[str]:
    """The coins of one day's SYMBOLS that traded most and have a perpetual, most first; names decide between equals.

    A coin's names count together. Dollar coins are left out: they can't be squeezed.
    """
    listed = rows[(rows["status"] == "listed") & rows["volume_24h_usd"].notna()]
    coins = listed["symbol"].map(lambda name: renamed(Symbol(name)).coin)
    by_coin = listed.assign(coin=coins, perpetual=listed["markets"].str.contains(":perpetual", regex=False))
    by_coin = by_coin[~by_coin["coin"].map(is_dollar)]
    totals = by_coin.groupby("coin").agg(volume=("volume_24h_usd", "sum"), perpetual=("perpetual", "any"))
    ranked = totals[totals["perpetual"]].reset_index().sort_values(["volume", "coin"], ascending=[False, True])
    return ranked["coin"].head(count).tolist()


def names_to_ask(rows: pd.DataFrame, coins: Iterable[str]) -> set[str]:
    """The names by which a source finds these coins, by rows of SYMBOLS: in all bundles, as 1000PEPE and PEPE."""
    wanted = set(coins)
    pairs = zip(rows["symbol"], rows["multiplier"], strict=True)
    told = {bundled(Symbol(name, int(size))) for name, size in pairs if renamed(Symbol(name)).coin in wanted}
    return told | wanted


def markets_listed(rows: pd.DataFrame, coins: Iterable[str]) -> pd.DataFrame:
    """On which markets these coins were listed at the end of each day: `day`, `symbol`, `venue`, `market`.

    Args:
        rows: `day`, `status` and `instruments` of SYMBOLS.
        coins: by their newest names, which other tables go by.

    Returns:
        One row a listed market and day; and of each market that was spoken of on a day, whatever its coin, one row
        with an empty `symbol`, so that a market without a listing differs from one that nobody told of.
    """
    wanted = set(coins)
    # A day's texts are mostly those of the day before: each is read once.
    found = []
    for told in rows["instruments"].unique():
        for venue, market, name in (each.split(":", 2) for each in told.split(",")):
            found.append((told, "", venue, market))
            try:
                found.append((told, parse(name).coin, venue, market))
            except SymbolError:
                continue  # its coin has no name of ours, so nobody follows it
    read = pd.DataFrame(found, columns=["instruments", "symbol", "venue", "market"]).astype(TEXT)
    read = read[read["symbol"].isin(wanted | {""})].drop_duplicates()
    listed = rows[["day", "status", "instruments"]].merge(read, on="instruments")
    listed = listed[(listed["status"] == "listed") | (listed["symbol"] == "")]
    return listed[["day", "symbol", "venue", "market"]].drop_duplicates(ignore_index=True)


def bundled(symbol: Symbol) -> str:
    """A coin's name with its bundle's size before it, as `parse` reads it."""
    return symbol.coin if symbol.multiplier == 1 else f"{symbol.multiplier}{symbol.coin}"


def _named(listing: Listing, traded: pd.DataFrame) -> Iterable[Any]:
    """Each instrument once, with the coin that its rows are of, where they say so."""
    told = traded[["instrument", "symbol"]].drop_duplicates()
    return [*listing.instruments.assign(symbol="").itertuples(), *told.itertuples()]


def _name(instrument: str, coin: str) -> Symbol:
    """The name under which an instrument lists its coin; a name that can't be read is the coin's own."""
    try:
        return as_listed(instrument)
    except SymbolError:
        return Symbol(coin)


def _seen(
    day: pd.Timestamp,
    listing: Listing | None,
    traded: pd.DataFrame,
    known: set[str],
    names: dict[tuple[str, str], Symbol],
) -> pd.DataFrame:
    """The names that were listed or traded on a day, by name, with the columns that SYMBOLS knows of each."""
    over = day + DAY
    spoken_of = listing.markets if listing is not None else frozenset()
    place = traded["venue"] + ":" + traded["market"]
    # Whether it trades on at the day's end: where no listing says so, that it traded in the day has to do.
    found = [traded.assign(place=place, goes_on=~place.isin(spoken_of) | (traded["last"] == over))]
    if listing is not None:
        every = listing.instruments.assign(place=lambda rows: rows["venue"] + ":" + rows["market"], symbol="")
        full = every["place"] + ":" + every["instrument"]
        told = every["since"].notna() | (pd.Timestamp(listing.asked) <= over + SOON)
        if not told.all():
            told |= full.isin(known)
        there = every[told & ~(every["since"] >= over) & ~(every["until"] <= day)]
        ended = there["until"] < over
        found.append(
            there.assign(
                first=there["since"].fillna(day),
                last=there["until"].where(ended, over),
                goes_on=~ended,
                volume_usd=float("nan"),
            )
        )
    rows = pd.concat([frame for frame in found if len(frame)] or found[:1], ignore_index=True)
    symbols = [names[pair] for pair in zip(rows["instrument"], rows["symbol"], strict=True)]
    rows = rows.assign(
        name=pd.Series([symbol.coin for symbol in symbols], index=rows.index, dtype=TEXT),
        multiplier=pd.Series([symbol.multiplier for symbol in symbols], index=rows.index, dtype="int64"),
        full=rows["place"] + ":" + rows["instrument"],
    )
    # Where a name trades on, markets that it left in the day are its own no more.
    own = rows[rows["goes_on"] | ~rows.groupby("name")["goes_on"].transform("any").astype(bool)]
    of_name, of_own = rows.groupby("name"), own.groupby("name")
    return pd.DataFrame(
        {
            "status": of_name["goes_on"].any().map({True: "listed", False: "delisted"}),
            "venues": _joined(own, "venue"),
            "markets": _joined(own, "place"),
            "instruments": _joined(own, "full"),
            "multiplier": of_own["multiplier"].max(),
            "first_seen": of_name["first"].min(),
            "last_seen": of_name["last"].max(),
            "volume_24h_usd": of_name["volume_usd"].sum(min_count=1),
        }
    )


def _carried(known: pd.DataFrame, seen: pd.DataFrame, spoken_of: frozenset[str]) -> pd.DataFrame:
    """What is known by the day's end: what was seen on it, and what was known before of the other names."""
    gone = known[~known.index.isin(seen.index)].copy()
    told = gone["markets"].map(lambda markets: spoken_of.issuperset(markets.split(",")) if markets else False)
    gone.loc[told.astype(bool), "status"] = "delisted"
    gone["volume_24h_usd"] = float("nan")
    before = known.reindex(seen.index)
    seen = seen.assign(
        first_seen=seen["first_seen"].where(~(before["first_seen"] < seen["first_seen"]), before["first_seen"]),
        last_seen=seen["last_seen"].where(~(before["last_seen"] > seen["last_seen"]), before["last_seen"]),
    )
    filled = [frame for frame in (gone.drop(columns="renamed_to"), seen) if len(frame)]
    return (pd.concat(filled) if filled else seen).sort_index()


def _split(known: pd.DataFrame) -> list[str]:
    """Every instrument of these rows."""
    return [each for instruments in known["instruments"] for each in instruments.split(",")]


def _joined(rows: pd.DataFrame, column: str) -> pd.Series:
    """Each name's values, sorted, comma between; ten times as fast as aggregating text in pandas."""
    pairs = sorted(set(zip(rows["name"].tolist(), rows[column].tolist(), strict=True)))
    texts = {name: ",".join(value for _, value in of_name) for name, of_name in groupby(pairs, key=itemgetter(0))}
    return pd.Series(texts, dtype=TEXT)
