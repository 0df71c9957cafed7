"""Questions that are answered from the store on demand: by the command line, and by whatever else asks.

What belongs here: reading what an answer needs. What does not: the answer (`squeeze/`), and how it is shown.
"""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow.compute as pc

from cryptopattern_pipelines.squeeze import features, paths
from cryptopattern_pipelines.squeeze.grid import epoch_hour
from cryptopattern_pipelines.squeeze.similar import Similar, similar
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import TableSchema


def similar_moments(
    store: TableStore, symbol: str, hour: datetime, *, timeframe: str = "24h", count: int = 30, days: int = 1461
) -> Similar:
    """Moments of the `days` before that looked like the end of a symbol's hour, and what came after them.

    Raises:
        NoMomentError: there is no such moment in the store, or too little before it.
    """
    start, end = hour - timedelta(days=days), hour + timedelta(hours=1)

    def read(table: TableSchema, columns: tuple[str, ...]) -> pd.DataFrame:
        return store.table(table.name).read(start, end, list(columns), pc.field("symbol") == symbol)

    known = features.features(
        read(schemas.EXCHANGE_SNAPSHOTS, features.SNAPSHOT_COLUMNS),
        read(schemas.SQUEEZE_ANALYSES, features.ANALYSIS_COLUMNS),
        epoch_hour(start),
        epoch_hour(end),
    )
    candles = read(schemas.MARKET_CANDLES, paths.CANDLE_COLUMNS)
    return similar(known, candles, symbol, hour, count=count, timeframe=timeframe)
