"""The venues themselves as a source: Binance, OKX, and for liquidations Gate and CoinGlass, over their REST interfaces.

What belongs here: who is asked for what, and what is made of rows that don't come. What does not: a venue's paths,
fields and limits (`binance.py`, `okx.py`, `gate.py`, `coinglass.py`) or retries (`transport.py`).
"""

import asyncio
import functools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import httpx
import numpy as np
import pandas as pd

from cryptopattern_pipelines.market import binance, coinglass, gate, hourly, okx
from cryptopattern_pipelines.market.answers import Columns, VenueError
from cryptopattern_pipelines.market.limits import Costs, memory_of
from cryptopattern_pipelines.market.liquidations import Feed
from cryptopattern_pipelines.market.listings import Listing, instruments_of
from cryptopattern_pipelines.market.source import HOUR, MarketError, Problem, SymbolError, hours_between
from cryptopattern_pipelines.market.symbols import (
    MARKETS,
    Instrument,
    Market,
    binance_instrument,
    binance_instruments,
    coins,
    okx_instrument,
    okx_instruments,
)
from cryptopattern_pipelines.market.transport import Host, Patience, Raw, Sent, gathered
from cryptopattern_pipelines.market.venues import MORE
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TableSchema,
)

TICKERS = [
    "symbol",
    "venue",
    "market",
    "instrument",
    "last_price",
    "high_24h",
    "low_24h",
    "volume_24h_base",
    "volume_24h_usd",
    "time",
]


# Whom there is to ask.
VENUES = ("binance", "okx", "gate", "coinglass", *(venue.name for venue in MORE))


class NoVenueError(MarketError):
    """Not one venue answered."""


