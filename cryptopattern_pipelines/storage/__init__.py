"""Schemas, the Parquet tables, the Postgres publisher and the embedded server."""
