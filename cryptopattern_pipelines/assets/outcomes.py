"""What is learned from the hours: how often an analysis was right."""

import dagster as dg

from cryptopattern_pipelines import plots
from cryptopattern_pipelines.assets.market import market_candles
from cryptopattern_pipelines.assets.materialise import Events, show, table_asset, write
from cryptopattern_pipelines.assets.squeeze import squeeze_analyses
from cryptopattern_pipelines.automation.partitions import window_of
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import paths
from cryptopattern_pipelines.squeeze import win_rates as rates
from cryptopattern_pipelines.storage import schemas

GROUP = "outcomes"


@table_asset(schemas.WIN_RATES, GROUP, deps=[squeeze_analyses, market_candles])
def win_rates(context: dg.AssetExecutionContext, store: Store, analysis: Analysis) -> Events:
    """Win rate of each symbol, timeframe and side, beside its interval, its sample size and its base rate."""
    window, settings = window_of(context), analysis.win_rates()
    history = window.reaching_back(settings.lookback)
    rows = rates.win_rates(
        store.read(schemas.SQUEEZE_ANALYSES, history, columns=rates.ANALYSIS_COLUMNS),
        store.read(schemas.MARKET_CANDLES, history, columns=paths.CANDLE_COLUMNS),
        *window,
        settings,
    )
    newest = rows[(rows["day"] == rows["day"].max()) & (rows["condition"] == "all")]
    if newest["win_rate_pct"].notna().any():
        show(context, "win rates", plots.win_rates(newest))
    yield from write(context, store, schemas.WIN_RATES, rows, verdicts=rows["verdict"].value_counts().to_dict())
