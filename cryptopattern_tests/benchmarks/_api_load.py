"""Services in processes of their own on loopback, and questions to them at a steady rate.

What belongs here: starting a service, asking it, and what is measured. What does not: what is asked (`api.py`).
"""

import asyncio
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

PORT_OURS, PORT_RIVAL = 5801, 5802
_WARM_UP = 20
# Of a service that falls behind: an answer that takes longer has failed, and of so many no more is asked.
_PATIENCE, _ENOUGH_FAILED = 10.0, 20
_A_TIME = struct.Struct("d")


@dataclass(frozen=True)
class Service:
    """A running service: its address, its process, and where it writes down how long its questions took, if it does."""

    base: str
    process: psutil.Process
    questions: Path | None = None

    def cpu_seconds(self) -> float:
        """CPU time that its process has taken; what Postgres takes for it is not in it."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def questions_since(self, place: int) -> list[float]:
        """Milliseconds that each question to the database took that was written down from a place in the file on."""
        if self.questions is None:
            return []
        return [1000 * taken for (taken,) in _A_TIME.iter_unpack(self.questions.read_bytes()[place:])]

    @property
    def place(self) -> int:
        """Where the next question will be written down."""
        return self.questions.stat().st_size if self.questions else 0


@dataclass(frozen=True)
class Case:
    """What is asked: the addresses in turns, and how; `route` is the OpenAPI document's name of the address."""

    name: str
    route: str
    paths: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Measured:
    """Percentiles of the answers' times and of the questions' to the database, and the service's CPU time of an answer,
    milliseconds; how many answers there were, and how many failed.
    """

    p95: float
    p99: float
    question_p95: float | None
    cpu: float
    asked: int
    failed: int


def measure(service: Service, case: Case, rate: float, seconds: float) -> Measured:
    """Ask at a steady rate, whatever becomes of the answers; each one's time counts from when it was due."""

    async def ask() -> tuple[list[float], int]:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        async with httpx.AsyncClient(
            base_url=service.base, timeout=_PATIENCE, limits=limits, headers=dict(case.headers)
        ) as client:
            for number in range(_WARM_UP):
                await _get(client, case, number)
            begin, count = time.perf_counter() + 0.1, max(1, int(rate * seconds))
            taken: list[float] = []
            failed = 0

            async def one(number: int) -> None:
                nonlocal failed
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if failed < _ENOUGH_FAILED:
                    failed += not await _get(client, case, _WARM_UP + number)
                    taken.append(1000 * (time.perf_counter() - due))

            await asyncio.gather(*(one(number) for number in range(count)))
            return taken, failed

    before, place = service.cpu_seconds(), service.place
    taken, failed = asyncio.run(ask())
    cpu = 1000 * (service.cpu_seconds() - before) / (len(taken) + _WARM_UP)
    questions = service.questions_since(place)
    p95, p99 = np.percentile(taken, [95, 99])
    question = float(np.percentile(questions, 95)) if questions else None
    return Measured(float(p95), float(p99), question, cpu, len(taken), failed)


async def _get(client: httpx.AsyncClient, case: Case, number: int) -> bool:
    """Whether the answer came, and was as it should be."""
    try:
        answer = await client.get(case.paths[number % len(case.paths)])
    except httpx.TransportError:
        return False
    return answer.status_code == case.status


def send(service: Service, path: str, forms: Sequence[Sequence[tuple[str, bytes]]], at_once: int) -> list[float | None]:
    """Send forms of pictures, so many at once; the milliseconds until each answer, None where it was no 200."""

    async def ask() -> list[float | None]:
        free = asyncio.Semaphore(at_once)
        async with httpx.AsyncClient(base_url=service.base, timeout=120) as client:

            async def one(pictures: Sequence[tuple[str, bytes]]) -> float | None:
                async with free:
                    began = time.perf_counter()
                    answer = await client.post(path, files=[("images", picture) for picture in pictures])
                    taken = 1000 * (time.perf_counter() - began)
                    return taken if answer.status_code == httpx.codes.OK else None

            return await asyncio.gather(*map(one, forms))

    return asyncio.run(ask())


@contextmanager
def ours(url: str, folder: Path) -> Iterator[Service]:
    """The service, which writes down how long its questions take."""
    questions = folder / "questions"
    questions.write_bytes(b"")
    program = (
        "import os, struct, time\n"
        "from cryptopattern_pipelines.api.app import serve\n"
        "from cryptopattern_pipelines.api.queries import Database\n"
        "from cryptopattern_pipelines.resources.settings import load_settings\n"
        f"file, ask = os.open({str(questions)!r}, os.O_WRONLY | os.O_APPEND), Database.ask\n"
        "def timed(*asked):\n"
        "    began = time.perf_counter()\n"
        "    try:\n"
        "        return ask(*asked)\n"
        "    finally:\n"
        f"        os.write(file, struct.pack({_A_TIME.format!r}, time.perf_counter() - began))\n"
        "Database.ask = timed\n"
        "if __name__ == '__main__':\n"
        f"    serve(load_settings(market_source='archive', archive={str(folder)!r}), '127.0.0.1', {PORT_OURS})\n"
    )
    freely = {f"CRYPTOPATTERN_API_{kind}_PER_MINUTE": "10000000" for kind in ("READS", "WRITES")}
    more = {"CRYPTOPATTERN_DATABASE_URL": url, **freely}
    with _running(program, PORT_OURS, folder, more, questions) as service:
        yield service


@contextmanager
def rival(url: str, folder: Path) -> Iterator[Service]:
    """The rival, on Werkzeug with a thread a request."""
    program = (
        "from cryptopattern_tests.benchmarks._api_rival import build_app\n"
        f"build_app({url!r}).run('127.0.0.1', {PORT_RIVAL}, threaded=True)\n"
    )
    with _running(program, PORT_RIVAL, folder, {}) as service:
        yield service


@contextmanager
def _running(
    program: str, port: int, folder: Path, more: Mapping[str, str], questions: Path | None = None
) -> Iterator[Service]:
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
                    if httpx.get(f"{base}/api/v1/health", timeout=60).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
                if process.poll() is not None:
                    raise RuntimeError(f"the service at {port} ended: {(folder / f'{port}.log').read_text()[-2000:]}")
            yield Service(base, psutil.Process(process.pid), questions)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:  # a thread of the rival waits for the database still
                process.kill()
                process.wait(15)
