"""The sample's landing folder: which charts were "captured" when, drawn from the simulated market of that moment."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_tests.samples.charts import EXCHANGES, Chart, distribution, heatmap, liquidation_map
from cryptopattern_tests.samples.market import COINS, START, Market
from cryptopattern_tests.samples.panels import Metric, candle_chart, dashboard
from cryptopattern_tests.samples.positions import by_price, by_price_and_hour, positions

# Coins of the distribution charts that have no simulated market: their shares are waves around a level of their own.
OTHERS = (
    "XRP", "BNB", "DOGE", "ADA", "AVAX", "LINK", "TRX", "LTC", "DOT", "NEAR", "APT", "SUI", "ARB", "OP", "INJ",
    "ATOM", "XLM", "HBAR", "AAVE", "UNI", "TIA", "SEI", "ENA", "WIF", "TAO", "1000PEPE", "1000BONK", "1000SHIB",
)  # fmt: skip
_OTHERS_SEED = 20241103
NOT_A_PICTURE = b"<html><body>403 Forbidden: the download link has expired</body></html>\n"


@dataclass(frozen=True)
class Shot:
    """A picture of the sample: its place in the landing folder, how it is drawn, and its JPEG quality if it is one."""

    file: str
    draw: Callable[[Market], Chart]
    jpeg_quality: int | None = None

    def render(self, market: Market) -> tuple[bytes, dict[str, Any]]:
        """The file's bytes, and its line of truth.jsonl."""
        chart = self.draw(market)
        return chart.encoded(self.jpeg_quality), {"file": f"landing/{self.file}"} | chart.truth


def _at(time: str) -> pd.Timestamp:
    return pd.Timestamp(time, tz="UTC")


def _distribution(time: str, leverage: str, others: int, scale: float = 1.0) -> Callable[[Market], Chart]:
    def draw(market: Market) -> Chart:
        at = _at(time)
        shares = {coin.name: positions(market, coin.name, at, leverage).long_pct for coin in COINS}
        shares |= dict(list(_other_shares(at, leverage).items())[:others])
        order = np.random.RandomState(int(at.timestamp()) % 2**32).permutation(len(shares))
        names = list(shares)
        return distribution({names[i]: shares[names[i]] for i in order}, leverage, scale=scale)

    return draw


def _other_shares(at: pd.Timestamp, leverage: str) -> dict[str, float]:
    random = np.random.RandomState(_OTHERS_SEED + (leverage == "optical_opti"))
    level = 1.1 * random.standard_normal(len(OTHERS))
    period, phase = random.uniform(20, 90, len(OTHERS)), random.uniform(0, 2 * np.pi, len(OTHERS))
    hours = (at - START) / pd.Timedelta(hours=1)
    wave = level + 0.7 * np.sin(2 * np.pi * hours / period + phase)
    shares = 100 / (1 + np.exp(-wave))
    # One coin has no long left at all, as is seen now and then.
    shares[OTHERS.index("WIF")] = 0.0
    return {name: round(float(share), 1) for name, share in zip(OTHERS, shares, strict=True)}


def _map(time: str, coin: str, leverage: str = "all_leverage") -> Callable[[Market], Chart]:
    def draw(market: Market) -> Chart:
        at = _at(time)
        price = market.price(coin, at)
        edges = price * np.linspace(0.76, 1.24, 257)
        waits = by_price(positions(market, coin, at, leverage), edges)
        parts = np.random.RandomState(int(at.timestamp()) % 2**32).gamma(1.2, 1.0, (len(EXCHANGES), len(waits)))
        waiting = parts / parts.sum(axis=0) * waits * 48 / waits.max()
        middles = (edges[1:] + edges[:-1]) / 2
        return liquidation_map(coin, middles, waiting, price, at.to_pydatetime(), leverage=leverage)

    return draw


def _heatmap(time: str, coin: str, leverage: str = "all_leverage") -> Callable[[Market], Chart]:
    def draw(market: Market) -> Chart:
        held = positions(market, coin, _at(time), leverage)
        candles = _closed(market, coin, _at(time), held.hours)
        edges = np.linspace(candles["low"].min() * 0.94, candles["high"].max() * 1.06, 201)
        strength = by_price_and_hour(held, edges)
        return heatmap(coin, candles, (edges[1:] + edges[:-1]) / 2, strength, leverage=leverage)

    return draw


def _closed(market: Market, coin: str, at: pd.Timestamp, hours: int) -> pd.DataFrame:
    """The last hours that were closed at a time."""
    frame = market.hours[coin]
    return frame[frame["hour"] + pd.Timedelta(hours=1) <= at].tail(hours)


