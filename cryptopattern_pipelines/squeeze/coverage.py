"""Whether the stated intervals hold: win rates as stated by a day, against what came after it.

What belongs here: stating, waiting, and comparing. What does not: how a rate is counted (`win_rates.py`).
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import WindowError, window
from cryptopattern_pipelines.squeeze.intervals import difference_score
from cryptopattern_pipelines.squeeze.win_rates import DEFAULTS, WinRateSettings, win_rates

KEY = ["symbol", "condition", "timeframe", "side"]
_DAY = timedelta(days=1)
# Of the standard normal distribution, 95 % lie as near to 0.
_NEAR = 1.959963984540054


def coverage(  # noqa: PLR0917 (as `win_rates`, and how long is waited)
    analyses: pd.DataFrame,
    candles: pd.DataFrame,
    start: datetime,
    end: datetime,
    settings: WinRateSettings = DEFAULTS,
    conditions: pd.DataFrame | None = None,
    wait_days: int = 180,
) -> pd.DataFrame:
    """Hold each stated win rate against the claims of the `wait_days` that follow it.

    Rates are stated at `start` and every `wait_days` from then on, each from its own `history_days`, and compared with
    the windows that begin at or after it and end within its `wait_days`: no outcome is on both sides, and none is
    compared twice. A later rate is itself a count of few windows. So it lies within the stated 95 % interval when
    the two rates differ by no more than Wilson's score allows for both counts (`difference_score`; the same as lying
    between the interval's ends when the later count is large); `between_ends` is the plain comparison of a rate of few
    windows with the ends, which it passes less often than 95 times in 100 even where all is right.

    Args:
        analyses: SQUEEZE_ANALYSES, as for `win_rates`; from `settings.lookback` before start to end.
        candles: MARKET_CANDLES, the same.
        start: midnight at which the first rates are stated, UTC.
        end: midnight until which outcomes may come, UTC; a wait that would last longer is not begun.
        settings: how rates are counted.
        conditions: further conditions, as for `win_rates`.
        wait_days: days that each rate is waited for; longer than the longest timeframe.

    Returns:
        A row for each stated rate that had a window before and after: `stated_at`, KEY, `rate_pct`,
        `interval_low_pct`, `interval_high_pct`, `windows`, `later_rate_pct`, `later_windows`, `inside`, `between_ends`.

    Raises:
        WindowError: start or end is not midnight UTC, or no wait fits between them.
    """
    first, last = window(start, end)
    waits = (last - first) // (24 * wait_days)
    if not waits:
        raise WindowError(f"{start} to {end} is less than one wait of {wait_days} days: give a longer range")
    afterwards = replace(settings, history_days=wait_days)
    parts = []
    for number in range(waits):
        stated_at = start + number * wait_days * _DAY
        until = stated_at + wait_days * _DAY
        stated = win_rates(analyses, candles, stated_at - _DAY, stated_at, settings, conditions)
        later = win_rates(analyses, candles, until - _DAY, until, afterwards, conditions)
        joined = stated.merge(later[[*KEY, "win_rate_pct", "effective_sample_size"]], on=KEY, suffixes=("", "_later"))
        parts.append(joined.assign(stated_at=stated_at))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[(rows["effective_sample_size"] > 0) & (rows["effective_sample_size_later"] > 0)].reset_index(drop=True)
    score = difference_score(
        rows["win_rate_pct"].to_numpy(dtype=np.float64) / 100,
        rows["effective_sample_size"].to_numpy(dtype=np.int64),
        rows["win_rate_pct_later"].to_numpy(dtype=np.float64) / 100,
        rows["effective_sample_size_later"].to_numpy(dtype=np.int64),
    )
    return pd.DataFrame(
        {
            "stated_at": rows["stated_at"],
            **{name: rows[name] for name in KEY},
            "rate_pct": rows["win_rate_pct"],
            "interval_low_pct": rows["interval_low_pct"],
            "interval_high_pct": rows["interval_high_pct"],
            "windows": rows["effective_sample_size"],
            "later_rate_pct": rows["win_rate_pct_later"],
            "later_windows": rows["effective_sample_size_later"],
            "inside": np.abs(score) <= _NEAR,
            "between_ends": rows["win_rate_pct_later"].between(rows["interval_low_pct"], rows["interval_high_pct"]),
        }
    )


def share_inside(rows: pd.DataFrame, by: str | list[str] | None = None, least_windows: int = 1) -> pd.DataFrame:
    """Sum `coverage` up: of how many stated rates, and of what share of them, the interval held; percent.

    Args:
        rows: what `coverage` returned.
        by: columns to group by, e.g. timeframe; None for one row over all.
        least_windows: leave out rates stated from fewer windows, or followed by fewer.

    Returns:
        `rates`, `inside_pct` and `between_ends_pct`, one row for each group.
    """
    kept = rows[(rows["windows"] >= least_windows) & (rows["later_windows"] >= least_windows)]
    groups = kept.groupby(by) if by is not None else kept.groupby(np.zeros(len(kept), dtype=int))
    found = groups.agg(
        rates=("inside", "size"), inside_pct=("inside", "mean"), between_ends_pct=("between_ends", "mean")
    )
    return found.assign(inside_pct=100 * found["inside_pct"], between_ends_pct=100 * found["between_ends_pct"])
