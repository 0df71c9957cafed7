"""Exchange data becomes rows: candles, derivatives metrics, realised liquidations, and hourly snapshots of them."""

import dagster as dg

from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.automation.partitions import Window, window_of
from cryptopattern_pipelines.market import snapshots
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas

GROUP = "market"


@dg.asset(**table_asset(schemas.MARKET_CANDLES, GROUP))
def market_candles(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Closed hourly candles of every symbol, venue and market."""
    rows = market.open().candles(market.symbols, *window_of(context))
    yield from write(context, store, schemas.MARKET_CANDLES, rows)


@dg.asset(**table_asset(schemas.DERIVATIVES_METRICS, GROUP))
def derivatives_metrics(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Funding, open interest and positioning ratios, as they were known by the end of each hour."""
    rows = market.open().derivatives_metrics(market.symbols, *window_of(context))
    yield from write(context, store, schemas.DERIVATIVES_METRICS, rows)


@dg.asset(**table_asset(schemas.REALISED_LIQUIDATIONS, GROUP))
def realised_liquidations(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Longs and shorts that venues closed by force, where a venue publishes them."""
    rows = market.open().realised_liquidations(market.symbols, *window_of(context))
    yield from write(context, store, schemas.REALISED_LIQUIDATIONS, rows)


@dg.asset(
    **table_asset(schemas.EXCHANGE_SNAPSHOTS, GROUP, deps=[market_candles, derivatives_metrics, realised_liquidations])
)
def exchange_snapshots(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Each symbol over all its venues as it stood at the end of the hour, from closed candles alone."""
    window = window_of(context)
    known = Window(window.start - snapshots.LOOKBACK, window.end)
    rows = snapshots.exchange_snapshots(
        store.read(schemas.MARKET_CANDLES, known),
        store.read(schemas.DERIVATIVES_METRICS, known),
        store.read(schemas.REALISED_LIQUIDATIONS, known),
        *window,
    )
    yield from write(context, store, schemas.EXCHANGE_SNAPSHOTS, rows)
