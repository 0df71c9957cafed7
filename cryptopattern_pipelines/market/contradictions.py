"""Figures of one symbol and hour that can't both be right: MARKET_CONTRADICTIONS.

What belongs here: which figures are held against which, and how far apart they may lie. What does not: what is made of
it (`snapshots.py` names outliers, and averages nothing away here).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.snapshots import OUTLIER_FROM_MEDIAN
from cryptopattern_pipelines.market.source import HOUR, hours_between
from cryptopattern_pipelines.storage.schemas import MARKET_CONTRADICTIONS

# A day's total of liquidations covers the 23 hours before its own; an open-interest snapshot may be four hours old.
LOOKBACK = timedelta(hours=23)

# Two closes of one hour may lie so far apart, fraction of the lower; the line at which `snapshots.py` sees an outlier.
PRICE_APART = OUTLIER_FROM_MEDIAN
# Rates for 8 hours, fractions. Venues make a rate of the premium and an interest of 0.01 %, and their damper lets the
# two differ by 0.05 % before the rate moves off the interest
# (https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031). So rates within
# a damper's width may be told of one and the same market, and a sign says something from the interest's size on.
FUNDING_APART = 0.0005
FUNDING_SIGN_FROM = 0.0001
# The price that open interest in USD and in coins imply lies within its hour's candle; so far outside, a fraction,
# it may lie where a venue counts by its mark price, which is no traded one.
OPEN_INTEREST_TOLERANCE = 0.02
# The same of a candle's volume in USD and in coins, whose trades all lie within it; sources round them.
VOLUME_TOLERANCE = 0.01
# The parts may exceed the whole by so much, a fraction: feeds cut the hour off some seconds apart.
LIQUIDATIONS_TOLERANCE = 0.05
# What two sources tell of the same venue's hour may differ by so much, a fraction: figures are corrected and rounded.
SOURCES_APART: Mapping[str, Mapping[str, float]] = {
    "market_candles": {"close": 0.001, "high": 0.001, "low": 0.001, "volume_base": 0.01, "volume_usd": 0.01},
    "derivatives_metrics": {"funding_rate": 0.01, "open_interest_base": 0.01},
    "realised_liquidations": {"long_liquidated_usd": 0.01, "short_liquidated_usd": 0.01},
}

_USUAL_FUNDING_INTERVAL = 8.0
_ALL_VENUES = "all"
_HOUR_AND_SYMBOL = ["hour", "symbol"]


def market_contradictions(
    candles: pd.DataFrame, metrics: pd.DataFrame, liquidations: pd.DataFrame, start: datetime, end: datetime
) -> pd.DataFrame:
    """What the tables of [start, end) tell that contradicts itself.

    Args:
        candles: rows of MARKET_CANDLES from `start` - LOOKBACK on.
        metrics: rows of DERIVATIVES_METRICS, likewise.
        liquidations: rows of REALISED_LIQUIDATIONS, likewise.
        start: first hour's start, aware, on the hour.
        end: where the last hour ends.

    Returns:
        Rows of MARKET_CONTRADICTIONS, sorted by its key. An hour's rows depend on its own facts and those of LOOKBACK
        before it.

    Raises:
        WindowError: as `hours_between`.
    """
    hours = hours_between(start, end)
    if hours.empty:
        return MARKET_CONTRADICTIONS.empty()
    here = [frame[frame["hour"].between(hours[0], hours[-1])] for frame in (candles, metrics)]
    found = [
        _prices(here[0]),
        *_funding(here[1]),
        _open_interest(here[1], candles),
        _volumes(here[0]),
        _liquidations(liquidations, hours),
    ]
    return _rows(found)


def between_sources(
    own: pd.DataFrame, other: pd.DataFrame, table: str, key: tuple[str, ...], other_is: str = "imported"
) -> pd.DataFrame:
    """Where another source of the same table tells something else of a venue's hour.

    Args:
        own: rows of the table.
        other: rows of the same columns from elsewhere.
        table: its name, one of SOURCES_APART.
        key: its natural key.
        other_is: how the other source is called, in `what` and in `source_b`.

    Returns:
        Rows of MARKET_CONTRADICTIONS, sorted by its key; a cell that one of the two lacks contradicts nothing.
    """
    columns = SOURCES_APART[table]
    both = own[[*key, *columns]].merge(other[[*key, *columns]], on=list(key), suffixes=("", "_other"))
    lane = both["venue"] + ":" + both["market"] if "market" in key else both["venue"]
    if "span_hours" in key:
        lane += _of_span(both["span_hours"])
    found = []
    for column, tolerance in columns.items():
        one, two = (both[name].to_numpy(dtype="float64") for name in (column, f"{column}_other"))
        apart = np.abs(one - two) > tolerance * np.maximum(np.abs(one), np.abs(two))
        found.append(
            _told(both, f"{other_is}_{column}", lane, lane + f" {other_is}", (one, two))[apart],
        )
    return _rows(found)


def joined(*parts: pd.DataFrame) -> pd.DataFrame:
    """Rows of MARKET_CONTRADICTIONS from several looks, sorted by its key."""
    return _rows(list(parts))


def _rows(found: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [rows for rows in found if len(rows)]
    if not filled:
        return MARKET_CONTRADICTIONS.empty()
    rows = pd.concat(filled, ignore_index=True).sort_values(list(MARKET_CONTRADICTIONS.key), ignore_index=True)
    return MARKET_CONTRADICTIONS.conform(rows)


def _told(
    rows: pd.DataFrame, what: str, source_a: pd.Series, source_b: pd.Series, values: tuple[np.ndarray, np.ndarray]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hour": rows["hour"],
            "symbol": rows["symbol"],
            "what": what,
            "source_a": source_a,
            "source_b": source_b,
            "value_a": values[0],
            "value_b": values[1],
            "ratio": values[0] / np.where(values[1] == 0, np.nan, values[1]),
        }
    )


def _extremes(rows: pd.DataFrame, lane: pd.Series, value: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of each hour and symbol the row of the lowest and of the highest value; of equals the first by lane."""
    ranked = rows[_HOUR_AND_SYMBOL].assign(lane=lane, value=value).dropna(subset=["value"])
    ranked = ranked.sort_values([*_HOUR_AND_SYMBOL, "lane"], kind="stable", ignore_index=True)
    groups = ranked.groupby(_HOUR_AND_SYMBOL, sort=False)["value"]
    low, high = (ranked.loc[places.to_numpy()].reset_index(drop=True) for places in (groups.idxmin(), groups.idxmax()))
    return low, high


