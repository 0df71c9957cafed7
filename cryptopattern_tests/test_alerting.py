"""Alerts reach people once: sent, refused, cut off, too old; and rules are refused in a line without their secrets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from click.testing import CliRunner

from cryptopattern_pipelines import alerting
from cryptopattern_pipelines.automation.alerts import alerts
from cryptopattern_pipelines.cli import main
from cryptopattern_pipelines.resources.alert_rules import AlertRules, AlertRulesError
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.deliveries import DeliveryLog
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ALERTS
from cryptopattern_tests.automation.test_failures import Mailbox, receiving

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
RULES = '[[rule]]\nname = "r"\n'


def alert(hours_ago: int, symbol: str = "BTC", status: str = "NEW") -> dict[str, Any]:
    return {
        "hour": THIS_HOUR - hours_ago * HOUR, "rule": "r", "symbol": symbol, "claim": "SHORT_SQUEEZE",
        "kind": "analysis", "side": "long", "price": 100.0, "severity": "MAJOR", "probability": 72.0, "status": status,
        "odds_of": "all", "odds_pct": 54.0, "interval_low_pct": 45.0, "interval_high_pct": 63.0, "sample_size": 118,
        "base_rate_pct": 47.0, "base_sample_size": 365, "lift": 1.15, "verdict": "NO_EDGE",
        "sentence": "Shorts hold 78 % of the liquidations.",
    }  # fmt: skip


class Desk:
    """An installation with a rules file, and ticks of the sensor."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store.of(settings)
        self.sensor = alerts(dg.DefaultSensorStatus.STOPPED, settings)

    def rules(self, text: str) -> None:
        (self.settings.data / "alerts.toml").write_text(text)

    def tell(self, *rows: dict[str, Any]) -> None:
        frame = SQUEEZE_ALERTS.conform(rows).sort_values(list(SQUEEZE_ALERTS.key))
        window = (THIS_HOUR - 48 * HOUR, THIS_HOUR)
        self.store.table(SQUEEZE_ALERTS).write(frame, *window)
        assert self.settings.database_url
        postgres.publish(self.settings.database_url, SQUEEZE_ALERTS, lambda: frame, *window)

    def tick(self) -> str:
        resources = {
            "store": self.store,
            "database": ServingDatabase(self.settings),
            "alert_rules": AlertRules.of(self.settings),
        }
        with dg.DagsterInstance.ephemeral() as instance:
            return self.sensor.evaluate_tick(dg.build_sensor_context(instance, resources=resources)).skip_message or ""

    def sql(self, question: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.settings.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(question)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def wait(self) -> None:
        """As if the time to the next attempt had gone by."""
        self.sql("UPDATE serving.alert_deliveries SET next_attempt_at = now() - interval '1 minute'")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with receiving() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, fresh_database: Callable[[], str], box: Mailbox) -> Desk:
    made = Desk(load_settings(data=tmp_path, database_url=fresh_database(), notify=box.address, automation=False))
    assert made.settings.database_url
    postgres.migrate(made.settings.database_url)
    made.rules(RULES)
    return made


def test_an_alert_is_sent_once_with_its_odds_and_a_link(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(1), alert(2, status="COOLDOWN"), alert(1, "ETH", "QUIET"))
    assert desk.tick() == "1 sent"
    assert desk.tick() == "nothing new"
    [message] = box.messages
    assert message["title"] == "BTC: short squeeze, MAJOR, score 72 of 100"
    assert "right in 54 % of 24 hours (95 %: 45 to 63 %, n = 118)" in message["message"]
    assert "base rate of any hour: 47 % (n = 365)" in message["message"]
    assert "\nhttp://127.0.0.1:5000/symbols/BTC?days=7" in message["message"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"base_rate_pct": None}, "base rate of any hour: not known; NO_EDGE."),
        ({"interval_low_pct": None}, "(interval not known)"),
        ({"odds_pct": None}, "What such analyses were worth is not known yet."),
        ({"kind": "forecast"}, "Chance within 24 hours: 54 % (95 %: 45 to 63 %, n = 118); base rate: 47 % (n = 365)."),
        ({"kind": "squeeze"}, "it has no odds. In any 24 hours such a squeeze begins in 47 % (n = 365)."),
        ({"kind": "squeeze", "base_rate_pct": None}, "Seen, not foretold: it has no odds."),
    ],
)
def test_odds_are_told_as_far_as_they_are_known(changed: dict[str, Any], told: str) -> None:
    [row] = SQUEEZE_ALERTS.conform([alert(1) | changed]).to_dict("records")
    assert told in alerting.odds_told({str(name): value for name, value in row.items()})


