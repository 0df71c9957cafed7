"""What a forecast or a search for similar moments looks at: one row of scale-free numbers for each symbol and hour.

What belongs here: the features' definitions. What does not: what is learned from them (`forecasts.py`,
`similar.py`).

Every feature is a ratio, a rank, a share or a count of hours, so that a coin's price, its volume's unit and the size
of its market leave no trace; each is NaN where its facts are not known. Those whose names begin with `btc_` are
Bitcoin's own at that hour, since coins move together and Bitcoin first among them; all others depend on nothing but
their own symbol.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.squeeze.grid import (
    Floats,
    HourGrid,
    Whole,
    epoch_hours,
    previous,
    trailing_extreme,
    trailing_sum,
)
from cryptopattern_pipelines.squeeze.prices import PRICE_COLUMNS, comparable_log_prices
from cryptopattern_pipelines.squeeze.volatility import trailing_sigma_of_logs

SNAPSHOT_COLUMNS = (
    "hour",
    "symbol",
    *PRICE_COLUMNS,
    "high_24h",
    "low_24h",
    "volume_24h_usd",
    "volume_change_24h_pct",
    "open_interest_change_24h_pct",
    "funding_rate",
    "funding_percentile",
    "long_short_account_ratio",
    "taker_volume_ratio",
    "volume_venues",
    "account_ratio_venues",
)
_CLUSTERS = {
    f"cluster_{place}{name}": f"cluster_{place}_{column}"
    for place in ("above", "below")
    for name, column in (("", "distance_pct"), ("_strength", "strength"))
}
ANALYSIS_COLUMNS = ("hour", "symbol", "squeeze_type", "probability", "long_pct", *_CLUSTERS.values())

_MONTH, _WEEK, _DAY = 720, 168, 24
# What is called a fast hour here, in trailing sigmas: about one hour in fifty, on real history.
_FAST_SIGMAS = 2.5
_LEAD_SYMBOL = "BTC"
_LED = ("volatility_6h", "volatility_24h", "volatility_week", "move_4h", "move_24h", "move_week", "interest_24h")

# The earliest fact of a row: the first return of the month's sigma by which an hour of a week ago is called fast.
LOOKBACK = timedelta(hours=_WEEK + _MONTH + 1)


@dataclass(frozen=True)
class Features:
    """`figures` is hours x symbols x features, its last axis named by `names`; NaN where not known.

    `scored` tells the hours of a symbol that have a snapshot and a month's sigma: no others can be forecast.
    """

    grid: HourGrid
    names: tuple[str, ...]
    figures: Floats
    scored: np.ndarray

    def column(self, name: str) -> Floats:
        """One feature, hours x symbols."""
        return self.figures[:, :, self.names.index(name)]


def features(snapshots: pd.DataFrame, analyses: pd.DataFrame, first: int, last: int) -> Features:
    """The features of the hours in [first, last), in hours since 1970, each from the facts up to that hour's end.

    - `volatility_*`: log of the root mean square of the hourly returns of that span over that of the month.
    - `move_*`: log return of the span, in sigmas: the month's hourly sigma x root of its hours.
    - `range_24h`: log of the day's high over its low, in the same sigmas; `place_24h`: where the price stands in it.
    - `below_high_month`, `above_low_month`: log distance to the month's highest and lowest close, in sigmas.
    - `since_fast_up`, `since_fast_down`: log of the hours since the last hourly return beyond 2.5 sigmas, at
      most a week.
    - `volume_month`: log of the day's volume over its mean in the hours of the month that have the volume of the same
      venues; `volume_24h` against the day before.
    - `interest_*`: log change of open interest in coins over the span, percent.
    - `funding`: 8-hour rate in basis points; `funding_rank`: its percentile; `funding_week`: the week's mean rate.
    - `accounts`, `accounts_month`: log of the ratio of long to short accounts, and the same less its mean in the hours
      of the month that have the ratio of the same venues.
    - `takers_24h`: mean over the day of the log of takers' buy over sell volume.
    - `week_sin`, `week_cos`, `day_sin`, `day_cos`: the time of the week and of the day.
    - `long_share`: share of longs in the liquidations of the analysis, less 50; `score`: the guide's score, negative
      for a LONG_SQUEEZE.
    - `cluster_*`: distance to the nearest cluster of waiting liquidations above and below, percent, and its strength.

    Args:
        snapshots: EXCHANGE_SNAPSHOTS, at least SNAPSHOT_COLUMNS, from LOOKBACK before `first`.
        analyses: SQUEEZE_ANALYSES, at least ANALYSIS_COLUMNS.
        first: first hour.
        last: the hour after the last.
    """
    lead = LOOKBACK // timedelta(hours=1)
    hours = epoch_hours(snapshots["hour"])
    inside = (hours >= first - lead) & (hours < last)
    rows, hours = snapshots[inside], hours[inside]
    grid = HourGrid(first - lead, last - first + lead, tuple(sorted(rows["symbol"].unique())))
    cells = grid.cells(hours, rows["symbol"])

    def known(name: str) -> Floats:
        return grid.spread(cells, rows[name].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)

    price = known("average_price")
    log_price = comparable_log_prices(grid, cells, rows)
    returns = log_price - previous(log_price, 1)
    sigma = trailing_sigma_of_logs(log_price, _MONTH)
    columns: dict[str, Floats] = {}
    for name, span in (("6h", 6), ("24h", _DAY), ("week", _WEEK)):
        columns[f"volatility_{name}"] = np.log(trailing_sigma_of_logs(log_price, span) / sigma)
    for name, span in (("1h", 1), ("4h", 4), ("24h", _DAY), ("week", _WEEK), ("month", _MONTH)):
        columns[f"move_{name}"] = (log_price - previous(log_price, span)) / (sigma * np.sqrt(span))
    day_sigma = sigma * np.sqrt(_DAY)
    high, low = known("high_24h"), known("low_24h")
    columns["range_24h"] = np.log(high / low) / day_sigma
    columns["place_24h"] = (price - low) / np.where(high > low, high - low, np.nan)
    month_sigma = sigma * np.sqrt(_MONTH)
    columns["below_high_month"] = (trailing_extreme(log_price, _MONTH, np.fmax) - log_price) / month_sigma
    columns["above_low_month"] = (log_price - trailing_extreme(log_price, _MONTH, np.fmin)) / month_sigma
    before = previous(sigma, 1)
    columns["since_fast_up"] = np.log(_hours_since(returns > _FAST_SIGMAS * before))
    columns["since_fast_down"] = np.log(_hours_since(-returns > _FAST_SIGMAS * before))

    volume = _positive(known("volume_24h_usd"))
    told_by = _kinds(grid, cells, rows["volume_venues"])
    columns["volume_month"] = np.log(volume / _trailing_mean_of_same(volume, told_by, _MONTH))
    columns["volume_24h"] = np.log(_positive(1 + known("volume_change_24h_pct") / 100))
    # Day by day: each day's change compares venues that have both its ends, the sum of all venues need not.
    interest = 100 * np.log(_positive(1 + known("open_interest_change_24h_pct") / 100))
    columns["interest_24h"] = interest
    columns["interest_week"] = sum((previous(interest, _DAY * day) for day in range(1, 7)), interest)
    funding = 1e4 * known("funding_rate")
    columns["funding"] = funding
    columns["funding_rank"] = known("funding_percentile")
    columns["funding_week"] = _trailing_mean(funding, _WEEK)
    accounts = np.log(_positive(known("long_short_account_ratio")))
    columns["accounts"] = accounts
    told_by = _kinds(grid, cells, rows["account_ratio_venues"])
    columns["accounts_month"] = accounts - _trailing_mean_of_same(accounts, told_by, _MONTH)
    columns["takers_24h"] = _trailing_mean(np.log(_positive(known("taker_volume_ratio"))), _DAY)

    columns |= _clock(grid)
    columns |= _analysed(grid, analyses)
    for name in _LED:
        led = np.full(grid.shape, np.nan)
        if _LEAD_SYMBOL in grid.symbols:
            led[:] = columns[name][:, [grid.symbols.index(_LEAD_SYMBOL)]]
        columns[f"btc_{name}"] = led

    values = np.stack(list(columns.values()), axis=2)[lead:]
    values[~np.isfinite(values)] = np.nan
    wanted = HourGrid(first, last - first, grid.symbols)
    return Features(wanted, tuple(columns), values, (np.isfinite(price) & np.isfinite(sigma))[lead:])


def _clock(grid: HourGrid) -> dict[str, Floats]:
    """The time of the week and of the day, as places on a circle."""
    # Hour 0 of 1970 was a Thursday's: 72 hours more make the week begin on Monday.
    clock = (grid.first + np.arange(grid.length) + 72)[:, None] + np.zeros((1, len(grid.symbols)))
    turns = {name: 2 * np.pi * (clock % span) / span for name, span in (("week", _WEEK), ("day", _DAY))}
    sines = {f"{name}_sin": np.sin(turn) for name, turn in turns.items()}
    return sines | {f"{name}_cos": np.cos(turn) for name, turn in turns.items()}


def _analysed(grid: HourGrid, analyses: pd.DataFrame) -> dict[str, Floats]:
    """What the analyses say."""
    at = grid.cells(epoch_hours(analyses["hour"]), analyses["symbol"])
    sign = np.select([analyses["squeeze_type"] == "SHORT_SQUEEZE", analyses["squeeze_type"] == "LONG_SQUEEZE"], [1, -1])
    long_share = grid.spread(at, analyses["long_pct"].to_numpy(dtype=np.float64, na_value=np.nan) - 50, np.nan)
    score = grid.spread(at, sign * analyses["probability"].to_numpy(dtype=np.float64), np.nan)
    clusters = {
        name: grid.spread(at, analyses[column].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
        for name, column in _CLUSTERS.items()
    }
    return {"long_share": long_share, "score": score} | clusters


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _trailing_mean(values: Floats, length: int) -> Floats:
    """Mean of the known rows among the `length` that end with each; NaN where less than half are known."""
    known = np.isfinite(values)
    total = trailing_sum(np.where(known, values, 0.0), length)
    count = trailing_sum(known.astype(np.int64), length)
    return np.where(2 * count >= length, total, np.nan) / np.where(count > 0, count, 1)


def _kinds(grid: HourGrid, cells: Whole, names: pd.Series) -> Floats:
    """A number for each set of venues; NaN where the rows are older than their column."""
    codes = pd.factorize(names)[0].astype(np.float64)
    return grid.spread(cells, np.where(codes < 0, np.nan, codes), np.nan)


def _trailing_mean_of_same(values: Floats, kinds: Floats, length: int) -> Floats:
    """`_trailing_mean` over the rows of the same kind as the one that they end with; an unknown kind is like any."""
    mean = _trailing_mean(values, length)
    for kind in np.unique(kinds[np.isfinite(kinds)]):
        alike = (kinds == kind) | np.isnan(kinds)
        mean = np.where(kinds == kind, _trailing_mean(np.where(alike, values, np.nan), length), mean)
    return mean


def _hours_since(happened: np.ndarray) -> Floats:
    """Hours since the end of the last one in which it happened, counted from 1; a week where that is longer ago."""
    rows = np.arange(len(happened))[:, None]
    newest = np.maximum.accumulate(np.where(happened, rows, -_WEEK), axis=0)
    return np.minimum(rows - newest + 1, _WEEK).astype(np.float64)
