"""A soak: many simulated hours in which what can go wrong does, from a seed, against a calm run of the same inputs.

Screenshots come late, twice and broken; the venue fails at random; the run's process and the database are killed at
random. What the schedule and the sensors would ask for is asked of a real process, hour by hour, with the simulation's
clock. At the end the faults cease, what is missing is asked for once more, and the two stores are compared.
"""

import io
import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import psutil
import sqlalchemy as sa
from PIL import Image

from cryptopattern_pipelines.automation.again import first_to_ask_again
from cryptopattern_pipelines.automation.fill import whole_days
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.automation.sensors import gaps, windows_to_run
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES, TABLES
from cryptopattern_tests.integration.installation import HOUR, SAMPLES, Installation
from cryptopattern_tests.replay import BinanceReplies, Server, serving
from cryptopattern_tests.replay import faults as spoil
from cryptopattern_tests.replay.server import Fault

# The simulated market's last month; its open interest is asked for in it.
END = datetime(2025, 1, 30, tzinfo=UTC)
NAMES, MONTHS = ("BTCUSDT", "ETHUSDT", "SOLUSDT"), ("2024-12", "2025-01")
PATHS = (
    "/api/v3/klines", "/fapi/v1/klines", "/fapi/v1/fundingRate", "/futures/data/openInterestHist",
    "/futures/data/globalLongShortAccountRatio", "/futures/data/takerlongshortRatio",
)  # fmt: skip
# What passes by itself. A blocked country (451) or a changed interface does not: those rows are not asked for again.
FAULTS: tuple[Fault, ...] = (
    spoil.truncated, spoil.status(500), spoil.status(503), spoil.status(429, Retry_After="0"), spoil.retyped,
    spoil.out_of_order, spoil.duplicated, spoil.skewed(3600),
)  # fmt: skip
# A killed run is started again twice, as `run_retries` of dagster.yaml says.
RETRIES = 2
PATIENCE_SECONDS = 300.0


@dataclass
class Odds:
    """How often, in an hour, something goes wrong."""

    picture: float = 0.3
    late: float = 0.5
    twice: float = 0.3
    broken: float = 0.2
    venue_fails: float = 0.3
    killed: float = 0.15
    database_killed: float = 0.05


@dataclass
class Told:
    """What happened in a soak."""

    runs: int = 0
    killed: int = 0
    databases_killed: int = 0
    failed: list[str] = field(default_factory=list)
    faults: int = 0
    late: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """A file that comes into the landing folder in the hour `at`, and the hours that it changes."""

    name: str
    content: bytes
    at: datetime
    captured: datetime


