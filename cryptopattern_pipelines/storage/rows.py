"""What a frame must keep before a store takes it: its schema's rules and its window, whichever store it is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd
import pandera.pandas as pa

from cryptopattern_pipelines.storage.schemas import TableSchema

_STEP = {"hour": "h", "day": "D"}


class InvalidRowsError(ValueError):
    """Rows that their table doesn't allow; the message names table, column, rule, how many rows, and one of them."""


def partitions(schema: TableSchema, start: datetime, end: datetime) -> pd.DatetimeIndex:
    """Return the starts of a table's partitions in [start, end), UTC.

    Raises:
        ValueError: a bound has no time zone or is no partition's start, or end lies before start.
    """
    step = _STEP[schema.partition]
    bounds = []
    for name, bound in (("start", start), ("end", end)):
        at = pd.Timestamp(bound)
        if at.tzinfo is None:
            raise ValueError(f"{schema.name}: {name} {at} has no time zone; give it as UTC")
        at = at.tz_convert("UTC")
        if at != at.floor(step):
            raise ValueError(f"{schema.name}: {name} {at} is not a {schema.partition}'s start (UTC)")
        bounds.append(at)
    if bounds[1] < bounds[0]:
        raise ValueError(f"{schema.name}: end {bounds[1]} lies before start {bounds[0]}")
    return pd.date_range(*bounds, freq=step, inclusive="left", unit="us")


def checked(
    schema: TableSchema, rows: pd.DataFrame | Iterable[dict[str, Any]], start: datetime, end: datetime
) -> pd.DataFrame:
    """Return rows with the table's columns and types, sorted by partition and key, having checked every rule.

    Raises:
        InvalidRowsError: a column is missing or strange or can't become its type, a value breaks a rule, two
            rows share a key, or a row lies outside [start, end) or off its partition's start.
        ValueError: the window itself is wrong, see `partitions`.
    """
    window = partitions(schema, start, end)
    try:
        frame = schema.conform(rows)
    except KeyError as error:
        raise InvalidRowsError(error.args[0]) from error
    except (TypeError, ValueError) as error:
        raise InvalidRowsError(f"{schema.name}: a column can't become its type: {error}") from error
    if frame.empty:
        return frame
    try:
        schema.pandera.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise InvalidRowsError(_told(schema, frame, error.failure_cases)) from error
    outside = ~frame[schema.partition].isin(window)
    if outside.any():
        raise InvalidRowsError(
            f"{schema.name}: column {schema.partition} is off its {schema.partition}'s start or outside "
            f"[{pd.Timestamp(start)}, {pd.Timestamp(end)}) in {_count(outside.sum(), len(frame))}, "
            f"e.g. {_sample(schema, frame[outside].iloc[0])}"
        )
    return frame.sort_values([schema.partition, *schema.key], ignore_index=True)


def _told(schema: TableSchema, frame: pd.DataFrame, failures: pd.DataFrame) -> str:
    """Say in one line which rules were broken, by how many rows, and show one row of each."""
    of_rows = failures["schema_context"] == "DataFrameSchema"
    # A rule on whole rows is listed once for each of a row's columns.
    subject = failures["column"].where(~of_rows, "")
    said = []
    for (column, rule), broken in failures.groupby([subject, failures["check"]], sort=False):
        places = broken["index"].dropna().unique()
        row = frame.loc[places[0]] if len(places) else None
        many = _count(len(places), len(frame))
        if rule == "multiple_fields_uniqueness":
            told = f"key ({', '.join(schema.key)}) breaks uniqueness in {many}"
            shown: list[str] = []
        elif column:
            told = f"column {column} breaks {rule} in {many}"
            shown = [column]
        else:
            told = f"row breaks '{rule}' in {many}"
            shown = [name for name in schema.names if name in str(rule)]
        said.append(told if row is None else f"{told}, e.g. {_sample(schema, row, shown)}")
    return f"{schema.name}: {'; '.join(said)}"


def _count(some: int, total: int) -> str:
    return f"{some} of {total} rows"


def _sample(schema: TableSchema, row: pd.Series, more: Iterable[str] = ()) -> str:
    """Show a row by its key and the columns that matter, on one line."""
    names = dict.fromkeys([schema.partition, *schema.key, *more])
    return " ".join(f"{name}={str(row[name])[:80]!s}" for name in names).replace("\n", " ")
