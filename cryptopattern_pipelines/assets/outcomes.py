"""What is learned from the hours: how often an analysis was right."""

import dagster as dg

from cryptopattern_pipelines.assets.market import market_candles
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.assets.squeeze import squeeze_analyses
from cryptopattern_pipelines.automation.partitions import Window, window_of
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import win_rates as rates
from cryptopattern_pipelines.storage import schemas

GROUP = "outcomes"


@dg.asset(**table_asset(schemas.WIN_RATES, GROUP, deps=[squeeze_analyses, market_candles]))
def win_rates(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Win rate of each symbol, timeframe and side, beside its interval, its sample size and its base rate."""
    window = window_of(context)
    known = Window(window.start - rates.LOOKBACK, window.end)
    rows = rates.win_rates(
        store.read(schemas.SQUEEZE_ANALYSES, known), store.read(schemas.MARKET_CANDLES, known), *window
    )
    yield from write(context, store, schemas.WIN_RATES, rows, verdicts=rows["verdict"].value_counts().to_dict())
