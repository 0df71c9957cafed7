"""What is kept of how forecasts came true: of the right hours, beside the right card."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.automation.scoring import scores_at
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze.calibration import known_by
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.storage.counts import keep_scores
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, SQUEEZE_FORECASTER, SQUEEZE_FORECASTS
from cryptopattern_tests.storage.test_postgres import ask

MIDNIGHT = datetime(2024, 8, 6, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A random walk of one coin, a forecast of 40 % an hour up to the last, and a card."""
    found, known = Store(root=str(tmp_path)), known_by(MIDNIGHT)
    first = known.start - OutcomeSettings().volatility_hours * HOUR
    hours = pd.date_range(first, MIDNIGHT, freq="h", inclusive="left", unit="us")
    close = 100 * np.exp(np.random.default_rng(5).normal(0, 0.01, len(hours)).cumsum())
    names = {"symbol": "BTC", "venue": "binance", "market": "perpetual", "instrument": "BTCUSDT"}
    prices = {"open": close, "close": close, "high": close * 1.002, "low": close * 0.998}
    volumes = {"volume_base": 1.0, "volume_usd": 1.0}
    candles = MARKET_CANDLES.conform(pd.DataFrame({"hour": hours, **names, **prices, **volumes}))
    found.table(MARKET_CANDLES).write(candles, first, MIDNIGHT)
    begin = known.start - DAY
    told = pd.DataFrame({"hour": pd.date_range(begin, MIDNIGHT, freq="h", inclusive="left", unit="us")}).assign(
        symbol="BTC", target="up_move", probability_pct=40.0, base_rate_pct=30.0, base_sample_size=90, drivers="",
        model_kind="logistic", model_version="1",
    )  # fmt: skip
    found.table(SQUEEZE_FORECASTS).write(SQUEEZE_FORECASTS.conform(told), begin, MIDNIGHT)
    card = {"day": pd.Timestamp(MIDNIGHT - DAY).as_unit("us"), "target": "up_move", "status": "CARRIED", "reason": "",
            "brier": 0.21, "calibration_error": 0.02}  # fmt: skip
    found.table(SQUEEZE_FORECASTER).write(SQUEEZE_FORECASTER.conform([card]), MIDNIGHT - DAY, MIDNIGHT)
    return found


def test_a_months_forecasts_are_scored_beside_the_card_and_kept(
    store: Store, fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    scores = scores_at(store, MIDNIGHT)
    [row] = scores.to_dict("records")
    assert (row["target"], row["forecasts"], row["day"]) == ("up_move", 30 * 24, pd.Timestamp(MIDNIGHT - DAY))
    assert (row["card_brier"], row["card_calibration_error"]) == (0.21, 0.02)
    # Forecasts that all say 40 % are off by what came less often, or more; both scores follow from that share alone.
    shares = [0.4 - row["calibration_error"], 0.4 + row["calibration_error"]]
    assert any(row["brier"] == pytest.approx(0.16 + 0.2 * share) for share in shares)
    assert any(row["brier_base"] == pytest.approx(0.09 + 0.4 * share) for share in shares)
    assert 0 < row["calibration_error"] < 0.4
    database = ServingDatabase(load_settings(data=tmp_path, database_url=fresh_database()))
    keep_scores(database.address(), scores)
    kept = ask(database.address(), "SELECT target, forecasts, card_brier FROM serving.forecast_scores")
    assert kept == [("up_move", 720, 0.21)]


def test_without_forecasts_there_is_nothing_to_score(tmp_path: Path) -> None:
    assert scores_at(Store(root=str(tmp_path / "empty")), MIDNIGHT).empty
