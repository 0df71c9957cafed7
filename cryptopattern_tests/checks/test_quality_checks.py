"""Every check on what the market's tables tell: it passes good rows, and warns of a bad one without blocking."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.checks.quality import (
    NO_ROW_IS_SET_ASIDE,
    QUALITY_CHECKS,
    quality_results,
    quality_specs,
    set_aside_result,
)
from cryptopattern_pipelines.market.listings import markets_listed
from cryptopattern_pipelines.storage.rows import sorted_out
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    EXCHANGE_SNAPSHOTS,
    MARKET_CANDLES,
    MARKET_TABLES,
    QUARANTINED_MARKET_ROWS,
    SYMBOLS,
    TABLES,
    WIN_RATES,
    TableSchema,
)

HOUR = timedelta(hours=1)
WINDOW = Window(datetime(2024, 8, 5, 12, tzinfo=UTC), datetime(2024, 8, 5, 13, tzinfo=UTC))
KEY = dg.AssetKey("a_table")


def candle(venue: str, close: float = 10.0) -> dict[str, Any]:
    names = {"symbol": "BTC", "venue": venue, "market": "spot", "instrument": "BTCUSDT"}
    return {**names, "open": 10.0, "high": 11.0, "low": 9.0, "close": close, "volume_base": 1.0, "volume_usd": 10.0}


def metric(age: timedelta) -> dict[str, Any]:
    return {"symbol": "BTC", "venue": "okx", "instrument": "x", "open_interest_time": WINDOW.end - age}


def snapshot(flags: str) -> dict[str, Any]:
    prices = dict.fromkeys(["average_price", "high_24h", "low_24h"], 10.0) | {"price_variance": 0.0}
    return {"symbol": "BTC", **prices, "venues": "okx:spot", "venue_count": 1, "quality_flags": flags}


THREE = [candle(venue) for venue in ("binance", "gate", "okx")]
# Of each check: its table, rows of the hour before, good rows, and bad ones.
CASES: dict[str, tuple[TableSchema, list[Any], list[Any], list[Any]]] = {
    "no_hours_are_missing": (MARKET_CANDLES, THREE, THREE, THREE[:2]),
    "no_price_jumps_alone": (MARKET_CANDLES, THREE, THREE, [*THREE[:2], candle("okx", 10.5)]),
    "feeds_are_fresh": (DERIVATIVES_METRICS, [], [metric(HOUR)], [metric(3 * HOUR)]),
    "venues_agree_on_the_price": (EXCHANGE_SNAPSHOTS, [], [snapshot("")], [snapshot("one_venue,prices_disagree")]),
}


def rows(table: TableSchema, told: list[Any], hour: datetime) -> pd.DataFrame:
    return table.conform([{"hour": hour, **row} for row in told])


@pytest.mark.parametrize("name", [check.name for checks in QUALITY_CHECKS.values() for check in checks])
def test_a_bad_row_is_warned_of_and_a_good_one_is_not(name: str) -> None:
    table, earlier, good, bad = CASES[name]
    before = rows(table, earlier, WINDOW.start - HOUR)

    def read(window: Window, columns: list[str]) -> pd.DataFrame:
        assert window.end == WINDOW.start
        return before[before["hour"] >= window.start][columns]

    def listed(window: Window, coins: set[str]) -> pd.DataFrame:
        assert window == Window(WINDOW.start - timedelta(days=1), WINDOW.end)
        return markets_listed(SYMBOLS.empty(), coins)

    for told, passes in ((good, True), (bad, False), ([], name != "no_hours_are_missing")):
        hour = rows(table, told, WINDOW.start)
        results = {
            each.check_name: each for each in quality_results(table, KEY, hour, WINDOW, read=read, listed=listed)
        }
        assert set(results) == {check.name for check in QUALITY_CHECKS[table.name]}
        result = results[name]
        assert result.passed is passes
        assert result.severity == dg.AssetCheckSeverity.WARN
        assert (result.metadata["found"].value == 0) is passes
        assert ("the first of them" in result.metadata) is not passes


@pytest.mark.parametrize("table", MARKET_TABLES, ids=lambda table: table.name)
def test_a_row_that_is_set_aside_is_warned_of(table: TableSchema) -> None:
    [quiet] = set_aside_result(table, KEY, QUARANTINED_MARKET_ROWS.empty())
    assert quiet.passed
    _, broken = sorted_out(MARKET_CANDLES, rows(MARKET_CANDLES, [candle("okx", close=-1.0)], WINDOW.start))
    [told] = set_aside_result(table, KEY, broken)
    assert (told.check_name, told.passed, told.severity) == (NO_ROW_IS_SET_ASIDE, False, dg.AssetCheckSeverity.WARN)
    assert "close -1.0 is not greater_than(0)" in str(told.metadata["the first of them"].value)


def test_our_own_tables_set_nothing_aside_and_no_quality_check_blocks() -> None:
    assert list(set_aside_result(WIN_RATES, KEY, QUARANTINED_MARKET_ROWS.empty())) == []
    specs = [spec for table in TABLES.values() for spec in quality_specs(table, dg.AssetKey(table.name))]
    assert {spec.name for spec in specs} == {*CASES, NO_ROW_IS_SET_ASIDE}
    assert not any(spec.blocking for spec in specs)
