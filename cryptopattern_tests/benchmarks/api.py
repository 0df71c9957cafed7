"""The REST service over a large serving database, against the same service as the guide draws it.

The rival is Flask with SQLAlchemy ORM objects: a session a request, rows as objects, dictionaries made of them, the
page chosen by OFFSET, odds asked for row by row, as such services do. Both run in processes of their own on loopback,
over the same rows in the same Postgres. Each address is asked at a steady rate; a request's time counts from the moment
that it was due, so that a service that falls behind can't hide it: beyond what it can do, its times only grow.

Settings: CRYPTOPATTERN_BENCH_ANALYSES (rows, 1,000,000), CRYPTOPATTERN_BENCH_RATE (requests a second, 100),
CRYPTOPATTERN_BENCH_SECONDS (of each address, 10).
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import psutil
import psycopg2

from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.schemas import SIGNALS
from cryptopattern_tests.benchmarks.figure import Figure

_SYMBOLS = 100
_PORT_OURS, _PORT_RIVAL = 5801, 5802
_WARM_UP = 20
_FIRST = "/api/v1/analyses/C1?limit=100"

# What is asked of both, by the name of the figure. The rival's second page is by OFFSET.
_ADDRESSES = {
    "analyses": "/api/v1/analyses/C7?limit=100",
    "analyses of a range": "/api/v1/analyses/C7?limit=100&from={month}&to={later}",
    "analyses, far back": "/api/v1/analyses/C7?limit=100&{far}",
    "squeeze-alerts": "/api/v1/squeeze-alerts?hours_back=24&min_probability=50",
    "win-rates": "/api/v1/win-rates/C7",
    "symbols": "/api/v1/symbols",
}
# Ours alone: the rival as drawn has none of these.
_OURS_ALONE = {
    "snapshots": "/api/v1/snapshots/C7?limit=100",
    "events": "/api/v1/events/C7?limit=100",
    "health": "/api/v1/health",
    "metrics": "/metrics",
}


@dataclass(frozen=True)
class _Service:
    """A running service: its address, and its process."""

    base: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """CPU time that its process has taken; what Postgres takes for it is not in it."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True)
class _Measured:
    """The 95th percentile of the times and the service's CPU time of a request, milliseconds; answers that failed."""

    p95: float
    cpu: float
    failed: int


