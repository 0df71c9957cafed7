"""Confidence intervals of a share."""

from statistics import NormalDist

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Whole


def wilson(wins: Whole, trials: Whole, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval of wins/trials: lower and upper end as fractions, NaN where there are no trials.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927),
    209-212; without continuity correction, as advised by R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = np.where(trials > 0, trials, np.nan)
    p = wins / n
    centre = p + z**2 / (2 * n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # At no win, and at wins alone, the end is exact; the formula leaves a rounding error there.
    low = np.where(wins == 0, n * 0.0, (centre - half) / scale)
    high = np.where(wins == trials, n * 0.0 + 1.0, (centre + half) / scale)
    return low, high
