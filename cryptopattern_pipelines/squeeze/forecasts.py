"""What the models that stand say of an hour: chances beside their base rate, with what drives them.

What belongs here: rows of SQUEEZE_FORECASTS. What does not: which model stands (`forecaster.py`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.forecaster import Standing
from cryptopattern_pipelines.squeeze.grid import Floats, labels
from cryptopattern_pipelines.squeeze.intervals import wilson
from cryptopattern_pipelines.squeeze.models import Experience
from cryptopattern_pipelines.storage.schemas import SQUEEZE_FORECASTS

_DRIVERS = 3

Stood = Mapping[datetime, Mapping[str, Standing]]


def squeeze_forecasts(features: Features, stood: Stood) -> pd.DataFrame:
    """Forecast every scored hour and symbol whose day has a model that stood when it began.

    Args:
        features: of the hours that are wanted.
        stood: by the midnight at which a day begins, then by target, what stood at the end of the day before: so no
            model has seen anything of the hour's own day. A day or target that is missing has no forecast.

    Returns:
        SQUEEZE_FORECASTS, sorted by hour, symbol and target.
    """
    grid = features.grid
    row, column = np.nonzero(features.scored)
    midnight = pd.Series(grid.times(row)).dt.floor("D")
    parts = []
    for standing, target, days in _spells(stood):
        chosen = midnight.isin(days).to_numpy()
        if not chosen.any():
            continue
        at_row, at_column = row[chosen], column[chosen]
        model = standing.model
        chance, added = model.chances_and_contributions(features.names, features.figures[at_row, at_column])
        low, high, known_days = _experienced(chance, model.experience)
        parts.append(
            pd.DataFrame(
                {
                    "hour": grid.times(at_row),
                    "symbol": grid.names(at_column),
                    "target": target,
                    "probability_pct": 100 * np.clip(chance, 0, 1),
                    "base_rate_pct": standing.row["base_rate_pct"],
                    "base_sample_size": standing.row["base_sample_size"],
                    "interval_low_pct": 100 * low,
                    "interval_high_pct": 100 * high,
                    "interval_sample_size": known_days,
                    "drivers": _drivers(features.names, added),
                    "model_kind": model.kind,
                    "model_version": standing.version,
                }
            )
        )
    if not parts:
        return SQUEEZE_FORECASTS.empty()
    rows = pd.concat(parts, ignore_index=True).sort_values(["hour", "symbol", "target"], ignore_index=True)
    return SQUEEZE_FORECASTS.conform(rows)


def _spells(stood: Stood) -> list[tuple[Standing, str, list[pd.Timestamp]]]:
    """Each model with the days for which it stood, so that all of them are forecast at once."""
    spells: dict[tuple[str, str], tuple[Standing, list[pd.Timestamp]]] = {}
    for day, by_target in stood.items():
        for target, standing in by_target.items():
            spells.setdefault((standing.version, target), (standing, []))[1].append(pd.Timestamp(day))
    return [(standing, target, days) for (_, target), (standing, days) in spells.items()]


def _experienced(chance: Floats, experience: tuple[Experience, ...]) -> tuple[Floats, Floats, pd.Series]:
    """Wilson's interval of what came of such chances in the validation, and on how many days; empty without one."""
    if not experience:
        unknown = np.full(len(chance), np.nan)
        return unknown, unknown, pd.Series(None, index=range(len(chance)), dtype="Int64")
    at = np.searchsorted([each.low for each in experience], chance, side="right") - 1
    at = np.maximum(at, 0)
    days = np.array([each.days for each in experience])[at]
    came = np.array([each.share for each in experience])[at] * days
    low, high = wilson(came, days)
    return np.clip(low, 0, 1), np.clip(high, 0, 1), pd.Series(days, dtype="Int64")


def _drivers(names: tuple[str, ...], added: Floats) -> pd.Series:
    """The three features that add most to the log-odds, either way, e.g. `volatility_24h +0.42, funding -0.10`."""
    order = np.argsort(-np.abs(added), axis=1, kind="stable")[:, :_DRIVERS]
    size = np.take_along_axis(added, order, axis=1)
    text = pd.Series("", index=range(len(added)), dtype="str")
    for place in range(order.shape[1]):
        shown = labels(names, order[:, place]) + pd.Series(size[:, place]).map(" {:+.2f}".format).astype("str")
        told = np.abs(size[:, place]) >= 0.005
        text = text.where(~told, text + (", " if place else "") + shown)
    return text


def days_of(start: datetime, end: datetime) -> list[datetime]:
    """The midnights of the days that hold an hour of [start, end)."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    count = -(-(end - first) // timedelta(days=1))
    return [first + timedelta(days=number) for number in range(count)]
