"""Look-alikes of every kind of chart with known numbers, each from a seed: what readers are developed and tested on.

    python -m cryptopattern_tests.samples.lookalikes --count 100 --seed 1 --to DIR

writes pictures into DIR/images and what they show into DIR/truth.jsonl, a picture a line, in the labelled sets' form.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pandas as pd
from PIL import Image

from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS
from cryptopattern_tests.samples import charts, pages, panels
from cryptopattern_tests.samples.charts import Chart
from cryptopattern_tests.samples.pages import THEMES, Floats

Random = np.random.RandomState

_COINS = sorted(KNOWN_SYMBOLS)
_LONG_SIDE = 1280  # pixels to which a messenger shrinks a picture


def chart(kind: str, seed: int) -> Chart:
    """The look-alike of a kind, one of KINDS, that belongs to a seed: the same one on every machine."""
    return KINDS[kind](Random(seed))


def resent(picture: Image.Image, quality: int = 80) -> Image.Image:
    """A picture as it comes out of a messenger: no side over 1280 pixels, and a JPEG's loss."""
    factor = _LONG_SIDE / max(picture.size)
    if factor < 1:
        size = (round(picture.width * factor), round(picture.height * factor))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def _coin(random: Random) -> str:
    return str(random.choice(_COINS))


def _scale(random: Random) -> float:
    return float(random.choice([1.0, 1.25, 1.5, 2.0]))


def _leverage(random: Random) -> str:
    return str(random.choice(["all_leverage", "optical_opti"]))


def _price(random: Random) -> tuple[float, int]:
    """A coin's price and the decimals that it is shown with."""
    decimals = int(random.randint(1, 6))
    return round(float(random.uniform(2, 9)) * 10.0 ** (5 - decimals), decimals), decimals


def _hills(random: Random, bins: int) -> Floats:
    """What waits in each bin: a little everywhere, and some narrow hills."""
    waiting = random.gamma(1.0, 1.0, bins)
    for _ in range(6):
        waiting += random.uniform(4, 12) * np.exp(-(((np.arange(bins) - random.randint(2, bins - 2)) / 0.7) ** 2))
    return np.asarray(waiting)


