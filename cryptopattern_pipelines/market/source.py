"""What every source of market data offers, and what can go wrong with one.

What belongs here: the interface, its errors, and the checks on what is asked for. What does not: how a venue or
an archive is read (`live.py`, `archive.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

import pandas as pd

from cryptopattern_pipelines.storage.schemas import TableSchema

HOUR = timedelta(hours=1)


class MarketError(Exception):
    """Market data could not be had; the message says what, where, and what to do."""


class WindowError(MarketError, ValueError):
    """A window that doesn't begin and end on whole hours, or has no time zone."""


class SymbolError(MarketError, ValueError):
    """A name that names no coin."""


@dataclass(frozen=True)
class Problem:
    """Rows that a source could not bring, while it brought the others.

    Args:
        venue: whose rows.
        market: spot or perpetual; empty for both.
        instrument: the venue's names, comma between; empty for all.
        reason: why, and what to do.
        passing: whether the same question some hours later may bring them.
        kind: `missing` for rows that are missing; `new field` for a field that the documentation doesn't have, beside
            which the rows are whole.
    """

    venue: str
    market: str
    instrument: str
    reason: str
    passing: bool = True
    kind: Literal["missing", "new field"] = "missing"

    def __str__(self) -> str:
        return " ".join(part for part in (self.venue, self.market, self.instrument) if part) + f": {self.reason}"


class MarketSource(Protocol):
    """Venues or an archive of them: asked for symbols and hours, it answers with a table's rows.

    Each method takes names of coins in any usual spelling (`BTC`, `btcusdt`, `BTC-USDT-SWAP`) and the hours from
    `start` up to, and without, `end`, both aware and on the hour. Each row holds nothing that was unknown at
    its hour's end, and doesn't depend on which other hours were asked for. Rows come sorted by the table's key.
    What could not be had although others could is added to `problems`.
    """

    problems: list[Problem]

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Closed hourly candles, in the columns of MARKET_CANDLES.

        Raises:
            MarketError: nothing could be read, or what was read is broken.
        """
        ...

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Funding, open interest and positioning, in the columns of DERIVATIVES_METRICS.

        Raises:
            MarketError: nothing could be read, or what was read is broken.
        """
        ...

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Positions closed by force, in the columns of REALISED_LIQUIDATIONS.

        Raises:
            MarketError: nothing could be read, or what was read is broken.
        """
        ...


def with_earlier(
    rows: pd.DataFrame,
    earlier: pd.DataFrame,
    problems: Iterable[Problem],
    table: TableSchema,
    symbols: Iterable[str] | None,
) -> pd.DataFrame:
    """Rows that were asked for again, with what a venue that has a problem told before and did not bring this time.

    That may be a row, or some of its values: a venue's funding may be there when its open interest is not.

    Args:
        rows: what the source brought now.
        earlier: what it had brought of the same hours before, in the same columns.
        problems: the source's.
        table: whose rows these are.
        symbols: the coins that are asked for, None for whichever were: rows of others are given up.
    """
    troubled = {problem.venue for problem in problems if problem.kind == "missing"}
    kept = earlier[earlier["venue"].isin(troubled)]
    if symbols is not None:
        kept = kept[kept["symbol"].isin(set(symbols))]
    return table.filled_up(rows, kept)


def hours_between(start: datetime, end: datetime) -> pd.DatetimeIndex:
    """The starts of the hours in [start, end), as `datetime64[us, UTC]`.

    Raises:
        WindowError: an end without a time zone or off the hour, or `end` before `start`.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise WindowError(f"{name} {moment} has no time zone: give an aware time, e.g. in UTC")
        if pd.Timestamp(moment) != pd.Timestamp(moment).floor("h"):
            raise WindowError(f"{name} {moment} is not on the hour: give a whole hour")
    if end < start:
        raise WindowError(f"end {end} is before start {start}: swap them")
    # Without a unit of its own the index would take the coarsest that holds both ends.
    first, last = (pd.Timestamp(moment).tz_convert("UTC").as_unit("us") for moment in (start, end))
    return pd.date_range(first, last, freq="h", inclusive="left").as_unit("us")
