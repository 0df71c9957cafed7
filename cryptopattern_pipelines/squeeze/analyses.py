"""Snapshots, readings and liquidations become one squeeze analysis a symbol and hour.

What belongs here: the guide's score and what follows from it. What does not: the signals (`signals.py`), which
reading is used (`dominance.py`), the nearest clusters (`clusters.py`) and the sentence (`explanation.py`).

The labels are the field's: shorts dominate -> SHORT_SQUEEZE (price up), longs dominate -> LONG_SQUEEZE (price
down). The guide has the two swapped, and weighs its dominance signal .1 because its name misses the key of the
weights; here it has its .40.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow

from cryptopattern_pipelines.squeeze import signals
from cryptopattern_pipelines.squeeze.clusters import nearest_clusters
from cryptopattern_pipelines.squeeze.dominance import READING_SOURCES, SOURCES, Dominance, dominance
from cryptopattern_pipelines.squeeze.explanation import explanations
from cryptopattern_pipelines.squeeze.grid import (
    MICROSECONDS_PER_HOUR,
    Floats,
    HourGrid,
    Whole,
    epoch_hours,
    epoch_microseconds,
    labels,
    window,
)
from cryptopattern_pipelines.squeeze.prices import PRICE_COLUMNS, comparable_log_prices
from cryptopattern_pipelines.squeeze.signals import WEIGHTS, SignalSettings
from cryptopattern_pipelines.storage.schemas import SEVERITIES, SIGNALS, SQUEEZE_ANALYSES, SQUEEZE_TYPES

SCORE_CUTS = (45.0, 65.0, 80.0)
TIMEFRAMES = ("uncertain", "3-7 days", "24-72 hours", "6-24 hours")
RISK_LEVELS = ("INSUFFICIENT_DATA", "LOW_CONFIDENCE", "MEDIUM_CONFIDENCE", "HIGH_CONFIDENCE")

SNAPSHOT_COLUMNS = (
    "hour",
    "symbol",
    *PRICE_COLUMNS,
    *(column for column, _ in signals.OF_FIGURES.values()),
)
READING_COLUMNS = ("sha256", "symbol", "captured_at", "image_type", "long_pct", "short_pct", "confidence")
LIQUIDATION_COLUMNS = ("hour", "symbol", "venue", "span_hours", "long_liquidated_usd", "short_liquidated_usd")

# Symbol-hours that are worked on at a time: what is at hand for a block stays within some 200 MB.
_BLOCK = 500_000
# Columns that take a few texts, by the codes that a block makes.
_TEXTS = {
    "squeeze_type": SQUEEZE_TYPES,
    "severity": SEVERITIES,
    "estimated_timeframe": TIMEFRAMES,
    "risk_level": RISK_LEVELS,
    "dominance_source": SOURCES,
}
_READING_ROW = "dominance_sha256"
_SENTENCE = "explanation"


@dataclass(frozen=True)
class _Facts:
    """What analyses are made from; `order` and `hours` are the snapshots' row numbers by hour, and those hours.

    `reading_rows` are the readings' row numbers in the table that was handed in.
    """

    snapshots: pd.DataFrame
    readings: pd.DataFrame
    reading_rows: Whole
    liquidations: pd.DataFrame
    levels: pd.DataFrame | None
    order: Whole
    hours: Whole
    symbols: tuple[str, ...]

    def within(self, first: int, last: int) -> "_Facts":
        """Those of the hours in [first, last): a block need not look through a year's pictures."""

        def rows(times: pd.Series) -> npt.NDArray[np.bool_]:
            hours = epoch_hours(times)
            return (hours >= first) & (hours < last)

        read = rows(self.readings["captured_at"])
        return replace(
            self,
            readings=self.readings[read],
            reading_rows=self.reading_rows[read],
            liquidations=self.liquidations[rows(self.liquidations["hour"])],
            levels=None if self.levels is None else self.levels[rows(self.levels["captured_at"])],
            order=self.order[slice(*np.searchsorted(self.hours, [first, last]))],
        )


