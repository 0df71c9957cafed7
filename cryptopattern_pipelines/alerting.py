"""Alerts from the store to people: which rows there are, what is said, and sending each once.

What belongs here: reading the store, the message, and the order of sending and noting. What does not: which hours are
alerts (`squeeze/alerts.py`), and the log itself (`storage/deliveries.py`).

An alert is sent at least once: the log says that a message is begun before it is sent, and that it was taken right
after. Where that can't be known, since the sender died between the two or a service did not answer in time, it is sent
again, saying that it may have come before: a squeeze told twice does less harm than one never told.
"""

import hashlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import quote

import apprise
import pandas as pd
from apprise.attachment.memory import AttachMemory

from cryptopattern_pipelines import for_people, plots
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.resources.alert_rules import RuleBook
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.squeeze import alerts, events
from cryptopattern_pipelines.storage import schemas
from cryptopattern_pipelines.storage.deliveries import Delivery, DeliveryLog, Key
from cryptopattern_pipelines.storage.parquet import UnreadablePartitionError

FIRST_WAIT = timedelta(minutes=1)
# The waits double: the last attempt is some two hours after the first.
MOST_ATTEMPTS = 8
# A tick of a sensor has 60 s; the last message of it is begun by then, and may wait for two answers.
_BUDGET_SECONDS = 25.0
# Apprise waits for 4, and a picture takes its time: what is given up too early comes twice.
_ANSWER_SECONDS = 15.0
_HOUR = timedelta(hours=1)
_PICTURE_HOURS = timedelta(hours=72)

# Hours of before are history, of which a backfill may bring a year: nobody waits to be told of them.
_NOTED_HOURS = timedelta(days=7)

# Why a message may have come though nobody said so.
_CUT_OFF = "no answer"

Row = Mapping[str, Any]


def alerts_of(store: Store, window: Window, rules: Iterable[alerts.Rule]) -> pd.DataFrame:
    """SQUEEZE_ALERTS of a window by these rules, from the store's tables; nothing is written."""
    rules = tuple(rules)
    kinds = {rule.kind for rule in rules}
    chain = Window(alerts.lookback_start(window.start), window.end)
    days = Window(chain.start, window.end.replace(hour=0))
    settings = events.DEFAULTS
    under_way = pd.DataFrame()
    if "squeeze" in kinds:
        under_way = events.squeezes_under_way(
            store.read(
                schemas.EXCHANGE_SNAPSHOTS, chain.reaching_back(settings.snapshots_lookback), events.SNAPSHOT_COLUMNS
            ),
            store.read(
                schemas.REALISED_LIQUIDATIONS,
                chain.reaching_back(settings.liquidations_lookback),
                events.LIQUIDATION_COLUMNS,
            ),
            store.read(
                schemas.DERIVATIVES_METRICS, chain.reaching_back(settings.event_lookback), events.METRIC_COLUMNS
            ),
            *chain,
            settings,
        )
    return alerts.squeeze_alerts(
        alerts.Known(
            store.read(schemas.SQUEEZE_ANALYSES, chain, alerts.ANALYSIS_COLUMNS),
            store.read(schemas.SQUEEZE_FORECASTS, chain, alerts.FORECAST_COLUMNS),
            under_way,
            store.read(schemas.WIN_RATES, days.reaching_back(alerts.RATES_LOOKBACK), alerts.RATE_COLUMNS),
        ),
        rules,
        *window,
    )


def odds_told(row: Row) -> str:
    """An alert's odds beside their base rate, in a sentence."""
    base = "not known"
    if not _missing(row["base_rate_pct"]):
        base = f"{row['base_rate_pct']:.0f} % (n = {row['base_sample_size']})"
    if row["kind"] == "squeeze":
        if _missing(row["base_rate_pct"]):
            return "Seen, not foretold: it has no odds."
        return f"Seen, not foretold: it has no odds. In any 24 hours such a squeeze begins in {base}."
    if _missing(row["odds_pct"]):
        return "What such analyses were worth is not known yet."
    interval = (
        "interval not known"
        if _missing(row["interval_low_pct"])
        else f"95 %: {row['interval_low_pct']:.0f} to {row['interval_high_pct']:.0f} %, n = {row['sample_size']}"
    )
    if row["kind"] == "forecast":
        return f"Chance within 24 hours: {row['odds_pct']:.0f} % ({interval}); base rate: {base}."
    return (
        f"Such analyses were right in {row['odds_pct']:.0f} % of 24 hours ({interval}); base rate of any hour: {base}; "
        f"{row['verdict']}."
    )


