"""`cryptopattern publish`: the database made anew from the Parquet store."""

import click
from rich.console import Console

from cryptopattern_pipelines.commands.options import refuse_unknown_tables
from cryptopattern_pipelines.resources.settings import load_settings


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]…")
@click.option("--empty-too", is_flag=True, help="Empty also tables of which the store has no file at all.")
def publish(tables: tuple[str, ...], empty_too: bool) -> None:
    """Make the serving tables in Postgres anew from the Parquet store: all of them, or those named.

    For a database that was lost, restored from an older backup, or moved to another server. What runs do by themselves
    needs no such command. Afterwards Postgres holds the rows of the files and no others; twice changes nothing.

    \b
    cryptopattern publish
    cryptopattern publish squeeze_analyses win_rates
    """
    from rich.progress import Progress

    from cryptopattern_pipelines.resources.database import ServingDatabase, hide_password
    from cryptopattern_pipelines.storage.parquet import TableStore
    from cryptopattern_pipelines.storage.republish import republish, stretches
    from cryptopattern_pipelines.storage.schemas import TABLES

    refuse_unknown_tables(tables)
    settings = load_settings()
    url, store = ServingDatabase(settings).address(), TableStore(settings.store_root)
    found = [store.table(name) for name in tables or TABLES]
    windows = {table.schema.name: stretches(url, table) for table in found}
    # Rows without a file, as when the store is another one than was meant.
    lost = [table.schema.name for table in found if windows[table.schema.name] and table.days().empty]
    if lost and not empty_too:
        raise click.ClickException(
            f"{settings.store_root} has no file of {', '.join(lost)}, of which Postgres has rows: is it the right "
            "store? Nothing was changed; --empty-too empties them"
        )
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(map(len, windows.values())))
        for table in found:
            name, rows = table.schema.name, 0
            progress.update(task, description=f"{name} …")
            for published in republish(url, table, windows[name]):
                rows += published
                progress.advance(task)
            click.echo(f"{name}: {rows:,} rows")
    Console(stderr=True).print(f"published to {hide_password(url)}, schema serving", highlight=False)
