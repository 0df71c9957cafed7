"""A venue's JSON becomes columns: named, numbers, times; anything unlike its documentation is an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.source import MarketError

# By name, arrays of one length.
Columns = dict[str, np.ndarray]


class VenueError(MarketError):
    """A venue could not be asked, or understood.

    Args:
        message: what, where, and what to do.
        passing: whether asking again some hours later may help.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class AnswerError(VenueError):
    """A venue answered in a form that isn't the documented one, or with an error that we don't know."""


# What a field is in JSON by its documentation.
NUMBER = (int, float)
TEXT = (str,)
# Documented as the one and sent as the other, by some endpoints for years.
EITHER = (int, float, str)


@dataclass(frozen=True)
class Form:
    """What the rows of one endpoint look like by its documentation.

    Args:
        needed: the fields that are read, by name or by place in a list, and what they are in JSON.
        others: documented fields that are not read.
        may_lack: whether a needed field may be null or empty.
    """

    needed: Mapping[Any, tuple[type, ...]]
    others: tuple[Any, ...] = ()
    may_lack: bool = False

    def check(self, rows: list[Any], who: str) -> set[Any]:
        """The fields of these rows that the documentation doesn't have.

        Raises:
            AnswerError: a needed field isn't there, or is of another kind than documented: then nothing is believed.
        """
        fields = [range(len(row)) if isinstance(row, list) else row for row in rows]
        if not all(isinstance(row, dict | list) for row in rows):
            raise AnswerError(f"{who} answered with rows that are neither objects nor lists: {_changed(rows)}")
        new = set().union(*fields) - set(self.needed) - set(self.others)
        for field in self.needed:
            if not all(field in each for each in fields):
                renamed = f" (new there: {', '.join(sorted(map(repr, new)))})" if new else ""
                raise AnswerError(f"{who} answered without field {field!r}{renamed}: {_changed(rows)}")
        for field, kinds in self.needed.items():
            found = {type(row[field]) for row in rows} - set(kinds)
            if self.may_lack:
                found -= {type(None)}
            if found:
                names = ", ".join(sorted(kind.__name__ for kind in found))
                documented = " or ".join(kind.__name__ for kind in kinds)
                raise AnswerError(f"{who} answered field {field!r} as {names}, not {documented}: {_changed(rows)}")
        return new


def milliseconds(moment: datetime) -> int:
    """Since 1970 UTC, as venues count."""
    return microseconds(moment) // 1000


def microseconds(moment: datetime) -> int:
    """Since 1970 UTC, as columns count."""
    return (moment - _EPOCH) // _MICROSECOND


def columns_of(rows: list[Any], columns: Mapping[Any, str], who: str, *, may_lack: bool = False) -> Columns:
    """The wanted fields of a venue's rows.

    Args:
        rows: objects, or lists of fields.
        columns: from the field's name, or its place in a list, to the column's name. A column named `hour` or `time`
            is read as milliseconds since 1970 (an `hour` must be whole), `instrument` as text, any other as a number.
        who: the venue, for messages.
        may_lack: whether a number may be empty; it is then NaN.

    Returns:
        Times as microseconds since 1970, numbers as floats, texts as objects.

    Raises:
        AnswerError: a field isn't there, is empty, or isn't what it should be.
    """
    found: Columns = {}
    for field, name in columns.items():
        try:
            values = [row[field] for row in rows]
        except (KeyError, IndexError, TypeError):
            raise AnswerError(f"{who} answered without field {field!r}: {_changed(rows)}") from None
        try:
            found[name] = _typed(values, name)
        except (ValueError, TypeError, OverflowError):
            kind = "time" if name in _TIMES else "number"
            raise AnswerError(f"{who} answered with a {field!r} that is no {kind}: {_changed(rows)}") from None
        if name == "hour" and (found[name] % _HOUR).any():
            raise AnswerError(f"{who} answered with an hour that doesn't begin on the hour: {_changed(rows)}")
        if found[name].dtype.kind == "f" and not may_lack and np.isnan(found[name]).any():
            raise AnswerError(f"{who} answered with an empty {field!r}: {_changed(rows)}")
    return found


