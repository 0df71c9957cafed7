"""The command line: `cryptopattern …`. What belongs here is arguments and printing; the work is done elsewhere.

Heavy imports stand inside the commands, so that `cryptopattern read` starts without Dagster.
"""

import logging
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cryptopattern_pipelines.commands.alerts import alerts
from cryptopattern_pipelines.commands.analyze import analyze, batch
from cryptopattern_pipelines.commands.export import export
from cryptopattern_pipelines.commands.options import MOMENT
from cryptopattern_pipelines.commands.publish import publish
from cryptopattern_pipelines.commands.serve import api_key, code_location, serve, worker
from cryptopattern_pipelines.commands.status import status
from cryptopattern_pipelines.commands.trace import trace
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, SettingsError, load_settings

# Progress goes where it doesn't mix with what a program reads.
_PEOPLE = Console(stderr=True)


class _Program(click.Group):
    """A group whose commands tell a person in one line what went wrong outside of the program."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command; errors of the machine or the database become one line, all others are bugs and stay whole."""
        try:
            try:
                return super().invoke(context)
            except _errors_from_outside() as error:
                raise click.ClickException(_said(error)) from error
        except click.ClickException as error:
            if not _logs_as_json():
                raise
            command = context.invoked_subcommand
            logging.getLogger(__name__).error(error.format_message(), extra={"command": command})
            raise click.exceptions.Exit(error.exit_code) from error


def _said(error: Exception) -> str:
    """An error of the machine, the database or the market in one line."""
    from cryptopattern_pipelines.market.source import MarketError
    from cryptopattern_pipelines.storage.embedded import EmbeddedPostgresError

    said = str(error).strip().splitlines()[0]
    if isinstance(error, MarketError | EmbeddedPostgresError):  # whose words are ours
        return said
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {said}"


def _logs_as_json() -> bool:
    """Whether the settings say so; wrong ones are told as text."""
    try:
        return load_settings().log_format == "json"
    except SettingsError:
        return False


def _errors_from_outside() -> tuple[type[Exception], ...]:
    import psycopg2
    import sqlalchemy.exc

    from cryptopattern_pipelines.market.source import MarketError
    from cryptopattern_pipelines.storage.embedded import EmbeddedPostgresError

    return (OSError, psycopg2.OperationalError, sqlalchemy.exc.OperationalError, EmbeddedPostgresError, MarketError)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cryptopattern")
def main() -> None:
    """Liquidation screenshots and exchange data become squeeze analyses and honest win rates."""
    if _logs_as_json():
        from cryptopattern_pipelines import logs

        logs.set_up("json")


for _command in (alerts, analyze, batch, serve, api_key, code_location, worker, export, publish, status, trace):
    main.add_command(_command)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture, a line each.")
@click.option("--words", is_flag=True, help="With --json: every word that stands on the picture, too.")
@click.option(
    "--annotate",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies of the pictures with what was read drawn on them.",
)
def read(paths: tuple[Path, ...], as_json: bool, words: bool, annotate: Path | None) -> None:
    """Read pictures, or folders of them, without any database.

    Exit code 1 when a file could not be read, or is no picture; the others are.

    \b
    cryptopattern read chart.png
    cryptopattern read screenshots/ --json > readings.jsonl
    """
    from cryptopattern_pipelines.reading.annotate import write_annotated
    from cryptopattern_pipelines.reading.reading import read_paths, to_dict, to_json
    from cryptopattern_pipelines.reporting import print_reading

    unread = []
    for reading in read_paths(paths):
        if annotate is not None:
            write_annotated(reading, annotate)
        if as_json:
            click.echo(to_json(reading, words=words))
        else:
            print_reading(Console(), reading)
        if reading.unread:
            unread.append(f"{to_dict(reading)['file']}: {reading.error}")
    if unread:
        raise click.ClickException(f"{len(unread)} could not be read: {'; '.join(unread)}")


