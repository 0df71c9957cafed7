"""Screenshots become rows: what lies in the landing folder, what stands on each picture, what it means."""

import base64
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.assets.materialise import Events, table_asset, write
from cryptopattern_pipelines.automation.partitions import HOURLY, window_of
from cryptopattern_pipelines.reading import frames
from cryptopattern_pipelines.reading.annotate import small_copy
from cryptopattern_pipelines.reading.landing import with_rows_of_removed_files
from cryptopattern_pipelines.reading.reading import Reading
from cryptopattern_pipelines.resources.reader import Reader
from cryptopattern_pipelines.resources.stores import LandingFolder, Store
from cryptopattern_pipelines.storage import schemas

GROUP = "screenshots"

# Pictures shown in the UI lie in the event log, some 80 kB each: a few of a run's newest, so that a year stays small.
_SHOWN_AN_HOUR, _SHOWN_A_RUN = 3, 6


@table_asset(schemas.RAW_SCREENSHOTS, GROUP)
def raw_screenshots(context: dg.AssetExecutionContext, store: Store, landing_folder: LandingFolder) -> Events:
    """Pictures from the landing folder, by the hour in which they were captured; the same bytes are one row."""
    window, landing = window_of(context), landing_folder.open()
    examined = landing.examine(*window)
    for told in landing.unreadable:
        context.log.warning(f"can't be opened, and is passed over: {told}")
    pictures = examined.pictures.assign(
        kept_at=[
            store.tables.keep_bytes(sha256, (landing.folder / file).read_bytes(), kind)
            for sha256, file, kind in examined.pictures[["sha256", "file", "format"]].itertuples(index=False)
        ]
    )
    kept = store.read(schemas.RAW_SCREENSHOTS, window)
    rows = with_rows_of_removed_files(kept, pictures, examined.present)
    yield from write(context, store, schemas.RAW_SCREENSHOTS, rows, unreadable=len(landing.unreadable))


@table_asset(schemas.QUARANTINED_SCREENSHOTS, GROUP)
def quarantined_screenshots(context: dg.AssetExecutionContext, store: Store, landing_folder: LandingFolder) -> Events:
    """Files from the landing folder that are no readable picture, each with the reason."""
    window = window_of(context)
    examined = landing_folder.open().examine(*window)
    kept = store.read(schemas.QUARANTINED_SCREENSHOTS, window)
    rows = with_rows_of_removed_files(kept, examined.rejected, examined.present)
    yield from write(context, store, schemas.QUARANTINED_SCREENSHOTS, rows)


@table_asset(schemas.OCR_OUTPUTS, GROUP, deps=[raw_screenshots])
def ocr_outputs(context: dg.AssetExecutionContext, store: Store, reader: Reader) -> Events:
    """Every word on every picture, with its box. Pictures are read here; what follows takes the reader's cache."""
    pictures = store.read(schemas.RAW_SCREENSHOTS, window_of(context))
    readings = reader.read(store.tables, pictures, log=context.log.info)
    rows = frames.ocr_outputs(pictures, readings)
    yield from write(context, store, schemas.OCR_OUTPUTS, rows, pictures=len(pictures))


@table_asset(schemas.CLASSIFIED_IMAGES, GROUP, deps=[ocr_outputs])
def classified_images(context: dg.AssetExecutionContext, store: Store, reader: Reader) -> Events:
    """What kind of chart each picture is, and what its title says."""
    pictures = store.read(schemas.RAW_SCREENSHOTS, window_of(context))
    readings = reader.read(store.tables, pictures)
    rows = frames.classified_images(pictures, readings)
    _show_annotated(context, store, reader, pictures, readings)
    types = rows["image_type"].value_counts().to_dict()
    yield from write(context, store, schemas.CLASSIFIED_IMAGES, rows, types=types)


def _show_annotated(
    context: dg.AssetExecutionContext,
    store: Store,
    reader: Reader,
    pictures: pd.DataFrame,
    readings: Mapping[str, Reading],
) -> None:
    """Put a few of the pictures, with what was read drawn on them, on the pages of their partitions."""
    charts = pictures[pictures["sha256"].map(lambda sha256: readings[sha256].image_type != "unknown").astype(bool)]
    shown = charts.groupby("hour").head(_SHOWN_AN_HOUR).tail(_SHOWN_A_RUN)
    for hour, of_hour in shown.groupby("hour"):
        images = []
        for sha256, file, kept_at in of_hour[["sha256", "file", "kept_at"]].itertuples(index=False):
            copy = small_copy(store.tables.kept_bytes(kept_at), readings[sha256], max_bytes=reader.max_bytes)
            images.append(f"{file}\n\n![{file}](data:image/jpeg;base64,{base64.b64encode(copy).decode()})")
        context.add_asset_metadata(
            {"what was read": dg.MetadataValue.md("\n\n".join(images))}, partition_key=hour.strftime(HOURLY.fmt)
        )


@table_asset(schemas.LIQUIDATION_READINGS, GROUP, deps=[classified_images])
def liquidation_readings(context: dg.AssetExecutionContext, store: Store, reader: Reader) -> Events:
    """Long and short share of each symbol on each chart, by the bar's pixels and by the text beside it."""
    pictures = store.read(schemas.RAW_SCREENSHOTS, window_of(context))
    rows = frames.liquidation_readings(pictures, frames.timely(pictures, reader.read(store.tables, pictures)))
    yield from write(context, store, schemas.LIQUIDATION_READINGS, rows)


@table_asset(schemas.LIQUIDATION_LEVELS, GROUP, deps=[classified_images])
def liquidation_levels(context: dg.AssetExecutionContext, store: Store, reader: Reader) -> Events:
    """Price levels at which liquidations wait, from heatmaps and single-symbol maps."""
    pictures = store.read(schemas.RAW_SCREENSHOTS, window_of(context))
    rows = frames.liquidation_levels(pictures, frames.timely(pictures, reader.read(store.tables, pictures)))
    yield from write(context, store, schemas.LIQUIDATION_LEVELS, rows)


@table_asset(schemas.DASHBOARD_METRICS, GROUP, deps=[classified_images])
def dashboard_metrics(context: dg.AssetExecutionContext, store: Store, reader: Reader) -> Events:
    """Figures that dashboards show: price, volume, open interest, funding and what else stands on their tiles."""
    pictures = store.read(schemas.RAW_SCREENSHOTS, window_of(context))
    rows = frames.dashboard_metrics(pictures, reader.read(store.tables, pictures))
    yield from write(context, store, schemas.DASHBOARD_METRICS, rows)
