"""`squeeze_analyses` against the guide's row-wise detector, on the same rows.

The rival is written after the guide's description and keeps its behaviour: a call and an object for each row and
signal, a sentence and a time stamp in each. The guide has it analyse one symbol at a time, from dictionaries. How those
come about is left open, and decides how fast it is; so there are three of it:

- `analysis`: each row is an analysis of its own, as a call of the guide's `/analyze/<symbol>` is: it looks its symbol's
  snapshot and newest reading up in the tables, and keeps nothing for the next. A thousand rows of it are timed.
- `analysis, one pass`: a loop over the snapshots' rows, with each symbol's readings sorted beforehand and found by
  bisection: the fastest that a loop over rows was made.
- `analysis, inputs ready`: it is handed dictionaries that cost it nothing, and so does less than half of the work.

Ours does more on each row (finds the newest readings itself, five signals for the guide's two, where each share is
from, clusters, a sentence) and still has to give the guide's numbers where only the guide's two signals fire, but for
the guide's two flaws:

- its squeeze types are swapped (shorts dominate -> LONG_SQUEEZE),
- its dominance signal has weight .1 for .40: it is named `short_liquidation_dominance`, which the weights don't have.

So with one signal present the scores are equal (its weight cancels out), and with both they are equal once ours is
weighed anew with .1. `run` fails when they are not.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.analyses import squeeze_analyses
from cryptopattern_pipelines.squeeze.signals import WEIGHTS, SignalSettings
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS
from cryptopattern_tests.benchmarks.figure import Figure

SYMBOLS = 100
HOURS = 2000
LOOKED_UP = 1000
LEVELS = 8
ROUNDS = 3
HOUR = pd.Timedelta(hours=1)
GUIDES_FALLBACK_WEIGHT = 0.1
SWAPPED = {"SHORT_SQUEEZE": "LONG_SQUEEZE", "LONG_SQUEEZE": "SHORT_SQUEEZE"}


class DisagreementError(AssertionError):
    """Ours and the guide's detector differ where they have to be equal."""


@dataclass
class SqueezeSignal:
    """One signal of one row, as the guide has it."""

    signal_type: str
    strength: float
    description: str
    timestamp: datetime


