"""How much a price moves in an hour, from its own past."""

import numpy as np

from cryptopattern_pipelines.squeeze.grid import Floats, previous, trailing_sum


def trailing_sigma(prices: Floats, hours: int) -> Floats:
    """Root mean square of the hourly log returns in the `hours` up to and with each row, a fraction.

    The mean is taken for zero, as it is next to nothing beside the spread at one hour. NaN where less than half of
    the returns are known, or where the price did not move at all: nothing can be scaled to that.

    Args:
        prices: hours x symbols, NaN where not known.
        hours: length of the window.
    """
    return trailing_sigma_of_logs(np.log(prices), hours)


def trailing_sigma_of_logs(log_prices: Floats, hours: int) -> Floats:
    """`trailing_sigma` of prices whose logarithms these are."""
    returns = log_prices - previous(log_prices, 1)
    known = np.isfinite(returns)
    squares = trailing_sum(np.where(known, returns, 0.0) ** 2, hours)
    count = trailing_sum(known.astype(np.int64), hours)
    enough = (2 * count >= hours) & (squares > 0)
    return np.sqrt(np.where(enough, squares, np.nan) / np.where(enough, count, 1))