class Worker:
    """The process that runs jobs; killed at random, it is started again."""

    def __init__(self, environment: dict[str, str], log: Path, told: Told) -> None:
        self.environment, self.log, self.told = environment, log, told
        self._start()

    def run(self, job: str, window: Window, now: datetime, kill_after: float | None = None) -> bool | None:
        """Whether a run went well; None when it was killed, after so many seconds, before it ended."""
        asked = {"job": job, "start": window.start, "end": window.end, "now": now}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked, default=datetime.isoformat) + "\n")
        self.process.stdin.flush()
        self.told.runs += 1
        ready, _, _ = select.select(
            [self.process.stdout], [], [], PATIENCE_SECONDS if kill_after is None else kill_after
        )
        if not ready:
            assert kill_after is not None, f"{job} {window} does not end: {self.log.read_text()[-2000:]}"
            self.stop()
            self.told.killed += 1
            self._start()
            return None
        answer = self.process.stdout.readline().strip()
        assert answer, f"the worker died by itself: {self.log.read_text()[-2000:]}"
        if answer != "ok":
            self.told.failed.append(answer)
        return answer == "ok"

    def stop(self) -> None:
        """Kill the process as nothing may be expected: without warning."""
        self.process.kill()
        self.process.wait()

    def _start(self) -> None:
        command = [sys.executable, "-m", "cryptopattern_tests.integration.soak_worker"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready", self.log.read_text()[-2000:]


def deliveries(seed: int, window: Window, odds: Odds) -> list[Delivery]:
    """What comes into the landing folder, and when: pictures of the sample, each with a pixel of its own."""
    chance = random.Random(seed)
    pictures = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("landing/kingfisher_*.png"))[:2]]
    found = []
    hours = (window.end - window.start) // HOUR
    latest = min(30, hours // 2)
    for number in range(hours):
        hour = window.start + number * HOUR
        if chance.random() > odds.picture:
            continue
        taken = hour + timedelta(minutes=chance.randrange(60))
        pixels = np.asarray(chance.choice(pictures)).copy()
        pixels[0, 0] = (number % 256, number // 256, 7)
        drawn = io.BytesIO()
        Image.fromarray(pixels).save(drawn, "PNG", compress_level=1)
        content = drawn.getvalue()[:5000] if chance.random() < odds.broken else drawn.getvalue()
        late = chance.randint(1, latest) if chance.random() < odds.late else 0
        name = f"{taken:%Y-%m-%d %H.%M.%S}.png"
        found.append(Delivery(name, content, hour + late * HOUR, hour))
        if chance.random() < odds.twice:
            again = taken + timedelta(hours=chance.randrange(3))
            at = hour + chance.randint(1, latest) * HOUR
            found.append(Delivery(f"BTC/{again:%Y-%m-%d %H.%M.%S} copy.png", content, at, hour))
    return [delivery for delivery in found if delivery.at < window.end]


def failing(seed: int, hour: datetime, odds: Odds) -> dict[str, Fault]:
    """The endpoints that fail through an hour, and how."""
    chance = random.Random(f"{seed}, {hour}")
    if chance.random() > odds.venue_fails:
        return {}
    return {path: chance.choice(FAULTS) for path in PATHS if chance.random() < 0.5}


@contextmanager
def installation(folder: Path, server: Server) -> Iterator[tuple[Installation, dict[str, str]]]:
    """An installation over the replayed venue, with an embedded server of its own; and its environment."""
    environment = {
        **os.environ,
        "CRYPTOPATTERN_DATA": str(folder),
        "CRYPTOPATTERN_LANDING": str(folder / "landing"),
        "CRYPTOPATTERN_DATABASE_URL": "embedded",
        "CRYPTOPATTERN_MARKET_SOURCE": "live",
        "CRYPTOPATTERN_VENUES": "binance",
        "CRYPTOPATTERN_SYMBOLS": "BTC,ETH,SOL",
        "CRYPTOPATTERN_BINANCE_SPOT_URL": server.url,
        "CRYPTOPATTERN_BINANCE_USDM_URL": server.url,
        "DAGSTER_HOME": str(folder / "dagster"),
    }
    (folder / "landing").mkdir(parents=True)
    made = Installation(load_settings(data=folder, landing=folder / "landing", database_url=None))
    try:
        yield made, environment
    finally:
        EmbeddedPostgres(made.settings.postgres_folder).stop()


def put(folder: Path, delivery: Delivery) -> None:
    """Put a file into a landing folder, as a program that takes care does."""
    place = folder / delivery.name
    place.parent.mkdir(exist_ok=True)
    beside = place.with_suffix(".part")
    beside.write_bytes(delivery.content)
    os.utime(beside, (delivery.captured.timestamp(), delivery.captured.timestamp()))
    beside.replace(place)


def calm(folder: Path, server: Server, window: Window, files: list[Delivery]) -> tuple[dict[str, str], dict[str, Any]]:
    """The files and the published rows of one run over the whole window, with everything there from the start."""
    with installation(folder, server) as (made, environment):
        for delivery in files:
            put(folder / "landing", delivery)
        worker = Worker(environment, folder / "worker.log", Told())
        try:
            assert worker.run("hourly", window, window.end + HOUR), worker.told.failed
            if days := whole_days(window):
                assert worker.run("daily", days, window.end + HOUR), worker.told.failed
        finally:
            worker.stop()
        return made.files(), published(made)


def soak(  # noqa: PLR0917 (where, over what, and what goes wrong)
    folder: Path, server: Server, window: Window, files: list[Delivery], seed: int, odds: Odds
) -> tuple[dict[str, str], dict[str, Any], Told]:
    """The files and the published rows after the hours went by with everything that can go wrong, and what did."""
    told, began = Told(), time.monotonic()
    with installation(folder, server) as (made, environment):
        worker = Worker(environment, folder / "worker.log", told)
        os.environ["DAGSTER_HOME"], os.environ["CRYPTOPATTERN_DATA"] = environment["DAGSTER_HOME"], str(folder)
        database = EmbeddedPostgres(made.settings.postgres_folder)

        def run(job: str, wanted: Window, now: datetime, *, safe: bool = False) -> None:
            for attempt in range(1 + RETRIES):
                # Its own chance for each attempt: how many there are depends on how quick the machine is.
                chance = random.Random(f"{seed}, {now}, {job}, {attempt}")
                kill_after = chance.uniform(0.05, 1.0) if not safe and chance.random() < odds.killed else None
                if not safe and chance.random() < odds.database_killed:
                    _kill(database)
                    told.databases_killed += 1
                if worker.run(job, wanted, now, kill_after) is not None:
                    return

        try:
            for number in range((window.end - window.start) // HOUR):
                hour = window.start + number * HOUR
                server.now = pd.Timestamp(hour + HOUR + timedelta(minutes=7))
                server.lasting = failing(seed, hour, odds)
                told.faults += len(server.lasting)
                came = [delivery for delivery in files if delivery.at == hour]
                for delivery in came:
                    put(folder / "landing", delivery)
                told.late += sum(delivery.captured < hour for delivery in came)
                run("hourly", Window(_from(made, window, hour), hour + HOUR), server.now.to_pydatetime())
                for late in windows_to_run({d.captured for d in came if d.captured < hour}, timedelta(hours=24), hour):
                    run("late_screenshots", late, server.now.to_pydatetime())
            server.lasting = {}
            server.now = pd.Timestamp(window.end + HOUR)
            # The faults have ceased: what the next hours' schedule would ask for again, and the days.
            first = _from(made, window, window.end)
            if first < window.end:
                run("hourly", Window(first, window.end), window.end + HOUR, safe=True)
            if days := whole_days(window):
                run("daily", days, window.end + HOUR, safe=True)
        finally:
            worker.stop()
        told.seconds = time.monotonic() - began
        return made.files(), published(made), told


def _from(made: Installation, window: Window, hour: datetime) -> datetime:
    """The first hour that the schedule and the sensor of missed hours would ask for, at the end of `hour`."""
    present = TableStore(made.settings.store_root).table(SQUEEZE_ANALYSES.name).present(window.start, hour)
    missed = [window.start] if not len(present) else [*gaps([window.start - HOUR, *present], hour)]
    with dg.DagsterInstance.get() as instance:
        again = first_to_ask_again(instance, hour)
    return min([hour, *missed, *([again] if again else [])])


def _kill(database: EmbeddedPostgres) -> None:
    """Kill every process of the server without warning."""
    for process in database._processes():
        # Its processes end by themselves when the first of them is gone.
        with suppress(psutil.NoSuchProcess):
            process.kill()


def published(made: Installation) -> dict[str, pd.DataFrame]:
    """Every serving table's rows, in the order of its key."""
    engine = sa.create_engine(EmbeddedPostgres(made.settings.postgres_folder).start(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            name: pd.read_sql(sa.text(f"SELECT * FROM serving.{name} ORDER BY {', '.join(table.key)}"), connection)
            for name, table in TABLES.items()
        }


def compared(folder: Path, hours: int, seed: int, odds: Odds | None = None) -> tuple[list[str], Told]:
    """What differs between a soak and a calm run of the same inputs: names of files and of serving tables."""
    odds = odds or Odds()
    window = Window(END - hours * HOUR, END)
    files = deliveries(seed, window, odds)
    venue = BinanceReplies.archived(SAMPLES, NAMES, MONTHS)
    listed = [{"symbol": name, "status": "TRADING", "contractType": "PERPETUAL"} for name in NAMES]
    venue.listings = {"/api/v3/exchangeInfo": listed, "/fapi/v1/exchangeInfo": listed}
    with serving(venue) as server:
        server.now = pd.Timestamp(window.end + HOUR)
        quiet, rows = calm(folder / "calm", server, window, files)
        found, there, told = soak(folder / "soak", server, window, files, seed, odds)
    differ = [name for name in sorted(quiet.keys() | found.keys()) if quiet.get(name) != found.get(name)]
    differ += [f"serving.{name}" for name in TABLES if not rows[name].equals(there[name])]
    assert len(rows["squeeze_analyses"]) == hours * len(NAMES), "the calm run is not whole"
    return differ, told
