"""The REST service over a large serving database, against the same service as the guide draws it.

The rival is Flask with SQLAlchemy ORM objects: a session a request, rows as objects, dictionaries made of them, the
page chosen by OFFSET, odds asked for row by row, as such services do. Both run in processes of their own on loopback,
over the same rows in the same Postgres. Every GET of the OpenAPI document is asked at a steady rate, each request for
another symbol; its time counts from the moment that it was due, so that a service that falls behind can't hide it:
beyond what it can do, its times only grow. Questions to the database are timed within the service meanwhile.

Pictures come one request after another, two new 800 x 1130 charts each, then twenty requests at once.

Settings: CRYPTOPATTERN_BENCH_ANALYSES (rows, 1,000,000), CRYPTOPATTERN_BENCH_RATE (requests a second, 100),
CRYPTOPATTERN_BENCH_SECONDS (of each address, 10), CRYPTOPATTERN_BENCH_FOLDER (keeps the database there for the next
time; 10,000,000 analyses and what belongs to them take 26 GB and ten minutes).
"""

import hashlib
import importlib.util
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import numpy as np

from cryptopattern_pipelines.api.formats import CSV, PARQUET
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_tests.benchmarks._api_load import Case, Measured, Service, measure, ours, rival, send
from cryptopattern_tests.benchmarks._api_rows import COINS, SYMBOLS, coin, fill, moment
from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.samples.charts import distribution

# Milliseconds at most, at the 95th percentile.
_ANSWER_MARK, _QUESTION_MARK = 50, 10
# Units and marks of what `_send_pictures` tells.
_OF_PICTURES = (("ms", 1000), ("ms", None), ("requests", 0), ("ms", None))
_ONE_BY_ONE, _AT_ONCE = 20, 20
_PICTURES_SHOWN = 40
# Sent only to ours, or only where the rival has the address.
_RIVAL_HAS = ("analyses", "snapshots", "forecasts", "events", "win-rates", "patterns", "squeeze-alerts", "symbols")


def run() -> list[Figure]:
    """Percentiles of each address's times, of its questions to the database, and the CPU time of a request."""
    analyses = int(os.environ.get("CRYPTOPATTERN_BENCH_ANALYSES", "1000000"))
    rate = float(os.environ.get("CRYPTOPATTERN_BENCH_RATE", "100"))
    seconds = float(os.environ.get("CRYPTOPATTERN_BENCH_SECONDS", "10"))
    with_rival = importlib.util.find_spec("flask") is not None
    if not with_rival:
        print("api: Flask is not installed, so the rival is left out: pip install --group dev")
    # Pictures that were read before would not be read again: what the services keep lasts for this run alone.
    with _folder() as folder, tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as made:
        data = Path(made)
        server = EmbeddedPostgres(folder / "postgres")
        try:
            url = server.start()
            filled = fill(url, analyses)
            print(f"api: rows: {', '.join(f'{count:,} {table}' for table, count in filled.rows.items())}", flush=True)
            with ours(url, data) as service:
                sent = _send_pictures(service)
                cases = [*_tables(service, filled.hours), *_others(service)]
                _refuse_gaps(service, cases)
                measure(service, cases[0], rate, seconds)  # not counted: processes and caches come up
                mine = {case.name: _measured(service, case, rate, seconds) for case in cases}
            theirs: dict[str, Measured] = {}
            sent_to_rival: dict[str, float] = {}
            if with_rival:
                for case in _of_rival(cases, filled.hours):
                    with rival(url, data) as service:  # a new one each time: what it could not do must not pile up
                        theirs[case.name] = _measured(service, case, rate, seconds)
                with rival(url, data) as service:
                    sent_to_rival = _send_pictures(service)
        finally:
            server.stop()
    told = f"api: {filled.rows['squeeze_analyses']:,} analyses"
    return [
        *_figures(f"{told}, {rate:g} a second", mine, theirs),
        *(
            Figure(f"{told}: {name}", taken, sent_to_rival.get(name), unit, less_is_better=True, mark=mark)
            for (name, taken), (unit, mark) in zip(sent.items(), _OF_PICTURES, strict=True)
        ),
    ]


@contextmanager
def _folder() -> Iterator[Path]:
    """Where the database lies: a folder that stays, or one for this time."""
    named = os.environ.get("CRYPTOPATTERN_BENCH_FOLDER")
    if named:
        yield Path(named).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as made:
        yield Path(made)