def _change(now: float, before: float) -> float:
    return round(100 * (now / before - 1), 2)


def _dashboard(time: str, coin: str, title: str) -> Callable[[Market], Chart]:
    def draw(market: Market) -> Chart:
        at = _at(time)
        price = market.price(coin, at)
        two_days = _closed(market, coin, at, 48)
        before, day = two_days.iloc[:24], two_days.iloc[24:]
        last, earlier = day.iloc[-1], before.iloc[-1]
        volume, volume_before = day["volume_usd"].sum(), before["volume_usd"].sum()
        longs, shorts = day["long_liquidated_usd"].sum(), day["short_liquidated_usd"].sum()
        liquidated_before = before["long_liquidated_usd"].sum() + before["short_liquidated_usd"].sum()
        interest = last["open_interest_base"] * last["close"]
        settled = market.hours[coin].set_index("hour")["funding_rate"][at.floor("8h")]
        metrics = (
            Metric("Price", price, "USD", _change(price, earlier["close"])),
            Metric("24h Volume", volume, "USD", _change(volume, volume_before)),
            Metric(
                "Open Interest", interest, "USD", _change(interest, earlier["open_interest_base"] * earlier["close"])
            ),
            Metric("Funding Rate", 100 * settled, "%", decimals=4),
            Metric(
                "Long/Short Ratio",
                last["account_ratio"],
                "ratio",
                _change(last["account_ratio"], earlier["account_ratio"]),
                decimals=4,
            ),
            Metric("24h Liquidation", longs + shorts, "USD", _change(longs + shorts, liquidated_before)),
            Metric("Long Liquidations", longs, "USD"),
            Metric("Short Liquidations", shorts, "USD"),
            Metric("24h High", max(day["high"].max(), price), "USD"),
            Metric("24h Low", min(day["low"].min(), price), "USD"),
        )
        return dashboard(title, coin, metrics)

    return draw


def _candles(time: str, coin: str) -> Callable[[Market], Chart]:
    return lambda market: candle_chart(coin, _closed(market, coin, _at(time), 120))


SHOTS = (
    Shot("kingfisher_all_2025-01-26_09-15-00.png", _distribution("2025-01-26 09:15", "all_leverage", 27)),
    Shot("kingfisher_opti_2025-01-26_09-16-20.jpg", _distribution("2025-01-26 09:15", "optical_opti", 19), 88),
    Shot("SOL/Screenshot_20250127-203015.png", _dashboard("2025-01-27 20:30", "SOL", "SOL Market Metrics")),
    Shot("BTC/kingfisher_map_2025-01-28_12-05-00.png", _map("2025-01-28 12:05", "BTC")),
    Shot("photo_2025-01-28_18-00-12.jpg", _distribution("2025-01-28 18:00", "all_leverage", 27, 1.15), 82),
    Shot("kingfisher_all_2025-01-29_06-10-00.png", _distribution("2025-01-29 06:10", "all_leverage", 25)),
    Shot(
        "BTC/Screenshot 2025-01-29 at 08.05.12.png", _dashboard("2025-01-29 08:05", "BTC", "BTC Derivatives Overview")
    ),
    Shot("ETH/kingfisher_map_2025-01-29_12-10-00.png", _map("2025-01-29 12:10", "ETH")),
    Shot("kingfisher_opti_2025-01-29_14-05-00.png", _distribution("2025-01-29 14:05", "optical_opti", 22)),
    Shot("ETH/kingfisher_heatmap_2025-01-29_16-30-00.png", _heatmap("2025-01-29 16:30", "ETH")),
    Shot("BTC/chart_20250129_174000.png", _candles("2025-01-29 17:40", "BTC")),
    Shot("photo_2025-01-29_20-40-33.jpg", _distribution("2025-01-29 20:40", "all_leverage", 27, 0.9), 85),
)
# The same bytes under a second name, as a browser saves them.
COPIES = {"kingfisher_opti_2025-01-29_14-05-00 (1).png": "kingfisher_opti_2025-01-29_14-05-00.png"}
BROKEN = "broken_2025-01-29_10-00-00.png"


def write_landing(market: Market, to: Path) -> None:
    """Write `to/landing` and `to/truth.jsonl`: the pictures, a copy of one, and a file that is none."""
    truth, written = [], {}
    for shot in SHOTS:
        written[shot.file], row = shot.render(market)
        truth.append(row)
    for copy, of in COPIES.items():
        written[copy] = written[of]
        truth.append(next(row for row in truth if row["file"] == f"landing/{of}") | {"file": f"landing/{copy}"})
    written[BROKEN] = NOT_A_PICTURE
    for file, data in written.items():
        target = to / "landing" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in truth)
    (to / "truth.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
