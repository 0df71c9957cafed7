"""Quotas are kept whatever way a venue's intervals begin, and a host that fails is left alone and tried again."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.market import limits
from cryptopattern_pipelines.market.answers import VenueError
from cryptopattern_pipelines.market.limits import Breaker, Cost, Memory, Meter, Quota
from cryptopattern_pipelines.market.transport import Host, Patience, RequestError, Sent, VenueDownError


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0, 3), st.floats(0, 2)), min_size=1, max_size=60),
    st.integers(4, 9),
)
def test_no_interval_of_a_venues_holds_more_than_it_allows(asked: list[tuple[int, float, float]], most: int) -> None:
    meter, now, arrived = Meter(Quota(most, 10)), 0.0, []
    for weight, think, travel in asked:
        now += think
        while (pause := meter.pause(weight, now)) > 0:
            now += pause
        meter.take(weight)
        # It reaches the venue somewhere between being sent and being answered.
        arrived.append((now + travel * 0.5, weight))
        now += travel
        meter.give_back(weight, now)
    for begin, _ in arrived:
        assert sum(weight for when, weight in arrived if begin <= when < begin + 10) <= most


def test_what_others_behind_the_address_used_counts() -> None:
    meter = Meter(Quota(100, 60, used="used"))
    meter.take(1)
    meter.heed({"used": "99"}, 0.0)
    meter.give_back(1, 0.0)
    assert meter.pause(1, 1.0) == 0.0
    assert meter.pause(2, 1.0) == pytest.approx(59, abs=0.1)


def test_a_plans_limit_is_learned_from_its_header() -> None:
    meter = Meter(Quota(30, 60, allowed="allowed"))
    meter.heed({"allowed": "300"}, 0.0)
    assert meter.most == 300


def test_a_breaker_opens_rests_tries_and_closes() -> None:
    breaker = Breaker()
    breaker.open("did not answer", 30, now=0)
    assert breaker.refuses(29)
    assert not breaker.on_trial(29)
    assert breaker.on_trial(31)
    breaker.close()
    assert not breaker.refuses(0)
    assert not breaker.on_trial(100)


Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


def asked(
    answers: Answers,
    clock: Clock,
    times: int,
    *,
    memory: Memory | None = None,
    patience: Patience | None = None,
    **more: Any,
) -> list[object]:
    """What a host made of so many questions, one after the other: an answer's content or the error."""

    async def all_of_them() -> list[object]:
        async with httpx.AsyncClient(base_url="http://venue", transport=httpx.MockTransport(answers)) as client:
            host = Host(
                "venue",
                client,
                patience or Patience(),
                random.Random(1),
                memory=memory or Memory(clock=clock),
                **more,
            )
            found: list[object] = []
            for number in range(times):
                try:
                    found.append((await host.get("/path", number=number)).content)
                except VenueError as error:
                    found.append(error)
            return found

    return asyncio.run(all_of_them())


def test_a_dead_host_is_left_alone_and_one_question_tries_it_later(clock: Clock) -> None:
    seen = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(clock())
        return httpx.Response(503 if clock() < 1100 else 200, json=[])

    memory = Memory(clock=clock)
    first = asked(answers, clock, 6, memory=memory)
    assert [type(error) for error in first] == [RequestError] * 2 + [VenueDownError] * 4
    # Three questions of four attempts each; the others weren't sent.
    assert len(seen) == 12
    clock.now = max(clock.now, memory.breaker.until) + 1
    failed = asked(answers, clock, 1, memory=memory) if clock() < 1100 else []
    assert all(isinstance(error, VenueDownError) for error in failed)
    clock.now = 1101 + memory.breaker.rest
    assert asked(answers, clock, 2, memory=memory) == [[], []]
    assert memory.breaker.reason is None


def test_a_failed_trial_doubles_the_rest(clock: Clock) -> None:
    memory = Memory(clock=clock)
    asked(lambda request: httpx.Response(503), clock, 3, memory=memory)
    rests = [memory.breaker.rest]
    for _ in range(2):
        clock.now = memory.breaker.until + 1
        asked(lambda request: httpx.Response(503), clock, 1, memory=memory)
        rests.append(memory.breaker.rest)
    assert rests == [30, 60, 120]


def test_a_ban_lasts_as_long_as_the_venue_says_and_over_calls(clock: Clock) -> None:
    memory, seen = Memory(clock=clock), []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(418, headers={"Retry-After": "120"})

    asked(answers, clock, 3, memory=memory)
    clock.now += 119
    asked(answers, clock, 3, memory=memory)
    assert len(seen) == 1
    assert asked(lambda request: httpx.Response(200, json=[1]), Clock(), 1) == [[1]]


def test_a_slow_venue_is_cut_off_but_not_for_the_time_that_its_limits_take(clock: Clock) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        clock.now += 9
        return httpx.Response(200, json=[])

    slow = asked(answers, clock, 40, patience=Patience(deadline=100))
    assert sum(answer == [] for answer in slow) == 12
    assert "was too slow" in str(slow[-1])
    quota = Quota(2, 60)
    within = asked(answers, clock, 40, patience=Patience(deadline=400), costs=lambda path, params: [Cost("all", quota)])
    assert within == [[]] * 40


def test_429_without_a_header_is_waited_out_for_longer_than_a_minute(clock: Clock) -> None:
    begun = clock()

    def answers(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429) if clock() < begun + 60 else httpx.Response(200, json=[])

    assert asked(answers, clock, 1) == [[]]


def test_a_path_that_is_gone_is_asked_for_once_and_not_again_later(clock: Clock) -> None:
    seen = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404, text="not found")

    [error] = asked(answers, clock, 1)
    assert isinstance(error, VenueError)
    assert not error.passing
    assert "venue has no /path" in str(error)
    assert len(seen) == 1


def test_a_process_remembers_a_host_until_it_forgets() -> None:
    limits.memory_of("http://venue/", "venue").breaker.open("is down", 30, 0)
    assert limits.memory_of("http://venue", "venue").breaker.reason == "is down"
    assert limits.memory_of("http://venue", "another").breaker.reason is None
    limits.forget()
    assert limits.memory_of("http://venue", "venue").breaker.reason is None


def _late(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("it took too long")


def _gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no such host")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda _: httpx.Response(200, json=[]), "ok"),
        (lambda _: httpx.Response(400, json={"code": -1121}), "client_error"),
        (lambda _: httpx.Response(429), "too_many"),
        (lambda _: httpx.Response(451), "refused"),
        (lambda _: httpx.Response(502), "server_error"),
        (lambda _: httpx.Response(200, text="<html>a proxy's page</html>"), "broken"),
        (_late, "timeout"),
        (_gone, "unreachable"),
    ],
)
def test_every_question_that_was_sent_is_told_with_what_came_of_it(
    answer: Callable[[httpx.Request], httpx.Response], outcome: str
) -> None:
    async def ask() -> list[Sent]:
        told: list[Sent] = []
        async with httpx.AsyncClient(base_url="http://venue", transport=httpx.MockTransport(answer)) as client:
            patience = Patience(attempts=2, busy_attempts=2, pause=0.001)
            host = Host("okx", client, patience, random.Random(0), tell=told.append)
            with suppress(VenueError):
                await host.get("/api/v5/market/candles", instId="BTC-USDT")
        return told

    told = asyncio.run(ask())
    again = outcome not in {"ok", "client_error", "refused"}
    assert [(each.host, each.path, each.outcome) for each in told] == [("okx", "/api/v5/market/candles", outcome)] * (
        2 if again else 1
    )
    assert all(0 <= each.seconds < 5 for each in told)
