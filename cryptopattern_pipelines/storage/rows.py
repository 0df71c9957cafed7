"""What a frame must keep before a store takes it: its schema's rules and its window, whichever store it is.

A broken row is one of two things. Where a source told a figure that can't be, its row is set aside and the others are
written (`sorted_out`, for tables from outside). Where a column is missing or of another type, a name is none of those
that there are, or a row lies off its window, our own code is wrong, and nothing is written (`checked`, for all tables).
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from cryptopattern_pipelines.storage.schemas import QUARANTINED_MARKET_ROWS, REAL, TEXT, TableSchema

_STEP = {"hour": "h", "day": "D"}

# So many broken rows, if they are most of an hour's, are no broken rows but a venue or a reader that has changed.
MANY_BROKEN = 24
_UNIQUENESS = "multiple_fields_uniqueness"


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


def weeks(start: datetime, end: datetime) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """[start, end) cut into windows of a week, the last one shorter: memory stays small however long a history is."""
    starts = pd.date_range(start, end, freq="7D", inclusive="left")
    return list(zip(starts, [*starts[1:], pd.Timestamp(end)], strict=True))


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: times in ISO 8601, None for what is missing."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


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
    frame = _conformed(schema, rows)
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


def sorted_out(schema: TableSchema, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell the rows of a table from outside that can be from those that can't.

    Set aside are rows with a figure that is missing, infinite or out of its range, or that break a rule on whole rows
    (a candle whose low stands above its high); of the rest, of rows that share a key all but one where they are equal,
    and all of them where they differ, since nobody can say which is right.

    Returns:
        The rows that are left, and the others as rows of QUARANTINED_MARKET_ROWS.

    Raises:
        InvalidRowsError: what is wrong is our own: a column is missing, strange or of another type, a key is
            incomplete, a text is none of those that it may be; or most rows of an hour, and MANY_BROKEN at least, are
            broken: judged by the hour, so that a range fails when one of its hours alone would.
    """
    frame = _conformed(schema, rows)
    reasons: dict[int, list[str]] = {}
    for column in schema.columns:
        if column.dtype == REAL:
            values = frame[column.name].to_numpy()
            for place in np.flatnonzero(np.isinf(values)).tolist():
                reasons.setdefault(place, []).append(f"{column.name} is infinite")
    # What is infinite has its reason; the rules would only tell of it again.
    finite = frame.drop(index=list(reasons)) if reasons else frame
    try:
        schema.pandera.validate(finite, lazy=True)
    except pa.errors.SchemaErrors as error:
        ours = {*schema.key, *(column.name for column in schema.columns if column.dtype == TEXT)}
        failures = error.failure_cases
        of_row = failures["schema_context"] == "DataFrameSchema"
        if (failures["index"].isna() | (~of_row & failures["column"].isin(ours))).any():
            raise InvalidRowsError(_told(schema, finite, failures)) from error
        for place, reason in _reasons(failures):
            reasons.setdefault(place, []).append(reason)
        for place, reason in _told_twice(schema, frame.drop(index=list(reasons))):
            reasons.setdefault(place, []).append(reason)
    if not reasons:
        return frame, QUARANTINED_MARKET_ROWS.empty()
    places = sorted(reasons)
    broken = frame.loc[places]
    of_hours = broken.groupby("hour").size()
    all_of_hours = frame.groupby("hour").size()[of_hours.index]
    lost = of_hours[(of_hours >= MANY_BROKEN) & (2 * of_hours > all_of_hours)]
    if len(lost):
        hour, some = lost.index[0], _count(int(lost.iloc[0]), int(all_of_hours[lost.index[0]]))
        first = broken.index[broken["hour"] == hour][0]
        raise InvalidRowsError(
            f"{schema.name}: {some} of {hour} are broken, most of them, so the source or its reader has changed"
            f"{_others(len(lost) - 1)}: report it, and fill the hours around it meanwhile, "
            f"e.g. {reasons[first][0]} in {_sample(schema, broken.loc[first], schema.names)}"
        )
    set_aside = broken[["hour", "symbol", "venue"]].assign(
        table_name=schema.name,
        reason=["; ".join(dict.fromkeys(reasons[place])) for place in places],
        row_json=[_as_json(row) for row in broken.to_dict("records")],
    )
    set_aside = set_aside.sort_values(["hour", "symbol", "venue", "row_json", "reason"], ignore_index=True)
    set_aside["number"] = set_aside.groupby("hour").cumcount() + 1
    return frame.drop(index=places).reset_index(drop=True), QUARANTINED_MARKET_ROWS.conform(set_aside)


def _conformed(schema: TableSchema, rows: pd.DataFrame | Iterable[dict[str, Any]]) -> pd.DataFrame:
    try:
        return schema.conform(rows)
    except KeyError as error:
        raise InvalidRowsError(error.args[0]) from error
    except (TypeError, ValueError) as error:
        raise InvalidRowsError(f"{schema.name}: a column can't become its type: {error}") from error


def _reasons(failures: pd.DataFrame) -> Iterable[tuple[int, str]]:
    """The places of rows that can't be, and what is wrong with each."""
    for failure in failures.drop_duplicates(["schema_context", "check", "column", "index"]).itertuples():
        place = int(failure.index)
        if failure.check == _UNIQUENESS:
            continue
        if failure.schema_context == "DataFrameSchema":
            yield place, f"not {failure.check}"
        elif failure.check == "not_nullable":
            yield place, f"{failure.column} is missing"
        else:
            yield place, f"{failure.column} {failure.failure_case} is not {failure.check}"


def _told_twice(schema: TableSchema, frame: pd.DataFrame) -> Iterable[tuple[int, str]]:
    """The places of rows whose key another row has."""
    copies = frame.duplicated(keep="first")
    differ = frame[~copies].duplicated(list(schema.key), keep=False).reindex(frame.index, fill_value=False)
    keys = frame.set_index(list(schema.key)).index
    told_differently = keys.isin(keys[differ.to_numpy()])
    for place in frame.index[told_differently]:
        yield place, "told differently by another row of its key"
    for place in frame.index[copies & ~told_differently]:
        yield place, "a copy of another row"


def _as_json(row: dict[str, Any]) -> str:
    """A row on one line, its columns in their order; what JSON has no word for is text, what is missing is null."""

    def plain(value: Any) -> Any:
        if pd.isna(value):
            return None
        if isinstance(value, pd.Timestamp):
            return value.isoformat()
        if isinstance(value, (float, np.floating)):
            return float(value) if np.isfinite(value) else str(value)
        return int(value) if isinstance(value, (int, np.integer)) else str(value)

    return json.dumps({str(name): plain(value) for name, value in row.items()})


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
        if rule == _UNIQUENESS:
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


def _others(hours: int) -> str:
    return f" (and so of {hours} more hours)" if hours else ""


def _sample(schema: TableSchema, row: pd.Series, more: Iterable[str] = ()) -> str:
    """Show a row by its key and the columns that matter, on one line."""
    names = dict.fromkeys([schema.partition, *schema.key, *more])
    return " ".join(f"{name}={str(row[name])[:80]!s}" for name in names).replace("\n", " ")
