"""What is wrong with an installation, and the line that mends each thing: `cryptopattern doctor`.

What belongs here: looking, without changing or starting anything. What does not: how it is printed (`reporting.py`).
"""

import email.utils
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import dagster as dg
import httpx
import psycopg2

from cryptopattern_pipelines.automation.partitions import HOURLY
from cryptopattern_pipelines.automation.sensors import HOUR, MISSED_FOR_AT_MOST, SCHEDULE_HAS_RUN_AFTER, gaps
from cryptopattern_pipelines.local import is_up, prepare_home
from cryptopattern_pipelines.reading.ocr import TextEngineError, default_engine
from cryptopattern_pipelines.resources.alert_rules import AlertRules, AlertRulesError
from cryptopattern_pipelines.resources.database import database_url, hide_password
from cryptopattern_pipelines.resources.settings import DATABASE_VARIABLE, Settings
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.deliveries import deliveries_since
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from cryptopattern_pipelines.storage.parquet import TableStore

State = Literal["well", "warning", "wrong"]

# A year of 500 symbols is some 4 GB of Parquet; Postgres needs room for a publication beside it.
_LITTLE_SPACE, _NO_SPACE = 5 << 30, 1 << 30
# Signed requests are refused beyond a second or so; an hour's schedule bears more.
_CLOCK_WARNS_AFTER, _CLOCK_WRONG_AFTER = timedelta(seconds=5), timedelta(minutes=2)
# The longest hourly run on record takes minutes; a backfill of a year less than an hour.
_STUCK_AFTER = timedelta(hours=2)
_WAITS_TOO_LONG = timedelta(minutes=15)
_PATIENCE_SECONDS = 5.0
_TESSERACT = {"Linux": "sudo apt-get install tesseract-ocr", "Darwin": "brew install tesseract"}


@dataclass(frozen=True)
class Finding:
    """How one thing is: `said` in a line, and `mend` the line that mends it, '' where nothing needs to be."""

    name: str
    state: State
    said: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding for programs."""
        return asdict(self)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that an installation needs, one thing after the other; nothing is started or changed."""
    yield tesseract()
    yield disk(settings)
    yield _landing(settings)
    postgres = _postgres(settings)
    yield postgres
    yield from venues(settings)
    yield _automation(settings)
    if postgres.state == "well" and database_is_up(settings):
        yield _runs(settings)
    yield _hours(settings, datetime.now(UTC))
    yield _alerts(settings, asks=postgres.state == "well" and database_is_up(settings))


def tesseract() -> Finding:
    """Whether pictures can be read."""
    try:
        engine = default_engine()
    except TextEngineError as error:
        mend = _TESSERACT.get(platform.system(), "see https://tesseract-ocr.github.io/tessdoc/Installation.html")
        return Finding("Tesseract", "wrong", f"pictures can't be read: {error}", mend)
    return Finding("Tesseract", "well", f"reads by {engine.name}")


