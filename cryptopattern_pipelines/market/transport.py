"""Questions to a venue's REST interface over HTTP: sent again when that may help, and told apart when it won't.

What belongs here: connections, retries, and what a status means. What does not: any venue's paths or fields.
"""

import asyncio
import email.utils
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from cryptopattern_pipelines.market.answers import VenueError

_BANNED = 418
_REFUSALS = {
    401: "asks for a key that this interface should not need: its address may be wrong",
    403: "refuses this address (firewall or too many requests): wait, or use another network",
    _BANNED: "has banned this address for asking too often",
    451: "is not available from this country: use another network, or leave the venue out",
}
# So many questions in a row without an answer, each sent several times, and the venue counts as down.
_DOWN_AFTER = 3


class RequestError(VenueError):
    """One question stayed without an answer; the venue may answer others."""


class VenueDownError(VenueError):
    """The venue answers nothing, or refuses to."""


@dataclass(frozen=True)
class Patience:
    """How long and how often a venue is asked.

    Args:
        timeout: seconds to connect, and between two pieces of an answer.
        attempts: how often one question is sent.
        pause: seconds before the second attempt, doubled for each one after, with up to as much again at random.
        longest_wait: seconds; a venue that asks for more by Retry-After counts as down.
        at_once: questions under way at once.
    """

    timeout: float = 10
    attempts: int = 4
    pause: float = 0.5
    longest_wait: float = 60
    at_once: int = 10


@dataclass(frozen=True)
class Answer:
    """What a venue answered: a status of 200 or of a client error (4xx), the JSON, and the venue's own time (UTC)."""

    status: int
    content: Any
    at: datetime


class Host:
    """One server of a venue, asked through one pool of connections.

    Args:
        name: for messages, e.g. "binance spot".
        client: with the server's base address.
        patience: see there.
        jitter: the source of chance in pauses.
        busy: tells from an answer's JSON that the venue asks to try again, for venues that say so in the body.
    """

    def __init__(
        self,
        name: str,
        client: httpx.AsyncClient,
        patience: Patience,
        jitter: random.Random,
        busy: Callable[[Any], bool] = lambda content: False,
    ) -> None:
        self.name = name
        self.down: str | None = None
        self._client = client
        self._patience = patience
        self._jitter = jitter
        self._busy = busy
        self._places = asyncio.Semaphore(patience.at_once)
        self._quiet_until = 0.0
        self._unanswered = 0

    async def get(self, path: str, **params: str | int) -> Answer:
        """Ask, and ask again after time-outs, broken answers, 5xx and 429.

        Raises:
            RequestError: no answer in the allowed attempts.
            VenueDownError: the venue refuses (403, 418, 451), asks for a longer wait, or has not answered others.
        """
        async with self._places:
            reason = ""
            for attempt in range(self._patience.attempts):
                if self.down:
                    raise VenueDownError(f"{self.name} {self.down}")
                await self._wait()
                status = 0
                try:
                    response = await self._client.get(path, params=params)
                    status = response.status_code
                    refusal = _REFUSALS.get(status)
                    if refusal:
                        raise self._give_up(refusal + _until(response))
                    if status == httpx.codes.TOO_MANY_REQUESTS:
                        reason = "answered 429, too many requests"
                        self._quieten(response, attempt)
                        continue
                    if status >= 500:
                        reason = f"answered {status}"
                        self._quieten(response, attempt)
                        continue
                    content = response.json()
                except (httpx.TimeoutException, httpx.TransportError) as error:
                    reason = f"did not answer ({type(error).__name__})"
                    await asyncio.sleep(self._pause(attempt))
                    continue
                except (json.JSONDecodeError, UnicodeDecodeError, httpx.DecodingError):
                    reason = f"answered {status} with broken JSON"
                    await asyncio.sleep(self._pause(attempt))
                    continue
                if self._busy(content):
                    reason = f"is busy ({content})"
                    self._quieten(response, attempt)
                    continue
                self._unanswered = 0
                return Answer(response.status_code, content, _time_of(response))
            self._unanswered += 1
            if self._unanswered >= _DOWN_AFTER:
                raise self._give_up(f"{reason} {self._unanswered} times over")
            raise RequestError(f"{self.name} {reason} to {path} in {self._patience.attempts} attempts: try again later")

    def _give_up(self, reason: str) -> VenueDownError:
        self.down = reason
        return VenueDownError(f"{self.name} {reason}")

    async def _wait(self) -> None:
        while (left := self._quiet_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)

    def _quieten(self, response: httpx.Response, attempt: int) -> None:
        """Let all questions to the venue wait, as long as it asks for, else as after any failure."""
        asked = _retry_after(response)
        if asked is not None and asked > self._patience.longest_wait:
            raise self._give_up(f"asks to be left alone for {asked:.0f} s: try again after that")
        seconds = self._pause(attempt) if asked is None else asked
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + seconds)

    def _pause(self, attempt: int) -> float:
        return self._patience.pause * 2**attempt * (1 + self._jitter.random())


def _until(response: httpx.Response) -> str:
    asked = _retry_after(response)
    return f" (for {asked:.0f} s more)" if asked is not None else ""


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait: Retry-After holds them, or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until - _time_of(response)).total_seconds())


def _time_of(response: httpx.Response) -> datetime:
    """The server's clock; this machine's own may be wrong, and serves only where the server tells none."""
    try:
        return email.utils.parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