def test_an_alert_whose_picture_can_not_be_drawn_is_sent_without_it(desk: Desk, box: Mailbox) -> None:
    broken = Path(desk.settings.store_root) / "exchange_snapshots" / f"date={THIS_HOUR - HOUR:%Y-%m-%d}"
    broken.mkdir(parents=True)
    (broken / f"{THIS_HOUR - HOUR:%H}.parquet").write_bytes(b"no Parquet")
    desk.tell(alert(1))
    told = desk.tick()
    assert told.startswith("1 sent; the last failure: sent without its picture: ")
    assert len(box.messages) == 1
    assert desk.tick() == "nothing new"


def test_addresses_that_differ_in_their_secrets_alone_are_told_apart() -> None:
    users = [f"pover://u{middle * 28}z@{'a' * 30}" for middle in "bc"]
    assert len({alerting.label_of(user) for user in users}) == 2
    assert all("b" * 28 not in alerting.label_of(user) for user in users)


def test_what_is_old_is_never_sent_and_the_log_says_so(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(4), alert(40, "ETH"), alert(40, status="COOLDOWN"))
    assert desk.tick() == "2 too old to be sent"
    assert desk.tick() == "nothing new"
    assert box.messages == []
    noted = desk.sql("SELECT symbol, status, attempts, last_error FROM serving.alert_deliveries ORDER BY symbol")
    assert noted == [(symbol, "TOO_OLD", 0, "older than 3 hours when it was found") for symbol in ("BTC", "ETH")]


def test_what_is_old_and_of_no_rule_or_told_within_its_cool_down_is_no_loss(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(1))
    desk.tick()
    desk.rules("max_age_hours = 0.001\n" + RULES)
    desk.tell(alert(2), alert(1), alert(30) | {"rule": "of before"})
    assert desk.tick() == "nothing new"
    assert len(box.messages) == 1
    desk.tell(alert(7), alert(1))
    assert desk.tick() == "1 too old to be sent"


def test_an_old_alert_keeps_no_newer_one_from_being_told(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(5))
    assert desk.tick() == "1 too old to be sent"
    desk.tell(alert(5), alert(1))
    assert desk.tick() == "1 sent"
    assert len(box.messages) == 1


def test_of_many_alerts_the_most_severe_get_a_message_and_one_lists_all_others(desk: Desk, box: Mailbox) -> None:
    desk.rules("messages = 3\n" + RULES)
    crash = [alert(1, f"C{number}") | {"probability": 65.0 + number} for number in range(9)]
    extreme = [alert(1, f"X{number}") | {"severity": "EXTREME", "probability": 90.0} for number in range(4)]
    desk.tell(*crash, *extreme)
    assert desk.tick() == "13 sent"
    assert desk.tick() == "nothing new"
    *alone, last = box.messages
    assert [message["title"] for message in alone] == [
        f"X{number}: short squeeze, EXTREME, score 90 of 100" for number in range(3)
    ]
    assert last["title"] == "10 more alerts: 1 EXTREME, 9 MAJOR"
    assert last["message"].splitlines() == [
        "short squeeze, EXTREME, score: X3 90",
        "short squeeze, MAJOR, score: C8 73, C7 72, C6 71, C5 70, C4 69, C3 68, C2 67, C1 66, C0 65",
        f"{THIS_HOUR:%Y-%m-%d %H:%M} UTC.",
        "What such scores were worth, beside any hour's base rate: http://127.0.0.1:5000/",
    ]


def test_one_alert_more_than_messages_gets_its_own(desk: Desk, box: Mailbox) -> None:
    desk.rules("messages = 2\n" + RULES)
    desk.tell(*(alert(1, f"C{number}") for number in range(3)))
    assert desk.tick() == "3 sent"
    assert sorted(message["title"][:3] for message in box.messages) == ["C0:", "C1:", "C2:"]


def test_a_list_that_was_not_taken_is_sent_again(desk: Desk, box: Mailbox) -> None:
    desk.rules("messages = 1\n" + RULES)
    desk.tell(*(alert(1, f"C{number}") for number in range(5)))
    box.status = 500
    assert desk.tick().startswith("5 failed, tried again; the last failure: ")
    box.status = 200
    assert desk.tick() == "nothing new"  # it waits
    desk.wait()
    assert desk.tick() == "5 sent"
    assert [message["title"] for message in box.messages[-2:]] == [
        "C0: short squeeze, MAJOR, score 72 of 100",
        "4 more alerts: 4 MAJOR",
    ]
    assert desk.sql("SELECT DISTINCT status, attempts FROM serving.alert_deliveries") == [("SENT", 2)]