def _missing(value: Any) -> bool:
    return bool(pd.isna(value))


def message(row: Row, link: str, *, again: bool = False) -> tuple[str, str]:
    """Title and text of an alert."""
    claim = str(row["claim"]).replace("_", " ").lower()
    how = {
        "analysis": f"score {row['probability']:.0f} of 100",
        "forecast": f"chance {row['probability']:.0f} %",
        "squeeze": "under way",
    }[row["kind"]]
    severity = "" if _missing(row["severity"]) else f", {row['severity']}"
    price = "" if _missing(row["price"]) else f"Price {for_people.price(row['price'])} USD. "
    ends = row["hour"] + _HOUR
    lines = [
        row["sentence"],
        odds_told(row),
        f"{price}{ends:%Y-%m-%d %H:%M} UTC, rule {row['rule']}.",
        link,
        *(["Sending was cut off before: this may have come already."] if again else []),
    ]
    return f"{row['symbol']}: {claim}{severity}, {how}", "\n".join(lines)


def digest(rows: Sequence[Row], overview: str, *, again: bool = False) -> tuple[str, str]:
    """Title and text of one message that lists many alerts, the most severe first.

    Args:
        rows: SQUEEZE_ALERTS, at least one.
        overview: where all of them can be looked at.
        again: whether it may have come before.
    """
    groups: dict[tuple[int, str, str], list[Row]] = {}
    for row in sorted(rows, key=_weight):
        groups.setdefault((-_rank(row), row["kind"], row["claim"]), []).append(row)
    lines = []
    for (rank, kind, claim), alike in groups.items():
        severity = f", {schemas.SEVERITIES[-rank - 1]}" if rank else ""
        what = {"analysis": "score", "forecast": "chance within 24 hours, base rate", "squeeze": "under way"}[kind]
        listed = ", ".join(dict.fromkeys(map(_listed, alike)))
        lines.append(f"{claim.replace('_', ' ').lower()}{severity}, {what}: {listed}")
    hours = sorted({f"{row['hour'] + _HOUR:%Y-%m-%d %H:%M}" for row in rows})
    lines += [
        f"{hours[0]} UTC." if len(hours) == 1 else f"{hours[0]} to {hours[-1]} UTC.",
        f"What such scores were worth, beside any hour's base rate: {overview}",
        *(["Sending was cut off before: some of this may have come already."] if again else []),
    ]
    severe = Counter(row["severity"] for row in rows if not _missing(row["severity"]))
    counted = ", ".join(f"{severe[name]} {name}" for name in reversed(schemas.SEVERITIES) if severe[name])
    return f"{len(rows)} more alerts{f': {counted}' if counted else ''}", "\n".join(lines)


def _listed(row: Row) -> str:
    """An alert in a list: its symbol and number."""
    if row["kind"] == "analysis":
        return f"{row['symbol']} {row['probability']:.0f}"
    if row["kind"] == "forecast":
        base = "not known" if _missing(row["base_rate_pct"]) else f"{row['base_rate_pct']:.0f} %"
        return f"{row['symbol']} {row['probability']:.0f} % ({base})"
    return str(row["symbol"])


def _rank(row: Row) -> int:
    """How severe an alert is: 0 where it has no severity, 1 for the least."""
    return 0 if _missing(row["severity"]) else schemas.SEVERITIES.index(row["severity"]) + 1


