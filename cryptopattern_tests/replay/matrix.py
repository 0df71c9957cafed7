"""Every fault at every venue: what an hour loses by it, whether that is told, and whether the next run makes it whole.

Each cell is one hour asked of all venues over the replay server, with a fault in the answers of one of them: `passing`
in the first answers of each endpoint, `lasting` in all of them until the next run. Then each endpoint alone: with a
fault that lasts, and, in a range of several pages, with one page that comes empty, twice, or out of its turn. Wrong are
rows that a market without faults doesn't have so; untold are missing rows that no problem names.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from cryptopattern_pipelines.market import limits
from cryptopattern_pipelines.market.live import VENUES as VENUE_NAMES
from cryptopattern_pipelines.market.live import LiveSource, NoVenueError
from cryptopattern_pipelines.market.source import Problem, with_earlier
from cryptopattern_pipelines.market.transport import Patience
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    MARKET_CANDLES,
    REALISED_LIQUIDATIONS,
    TableSchema,
)
from cryptopattern_tests.replay import faults
from cryptopattern_tests.replay.server import Fault, Server, serving
from cryptopattern_tests.replay.world import World

WORLD = World(("BTC", "ETH"), hours=1)
# Of several pages at each endpoint that has pages, and no more questions than the limits let go at once.
LONG_WORLDS = {
    "binance": World(("BTC",), hours=45, page=12),
    "okx": World(("BTC",), hours=18, page=5),
    "gate": World(("BTC",), hours=3),
    "coinglass": World(("BTC",), hours=3),
}
_QUICK = Patience(timeout=0.4, attempts=4, busy_attempts=5, pause=0.002, rest=0.01, longest_wait=2)

_FUTURES_DATA = ("openInterestHist", "takerlongshortRatio", "globalLongShortAccountRatio", "topLongShortAccountRatio",
                 "topLongShortPositionRatio")  # fmt: skip
_RUBIK = ("contracts/open-interest-history", "contracts/long-short-account-ratio-contract",
          "contracts/long-short-account-ratio-contract-top-trader",
          "contracts/long-short-position-ratio-contract-top-trader", "taker-volume-contract")  # fmt: skip
# The endpoints of each venue that faults are put into: all that a table's rows are made from.
VENUES: dict[str, tuple[str, ...]] = {
    "binance spot": ("/api/v3/klines", "/api/v3/exchangeInfo"),
    "binance perpetual": (
        "/fapi/v1/klines",
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/fundingRate",
        *(f"/futures/data/{kind}" for kind in _FUTURES_DATA),
    ),
    "okx": (
        "/api/v5/market/candles",
        "/api/v5/market/history-candles",
        "/api/v5/public/instruments",
        "/api/v5/public/funding-rate-history",
        "/api/v5/public/liquidation-orders",
        *(f"/api/v5/rubik/stat/{kind}" for kind in _RUBIK),
    ),
    "gate": ("/api/v4/futures/usdt/liq_orders", "/api/v4/futures/usdt/contracts"),
    "coinglass": ("/api/futures/liquidation/aggregated-history", "/api/futures/liquidation/exchange-list"),
}
FAULTS: dict[str, Fault] = {
    "time-out in the body": faults.time_out,
    "truncated JSON": faults.truncated,
    "5xx storm": faults.status(503),
    "429 with Retry-After": faults.status(429, Retry_After="0"),
    "429 without": faults.status(429),
    "418, banned": faults.status(418, Retry_After="60"),
    "403": faults.status(403),
    "451, not in this country": faults.status(451),
    "clock an hour fast": faults.skewed(3600),
    "clock an hour slow": faults.skewed(-3600),
    "out of order": faults.out_of_order,
    "duplicate rows": faults.duplicated,
    "empty page": faults.empty,
    "numbers as text and back": faults.retyped,
    "renamed fields": faults.renamed,
    "new field": faults.new_field,
}
# What happens to one page of several; each endpoint's second answer, where it has one.
PAGE_FAULTS: dict[str, Fault] = {
    "a page comes empty": faults.empty,
    "the next page in its place": faults.next_page,
    "the page before once more": faults.page_before,
    "a page out of order": faults.out_of_order,
    "a page's rows twice": faults.duplicated,
    "a page cut short": faults.truncated,
    "half a page": faults.halved,
}
# In a passing fault so many first answers of each endpoint are spoilt.
_PASSING = 2

_TABLES = (MARKET_CANDLES, DERIVATIVES_METRICS, REALISED_LIQUIDATIONS)
# What a venue has a part in.
_TABLES_OF = {
    "binance spot": _TABLES[:1],
    "binance perpetual": _TABLES[:2],
    "okx": _TABLES,
    "gate": _TABLES[2:],
    "coinglass": _TABLES[2:],
}
_Rows = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Cell:
    """What one fault did at one venue."""

    venue: str
    fault: str
    lasts: bool
    wanted: int
    missing: int
    untold: int
    wrong: int
    problems: int
    missing_after_the_next_run: int
    wrong_after_the_next_run: int


def matrix(tell: Callable[[Cell], None] = lambda cell: None) -> list[Cell]:
    """Every fault at every venue, passing and lasting; all venues are asked."""
    with _market(WORLD, VENUE_NAMES) as market:
        cells = []
        for venue, paths in VENUES.items():
            for name, fault in FAULTS.items():
                for lasts in (False, True):
                    told = {path: [fault] * _PASSING for path in paths}
                    cells.append(market.cell((venue, name), _TABLES_OF[venue], told, lasts=lasts))
                    tell(cells[-1])
    return cells


def of_endpoints(tell: Callable[[Cell], None] = lambda cell: None) -> list[Cell]:
    """Every fault at every endpoint while the venue's others answer well, lasting."""
    cells = []
    for venue, paths in VENUES.items():
        with _market(WORLD, [venue.split()[0]]) as market:
            for path in paths:
                for name, fault in FAULTS.items():
                    names = (venue, f"{path}: {name}")
                    cells.append(market.cell(names, _tables_from(path), {path: [fault]}, lasts=True))
                    tell(cells[-1])
    return cells