def _tables(service: Service, hours: int) -> Iterator[Case]:
    """The addresses of tables: plain, filtered, far back by their cursors, as CSV and Parquet, and not modified."""
    names = [coin(number) for number in range(0, SYMBOLS, 3)]
    day, week, back = moment(24 * 5), moment(24 * 12), moment(hours * 3 // 4)

    def of(address: str, name: str, query: str = "", **more: str) -> Case:
        paths = [f"/api/v1/{address}/{symbol}{f'?{query}' if query else ''}" for symbol in names]
        return Case(f"{address}{name}", f"/api/v1/{address}/{{symbol}}", paths, more)

    def far(address: str, query: str) -> Case:
        plain = of(address, "", query)
        cursors = [_cursor(service, path) for path in plain.paths]
        paths = [f"{path.partition('?')[0]}?cursor={cursor}" for path, cursor in zip(plain.paths, cursors, strict=True)]
        return Case(f"{address}, far back by a cursor", plain.route, paths)

    def alerts(name: str, query: str = "", **more: str) -> Case:
        return Case(f"squeeze-alerts{name}", "/api/v1/squeeze-alerts", [f"/api/v1/squeeze-alerts{query}"], more)

    as_csv, as_parquet = {"Accept": CSV}, {"Accept": PARQUET}
    plain = [
        of("analyses", ""), of("snapshots", ""), of("forecasts", ""), of("events", ""), of("win-rates", ""),
        of("patterns", ""), alerts(""),
    ]  # fmt: skip
    yield from plain
    yield of("analyses", " of a week", f"from={week}&to={day}")
    yield of("analyses", " of a severity", "severity=EXTREME")
    yield far("analyses", f"limit=1&to={back}")
    yield of("snapshots", " of a week", f"from={week}&to={day}")
    yield far("snapshots", f"limit=1&to={back}")
    yield of("forecasts", " of a target", "target=any_move")
    yield far("forecasts", f"limit=1&to={moment(hours // 10)}")
    yield of("events", " of a type", "type=LONG_SQUEEZE")
    yield of("win-rates", " of a condition, all days", f"condition=severity:MAJOR&timeframe=1m&from={moment(hours)}")
    yield of("win-rates", " of a condition that there is not, all days", f"condition=pattern:no&from={moment(hours)}")
    yield of("patterns", " of a type, all days", f"type=pattern_2&from={moment(hours)}")
    yield of("patterns", " of a success that there is not, all days", f"min_success_rate=99&from={moment(hours)}")
    yield alerts(" of a severity, a year", "?severity=EXTREME&hours_back=8760")
    yield alerts(" of a high score, a year", "?min_probability=99.9&hours_back=8760")
    yield alerts(" of a kind that there is not, a year", "?kind=forecast&hours_back=8760")
    yield alerts(" of a status that there is not, a year", "?status=QUIET&hours_back=8760")
    cursor = _cursor(service, "/api/v1/squeeze-alerts?limit=1000&hours_back=8760&min_probability=60")
    yield alerts(", the page after 1,000", f"?hours_back=8760&min_probability=60&cursor={cursor}")
    unknown = of("analyses", " of a symbol that there is not")
    yield Case(unknown.name, unknown.route, ["/api/v1/analyses/NOSUCH"], status=404)
    for case in plain:
        yield Case(f"{case.name} as CSV", case.route, case.paths, as_csv)
    yield Case("analyses as Parquet", plain[0].route, plain[0].paths, as_parquet)
    for case in (plain[0], plain[-1]):
        one = [case.paths[0]]
        held = {"If-None-Match": _get(service, one[0]).headers["ETag"]}
        yield Case(f"{case.name}, not modified", case.route, one, held, 304)


def _others(service: Service) -> Iterator[Case]:
    """The addresses that are no table's."""
    yield Case("symbols", "/api/v1/symbols", ["/api/v1/symbols"])
    held = {"If-None-Match": _get(service, "/api/v1/symbols").headers["ETag"]}
    yield Case("symbols, not modified", "/api/v1/symbols", ["/api/v1/symbols"], held, 304)
    hashes = [digest for digest in _hashes() if _get(service, f"/api/v1/readings/{digest}").is_success]
    paths = [f"/api/v1/readings/{digest}" for digest in hashes[:_PICTURES_SHOWN]]
    yield Case("readings", "/api/v1/readings/{sha256}", paths)
    drawn = [f"{path}/picture" for path in paths]
    for path in drawn:
        _get(service, path)
    yield Case("pictures, drawn before", "/api/v1/readings/{sha256}/picture", drawn)
    yield Case("health", "/api/v1/health", ["/api/v1/health"])
    yield Case("metrics", "/metrics", ["/metrics"])


def _refuse_gaps(service: Service, cases: Sequence[Case]) -> None:
    """Every GET of the document must be asked."""
    document = _get(service, "/openapi.json").json()
    there = {path for path, methods in document["paths"].items() if "get" in methods}
    missed = there - {case.route for case in cases}
    if missed:
        raise RuntimeError(f"no case asks {', '.join(sorted(missed))}")


def _of_rival(cases: Sequence[Case], hours: int) -> Iterator[Case]:
    """What the rival is asked: the same, but that it knows no cursors, and pages by OFFSET."""
    for case in cases:
        address = case.route.split("/")[3] if case.route.startswith("/api") else ""
        if address not in _RIVAL_HAS or case.headers or case.status != httpx.codes.OK or "the page after" in case.name:
            continue
        far = hours // 10 * 5 if address == "forecasts" else hours * 3 // 4
        paths = [f"{path.partition('?')[0]}?offset={far}" if "cursor=" in path else path for path in case.paths]
        yield Case(case.name, case.route, paths)


def _send_pictures(service: Service) -> dict[str, float]:
    """Send charts to be analysed: the times of requests one by one, and of many at once."""
    charts = _charts()
    pairs = [charts[at : at + 2] for at in range(0, len(charts), 2)]
    path = "/api/v1/analyze/ETH"
    send(service, path, pairs[:1], 1)
    one_by_one = send(service, path, pairs[1 : 1 + _ONE_BY_ONE], 1)
    at_once = send(service, path, pairs[1 + _ONE_BY_ONE :], _AT_ONCE)
    lost = sum(taken is None for taken in (*one_by_one, *at_once))
    times = [taken for taken in one_by_one if taken is not None]
    longest = max((taken for taken in at_once if taken is not None), default=float("nan"))
    return {
        "analyze, two 800 x 1130 charts, one request after another: p95": float(np.percentile(times, 95)),
        "analyze, the same: median": float(np.median(times)),
        f"analyze, the same and {_AT_ONCE} at once: answers that failed": lost,
        f"analyze, {_AT_ONCE} at once: until the last answer": longest,
    }


@cache
def _charts() -> list[tuple[str, bytes]]:
    """Charts of thirty coins, no two alike, two for each request that is sent."""

    def one(number: int) -> tuple[str, bytes]:
        shares = np.random.default_rng(number).uniform(5, 95, len(COINS)).round(1)
        leverage = ("all_leverage", "optical_opti")[number % 2]
        chart = distribution(dict(zip(COINS, shares.tolist(), strict=True)), leverage)
        data = io.BytesIO()
        chart.picture.save(data, "PNG", compress_level=1)  # the smallest file takes half a second
        return f"chart{number}.png", data.getvalue()

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(one, range(2 * (1 + _ONE_BY_ONE + _AT_ONCE))))


