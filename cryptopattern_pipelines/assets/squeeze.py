"""Readings and snapshots become squeeze analyses."""

import dagster as dg

from cryptopattern_pipelines.assets.market import exchange_snapshots, realised_liquidations
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.assets.screenshots import liquidation_readings
from cryptopattern_pipelines.automation.partitions import Window, window_of
from cryptopattern_pipelines.market.symbols import canonical
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import analyses
from cryptopattern_pipelines.storage import schemas

GROUP = "squeeze"


@dg.asset(
    **table_asset(
        schemas.SQUEEZE_ANALYSES, GROUP, deps=[liquidation_readings, exchange_snapshots, realised_liquidations]
    )
)
def squeeze_analyses(context: dg.AssetExecutionContext, store: Store, analysis: Analysis) -> Events:
    """The five signals of each symbol and hour, and the squeeze that they point to."""
    window = window_of(context)
    known = Window(window.start - analyses.LOOKBACK, window.end)
    readings = store.read(schemas.LIQUIDATION_READINGS, known)
    rows = analyses.squeeze_analyses(
        store.read(schemas.EXCHANGE_SNAPSHOTS, known),
        readings.assign(symbol=readings["symbol"].map(canonical).astype("str")),
        store.read(schemas.REALISED_LIQUIDATIONS, known),
        *window,
        analysis.settings(),
    )
    yield from write(
        context,
        store,
        schemas.SQUEEZE_ANALYSES,
        rows,
        severities=rows["severity"].value_counts().to_dict(),
        squeeze_types=rows["squeeze_type"].value_counts().to_dict(),
    )