class _Venue(Protocol):
    """What a venue's module offers."""

    VENUE: str

    async def candles(self, host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns | None: ...
    async def funding(
        self, host: Host, instrument: Instrument, start: datetime, end: datetime
    ) -> pd.DataFrame | None: ...
    async def snapshots(
        self, host: Host, instrument: Instrument, start: datetime, end: datetime
    ) -> pd.DataFrame | None: ...
    def tickers(self, host: Host, market: Market) -> Coroutine[Any, Any, pd.DataFrame]: ...
    async def listed_since(self, host: Host, market: Market) -> dict[str, pd.Timestamp]: ...


@dataclass(frozen=True)
class _Desk:
    """One market of a venue, and how it is asked."""

    venue: _Venue
    market: Market
    host: Host
    instruments: Callable[[Iterable[str], Market], list[list[Instrument]]]
    listed: Callable[[str, Market], Instrument | None]


@dataclass(frozen=True)
class _Venues:
    """The desks of a call, and the hosts of the feeds of liquidations."""

    desks: list[_Desk]
    feeds: list[tuple[Feed, Host]]


_T = TypeVar("_T")

# From so many coins on, a question that serves all of a venue's instruments costs fewer requests.
_MANY = 20
# Rows that are missing from hours older than this are not published late: asking again won't bring them.
_LATE = timedelta(days=1)


class LiveSource:
    """Candles, derivatives metrics and liquidations from the venues' public interfaces, without a key.

    A venue that doesn't answer costs its own rows alone: they are told in `problems`. When none answers, that is an
    error. A venue that doesn't have a coin is no problem; a venue that has it and tells nothing of a closed hour is.

    Args:
        binance_spot_url: base address of Binance's spot interface.
        binance_usdm_url: base address of Binance's USD-M interface.
        okx_url: base address of OKX's interface.
        gate_url: base address of Gate's interface.
        coinglass_url: base address of CoinGlass' interface.
        coinglass_key: its key; without one it isn't asked.
        venues: those of VENUES that are asked.
        patience: time-outs, retries, deadlines, and how many questions are under way at once with each.
        snapshot_delay: from the time of an open-interest snapshot until it is published.
        longest_snapshot_age: of an open-interest snapshot at an hour's end.
        seed: of the chance in pauses between attempts.
        wall: this machine's clock, UTC.
        keep: is handed a call's answers as they came, with the start and the end that it asked for.
        tell: is handed every question that was sent to a venue, once it is over.
    """

    def __init__(
        self,
        *,
        binance_spot_url: str = "https://api.binance.com",
        binance_usdm_url: str = "https://fapi.binance.com",
        okx_url: str = "https://www.okx.com",
        gate_url: str = "https://api.gateio.ws",
        coinglass_url: str = "https://open-api-v4.coinglass.com",
        coinglass_key: str = "",
        venues: Iterable[str] = VENUES,
        patience: Patience | None = None,
        snapshot_delay: timedelta = hourly.PUBLISHING_DELAY,
        longest_snapshot_age: timedelta = hourly.LONGEST_SNAPSHOT_AGE,
        seed: int | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        keep: Callable[[list[Raw], datetime, datetime], None] | None = None,
        tell: Callable[[Sent], None] | None = None,
    ) -> None:
        self.binance_spot_url = binance_spot_url
        self.binance_usdm_url = binance_usdm_url
        self.okx_url = okx_url
        self.gate_url = gate_url
        self.coinglass_url = coinglass_url
        self.patience = patience or Patience()
        self.snapshot_delay = snapshot_delay
        self.longest_snapshot_age = longest_snapshot_age
        self.problems: list[Problem] = []
        self._coinglass_key = coinglass_key
        self._wanted = frozenset(venues)
        self._jitter = random.Random(seed)  # noqa: S311 - spreads waiting times
        self._wall = wall
        self._keep = keep
        self._tell_sent = tell

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of MARKET_CANDLES; see `MarketSource.candles`. Only closed candles, by the venue's own clock.

        Raises:
            NoVenueError: no venue answered.
        """
        return asyncio.run(self._candles(list(symbols), start, end))

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of DERIVATIVES_METRICS; see `MarketSource.derivatives_metrics`. Only hours that are over.

        Venues keep open interest and ratios for a short time (Binance 30 days, OKX five): hours before it have
        funding alone, which is told in `problems`.

        Raises:
            NoVenueError: no venue answered.
        """
        return asyncio.run(self._metrics(list(symbols), start, end))

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of REALISED_LIQUIDATIONS of Gate, OKX, and with a key of CoinGlass (venue `all`).

        Hours that a feed can't tell wholly are missing and told in `problems`, and so is a feed that doesn't answer:
        an hour is worth having without it.

        Raises:
            WindowError: as `hours_between`.
        """
        return asyncio.run(self._liquidations(set(coins(symbols)), start, end))

    def tickers(self, symbols: Iterable[str] | None = None) -> pd.DataFrame:
        """The last 24 hours of every USDT market as the venues tell them now, or of these coins' alone.

        Returns:
            Columns TICKERS, sorted by symbol, venue, market: prices in USD a coin, volumes in coins and in USD,
            `time` is the venue's, UTC. A moving window: hourly tables are made from candles instead.

        Raises:
            NoVenueError: no venue answered.
        """
        return asyncio.run(self._tickers(None if symbols is None else set(coins(symbols))))

    def listing(self, end: datetime) -> Listing:
        """What the venues list now; it speaks of the day that ended last alone, whatever is asked for.

        A venue that doesn't answer isn't in it.

        Raises:
            NoVenueError: no venue answered.
        """
        return asyncio.run(self._listing())

    @asynccontextmanager
    async def _venues(self, start: datetime | None = None, end: datetime | None = None) -> AsyncIterator[_Venues]:
        """The venues for one call, that asks for this window; what they answered that is new is told at its end."""
        days = (end - start) / timedelta(days=1) if start and end else 1.0
        raws: list[Raw] = []
        async with AsyncExitStack() as stack:

            async def host(name: str, url: str, module: Any, costs: Costs, **headers: str) -> Host:
                client = httpx.AsyncClient(
                    base_url=url,
                    headers=headers,
                    http2=True,
                    verify=_trust(),
                    timeout=self.patience.timeout,
                    limits=httpx.Limits(max_connections=self.patience.at_once),
                )
                await stack.enter_async_context(client)
                return Host(
                    name,
                    client,
                    self.patience,
                    self._jitter,
                    costs=costs,
                    busy=getattr(module, "busy", lambda content: False),
                    memory=memory_of(url, name),
                    days=days,
                    wall=self._wall,
                    keep=raws.append if self._keep else None,
                    tell=self._tell_sent,
                )

            hosts, desks, feeds = [], [], list[tuple[Feed, Host]]()
            if "binance" in self._wanted:
                spot = await host("binance spot", self.binance_spot_url, binance, binance.spot_costs)
                usdm = await host("binance perpetual", self.binance_usdm_url, binance, binance.usdm_costs)
                hosts += [spot, usdm]
                desks += [
                    _Desk(binance, "spot", spot, binance_instruments, binance_instrument),
                    _Desk(binance, "perpetual", usdm, binance_instruments, binance_instrument),
                ]
            if "gate" in self._wanted:
                feeds.append((gate, await host("gate", self.gate_url, gate, gate.costs)))
            if "okx" in self._wanted:
                both = await host("okx", self.okx_url, okx, okx.costs)
                hosts.append(both)
                desks += [_Desk(okx, market, both, okx_instruments, okx_instrument) for market in MARKETS]
                feeds.append((okx, both))
            if "coinglass" in self._wanted and self._coinglass_key:
                key = {coinglass.HEADER: self._coinglass_key}
                feeds.append(
                    (coinglass, await host("coinglass", self.coinglass_url, coinglass, coinglass.costs, **key))
                )
            for venue in MORE:
                if venue.name in self._wanted:
                    hosts.append(it := await host(venue.name, venue.url, venue.module, venue.module.costs))
                    desks += [_Desk(venue.module, each, it, venue.instruments, venue.listed) for each in venue.markets]
            try:
                yield _Venues(desks, feeds)
            finally:
                self._tell_new_fields([*hosts, *(each for _, each in feeds)])
                if self._keep and raws and start and end:
                    self._keep(raws, start, end)

    async def _candles(self, symbols: list[str], start: datetime, end: datetime) -> pd.DataFrame:
        hours = self._closed(hours_between(start, end))
        async with self._venues(start, end) as venues:

            async def question(desk: _Desk, instrument: Instrument) -> tuple[Instrument, Columns] | None:
                columns = await desk.venue.candles(desk.host, instrument, start, end)
                return None if columns is None else (instrument, columns)

            answers = await self._asked(venues.desks, symbols, ("spot", "perpetual"), question)
            frames = []
            for desk, found in answers.items():
                rows = hourly.candle_rows([each for one in found for each in one], desk.venue.VENUE)
                frames.append(rows)
                # Of a coin's instruments one is enough; before its first candle of all it needn't have been listed.
                have = dict(iter(rows.groupby("symbol")["hour"]))
                lacking = {}
                for each, _ in (answer for one in found for answer in one):
                    seen = have.get(each.coin, hours[:0])
                    lacks = hours.difference(pd.DatetimeIndex(seen))
                    lacking[each] = lacks[lacks > seen.min()] if len(seen) else lacks
                await self._tell_missing(desk, lacking, "candle")
        return _sorted(frames, MARKET_CANDLES)

    async def _metrics(self, symbols: list[str], start: datetime, end: datetime) -> pd.DataFrame:
        # What is known by the end of an hour that goes on isn't known yet.
        hours = self._closed(hours_between(start, end))
        before = start - self.longest_snapshot_age
        # Twice as far back as a rate lives, so that the first rate that may count has one before it.
        first = start - 2 * hourly.LONGEST_FUNDING_INTERVAL
        async with self._venues(start, end) as venues:
            settled = await self._funding_of_all(venues, len(symbols), first, end)
            no_rates = pd.DataFrame({"time": hours[:0], "rate": np.empty(0)})

            async def question(desk: _Desk, instrument: Instrument) -> tuple[Instrument, pd.DataFrame] | None:
                if desk in settled:
                    rates: pd.DataFrame | None = settled[desk].get(instrument.name, no_rates)
                else:
                    rates = await desk.venue.funding(desk.host, instrument, first, end)
                snapshots = None if rates is None else await desk.venue.snapshots(desk.host, instrument, before, end)
                if rates is None or snapshots is None:
                    return None
                rows = hourly.metrics_rows(
                    hourly.with_intervals(rates[["time", "rate"]]),
                    snapshots,
                    hours,
                    instrument,
                    desk.venue.VENUE,
                    delay=self.snapshot_delay,
                    longest_age=self.longest_snapshot_age,
                )
                return instrument, rows

            answers = await self._asked(venues.desks, symbols, ("perpetual",), question)
            frames = []
            for desk, found in answers.items():
                frames += [hourly.one_a_coin([rows for _, rows in one], DERIVATIVES_METRICS) for one in found]
                lacking = {each: hours.difference(rows["hour"]) for one in found for each, rows in one}
                # A coin's other instrument may have brought the hour.
                for one in found:
                    brought = pd.DatetimeIndex(pd.concat([rows["hour"] for _, rows in one])) if one else hours[:0]
                    lacking |= {each: lacking[each].difference(brought) for each, _ in one}
                await self._tell_missing(desk, lacking, "metrics")
        rows = _sorted(frames, DERIVATIVES_METRICS)
        self._tell_lacking_figures(rows)
        return rows

    async def _funding_of_all(
        self, venues: _Venues, symbols: int, start: datetime, end: datetime
    ) -> dict[_Desk, dict[str, pd.DataFrame]]:
        """Every instrument's rates by name, of desks that tell them in few questions, where many are asked for."""
        if symbols < _MANY:
            return {}
        desks = [desk for desk in venues.desks if desk.market == "perpetual" and desk.venue is binance]
        answers = await gathered([binance.funding_of_all(desk.host, start, end) for desk in desks])
        # What failed here is asked for one by one, and told there.
        return {
            desk: dict(iter(it.groupby("instrument")))
            for desk, it in zip(desks, answers, strict=True)
            if not isinstance(it, VenueError)
        }

    async def _liquidations(self, wanted: set[str], start: datetime, end: datetime) -> pd.DataFrame:
        hours = self._closed(hours_between(start, end))
        frames = []
        async with self._venues(start, end) as venues:
            answers = await gathered([feed.liquidations(host, wanted, hours) for feed, host in venues.feeds])
            for (feed, _), answer in zip(venues.feeds, answers, strict=True):
                if isinstance(answer, VenueError):
                    self.problems.append(Problem(feed.VENUE, "perpetual", "", str(answer), answer.passing))
                else:
                    frames.append(answer.rows)
                    self.problems += answer.problems
        return _sorted(frames, REALISED_LIQUIDATIONS)

    def _closed(self, hours: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Those of the hours that are over by this machine's clock."""
        return hours[hours + HOUR <= pd.Timestamp(self._wall())]

    async def _asked(
        self,
        desks: list[_Desk],
        symbols: list[str],
        markets: tuple[Market, ...],
        question: Callable[[_Desk, Instrument], Awaitable[_T | None]],
    ) -> dict[_Desk, list[list[_T]]]:
        """What every desk of these markets answered for each coin: of each instrument that it knows, best first."""

        async def of_coin(desk: _Desk, choice: list[Instrument]) -> list[_T]:
            answers = [await question(desk, instrument) for instrument in choice]
            return [answer for answer in answers if answer is not None]

        asked = [
            (desk, choice)
            for desk in desks
            if desk.market in markets
            for choice in desk.instruments(symbols, desk.market)
        ]
        answers = await gathered([of_coin(desk, choice) for desk, choice in asked])
        found: dict[_Desk, list[list[_T]]] = {}
        failures = []
        for (desk, choice), answer in zip(asked, answers, strict=True):
            if isinstance(answer, VenueError):
                failures.append((desk, choice[0].name, answer))
            else:
                found.setdefault(desk, []).append(answer)
        self._tell(failures, everything=len(asked))
        return found

    async def _listing(self) -> Listing:
        async with self._venues() as venues:
            desks = venues.desks
            answers = await gathered([desk.venue.listed_since(desk.host, desk.market) for desk in desks])
        failures = [(desk, "", it) for desk, it in zip(desks, answers, strict=True) if isinstance(it, VenueError)]
        self._tell(failures, everything=len(desks))
        told = [(desk, it) for desk, it in zip(desks, answers, strict=True) if not isinstance(it, VenueError)]
        now = self._wall()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return Listing(
            instruments_of(
                # A venue that doesn't tell since when says the beginning of time.
                (desk.venue.VENUE, desk.market, name, since if since.value else None, None)
                for desk, listed in told
                for name, since in sorted(listed.items())
                if _listed(desk, name)
            ),
            start=today - timedelta(days=1),
            end=today,
            asked=now,
            markets=frozenset(f"{desk.venue.VENUE}:{desk.market}" for desk, _ in told),
        )

    async def _tickers(self, wanted: set[str] | None) -> pd.DataFrame:
        async with self._venues() as venues:
            desks = venues.desks
            answers = await gathered([desk.venue.tickers(desk.host, desk.market) for desk in desks])
        frames = []
        failures = []
        for desk, answer in zip(desks, answers, strict=True):
            if isinstance(answer, VenueError):
                failures.append((desk, "", answer))
                continue
            listed = {name: _listed(desk, name) for name in answer["instrument"]}
            known = {name: it for name, it in listed.items() if it and (wanted is None or it.coin in wanted)}
            frame = answer[answer["instrument"].isin(known)]
            size = frame["instrument"].map({name: it.multiplier for name, it in known.items()}).astype("float64")
            prices = ["last_price", "high_24h", "low_24h"]
            frames.append(
                frame.assign(
                    symbol=frame["instrument"].map({name: it.coin for name, it in known.items()}),
                    venue=desk.venue.VENUE,
                    market=desk.market,
                    volume_24h_base=frame["volume_24h_base"] * size,
                    **{price: frame[price] / size for price in prices},
                )
            )
        self._tell(failures, everything=len(desks))
        return pd.concat(frames)[TICKERS].sort_values(["symbol", "venue", "market", "instrument"], ignore_index=True)

    def _tell(self, failures: list[tuple[_Desk, str, VenueError]], everything: int) -> None:
        """Add what failed to `problems`, one for each desk and reason.

        Raises:
            NoVenueError: everything failed.
        """
        if failures and len(failures) == everything:
            reasons = "; ".join(dict.fromkeys(str(error) for _, _, error in failures))
            raise NoVenueError(f"no venue answered ({reasons}): check the network and the venues' addresses")
        by_reason: dict[tuple[str, str, str, bool], list[str]] = {}
        for desk, name, error in failures:
            by_reason.setdefault((desk.venue.VENUE, desk.market, str(error), error.passing), []).append(name)
        for (venue, market, reason, passing), names in by_reason.items():
            self.problems.append(Problem(venue, market, ", ".join(names), reason, passing))

    async def _tell_missing(self, desk: _Desk, lacking: dict[Instrument, pd.DatetimeIndex], what: str) -> None:
        """Add the closed hours to `problems` that a venue told nothing of, although the instrument traded in them.

        Whether it did is asked only where hours are lacking; when that can't be had, it is taken that it did.
        """
        lacking = {instrument: hours for instrument, hours in lacking.items() if len(hours)}
        if not lacking:
            return
        try:
            since = await desk.venue.listed_since(desk.host, desk.market)
        except VenueError:
            since = {instrument.name: pd.Timestamp(0, tz="UTC") for instrument in lacking}
        told = {
            instrument.name: hours[hours >= since[instrument.name]]
            for instrument, hours in lacking.items()
            if instrument.name in since
        }
        told = {name: hours for name, hours in told.items() if len(hours)}
        if told:
            count, newest = sum(map(len, told.values())), max(hours[-1] for hours in told.values())
            reason = (
                f"no {what} in {count} rows up to {newest + HOUR}, although it trades: not listed then, or not told"
            )
            passing = bool(newest + _LATE > pd.Timestamp(self._wall()))
            self.problems.append(Problem(desk.venue.VENUE, desk.market, ", ".join(sorted(told)), reason, passing))

    def _tell_lacking_figures(self, rows: pd.DataFrame) -> None:
        """Add the figures that lack in rows to `problems`, one for each venue."""
        some = rows["open_interest_base"].notna()
        kinds = {"open interest": ~some, "funding": rows["funding_rate"].isna()}
        kinds |= {name.replace("_", " "): some & rows[name].isna() for name in hourly.FIGURES}
        for venue, of_venue in rows.groupby("venue"):
            told = [(kind, of_venue[lacks[of_venue.index]]) for kind, lacks in kinds.items()]
            told = [(kind, lacking) for kind, lacking in told if len(lacking)]
            if not told:
                continue
            until = max(lacking["hour"].max() for _, lacking in told) + HOUR
            names = sorted({name for _, lacking in told for name in lacking["instrument"]})
            counts = ", ".join(f"no {kind} in {len(lacking)} rows" for kind, lacking in told)
            reason = f"{counts} before {until}: take older hours from the archive"
            passing = bool(until + _LATE > pd.Timestamp(self._wall()))
            self.problems.append(Problem(str(venue), "perpetual", ", ".join(names), reason, passing))

    def _tell_new_fields(self, hosts: list[Host]) -> None:
        """Add the fields that no documentation has to `problems`; the rows beside them are whole."""
        new = {(host.name.split()[0], *field) for host in hosts for field in host.new_fields}
        for venue, path, name in sorted(new):
            reason = f"answers of {path} have a new field {name!r}: rows are read as before, report it"
            problem = Problem(venue, "", "", reason, passing=False, kind="new field")
            if problem not in self.problems:
                self.problems.append(problem)


def _listed(desk: _Desk, name: str) -> Instrument | None:
    """The instrument of this name, if it is of the kind that we follow; a name that can't be read is none."""
    try:
        return desk.listed(name, desk.market)
    except SymbolError:
        return None


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom to trust; reading the certificates takes longer than a question."""
    return httpx.create_ssl_context()


def _sorted(frames: list[pd.DataFrame], table: TableSchema) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return table.empty()
    return pd.concat(filled, ignore_index=True).sort_values(list(table.key), ignore_index=True)
