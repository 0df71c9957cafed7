"""`analyze`, `batch`, `code-location`, `export`, `publish` and `status` as a person or a program meets them."""

import io
import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from dagster._core.test_utils import create_run_for_test
from PIL import Image

from cryptopattern_pipelines import local
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.deliveries import DeliveryLog
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.postgres import migrate

DAY = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_database: Callable[[], str]) -> Path:
    """A data folder and a database of the test's own."""
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", fresh_database())
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def picture(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 50 + len(file.name)), (20, 20, 20)).save(file)
    return file


def fill(folder: Path) -> pd.DataFrame:
    """Two rows of quarantined screenshots, in hours that lie nine days apart."""
    table = TableStore(folder / "data" / "store").table("quarantined_screenshots")
    for number, at in enumerate((DAY, DAY + timedelta(days=9))):
        row = {"hour": at, "sha256": f"{number:064x}", "captured_at": at, "file": f"a,{number}.png", "size_bytes": 5}
        frame = schemas.QUARANTINED_SCREENSHOTS.conform(pd.DataFrame([{**row, "reason": "not a picture"}]))
        table.write(frame, at, at + HOUR)
    return table.read(DAY, DAY + timedelta(days=10))


def test_analyze_reads_and_keeps_and_says_what_lacks(folder: Path) -> None:
    chart = picture(folder / "2025-03-01_12-00-00.png")
    done = run("analyze", "btcusdt", chart, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["symbol"] == "BTC"
    assert told["readings"][0]["captured_at"] == "2025-03-01T12:00:00+00:00"
    assert "no market data" in told["notes"][0]
    [kept] = (folder / "data" / "landing" / "BTC").iterdir()
    assert kept.read_bytes() == chart.read_bytes()
    shown = run("analyze", "BTC", chart, "--no-keep")
    assert "2025-03-01_12-00-00.png: unknown" in shown.stdout


def test_batch_gives_each_symbol_its_own_pictures_and_fails_when_one_has_none(folder: Path) -> None:
    picture(folder / "shots" / "BTC" / "one.png")
    picture(folder / "shots" / "eth" / "another.png")
    done = run("batch", "--symbols", "BTC,ETH", "--data-dir", folder / "shots", "--json", "--no-keep")
    assert done.exit_code == 0, done.output
    told = {row["symbol"]: [x["file"] for x in row["readings"]] for row in map(json.loads, done.stdout.splitlines())}
    assert told == {"BTC": ["one.png"], "ETH": ["another.png"]}
    assert not (folder / "data" / "landing").exists()
    lacking = run("batch", "--symbols", "BTC,ADA", "--data-dir", folder / "shots", "--json", "--no-keep")
    assert lacking.exit_code == 1
    assert "ADA: no pictures" in lacking.stderr
    assert json.loads(lacking.stdout)["symbol"] == "BTC"


def test_export_writes_exactly_the_rows_of_the_range(folder: Path) -> None:
    rows = fill(folder)
    where = folder / "out.parquet"
    asked = ("export", "quarantined_screenshots", "--from", "2025-03-01", "--to", "2025-03-11")
    done = run(*asked, "-o", where)
    assert done.exit_code == 0, done.output
    assert "2 rows" in done.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(where).convert_dtypes(), rows.convert_dtypes())
    text = run(*asked, "--format", "csv").stdout
    read = pd.read_csv(io.StringIO(text))
    assert read["file"].tolist() == ["a,0.png", "a,1.png"]
    assert read["hour"].tolist() == ["2025-03-01T00:00:00+00:00", "2025-03-10T00:00:00+00:00"]
    part = run("export", "quarantined_screenshots", "--from", "2025-03-01", "--to", "2025-03-01T01:00").stdout
    assert len(part.splitlines()) == 2
    none = run("export", "quarantined_screenshots", "--from", "2024-03-01", "--to", "2024-03-02").stdout
    assert none.splitlines() == [",".join(schemas.QUARANTINED_SCREENSHOTS.names)]


def test_status_says_what_is_filled_and_up_to_when(folder: Path) -> None:
    empty = json.loads(run("status", "--json").stdout)
    assert empty["newest_hour"] is None
    fill(folder)
    told = json.loads(run("status", "--json").stdout)
    assert told["newest_hour"] == "2025-03-10 00:00"
    tables = {table["table"]: table for table in told["tables"]}
    assert set(tables) == set(schemas.TABLES)
    assert tables["quarantined_screenshots"]["newest"] == "2025-03-10 00:00"
    assert tables["win_rates"] == {
        "table": "win_rates", "partition": "day", "filled": 0, "over": 29, "newest": None
    }  # fmt: skip
    shown = run("status")
    assert shown.exit_code == 0
    assert "newest hour: 2025-03-10 00:00" in shown.stdout


