"""Look-alikes come out of their seeds again, and what is drawn with known numbers is read back."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.reading import Reading, read_pixels
from cryptopattern_tests.samples.charts import Chart, truth_of
from cryptopattern_tests.samples.lookalikes import KINDS, chart, main, resent


def read(drawn: Chart) -> Reading:
    return read_pixels(np.asarray(drawn.picture), default_engine())


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_the_same_chart_again(kind: str) -> None:
    first, second, other = chart(kind, 3), chart(kind, 3), chart(kind, 4)
    assert first.picture.tobytes() == second.picture.tobytes()
    assert first.truth == second.truth
    assert list(first.truth) == list(truth_of("unknown"))
    assert first.picture.tobytes() != other.picture.tobytes()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_is_read(kind: str, seed: int) -> None:
    drawn = chart(kind, seed)
    truth, reading = drawn.truth, read(drawn)
    assert reading.image_type == truth["image_type"]
    assert reading.symbol == truth["symbol"]
    assert reading.timeframe == truth["timeframe"]
    assert reading.current_price == pytest.approx(truth["current_price"])
    shares = {share.symbol: share.long_pct for share in reading.readings}
    if truth["long_share"] is None:
        assert shares == {row["symbol"]: pytest.approx(row["long_pct"]) for row in truth["readings"]}
    else:
        assert shares == {truth["symbol"]: pytest.approx(truth["long_share"], abs=1)}
    if truth["metrics"]:
        printed = truth["metrics"][0]["text"] is not None  # a map's totals are where lines end
        wanted = pytest.approx([x["value"] for x in truth["metrics"]], rel=1e-6 if printed else 0.015)
        assert [metric.value for metric in reading.metrics] == wanted
    low, high = truth["price_range"] or (0.0, 0.0)
    found = [
        any(abs(level.price - wanted["price"]) <= 0.005 * (high - low) for level in reading.levels)
        for wanted in truth["levels"]
    ]
    assert sum(found) >= 0.8 * len(found)


def test_the_command_writes_pictures_and_their_truths(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--count", "3", "--seed", "5", "--to", str(tmp_path)])
    assert result.exit_code == 0, result.output
    truths = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text("utf-8").splitlines()]
    assert [truth["file"] for truth in truths] == sorted(
        f"images/{path.name}" for path in (tmp_path / "images").iterdir()
    )
    assert len(truths) == 3


def test_a_messenger_makes_a_large_picture_smaller_and_leaves_a_small_one_its_size() -> None:
    large, small = (
        chart("distribution", 8).picture.resize((2000, 1000)),
        chart("distribution", 8).picture.resize((600, 300)),
    )
    assert resent(large).size == (1280, 640)
    assert resent(small).size == (600, 300)
    assert resent(small).tobytes() != small.tobytes()
