"""The walk-forward report by one command: a history from the store or an archive, scored and written down.

What belongs here: where the history comes from, and the report's files. What does not: its figures
(`squeeze/evaluation.py`).
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from cryptopattern_pipelines import plots
from cryptopattern_pipelines.automation.partitions import FIRST_DAY
from cryptopattern_pipelines.market import snapshots as market_snapshots
from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.history import as_one, pieces, rows_of
from cryptopattern_pipelines.market.mapping import read_mapping
from cryptopattern_pipelines.squeeze import analyses, coverage, events, features, paths, targets, walk_forward
from cryptopattern_pipelines.squeeze.evaluation import Report, forecast_report
from cryptopattern_pipelines.squeeze.forecaster import DEFAULTS, History
from cryptopattern_pipelines.squeeze.grid import WindowError, epoch_hour
from cryptopattern_pipelines.squeeze.scores import Reliability
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.squeeze.win_rates import DEFAULTS as WIN_RATES
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_pipelines.storage.schemas import TableSchema

_DAY = timedelta(days=1)
_METHODS_SHOWN = ("stood", "blend", "boosting", "logistic", "volatility", "guide")

Say = Callable[[str], None]


class EvaluationError(ValueError):
    """A report can't be made; the message says why and what to do."""


@dataclass(frozen=True)
class Tables:
    """The tables that a report is made from, and the days for which squeezes were told."""

    snapshots: pd.DataFrame
    analyses: pd.DataFrame
    candles: pd.DataFrame
    events: pd.DataFrame
    told: pd.DatetimeIndex


def _first_day(start: datetime) -> datetime:
    """The first day that forecasts from `start` on may look at."""
    return max(FIRST_DAY, (start - DEFAULTS.lookback).replace(hour=0, minute=0, second=0, microsecond=0))


def from_store(store: TableStore, start: datetime, end: datetime) -> Tables:
    """What is in the store from the look-back before `start` until `end`."""
    first = _first_day(start)

    def read(table: TableSchema, columns: Iterable[str]) -> pd.DataFrame:
        return store.table(table.name).read(first, end, list(columns))

    return Tables(
        read(schemas.EXCHANGE_SNAPSHOTS, features.SNAPSHOT_COLUMNS),
        read(schemas.SQUEEZE_ANALYSES, dict.fromkeys([*features.ANALYSIS_COLUMNS, "severity"])),
        read(schemas.MARKET_CANDLES, paths.CANDLE_COLUMNS),
        read(schemas.SQUEEZE_EVENTS, targets.EVENT_COLUMNS),
        store.table(schemas.SQUEEZE_EVENTS.name).present(first, end),
    )


def from_archive(  # noqa: PLR0917 (an archive, what is added to it, and a window)
    archive: str,
    cache: Path,
    symbols: Sequence[str],
    imports: Sequence[tuple[str, Path]],
    start: datetime,
    end: datetime,
    settings: SignalSettings,
) -> Tables:
    """The same computed from an archive, without a store; `imports` are mappings' names and files, as of `import`."""
    first = _first_day(start)
    source = ArchiveSource(archive, cache=cache)
    tables = {
        schemas.MARKET_CANDLES.name: source.candles(symbols, first, end),
        schemas.DERIVATIVES_METRICS.name: source.derivatives_metrics(symbols, first, end),
        schemas.REALISED_LIQUIDATIONS.name: source.realised_liquidations(symbols, first, end),
    }
    for name, file in imports:
        mapping = read_mapping(name).check()
        read = [rows_of(piece.frame, mapping, first=first, now=end) for piece in pieces(file, mapping.needs)]
        rows = as_one(read, mapping).rows
        rows = rows[(rows["hour"] >= first) & (rows["hour"] < end) & rows["symbol"].isin(list(symbols))]
        tables[mapping.table.name] = mapping.table.filled_up(tables[mapping.table.name], rows)
    candles, metrics, liquidations = tables.values()
    if candles.empty:
        raise EvaluationError(
            f"{archive} has no candle of {', '.join(symbols)} from {first:%Y-%m-%d} to {end:%Y-%m-%d}"
        )
    begins = candles["hour"].min().floor("D").to_pydatetime()
    snapshots = market_snapshots.exchange_snapshots(candles, metrics, liquidations, begins, end)
    analysed = analyses.squeeze_analyses(
        snapshots, schemas.LIQUIDATION_READINGS.empty(), liquidations, begins, end, settings
    )
    told = events.squeeze_events(snapshots, candles, liquidations, analysed, begins, end, metrics=metrics)
    return Tables(snapshots, analysed, candles, told, pd.date_range(begins, end - _DAY, freq="D").as_unit("us"))


