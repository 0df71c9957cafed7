"""Readings become rows of the tables.

What belongs here: which of a reading's facts stand in which column. What does not: reading, and how rows are kept.

Every function takes `pictures`, rows of RAW_SCREENSHOTS (at least hour, sha256, captured_at), and `readings` by sha256;
it gives back that table's columns and types, rows in the pictures' order. A picture without a reading has no rows.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pandas as pd

from cryptopattern_pipelines.reading.contract import Reading
from cryptopattern_pipelines.storage import schemas

# A chart prints its time without a zone, which may be 14 hours from UTC; and it may be looked at for a day after it was
# drawn, but not before.
_AHEAD = timedelta(hours=14)
_BEHIND = timedelta(hours=24 + 14)


def timely(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """The readings whose charts are of about the time that their pictures were captured, as far as charts say it.

    An old chart that is looked at today says nothing of today, and one that is newer than its picture would tell of the
    future: its file's time is wrong.
    """
    return {key.sha256: reading for key, reading in _pairs(pictures, readings) if out_of_time(key, reading) is None}


def out_of_time(picture: Any, reading: Reading) -> str | None:
    """Why what a chart shows is not of the time at which it was captured; None where it is, or doesn't say."""
    if reading.chart_time is None or -_AHEAD <= picture.captured_at - reading.chart_time <= _BEHIND:
        return None
    said = f"{reading.chart_time:%Y-%m-%d %H:%M}, far from {picture.captured_at:%Y-%m-%d %H:%M} when it was captured"
    return f"the chart says it is of {said}: its shares and levels are left out"


def ocr_outputs(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """OCR_OUTPUTS: a row a word, numbered by line and word from 0."""
    rows = []
    for key, reading in _pairs(pictures, readings):
        lines: dict[int, int] = {}
        count: dict[int, int] = {}
        for word in reading.words:
            line = lines.setdefault(word.line, len(lines))
            place = count[line] = count.get(line, -1) + 1
            rows.append(
                {"hour": key.hour, "sha256": key.sha256, "line": line, "word": place, "text": word.text}
                | {"confidence": word.confidence}
                | {f"box_{side}": getattr(word, side) for side in ("left", "top", "width", "height")}
            )
    return schemas.OCR_OUTPUTS.conform(rows)


def classified_images(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """CLASSIFIED_IMAGES: a row a picture; in `error` stands also why a chart is of another time."""
    names = (
        "image_type", "confidence", "evidence", "title", "symbol", "venue", "timeframe", "leverage", "chart_time",
        "current_price", "reader_version",
    )  # fmt: skip
    rows = [
        _when(key)
        | {name: getattr(reading, name) for name in names}
        | {"error": "; ".join(filter(None, (reading.error, out_of_time(key, reading)))) or None}
        for key, reading in _pairs(pictures, readings)
    ]
    return schemas.CLASSIFIED_IMAGES.conform(rows)


def liquidation_readings(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """LIQUIDATION_READINGS: a row a symbol on a chart. A share whose coin isn't known has no row."""
    names = ("symbol", "long_pct", "short_pct", "arrows", "method", "agreement", "confidence")
    rows = [
        _when(key) | {"image_type": reading.image_type} | {name: getattr(share, name) for name in names}
        for key, reading in _pairs(pictures, readings)
        for share in reading.readings
        if share.symbol is not None
    ]
    return schemas.LIQUIDATION_READINGS.conform(rows)


def liquidation_levels(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """LIQUIDATION_LEVELS: a row a level, ranked by strength from 1."""
    rows = [
        _when(key)
        | {"symbol": reading.symbol, "image_type": reading.image_type, "rank": rank}
        | {name: getattr(level, name) for name in ("price", "side", "strength", "strength_share")}
        for key, reading in _pairs(pictures, readings)
        for rank, level in enumerate(reading.levels, 1)
    ]
    return schemas.LIQUIDATION_LEVELS.conform(rows)


def dashboard_metrics(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> pd.DataFrame:
    """DASHBOARD_METRICS: a row a metric."""
    rows = [
        _when(key)
        | {"symbol": reading.symbol}
        | {name: getattr(metric, name) for name in ("name", "value", "unit", "change")}
        for key, reading in _pairs(pictures, readings)
        for metric in reading.metrics
    ]
    return schemas.DASHBOARD_METRICS.conform(rows)


def _pairs(pictures: pd.DataFrame, readings: Mapping[str, Reading]) -> Iterator[tuple[Any, Reading]]:
    """Each picture's row with its reading."""
    for row in pictures.itertuples(index=False):
        if row.sha256 in readings:
            yield row, readings[row.sha256]


def _when(row: Any) -> dict[str, Any]:
    return {"hour": row.hour, "sha256": row.sha256, "captured_at": row.captured_at}
