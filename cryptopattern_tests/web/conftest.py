"""A service whose tables hold two symbols, one of them named and described by someone who means harm."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from cryptopattern_pipelines.api.app import build_app
from cryptopattern_pipelines.api.pictures import Pictures, Upload
from cryptopattern_pipelines.reading.reading import READER_VERSION, encode
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.readings import ReadingCache
from cryptopattern_tests.api.conftest import Service, serving
from cryptopattern_tests.integration.installation import SAMPLES
from cryptopattern_tests.web.rows import NEWEST, put, put_symbol

MAP = SAMPLES / "landing" / "ETH" / "kingfisher_map_2025-01-29_12-10-00.png"
DISTRIBUTION = SAMPLES / "landing" / "kingfisher_all_2025-01-29_06-10-00.png"
HARM = "<img src=x onerror=pwned()>"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Settings:
    """Settings of an installation with ETH, whose newest picture is kept, and a symbol of bad intent."""
    settings = load_settings(data=tmp_path_factory.mktemp("filled"), database_url=fresh_database())
    url = ServingDatabase(settings).address()
    put_symbol(url, "ETH")
    put_symbol(url, HARM, explanation=f"</p><script>pwned()</script>{HARM}", probability=5.0, severity="MINOR")
    pictures = Pictures(settings, processes=1)
    [read] = pictures.read("ETH", [Upload(MAP.name, MAP.read_bytes(), datetime(2025, 1, 30, tzinfo=UTC))], keep=True)
    pictures.close()
    shown = {
        "hour": NEWEST, "sha256": read.sha256, "captured_at": NEWEST, "image_type": "liquidation_map", "symbol": "ETH",
        "title": f"ETH {HARM}", "reader_version": READER_VERSION,
    }  # fmt: skip
    put(url, schemas.CLASSIFIED_IMAGES, [shown])
    # What a picture's text may say, on a page of its own.
    share = replace(read.reading.readings[0], symbol=HARM)
    hostile = replace(read.reading, sha256="cd" * 32, file=HARM, title=HARM, readings=(share,), error=HARM)
    ReadingCache(TableStore(settings.store_root).root, READER_VERSION).put("cd" * 32, encode(hostile))
    return settings


@pytest.fixture(scope="module")
def service(filled: Settings) -> Iterator[Service]:
    """A client of that service, which asks as a browser does."""
    with serving(filled) as found:
        found.client.headers.update(BROWSER)
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Settings:
    """Settings of an installation that has nothing yet."""
    return load_settings(data=tmp_path_factory.mktemp("empty"), database_url=fresh_database())


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """A service on a free port of this machine, for a browser; its address."""
    freely = {"api_reads_per_minute": 1_000_000, "api_writes_per_minute": 1_000_000}
    app = build_app(settings.model_copy(update=freely))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def chromium() -> Path | None:
    """Where a Chromium of the system's is, None where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return None if found is None else Path(found)
