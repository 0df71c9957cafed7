"""How many of the squeezes that were told have no liquidations to show for it.

What belongs here: the rule for a false alarm, and counting. What does not: telling squeezes (`events.py`).
"""

from datetime import datetime

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import Floats, HourGrid, epoch_hours, window
from cryptopattern_pipelines.squeeze.liquidations import liquidated

EVENT_COLUMNS = ("day", "symbol", "squeeze_type", "started_at", "ended_at")
_SQUEEZED = {"LONG_SQUEEZE": "long", "SHORT_SQUEEZE": "short"}


def false_alarms(  # noqa: PLR0917 (two tables, a window and the rule)
    events: pd.DataFrame,
    liquidations: pd.DataFrame,
    start: datetime,
    end: datetime,
    days: int = 90,
    percentile: float = 90.0,
) -> pd.DataFrame:
    """Count, for each symbol and month of [start, end), the events and those that were false alarms.

    An event is a false alarm when, on no day that it touches, the squeezed side's liquidations are above as many
    percent of the `days` before as `percentile` says. A day's are its daily total, or else the sum of its hours where
    all 24 are known. Days with less than a third of the days before them known judge nothing.

    Where daily totals are a condition of `squeeze_events` too, this measures little but the exceptions to it: hand
    the events that were told without them in, to see what a market without such a feed has to expect.

    Args:
        events: SQUEEZE_EVENTS, at least EVENT_COLUMNS.
        liquidations: REALISED_LIQUIDATIONS from `days` before start on.
        start: midnight, UTC.
        end: midnight, UTC.
        days: how far back a day is compared.
        percentile: from which on a day stands out.

    Returns:
        `symbol`, `month` (its first midnight), `days` that can be judged, `events` and `false_alarms` that touch such
        a day, `a_month`: false alarms for 30 such days; a row for each symbol and month with a day that can be judged.

    Raises:
        WindowError: start or end is not on the hour or has no time zone, or end is not after start.
    """
    first, last = window(start, end)
    lead = (days + 1) * 24
    symbols = tuple(sorted(liquidations["symbol"].unique()))
    grid = HourGrid(first - lead, last - first + lead, symbols)
    ranks = {side: _ranks(usd, days) for side, usd in _by_day(grid, liquidations).items()}

    known = np.isfinite(ranks["long"]) & np.isfinite(ranks["short"])
    known[: lead // 24] = False
    row, column = np.nonzero(known)
    judged = pd.DataFrame({"day": grid.times(row * 24), "symbol": grid.names(column)})

    from_row = epoch_hours(events["started_at"]) - grid.first
    to_row = epoch_hours(events["ended_at"]) - 1 - grid.first
    columns = pd.Index(symbols).get_indexer(pd.Index(events["symbol"]))
    inside = np.flatnonzero((from_row >= lead) & (to_row < grid.length) & (columns >= 0))
    some, columns = events.iloc[inside].reset_index(drop=True), columns[inside]
    from_day, to_day = from_row[inside] // 24, to_row[inside] // 24
    highest = np.full(len(some), np.nan)
    for side in ("long", "short"):
        mine = (some["squeeze_type"].map(_SQUEEZED) == side).to_numpy(dtype=bool)
        for step in range(int((to_day - from_day).max(initial=-1)) + 1):
            rank = ranks[side][np.minimum(from_day + step, to_day), columns]
            highest = np.where(mine, np.fmax(highest, rank), highest)
    told = pd.DataFrame({"day": some["started_at"], "symbol": some["symbol"], "false": highest < percentile})[
        np.isfinite(highest)
    ]

    def monthly(rows: pd.DataFrame) -> list[pd.Series]:
        return [rows["symbol"], rows["day"].dt.floor("D") - pd.to_timedelta(rows["day"].dt.day - 1, unit="D")]

    counted = pd.DataFrame(
        {
            "days": judged.groupby(monthly(judged)).size(),
            "events": told.groupby(monthly(told)).size(),
            "false_alarms": told["false"].groupby(monthly(told)).sum(),
        }
    )
    counted.index.names = ["symbol", "month"]
    counted = counted.dropna(subset="days").fillna(0).astype(int)
    return counted.assign(a_month=30 * counted["false_alarms"] / counted["days"]).reset_index()


def _by_day(grid: HourGrid, liquidations: pd.DataFrame) -> dict[str, Floats]:
    """USD liquidated of each side, days x symbols, NaN where not known."""
    found = {side: np.full((grid.length // 24, len(grid.symbols)), np.nan) for side in ("long", "short")}
    daily = (liquidations["span_hours"] > 1).to_numpy(dtype=bool)
    for rows, needed in ((liquidations[~daily], 24), (liquidations[daily], 1)):
        longs, shorts, known = liquidated(grid, rows)
        whole = known.reshape(-1, 24, known.shape[1]).sum(axis=1) >= needed
        for side, usd in (("long", longs), ("short", shorts)):
            found[side][whole] = usd.reshape(-1, 24, usd.shape[1]).sum(axis=1)[whole]
    return found


def _ranks(usd: Floats, days: int) -> Floats:
    """Percent of the known days before each that are below it; NaN with less than a third of them known."""
    below, known = np.zeros((2, *usd.shape))
    for lag in range(1, days + 1):
        before = usd[:-lag]
        below[lag:] += before < usd[lag:]
        known[lag:] += np.isfinite(before)
    enough = np.isfinite(usd) & (3 * known >= days)
    return np.where(enough, 100 * below, np.nan) / np.where(enough, known, 1)
