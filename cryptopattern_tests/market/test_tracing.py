"""Every number of the market's tables stands in an answer that is kept, at the place that is told."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.market import limits
from cryptopattern_pipelines.market.tracing import Trace, instruments_of, traces, venue_folder
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.raw_answers import kept_answers
from cryptopattern_pipelines.storage.schemas import FROM_IMPORT
from cryptopattern_tests.replay import serving
from cryptopattern_tests.replay.world import World

# Binance has one of the coins in bundles, the others one by one.
BUNDLED = World(("BTC", "1000PEPE"), hours=3)
WORLD = World(("BTC", "PEPE"), hours=3)
HOUR = timedelta(hours=1)
NO_FIGURES = {"hour", "symbol", "venue", "market", "instrument", "completeness", "span_hours", FROM_IMPORT}
# Worked out from times of settlements, and times of what is traced itself.
FROM_TIMES = {"funding_interval_hours", "funding_time", "open_interest_time"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose store has a run's rows and answers, asked for in one go."""
    folder = tmp_path_factory.mktemp("data")
    with (
        serving(BUNDLED.binance(), WORLD.okx(), WORLD.gate(), WORLD.coinglass()) as server,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("COINGLASS_API_KEY", "key")
        server.now = WORLD.now
        urls = ("binance_spot_url", "binance_usdm_url", "okx_url", "gate_url", "coinglass_url")
        settings = load_settings(data=folder, keep_raw_answers=True, **dict.fromkeys(urls, server.url))
        limits.forget()
        source = Market.of(settings).open()
        store = TableStore(settings.store_root)
        for name, ask in (
            ("market_candles", source.candles),
            ("derivatives_metrics", source.derivatives_metrics),
            ("realised_liquidations", source.realised_liquidations),
        ):
            table = store.table(name)
            rows = ask(WORLD.coins, WORLD.start, WORLD.end)
            table.write(table.schema.conform(rows), WORLD.start, WORLD.end)
        assert source.problems == []
    return folder


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    rows = TableStore(folder / "store").table(name).read(WORLD.start, WORLD.end)
    return rows.to_dict("records")


def traced(folder: Path, row: dict[str, Any]) -> list[Trace]:
    answers = kept_answers(folder / "store", row["hour"], venue_folder(row), instruments_of(row), back=3)
    return traces(row, answers)


def stands(trace: Trace) -> bool:
    """Whether what a trace says is what the file holds, read as anyone would."""
    content = json.loads(json.loads(gzip.decompress(Path(trace.file).read_bytes()))["body"])
    place = trace.place
    for part in place.removeprefix("[").removesuffix("]").split("]["):
        content = content[json.loads(part)]
    return bool(content == json.loads(trace.raw))


@pytest.mark.parametrize("name", ["market_candles", "derivatives_metrics"])
def test_every_figure_is_found_in_an_answer(kept: Path, name: str) -> None:
    rows = rows_of(kept, name)
    assert {(row["symbol"], row["venue"]) for row in rows} == {
        (c, v) for c in ("BTC", "PEPE") for v in ("binance", "okx")
    }
    for row in rows:
        found = traced(kept, row)
        figures = {name for name, value in row.items() if name not in NO_FIGURES | FROM_TIMES and not pd.isna(value)}
        assert {trace.column for trace in found} == figures
        # Binance's two markets have the same names.
        assert all(f"-{row.get('market', 'perpetual')}." in trace.file for trace in found) or row["venue"] == "okx"
        assert all(map(stands, found))


def test_every_sum_of_liquidations_is_that_of_the_orders_that_are_told(kept: Path) -> None:
    rows = rows_of(kept, "realised_liquidations")
    assert {row["venue"] for row in rows} == {"gate", "okx", "all"}
    for row in rows:
        found = traced(kept, row)
        assert all(map(stands, found))
        for column in ("long_liquidated_usd", "short_liquidated_usd"):
            told = [json.loads(trace.raw) for trace in found if trace.column == column]
            if row["venue"] == "all":
                assert told == [row[column]]
            elif row["venue"] == "okx":
                # A tenth of a coin a contract, as at Gate, where one of an order's five wasn't filled.
                assert row[column] == pytest.approx(sum(0.1 * float(it["sz"]) * float(it["bkPx"]) for it in told))
            else:
                assert row[column] == pytest.approx(sum(0.1 * 4 * float(it["fill_price"]) for it in told))


def test_the_command_shows_where_numbers_stand(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(kept))
    at = f"{WORLD.start + HOUR:%Y-%m-%dT%H:%M}"
    done = CliRunner().invoke(main, ["trace", "btcusdt", at])
    assert done.exit_code == 0, done.output
    assert "market_candles, binance spot BTCUSDT" in done.output
    row = next(each for each in rows_of(kept, "market_candles") if each["hour"] == WORLD.start + HOUR)
    close = next(trace for trace in traced(kept, row) if trace.column == "close")
    assert f"  {close.file}\n" in done.output
    assert f"    close {row['close']:.12g}: {close.raw} at {close.place}\n" in done.output
    # Orders are many: the first of them stand for all.
    assert "and 1 more" in done.output


def test_the_command_says_what_it_lacks(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(kept))
    done = CliRunner().invoke(main, ["trace", "BTC", f"{WORLD.start:%Y-%m-%dT%H:%M}", "--back", "0"])
    assert "none of its numbers" not in done.output
    late = f"{WORLD.end - HOUR:%Y-%m-%dT%H:%M}"
    assert "(--back)" in CliRunner().invoke(main, ["trace", "BTC", late, "--back", "1"]).output
    done = CliRunner().invoke(main, ["trace", "DOGE", late])
    assert (done.exit_code, "no row of DOGE" in done.output) == (1, True)
