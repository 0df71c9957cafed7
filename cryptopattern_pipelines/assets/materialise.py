"""What every asset shares: its declaration from a schema, and writing its rows with their check and metadata."""

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation.partitions import Window, partitions_of, window_of
from cryptopattern_pipelines.checks.quality import quality_results, quality_specs, set_aside_result
from cryptopattern_pipelines.checks.schema import CHECK, schema_check
from cryptopattern_pipelines.market.listings import markets_listed
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.rows import InvalidRowsError
from cryptopattern_pipelines.storage.schemas import SYMBOLS, TableSchema

# Events carry their metadata once for each partition: a preview is for a person who looks at an hour or a day.
_PREVIEW_PARTITIONS = 48
_PREVIEW_ROWS = 5

# What the UI shows of an asset that nothing has materialised for long. It looks at the last run of any partition, so a
# backfill of old ones counts; `housekeeping.py` looks at the newest.
_FRESH = {
    "hour": dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=90), fail_window=timedelta(hours=3)),
    "day": dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
}

Events = Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]


def table_asset(table: TableSchema, group: str, **more: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`@dg.asset` for an asset that is one Parquet table."""
    declared: dict[str, Any] = {
        "name": table.name,
        "group_name": group,
        "partitions_def": partitions_of(table),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "freshness_policy": _FRESH[table.partition],
        "check_specs": [
            schema_check(table, dg.AssetKey(table.name)),
            *quality_specs(table, dg.AssetKey(table.name)),
        ],
        "kinds": {"parquet", "pandas"},
        "metadata": {
            "one row is": table.row,
            "key": ", ".join(table.key),
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        c.name,
                        c.dtype,
                        c.description,
                        dg.TableColumnConstraints(nullable=c.nullable, unique=(c.name,) == table.key),
                    )
                    for c in table.columns
                ]
            ),
        },
        **more,
    }
    return dg.asset(**declared)


def write(
    context: dg.AssetExecutionContext,
    store: Store,
    table: TableSchema,
    rows: pd.DataFrame,
    *,
    followed: Iterable[str] = (),
    **metadata: Any,
) -> Events:
    """Write a whole window's rows, one file a partition, or nothing at all when a row breaks the schema.

    Of a table from outside, rows that can't be are set aside (see `storage/rows.py`), and the others filled up with
    what was imported. `followed` are coins of which rows are waited for where they are listed, besides those seen.
    """
    window = window_of(context)
    key = context.asset_key
    try:
        rows, broken = store.from_outside(table, rows, window)
        written = store.table(table).write(rows, window.start, window.end)
        store.set_aside(table, broken, window)
    except InvalidRowsError as wrong:
        yield dg.AssetCheckResult(
            asset_key=key, check_name=CHECK, passed=False, metadata={"reason": str(wrong), **_window(window)}
        )
        raise dg.Failure(str(wrong), allow_retries=False) from wrong
    yield dg.AssetCheckResult(asset_key=key, check_name=CHECK, passed=True, metadata=_window(window))
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={
            **counts(written.rows, written.partitions),
            **_window(window),
            **_symbols(rows),
            **_preview(rows, written.partitions),
            **({"set aside": len(broken)} if len(broken) else {}),
            **metadata,
        },
    )
    yield from set_aside_result(table, key, broken)
    yield from quality_results(
        table,
        key,
        rows,
        window,
        read=partial(store.read, table),
        listed=lambda days, seen: markets_listed(_listings(store, days), {*seen, *followed}),
    )


def _listings(store: Store, days: Window) -> pd.DataFrame:
    """What was listed at the end of each of these days, as far as it is known yet."""
    end = pd.Timestamp(days.end).ceil("D").to_pydatetime()
    return store.read(SYMBOLS, Window(days.start, end), ["day", "status", "instruments"])


def show(context: dg.AssetExecutionContext, name: str, png: bytes) -> None:
    """Put a picture on the page of the run's newest partition; pictures lie in the event log, so one a run."""
    picture = f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
    context.add_asset_metadata({name: dg.MetadataValue.md(picture)}, partition_key=context.partition_key_range.end)


def counts(rows: int, partitions: int) -> dict[str, Any]:
    """How many rows: of the partition, or of all the run's partitions, since each bears the same metadata."""
    if partitions == 1:
        return {"dagster/row_count": rows}
    return {"rows in the run": rows, "partitions in the run": partitions}


def _window(window: Window) -> dict[str, Any]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}


def _symbols(rows: pd.DataFrame) -> dict[str, Any]:
    return {"symbols": int(rows["symbol"].nunique())} if "symbol" in rows else {}


def _preview(rows: pd.DataFrame, partitions: int) -> dict[str, Any]:
    if partitions > _PREVIEW_PARTITIONS or rows.empty:
        return {}
    head = rows.head(_PREVIEW_ROWS).map(lambda value: "" if pd.isna(value) else str(value))
    records = [dg.TableRecord({str(name): value for name, value in row.items()}) for row in head.to_dict("records")]
    return {"preview": dg.MetadataValue.table(records)}
