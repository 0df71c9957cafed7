"""The archive first, and for hours that it lacks the venues' REST, as far as that reaches back.

What belongs here: which hours are lacking, and whose word counts. What does not: how either source is read.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market import hourly
from cryptopattern_pipelines.market.archive import VENUE
from cryptopattern_pipelines.market.listings import Listing, ListingSource
from cryptopattern_pipelines.market.live import NoVenueError
from cryptopattern_pipelines.market.source import HOUR, Problem, hours_between
from cryptopattern_pipelines.market.symbols import MARKETS, coins
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TableSchema,
)

# How far back Binance's REST tells open interest and ratios: "Only the data of the latest 1 month is available".
# https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest-Statistics
METRICS_REACH = timedelta(days=30)

_FIGURES = ["funding_rate", "open_interest_base", *hourly.FIGURES]
_Ask = Callable[[Iterable[str], datetime, datetime], pd.DataFrame]


class ArchiveThenLive:
    """The archive's rows, filled up from REST with rows of the archive's venue.

    An hour of a coin is lacking when one of its markets, or one figure of its metrics, is; what else is lacking
    doesn't matter, so rows don't depend on which other hours are asked for. Other venues of the live source stay out,
    or a coin's hours would be averaged over now one venue, now two; liquidations, of which the archive has few, come
    from all of them.

    Args:
        archive: whose values come first.
        live: who is asked for the rest.
        now: the moment from which the reach counts; the time of asking when not given.
    """

    def __init__(self, archive: ListingSource, live: ListingSource, *, now: datetime | None = None) -> None:
        self.archive = archive
        self.live = live
        self.now = now
        self.problems: list[Problem] = []

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of MARKET_CANDLES; see `MarketSource.candles`.

        Raises:
            MarketError: the archive is broken, or has nothing of these hours and no venue answered.
        """
        return self._filled(
            MARKET_CANDLES, self.archive.candles, self.live.candles, (symbols, start, end), rows_an_hour=len(MARKETS)
        )

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of DERIVATIVES_METRICS; see `MarketSource.derivatives_metrics`.

        Raises:
            MarketError: as `candles`.
        """
        ask = (symbols, start, end)
        return self._filled(
            DERIVATIVES_METRICS,
            self.archive.derivatives_metrics,
            self.live.derivatives_metrics,
            ask,
            reach=METRICS_REACH,
            needed=_FIGURES,
        )

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of REALISED_LIQUIDATIONS; see `MarketSource.realised_liquidations`.

        Raises:
            MarketError: as `candles`.
        """
        ask = (symbols, start, end)
        archive, live = self.archive.realised_liquidations, self.live.realised_liquidations
        return self._filled(REALISED_LIQUIDATIONS, archive, live, ask, reach=METRICS_REACH, only_venue=False)

    def listing(self, end: datetime) -> Listing:
        """What the archive has candles of, or where it ends before these days do, what the venues list now.

        Raises:
            MarketError: it can't be had.
        """
        listing = self.archive.listing(end)
        return listing if end <= listing.end else self.live.listing(end)

    def _filled(
        self,
        table: TableSchema,
        archive: _Ask,
        live: _Ask,
        ask: tuple[Iterable[str], datetime, datetime],
        *,
        rows_an_hour: int = 1,
        needed: list[str] | None = None,
        reach: timedelta | None = None,
        only_venue: bool = True,
    ) -> pd.DataFrame:
        wanted, (_, start, end) = list(coins(ask[0])), ask
        rows = archive(wanted, start, end)
        hours = hours_between(start, end)
        if reach is not None:
            hours = hours[hours >= pd.Timestamp(self.now or datetime.now(UTC)) - reach]
        complete = rows if needed is None else rows[rows[needed].notna().all(axis=1)]
        told = complete.groupby(["symbol", "hour"]).size()
        full = told[told >= rows_an_hour].index
        by_span: dict[tuple[datetime, datetime], list[str]] = {}
        for coin in wanted:
            lacking = hours[~pd.MultiIndex.from_product([[coin], hours]).isin(full)]
            for span in _spans(lacking):
                by_span.setdefault(span, []).append(coin)
        more = [self._asked(live, names, span, rows, table) for span, names in sorted(by_span.items())]
        more = [frame[frame["venue"] == VENUE] if only_venue else frame for frame in more]
        filled = [frame for frame in more if len(frame)]
        others = pd.concat(filled, ignore_index=True) if filled else table.empty()
        rows = table.filled_up(rows, others)
        self._tell(table, set(rows["symbol"]))
        return rows

    def _asked(
        self, live: _Ask, names: list[str], span: tuple[datetime, datetime], rows: pd.DataFrame, table: TableSchema
    ) -> pd.DataFrame:
        try:
            return live(names, *span)
        except NoVenueError as error:
            if rows.empty:
                raise
            hours = f"from {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}"
            self.problems.append(Problem("", "", ", ".join(names), f"lacks {table.name} {hours}: {error}"))
            return table.empty()

    def _tell(self, table: TableSchema, found: set[str]) -> None:
        """Take over what the sources told, but for coins that the archive lacks and the venues have."""
        for problem in (*self.archive.problems, *self.live.problems):
            lacking = problem.reason == f"the archive has no {table.name} of these hours"
            names = set(problem.instrument.split(", "))
            if not (lacking and names <= found) and problem not in self.problems:
                self.problems.append(problem)


def _spans(hours: pd.DatetimeIndex) -> list[tuple[datetime, datetime]]:
    """Runs of hours without a gap, each as its start and the end of its last hour."""
    if hours.empty:
        return []
    cuts = np.flatnonzero(np.diff(hours.asi8) != HOUR // timedelta(microseconds=1)) + 1
    return [
        (part[0].to_pydatetime(), (part[-1] + HOUR).to_pydatetime())
        for part in (hours[begin:stop] for begin, stop in zip([0, *cuts], [*cuts, len(hours)], strict=True))
    ]
