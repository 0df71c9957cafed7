"""Readings become rows of the tables.

What belongs here: which of a reading's facts stand in which column. What does not: reading, and how rows are kept.

Every function takes `pictures`, rows of RAW_SCREENSHOTS (at least hour, sha256, captured_at), and `readings` by sha256;
it gives back that table's columns and types, rows in the pictures' order. A picture without a reading has no rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from cryptopattern_pipelines.reading.contract import Reading
from cryptopattern_pipelines.storage import schemas


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
    """CLASSIFIED_IMAGES: a row a picture."""
    names = (
        "image_type", "confidence", "evidence", "title", "symbol", "venue", "timeframe", "leverage", "chart_time",
        "current_price", "reader_version", "error",
    )  # fmt: skip
    rows = [
        _when(key) | {name: getattr(reading, name) for name in names} for key, reading in _pairs(pictures, readings)
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
