"""Mutated pictures against the real reader: what crashes it, hangs it, or makes it read numbers out of nothing.

`python -m cryptopattern_tests.reading.fuzz --count 5000 --seed 1 --processes 2` draws charts with known numbers, spoils
them in one of many ways, reads each in a process of its own and prints what went wrong. A case is told by its seed and
its number alone: `--save DIR` keeps the pictures of those that went wrong.

What belongs here: cases and what is asked of their readings. What does not: how pictures are spoilt (`mutations.py`).
"""

import functools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from PIL import Image

from cryptopattern_pipelines.reading.reading import Reading, read_picture
from cryptopattern_pipelines.reading.workers import Failure, map_isolated
from cryptopattern_tests.reading import drawn, mutations
from cryptopattern_tests.samples.charts import EXCHANGES, distribution, heatmap, liquidation_map, truth_of
from cryptopattern_tests.samples.panels import Metric, candle_chart, dashboard

HANGS_AFTER = 10.0  # seconds of computing
_STOPPED_AFTER = 60.0  # seconds by the clock: a machine may be busy with other things
_JUDGED = 3  # levels of a reading: more may well be others that are as strong
_SYMBOLS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "LINK", "AVAX", "TRX", "LTC", "SUI", "TON")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class Case:
    """One picture to be read: how it was spoilt, its file's bytes, and what is on it.

    `chart` is `kept` (its numbers can still be read, and must be right where they are), `spoilt` (anything but a crash
    may come of it) or `none` (no type and no number may).
    """

    name: str
    data: bytes
    chart: str
    truth: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: seconds, the type, and what was read wrong, a line each."""

    number: int
    name: str
    chart: str
    seconds: float
    image_type: str
    numbers: int
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class _Order:
    seed: int
    number: int
    pictures: tuple[Path, ...]


@functools.cache
def _charts() -> tuple[tuple[Image.Image, dict[str, Any]], ...]:
    """The charts that are spoilt: one of each kind and size, drawn once a process."""
    draw = np.random.default_rng(7)
    shares = {symbol: round(float(draw.uniform(0, 100)), 1) for symbol in _SYMBOLS}
    hours = pd.date_range("2025-01-20", periods=72, freq="h", tz="UTC")
    price = 3300 + np.cumsum(draw.normal(0, 9, 72))
    candles = pd.DataFrame(
        {"hour": hours, "open": price, "high": price + 8, "low": price - 8, "close": price + 3, "volume_usd": 1e6}
    )
    prices = np.linspace(3000.0, 3600.0, 121)
    strength = draw.random((121, 72)) * 0.1
    for row, begin in zip(draw.integers(0, 121, 12), draw.integers(0, 60, 12), strict=True):
        strength[row, begin:] = draw.uniform(0.3, 1)
    waiting = draw.random((len(EXCHANGES), 121)) ** 4
    tiles = [
        Metric("Price", 3283.5, "USD", -1.2), Metric("24h Volume", 8.1e9, "USD", 4.5),
        Metric("Open Interest", 4.25e9, "USD", 0.7), Metric("Funding Rate", -0.0221, "%", decimals=4),
        Metric("Long/Short Ratio", 1.31, "ratio", 2.0), Metric("RSI (14)", 41.7, "ratio"),
    ]  # fmt: skip
    rows = list(shares.items())[:6]
    readings = [{"symbol": symbol, "long_pct": share} for symbol, share in rows]
    charts = [
        distribution(shares), distribution(dict(rows), "optical_opti", scale=0.8),
        liquidation_map("ETH", prices, waiting, 3297.5, hours[-1].to_pydatetime()),
        heatmap("ETH", candles, prices, strength), dashboard("ETH Market Metrics", "ETH", tiles, scale=0.8),
        candle_chart("ETH", candles, scale=0.8),
    ]  # fmt: skip
    own = Image.fromarray(drawn.distribution(rows))
    return (
        *((chart.picture, chart.truth) for chart in charts),
        (own, truth_of("liquidation_distribution_all", readings=readings)),
    )


def case_of(seed: int, number: int, pictures: Sequence[Path] = ()) -> Case:
    """The case of that seed and number; `pictures` are files that are spoilt beside the drawn charts."""
    draw = np.random.default_rng([seed, number])
    charts = _charts()
    if pictures and draw.random() < 0.5:
        file = pictures[int(draw.integers(len(pictures)))]
        chosen, truth = Image.open(file).convert("RGB"), None
    else:
        chosen, truth = charts[int(draw.integers(len(charts)))]
    pixels = np.asarray(chosen.convert("RGB"))
    way = draw.random()
    if way < 0.25:
        name, nothing = mutations.nothing(draw)
        return Case(name, mutations.encoded(nothing, draw), "none", truth_of("unknown"))
    if way < 0.45:
        name, data = mutations.broken_file(pixels, draw)
        return Case(name, data, "spoilt", truth or {})
    if way < 0.8:
        name, spoilt = mutations.worn(pixels, draw)
        return Case(name, mutations.encoded(spoilt, draw), "spoilt" if truth is None else "kept", truth or {})
    other = np.asarray(charts[int(draw.integers(len(charts)))][0].convert("RGB"))
    name, spoilt = mutations.spoilt(pixels, other, draw)
    return Case(name, mutations.encoded(spoilt, draw), "spoilt", truth or {})


def judged(case: Case, reading: Reading) -> tuple[str, ...]:
    """What is wrong about a case's reading, a line each."""
    numbers = len(reading.readings) + len(reading.levels) + len(reading.metrics)
    if case.chart == "none" or (case.chart == "kept" and case.truth["image_type"] == "unknown"):
        known = reading.image_type != "unknown" or numbers
        return (f"{reading.image_type} and {numbers} numbers read from no chart",) if known else ()
    return tuple(_wrong_numbers(case.truth, reading)) if case.chart == "kept" else ()