def _prices(candles: pd.DataFrame) -> pd.DataFrame:
    low, high = _extremes(candles, candles["venue"] + ":" + candles["market"], candles["close"].to_numpy())
    one, two = low["value"].to_numpy(), high["value"].to_numpy()
    return _told(low, "price", low["lane"], high["lane"], (one, two))[two > one * (1 + PRICE_APART)]


def _funding(metrics: pd.DataFrame) -> list[pd.DataFrame]:
    interval = metrics["funding_interval_hours"].astype("float64").fillna(_USUAL_FUNDING_INTERVAL)
    rate = (metrics["funding_rate"] * (_USUAL_FUNDING_INTERVAL / interval)).to_numpy()
    low, high = _extremes(metrics, metrics["venue"], rate)
    one, two = low["value"].to_numpy(), high["value"].to_numpy()
    return [
        _told(low, "funding_rate", low["lane"], high["lane"], (one, two))[two - one > FUNDING_APART],
        _told(low, "funding_sign", low["lane"], high["lane"], (one, two))[
            (one <= -FUNDING_SIGN_FROM) & (two >= FUNDING_SIGN_FROM)
        ],
    ]


def _open_interest(metrics: pd.DataFrame, candles: pd.DataFrame) -> pd.DataFrame:
    """Against the perpetual's candle of the hour in which the snapshot was taken.

    Not the spot candle's where there is no other: in November 2022 SOL's perpetual stood 10 to 24 % below it for days.
    """
    told = metrics[(metrics["open_interest_base"] > 0) & metrics["open_interest_usd"].notna()]
    # A snapshot on the hour is of the price that the hour before ended with.
    taken = (told["open_interest_time"] - timedelta(microseconds=1)).dt.floor("h")
    perpetual = candles.loc[candles["market"] == "perpetual", ["hour", "symbol", "venue", "high", "low", "close"]]
    both = told.assign(taken=taken).merge(
        perpetual.rename(columns={"hour": "taken"}), on=["taken", "symbol", "venue"], suffixes=("", "_candle")
    )
    coins, usd = both["open_interest_base"].to_numpy(), both["open_interest_usd"].to_numpy()
    outside = _outside(usd / coins, both, OPEN_INTEREST_TOLERANCE)
    worked_out = coins * both["close"].to_numpy()
    return _told(both, "open_interest_usd", both["venue"], both["venue"] + " coins x close", (usd, worked_out))[outside]


