"""Which column of a user's file is which of a table: by the table's own names, or as a small TOML file says.

    table = "derivatives_metrics"
    time = { column = "ts", is = "snapshot" }

    [columns]                           # the table's name = the file's name
    symbol = "symbol"
    open_interest_base = "oi_base"

    [constants]                         # what holds for every row
    venue = "bybit"

    [scale]                             # factor that makes the table's unit of the file's
    funding_rate = 0.01                 # percent -> fraction

What belongs here: reading such a file and checking it against the table. What does not: reading the data
(`history.py`). Mappings of usual series ship in `mappings/`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from cryptopattern_pipelines.market.source import MarketError
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    FROM_IMPORT,
    MARKET_CANDLES,
    REAL,
    REALISED_LIQUIDATIONS,
    TABLES,
    WHOLE,
    TableSchema,
)

# The tables whose assets take in what was imported.
IMPORTABLE = {table.name: table for table in (MARKET_CANDLES, DERIVATIVES_METRICS, REALISED_LIQUIDATIONS)}

# hour: the hour's start. hour_end: its end. snapshot: the moment at which figures were taken, published some minutes
# later. day: midnight of a day that the figures cover.
TimeIs = Literal["hour", "hour_end", "snapshot", "day"]

_SECTIONS = {"table", "time", "columns", "constants", "scale"}
_SHIPPED = files("cryptopattern_pipelines.market") / "mappings"


class MappingError(MarketError):
    """A mapping can't be used; the message names it, what is wrong, and what to do."""


@dataclass(frozen=True)
class ColumnMapping:
    """How a file's columns become a table's.

    Attributes:
        table: the table.
        time_column: the file's column that tells the time.
        time_is: what moment that is.
        columns: the file's column by the table's.
        constants: the value of every row by the table's column.
        scale: by the table's column, the factor that makes its unit of the file's.
        name: for messages.
    """

    table: TableSchema
    time_column: str
    time_is: TimeIs
    columns: Mapping[str, str]
    constants: Mapping[str, str | float] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    name: str = "columns by name"

    @property
    def needs(self) -> list[str]:
        """The file's columns that are read."""
        return list(dict.fromkeys([self.time_column, *self.columns.values()]))

    def with_constants(self, constants: Mapping[str, str | float]) -> "ColumnMapping":
        """The same with these constants, which come before the file's columns."""
        columns = {ours: theirs for ours, theirs in self.columns.items() if ours not in constants}
        return replace(self, columns=columns, constants={**self.constants, **constants})

    def check(self) -> "ColumnMapping":
        """The mapping itself, if a table's rows can be made by it.

        Raises:
            MappingError: a column that the table doesn't have, or needs and doesn't get; a factor of no number; a
                table that takes no imports; days for a table of hours.
        """
        named = {**self.columns, **self.constants, **self.scale}
        ours = _ours(self.table)
        strange = sorted(set(named) - set(ours))
        if strange:
            raise MappingError(
                f"{self.name}: {self.table.name} has no column {', '.join(strange)}: it has {', '.join(ours)}"
            )
        # The venue's own name is the file's symbol where nothing else is said.
        given = {*self.columns, *self.constants, "instrument"} | ({"span_hours"} if self.time_is != "day" else set())
        lacking = [c.name for c in self.table.columns if c.name in ours and not c.nullable and c.name not in given]
        if lacking:
            raise MappingError(
                f"{self.name}: {self.table.name} needs {', '.join(lacking)}: say which columns they are in a mapping, "
                "or what holds for every row, e.g. --set venue=binance"
            )
        numbers = {column.name for column in self.table.columns if column.dtype in (REAL, WHOLE)}
        wrong = sorted(set(self.scale) - numbers)
        if wrong:
            raise MappingError(f"{self.name}: [scale] of {', '.join(wrong)}, which is no number: take it out")
        if self.time_is == "day" and "span_hours" not in self.table.names:
            raise MappingError(f"{self.name}: rows of {self.table.name} are hours; figures of days can't be told in it")
        return self


def importable(name: str) -> TableSchema:
    """A table that takes imports, by its name.

    Raises:
        MappingError: there is none of that name.
    """
    if name not in IMPORTABLE:
        made = "is made from other tables" if name in TABLES else "is no table"
        raise MappingError(f"{name} {made}: import into one of {', '.join(IMPORTABLE)}")
    return IMPORTABLE[name]


def by_name(table: TableSchema, names: Iterable[str]) -> ColumnMapping:
    """The mapping of a file whose columns bear the table's own names, `hour` being the hour's start."""
    there = set(names)
    return ColumnMapping(table, table.partition, "hour", {name: name for name in _ours(table) if name in there})


def _ours(table: TableSchema) -> list[str]:
    """The columns that a file may bring."""
    return [name for name in table.names if name not in (table.partition, FROM_IMPORT)]


def read_mapping(name: str) -> ColumnMapping:
    """A mapping by the path of its file, or one that ships by its name.

    Raises:
        MappingError: it isn't there, or isn't as the module's docstring shows.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"mapping {path} can't be read ({error}): check its path") from error
        return parse_mapping(text, str(path))
    if name not in shipped():
        raise MappingError(f"no mapping {name}: give a file that ends in .toml, or one of {', '.join(shipped())}")
    return parse_mapping((_SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), name)


def shipped() -> dict[str, str]:
    """What each mapping that ships is for, by its name: the file's first comment."""
    found = sorted(_SHIPPED.iterdir(), key=lambda each: each.name)
    return {
        each.name.removesuffix(".toml"): each.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        for each in found
        if each.name.endswith(".toml")
    }


def parse_mapping(text: str, name: str) -> ColumnMapping:
    """A mapping from its file's text.

    Raises:
        MappingError: the text is no TOML, or not as the module's docstring shows.
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{name} is no TOML ({error}): mend it") from error
    strange = sorted(set(said) - _SECTIONS)
    if strange:
        raise MappingError(f"{name} says {', '.join(strange)}: a mapping has {', '.join(sorted(_SECTIONS))}")
    time = said.get("time")
    kinds = get_args(TimeIs)
    if not isinstance(time, dict) or not isinstance(time.get("column"), str) or time.get("is") not in kinds:
        raise MappingError(f'{name} lacks time = {{ column = "…", is = "…" }}, where is says one of {", ".join(kinds)}')
    return ColumnMapping(
        importable(str(said.get("table"))),
        time["column"],
        time["is"],
        _section(said, "columns", str, name),
        _section(said, "constants", (str, int, float), name),
        _section(said, "scale", (int, float), name),
        name,
    ).check()


def _section(said: dict[str, Any], section: str, kind: Any, name: str) -> dict[str, Any]:
    values = said.get(section, {})
    if not isinstance(values, dict) or not all(isinstance(v, kind) for v in values.values()):
        raise MappingError(f"{name}: [{section}] is a list of name = value, see the mappings that ship")
    return values
