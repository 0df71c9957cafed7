"""Whether the service can do its work: database, storage, Tesseract, venues, and how old the newest hour is.

What belongs here: what makes the service healthy, degraded or unhealthy. What does not: the checks, which are the
doctor's. Nothing of the inside is told: no path, no address.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from cryptopattern_pipelines import doctor
from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.queries import Database
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES

State = Literal["healthy", "degraded", "unhealthy", "unknown"]

_OF_DOCTOR: dict[str, State] = {"well": "healthy", "warning": "degraded", "wrong": "unhealthy"}
_LATE_HOURS = 3.0  # as the freshness policy of the hourly tables has it
_VENUES_FOR_SECONDS = 60.0  # for which their last answer holds: venues count requests


class Component(BaseModel):
    """How one part is."""

    status: State
    said: str = Field(description="in words")


class Health(BaseModel):
    """How the service is: unhealthy when it can't do its work, degraded when its answers may be old."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: str = Field(description="when this was looked at, UTC", json_schema_extra={"format": "date-time"})
    version: str
    components: dict[str, Component]


class HealthChecks:
    """The parts, each looked at when asked; the venues are asked in the background, once a minute at most."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._venues = Component(status="unknown", said="not asked yet")
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def look(self) -> dict[str, Component]:
        """How each part is."""
        database, data = self._tables()
        return {
            "database": database,
            "storage": _guarded(self._storage),
            "tesseract": _guarded(_tesseract),
            "venues": self._asked_venues(),
            "data": data,
        }

    def _tables(self) -> tuple[Component, Component]:
        try:
            states = {state.table: state for state in self._database.states()}
        except ApiError as error:
            return Component(status="unhealthy", said=error.detail), Component(
                status="unknown", said="the database tells it"
            )
        newest = states[SQUEEZE_ANALYSES.name]
        answers = Component(status="healthy", said="answers")
        if newest.newest is None or newest.hours_behind is None:
            return answers, Component(status="degraded", said="no hour is filled yet")
        said = f"the newest hour is {newest.newest:%Y-%m-%d %H:%M} UTC, {newest.hours_behind:.1f} hours old"
        return answers, Component(status="degraded" if newest.hours_behind > _LATE_HOURS else "healthy", said=said)

    def _storage(self) -> Component:
        found = doctor.disk(self._settings)
        said = {"well": "writable", "warning": "little space is left", "wrong": "not writable, or full"}
        return Component(status=_OF_DOCTOR[found.state], said=said[found.state])

    def _asked_venues(self) -> Component:
        with self._lock:
            if time.monotonic() - self._asked_at > _VENUES_FOR_SECONDS:
                self._asked_at = time.monotonic()
                threading.Thread(target=self._ask_venues, daemon=True).start()
            return self._venues

    def _ask_venues(self) -> None:
        found = list(doctor.venues(self._settings))
        away = [finding.name for finding in found if finding.state != "well"]
        # Rows of before stay readable without any venue: that is no reason to take the service out.
        self._venues = Component(
            status="degraded" if away else "healthy", said=f"away: {', '.join(away)}" if away else "all answer"
        )


def status_of(components: dict[str, Component]) -> Literal["healthy", "degraded", "unhealthy"]:
    """The whole, from its parts."""
    states = {part.status for part in components.values()}
    if "unhealthy" in states:
        return "unhealthy"
    return "degraded" if "degraded" in states else "healthy"


def _tesseract() -> Component:
    found = doctor.tesseract()
    return Component(
        status=_OF_DOCTOR[found.state], said="reads" if found.state == "well" else "pictures can't be read"
    )


def _guarded(check: Callable[[], Component]) -> Component:
    """A check whose own failure is a finding."""
    try:
        return check()
    except OSError as error:
        return Component(status="unhealthy", said=error.strerror or type(error).__name__)