def _volumes(candles: pd.DataFrame) -> pd.DataFrame:
    traded = candles[(candles["volume_base"] > 0) | (candles["volume_usd"] > 0)]
    coins, usd = traded["volume_base"].to_numpy(), traded["volume_usd"].to_numpy()
    outside = _outside(usd / np.where(coins > 0, coins, np.nan), traded, VOLUME_TOLERANCE) | (coins == 0)
    worked_out = coins * traded[["high", "low", "close"]].mean(axis=1).to_numpy()
    lane = traded["venue"] + ":" + traded["market"]
    return _told(traded, "volume_usd", lane, lane + " coins x typical price", (usd, worked_out))[outside]


def _outside(price: np.ndarray, candles: pd.DataFrame, tolerance: float) -> np.ndarray:
    low, high = (candles[name].to_numpy() for name in ("low", "high"))
    return (price < low * (1 - tolerance)) | (price > high * (1 + tolerance))


def _of_span(span: pd.Series) -> pd.Series:
    """What tells a total of several hours from an hour's, which the same venue may have beside it."""
    return (" " + span.astype("str") + "h").where(span > 1, "")


def _liquidations(liquidations: pd.DataFrame, hours: pd.DatetimeIndex) -> pd.DataFrame:
    """What an aggregate tells of an hour or a day, against the venues that it is of: parts can't exceed the whole."""
    usd = liquidations["long_liquidated_usd"] + liquidations["short_liquidated_usd"]
    rows = liquidations.assign(usd=usd)
    wanted = rows["hour"].between(hours[0], hours[-1])
    whole = rows[(rows["venue"] == _ALL_VENUES) & wanted]
    hourly = (rows["venue"] != _ALL_VENUES) & (rows["span_hours"] == 1)
    parts = rows.loc[hourly, [*_HOUR_AND_SYMBOL, "venue", "usd"]]
    found = []
    for span, of_span in whole.groupby("span_hours"):
        # Each hour's parts count for the wholes that end with it or up to `span` - 1 hours later.
        later = [parts.assign(hour=parts["hour"] + lag * HOUR) for lag in range(int(span))]
        spread = pd.concat([moved[moved["hour"].isin(of_span["hour"])] for moved in later])
        spread = spread.merge(of_span[_HOUR_AND_SYMBOL], on=_HOUR_AND_SYMBOL)
        spread = spread.sort_values([*_HOUR_AND_SYMBOL, "venue", "usd"])
        summed = spread.groupby(_HOUR_AND_SYMBOL).agg(
            parts=("usd", "sum"), venues=("venue", lambda names: "+".join(sorted(set(names))))
        )
        both = of_span.merge(summed.reset_index(), on=_HOUR_AND_SYMBOL)
        total, sum_of_parts = both["usd"].to_numpy(), both["parts"].to_numpy()
        exceeds = sum_of_parts > total * (1 + LIQUIDATIONS_TOLERANCE)
        lane = both["venue"] + _of_span(both["span_hours"])
        found.append(_told(both, "liquidated_usd", lane, both["venues"], (total, sum_of_parts))[exceeds])
    return pd.concat(found, ignore_index=True) if found else MARKET_CONTRADICTIONS.empty()
