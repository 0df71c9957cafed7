"""From a venue's events to what was known of them by each hour's end; here rule 2 ("nothing knows the future") lives.

What belongs here: which settlement or snapshot counts for an hour, and the shaping of candles into rows, the same
for every source. What does not: where the events come from.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.answers import Columns, as_times, joined
from cryptopattern_pipelines.market.source import HOUR
from cryptopattern_pipelines.market.symbols import Instrument
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, MARKET_CANDLES, TableSchema

# A venue publishes a five-minute snapshot some minutes after the time that it bears; later than this it is not.
PUBLISHING_DELAY = timedelta(minutes=5)

# A snapshot older than this at an hour's end says nothing of the hour.
LONGEST_SNAPSHOT_AGE = timedelta(hours=4)

# No venue here settles funding less often than this; so far back must a reader look for an hour's last rate.
LONGEST_FUNDING_INTERVAL = timedelta(hours=24)

# Binance's five-minute figures bear the period's end until this moment, its start from it on.
# https://github.com/binance/binance-public-data/issues/491
BINANCE_LABELS_START_FROM = pd.Timestamp("2026-06-25", tz="UTC")

# The shortest for which venues tell open interest and ratios; both sources use it, so that they say the same.
PERIOD = timedelta(minutes=5)

_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_AN_HOUR = HOUR // _MICROSECOND
_MICROSECONDS_A_MINUTE = 60_000_000
_NAT = np.iinfo("int64").min

# The intervals that there are, hours; settlements lie on their multiples from midnight UTC on.
# OKX's announcement of April 2026 lists them (https://www.aicoin.com/en/news-flash/2839466); Binance's are the same:
# SOLUSDT's was 8, 4, 2 and 8 again within ten days of November 2022.
_FUNDING_INTERVALS = (1, 2, 4, 8)
# The longest of them, and taken for one whose beginning isn't known.
_USUAL_FUNDING_INTERVAL = 8
# Four intervals of the longest: so far before a settlement lie those that its own interval is told by.
REACH_OF_INTERVALS = timedelta(hours=4 * _USUAL_FUNDING_INTERVAL)

FIGURES = ("long_short_account_ratio", "top_account_ratio", "top_position_ratio", "taker_volume_ratio")


def microseconds(epoch: np.ndarray) -> np.ndarray:
    """Milli- or microseconds since 1970, as the archive mixes them, as microseconds.

    Spot archives count in microseconds from 2025-01-01 on (binance/binance-public-data, README). A number of
    milliseconds reaches 10**14 in the year 5138.
    """
    return np.where(epoch < 10**14, epoch * 1000, epoch)


def snapshot_times(labels: pd.Series) -> pd.Series:
    """When Binance took the figures that bear these times (UTC); see BINANCE_LABELS_START_FROM."""
    return labels.where(labels < BINANCE_LABELS_START_FROM, labels + PERIOD)


def candle_rows(found: list[tuple[Instrument, Columns]], venue: str) -> pd.DataFrame:
    """A venue's candles of many instruments, as rows of MARKET_CANDLES in coins, in the instruments' order.

    Args:
        found: each instrument's `hour` (microseconds since 1970), `open`, `high`, `low`, `close`, `volume_base`,
            `volume_usd` in its own units, and `trades` and `taker_buy_volume_base` where the venue tells them, 0
            trades meaning that it doesn't. Of two instruments of one coin and market, each hour is the first's that
            has it; of two candles of one hour the last counts.
        venue: e.g. binance.
    """
    found = [(instrument, columns) for instrument, columns in found if len(columns["hour"])]
    if not found:
        return MARKET_CANDLES.empty()
    columns = joined([columns for _, columns in found], found[0][1])
    instruments = [instrument for instrument, _ in found]
    counts = [len(columns["hour"]) for _, columns in found]

    def of_each(values: list[Any]) -> np.ndarray:
        return np.repeat(np.array(values), counts)

    size = of_each([float(each.multiplier) for each in instruments])
    for price in ("open", "high", "low", "close"):
        columns[price] = columns[price] / size
    columns["volume_base"] = columns["volume_base"] * size
    if "trades" in columns:
        known = columns["trades"] > 0
        columns["trades"] = np.where(known, columns["trades"], np.nan)
        columns["taker_buy_volume_base"] = np.where(known, columns["taker_buy_volume_base"] * size, np.nan)
    rows = pd.DataFrame(
        {
            **columns,
            "hour": as_times(columns["hour"]),
            "symbol": of_each([each.coin for each in instruments]),
            "venue": venue,
            "market": of_each([each.market for each in instruments]),
            "instrument": of_each([each.name for each in instruments]),
        }
    )
    # A price of 0 is how a venue fills an hour that it knows nothing of.
    rows = rows[(rows[["open", "high", "low", "close"]] > 0).all(axis=1)]
    rows = rows.drop_duplicates(["hour", "market", "instrument"], keep="last")
    return MARKET_CANDLES.conform(rows.drop_duplicates(["hour", "symbol", "market"], keep="first"))


def with_intervals(funding: pd.DataFrame) -> pd.DataFrame:
    """Settled rates (`time`, `rate`) with `interval_hours`, the hours that each pays for.

    That is the time since the settlement before, as the archive's own interval column has it. But where one was not
    told, that is twice the interval: a time that is longer than those before it is believed at once only when four
    times as long, as when a venue returns to its usual interval and as no single gap makes it; else when it comes a
    second time. Until then the shortest of the two times before it stands. A settlement whose rate isn't told is left
    out, but ended an interval.

    Nothing later is looked at, and nothing that lies further back than REACH_OF_INTERVALS.
    """
    times, settled = _in_time(_counts(funding["time"]), funding[["rate"]])
    hour = np.rint(times / _MICROSECONDS_A_MINUTE) / 60
    since = hour - _earlier(hour, 1)
    before, second = (
        np.where(hour - _earlier(hour, back + 1) <= REACH_OF_INTERVALS / HOUR, _earlier(since, back), np.nan)
        for back in (1, 2)
    )
    hours = np.round(since)
    possible = (hours >= 1) & (hours <= _USUAL_FUNDING_INTERVAL)
    standing = np.round(np.fmin(before, second))
    standing = np.where((standing >= 1) & (standing <= _USUAL_FUNDING_INTERVAL), standing, _USUAL_FUNDING_INTERVAL)
    on_a_multiple = np.floor(hour) % 24 % np.where(possible, hours, 1) == 0
    returned = np.isin(hours, _FUNDING_INTERVALS) & on_a_multiple & (hours >= 4 * standing)
    told = possible & (~(hours > np.round(before)) | returned)
    known = ~np.isnan(settled["rate"])
    interval = np.where(told, hours, standing).astype("int64")
    return pd.DataFrame(
        {"time": as_times(times[known]), "rate": settled["rate"][known], "interval_hours": interval[known]}
    )


def metrics_rows(
    funding: pd.DataFrame,
    snapshots: pd.DataFrame,
    hours: pd.DatetimeIndex,
    instrument: Instrument,
    venue: str,
    *,
    delay: timedelta = PUBLISHING_DELAY,
    longest_age: timedelta = LONGEST_SNAPSHOT_AGE,
) -> pd.DataFrame:
    """What was known of one perpetual by each hour's end, as rows of DERIVATIVES_METRICS; hours without are left out.

    Funding: the last rate that was settled before the hour's end, for at most its own interval. A rate settled at
    the very end of an hour, to the minute, belongs to the next hour: venues publish it some moments later.
    Snapshots: of each figure the last one whose time plus `delay` is not after the hour's end, for at most
    `longest_age`. A figure that is empty in the last snapshot is taken from the one before.

    Args:
        funding: `time` (UTC), `rate` (fraction for one interval), `interval_hours`.
        snapshots: `time` (UTC, when the figures were taken), `open_interest_base` (in the instrument's units),
            `open_interest_usd`, and FIGURES; empty where not known.
        hours: starts of the hours, sorted.
        instrument: whose they are; a bundle's open interest becomes coins.
        venue: e.g. binance.
        delay: from a snapshot's time until it is published.
        longest_age: of a snapshot at the hour's end.
    """
    ends = _counts(hours + HOUR)
    when, settled = _in_time(_counts(funding["time"].dt.round("min")), funding[["rate", "interval_hours"]])
    life = np.minimum(settled["interval_hours"] * _MICROSECONDS_AN_HOUR, LONGEST_FUNDING_INTERVAL // _MICROSECOND)
    at = np.searchsorted(when, ends, side="left") - 1
    at = np.where((at >= 0) & (ends - _at(when, at, 0) <= _at(life, at, 0)), at, -1)
    facts = {
        "funding_rate": _at(settled["rate"], at, np.nan),
        "funding_interval_hours": _at(settled["interval_hours"].astype("float64"), at, np.nan),
        "funding_time": _at(when, at, _NAT),
    }
    when, taken = _in_time(_counts(snapshots["time"]), snapshots[["open_interest_base", "open_interest_usd", *FIGURES]])
    published, oldest = ends - delay // _MICROSECOND, ends - longest_age // _MICROSECOND

    def last(told: np.ndarray) -> np.ndarray:
        """For each hour the place of the last snapshot that tells a figure, -1 without one."""
        places = np.flatnonzero(told)
        at = _at(places, np.searchsorted(when[places], published, side="right") - 1, -1)
        return np.where((at >= 0) & (_at(when, at, 0) >= oldest), at, -1)

    # Open interest of 0 is how the archive fills a snapshot that failed; its ratios are no better.
    failed = taken["open_interest_base"] == 0
    at = last(taken["open_interest_base"] > 0)
    facts["open_interest_base"] = _at(taken["open_interest_base"], at, np.nan) * instrument.multiplier
    facts["open_interest_usd"] = _at(taken["open_interest_usd"], at, np.nan)
    facts["open_interest_time"] = _at(when, at, _NAT)
    for figure in FIGURES:
        facts[figure] = _at(taken[figure], last(~np.isnan(taken[figure]) & ~failed), np.nan)
    known = np.any([~np.isnan(facts[name]) for name in ("funding_rate", "open_interest_base", *FIGURES)], axis=0)
    rows = {name: values[known] for name, values in facts.items()}
    for name in ("funding_time", "open_interest_time"):
        rows[name] = as_times(rows[name])
    names = {"hour": hours[known], "symbol": instrument.coin, "venue": venue, "instrument": instrument.name}
    return DERIVATIVES_METRICS.conform(pd.DataFrame({**names, **rows}))


def one_a_coin(frames: list[pd.DataFrame], table: TableSchema) -> pd.DataFrame:
    """Rows of one coin's instruments, best first, as one row a key: of the first instrument that has it."""
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return table.empty()
    return pd.concat(filled, ignore_index=True).drop_duplicates(list(table.key), keep="first")


def _counts(times: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Microseconds since 1970."""
    return pd.DatetimeIndex(times).as_unit("us").asi8


def _in_time(when: np.ndarray, columns: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Events in time's order; of several at one time the last that is told."""
    order = np.argsort(when, kind="stable")
    order = order[np.append(when[order][1:] != when[order][:-1], True)[: len(order)]]
    return when[order], {name: columns[name].to_numpy()[order] for name in columns}


def _earlier(values: np.ndarray, back: int) -> np.ndarray:
    """The values so many places before, NaN at the beginning."""
    return np.append(np.full(back, np.nan), values)[: len(values)]


def _at(values: np.ndarray, places: np.ndarray, otherwise: float) -> np.ndarray:
    """The values at these places, and `otherwise` at -1."""
    return np.append(values, np.array([otherwise], dtype=values.dtype))[places]