def _wrong_numbers(truth: dict[str, Any], reading: Reading) -> Iterator[str]:
    if reading.image_type not in ("unknown", truth["image_type"]):
        yield f"{truth['image_type']} read as {reading.image_type}"
    shares = {row["symbol"]: row["long_pct"] for row in truth["readings"]}
    if truth["long_share"] is not None:
        shares[truth["symbol"]] = truth["long_share"]
    for row in reading.readings:
        if row.symbol is not None and abs(shares.get(row.symbol, -100) - row.long_pct) > 1:
            yield f"{row.symbol}: {row.long_pct} for {shares.get(row.symbol)}"
    price = truth["current_price"]
    if None not in (price, reading.current_price) and abs(reading.current_price - price) > 0.0005 * price:
        yield f"price: {reading.current_price} for {price}"
    yield from _wrong_levels(truth, reading)
    values = {metric["name"].lower(): metric["value"] for metric in truth["metrics"]}
    names = {"volume_24h": "24h volume", "rsi": "rsi (14)", "long_short_ratio": "long/short ratio"}
    for metric in reading.metrics:
        value = values.get(names.get(metric.name, metric.name.replace("_", " ")))
        if value is None or abs(metric.value - value) > 0.005 * abs(value):
            yield f"{metric.name}: {metric.value} for {value}"


def _wrong_levels(truth: dict[str, Any], reading: Reading) -> Iterator[str]:
    """The three strongest levels that are read must be among the chart's five strongest, to 1 % of its price axis."""
    if not truth["levels"]:
        return
    low, high = truth["price_range"]
    for level in sorted(reading.levels, key=lambda level: -level.strength)[:_JUDGED]:
        if min(abs(level.price - wanted["price"]) for wanted in truth["levels"]) > 0.01 * (high - low):
            yield f"level: {level.price:g} is none of the five strongest"


def run(order: _Order) -> Outcome:
    """The outcome of an order, for a process of its own."""
    return outcome_of(order.seed, order.number, order.pictures)


def outcome_of(seed: int, number: int, pictures: Sequence[Path] = ()) -> Outcome:
    """Draw the case of that seed and number, and read it."""
    case = case_of(seed, number, pictures)
    started = time.process_time()
    reading = read_picture(case.data)
    seconds = time.process_time() - started
    numbers = len(reading.readings) + len(reading.levels) + len(reading.metrics)
    hung = (f"hangs: {seconds:.1f} s",) if seconds > HANGS_AFTER else ()
    wrong = judged(case, reading) + hung
    return Outcome(number, case.name, case.chart, seconds, reading.image_type, numbers, wrong)


def fuzz(
    count: int, seed: int, processes: int = 1, pictures: Sequence[Path] = (), first: int = 0
) -> Iterator[tuple[int, Outcome | Failure]]:
    """The outcomes of `count` cases, each with its number."""
    orders = [_Order(seed, number, tuple(pictures)) for number in range(first, first + count)]
    for order, outcome in zip(orders, map_isolated(run, orders, processes, _STOPPED_AFTER), strict=True):
        yield order.number, outcome


@click.command()
@click.option("--count", default=1000, help="how many pictures")
@click.option("--seed", default=1, help="what tells one run's pictures from another's")
@click.option("--first", default=0, help="number of the first case")
@click.option("--processes", default=1, help="how many are read at once")
@click.option("--pictures", type=click.Path(path_type=Path, exists=True, file_okay=False), help="folder to spoil, too")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="folder for what went wrong")
def main(*, count: int, seed: int, first: int, processes: int, pictures: Path | None, save: Path | None) -> None:
    """Read spoilt pictures and print what went wrong."""
    files = sorted(file for file in pictures.rglob("*") if file.suffix.lower() in _SUFFIXES) if pictures else []
    tally: Counter[str] = Counter()
    slowest: list[tuple[float, int, str]] = []
    for number, outcome in fuzz(count, seed, processes, files, first):
        said = counted(outcome, tally)
        if isinstance(outcome, Outcome):
            slowest = sorted([*slowest, (outcome.seconds, number, outcome.name)], reverse=True)[:10]
        for line in said:
            click.echo(f"{number}: {line}")
        if said and save is not None:
            save.mkdir(parents=True, exist_ok=True)
            data = case_of(seed, number, files).data
            (save / f"{seed}-{number}.{mutations.suffix(data)}").write_bytes(data)
    for seconds, number, name in slowest:
        click.echo(f"slow: {seconds:.2f} s, {number}: {name}")
    for name in ("crashes", "hangs", "readings from noise", "kept: wrong numbers"):
        click.echo(f"{name}: {tally.pop(name, 0)}")
    for name, value in sorted(tally.items()):
        click.echo(f"{name}: {value}")


def counted(outcome: Outcome | Failure, tally: "Counter[str]") -> list[str]:
    """Count an outcome under what became of it; what went wrong, a line each."""
    if isinstance(outcome, Failure):
        tally["hangs" if "longer" in outcome.reason else "crashes"] += 1
        return [outcome.reason]
    tally[f"{outcome.chart}: pictures"] += 1
    tally[f"{outcome.chart}: numbers read"] += outcome.numbers > 0
    hung = any(line.startswith("hangs") for line in outcome.wrong)
    tally["hangs"] += hung
    tally["readings from noise" if outcome.chart == "none" else "kept: wrong numbers"] += len(outcome.wrong) > hung
    return [f"{outcome.name}: {line}" for line in outcome.wrong]


if __name__ == "__main__":
    main()