def test_a_list_tells_chances_beside_their_base_rate_and_that_it_may_have_come() -> None:
    forecast = {"kind": "forecast", "claim": "up_move", "severity": None, "probability": 12.0, "base_rate_pct": 4.0}
    seen = {"kind": "squeeze", "probability": None}
    rows = SQUEEZE_ALERTS.conform(
        [alert(1) | forecast, alert(2, "ETH") | forecast | {"base_rate_pct": None}, alert(1, "SOL") | seen]
    )
    title, body = alerting.digest(rows.to_dict("records"), "http://here/", again=True)
    assert title == "3 more alerts: 1 MAJOR"
    assert body.splitlines() == [
        "short squeeze, MAJOR, under way: SOL",
        "up move, chance within 24 hours, base rate: BTC 12 % (4 %), ETH 12 % (not known)",
        f"{THIS_HOUR - HOUR:%Y-%m-%d %H:%M} to {THIS_HOUR:%Y-%m-%d %H:%M} UTC.",
        "What such scores were worth, beside any hour's base rate: http://here/",
        "Sending was cut off before: some of this may have come already.",
    ]


def test_a_list_longer_than_a_service_takes_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    discord = "apprise.plugins.discord.NotifyDiscord"

    def taken(_self: Any, payload: Any, **_: Any) -> bool:
        parts.append(str(payload))
        return True

    monkeypatch.setattr(f"{discord}._send", taken)
    monkeypatch.setattr(f"{discord}.throttle", lambda *_, **__: None)
    rows = SQUEEZE_ALERTS.conform([alert(1, f"COIN{number}") for number in range(600)])
    title, body = alerting.digest(rows.to_dict("records"), "http://here/")
    assert alerting.send(f"discord://{'1' * 18}/{'a' * 68}", title, body, split=True) is None
    assert len(parts) > 1
    assert all(any(f"COIN{number} 72" in part for part in parts) for number in (0, 599))


def test_what_was_not_taken_is_sent_again_and_later_each_time(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(1))
    box.status = 500
    assert "answered 500" in desk.tick()
    assert desk.tick() == "nothing new"  # it waits
    desk.wait()
    desk.tick()
    waits = desk.sql("SELECT attempts, next_attempt_at - now() > interval '100 seconds' FROM serving.alert_deliveries")
    assert waits == [(2, True)]
    box.status = 200
    desk.wait()
    assert desk.tick() == "1 sent"
    [message] = box.messages
    assert "may have come already" not in message["message"]


def test_a_service_that_stays_away_is_given_up(desk: Desk) -> None:
    desk.rules(RULES + 'to = "json://127.0.0.1:9/secret-token"\n')
    desk.tell(alert(1))
    for _ in range(alerting.MOST_ATTEMPTS):
        desk.tick()
        desk.wait()
    assert "1 given up" in desk.tick()
    [(status, error)] = desk.sql("SELECT status, last_error FROM serving.alert_deliveries")
    assert (status, error) == ("GIVEN_UP", "not taken in 8 attempts; the last time: not reached")
    assert "secret" not in str(desk.sql("SELECT * FROM serving.alert_deliveries"))


def test_a_sender_that_is_killed_before_it_notes_what_came_sends_it_again_and_says_so(
    desk: Desk, box: Mailbox, tmp_path: Path
) -> None:
    desk.tell(alert(1))
    program = (
        "from cryptopattern_pipelines.resources.settings import load_settings\n"
        "from cryptopattern_tests.test_alerting import Desk\n"
        "Desk(load_settings()).tick()"
    )
    environment = {
        **os.environ,
        "CRYPTOPATTERN_DATA": str(tmp_path),
        "CRYPTOPATTERN_DATABASE_URL": str(desk.settings.database_url),
        "CRYPTOPATTERN_NOTIFY": box.address,
        "PYTHONPATH": str(PROJECT),
    }
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as sender:
        # The message has come, and its sender does not learn of it.
        box.arrived = sender.kill
    assert sender.returncode == -signal.SIGKILL
    assert desk.sql("SELECT status, attempts FROM serving.alert_deliveries") == [("SENDING", 1)]
    box.arrived = lambda: None
    assert desk.tick() == "nothing new"  # the killed one's lock is gone, and the next attempt is not due
    desk.wait()
    assert desk.tick() == "1 sent"
    desk.wait()
    assert desk.tick() == "nothing new"
    first, second = box.messages
    assert "may have come already" not in first["message"]
    assert "may have come already" in second["message"]
    assert first["title"] == second["title"]