def _axis(random: Random, bins: int) -> tuple[Floats, float, int]:
    """Middles of bins around a current price, that price, and its decimals; it stands between two bins."""
    price, decimals = _price(random)
    step = 0.2 * price / bins
    at = int(random.randint(bins // 3, 2 * bins // 3))
    return np.asarray(price + step * (np.arange(bins) - at + 0.5), dtype=np.float64), price, decimals


def _distribution(random: Random) -> Chart:
    coins = random.choice(_COINS, int(random.randint(5, 31)), replace=False)
    shares = {str(coin): round(float(random.beta(1.5, 1.5)) * 100, 1) for coin in coins}
    return charts.distribution(shares, _leverage(random), scale=_scale(random))


def _histogram(random: Random) -> Chart:
    prices, price, decimals = _axis(random, 60)
    return pages.histogram(
        _coin(random),
        prices,
        _hills(random, 60),
        price,
        leverage=str(random.choice(["All Leverage", "Optical Opti"])),
        decimals=decimals,
        theme=THEMES[str(random.choice(list(THEMES)))],
        scale=_scale(random),
    )


def _kingfisher_map(random: Random) -> Chart:
    prices, price, _ = _axis(random, 120)
    waiting = float(random.choice([2, 6, 15])) * _hills(random, 120) * random.dirichlet(np.ones(6) * 3, 120).T
    at = datetime(2025, int(random.randint(1, 13)), int(random.randint(1, 29)), int(random.randint(24)), tzinfo=UTC)
    return charts.liquidation_map(
        _coin(random), prices, waiting, price, at, leverage=_leverage(random), scale=_scale(random)
    )


def _leverage_map(random: Random) -> Chart:
    prices, price, decimals = _axis(random, 90)
    return pages.leverage_map(
        _coin(random),
        prices,
        _hills(random, 90) * random.dirichlet(np.ones(4) * 3, 90).T,
        price,
        venue=str(random.choice(["Binance", "OKX", "Bybit"])),
        decimals=decimals,
        theme=THEMES[str(random.choice(list(THEMES)))],
        scale=_scale(random),
    )


def _bands(random: Random, rows: int, path: Floats, prices: Floats) -> Floats:
    """Strength of waiting liquidations over price and time: bands that end where the price meets them."""
    columns = len(path)
    strength = np.repeat(random.gamma(0.6, 0.03, rows)[:, None], columns, axis=1)
    low, high = np.minimum(path[1:], path[:-1]), np.maximum(path[1:], path[:-1])
    for row in random.choice(np.arange(3, rows - 3), 24, replace=False).tolist():
        begin = int(random.randint(0, columns * 2 // 3))
        met = np.flatnonzero((low <= prices[row]) & (prices[row] <= high))
        met = met[met > begin]
        strength[row, begin : int(met[0]) if len(met) else columns] = random.uniform(0.3, 1.0)
    return np.clip(strength / strength.max(), 0, 1)


def _heatmap(random: Random) -> Chart:
    price, _ = _price(random)
    prices = price * np.linspace(0.94, 1.06, 110)
    path = price * np.exp(np.cumsum(random.normal(0, 0.0015, 200)))
    path = np.clip(path * price / path[-1], prices[2], prices[-3])
    return pages.heatmap(
        _coin(random),
        prices,
        _bands(random, len(prices), path, prices),
        path,
        venue=str(random.choice(["Binance", "OKX", "Bybit"])),
        timeframe=str(random.choice(["12 hour", "24 hour", "3 day", "1 week", "1 month"])),
        palette=str(random.choice(list(pages.PALETTES))),
        largest=float(random.uniform(2e6, 300e6)),
        theme=THEMES[str(random.choice(list(THEMES)))],
        scale=_scale(random),
    )


def _dashboard(random: Random) -> Chart:
    price, decimals = _price(random)
    coin = _coin(random)

    def change() -> float:
        return round(float(random.normal(0, 6)), 2)

    metrics = [
        panels.Metric("Price", price, "USD", change(), decimals),
        panels.Metric("24h Volume", float(10 ** random.uniform(7, 10.5)), "USD", change()),
        panels.Metric("Open Interest", float(10 ** random.uniform(7, 10)), "USD", change()),
        panels.Metric("Funding Rate", float(random.normal(0.005, 0.01)), "%", None, 4),
        panels.Metric("Long/Short Ratio", float(random.uniform(0.4, 3)), "ratio", change()),
        panels.Metric("24h Liquidation", float(10 ** random.uniform(6, 9)), "USD", None),
        panels.Metric("24h High", 1.03 * price, "USD", None, decimals),
        panels.Metric("24h Low", 0.97 * price, "USD", None, decimals),
    ]
    chosen = metrics[: int(random.randint(4, 9))]
    return panels.dashboard(f"{coin}/USDT Market Metrics", coin, chosen, scale=_scale(random))


def _candle_chart(random: Random) -> Chart:
    price, _ = _price(random)
    close = price * np.exp(np.cumsum(random.normal(0, 0.01, 72)))
    start = np.concatenate([[price], close[:-1]])
    wick = 1 + np.abs(random.normal(0, 0.004, 72))
    candles = pd.DataFrame(
        {
            "hour": pd.date_range("2025-01-01", periods=72, freq="h", tz="UTC"),
            "open": start,
            "close": close,
            "high": np.maximum(start, close) * wick,
            "low": np.minimum(start, close) / wick,
            "volume_usd": random.gamma(2, 1e6, 72),
        }
    )
    return panels.candle_chart(_coin(random), candles, scale=_scale(random))


KINDS: dict[str, Callable[[Random], Chart]] = {
    "distribution": _distribution,
    "histogram": _histogram,
    "kingfisher_map": _kingfisher_map,
    "leverage_map": _leverage_map,
    "heatmap": _heatmap,
    "dashboard": _dashboard,
    "candle_chart": _candle_chart,
}


@click.command()
@click.option("--count", default=70, show_default=True, help="Pictures.")
@click.option("--seed", default=1, show_default=True, help="The first picture's; the next ones follow.")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder.")
def main(count: int, seed: int, folder: Path) -> None:
    """Write look-alikes of all kinds in turn, every third one as a messenger re-sends it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    kinds = list(KINDS)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truths:
        for number in range(count):
            kind = kinds[number % len(kinds)]
            drawn = chart(kind, seed + number)
            picture = resent(drawn.picture) if number % 3 == 2 else drawn.picture
            name = f"images/{number:04d}_{kind}.png"
            picture.save(folder / name)
            truths.write(json.dumps({"file": name, **drawn.truth}) + "\n")


if __name__ == "__main__":
    main()
