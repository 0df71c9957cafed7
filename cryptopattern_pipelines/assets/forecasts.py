"""What is learned for hours to come: the model that stands at each day's end, its forecasts, and the named patterns."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.assets.market import exchange_snapshots, market_candles
from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.assets.squeeze import squeeze_analyses, squeeze_events
from cryptopattern_pipelines.automation.partitions import DAILY, Window, window_of
from cryptopattern_pipelines.model_card import model_card, what_stands
from cryptopattern_pipelines.resources.analysis import Analysis
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import features, forecaster, forecasts, paths, targets
from cryptopattern_pipelines.squeeze import pattern_library as patterns
from cryptopattern_pipelines.squeeze.forecaster import Standing, Verdict
from cryptopattern_pipelines.squeeze.grid import epoch_hour, epoch_hours
from cryptopattern_pipelines.squeeze.models import Model
from cryptopattern_pipelines.storage import schemas

GROUP = "outcomes"
_DAY = timedelta(days=1)
# A card lies in the event log with its plot, some 10 kB for each training: a run's newest ones are enough.
_CARDS_A_RUN = 2


@table_asset(
    schemas.SQUEEZE_FORECASTER,
    GROUP,
    deps=[exchange_snapshots, market_candles, squeeze_analyses, squeeze_events],
)
def squeeze_forecaster(context: dg.AssetExecutionContext, store: Store, analysis: Analysis) -> Events:
    """The model of each target that stands at the day's end; trained on the first of a month, promoted if better."""
    window, settings = window_of(context), analysis.training()
    days = forecasts.days_of(*window)
    stood = standing_models(store, Window(window.start - _DAY, window.start)).get(window.start, {})
    told = list(
        forecaster.verdicts(lambda: _history(store, window.reaching_back(settings.lookback)), days, stood, settings)
    )
    for verdict in told:
        if verdict.status == "PROMOTED" and verdict.standing is not None:
            store.tables.keep_model(verdict.standing.model.to_json(), model_card(verdict))
    _show_cards(context, store, told)
    rows = forecaster.forecaster_rows(told)
    yield from write(context, store, schemas.SQUEEZE_FORECASTER, rows, statuses=rows["status"].value_counts().to_dict())


def _history(store: Store, window: Window) -> forecaster.History:
    snapshots = store.read(schemas.EXCHANGE_SNAPSHOTS, window, columns=features.SNAPSHOT_COLUMNS)
    known = features.features(
        snapshots,
        store.read(schemas.SQUEEZE_ANALYSES, window, columns=features.ANALYSIS_COLUMNS),
        _since(snapshots, window.start),
        epoch_hour(window.end),
    )
    came = targets.targets(
        known.grid,
        store.read(schemas.SQUEEZE_EVENTS, window, columns=targets.EVENT_COLUMNS),
        store.table(schemas.SQUEEZE_EVENTS).present(pd.Timestamp(window.start).floor("D"), window.end),
        store.read(schemas.MARKET_CANDLES, window, columns=paths.CANDLE_COLUMNS),
    )
    return forecaster.History(known, came)


def _since(snapshots: pd.DataFrame, start: datetime) -> int:
    """The first hour worth laying out: years before the first snapshot hold nothing but take time."""
    first = epoch_hour(start)
    return first if snapshots.empty else max(first, int(epoch_hours(snapshots["hour"]).min()))


def _show_cards(context: dg.AssetExecutionContext, store: Store, told: Iterable[Verdict]) -> None:
    """Put what stands on each day's page, with where its card lies, and on those of the newest trainings the cards."""
    by_day: dict[datetime, list[Verdict]] = {}
    for verdict in told:
        by_day.setdefault(verdict.day, []).append(verdict)
    with_card = [day for day, verdicts in by_day.items() if any(each.fitted for each in verdicts)][-_CARDS_A_RUN:]
    for day, verdicts in by_day.items():
        shown = {"what stands": what_stands(verdicts, store.tables.card_place)}
        if day in with_card:
            shown["model cards"] = "\n\n".join(model_card(each) for each in verdicts if each.fitted)
        context.add_asset_metadata(
            {name: dg.MetadataValue.md(text) for name, text in shown.items()}, partition_key=day.strftime(DAILY.fmt)
        )


def standing_models(store: Store, window: Window) -> dict[datetime, dict[str, Standing]]:
    """For each day that follows one of the window's: by target, what stood at that one's end."""
    rows = store.read(schemas.SQUEEZE_FORECASTER, window)
    rows = rows[rows["model_sha256"].notna()]
    read: dict[str, Model] = {}
    stood: dict[datetime, dict[str, Standing]] = {}
    for row in rows.to_dict("records"):
        named: Mapping[str, Any] = {str(name): value for name, value in row.items()}
        sha256 = named["model_sha256"]
        if sha256 not in read:
            read[sha256] = Model.from_json(store.tables.kept_model(sha256))
        following = named["day"].to_pydatetime() + _DAY
        stood.setdefault(following, {})[named["target"]] = forecaster.standing_of(named, read[sha256])
    return stood


# An hour's forecasts come from the day before its own.
_DAY_BEFORE = dg.AssetDep(
    squeeze_forecaster, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
)


@table_asset(schemas.SQUEEZE_FORECASTS, GROUP, deps=[exchange_snapshots, squeeze_analyses, _DAY_BEFORE])
def squeeze_forecasts(context: dg.AssetExecutionContext, store: Store) -> Events:
    """Chance of each target within 24 hours, by the model that stood when the hour's day began; else no row."""
    window = window_of(context)
    known = window.reaching_back(features.LOOKBACK)
    days = forecasts.days_of(*window)
    stood = standing_models(store, Window(days[0] - _DAY, days[-1]))
    rows = forecasts.squeeze_forecasts(
        features.features(
            store.read(schemas.EXCHANGE_SNAPSHOTS, known, columns=features.SNAPSHOT_COLUMNS),
            store.read(schemas.SQUEEZE_ANALYSES, window, columns=features.ANALYSIS_COLUMNS),
            epoch_hour(window.start),
            epoch_hour(window.end),
        ),
        stood,
    )
    lacking = [day for day in days if day not in stood]
    told = {"status": f"no model stood for {len(lacking)} of {len(days)} days" if lacking else "a model stood"}
    yield from write(context, store, schemas.SQUEEZE_FORECASTS, rows, **told)


@table_asset(schemas.PATTERN_LIBRARY, GROUP, deps=[exchange_snapshots, squeeze_analyses, market_candles])
def pattern_library(context: dg.AssetExecutionContext, store: Store) -> Events:
    """What each named pattern was worth by the day's end, beside its base rate, and corrected for having tried many."""
    window = window_of(context)
    told = window.reaching_back(patterns.DEFAULTS.lookback)
    known = told.reaching_back(features.LOOKBACK)
    snapshots = store.read(schemas.EXCHANGE_SNAPSHOTS, known, columns=features.SNAPSHOT_COLUMNS)
    rows = patterns.pattern_library(
        features.features(
            snapshots,
            store.read(schemas.SQUEEZE_ANALYSES, told, columns=features.ANALYSIS_COLUMNS),
            _since(snapshots, told.start),
            epoch_hour(told.end),
        ),
        store.read(schemas.MARKET_CANDLES, known, columns=paths.CANDLE_COLUMNS),
        forecasts.days_of(*window),
    )
    yield from write(context, store, schemas.PATTERN_LIBRARY, rows, statuses=rows["status"].value_counts().to_dict())
