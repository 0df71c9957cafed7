"""What the options and arguments of several commands have in common."""

from collections.abc import Iterable

import click

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])


def refuse_unknown_tables(names: Iterable[str]) -> None:
    """Say which of these names are no tables, and which tables there are.

    Raises:
        click.UsageError: one of them is none.
    """
    from cryptopattern_pipelines.storage.schemas import TABLES

    strange = sorted(set(names) - set(TABLES))
    if strange:
        raise click.UsageError(f"no table {', '.join(strange)}: there are {', '.join(TABLES)}")
