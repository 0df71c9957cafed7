import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from cryptopattern_pipelines.reading.annotate import annotate, write_annotated
from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Word, default_engine
from cryptopattern_pipelines.reading.picture import MAX_BYTES
from cryptopattern_pipelines.reading.reading import (
    Level,
    Mark,
    Reading,
    decode,
    encode,
    read_file,
    read_paths,
    read_picture,
    read_pixels,
    to_json,
)
from cryptopattern_pipelines.reading.shares import ShareReading

from . import drawn

ROWS = [("SAND", 27.9), ("ETH", 87.6), ("BTC", 63.0), ("WIF", 0.0), ("TAO", 48.8)]
KEYS = [
    "file", "sha256", "image_type", "confidence", "title", "symbol", "venue", "timeframe", "leverage", "current_price",
    "chart_time", "readings", "levels", "metrics", "error",
]  # fmt: skip
WHOLE = Reading(
    "a.png", "0" * 64, "liquidation_map", 0.9, "title", "ETH: binance", "ETH", "binance", "30 day", "all_leverage",
    3764.6, datetime(2025, 7, 29, 16, tzinfo=UTC), (ShareReading("ETH", 40.0, 60.0, "line", 0.8, None, None),),
    (Level(3700.0, "long", 0.5, 1.0),), (MetricReading("price", 3764.6, "USD", -1.5),),
    (Word("청산", 0.5, 1, 2, 3, 4),), (Mark("plot", 1.0, 2.0, 3.0, 4.0),), "something is missing",
)  # fmt: skip


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def test_a_distribution_chart_from_bytes_to_the_contract() -> None:
    data = png(drawn.distribution(ROWS))
    row = json.loads(to_json(read_picture(data, "kg.png")))
    assert list(row) == KEYS
    assert (row["file"], row["sha256"]) == ("kg.png", hashlib.sha256(data).hexdigest())
    assert (row["image_type"], row["leverage"], row["error"]) == ("liquidation_distribution_all", "all_leverage", None)
    assert row["title"] == "Long/Short Liquidations Distribution (all_leverage)"
    assert [(x["symbol"], x["long_pct"]) for x in row["readings"]] == ROWS
    assert list(row["readings"][0]) == ["symbol", "long_pct", "short_pct", "arrows", "method", "confidence"]


def test_the_same_picture_reads_the_same() -> None:
    data = png(drawn.distribution(ROWS, "Long/Short Liquidations Distribution (optical_opti)"))
    first = read_picture(data)
    assert first.image_type == "liquidation_distribution_opti"
    assert read_picture(data) == first


def test_words_stand_in_the_json_only_where_asked_for() -> None:
    assert "words" not in json.loads(to_json(WHOLE))
    row = json.loads(to_json(WHOLE, words=True))
    assert list(row) == [*KEYS[:-1], "words", "error"]
    assert row["words"] == [
        {"text": "청산", "confidence": 0.5, "left": 1, "top": 2, "width": 3, "height": 4, "line": 0, "word": 0}
    ]
    assert row["chart_time"] == "2025-07-29T16:00:00+00:00"


def test_a_kept_reading_comes_back_equal() -> None:
    assert decode(encode(WHOLE)) == WHOLE
    assert "\n" not in encode(WHOLE)


def test_a_title_whose_bars_cannot_be_found_gives_no_shares() -> None:
    page = drawn.distribution(ROWS)
    page[55:] = drawn.GROUND
    reading = read_picture(png(page))
    assert reading.image_type == "liquidation_distribution_all"
    assert reading.readings == ()
    assert reading.error is not None


def test_bars_without_the_title_that_tells_their_leverage_are_unknown() -> None:
    page = drawn.distribution(ROWS)
    page[:50] = drawn.GROUND
    reading = read_picture(png(page))
    assert (reading.image_type, reading.readings) == ("unknown", ())
    assert "title" in reading.evidence


def test_nothing_is_read_from_noise_or_a_page_of_prose() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    prose = drawn.lines_of_text(
        ["The liquidation heatmap shows a pocket", "of longs, 62.0% of them at 58,000", "all leverage"]
    )
    for picture in (noise, cv2.GaussianBlur(noise, (0, 0), 4), prose, np.zeros((20, 900, 3), np.uint8)):
        reading = read_pixels(picture, default_engine())
        assert reading.image_type == "unknown"
        assert (reading.readings, reading.levels, reading.metrics) == ((), (), ())


