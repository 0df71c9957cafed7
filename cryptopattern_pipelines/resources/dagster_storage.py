"""Dagster's own storage on the database of the settings: named in `dagster.yaml`, loaded by Dagster itself.

It differs from `dagster_postgres.DagsterPostgresStorage` in two ways: the address comes from the settings, with the
embedded server started when it is not up, so that webserver, daemon, runs and command line all heal it alike; and
the tables live in a schema `dagster` beside the serving tables, so that one database is all that is asked for.
"""

from typing import Any, Self

from dagster._serdes import ConfigurableClassData  # dagster's own storages import it from here; it has no public name
from dagster_postgres import DagsterPostgresStorage

from cryptopattern_pipelines.resources.database import database_url, with_search_path
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.postgres import ensure_schema

DAGSTER_SCHEMA = "dagster"


class SettingsPostgresStorage(DagsterPostgresStorage):
    """Dagster's run, event and schedule storage in the schema `dagster` of the settings' database."""

    @classmethod
    def config_type(cls) -> Any:
        """No configuration of its own: everything is in the settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Start the server if need be, make the schema, and open the storage."""
        url = database_url(load_settings())
        ensure_schema(url, DAGSTER_SCHEMA)
        return cls(postgres_url=with_search_path(url, DAGSTER_SCHEMA), inst_data=inst_data)