def run() -> list[Figure]:
    """The 95th percentile of each address's time, and the CPU time of a request, in milliseconds."""
    analyses = int(os.environ.get("CRYPTOPATTERN_BENCH_ANALYSES", "1000000"))
    rate = float(os.environ.get("CRYPTOPATTERN_BENCH_RATE", "100"))
    seconds = float(os.environ.get("CRYPTOPATTERN_BENCH_SECONDS", "10"))
    with_rival = importlib.util.find_spec("flask") is not None
    if not with_rival:
        print("api: Flask is not installed, so the rival is left out: pip install --group dev")
    figures = []
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            url = server.start()
            hours = _fill(url, analyses)
            now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            month = now - timedelta(hours=min(hours - 200, 24 * 30))
            names = {
                "month": f"{month:%Y-%m-%d}",
                "later": f"{month + timedelta(days=7):%Y-%m-%d}",
            }
            with _ours(url, Path(folder)) as ours:
                back = now - timedelta(hours=hours * 3 // 4)
                far = f"to={back:%Y-%m-%dT%H:00:00Z}"
                _measure(ours, _FIRST, rate, seconds)  # not counted: processes and caches come up
                times = {
                    name: _measure(ours, path.format(**names, far=far), rate, seconds)
                    for name, path in {**_ADDRESSES, **_OURS_ALONE}.items()
                }
            rivals: dict[str, _Measured] = {}
            if with_rival:
                with _rival(url, Path(folder)) as rival:
                    far = f"offset={hours * 3 // 4}"
                    _measure(rival, _FIRST, rate, seconds)
                    rivals = {
                        name: _measure(rival, path.format(**names, far=far), rate, seconds)
                        for name, path in _ADDRESSES.items()
                    }
            for name, ours_is in times.items():
                their = rivals.get(name)
                told = f"api: {name}, {analyses:,} analyses, {rate:g} a second"
                for what, mine, rivals_own, mark in (
                    ("p95", ours_is.p95, None if their is None else their.p95, 50),
                    ("CPU of a request", ours_is.cpu, None if their is None else their.cpu, None),
                ):
                    figures.append(Figure(f"{told}: {what}", mine, rivals_own, "ms", less_is_better=True, mark=mark))
                if ours_is.failed or (their is not None and their.failed):
                    lost = None if their is None else float(their.failed)
                    figures.append(Figure(f"{told}: answers that failed", ours_is.failed, lost, "answers"))
        finally:
            server.stop()
    return figures


def _fill(url: str, analyses: int) -> int:
    """Fill the serving tables with so many made-up analyses up to now; hours of each symbol."""
    postgres.migrate(url)
    hours = max(400, analyses // _SYMBOLS)
    columns = ", ".join(f"{signal}_strength, {signal}_weight" for signal in SIGNALS)
    strengths = ", ".join("100 * random(), 0.2" for _ in SIGNALS)
    grid = """
        FROM generate_series(1, %(hours)s) ago, generate_series(1, %(symbols)s) number
        ORDER BY ago DESC, number"""
    hour = "date_trunc('hour', now()) - ago * interval '1 hour', 'C' || number"
    statements = (
        f"""INSERT INTO serving.squeeze_analyses (hour, symbol, price, squeeze_type, probability, direction_confidence,
            severity, estimated_timeframe, risk_level, signal_count, {columns}, long_pct, short_pct, market_sources)
        SELECT {hour}, 100 + 10 * random(),
            CASE WHEN random() < .5 THEN 'SHORT_SQUEEZE' ELSE 'LONG_SQUEEZE' END,
            round((100 * random() ^ 3)::numeric, 1), round((100 * random())::numeric, 1),
            (ARRAY['MINOR','MINOR','MODERATE','MAJOR','EXTREME'])[1 + ago %% 5],
            '24-72 hours', 'LOW_CONFIDENCE', 3, {strengths}, 60, 40, 'binance:perpetual,okx:perpetual' {grid}""",
        """INSERT INTO serving.squeeze_alerts (hour, rule, symbol, claim, kind, squeeze_type, side, price, severity,
            probability, direction_confidence, signal_count, estimated_timeframe, risk_level, status, odds_of, odds_day,
            odds_pct, interval_low_pct, interval_high_pct, sample_size, base_rate_pct, base_sample_size, lift, verdict,
            sentence)
        SELECT hour, 'default', symbol, squeeze_type, 'analysis', squeeze_type, 'long', price, severity, probability,
            direction_confidence, signal_count, estimated_timeframe, risk_level, 'NEW', 'all',
            date_trunc('day', hour) - interval '1 day', 50, 24, 76, 10, 48, 300, 1.04, 'NO_EDGE', 'made up'
        FROM serving.squeeze_analyses WHERE probability >= 50 ORDER BY hour, symbol""",
        f"""INSERT INTO serving.exchange_snapshots (hour, symbol, average_price, price_variance, high_24h, low_24h,
            volume_24h_usd, open_interest_usd, funding_rate, venues, venue_count, quality_flags)
        SELECT {hour}, 100 + 10 * random(), random(), 120, 90, 1e9 * random(), 1e8 * random(), .0001,
            'binance:perpetual', 1, '' {grid.replace("%(hours)s", "least(%(hours)s, 2000)")}""",
        """INSERT INTO serving.win_rates (day, symbol, condition, timeframe, side, wins, sample_size,
            effective_sample_size, win_rate_pct, interval_low_pct, interval_high_pct, base_rate_pct,
            base_sample_size, lift, verdict)
        SELECT date_trunc('day', now()) - ago * interval '1 day', 'C' || number, 'all', timeframe, side, 5, 12,
            10, 50, 24, 76, 48, 300, 1.04, 'NO_EDGE'
        FROM generate_series(1, greatest(30, %(hours)s / 24)) ago, generate_series(1, %(symbols)s) number,
            unnest(ARRAY['24h', '7d', '1m']) timeframe, unnest(ARRAY['long', 'short']) side ORDER BY ago DESC""",
        """INSERT INTO serving.squeeze_events (day, symbol, squeeze_type, started_at, peaked_at, ended_at, known_at,
            trigger_price, peak_price, move_pct, move_sigmas, severity, evidence)
        SELECT date_trunc('day', now()) - ago * interval '1 day', 'C' || number, 'SHORT_SQUEEZE', at, at, at, at, 100,
            110, 10, 3, 'MAJOR', 'open_interest'
        FROM generate_series(1, 300) ago, generate_series(1, %(symbols)s) number,
            LATERAL (SELECT date_trunc('day', now()) - ago * interval '1 day') moment (at)""",
    )
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, {"hours": hours, "symbols": _SYMBOLS})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")  # which the server would begin while the first address is measured
    finally:
        connection.close()
    return hours


def _measure(service: "_Service", path: str, rate: float, seconds: float) -> "_Measured":
    """Ask an address at a steady rate."""

    async def ask() -> tuple[list[float], int]:
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
        async with httpx.AsyncClient(base_url=service.base, timeout=60, limits=limits) as client:
            for _ in range(_WARM_UP):
                await client.get(path)
            begin, count = time.perf_counter() + 0.1, int(rate * seconds)
            taken: list[float] = []
            failed = 0

            async def one(number: int) -> None:
                nonlocal failed
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                answer = await client.get(path)
                taken.append(1000 * (time.perf_counter() - due))
                failed += answer.status_code != httpx.codes.OK

            await asyncio.gather(*(one(number) for number in range(count)))
            return taken, failed

    before = service.cpu_seconds()
    taken, failed = asyncio.run(ask())
    cpu = 1000 * (service.cpu_seconds() - before) / (len(taken) + _WARM_UP)
    return _Measured(float(np.percentile(taken, 95)), cpu, failed)


@contextmanager
def _ours(url: str, folder: Path) -> Iterator[_Service]:
    program = (
        "from cryptopattern_pipelines.api.app import serve\n"
        "from cryptopattern_pipelines.resources.settings import load_settings\n"
        "if __name__ == '__main__':\n"
        f"    serve(load_settings(market_source='archive', archive={str(folder)!r}), '127.0.0.1', {_PORT_OURS})\n"
    )
    more = {"CRYPTOPATTERN_DATABASE_URL": url, "CRYPTOPATTERN_API_READS_PER_MINUTE": "10000000"}
    with _running(program, _PORT_OURS, "/api/v1/symbols", folder, more) as service:
        yield service


@contextmanager
def _rival(url: str, folder: Path) -> Iterator[_Service]:
    program = (
        "from cryptopattern_tests.benchmarks._api_rival import build_app\n"
        f"build_app({url!r}).run('127.0.0.1', {_PORT_RIVAL}, threaded=True)\n"
    )
    with _running(program, _PORT_RIVAL, "/api/v1/symbols", folder, {}) as service:
        yield service


@contextmanager
def _running(program: str, port: int, path: str, folder: Path, more: dict[str, str]) -> Iterator[_Service]:
    """A service in a process of its own, until the body ends."""
    file = folder / f"serve_{port}.py"
    file.write_text(program)
    environment = {**os.environ, "CRYPTOPATTERN_DATA": str(folder), "PYTHONPATH": os.pathsep.join(sys.path), **more}
    base = f"http://127.0.0.1:{port}"
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, file], env=environment, stdout=log, stderr=log)
        try:
            for _ in range(600):
                try:
                    if httpx.get(base + path, timeout=60).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
                if process.poll() is not None:
                    raise RuntimeError(f"the service at {port} ended: {(folder / f'{port}.log').read_text()[-2000:]}")
            yield _Service(base, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(30)
