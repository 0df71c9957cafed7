"""Fixtures that more than one folder of tests uses."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from hypothesis import settings

from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres

# How long an example takes depends on what else the machine does, and is no property of the code.
settings.register_profile("cryptopattern", deadline=None)
settings.load_profile("cryptopattern")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real market history and labelled screenshots, which lies beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("CRYPTOPATTERN_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"needs the real history and labelled screenshots in {folder} (set CRYPTOPATTERN_SHARED)")
    return folder


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes an empty database on a real server of this test run's own, and says its URL."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    numbers = itertools.count()

    def make() -> str:
        name = f"test_{next(numbers)}"
        connection = psycopg2.connect(server.start())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        return server.url(name)

    yield make
    server.stop()


@pytest.fixture
def postgres_url(fresh_database: Callable[[], str]) -> str:
    """An empty database for one test."""
    return fresh_database()


@pytest.fixture(scope="module")
def module_postgres_url(fresh_database: Callable[[], str]) -> str:
    """An empty database for the tests of one module."""
    return fresh_database()
