"""Postgres made anew from the Parquet store, on the real server."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.parquet import ParquetTable
from cryptopattern_pipelines.storage.postgres import SERVING, migrate
from cryptopattern_pipelines.storage.republish import republish, stretches
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES, WIN_RATES
from cryptopattern_tests.storage.test_postgres import HOUR, START, analyses, ask

DAY = 24 * HOUR


@pytest.fixture
def url(fresh_database: Callable[[], str]) -> str:
    address = fresh_database()
    migrate(address)
    return address


def made_anew(url: str, table: ParquetTable) -> int:
    return sum(republish(url, table, stretches(url, table)))


def rows(url: str) -> list[tuple[object, ...]]:
    return ask(url, f"SELECT * FROM {SERVING}.squeeze_analyses ORDER BY hour, symbol")


def test_a_lost_database_gets_the_rows_of_every_file_back(url: str, tmp_path: Path) -> None:
    table = ParquetTable(SQUEEZE_ANALYSES, tmp_path)
    for start, hours in ((START, 30), (START + 80 * DAY, 2), (START + 400 * DAY, 1)):  # months apart
        frame = analyses(hours, start=start)
        table.write(frame, start, start + hours * HOUR)
        postgres.publish(url, SQUEEZE_ANALYSES, partial(frame.copy), start, start + hours * HOUR)
    before = rows(url)
    ask(url, f"TRUNCATE {SERVING}.squeeze_analyses; SELECT 1")
    assert made_anew(url, table) == len(before) == 66
    assert rows(url) == before
    assert made_anew(url, table) == 66
    assert rows(url) == before


@pytest.mark.parametrize("days_off", [-200, 0, 200])
def test_rows_without_a_file_go(url: str, tmp_path: Path, days_off: int) -> None:
    table = ParquetTable(SQUEEZE_ANALYSES, tmp_path)
    table.write(analyses(2), START, START + 2 * HOUR)
    strange = START + days_off * DAY + 5 * HOUR
    postgres.publish(url, SQUEEZE_ANALYSES, lambda: analyses(1, start=strange), strange, strange + HOUR)
    assert made_anew(url, table) == 4
    assert {hour for hour, *_ in rows(url)} == {START, START + HOUR}


def test_a_store_and_a_table_without_anything_need_nothing(url: str, tmp_path: Path) -> None:
    for schema in (SQUEEZE_ANALYSES, WIN_RATES):
        assert stretches(url, ParquetTable(schema, tmp_path)) == []


def test_days_are_those_with_a_folder(tmp_path: Path) -> None:
    table = ParquetTable(SQUEEZE_ANALYSES, tmp_path)
    assert table.days().empty
    table.write(analyses(1), START, START + HOUR)
    (tmp_path / SQUEEZE_ANALYSES.name / ".writing-left-behind").mkdir()
    assert list(table.days()) == [pd.Timestamp(START)]
