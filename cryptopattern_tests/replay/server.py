"""A local server that answers by routes, within limits, and with faults by a script.

What belongs here: HTTP. What does not: how a venue answers (`venues.py`), counts (`limits.py`) or fails (`faults.py`).
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

Query = dict[str, str]


@dataclass(frozen=True)
class Reply:
    """One answer.

    `cut` closes the connection after half of the body, `stall` seconds later; `wait` is seconds before the answer
    comes; `skew` is seconds by which its Date runs fast.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0
    cut: bool = False
    stall: float = 0
    skew: float = 0


Route = Callable[[str, Query], Reply | None]
# Says no to a question that is one too many, by the server's clock in seconds; and what every answer's headers add.
Keeper = Callable[[str, Query, float], tuple[Reply | None, dict[str, str]]]
# Spoils an answer, given the question and how the venue would answer another one.
Fault = Callable[[Reply, Query, Callable[[Query], Reply]], Reply]


def as_json(content: Any, status: int = 200, **more: Any) -> Reply:
    """An answer that says this in JSON."""
    return Reply(json.dumps(content).encode(), status, **more)


class Server:
    """What a test sees of a running server: its address, what it was asked, and faults to come.

    `faults[path]` are answered first, one a question, in their order; `lasting[path]` spoils every answer until it is
    taken away. `now` is the clock that its answers bear, `latency` seconds before each of them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, Query]] = []
        self.faults: defaultdict[str, list[Reply | Fault]] = defaultdict(list)
        self.lasting: dict[str, Fault] = {}
        self.now: pd.Timestamp | None = None
        self.latency = 0.0
        self.refused = 0
        self.lock = threading.Lock()

    def asked_for(self, path: str) -> list[Query]:
        """The questions to one path, in their order."""
        return [query for asked, query in self.asked if asked == path]


@contextmanager
def serving(*routes: Route, keepers: tuple[Keeper, ...] = ()) -> Iterator[Server]:
    """Serve these routes on a loopback port; the first that knows a path answers, else it is 404."""

    def answer(path: str, query: Query) -> Reply:
        return next((reply for route in routes if (reply := route(path, query))), Reply(b"not found", 404))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: in two, the second waits for the first to be acknowledged.
        wbufsize = -1

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query))
            with server.lock:
                server.asked.append((target.path, query))
                waiting = server.faults[target.path]
                fault = waiting.pop(0) if waiting else server.lasting.get(target.path)
                told = [keeper(target.path, query, time.time()) for keeper in keepers]
                headers = {name: value for _, more in told for name, value in more.items()}
                refusal = next((reply for reply, _ in told if reply), None)
                server.refused += refusal is not None
            if refusal is not None:
                reply = refusal
            elif isinstance(fault, Reply):
                reply = fault
            else:
                reply = answer(target.path, query)
                if fault is not None:
                    reply = fault(reply, query, lambda other: answer(target.path, other))
            self.send(replace(reply, headers={**headers, **reply.headers}))

        do_HEAD = do_GET  # noqa: N815

        def send(self, reply: Reply) -> None:
            time.sleep(reply.wait + server.latency)
            self.send_response_only(reply.status)
            moment = server.now if server.now is not None else pd.Timestamp.now("UTC")
            moment += pd.Timedelta(seconds=reply.skew)
            self.send_header("Date", format_datetime(moment.to_pydatetime(), usegmt=True))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            if reply.stall:
                self.wfile.flush()
                time.sleep(reply.stall)
            self.close_connection = reply.cut

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet: `Server.asked` tells what was asked."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = Server(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def files_of(folder: Path) -> Route:
    """An archive's mirror: the files of this folder."""

    def route(path: str, query: Query) -> Reply | None:
        place = folder / path.lstrip("/")
        return Reply(place.read_bytes()) if place.is_file() else None

    return route
