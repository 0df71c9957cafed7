"""Snapshots, readings and liquidations become one squeeze analysis a symbol and hour.

What belongs here: the guide's score and what follows from it. What does not: the signals (`signals.py`) and which
reading is used (`dominance.py`).

The labels are the field's: shorts dominate -> SHORT_SQUEEZE (price up), longs dominate -> LONG_SQUEEZE (price
down). The guide has the two swapped, and weighs its dominance signal .1 because its name misses the key of the
weights; here it has its .40.
"""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from cryptopattern_pipelines.squeeze import signals
from cryptopattern_pipelines.squeeze.dominance import SOURCES, Dominance, dominance
from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, Whole, epoch_hours, labels, window
from cryptopattern_pipelines.squeeze.signals import WEIGHTS, SignalSettings
from cryptopattern_pipelines.storage.schemas import SEVERITIES, SQUEEZE_ANALYSES, SQUEEZE_TYPES

SCORE_CUTS = (45.0, 65.0, 80.0)
TIMEFRAMES = ("uncertain", "3-7 days", "24-72 hours", "6-24 hours")
RISK_LEVELS = ("INSUFFICIENT_DATA", "LOW_CONFIDENCE", "MEDIUM_CONFIDENCE", "HIGH_CONFIDENCE")

SNAPSHOT_COLUMNS = (
    "hour",
    "symbol",
    "average_price",
    "volume_change_24h_pct",
    "open_interest_change_24h_pct",
    "funding_percentile",
    "venues",
)
READING_COLUMNS = ("sha256", "symbol", "captured_at", "image_type", "long_pct", "short_pct", "confidence")
LIQUIDATION_COLUMNS = ("hour", "symbol", "venue", "long_liquidated_usd", "short_liquidated_usd")


def squeeze_analyses(  # noqa: PLR0917 (three tables, a window and the settings)
    snapshots: pd.DataFrame,
    readings: pd.DataFrame,
    liquidations: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: SignalSettings,
) -> pd.DataFrame:
    """Analyse every symbol-hour that has a snapshot in [start, end).

    Rows handed in from before `start` serve as look-back (`settings.snapshots_lookback`, `.readings_lookback` and
    `.liquidations_lookback` say how much is needed); more of them changes nothing, nor do rows after an hour.
    An hour without a reading or liquidations to tell a dominant side has type NONE and score 0; its other signals
    are kept.

    Args:
        snapshots: EXCHANGE_SNAPSHOTS, at least SNAPSHOT_COLUMNS.
        readings: LIQUIDATION_READINGS, at least READING_COLUMNS; symbols are canonical names (1000PEPE is PEPE).
        liquidations: REALISED_LIQUIDATIONS, at least LIQUIDATION_COLUMNS.
        start: first hour, UTC.
        end: the hour after the last, UTC.
        settings: thresholds and ages.

    Returns:
        SQUEEZE_ANALYSES, sorted by hour and symbol.

    Raises:
        WindowError: start or end is not on the hour or has no time zone, or end is not after start.
    """
    first, last = window(start, end)
    hours = epoch_hours(snapshots["hour"])
    wanted = (hours >= first) & (hours < last)
    if not wanted.any():
        return SQUEEZE_ANALYSES.empty()
    lead = settings.lookback // timedelta(hours=1)
    symbols = tuple(sorted(snapshots["symbol"][wanted].unique()))
    grid = HourGrid(first - lead, last - first + lead, symbols)

    cells = grid.cells(hours, snapshots["symbol"])
    prices = grid.spread(cells, snapshots["average_price"].to_numpy(dtype=np.float64), np.nan)
    acceleration = signals.price_acceleration(prices, settings)
    sides = dominance(grid, readings, liquidations, settings)

    row_numbers = np.flatnonzero(wanted)
    row_numbers = row_numbers[np.argsort(cells[row_numbers], kind="stable")]
    at = cells[row_numbers]
    rows = snapshots.iloc[row_numbers]
    long_pct, short_pct = sides.long_pct.ravel()[at], sides.short_pct.ravel()[at]
    strengths = {
        "liquidation_dominance": signals.liquidation_dominance(long_pct, short_pct, settings),
        "volume_spike": signals.volume_spike(_floats(rows["volume_change_24h_pct"]), settings),
        "price_acceleration": acceleration.ravel()[at],
        "funding_extreme": signals.funding_extreme(_floats(rows["funding_percentile"]), settings),
        "open_interest_change": signals.open_interest_change(_floats(rows["open_interest_change_24h_pct"]), settings),
    }
    columns = {
        "hour": rows["hour"].reset_index(drop=True),
        "symbol": rows["symbol"].reset_index(drop=True),
        "price": prices.ravel()[at],
        **_verdict(strengths, long_pct, short_pct, settings),
        "long_pct": long_pct,
        "short_pct": short_pct,
        **_provenance(sides, at, readings),
        "market_sources": rows["venues"].reset_index(drop=True),
    }
    return SQUEEZE_ANALYSES.conform(pd.DataFrame(columns, copy=False))


