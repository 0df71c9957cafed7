"""How much a venue may be asked: quotas that are kept before it has to say so, and a breaker for one that fails.

What belongs here: counting and waiting, and what is remembered of a host from one question to the next in a process.
What does not: what a venue's limits are (`binance.py`, `okx.py`, …) or what an HTTP status means (`transport.py`).
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

# What is under way has to come back before the meter can tell more: looked at again after so many seconds.
_GLANCE = 0.02


@dataclass(frozen=True)
class Quota:
    """A limit that a venue sets: at most `most` of weight within any `seconds`.

    Args:
        most: requests, or weight where requests weigh differently.
        seconds: the interval.
        used: header by which the venue tells how much this address has used in the running interval, if it does.
        allowed: header by which it tells `most`, for limits that depend on a plan.
    """

    most: float
    seconds: float
    used: str = ""
    allowed: str = ""


@dataclass(frozen=True)
class Cost:
    """What one request takes from one quota; requests of the same `key` share it."""

    key: Hashable
    quota: Quota
    weight: float = 1


class Costs(Protocol):
    """A venue's limits: the costs of a request to `path` with these parameters."""

    def __call__(self, path: str, params: Mapping[str, str | int]) -> list[Cost]:
        """What the request takes, quota by quota."""
        ...


def unlimited(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """The costs at a venue without limits."""
    return []


class Meter:
    """How much of a quota is used.

    A request's weight counts from before it is sent until `seconds` after its answer has come: the venue counted it
    somewhere between the two, so whatever way its intervals begin, no interval of its holds more than it allows.
    """

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.most = quota.most
        self._under_way = 0.0
        self._done: deque[tuple[float, float]] = deque()
        self._done_sum = 0.0

    def pause(self, weight: float, now: float) -> float:
        """Seconds until a request of this weight may be sent, 0 when it may be sent now; then look again."""
        self._forget(now)
        over = self._done_sum + self._under_way + min(weight, self.most) - self.most
        if over <= 0:
            return 0.0
        freed = 0.0
        for when, each in self._done:
            freed += each
            if freed >= over:
                return max(when + self.quota.seconds - now, 0.0) + 0.001
        return _GLANCE

    def take(self, weight: float) -> None:
        """A request is about to be sent."""
        self._under_way += weight

    def give_back(self, weight: float, now: float) -> None:
        """Its answer has come, or won't."""
        self._under_way -= weight
        self._add(weight, now)

    def heed(self, headers: Mapping[str, str], now: float) -> None:
        """Take over what the venue says: others behind the same address use the quota too."""
        allowed, used = (_number(headers.get(name)) if name else None for name in (self.quota.allowed, self.quota.used))
        if allowed:
            self.most = allowed
        self._forget(now)
        if used is not None and used > self._done_sum + self._under_way:
            self._add(used - self._done_sum - self._under_way, now)

    def _add(self, weight: float, now: float) -> None:
        self._done.append((now, weight))
        self._done_sum += weight

    def _forget(self, now: float) -> None:
        while self._done and self._done[0][0] + self.quota.seconds <= now:
            self._done_sum -= self._done.popleft()[1]
        if not self._done:
            self._done_sum = 0.0


@dataclass
class Breaker:
    """Keeps a failing venue from being asked: opens, rests, lets one question through, and closes if that went well.

    Args:
        reason: why it is open; None when it is closed.
        until: when the rest ends, by the meter's clock.
        failures: questions without an answer since the last one with.
        rest: how long the last rest was for want of answers, seconds.
    """

    reason: str | None = None
    until: float = 0.0
    failures: int = 0
    rest: float = 0.0

    def refuses(self, now: float) -> bool:
        """Whether it is open, and not yet time for a trial."""
        return self.reason is not None and now < self.until

    def on_trial(self, now: float) -> bool:
        """Whether it is open, and time to let one question through."""
        return self.reason is not None and now >= self.until

    def open(self, reason: str, seconds: float, now: float) -> None:
        """Ask nothing for so many seconds."""
        self.reason, self.until = reason, now + seconds

    def close(self) -> None:
        """An answer has come."""
        self.reason, self.failures, self.rest = None, 0, 0.0


@dataclass
class Memory:
    """What is known of one host: how much of its quotas is used, and whether it is to be asked at all."""

    breaker: Breaker = field(default_factory=Breaker)
    meters: dict[Hashable, Meter] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def meter(self, cost: Cost) -> Meter:
        """The meter of a quota."""
        return self.meters.setdefault(cost.key, Meter(cost.quota))


_MEMORIES: dict[tuple[str, str], Memory] = {}


def memory_of(url: str, name: str) -> Memory:
    """What this process remembers of the interface of this name at an address, from the first question on."""
    return _MEMORIES.setdefault((url.rstrip("/"), name), Memory())


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def forget(url: str | None = None) -> None:
    """Forget the hosts at an address, or all of them, as a new process would."""
    for known in list(_MEMORIES):
        if url is None or known[0] == url.rstrip("/"):
            del _MEMORIES[known]