def evaluate(tables: Tables, start: datetime | None, end: datetime, say: Say, learn_from: Sequence[str] = ()) -> Report:
    """Score forecasts and win rates of [start, end); without a start, from the first hour that there is.

    Models learn from the coins of `learn_from`, from all where it names none.

    Raises:
        EvaluationError: there is no snapshot.
    """
    if tables.snapshots.empty:
        raise EvaluationError("no exchange_snapshots in the range: backfill it, or name an archive with --archive")
    there = tables.snapshots["hour"].min().floor("D").to_pydatetime()
    begin = there if start is None else max(start, there)
    first, last = epoch_hour(max(there, begin - DEFAULTS.lookback)), epoch_hour(end)
    say("features and targets")
    known = features.features(tables.snapshots, tables.analyses, first, last)
    came = targets.targets(known.grid, tables.events, tables.told, tables.candles)
    say("training and forecasting, month by month")
    began = time.monotonic()
    scored = walk_forward.walk_forward(History(known, came), begin, end, replace(DEFAULTS, symbols=tuple(learn_from)))
    say(f"scores (training took {time.monotonic() - began:.0f} s)")
    return {
        "from": begin.isoformat(),
        "to": end.isoformat(),
        "symbols": list(known.grid.symbols),
        "forecasts": forecast_report(scored),
        "win_rates": _win_rates_report(tables, begin, end),
    }


def _win_rates_report(tables: Tables, start: datetime, end: datetime) -> Report:
    """Of how many stated win rates what came later agreed with the 95 % interval."""
    stated_from = start + timedelta(days=WIN_RATES.history_days)
    try:
        rows = coverage.coverage(tables.analyses, tables.candles, stated_from, end)
    except WindowError:
        return {"rates": 0, "reason": "less than a year of history and half a year of waiting after it"}
    if rows.empty:
        return {"rates": 0, "reason": "no analysis named a side, so no rate was stated"}
    whole = coverage.share_inside(rows).iloc[0]
    by = {
        name: {
            str(key): {"rates": int(group.rates), "inside_pct": float(group.inside_pct)}
            for key, group in coverage.share_inside(rows, name).iterrows()
        }
        for name in ("timeframe", "symbol")
    }
    return {
        "rates": int(whole.rates),
        "inside_pct": float(whole.inside_pct),
        "between_ends_pct": float(whole.between_ends_pct),
        **{f"by_{name}": groups for name, groups in by.items()},
    }


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the report as Markdown, JSON and a reliability diagram for each target; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "report.json": json.dumps(report, indent=1, sort_keys=True).encode(),
        "report.md": markdown(report).encode(),
    }
    for target, figures in report["forecasts"].items():
        if figures["rows"]:
            curves = {
                name: Reliability(*(pd.Series(curve[part]).to_numpy() for part in ("chance", "came", "count")))
                for name, curve in figures["reliability"].items()
            }
            files[f"reliability_{target}.png"] = plots.reliability(target, curves)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def markdown(report: Report) -> str:
    """The report as a page."""
    lines = [
        "# Walk-forward report",
        "",
        f"{report['from'][:10]} to {report['to'][:10]}, {', '.join(report['symbols'])}. Each hour is forecast by "
        "models trained on the past alone; intervals are 95 % of a bootstrap of whole weeks with all symbols.",
        "",
    ]
    for target, figures in report["forecasts"].items():
        lines += [f"## {target}", ""]
        if not figures["rows"]:
            lines += ["No hour could be scored: too little history.", ""]
            continue
        lines += [
            f"{figures['rows']:,} forecasts in {figures['weeks']} weeks; it came in {_pct(figures['base_rate'])}.",
            "",
            *_md(_METHOD_HEAD, _method_rows(figures)),
            "",
            *_md(["asked", "holds", "figure"], _claim_rows(figures)),
            "",
            *_md(_GROUP_HEAD, _group_rows(figures)),
            "",
        ]
    return "\n".join([*lines, "## Win rates", "", _win_rates_sentence(report["win_rates"]), ""])