def squeeze_analyses(  # noqa: PLR0917 (three tables, a window, the settings, and one table more)
    snapshots: pd.DataFrame,
    readings: pd.DataFrame,
    liquidations: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: SignalSettings,
    levels: pd.DataFrame | None = None,
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
        levels: LIQUIDATION_LEVELS, at least `clusters.LEVEL_COLUMNS`, from `settings.readings_lookback` on; without
            them no clusters are told.

    Returns:
        SQUEEZE_ANALYSES, sorted by hour and symbol.

    Raises:
        WindowError: start or end is not on the hour or has no time zone, or end is not after start.
    """
    first, last = window(start, end)
    hours = epoch_hours(snapshots["hour"])
    wanted = (hours >= first) & (hours < last)
    count = int(wanted.sum())
    if not count:
        return SQUEEZE_ANALYSES.empty()
    symbols = tuple(sorted(snapshots["symbol"][wanted].unique()))
    order = np.argsort(hours, kind="stable")
    facts = _Facts(snapshots, readings, np.arange(len(readings)), liquidations, levels, order, hours[order], symbols)

    columns: dict[str, npt.NDArray[Any]] = {}
    sentences = []
    done = 0
    for rows, block in _blocks(facts, first, last, settings):
        # Filled block by block: two copies of a column of millions of rows are never there at once.
        for name, values in (block | {"row": rows}).items():
            if name != _SENTENCE:
                columns.setdefault(name, np.empty(count, dtype=values.dtype))[done : done + len(rows)] = values
        sentences.append(block[_SENTENCE])
        done += len(rows)
    row = columns.pop("row")
    texts = {name: labels(names, columns.pop(name)) for name, names in _TEXTS.items()}
    texts[_READING_ROW] = labels(readings["sha256"], columns.pop(_READING_ROW))
    texts[_SENTENCE] = pd.Series(pd.StringDtype(na_value=np.nan).__from_arrow__(pyarrow.chunked_array(sentences)))
    # Rows that came in order, as a store gives them, need not be copied.
    chosen = slice(row[0], row[-1] + 1) if (np.diff(row) == 1).all() else row
    taken = {
        name: snapshots[column].iloc[chosen].reset_index(drop=True)
        for name, column in (("hour", "hour"), ("symbol", "symbol"), ("market_sources", "venues"))
    }
    return SQUEEZE_ANALYSES.conform(pd.DataFrame(columns | texts | taken, copy=False))


def _blocks(facts: _Facts, first: int, last: int, settings: SignalSettings) -> Iterator[tuple[Whole, dict[str, Any]]]:
    """Blocks of hours: the row numbers of their snapshots by hour and symbol, and the columns that are made of them."""
    length = max(_BLOCK // len(facts.symbols), 1)
    lead = settings.lookback // timedelta(hours=1)
    for begin in range(first, last, length):
        end = min(begin + length, last)
        grid = HourGrid(begin - lead, end - begin + lead, facts.symbols)
        some = facts.within(begin - lead, end)
        rows = some.snapshots.iloc[some.order]
        cells = grid.cells(epoch_hours(rows["hour"]), rows["symbol"])
        inside = np.flatnonzero(cells >= lead * len(facts.symbols))
        inside = inside[np.argsort(cells[inside], kind="stable")]
        if len(inside):
            yield some.order[inside], _block(some, grid, rows, cells, inside, settings)


def _block(  # noqa: PLR0917 (a block's rows and where they stand)
    facts: _Facts, grid: HourGrid, rows: pd.DataFrame, cells: Whole, inside: Whole, settings: SignalSettings
) -> dict[str, Any]:
    """The columns of the rows `inside`, texts as codes and the reading as its row number."""
    prices = grid.spread(cells, rows["average_price"].to_numpy(dtype=np.float64), np.nan)
    acceleration = signals.price_acceleration(comparable_log_prices(grid, cells, rows), settings)
    sides = dominance(grid, facts.readings, facts.liquidations, settings)

    def figures(name: str) -> Floats:
        return rows[name].to_numpy(dtype=np.float64)[inside]

    at = cells[inside]
    price = prices.ravel()[at]
    long_pct, short_pct = sides.long_pct.ravel()[at], sides.short_pct.ravel()[at]
    volume_change = figures("volume_change_24h_pct")
    strengths = {
        "liquidation_dominance": signals.liquidation_dominance(long_pct, short_pct, settings),
        "price_acceleration": acceleration.ravel()[at],
        **{name: strength(figures(column), settings) for name, (column, strength) in signals.OF_FIGURES.items()},
    }
    # In one order, whatever their registry's: a sum of floats depends on it.
    strengths = {name: strengths[name] for name in SIGNALS}
    verdict = _verdict(strengths, long_pct, short_pct, settings)
    provenance = _provenance(grid, sides, at, facts)
    return {
        "price": price,
        **verdict,
        "long_pct": long_pct,
        "short_pct": short_pct,
        **provenance,
        **nearest_clusters(grid, facts.levels, at, price, settings.max_reading_age_hours),
        _SENTENCE: explanations(
            provenance["dominance_source"],
            np.append(facts.readings["image_type"] == "liquidation_map", False)[sides.reading.ravel()[at]],
            long_pct,
            provenance["dominance_age_hours"],
            volume_change,
            {name: ~np.isnan(strength) for name, strength in strengths.items()},
            verdict["probability"],
            settings,
        ),
    }


def _verdict(
    strengths: dict[str, Floats], long_pct: Floats, short_pct: Floats, settings: SignalSettings
) -> dict[str, npt.NDArray[Any]]:
    """The guide's score, severity, timeframe and risk level, by columns of SQUEEZE_ANALYSES; texts as codes."""
    weighted = np.zeros_like(long_pct)
    total_weight = np.zeros_like(long_pct)
    count = np.zeros(len(long_pct), dtype=np.int64)
    columns: dict[str, npt.NDArray[Any]] = {}
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
        "squeeze_type": types.astype(np.int8),
        "probability": np.round(score, 1),
        "direction_confidence": np.clip(np.round(direction, 1), 0.0, 100.0),
        "severity": step.astype(np.int8),
        "estimated_timeframe": step.astype(np.int8),
        "risk_level": risk.astype(np.int8),
        "signal_count": count,
        **columns,
    }