def _verdict(
    strengths: dict[str, Floats], long_pct: Floats, short_pct: Floats, settings: SignalSettings
) -> dict[str, npt.NDArray[np.generic] | pd.Series]:
    """The guide's score, severity, timeframe and risk level, by columns of SQUEEZE_ANALYSES."""
    weighted = np.zeros_like(long_pct)
    total_weight = np.zeros_like(long_pct)
    count = np.zeros(len(long_pct), dtype=np.int64)
    columns: dict[str, npt.NDArray[np.generic] | pd.Series] = {}
    for signal, strength in strengths.items():
        present = ~np.isnan(strength)
        weighted += np.where(present, strength * WEIGHTS[signal], 0.0)
        total_weight += np.where(present, WEIGHTS[signal], 0.0)
        count += present
        columns[f"{signal}_strength"] = strength
        columns[f"{signal}_weight"] = np.where(present, WEIGHTS[signal], np.nan)
    known = ~np.isnan(long_pct)
    direction = np.where(known, (np.maximum(long_pct, short_pct) - 50.0) * 2.0, 0.0)
    base = weighted / np.where(count > 0, total_weight, 1.0)
    # Nine decimals: at a cut, the last digits of a sum of floats must not decide.
    score = np.clip(np.round(base * (direction / 100.0), 9), 0.0, 100.0)
    types = np.select(
        [short_pct > long_pct, long_pct > short_pct],
        [SQUEEZE_TYPES.index("SHORT_SQUEEZE"), SQUEEZE_TYPES.index("LONG_SQUEEZE")],
        SQUEEZE_TYPES.index("NONE"),
    )
    step = np.digitize(score, SCORE_CUTS)
    risk = np.select(
        [(score >= settings.confidence_threshold) & (count >= 3), (score >= 60) & (count >= 2), score >= 40],
        [3, 2, 1],
        0,
    )
    return {
        "squeeze_type": labels(SQUEEZE_TYPES, types),
        "probability": np.round(score, 1),
        "direction_confidence": np.clip(np.round(direction, 1), 0.0, 100.0),
        "severity": labels(SEVERITIES, step),
        "estimated_timeframe": labels(TIMEFRAMES, step),
        "risk_level": labels(RISK_LEVELS, risk),
        "signal_count": count,
        **columns,
    }


def _provenance(sides: Dominance, at: Whole, readings: pd.DataFrame) -> dict[str, npt.NDArray[np.generic] | pd.Series]:
    """Where the shares are from, by columns of SQUEEZE_ANALYSES."""
    return {
        "dominance_source": labels(SOURCES, sides.source.ravel()[at]),
        "dominance_sha256": labels(readings["sha256"], sides.reading.ravel()[at]),
        "dominance_age_hours": sides.age_hours.ravel()[at],
    }


def _floats(column: pd.Series) -> Floats:
    return column.to_numpy(dtype=np.float64)
