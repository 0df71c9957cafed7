"""Rows as tables for people: what the command line prints. A rate never stands without its base rate and interval."""

from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from cryptopattern_pipelines.reading.reading import Reading

# The side of the market that gains when the squeeze comes.
_SIDE_OF = {"SHORT_SQUEEZE": "long", "LONG_SQUEEZE": "short"}


def analyses_table(analyses: pd.DataFrame, rates: pd.DataFrame) -> Table:
    """One hour's SQUEEZE_ANALYSES, each beside what the 24h WIN_RATES say of its side."""
    hour = "" if analyses.empty else f", hour of {analyses['hour'].max():%Y-%m-%d %H:%M} UTC"
    table = Table(
        "symbol", "price", "squeeze", "score", "severity", "when", "signals", "long / short", "its side won, in 24h",
        title=f"Squeeze analyses{hour}", title_justify="left", caption_justify="left",
        caption="score: the guide's heuristic, 0 to 100, no probability; what it was worth stands in the last column",
    )  # fmt: skip
    day = rates[rates["timeframe"] == "24h"].set_index(["symbol", "side"])
    for row in analyses.sort_values("symbol").itertuples():
        side = _SIDE_OF.get(row.squeeze_type)
        known = side is not None and (row.symbol, side) in day.index
        shares = "" if pd.isna(row.long_pct) else f"{row.long_pct:.1f} / {row.short_pct:.1f} ({row.dominance_source})"
        table.add_row(
            row.symbol, f"{row.price:,.6g}", row.squeeze_type, f"{row.probability:.1f}", row.severity,
            row.estimated_timeframe, str(row.signal_count), shares,
            _rate(day.loc[(row.symbol, side)]) if known else "",
        )  # fmt: skip
    return table


def win_rates_table(rates: pd.DataFrame) -> Table:
    """One day's WIN_RATES."""
    day = "" if rates.empty else f", known by the end of {rates['day'].max():%Y-%m-%d}"
    table = Table(
        "symbol", "timeframe", "side", "win rate [95 % interval]", "n", "base rate", "base n", "lift", "verdict",
        title=f"Win rates{day}", title_justify="left", caption_justify="left",
        caption="n: windows that do not overlap; base rate: the same of every hour, whatever the analysis said",
    )  # fmt: skip
    for row in rates.sort_values(["symbol", "timeframe", "side"]).itertuples():
        table.add_row(
            row.symbol, row.timeframe, row.side, _interval(row), str(row.effective_sample_size),
            _percent(row.base_rate_pct), str(row.base_sample_size), "" if pd.isna(row.lift) else f"{row.lift:.2f}",
            row.verdict,
        )  # fmt: skip
    return table


def print_reading(console: Console, reading: "Reading") -> None:
    """One picture's reading: its type and title, and what stands on it."""
    console.print(f"[bold]{escape(str(reading.file))}[/]  {reading.image_type} ({reading.confidence:.2f})")
    for name in ("title", "symbol", "venue", "timeframe", "leverage", "current_price", "chart_time", "error"):
        value = getattr(reading, name)
        if value is not None:
            console.print(f"  {name}: {escape(str(value))}", highlight=False)
    for row in reading.readings:
        arrows = "" if row.arrows is None else f"  arrows {row.arrows:+d}"
        console.print(
            f"  {row.symbol or '':>10}  long {row.long_pct:5.1f}  short {row.short_pct:5.1f}  by {row.method}{arrows}"
        )
    for level in reading.levels:
        console.print(f"  level {level.price:,.8g}  {level.side or ''}  strength {level.strength:.3g}")
    for metric in reading.metrics:
        change = "" if metric.change is None else f"  ({metric.change:+g} %)"
        console.print(f"  {metric.name}: {metric.value:,.10g} {metric.unit or ''}{change}")


def _rate(row: pd.Series) -> str:
    if pd.isna(row.win_rate_pct):
        return f"no outcome known yet (base rate {_percent(row.base_rate_pct)}, n={row.base_sample_size})"
    return f"{_interval(row)}, n={row.effective_sample_size}, base rate {_percent(row.base_rate_pct)}"


def _interval(row: pd.Series) -> str:
    if pd.isna(row.win_rate_pct):
        return ""
    return f"{row.win_rate_pct:.0f} % [{row.interval_low_pct:.0f}, {row.interval_high_pct:.0f}]"


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.0f} %"
