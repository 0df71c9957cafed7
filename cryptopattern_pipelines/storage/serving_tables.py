"""The serving tables as SQLAlchemy has them, which migrations are held against."""

import sqlalchemy as sa

from cryptopattern_pipelines.storage.counts import counts_tables
from cryptopattern_pipelines.storage.deliveries import deliveries_table
from cryptopattern_pipelines.storage.postgres import SERVING
from cryptopattern_pipelines.storage.schemas import TABLES


def serving_metadata() -> sa.MetaData:
    """All of them: those made from the schemas, the log of alerts sent, and what is counted."""
    metadata = sa.MetaData(schema=SERVING)
    for table in TABLES.values():
        table.sql(metadata)
    deliveries_table(metadata)
    counts_tables(metadata)
    return metadata
