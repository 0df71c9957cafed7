"""What is told to Sentry, as a server that speaks its protocol gets it: the error, and nothing that is anyone's."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cryptopattern_pipelines.api.queries import Database
from cryptopattern_pipelines.automation.failures import failures
from cryptopattern_pipelines.resources.notifier import Notifier
from cryptopattern_pipelines.resources.settings import Settings, SettingsError, load_settings
from cryptopattern_pipelines.tracking import ErrorTracker
from cryptopattern_tests.api.conftest import serving
from cryptopattern_tests.automation.test_failures import fail
from cryptopattern_tests.posts import taking_posts

pytest.importorskip("sentry_sdk")

SECRET, TOKEN = "a password of ours", "tgram://1234:token/5678"


class Sentry:
    """Takes envelopes, and keeps the events in them."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.dsn = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The second line of an item is the event, the first what it is."""
        items = [body.splitlines()[1:3] for body in self.bodies]
        return [json.loads(event) for kind, event in items if json.loads(kind)["type"] == "event"]


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with receiving() as found:
        yield found


@contextmanager
def receiving() -> Iterator[Sentry]:
    found = Sentry()

    def take(headers: Message, body: bytes) -> int:
        found.bodies.append((gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body).decode())
        return 200

    with taking_posts(take) as port:
        found.dsn = f"http://public@127.0.0.1:{port}/7"
        yield found


def settings_for(sentry: Sentry, folder: Path, **more: Any) -> Settings:
    given = {"database_url": f"postgresql://desk:{SECRET.replace(' ', '%20')}@127.0.0.1:1/db", "notify": TOKEN}
    return load_settings(data=folder, sentry_dsn=sentry.dsn, **{**given, **more})


def test_a_run_that_failed_for_good_is_told_with_job_partition_and_reason(sentry: Sentry, tmp_path: Path) -> None:
    sensor = failures(dg.DefaultSensorStatus.STOPPED, "http://ui", ErrorTracker(settings_for(sentry, tmp_path)))
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        for tick in range(3):
            if tick == 1:
                run = fail(instance)
                fail(instance, **{"dagster/will_retry": "true"})
            context = dg.build_sensor_context(instance, cursor=cursor, resources={"notifier": Notifier(())})
            cursor = sensor.evaluate_tick(context).cursor
    [event] = sentry.events
    assert event["event_id"] == run.run_id.replace("-", "")
    assert event["message"].startswith("hourly: ")
    assert "the process that ran it is gone" in event["message"]
    assert event["tags"] == {"job": "hourly", "partition": "2024-08-05-13:00", "run": run.run_id}


def test_an_error_of_the_service_is_told_and_nothing_of_who_asked(
    sentry: Sentry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Database) -> None:
        picture_bytes = b"\x89PNG secret pixels"
        raise RuntimeError(f"{TOKEN} failed on {tmp_path}/landing/alice-btc.png\n[parameters: {picture_bytes!r}]")

    monkeypatch.setattr(Database, "symbols", broken)
    with serving(settings_for(sentry, tmp_path)) as service:
        answer = service.client.get(
            "/api/v1/symbols", headers={"Authorization": "Bearer a-callers-key", "User-Agent": "someone's browser"}
        )
    assert answer.status_code == 500
    [event] = sentry.events
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "[hidden] failed on [folder]/[picture]")
    assert exception["stacktrace"]["frames"][-1]["function"] == "broken"
    assert event["tags"]["route"] == "/api/v1/symbols"
    assert event["tags"]["request"] == answer.headers["X-Request-Id"]
    [body] = sentry.bodies
    for never in (SECRET, "1234:token", "a-callers-key", "someone's", str(tmp_path), "testclient"):
        assert never not in body
    assert not {"request", "user", "breadcrumbs", "modules", "extra"} & set(event)
    assert event["server_name"] == "cryptopattern"
    assert not any("vars" in frame for frame in exception["stacktrace"]["frames"])


@pytest.mark.parametrize(
    "said",
    [
        "could not connect to postgresql://desk:hunter2@db/x",
        f"refused: {TOKEN}",
        "key " + "ab" * 32 + " is not known",
    ],
)
def test_secrets_are_taken_out_of_what_messages_say(sentry: Sentry, tmp_path: Path, said: str) -> None:
    tracker = ErrorTracker(settings_for(sentry, tmp_path, api_keys=f"desk:{'ab' * 32}"))
    tracker.run_failed("0" * 32, said, job="hourly")
    [event] = sentry.events
    assert "[hidden]" in event["message"]
    assert not any(secret in sentry.bodies[0] for secret in ("hunter2", "1234:token", "abab"))


def test_without_an_address_nothing_is_told_and_a_wrong_one_is_refused_by_name(tmp_path: Path) -> None:
    tracker = ErrorTracker(load_settings(data=tmp_path))
    tracker.exception(ValueError("x"))
    tracker.run_failed("0" * 32, "x")
    tracker.close()
    with pytest.raises(SettingsError, match=r"sentry_dsn.*https://KEY@HOST/NUMBER") as refused:
        load_settings(data=tmp_path, sentry_dsn="https://secret-part")
    assert "secret-part" not in str(refused.value)


def test_a_tracker_that_is_away_costs_a_run_nothing(tmp_path: Path, closed_port: Callable[[], int]) -> None:
    tracker = ErrorTracker(load_settings(data=tmp_path, sentry_dsn=f"http://public@127.0.0.1:{closed_port()}/7"))
    tracker.run_failed("0" * 32, "x")


@pytest.fixture
def closed_port() -> Callable[[], int]:
    from cryptopattern_tests.deploy.compose import free_port

    return free_port
