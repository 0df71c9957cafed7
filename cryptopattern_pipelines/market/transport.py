"""Questions to a venue's REST interface over HTTP: within its limits, and sent again when that may help.

What belongs here: connections, retries, deadlines, and what a status means. What does not: any venue's paths, fields
or limits, or the counting (`limits.py`).
"""

import asyncio
import email.utils
import random
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from cryptopattern_pipelines.market.answers import AnswerError, VenueError
from cryptopattern_pipelines.market.limits import Cost, Costs, Memory, unlimited

_BANNED = 418
# What a status says, and how long the venue is left alone where it doesn't say.
_REFUSALS = {
    401: ("asks for a key that this interface should not need: its address may be wrong", 3600),
    403: ("refuses this address (firewall or too many requests): wait, or use another network", 300),
    _BANNED: ("has banned this address for asking too often", 300),
    451: (
        "is not available from this country: use another network, or leave the venue out of CRYPTOPATTERN_VENUES",
        3600,
    ),
}
# So many questions in a row without an answer, each sent several times, and the venue counts as down.
_DOWN_AFTER = 3
_LONGEST_REST = 600

_T = TypeVar("_T")


class RequestError(VenueError):
    """One question stayed without an answer; the venue may answer others."""


class VenueDownError(VenueError):
    """The venue answers nothing, or refuses to."""


