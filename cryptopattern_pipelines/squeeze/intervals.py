"""Confidence intervals of a share and of the ratio of two, and how surprising a difference of two is."""

from statistics import NormalDist

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole


def wilson(wins: Whole | Floats, trials: Whole | Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
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


def ratio_interval(
    share: Floats, trials: Whole | Floats, base: Floats, base_trials: Whole | Floats, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval of share/base, both known from samples alone, from the Wilson intervals of the two.

    Either is NaN where a share is not known; the upper end is NaN too where the base may be 0.
    Source: R. G. Newcombe, MOVER-R confidence intervals for ratios and products of two independently estimated
    quantities, Statistical Methods in Medical Research 25 (2016), 1774-1778.
    """
    low, high = wilson(share * trials, trials, confidence)
    base_low, base_high = wilson(base * base_trials, base_trials, confidence)
    square = (share * base) ** 2
    # What is under a root can't be negative, but for its rounding.
    under = np.maximum(square - low * base_high * (2 * share - low) * (2 * base - base_high), 0)
    over = np.maximum(square - high * base_low * (2 * share - high) * (2 * base - base_low), 0)
    below = share * base + np.sqrt(under)
    above = base_low * (2 * base - base_low)
    ratio_low = np.where(low > 0, low * (2 * share - low), 0.0 * share) / np.where(below > 0, below, 1.0)
    ratio_high = (share * base + np.sqrt(over)) / np.where(above > 0, above, np.nan)
    return np.where(np.isnan(base), np.nan, ratio_low), ratio_high


def difference_score(share: Floats, trials: Whole | Floats, other: Floats, other_trials: Whole | Floats) -> Floats:
    """How many standard errors two shares lie apart, their errors being those of one common share; NaN if unknown.

    With no end of `other_trials` it is abs(z) <= 1.96 just where `other` lies within Wilson's 95 % interval of
    `share`: so, with few, it tells whether a share that is itself uncertain is compatible with that interval.
    """
    n, m = (np.where(count > 0, count, np.nan) for count in (trials, other_trials))
    common = np.clip((share * n + other * m) / (n + m), 0.0, 1.0)
    error = np.sqrt(common * (1 - common) * (1 / n + 1 / m))
    # Two shares of 0, or of 1, are equal.
    return np.where(error > 0, (share - other) / np.where(error > 0, error, 1.0), 0.0 * (share - other))


def discoveries(scores: Floats, share: float) -> Truths:
    """Along the first axis, which standard normal scores stand out, though so many were looked at; NaN never does.

    Of what stands out no more than `share` does so by chance, on average; where there is nothing to be found, any
    does in no more than that share of cases. Source: Y. Benjamini and Y. Hochberg, Controlling the false discovery
    rate, Journal of the Royal Statistical Society B 57 (1995), 289-300.
    """
    sizes = np.where(np.isfinite(scores), np.abs(scores), -1.0)
    count = (sizes >= 0).sum(axis=0)
    ordered = -np.sort(-sizes, axis=0)
    # Of `count` scores, the i-th largest has to reach the normal quantile that i/count of the share leaves beyond.
    reach = np.full((len(scores) + 1, len(scores)), np.inf)
    for among in range(1, len(scores) + 1):
        reach[among, :among] = [NormalDist().inv_cdf(1 - share * (i + 1) / among / 2) for i in range(among)]
    large = ordered >= np.moveaxis(reach[count], -1, 0)
    cut = np.min(np.where(large, ordered, np.inf), axis=0, initial=np.inf)
    return (sizes >= 0) & (sizes >= cut)