def of_pages(tell: Callable[[Cell], None] = lambda cell: None) -> list[Cell]:
    """Every fault of one page, at every endpoint, in a range of several."""
    cells = []
    for venue, paths in VENUES.items():
        name = venue.split()[0]
        with _market(LONG_WORLDS[name], [name]) as market:
            for path in paths:
                for kind, fault in PAGE_FAULTS.items():
                    told = {path: [faults.as_it_is, fault]}
                    names = (venue, f"{path}: {kind}")
                    cells.append(market.cell(names, _tables_from(path), told, lasts=False))
                    tell(cells[-1])
    return cells


def _tables_from(path: str) -> tuple[TableSchema, ...]:
    """The tables whose rows an endpoint's answers become, or decide of."""
    if "klines" in path or "candles" in path or path.endswith("exchangeInfo"):
        return (MARKET_CANDLES,)
    if "liq" in path or path.endswith(("contracts", "instruments")):
        return (REALISED_LIQUIDATIONS,)
    return (DERIVATIVES_METRICS,)


@dataclass(frozen=True)
class _Market:
    """A market of which some venues are asked: its server, and what is read from it without faults."""

    world: World
    venues: Sequence[str]
    server: Server
    whole: _Rows

    def cell(
        self, names: tuple[str, str], tables: tuple[TableSchema, ...], told: dict[str, list[Fault]], *, lasts: bool
    ) -> Cell:
        """One cell: its venue and fault by name, and what is done to the answers of each endpoint."""
        for path, spoilt in told.items():
            if lasts:
                self.server.lasting[path] = spoilt[0]
            else:
                self.server.faults[path] += spoilt
        whole = {table.name: self.whole[table.name] for table in tables}
        first, problems = _run(self, tables)
        self.server.lasting.clear()
        self.server.faults.clear()
        # As the schedule and the assets do: an hour is asked for again when a problem may pass, and what a venue that
        # has one then had brought before stays.
        again, later = _run(self, tables) if any(problem.passing for problem in problems) else (first, [])
        again = {
            table.name: with_earlier(again[table.name], first[table.name], later, table, self.world.coins)
            for table in tables
        }
        missing = {table.name: _missing(whole, first, table) for table in tables}
        return Cell(
            venue=names[0],
            fault=names[1],
            lasts=lasts,
            wanted=sum(map(len, whole.values())),
            missing=sum(map(len, missing.values())),
            untold=sum(not _told(row, problems) for rows in missing.values() for row in rows.to_dict("records")),
            wrong=_wrong(whole, first, problems),
            problems=len(problems),
            missing_after_the_next_run=sum(len(_missing(whole, again, table)) for table in tables),
            wrong_after_the_next_run=_wrong(whole, again, []),
        )


