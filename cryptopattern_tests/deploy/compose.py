"""The services of `deploy/compose` on loopback, where no container engine is needed.

Their commands, their environment and their health checks are those of compose.yaml, word for word but for what
containers would give them: names of hosts become 127.0.0.1, ports free ones, and folders the test's own.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cryptopattern_pipelines.resources.settings import PROJECT

DEPLOY = PROJECT / "deploy"
COMPOSE = DEPLOY / "compose"
PATIENCE_SECONDS = 90


def compose() -> dict[str, Any]:
    """compose.yaml, its anchors followed."""
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return found


def image_environment() -> dict[str, str]:
    """The variables that the Dockerfile gives to every service, and to its health check."""
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


def free_port() -> int:
    """A port of loopback that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Loopback:
    """The services in a folder: started one by one, each waited for by its own health check, ended with the object."""

    def __init__(self, folder: Path, secrets: Path, given: Mapping[str, str]) -> None:
        """Take a folder of our own, the folder of secrets, and settings that take the place of compose.yaml's."""
        self.folder, self.secrets, self.given = folder, secrets, given
        self.ports = {old: free_port() for old in (3000, 4000, 5000, 8080, 8443)}
        self.services = compose()["services"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        """A text of the deployment with this machine's hosts, ports and folders."""
        for old, new in self.ports.items():
            text = re.sub(rf"(?<!\d){old}(?!\d)", str(new), text)
        text = re.sub(r"http://(api|webserver):", "http://127.0.0.1:", text).replace("host: code", "host: 127.0.0.1")
        text = text.replace("/tmp/", f"{self.folder}/").replace("/run/secrets", str(self.secrets))
        workspace = "deploy/compose/workspace.yaml"
        return text.replace("0.0.0.0", "127.0.0.1").replace(workspace, str(self.folder / "workspace.yaml"))

    def start(self, *names: str) -> None:
        """Start services that run our image at once, and wait until they are healthy."""
        (self.folder / "workspace.yaml").write_text(self.here((COMPOSE / "workspace.yaml").read_text()))
        for name in names:
            self._launch(name, list(map(self.here, self.services[name]["command"])))
        for name in names:
            self.wait_until_healthy(name)

    def start_nginx(self, program: str) -> None:
        """Start nginx with the configuration that ships."""
        file = self.folder / "nginx.conf"
        file.write_text(self.here((COMPOSE / "nginx.conf").read_text()))
        # Started by root its workers become another user, who can't enter the test's folders; its image has no root.
        user = " user root;" if os.geteuid() == 0 else ""
        self._launch("nginx", [program, "-e", "stderr", "-c", str(file), "-g", f"daemon off;{user}"])
        self._wait("nginx", lambda: socket.create_connection(("127.0.0.1", self.ports[8443]), 1).close())

    def _launch(self, name: str, command: list[str]) -> None:
        log = self.log(name).open("ab")
        self._running[name] = subprocess.Popen(
            command, cwd=PROJECT, env=self._environment(name), stdout=log, stderr=log, start_new_session=True
        )

    def _environment(self, name: str) -> dict[str, str]:
        service = self.services[name]
        own = self.folder / f"secrets-{name}"
        own.mkdir(exist_ok=True)
        for secret in service.get("secrets", ()):
            source, target = (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
            (own / target).write_bytes((self.secrets / source).read_bytes())
        data = self.given["CRYPTOPATTERN_DATA"]
        of_image = {key: re.sub("^/data", data, value) for key, value in image_environment().items()}
        return {
            **os.environ,
            **of_image,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CRYPTOPATTERN_SECRETS": str(own),
            **service.get("environment", {}),
            **self.given,
        }

    def wait_until_healthy(self, name: str) -> None:
        """Wait until a service's own health check passes."""
        check = [self.here(word) for word in self.services[name]["healthcheck"]["test"][1:]]
        environment = self._environment(name)

        def ask() -> None:
            subprocess.run(check, env=environment, cwd=PROJECT, capture_output=True, check=True)

        self._wait(name, ask)

    def _wait(self, name: str, ask: Any) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                ask()
            except (OSError, subprocess.CalledProcessError):
                if self._running[name].poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{name}: {self.log(name).read_text()[-3000:]}") from None
                time.sleep(2)  # a check of Dagster's costs seconds of a core
            else:
                return

    def log(self, name: str) -> Path:
        """What a service said."""
        return self.folder / f"{name}.log"

    def stop(self) -> None:
        """End all services, the newest first, and everything that they started."""
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self._running.clear()
