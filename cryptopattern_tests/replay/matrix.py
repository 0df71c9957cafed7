"""Every fault at every venue: what an hour loses by it, whether that is told, and whether the next run makes it whole.

Each cell is an hour, or a range of several pages, asked over the replay server with a fault in answers of one venue;
MODES says in which. Where the whole venue has the fault, all venues are asked. Wrong are rows that a market
without faults doesn't have so; untold are missing rows that no problem names.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

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
_SMALL_WORLD = World(("BTC",), hours=1)
# Of several pages at each endpoint that has pages, and no more questions than the limits let go at once.
LONG_WORLDS = {
    "binance": World(("BTC",), hours=45, page=12),
    "okx": World(("BTC",), hours=18, page=5),
    "gate": World(("BTC",), hours=3),
    "coinglass": World(("BTC",), hours=3),
}
# Pauses are short, time-outs are not: a busy machine isn't a silent venue.
QUICK = Patience(attempts=4, busy_attempts=5, pause=0.002, rest=0.01, longest_wait=2)
# For a fault that is a time-out. What waits costs no time of the others: such cells have threads of their own.
_IMPATIENT = replace(QUICK, timeout=0.4)
_WAITING_AT_ONCE = 4

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
# How a fault comes: in the first answers of each endpoint, or in every answer until the next run; of one endpoint
# alone, in every answer; and in one page of several of one endpoint.
MODES = ("passing", "lasting", "endpoint", "page")
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

TABLES = (MARKET_CANDLES, DERIVATIVES_METRICS, REALISED_LIQUIDATIONS)
# What a venue has a part in.
_TABLES_OF = {
    "binance spot": TABLES[:1],
    "binance perpetual": TABLES[:2],
    "okx": TABLES,
    "gate": TABLES[2:],
    "coinglass": TABLES[2:],
}
_Frames = dict[str, pd.DataFrame]
# A table's rows by key.
_Rows = dict[tuple[object, ...], dict[str, object]]


@dataclass(frozen=True)
class Cell:
    """What one fault did at one venue, and how it came (one of MODES)."""

    venue: str
    fault: str
    mode: str
    path: str
    wanted: int
    missing: int
    untold: int
    wrong: int
    problems: int
    missing_after_the_next_run: int
    wrong_after_the_next_run: int

    @property
    def bad(self) -> bool:
        """Whether a row is wrong, missing without a word, or not there after the next run."""
        return any((self.untold, self.wrong, self.missing_after_the_next_run, self.wrong_after_the_next_run))

    @property
    def can_be_told(self) -> bool:
        """Whether a client can tell the fault: of a list whose length nobody knows, half looks like all of it."""
        return (self.venue, self.fault) != ("gate", "half a page")


@dataclass(frozen=True)
class _Plan:
    """A cell to be: who is asked for what, and what is done to the answers of each endpoint."""

    world: World
    venues: tuple[str, ...]
    venue: str
    fault: str
    mode: str
    path: str
    tables: tuple[TableSchema, ...]
    told: Mapping[str, list[Fault]]

    @property
    def stalls(self) -> bool:
        """Whether the fault is a time-out."""
        return any(fault is faults.time_out for told in self.told.values() for fault in told)


def matrix() -> list[Cell]:
    """Every cell there is: see MODES."""
    return _cells([*_of_venues(), *_of_endpoints(), *_of_pages()])


def _of_venues() -> Iterator[_Plan]:
    for venue, paths in VENUES.items():
        for name, fault in FAULTS.items():
            told = {path: [fault] * _PASSING for path in paths}
            for mode in ("passing", "lasting"):
                yield _Plan(WORLD, VENUE_NAMES, venue, name, mode, "", _TABLES_OF[venue], told)


def _of_endpoints() -> Iterator[_Plan]:
    for venue, paths in VENUES.items():
        for path in paths:
            for name, fault in FAULTS.items():
                asked = (venue.split()[0],)
                yield _Plan(_SMALL_WORLD, asked, venue, name, "endpoint", path, tables_from(path), {path: [fault]})


def _of_pages() -> Iterator[_Plan]:
    for venue, paths in VENUES.items():
        name = venue.split()[0]
        for path in paths:
            for kind, fault in PAGE_FAULTS.items():
                told = {path: [faults.as_it_is, fault]}
                yield _Plan(LONG_WORLDS[name], (name,), venue, kind, "page", path, tables_from(path), told)


def _cells(plans: Iterable[_Plan]) -> list[Cell]:
    """The cells in their order: one after the other, but for those that wait, which do so beside the others."""
    every = list(plans)
    waiting = [plan for plan in every if plan.stalls]
    lanes = [
        [plan for plan in every if not plan.stalls],
        *(waiting[n::_WAITING_AT_ONCE] for n in range(_WAITING_AT_ONCE)),
    ]
    with ThreadPoolExecutor(len(lanes)) as pool:
        found = dict(pair for pairs in pool.map(_one_by_one, lanes) for pair in pairs)
    return [found[id(plan)] for plan in every]


def _one_by_one(plans: list[_Plan]) -> list[tuple[int, Cell]]:
    """Each plan's cell, by its id; those of one market in a row share a server."""
    pairs = []
    for (world, venues), some in itertools.groupby(plans, key=lambda plan: (plan.world, plan.venues)):
        with serving(*world.routes()) as server:
            server.now = world.now
            pairs += [(id(plan), _cell(plan, server, whole_market(world, venues))) for plan in some]
    return pairs


@functools.cache
def whole_market(world: World, venues: tuple[str, ...]) -> dict[str, _Rows]:
    """Every table's rows of a market without faults."""
    with serving(*world.routes()) as server:
        server.now = world.now
        frames, problems = run(TABLES, world, venues, server, QUICK)
    assert problems == []
    return {table.name: by_key(frames[table.name], table) for table in TABLES}


