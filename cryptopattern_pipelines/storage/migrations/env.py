"""Alembic's entry: runs the migrations on the connection that `storage/postgres.py` hands in."""

import sqlalchemy as sa
from alembic import context

from cryptopattern_pipelines.storage.postgres import SERVING
from cryptopattern_pipelines.storage.serving_tables import serving_metadata

connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=serving_metadata(),
    version_table_schema=SERVING,
    include_schemas=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
