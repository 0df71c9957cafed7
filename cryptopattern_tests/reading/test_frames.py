from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from cryptopattern_pipelines.reading import frames
from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.ocr import Word
from cryptopattern_pipelines.reading.reading import Level, Reading
from cryptopattern_pipelines.reading.shares import ShareReading
from cryptopattern_pipelines.storage import schemas

HOUR = pd.Timestamp("2024-08-05 13:00", tz="UTC")
MAP, CHART, BAD = ("a" * 64, "b" * 64, "c" * 64)
PICTURES = pd.DataFrame(
    {
        "hour": [HOUR, HOUR, HOUR + pd.Timedelta(hours=1)],
        "sha256": [MAP, CHART, BAD],
        "captured_at": [HOUR + pd.Timedelta(minutes=minutes) for minutes in (5, 7, 60)],
        "kept_at": ["x", "y", "z"],
    }
)
READINGS = {
    MAP: Reading(
        "m.png", MAP, "liquidation_map", 0.98, "title", "ETH: binance", "ETH", "binance", current_price=3764.6,
        chart_time=datetime(2024, 8, 5, 13, tzinfo=UTC), readings=(ShareReading("ETH", 40.0, 60.0, "line", 0.8),),
        levels=(Level(3700.0, "long", 0.9, 1.0), Level(3900.0, "short", 0.45, 0.5)),
        metrics=(MetricReading("price", 3764.6, "USD", None),),
        words=(
            Word("ETH:", 0.9, 1, 2, 3, 4, line=7, word=3),
            Word("GMT", 0.8, 9, 2, 3, 4, line=7, word=1),
            Word("x", 0.1, 0, 0, 1, 1, line=2),
        ),
    ),
    CHART: Reading(
        "d.png", CHART, "liquidation_distribution_all", 0.98, "title", leverage="all_leverage",
        readings=(ShareReading("BTC", 63.0, 37.0, "both", 0.99, -1, 0.02), ShareReading(None, 50.0, 50.0, "area", 0.6)),
    ),
    BAD: Reading("e.png", BAD, confidence=1.0, evidence="not a readable picture", error="the file is empty"),
}  # fmt: skip
MAKERS = {
    "ocr_outputs": (frames.ocr_outputs, 3),
    "classified_images": (frames.classified_images, 3),
    "liquidation_readings": (frames.liquidation_readings, 2),
    "liquidation_levels": (frames.liquidation_levels, 2),
    "dashboard_metrics": (frames.dashboard_metrics, 1),
}


@pytest.mark.parametrize("name", MAKERS)
def test_rows_keep_their_table_s_rules(name: str) -> None:
    make, count = MAKERS[name]
    rows = make(PICTURES, READINGS)
    assert len(rows) == count
    schemas.TABLES[name].pandera.validate(rows)


@pytest.mark.parametrize("name", MAKERS)
def test_no_pictures_or_no_readings_make_an_empty_table(name: str) -> None:
    make, _ = MAKERS[name]
    for rows in (make(PICTURES.iloc[:0], READINGS), make(PICTURES, {})):
        assert rows.empty
        assert list(rows.columns) == schemas.TABLES[name].names
        schemas.TABLES[name].pandera.validate(rows)


def test_words_are_numbered_by_line_and_word() -> None:
    rows = frames.ocr_outputs(PICTURES, READINGS)
    assert rows[["line", "word", "text"]].to_numpy().tolist() == [[0, 0, "ETH:"], [0, 1, "GMT"], [1, 0, "x"]]


def test_levels_are_ranked_and_bear_the_chart_s_symbol() -> None:
    rows = frames.liquidation_levels(PICTURES, READINGS)
    assert rows[["rank", "price", "side", "symbol"]].to_numpy().tolist() == [
        [1, 3700.0, "long", "ETH"],
        [2, 3900.0, "short", "ETH"],
    ]


@pytest.mark.parametrize(("apart", "kept"), [(-30, True), (10, True), (-50, False), (20, False)])
def test_a_chart_of_another_time_has_neither_shares_nor_levels_and_says_so(apart: int, kept: bool) -> None:
    readings = {MAP: replace(READINGS[MAP], chart_time=HOUR + pd.Timedelta(hours=apart))}
    timely = frames.timely(PICTURES, readings)
    assert len(frames.liquidation_readings(PICTURES, timely)) == kept
    assert len(frames.liquidation_levels(PICTURES, timely)) == 2 * kept
    [error] = frames.classified_images(PICTURES, readings)["error"]
    assert pd.isna(error) if kept else "its shares and levels are left out" in error


def test_a_share_without_a_coin_has_no_row() -> None:
    assert frames.liquidation_readings(PICTURES, READINGS)["symbol"].tolist() == ["ETH", "BTC"]


def test_an_unreadable_picture_is_a_row_that_says_why() -> None:
    row = frames.classified_images(PICTURES, READINGS).set_index("sha256").loc[BAD]
    assert (row["image_type"], row["error"]) == ("unknown", "the file is empty")
