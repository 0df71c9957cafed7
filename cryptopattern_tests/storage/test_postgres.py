"""Migrations and the publisher, on the real server."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.postgres import SERVING, ensure_schema, migrate
from cryptopattern_pipelines.storage.rows import InvalidRowsError
from cryptopattern_pipelines.storage.schemas import CLASSIFIED_IMAGES, SQUEEZE_ANALYSES, TableSchema
from cryptopattern_pipelines.storage.serving_tables import serving_metadata

START = datetime(2024, 8, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def url(module_postgres_url: str) -> str:
    migrate(module_postgres_url)
    return module_postgres_url


def publish(url: str, schema: TableSchema, rows: pd.DataFrame, start: datetime, end: datetime) -> int:
    return postgres.publish(url, schema, lambda: rows, start, end)


def analyses(hours: int, symbols: int = 2, score: float = 10.0, start: datetime = START) -> pd.DataFrame:
    rows = [
        {
            "hour": start + HOUR * hour,
            "symbol": f"COIN{number}",
            "price": 1.5,
            "squeeze_type": "NONE",
            "probability": score,
            "direction_confidence": 0.0,
            "severity": ("MINOR", "EXTREME")[hour % 50 == 0],
            "estimated_timeframe": "uncertain",
            "risk_level": "INSUFFICIENT_DATA",
            "signal_count": 0,
            "market_sources": "binance:spot",
        }
        for hour in range(hours)
        for number in range(symbols)
    ]
    return SQUEEZE_ANALYSES.conform(pd.DataFrame(rows))


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_migrations_make_what_the_schemas_state(url: str) -> None:
    options = {"include_schemas": True, "version_table_schema": SERVING, "compare_type": True}
    options["include_name"] = lambda name, kind, _: kind != "schema" or name == SERVING
    with sa.create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, serving_metadata()) == []


def test_rates_published_before_there_were_conditions_are_those_of_all_claims(
    fresh_database: Callable[[], str],
) -> None:
    url = fresh_database()
    ensure_schema(url, SERVING)
    columns = "day, symbol, {} timeframe, side, wins, sample_size, effective_sample_size, base_sample_size, verdict"
    values = "'2024-08-05', 'BTC', {} '24h', 'long', 1, 2, 2, 9, 'NO_EDGE'"
    insert = f"INSERT INTO {SERVING}.win_rates ({columns}) VALUES ({values}) RETURNING 1"
    with sa.create_engine(url).begin() as connection:
        before = ScriptDirectory.from_config(postgres._alembic(connection)).get_revision("0006").down_revision
        command.upgrade(postgres._alembic(connection), str(before))
    ask(url, insert.format("", ""))
    migrate(url)
    ask(url, insert.format("condition,", "'severity:MAJOR',"))
    assert ask(url, f"SELECT condition FROM {SERVING}.win_rates ORDER BY 1") == [("all",), ("severity:MAJOR",)]
    with sa.create_engine(url).begin() as connection:
        command.downgrade(postgres._alembic(connection), str(before))
    assert ask(url, f"SELECT count(*) FROM {SERVING}.win_rates") == [(1,)]


def test_migrating_twice_and_at_once_changes_nothing(fresh_database: Callable[[], str]) -> None:
    url = fresh_database()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [url] * 4))
    migrate(url)
    tables = ask(url, f"SELECT count(*) FROM information_schema.tables WHERE table_schema = '{SERVING}'")
    assert tables == [(len(serving_metadata().tables) + 1,)]  # and Alembic's version


def test_a_window_is_replaced_and_its_neighbours_stay(url: str) -> None:
    publish(url, SQUEEZE_ANALYSES, analyses(6), START, START + 6 * HOUR)
    fewer = analyses(1, symbols=1, score=99.0, start=START + 2 * HOUR)
    assert publish(url, SQUEEZE_ANALYSES, fewer, START + 2 * HOUR, START + 4 * HOUR) == 1
    found = ask(url, f"SELECT extract(hour FROM hour), probability FROM {SERVING}.squeeze_analyses ORDER BY 1, symbol")
    assert [(int(hour), score) for hour, score in found] == [
        *[(hour, 10.0) for hour in (0, 0, 1, 1)],
        (2, 99.0),
        *[(hour, 10.0) for hour in (4, 4, 5, 5)],
    ]


def test_a_wrong_row_changes_nothing(url: str) -> None:
    publish(url, SQUEEZE_ANALYSES, analyses(3), START, START + 3 * HOUR)
    before = ask(url, f"SELECT count(*) FROM {SERVING}.squeeze_analyses")
    with pytest.raises(InvalidRowsError, match="probability"):
        publish(url, SQUEEZE_ANALYSES, analyses(3, score=101.0), START, START + 3 * HOUR)
    assert ask(url, f"SELECT count(*) FROM {SERVING}.squeeze_analyses") == before


def test_readers_never_see_half_an_hour(url: str) -> None:
    """While one publisher replaces a window again and again, every reader sees one whole publication."""
    window = (START, START + 24 * HOUR)
    publish(url, SQUEEZE_ANALYSES, analyses(24, 20, score=1.0), *window)
    ended = threading.Event()

    def keep_publishing() -> None:
        for score in range(2, 12):
            publish(url, SQUEEZE_ANALYSES, analyses(24, 20, score=float(score)), *window)
        ended.set()

    writer = threading.Thread(target=keep_publishing)
    writer.start()
    seen = set()
    while not ended.is_set():
        [(rows, scores, score)] = ask(
            url, f"SELECT count(*), count(DISTINCT probability), max(probability) FROM {SERVING}.squeeze_analyses"
        )
        assert (rows, scores) == (24 * 20, 1)
        seen.add(score)
    writer.join()
    assert len(seen) > 1


def test_publishers_of_one_window_do_not_double_or_deadlock(url: str) -> None:
    window = (START, START + 6 * HOUR)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: publish(url, SQUEEZE_ANALYSES, analyses(6), *window), range(18)))
    in_window = f"hour >= '{START}' AND hour < '{window[1]}'"
    assert ask(url, f"SELECT count(*) FROM {SERVING}.squeeze_analyses WHERE {in_window}") == [(12,)]


def test_a_publisher_that_waited_publishes_what_is_there_then(url: str) -> None:
    """Two runs write one hour: what the first read before the second wrote must not be published last."""
    window = (START, START + HOUR)
    score, begun, rewritten = 1.0, threading.Event(), threading.Event()

    def read_slowly() -> pd.DataFrame:
        begun.set()
        assert rewritten.wait(10)
        return analyses(1, score=1.0)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(postgres.publish, url, SQUEEZE_ANALYSES, read_slowly, *window)
        assert begun.wait(10)
        second = pool.submit(postgres.publish, url, SQUEEZE_ANALYSES, lambda: analyses(1, score=score), *window)
        score = 2.0  # the file is written anew while the second waits for the first
        rewritten.set()
        first.result()
        second.result()
    assert ask(url, f"SELECT DISTINCT probability FROM {SERVING}.squeeze_analyses WHERE hour = '{START}'") == [(2.0,)]


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
optional = st.none() | texts


@given(
    st.lists(st.tuples(texts, optional, optional, st.floats(0, 1), st.none() | st.floats(1e-300, 1e300)), max_size=5)
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_comes_back_as_it_went_in(
    url: str, values: list[tuple[str, str | None, str | None, float, float | None]]
) -> None:
    rows = [
        {
            "hour": START,
            "sha256": f"{number:064x}",
            "captured_at": START + timedelta(microseconds=number),
            "image_type": "unknown",
            "confidence": confidence,
            "evidence": evidence,
            "title": title,
            "error": error,
            "current_price": price,
            "reader_version": "1",
        }
        for number, (evidence, title, error, confidence, price) in enumerate(values)
    ]
    publish(url, CLASSIFIED_IMAGES, CLASSIFIED_IMAGES.conform(rows), START, START + HOUR)
    names = ["captured_at", "evidence", "title", "error", "confidence", "current_price"]
    found = ask(url, f"SELECT {', '.join(names)} FROM {SERVING}.classified_images ORDER BY sha256")
    assert found == [tuple(row[name] for name in names) for row in rows]


@pytest.mark.parametrize(
    "query",
    [
        "symbol = 'COIN7' ORDER BY hour DESC LIMIT 1",
        "severity = 'EXTREME' AND hour >= '2024-08-20'",
        "hour >= '2024-08-25' AND probability >= 50",
        "symbol = 'COIN7' AND hour BETWEEN '2024-08-10' AND '2024-08-12' ORDER BY hour",
    ],
)
def test_latest_by_symbol_alerts_since_and_symbol_over_time_are_served_by_an_index(url: str, query: str) -> None:
    if ask(url, f"SELECT count(*) FROM {SERVING}.squeeze_analyses")[0][0] < 20_000:
        publish(url, SQUEEZE_ANALYSES, analyses(500, 50), START, START + 500 * HOUR)
        ask(url, f"ANALYZE {SERVING}.squeeze_analyses; SELECT 1")
    plan = "\n".join(
        str(line) for (line,) in ask(url, f"EXPLAIN SELECT * FROM {SERVING}.squeeze_analyses WHERE {query}")
    )
    assert "Index Scan" in plan
    assert "Seq Scan" not in plan


def test_serving_tables_are_claimed_by_one_owner_while_they_are_empty(fresh_database: Callable[[], str]) -> None:
    theirs, ours = fresh_database(), fresh_database()
    migrate(theirs)
    publish(theirs, SQUEEZE_ANALYSES, analyses(1), START, START + HOUR)
    assert not postgres.claim(theirs, "demo")
    assert postgres.claim(ours, "demo")
    publish(ours, SQUEEZE_ANALYSES, analyses(1), START, START + HOUR)
    assert postgres.claim(ours, "demo")
    assert not postgres.claim(ours, "somebody else")
