"""`squeeze_analyses` of a year of many symbols: seconds, and the memory of a process that does nothing else."""

import json
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter, process_time

from cryptopattern_tests.benchmarks import analysis
from cryptopattern_tests.benchmarks._memory import peak_megabytes
from cryptopattern_tests.benchmarks.figure import Figure

SYMBOLS = 500
HOURS = 8760


def run(symbols: int = SYMBOLS, hours: int = HOURS) -> list[Figure]:
    """Seconds on the clock and of the processor, and peak memory with the tables that it is handed."""
    told = subprocess.run(
        [sys.executable, "-m", __name__, str(symbols), str(hours)], check=True, capture_output=True, text=True
    ).stdout
    figures: dict[str, float] = json.loads(told)
    rows = f"analysis of {symbols} symbols x {hours:,} hours"
    marks = {"clock s": 20.0, "peak memory GB": 4.0} if (symbols, hours) == (SYMBOLS, HOURS) else {}
    return [Figure(f"{rows}, {name}", value, None, name.split()[-1], less_is_better=True, mark=marks.get(name))
            for name, value in figures.items()]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Measure in this process, and print the figures as JSON."""
    symbols, hours = map(int, arguments)
    task = analysis.work(symbols, hours)
    began, worked = perf_counter(), process_time()
    analysis.ours(task)
    figures = {"clock s": perf_counter() - began, "processor s": process_time() - worked}
    print(json.dumps(figures | {"peak memory GB": peak_megabytes() * 2**20 / 1e9}))


if __name__ == "__main__":
    main(sys.argv[1:])
