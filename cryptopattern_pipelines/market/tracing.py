"""From a number of a table back to where it stands in the answer that it was read from.

What belongs here: which part of an answer a row was made of. What does not: where answers are kept
(`storage/raw_answers.py`), and how answers become rows (each venue's module, whose FIELDS are looked at here).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from math import isclose
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from cryptopattern_pipelines.market import binance, coinglass, gate, okx
from cryptopattern_pipelines.market.hourly import LONGEST_SNAPSHOT_AGE, PERIOD
from cryptopattern_pipelines.market.source import HOUR, SymbolError
from cryptopattern_pipelines.market.symbols import as_listed, renamed
from cryptopattern_pipelines.market.venues import MORE

_MODULES = (binance, okx, gate, coinglass, *(venue.module for venue in MORE))
FIELDS: dict[str, dict[Any, str]] = {
    path: fields for module in _MODULES for path, fields in getattr(module, "FIELDS", {}).items()
}
_ORDERS = {*gate.FIELDS, *(path for path in okx.FIELDS if "liquidation" in path)}
_LIQUIDATED = ("long_liquidated_usd", "short_liquidated_usd")
# Where Gate counts seconds, and a venue names its instrument.
_SECONDS_UNTIL = 10**11
_NAMES = ("symbol", "instId", "contract")


@dataclass(frozen=True)
class Trace:
    """One value, and where it was read.

    Attributes:
        column: whose value it is.
        value: as the table has it.
        place: in the answer's JSON, e.g. `[3][4]` or `["data"][0]["realizedRate"]`.
        raw: what stands there.
        file: that holds the answer.
    """

    column: str
    value: float
    place: str
    raw: str
    file: str


def venue_folder(row: Mapping[str, Any]) -> str:
    """Under which venue the answers of a row are kept."""
    return "coinglass" if row["venue"] == coinglass.VENUE else str(row["venue"])


def instruments_of(row: Mapping[str, Any]) -> set[str]:
    """What the questions behind a row may name: its instrument, the coin, or the family of OKX's orders."""
    name = str(row.get("instrument") or "")
    return {name, str(row["symbol"]), f"{row['symbol']}-USDT"} - {""}


def traces(row: Mapping[str, Any], answers: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Trace]:
    """Where each value of a row of one of the market's three tables stands, as far as these answers hold it.

    Of a sum of forced orders every order of the hour is a trace, the whole order being what stands there. Of a ratio
    that the venue tells as two volumes, both are. Values are compared as numbers, bundles of coins made single.

    Args:
        row: of MARKET_CANDLES, DERIVATIVES_METRICS or REALISED_LIQUIDATIONS.
        answers: the paths of files, and what is in them (`question`, `status`, `body`), best first.
    """
    found: dict[str, list[Trace]] = {}
    for file, answer in answers:
        path = urlsplit(str(answer["question"])).path
        fields = FIELDS.get(path)
        if fields is None or answer["status"] != 200 or row.get("market", "perpetual") != _market(path, row):
            continue
        try:
            content = json.loads(str(answer["body"]))
        except ValueError:
            continue  # it was asked again
        here: dict[str, list[Trace]] = {}
        for place, told in sorted(_rows(content, ""), key=lambda each: str(_time(each[1], fields)), reverse=True):
            at = _time(told, fields)
            if at is None or not _is_of(row, told):
                continue
            if path in _ORDERS:
                for column, value in _ordered(row, told, at):
                    here.setdefault(column, []).append(Trace(column, value, place, json.dumps(told), file))
                continue
            if _counts(row, at, fields):
                for column, traced in _read(row, told, fields, place, file).items():
                    here.setdefault(column, traced)
        for column, traced in here.items():
            found.setdefault(column, traced)
    return list(chain.from_iterable(found[column] for column in row if column in found))


def _market(path: str, row: Mapping[str, Any]) -> str:
    """Which market an endpoint tells of; OKX's tell of both, by the instrument."""
    return "spot" if path.startswith("/api/v3/") else str(row.get("market")) if "candles" in path else "perpetual"


