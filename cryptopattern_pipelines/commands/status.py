"""`cryptopattern status`: what is filled, up to which hour, what ran last, and what came of alerts."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console

from cryptopattern_pipelines.resources.settings import Settings, load_settings

_DAYS = 29
_RUNS = 5


@dataclass(frozen=True)
class _Filled:
    """How a table stands in the last days: partitions that are there, those that are over, and the newest."""

    table: str
    partition: str
    filled: int
    over: int
    newest: str | None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(as_json: bool) -> None:
    """Say what of the last 29 days is filled, the newest hour, how the last runs ended, and what came of alerts.

    Nothing is started or changed. Whether anything is wrong: cryptopattern doctor.

    \b
    cryptopattern status
    cryptopattern status --json | jq .newest_hour
    """
    settings = load_settings()
    tables, runs, alerts = _filled(settings), _runs(settings), _alerts(settings)
    newest = max((table.newest for table in tables if table.partition == "hour" and table.newest), default=None)
    if as_json:
        told = {"newest_hour": newest, "tables": [asdict(table) for table in tables], "runs": runs, "alerts": alerts}
        click.echo(json.dumps(told))
        return
    _print(Console(), settings, tables, newest, runs)
    if alerts is not None:
        click.echo(_in_words(alerts))


def _filled(settings: Settings) -> list[_Filled]:
    from cryptopattern_pipelines.storage.parquet import TableStore
    from cryptopattern_pipelines.storage.schemas import TABLES

    store, found = TableStore(settings.store_root), []
    now = datetime.now(UTC)
    for table in TABLES.values():
        end = now.replace(minute=0, second=0, microsecond=0)
        end = end if table.partition == "hour" else end.replace(hour=0)
        start = end - timedelta(days=_DAYS)
        there = store.table(table.name).present(start, end)
        length = timedelta(hours=1) if table.partition == "hour" else timedelta(days=1)
        newest = there.max() if len(there) else _newest_folder(settings, table.name)
        told = (
            None
            if newest is None
            else f"{newest:%Y-%m-%d %H:%M}"
            if table.partition == "hour"
            else f"{newest:%Y-%m-%d}"
        )
        found.append(_Filled(table.name, table.partition, len(there), (end - start) // length, told))
    return found


def _newest_folder(settings: Settings, name: str) -> datetime | None:
    """The newest partition of a table that has none in the last days."""
    from cryptopattern_pipelines.storage.parquet import TableStore

    table = TableStore(settings.store_root).table(name)
    for day in reversed(table.days()):
        there = table.present(day, day + timedelta(days=1))
        if len(there):
            newest: datetime = there.max()
            return newest
    return None


def _runs(settings: Settings) -> list[dict[str, Any]]:
    """The last runs by Dagster's records; none where its database isn't up."""
    import dagster as dg

    from cryptopattern_pipelines.automation.partitions import partitions_told
    from cryptopattern_pipelines.doctor import database_is_up
    from cryptopattern_pipelines.local import prepare_home

    if not database_is_up(settings):
        return []
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        return [
            {
                "job": record.dagster_run.job_name,
                "partitions": partitions_told(record.dagster_run.tags),
                "status": record.dagster_run.status.value,
                "began": record.create_timestamp.astimezone(UTC).isoformat(timespec="seconds"),
                "run_id": record.dagster_run.run_id,
            }
            for record in instance.get_run_records(limit=_RUNS)
        ]


def _alerts(settings: Settings) -> dict[str, Any] | None:
    """What came of sending alerts of the last days; None where the database isn't up."""
    from cryptopattern_pipelines.doctor import database_is_up
    from cryptopattern_pipelines.resources.database import database_url
    from cryptopattern_pipelines.storage.deliveries import deliveries_since

    if not database_is_up(settings):
        return None
    found = asdict(deliveries_since(database_url(settings), datetime.now(UTC) - timedelta(days=_DAYS)))
    newest = found["newest_sent_at"]
    return {**found, "newest_sent_at": newest and newest.astimezone(UTC).isoformat(timespec="seconds")}


def _in_words(alerts: dict[str, Any]) -> str:
    newest = f", the newest {alerts['newest_sent_at']}" if alerts["newest_sent_at"] else ""
    late = f", {alerts['too_old']} were too old when they were found" if alerts["too_old"] else ""
    failure = f"; the last failure: {alerts['last_error']}" if alerts["last_error"] else ""
    return (
        f"alerts of {_DAYS} days: {alerts['sent']} sent{newest}; {alerts['waiting']} wait, "
        f"{alerts['tried_again']} are tried again, {alerts['given_up']} were given up{late}{failure}"
    )


def _print(
    console: Console, settings: Settings, tables: list[_Filled], newest: str | None, runs: list[dict[str, Any]]
) -> None:
    from rich import box
    from rich.table import Table

    console.print(f"data: {settings.data}; newest hour: {newest or 'none yet'}", highlight=False, soft_wrap=True)
    shown = Table("table", f"filled in {_DAYS} days", "newest", box=box.SIMPLE_HEAD, pad_edge=False)
    for table in tables:
        unit = "hours" if table.partition == "hour" else "days"
        shown.add_row(table.table, f"{table.filled:,} of {table.over:,} {unit}", table.newest or "")
    console.print(shown)
    if not runs:
        console.print("no runs are known (or the database is down: nothing is started to ask it)")
    for run in runs:
        console.print(f"{run['began']}  {run['status']:<9} {run['job']} {run['partitions']}", highlight=False)
