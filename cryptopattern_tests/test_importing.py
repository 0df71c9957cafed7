"""`cryptopattern import`, and that what it brought outlives the runs that write whole partitions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cryptopattern_pipelines.assets.market import realised_liquidations
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.parquet import TableStore

START = datetime(2024, 8, 5, 13, tzinfo=UTC)
HOUR = timedelta(hours=1)
MAPPING = "liquidations-hourly"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def liquidations(file: Path, rows: list[tuple[datetime, str, float]]) -> Path:
    frame = pd.DataFrame(rows, columns=["ts", "symbol", "liq_long_usd"])
    frame.assign(venue="binance", liq_short_usd=0.0).to_parquet(file)
    return file


def test_an_import_is_kept_told_and_repeatable(tmp_path: Path) -> None:
    file = liquidations(tmp_path / "mine.parquet", [(START, "BTCUSDT", 5.0), (START + HOUR, "??", 6.0)])
    done = run("import", "realised_liquidations", file, "--mapping", MAPPING)
    assert done.exit_code == 0, done.output
    taken, aside, again = done.stdout.splitlines()
    assert taken == f"{file}: 1 rows taken, 1 hours changed"
    assert aside.startswith("  set aside: 1 symbol names no coin in dollars; see ")
    assert "??" in Path(aside.split("see ")[1]).read_text()
    assert again == "materialise again: cryptopattern backfill --from 2024-08-05 --to 2024-08-06"
    assert "nothing is new" in run("import", "realised_liquidations", file, "--mapping", MAPPING).stdout


def test_where_a_file_has_more_than_changed_it_is_told_where_it_begins(tmp_path: Path) -> None:
    before, after = (START - timedelta(days=9), "BTCUSDT", 5.0), (START, "BTCUSDT", 5.0)
    run("import", "realised_liquidations", liquidations(tmp_path / "cut.parquet", [before]), "--mapping", MAPPING)
    whole = liquidations(tmp_path / "whole.parquet", [before, after])
    *_, again, more = run("import", "realised_liquidations", whole, "--mapping", MAPPING).stdout.splitlines()
    assert again == "materialise again: cryptopattern backfill --from 2024-08-05 --to 2024-08-06"
    assert more == "  or --from 2024-07-27, where the files begin, if an import of them was cut short before"


def test_what_was_imported_is_in_the_partition_each_time_that_it_is_written(tmp_path: Path, data: Path) -> None:
    (tmp_path / "archive").mkdir()
    liquidations(tmp_path / "mine.parquet", [(START, "BTCUSDT", 5.0)])
    run("import", "realised_liquidations", tmp_path / "mine.parquet", "--mapping", MAPPING)
    given = load_settings(market_source="archive", archive=str(tmp_path / "archive"))
    for _ in range(2):
        result = dg.materialize(
            [realised_liquidations],
            partition_key="2024-08-05-13:00",
            resources={"store": Store.of(given), "market": Market.of(given), "database": ServingDatabase(given)},
        )
        assert result.success
        rows = TableStore(data / "store").table("realised_liquidations").read(START, START + HOUR)
        assert rows[["symbol", "venue", "span_hours", "long_liquidated_usd"]].to_numpy().tolist() == [
            ["BTC", "binance", 1, 5.0]
        ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prices", "FILE"], "prices is no table: import into one of market_candles"),
        (["realised_liquidations", "FILE"], "--mapping liquidations-daily or liquidations-hourly fits its columns"),
        (["realised_liquidations", "FILE", "--mapping", "bybit-open-interest"], "is a mapping for derivatives_metrics"),
        (["derivatives_metrics", "FILE", "--mapping", "bybit-open-interest"], "has no column oi_base that bybit-open"),
        (["realised_liquidations", "FILE", "--set", "venue"], "--set venue: say NAME=VALUE"),
        (["realised_liquidations", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_input_is_refused_in_one_line(tmp_path: Path, data: Path, arguments: list[str], told: str) -> None:
    file = liquidations(tmp_path / "mine.parquet", [(START, "BTCUSDT", 5.0)])
    done = run("import", *(str(file) if argument == "FILE" else argument for argument in arguments))
    assert done.exit_code != 0
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert told in line
    assert not data.exists()


def test_the_mappings_that_ship_are_listed() -> None:
    assert "bybit-open-interest: Bybit's open interest in coins" in run("import", "--mappings").stdout


def test_real_series_come_in_as_they_are(shared: Path, data: Path) -> None:
    """The liquidations of the crash of 2024-08-05, by hour and by day, against the files themselves."""
    stack = shared / "market" / "stack"
    for name, mapping in (("1h", "liquidations-hourly"), ("1d", "liquidations-daily")):
        done = run("import", "realised_liquidations", stack / f"liquidations_{name}.parquet", "--mapping", mapping)
        assert done.exit_code == 0, done.output
        assert "set aside" not in done.stdout
    day = START.replace(hour=0)
    rows = TableStore(data / "store").imported("realised_liquidations").read(day, day + 24 * HOUR)
    rows = rows[rows["symbol"] == "BTC"].set_index(["venue", "hour"])["long_liquidated_usd"]
    hourly = pd.read_parquet(stack / "liquidations_1h.parquet").query("symbol == 'BTCUSDT'").set_index("ts")
    daily = pd.read_parquet(stack / "liquidations_1d.parquet").query("symbol == 'BTCUSDT'").set_index("ts")
    assert rows["binance", START] == hourly.loc[START, "liq_long_usd"] > 0
    assert rows["all", day + 23 * HOUR] == daily.loc[day, "liq_long_usd"]
    assert len(rows) == 25
