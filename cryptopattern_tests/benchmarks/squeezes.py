"""Squeezes told of the real history: cascades found, and false alarms a symbol and month, by year and by feed.

False alarms are counted by daily liquidations of seven symbols (`squeeze/false_alarms.py`). Where those are handed in,
they are a condition too, so what is left are the exceptions to it; without them, price and open interest tell alone.
The thresholds were chosen on 2021 and 2022.

Hours told as under way are held against the events of all feeds: how many lie within one, and how many events have one.
Open interest of that history is an hour old, but for three symbols' of two months.
"""

import os
from datetime import datetime
from pathlib import Path

import pandas as pd

from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_pipelines.squeeze.events import squeeze_events, squeezes_under_way
from cryptopattern_pipelines.squeeze.false_alarms import false_alarms
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS, SQUEEZE_ANALYSES
from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.squeeze.frames import utc
from cryptopattern_tests.squeeze.history import CASCADES, SYMBOLS, History, history, missed

_REAL = Path(os.environ.get("CRYPTOPATTERN_SHARED", PROJECT.parent / "shared"))
START = utc("2021-02-15")
HOURLY_FEED = ("BTC", "ETH", "SOL"), utc("2024-06-21"), utc("2024-08-18")
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
    return figures + _under_way(past, end)


def _under_way(past: History, end: datetime) -> list[Figure]:
    """How far hours told as under way and events agree: of all symbols and years, and where an hourly feed tells."""
    known = past.both_venues, past.candles, pd.concat([past.hourly, past.daily]), SQUEEZE_ANALYSES.empty()
    told = squeeze_events(*known, START, end, metrics=past.metrics)
    figures = []
    for of, liquidations, symbols, first, last in (
        ("all", past.hourly, SYMBOLS, START, end),
        ("three symbols, two months of an hourly feed", past.hourly, *HOURLY_FEED),
        ("the same without the feed", past.daily, *HOURLY_FEED),
    ):
        events = told[told["symbol"].isin(symbols) & (told["started_at"] >= first) & (told["started_at"] < last)]
        seen = squeezes_under_way(past.both_venues, liquidations, past.metrics, first, last)
        seen = seen[seen["symbol"].isin(symbols)].reset_index(drop=True)
        pairs = seen.reset_index().merge(told.reset_index(), on=["symbol", "squeeze_type"], suffixes=("", "_event"))
        pairs = pairs[(pairs["hour"] >= pairs["started_at_event"]) & (pairs["hour"] < pairs["ended_at"])]
        missed_ones = events[~events.index.isin(pairs["index_event"])]
        for what, share, count in (
            ("within an event", pairs["index"].nunique() / len(seen), len(seen)),
            ("events that have one", 1 - len(missed_ones) / len(events), len(events)),
            (
                "events without one that open interest never showed",
                (missed_ones["evidence"] == "liquidations").mean(),
                len(missed_ones),
            ),
        ):
            figures.append(Figure(f"squeezes under way, {of}: {what}, of {count}", 100 * share, None, "%"))
    return figures
