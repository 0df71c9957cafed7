"""Forecasts of a whole history as they would have been made then, beside what came: what `evaluation.py` scores.

What belongs here: running the forecaster day by day and asking each hour the models of the day before. What does not:
the forecaster's rules (`forecaster.py`), which are the same as in daily work, and the scores.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.forecaster import DEFAULTS, History, TrainingSettings, Verdict, verdicts
from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole, epoch_hour
from cryptopattern_pipelines.squeeze.models import Model
from cryptopattern_pipelines.storage.schemas import MODEL_KINDS, TARGETS

# What is compared: the model that stood, each kind as it was trained that month, and the guide's score.
STOOD, GUIDE = "stood", "guide"
METHODS = (STOOD, *MODEL_KINDS, GUIDE)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Scored:
    """One target's forecasts with what came, by hour and then symbol; chances by method, each a fraction."""

    target: str
    symbols: tuple[str, ...]
    hour: Whole
    symbol: Whole
    came: Truths
    chances: dict[str, Floats]


def walk_forward(
    history: History,
    start: datetime,
    end: datetime,
    settings: TrainingSettings = DEFAULTS,
    targets: Sequence[str] = TARGETS,
) -> list[Scored]:
    """Forecast every hour in [start, end) whose target is known and for which every kind of model was trained.

    The forecaster begins with nothing on the day before `start`. All methods are scored on the same rows.

    Args:
        history: features and targets from `settings.lookback` before `start`, or from where they begin.
        start: midnight, UTC.
        end: midnight, UTC.
        settings: as in daily work.
        targets: which to forecast.
    """
    days = [start + number * _DAY for number in range(-1, (end - start) // _DAY)]

    def one(target: str) -> Scored:
        return _scored(history, target, list(verdicts(lambda: history, days, {}, settings, (target,))))

    # One thread a target, and one thread within each: the sums come out the same on any machine.
    with threadpool_limits(1), ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(one, targets))


def _scored(history: History, target: str, told: list[Verdict]) -> Scored:
    features = history.features
    grid = features.grid
    came, known = history.targets.of(target)
    ready = features.scored & known
    chances = {method: np.full(grid.shape, np.nan) for method in METHODS}
    for first, last, stood, fitted in _spells(told):
        rows = np.zeros(grid.shape, dtype=bool)
        rows[max(0, first - grid.first) : max(0, last - grid.first)] = True
        rows &= ready
        if not rows.any():
            continue
        figures = features.figures[rows]
        for method, model in {STOOD: stood, **fitted}.items():
            chances[method][rows] = model.chances(features.names, figures)
    chances[GUIDE] = _guide(features, target)
    everywhere = ready & np.all([np.isfinite(chance) for chance in chances.values()], axis=0)
    row, column = np.nonzero(everywhere)
    at = {method: chance[everywhere] for method, chance in chances.items()}
    return Scored(target, grid.symbols, row + grid.first, column, came[everywhere], at)


def _spells(told: list[Verdict]) -> Iterator[tuple[int, int, Model, dict[str, Model]]]:
    """Stretches of hours, each a day after its verdict, with the model that stood and the newest of every kind."""
    fitted: dict[str, Model] = {}
    open_since: int | None = None
    standing: Model | None = None
    for verdict in told:
        follows = epoch_hour(verdict.day) + 24
        model = verdict.standing.model if verdict.standing else None
        if verdict.fitted or model is not standing:
            if open_since is not None and standing is not None:
                yield open_since, follows, standing, dict(fitted)
            fitted = dict(verdict.fitted) or fitted
            standing, open_since = model, follows
    if open_since is not None and standing is not None:
        yield open_since, epoch_hour(told[-1].day) + 48, standing, dict(fitted)


def _guide(features: Features, target: str) -> Floats:
    """The guide's heuristic score as if it were the chance of its side; 0 where it is silent or names the other."""
    score = np.nan_to_num(features.column("score"), nan=0.0) / 100
    sides: dict[str, npt.NDArray[np.float64]] = {
        "long_squeeze": -score,
        "down_move": -score,
        "short_squeeze": score,
        "up_move": score,
        "any_move": np.abs(score),
    }
    return np.maximum(sides[target], 0.0)