def _hashes() -> list[str]:
    return [hashlib.sha256(data).hexdigest() for _, data in _charts()]


def _get(service: Service, path: str) -> httpx.Response:
    return httpx.get(service.base + path, timeout=60)


def _cursor(service: Service, path: str) -> str:
    """The cursor of the page after the one that an address gives."""
    return str(_get(service, path).raise_for_status().json()["data"]["next"])


def _measured(service: Service, case: Case, rate: float, seconds: float) -> Measured:
    """Measure, and say at once what came of it: a run takes a quarter of an hour."""
    found = measure(service, case, rate, seconds)
    question = "" if found.question_p95 is None else f", questions p95 {found.question_p95:.2f}"
    print(
        f"api: {service.base} {case.name}: p95 {found.p95:.1f}, p99 {found.p99:.1f}{question}, CPU {found.cpu:.1f} ms; "
        f"{found.failed} of {found.asked} failed; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return found


def _figures(told: str, mine: dict[str, Measured], theirs: dict[str, Measured]) -> Iterator[Figure]:
    for name, one in mine.items():
        other = theirs.get(name)
        for what, value, rivals, mark in (
            ("p95", one.p95, None if other is None else other.p95, _ANSWER_MARK),
            ("p99", one.p99, None if other is None else other.p99, None),
            ("CPU of a request", one.cpu, None if other is None else other.cpu, None),
            ("p95 of its questions to the database", one.question_p95, None, _QUESTION_MARK),
        ):
            if value is not None:
                yield Figure(f"{told}: {name}: {what}", value, rivals, "ms", less_is_better=True, mark=mark)
        if one.failed or (other is not None and other.failed):
            yield Figure(
                f"{told}: {name}: answers that failed", one.failed, None if other is None else other.failed, "answers"
            )
