"""Rows as tables for people: what the command line prints. A rate never stands without its base rate and interval."""

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cryptopattern_pipelines.for_people import metric, price, strength, timeframe
from cryptopattern_pipelines.storage.schemas import SIDE_OF, SIGNALS

if TYPE_CHECKING:
    from cryptopattern_pipelines.doctor import Finding
    from cryptopattern_pipelines.reading.reading import Reading
    from cryptopattern_pipelines.squeeze.similar import Similar

# Where an analysis' shares are from, in words: a map's count as those of all leverages.
_SHARES = {
    "all_leverage": "by a distribution of all leverages or a map",
    "optical_opti": "by a distribution of optical_opti",
    "realised_liquidations": "by what was liquidated",
    "daily_liquidations": "by what was liquidated in the day before",
}


def print_analyses(console: Console, analyses: pd.DataFrame, rates: pd.DataFrame) -> None:
    """One hour's SQUEEZE_ANALYSES, each beside what the WIN_RATES of 24h say of its side."""
    hour = "" if analyses.empty else f", hour of {analyses['hour'].max():%Y-%m-%d %H:%M} UTC"
    console.print(f"[bold]Squeeze analyses{hour}[/]")
    day = rates[(rates["timeframe"] == "24h") & (rates["condition"] == "all")].set_index(["symbol", "side"])
    for row in analyses.sort_values("symbol").itertuples():
        side = SIDE_OF.get(row.squeeze_type)
        signals = ", ".join(name for name in SIGNALS if not pd.isna(getattr(row, f"{name}_strength"))) or "no signal"
        # A score of 0 claims nothing, and counts in no rate.
        claim = (
            "no claim" if row.probability == 0 else f"{row.squeeze_type}, score {row.probability:.1f} ({row.severity})"
        )
        console.print(f"  {row.symbol:<6} {price(row.price):>12}  {claim}", highlight=False)
        console.print(f"         {signals}", highlight=False)
        if not pd.isna(row.long_pct):
            shares = (
                f"liquidations long {row.long_pct:.1f}, short {row.short_pct:.1f} %, {_SHARES[row.dominance_source]}"
            )
            console.print(f"         {shares}", highlight=False, soft_wrap=True)
        if row.probability > 0 and (row.symbol, side) in day.index:
            console.print(
                f"         {side} in 24 hours: {_rate(day.loc[(row.symbol, side)])}", highlight=False, soft_wrap=True
            )
    console.print(
        "[dim]  score: the guide's heuristic, 0 to 100, no probability; what it was worth stands beside it[/]"
    )


def print_events(console: Console, events: pd.DataFrame) -> None:
    """SQUEEZE_EVENTS, the latest first."""
    console.print("[bold]Squeezes that happened, the last of them[/]")
    for row in events.sort_values("started_at", ascending=False).itertuples():
        drop = "" if pd.isna(row.open_interest_drop_pct) else f", OI -{row.open_interest_drop_pct:.1f} %"
        alone = "" if row.evidence else " alone"
        console.print(
            f"  {row.symbol:<5} {row.squeeze_type:<13} {row.started_at:%Y-%m-%d %H:%M}  "
            f"price{alone} {row.move_pct:+.1f} %{drop}",
            highlight=False,
        )


