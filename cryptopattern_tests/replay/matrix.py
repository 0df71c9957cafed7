"""Every fault at every venue: what an hour loses by it, whether that is told, and whether the next run makes it whole.

Each cell is one hour asked of all venues over the replay server, with a fault in the answers of one of them: `passing`
in the first answers of each endpoint, `lasting` in all of them until the next run. Wrong are rows that a market without
faults doesn't have so; untold are missing rows that no problem names.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from cryptopattern_pipelines.market import limits
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
_QUICK = Patience(timeout=0.4, attempts=4, busy_attempts=5, pause=0.002, rest=0.01, longest_wait=2)

_USDM = [f"/futures/data/{kind}" for kind in ("openInterestHist", "takerlongshortRatio", "globalLongShortAccountRatio")]
_RUBIK = ("contracts/open-interest-history", "contracts/long-short-account-ratio-contract", "taker-volume-contract")
# The endpoints of each venue that faults are put into.
VENUES: dict[str, tuple[str, ...]] = {
    "binance spot": ("/api/v3/klines",),
    "binance perpetual": ("/fapi/v1/klines", "/fapi/v1/fundingRate", *_USDM),
    "okx": (
        "/api/v5/market/candles",
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
    """Every cell."""
    with serving(*WORLD.routes()) as server:
        server.now = WORLD.now
        whole, problems = _run(server, _TABLES)
        assert problems == []
        cells = []
        for venue, paths in VENUES.items():
            for name, fault in FAULTS.items():
                for lasts in (False, True):
                    cells.append(_cell(server, whole, (venue, paths), (name, fault), lasts))
                    tell(cells[-1])
    return cells


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


def _cell(
    server: Server, whole: _Rows, venue: tuple[str, tuple[str, ...]], fault: tuple[str, Fault], lasts: bool
) -> Cell:
    for path in venue[1]:
        if lasts:
            server.lasting[path] = fault[1]
        else:
            server.faults[path] += [fault[1]] * _PASSING
    tables = _TABLES_OF[venue[0]]
    whole = {table.name: whole[table.name] for table in tables}
    first, problems = _run(server, tables)
    server.lasting.clear()
    server.faults.clear()
    # As the schedule and the assets do: an hour is asked for again when a problem may pass, and what a venue that has
    # one then had brought before stays.
    again, later = _run(server, tables) if any(problem.passing for problem in problems) else (first, [])
    again = {
        table.name: with_earlier(again[table.name], first[table.name], later, table, WORLD.coins) for table in tables
    }
    missing = {table.name: _missing(whole, first, table) for table in tables}
    return Cell(
        venue=venue[0],
        fault=fault[0],
        lasts=lasts,
        wanted=sum(map(len, whole.values())),
        missing=sum(map(len, missing.values())),
        untold=sum(not _told(row, problems) for rows in missing.values() for row in rows.to_dict("records")),
        wrong=_wrong(whole, first, problems),
        problems=len(problems),
        missing_after_the_next_run=sum(len(_missing(whole, again, table)) for table in tables),
        wrong_after_the_next_run=_wrong(whole, again, []),
    )


def _run(server: Server, tables: tuple[TableSchema, ...]) -> tuple[_Rows, list[Problem]]:
    """One run, in a process that remembers nothing of the one before."""
    limits.forget()
    source = LiveSource(
        binance_spot_url=server.url,
        binance_usdm_url=server.url,
        okx_url=server.url,
        gate_url=server.url,
        coinglass_url=server.url,
        coinglass_key="key",
        patience=_QUICK,
        seed=1,
        wall=WORLD.now.to_pydatetime,
    )
    rows = {}
    ask = {
        MARKET_CANDLES.name: source.candles,
        DERIVATIVES_METRICS.name: source.derivatives_metrics,
        REALISED_LIQUIDATIONS.name: source.realised_liquidations,
    }
    for table in tables:
        try:
            rows[table.name] = ask[table.name](WORLD.coins, WORLD.start, WORLD.end)
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