def frame_of(rows: list[Any], columns: Mapping[Any, str], who: str, *, may_lack: bool = False) -> pd.DataFrame:
    """The same as a frame, its times `datetime64[us, UTC]`.

    Raises:
        AnswerError: as `columns_of`.
    """
    return frame_from(columns_of(rows, columns, who, may_lack=may_lack))


def as_times(counts: np.ndarray) -> pd.DatetimeIndex:
    """Microseconds since 1970 as `datetime64[us, UTC]`."""
    return pd.DatetimeIndex(counts.view("datetime64[us]"), tz="UTC")


def frame_from(found: Columns) -> pd.DataFrame:
    """Columns as a frame, its times `datetime64[us, UTC]`."""
    return pd.DataFrame({name: as_times(values) if name in _TIMES else values for name, values in found.items()})


def joined(pages: list[Columns], names: Iterable[str]) -> Columns:
    """Pages of the same columns as one."""
    return {
        name: np.concatenate([page[name] for page in pages])
        if pages
        else np.empty(0, dtype=_EMPTY.get(name, "float64"))
        for name in names
    }


def those(columns: Columns, kept: np.ndarray) -> Columns:
    """The rows of which this is true."""
    return {name: values[kept] for name, values in columns.items()}


def by_time(parts: list[Columns]) -> Columns:
    """Series of different figures as one, by `time`: NaN where a series has nothing; of one time the last counts."""
    times = np.unique(np.concatenate([part["time"] for part in parts]))
    found: Columns = {"time": times}
    for part in parts:
        places = np.searchsorted(times, part["time"])
        for name in part.keys() - {"time"}:
            found[name] = np.full(len(times), np.nan)
            found[name][places] = part[name]
    return found


def holes(have: np.ndarray, begin: int, stop: int, most: int = 5) -> list[tuple[int, int]]:
    """The spans of hours within [begin, stop) that aren't among these, at most so many of them; all milliseconds."""
    lacking = np.setdiff1d(np.arange(begin, stop, _HOUR_MS), have)
    if not len(lacking):
        return []
    cuts = np.flatnonzero(np.diff(lacking) > _HOUR_MS) + 1
    return [(int(span[0]), int(span[-1]) + _HOUR_MS) for span in np.split(lacking, cuts)[:most]]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = ("hour", "time")
_EMPTY = {"hour": "int64", "time": "int64", "instrument": "object"}
_HOUR = 3_600_000_000
_HOUR_MS = 3_600_000
# From 1973 to 5138: seconds and microseconds of our time lie outside of it.
_FIRST_MS, _LAST_MS = 10**11, 10**14


def _typed(values: list[Any], name: str) -> np.ndarray:
    if name in _TIMES:
        # From text by way of Python: a float would not hold every time.
        times = np.array([int(value) for value in values], dtype="int64")
        if not ((times >= _FIRST_MS) & (times < _LAST_MS)).all():
            raise ValueError("not milliseconds since 1970")
        return times * 1000
    if name == "instrument":
        return np.array(values, dtype="object")
    return numbers(values)


def numbers(values: list[Any]) -> np.ndarray:
    """What JSON writes as numbers, or as text that is one, as floats; NaN where it is null or empty.

    Raises:
        ValueError: another text, or one that only Python takes for a number (`inf`, `nan`, `1_000`).
        OverflowError: a number too large.
        TypeError: neither number nor text.
    """
    known = [value for value in values if value not in (None, "")]
    texts = "".join(value for value in known if isinstance(value, str))
    if "_" in texts or not texts.isascii():
        raise ValueError("digits of another kind")
    found = np.array([np.nan if value in (None, "") else value for value in values], dtype="float64")
    if np.isfinite(found).sum() < len(known):
        raise ValueError("not finite")
    return found


def _changed(rows: list[Any]) -> str:
    first = str(rows[0])[:200] if rows else ""
    return f"its interface may have changed, report it ({first})"
