"""Whether forecasts still come true as often as they say: those of the last weeks, held against what came.

What belongs here: which forecasts are looked at, and their scores. What does not: the measures (`scores.py`) and what
came (`targets.py`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import epoch_hours
from cryptopattern_pipelines.squeeze.scores import calibration_error
from cryptopattern_pipelines.squeeze.targets import KNOWN_AFTER_HOURS, Targets
from cryptopattern_pipelines.storage.schemas import TARGETS

LOOKED_AT = timedelta(days=30)
FORECAST_COLUMNS = ("hour", "symbol", "target", "probability_pct", "base_rate_pct")
COLUMNS = ("target", "forecasts", "brier", "brier_base", "calibration_error")


class Known(NamedTuple):
    """The hours from `start` up to, and without, `end` whose outcomes are known, both UTC."""

    start: datetime
    end: datetime


def known_by(day_end: datetime) -> Known:
    """The last 30 days of forecasts of which every target is known by a day's end."""
    end = day_end - timedelta(hours=1 + KNOWN_AFTER_HOURS)
    return Known(end - LOOKED_AT, end)


def recent_scores(forecasts: pd.DataFrame, came: Targets) -> pd.DataFrame:
    """Score forecasts whose outcome is known, one row a target that has any.

    Args:
        forecasts: SQUEEZE_FORECASTS, at least FORECAST_COLUMNS.
        came: the targets of their hours and symbols; a forecast that it doesn't know is left out.

    Returns:
        COLUMNS: how many, their Brier score, that of the base rate beside each, and the expected calibration error.
        Hours overlap and symbols move together, so that a few thousand of them are worth a few dozen days.
    """
    cells = came.grid.cells(epoch_hours(forecasts["hour"]), forecasts["symbol"])
    chance, base = (forecasts[name].to_numpy(dtype=np.float64) / 100 for name in ("probability_pct", "base_rate_pct"))
    rows = []
    for target in TARGETS:
        happened, is_known = (values.ravel() for values in came.of(target))
        asked = np.flatnonzero((forecasts["target"] == target).to_numpy(dtype=bool) & (cells >= 0))
        asked = asked[is_known[cells[asked]]]
        if len(asked):
            truth = happened[cells[asked]]
            errors = [float(((said[asked] - truth) ** 2).mean()) for said in (chance, base)]
            rows.append((target, len(asked), *errors, calibration_error(chance[asked], truth)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
