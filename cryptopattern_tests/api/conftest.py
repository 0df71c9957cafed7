"""A service over a day of the sample, on a real server."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cryptopattern_pipelines.api.app import build_app
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_tests.integration.installation import SAMPLES, Installation

WINDOW = Window(datetime(2025, 1, 29, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
PICTURES = sorted((SAMPLES / "landing").rglob("kingfisher_*"))
# Without keys the service answers to this machine's own names alone.
ADDRESS = "http://127.0.0.1:5000"
KEY = "a key of the tests"


@dataclass(frozen=True)
class Service:
    """A client of a service, and its settings."""

    client: TestClient
    settings: Settings

    def get(self, path: str, **more: Any) -> Any:
        """The data of an answer that must be a success."""
        answer = self.client.get(f"/api/v1/{path}", **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True
        return answer.json()["data"]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Installation:
    """A day of the sample, filled, with a landing folder of its own."""
    folder = tmp_path_factory.mktemp("installation")
    landing = folder / "landing"
    shutil.copytree(SAMPLES / "landing", landing)
    made = Installation.at(folder, fresh_database(), landing=landing)
    made.fill(WINDOW)
    return made


@pytest.fixture(scope="session")
def service(installation: Installation) -> Iterator[Service]:
    """The service without keys, as it is by default, but for limits that tests would meet."""
    with serving(installation.settings) as found:
        yield found


class serving:  # noqa: N801 (used as a function)
    """A service of these settings, with some of them changed, for a `with`."""

    def __init__(self, settings: Settings, **changed: Any) -> None:
        freely = {"api_reads_per_minute": 1_000_000, "api_writes_per_minute": 1_000_000}
        self.settings = settings.model_copy(update={**freely, **changed})

    def __enter__(self) -> Service:
        app = build_app(self.settings)
        self.client = TestClient(app, base_url=ADDRESS, raise_server_exceptions=False)
        self.client.__enter__()
        return Service(self.client, self.settings)

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()


def with_key() -> dict[str, str]:
    """The setting that makes KEY the one key."""
    return {hashlib.sha256(KEY.encode()).hexdigest(): "tester"}


def upload(*pictures: Path) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Pictures as a form's files."""
    return [("images", (picture.name, picture.read_bytes(), "image/png")) for picture in pictures]