def _rows(content: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every row in an answer, however it is wrapped, with its place."""
    if isinstance(content, list) and content and not isinstance(content[0], dict | list):
        yield place, content
    elif isinstance(content, list):
        for number, each in enumerate(content):
            yield from _rows(each, f"{place}[{number}]")
    elif isinstance(content, dict):
        inner = [name for name in ("data", "details") if isinstance(content.get(name), list)]
        if not inner:
            yield place, content
        for name in inner:
            yield from _rows(content[name], f'{place}["{name}"]')


def _time(told: Any, fields: Mapping[Any, str]) -> pd.Timestamp | None:
    """When a row is of."""
    [field] = [field for field, column in fields.items() if column in ("hour", "time")]
    try:
        count = int(told[field])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return pd.Timestamp(count, unit="s" if count < _SECONDS_UNTIL else "ms", tz="UTC")


def _is_of(row: Mapping[str, Any], told: Any) -> bool:
    """Whether what a venue told is of the row's instrument, where it says of which."""
    names = [told[name] for name in _NAMES if name in told] if isinstance(told, dict) else []
    if not names:
        return True
    if row.get("instrument"):
        return bool(names[0] == row["instrument"])
    try:
        return bool(renamed(as_listed(names[0])).coin == row["symbol"])
    except SymbolError:
        return False


def _ordered(row: Mapping[str, Any], told: Any, at: pd.Timestamp) -> list[tuple[str, float]]:
    """The sum that a forced order is part of."""
    hour: datetime = row["hour"]
    if not hour <= at < hour + HOUR or not all(column in row for column in _LIQUIDATED):
        return []
    long = told["side"] == "sell" if "side" in told else float(told["size"]) > 0
    column = _LIQUIDATED[0 if long else 1]
    return [(column, float(row[column]))]


def _read(
    row: Mapping[str, Any], told: Any, fields: Mapping[Any, str], place: str, file: str
) -> dict[str, list[Trace]]:
    """The values of a row that are these."""
    found = {}
    by_column: dict[str, dict[Any, Any]] = {}
    for field, column in fields.items():
        if column in row and column not in ("hour", "time") and not pd.isna(row[column]):
            raw = told.get(field) if isinstance(told, dict) else told[field] if len(told) > field else None
            if _is_number(raw):
                by_column.setdefault(column, {})[field] = raw
    for column, raws in by_column.items():
        value = float(row[column])
        same = {field: raw for field, raw in raws.items() if _same(row, value, float(raw))}
        if not same and len(raws) == 2 and _is_ratio(value, *map(float, raws.values())):
            same = raws
        if same:
            where = ((f"{place}[{json.dumps(field)}]", raw) for field, raw in same.items())
            found[column] = [Trace(column, value, spot, json.dumps(raw), file) for spot, raw in where]
    return found


def _is_number(raw: Any) -> bool:
    """Whether it can be; an answer that was refused is kept, too."""
    try:
        float(raw)
    except (TypeError, ValueError):
        return False
    return True


def _counts(row: Mapping[str, Any], at: pd.Timestamp, fields: Mapping[Any, str]) -> bool:
    """Whether what is told of this time is what a row's hour knew."""
    hour: datetime = row["hour"]
    if "hour" in fields.values():
        return bool(at == hour)
    if "funding_rate" in fields.values():
        return bool(row.get("funding_time") is not None and abs(at - row["funding_time"]) < timedelta(minutes=1))
    return bool(hour + HOUR - LONGEST_SNAPSHOT_AGE - PERIOD <= at <= hour + HOUR)


def _same(row: Mapping[str, Any], value: float, raw: float) -> bool:
    """Whether a value is what stands in an answer: of a bundle, or of a coin before it was renamed, by its size."""
    sizes = {1.0}
    if row.get("instrument"):
        sizes.add(float(renamed(as_listed(str(row["instrument"]))).multiplier))
    return any(isclose(value, raw * factor, rel_tol=1e-12) for size in sizes for factor in (size, 1 / size))


def _is_ratio(value: float, below: float, above: float) -> bool:
    return below != 0 and isclose(value, above / below, rel_tol=1e-12)
