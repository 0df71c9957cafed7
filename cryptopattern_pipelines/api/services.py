"""What the routes are handed: one of each for a running service."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from cryptopattern_pipelines.api.analysis import Analyst
from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.health import HealthChecks
from cryptopattern_pipelines.api.pictures import Pictures
from cryptopattern_pipelines.api.queries import Database
from cryptopattern_pipelines.api.telemetry import Telemetry
from cryptopattern_pipelines.resources.settings import Settings

_AT_WORK, _MOST_WAITING = 4, 64

Result = TypeVar("Result")


class Queue:
    """Long work in threads of its own, so that it never keeps short questions waiting; so much of it, and no more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_WORK, thread_name_prefix="analyze")
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def submit(self, work: Callable[[], Result]) -> Any:
        """Queue work; a future of it.

        Raises:
            ApiError: 503: too much is waiting already.
        """
        if not self._waiting.acquire(blocking=False):
            raise ApiError(503, "too many pictures are waiting to be read: try again", {"Retry-After": "5"})
        try:
            future = self._threads.submit(work)
        except RuntimeError:  # the service is going down
            self._waiting.release()
            raise ApiError(503, "the service is going down", {"Retry-After": "30"}) from None
        future.add_done_callback(lambda _: self._waiting.release())
        return future

    def close(self) -> None:
        """Do no more of what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass
class Services:
    """Database, reader, health and counts of one service.

    What starts processes or threads is made on first use, and again on the first use after `close`.
    """

    settings: Settings
    database: Database
    telemetry: Telemetry
    health: HealthChecks

    @classmethod
    def of(cls, settings: Settings) -> "Services":
        """The services of the settings."""
        database = Database(settings)
        return cls(settings, database, Telemetry(database), HealthChecks(settings, database))

    @cached_property
    def queue(self) -> Queue:
        """Where analyses wait for their turn."""
        return Queue()

    @cached_property
    def pictures(self) -> Pictures:
        """The reader, its processes started now."""
        return Pictures(self.settings)

    @cached_property
    def analyst(self) -> Analyst:
        """What joins pictures and tables."""
        return Analyst(self.settings, self.database, self.pictures)

    async def worked_off(self, work: Callable[[], Result], *, pictures: int) -> Result:
        """Wait for work over so many pictures, in the queue, and count them as read or refused.

        Raises:
            ApiError: as `Queue.submit` and the work itself.
        """
        try:
            found: Result = await asyncio.wrap_future(self.queue.submit(work))
        except ApiError as refused:
            self.telemetry.pictures.labels(f"refused {refused.status_code}").inc(pictures)
            raise
        self.telemetry.pictures.labels("read").inc(pictures)
        return found

    def close(self) -> None:
        """End processes and connections."""
        made = self.__dict__
        if (queue := made.pop("queue", None)) is not None:
            queue.close()
        made.pop("analyst", None)
        if (pictures := made.pop("pictures", None)) is not None:
            pictures.close()
        self.database.close()
