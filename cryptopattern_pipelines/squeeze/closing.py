"""Whose positions a move closed: how far open interest fell in it, and how its liquidations stand out.

What belongs here: the figures of moves whose hours are known. What does not: which moves there are, and what makes one
a squeeze (`events.py`).
"""

from dataclasses import dataclass

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Whole


@dataclass(frozen=True)
class Spans:
    """Moves of one side: the row of the hour that each starts with, of its last fast hour, the symbol's column, and the
    greatest sigmas."""

    start: Whole
    last: Whole
    column: Whole
    sigmas: Floats


def greatest(values: Floats, first: Whole, last: Whole, column: Whole) -> tuple[Whole, Floats]:
    """The row, the first of equals, and the value of the greatest between two rows, both included."""
    row, most = first.copy(), values[first, column]
    for step in range(1, int((last - first).max(initial=0)) + 1):
        at = np.minimum(first + step, last)
        value = values[at, column]
        greater = (value > most) | (np.isnan(most) & ~np.isnan(value))
        row[greater], most[greater] = at[greater], value[greater]
    return row, most


def open_interest_drop(open_interest: Floats, spans: Spans, last: Whole) -> tuple[Floats, Floats]:
    """Percent and coins of open interest's greatest fall from one hour to a later one, from before the start to `last`.

    Open interest is coins, venues x hours x symbols, NaN where not known; the venues known in most of these hours are
    compared. Either is NaN without two known hours.
    """
    first = spans.start - 1
    steps = range(int((last - first).max(initial=0)) + 1)
    told = np.zeros((len(open_interest), len(first)), dtype=np.int64)
    for step in steps:
        venues = open_interest[:, np.minimum(first + step, last), spans.column]
        told += np.isfinite(venues) & (first + step <= last)
    compared = told == told.max(axis=0)

    def coins_at(rows: Whole) -> Floats:
        return np.where(compared, open_interest[:, rows, spans.column], 0.0).sum(axis=0)

    highest = coins_at(first)
    share, coins = np.full((2, len(first)), np.nan)
    for step in steps[1:]:
        now = coins_at(np.minimum(first + step, last))
        fallen = np.where(first + step <= last, highest - now, np.nan)
        fallen_share = fallen / np.where(highest > 0, highest, np.nan)
        greater = (fallen_share > share) | (np.isnan(share) & ~np.isnan(fallen_share))
        share[greater], coins[greater] = fallen_share[greater], fallen[greater]
        highest = np.fmax(highest, now)
    return 100 * share, coins


def liquidations(  # noqa: PLR0917 (a table, three figures of each span, and what they are held against)
    liquidated: Floats, first: Whole, last: Whole, column: Whole, before: int, least: float
) -> tuple[Floats, Floats]:
    """USD liquidated from one row to another, both included, and the percentile of the greatest row between.

    That is the share of the `before` rows before `first` that are below it. Rows are hours or days.

    Args:
        liquidated: USD, rows x symbols; NaN where not known.
        first: of each span the first row.
        last: of each span the last row.
        column: of each span the symbol's column.
        before: how many rows it is held against.
        least: how many of these have to be known.

    Returns:
        USD, and percent; both NaN where no row of the span is known, or too few before it.
    """
    total, below, known = np.zeros((3, len(first)))
    for step in range(int((last - first).max(initial=-1)) + 1):
        usd = liquidated[np.minimum(first + step, last), column]
        total += np.where((first + step <= last) & ~np.isnan(usd), usd, 0.0)
    _, most = greatest(liquidated, first, last, column)
    for lag in range(1, before + 1 if np.isfinite(most).any() else 0):
        usd = liquidated[first - lag, column]
        below += usd < most
        known += ~np.isnan(usd)
    enough = np.isfinite(most) & (known >= least)
    percentile = np.where(enough, 100 * below, np.nan) / np.where(enough, known, 1)
    return np.where(enough, total, np.nan), percentile
