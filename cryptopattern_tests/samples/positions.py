"""Where the simulated market's open positions would be liquidated: what liquidation charts claim to show.

The way of the field: every hour opens positions in step with its volume, split into longs and shorts by the
crowd's lean, at the nearest round price; a position of leverage L is liquidated 1/L away from its entry, and is
gone once the price was there.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptopattern_tests.samples.market import COINS, START, Floats, Market

# Leverage and share of the positions opened with it.
ALL_LEVERAGE = ((5, 0.15), (10, 0.3), (25, 0.25), (50, 0.2), (100, 0.1))
OPTICAL_OPTI = ((25, 0.4), (50, 0.4), (100, 0.2))
# How far back positions are counted, and after how many hours all but 1/e of them were closed by their owners.
HOURS_OPEN = {"all_leverage": 336, "optical_opti": 72}
HOURS_KEPT = {"all_leverage": 60.0, "optical_opti": 36.0}


@dataclass(frozen=True)
class Positions:
    """Positions opened in the hours before a time: liquidation price, USD when opened, side, and their hours.

    `born` and `gone` count hours from the first of the window; `gone` is `hours` for what still waits. Of what was
    opened, owners close all but 1/e within `kept_hours`.
    """

    price: Floats
    opened_usd: Floats
    long: NDArray[np.bool_]
    born: NDArray[np.int64]
    gone: NDArray[np.int64]
    hours: int
    kept_hours: float

    @property
    def waiting_usd(self) -> Floats:
        """What of each still waits at the end, USD; 0 for what was liquidated."""
        kept = np.exp(-(self.hours - self.born) / self.kept_hours)
        return self.opened_usd * kept * (self.gone == self.hours)

    @property
    def long_pct(self) -> float:
        """Share of longs in what still waits, percent, one decimal."""
        waits = self.waiting_usd
        return round(100 * float(waits[self.long].sum() / waits.sum()), 1)


def positions(market: Market, coin: str, at: pd.Timestamp, leverage: str = "all_leverage") -> Positions:
    """Positions opened in the closed hours before `at`, as far back as such charts look."""
    end = int((at - START) / pd.Timedelta(hours=1))
    frame = market.hours[coin].iloc[max(0, end - HOURS_OPEN[leverage]) : end]
    hours = len(frame)
    step = next(c.round_price for c in COINS if c.name == coin)
    entry = np.round(frame[["high", "low", "close"]].mean(axis=1).to_numpy() / step) * step
    lean = frame["crowd"].to_numpy()
    prices, sizes, longs, born = [], [], [], []
    for times, share in ALL_LEVERAGE if leverage == "all_leverage" else OPTICAL_OPTI:
        for is_long in (True, False):
            prices.append(entry * (1 - 1 / times if is_long else 1 + 1 / times))
            of_side = 0.5 + 0.48 * (lean if is_long else -lean)
            sizes.append(frame["volume_usd"].to_numpy() * of_side * share * 0.05)
            longs.append(np.full(hours, is_long))
            born.append(np.arange(hours))
    price, usd, first = (np.concatenate(part) for part in (prices, sizes, born))
    long: NDArray[np.bool_] = np.concatenate(longs)
    high, low = frame["high"].to_numpy(), frame["low"].to_numpy()
    later = np.arange(hours)[None, :] > first[:, None]
    reached = np.where(long[:, None], low[None, :] <= price[:, None], high[None, :] >= price[:, None])
    hit = later & reached
    gone = np.where(hit.any(axis=1), hit.argmax(axis=1), hours)
    return Positions(price, usd, long, first, gone, hours, HOURS_KEPT[leverage])


def by_price(held: Positions, edges: Floats) -> Floats:
    """USD that still waits in each bin between the edges; a bin holds its lower edge, not its upper."""
    bins = np.digitize(held.price, edges)
    return np.bincount(bins, held.waiting_usd, len(edges) + 1)[1:-1].astype(np.float64)


def by_price_and_hour(held: Positions, edges: Floats) -> Floats:
    """USD that waited in each bin at the end of each hour, (bins, hours); the last column is `by_price`."""
    bins = np.digitize(held.price, edges) - 1
    inside = (bins >= 0) & (bins < len(edges) - 1)
    born, gone, bins = held.born[inside], held.gone[inside], bins[inside]
    change = np.zeros((len(edges) - 1, held.hours + 1))
    # Sums of what was opened, scaled to the first hour; the fading is put back for all of an hour's cells at once.
    scaled = held.opened_usd[inside] * np.exp(born / held.kept_hours)
    np.add.at(change, (bins, born), scaled)
    np.subtract.at(change, (bins, gone), scaled)
    fading = np.exp(-np.arange(1, held.hours + 1) / held.kept_hours)
    return np.maximum(np.cumsum(change, axis=1)[:, : held.hours], 0.0) * fading
