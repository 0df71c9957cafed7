"""How an answer goes wrong on its way: each fault spoils one, and is injected by `Server.faults` or `.lasting`."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptopattern_tests.replay.server import Fault, Query, Reply, as_json

Ask = Callable[[Query], Reply]


def time_out(reply: Reply, query: Query, ask: Ask) -> Reply:
    """Half of the body, and then nothing for longer than a client waits."""
    return replace(reply, cut=True, stall=0.6)


def truncated(reply: Reply, query: Query, ask: Ask) -> Reply:
    """JSON that ends in the middle, as if it were whole."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def status(code: int, **headers: str) -> Fault:
    """A status and nothing to say."""
    return lambda reply, query, ask: Reply(b"{}", code, headers={n.replace("_", "-"): v for n, v in headers.items()})


def skewed(seconds: float) -> Fault:
    """A clock that runs fast, or slow."""
    return lambda reply, query, ask: replace(reply, skew=seconds)


def _of_rows(spoil: Callable[[list[Any]], list[Any]]) -> Fault:
    """A fault of the rows in an answer, whatever form the venue wraps them in."""

    def fault(reply: Reply, query: Query, ask: Ask) -> Reply:
        content = json.loads(reply.body)
        if isinstance(content, list):
            return replace(reply, body=as_json(spoil(content)).body)
        for name in ("data", "symbols"):
            if isinstance(content.get(name), list):
                return replace(reply, body=as_json({**content, name: spoil(content[name])}).body)
        return reply

    return fault


out_of_order = _of_rows(lambda rows: rows[::-1])
duplicated = _of_rows(lambda rows: [row for row in rows for _ in range(2)])
empty = _of_rows(lambda rows: [])
halved = _of_rows(lambda rows: rows[: len(rows) // 2])


def next_page(reply: Reply, query: Query, ask: Ask) -> Reply:
    """The page after the one that was asked for: onwards from `startTime`, backwards from `after` or `end`."""
    return _shifted(reply, query, ask, 1)


def page_before(reply: Reply, query: Query, ask: Ask) -> Reply:
    """The page before the one that was asked for, once more."""
    return _shifted(reply, query, ask, -1)


def _shifted(reply: Reply, query: Query, ask: Ask, pages: int) -> Reply:
    """The answer so many pages on, each as long in time as the one that was asked for."""
    if "from" in query:
        span = int(query["to"]) - int(query["from"])
        return ask({**query, **{name: str(int(query[name]) + pages * span) for name in ("from", "to")}})
    times = _times(json.loads(reply.body))
    if not times:
        return reply
    # The next row begins a step after the last: of one row, an hour.
    step = min((b - a for a, b in itertools.pairwise(times) if b > a), default=3_600_000)
    span = times[-1] - times[0] + step
    for begin, end in (("startTime", "endTime"), ("start_time", "end_time")):
        if begin in query:
            first = times[0] + pages * span
            return ask({**query, begin: str(first), end: str(first + span - 1)})
    name = "end" if "end" in query else "after"
    return ask({**query, name: str(int(query[name]) - pages * span)}) if name in query else reply


def _times(content: Any) -> list[int]:
    """The times of an answer's rows, sorted."""
    rows = content if isinstance(content, list) else content.get("data", [])
    rows = [each for row in rows for each in (row.get("details", [row]) if isinstance(row, dict) else [row])]
    names = ("fundingTime", "timestamp", "time", "ts")
    told = [row[0] if isinstance(row, list) else next((row[n] for n in names if n in row), None) for row in rows]
    return sorted(int(each) for each in told if each is not None)


def _retyped(value: Any) -> Any:
    """Numbers as text and text that is a number as a number; objects and lists field by field."""
    if isinstance(value, dict):
        return {name: _retyped(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_retyped(each) for each in value]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


retyped = _of_rows(lambda rows: [_retyped(row) for row in rows])


def _renamed(value: Any) -> Any:
    """Objects with other names; lists, which have none, with fields gone."""
    if isinstance(value, dict):
        return {f"{name}New": _renamed(each) for name, each in value.items()}
    return value[:2] if isinstance(value, list) and len(value) > 2 and not isinstance(value[0], dict) else value


renamed = _of_rows(lambda rows: [_renamed(row) for row in rows])


def _with_more(value: Any) -> Any:
    return {**value, "brandNew": 1} if isinstance(value, dict) else [*value, "brandNew"]


def as_it_is(reply: Reply, query: Query, ask: Ask) -> Reply:
    """No fault: it lets one go by before the one that is meant."""
    return reply


new_field = _of_rows(lambda rows: [_with_more(row) for row in rows])
