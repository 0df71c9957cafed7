"""The rules file of alerts: read anew each time, and refused in one line that names file, rule and field.

What belongs here: the file's words, and which addresses a rule has. What does not: what a rule finds
(`squeeze/alerts.py`). No address is ever shown.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import apprise
import click
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cryptopattern_pipelines.market.source import SymbolError
from cryptopattern_pipelines.market.symbols import parse
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.squeeze.alerts import (
    DEFAULT_RULE,
    LONGEST_COOLDOWN_HOURS,
    SQUEEZE_TARGETS,
    QuietHours,
    Rule,
)
from cryptopattern_pipelines.storage.schemas import ALERT_KINDS, SEVERITIES, SIDES, TARGETS


class AlertRulesError(click.ClickException):
    """The rules file can't be used; the message names the file, the rule and the field, and says what to do."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _coin(value: object) -> object:
    if value == "*" or not isinstance(value, str):
        return value
    try:
        return parse(value).coin
    except SymbolError as error:
        raise ValueError(str(error)) from None


def _zone(value: object) -> object:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone: write one as Europe/Berlin") from None


def _quiet(value: object) -> object:
    match = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write quiet hours as 22:00-07:00")
    try:
        start, end = (time(int(match[at]), int(match[at + 1])) for at in (1, 3))
    except ValueError:
        raise ValueError("write quiet hours as 22:00-07:00") from None
    if start == end:
        raise ValueError("quiet hours that begin when they end: take them out, or the rule")
    return start, end


def _known_service(value: object) -> object:
    if not isinstance(value, str) or apprise.Apprise.instantiate(value) is None:
        raise ValueError("holds an address that Apprise does not know: see https://github.com/caronc/apprise/wiki")
    return value


_Zone = Annotated[Any, BeforeValidator(_zone)]


class _RuleWords(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[\w .:+-]{1,60}$")
    kind: Literal[tuple(ALERT_KINDS)] = "analysis"  # type: ignore[valid-type]
    symbols: Annotated[list[Annotated[str, BeforeValidator(_coin)]], BeforeValidator(_listed), Field(min_length=1)] = [
        "*"
    ]
    severity: Literal[tuple(SEVERITIES)] | None = None  # type: ignore[valid-type]
    probability: float | None = Field(None, ge=0, le=100, allow_inf_nan=False)
    lift: float | None = Field(None, ge=0, allow_inf_nan=False)
    side: Literal[tuple(SIDES)] | None = None  # type: ignore[valid-type]
    targets: (
        Annotated[
            list[Literal[tuple(TARGETS)]],  # type: ignore[valid-type]
            BeforeValidator(_listed),
            Field(min_length=1),
        ]
        | None
    ) = None
    cooldown_hours: int = Field(6, ge=1, le=LONGEST_COOLDOWN_HOURS)
    quiet: Annotated[Any, BeforeValidator(_quiet)] = None
    timezone: _Zone = None
    to: Annotated[list[Annotated[str, BeforeValidator(_known_service)]], BeforeValidator(_listed)] | None = None

    @model_validator(mode="after")
    def _fields_mean_something(self) -> "_RuleWords":
        strange = {
            "analysis": {"targets"},
            "forecast": {"severity"},
            "squeeze": {"targets", "probability", "lift"},
        }[self.kind]
        for name in sorted(strange):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} says nothing of the kind {self.kind}: take it out")
        return self


class _FileWords(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    timezone: _Zone = ZoneInfo("UTC")
    max_age_hours: float = Field(3.0, gt=0, le=72, allow_inf_nan=False)
    messages: int = Field(10, ge=1, le=1000)
    rule: list[_RuleWords] = Field(min_length=1)


@dataclass(frozen=True)
class RuleBook:
    """The rules that hold, where each is sent to, how old an alert may be to be sent, and how many messages an address
    gets at a time: what is more comes in one message.

    Without a file `told` is False: the default rule fills the table, and nothing is sent.
    """

    rules: tuple[Rule, ...]
    addresses: Mapping[str, tuple[str, ...]]
    max_age: timedelta
    messages: int
    told: bool

    def rule(self, name: str) -> Rule | None:
        """A rule by its name."""
        return next((rule for rule in self.rules if rule.name == name), None)


@dataclass(frozen=True)
class AlertRules:
    """Where rules are read from. No `ConfigurableResource`: those show their fields, and an address holds its token."""

    file: Path
    is_named: bool
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "AlertRules":
        """The file of the settings, and the addresses of rules that name none."""
        addresses = tuple(address.get_secret_value() for address in settings.notify)
        return cls(settings.alerts or settings.data / "alerts.toml", settings.alerts is not None, addresses)

    def read(self) -> RuleBook:
        """The rules as the file has them now.

        Raises:
            AlertRulesError: it can't be read, or a rule can't be used.
        """
        try:
            said = tomllib.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if self.is_named:
                raise AlertRulesError(
                    f"{self.file}: no such file: write it (docs/alerts.md), or unset CRYPTOPATTERN_ALERTS"
                ) from None
            return RuleBook((DEFAULT_RULE,), {}, timedelta(hours=3), 10, told=False)
        except OSError as error:
            raise AlertRulesError(f"{self.file}: can't be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise AlertRulesError(f"{self.file}: is no TOML: {error}; an example is in docs/alerts.md") from None
        try:
            words = _FileWords.model_validate(said)
        except ValidationError as error:
            raise AlertRulesError(f"{self.file}: {_told(error, said)}") from None
        names = [rule.name for rule in words.rule]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise AlertRulesError(f"{self.file}: rule {twice!r}: name: two rules have it: give one another")
        return RuleBook(
            tuple(_rule(rule, words.timezone) for rule in words.rule),
            {rule.name: self.addresses if rule.to is None else tuple(rule.to) for rule in words.rule},
            timedelta(hours=words.max_age_hours),
            words.messages,
            told=True,
        )


def _rule(words: _RuleWords, zone: ZoneInfo) -> Rule:
    return Rule(
        name=words.name,
        kind=words.kind,
        symbols=() if "*" in words.symbols else tuple(dict.fromkeys(words.symbols)),
        severity=words.severity,
        probability=words.probability,
        lift=words.lift,
        side=words.side,
        targets=tuple(words.targets or SQUEEZE_TARGETS),
        cooldown_hours=words.cooldown_hours,
        quiet=QuietHours(words.quiet[0], words.quiet[1], words.timezone or zone) if words.quiet else None,
    )


def _told(error: ValidationError, said: Mapping[str, Any]) -> str:
    """The first fault in words; the value beside it, but for addresses."""
    problem = error.errors(include_url=False)[0]
    place = list(problem["loc"])
    parts = []
    if place[:1] == ["rule"] and len(place) > 1:
        number = int(place[1])
        name = said["rule"][number].get("name") if isinstance(said["rule"][number], dict) else None
        parts.append(f"rule {name!r}" if isinstance(name, str) else f"rule number {number + 1}")
        place = place[2:]
    field = str(place[0]) if place else ""
    if field:
        parts.append(field)
    reason = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _RuleWords.model_fields if parts[0].startswith("rule ") else _FileWords.model_fields
        reason = f"no such field: there are {', '.join(known)}"
    elif problem["type"] == "missing" and field == "rule":
        reason = "there is none: write [[rule]] and its name, or take the file away"
    elif field != "to" and isinstance(problem["input"], str | int | float):
        reason += f", not {problem['input']!r}"
    return ": ".join([*parts, reason])
