"""The sample's screenshots: the committed ones come out of the code again and agree with the market."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image, UnidentifiedImageError

from cryptopattern_tests.samples import __main__ as command
from cryptopattern_tests.samples.landing import BROKEN, COPIES, SHOTS, Shot
from cryptopattern_tests.samples.market import Market
from cryptopattern_tests.samples.readme import MARKER, write_words

# One of each kind: distribution as PNG and as JPEG, map, heatmap, dashboard, candle chart.
SOME = [SHOTS[i] for i in (3, 5, 6, 9, 10, 11)]


@pytest.fixture(scope="module")
def truth(committed: Path) -> dict[str, dict[str, Any]]:
    lines = (committed / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["file"]: row for row in map(json.loads, lines)}


@pytest.mark.parametrize("shot", SOME, ids=lambda shot: shot.file)
def test_a_rerun_draws_the_committed_picture(
    market: Market, committed: Path, truth: dict[str, dict[str, Any]], shot: Shot
) -> None:
    data, row = shot.render(market)
    made = np.asarray(Image.open(io.BytesIO(data)))
    kept = np.asarray(Image.open(committed / "landing" / shot.file))
    np.testing.assert_array_equal(made, kept)
    assert row == truth[row["file"]]


def test_the_landing_folder_holds_the_shots_a_copy_and_a_file_that_is_no_picture(
    committed: Path, truth: dict[str, dict[str, Any]]
) -> None:
    landing = committed / "landing"
    files = {path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file()}
    assert files == {shot.file for shot in SHOTS} | set(COPIES) | {BROKEN}
    assert set(truth) == {f"landing/{file}" for file in files - {BROKEN}}
    for copy, of in COPIES.items():
        assert (landing / copy).read_bytes() == (landing / of).read_bytes()
    with pytest.raises(UnidentifiedImageError):
        Image.open(landing / BROKEN)


def test_charts_of_the_market_agree_with_it(market: Market, truth: dict[str, dict[str, Any]]) -> None:
    eth_map = truth["landing/ETH/kingfisher_map_2025-01-29_12-10-00.png"]
    candle = market.hours["ETH"].set_index("hour").loc[pd.Timestamp("2025-01-29 12:00", tz="UTC")]
    assert candle["low"] <= eth_map["current_price"] <= candle["high"]
    board = truth["landing/BTC/Screenshot 2025-01-29 at 08.05.12.png"]
    shown = {metric["name"]: metric["value"] for metric in board["metrics"]}
    day = market.hours["BTC"].set_index("hour").loc["2025-01-28 08:00":"2025-01-29 07:00"]
    assert shown["24h Volume"] == pytest.approx(day["volume_usd"].sum(), rel=0.005)
    assert shown["24h High"] == pytest.approx(day["high"].max(), rel=0.005)


def test_on_the_last_day_shorts_dominate_eth_and_nothing_dominates_btc(truth: dict[str, dict[str, Any]]) -> None:
    last = truth["landing/photo_2025-01-29_20-40-33.jpg"]["readings"]
    shares = {row["symbol"]: row["long_pct"] for row in last}
    assert shares["ETH"] < 30
    assert 40 < shares["BTC"] < 60
    assert {"BTC", "ETH", "SOL"} <= set(shares)


def test_the_words_are_those_of_the_code_and_say_simulated(market: Market, committed: Path, tmp_path: Path) -> None:
    write_words(market, tmp_path)
    for name in (MARKER, "README.md"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (committed / name).read_text(encoding="utf-8")
        assert "of no real market" in (tmp_path / name).read_text(encoding="utf-8")


def test_the_command_refuses_a_folder_of_others_and_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(command.main, ["--to", str(tmp_path)])
    assert result.exit_code != 0
    assert "holds other files" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_sample_stays_small(committed: Path) -> None:
    files = [path for path in committed.rglob("*") if path.is_file()]
    assert len(files) < 800
    assert sum(path.stat().st_size for path in files) < 4_000_000
