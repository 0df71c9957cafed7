"""Logs as JSON: what a run, the command line and the service say, a line each, with what is known as fields."""

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.assets.market import tell_problems
from cryptopattern_pipelines.automation.partitions import HOURLY
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.local import log_options
from cryptopattern_pipelines.market.source import Problem
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_tests.api.conftest import serving

KEY = "2024-08-05-13:00"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class Source:
    problems = (Problem("okx", "perpetual", "BTC-USDT-SWAP, ETH-USDT-SWAP", "answered 503"),)


@dg.asset(partitions_def=HOURLY, key=dg.AssetKey(["serving", "quotes"]))
def quotes(context: dg.AssetExecutionContext) -> None:
    tell_problems(context, Source())  # type: ignore[arg-type]
    if context.run.tags.get("fails"):
        raise ValueError("it broke")


def run(log_format: Any, capsys: pytest.CaptureFixture[str], **tags: str) -> str:
    """What a run of a job of ours writes to stderr, started as the daemon does: without any configuration."""
    job = dg.define_asset_job("hourly", [quotes], config=logs.CONFIG)
    definitions = dg.Definitions([quotes], jobs=[job], loggers=logs.loggers(log_format))
    with dg.DagsterInstance.ephemeral() as instance:
        capsys.readouterr()
        definitions.resolve_job_def("hourly").execute_in_process(
            instance=instance, partition_key=KEY, tags=tags, raise_on_error=False
        )
    return capsys.readouterr().err


def test_each_line_of_a_run_is_json_with_run_asset_partition_venue_and_symbol(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = lines(run("json", capsys))
    [warning] = [line for line in said if line["level"] == "warning"]
    assert {name: warning[name] for name in ("asset", "partition", "venue", "symbol", "job", "message")} == {
        "asset": "serving/quotes",
        "partition": KEY,
        "venue": "okx",
        "symbol": "BTC, ETH",
        "job": "hourly",
        "message": "okx perpetual BTC-USDT-SWAP, ETH-USDT-SWAP: answered 503",
    }
    assert len({line["run"] for line in said}) == 1
    [made] = [line for line in said if line.get("kind") == "ASSET_MATERIALIZATION"]
    assert (made["asset"], made["partition"]) == ("serving/quotes", KEY)
    assert not any(name.startswith("dagster_") for line in said for name in line)


def test_a_failure_bears_its_reason_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(run("json", capsys, fails="yes"))
    [failed] = [line for line in said if line.get("kind") == "STEP_FAILURE"]
    assert failed["level"] == "error"
    assert "ValueError: it broke" in failed["error"]


def test_as_text_runs_are_logged_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    assert "okx perpetual BTC-USDT-SWAP, ETH-USDT-SWAP: answered 503" in run("text", capsys)
    with pytest.raises(json.JSONDecodeError):
        lines(run("text", capsys))


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Python's root logger, as it was again afterwards."""
    found = logging.getLogger()
    handlers, level = list(found.handlers), found.level
    yield found
    found.handlers[:], found.level = handlers, level
    logging.captureWarnings(capture=False)


def test_an_exception_and_what_is_given_beside_a_message_are_fields(root: logging.Logger) -> None:
    logs.set_up("json")
    root.handlers[0].setStream(told := StringIO())  # type: ignore[attr-defined]
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("a.module").exception("request %s failed", 7, extra={"request": 7})
    [line] = lines(told.getvalue())
    assert (line["logger"], line["message"], line["request"]) == ("a.module", "request 7 failed", 7)
    assert "KeyError: 'x'" in line["exception"]
    assert line["time"].endswith("Z")


def test_the_service_says_what_it_answered_and_not_to_whom(
    root: logging.Logger, tmp_path: Path, fresh_database: Callable[[], str]
) -> None:
    logs.set_up("json")
    root.handlers[0].setStream(told := StringIO())  # type: ignore[attr-defined]
    with serving(load_settings(data=tmp_path, database_url=fresh_database())) as service:
        service.client.get("/api/v1/analyses/ETH?from=2024-08-05", headers={"User-Agent": "someone's"})
    [line] = [line for line in lines(told.getvalue()) if line["logger"].endswith("security")]
    assert (line["route"], line["status"], line["symbol"]) == ("/api/v1/analyses/{symbol}", 404, "ETH")
    assert "someone" not in told.getvalue()
    assert "testclient" not in told.getvalue()


def test_an_error_of_the_command_line_is_a_line_too(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path))
    command = ["similar", "BTC", "--at", "2024-08-05"]
    assert CliRunner().invoke(main, command).stderr.startswith("Error: BTC has no snapshot")
    monkeypatch.setenv("CRYPTOPATTERN_LOG_FORMAT", "json")
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    [line] = lines(done.stderr)
    assert (line["level"], line["command"]) == ("error", "similar")
    assert line["message"].startswith("BTC has no snapshot")


def test_dagsters_own_programs_are_told_to_log_alike(tmp_path: Path) -> None:
    assert log_options(load_settings(data=tmp_path, log_format="json")) == ["--log-format", "json"]
    assert log_options(load_settings(data=tmp_path)) == []
