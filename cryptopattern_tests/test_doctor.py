"""What the doctor says of installations that are well, and of such that lack something."""

import json
import platform
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from cryptopattern_pipelines import doctor
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.doctor import Finding, examine
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.reading.ocr import TextEngineError
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.storage.deliveries import DeliveryLog
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.postgres import migrate
from cryptopattern_tests.replay import Reply, Server, as_json, serving

HOUR = timedelta(hours=1)
PING = "/api/v3/ping"
# Where a waiting run's job is found; Dagster keeps none without it.
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cryptopattern"), "__repository__"), "hourly"
)


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation of the test's own, whose venues are nowhere."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "embedded")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CRYPTOPATTERN_PORT", str(probe.getsockname()[1]))
    for name in ("BINANCE_SPOT", "BINANCE_USDM", "OKX"):
        monkeypatch.setenv(f"CRYPTOPATTERN_{name}_URL", "http://127.0.0.1:1")
    (tmp_path / "landing").mkdir()
    return load_settings()


def found(settings: Settings, name: str) -> Finding:
    return next(finding for finding in examine(settings) if finding.name == name)


def fill(settings: Settings, start: datetime, end: datetime) -> None:
    table = TableStore(settings.store_root).table("squeeze_analyses")
    table.write(pd.DataFrame(), start, end)


def test_a_fresh_installation_is_told_what_to_do_and_nothing_is_started(settings: Settings) -> None:
    before = sorted(settings.data.rglob("*"))
    findings = {finding.name: finding for finding in examine(settings)}
    assert findings["Postgres"].state == "well"
    assert findings["hours"].mend.startswith("make up")
    assert findings["UI and daemon"].mend == "make up"
    assert sorted(settings.data.rglob("*")) == before
    for finding in findings.values():
        assert (finding.state == "well") == (finding.mend == ""), finding


def test_a_missing_engine_is_told_with_the_line_that_brings_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise TextEngineError("no Tesseract here")

    monkeypatch.setattr(doctor, "default_engine", none)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    finding = found(settings, "Tesseract")
    assert (finding.state, finding.mend) == ("wrong", "sudo apt-get install tesseract-ocr")
    assert "no Tesseract here" in finding.said


