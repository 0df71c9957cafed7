"""What a forecast is asked for: whether a squeeze begins within a day, and whether the price goes beyond a barrier.

What belongs here: the targets of every hour, and when they are known. What does not: what foretells them
(`features.py`), and the squeezes and barriers themselves (`events.py`, `outcomes.py`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.events import DEFAULTS as EVENTS
from cryptopattern_pipelines.squeeze.grid import HourGrid, Truths, epoch_hours, trailing_sum
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings, outcomes
from cryptopattern_pipelines.squeeze.paths import price_paths
from cryptopattern_pipelines.storage.schemas import TARGETS

EVENT_COLUMNS = ("symbol", "squeeze_type", "started_at")

HORIZON_HOURS = 24
# A squeeze that begins in the horizon's last hour may run for two days and is told after its quiet hours, by the end
# of that day: so long after an hour's end its targets are known.
KNOWN_AFTER_HOURS = HORIZON_HOURS + int(EVENTS.event_lookback.total_seconds() // 3600)

_SQUEEZES = {"long_squeeze": "LONG_SQUEEZE", "short_squeeze": "SHORT_SQUEEZE"}


@dataclass(frozen=True)
class Targets:
    """`came` and `known` are hours x symbols x TARGETS; a target that is not known did not come."""

    grid: HourGrid
    came: Truths
    known: Truths

    def of(self, target: str) -> tuple[Truths, Truths]:
        """`came` and `known` of one target, hours x symbols."""
        at = TARGETS.index(target)
        return self.came[:, :, at], self.known[:, :, at]


def targets(
    grid: HourGrid,
    events: pd.DataFrame,
    told: pd.DatetimeIndex,
    candles: pd.DataFrame,
    settings: OutcomeSettings | None = None,
) -> Targets:
    """Tell the targets of every hour and symbol of the grid.

    - `long_squeeze`, `short_squeeze`: a squeeze of that side begins in one of the 24 hours after the hour.
    - `up_move`, `down_move`: within those hours a long, or a short, wins as `outcomes.py` tells it: the price touches
      the barrier above, or below, before the other one. `any_move`: either of the two.

    Whether a squeeze began is known where every day is told by whose end it would have been, and like a move where
    the symbol has its candles. Neither is known of the grid's last 24 hours.

    Args:
        grid: hours and symbols that are asked for.
        events: SQUEEZE_EVENTS, at least EVENT_COLUMNS.
        told: the days for which squeezes have been told, whether or not there was one.
        candles: MARKET_CANDLES, at least `paths.CANDLE_COLUMNS`, from `OutcomeSettings.volatility_hours` before.
        settings: barriers.
    """
    settings = settings or OutcomeSettings()
    lead = settings.volatility_hours
    # Nobody says how far the candles go: the grid's end is what is known to be over.
    paths = price_paths(candles, grid.first - lead, grid.first + grid.length)
    found = outcomes(paths, HORIZON_HOURS, settings)
    at = pd.Index(paths.grid.symbols).get_indexer(pd.Index(grid.symbols))

    def laid_out(values: Truths) -> Truths:
        # A symbol without candles has column -1, and takes the column of none that is put last.
        none = np.zeros((len(values), 1), dtype=bool)
        return np.hstack([values, none])[lead : lead + grid.length, at]

    priced, up, down = laid_out(found.known), laid_out(found.long_won), laid_out(found.short_won)
    whole = _all_told(grid, told)[:, None] & priced
    came = {name: _begins(grid, events[(events["squeeze_type"] == of).to_numpy()]) for name, of in _SQUEEZES.items()}
    came |= {"up_move": up, "down_move": down, "any_move": up | down}
    known = {name: whole if name in _SQUEEZES else priced for name in came}
    stacked_known = np.stack([known[name] for name in TARGETS], axis=2)
    return Targets(grid, np.stack([came[name] for name in TARGETS], axis=2) & stacked_known, stacked_known)


def _begins(grid: HourGrid, events: pd.DataFrame) -> Truths:
    """Where a squeeze begins in one of the 24 hours after each hour."""
    longer = HourGrid(grid.first, grid.length + HORIZON_HOURS, grid.symbols)
    cells = longer.cells(epoch_hours(events["started_at"]), events["symbol"])
    begun = longer.spread(cells, np.ones(len(events), dtype=np.int64), 0)
    return trailing_sum(begun, HORIZON_HOURS)[HORIZON_HOURS:] > 0


def _all_told(grid: HourGrid, told: pd.DatetimeIndex) -> Truths:
    """Where every hour from the one after each up to the last in which its squeezes may be told is in a told day."""
    day_of = (grid.first + np.arange(grid.length + KNOWN_AFTER_HOURS)) // 24
    days = epoch_hours(pd.Series(told)) // 24 if len(told) else np.empty(0, dtype=np.int64)
    there = np.isin(day_of, days).astype(np.int64)
    return trailing_sum(there[:, None], KNOWN_AFTER_HOURS)[KNOWN_AFTER_HOURS:, 0] == KNOWN_AFTER_HOURS