def _weight(row: Row) -> tuple[Any, ...]:
    """What alerts are sorted by where not each of them gets a message: the most severe first, then the newest."""
    score = 0.0 if _missing(row["probability"]) else row["probability"]
    return -_rank(row), -row["hour"].timestamp(), -score, row["symbol"]


def link_to(settings: Settings, row: Row) -> str:
    """Where an alert can be looked at: the symbol's page."""
    return f"{settings.public_url}/symbols/{quote(row['symbol'])}?days=7"


def picture(store: Store, row: Row) -> bytes | None:
    """The symbol's price of three days with the alert's hour marked, PNG; None without prices."""
    hour = row["hour"]
    prices = store.read(
        schemas.EXCHANGE_SNAPSHOTS, Window(hour - _PICTURE_HOURS, hour + _HOUR), ("hour", "symbol", "average_price")
    )
    prices = prices[prices["symbol"] == row["symbol"]]
    if prices.empty:
        return None
    kind = "LONG_SQUEEZE" if row["side"] == "short" else "SHORT_SQUEEZE"
    marked = {"symbol": row["symbol"], "squeeze_type": kind, "started_at": hour, "ended_at": hour + _HOUR}
    return plots.squeezes(prices, pd.DataFrame([marked]))


def label_of(address: str) -> str:
    """An address as the log knows it: the service, and a hash of what Apprise shows of it without its secrets.

    Four more digits are of the whole address, so that two which differ in their secrets alone (two users of a service)
    stay apart. They are too few to guess a secret by.
    """
    service = apprise.Apprise.instantiate(address)
    if service is None:
        return "unknown to Apprise"
    shown = service.url(privacy=True).split("?")[0]
    public, whole = (hashlib.sha256(text.encode()).hexdigest() for text in (shown, service.url(privacy=False)))
    return f"{service.service_name} {public[:8]}{whole[:4]}"


def send(address: str, title: str, body: str, png: bytes | None = None, *, split: bool = False) -> str | None:
    """Send one message to one address; None when its service took it, else why not, without anything of the address.

    `split` sends what is longer than the service takes in parts.
    """
    service = apprise.Apprise.instantiate(address)
    if service is None:
        return "Apprise does not know the address"
    if service.socket_read_timeout == apprise.URLBase.socket_read_timeout:  # no `rto` in the address
        service.socket_read_timeout = _ANSWER_SECONDS
    if split:
        service.overflow_mode = apprise.OverflowMode.SPLIT
    # A logger of its own, that hands nothing on: what Apprise says may hold a host, a channel or a token.
    words = StringIO()
    service.logger = logging.Logger("apprise", logging.DEBUG)
    service.logger.addHandler(logging.StreamHandler(words))
    attach = apprise.AppriseAttachment(AttachMemory(png, name="alert.png", mimetype="image/png")) if png else None
    hub = apprise.Apprise()
    hub.add(service)
    if hub.notify(body=body, title=title, attach=attach, body_format=apprise.NotifyFormat.TEXT):
        return None
    said = words.getvalue()
    status = re.search(r"error=(\d{3})\b", said)
    if status:
        return f"answered {status[1]}"
    if "onnection error" not in said:
        return "took no message"
    # What was never connected took nothing: urllib3 calls it so, sockets otherwise.
    return "not reached" if "Max retries exceeded" in said or "refused" in said else _CUT_OFF


@dataclass(frozen=True)
class Told:
    """What came of a round of sending: how many deliveries ended how, and the last failure."""

    counts: Counter[str]
    failure: str | None = None

    def __str__(self) -> str:
        """For people."""
        names = {
            "SENT": "sent",
            "FAILED": "failed, tried again",
            "GIVEN_UP": "given up",
            "QUIET": "in quiet hours",
            "TOO_OLD": "too old to be sent",
        }
        said = ", ".join(f"{self.counts[key]} {name}" for key, name in names.items() if self.counts[key])
        return (said or "nothing new") + (f"; the last failure: {self.failure}" if self.failure else "")


