"""Once a day: how the forecasts of the last weeks came true, kept for the metrics.

What belongs here: reading what is needed from the store. What does not: the scores (`squeeze/calibration.py`).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import calibration, paths, targets
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.storage.counts import keep_scores
from cryptopattern_pipelines.storage.schemas import (
    MARKET_CANDLES,
    SQUEEZE_EVENTS,
    SQUEEZE_FORECASTER,
    SQUEEZE_FORECASTS,
)


@dg.op(description="Holds the forecasts of the last 30 days whose outcome is known against what came, for /metrics.")
def score_forecasts(context: dg.OpExecutionContext, store: Store, database: dg.ResourceParam[ServingDatabase]) -> None:
    """Keep how forecasts came true, beside what the card of the model that stands says."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    scores = scores_at(store, midnight)
    keep_scores(database.address(), scores)
    context.log.info(f"scored {scores['forecasts'].sum():,} forecasts of {len(scores)} targets")


def scores_at(store: Store, midnight: datetime) -> pd.DataFrame:
    """How the forecasts whose outcome was known at a midnight came true, as `storage/counts.py` keeps it."""
    day = midnight - timedelta(days=1)
    known = Window(*calibration.known_by(midnight))
    forecasts = store.read(SQUEEZE_FORECASTS, known, calibration.FORECAST_COLUMNS)
    grid = HourGrid(
        epoch_hour(known.start), (known.end - known.start) // timedelta(hours=1), tuple(forecasts["symbol"].unique())
    )
    events = Window(known.start, midnight)
    candles = events.reaching_back(timedelta(hours=OutcomeSettings().volatility_hours))
    came = targets.targets(
        # Longer than what is asked for by what its last outcomes need.
        replace(grid, length=grid.length + targets.HORIZON_HOURS),
        store.read(SQUEEZE_EVENTS, events, targets.EVENT_COLUMNS),
        store.table(SQUEEZE_EVENTS).present(known.start.replace(hour=0), midnight),
        store.read(MARKET_CANDLES, candles, paths.CANDLE_COLUMNS),
    )
    # The day's own may still be in training.
    lately = Window(midnight - timedelta(days=7), midnight)
    cards = store.read(SQUEEZE_FORECASTER, lately, ["day", "target", "brier", "calibration_error"])
    cards = cards.sort_values("day").drop_duplicates("target", keep="last").drop(columns="day")
    cards = cards.rename(columns={"brier": "card_brier", "calibration_error": "card_calibration_error"})
    scores = calibration.recent_scores(forecasts, came)
    return scores.merge(cards, on="target", how="left").assign(day=pd.Timestamp(day))
