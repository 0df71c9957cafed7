"""What the service counts of itself and tells of the tables, in Prometheus's text format.

What belongs here: names and meanings of the metrics. What does not: the address that they are had at.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import Scope

from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.queries import Database

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """Counts of one service; a registry of its own, so that two in one process don't meet."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("cryptopattern_requests", "requests answered", labels, registry=self.registry)
        self._seconds = Histogram(
            "cryptopattern_request_seconds",
            "seconds until a request was answered",
            ("method", "route"),
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.pictures = Counter(
            "cryptopattern_pictures", "pictures sent to be analysed", ("outcome",), registry=self.registry
        )
        self.registry.register(_Tables(database))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request. Routes are counted by their pattern: addresses that callers make up add no series."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)


class _Tables(Collector):
    """How far behind the tables are, and how many rows they have, asked of the database when Prometheus asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is asked of the database on registration."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; `cryptopattern_database_up` alone where the database is away."""
        up = GaugeMetricFamily("cryptopattern_database_up", "1 where the database answers")
        try:
            states = self._database.states()
        except ApiError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        behind = GaugeMetricFamily(
            "cryptopattern_hours_behind", "hours since the end of a table's newest partition", labels=["table"]
        )
        rows = GaugeMetricFamily("cryptopattern_rows", "rows of a table, as the server estimates", labels=["table"])
        for state in states:
            if state.hours_behind is not None:
                behind.add_metric([state.table], state.hours_behind)
            rows.add_metric([state.table], state.rows)
        yield behind
        yield rows
