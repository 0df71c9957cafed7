"""What the command line prints for people: figures with the digits that tell something, reasons, whole paths."""

import io
from datetime import UTC, datetime

import pandas as pd
from rich.console import Console

from cryptopattern_pipelines.reading.reading import Level, MetricReading, Reading
from cryptopattern_pipelines.reporting import print_reading, win_rates_table


def printed(*shown: object) -> str:
    """What a terminal of 80 columns shows of it."""
    console = Console(file=io.StringIO(), width=80)
    for one in shown:
        if isinstance(one, Reading):
            print_reading(console, one)
        else:
            console.print(one)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_month_is_called_one_and_stands_last() -> None:
    rate = {
        "day": datetime(2025, 1, 29, tzinfo=UTC), "symbol": "BTC", "condition": "all", "side": "long",
        "win_rate_pct": 100.0, "interval_low_pct": 34.2, "interval_high_pct": 100.0, "effective_sample_size": 2,
        "base_rate_pct": 41.2, "base_sample_size": 84, "lift": 2.43, "verdict": "NO_EDGE",
    }  # fmt: skip
    table = win_rates_table(pd.DataFrame([{**rate, "timeframe": name} for name in ("1m", "24h", "7d")]))
    rows = [line.split("long")[0].split() for line in printed(table).splitlines() if "long" in line]
    assert rows == [["BTC", "24", "hours"], ["BTC", "7", "days"], ["BTC", "1", "month"]]


def test_figures_read_have_no_false_precision() -> None:
    told = printed(
        Reading(
            "chart.png",
            "0" * 64,
            levels=(Level(3738.6907, "long", 8.91e6, 1.0),),
            metrics=(
                MetricReading("price", 3738.6907, "USD", None),
                MetricReading("open_interest", 2.918767371e11, "USD", 1.25),
            ),
        )
    )
    assert "level 3,738.7  long" in told
    assert "price: 3,738.7 USD" in told
    assert "open_interest: 291.9B USD  (+1.25 %)" in told
