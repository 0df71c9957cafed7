"""A user's own files of market history, Parquet or CSV, become a table's rows; what can't is set aside with its reason.

What belongs here: reading such files in pieces, the checks on every row, and which hour a row belongs to. What does
not: which column is which (`mapping.py`), and where rows are kept.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet as pq

from cryptopattern_pipelines.market.hourly import PUBLISHING_DELAY
from cryptopattern_pipelines.market.mapping import ColumnMapping
from cryptopattern_pipelines.market.source import HOUR, MarketError, SymbolError
from cryptopattern_pipelines.market.symbols import as_listed, renamed
from cryptopattern_pipelines.storage.schemas import REAL, TEXT, TIME, WHOLE, Column, TableSchema

_BATCH_ROWS = 200_000
_CSV_BLOCK = 16 << 20

_PRICES = ("open", "high", "low", "close")
_WHEN = "_when"
_RANK = "_rank"


class HistoryError(MarketError):
    """A file of history can't be taken in; the message says which, what is wrong, and what to do."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, of the columns asked for, and how far the file has been read (a fraction)."""

    frame: pd.DataFrame
    done: float


@dataclass(frozen=True)
class History:
    """What a file brought.

    Attributes:
        rows: in the table's columns, sorted by its key.
        rejected: rows set aside: `row` (place in the file, from 1), `reason`, and the file's own columns.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame


def column_names(path: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        HistoryError: it is neither Parquet nor CSV, or can't be read.
    """
    try:
        if _is_parquet(path):
            return list(pq.read_schema(path).names)
        with path.open("rb") as raw:
            return list(_csv_reader(raw, path, []).schema.names)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def pieces(path: Path, columns: list[str]) -> Iterator[Piece]:
    """A file's rows in pieces that fit well into memory, each indexed by its rows' places in the file, from 1.

    A CSV file's values are texts, since none can be trusted to be what its column should be. A line with too few or
    too many fields comes with the text of the line in the first column, and `_broken` says what is wrong with it.

    Raises:
        HistoryError: the file can't be read, or lacks a column.
    """
    names = column_names(path)
    lacking = [name for name in columns if name not in names]
    if lacking:
        raise HistoryError(
            f"{path} has no column {', '.join(lacking)}: it has {', '.join(names)}; name them in a mapping"
        )
    try:
        yield from _of_parquet(path, columns) if _is_parquet(path) else _of_csv(path, columns)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def rows_of(frame: pd.DataFrame, mapping: ColumnMapping, *, first: datetime, now: datetime) -> History:
    """A piece's rows, each checked; of several snapshots of one hour all are kept until `as_one`.

    A row stamped with its hour's start belongs to that hour. A snapshot belongs to the hour by whose end it is
    published, PUBLISHING_DELAY after its time. A day's figures stand at its last hour, 23:00, when they are known.

    Args:
        frame: see `pieces`.
        mapping: how its columns become the table's.
        first: start of the table's first hour; rows before it are set aside.
        now: rows of hours that aren't over by now are set aside.

    Returns:
        Rows in the table's columns, `_when` (the time that the file tells) and `_rank` (see `_coin`), indexed by their
        place in the file.
    """
    table = mapping.table
    reasons = pd.Series("", index=frame.index, dtype=object)
    if "_broken" in frame:
        reasons[:] = frame["_broken"].fillna("").to_numpy()
        frame = frame.drop(columns="_broken")

    def set_aside(wrong: Any, reason: str) -> None:
        """Give rows that have no reason yet this one."""
        reasons[np.asarray(wrong) & (reasons == "").to_numpy()] = reason

    when = _moments(frame[mapping.time_column])
    set_aside(when.isna(), f"{mapping.time_column} is no time")
    hour = _hours(when, mapping)
    set_aside(when.notna() & hour.isna(), f"{mapping.time_column} is not on the {_step(mapping)}")
    set_aside(hour < first, f"before {first:%Y-%m-%d}, the store's first hour")
    set_aside(hour > now - HOUR, "of an hour that isn't over")

    rows = pd.DataFrame({table.partition: hour}, index=frame.index)
    told = _given(frame, mapping, "symbol")
    coins = {text: _coin(text) for text in told.dropna().unique()}
    rows["symbol"] = told.map({text: each.coin for text, each in coins.items()})
    set_aside(told.isna(), "symbol is empty")
    set_aside(rows["symbol"].isna(), "symbol names no coin in dollars")
    bundle = told.map({text: float(each.multiplier) for text, each in coins.items()}).fillna(1.0)
    rank = told.map({text: each.rank for text, each in coins.items()})
    for column in table.columns:
        if column.name in rows:
            continue
        values = _given(frame, mapping, column.name)
        if column.name == "instrument" and values.isna().all():
            values = told
        rows[column.name], wrong = _typed(values, column)
        set_aside(wrong, f"{column.name} is no {_KINDS[column.dtype]}")
        if column.name in mapping.scale:
            rows[column.name] *= mapping.scale[column.name]
        if column.name in _PRICES:
            rows[column.name] /= bundle
        elif column.name.endswith("_base"):
            rows[column.name] *= bundle
    _fill(rows, when, mapping)
    _check(rows, table, set_aside)
    kept = (reasons == "").to_numpy()
    return History(rows[table.names].assign(**{_WHEN: when, _RANK: rank})[kept], _with_reasons(frame, reasons[~kept]))


