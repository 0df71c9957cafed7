"""The command line as a person or a program meets it."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres

LANDING = PROJECT / "data" / "samples" / "landing"
PROGRAM = str(Path(sys.executable).with_name("cryptopattern"))
# The contract that programs and the scoring rely on, in its order.
KEYS = [
    "file", "sha256", "image_type", "confidence", "title", "symbol", "venue", "timeframe", "leverage",
    "current_price", "chart_time", "readings", "levels", "metrics", "error",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of the test's own; a server that a command has started in it is stopped again."""
    data = tmp_path / "data"
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(data))
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))
    yield data
    if (data / "postgres").exists():
        EmbeddedPostgres(data / "postgres").stop()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_read_prints_the_contract_a_line_a_picture_and_needs_no_database(own_data_folder: Path) -> None:
    done = run("read", str(LANDING / "BTC"), str(LANDING / "broken_2025-01-29_10-00-00.png"), "--json")
    assert done.exit_code == 1
    assert "broken_2025-01-29_10-00-00.png: not a PNG" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(list((LANDING / "BTC").iterdir())) + 1
    assert all(list(row) == KEYS for row in rows)
    assert rows[-1]["image_type"] == "unknown"
    assert "not a PNG" in rows[-1]["error"]
    assert not own_data_folder.exists()


def test_read_agrees_with_what_the_sample_was_drawn_from(tmp_path: Path) -> None:
    truth = [json.loads(line) for line in (LANDING.parent / "truth.jsonl").read_text().splitlines()]
    chart = next(row for row in truth if row["image_type"] == "liquidation_distribution_opti")
    done = run("read", str(LANDING.parent / chart["file"]), "--json", "--words", "--annotate", str(tmp_path / "drawn"))
    [row] = [json.loads(line) for line in done.stdout.splitlines()]
    read = {x["symbol"]: (x["long_pct"], x["short_pct"], x["arrows"]) for x in row["readings"]}
    assert read == {x["symbol"]: (x["long_pct"], x["short_pct"], x["arrows"]) for x in chart["readings"]}
    assert {"text", "confidence", "left", "top"} <= set(row["words"][0])
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["read", "nowhere.png"], "nowhere.png"),
        (["backfill", "--from", "2024-06-20"], "--to"),
        (["backfill", "--from", "yesterday", "--to", "2024-06-20"], "yesterday"),
        (["backfill", "--from", "2024-06-20", "--to", "2024-06-20"], "nothing between"),
        (["backfill", "--from", "2024-06-20", "--to", "2024-06-21", "--archive", "/no/such/folder"], "/no/such/folder"),
        (["backfill", "--from", "2024-06-20", "--to", "2024-06-21", "--symbols", "BTC/EUR"], "BTC/EUR"),
    ],
)
def test_wrong_input_is_refused_in_one_line_that_names_it(arguments: list[str], told: str) -> None:
    done = run(*arguments)
    assert done.exit_code != 0
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert told in line
    assert "Traceback" not in done.output


def test_up_opens_the_ui_and_down_leaves_nothing_running(own_data_folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CRYPTOPATTERN_PORT": str(port), "CRYPTOPATTERN_AUTOMATION": "false"}
    environment["CRYPTOPATTERN_DATABASE_URL"] = "embedded"

    def call(command: str) -> str:
        done = subprocess.run([PROGRAM, command], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        assert call("up").startswith("up: ")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=10) as answer:
            assert "dagster_webserver_version" in json.load(answer)
        assert call("up").startswith("was up already")
    finally:
        assert call("down").startswith("stopped")
    assert not EmbeddedPostgres(own_data_folder / "postgres").status().running
    left = [p.pid for p in psutil.process_iter() if str(own_data_folder) in " ".join(_environment_of(p))]
    assert left == []


def _environment_of(process: psutil.Process) -> list[str]:
    try:
        return [value for name, value in process.environ().items() if name == "DAGSTER_HOME"]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
