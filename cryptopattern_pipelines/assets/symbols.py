"""Listings become rows: which names venues list, since when, and how much of them trades."""

import dagster as dg

from cryptopattern_pipelines.assets.following import symbols_of
from cryptopattern_pipelines.assets.market import GROUP, asked, market_candles, tell_problems
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import schemas


@table_asset(schemas.SYMBOLS, GROUP, deps=[market_candles])
def symbols(
    context: dg.AssetExecutionContext, store: Store, market: Market, database: dg.ResourceParam[ServingDatabase]
) -> Events:
    """Every name that was seen by the end of the day: where it is listed, renamed or delisted, and its volume."""
    with asked(context, market, database) as source:
        rows = symbols_of(store, market, source, window_of(context))
    counts = rows["status"].value_counts().to_dict()
    told = tell_problems(context, source)
    yield from write(context, store, schemas.SYMBOLS, rows, followed=(), statuses=counts, **told)
