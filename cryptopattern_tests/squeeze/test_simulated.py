"""The simulated market is what it says: possible rows, its claims, and a drift after them only where one is planted."""

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.storage.schemas import EXCHANGE_SNAPSHOTS, MARKET_CANDLES, SQUEEZE_ANALYSES
from cryptopattern_tests.squeeze.simulated import DRIFT_HOURS, simulate


def test_its_tables_keep_their_schemas() -> None:
    market = simulate(1, symbols=2, length=24 * 40, edge=0.5)
    MARKET_CANDLES.pandera.validate(market.candles)
    EXCHANGE_SNAPSHOTS.pandera.validate(market.snapshots)
    SQUEEZE_ANALYSES.pandera.validate(market.analyses)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_day_after_a_claims_first_hour_drifts_by_the_edge(edge: float) -> None:
    market = simulate(2, symbols=30, length=24 * 365, edge=edge)
    price = np.log(market.candles["close"].to_numpy().reshape(market.side.shape))
    began = (market.side != 0) & (np.vstack([np.zeros_like(market.side[:1]), market.side[:-1]]) == 0)
    row, column = np.nonzero(began)
    day = (price[row + DRIFT_HOURS, column] - price[row, column]) * market.side[row, column]
    sigmas = day / (0.01 * np.sqrt(DRIFT_HOURS))
    assert sigmas.mean() == pytest.approx(edge, abs=3 / np.sqrt(len(row)))


def test_another_symbol_changes_none() -> None:
    few, more = simulate(3, symbols=2, length=400), simulate(3, symbols=3, length=400)
    kept = more.candles[more.candles["symbol"] != "S002"].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.candles, kept)


def test_claims_that_would_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="would overlap"):
        simulate(1, spacing=20)
