"""The serving tables as SQLAlchemy has them, which migrations are held against."""

import sqlalchemy as sa

from cryptopattern_pipelines.storage.deliveries import deliveries_table
from cryptopattern_pipelines.storage.postgres import SERVING
from cryptopattern_pipelines.storage.schemas import TABLES


def serving_metadata() -> sa.MetaData:
    """All of them: those made from the schemas, and the log of alerts sent."""
    metadata = sa.MetaData(schema=SERVING)
    for table in TABLES.values():
        table.sql(metadata)
    deliveries_table(metadata)
    return metadata
