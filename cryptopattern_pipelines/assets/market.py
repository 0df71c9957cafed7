"""Exchange data becomes rows: candles, derivatives metrics, realised liquidations, and hourly snapshots of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.automation.again import ASK_AGAIN
from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.market import snapshots
from cryptopattern_pipelines.market.live import NoVenueError
from cryptopattern_pipelines.market.source import MarketSource, with_earlier
from cryptopattern_pipelines.market.symbols import coins
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas

GROUP = "market"


# A venue's outage is over in minutes or in hours: an hour that none of them brought is tried again within this one.
_RETRIES = 4
_FIRST_WAIT_SECONDS = 60


@contextmanager
def _patience(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Ask for another try, later, when no venue could be reached at all; a person who waits is told at once."""
    try:
        yield
    except NoVenueError as error:
        if PROCESS_TAG in context.run.tags:
            raise dg.Failure(str(error), allow_retries=False) from error
        wait = _FIRST_WAIT_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait) from error


def _written(
    context: dg.AssetExecutionContext,
    store: Store,
    table: schemas.TableSchema,
    rows: pd.DataFrame,
    *,
    source: MarketSource,
    symbols: list[str],
) -> Events:
    """Log what a source could not bring, and write what it did, with what it had brought before and lacks now."""
    for problem in source.problems:
        context.log.warning(str(problem))
    if source.problems:
        earlier = store.read(table, window_of(context))
        rows = with_earlier(rows, earlier, source.problems, table.key, coins(symbols))
    passing = sum(problem.passing for problem in source.problems)
    yield from write(context, store, table, rows, **{"problems": len(source.problems), ASK_AGAIN: passing})


@dg.asset(**table_asset(schemas.MARKET_CANDLES, GROUP))
def market_candles(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Closed hourly candles of every symbol, venue and market."""
    source = market.open()
    with _patience(context):
        rows = source.candles(market.symbols, *window_of(context))
    yield from _written(context, store, schemas.MARKET_CANDLES, rows, source=source, symbols=market.symbols)


@dg.asset(**table_asset(schemas.DERIVATIVES_METRICS, GROUP))
def derivatives_metrics(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Funding, open interest and positioning ratios, as they were known by the end of each hour."""
    source = market.open()
    with _patience(context):
        rows = source.derivatives_metrics(market.symbols, *window_of(context))
    yield from _written(context, store, schemas.DERIVATIVES_METRICS, rows, source=source, symbols=market.symbols)


@dg.asset(**table_asset(schemas.REALISED_LIQUIDATIONS, GROUP))
def realised_liquidations(context: dg.AssetExecutionContext, store: Store, market: Market) -> Events:
    """Longs and shorts that venues closed by force, where a venue publishes them."""
    source = market.open()
    rows = source.realised_liquidations(market.symbols, *window_of(context))
    yield from _written(context, store, schemas.REALISED_LIQUIDATIONS, rows, source=source, symbols=market.symbols)


@dg.asset(
    **table_asset(schemas.EXCHANGE_SNAPSHOTS, GROUP, deps=[market_candles, derivatives_metrics, realised_liquidations])
)
def exchange_snapshots(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Each symbol over all its venues as it stood at the end of the hour, from closed candles alone."""
    window = window_of(context)
    known = window.reaching_back(snapshots.LOOKBACK)
    rows = snapshots.exchange_snapshots(
        store.read(schemas.MARKET_CANDLES, known),
        store.read(schemas.DERIVATIVES_METRICS, known),
        store.read(schemas.REALISED_LIQUIDATIONS, known),
        *window,
    )
    yield from write(context, store, schemas.EXCHANGE_SNAPSHOTS, rows)
