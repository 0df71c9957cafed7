"""The check that every table has: its rows keep the schema. A wrong table is worse than an old one, so it blocks."""

import dagster as dg

from cryptopattern_pipelines.storage.schemas import TableSchema

CHECK = "rows_keep_the_schema"


def schema_check(table: TableSchema, key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Types, ranges, the natural key and the window of a table's rows, looked at before anything is written."""
    return dg.AssetCheckSpec(
        name=CHECK,
        asset=key,
        blocking=True,
        description=f"Every row of {table.name} has the types, ranges and the unique key "
        f"({', '.join(table.key)}) that the schema states, and lies in the run's window.",
    )
