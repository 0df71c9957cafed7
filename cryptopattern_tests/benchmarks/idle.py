"""What an installation costs while nothing happens: `make up` over the bundled sample, all schedules and sensors on.

No rival. Memory is each process's share (PSS), Postgres included; processor time and connections are those of two
minutes after it has settled. A run of an hour is asked for over the UI's own interface, as a person would.
"""

import json
import os
import tempfile
import time
import urllib.request
from contextlib import suppress
from typing import Any

import psutil
import sqlalchemy as sa

from cryptopattern_pipelines import local
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_tests.benchmarks.figure import Figure

_SETTLES, _LASTS, _PATIENCE = 45.0, 120.0, 180.0
_HOUR = "2025-01-29-12:00"
_PORT = 3977

_LAUNCH = """
mutation($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {selector: $selector, executionMetadata: {tags: $tags}}) {
    __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message }
  }
}"""
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status creationTime startTime endTime } } }"
_LOCATION = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


def run() -> list[Figure]:
    """Start time, processes, memory, processor time and connections; and the time of one run."""
    with tempfile.TemporaryDirectory(prefix="cryptopattern-bench-") as folder:
        os.environ |= {
            "CRYPTOPATTERN_DATA": folder,
            "CRYPTOPATTERN_DATABASE_URL": "embedded",
            "CRYPTOPATTERN_MARKET_SOURCE": "archive",
            "CRYPTOPATTERN_ARCHIVE": str(PROJECT / "data" / "samples"),
            "CRYPTOPATTERN_SYMBOLS": "BTC,ETH,SOL",
            "CRYPTOPATTERN_PORT": str(_PORT),
        }
        settings = load_settings()
        local.prepare_home(settings)
        server = EmbeddedPostgres(settings.postgres_folder)
        try:
            server.start()
            began = time.perf_counter()
            local.start_ui(settings)
            answers = time.perf_counter() - began
            repository = _usable(settings)
            usable = time.perf_counter() - began
            time.sleep(_SETTLES)
            before, sessions = _seconds(_family(settings, server)), _sessions(server)
            time.sleep(_LASTS)
            family = _family(settings, server)
            spent, connections = _seconds(family) - before, _sessions(server) - sessions
            memory = _megabytes(family)
            waited, whole = _one_run(settings, repository)
        finally:
            local.stop_ui(settings)
            server.stop()
    return [
        Figure("idle: until the UI answers", answers, None, "s", less_is_better=True),
        Figure("idle: until the UI shows the assets", usable, None, "s", less_is_better=True),
        Figure("idle: processes", len(memory), None, "of them", less_is_better=True),
        Figure("idle: memory", sum(memory), None, "MB", less_is_better=True),
        Figure("idle: processor time", spent / _LASTS * 60, None, "s a minute", less_is_better=True),
        # One of them is this benchmark's own look.
        Figure(
            "idle: database connections made", (connections - 1) / _LASTS * 60, None, "a minute", less_is_better=True
        ),
        Figure("idle: from asking for a run of an hour to its start", waited, None, "s", less_is_better=True),
        Figure("idle: from asking for a run of an hour to its end", whole, None, "s", less_is_better=True),
    ]


def _family(settings: Settings, server: EmbeddedPostgres) -> list[psutil.Process]:
    leader = local._leader(settings)
    assert leader is not None
    return [leader, *leader.children(recursive=True), *server._processes()]


def _seconds(family: list[psutil.Process]) -> float:
    """Processor time that the processes have taken so far, with that of children that ended."""
    seconds = 0.0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def _megabytes(family: list[psutil.Process]) -> list[float]:
    """Each process's memory, printed with what it is."""
    found = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            found.append(process.memory_full_info().pss / 2**20)
            print(f"  {found[-1]:5.0f} MB  {' '.join(process.cmdline())[:110]}")
    return found


def _sessions(server: EmbeddedPostgres) -> int:
    """How many connections have been made so far."""
    asked = sa.text("SELECT sum(sessions) FROM pg_stat_database")
    with sa.create_engine(server.url("cryptopattern"), poolclass=sa.NullPool).connect() as connection:
        return int(connection.execute(asked).scalar_one())


def _ask(settings: Settings, query: str, **variables: Any) -> Any:
    asked = urllib.request.Request(
        f"{local.address(settings)}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)["data"]


def _usable(settings: Settings) -> dict[str, str]:
    """Wait until the UI knows the code location; how a job of it is named."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        nodes = (_ask(settings, _LOCATION)["repositoriesOrError"] or {}).get("nodes")
        if nodes:
            return {"repositoryName": nodes[0]["name"], "repositoryLocationName": nodes[0]["location"]["name"]}
        time.sleep(0.1)
    raise TimeoutError("the UI does not show the code location")


def _one_run(settings: Settings, repository: dict[str, str]) -> tuple[float, float]:
    """Seconds from asking for a run of one hour to its start, and to its end."""
    tags = [{"key": f"dagster/asset_partition_range_{end}", "value": _HOUR} for end in ("start", "end")]
    launched = _ask(settings, _LAUNCH, selector={**repository, "jobName": "hourly"}, tags=tags)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        run = _ask(settings, _RUN, id=launched["run"]["id"])["runOrError"]
        if run["endTime"]:
            assert run["status"] == "SUCCESS", run
            return run["startTime"] - run["creationTime"], run["endTime"] - run["creationTime"]
        time.sleep(0.5)
    raise TimeoutError("the run does not end")
