"""Readings and snapshots become squeeze analyses; snapshots and liquidations tell the squeezes that happened."""

from datetime import timedelta
from typing import Any

import dagster as dg

from cryptopattern_pipelines import plots
from cryptopattern_pipelines.assets.market import (
    derivatives_metrics,
    exchange_snapshots,
    market_candles,
    realised_liquidations,
)
from cryptopattern_pipelines.assets.materialise import Events, show, table_asset, write
from cryptopattern_pipelines.assets.screenshots import liquidation_levels, liquidation_readings
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.market.symbols import by_coin
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import analyses, events, paths
from cryptopattern_pipelines.storage import schemas

GROUP = "squeeze"

# Before a day's end, on the picture of its squeezes.
_DAYS_SHOWN = timedelta(days=4)


@table_asset(
    schemas.SQUEEZE_ANALYSES,
    GROUP,
    deps=[liquidation_readings, liquidation_levels, exchange_snapshots, realised_liquidations],
)
def squeeze_analyses(context: dg.AssetExecutionContext, store: Store, analysis: Analysis) -> Events:
    """The five signals of each symbol and hour, and the squeeze that they point to."""
    window, settings = window_of(context), analysis.signals()
    pictures = window.reaching_back(settings.readings_lookback)
    readings, levels = (
        by_coin(store.read(table, pictures)) for table in (schemas.LIQUIDATION_READINGS, schemas.LIQUIDATION_LEVELS)
    )
    rows = analyses.squeeze_analyses(
        store.read(
            schemas.EXCHANGE_SNAPSHOTS,
            window.reaching_back(settings.snapshots_lookback),
            columns=analyses.SNAPSHOT_COLUMNS,
        ),
        readings,
        store.read(schemas.REALISED_LIQUIDATIONS, window.reaching_back(settings.liquidations_lookback)),
        *window,
        settings,
        levels,
    )
    unmatched = set(readings["hour"][readings["hour"] >= window.start]) - set(rows["hour"])
    if unmatched:
        context.log.warning(
            f"{len(unmatched)} hours have readings but no market data: backfill market_candles for them"
        )
    counts: dict[str, Any] = {name: rows[name].value_counts().to_dict() for name in ("severity", "squeeze_type")}
    yield from write(context, store, schemas.SQUEEZE_ANALYSES, rows, hours_without_market=len(unmatched), **counts)


@table_asset(
    schemas.SQUEEZE_EVENTS,
    GROUP,
    deps=[exchange_snapshots, realised_liquidations, squeeze_analyses, market_candles, derivatives_metrics],
)
def squeeze_events(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Squeezes that happened, each on the day by whose end it was known to be over."""
    window, settings = window_of(context), events.DEFAULTS
    moves = window.reaching_back(settings.event_lookback)
    prices = store.read(
        schemas.EXCHANGE_SNAPSHOTS, window.reaching_back(settings.snapshots_lookback), columns=events.SNAPSHOT_COLUMNS
    )
    rows = events.squeeze_events(
        prices,
        store.read(schemas.MARKET_CANDLES, moves, columns=paths.CANDLE_COLUMNS),
        store.read(
            schemas.REALISED_LIQUIDATIONS,
            window.reaching_back(settings.liquidations_lookback),
            columns=events.LIQUIDATION_COLUMNS,
        ),
        store.read(schemas.SQUEEZE_ANALYSES, moves, columns=events.ANALYSIS_COLUMNS),
        *window,
        settings,
        store.read(schemas.DERIVATIVES_METRICS, moves, columns=events.METRIC_COLUMNS),
    )
    counts: dict[str, Any] = {
        name: rows[name].value_counts().to_dict() for name in ("squeeze_type", "severity", "evidence")
    }
    if "" in counts["evidence"]:  # the UI would show a figure without a name
        counts["evidence"]["the move alone"] = counts["evidence"].pop("")
    if len(rows):
        shown = prices[prices["hour"] >= window.end - _DAYS_SHOWN]
        show(context, "prices and squeezes", plots.squeezes(shown, rows[rows["ended_at"] > shown["hour"].min()]))
    yield from write(context, store, schemas.SQUEEZE_EVENTS, rows, **counts)