@dataclass(frozen=True)
class Shown:
    """What a message shows besides words: where an alert, and where all can be looked at; an alert's picture."""

    link: Callable[[Row], str]
    overview: str
    draw: Callable[[Row], bytes | None]


@dataclass(frozen=True)
class _Due:
    """A delivery that is to be sent now, its alert, and the address that its log's label stands for."""

    delivery: Delivery
    row: Row
    address: str

    @property
    def uncertain(self) -> bool:
        """Whether it may have come already."""
        return self.delivery.status == "SENDING" or (self.delivery.last_error or "").startswith(_CUT_OFF)


def deliver(log: DeliveryLog, rows: pd.DataFrame, book: RuleBook, shown: Shown, now: datetime) -> Told:
    """Queue what is new and young enough, note what is too old, and send what is due.

    An address gets `book.messages` messages at most, of the most severe alerts, and one more that lists all others.

    Args:
        log: the held log.
        rows: SQUEEZE_ALERTS of the hours that are young enough.
        book: the rules that hold now.
        shown: where alerts can be looked at, and their pictures.
        now: the time, UTC.

    Raises:
        psycopg2.Error: the log's server went away. What was being sent then stays SENDING in the log.
    """
    new = rows[(rows["status"] == "NEW") & (rows["hour"] + _HOUR > now - book.max_age)]
    by_key: dict[Key, Row] = {}
    for row in new.to_dict("records"):
        key = (row["hour"].to_pydatetime(), row["rule"], row["symbol"], row["claim"])
        by_key[key] = {str(name): value for name, value in row.items()}
    labels = {name: {label_of(each): each for each in addresses} for name, addresses in book.addresses.items()}
    _queue(log, rows, by_key, book, labels, now)
    sender = _Sender(log, shown, now)
    sender.counts["TOO_OLD"] = _note_too_old(log, book, labels, now)
    by_address: dict[str, list[_Due]] = {}
    for delivery in log.due(now):
        rule, address = book.rule(delivery.rule), labels.get(delivery.rule, {}).get(delivery.address)
        known = by_key.get(delivery.alert)
        over = _over(delivery, known, address, now, book.max_age)
        if over:
            sender.give_up(delivery, over)
            continue
        # An address is known by its rule alone.
        assert known is not None
        assert address is not None
        assert rule is not None
        if rule.quiet is not None and rule.quiet.holds(now):
            sender.counts["QUIET"] += 1
            continue
        by_address.setdefault(delivery.address, []).append(_Due(delivery, known, address))
    alone, together = [], []
    for of_address in by_address.values():
        # A list of one alert would be no less to read than its message.
        if len(of_address) <= book.messages + 1:
            alone += [[one] for one in of_address]
        else:
            of_address.sort(key=lambda one: _weight(one.row))
            alone += [[one] for one in of_address[: book.messages]]
            together.append(of_address[book.messages :])
    for due in (*alone, *together):
        if sender.is_late:
            break
        sender.send(due)
    return Told(sender.counts, sender.failure)


