"""`evaluate` and `similar` on a store: what they look at, what they write and print, and what they refuse."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cryptopattern_pipelines import evaluating
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_tests.squeeze.learning import SMALL
from cryptopattern_tests.squeeze.simulated import START, simulate

DAYS = 75
DAY = timedelta(days=1)
END = START + DAYS * DAY
SYMBOLS = ["S000", "S001"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a simulated market of two coins in its store, and squeezes told for all its days."""
    folder = tmp_path_factory.mktemp("data")
    market = simulate(seed=5, symbols=2, length=24 * DAYS)
    store = TableStore(folder / "store")
    for table, rows in (
        (schemas.MARKET_CANDLES, market.candles),
        (schemas.EXCHANGE_SNAPSHOTS, market.snapshots),
        (schemas.SQUEEZE_ANALYSES, market.analyses),
        (schemas.SQUEEZE_EVENTS, _events()),
    ):
        store.table(table.name).write(rows, START, END)
    return folder


def _events() -> pd.DataFrame:
    """A squeeze of either side every other day, as far as forecasts look at it."""
    starts = [START + 2 * number * DAY + timedelta(hours=7) for number in range(DAYS // 2)]
    rows = [
        {
            "day": start.floor("D"),
            "symbol": symbol,
            "squeeze_type": ("LONG_SQUEEZE", "SHORT_SQUEEZE")[number % 2],
            "started_at": start,
            "peaked_at": start,
            "ended_at": start + timedelta(hours=1),
            "known_at": start + timedelta(hours=5),
            "trigger_price": 100.0,
            "peak_price": 98.0,
            "move_pct": -2.0 if number % 2 == 0 else 2.0,
            "move_sigmas": 4.0,
            "severity": "MINOR",
            "evidence": "",
        }
        for number, start in enumerate(starts)
        for symbol in SYMBOLS
    ]
    return schemas.SQUEEZE_EVENTS.conform(rows)


@pytest.fixture(autouse=True)
def of_the_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(data))
    # As much history as a training takes by default would be years of files.
    monkeypatch.setattr(evaluating, "DEFAULTS", SMALL)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_evaluate_scores_the_hours_of_the_range_alone(tmp_path: Path) -> None:
    done = run("evaluate", "--from", "2023-03-01", "--to", "2023-03-10", "--out", tmp_path / "report")
    assert done.exit_code == 0, done.output
    assert "any_move" in done.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (report["from"], report["to"]) == ("2023-03-01T00:00:00+00:00", "2023-03-10T00:00:00+00:00")
    assert report["symbols"] == SYMBOLS
    # By March 10 the moves of the hours up to the 8th at 23:00 are over, and the days are told by whose end the
    # squeezes of hours up to the 6th at 14:00 are known.
    rows = {target: told["rows"] for target, told in report["forecasts"].items()}
    assert rows["any_move"] == rows["up_move"] == 2 * 24 * 8
    assert rows["long_squeeze"] == rows["short_squeeze"] == 2 * (24 * 9 - 81)
    assert all(0 < told["base_rate"] < 1 for told in report["forecasts"].values())
    assert (tmp_path / "report" / "report.md").read_text().startswith("# Walk-forward report\n\n2023-03-01 to 2023-03-")


def test_nothing_is_read_but_the_range_and_its_look_back(data: Path) -> None:
    store = TableStore(data / "store")
    start, end = (datetime.fromisoformat(f"2023-03-{day:02}T00:00:00+00:00") for day in (1, 10))
    tables = evaluating.from_store(store, start, end)
    for frame, column in (
        (tables.snapshots, "hour"),
        (tables.analyses, "hour"),
        (tables.candles, "hour"),
        (tables.events, "started_at"),
    ):
        assert frame[column].max() < end
        assert frame[column].min() < start
    assert tables.told.max() == end - DAY
    look_back = DAY * SMALL.lookback.days
    late = evaluating.from_store(store, start + look_back - 10 * DAY, end + look_back)
    assert late.snapshots["hour"].min().floor("D") == start - 11 * DAY


def test_a_range_that_begins_before_the_history_begins_with_it(tmp_path: Path) -> None:
    done = run("evaluate", "--from", "2022-01-01", "--to", "2023-01-20", "--out", tmp_path / "report")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["from"] == START.isoformat()
    assert all(told == {"rows": 0} for told in report["forecasts"].values())
    assert "too little history" in done.output
    assert "none could be held against what came later" in done.output


def test_evaluate_without_history_says_so_in_one_line(tmp_path: Path) -> None:
    done = run("evaluate", "--from", "2022-01-01", "--to", "2022-02-01", "--out", tmp_path / "report")
    assert done.exit_code == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "no exchange_snapshots in the range: backfill it" in line
    assert not (tmp_path / "report").exists()


def test_similar_prints_moments_before_the_hour_and_the_odds_beside_any_hours() -> None:
    done = run("similar", "S000", "--at", "2023-03-10T13:45", "--count", "5", "--days", "68")
    assert done.exit_code == 0, done.output
    assert "Moments like S000's of 2023-03-10 13:00 UTC, and 24 hours after them" in " ".join(done.output.split())
    lines = done.output.splitlines()
    moments = [line for line in lines if line.strip().startswith("2023-")]
    hours = [pd.Timestamp(" ".join(line.split()[:2])) for line in moments]
    assert len(hours) == 5
    assert max(hours) <= pd.Timestamp("2023-03-09 13:00")
    odds = [line.split() for line in lines if "any hour before" in line]
    assert [line[0] for line in odds] == ["long", "short"]
    assert all("n=5];" in line for line in odds)


def test_similar_takes_a_timeframe_and_looks_back_only_so_far() -> None:
    week = run("similar", "S000", "--at", "2023-03-10T13:00", "--timeframe", "7d", "--count", "3", "--days", "68")
    assert "and 7 days after them" in " ".join(week.output.split())
    hours = [pd.Timestamp(" ".join(x.split()[:2])) for x in week.output.splitlines() if x.strip().startswith("2023-")]
    assert max(hours) <= pd.Timestamp("2023-03-03 13:00")
    near = run("similar", "S000", "--at", "2023-03-10T13:00", "--days", "60", "--count", "200")
    hours = [pd.Timestamp(" ".join(x.split()[:2])) for x in near.output.splitlines() if x.strip().startswith("2023-")]
    assert len(hours) > 20
    assert min(hours) >= pd.Timestamp("2023-01-09 13:00")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["XMR", "--at", "2023-03-10T13:00"], "XMR has no snapshot"),
        (["S000", "--at", "2023-01-10T13:00"], "backfill from 37 days before it"),
        (["S000", "--at", "2023-02-10T13:00"], "hours of S000 with a known outcome"),
        (["BTC/EUR", "--at", "2023-03-10T13:00"], "BTC/EUR"),
    ],
)
def test_similar_without_a_moment_to_compare_says_why_in_one_line(arguments: list[str], told: str) -> None:
    done = run("similar", *arguments, "--days", "68")
    assert done.exit_code != 0
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert told in line
    assert "Traceback" not in done.output
