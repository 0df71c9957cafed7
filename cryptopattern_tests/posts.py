"""A server on loopback that takes what is posted to it, as a webhook or an error tracker does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def taking_posts(take: Callable[[Message, bytes], int]) -> Iterator[int]:
    """The port of a server that hands headers and body of each POST to `take`, and answers the status it gives back."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = take(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name for it)
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