def as_one(found: list[History], mapping: ColumnMapping) -> History:
    """A whole file's rows, one a key: of several snapshots of one hour each column's last that is told.

    Of several markets of one coin (BTCUSDT, BTCUSDC) the first by `_coin` counts in each hour. Equal rows count once.
    Of rows with one key, and for snapshots one time, that differ, none can be believed: all are set aside.
    """
    table = mapping.table
    rejected = [each.rejected for each in found if len(each.rejected)]
    filled = [each.rows for each in found if len(each.rows)]
    if not filled:
        return History(table.empty(), _joined(rejected))
    rows = pd.concat(filled)
    best = rows.groupby(list(table.key), sort=False)[_RANK].transform("min")
    spare = rows[rows[_RANK] > best].drop(columns=[_WHEN, _RANK])
    if len(spare):
        rejected.append(
            _with_reasons(spare, pd.Series("another market of the coin and hour counts", index=spare.index))
        )
    rows = rows[rows[_RANK] == best].drop(columns=_RANK)
    rows = rows[~rows.duplicated()]
    # An hour's rows other than snapshots have one time alone.
    differ = rows.duplicated([*table.key, _WHEN], keep=False)
    if differ.any():
        shown = rows[differ].drop(columns=_WHEN)
        rejected.append(_with_reasons(shown, pd.Series("rows of one key that differ", index=shown.index)))
        rows = rows[~differ]
    rows = rows.sort_values([*table.key, _WHEN], kind="stable").drop(columns=_WHEN)
    if rows.duplicated(list(table.key)).any():
        rows = rows.groupby(list(table.key), as_index=False, sort=True).last()[table.names]
    return History(table.conform(rows), _joined(rejected))


def _hours(when: pd.Series, mapping: ColumnMapping) -> pd.Series:
    """The hour that each row belongs to; none where its time is not what the mapping says."""
    if mapping.time_is == "snapshot":
        return ((when + PUBLISHING_DELAY).dt.ceil("h") - HOUR).astype(TIME)
    if mapping.time_is == "day":
        return (when + timedelta(hours=23)).where(when == when.dt.floor("D")).astype(TIME)
    begun = when - HOUR if mapping.time_is == "hour_end" else when
    return begun.where(when == when.dt.floor("h")).astype(TIME)


def _step(mapping: ColumnMapping) -> str:
    return "day" if mapping.time_is == "day" else "hour"