@contextmanager
def _market(world: World, venues: Sequence[str]) -> Iterator[_Market]:
    with serving(*world.routes()) as server:
        server.now = world.now
        whole, problems = _run(_Market(world, venues, server, {}), _TABLES)
        assert problems == []
        yield _Market(world, venues, server, whole)


def table(cells: list[Cell]) -> str:
    """The cells as text: a line a venue and fault, passing and lasting beside each other."""
    frame = pd.DataFrame([vars(cell) for cell in cells])
    frame["venue"] += " (" + frame["wanted"].astype("str") + " rows)"
    frame["mode"] = frame["lasts"].map({False: "passing", True: "lasting"})
    figures = ["missing", "untold", "wrong", "problems", "missing_after_the_next_run", "wrong_after_the_next_run"]
    wide = frame.pivot_table(index=["venue", "fault"], columns="mode", values=figures, sort=False)
    short = {"missing_after_the_next_run": "missing then", "wrong_after_the_next_run": "wrong then"}
    wide = wide.astype(int)[[(figure, mode) for mode in ("passing", "lasting") for figure in figures]]
    wide.columns = pd.MultiIndex.from_tuples([(mode, short.get(figure, figure)) for figure, mode in wide.columns])
    return f"Rows missing, missing and not told, wrong; problems told; and after the next run\n{wide.to_string()}"


def _run(market: _Market, tables: tuple[TableSchema, ...]) -> tuple[_Rows, list[Problem]]:
    """One run, in a process that remembers nothing of the one before."""
    limits.forget()
    source = LiveSource(
        binance_spot_url=market.server.url,
        binance_usdm_url=market.server.url,
        okx_url=market.server.url,
        gate_url=market.server.url,
        coinglass_url=market.server.url,
        coinglass_key="key",
        venues=market.venues,
        patience=_QUICK,
        seed=1,
        wall=market.world.now.to_pydatetime,
    )
    rows = {}
    ask = {
        MARKET_CANDLES.name: source.candles,
        DERIVATIVES_METRICS.name: source.derivatives_metrics,
        REALISED_LIQUIDATIONS.name: source.realised_liquidations,
    }
    for table in tables:
        try:
            rows[table.name] = ask[table.name](market.world.coins, market.world.start, market.world.end)
        except NoVenueError as error:
            rows[table.name] = table.empty()
            source.problems += [Problem(venue, "", "", str(error)) for venue in ("binance", "okx")]
    return rows, source.problems


def _missing(whole: _Rows, some: _Rows, table: TableSchema) -> pd.DataFrame:
    """The rows of the whole market that aren't there, by key."""
    key = list(table.key)
    named = whole[table.name]
    there = pd.MultiIndex.from_frame(some[table.name][key])
    return named[~pd.MultiIndex.from_frame(named[key]).isin(there)]


def _told(row: dict[str, object], problems: list[Problem]) -> bool:
    """Whether a problem names a row's venue, and its market and instrument where it names any."""
    return any(
        problem.kind == "missing"
        and problem.venue == row["venue"]
        and (not problem.market or problem.market == row.get("market", "perpetual"))
        and (not problem.instrument or str(row["symbol"]) in problem.instrument)
        for problem in problems
    )


def _wrong(whole: _Rows, some: _Rows, problems: list[Problem]) -> int:
    """Rows that differ from the whole market's, but for figures that a problem tells to be lacking."""
    count = 0
    for table in (table for table in _TABLES if table.name in whole):
        key = list(table.key)
        both = some[table.name].merge(whole[table.name], on=key, how="left", suffixes=("", " whole"), indicator=True)
        for row in both.to_dict("records"):
            told = _told(row, problems)
            differs = row["_merge"] != "both" or any(
                not _same(row[name], row[f"{name} whole"]) and not (told and pd.isna(row[name]))
                for name in table.names
                if name not in key
            )
            count += differs
    return count


def _same(one: object, other: object) -> bool:
    return bool(pd.isna(one) and pd.isna(other)) or one == other
