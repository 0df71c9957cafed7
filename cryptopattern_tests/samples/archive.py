"""Writes the simulated market as files of Binance's public archive: zip and CHECKSUM, the same bytes every time.

What belongs here: folders, names, columns and units of that archive. What the numbers are is in `market.py`.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cryptopattern_tests.samples.market import COINS, Coin, Floats, Market

# Daily files are many, so two coins have them; the third shows what an analysis without them is like.
SPOT = ("BTC", "ETH")
METRICS = ("BTC", "ETH")
LIQUIDATIONS = ("BTC", "ETH")
# Spot files count microseconds from this month on, as the genuine ones do.
MICROSECONDS_FROM = pd.Timestamp("2025-01-01", tz="UTC")
_WRITTEN = (2025, 1, 30, 0, 0, 0)
_CANDLE = ("open", "high", "low", "close")
_LIQUIDATION_SEED = 20241102


def write_archive(market: Market, to: Path) -> None:
    """Write every file of the archive under `to`, which stands for its root (`to/data/futures/…`)."""
    for path, rows, header in archive_files(market):
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        packed = zipped(target.with_suffix(".csv").name, rows.to_csv(index=False, header=header, lineterminator="\n"))
        target.write_bytes(packed)
        checksum = target.with_name(target.name + ".CHECKSUM")
        checksum.write_text(f"{hashlib.sha256(packed).hexdigest()}  {target.name}\n", newline="\n")


def zipped(name: str, text: str) -> bytes:
    """A zip of one text file, without the time at which it was made."""
    info = zipfile.ZipInfo(name, _WRITTEN)
    info.create_system, info.external_attr, info.compress_type = 3, 0o644 << 16, zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(info, text, compresslevel=9)
    return out.getvalue()


def archive_files(market: Market) -> Iterator[tuple[Path, pd.DataFrame, bool]]:
    """Path under the archive's root, rows, and whether a header stands above them, for each file."""
    for coin in COINS:
        hours, name = market.hours[coin.name], f"{coin.name}USDT"
        futures = Path("data", "futures", "um")
        for month, rows in _split(hours, hours["hour"], "%Y-%m"):
            file = f"{name}-1h-{month}.zip"
            yield futures / "monthly" / "klines" / name / "1h" / file, _klines(rows, "", "ms"), True
            if coin.name in SPOT:
                unit = "us" if rows["hour"].iloc[0] >= MICROSECONDS_FROM else "ms"
                path = Path("data", "spot", "monthly", "klines", name, "1h", file)
                yield path, _klines(rows, "spot_", unit), False
            path = futures / "monthly" / "fundingRate" / name / f"{name}-fundingRate-{month}.zip"
            yield path, _funding(rows), True
        if coin.name in METRICS:
            metrics = _metrics(hours, name)
            for day, rows in _split(metrics, pd.to_datetime(metrics["create_time"], utc=True), "%Y-%m-%d"):
                yield futures / "daily" / "metrics" / name / f"{name}-metrics-{day}.zip", rows, True
        if coin.name in LIQUIDATIONS:
            orders = _liquidation_orders(hours, coin)
            for day, rows in _split(orders, pd.to_datetime(orders["time"], unit="ms", utc=True), "%Y-%m-%d"):
                file = f"{name}-liquidationSnapshot-{day}.zip"
                yield futures / "daily" / "liquidationSnapshot" / name / file, rows, True