def _fill(rows: pd.DataFrame, when: pd.Series, mapping: ColumnMapping) -> None:
    """What follows from the rest where the file doesn't tell it, and venues in our spelling."""
    rows["venue"] = rows["venue"].str.strip().str.lower()
    given = {*mapping.columns, *mapping.constants}
    if "span_hours" in rows and "span_hours" not in given:
        rows["span_hours"] = pd.Series(24 if mapping.time_is == "day" else 1, index=rows.index, dtype=WHOLE)
    if mapping.time_is == "snapshot" and "open_interest_time" in rows and "open_interest_time" not in given:
        rows["open_interest_time"] = when.astype(TIME)
    if "trades" in rows:
        # Sources that count no trades say 0, of which there is no candle.
        unknown = (rows["trades"] == 0).fillna(False).to_numpy(dtype=bool)
        rows.loc[unknown, ["trades", "taker_buy_volume_base"]] = None


def _check(rows: pd.DataFrame, table: TableSchema, set_aside: Any) -> None:
    """Set aside what breaks the table's rules, and rows that tell nothing."""
    for column in table.columns:
        values = rows[column.name]
        if not column.nullable:
            set_aside(values.isna(), f"{column.name} is empty")
        for rule in column.checks:
            there = values.dropna()
            broken = there.index[~_holds(rule, there)]
            set_aside(rows.index.isin(broken), f"{column.name} breaks {rule.error}")
    prices = rows[rows.notna()[[c.name for c in table.columns if not c.nullable]].all(axis=1)]
    for rule in table.rules:
        set_aside(rows.index.isin(prices.index[~_holds(rule, prices)]), f"breaks {rule.error}")
    facts = [column.name for column in table.columns if column.nullable and column.dtype in (REAL, WHOLE)]
    if all(column.nullable for column in table.columns if column.dtype == REAL):
        set_aside(rows[facts].isna().all(axis=1), "has no figure")


def _holds(rule: Any, subject: pd.Series | pd.DataFrame) -> np.ndarray:
    return np.asarray(rule(subject).check_output, dtype=bool) if len(subject) else np.empty(0, dtype=bool)


def _given(frame: pd.DataFrame, mapping: ColumnMapping, name: str) -> pd.Series:
    """A table's column as the file or the mapping gives it; empty where neither does."""
    if name in mapping.constants:
        return pd.Series(mapping.constants[name], index=frame.index)
    if name in mapping.columns:
        return frame[mapping.columns[name]]
    return pd.Series(None, index=frame.index, dtype=object)


_KINDS = {REAL: "number", WHOLE: "whole number", TIME: "time", TEXT: "text"}


def _typed(values: pd.Series, column: Column) -> tuple[pd.Series, pd.Series]:
    """Values as the column's type, and which of those that are told could not become it."""
    if column.dtype == TEXT:
        return values.astype(TEXT), pd.Series(False, index=values.index)
    if column.dtype == TIME:
        moments = _moments(values)
        return moments.astype(TIME), values.notna() & moments.isna()
    numbers = pd.to_numeric(values, errors="coerce").astype(REAL)
    numbers = numbers.where(np.isfinite(numbers))
    if column.dtype == WHOLE:
        numbers = numbers.where(numbers % 1 == 0).astype(WHOLE)
    # What is told and no number is wrong; an empty value, NaN in a column of numbers, tells nothing.
    return numbers, numbers.isna() & values.notna()