def disk(settings: Settings) -> Finding:
    """Whether the data folder can be written, and how much space is left."""
    there = next(folder for folder in (settings.data, *settings.data.parents) if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding(
            "disk", "wrong", f"can't write to {there}: {error.strerror}", f"sudo chown -R $(id -u) '{there}'"
        )
    free = shutil.disk_usage(there).free
    said = f"{free / 2**30:.1f} GB free for {settings.data}"
    if free >= _LITTLE_SPACE:
        return Finding("disk", "well", said)
    state: State = "wrong" if free < _NO_SPACE else "warning"
    return Finding("disk", state, said, "free some space, or set CRYPTOPATTERN_DATA to a folder on a larger disk")


def _landing(settings: Settings) -> Finding:
    folder = settings.landing_folder
    if not folder.is_dir():
        return Finding("landing folder", "warning", f"{folder} isn't there", f"mkdir -p '{folder}'")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding("landing folder", "wrong", f"{folder} can't be read", f"sudo chown -R $(id -u) '{folder}'")
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    aside = TableStore(settings.store_root).table("quarantined_screenshots").read(end - timedelta(days=7), end)
    if aside.empty:
        return Finding("landing folder", "well", str(folder))
    last = aside.iloc[-1]
    return Finding(
        "landing folder",
        "warning",
        f"{len(aside)} files of the last 7 days are no readable pictures; the last: {last['file']}: {last['reason']}",
        "take them out, or mend them; reasons are in the table quarantined_screenshots",
    )


def _postgres(settings: Settings) -> Finding:
    if settings.database_url is None:
        return _embedded(settings.postgres_folder)
    url, shown = settings.database_url, hide_password(settings.database_url)
    try:
        return Finding("Postgres", "well", f"{_told(url)} at {shown}")
    except psycopg2.OperationalError as error:
        said = f"{shown} can't be reached: {str(error).strip().splitlines()[0]}"
        return Finding("Postgres", "wrong", said, f"start that server, or set {DATABASE_VARIABLE}=embedded")


def _embedded(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("Postgres", "well", "embedded; made and started by the first command that needs it")
    server = EmbeddedPostgres(folder)
    try:
        status = server.status()
    except EmbeddedPostgresError as error:
        return Finding("Postgres", "wrong", str(error), "do what the message says")
    if status.state == "not answering":
        said = f"embedded, running but not answering; its log: {status.log}"
        return Finding("Postgres", "wrong", said, "make down && make up")
    stopped = "stopped; any command that needs it starts it"
    return Finding("Postgres", "well", f"embedded, {_told(server.url()) if status.running else stopped}")


def _told(url: str) -> str:
    """The server's version, and how many of its connections are taken.

    Raises:
        psycopg2.OperationalError: it can't be reached.
    """
    connection = psycopg2.connect(url, connect_timeout=int(_PATIENCE_SECONDS))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('max_connections'), count(*) "
                "FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            version, most, taken = cursor.fetchone()
    finally:
        connection.close()
    return f"PostgreSQL {version}, {taken} of {most} connections taken"


def database_is_up(settings: Settings) -> bool:
    """Whether the database can be asked without starting it."""
    return settings.database_url is not None or (
        settings.postgres_folder.exists() and EmbeddedPostgres(settings.postgres_folder).status().running
    )


def venues(settings: Settings) -> Iterator[Finding]:
    """Whether each address answers, and how far this machine's clock is from theirs."""
    asked: dict[str, str] = {}
    if settings.market_source != "live":
        if settings.archive.startswith(("http://", "https://")):
            asked["archive"] = settings.archive
        else:
            yield _archive_folder(settings)
    if settings.market_source != "archive":
        # Calls without weight: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
        asked |= {
            "Binance spot": f"{settings.binance_spot_url}/api/v3/ping",
            "Binance perpetual": f"{settings.binance_usdm_url}/fapi/v1/ping",
            "OKX": f"{settings.okx_url}/api/v5/public/time",
        }
    answers = [_reach(name, url) for name, url in asked.items()]
    # One venue that is away costs its rows; all of them cost the hour.
    none_answers = not any(skew is not None for _, skew in answers)
    for finding, _ in answers:
        yield replace(finding, state="wrong") if none_answers else finding
    skews = [skew for _, skew in answers if skew is not None]
    if skews:
        yield _clock(min(skews, key=abs))


def _archive_folder(settings: Settings) -> Finding:
    folder = Path(settings.archive) / "data"
    if folder.is_dir():
        return Finding("archive", "well", settings.archive)
    return Finding("archive", "wrong", f"no folder {folder}", "set CRYPTOPATTERN_ARCHIVE to the one that holds data/")


def _reach(name: str, url: str) -> tuple[Finding, timedelta | None]:
    """Whether an address answers, and this clock's lead over its own; None where it doesn't answer."""
    elsewhere = "check the network and its proxy; the others go on without it"
    try:
        response = httpx.get(url, timeout=_PATIENCE_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        return Finding(name, "warning", f"{url} does not answer ({type(error).__name__})", elsewhere), None
    now = datetime.now(UTC)
    took = response.elapsed.total_seconds()
    try:
        skew = now - email.utils.parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        skew = timedelta(0)  # a venue that tells no time says nothing against this clock
    if response.status_code == httpx.codes.UNAVAILABLE_FOR_LEGAL_REASONS:
        said = "is not available from this country (451)"
        return Finding(name, "warning", said, "use another network, or do without this venue"), skew
    if response.status_code in {403, 418, 429}:
        said = f"refuses this address for now ({response.status_code})"
        return Finding(name, "warning", said, "wait some minutes; ask for fewer symbols if it comes back"), skew
    if response.is_server_error:
        return Finding(name, "warning", f"is out of order ({response.status_code})", "wait: it is asked again"), skew
    return Finding(name, "well", f"answers in {1000 * took:.0f} ms"), skew


def _clock(skew: timedelta) -> Finding:
    seconds = abs(skew).total_seconds()
    if abs(skew) <= _CLOCK_WARNS_AFTER:
        return Finding("clock", "well", "agrees with the venues'")
    direction = "ahead of" if skew > timedelta(0) else "behind"
    state: State = "wrong" if abs(skew) > _CLOCK_WRONG_AFTER else "warning"
    return Finding("clock", state, f"is {seconds:.0f} s {direction} the venues'", "sudo timedatectl set-ntp true")


def _automation(settings: Settings) -> Finding:
    if is_up(settings):
        return Finding("UI and daemon", "well", f"up at port {settings.port}")
    return Finding("UI and daemon", "warning", "not up: nothing runs by itself", "make up")


def _runs(settings: Settings) -> Finding:
    """Runs that hang, or wait for a daemon, by Dagster's own records."""
    prepare_home(settings)
    now = datetime.now(UTC)
    with dg.DagsterInstance.get() as instance:
        going = instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
        )
        waiting = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    stuck = [r for r in going if now - r.create_timestamp > _STUCK_AFTER]
    late = [r for r in waiting if now - r.create_timestamp > _WAITS_TOO_LONG]
    if stuck:
        run = stuck[-1].dagster_run
        said = f"{len(stuck)} go on for more than {_STUCK_AFTER // HOUR} hours, the oldest: {run.job_name} {run.run_id}"
        return Finding("runs", "wrong", said, f"look at it in the UI, /runs/{run.run_id}, and terminate it there")
    if late:
        said = f"{len(late)} wait for longer than {_WAITS_TOO_LONG // timedelta(minutes=1)} minutes"
        return Finding("runs", "wrong", said, "make up (the daemon starts what waits)")
    return Finding("runs", "well", f"{len(going)} going, {len(waiting)} waiting")


def _hours(settings: Settings, now: datetime) -> Finding:
    """The hours that lack since the first of the last 29 days that is there."""
    due = (now - SCHEDULE_HAS_RUN_AFTER).replace(minute=0, second=0, microsecond=0)
    start = due - MISSED_FOR_AT_MOST
    present = TableStore(settings.store_root).table(schemas.SQUEEZE_ANALYSES.name).present(start, due)
    if not len(present):
        said = f"none of the last {MISSED_FOR_AT_MOST.days} days is filled"
        line = f"make up, or make backfill FROM={due - timedelta(days=1):%Y-%m-%d} TO={due:%Y-%m-%d}"
        return Finding("hours", "warning", said, line)
    first = gaps(present, due)
    if not first:
        return Finding("hours", "well", f"none is missing; the newest: {present.max():%Y-%m-%d %H:%M}")
    lacking = (due - present.min()) // HOUR - len(present)
    said = f"{lacking} are missing, from {', '.join(gap.strftime(HOURLY.fmt) for gap in first[:3])} on"
    # The end is not included, and the hours after a gap look back into it.
    line = f"make backfill FROM={first[0]:%Y-%m-%dT%H:%M} TO={due:%Y-%m-%dT%H:%M} (or wait: make up fills them)"
    return Finding("hours", "warning", said, line)


def _alerts(settings: Settings, *, asks: bool) -> Finding:
    """Whether the rules for alerts can be used, and what came of sending in the last two days."""
    rules = AlertRules.of(settings)
    try:
        book = rules.read()
    except AlertRulesError as error:
        return Finding("alerts", "wrong", str(error), f"mend it in {rules.file}; docs/alerts.md has an example")
    if not book.told:
        return Finding("alerts", "well", "no rules: nothing is sent")
    silent = [name for name, addresses in book.addresses.items() if not addresses]
    if silent:
        said = f"rule {silent[0]!r} has no address: nothing of it is sent"
        return Finding("alerts", "warning", said, "set CRYPTOPATTERN_NOTIFY, or `to` in the rule")
    if not asks:
        return Finding("alerts", "well", f"{len(book.rules)} rules")
    told = deliveries_since(database_url(settings), datetime.now(UTC) - timedelta(days=2))
    said = (
        f"{len(book.rules)} rules; of two days {told.sent} sent, {told.tried_again} tried again, "
        f"{told.given_up} given up"
    )
    if told.too_old:
        said += f", {told.too_old} too old when they were found"
    if told.tried_again or told.given_up:
        why = f"; the last failure: {told.last_error}" if told.last_error else ""
        look = "cryptopattern alerts --test; all of them are in serving.alert_deliveries"
        return Finding("alerts", "warning", said + why, look)
    return Finding("alerts", "well", said)