class _Sender:
    """Sends messages one after another, and notes before and after each what came of it."""

    def __init__(self, log: DeliveryLog, shown: Shown, now: datetime) -> None:
        self._log, self._shown, self._now = log, shown, now
        self._began = time.monotonic()
        # Of an alert that goes to several addresses the picture is drawn once.
        self._pictures: dict[Key, bytes | None] = {}
        self.counts: Counter[str] = Counter()
        self.failure: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether what is left has to wait for the next time."""
        return time.monotonic() - self._began > _BUDGET_SECONDS

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """Note that a delivery isn't tried any more."""
        self._log.note(delivery, "GIVEN_UP", last_error=reason)
        self.counts["GIVEN_UP"] += 1
        self.failure = reason

    def send(self, due: Sequence[_Due]) -> None:
        """Send one message: an alert, or a list of several to one address."""
        first, rest = due[0], due[1:]
        again = any(one.uncertain for one in due)
        if rest:
            (title, body), png = digest([one.row for one in due], self._shown.overview, again=again), None
        else:
            title, body = message(first.row, self._shown.link(first.row), again=again)
            png = self._picture(first)
        for one in due:
            wait = FIRST_WAIT * 2**one.delivery.attempts
            attempts = one.delivery.attempts + 1
            self._log.note(one.delivery, "SENDING", attempts=attempts, next_attempt_at=self._now + wait)
        reason = send(first.address, title, body, png, split=bool(rest))
        for one in due:
            if reason is None:
                self._log.note(one.delivery, "SENT", sent_at=self._now, last_error=None)
            else:
                # That it may have come stays known, whatever comes after.
                certain = not one.uncertain or reason == _CUT_OFF
                self._log.note(one.delivery, "FAILED", last_error=reason if certain else f"{_CUT_OFF}, then: {reason}")
        self.counts["SENT" if reason is None else "FAILED"] += len(due)
        if reason is not None:
            self.failure = f"{first.delivery.address}: {reason}"

    def _picture(self, due: _Due) -> bytes | None:
        key = due.delivery.alert
        if key not in self._pictures:
            try:
                self._pictures[key] = self._shown.draw(due.row)
            except (UnreadablePartitionError, OSError, ValueError) as error:
                # Nobody is left without a word since a picture can't be drawn.
                self._pictures[key] = None
                self.failure = f"sent without its picture: {error}"
        return self._pictures[key]


def _note_too_old(log: DeliveryLog, book: RuleBook, labels: Mapping[str, Mapping[str, str]], now: datetime) -> int:
    """Note the alerts of the last days that were older than they may be when they were found; how many."""
    listeners = [
        (rule.name, label, timedelta(hours=rule.cooldown_hours))
        for rule in book.rules
        for label in labels.get(rule.name, {})
    ]
    reason = f"older than {book.max_age / _HOUR:g} hours when it was found"
    return log.note_too_old(listeners, now - _NOTED_HOURS, now - book.max_age - _HOUR, reason, now)


def _queue(  # noqa: PLR0917 (what `deliver` has at hand)
    log: DeliveryLog,
    rows: pd.DataFrame,
    by_key: Mapping[Key, Row],
    book: RuleBook,
    labels: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> None:
    """Note what is to be sent, to each address of its rule, unless the same was told within the cool-down."""
    for key, row in sorted(by_key.items()):
        rule = book.rule(row["rule"])
        if rule is None:
            continue
        cooldown = timedelta(hours=rule.cooldown_hours)
        # Hours that were run again may have moved the chain of cool-downs; a rise in severity breaks it anyway.
        if not log.told_near(key, cooldown) or _is_rise(rows, row, cooldown):
            for label in labels.get(rule.name, {}):
                log.queue(key, label, now)


def _is_rise(rows: pd.DataFrame, row: Row, cooldown: timedelta) -> bool:
    """Whether an alert is more severe than all of its rule, symbol and claim that are told within the cool-down."""
    if _missing(row["severity"]):
        return False
    same = rows[(rows["rule"] == row["rule"]) & (rows["symbol"] == row["symbol"]) & (rows["claim"] == row["claim"])]
    apart = same["hour"] - row["hour"]
    near = same[(same["status"] == "NEW") & (apart < timedelta(0)) & (apart > -cooldown)]
    rank = schemas.SEVERITIES.index
    return len(near) > 0 and rank(row["severity"]) > max(map(rank, near["severity"]))


def _over(delivery: Delivery, row: Row | None, address: str | None, now: datetime, max_age: timedelta) -> str | None:
    """Why a delivery isn't tried any more; None while it is."""
    last = f"; the last time: {delivery.last_error}" if delivery.last_error else ""
    if delivery.hour + _HOUR <= now - max_age:
        return f"older than {max_age / _HOUR:g} hours{last}"
    if row is None:
        return f"the hour was run again, and says otherwise{last}"
    if address is None:
        return f"the rule has this address no more{last}"
    if delivery.attempts >= MOST_ATTEMPTS:
        return f"not taken in {MOST_ATTEMPTS} attempts{last}"
    return None
