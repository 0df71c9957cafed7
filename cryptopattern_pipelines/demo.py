"""The demo: the bundled sample in a data folder of its own, and what came out of it, for a person to read.

The sample (`data/samples`) is rendered and simulated by code of ours: its prices are of no real market.
"""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.local import address
from cryptopattern_pipelines.reporting import print_analyses, print_events, win_rates_table
from cryptopattern_pipelines.resources.database import database_url, hide_password
from cryptopattern_pipelines.resources.settings import (
    DATA_VARIABLE,
    DATABASE_VARIABLE,
    PROJECT,
    Settings,
    load_settings,
)
from cryptopattern_pipelines.storage import postgres, schemas
from cryptopattern_pipelines.storage.parquet import TableStore

SAMPLES = PROJECT / "data" / "samples"
# The days that the sample's market was simulated for.
WINDOW = Window(datetime(2024, 11, 1, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_EVENTS = 5


class DemoError(click.ClickException):
    """The demo would touch what isn't its own; the message says what and what to do."""


def settings() -> Settings:
    """The demo's own settings: its data folder, the sample's pictures and archive, nothing automatic.

    They are written to the folder, where they come before all others, so that a setting meant for real data can't put
    simulated rows among them. A database named in the environment is used if it is empty or the demo's own.

    Raises:
        DemoError: the database that the environment names holds other data than the sample's.
    """
    folder = Path(os.environ.get(DATA_VARIABLE) or PROJECT / "data" / "demo").resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "settings.env").is_file():
        raise DemoError(f"{folder} holds other data than the demo's: name an empty folder, or none")
    # A copy: what is dropped onto the pages goes there, too.
    shutil.copytree(SAMPLES / "landing", folder / "landing", dirs_exist_ok=True)
    own = {
        "CRYPTOPATTERN_STORE_URL": folder / "store",
        "CRYPTOPATTERN_LANDING": folder / "landing",
        "CRYPTOPATTERN_MARKET_SOURCE": "archive",
        "CRYPTOPATTERN_ARCHIVE": SAMPLES,
        "CRYPTOPATTERN_SYMBOLS": "BTC,ETH,SOL",
        "CRYPTOPATTERN_AUTOMATION": "false",
    }
    if not os.environ.get(DATABASE_VARIABLE):
        own[DATABASE_VARIABLE] = "embedded"
    lines = [f"{name}='{value}'" for name, value in own.items()]
    (folder / "settings.env").write_text("\n".join(["# Written by the demo, anew each time.", *lines, ""]))
    os.environ[DATA_VARIABLE] = str(folder)
    demo = load_settings()
    if demo.database_url and not postgres.claim(
        demo.database_url, "cryptopattern's demo: simulated, of no real market"
    ):
        raise DemoError(
            f"{DATABASE_VARIABLE} names a database that holds other data; the demo would mix simulated prices into it. "
            "Unset the variable, or name an empty database"
        )
    return demo


def report(demo: Settings, console: Console) -> None:
    """Print what was read, the last hour's analyses, the last day's win rates, and where everything is."""
    store = TableStore(demo.store_root)

    def rows(schema: schemas.TableSchema, start: datetime = WINDOW.start) -> pd.DataFrame:
        return store.table(schema.name).read(start, WINDOW.end)

    console.rule("The sample: rendered screenshots, simulated market; of no real one")
    read = (schemas.CLASSIFIED_IMAGES, schemas.LIQUIDATION_READINGS, schemas.LIQUIDATION_LEVELS)
    console.print(_read_table(*map(rows, read)))
    quarantined = rows(schemas.QUARANTINED_SCREENSHOTS)
    for file, reason in quarantined[["file", "reason"]].itertuples(index=False):
        console.print(f"set aside: {file}: {reason}")
    rates = rows(schemas.WIN_RATES, WINDOW.end - _DAY)
    console.print()
    print_analyses(console, rows(schemas.SQUEEZE_ANALYSES, WINDOW.end - _HOUR), rates)
    console.print()
    print_events(console, rows(schemas.SQUEEZE_EVENTS, WINDOW.end - 30 * _DAY).tail(_EVENTS))
    console.print()
    console.print(win_rates_table(rates))
    home = demo.data.relative_to(PROJECT) if demo.data.is_relative_to(PROJECT) else demo.data
    url = hide_password(database_url(demo))
    console.print(f"Parquet  {demo.store_root}/<table>/date=<day>/<hour>.parquet", soft_wrap=True)
    console.print(f"Postgres psql '{url}'", soft_wrap=True)
    console.print("         tables serving.squeeze_analyses, serving.win_rates, …", soft_wrap=True)
    console.print(f"Pages    make serve DATA={home}   then http://127.0.0.1:5000", soft_wrap=True)
    console.print(f"UI       make up DATA={home}   then {address(demo)}", soft_wrap=True)
    console.print(
        "Tutorial docs/tutorial.md: from these tables to a win rate, and back to its screenshot", soft_wrap=True
    )


def _read_table(images: pd.DataFrame, readings: pd.DataFrame, levels: pd.DataFrame) -> Table:
    table = Table(
        "captured at", "type", "rows", "levels", "symbol", box=box.SIMPLE_HEAD,
        title="[bold not italic]What was read[/]", title_justify="left",
    )  # fmt: skip
    rows_of, levels_of = (frame.groupby("sha256").size() for frame in (readings, levels))
    for image in images.sort_values("captured_at").itertuples():
        table.add_row(
            f"{image.captured_at:%m-%d %H:%M}",
            image.image_type,
            str(rows_of.get(image.sha256, "")),
            str(levels_of.get(image.sha256, "")),
            "" if pd.isna(image.symbol) else image.symbol,
        )
    return table
