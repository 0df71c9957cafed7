"""How cost grows with symbols and with hours: one backfill a cell, each in a process and on a Postgres of its own.

Every asset and every serving table of 10, 100 and 500 symbols x a day, a month and a year, on a market simulated here:
a perpetual and a spot candle, metrics and liquidations for each symbol and hour; no screenshots, no archive to unzip.
Time is processor time, ours and Postgres's, since it doesn't depend on what else the machine does. Cells come smallest
first; when MINUTES are over, the rest is left out and said to be. Exponents are fitted to log-log over all cells: cost
grows as symbols**a x hours**b.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa
from rich.console import Console

from cryptopattern_pipelines.automation.fill import fill_history
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.market.listings import Listing, instruments_of
from cryptopattern_pipelines.market.source import Problem, hours_between
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_tests.benchmarks._memory import peak_megabytes
from cryptopattern_tests.benchmarks.figure import Figure

SYMBOLS = (10, 100, 500)
HOURS = {"day": 24, "month": 720, "year": 8760}
MINUTES = float(os.environ.get("CRYPTOPATTERN_GROWTH_MINUTES", "15"))

_START = datetime(2023, 1, 1, tzinfo=UTC)
_MEASURED = ("processor s", "peak memory MB", "files", "store MB", "rows in Postgres", "events")


class _Simulated:
    """Random walks, the same for an hour and symbol whatever is asked for beside them."""

    problems: tuple[Problem, ...] = ()

    def candles(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        """MARKET_CANDLES of both markets."""
        perpetual = self._frame(symbols, start, end)
        close, opened = perpetual.pop("close"), perpetual.pop("opened")
        volume = perpetual.pop("volume")
        both = [
            perpetual.assign(
                market=market, instrument=perpetual["symbol"] + "USDT", open=opened, close=close,
                high=np.maximum(opened, close) * 1.001, low=np.minimum(opened, close) * 0.999,
                volume_base=volume * part, volume_usd=volume * part * close, trades=100,
            )
            for market, part in (("perpetual", 1.0), ("spot", 0.5))
        ]  # fmt: skip
        return schemas.MARKET_CANDLES.conform(pd.concat(both, ignore_index=True))

    def derivatives_metrics(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        """DERIVATIVES_METRICS."""
        frame = self._frame(symbols, start, end)
        close, moved = frame.pop("close"), frame.pop("volume")
        rows = frame.drop(columns="opened").assign(
            instrument=frame["symbol"] + "USDT", funding_rate=(moved - 1.0) / 1e4, funding_interval_hours=8,
            funding_time=frame["hour"], open_interest_base=1e6 * moved, open_interest_usd=1e6 * moved * close,
            open_interest_time=frame["hour"], long_short_account_ratio=moved,
        )  # fmt: skip
        return schemas.DERIVATIVES_METRICS.conform(rows)

    def realised_liquidations(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        """REALISED_LIQUIDATIONS."""
        frame = self._frame(symbols, start, end)
        rows = frame[["hour", "symbol", "venue"]].assign(
            span_hours=1, long_liquidated_usd=frame["volume"] * 1e4, short_liquidated_usd=frame["close"] * 1e2,
            completeness="complete",
        )  # fmt: skip
        return schemas.REALISED_LIQUIDATIONS.conform(rows)

    def listing(self, end: datetime) -> Listing:
        """Nothing: names are known from candles."""
        return Listing(instruments_of([]), _START, _START, end, frozenset())

    def _frame(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        hours, names = hours_between(start, end), list(symbols)
        first = int((start - _START) / timedelta(hours=1))
        walks = np.stack([_walk(name)[:, first : first + len(hours)] for name in names], axis=2)
        opened, close, volume = (part.reshape(-1) for part in walks)
        return pd.DataFrame(
            {
                "hour": hours.repeat(len(names)), "symbol": pd.Series(names * len(hours), dtype=schemas.TEXT),
                "venue": "binance", "opened": opened, "close": close, "volume": volume,
            }
        )  # fmt: skip


@cache
def _walk(name: str) -> np.ndarray:
    """A symbol's opens, closes and volumes by the hour."""
    random = np.random.default_rng([7, int(name[1:])])
    steps = random.normal(0, 0.01, HOURS["year"]) * np.where(random.random(HOURS["year"]) < 0.002, 8, 1)
    close = 100 * np.exp(np.cumsum(steps))
    return np.stack([np.concatenate([[100.0], close[:-1]]), close, random.lognormal(0, 0.5, len(close))])


