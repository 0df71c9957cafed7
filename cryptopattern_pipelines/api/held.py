"""An answer that is held for a few seconds, since all callers get the same.

What belongs here: when it is made anew. What does not: what it says.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Held(Generic[T]):
    """What a function answers, asked anew when it is older than so many seconds; by one caller, and others wait."""

    def __init__(self, make: Callable[[], T], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._lock = threading.Lock()
        self._made: T | None = None
        self._at = 0.0

    def __call__(self) -> T:
        """The answer; a failure is the caller's, and is not held."""
        with self._lock:
            if self._made is None or time.monotonic() - self._at > self._seconds:
                asked_at = time.monotonic()
                self._made, self._at = self._make(), asked_at
            return self._made