class GuideDetector:
    """The guide's detector: one row at a time, two of its five signals, its flaws kept."""

    weights: dict[str, float] = {  # noqa: RUF012 (as the guide has it)
        "liquidation_dominance": 0.4,
        "volume_spike": 0.25,
        "price_acceleration": 0.2,
        "funding_rate_extreme": 0.1,
        "open_interest_change": 0.05,
    }

    def __init__(self, dominance_threshold: float = 70.0) -> None:
        self.dominance_threshold = dominance_threshold

    def dominance(self, liquidations: dict[str, Any]) -> SqueezeSignal | None:
        """A signal when either side has the threshold's share."""
        long_pct = liquidations.get("long_liquidation_pct", 50.0)
        short_pct = liquidations.get("short_liquidation_pct", 50.0)
        strength = min(100.0, abs(long_pct - short_pct) * 1.2)
        for side, share in (("short", short_pct), ("long", long_pct)):
            if share >= self.dominance_threshold:
                return SqueezeSignal(
                    f"{side}_liquidation_dominance",
                    strength,
                    f"{side} liquidations dominate: {share:.1f}%",
                    datetime.now(UTC),
                )
        return None

    def volume_spike(self, market: dict[str, Any]) -> SqueezeSignal | None:
        """A signal when the 24h volume rose by more than 50 %."""
        change = market.get("volume_change_24h", 0.0)
        if change > 50.0:
            return SqueezeSignal(
                "volume_spike", min(100.0, change * 1.5), f"volume up by {change:.1f}%", datetime.now(UTC)
            )
        return None

    def score(self, signals: list[SqueezeSignal], liquidations: dict[str, Any]) -> dict[str, Any]:
        """Probability, severity, timeframe and risk of one row."""
        weighted = total = 0.0
        summary = {}
        for signal in signals:
            weight = self.weights.get(signal.signal_type, GUIDES_FALLBACK_WEIGHT)
            weighted += signal.strength * weight
            total += weight
            summary[signal.signal_type] = {
                "strength": signal.strength,
                "description": signal.description,
                "weight": weight,
            }
        base = weighted / total if total > 0 else 0.0
        long_pct = liquidations.get("long_liquidation_pct", 50.0)
        short_pct = liquidations.get("short_liquidation_pct", 50.0)
        if short_pct > long_pct:
            squeeze_type, direction = "LONG_SQUEEZE", (short_pct - 50.0) * 2
        else:
            squeeze_type, direction = "SHORT_SQUEEZE", (long_pct - 50.0) * 2
        probability = base * (direction / 100.0)
        return {
            "squeeze_type": squeeze_type,
            "probability": round(probability, 1),
            "severity": self.step(probability, ("MINOR", "MODERATE", "MAJOR", "EXTREME")),
            "direction_confidence": round(direction, 1),
            "signals": summary,
            "signal_count": len(signals),
            "estimated_timeframe": self.step(probability, ("uncertain", "3-7 days", "24-72 hours", "6-24 hours")),
            "risk_level": self.risk(probability, len(signals)),
        }

    @staticmethod
    def step(probability: float, names: tuple[str, str, str, str]) -> str:
        """The name for a score at the guide's cuts."""
        if probability >= 80:
            return names[3]
        if probability >= 65:
            return names[2]
        return names[1] if probability >= 45 else names[0]

    @staticmethod
    def risk(probability: float, count: int) -> str:
        """The guide's risk level."""
        if probability >= 75 and count >= 3:
            return "HIGH_CONFIDENCE"
        if probability >= 60 and count >= 2:
            return "MEDIUM_CONFIDENCE"
        return "LOW_CONFIDENCE" if probability >= 40 else "INSUFFICIENT_DATA"

    def analyse(self, symbol: str, liquidations: dict[str, Any], market: dict[str, Any]) -> dict[str, Any]:
        """Analyse one symbol at one time."""
        found = (self.dominance(liquidations), self.volume_spike(market))
        analysis = self.score([signal for signal in found if signal], liquidations)
        analysis.update(
            {
                "symbol": symbol,
                "analysis_timestamp": datetime.now(UTC).isoformat(),
                "data_sources": {
                    "liquidation_source": liquidations.get("data_source", "unknown"),
                    "market_source": market.get("data_source", "unknown"),
                },
            }
        )
        return analysis


@dataclass(frozen=True)
class Work:
    """One market for both: the tables that ours takes, and the window to analyse."""

    snapshots: pd.DataFrame
    readings: pd.DataFrame
    liquidations: pd.DataFrame
    levels: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp
    settings: SignalSettings


def work(symbols: int, hours: int, seed: int = 1) -> Work:
    """A simulated market, a picture of all symbols every four hours, and one of each symbol's levels every day."""
    random = np.random.default_rng(seed)
    settings = SignalSettings()
    start = pd.Timestamp("2024-01-01", tz="UTC")
    count = hours + settings.lookback // pd.Timedelta(hours=1)
    begin = start - settings.lookback
    names = pd.array([f"S{number:03d}" for number in range(symbols)], dtype="str")
    every = pd.date_range(begin, periods=count, freq="h").as_unit("us")
    moves = random.normal(0, 0.01, (count, symbols))
    snapshots = pd.DataFrame(
        {
            "hour": every.repeat(symbols),
            "symbol": names.take(np.tile(np.arange(symbols), count)),
            "average_price": np.exp(np.cumsum(moves, axis=0)).ravel(),
            "price_change_1h_pct": 100 * np.expm1(moves).ravel(),
            "volume_change_24h_pct": random.normal(0, 60, count * symbols),
            "open_interest_change_24h_pct": random.normal(0, 5, count * symbols),
            "funding_percentile": random.uniform(0, 100, count * symbols),
            "venues": "binance:perpetual",
            "outlier_venues": pd.Series(None, index=range(count * symbols), dtype="str"),
        }
    )
    pictures = every[::4]
    long_pct = np.round(random.uniform(0, 100, len(pictures) * symbols), 1)
    readings = pd.DataFrame(
        {
            "sha256": pd.array([f"{number:064x}" for number in range(len(pictures))], dtype="str").repeat(symbols),
            "symbol": names.take(np.tile(np.arange(symbols), len(pictures))),
            "captured_at": (pictures + pd.Timedelta(minutes=10)).repeat(symbols),
            "image_type": "liquidation_distribution_all",
            "long_pct": long_pct,
            "short_pct": np.round(100 - long_pct, 1),
            "confidence": 1.0,
        }
    )
    days = every[::24]
    seen = pd.DataFrame(
        {
            "sha256": pd.array([f"{number:064x}" for number in range(len(days) * symbols)], dtype="str").repeat(LEVELS),
            "symbol": names.take(np.tile(np.arange(symbols).repeat(LEVELS), len(days))),
            "captured_at": (days + pd.Timedelta(minutes=20)).repeat(symbols * LEVELS),
            "price": np.exp(random.normal(0, 0.5, len(days) * symbols * LEVELS)),
            "strength_share": random.uniform(0, 1, len(days) * symbols * LEVELS),
        }
    )
    end = start + pd.Timedelta(hours=hours)
    return Work(snapshots, readings, REALISED_LIQUIDATIONS.empty(), seen, start, end, settings)


