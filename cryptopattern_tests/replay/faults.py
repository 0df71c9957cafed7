"""How an answer goes wrong on its way: each fault spoils one, and is injected by `Server.faults` or `.lasting`."""

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
        if isinstance(content.get("data"), list):
            return replace(reply, body=as_json({**content, "data": spoil(content["data"])}).body)
        return reply

    return fault


out_of_order = _of_rows(lambda rows: rows[::-1])
duplicated = _of_rows(lambda rows: [row for row in rows for _ in range(2)])
empty = _of_rows(lambda rows: [])


def next_page(reply: Reply, query: Query, ask: Ask) -> Reply:
    """The page after the one that was asked for, of hours: onwards from `startTime`, backwards from `after`."""
    page = 3_600_000 * int(query["limit"])
    if "startTime" in query:
        return ask({**query, "startTime": str(int(query["startTime"]) + page)})
    return ask({**query, "after": str(int(query["after"]) - page)})


def page_before(reply: Reply, query: Query, ask: Ask) -> Reply:
    """The page before the one that was asked for, once more."""
    page = 3_600_000 * int(query["limit"])
    if "startTime" in query:
        start = int(query["startTime"])
        return ask({**query, "startTime": str(start - page), "endTime": str(start - 1)})
    return ask({**query, "after": str(int(query["after"]) + page)})


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


new_field = _of_rows(lambda rows: [_with_more(row) for row in rows])