def print_report(report: Report, console: Console) -> None:
    """The report's tables for a terminal."""
    for target, figures in report["forecasts"].items():
        if not figures["rows"]:
            console.print(f"{target}: no hour could be scored: too little history")
            continue
        title = (
            f"{target}: {figures['rows']:,} forecasts, {figures['weeks']} weeks, base rate {_pct(figures['base_rate'])}"
        )
        for head, rows in ((_METHOD_HEAD, _method_rows(figures)), (["asked", "holds", "figure"], _claim_rows(figures))):
            table = Table(*head, box=box.SIMPLE_HEAD, title=f"[bold not italic]{title}[/]", title_justify="left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
            title = ""
    console.print(_win_rates_sentence(report["win_rates"]))


_METHOD_HEAD = ["method", "Brier", "skill, base rate", "skill, volatility", "top 1 %", "top 5 %", "calibration error"]
_GROUP_HEAD = [
    "part",
    "n",
    "base rate",
    "Brier",
    "skill, base rate",
    "skill, volatility",
    "top 5 %",
    "calibration error",
]


def _method_rows(figures: Report) -> list[list[str]]:
    rows = []
    for method in _METHODS_SHOWN:
        told = figures["methods"][method]
        tops = told.get("precision", {})
        rows.append(
            [
                method,
                f"{told['brier']:.4f}",
                _interval(told["skill_against_climatology"]),
                _interval(told["skill_against_volatility"]),
                *(_interval(tops[name], percent=True) if tops else "" for name in ("top_1_pct", "top_5_pct")),
                f"{told['calibration_error']:.4f}",
            ]
        )
    return rows


def _claim_rows(figures: Report) -> list[list[str]]:
    return [[each["claim"], "yes" if each["holds"] else "NO", _interval(each["figure"])] for each in figures["claims"]]


def _group_rows(figures: Report) -> list[list[str]]:
    return [
        [
            name,
            f"{part['rows']:,}",
            _pct(part["base_rate"]),
            f"{part['brier']:.4f}",
            f"{part['skill_against_climatology']:+.3f}",
            f"{part['skill_against_volatility']:+.3f}",
            _pct(part["precision_top_5_pct"]),
            f"{part['calibration_error']:.4f}",
        ]
        for by in ("by_year", "by_symbol")
        for name, part in figures[by].items()
    ]


def _win_rates_sentence(told: Report) -> str:
    if not told["rates"]:
        return f"Win rates: none could be held against what came later ({told['reason']})."
    return (
        f"Win rates: of {told['rates']} stated rates {told['inside_pct']:.1f} % agreed with their 95 % interval in the "
        f"half year after; {told['between_ends_pct']:.1f} % of the later rates, themselves of few windows, lay between "
        "its ends."
    )


def _interval(figure: dict[str, Any], *, percent: bool = False) -> str:
    if figure["value"] is None:
        return "nothing to better"
    if "low" not in figure:
        return f"{figure['value']:.4f}"
    if figure["low"] is None:
        return f"{figure['value']:+.3f} (no lower end: in some weeks the other was right)"
    value, low, high = (figure[name] * (100 if percent else 1) for name in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})" if percent else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _pct(share: float) -> str:
    return f"{100 * share:.1f} %"


def _md(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