def ours(task: Work) -> pd.DataFrame:
    """Every row of the window, by the project."""
    return squeeze_analyses(
        task.snapshots, task.readings, task.liquidations, task.start, task.end, task.settings, task.levels
    )


def rival(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The same rows by the guide's detector, given the shares that ours had to find."""
    detector = GuideDetector()
    return [
        detector.analyse(symbol, _liquidation_data(long_pct, short_pct), _market_data(change))
        for symbol, long_pct, short_pct, change in _rows(rows)
    ]


def rival_in_one_pass(task: Work) -> list[dict[str, Any]]:
    """The same rows in a loop over the snapshots, each symbol's readings sorted beforehand."""
    detector, age = GuideDetector(), pd.Timedelta(hours=task.settings.max_reading_age_hours)
    readings = {}
    for symbol, mine in task.readings.sort_values("captured_at").groupby("symbol"):
        readings[symbol] = (mine["captured_at"].tolist(), mine["long_pct"].tolist(), mine["short_pct"].tolist())
    found = []
    for row in task.snapshots[task.snapshots["hour"] >= task.start].itertuples():
        end = row.hour + HOUR
        times, longs, shorts = readings[row.symbol]
        newest = bisect_left(times, end) - 1
        fresh = newest >= 0 and times[newest] >= end - age
        shares = (longs[newest], shorts[newest]) if fresh else (50.0, 50.0)
        found.append(detector.analyse(row.symbol, _liquidation_data(*shares), _market_data(row.volume_change_24h_pct)))
    return found


def rival_row_by_row(task: Work, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Some of the rows, each an analysis of its own that looks its symbol up in the tables."""
    detector, age = GuideDetector(), pd.Timedelta(hours=task.settings.max_reading_age_hours)
    found = []
    for hour, symbol in zip(rows["hour"], rows["symbol"], strict=True):
        end = hour + HOUR
        snapshot = task.snapshots[(task.snapshots["symbol"] == symbol) & (task.snapshots["hour"] == hour)].iloc[0]
        read = task.readings
        fresh = read[(read["symbol"] == symbol) & (read["captured_at"] < end) & (read["captured_at"] >= end - age)]
        shares = (50.0, 50.0)
        if len(fresh):
            newest = fresh.loc[fresh["captured_at"].idxmax()]
            shares = (float(newest["long_pct"]), float(newest["short_pct"]))
        market = _market_data(float(snapshot["volume_change_24h_pct"]))
        found.append(detector.analyse(symbol, _liquidation_data(*shares), market))
    return found


def _liquidation_data(long_pct: float, short_pct: float) -> dict[str, Any]:
    return {"long_liquidation_pct": long_pct, "short_liquidation_pct": short_pct, "data_source": "test"}


def _market_data(volume_change: float) -> dict[str, Any]:
    return {"volume_change_24h": volume_change, "data_source": "test"}


def _rows(rows: pd.DataFrame) -> Iterator[tuple[str, float, float, float]]:
    return zip(*(rows[name].tolist() for name in ("symbol", "long_pct", "short_pct", "change")), strict=True)


def rows_for_the_rival(task: Work, analyses: pd.DataFrame) -> pd.DataFrame:
    """Symbol, shares and volume change of each analysed row."""
    shares = analyses[["hour", "symbol", "long_pct", "short_pct"]]
    joined = shares.merge(task.snapshots[["hour", "symbol", "volume_change_24h_pct"]], on=["hour", "symbol"])
    return joined.rename(columns={"volume_change_24h_pct": "change"})


def check_agreement(analyses: pd.DataFrame, guide: pd.DataFrame) -> int:
    """Compare row by row where only the guide's two signals fire.

    Returns:
        How many rows were compared.

    Raises:
        DisagreementError: a column differs where it has to be equal; the message names it and the first such row.
    """
    more = [name for name in WEIGHTS if name not in {"liquidation_dominance", "volume_spike"}]
    # At even shares the guide names a side with a confidence of 0, ours none.
    alike = analyses[[f"{name}_strength" for name in more]].isna().all(axis=1) & (analyses["direction_confidence"] > 0)
    mine, theirs = analyses[alike].reset_index(drop=True), guide[alike.to_numpy()].reset_index(drop=True)
    dominance, spike = mine["liquidation_dominance_strength"], mine["volume_spike_strength"]
    both = dominance.notna() & spike.notna()
    weights = (
        dominance.notna() * GUIDES_FALLBACK_WEIGHT,
        spike.notna() * WEIGHTS["volume_spike"],
    )
    total = weights[0] + weights[1]
    base = (dominance.fillna(0) * weights[0] + spike.fillna(0) * weights[1]) / total.where(total > 0, 1.0)
    # Python and numpy may round a tie to different sides of the last digit.
    last_digit = 0.1 + 1e-9
    agreements = {
        "squeeze_type": mine["squeeze_type"].map(SWAPPED) == theirs["squeeze_type"],
        "signal_count": mine["signal_count"] == theirs["signal_count"],
        "direction_confidence": (mine["direction_confidence"] - theirs["direction_confidence"]).abs() <= last_digit,
        "probability": both | ((mine["probability"] - theirs["probability"]).abs() <= last_digit),
        "probability at the guide's weights": (
            (base * mine["direction_confidence"] / 100 - theirs["probability"]).abs() <= last_digit
        ),
        **{name: both | (mine[name] == theirs[name]) for name in ("severity", "estimated_timeframe", "risk_level")},
    }
    for name, agrees in agreements.items():
        if not agrees.all():
            row = int(agrees.to_numpy(dtype=bool).argmin())
            raise DisagreementError(f"{name}: {mine.loc[row].to_dict()} against {theirs.loc[row].to_dict()}")
    return len(mine)


def run(symbols: int = SYMBOLS, hours: int = HOURS, looked_up: int = LOOKED_UP) -> list[Figure]:
    """Rows a second of ours and of each rival, the best of a few rounds each."""
    task = work(symbols, hours)
    analyses = ours(task)
    ready = rows_for_the_rival(task, analyses)
    some = analyses.iloc[:: max(len(analyses) // looked_up, 1)]
    of_ours = _fastest(lambda: ours(task), len(analyses))
    figures = []
    rivals: tuple[tuple[str, Callable[[], list[dict[str, Any]]], pd.DataFrame], ...] = (
        ("analysis", lambda: rival_row_by_row(task, some), some),
        ("analysis, one pass", lambda: rival_in_one_pass(task), analyses),
        ("analysis, inputs ready", lambda: rival(ready), analyses),
    )
    for name, slow, compared in rivals:
        check_agreement(compared, pd.DataFrame(slow()))
        mark = 500 if slow is rivals[0][1] else None
        figures.append(Figure(name, of_ours, _fastest(slow, len(compared)), "rows/s", ratio_mark=mark))
    return figures


def _fastest(work_once: Callable[[], object], rows: int) -> float:
    """Rows a second in the best of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work_once()
        seconds.append(perf_counter() - began)
    return rows / min(seconds)
