"""The database that a run is handed: the embedded server, started on need, or the one of the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import pandas as pd
import sqlalchemy as sa

from cryptopattern_pipelines.market.transport import Sent
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.counts import ASKED, add_requests
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.schemas import TableSchema


def database_url(settings: Settings) -> str:
    """The address of the database of the settings, its embedded server started if it is down.

    Raises:
        EmbeddedPostgresError: the embedded server can't be started.
    """
    return settings.database_url or EmbeddedPostgres(settings.postgres_folder).start()


def hide_password(url: str) -> str:
    """The address as it may be shown to people."""
    return sa.make_url(url).render_as_string(hide_password=True) if sa.make_url(url).password else url


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


@dataclass(frozen=True)
class ServingDatabase:
    """Where the serving tables are published.

    No `ConfigurableResource`: those show their fields in the UI, and the address may hold a password.
    """

    settings: Settings

    def address(self) -> str:
        """The server's address, the server up and the tables migrated."""
        return _migrated(database_url(self.settings))

    def publish(self, table: TableSchema, rows_of: Callable[[], pd.DataFrame], start: datetime, end: datetime) -> int:
        """Replace the window's rows by those read now, in one transaction; the number of rows now there."""
        return postgres.publish(self.address(), table, rows_of, start, end)

    def count_requests(self, sent: Sequence[Sent]) -> None:
        """Add questions that were sent to venues to their counts.

        Raises:
            psycopg2.Error: the server can't be reached; nothing was added then.
        """
        counts = pd.DataFrame([(each.host, each.path, each.outcome, each.seconds) for each in sent], columns=ASKED)
        add_requests(self.address(), counts)