class _AgainError(Exception):
    """A question may be sent again: why, what came if anything did, and whether the venue is asked too often."""

    def __init__(self, reason: str, response: httpx.Response | None = None, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.response = response
        self.busy = busy


@dataclass(frozen=True)
class Patience:
    """How long and how often a venue is asked.

    Args:
        timeout: seconds to connect, and between two pieces of an answer.
        longest_answer: seconds for a whole answer, however it trickles in.
        attempts: how often one question is sent.
        busy_attempts: how often it is sent to a venue that says it is asked too often.
        pause: seconds before the second attempt, doubled for each one after, with up to as much again at random.
        longest_wait: seconds; a venue that asks for more by Retry-After counts as down.
        at_once: questions under way at once.
        deadline: seconds for all questions of up to a day to one venue, without those that its limits made us wait.
        rest: seconds that a venue without answers is left alone, doubled each time that its trial fails.
    """

    timeout: float = 10
    longest_answer: float = 30
    attempts: int = 4
    busy_attempts: int = 8
    pause: float = 0.5
    longest_wait: float = 60
    at_once: int = 10
    deadline: float = 240
    rest: float = 30


@dataclass(frozen=True)
class Answer:
    """What a venue answered: a status of 200 or of a client error (4xx), the JSON, and the venue's own time (UTC)."""

    status: int
    content: Any
    at: datetime


@dataclass(frozen=True)
class Raw:
    """One answer as it came, of whatever status: the question, which attempt it was (from 0), and the response."""

    host: str
    path: str
    params: Mapping[str, str | int]
    attempt: int
    response: httpx.Response


@dataclass(frozen=True)
class Sent:
    """One question as it was sent once, and what came of it.

    `outcome` is `ok`, `client_error` (another 4xx), `too_many`, `refused`, `server_error`, `timeout`, `unreachable`, or
    `broken` for an answer that is no JSON; `seconds` is until the answer, or until it was given up.
    """

    host: str
    path: str
    outcome: str
    seconds: float


class Host:
    """One server of a venue, asked through one pool of connections, for as long as one call of a source lasts.

    Args:
        name: for messages, e.g. "binance spot".
        client: with the server's base address.
        patience: see there.
        jitter: the source of chance in pauses.
        costs: the venue's limits.
        busy: tells from an answer's JSON that the venue asks to try again, for venues that say so in the body.
        memory: what is known of the server from before.
        days: how many days the call asks for, which lengthen its deadline.
        wall: this machine's clock, UTC.
        keep: is handed every answer, where raw answers are kept.
        tell: is handed every question that was sent, once it is over.
    """

    def __init__(
        self,
        name: str,
        client: httpx.AsyncClient,
        patience: Patience,
        jitter: random.Random,
        *,
        costs: Costs = unlimited,
        busy: Callable[[Any], bool] = lambda content: False,
        memory: Memory | None = None,
        days: float = 1,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        keep: Callable[[Raw], None] | None = None,
        tell: Callable[[Sent], None] | None = None,
    ) -> None:
        self.name = name
        self.wall = wall
        # Fields that answers have and their documentation has not: path and field.
        self.new_fields: set[tuple[str, str]] = set()
        self._client = client
        self._patience = patience
        self._jitter = jitter
        self._costs = costs
        self._busy = busy
        self._memory = memory or Memory()
        self._keep = keep
        self._tell = tell
        self._places = asyncio.Semaphore(patience.at_once)
        self._trial = asyncio.Lock()
        self._queues: dict[Hashable, asyncio.Lock] = {}
        self._quiet_until = 0.0
        self._allowed = patience.deadline * max(1.0, days)
        self._deadline = self._now() + self._allowed
        self._waits_until = 0.0

    async def get(self, path: str, **params: str | int) -> Answer:
        """Ask, within the venue's limits; ask again after time-outs, broken answers, 5xx and 429.

        Raises:
            AnswerError: there is no such path any more.
            RequestError: no answer in the allowed attempts.
            VenueDownError: the venue refuses (403, 418, 451), asks for a longer wait, has not answered others, or was
                too slow for the deadline.
        """
        if self._memory.breaker.on_trial(self._now()):
            async with self._trial:
                # The first that came is the trial; the others waited for how it goes.
                if self._memory.breaker.on_trial(self._now()):
                    return await self._ask(path, params, attempts=1)
        return await self._ask(path, params, self._patience.attempts)

    def closed_until(self, answer: Answer) -> datetime:
        """Up to when hours are over: by the venue's clock and this machine's, since either may run fast."""
        return min(answer.at, self.wall())

    async def _ask(self, path: str, params: Mapping[str, str | int], attempts: int) -> Answer:
        failed, busy = 0, 0
        while True:
            costs = self._costs(path, params)
            await self._turn(costs)
            try:
                answer = await self._send(path, params, costs, failed + busy)
            except _AgainError as again:
                reason = str(again)
                wait = self._pause(busy if again.busy else failed)
                if again.busy:
                    busy += 1
                else:
                    failed += 1
                if again.response is not None:
                    self._quieten(again.response, wait)
                    wait = 0.0
            else:
                self._memory.breaker.close()
                return answer
            finally:
                for cost in costs:
                    self._memory.meter(cost).give_back(cost.weight, self._now())
            if failed >= attempts or busy >= (1 if attempts == 1 else self._patience.busy_attempts):
                raise self._unanswered(path, reason, failed + busy)
            await asyncio.sleep(wait)

    async def _send(self, path: str, params: Mapping[str, str | int], costs: list[Cost], attempt: int) -> Answer:
        """Send a question once.

        Raises:
            _AgainError: it may be sent again.
            VenueError: it may not.
        """
        status = 0
        try:
            async with self._places:
                await self._quiet()
                self._check()
                response = await self._answer(path, params)
            status = response.status_code
            for cost in costs:
                self._memory.meter(cost).heed(response.headers, self._now())
            if self._keep:
                self._keep(Raw(self.name, path, params, attempt, response))
            if status in _REFUSALS:
                raise self._refused(response)
            if status == httpx.codes.TOO_MANY_REQUESTS:
                raise _AgainError("answered 429, too many requests", response, busy=True)
            if status >= 500:
                raise _AgainError(f"answered {status}", response)
            content = response.json()
        except (TimeoutError, httpx.TimeoutException, httpx.TransportError) as error:
            raise _AgainError(f"did not answer ({type(error).__name__})") from error
        # JSON that is nested too deeply, or has a number of thousands of digits, is no JSONDecodeError.
        except (ValueError, RecursionError, httpx.DecodingError) as error:
            if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                reason = f"{self.name} has no {path} (status {status}): its interface may have changed, report it"
                raise AnswerError(reason, passing=False) from error
            raise _AgainError(f"answered {status} with broken JSON") from error
        if self._busy(content):
            raise _AgainError(f"is busy ({content})", response, busy=True)
        return Answer(status, content, _time_of(response))

    async def _answer(self, path: str, params: Mapping[str, str | int]) -> httpx.Response:
        """The answer to a question that is sent now, and its account to who wants to know.

        Raises:
            TimeoutError, httpx.TransportError: there is none.
        """
        began, outcome = self._now(), "unreachable"
        try:
            async with asyncio.timeout(min(self._patience.longest_answer, self._left())):
                response = await self._client.get(path, params=dict(params))
            outcome = _outcome_of(response)
        except (TimeoutError, httpx.TimeoutException):
            outcome = "timeout"
            raise
        except httpx.DecodingError:
            outcome = "broken"
            raise
        finally:
            if self._tell:
                self._tell(Sent(self.name, path, outcome, self._now() - began))
        return response

    def _now(self) -> float:
        return self._memory.clock()

    def _left(self) -> float:
        return max(self._deadline - self._now(), 0.0)

    def _check(self) -> None:
        """Raise when the venue is not to be asked, or no longer."""
        breaker = self._memory.breaker
        if breaker.refuses(self._now()):
            raise VenueDownError(f"{self.name} {breaker.reason}")
        if self._left() <= 0:
            # The next call needn't find out anew.
            raise self._rest(f"was too slow: not all answers came within {self._allowed:.0f} s: try again later")

    async def _turn(self, costs: list[Cost]) -> None:
        """Wait until all the quotas have room for a request, in the order of asking, and take it."""
        for cost in costs:
            meter = self._memory.meter(cost)
            try:
                async with self._queues.setdefault(cost.key, asyncio.Lock()):
                    while (pause := meter.pause(cost.weight, self._now())) > 0:
                        self._check()
                        self._lengthen(pause)
                        await asyncio.sleep(pause)
                    meter.take(cost.weight)
            except BaseException:
                for taken in costs[: costs.index(cost)]:
                    self._memory.meter(taken).give_back(taken.weight, self._now())
                raise

    def _lengthen(self, pause: float) -> None:
        """Let the deadline wait as well; pauses of several quotas at one time count once."""
        now = self._now()
        added = now + pause - max(now, self._waits_until)
        if added > 0:
            self._waits_until = now + pause
            self._deadline += added

    async def _quiet(self) -> None:
        while (left := self._quiet_until - self._now()) > 0:
            self._check()
            await asyncio.sleep(min(left, self._left()))

    def _refused(self, response: httpx.Response) -> VenueDownError:
        words, seconds = _REFUSALS[response.status_code]
        asked = _retry_after(response)
        until = f" (for {asked:.0f} s more)" if asked is not None else ""
        return self._give_up(words + until, seconds if asked is None else asked)

    def _unanswered(self, path: str, reason: str, times: int) -> VenueError:
        breaker = self._memory.breaker
        breaker.failures += 1
        if breaker.failures >= _DOWN_AFTER:
            return self._rest(f"{reason} {breaker.failures} times over: try again later")
        return RequestError(f"{self.name} {reason} to {path} in {times} attempts: try again later")

    def _rest(self, reason: str) -> VenueDownError:
        breaker = self._memory.breaker
        breaker.rest = min(breaker.rest * 2 or self._patience.rest, _LONGEST_REST)
        return self._give_up(reason, breaker.rest)

    def _give_up(self, reason: str, seconds: float) -> VenueDownError:
        self._memory.breaker.open(reason, seconds, self._now())
        return VenueDownError(f"{self.name} {reason}")

    def _quieten(self, response: httpx.Response, seconds: float) -> None:
        """Let all questions to the venue wait, as long as it asks for, else as after any failure."""
        asked = _retry_after(response)
        if asked is not None and asked > self._patience.longest_wait:
            raise self._give_up(f"asks to be left alone for {asked:.0f} s: try again after that", asked)
        wait = min(seconds, self._patience.longest_wait) if asked is None else asked
        self._quiet_until = max(self._quiet_until, self._now() + wait)

    def _pause(self, attempt: int) -> float:
        return self._patience.pause * 2**attempt * (1 + self._jitter.random())


def _outcome_of(response: httpx.Response) -> str:
    """What an answer comes to, as `Sent` has it."""
    status = response.status_code
    if status in _REFUSALS:
        return "refused"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return "too_many"
    if status >= 400:
        return "server_error" if status >= 500 else "client_error"
    # Reading it a second time costs less than what follows from it; a page of a proxy is told by its beginning.
    return "ok" if response.content.lstrip()[:1] in {b"{", b"["} else "broken"


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait: Retry-After holds them, or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    if text.isascii() and text.strip().isdigit():
        return float(text)
    until = _date(text)
    return None if until is None else max(0.0, (until - _time_of(response)).total_seconds())


def _time_of(response: httpx.Response) -> datetime:
    """The server's clock, or this machine's where the server tells none."""
    return _date(response.headers.get("Date", "")) or datetime.now(UTC)


def _date(text: str) -> datetime | None:
    """A date of HTTP, which is in UTC whatever it says of its zone; None for what is none."""
    try:
        told = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


async def gathered(questions: Sequence[Coroutine[Any, Any, _T]]) -> list[_T | VenueError]:
    """The answers to all, a venue's failure being one; any other error ends the rest."""

    async def answer(question: Coroutine[Any, Any, _T]) -> _T | VenueError:
        try:
            return await question
        except VenueError as error:
            return error

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(question)) for question in questions]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
