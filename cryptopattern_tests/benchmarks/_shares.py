"""Which parts of a program took the time of a stretch of work: by the clock, and of the processor."""

import inspect
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, NamedTuple
from unittest import mock

REST = "rest"


class Part(NamedTuple):
    """A function, by the object that holds it, and the share that its time counts for."""

    owner: Any
    function: str
    share: str


class Shares:
    """Seconds by share; what a part calls of another part counts for the other alone."""

    def __init__(self) -> None:
        self.clock: defaultdict[str, float] = defaultdict(float)
        self.processor: defaultdict[str, float] = defaultdict(float)
        self._inside = [REST]
        self._thread = threading.get_ident()
        self._last = time.perf_counter(), time.process_time()

    @contextmanager
    def measured(self, parts: list[Part]) -> Iterator["Shares"]:
        """Count the parts' time while the body runs, in this thread; all else is the rest."""
        self._last = time.perf_counter(), time.process_time()
        with ExitStack() as patched:
            for owner, function, share in parts:
                counted = self._counted(getattr(owner, function), share)
                patched.enter_context(mock.patch.object(owner, function, counted))
            yield self
            self._charge()

    def _charge(self) -> None:
        now = time.perf_counter(), time.process_time()
        self.clock[self._inside[-1]] += now[0] - self._last[0]
        self.processor[self._inside[-1]] += now[1] - self._last[1]
        self._last = now

    @contextmanager
    def _in(self, share: str) -> Iterator[None]:
        if threading.get_ident() != self._thread:
            yield
            return
        self._charge()
        self._inside.append(share)
        try:
            yield
        finally:
            self._charge()
            self._inside.pop()

    def _counted(self, function: Callable[..., Any], share: str) -> Callable[..., Any]:
        @wraps(function)
        def steps(*given: Any, **named: Any) -> Iterator[Any]:
            going = function(*given, **named)
            while True:
                with self._in(share):
                    try:
                        step = next(going)
                    except StopIteration:
                        return
                yield step

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            with self._in(share):
                return function(*given, **named)

        return steps if inspect.isgeneratorfunction(function) else call
