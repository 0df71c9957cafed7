"""`docs/tables.md`, made from `storage/schemas.py`: `python -m cryptopattern_tests.reference` writes it, too.

What belongs here: how tables and columns are laid out. What does not: what they mean, which stands in the schemas.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandera.pandas as pa
import sqlalchemy as sa

from cryptopattern_pipelines.storage.deliveries import deliveries_table
from cryptopattern_pipelines.storage.schemas import REAL, TABLES, TEXT, TIME, TRUTH, WHOLE, Column, TableSchema

_TYPES = {TIME: "time", TEXT: "text", REAL: "number", WHOLE: "whole number", TRUTH: "true, false"}
_SQL_TYPES: dict[type, str] = {sa.Text: "text", sa.TIMESTAMP: "time", sa.Integer: "whole number"}
_HEAD = "| column | type | may be empty | what it is | may be |\n|---|---|---|---|---|"
_ABOUT = """\
Each is a table `serving.NAME` in Postgres, and a folder of Parquet files in the store, a file an hour or a day. Its
first column says to which of them a row belongs; a row holds nothing that was unknown at the end of it. Times are UTC.
Prices and volumes are in USD (USDT counts as USD) unless a name says `_base`; names that end in `_pct` are percent, and
`funding_rate` is a fraction. No key stands twice. The same words are comments in the database, which
`\\d+ serving.win_rates` shows in psql."""


def tables(made: str) -> str:
    """The page; `made` says by what it is made."""
    parts = [f"# Tables and their columns\n\n{made}\n{_ABOUT}\n", "\n".join(map(_listed, TABLES.values())) + "\n"]
    parts += map(_table, TABLES.values())
    return "\n".join([*parts, _log()])


def _listed(table: TableSchema) -> str:
    return f"- [{table.name}](#{table.name}): {table.row}"


def _table(table: TableSchema) -> str:
    each = f"a file an {table.partition}" if table.partition == "hour" else "a file a day"
    rows = "\n".join(map(_column, table.columns))
    return f"## {table.name}\n\nA row is {table.row}. Key: {_names(table.key)}; {each}.\n\n{_HEAD}\n{rows}\n"


def _column(column: Column) -> str:
    empty = "yes" if column.nullable else ""
    values = "; ".join(word for check in column.checks for word in _values(check))
    return f"| `{column.name}` | {_TYPES[column.dtype]} | {empty} | {_cell(column.description)} | {_cell(values)} |"


def _values(check: pa.Check) -> Iterator[str]:
    """What a check lets through, in words.

    Raises:
        KeyError: there are no words for this kind of check.
    """
    known: dict[str, Any] = check.statistics or {}
    words: dict[str, Callable[[], str]] = {
        "isin": lambda: ", ".join(f"`{value}`" for value in known["allowed_values"]),
        "in_range": lambda: f"{known['min_value']} to {known['max_value']}",
        "greater_than": lambda: f"above {known['min_value']}",
        "greater_than_or_equal_to": lambda: f"{known['min_value']} or more",
        "less_than_or_equal_to": lambda: f"{known['max_value']} or less",
        "str_matches": lambda: f"`{known['pattern']}`",
        "str_length": lambda: "not empty text",
    }
    yield words[str(check.name)]()


def _log() -> str:
    """The one table that is in Postgres alone."""
    table = deliveries_table(sa.MetaData())
    key = _names(column.name for column in table.primary_key)
    rows = "\n".join(
        f"| `{column.name}` | {_SQL_TYPES[type(column.type)]} | {'yes' if column.nullable else ''} "
        f"| {_cell(column.comment or '')} | |"
        for column in table.columns
    )
    return (
        f"## {table.name}\n\nA row is {table.comment}. Key: {key}. It is in Postgres alone: what came of sending "
        f"[alerts](alerts.md).\n\n{_HEAD}\n{rows}\n"
    )


def _names(names: Iterator[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
