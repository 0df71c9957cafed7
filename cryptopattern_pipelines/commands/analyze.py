"""`cryptopattern analyze` and `batch`: what the REST interface's `analyze` does, without a service."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from cryptopattern_pipelines.resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from cryptopattern_pipelines.api.analysis import Analyst

_PICTURES = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEEP = click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    help="Whether the pictures go into the landing folder, for the next run.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a symbol, a line each.")


@click.command()
@click.argument("symbol")
@click.argument("pictures", nargs=-1, required=True, type=_PICTURES)
@_KEEP
@_JSON
def analyze(symbol: str, pictures: tuple[Path, ...], keep: bool, as_json: bool) -> None:
    """Read PICTURES now, and analyse SYMBOL with them and the newest market data.

    \b
    cryptopattern analyze BTC shot1.png shot2.png
    cryptopattern analyze ETH chart.png --json | jq .squeeze_analysis
    """
    coin = _coin(symbol)
    with _analyst(load_settings()) as analyst:
        _show(_one(analyst, coin, pictures, keep=keep), as_json=as_json)


@click.command()
@click.option("--symbols", required=True, help="Coins, comma between.")
@click.option(
    "--data-dir",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures: DIR/BTC/… are BTC's, those in DIR itself everyone's.",
)
@_KEEP
@_JSON
def batch(symbols: str, data_dir: Path, keep: bool, as_json: bool) -> None:
    """Analyse many symbols, each with its pictures of a folder.

    Exit code 1 when a symbol could not be analysed; the others are.

    \b
    cryptopattern batch --symbols BTC,ETH,ADA --data-dir screenshots/
    """
    from rich.progress import track

    settings, failed = load_settings(), []
    coins = dict.fromkeys(_coin(name) for name in symbols.split(",") if name.strip())
    if not coins:
        raise click.UsageError("--symbols names no coin: give some, e.g. --symbols BTC,ETH")
    work = {coin: _pictures_of(coin, data_dir, settings) for coin in coins}
    if not any(work.values()):
        raise click.UsageError(f"no pictures in {data_dir}, nor in {', '.join(f'{data_dir / coin}' for coin in coins)}")
    with _analyst(settings) as analyst:
        for coin, pictures in track(work.items(), "analysing …", console=Console(stderr=True), transient=True):
            if not pictures:
                failed.append(f"{coin}: no pictures in {data_dir / coin}")
                continue
            try:
                _show(_one(analyst, coin, pictures, keep=keep), as_json=as_json)
            except click.ClickException as error:
                failed.append(f"{coin}: {error.message}")
    for told in failed:
        click.echo(told, err=True)
    if failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _analyst(settings: Settings) -> Iterator["Analyst"]:
    from cryptopattern_pipelines.api.services import Services

    services = Services.of(settings)
    try:
        yield services.analyst
    finally:
        services.close()


def _one(analyst: "Analyst", coin: str, pictures: Sequence[Path], *, keep: bool) -> dict[str, Any]:
    from cryptopattern_pipelines.api.errors import ApiError
    from cryptopattern_pipelines.api.pictures import from_file

    try:
        return analyst.analyze(coin, [from_file(picture) for picture in pictures], keep=keep)
    except ApiError as error:
        raise click.ClickException(error.detail) from None


def _coin(name: str) -> str:
    from cryptopattern_pipelines.market.source import SymbolError
    from cryptopattern_pipelines.market.symbols import parse

    try:
        return parse(name).coin
    except SymbolError as error:
        raise click.UsageError(str(error)) from None


def _pictures_of(coin: str, folder: Path, settings: Settings) -> list[Path]:
    """A coin's own pictures, and those in the folder itself, by name."""
    endings = {f".{ending}" for ending in settings.allowed_extensions}
    own = [place for place in folder.iterdir() if place.is_dir() and place.name.upper() == coin]
    files = sorted(file for place in (*own, folder) for file in place.iterdir() if file.is_file())
    return [file for file in files if file.suffix.lower() in endings and not file.name.startswith(".")]


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    import pandas as pd

    from cryptopattern_pipelines.reporting import print_analyses, win_rates_table
    from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES, WIN_RATES

    console = Console()
    rates = pd.DataFrame(answer["win_rates"], columns=WIN_RATES.names)
    rates["day"] = pd.to_datetime(rates["day"], utc=True)
    for reading in answer["readings"]:
        kept = ", kept" if reading["kept"] else ""
        console.print(
            f"{reading['file']}: {reading['image_type']}, taken {reading['captured_at']}{kept}", highlight=False
        )
    if answer["squeeze_analysis"] is not None:
        analysis = pd.DataFrame([answer["squeeze_analysis"]], columns=SQUEEZE_ANALYSES.names)
        analysis["hour"] = pd.to_datetime(analysis["hour"], utc=True)
        print_analyses(console, analysis, rates)
    for note in answer["notes"]:
        console.print(f"[yellow]{note}[/]", highlight=False, soft_wrap=True)
    if len(rates):
        console.print(win_rates_table(rates))
