"""Failures are told once, where people want to be told, and again when the message did not arrive."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from email.message import Message
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from cryptopattern_pipelines.automation.failures import SILENT_AFTER, failures, silence
from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.automation.sensors import ATTEMPT_TAG, MISSED_TAG, MOST_ATTEMPTS
from cryptopattern_pipelines.resources.notifier import DeliveryError, Notifier
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES
from cryptopattern_tests.posts import taking_posts

# The clock of the events that runs leave.
RECORDS_AT = "dagster._core.instance.methods.event_methods.get_current_timestamp"
UI = "http://127.0.0.1:3000"
HOUR_LONG = timedelta(hours=1)
HOUR = {"dagster/partition": "2024-08-05-13:00"}


class Mailbox:
    """A webhook: what it was sent, and the status that it answers."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.status = 200
        self.address = ""
        # Called when a message has come and is not answered yet.
        self.arrived: Callable[[], object] = lambda: None


@contextmanager
def receiving() -> Iterator[Mailbox]:
    box = Mailbox()

    def take(_headers: Message, body: bytes) -> int:
        message = json.loads(body)
        if box.status == 200:
            box.messages.append(message)
        box.arrived()
        return box.status

    with taking_posts(take) as port:
        box.address = f"json://127.0.0.1:{port}"
        yield box


class Ticks:
    def __init__(self, instance: dg.DagsterInstance, *addresses: str) -> None:
        self.instance = instance
        self.notifier = Notifier(addresses)
        self.cursor: str | None = None
        self.sensor = failures(dg.DefaultSensorStatus.STOPPED, UI)

    def tick(self) -> str:
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, resources={"notifier": self.notifier})
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return result.skip_message or ""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


def fail(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = create_run_for_test(instance, "hourly", tags={**HOUR, **tags}, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "the process that ran it is gone")
    return run


def test_a_failure_is_told_once_with_its_partition_its_reason_and_a_link(instance: dg.DagsterInstance) -> None:
    with receiving() as box:
        ticks = Ticks(instance, box.address)
        fail(instance)
        ticks.tick()
        assert box.messages == []  # it failed before the sensor began
        run = fail(instance)
        ticks.tick()
        ticks.tick()
    [message] = box.messages
    assert message["title"] == "cryptopattern: hourly, 2024-08-05-13:00: failed"
    assert "the process that ran it is gone" in message["message"]
    assert f"{UI}/runs/{run.run_id}" in message["message"]


def test_a_clock_that_is_put_back_hides_no_failure_and_tells_none_twice(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_clock(hours: int) -> None:
        """Runs are recorded, and the sensor looks, by a clock that is so far ahead."""

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(hours=hours)

        monkeypatch.setattr("cryptopattern_pipelines.automation.failures.datetime", Clock)
        monkeypatch.setattr(RECORDS_AT, lambda: Clock.now(UTC).timestamp())

    with receiving() as box:
        ticks = Ticks(instance, box.address)
        put_clock(6)
        ticks.tick()
        fail(instance)
        ticks.tick()
        put_clock(0)
        fail(instance)
        ticks.tick()
        ticks.tick()
    assert len(box.messages) == 2


def test_what_is_tried_again_by_itself_is_not_told(instance: dg.DagsterInstance) -> None:
    with receiving() as box:
        ticks = Ticks(instance, box.address)
        ticks.tick()
        fail(instance, **{"dagster/will_retry": "true"})
        for attempt in range(1, MOST_ATTEMPTS + 1):
            fail(instance, **{MISSED_TAG: "2024-08-05T13:00:00+00:00", ATTEMPT_TAG: str(attempt)})
        ticks.tick()
    assert len(box.messages) == 2  # the first attempt at the gap, and the last


def test_a_message_that_was_not_delivered_is_sent_again(instance: dg.DagsterInstance) -> None:
    with receiving() as box:
        ticks = Ticks(instance, box.address)
        ticks.tick()
        fail(instance)
        box.status = 500
        assert "sent again" in ticks.tick()
        box.status = 200
        ticks.tick()
        ticks.tick()
    assert len(box.messages) == 1


def test_without_an_address_a_failure_is_told_in_the_log_alone(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    ticks.tick()
    fail(instance)
    assert ticks.tick() == "told 1 failures"
    assert ticks.tick() == "no run has failed"


def test_the_reason_is_the_deepest_cause_of_the_step_that_failed(instance: dg.DagsterInstance) -> None:
    @dg.op
    def market_candles() -> None:
        try:
            raise OSError("connection refused")
        except OSError as cause:
            raise RuntimeError("no venue answered") from cause

    @dg.job(tags={PROCESS_TAG: "here:1:1"})
    def hourly() -> None:
        market_candles()

    with receiving() as box:
        ticks = Ticks(instance, box.address)
        ticks.tick()
        hourly.execute_in_process(instance=instance, raise_on_error=False)
        ticks.tick()
    assert "market_candles: OSError: connection refused" in box.messages[0]["message"]


def test_hours_that_stay_away_are_told_once_and_once_when_they_come_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    store = Store(root=str(tmp_path))
    sensor = silence(dg.DefaultSensorStatus.STOPPED, UI)
    cursor: str | None = None

    def tick() -> None:
        nonlocal cursor
        resources = {"store": store, "notifier": Notifier((box.address,))}
        result = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=cursor, resources=resources))
        cursor = result.cursor

    with receiving() as box:
        tick()  # nothing was ever run: a fresh installation is not silent
        store.table(SQUEEZE_ANALYSES).write([], now - 9 * HOUR_LONG, now - SILENT_AFTER + HOUR_LONG)
        tick()
        assert box.messages == []
        (tmp_path / SQUEEZE_ANALYSES.name).rename(tmp_path / "moved")
        store.table(SQUEEZE_ANALYSES).write([], now - 9 * HOUR_LONG, now - SILENT_AFTER)
        box.status = 500
        tick()
        box.status = 200
        tick()
        tick()
        assert [message["title"] for message in box.messages] == ["cryptopattern: no hour has come"]
        (tmp_path / SQUEEZE_ANALYSES.name).rename(tmp_path / "a month ago")
        tick()  # as silent as before, though no hour of the last month is left
        assert len(box.messages) == 1
        store.table(SQUEEZE_ANALYSES).write([], now - HOUR_LONG, now)
        tick()
        tick()
    assert [message["title"] for message in box.messages][1:] == ["cryptopattern: hours come again"]


def test_an_address_that_apprise_does_not_know_is_told_by_its_number_alone() -> None:
    with pytest.raises(DeliveryError, match="address 1 of CRYPTOPATTERN_NOTIFY is none") as wrong:
        Notifier(("nonsense://secret",)).send("a", "b")
    assert "secret" not in str(wrong.value)


def test_addresses_stay_secret_in_the_settings() -> None:
    settings = load_settings(notify="tgram://token/chat json://host")
    assert Notifier.of(settings).addresses == ("tgram://token/chat", "json://host")
    assert "token" not in repr(settings)
