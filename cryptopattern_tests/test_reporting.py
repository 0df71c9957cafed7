"""What the command line prints for people: figures with the digits that tell something, reasons, whole paths."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
from rich.console import Console

from cryptopattern_pipelines.reading import annotate
from cryptopattern_pipelines.reading.reading import Level, MetricReading, Reading
from cryptopattern_pipelines.reporting import print_events, print_reading, win_rates_table


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
    assert "level 3,738.7  long  strength 8.91M\n" in told
    assert "price: 3,738.7 USD" in told
    assert "open_interest: 291.9B USD  (+1.25 %)" in told


def test_a_strength_without_a_unit_is_relative_to_the_strongest() -> None:
    levels = (Level(120.0, "short", 0.925, 1.0), Level(94.5, "long", 0.37, 0.4))
    read = Reading("chart.png", "0" * 64, image_type="price_chart_heatmap", levels=levels)
    told = printed(read)
    assert "strength 1.00 of the strongest" in told
    assert "strength 0.40 of the strongest" in told
    drawn = [text for text, _ in annotate._lines(read)]
    assert drawn[-2:] == ["120.00  short  1.00 of the strongest", "94.500  long  0.40 of the strongest"]
    in_unit = replace(read, levels=(Level(120.0, "short", 8.91e6, 1.0),))
    assert annotate._lines(in_unit)[-1][0] == "120.00  short  8.91M"


def test_an_unknown_picture_says_why_and_no_path_is_broken() -> None:
    path = "/".join(["folder"] * 20) + "/chart.png"
    told = printed(Reading(path, "0" * 64, confidence=0.9, evidence="no title of a chart that is read"))
    assert told == f"{path}  unknown (0.90)\n  why: no title of a chart that is read\n"


def test_a_squeeze_that_the_price_alone_shows_is_said_to_be_one() -> None:
    event = {
        "symbol": "BTC", "squeeze_type": "LONG_SQUEEZE", "started_at": datetime(2025, 1, 20, 8, tzinfo=UTC),
        "move_pct": -6.4, "open_interest_drop_pct": None,
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    print_events(console, pd.DataFrame([{**event, "evidence": ""}, {**event, "evidence": "liquidations"}]))
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert told.count("price alone -6.4 %") == 1
    assert told.count("price -6.4 %") == 1
