"""How much of the service one caller may have: requests a minute, bytes of a body, and time to send it.

What belongs here: counting and cutting off. What does not: who a caller is (`security.py`).
"""

import asyncio
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cryptopattern_pipelines.api.errors import ApiError, error_answer

_MOST_CALLERS = 10_000  # remembered at once; beyond that the one that was away for longest is forgotten


class RateLimit:
    """So many requests a minute for each caller, as a bucket that fills evenly: a burst is one minute's worth.

    Safe for many threads. Memory is bounded, whatever addresses there are.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(a_minute)
        self._a_second = a_minute / 60.0
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> float:
        """Count a request; seconds that the caller has to wait for it, 0 when it may go on."""
        with self._lock:
            left = self._left(caller)
            taken = left >= 1.0
            self._keep(caller, left - 1.0 if taken else left)
            return 0.0 if taken else (1.0 - left) / self._a_second

    def wait(self, caller: str) -> float:
        """Seconds that a caller would have to wait for its next request; nothing is counted."""
        with self._lock:
            left = self._left(caller)
        return 0.0 if left >= 1.0 else (1.0 - left) / self._a_second

    def _left(self, caller: str) -> float:
        left, at = self._buckets.get(caller, (self._size, self._clock()))
        return min(self._size, left + (self._clock() - at) * self._a_second)

    def _keep(self, caller: str, left: float) -> None:
        self._buckets[caller] = (left, self._clock())
        self._buckets.move_to_end(caller)
        while len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)


def too_many(seconds: float, message: str = "too many requests: wait as long as Retry-After says") -> ApiError:
    """What a caller over its limit is told."""
    return ApiError(429, message, {"Retry-After": str(max(1, math.ceil(seconds)))})


class BodyLimit:
    """Cuts a body off that is too large or comes too slowly, while it is read, whatever its headers promise.

    Addresses that begin with one of `forms` take forms, and no other kind of body is read there.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, seconds: float, forms: tuple[str, ...]) -> None:
        self.app, self.most_bytes, self.seconds, self.forms = app, most_bytes, seconds, forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body is read through the limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A connection with a half-sent body can't be used again.
        closing = {"Connection": "close"}
        too_large = ApiError(413, f"a request may have at most {self.most_bytes:,} bytes", closing)
        too_slow = ApiError(408, f"the request's body did not come within {self.seconds:g} s", closing)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.most_bytes:
            await error_answer(scope, 413, too_large.detail, closing)(scope, receive, send)
            return
        kind = dict(scope["headers"]).get(b"content-type", b"").split(b";")[0].strip().lower()
        takes_forms = scope["method"] == "POST" and scope["path"].startswith(self.forms)
        if takes_forms and kind != b"multipart/form-data":
            told = "send the pictures as a form: multipart/form-data, field images"
            await error_answer(scope, 415, told, closing)(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        deadline, read, whole = loop.time() + self.seconds, 0, False

        async def limited() -> Message:
            nonlocal read, whole
            if whole:  # what comes after the body is the client's going away, and that may take as long as it likes
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                raise too_slow from None
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > self.most_bytes:
                raise too_large
            return message

        await self.app(scope, limited, send)
