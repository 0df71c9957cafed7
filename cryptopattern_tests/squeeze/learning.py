"""Histories with an effect planted in them, or none, for tests of what is learned."""

import numpy as np

from cryptopattern_pipelines.squeeze.features import Features
from cryptopattern_pipelines.squeeze.forecaster import History, TrainingSettings
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.models import VOLATILITY_FEATURES
from cryptopattern_pipelines.squeeze.targets import Targets
from cryptopattern_pipelines.storage.schemas import TARGETS
from cryptopattern_tests.squeeze.frames import utc

START = utc("2024-01-01")
NAMES = (*VOLATILITY_FEATURES, "funding", "score")
# Little is enough where little is to be learned.
SMALL = TrainingSettings(
    history_days=150,
    validation_days=30,
    least_days=tuple((kind, 20) for kind in ("climatology", "volatility", "logistic", "boosting", "blend")),
    least_came=tuple((kind, 5) for kind in ("climatology", "volatility", "logistic", "boosting", "blend")),
)


def history(days: int, planted: float, seed: int = 1, symbols: tuple[str, ...] = ("BTC", "ETH")) -> History:
    """Independent hours; `funding` moves the log-odds of every target by `planted` a unit, nothing else does."""
    rng = np.random.default_rng(seed)
    grid = HourGrid(epoch_hour(START), 24 * days, symbols)
    figures = rng.normal(size=(*grid.shape, len(NAMES)))
    log_odds = -1.5 + planted * figures[:, :, NAMES.index("funding")]
    came = rng.uniform(size=(*grid.shape, len(TARGETS))) < (1 / (1 + np.exp(-log_odds)))[:, :, None]
    whole = np.ones(grid.shape, dtype=bool)
    return History(Features(grid, NAMES, figures, whole), Targets(grid, came, np.ones_like(came)))
