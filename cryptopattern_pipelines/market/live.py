"""The venues themselves as a source: Binance spot and USD-M, OKX spot and swap, over their public REST interfaces.

What belongs here: who is asked for what, and what is made of a venue that doesn't answer. What does not: a venue's
paths and fields (`binance.py`, `okx.py`) or retries (`transport.py`).
"""

import asyncio
import functools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import httpx
import pandas as pd

from cryptopattern_pipelines.market import binance, hourly, okx
from cryptopattern_pipelines.market.answers import Columns, VenueError
from cryptopattern_pipelines.market.source import HOUR, MarketError, Problem, hours_between
from cryptopattern_pipelines.market.symbols import (
    Instrument,
    Market,
    binance_instrument,
    binance_instruments,
    coins,
    okx_instrument,
    okx_instruments,
)
from cryptopattern_pipelines.market.transport import Host, Patience
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


class NoVenueError(MarketError):
    """Not one venue answered."""


class _Venue(Protocol):
    """What a venue's module offers."""

    VENUE: str

    async def candles(self, host: Host, instrument: Instrument, start: datetime, end: datetime) -> Columns: ...
    async def funding(self, host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame: ...
    async def snapshots(self, host: Host, instrument: Instrument, start: datetime, end: datetime) -> pd.DataFrame: ...
    def tickers(self, host: Host, market: Market) -> Coroutine[Any, Any, pd.DataFrame]: ...


@dataclass(frozen=True)
class _Desk:
    """One market of a venue, and how it is asked."""

    venue: _Venue
    market: Market
    host: Host
    instruments: Callable[[Iterable[str], Market], list[list[Instrument]]]
    listed: Callable[[str, Market], Instrument | None]


_T = TypeVar("_T")


class LiveSource:
    """Candles and derivatives metrics from the venues' public interfaces, without a key.

    A venue that doesn't answer costs its own rows alone: they are told in `problems`. When none answers, that is an
    error. A venue that doesn't have a coin is no problem.

    Args:
        binance_spot_url: base address of Binance's spot interface.
        binance_usdm_url: base address of Binance's USD-M interface.
        okx_url: base address of OKX's interface.
        patience: time-outs, retries, and how many questions are under way at once with each.
        snapshot_delay: from the time of an open-interest snapshot until it is published.
        longest_snapshot_age: of an open-interest snapshot at an hour's end.
        seed: of the chance in pauses between attempts.
    """

    def __init__(
        self,
        *,
        binance_spot_url: str = "https://api.binance.com",
        binance_usdm_url: str = "https://fapi.binance.com",
        okx_url: str = "https://www.okx.com",
        patience: Patience | None = None,
        snapshot_delay: timedelta = hourly.PUBLISHING_DELAY,
        longest_snapshot_age: timedelta = hourly.LONGEST_SNAPSHOT_AGE,
        seed: int | None = None,
    ) -> None:
        self.binance_spot_url = binance_spot_url
        self.binance_usdm_url = binance_usdm_url
        self.okx_url = okx_url
        self.patience = patience or Patience()
        self.snapshot_delay = snapshot_delay
        self.longest_snapshot_age = longest_snapshot_age
        self.problems: list[Problem] = []
        self._jitter = random.Random(seed)

    def candles(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of MARKET_CANDLES; see `MarketSource.candles`. Only closed candles, by the venue's own clock.

        Raises:
            NoVenueError: no venue answered.
        """
        hours_between(start, end)

        async def question(desk: _Desk, instrument: Instrument) -> tuple[Instrument, Columns]:
            return instrument, await desk.venue.candles(desk.host, instrument, start, end)

        answers = asyncio.run(self._asked(list(symbols), ("spot", "perpetual"), question))
        by_desk: dict[tuple[str, Market], list[tuple[Instrument, Columns]]] = {}
        for desk, found in answers:
            by_desk.setdefault((desk.venue.VENUE, desk.market), []).extend(found)
        return _sorted([hourly.candle_rows(found, venue) for (venue, _), found in by_desk.items()], MARKET_CANDLES)

    def derivatives_metrics(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of DERIVATIVES_METRICS; see `MarketSource.derivatives_metrics`.

        Venues keep open interest and ratios for a short time (Binance 30 days, OKX five): hours before it have
        funding alone, which is told in `problems`.

        Raises:
            NoVenueError: no venue answered.
        """
        hours = hours_between(start, end)
        before = start - self.longest_snapshot_age

        async def question(desk: _Desk, instrument: Instrument) -> pd.DataFrame:
            # Twice as far back as a rate lives, so that the first rate that may count has one before it.
            settled = await desk.venue.funding(desk.host, instrument, start - 2 * hourly.LONGEST_FUNDING_INTERVAL, end)
            snapshots = await desk.venue.snapshots(desk.host, instrument, before, end)
            return hourly.metrics_rows(
                hourly.with_intervals(settled),
                snapshots,
                hours,
                instrument,
                desk.venue.VENUE,
                delay=self.snapshot_delay,
                longest_age=self.longest_snapshot_age,
            )

        answers = asyncio.run(self._asked(list(symbols), ("perpetual",), question))
        rows = _sorted([hourly.one_a_coin(found, DERIVATIVES_METRICS) for _, found in answers], DERIVATIVES_METRICS)
        self._tell_without_open_interest(rows)
        return rows

    def realised_liquidations(self, symbols: Iterable[str], start: datetime, end: datetime) -> pd.DataFrame:
        """No rows: neither venue's REST interface tells the market's liquidations hour by hour.

        Raises:
            WindowError: as `hours_between`.
        """
        hours_between(start, end)
        reason = "the venues of this source tell no realised liquidations of these hours"
        self.problems.append(Problem("", "", ", ".join(coins(symbols)), reason))
        return REALISED_LIQUIDATIONS.empty()

    def tickers(self, symbols: Iterable[str] | None = None) -> pd.DataFrame:
        """The last 24 hours of every USDT market as the venues tell them now, or of these coins' alone.

        Returns:
            Columns TICKERS, sorted by symbol, venue, market: prices in USD a coin, volumes in coins and in USD,
            `time` is the venue's, UTC. A moving window: hourly tables are made from candles instead.

        Raises:
            NoVenueError: no venue answered.
        """
        return asyncio.run(self._tickers(None if symbols is None else set(coins(symbols))))

    @asynccontextmanager
    async def _desks(self) -> AsyncIterator[list[_Desk]]:
        async with AsyncExitStack() as stack:

            async def host(name: str, url: str, busy: Callable[[object], bool] = lambda content: False) -> Host:
                client = httpx.AsyncClient(
                    base_url=url,
                    http2=True,
                    verify=_trust(),
                    timeout=self.patience.timeout,
                    limits=httpx.Limits(max_connections=self.patience.at_once),
                )
                await stack.enter_async_context(client)
                return Host(name, client, self.patience, self._jitter, busy)

            spot = await host("binance spot", self.binance_spot_url)
            usdm = await host("binance perpetual", self.binance_usdm_url)
            both = await host("okx", self.okx_url, okx.busy)
            yield [
                _Desk(binance, "spot", spot, binance_instruments, binance_instrument),
                _Desk(binance, "perpetual", usdm, binance_instruments, binance_instrument),
                _Desk(okx, "spot", both, okx_instruments, okx_instrument),
                _Desk(okx, "perpetual", both, okx_instruments, okx_instrument),
            ]

    async def _asked(
        self, symbols: list[str], markets: tuple[Market, ...], question: Callable[[_Desk, Instrument], Awaitable[_T]]
    ) -> list[tuple[_Desk, list[_T]]]:
        """What every desk of these markets answered for each coin: of each of its instruments, best first."""

        async def of_coin(desk: _Desk, choice: list[Instrument]) -> list[_T]:
            return [await question(desk, instrument) for instrument in choice]

        async with self._desks() as desks:
            asked = [
                (desk, choice)
                for desk in desks
                if desk.market in markets
                for choice in desk.instruments(symbols, desk.market)
            ]
            answers = await _gathered([of_coin(desk, choice) for desk, choice in asked])
        found: list[tuple[_Desk, list[_T]]] = []
        failures = []
        for (desk, choice), answer in zip(asked, answers, strict=True):
            if isinstance(answer, VenueError):
                failures.append((desk, choice[0].name, str(answer)))
            else:
                found.append((desk, answer))
        self._tell(failures, everything=len(asked))
        return found

    async def _tickers(self, wanted: set[str] | None) -> pd.DataFrame:
        async with self._desks() as desks:
            answers = await _gathered([desk.venue.tickers(desk.host, desk.market) for desk in desks])
        frames = []
        failures = []
        for desk, answer in zip(desks, answers, strict=True):
            if isinstance(answer, VenueError):
                failures.append((desk, "", str(answer)))
                continue
            listed = {name: desk.listed(name, desk.market) for name in answer["instrument"]}
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

    def _tell(self, failures: list[tuple[_Desk, str, str]], everything: int) -> None:
        """Add what failed to `problems`, one for each desk and reason.

        Raises:
            NoVenueError: everything failed.
        """
        if failures and len(failures) == everything:
            reasons = "; ".join(dict.fromkeys(reason for _, _, reason in failures))
            raise NoVenueError(f"no venue answered ({reasons}): check the network and the venues' addresses")
        by_reason: dict[tuple[str, str, str], list[str]] = {}
        for desk, name, reason in failures:
            by_reason.setdefault((desk.venue.VENUE, desk.market, reason), []).append(name)
        for (venue, market, reason), names in by_reason.items():
            self.problems.append(Problem(venue, market, ", ".join(names), reason))

    def _tell_without_open_interest(self, rows: pd.DataFrame) -> None:
        lacking = rows[rows["open_interest_base"].isna()]
        for venue, of_venue in lacking.groupby("venue"):
            until = of_venue["hour"].max() + HOUR
            names = ", ".join(sorted(of_venue["instrument"].unique()))
            reason = f"no open interest in {len(of_venue)} rows before {until}: take older hours from the archive"
            self.problems.append(Problem(str(venue), "perpetual", names, reason))


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom to trust; reading the certificates takes longer than a question."""
    return httpx.create_ssl_context()


def _sorted(frames: list[pd.DataFrame], table: TableSchema) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return table.empty()
    return pd.concat(filled, ignore_index=True).sort_values(list(table.key), ignore_index=True)


async def _gathered(questions: list[Coroutine[Any, Any, _T]]) -> list[_T | VenueError]:
    """The answers to all, a venue's failure being one; any other error ends the rest."""

    async def answer(question: Coroutine[Any, Any, _T]) -> _T | VenueError:
        try:
            return await question
        except VenueError as error:
            return error

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(question)) for question in questions]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