def win_rates_table(rates: pd.DataFrame) -> Table:
    """One day's WIN_RATES of all claims; those of single conditions stand in the table."""
    rates = rates[rates["condition"] == "all"]
    day = "" if rates.empty else f", known by the end of {rates['day'].max():%Y-%m-%d}"
    table = Table(
        "symbol", "time", "side", "won", "interval", "n", "base", "base n", "lift", "verdict",
        title=f"[bold not italic]Win rates{day}[/]", title_justify="left",
        caption="interval: 95 %; n: windows that do not overlap; base: of every hour, whatever the analysis said",
        caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    order = {name: place for place, name in enumerate(("24h", "7d", "1m"))}
    for row in rates.sort_values(["symbol", "timeframe", "side"], key=lambda c: c.map(order).fillna(c)).itertuples():
        low, high = row.interval_low_pct, row.interval_high_pct
        table.add_row(
            row.symbol, timeframe(row.timeframe), row.side, _percent(row.win_rate_pct),
            "" if pd.isna(low) else f"{low:.0f} to {high:.0f} %", str(row.effective_sample_size),
            _percent(row.base_rate_pct), str(row.base_sample_size), "" if pd.isna(row.lift) else f"{row.lift:.2f}",
            row.verdict,
        )  # fmt: skip
    return table


def print_similar(console: Console, symbol: str, hour: datetime, waited: str, found: "Similar") -> None:
    """The moments that looked most alike, and each side's odds beside those of any hour."""
    when = f"{hour:%Y-%m-%d %H:%M}"
    table = Table(
        "hour, UTC", "distance", "price then", "won", box=box.SIMPLE_HEAD, title_justify="left",
        title=f"[bold not italic]Moments like {symbol}'s of {when} UTC, and {timeframe(waited)} after them[/]",
        caption=f"compared: {', '.join(found.looked_at)}", caption_justify="left",
    )  # fmt: skip
    for row in found.neighbours.itertuples():
        won = "long" if row.long_won else "short" if row.short_won else "neither"
        table.add_row(f"{row.hour:%Y-%m-%d %H:%M}", f"{row.distance:.2f}", f"{row.move_pct:+.1f} %", won)
    console.print(table)
    for row in found.odds.itertuples():
        console.print(
            f"  {row.side:<5} won {_percent(row.rate_pct)} "
            f"\\[{row.interval_low_pct:.0f} to {row.interval_high_pct:.0f} %, n={row.n}]; "
            f"any hour before: {_percent(row.base_rate_pct)}, n={row.base_n}",
            highlight=False,
        )


def print_reading(console: Console, reading: "Reading") -> None:
    """One picture's reading: its type and title, and what stands on it."""
    name = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in reading.file)
    console.print(f"[bold]{escape(name)}[/]  {reading.image_type} ({reading.confidence:.2f})", soft_wrap=True)
    if reading.image_type == "unknown":
        console.print(f"  why: {escape(reading.evidence)}", highlight=False, soft_wrap=True)
    for name in ("title", "symbol", "venue", "timeframe", "leverage", "current_price", "chart_time", "error"):
        value = getattr(reading, name)
        if value is not None:
            console.print(f"  {name}: {escape(str(value))}", highlight=False, soft_wrap=True)
    for row in reading.readings:
        arrows = "" if row.arrows is None else f"  arrows {row.arrows:+d}"
        console.print(
            f"  {row.symbol or '':>10}  long {row.long_pct:5.1f}  short {row.short_pct:5.1f}  by {row.method}{arrows}"
        )
    unit = "" if reading.strengths_in_unit else " of the strongest"
    for level in reading.levels:
        strong = strength(level.strength, level.strength_share, in_unit=reading.strengths_in_unit)
        console.print(f"  level {price(level.price)}  {level.side or ''}  strength {strong}{unit}")
    for one in reading.metrics:
        change = "" if one.change is None else f"  ({one.change:+g} %)"
        console.print(f"  {one.name}: {metric(one.name, one.value)} {one.unit or ''}{change}")


_MARKS = {"well": "[green]✓[/]", "warning": "[yellow]![/]", "wrong": "[red]✗[/]"}


def print_finding(console: Console, finding: "Finding") -> None:
    """One finding of the doctor, and the line that mends it."""
    line = f"{_MARKS[finding.state]} {escape(finding.name):<17} {escape(finding.said)}"
    console.print(line, highlight=False, soft_wrap=True)
    if finding.mend:
        console.print(f"  {'':<17} → {escape(finding.mend)}", highlight=False, soft_wrap=True)


def _rate(row: pd.Series) -> str:
    base = f"base rate {_percent(row.base_rate_pct)}, n={row.base_sample_size}"
    if pd.isna(row.win_rate_pct):
        return f"no outcome known yet ({base})"
    interval = f"{row.interval_low_pct:.0f} to {row.interval_high_pct:.0f} %"
    return f"won {_percent(row.win_rate_pct)} \\[{interval}, n={row.effective_sample_size}]; {base}: {row.verdict}"


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.0f} %"