def tables_from(path: str) -> tuple[TableSchema, ...]:
    """The tables whose rows an endpoint's answers become, or decide of."""
    if "klines" in path or "candles" in path or path.endswith("exchangeInfo"):
        return (MARKET_CANDLES,)
    if "liq" in path or path.endswith(("contracts", "instruments")):
        return (REALISED_LIQUIDATIONS,)
    return (DERIVATIVES_METRICS,)


def _cell(plan: _Plan, server: Server, market: dict[str, _Rows]) -> Cell:
    """What comes of a plan at a server of its market."""
    for path, spoilt in plan.told.items():
        if plan.mode in ("lasting", "endpoint"):
            server.lasting[path] = spoilt[0]
        else:
            server.faults[path] += spoilt
    asked = plan.tables, plan.world, plan.venues, server
    first, problems = run(*asked, _IMPATIENT if plan.stalls else QUICK)
    server.lasting.clear()
    server.faults.clear()
    # As the schedule and the assets do: an hour is asked for again when a problem may pass, and what a venue that
    # has one then had brought before stays.
    again, later = run(*asked, QUICK) if any(problem.passing for problem in problems) else (first, [])
    whole = {table.name: market[table.name] for table in plan.tables}
    there, then = {}, {}
    for table in plan.tables:
        there[table.name] = by_key(first[table.name], table)
        kept = with_earlier(again[table.name], first[table.name], later, table, plan.world.coins)
        then[table.name] = by_key(kept, table)
    missing = missing_rows(whole, there)
    return Cell(
        venue=plan.venue,
        fault=plan.fault,
        mode=plan.mode,
        path=plan.path,
        wanted=sum(map(len, whole.values())),
        missing=len(missing),
        untold=sum(not is_told(row, problems) for row in missing),
        wrong=wrong_rows(whole, there, problems),
        problems=len(problems),
        missing_after_the_next_run=len(missing_rows(whole, then)),
        wrong_after_the_next_run=wrong_rows(whole, then, []),
    )


def table(cells: list[Cell]) -> str:
    """The cells as text: a line a venue and fault, and beside each other the sums over the cells of each mode."""
    frame = pd.DataFrame([vars(cell) for cell in cells])
    frame["lost"] = frame["missing_after_the_next_run"]
    frame["wrong"] += frame["wrong_after_the_next_run"]
    names = ["cells", "missing", "untold", "wrong", "lost"]
    wide = frame.assign(cells=1).pivot_table(names, ["venue", "fault"], "mode", aggfunc="sum", fill_value=0, sort=False)
    kinds = [*FAULTS, *PAGE_FAULTS]
    wide = wide.loc[[(venue, kind) for venue in VENUES for kind in kinds if (venue, kind) in wide.index]]
    wide = wide.swaplevel(axis=1)[[(mode, name) for mode in MODES for name in names]]
    shown = wide.astype("str").where(wide > 0, ".").to_string()
    return f"Cells of each mode; rows missing, missing and not told, wrong, and missing after the next run\n{shown}"


def run(
    tables: tuple[TableSchema, ...], world: World, venues: tuple[str, ...], server: Server, patience: Patience
) -> tuple[_Frames, list[Problem]]:
    """One run, in a process that remembers nothing of the one before."""
    limits.forget(server.url)
    source = LiveSource(
        binance_spot_url=server.url,
        binance_usdm_url=server.url,
        okx_url=server.url,
        gate_url=server.url,
        coinglass_url=server.url,
        coinglass_key="key",
        venues=venues,
        patience=patience,
        seed=1,
        wall=world.now.to_pydatetime,
    )
    frames = {}
    ask = {
        MARKET_CANDLES.name: source.candles,
        DERIVATIVES_METRICS.name: source.derivatives_metrics,
        REALISED_LIQUIDATIONS.name: source.realised_liquidations,
    }
    for table in tables:
        try:
            frames[table.name] = ask[table.name](world.coins, world.start, world.end)
        except NoVenueError as error:
            frames[table.name] = table.empty()
            source.problems += [Problem(venue, "", "", str(error)) for venue in ("binance", "okx")]
    return frames, source.problems


def by_key(frame: pd.DataFrame, table: TableSchema) -> _Rows:
    return {tuple(row[name] for name in table.key): row for row in frame.to_dict("records")}


def missing_rows(whole: dict[str, _Rows], some: dict[str, _Rows]) -> list[dict[str, object]]:
    """The rows of the whole market that aren't there."""
    return [row for name, rows in whole.items() for key, row in rows.items() if key not in some[name]]


def is_told(row: dict[str, object], problems: list[Problem]) -> bool:
    """Whether a problem names a row's venue, and its market and instrument where it names any."""
    return any(
        problem.kind == "missing"
        and problem.venue == row["venue"]
        and (not problem.market or problem.market == row.get("market", "perpetual"))
        and (not problem.instrument or str(row["symbol"]) in problem.instrument)
        for problem in problems
    )


def wrong_rows(whole: dict[str, _Rows], some: dict[str, _Rows], problems: list[Problem]) -> int:
    """Rows that the whole market doesn't have so, but for figures that a problem tells to be lacking."""
    return sum(
        _differs(row, whole[name].get(key), told=is_told(row, problems))
        for name, rows in some.items()
        for key, row in rows.items()
    )


def _differs(row: dict[str, object], right: dict[str, object] | None, *, told: bool) -> bool:
    return right is None or any(not _same(row[name], right[name]) and not (told and pd.isna(row[name])) for name in row)


def _same(one: object, other: object) -> bool:
    return bool(pd.isna(one) and pd.isna(other)) or one == other