def _split(rows: pd.DataFrame, times: pd.Series, period: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for key, part in rows.groupby(times.dt.strftime(period)):
        yield str(key), part


def _epoch(times: pd.Series, unit: str) -> pd.Series:
    return times.dt.as_unit(unit).astype("int64")


def _klines(hours: pd.DataFrame, market: str, unit: str) -> pd.DataFrame:
    """One market's candles; `market` is the columns' prefix, `unit` that of the times (ms or us)."""
    opened = _epoch(hours["hour"], unit)
    return pd.DataFrame(
        {
            "open_time": opened,
            **{name: hours[market + name] for name in _CANDLE},
            "volume": hours[f"{market}volume_base"],
            "close_time": opened + 3_600_000 * (1000 if unit == "us" else 1) - 1,
            "quote_volume": hours[f"{market}volume_usd"],
            "count": hours[f"{market}trades"],
            "taker_buy_volume": hours[f"{market}taker_buy_base"],
            "taker_buy_quote_volume": hours[f"{market}taker_buy_usd"],
            "ignore": 0,
        }
    )


def _funding(hours: pd.DataFrame) -> pd.DataFrame:
    settled = hours[hours["hour"].dt.hour % 8 == 0]
    return pd.DataFrame(
        {
            "calc_time": _epoch(settled["hour"], "ms"),
            "funding_interval_hours": 8,
            "last_funding_rate": settled["funding_rate"].map("{:.8f}".format),
        }
    )


def _metrics(hours: pd.DataFrame, name: str) -> pd.DataFrame:
    """Hourly snapshots: each is what stood when its hour began. The first hour has none: nothing is known before."""
    before = hours.shift(1)
    rows = pd.DataFrame(
        {
            "create_time": hours["hour"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "symbol": name,
            "sum_open_interest": before["open_interest_base"],
            "sum_open_interest_value": (before["open_interest_base"] * before["close"]).round(2),
            "count_toptrader_long_short_ratio": before["top_account_ratio"],
            "sum_toptrader_long_short_ratio": before["top_position_ratio"],
            "count_long_short_ratio": before["account_ratio"],
            "sum_taker_long_short_vol_ratio": before["taker_ratio"],
        }
    )
    return rows.iloc[1:]


def _liquidation_orders(hours: pd.DataFrame, coin: Coin) -> pd.DataFrame:
    """Each hour's liquidations as market orders: a few in a quiet hour, up to twelve a side in a cascade.

    Longs are sold (SELL) between the hour's open and its low, shorts bought (BUY) between its open and its high.
    """
    random = np.random.RandomState(_LIQUIDATION_SEED + [c.name for c in COINS].index(coin.name))
    sides = [
        _orders_of_side(random, hours, coin, side=side, usd=hours[usd].to_numpy(), extreme=hours[extreme].to_numpy())
        for side, usd, extreme in (
            ("SELL", "long_liquidated_usd", "low"),
            ("BUY", "short_liquidated_usd", "high"),
        )
    ]
    return pd.concat(sides).sort_values(["time", "side"], kind="stable").reset_index(drop=True)


def _orders_of_side(
    random: np.random.RandomState, hours: pd.DataFrame, coin: Coin, *, side: str, usd: Floats, extreme: Floats
) -> pd.DataFrame:
    count = np.clip(np.round(0.9 * np.log2(1 + usd / 60_000)), 1, 12).astype(int)
    hour = np.repeat(np.arange(len(hours)), count)
    share = random.gamma(0.8, 1.0, len(hour)) + 0.02
    share /= np.bincount(hour, share)[hour]
    opened = hours["open"].to_numpy()[hour]
    price = opened + (extreme[hour] - opened) * np.sqrt(random.random_sample(len(hour)))
    quantity = np.round(usd[hour] * share / price, 3)
    # The order's limit is the bankruptcy price, a little worse than what it was filled at.
    limit = price * (1 - 0.004 if side == "SELL" else 1 + 0.004)
    last_fill = np.round(quantity * random.choice([1.0, 1.0, 0.4, 0.15], len(hour)), 3)
    start = _epoch(hours["hour"], "ms").to_numpy()[hour]
    rows = pd.DataFrame(
        {
            "time": start + random.randint(0, 3_600_000, len(hour)),
            "side": side,
            "order_type": "LIMIT",
            "time_in_force": "IOC",
            "original_quantity": quantity,
            "price": (limit / coin.tick).round() * coin.tick,
            "average_price": (price / coin.tick).round() * coin.tick,
            "order_status": "FILLED",
            "last_fill_quantity": np.maximum(last_fill, 0.001),
            "accumulated_fill_quantity": quantity,
        }
    ).round({"price": 2, "average_price": 2})
    return rows[rows["original_quantity"] > 0]
