"""The real history beside the project, as the squeeze package takes it, and the cascades that are known of it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.snapshots import LOOKBACK, exchange_snapshots
from cryptopattern_pipelines.squeeze.events import DEFAULTS
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS
from cryptopattern_tests.squeeze.frames import utc

SYMBOLS = ("ADA", "AVAX", "BNB", "BTC", "DOGE", "ETH", "LINK", "SOL", "XRP")
HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
# First day, and how many.
CASCADES = {
    "2021-05-19": 1,
    "2021-09-07": 1,
    "2022-06-13": 1,
    "2022-11-08": 2,
    "2023-08-17": 1,
    "2024-08-05": 1,
}


@dataclass(frozen=True)
class History:
    """Snapshots, candles, and liquidations by the hour and by the day; open interest of Bybit where Binance has none.

    `both_venues` are the snapshots with the open interest of Binance and Bybit together, where both are known;
    `metrics` has the two apart.
    """

    snapshots: pd.DataFrame
    both_venues: pd.DataFrame
    metrics: pd.DataFrame
    candles: pd.DataFrame
    hourly: pd.DataFrame
    daily: pd.DataFrame


def history(shared: Path, start: datetime, end: datetime) -> History:
    """The hours of [start, end) and what events look back on."""
    source, known = ArchiveSource(shared / "market" / "archive"), start - DEFAULTS.lookback
    candles = source.candles(SYMBOLS, known, end)
    metrics = source.derivatives_metrics(SYMBOLS, known - LOOKBACK, end)
    snapshots = exchange_snapshots(candles, metrics, REALISED_LIQUIDATIONS.empty(), known, end)
    stack = shared / "market" / "stack"
    bybit, longer = (_open_interest(stack / name) for name in ("oi_bybit_1h.parquet", "oi_lsr_1h.parquet"))
    key = ["hour", "symbol"]
    snapshots = snapshots.merge(bybit, on=key, how="left").merge(longer, on=key, how="left", suffixes=("", "_binance"))
    archived = snapshots["open_interest_base"]
    binance = archived.fillna(snapshots["oi_base_binance"])
    both = (binance + snapshots["oi_base"]).fillna(snapshots["oi_base"]).fillna(binance)
    by_venue = {"binance": binance, "bybit": snapshots["oi_base"]}
    return History(
        snapshots.assign(open_interest_base=archived.fillna(snapshots["oi_base"])),
        snapshots.assign(open_interest_base=both),
        pd.concat([snapshots[key].assign(venue=name, open_interest_base=coins) for name, coins in by_venue.items()]),
        candles,
        _liquidations(stack / "liquidations_1h.parquet", 1),
        _liquidations(stack / "liquidations_1d.parquet", 24),
    )


def missed(events: pd.DataFrame, snapshots: pd.DataFrame) -> list[tuple[str, str]]:
    """Cascades within the snapshots' hours, and their symbols, of which no event tells.

    One tells of it that is a long squeeze and starts within an hour of the hour in which the symbol fell most, from
    close to close.
    """
    falls = events[events["squeeze_type"] == "LONG_SQUEEZE"]
    closes = snapshots.pivot_table(index="hour", columns="symbol", values="average_price")
    hourly = closes.pct_change(fill_method=None)
    found = []
    for day, days in CASCADES.items():
        those = hourly.loc[utc(day) : utc(day) + days * DAY - HOUR]
        for symbol, fell_most in those.idxmin().items() if len(those) else ():
            starts = falls.loc[falls["symbol"] == symbol, "started_at"]
            if not ((starts - fell_most).abs() <= HOUR).any():
                found.append((day, str(symbol)))
    return found


def _open_interest(path: Path) -> pd.DataFrame:
    rows = pd.read_parquet(path)
    # A snapshot that bears the hour's start is the newest that was published by the hour's end.
    coins = rows.assign(hour=rows["ts"].dt.as_unit("us"), symbol=rows["symbol"].str.removesuffix("USDT"))
    return coins[["hour", "symbol", "oi_base"]]


def _liquidations(path: Path, span_hours: int) -> pd.DataFrame:
    rows = pd.read_parquet(path)
    return REALISED_LIQUIDATIONS.conform(
        pd.DataFrame(
            {
                "hour": rows["ts"].dt.as_unit("us") + (span_hours - 1) * HOUR,
                "symbol": rows["symbol"].str.removesuffix("USDT"),
                "venue": rows.get("venue", "all"),
                "long_liquidated_usd": rows["liq_long_usd"],
                "short_liquidated_usd": rows["liq_short_usd"],
                "span_hours": span_hours,
                "completeness": "sampled" if span_hours > 1 else "complete",
            }
        )
    )
