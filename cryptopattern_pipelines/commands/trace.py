"""`cryptopattern trace`: from a symbol's hour to the venues' answers that its numbers were read from."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import click

from cryptopattern_pipelines.commands.options import MOMENT
from cryptopattern_pipelines.resources.settings import load_settings

_TABLES = ("market_candles", "derivatives_metrics", "realised_liquidations")
_ORDERS_SHOWN = 3
_HOUR = timedelta(hours=1)


@click.command()
@click.argument("symbol")
@click.argument("hour", type=MOMENT)
@click.option("--table", type=click.Choice(_TABLES), help="Of this table alone.")
@click.option("--back", default=48, show_default=True, help="Hours before, in which the run that asked may have begun.")
def trace(symbol: str, hour: datetime, table: str | None, back: int) -> None:
    """Show which answers of venues a SYMBOL's numbers of an HOUR (UTC) were read from, and where in them they stand.

    A snapshot is made of the rows that are shown: prices and ratios of the hour's own, sums and changes over a day of
    those of the hours before, each of which can be traced alike. Answers are kept with CRYPTOPATTERN_KEEP_RAW_ANSWERS.

    \b
    cryptopattern trace BTC 2024-08-05T13:00
    cryptopattern trace BTC 2024-08-05T13:00 --table market_candles
    """
    from cryptopattern_pipelines.market.symbols import parse
    from cryptopattern_pipelines.market.tracing import instruments_of, traces, venue_folder
    from cryptopattern_pipelines.storage.parquet import TableStore
    from cryptopattern_pipelines.storage.raw_answers import kept_answers

    at, coin, root = hour.replace(tzinfo=UTC), parse(symbol).coin, load_settings().store_root
    if at.minute or at.second:
        raise click.BadParameter(f"{at:%Y-%m-%dT%H:%M} is within an hour: give its beginning, {at:%Y-%m-%dT%H}:00")
    store, shown = TableStore(root), 0
    for name in (table,) if table else _TABLES:
        rows = store.table(name).read(at, at + _HOUR)
        for row in rows[rows["symbol"] == coin].to_dict("records"):
            shown += 1
            answers = kept_answers(root, at, venue_folder(row), instruments_of(row), back)
            _print(name, row, traces(row, answers))
    if not shown:
        raise click.ClickException(
            f"no row of {coin} at {at:%Y-%m-%dT%H:%M} UTC in {', '.join([table] if table else _TABLES)}: "
            "see `cryptopattern status`"
        )


def _print(name: str, row: dict[str, Any], found: list[Any]) -> None:
    """A row's name, then each file and below it what stands in it: whole lines, whatever their length."""
    which = " ".join(str(row[part]) for part in ("venue", "market", "instrument") if row.get(part))
    if not found:
        click.echo(
            f"{name}, {which}: none of its numbers stands in an answer that is kept: CRYPTOPATTERN_KEEP_RAW_ANSWERS "
            "was off, the hour is from the archive or imported, or its run began earlier (--back)"
        )
        return
    click.echo(f"{name}, {which}")
    for file, here in groupby(sorted(found, key=lambda each: each.file), key=lambda each: each.file):
        click.echo(f"  {file}")
        for column, of_column in groupby(here, key=lambda each: each.column):
            several = list(of_column)
            for each in several[:_ORDERS_SHOWN]:
                click.echo(f"    {column} {each.value:.12g}: {each.raw} at {each.place}")
            if len(several) > _ORDERS_SHOWN:
                click.echo(f"    {column}: and {len(several) - _ORDERS_SHOWN} more")