def _moments(values: pd.Series) -> pd.Series:
    """Times, texts, or seconds, milli-, micro- or nanoseconds since 1970 as moments; a time without zone is UTC."""
    if isinstance(values.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(values.dtype):
        aware = values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
        return aware.dt.as_unit("us")
    counts = pd.to_numeric(values, errors="coerce").astype(REAL)
    counts = counts.where(np.isfinite(counts) & (counts.abs() < 2e18))
    # Each unit's numbers from 1973 to 5138 lie apart from the others'.
    unit = np.select([counts < 1e11, counts < 1e14, counts < 1e17], [1e6, 1e3, 1.0], 1e-3)
    of_counts = pd.to_datetime((counts * unit).round().astype(WHOLE), unit="us", utc=True).dt.as_unit("us")
    texts = values.where(counts.isna())
    if texts.isna().all():
        return of_counts
    return (
        pd.to_datetime(texts.astype(TEXT), errors="coerce", utc=True, format="ISO8601")
        .dt.as_unit("us")
        .fillna(of_counts)
    )


@dataclass(frozen=True)
class _Coin:
    """A coin that a text names, its bundle's size, and which of several markets of the coin counts: the least rank."""

    coin: str | None
    multiplier: int = 1
    rank: int = 0


def _coin(text: Any) -> _Coin:
    """The coin that a text names: its USDT market counts before others, its newest name before older ones."""
    try:
        listed = as_listed(str(text))
    except SymbolError:
        return _Coin(None)
    symbol = renamed(listed)
    in_other_dollars = "USD" in str(text).upper().replace("USDT", "")
    return _Coin(symbol.coin, symbol.multiplier, 2 * in_other_dollars + (symbol.coin != listed.coin))


def _with_reasons(frame: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """Rows set aside, as texts: what they hold may be of any type."""
    rows = frame.loc[reasons.index].astype(TEXT)
    rows.insert(0, "row", reasons.index)
    rows.insert(1, "reason", reasons.to_numpy())
    return rows


def _joined(rejected: list[pd.DataFrame]) -> pd.DataFrame:
    if not rejected:
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "reason": pd.Series(dtype=TEXT)})
    return pd.concat(rejected, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)


def _is_parquet(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return True
    if name.endswith((".csv", ".csv.gz")):
        return False
    raise HistoryError(f"{path} is neither Parquet nor CSV by its name: name it ….parquet, ….csv or ….csv.gz")


def _of_parquet(path: Path, columns: list[str]) -> Iterator[Piece]:
    file = pq.ParquetFile(path)
    total, begun = file.metadata.num_rows, 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
        frame = batch.to_pandas()
        frame.index = pd.RangeIndex(begun + 1, begun + 1 + len(frame))
        begun += len(frame)
        yield Piece(frame, begun / total)


def _of_csv(path: Path, columns: list[str]) -> Iterator[Piece]:
    size = max(1, path.stat().st_size)
    broken: list[pyarrow.csv.InvalidRow] = []
    begun = 0
    with path.open("rb") as raw:
        for batch in _csv_reader(raw, path, broken):
            frame = batch.to_pandas()[columns]
            # A broken line has its place as well; the header is line 1.
            skipped = np.array([each.number - 1 for each in broken], dtype="int64")
            places = np.setdiff1d(np.arange(begun + 1, begun + 1 + len(frame) + len(skipped)), skipped)
            frame.index = pd.Index(places[: len(frame)])
            begun = int(frame.index[-1]) if len(frame) else begun
            yield Piece(frame, raw.tell() / size)
    if broken:
        yield Piece(
            pd.DataFrame(
                {
                    **{name: pd.Series(dtype=TEXT) for name in columns},
                    columns[0]: [each.text for each in broken],
                    "_broken": [f"has {each.actual_columns} fields, not {each.expected_columns}" for each in broken],
                },
                index=[each.number - 1 for each in broken],
            ),
            1.0,
        )


def _csv_reader(raw: Any, path: Path, broken: list[Any]) -> pyarrow.csv.CSVStreamingReader:
    stream = pyarrow.PythonFile(raw, mode="r")
    if path.name.lower().endswith(".gz"):
        stream = pyarrow.CompressedInputStream(stream, "gzip")

    def note(row: Any) -> str:
        broken.append(row)
        return "skip"

    with pyarrow.input_stream(str(path), compression="detect") as start:
        header = start.read(1 << 16).partition(b"\n")[0].decode("utf-8-sig", errors="replace")
    names = next(csv.reader([header]), [])
    return pyarrow.csv.open_csv(
        stream,
        # One thread, or broken lines have no number.
        read_options=pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=note),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pyarrow.string() for name in names}, strings_can_be_null=True
        ),
    )


def _unreadable(path: Path, error: Exception) -> HistoryError:
    return HistoryError(f"{path} can't be read ({str(error).splitlines()[0]}): check the file")