def test_what_was_taken_without_an_answer_in_time_says_that_it_may_have_come(desk: Desk, box: Mailbox) -> None:
    desk.rules(RULES + f'to = "{box.address}?rto=0.3"\n')
    desk.tell(alert(1))
    box.arrived = lambda: time.sleep(0.6)
    assert "no answer" in desk.tick()
    box.arrived = lambda: None
    box.status = 503  # and what is surely refused after it doesn't make it certain
    desk.wait()
    assert "answered 503" in desk.tick()
    box.status = 200
    desk.wait()
    assert desk.tick() == "1 sent"
    assert ["may have come already" in message["message"] for message in box.messages] == [False, True]


def test_hours_that_are_run_again_tell_nothing_within_the_cool_down_of_what_was_sent(desk: Desk, box: Mailbox) -> None:
    desk.tell(alert(1))
    desk.tick()
    desk.tell(alert(2), alert(1, status="COOLDOWN"))
    assert desk.tick() == "nothing new"
    assert len(box.messages) == 1


def test_one_sender_is_at_work_at_a_time(desk: Desk) -> None:
    desk.tell(alert(1))
    assert desk.settings.database_url
    with DeliveryLog.held(desk.settings.database_url):
        assert desk.tick() == "another sender is at work"


def test_without_a_rules_file_nothing_is_sent(desk: Desk, box: Mailbox) -> None:
    (desk.settings.data / "alerts.toml").unlink()
    desk.tell(alert(1))
    assert "there are no rules" in desk.tick()
    assert box.messages == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "rule: there is none"),
        ("rule = 3", "rule: "),
        ("[[rule]", "is no TOML"),
        (RULES + 'severity = "HUGE"', "rule 'r': severity: "),
        (RULES + "probability = 101", "rule 'r': probability: "),
        (RULES + 'symbols = ["BTC/EUR"]', "rule 'r': symbols: "),
        (RULES + "symbols = []", "rule 'r': symbols: "),
        (RULES + 'quiet = "10pm"', "rule 'r': quiet: write quiet hours as 22:00-07:00"),
        (RULES + 'timezone = "Mars/Base"', "rule 'r': timezone: 'Mars/Base' is no time zone"),
        ("messages = 0\n" + RULES, "messages: "),
        (RULES + "cooldown_hours = 25", "rule 'r': cooldown_hours: "),
        (RULES + "colour = 1", "rule 'r': colour: no such field"),
        (RULES + 'kind = "squeeze"\nprobability = 5', "rule 'r': probability says nothing of the kind squeeze"),
        (RULES + RULES, "rule 'r': name: two rules have it"),
        (RULES + 'to = "nonsense://hunter22"', "rule 'r': to: holds an address that Apprise does not know"),
    ],
)
def test_a_broken_file_is_refused_in_a_line_that_names_the_fault(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(text)
    with pytest.raises(AlertRulesError) as wrong:
        AlertRules(file, True, ()).read()
    assert str(wrong.value).startswith(f"{file}: ")
    assert said in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert "hunter22" not in str(wrong.value)


def test_symbols_may_be_spelled_any_way(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(RULES + 'symbols = ["btcusdt", "ETH-USDT-SWAP"]\nquiet = "22:00-07:00"\ntimezone = "Europe/Berlin"')
    [rule] = AlertRules(file, True, ()).read().rules
    assert rule.symbols == ("BTC", "ETH")
    assert rule.quiet is not None
    assert rule.quiet.zone.key == "Europe/Berlin"


def test_the_command_tries_addresses_without_showing_them(
    tmp_path: Path, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTOPATTERN_NOTIFY", f"{box.address} json://user:hunter22@127.0.0.1:9/")
    (tmp_path / "alerts.toml").write_text(RULES)
    done = CliRunner().invoke(main, ["alerts", "--test"])
    assert done.exit_code == 1
    assert "delivered" in done.output
    assert "not reached" in done.output
    assert "hunter22" not in done.output
    dry = CliRunner().invoke(main, ["alerts", "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "0 alerts by 1 rules" in dry.output
    assert len(box.messages) == 1


def test_a_picture_goes_with_the_alert(box: Mailbox) -> None:
    assert alerting.send(box.address, "title", "body", b"\x89PNG\r\n\x1a\n picture") is None
    message: dict[str, Any] = dict(box.messages[0])
    assert [attached["mimetype"] for attached in message["attachments"]] == ["image/png"]
