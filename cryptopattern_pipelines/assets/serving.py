"""The serving tables: the same rows as the Parquet tables, in Postgres, published window by window."""

from functools import partial
from typing import Any

import dagster as dg
import psycopg2

from cryptopattern_pipelines.assets.materialise import counts
from cryptopattern_pipelines.automation.partitions import partitions_of, window_of
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.schemas import TableSchema

GROUP = "serving"


def serving_asset(table: TableSchema) -> dg.AssetsDefinition:
    """The asset that publishes one table as `serving.<table>`."""

    @dg.asset(
        key=dg.AssetKey([GROUP, table.name]),
        group_name=GROUP,
        partitions_def=partitions_of(table),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetKey(table.name)],
        kinds={"postgres"},
        description=f"`serving.{table.name}` in Postgres: {table.row}. "
        "A window's rows are replaced in one transaction, so a reader never sees half of them.",
        metadata={"dagster/table_name": f"{GROUP}.{table.name}"},
    )
    def publish(
        context: dg.AssetExecutionContext, store: Store, database: dg.ResourceParam[ServingDatabase]
    ) -> dg.MaterializeResult[Any]:
        window = window_of(context)
        try:
            rows = database.publish(table, partial(store.read, table, window), *window)
        except psycopg2.OperationalError as error:
            # The server may be restarting; a publication that was cut off has changed nothing. Other errors don't heal.
            raise dg.RetryRequested(max_retries=4, seconds_to_wait=2 * 2**context.retry_number) from error
        return dg.MaterializeResult(
            metadata={
                **counts(rows, len(context.partition_keys)),
                "from": window.start.isoformat(),
                "to": window.end.isoformat(),
            }
        )

    return publish
