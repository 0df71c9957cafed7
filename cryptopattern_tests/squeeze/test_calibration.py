"""Scores of the last weeks' forecasts are those of the forecasts whose outcome is known, and of no other."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.calibration import LOOKED_AT, known_by, recent_scores
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.targets import Targets
from cryptopattern_pipelines.storage.schemas import TARGETS

START = datetime(2024, 8, 1, tzinfo=UTC)
AT = TARGETS.index("up_move")


def world(came: list[bool], known: list[bool]) -> Targets:
    shape = (len(came), 1, len(TARGETS))
    truth, is_known = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    truth[:, 0, AT], is_known[:, 0, AT] = came, known
    return Targets(HourGrid(epoch_hour(START), len(came), ("BTC",)), truth & is_known, is_known)


def said(chances: list[float], symbol: str = "BTC", base: float = 50.0) -> pd.DataFrame:
    hours = pd.date_range(START, periods=len(chances), freq="h", unit="us")
    return pd.DataFrame(
        {"hour": hours, "symbol": symbol, "target": "up_move", "probability_pct": chances, "base_rate_pct": base}
    )


def test_what_is_not_known_and_what_nobody_asked_for_is_left_out() -> None:
    came = world([True, False, False, True], [True, True, True, False])
    forecasts = pd.concat([said([80, 20, 20, 0]), said([100, 100, 100, 100], "DOGE")], ignore_index=True)
    [row] = recent_scores(forecasts, came).to_dict("records")
    assert row == {
        "target": "up_move",
        "forecasts": 3,
        "brier": pytest.approx(0.04),
        "brier_base": pytest.approx(0.25),
        "calibration_error": pytest.approx(0.2),
    }
    assert recent_scores(forecasts.iloc[:0], came).empty


def test_forecasts_that_say_twice_too_much_drift_by_as_much() -> None:
    came = [hour % 10 == 0 for hour in range(1000)]
    row = recent_scores(said([20.0] * 1000), world(came, [True] * 1000)).iloc[0]
    assert row["calibration_error"] == pytest.approx(0.1)


def test_a_days_end_knows_thirty_days_of_forecasts_the_last_of_which_has_come_to_an_end() -> None:
    midnight = START + timedelta(days=60)
    known = known_by(midnight)
    assert known.end - known.start == LOOKED_AT
    # 24 hours in which a squeeze may begin, and two days in which it may be told, after the forecast's own hour.
    assert known.end - timedelta(hours=1) + timedelta(hours=1 + 24 + 48) < midnight
