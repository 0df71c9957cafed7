"""Fixtures that more than one folder of tests uses."""

import itertools
import logging
import os
import uuid
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3 on loopback, asked by the usual AWS_… variables, which are set meanwhile; its address."""
    from moto.server import ThreadedMotoServer
    from werkzeug.serving import WSGIRequestHandler

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # Connections that stay open: a new one for each of thousands of requests cost as much as the answers.
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "anyone")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str) -> str:
    """An empty bucket for one test, as the address of a store."""
    import boto3

    name = f"store-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def postgres_url(fresh_database: Callable[[], str]) -> str:
    """An empty database for one test."""
    return fresh_database()


@pytest.fixture(scope="module")
def module_postgres_url(fresh_database: Callable[[], str]) -> str:
    """An empty database for the tests of one module."""
    return fresh_database()
