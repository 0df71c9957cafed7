"""Answers as they came: where they are kept, and that the same answer is the same bytes."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.raw_answers import RawAnswer, keep_raw_answers
from cryptopattern_tests.replay import serving
from cryptopattern_tests.replay.world import World

HOUR = datetime(2024, 8, 5, 13, tzinfo=UTC)
ANSWER = RawAnswer("binance spot", "/api/v3/klines", {"symbol": "BTCUSDT", "limit": 1}, 0, 200, "Mon, 05 Aug", "[1, 2]")


def test_an_answer_is_found_by_its_hour_host_endpoint_and_instrument(tmp_path: Path) -> None:
    keep_raw_answers(tmp_path, [ANSWER], HOUR)
    [kept] = (tmp_path / "_raw_answers" / "date=2024-08-05" / "hour=13" / "venue=binance").iterdir()
    assert kept.name.startswith("binance-spot.api-v3-klines.BTCUSDT.")
    assert json.loads(gzip.decompress(kept.read_bytes())) == {
        "question": "/api/v3/klines?limit=1&symbol=BTCUSDT",
        "status": 200,
        "date": "Mon, 05 Aug",
        "body": "[1, 2]",
    }


def test_the_same_answer_is_the_same_bytes() -> None:
    assert ANSWER.packed() == ANSWER.packed()
    # No time of writing in the header.
    assert ANSWER.packed()[4:8] == bytes(4)


@pytest.mark.parametrize("keep", [True, False])
def test_every_answer_of_a_run_is_kept_if_that_is_set(tmp_path: Path, keep: bool) -> None:
    world = World(("BTC",), hours=1)
    with serving(*world.routes()) as server:
        server.now = world.now
        server.faults["/api/v3/klines"] += [lambda reply, query, ask: type(reply)(b"{}", 503)]
        settings = load_settings(
            data=tmp_path,
            symbols="BTC",
            keep_raw_answers=keep,
            **dict.fromkeys(("binance_spot_url", "binance_usdm_url", "okx_url", "gate_url"), server.url),
        )
        source = Market.of(settings).open()
        source.candles(["BTC"], world.start, world.end)
        asked = len(server.asked)
    kept = sorted((tmp_path / "store" / "_raw_answers").rglob("*.json.gz"))
    assert len(kept) == (asked if keep else 0)
    if keep:
        told = [json.loads(gzip.decompress(path.read_bytes())) for path in kept]
        assert sorted(each["status"] for each in told) == [200] * 4 + [503]
