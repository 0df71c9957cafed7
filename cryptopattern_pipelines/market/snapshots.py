"""Candles, derivatives metrics and liquidations of all venues become one row a symbol and hour: EXCHANGE_SNAPSHOTS.

What belongs here: the definitions of those columns. Each is worked out for all symbols and hours at once on cubes
of venue x hour x symbol, and each cell from the same facts in the same order of sums, so that an hour's row is the
same to the last bit whether it is made alone or among a year's.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.source import HOUR, hours_between
from cryptopattern_pipelines.storage.schemas import EXCHANGE_SNAPSHOTS, TIME

# The earliest fact that a row depends on: the first of the funding rates that its own is ranked among. Candles are
# needed for 48 hours, the day and the day before it.
LOOKBACK = timedelta(days=30)

_FUNDING_WINDOW = LOOKBACK // HOUR
# Fewer hourly rates than a week's say nothing of what is usual.
FEWEST_FUNDING_HOURS = 168
_USUAL_FUNDING_INTERVAL = 8.0

# Older open interest at the hour's end is flagged; an hourly feed is an hour old, one that missed a beat is two.
STALE_AFTER_HOURS = 2.0

_DAY = 24
_CELLS_AT_ONCE = 2_000_000

_ALL_VENUES = "all"

Cube = np.ndarray


def exchange_snapshots(
    candles: pd.DataFrame, metrics: pd.DataFrame, liquidations: pd.DataFrame, start: datetime, end: datetime
) -> pd.DataFrame:
    """Each symbol over all its venues at the end of each hour in [start, end) in which it has a candle.

    Args:
        candles: rows of MARKET_CANDLES from `start` - LOOKBACK on; facts of `end` and later are not looked at.
        metrics: rows of DERIVATIVES_METRICS, likewise.
        liquidations: rows of REALISED_LIQUIDATIONS, likewise.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.

    Returns:
        Rows of EXCHANGE_SNAPSHOTS, sorted by hour and symbol. How its columns are made:

        - Prices are closes. A change compares the sum of closes of the venue:markets that have both hours, so one
          that comes or goes changes nothing.
        - `volume_24h_usd` sums the venue:markets that have all 24 hours; its change those that have all 48.
        - `open_interest_*` sum venues; the change, of coins, compares the venues that have both hours.
        - `funding_rate` is the mean of venues' rates, each made into a rate for 8 hours. `funding_percentile` is its
          mid-rank among the hourly rates of the 30 days that end with this hour, itself included: the share below
          it, plus half the share equal to it. Fewer than 168 known hours give none.
        - Liquidations sum the venues that have all 24 hours, or are those of venue `all` when it has them.
        - `quality_flags`, sorted: `liquidations_incomplete` and `volume_incomplete` (a venue that had some of the 24
          hours lacks others and isn't counted), `no_derivatives` (neither funding nor open interest), `no_funding`,
          `no_open_interest`, `one_venue` (fewer than two venues quote it), `short_history` (a change or percentile
          lacks its earlier figures), `stale_metrics` (open interest older than two hours).

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
        self.lanes, (self.close, self.high, self.low, self.volume) = self._cubes(
            candles, "lane", ["close", "high", "low", "volume_usd"], 2 * _DAY - 1
        )
        ends = metrics["hour"] + HOUR
        interval = metrics["funding_interval_hours"].astype("float64").fillna(_USUAL_FUNDING_INTERVAL)
        known = metrics.assign(
            funding_8h=metrics["funding_rate"] * (_USUAL_FUNDING_INTERVAL / interval),
            age=(ends - metrics["open_interest_time"]) / HOUR,
        )
        figures = ["funding_8h", "open_interest_base", "open_interest_usd", "age"]
        ratios = ["long_short_account_ratio", "taker_volume_ratio"]
        _, (self.funding, self.interest, self.interest_usd, self.age, self.accounts, self.takers) = self._cubes(
            known, "venue", figures + ratios, _FUNDING_WINDOW - 1
        )
        self.liquidation_lanes, (self.longs, self.shorts) = self._cubes(
            liquidations, "venue", ["long_liquidated_usd", "short_liquidated_usd"], _DAY - 1
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
        frame, at_hour, at_symbol = frame[inside], at_hour[inside], at_symbol[inside]
        names = sorted(frame[lane].unique())
        at_lane = pd.Index(names).get_indexer(pd.Index(frame[lane]))
        cubes = []
        for column in columns:
            cube = np.full((len(names), count, len(self.symbols)), np.nan)
            cube[at_lane, at_hour, at_symbol] = frame[column].to_numpy(dtype="float64")
            cubes.append(cube)
        return names, tuple(cubes)


def _block(facts: _Facts) -> pd.DataFrame:
    """The snapshots of some symbols."""
    count = len(facts.hours)
    close = _back(facts.close, 0, count)
    quoted = ~np.isnan(close)
    average = _over_lanes(close) / quoted.sum(axis=0)
    seen = quoted.any(axis=0)
    spread = _largest(close) - _smallest(close)

    day = _over_day(np.add, facts.volume, count)
    day_before = _over_day(np.add, facts.volume, count, lag=_DAY)
    whole = ~np.isnan(day)
    traded = ~np.isnan(_over_day(np.fmax, facts.volume, count))

    interest = _back(facts.interest, 0, count)
    funding_all = _mean_over_lanes(facts.funding)
    funding = funding_all[-count:]
    rank = _mid_rank(funding_all, count)

    longs, shorts = _over_day(np.add, facts.longs, count), _over_day(np.add, facts.shorts, count)
    told = ~np.isnan(_over_day(np.fmax, facts.longs, count))

    columns: dict[str, np.ndarray] = {
        "average_price": average,
        "price_variance": spread,
        "high_24h": _largest(_over_day(np.fmax, facts.high, count)),
        "low_24h": _smallest(_over_day(np.fmin, facts.low, count)),
        "price_change_1h_pct": _change(close, _back(facts.close, 1, count)),
        "price_change_24h_pct": _change(close, _back(facts.close, _DAY, count)),
        "volume_24h_usd": _over_lanes(day),
        "volume_change_24h_pct": _change(day, day_before),
        "open_interest_usd": _over_lanes(_back(facts.interest_usd, 0, count)),
        "open_interest_base": _over_lanes(interest),
        "open_interest_change_24h_pct": _change(interest, _back(facts.interest, _DAY, count)),
        "funding_rate": funding,
        "funding_percentile": rank,
        "long_short_account_ratio": _mean_over_lanes(_back(facts.accounts, 0, count)),
        "taker_volume_ratio": _mean_over_lanes(_back(facts.takers, 0, count)),
        "long_liquidated_24h_usd": _all_or_sum(longs, facts.liquidation_lanes),
        "short_liquidated_24h_usd": _all_or_sum(shorts, facts.liquidation_lanes),
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
        "short_history": lacks_earlier,
        "stale_metrics": columns["metrics_age_hours"] > STALE_AFTER_HOURS,
        "volume_incomplete": (traded & ~whole).any(axis=0),
    }
    at_hour, at_symbol = np.nonzero(seen)
    rows = pd.DataFrame({name: values[at_hour, at_symbol] for name, values in columns.items()})
    rows["hour"] = facts.hours[at_hour].astype(TIME)
    rows["symbol"] = facts.symbols[at_symbol]
    rows["venues"] = _listed(facts.lanes, quoted[:, at_hour, at_symbol])
    rows["venue_count"] = quoted.sum(axis=0)[at_hour, at_symbol]
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


def _all_or_sum(cube: Cube, lanes: list[str]) -> np.ndarray:
    """What venue `all` says where it says it, else the sum of the venues; the two would count twice."""
    single = _over_lanes(cube[[n for n, lane in enumerate(lanes) if lane != _ALL_VENUES]])
    if _ALL_VENUES not in lanes:
        return single
    aggregate = cube[lanes.index(_ALL_VENUES)]
    return np.where(np.isnan(aggregate), single, aggregate)


def _mid_rank(values: np.ndarray, count: int) -> np.ndarray:
    """Percentile mid-rank of each of the last `count` hours among the 30 days that end with it."""
    now = values[-count:]
    below, equal, known = (np.zeros(now.shape, dtype="int64") for _ in range(3))
    for lag in range(_FUNDING_WINDOW):
        then = values[len(values) - count - lag : len(values) - lag]
        below += then < now
        equal += then == now
        known += ~np.isnan(then)
    enough = ~np.isnan(now) & (known >= FEWEST_FUNDING_HOURS)
    return np.where(enough, 100 * (below + 0.5 * equal) / np.where(known, known, 1), np.nan)


def _listed(names: list[str], present: np.ndarray) -> np.ndarray:
    """For each column of `present` (name x row) the names that are, comma between."""
    codes = np.zeros(present.shape[1], dtype="int64")
    for place, row in enumerate(present):
        codes |= row.astype("int64") << place
    kinds, which = np.unique(codes, return_inverse=True)
    texts = [",".join(name for place, name in enumerate(names) if code >> place & 1) for code in kinds.tolist()]
    return np.array(texts, dtype="object")[which]