@main.command()
@click.option("--from", "start", required=True, type=MOMENT, help="First day or hour, UTC.")
@click.option("--to", "end", required=True, type=MOMENT, help="Day or hour before which to stop, not included, UTC.")
@click.option("--archive", help="Take the market from this archive: a folder, or a mirror's address.")
@click.option("--symbols", help="Coins, comma between; those of the settings otherwise.")
@click.option("--runs", type=click.IntRange(1), help="Cut the range into so many parts, for Dagster's workers to run.")
def backfill(start: datetime, end: datetime, archive: str | None, symbols: str | None, runs: int | None) -> None:
    """Fill a range of history: every hourly asset in one run, then every daily one in one run.

    With --runs each part of the range is a run of its own, which waits in the queue of Dagster's daemon until a worker
    takes it (docs/cluster.md). The rows are the same.

    \b
    cryptopattern backfill --from 2024-06-20 --to 2024-08-19 --archive ../archive
    cryptopattern backfill --from 2024-01-01 --to 2025-01-01 --runs 24
    """
    if runs is not None:
        if archive or symbols:
            raise click.UsageError("--runs: workers take the market and the symbols of their own settings: set those")
        _spread(load_settings(), start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), runs)
        return
    given: dict[str, Any] = {"market_source": "archive", "archive": archive} if archive else {}
    if symbols:
        given["symbols"] = symbols
    settings = load_settings(**given)
    _fill(settings, start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    _say_where(settings)


def _print_mappings(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from cryptopattern_pipelines.market.mapping import shipped

    for name, about in shipped().items():
        click.echo(f"{name}: {about}")
    context.exit()


@main.command("import", epilog="Mappings that ship: `cryptopattern import --mappings`. More: docs/market-import.md.")
@click.argument("table")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", help="Which column is which: a .toml file, or the name of one that ships.")
@click.option("--set", "constants", multiple=True, metavar="NAME=VALUE", help="A value that holds for every row.")
@click.option("--backfill", "then_backfill", is_flag=True, help="Then materialise the hours and days concerned again.")
@click.option("--mappings", is_flag=True, is_eager=True, expose_value=False, callback=_print_mappings,
              help="List the mappings that ship, and stop.")  # fmt: skip
def import_(
    table: str, files: tuple[Path, ...], mapping: str | None, constants: tuple[str, ...], then_backfill: bool
) -> None:
    """Take files of your own history, Parquet or CSV, into a market table.

    TABLE is market_candles, derivatives_metrics or realised_liquidations. Columns are known by the table's own names,
    or by a mapping. The rows are kept apart and fill what the market's source lacks, whenever an hour is materialised;
    the source's own values come first. The same file once more changes nothing. Rows that can't be taken are set
    aside in a file, with the reason.

    \b
    cryptopattern import market_candles candles.csv --set venue=kraken --set market=spot
    cryptopattern import derivatives_metrics oi_bybit_1h.parquet --mapping bybit-open-interest
    cryptopattern import realised_liquidations 2021/*.csv --mapping my-feed.toml --backfill
    """
    from cryptopattern_pipelines.importing import import_files, mapping_for, window_to_materialise
    from cryptopattern_pipelines.market.mapping import importable
    from cryptopattern_pipelines.storage.parquet import TableStore

    settings = load_settings()
    schema, values = importable(table), dict(map(_assignment, constants))
    store = TableStore(settings.store_root)
    found = import_files(store, files, lambda file: mapping_for(schema, file, mapping, values), _PEOPLE)
    for each in found:
        click.echo(f"{each.file}: {each.rows:,} rows taken, {each.taken.partitions:,} hours changed")
        if each.rejected:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in each.rejected.items())
            click.echo(f"  set aside: {reasons}; see {each.rejected_at}")
    window = window_to_materialise(found)
    if window is None:
        click.echo("nothing is new")
    elif then_backfill:
        _fill(settings, *window)
        _say_where(settings)
    else:
        start, end = (f"{at:%Y-%m-%d}" if at.hour == 0 else f"{at:%Y-%m-%dT%H:%M}" for at in window)
        click.echo(f"materialise again: cryptopattern backfill --from {start} --to {end}")
        first = min(each.first for each in found if each.first is not None)
        if first < window.start:
            click.echo(
                f"  or --from {first:%Y-%m-%d}, where the files begin, if an import of them was cut short before"
            )


def _assignment(text: str) -> tuple[str, str | float]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.UsageError(f"--set {text}: say NAME=VALUE, e.g. --set venue=binance")
    return name, float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value


@main.command()
@click.option("--from", "start", type=MOMENT, help="First day that is scored; else as early as can be.")
@click.option("--to", "end", type=MOMENT, help="Day before which to stop, not included, UTC; else today.")
@click.option("--archive", help="Compute from this archive, a folder or a mirror's address, instead of the store.")
@click.option("--symbols", help="With --archive: coins, comma between; those of the settings otherwise.")
@click.option(
    "--import",
    "imports",
    multiple=True,
    metavar="MAPPING=FILE",
    help="With --archive: a file that fills it up, with its mapping as of `cryptopattern import`.",
)
@click.option(
    "--out", default="walk-forward", type=click.Path(file_okay=False, path_type=Path), help="Folder to write."
)
def evaluate(  # noqa: PLR0917 (one argument an option)
    start: datetime | None,
    end: datetime | None,
    archive: str | None,
    symbols: str | None,
    imports: tuple[str, ...],
    out: Path,
) -> None:
    """Score forecasts and win rates on history, each hour by what was known then: Markdown, JSON and diagrams.

    \b
    cryptopattern evaluate --from 2022-01-01 --to 2025-07-01
    cryptopattern evaluate --archive ../archive --symbols BTC,ETH --import liquidations-daily=liquidations.parquet
    """
    from cryptopattern_pipelines import evaluating
    from cryptopattern_pipelines.automation.partitions import FIRST_DAY
    from cryptopattern_pipelines.market.symbols import parse
    from cryptopattern_pipelines.resources.analysis import Analysis
    from cryptopattern_pipelines.storage.parquet import TableStore

    def say(text: str) -> None:
        _PEOPLE.print(f"{text} …")

    given: dict[str, Any] = {"symbols": symbols} if symbols else {}
    settings = load_settings(**given)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = None if start is None else start.replace(tzinfo=UTC)
    last = today if end is None else min(end.replace(tzinfo=UTC), today)
    if first is not None and first >= last:
        raise click.UsageError(f"--from must be before --to, which is not included, and before {today:%Y-%m-%d}")
    if imports and archive is None:
        raise click.UsageError("--import fills an archive up: name it with --archive, or use `cryptopattern import`")
    say("reading the history")
    try:
        if archive is None:
            tables = evaluating.from_store(TableStore(settings.store_root), first or FIRST_DAY, last)
        else:
            files = [(name, Path(file)) for name, _, file in (each.partition("=") for each in imports)]
            coins = [parse(symbol).coin for symbol in settings.symbols]
            cache = settings.data / "archive"
            begin = first or FIRST_DAY
            tables = evaluating.from_archive(archive, cache, coins, files, begin, last, Analysis.of(settings).signals())
        report = evaluating.evaluate(tables, first, last, say, settings.learn_from)
    except evaluating.EvaluationError as error:
        raise click.ClickException(str(error)) from error
    written = evaluating.write_report(report, out)
    evaluating.print_report(report, Console())
    click.echo(f"written: {', '.join(str(file) for file in written)}")


@main.command()
@click.argument("symbol")
@click.option("--at", required=True, type=MOMENT, help="Hour whose end is compared, UTC.")
@click.option(
    "--timeframe",
    default="24h",
    type=click.Choice(["24h", "7d", "1m"]),
    help="How long outcomes are waited for: 1m is a month.",
)
@click.option("--count", default=30, type=click.IntRange(1, 200), help="Moments at most.")
@click.option("--days", default=1461, type=click.IntRange(60, 4000), help="How far back they may lie.")
def similar(symbol: str, at: datetime, timeframe: str, count: int, days: int) -> None:
    """Moments like this one, from the store: when a symbol's market looked most alike before, and what came after.

    \b
    cryptopattern similar BTC --at 2024-08-05T13:00
    """
    from cryptopattern_pipelines.asking import similar_moments
    from cryptopattern_pipelines.market.symbols import parse
    from cryptopattern_pipelines.reporting import print_similar
    from cryptopattern_pipelines.squeeze.similar import NoMomentError
    from cryptopattern_pipelines.storage.parquet import TableStore

    hour = at.replace(minute=0, tzinfo=UTC)
    store = TableStore(load_settings().store_root)
    coin = parse(symbol).coin
    try:
        found = similar_moments(store, coin, hour, timeframe=timeframe, count=count, days=days)
    except NoMomentError as error:
        raise click.ClickException(str(error)) from error
    print_similar(Console(), coin, hour, timeframe, found)


def _say_where(settings: Settings) -> None:
    """Where the rows are, and that a server was left running."""
    from cryptopattern_pipelines.resources.database import database_url, hide_password

    click.echo(f"Parquet:  {settings.store_root}")
    click.echo(f"Postgres: psql '{hide_password(database_url(settings))}', schema serving")
    click.echo(f"stop Postgres with: make down{_data_argument(settings)}")


def _data_argument(settings: Settings) -> str:
    """What a make target needs to mean these settings' data folder."""
    return "" if settings.data == PROJECT / "data" / "local" else f" DATA={settings.data}"


def _fill(settings: Settings, start: datetime, end: datetime, *, only_missing: bool = False) -> bool:
    """Fill the hours, then the days, then the forecasts of a range; whether there was anything to do."""
    import dagster as dg

    from cryptopattern_pipelines.automation.fill import fill_history, window_to_fill
    from cryptopattern_pipelines.definitions import build_definitions
    from cryptopattern_pipelines.local import prepare_home
    from cryptopattern_pipelines.storage.parquet import TableStore

    prepare_home(settings)
    hours = window_to_fill(start, end)
    store = TableStore(settings.store_root)
    with dg.DagsterInstance.get() as instance:
        return fill_history(build_definitions(settings), instance, store, hours, _PEOPLE, only_missing=only_missing)


def _spread(settings: Settings, start: datetime, end: datetime, runs: int) -> None:
    """Fill a range by runs that the daemon hands out."""
    import dagster as dg

    from cryptopattern_pipelines.automation.fill import window_to_fill
    from cryptopattern_pipelines.automation.spread import spread
    from cryptopattern_pipelines.local import prepare_home

    hours = window_to_fill(start, end)
    # Where Dagster's home is another one, as in a pod of its Helm chart, its dagster.yaml is not ours to write.
    if os.environ.get("DAGSTER_HOME", str(settings.dagster_home)) == str(settings.dagster_home):
        prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        if not any(status.healthy for status in instance.get_daemon_statuses(["QUEUED_RUN_COORDINATOR"]).values()):
            raise click.ClickException("Dagster's daemon is not up, which hands out runs: start it (make up)")
        spread(instance, hours, runs, _PEOPLE)


@main.command()
@click.option("--again", is_flag=True, help="Run everything once more, even if it is there.")
def demo(again: bool) -> None:
    """Run the bundled sample through every asset, and show what comes out.

    The sample is made by code of ours: rendered screenshots and a simulated market, not real ones.
    """
    from cryptopattern_pipelines import demo as sample

    settings = sample.settings()
    ran = _fill(settings, *sample.WINDOW, only_missing=not again)
    if not ran:
        _PEOPLE.print("everything is there already; nothing was run (--again runs it once more)")
    sample.report(settings, Console())


@main.command()
def up() -> None:
    """Open the Dagster UI, with schedules and sensors, in the background."""
    from cryptopattern_pipelines import local
    from cryptopattern_pipelines.resources.database import database_url, hide_password

    settings = load_settings()
    local.prepare_home(settings)
    database_url(settings)
    local.clear_orphaned_runs(settings)
    with _PEOPLE.status("starting the UI and the daemon …"):
        started = local.start_ui(settings)
    click.echo(f"{'up' if started else 'was up already'}: {local.address(settings)}")
    click.echo(f"put screenshots into {settings.landing_folder}")
    click.echo(f"SQL: psql '{hide_password(database_url(settings))}', schema serving")
    click.echo(f"stop with: make down{_data_argument(settings)}")


@main.command()
def down() -> None:
    """Stop the UI, the daemon and the embedded Postgres."""
    from cryptopattern_pipelines import local
    from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres

    settings = load_settings()
    stopped = local.stop_ui(settings)
    if settings.database_url is None and settings.postgres_folder.exists():
        EmbeddedPostgres(settings.postgres_folder).stop()
    click.echo("stopped" if stopped else "the UI was not up; Postgres is stopped")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding, a line each.")
def doctor(as_json: bool) -> None:
    """Look at everything that an installation needs, and print the line that mends what is wrong.

    Exit code 1 when something is wrong, 0 when all is well or a warning at most. Nothing is started or changed.

    \b
    cryptopattern doctor
    cryptopattern doctor --json | jq 'select(.state != "well")'
    """
    import json

    from cryptopattern_pipelines.doctor import examine
    from cryptopattern_pipelines.reporting import print_finding

    settings, console, wrong = load_settings(), Console(), False
    for finding in examine(settings):
        wrong |= finding.state == "wrong"
        if as_json:
            click.echo(json.dumps(finding.as_dict()))
        else:
            print_finding(console, finding)
    if wrong:
        raise click.exceptions.Exit(1)


@main.command()
def env() -> None:
    """Print what a shell needs for Dagster's own tools: eval "$(cryptopattern env)"."""
    from cryptopattern_pipelines.local import prepare_home

    settings = load_settings()
    home = prepare_home(settings)
    for name, value in (("DAGSTER_HOME", home), ("CRYPTOPATTERN_DATA", settings.data)):
        click.echo(f"export {name}={shlex.quote(str(value))}")