def test_status_says_what_came_of_alerts(folder: Path) -> None:
    assert folder.is_dir()
    url, now = os.environ["CRYPTOPATTERN_DATABASE_URL"], datetime.now(UTC).replace(microsecond=0)
    nothing = {
        "waiting": 0, "tried_again": 0, "sent": 0, "given_up": 0, "too_old": 0, "newest_sent_at": None,
        "last_error": None,
    }  # fmt: skip
    assert json.loads(run("status", "--json").stdout)["alerts"] == nothing
    migrate(url)
    with DeliveryLog.held(url) as log:
        assert log is not None
        for symbol in ("ADA", "BTC", "ETH", "SOL", "XRP"):
            log.queue((now - HOUR, "r", symbol, "SHORT_SQUEEZE"), "JSON 1", now)
        ada, btc, eth, _, xrp = log.due(now)
        log.note(xrp, "TOO_OLD", last_error="older than 3 hours when it was found")
        log.note(ada, "SENT", sent_at=now, last_error=None)
        log.note(btc, "FAILED", last_error="answered 500")
        log.note(eth, "GIVEN_UP", last_error="answered 500")
    told = json.loads(run("status", "--json").stdout)["alerts"]
    assert told == {
        "waiting": 1, "tried_again": 1, "sent": 1, "given_up": 1, "too_old": 1,
        "newest_sent_at": now.isoformat(), "last_error": "answered 500",
    }  # fmt: skip
    line = run("status").stdout.splitlines()[-1]
    assert line == (
        f"alerts of 29 days: 1 sent, the newest {now.isoformat()}; 1 wait, 1 are tried again, 1 were given up, "
        "1 were too old when they were found; "
        "the last failure: answered 500"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["analyze", "BTC", "nowhere.png"], "nowhere.png"),
        (["analyze", "BTC/EUR", __file__], "BTC/EUR"),
        (["batch", "--symbols", "BTC", "--data-dir", "nowhere"], "nowhere"),
        (["export", "no_table", "--from", "2025-01-01", "--to", "2025-01-02"], "no_table"),
        (["export", "win_rates", "--from", "2025-01-02", "--to", "2025-01-01"], "--from"),
        (["export", "win_rates", "--from", "2025-01-01T05:00", "--to", "2025-01-02"], "a row a day"),
        (["export", "win_rates", "--from", "2025-01-01", "--to", "2025-01-02", "-o", "/none/such/a.csv"], "/none/such"),
        (["batch", "--symbols", ",", "--data-dir", "."], "names no coin"),
        (["evaluate", "--from", "2025-01-02", "--to", "2025-01-01"], "--from must be before --to"),
        (["evaluate", "--import", "mapping=file"], "--archive"),
        (["evaluate", "--archive", "/none/such"], "Error: the archive's folder /none/such is not there"),
        (["similar", "BTC/EUR", "--at", "2025-01-01"], "Error: 'BTC/EUR' is not quoted in dollars"),
        (["import", "no_table", __file__], "Error: no_table is no table"),
        (["serve", "--host", "0.0.0.0"], "api-key"),
        (["serve", "--port", "0"], "--port"),
        (["api-key", "a name"], "'a name' is no name of a key"),
    ],
)
def test_wrong_input_is_refused_in_one_line_that_names_it(folder: Path, arguments: list[str], told: str) -> None:
    assert folder.is_dir()
    done = run(*arguments)
    assert done.exit_code != 0
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert told in line


def test_a_port_in_use_is_told_in_one_line_and_no_address_is_promised(folder: Path) -> None:
    assert folder.is_dir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert done.exit_code == 1
    assert done.stderr == f"Error: port {port} is in use: stop what uses it, or name another one with --port\n"


def test_a_file_that_is_no_picture_is_told_in_one_line(folder: Path) -> None:
    file = folder / "text.png"
    file.write_text("no picture")
    done = run("analyze", "BTC", file)
    assert done.exit_code == 1
    assert "not a PNG" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["analyze", "batch", "serve", "alerts", "export", "status", "api-key"])
def test_help_shows_examples(command: str) -> None:
    assert f"cryptopattern {command}" in run(command, "--help").stdout


def test_publish_makes_the_database_anew_from_the_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    done = run("publish")
    assert done.exit_code == 0, done.output
    told = dict(line.split(": ") for line in done.stdout.splitlines())
    assert told.pop("quarantined_screenshots") == "2 rows"
    assert set(told.values()) == {"0 rows"}
    again = run("publish", "quarantined_screenshots")
    assert again.stdout == "quarantined_screenshots: 2 rows\n"
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(folder / "mistyped"))
    other = run("publish")
    assert other.exit_code == 1
    assert "has no file of quarantined_screenshots, of which Postgres has rows" in other.stderr
    assert "quarantined_screenshots: 0 rows" in run("publish", "quarantined_screenshots", "--empty-too").stdout
    wrong = run("publish", "screenshots")
    assert wrong.exit_code == 2
    assert "no table screenshots: there are raw_screenshots" in wrong.stderr


def test_code_location_ends_runs_that_died_with_it_and_becomes_dagsters_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, arguments: became.append([str(program), *arguments[1:]]))
    local.prepare_home(load_settings())
    with dg.DagsterInstance.get() as instance:
        dead = create_run_for_test(instance, "hourly", status=dg.DagsterRunStatus.STARTED).run_id
    done = run("code-location", "--port", "4321")
    assert done.exit_code == 0, done.output
    assert "1 runs had been cut off" in done.stderr
    with dg.DagsterInstance.get() as instance:
        ended = instance.get_run_by_id(dead)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE
    [[program, *arguments]] = became
    assert Path(program).is_file()
    assert arguments[:2] == ["api", "grpc"]
    assert arguments[4:6] == ["--port", "4321"]