def test_boxes_of_a_large_picture_are_in_its_own_pixels() -> None:
    page = cv2.resize(drawn.distribution(ROWS), None, fx=4.5, fy=4.5, interpolation=cv2.INTER_CUBIC)
    page = cv2.copyMakeBorder(page, 0, 1600, 0, 0, cv2.BORDER_CONSTANT, value=drawn.GROUND)
    reading = read_pixels(page, default_engine())
    assert [(row.symbol, row.long_pct) for row in reading.readings] == ROWS
    title = next(mark for mark in reading.marks if mark.kind == "title")
    assert title.left > 400
    assert title.bottom < 60 * 4.5


@pytest.mark.parametrize(
    "data", [b"", b"no picture", png(drawn.distribution(ROWS))[:2000]], ids=["empty", "text", "cut"]
)
def test_what_is_no_picture_is_unknown_and_says_why(data: bytes) -> None:
    reading = read_picture(data, "x.png")
    assert (reading.file, reading.image_type, reading.readings) == ("x.png", "unknown", ())
    assert reading.error


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "bytes" in (read_file(large).error or "")
    assert "No such file" in (read_file(tmp_path / "gone.png").error or "")


def test_folders_are_read_in_order_and_bad_files_cost_only_themselves(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.png").write_bytes(b"broken")
    (tmp_path / "b" / "c.PNG").write_bytes(png(drawn.distribution(ROWS)))
    (tmp_path / "notes.txt").write_text("no picture")
    readings = list(read_paths([tmp_path, tmp_path / "gone.png"], processes=2))
    assert [Path(reading.file).name for reading in readings] == ["a.png", "c.PNG", "gone.png"]
    assert [reading.error is None for reading in readings] == [False, True, False]
    assert len(readings[1].readings) == len(ROWS)


def test_pipes_links_to_nothing_and_strange_names_are_rows_that_say_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a pipe.png")
    (tmp_path / "b link.png").symlink_to(tmp_path / "gone")
    (tmp_path / "c folder.png").mkdir()
    (tmp_path / "d\nnew line.png").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/e\xff.png")).write_bytes(b"x")
    readings = list(read_paths([tmp_path], processes=1))
    assert len(readings) == 4
    assert all(reading.image_type == "unknown" for reading in readings)
    assert all(reading.error and "\n" not in reading.error for reading in readings)
    lines = [to_json(reading).encode() for reading in readings]
    assert all(b"\n" not in line for line in lines)
    assert json.loads(lines[3])["file"].endswith("e\\xff.png")
    assert write_annotated(readings[0], tmp_path / "drawn") is None


def test_one_file_that_its_reader_fails_on_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(drawn.distribution(ROWS)))

    def fail(*_: object, **__: object) -> Reading:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("cryptopattern_pipelines.reading.reading.read_picture", fail)
    [reading] = read_paths([file])
    assert (reading.image_type, len(reading.sha256)) == ("unknown", 64)
    assert reading.error == "the reader failed (RuntimeError: two lines)"


def test_a_strip_holds_no_chart() -> None:
    reading = read_pixels(np.zeros((60, 4000, 3), np.uint8), default_engine())
    assert (reading.image_type, reading.error) == ("unknown", "4000 x 60 pixels hold no chart")


def test_what_was_read_is_drawn_onto_the_picture(tmp_path: Path) -> None:
    file = tmp_path / "kg.png"
    file.write_bytes(png(drawn.distribution(ROWS)))
    reading = read_file(file)
    target = write_annotated(reading, tmp_path / "drawn")
    assert target is not None
    assert target.name == f"kg.{reading.sha256[:8]}.png"
    page = cv2.imread(str(target))
    assert page is not None
    assert page.shape[1] > 800
    assert page.shape[0] >= drawn.distribution(ROWS).shape[0]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    assert write_annotated(read_file(bad), tmp_path / "drawn") is None


def test_drawing_leaves_the_picture_alone() -> None:
    picture = drawn.distribution(ROWS)
    before = picture.copy()
    annotate(picture, WHOLE)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize(
    ("file", "image_type", "symbol"),
    [
        ("zmart_1000138400.jpg", "liquidation_distribution_all", None),
        ("zmart_Liquidation_Map.jpg", "liquidation_map", "ETH"),
        ("zmart_1000138397.jpg", "price_chart_heatmap", "ETH"),
        ("gpm_coinglass_map.png", "liquidation_map", "BTC"),
        ("liquidlapse_20250328_172525.png", "unknown", None),
        ("liquidlapse_20250328_173159.png", "price_chart_heatmap", None),
        ("zmart_kg_124943.jpg", "unknown", None),
    ],
)
def test_types_of_the_genuine_pictures(shared: Path, file: str, image_type: str, symbol: str | None) -> None:
    reading = read_file(shared / "screenshots/genuine/images" / file)
    assert (reading.image_type, reading.symbol) == (image_type, symbol)