def test_a_server_that_is_not_there_is_told_without_its_password(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://me:secret@127.0.0.1:1/x"})
    finding = found(away, "Postgres")
    assert finding.state == "wrong"
    assert "secret" not in str(finding)
    assert "CRYPTOPATTERN_DATABASE_URL" in finding.mend


@pytest.mark.parametrize(("free", "state"), [(10 << 30, "well"), (2 << 30, "warning"), (1 << 20, "wrong")])
def test_a_disk_that_fills_up_is_told_in_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert found(settings, "disk").state == state


def with_venues(settings: Settings, server: Server) -> Settings:
    urls = ("binance_spot_url", "binance_usdm_url", "okx_url")
    return settings.model_copy(update=dict.fromkeys(urls, server.url))


def test_venues_that_are_away_cost_the_hour_only_when_all_are(settings: Settings) -> None:
    with serving(lambda path, query: as_json({})) as server:
        venues = with_venues(settings, server)
        assert found(venues, "Binance spot").state == "well"
        one_away = venues.model_copy(update={"okx_url": "http://127.0.0.1:1"})
        assert found(one_away, "OKX").state == "warning"
    assert found(settings, "OKX").state == "wrong"


@pytest.mark.parametrize(
    ("status", "told"), [(451, "country"), (418, "refuses"), (429, "refuses"), (403, "refuses"), (503, "out of order")]
)
def test_a_venue_s_refusal_is_told_by_what_it_means(settings: Settings, status: int, told: str) -> None:
    with serving(lambda path, query: as_json({})) as server:
        server.faults[PING] = [Reply(b"", status)]
        finding = found(with_venues(settings, server), "Binance spot")
    assert finding.state == "warning"
    assert told in finding.said


@pytest.mark.parametrize(
    ("ahead", "state", "told"),
    [(0, "well", "agrees"), (30, "warning", "30 s ahead"), (-3600, "wrong", "s behind")],
)
def test_a_clock_that_runs_wrong_is_told(settings: Settings, ahead: int, state: str, told: str) -> None:
    with serving(lambda path, query: as_json({})) as server:
        server.now = pd.Timestamp.now("UTC") - pd.Timedelta(seconds=ahead)
        finding = found(with_venues(settings, server), "clock")
    assert finding.state == state
    # Answers bear whole seconds.
    assert told in finding.said.replace("31 s", "30 s").replace("29 s", "30 s")


def test_the_archive_and_the_venues_are_asked_as_the_source_needs_them(settings: Settings, tmp_path: Path) -> None:
    def findings(source: str) -> dict[str, str]:
        chosen = settings.model_copy(update={"market_source": source, "archive": str(tmp_path / "archive")})
        return {it.name: it.state for it in examine(chosen) if it.name in ("archive", "Binance spot")}

    assert findings("archive") == {"archive": "wrong"}
    (tmp_path / "archive" / "data").mkdir(parents=True)
    assert findings("archive") == {"archive": "well"}
    assert findings("live") == {"Binance spot": "wrong"}
    assert findings("archive+live") == {"archive": "well", "Binance spot": "wrong"}


def test_missing_hours_are_told_with_the_command_that_fills_them(settings: Settings) -> None:
    now = this_hour()
    fill(settings, now - 10 * HOUR, now - 6 * HOUR)
    fill(settings, now - 4 * HOUR, now)
    finding = found(settings, "hours")
    assert finding.said.startswith("2 are missing")
    assert f"FROM={now - 6 * HOUR:%Y-%m-%dT%H:%M}" in finding.mend
    fill(settings, now - 6 * HOUR, now - 4 * HOUR)
    assert found(settings, "hours").state == "well"


def test_pictures_that_were_set_aside_are_told_with_the_reason(settings: Settings) -> None:
    hour = this_hour() - HOUR
    row = {
        "hour": hour, "sha256": "0" * 64, "captured_at": hour, "file": "a.png", "size_bytes": 1, "reason": "truncated",
    }  # fmt: skip
    TableStore(settings.store_root).table("quarantined_screenshots").write([row], hour, hour + HOUR)
    assert "a.png: truncated" in found(settings, "landing folder").said


@pytest.mark.parametrize(
    ("status", "told"),
    [(dg.DagsterRunStatus.STARTED, "go on for more than"), (dg.DagsterRunStatus.QUEUED, "wait for longer than")],
)
def test_runs_that_hang_are_told(
    settings: Settings,
    fresh_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    status: dg.DagsterRunStatus,
    told: str,
) -> None:
    url = fresh_database()
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", url)
    settings = load_settings()
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        create_run_for_test(instance, "hourly", status=status, remote_job_origin=ORIGIN)
    assert found(settings, "runs").state == "well"
    for name in ("_STUCK_AFTER", "_WAITS_TOO_LONG"):
        monkeypatch.setattr(doctor, name, timedelta(0))
    finding = found(settings, "runs")
    assert finding.state == "wrong"
    assert told in finding.said


def rules(settings: Settings, text: str) -> None:
    (settings.data / "alerts.toml").write_text(text)


def test_rules_for_alerts_that_nobody_hears_of_are_told(settings: Settings) -> None:
    assert found(settings, "alerts").said == "no rules: nothing is sent"
    rules(settings, '[[rule]]\nname = "r"\nseverity = "HUGE"')
    finding = found(settings, "alerts")
    assert finding.state == "wrong"
    assert "rule 'r': severity" in finding.said
    rules(settings, '[[rule]]\nname = "r"')
    finding = found(settings, "alerts")
    assert finding.state == "warning"
    assert "CRYPTOPATTERN_NOTIFY" in finding.mend
    rules(settings, '[[rule]]\nname = "r"\nto = "json://127.0.0.1:9/secret"')
    assert found(settings, "alerts") == Finding("alerts", "well", "1 rules")


@pytest.mark.parametrize(
    ("status", "error", "state", "told"),
    [
        ("SENT", None, "well", "1 sent, 0 tried again, 0 given up"),
        ("FAILED", "answered 500", "warning", "0 sent, 1 tried again, 0 given up; the last failure: answered 500"),
        ("SENDING", None, "warning", "0 sent, 1 tried again, 0 given up"),
        ("GIVEN_UP", "older than 3 hours", "warning", "1 given up; the last failure: older than 3 hours"),
    ],
)
def test_what_came_of_alerts_is_told(  # noqa: PLR0917 (fixtures and a case)
    settings: Settings, fresh_database: Callable[[], str], status: str, error: str | None, state: str, told: str
) -> None:
    url = fresh_database()
    with_server = settings.model_copy(update={"database_url": url})
    rules(settings, '[[rule]]\nname = "r"\nto = "json://127.0.0.1:9"')
    assert found(with_server, "alerts").state == "well"  # no such table yet
    migrate(url)
    with DeliveryLog.held(url) as log:
        assert log is not None
        log.queue((this_hour(), "r", "BTC", "SHORT_SQUEEZE"), "JSON 1", datetime.now(UTC))
        assert found(with_server, "alerts").state == "well"
        [delivery] = log.due(datetime.now(UTC))
        log.note(delivery, status, last_error=error)
    finding = found(with_server, "alerts")
    assert finding.state == state
    assert finding.said.endswith(told)


def test_the_exit_code_says_whether_something_is_wrong(settings: Settings) -> None:
    done = CliRunner().invoke(main, ["doctor", "--json"])
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"name", "state", "said", "mend"} == set(findings[0])
    assert done.exit_code == 1
    with serving(lambda path, query: as_json({})) as server:
        environment = {f"CRYPTOPATTERN_{name}_URL": server.url for name in ("BINANCE_SPOT", "BINANCE_USDM", "OKX")}
        assert CliRunner().invoke(main, ["doctor"], env=environment).exit_code == 0