def _provenance(grid: HourGrid, sides: Dominance, at: Whole, facts: _Facts) -> dict[str, npt.NDArray[Any]]:
    """Where the shares are from, and what the newest charts say, by columns of SQUEEZE_ANALYSES; texts as codes."""
    columns: dict[str, npt.NDArray[Any]] = {
        "dominance_source": sides.source.ravel()[at],
        _READING_ROW: np.append(facts.reading_rows, -1)[sides.reading.ravel()[at]].astype(np.int32),
        "dominance_age_hours": sides.age_hours.ravel()[at],
    }
    row_ends = (at // len(grid.symbols) + grid.first + 1) * MICROSECONDS_PER_HOUR
    readings = facts.readings
    captured = np.append(epoch_microseconds(readings["captured_at"]), 0)
    for chart in READING_SOURCES:
        newest = sides.newest[chart].ravel()[at]
        for share in ("long_pct", "short_pct"):
            # The appended NaN is where -1 ends up.
            columns[f"{chart}_{share}"] = np.append(readings[share].to_numpy(dtype=np.float64), np.nan)[newest]
        age = (row_ends - captured[newest]) / MICROSECONDS_PER_HOUR
        columns[f"{chart}_age_hours"] = np.where(newest >= 0, age, np.nan)
    return columns
