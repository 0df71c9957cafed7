"""How good chances were: Brier score and skill, precision at the top, calibration, each with a bootstrap interval.

What belongs here: the measures. What does not: which chances are scored (`evaluation.py`, `forecaster.py`).

Sources: G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950),
1-3; M. P. Naeini and others, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015 (expected
calibration error); H. R. Kunsch, The jackknife and the bootstrap for general stationary observations, Annals of
Statistics 17 (1989), 1217-1241 (blocks).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole

_BINS = 10
_STRETCHES = 13


@dataclass(frozen=True)
class Reliability:
    """By tenths of the rows, from the least chances to the greatest: mean chance, share that came, and how many."""

    chance: Floats
    came: Floats
    count: Whole


def reliability(chance: Floats, came: Truths, bins: int = _BINS) -> Reliability:
    """Compare stated chances with what came of them, in bins of about as many rows each; equal chances share one."""
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, bins + 1)[1:-1])) if len(chance) else np.empty(0)
    at = np.searchsorted(edges, chance, side="right")
    count = np.bincount(at, minlength=len(edges) + 1)
    there = count > 0
    sums = (np.bincount(at, weights, len(edges) + 1)[there] for weights in (chance, came.astype(np.float64)))
    mean, share = (total / count[there] for total in sums)
    return Reliability(mean, share, count[there])


def calibration_error(chance: Floats, came: Truths) -> float:
    """Expected calibration error: how far stated chance and share that came lie apart, mean over rows; a fraction."""
    table = reliability(chance, came)
    return float((np.abs(table.chance - table.came) * table.count).sum() / max(1, table.count.sum()))


def betterment(
    before: Floats, after: Floats, came: Truths, hour: Whole, stretches: int = _STRETCHES
) -> tuple[float, float]:
    """By how much the Brier score fell from one chance to another, and the standard error of that over stretches.

    The hours are cut into stretches of equal length, the thirteen weeks of a quarter: hours and symbols move together,
    so a row is no piece of evidence by itself; a week is closer to one. Stretches have rows of different number, so the
    error is that of a ratio of sums (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 2.11 and 6.4). (0, 0) when fewer
    than two have rows.
    """
    if not len(hour):
        return 0.0, 0.0
    fall = (before - came) ** 2 - (after - came) ** 2
    first = int(hour.min())
    stretch = (hour - first) * stretches // (int(hour.max()) - first + 1)
    count = np.bincount(stretch, minlength=stretches)
    there, mean = int((count > 0).sum()), float(fall.mean())
    if there < 2:
        return 0.0, 0.0
    astray = np.bincount(stretch, fall - mean, stretches)
    return mean, float(np.sqrt((astray**2).sum() * there / (there - 1)) / len(fall))


def block_weights(blocks: int, draws: int, seed: int) -> Whole:
    """How often each block is drawn in each of the bootstrap's draws: draws x blocks."""
    chosen = np.random.default_rng(seed).integers(0, blocks, (draws, blocks))
    counted = np.zeros((draws, blocks), dtype=np.int64)
    np.add.at(counted, (np.arange(draws)[:, None], chosen), 1)
    return counted


def precisions_at_top(
    chance: Floats, came: Truths, block: Whole | None, shares: Sequence[float], weights: Whole | None
) -> tuple[Floats, Floats]:
    """How often the target came among the shares of rows with the greatest chances, and the same in each draw.

    Rows of equal chance count by their mean, in each draw by that of the rows drawn, so that a score which gives most
    rows the same chance earns no more from their order than from drawing lots.

    Args:
        chance: stated chances.
        came: whether the target came.
        block: each row's block, for the draws; None for none.
        shares: fractions of the rows.
        weights: draws x blocks, how often each was drawn; None for no draws.

    Returns:
        An array of shares, and one of draws x shares.
    """
    order = np.argsort(-chance, kind="stable")
    _, group, size = np.unique(-chance[order], return_inverse=True, return_counts=True)
    first = np.concatenate(([0], np.cumsum(size)[:-1]))
    sorted_came = came[order].astype(np.float64)

    def at_top(weight: Floats) -> Floats:
        drawn = np.add.reduceat(weight, first)
        share_came = np.add.reduceat(weight * sorted_came, first) / np.where(drawn > 0, drawn, 1.0)
        rows, hits = np.cumsum(weight), np.cumsum(weight * share_came[group])
        cut = np.minimum(np.searchsorted(rows, np.array(shares) * rows[-1]), len(rows) - 1)
        return hits[cut] / np.maximum(rows[cut], 1e-12)

    whole = at_top(np.ones(len(chance)))
    if weights is None or block is None:
        return whole, np.empty((0, len(shares)))
    sorted_block = block[order]
    return whole, np.stack([at_top(draw[sorted_block].astype(np.float64)) for draw in weights])
