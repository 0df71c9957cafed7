"""`cryptopattern export`: a table's rows, or a range of them, as one file for other programs."""

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
from rich.console import Console

from cryptopattern_pipelines.commands.options import MOMENT, refuse_unknown_tables
from cryptopattern_pipelines.resources.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd

    from cryptopattern_pipelines.storage.schemas import TableSchema


@click.command()
@click.argument("table")
@click.option("--from", "start", required=True, type=MOMENT, help="First day or hour, UTC.")
@click.option("--to", "end", required=True, type=MOMENT, help="Day or hour before which to stop, not included, UTC.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), help="By the file's name, else csv.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; the standard output else."
)
def export(table: str, start: datetime, end: datetime, form: str | None, output: Path | None) -> None:
    """Write a TABLE's rows of a range as CSV or Parquet, sorted by time and key.

    \b
    cryptopattern export squeeze_analyses --from 2024-08-01 --to 2024-09-01 -o august.parquet
    cryptopattern export win_rates --from 2024-08-05 --to 2024-08-06 --format csv | column -ts,
    """
    from rich.progress import Progress

    from cryptopattern_pipelines.storage.parquet import TableStore
    from cryptopattern_pipelines.storage.rows import weeks
    from cryptopattern_pipelines.storage.schemas import TABLES

    refuse_unknown_tables([table])
    first, last = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    if first >= last:
        raise click.UsageError("--from must be before --to, which is not included")
    if TABLES[table].partition == "day" and (first.hour, first.minute, last.hour, last.minute) != (0, 0, 0, 0):
        raise click.UsageError(f"{table} has a row a day: give days, e.g. --from {first:%Y-%m-%d}")
    form = form or ("parquet" if output is not None and output.suffix == ".parquet" else "csv")
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"there is no folder {output.parent} to write {output.name} into")
    if output is None and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: give a file with -o")
    store, rows = TableStore(load_settings().store_root), 0
    with _opened(output) as file, Progress(console=Console(stderr=True), transient=True) as progress:
        writer = _csv(file) if form == "csv" else _parquet(file, TABLES[table])
        next(writer)
        for window in progress.track(weeks(first, last), description=f"{table} …"):
            frame = store.table(table).read(*window)
            rows += len(frame)
            writer.send(frame)
        writer.close()
    Console(stderr=True).print(f"{rows:,} rows of {table}{f' in {output}' if output else ''}", highlight=False)


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """The file to write, whole or not at all: it takes its name at the end; or the standard output."""
    if output is None:
        yield sys.stdout.buffer
        return
    beside = output.with_name(f".{output.name}.part")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


def _csv(file: IO[bytes]) -> "Generator[None, pd.DataFrame]":
    """Takes frames, and writes them as one CSV: times in ISO 8601, empty where nothing is known."""
    header = True
    while True:
        frame = yield
        shown = frame.copy()
        for name in shown.select_dtypes("datetimetz"):
            shown[name] = shown[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").str.replace(".000000", "")
        file.write(shown.to_csv(index=False, header=header, lineterminator="\n").encode())
        header = False


def _parquet(file: IO[bytes], table: "TableSchema") -> "Generator[None, pd.DataFrame]":
    """Takes frames, and writes them as one Parquet file of the table's schema."""
    import pyarrow
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, table.arrow) as writer:
        while True:
            frame = yield
            writer.write_table(pyarrow.Table.from_pandas(frame, schema=table.arrow, preserve_index=False))
