"""A user's own files of history go into the store: read, checked, kept, and said what came of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cryptopattern_pipelines.automation.partitions import FIRST_DAY, Window
from cryptopattern_pipelines.market.history import HistoryError, as_one, column_names, pieces, rows_of
from cryptopattern_pipelines.market.mapping import ColumnMapping, MappingError, by_name, read_mapping, shipped
from cryptopattern_pipelines.storage.imported import Taken, keep_rejected, take_in
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import TableSchema

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Imported:
    """What came of one file: good rows, their first hour, what changed; what was set aside, by reason, and where."""

    file: Path
    rows: int
    first: pd.Timestamp | None
    taken: Taken
    rejected: Mapping[str, int]
    rejected_at: str | None


def mapping_for(
    table: TableSchema, file: Path, name: str | None, constants: Mapping[str, str | float]
) -> ColumnMapping:
    """The mapping of a file: the one that is named, or by the columns' names.

    Raises:
        MappingError: it can't be read, is another table's, or doesn't fit; the message names those that ship and fit.
        HistoryError: the file can't be read.
    """
    if name is not None:
        mapping = read_mapping(name)
        if mapping.table.name != table.name:
            raise MappingError(f"{name} is a mapping for {mapping.table.name}, not for {table.name}")
        return mapping.with_constants(constants).check()
    names = column_names(file)
    mapping = by_name(table, names).with_constants(constants)
    try:
        if mapping.time_column not in names:
            raise MappingError(f"{mapping.name}: {file} has no column {mapping.time_column}, but {', '.join(names)}")
        return mapping.check()
    except MappingError as error:
        fits = [name for name in shipped() if _fits(read_mapping(name), table, names)]
        hint = f"; --mapping {' or '.join(fits)} fits its columns" if fits else ""
        raise MappingError(f"{error}{hint}") from error


def import_files(
    store: TableStore, files: Iterable[Path], mappings: Callable[[Path], ColumnMapping], console: Console
) -> list[Imported]:
    """Take files in, one after the other, with progress; a later file's values replace an earlier one's.

    All files' columns are looked at before the first is taken in.

    Raises:
        HistoryError, MappingError: a file can't be read, or its mapping doesn't fit.
    """
    wanted = [(file, mappings(file)) for file in files]
    for file, mapping in wanted:
        lacking = sorted(set(mapping.needs) - set(names := column_names(file)))
        if lacking:
            raise HistoryError(
                f"{file} has no column {', '.join(lacking)} that {mapping.name} asks for: it has {', '.join(names)}"
            )
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        return [_import_one(store, file, mapping, progress) for file, mapping in wanted]


def window_to_materialise(found: Iterable[Imported]) -> Window | None:
    """The whole days, so far as they are over, whose rows the imports changed; None when they changed nothing."""
    taken = [each.taken for each in found]
    firsts = [each.first for each in taken if each.first is not None]
    lasts = [each.last for each in taken if each.last is not None]
    if not firsts:
        return None
    end = (max(lasts).floor("D") + _DAY).to_pydatetime()
    over = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return Window(min(firsts).floor("D").to_pydatetime(), min(end, over))


def _import_one(store: TableStore, file: Path, mapping: ColumnMapping, progress: Progress) -> Imported:
    now = datetime.now(UTC)
    task = progress.add_task(f"reading {file.name}", total=1.0)
    found = []
    for piece in pieces(file, mapping.needs):
        found.append(rows_of(piece.frame, mapping, first=FIRST_DAY, now=now))
        progress.update(task, completed=piece.done)
    history = as_one(found, mapping)
    progress.update(task, description=f"keeping {file.name}", total=len(history.rows), completed=0)
    taken = take_in(store, mapping.table, history.rows, lambda rows: progress.advance(task, rows))
    progress.update(task, description=f"{file.name}", total=1, completed=1)
    rejected_at = keep_rejected(store, mapping.table, file, history.rejected)
    counts = history.rejected["reason"].value_counts().to_dict()
    first = history.rows["hour"].min() if len(history.rows) else None
    rejected = {str(reason): int(n) for reason, n in counts.items()}
    return Imported(file, len(history.rows), first, taken, rejected, rejected_at)


def _fits(mapping: ColumnMapping, table: TableSchema, names: list[str]) -> bool:
    return mapping.table.name == table.name and set(mapping.needs) <= set(names)
