"""Squeezes told of the real history: cascades found, and false alarms a symbol and month, by year and by feed.

False alarms are counted by daily liquidations of seven symbols (`squeeze/false_alarms.py`). Where those are handed in,
they are a condition too, so what is left are the exceptions to it; without them, price and open interest tell alone.
The thresholds were chosen on 2021 and 2022.
"""

import os
from pathlib import Path

import pandas as pd

from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_pipelines.squeeze.events import squeeze_events
from cryptopattern_pipelines.squeeze.false_alarms import false_alarms
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS, SQUEEZE_ANALYSES
from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.squeeze.frames import utc
from cryptopattern_tests.squeeze.history import CASCADES, SYMBOLS, history, missed

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared"))
START = utc("2021-02-15")
PERIODS = {"2021 and 2022": (START, utc("2023-01-01")), "2023 to 2025": (utc("2023-01-01"), utc("2025-07-01"))}


def run() -> list[Figure]:
    """Figures for each set of feeds and each open interest; none without the real history beside the project."""
    if not _REAL.is_dir():
        print(f"squeezes: no real history in {_REAL} (set CRYPTOPATTERN_SHARED)")
        return []
    end = PERIODS["2023 to 2025"][1]
    past = history(_REAL, START, end)
    feeds = {
        "no feed": REALISED_LIQUIDATIONS.empty(),
        "hourly feed of three": past.hourly,
        "daily feed": pd.concat([past.hourly, past.daily]),
    }
    figures = []
    for feed, liquidations in feeds.items():
        for interest, snapshots in (("one venue", past.snapshots), ("both venues", past.both_venues)):
            told = squeeze_events(snapshots, past.candles, liquidations, SQUEEZE_ANALYSES.empty(), START, end)
            of = f"squeezes, {feed}, open interest of {interest}"
            found = len(CASCADES) * len(SYMBOLS) - len(missed(told, snapshots))
            figures.append(Figure(f"{of}: cascades found of {len(CASCADES) * len(SYMBOLS)}", found, None, "cascades"))
            for period, (first, last) in PERIODS.items():
                counted = false_alarms(told, past.daily, first, last)
                months = counted["days"].sum() / 30
                for name in ("false_alarms", "events"):
                    told_so = f"{of}: {name.replace('_', ' ')} a symbol and month, {period}"
                    figures.append(Figure(told_so, counted[name].sum() / months, None, "", less_is_better=True))
    return figures
