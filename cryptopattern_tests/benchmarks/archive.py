"""A year of the archive as finished rows, against a plain loop of `pandas.read_csv` over the same files.

Ours verifies every CHECKSUM, parses, cleans and shapes candles, funding and open interest into the rows of two tables.
The rival reads the same zips one after the other and concatenates them by kind and coin: no checksum, no cleaning, no
hours. The work is 2024 of nine coins from the real history beside the project, or the bundled sample where that is
absent. Each way runs in a process of its own, in turns, and the best of three counts.
"""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_tests.benchmarks._memory import peak_megabytes
from cryptopattern_tests.benchmarks.figure import Figure

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared")) / "market" / "archive"
_SAMPLE = PROJECT / "data" / "samples"
_COINS = ["BTC", "ETH", "XRP", "ADA", "SOL", "DOGE", "BNB", "AVAX", "LINK"]
_ROUNDS = 3
_KINDS = {
    "klines": "data/*/monthly/klines/*/1h/*-{month}.zip",
    "futures klines": "data/futures/um/monthly/klines/*/1h/*-{month}.zip",
    "funding": "data/futures/um/monthly/fundingRate/*/*-{month}.zip",
    "metrics": "data/futures/um/daily/metrics/*/*-{month}-*.zip",
}


def run() -> list[Figure]:
    """Seconds, lines a second and peak memory of both ways."""
    archive = _REAL if _REAL.is_dir() else _SAMPLE
    months = [f"2024-{month:02}" for month in range(1, 13)] if archive is _REAL else ["2024-11", "2024-12", "2025-01"]
    found: dict[str, list[dict[str, float]]] = {"ours": [], "rival": []}
    for _ in range(_ROUNDS):
        for way, measured in found.items():
            measured.append(_in_own_process(way, archive, months))
    best = {way: min(measured, key=lambda each: each["seconds"]) for way, measured in found.items()}
    ours, rival = best["ours"], best["rival"]
    # Both read the same lines; the rival's count of them serves for both.
    lines = rival["rows"]
    return [
        Figure(
            "archive: time",
            ours["seconds"],
            rival["seconds"],
            "s",
            less_is_better=True,
            ratio_mark=2 if archive is _REAL else None,
        ),
        Figure("archive: processor time", ours["cpu"], rival["cpu"], "s", less_is_better=True),
        Figure("archive: lines read", lines / ours["seconds"], lines / rival["seconds"], "rows/s"),
        Figure("archive: peak memory", ours["megabytes"], rival["megabytes"], "MB", less_is_better=True),
        Figure("archive: memory above imports", ours["grown"], rival["grown"], "MB", less_is_better=True),
        Figure("archive: finished rows", ours["rows"], None, "rows"),
    ]


def ours(archive: Path, months: list[str]) -> int:
    """Rows of two tables from these months."""
    start, end = _window(months)
    source = ArchiveSource(archive)
    return len(source.candles(_COINS, start, end)) + len(source.derivatives_metrics(_COINS, start, end))


def rival(archive: Path, months: list[str]) -> int:
    """Lines of the same months, by kind and coin."""
    frames: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for kind, pattern in _KINDS.items():
        for month in months:
            for path in sorted(archive.glob(pattern.format(month=month))):
                headerless = kind == "klines"
                frame = pd.read_csv(path, header=None if headerless else "infer")
                frames.setdefault((kind, path.name.split("-")[0]), []).append(frame)
    return sum(len(pd.concat(parts, ignore_index=True)) for parts in frames.values())


def _window(months: list[str]) -> tuple[datetime, datetime]:
    first, last = (datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC) for month in (months[0], months[-1]))
    return first, last.replace(year=last.year + last.month // 12, month=last.month % 12 + 1)


def _in_own_process(way: str, archive: Path, months: list[str]) -> dict[str, float]:
    """What one way took; in a process of its own, so that its peak of memory is its own."""
    call = [sys.executable, "-m", __name__, way, str(archive), *months]
    done = subprocess.run(call, capture_output=True, text=True, check=True, cwd=PROJECT)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _measure(way: str, archive: Path, months: list[str]) -> dict[str, float]:
    imported = peak_megabytes()
    before, cpu = time.perf_counter(), time.process_time()
    rows = (ours if way == "ours" else rival)(archive, months)
    return {
        "seconds": time.perf_counter() - before,
        "cpu": time.process_time() - cpu,
        "rows": rows,
        "megabytes": peak_megabytes(),
        "grown": peak_megabytes() - imported,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])))
