"""What is doubtful about rows that are written: hours that are missing, feeds that are stale, prices that stand alone.

What belongs here: finding it, as one row a fault. What does not: rows that can't be at all (`storage/rows.py` sets them
aside) and figures that contradict each other (`contradictions.py`).
"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.snapshots import FEWEST_TO_NAME_AN_OUTLIER, OUTLIER_FROM_MEDIAN, STALE_AFTER_HOURS
from cryptopattern_pipelines.market.source import HOUR, hours_between

# A market that was seen within so long before an hour is listed: a row of the hour is waited for.
LISTED_FOR = timedelta(hours=24)
# A market's hourly return may differ by this from the median market's, a fraction, before it has jumped alone: a jump
# that makes an outlier of it.
LONE_JUMP = OUTLIER_FROM_MEDIAN

_LANE = ["symbol", "venue", "market"]


def missing_hours(
    rows: pd.DataFrame, start: datetime, end: datetime, listed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Hours of [start, end) that a market has no row of, although it is listed.

    Listed is what a listing of the day before says, and what was seen in the day until then; if a listing of the day
    itself says that it was no more by the day's end, only until its last row. So a coin that isn't listed yet, or not
    any more, lacks nothing, and one that vanished while it is listed lacks every hour. Of a market that no listing
    speaks of, a row within LISTED_FOR before has to do.

    Args:
        rows: `hour`, `symbol`, `venue`, and `market` where the table has it, from `start` - LISTED_FOR on.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.
        listed: as `listings.markets_listed`, from the day before `start` on; needs rows with `market`.

    Returns:
        One row a market that lacks hours: its names, `hour` (the first that is missing), `missing` (how many).
    """
    lane = [name for name in _LANE if name in rows]
    hours = hours_between(start - LISTED_FOR, end)
    rows = rows[rows["hour"].between(hours[0], hours[-1])] if len(hours) else rows.iloc[:0]
    listed = pd.DataFrame(columns=["day", *lane]) if listed is None else listed
    seen = [rows[lane], listed.loc[listed[lane[0]] != "", lane]]
    names = pd.concat([each for each in seen if len(each)] or seen[:1]).drop_duplicates()
    names = names.sort_values(lane, ignore_index=True)
    places = np.arange(len(hours))
    there = np.zeros((len(names), len(hours)), dtype=bool)
    at = pd.MultiIndex.from_frame(names).get_indexer(pd.MultiIndex.from_frame(rows[lane]))
    there[at, ((rows["hour"] - hours[:1].min()) // HOUR).to_numpy(dtype="int64")] = True
    span = LISTED_FOR // HOUR
    last_seen = np.maximum.accumulate(np.where(there, places, -span - 1), axis=1)
    expected = places - last_seen <= span
    if len(listed) and len(hours):
        days = hours.floor("D")
        midnight = ((days - hours[0]) // HOUR).to_numpy(dtype="int64")
        told, known = _on_days(listed, names, days)
        told_before, known_before = _on_days(listed, names, days - pd.Timedelta(days=1))
        seen_later = np.maximum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
        trades = (told_before | (last_seen >= midnight)) & (told | ~known | seen_later)
        expected = np.where(known_before, trades, expected)
    missing = ~there & expected
    missing[:, :span] = False
    lacking = missing.any(axis=1)
    found = names[lacking].assign(hour=hours[missing[lacking].argmax(axis=1)], missing=missing[lacking].sum(axis=1))
    return found.reset_index(drop=True)


def _on_days(listed: pd.DataFrame, names: pd.DataFrame, days: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Of each market and each of these days, whether it was listed at the day's end, and whether that is known."""
    unique = days.unique()
    which = unique.get_indexer(days)
    rows = pd.MultiIndex.from_frame(listed[["day", *_LANE]])
    whole = names.merge(unique.to_frame(index=False, name="day"), how="cross")
    shape = (len(names), len(unique))
    told = pd.MultiIndex.from_frame(whole[["day", *_LANE]]).isin(rows).reshape(shape)
    known = pd.MultiIndex.from_frame(whole.assign(symbol="")[["day", *_LANE]]).isin(rows).reshape(shape)
    return told[:, which], known[:, which]


def lone_jumps(candles: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Candles of [start, end) whose close jumped while most of the symbol's other markets' did not.

    Args:
        candles: `hour`, `symbol`, `venue`, `market`, `close`, from an hour before `start` on.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.

    Returns:
        One row a candle: `hour`, its names, `change_pct`, and `others_pct`, the median market's change. Of two markets
        nobody can say which of them jumped.
    """
    closes = candles.sort_values([*_LANE, "hour"], ignore_index=True)
    before = closes[[*_LANE, "hour", "close"]].assign(hour=closes["hour"] + HOUR)
    both = closes.merge(before, on=[*_LANE, "hour"], suffixes=("", "_before"))
    both = both[both["hour"].between(pd.Timestamp(start), pd.Timestamp(end) - HOUR)]
    change = both["close"] / both["close_before"] - 1
    groups = change.groupby([both["hour"], both["symbol"]])
    others = groups.transform("median")
    alone = ((change - others).abs() > LONE_JUMP) & (groups.transform("size") >= FEWEST_TO_NAME_AN_OUTLIER)
    found = both.loc[alone, ["hour", *_LANE]].assign(change_pct=100 * change[alone], others_pct=100 * others[alone])
    return found.sort_values(["hour", *_LANE], ignore_index=True)


def stale_feeds(metrics: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Hours of [start, end) whose open interest is old, or gone although the venue told it within the day before.

    Args:
        metrics: `hour`, `symbol`, `venue`, `open_interest_time`, from `start` - LISTED_FOR on.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.

    Returns:
        One row a venue and symbol: its names, `hour` (the first such), `stale` (how many hours), `oldest_hours` (the
        greatest age, hours; empty where it was gone in all of them).
    """
    told = metrics[metrics["open_interest_time"].notna()]
    gone = missing_hours(told, start, end).rename(columns={"missing": "stale"})
    age = (told["hour"] + HOUR - told["open_interest_time"]) / HOUR
    old = told["hour"].between(pd.Timestamp(start), pd.Timestamp(end) - HOUR) & (age > STALE_AFTER_HOURS)
    aged = told.loc[old, ["hour", "symbol", "venue"]].assign(stale=1, oldest_hours=age[old])
    together = pd.concat([gone, aged], ignore_index=True) if len(gone) else aged
    return together.groupby(["symbol", "venue"], as_index=False).agg(
        hour=("hour", "min"), stale=("stale", "sum"), oldest_hours=("oldest_hours", "max")
    )


def prices_apart(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Snapshots whose venues don't agree on a price: `hour`, `symbol`, `price_spread_bps`, `outlier_venues`."""
    flags = snapshots["quality_flags"].str.split(",", expand=False)
    apart = flags.map(lambda told: "outlier_venue" in told or "prices_disagree" in told).astype(bool)
    columns = ["hour", "symbol", "price_spread_bps", "outlier_venues"]
    return snapshots.loc[apart, columns].reset_index(drop=True)