class _SimulatedMarket(dg.ConfigurableResource[Any]):
    symbols: list[str]

    def open(self, tell: object = None) -> _Simulated:
        """The source itself, which asks no venue and so tells nothing."""
        return _Simulated()


def measure(symbols: int, hours: int) -> dict[str, float]:
    """Fill so many symbols and hours in this process, on a Postgres of their own; what it cost, by its name."""
    window = Window(_START, _START + timedelta(hours=hours))
    names = [f"S{number:04}" for number in range(symbols)]
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        settings = load_settings(data=Path(folder), database_url=None, symbols=",".join(names), automation=False)
        prepare_home(settings)
        server = EmbeddedPostgres(settings.postgres_folder)
        try:
            definitions = build_definitions(settings, {"market": _SimulatedMarket(symbols=names)})
            with dg.DagsterInstance.get() as instance:
                before, began = time.process_time() + _server_seconds(server), time.perf_counter()
                fill_history(definitions, instance, TableStore(settings.store_root), window, Console(quiet=True))
                seconds, clock = time.process_time() + _server_seconds(server) - before, time.perf_counter() - began
            with sa.create_engine(server.url("cryptopattern"), poolclass=sa.NullPool).connect() as connection:
                tables = [f"serving.{name}" for name in schemas.TABLES]
                rows = sum(connection.execute(sa.text(f"SELECT count(*) FROM {t}")).scalar_one() for t in tables)
                events = connection.execute(sa.text("SELECT count(*) FROM dagster.event_logs")).scalar_one()
            sizes = [path.stat().st_size for path in Path(settings.store_root).rglob("*") if path.is_file()]
        finally:
            server.stop()
    megabytes = sum(sizes) / 1e6
    return dict(zip(_MEASURED, (seconds, peak_megabytes(), len(sizes), megabytes, rows, events), strict=True)) | {
        "clock s": clock
    }


def _server_seconds(server: EmbeddedPostgres) -> float:
    seconds = 0.0
    for process in server._processes():
        times = process.cpu_times()
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def exponents(cells: dict[tuple[int, int], float]) -> tuple[float, float]:
    """By what powers of symbols and of hours a cost grows, by least squares over all cells."""
    known = [[1.0, np.log(symbols), np.log(hours)] for symbols, hours in cells]
    [_, by_symbols, by_hours], *_ = np.linalg.lstsq(np.array(known), np.log(list(cells.values())), rcond=None)
    return float(by_symbols), float(by_hours)


def run() -> list[Figure]:
    """Every cell's cost as far as time reaches, and the exponents."""
    began = time.monotonic()
    wanted = sorted(product(SYMBOLS, HOURS.values()), key=lambda cell: cell[0] * cell[1])
    told: dict[tuple[int, int], dict[str, float]] = {}
    spans = {hours: name for name, hours in HOURS.items()}
    for number, (symbols, hours) in enumerate(wanted):
        if time.monotonic() - began > MINUTES * 60:
            left = ", ".join(f"{symbols} x {spans[hours]}" for symbols, hours in wanted[number:])
            print(f"left out, {MINUTES:g} minutes are over: {left}", file=sys.stderr)
            break
        command = [sys.executable, "-m", __name__, str(symbols), str(hours)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        told[symbols, hours] = json.loads(done.stdout.splitlines()[-1])
        print(f"{symbols} x {spans[hours]}: {json.dumps(told[symbols, hours])}", file=sys.stderr, flush=True)
    figures = [
        Figure(f"growth: {symbols} symbols x 1 {spans[hours]}, {name}", value, None, name.rsplit(" ", 1)[-1],
               less_is_better=True)
        for (symbols, hours), costs in told.items() for name, value in costs.items()
    ]  # fmt: skip
    for name in _MEASURED:
        powers: Any = exponents({cell: costs[name] for cell, costs in told.items()})
        # Time is to be linear or better.
        mark = 1.0 if name == _MEASURED[0] else None
        figures += [
            Figure(f"growth: {name}, power of {of}", power, None, "", less_is_better=True, mark=mark)
            for of, power in zip(("symbols", "hours"), powers, strict=True)
        ]
    return figures


def main(arguments: Sequence[str]) -> None:
    """Measure one cell, and print it as JSON."""
    symbols, hours = map(int, arguments)
    print(json.dumps(measure(symbols, hours)))


if __name__ == "__main__":
    main(sys.argv[1:])
