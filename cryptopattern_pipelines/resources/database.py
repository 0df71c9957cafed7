"""The database that a run is handed: the embedded server, started on need, or the one of the settings."""

from datetime import datetime
from functools import cache
from pathlib import Path

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.schemas import TableSchema

EMBEDDED_DATABASE = "cryptopattern"


def database_url(settings: Settings) -> str:
    """The address of the database of the settings, its embedded server started if it is down.

    Raises:
        EmbeddedPostgresError: the embedded server can't be started.
    """
    return settings.database_url or _embedded_url(settings.postgres_folder)


def _embedded_url(folder: Path) -> str:
    server = EmbeddedPostgres(folder)
    server.start()
    return server.url(EMBEDDED_DATABASE)


def with_options(url: str, **options: str) -> str:
    """The same address with settings of the server for its sessions, e.g. `search_path`."""
    given = sa.make_url(url).query.get("options", "")
    added = " ".join(f"-c{name}={value}" for name, value in options.items())
    whole = sa.make_url(url).update_query_dict({"options": f"{given} {added}".strip()})
    return whole.render_as_string(hide_password=False)


@cache
def _migrated(url: str) -> str:
    postgres.migrate(url)
    return url


class ServingDatabase(dg.ConfigurableResource):
    """Where the serving tables are published."""

    url: str | None = None
    embedded_folder: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "ServingDatabase":
        """The database of the settings."""
        return cls(url=settings.database_url, embedded_folder=str(settings.postgres_folder))

    def address(self) -> str:
        """The server's address, the server up and the tables migrated."""
        return _migrated(self.url or _embedded_url(Path(self.embedded_folder)))

    def publish(self, table: TableSchema, frame: pd.DataFrame, start: datetime, end: datetime) -> int:
        """Replace the window's rows by these, in one transaction; the number of rows now there."""
        return postgres.publish(self.address(), table, frame, start, end)
