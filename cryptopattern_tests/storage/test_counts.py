"""Counts of what runs asked venues add up over processes, and a day's scores are kept once."""

import threading
from collections.abc import Callable

import pandas as pd
import pytest

from cryptopattern_pipelines.market.transport import Sent
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.counts import SCORE_COLUMNS, keep_scores
from cryptopattern_tests.storage.test_postgres import ask


@pytest.fixture
def database(postgres_url: str) -> ServingDatabase:
    return ServingDatabase(load_settings(database_url=postgres_url))


def test_requests_of_several_processes_add_up(database: ServingDatabase) -> None:
    sent = [
        Sent("okx", "/api/v5/market/candles", "ok", 0.03),
        Sent("okx", "/api/v5/market/candles", "ok", 0.05),
        Sent("okx", "/api/v5/market/candles", "timeout", 31.0),
        Sent("binance spot", "/api/v3/klines", "ok", 0.0),
    ]
    workers = [threading.Thread(target=database.count_requests, args=(order,)) for order in (sent, sent[::-1]) * 4]
    database.address()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    database.count_requests([])
    rows = ask(database.address(), "SELECT * FROM serving.venue_requests ORDER BY 1, 2, 3, 4")
    assert [row[:5] for row in rows] == [
        ("binance spot", "/api/v3/klines", "ok", 0.05, 8),
        ("okx", "/api/v5/market/candles", "ok", 0.05, 16),
        ("okx", "/api/v5/market/candles", "timeout", float("inf"), 8),
    ]
    assert rows[1][5] == pytest.approx(16 * 0.04)


def test_a_day_that_is_scored_again_takes_the_place_of_what_was_there(
    database: ServingDatabase, fresh_database: Callable[[], str]
) -> None:
    day = pd.Timestamp("2025-01-29", tz="UTC")
    for brier in (0.2, 0.1):
        values = dict.fromkeys(SCORE_COLUMNS, brier) | {"forecasts": 7, "card_brier": float("nan")}
        keep_scores(database.address(), pd.DataFrame([{"day": day, "target": "up_move", **values}]))
    [row] = ask(database.address(), "SELECT target, forecasts, brier, card_brier FROM serving.forecast_scores")
    assert row == ("up_move", 7, 0.1, None)
