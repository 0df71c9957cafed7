"""Candles, derivatives metrics and liquidations of all venues become one row a symbol and hour: EXCHANGE_SNAPSHOTS.

What belongs here: the definitions of those columns. Each is worked out for all symbols and hours at once on cubes
of venue x hour x symbol, and each cell from the same facts in the same order of sums, so that an hour's row is the
same to the last bit whether it is made alone or among a year's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.source import HOUR, hours_between
from cryptopattern_pipelines.storage.schemas import EXCHANGE_SNAPSHOTS, TIME

# The earliest fact that a row depends on: the first of the funding rates that its own is ranked among.
LOOKBACK = timedelta(days=30)
# Candles are needed for 48 hours, the day and the day before it; liquidations for the day.
CANDLES_LOOKBACK = timedelta(hours=47)
LIQUIDATIONS_LOOKBACK = timedelta(hours=23)

# What is read of each table.
CANDLE_COLUMNS = ("hour", "symbol", "venue", "market", "close", "high", "low", "volume_base", "volume_usd")
METRIC_COLUMNS = (
    "hour",
    "symbol",
    "venue",
    "funding_rate",
    "funding_interval_hours",
    "open_interest_base",
    "open_interest_usd",
    "open_interest_time",
    "long_short_account_ratio",
    "taker_volume_ratio",
)
LIQUIDATION_COLUMNS = ("hour", "symbol", "venue", "span_hours", "long_liquidated_usd", "short_liquidated_usd")

_FUNDING_WINDOW = LOOKBACK // HOUR
# Fewer hourly rates than a week's say nothing of what is usual.
FEWEST_FUNDING_HOURS = 168
_USUAL_FUNDING_INTERVAL = 8.0

# Older open interest at the hour's end is flagged; an hourly feed is an hour old, one that missed a beat is two.
STALE_AFTER_HOURS = 2.0

# A close further than this from the median of its hour's closes is an outlier, fraction. Derivatives venues draw the
# same line when they make an index price of several exchanges' prices: Pionex caps a price at 3 % from the median
# (https://www.pionex.com/blog/index-price/), BingX leaves it out
# (https://support.bingx.com/hc/en-001/articles/4412259589401-Perpetual-Futures-BingX-Index-Price-Calculation).
OUTLIER_FROM_MEDIAN = 0.03
# Of two prices neither can be called the wrong one.
FEWEST_TO_NAME_AN_OUTLIER = 3
# So many others must agree before an outlier is left out of the prices.
FEWEST_TO_LEAVE_ONE_OUT = 3

_DAY = 24
_CELLS_AT_ONCE = 2_000_000

_ALL_VENUES = "all"

Cube = np.ndarray


def exchange_snapshots(
    candles: pd.DataFrame, metrics: pd.DataFrame, liquidations: pd.DataFrame, start: datetime, end: datetime
) -> pd.DataFrame:
    """Each symbol over all its venues at the end of each hour in [start, end) in which it has a candle.

    Args:
        candles: CANDLE_COLUMNS of MARKET_CANDLES from `start` - CANDLES_LOOKBACK on; facts of `end` and later are not
            looked at.
        metrics: METRIC_COLUMNS of DERIVATIVES_METRICS, from `start` - LOOKBACK on.
        liquidations: LIQUIDATION_COLUMNS of REALISED_LIQUIDATIONS, from `start` - LIQUIDATIONS_LOOKBACK on.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.

    Returns:
        Rows of EXCHANGE_SNAPSHOTS, sorted by hour and symbol. How its columns are made:

        - Prices are closes, one a venue:market. `average_price` is their mean, `volume_weighted_price` their mean by
          the hour's volume in coins (none where nothing was traded). A change compares the sum of closes of the
          venue:markets that have both hours, so one that comes or goes changes nothing.
        - `price_variance` is the largest minus the smallest close, `price_spread_bps` the same over their median;
          both of all closes, outliers included.
        - `outlier_venues`: of three closes or more, those further than 3 % from the median when most are within. One
          that three others contradict is left out of the average, the weighted price, the changes, the high and the
          low; otherwise it counts. With two closes, or no majority, nobody can say which is wrong: all count.
        - `volume_24h_usd` sums the venue:markets that have all 24 hours; its change those that have all 48.
        - `open_interest_*` sum venues; the change, of coins, compares the venues that have both hours.
        - `funding_rate` is the mean of venues' rates, each made into a rate for 8 hours. `funding_percentile` is its
          mid-rank among the hourly rates of the 30 days that end with this hour, itself included: the share below
          it, plus half the share equal to it. With each of those hours it compares the mean of the venues that have
          both, so one that comes or goes is no change of funding. Fewer than 168 hours to compare with give none.
        - A level over venues is another one when a venue comes or goes. `volume_venues`, `open_interest_venues`,
          `funding_venues` and `account_ratio_venues` say which venues it is of: compare levels where they are equal.
        - Liquidations sum the venues that have all 24 hours, or are those of venue `all` when it has them;
          `liquidation_venues` says which. A feed's total of a day (`span_hours` 24) stands for its 24 hours in the
          hour that ends it, and in no other: it is never summed with hours, nor carried on.
        - `quality_flags`, sorted: `liquidations_incomplete` and `volume_incomplete` (a venue that had some of the 24
          hours lacks others and isn't counted), `no_derivatives` (neither funding nor open interest), `no_funding`,
          `no_open_interest`, `one_venue` (fewer than two venues quote it), `outlier_venue` (there are
          `outlier_venues`), `prices_disagree` (closes are further than 3 % apart, and none of them can be named as the
          outlier), `short_history` (a change or percentile lacks its earlier figures), `stale_metrics` (open interest
          older than two hours).

    Raises:
        WindowError: as `hours_between`.
    """
    hours = hours_between(start, end)
    symbols = np.unique(candles["symbol"][_inside(candles["hour"], hours)].to_numpy(dtype="object"))
    lanes = candles["venue"] + ":" + candles["market"]
    blocks = [
        _block(_Facts(hours, block, candles.assign(lane=lanes), metrics, liquidations))
        for block in _in_blocks(symbols, max(1, len(hours) * max(1, lanes.nunique())))
    ]
    if not blocks:
        return EXCHANGE_SNAPSHOTS.empty()
    rows = pd.concat(blocks, ignore_index=True).sort_values(["hour", "symbol"], ignore_index=True)
    return EXCHANGE_SNAPSHOTS.conform(rows)


class _Facts:
    """The facts of some symbols, as cubes of lane x hour x symbol, NaN where not known."""

    def __init__(
        self,
        hours: pd.DatetimeIndex,
        symbols: np.ndarray,
        candles: pd.DataFrame,
        metrics: pd.DataFrame,
        liquidations: pd.DataFrame,
    ) -> None:
        self.hours = hours
        self.symbols = symbols
        self.lanes, (self.close, self.high, self.low, self.volume, self.coins) = self._cubes(
            candles, "lane", ["close", "high", "low", "volume_usd", "volume_base"], 2 * _DAY - 1
        )
        ends = metrics["hour"] + HOUR
        interval = metrics["funding_interval_hours"].astype("float64").fillna(_USUAL_FUNDING_INTERVAL)
        known = metrics.assign(
            funding_8h=metrics["funding_rate"] * (_USUAL_FUNDING_INTERVAL / interval),
            age=(ends - metrics["open_interest_time"]) / HOUR,
        )
        figures = ["funding_8h", "open_interest_base", "open_interest_usd", "age"]
        ratios = ["long_short_account_ratio", "taker_volume_ratio"]
        self.metric_lanes, cubes = self._cubes(known, "venue", figures + ratios, _FUNDING_WINDOW - 1)
        self.funding, self.interest, self.interest_usd, self.age, self.accounts, self.takers = cubes
        span = liquidations["span_hours"].to_numpy(dtype="int64")
        sides = {"longs": "long_liquidated_usd", "shorts": "short_liquidated_usd"}
        spans = {
            f"{name}_{hours}": liquidations[column].where(span == hours)
            for hours in (1, _DAY)
            for name, column in sides.items()
        }
        self.liquidation_lanes, (self.longs, self.shorts, self.longs_of_day, self.shorts_of_day) = self._cubes(
            liquidations.assign(**spans), "venue", list(spans), _DAY - 1
        )

    def _cubes(
        self, frame: pd.DataFrame, lane: str, columns: list[str], back: int
    ) -> tuple[list[str], tuple[Cube, ...]]:
        """The lanes' names, and a cube of each column whose hours begin `back` before the first wanted."""
        first = self.hours[0] - back * HOUR
        count = len(self.hours) + back
        at_hour = ((frame["hour"] - first) // HOUR).to_numpy(dtype="int64")
        at_symbol = pd.Index(self.symbols).get_indexer(pd.Index(frame["symbol"]))
        inside = (at_hour >= 0) & (at_hour < count) & (at_symbol >= 0)
        at_hour, at_symbol, lanes = at_hour[inside], at_symbol[inside], frame[lane][inside]
        names = sorted(lanes.unique())
        at_lane = pd.Index(names).get_indexer(pd.Index(lanes))
        cubes = []
        for column in columns:
            cube = np.full((len(names), count, len(self.symbols)), np.nan)
            values = frame[column].to_numpy(dtype="float64")[inside]
            # A lane may have two rows in an hour, of which each fills cubes of its own: an hour's total and a day's.
            told = ~np.isnan(values)
            cube[at_lane[told], at_hour[told], at_symbol[told]] = values[told]
            cubes.append(cube)
        return names, tuple(cubes)


def _block(facts: _Facts) -> pd.DataFrame:
    """The snapshots of some symbols."""
    count = len(facts.hours)
    quotes = _quotes(facts.close)
    quoted = _back(quotes.known, 0, count)
    seen = quoted.any(axis=0)
    every_close = _back(facts.close, 0, count)
    spread = _largest(every_close) - _smallest(every_close)
    outlier = _back(quotes.outlier, 0, count)
    apart = spread > OUTLIER_FROM_MEDIAN * quotes.median[-count:]

    close_all, high, low = (np.where(quotes.left_out, np.nan, cube) for cube in (facts.close, facts.high, facts.low))
    close = _back(close_all, 0, count)
    coins = np.where(np.isnan(close), np.nan, _back(facts.coins, 0, count))
    traded_coins = _over_lanes(coins)

    day = _over_day(np.add, facts.volume, count)
    day_before = _over_day(np.add, facts.volume, count, lag=_DAY)
    whole = ~np.isnan(day)
    traded = ~np.isnan(_over_day(np.fmax, facts.volume, count))

    interest = _back(facts.interest, 0, count)
    rates = _back(facts.funding, 0, count)
    funding = _mean_over_lanes(rates)
    rank = _mid_rank(facts.funding, count)
    accounts = _back(facts.accounts, 0, count)

    longs, shorts = (
        _or_else(_over_day(np.add, hourly, count), _back(daily, 0, count))
        for hourly, daily in ((facts.longs, facts.longs_of_day), (facts.shorts, facts.shorts_of_day))
    )
    told = ~np.isnan(_over_day(np.fmax, facts.longs, count))
    counted = _all_or_each(~np.isnan(longs), facts.liquidation_lanes)

    columns: dict[str, np.ndarray] = {
        "average_price": _mean_over_lanes(close),
        "volume_weighted_price": _over_lanes(close * coins) / np.where(traded_coins > 0, traded_coins, np.nan),
        "price_variance": spread,
        "price_spread_bps": 10_000 * spread / quotes.median[-count:],
        "high_24h": _largest(_over_day(np.fmax, high, count)),
        "low_24h": _smallest(_over_day(np.fmin, low, count)),
        "price_change_1h_pct": _change(close, _back(close_all, 1, count)),
        "price_change_24h_pct": _change(close, _back(close_all, _DAY, count)),
        "volume_24h_usd": _over_lanes(day),
        "volume_change_24h_pct": _change(day, day_before),
        "open_interest_usd": _over_lanes(_back(facts.interest_usd, 0, count)),
        "open_interest_base": _over_lanes(interest),
        "open_interest_change_24h_pct": _change(interest, _back(facts.interest, _DAY, count)),
        "funding_rate": funding,
        "funding_percentile": rank,
        "long_short_account_ratio": _mean_over_lanes(accounts),
        "taker_volume_ratio": _mean_over_lanes(_back(facts.takers, 0, count)),
        "long_liquidated_24h_usd": _over_lanes(np.where(counted, longs, np.nan)),
        "short_liquidated_24h_usd": _over_lanes(np.where(counted, shorts, np.nan)),
        "metrics_age_hours": _largest(_back(facts.age, 0, count)),
    }

    def known(name: str) -> np.ndarray:
        return ~np.isnan(columns[name])

    lacks_earlier = ~known("price_change_24h_pct")
    for now, then in (
        ("volume_24h_usd", "volume_change_24h_pct"),
        ("open_interest_base", "open_interest_change_24h_pct"),
        ("funding_rate", "funding_percentile"),
    ):
        lacks_earlier |= known(now) & ~known(then)
    venues = np.stack(
        [
            np.any([quoted[n] for n, lane in enumerate(facts.lanes) if lane.split(":")[0] == venue], axis=0)
            for venue in sorted({lane.split(":")[0] for lane in facts.lanes})
        ]
    )
    no_funding, no_interest = ~known("funding_rate"), ~known("open_interest_base")
    flags = {
        "liquidations_incomplete": (told & np.isnan(longs)).any(axis=0),
        "no_derivatives": no_funding & no_interest,
        "no_funding": no_funding & ~no_interest,
        "no_open_interest": no_interest & ~no_funding,
        "one_venue": venues.sum(axis=0) < 2,
        "outlier_venue": outlier.any(axis=0),
        "prices_disagree": apart & ~outlier.any(axis=0),
        "short_history": lacks_earlier,
        "stale_metrics": columns["metrics_age_hours"] > STALE_AFTER_HOURS,
        "volume_incomplete": (traded & ~whole).any(axis=0),
    }
    at_hour, at_symbol = np.nonzero(seen)
    rows = pd.DataFrame({name: values[at_hour, at_symbol] for name, values in columns.items()})
    rows["hour"] = facts.hours[at_hour].astype(TIME)
    rows["symbol"] = facts.symbols[at_symbol]
    rows["venues"] = _listed(facts.lanes, quoted[:, at_hour, at_symbol])
    for name, lanes, counts in (
        ("volume_venues", facts.lanes, day),
        ("open_interest_venues", facts.metric_lanes, interest),
        ("funding_venues", facts.metric_lanes, rates),
        ("account_ratio_venues", facts.metric_lanes, accounts),
    ):
        rows[name] = _listed(lanes, ~np.isnan(counts)[:, at_hour, at_symbol])
    rows["venue_count"] = quoted.sum(axis=0)[at_hour, at_symbol]
    rows["outlier_venues"] = _listed(facts.lanes, outlier[:, at_hour, at_symbol])
    rows["liquidation_venues"] = _listed(facts.liquidation_lanes, counted[:, at_hour, at_symbol])
    rows["quality_flags"] = _listed(list(flags), np.stack(list(flags.values()))[:, at_hour, at_symbol])
    return rows


def _in_blocks(symbols: np.ndarray, cells: int) -> Iterator[np.ndarray]:
    """The symbols by so many at once that their cubes fit well into memory; `cells` are one symbol's."""
    size = max(1, _CELLS_AT_ONCE // cells)
    return (symbols[begin : begin + size] for begin in range(0, len(symbols), size))


def _inside(hour: pd.Series, hours: pd.DatetimeIndex) -> np.ndarray:
    if hours.empty:
        return np.zeros(len(hour), dtype=bool)
    return ((hour >= hours[0]) & (hour <= hours[-1])).to_numpy()


def _back(cube: Cube, lag: int, count: int) -> Cube:
    """The cube's last `count` hours, as they were `lag` hours before."""
    stop = cube.shape[1] - lag
    return cube[:, stop - count : stop]


def _over_day(fold: np.ufunc, cube: Cube, count: int, lag: int = 0) -> Cube:
    """The 24 hours that end `lag` hours before each, folded into one; a sum is NaN unless all are known."""
    # One hour after the other: a running sum would make a cell depend on where the range begins.
    total = _back(cube, lag, count).copy()
    for hour in range(lag + 1, lag + _DAY):
        fold(total, _back(cube, hour, count), out=total)
    return total


def _over_lanes(cube: Cube) -> np.ndarray:
    """Sum of the lanes that are known; NaN when none is."""
    total = np.zeros(cube.shape[1:])
    for lane in cube:
        total += np.where(np.isnan(lane), 0.0, lane)
    return np.where(~np.isnan(cube).all(axis=0), total, np.nan)


def _mean_over_lanes(cube: Cube) -> np.ndarray:
    """Mean of the lanes that are known; NaN when none is."""
    count = (~np.isnan(cube)).sum(axis=0)
    return _over_lanes(cube) / np.where(count, count, 1)


def _largest(cube: Cube) -> np.ndarray:
    """Greatest value over lanes; NaN when none is known."""
    return np.fmax.reduce(cube, axis=0, initial=np.nan)


def _smallest(cube: Cube) -> np.ndarray:
    """Least value over lanes; NaN when none is known."""
    return np.fmin.reduce(cube, axis=0, initial=np.nan)


def _change(now: Cube, then: Cube) -> np.ndarray:
    """Percent from `then` to `now` of the sum of the lanes that are known in both; NaN without any, or from 0."""
    both = ~np.isnan(now) & ~np.isnan(then)
    before = _over_lanes(np.where(both, then, np.nan))
    after = _over_lanes(np.where(both, now, np.nan))
    return 100 * (after / np.where(before > 0, before, np.nan) - 1)


def _all_or_each(known: np.ndarray, lanes: list[str]) -> np.ndarray:
    """Which lanes count: venue `all` alone where it is known, since it and the venues would count twice."""
    if _ALL_VENUES not in lanes:
        return known
    aggregate = known[lanes.index(_ALL_VENUES)]
    is_all = np.array([lane == _ALL_VENUES for lane in lanes])
    return known & np.where(aggregate, is_all[:, None, None], True)


def _or_else(cube: Cube, other: Cube) -> Cube:
    """The one where it is known, else the other."""
    return np.where(np.isnan(cube), other, cube)


@dataclass(frozen=True)
class _Quotes:
    """The closes of an hour against each other. `median` is hour x symbol, the rest lane x hour x symbol."""

    known: np.ndarray
    median: np.ndarray
    outlier: np.ndarray
    left_out: np.ndarray


def _ranked(cube: Cube) -> Cube:
    """Sorted over lanes: by exchanging neighbours, since lanes are few and numpy's sort is slow on short axes."""
    for last in range(len(cube) - 1, 0, -1):
        for lane in range(last):
            pair = cube[lane : lane + 2]
            cube[lane : lane + 2] = np.minimum(*pair), np.maximum(*pair)
    return cube


def _quotes(close: Cube) -> _Quotes:
    """Tell the closes that stand alone from those that most agree on."""
    known = ~np.isnan(close)
    count = known.sum(axis=0)
    # What isn't known ranks last, so the middle of those known lies at their count's half.
    ranked = _ranked(np.where(known, close, np.inf))
    middle = [
        np.take_along_axis(ranked, place[None], axis=0)[0] for place in (np.maximum(count - 1, 0) // 2, count // 2)
    ]
    median = (middle[0] + middle[1]) / 2
    near = np.abs(close - median) <= OUTLIER_FROM_MEDIAN * median
    agreeing = near.sum(axis=0)
    told_apart = (count >= FEWEST_TO_NAME_AN_OUTLIER) & (2 * agreeing > count)
    outlier = known & ~near & told_apart
    return _Quotes(known, median, outlier, outlier & (agreeing >= FEWEST_TO_LEAVE_ONE_OUT))


def _mid_rank(cube: Cube, count: int) -> np.ndarray:
    """Percentile mid-rank of the mean over lanes in each of the last `count` hours among the 30 days that end with it.

    Two hours are compared by the lanes that are known in both.
    """
    now = _back(cube, 0, count)
    below, equal, known = (np.zeros(now.shape[1:], dtype="int64") for _ in range(3))
    for lag in range(_FUNDING_WINDOW):
        change = _over_lanes(_back(cube, lag, count) - now)
        below += change < 0
        equal += change == 0
        known += ~np.isnan(change)
    return np.where(known >= FEWEST_FUNDING_HOURS, 100 * (below + 0.5 * equal) / np.where(known, known, 1), np.nan)


def _listed(names: list[str], present: np.ndarray) -> np.ndarray:
    """For each column of `present` (name x row) the names that are, comma between."""
    codes = np.zeros(present.shape[1], dtype="int64")
    for place, row in enumerate(present):
        codes |= row.astype("int64") << place
    kinds, which = np.unique(codes, return_inverse=True)
    texts = [",".join(name for place, name in enumerate(names) if code >> place & 1) for code in kinds.tolist()]
    return np.array(texts, dtype="object")[which]
