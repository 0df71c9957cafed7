"""Rows of the serving tables for the pages' tests: what a test doesn't name is filled in with something that may be."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.schemas import REAL, TARGETS, TEXT, TIME, TRUTH, WHOLE, TableSchema
from cryptopattern_pipelines.storage.serving_tables import serving_metadata

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEWEST = datetime(2025, 1, 29, 23, tzinfo=UTC)
_USUAL: dict[str, Any] = {TIME: NEWEST, TEXT: "", REAL: 1.0, WHOLE: 1, TRUTH: False}


def put(url: str, table: TableSchema, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows into a table."""
    usual = {column.name: None if column.nullable else _USUAL[column.dtype] for column in table.columns}
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(serving_metadata().tables[f"serving.{table.name}"]), [{**usual, **row} for row in rows]
        )
    engine.dispose()


def put_symbol(url: str, name: str, hours: int = 24 * 40, **analysis: Any) -> None:
    """All that is known of a symbol: hours of prices, its analysis, odds, forecasts, a squeeze, levels, patterns."""
    times = [NEWEST - number * HOUR for number in range(hours)]
    prices = [
        {"hour": hour, "symbol": name, "average_price": 100.0 + number % 17, "high_24h": 120.0, "low_24h": 90.0,
         "price_change_24h_pct": 2.5, "volume_24h_usd": 1.5e9, "venues": "binance:spot", "quality_flags": ""}
        for number, hour in enumerate(times)
    ]  # fmt: skip
    put(url, schemas.EXCHANGE_SNAPSHOTS, prices)
    claim = {
        "hour": NEWEST, "symbol": name, "price": 100.0, "squeeze_type": "SHORT_SQUEEZE", "probability": 61.0,
        "direction_confidence": 50.0, "severity": "MAJOR", "estimated_timeframe": "1-3 days",
        "risk_level": "MEDIUM_CONFIDENCE", "signal_count": 2, "market_sources": "binance:spot",
        "volume_spike_strength": 80.0, "volume_spike_weight": 0.25, "long_pct": 25.0, "short_pct": 75.0,
        "explanation": "Shorts hold 75 %.",
    }  # fmt: skip
    put(url, schemas.SQUEEZE_ANALYSES, [{**claim, **analysis}])
    rate = {
        "day": NEWEST - 47 * HOUR, "symbol": name, "condition": "all", "wins": 12, "sample_size": 300,
        "effective_sample_size": 31, "win_rate_pct": 38.7, "interval_low_pct": 23.7, "interval_high_pct": 56.2,
        "base_rate_pct": 41.2, "base_sample_size": 84, "lift": 0.94, "net_return_pct": -0.12, "costs_bps": 14.0,
        "verdict": "NO_EDGE",
    }  # fmt: skip
    put(
        url,
        schemas.WIN_RATES,
        [{**rate, "timeframe": span, "side": side} for span in ("24h", "7d", "1m") for side in ("long", "short")],
    )
    chance = {
        "hour": NEWEST, "symbol": name, "probability_pct": 7.0, "base_rate_pct": 9.0, "base_sample_size": 540,
        "interval_low_pct": 4.0, "interval_high_pct": 12.0, "interval_sample_size": 88, "drivers": "volatility -0.3",
        "model_kind": "logistic", "model_version": "2025-01-20-abc",
    }  # fmt: skip
    put(url, schemas.SQUEEZE_FORECASTS, [{**chance, "target": target} for target in TARGETS])
    squeeze = {
        "day": datetime(2025, 1, 20, tzinfo=UTC), "symbol": name, "squeeze_type": "LONG_SQUEEZE", "move_pct": -6.4,
        "started_at": datetime(2025, 1, 20, 8, tzinfo=UTC), "ended_at": datetime(2025, 1, 20, 11, tzinfo=UTC),
        "severity": "MODERATE", "evidence": "liquidations", "signals_before": "volume_spike",
    }  # fmt: skip
    bare: dict[str, Any] = {"day": datetime(2025, 1, 12, tzinfo=UTC), "evidence": "", "move_pct": -5.1}
    bare["started_at"] = datetime(2025, 1, 12, 8, tzinfo=UTC)
    bare["ended_at"] = datetime(2025, 1, 12, 9, tzinfo=UTC)
    put(url, schemas.SQUEEZE_EVENTS, [squeeze, {**squeeze, **bare}])
    level = {
        "hour": NEWEST - 3 * HOUR, "sha256": "ab" * 32, "symbol": name, "captured_at": NEWEST - 3 * HOUR,
        "image_type": "liquidation_map", "strength": 5.0,
    }  # fmt: skip
    put(
        url,
        schemas.LIQUIDATION_LEVELS,
        [
            {**level, "rank": rank + len(name) * 100, "price": price, "side": side, "strength_share": 1.0 / rank}
            for rank, (price, side) in enumerate(((121.0, "short"), (94.5, "long"), (700.0, None)), start=1)
        ],
    )
    pattern = {
        "day": NEWEST - 47 * HOUR, "symbol": name, "pattern": "volume_dries_up", "timeframe": "24h", "side": "long",
        "conditions": "volume < half", "occurrences": 40, "effective_sample_size": 22, "success_rate_pct": 45.5,
        "interval_low_pct": 26.9, "interval_high_pct": 65.3, "base_rate_pct": 41.2, "base_sample_size": 84,
        "q_value": 0.7, "status": "NO_EDGE",
    }  # fmt: skip
    put(url, schemas.PATTERN_LIBRARY, [pattern])
