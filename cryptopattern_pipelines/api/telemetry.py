"""What the service counts of itself and tells of the tables, in Prometheus's text format.

What belongs here: names and meanings of the metrics. What does not: the address that they are had at.
"""

import itertools
from collections import Counter
from collections.abc import Iterator

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.held import Held
from cryptopattern_pipelines.api.queries import COUNTS, Count, Database
from cryptopattern_pipelines.storage.counts import SCORE_COLUMNS, WITHIN

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# What the tables tell doesn't change within so long, and several may ask.
_KEPT_SECONDS = 5.0


def route_of(scope: Scope) -> str:
    """A request's route by its pattern, which holds nothing that a caller wrote."""
    path: str = getattr(scope.get("route"), "path", "other")
    return path


class Telemetry:
    """Counts of one service; a registry of its own, so that two in one process don't meet."""

    def __init__(self, database: Database) -> None:
        self.registry = prometheus.CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = prometheus.Counter(
            "cryptopattern_requests", "requests answered", labels, registry=self.registry
        )
        self._seconds = prometheus.Histogram(
            "cryptopattern_request_seconds",
            "seconds until a request was answered",
            ("method", "route"),
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.pictures = prometheus.Counter(
            "cryptopattern_pictures", "pictures sent to be analysed", ("outcome",), registry=self.registry
        )
        self.registry.register(_Tables(database))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request. Routes are counted by their pattern: addresses that callers make up add no series."""
        route = route_of(scope)
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return prometheus.generate_latest(self.registry)


class _Tables(Collector):
    """What the tables tell, asked of the database when Prometheus asks, at most every few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held = Held(self._asked, _KEPT_SECONDS)

    def describe(self) -> list[Metric]:
        """Nothing is asked of the database on registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics; `cryptopattern_database_up` alone where the database is away."""
        yield from self._held()

    def _asked(self) -> list[Metric]:
        up = GaugeMetricFamily("cryptopattern_database_up", "1 where the database answers")
        try:
            found = [*self._states(), *(self._counted(count) for count in COUNTS), *self._requests(), *self._scores()]
        except ApiError:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *found]

    def _states(self) -> Iterator[Metric]:
        behind = GaugeMetricFamily(
            "cryptopattern_hours_behind", "hours since the end of a table's newest partition", labels=["table"]
        )
        rows = GaugeMetricFamily("cryptopattern_rows", "rows of a table, as the server estimates", labels=["table"])
        for state in self._database.states():
            if state.hours_behind is not None:
                behind.add_metric([state.table], state.hours_behind)
            rows.add_metric([state.table], state.rows)
        yield behind
        yield rows

    def _counted(self, count: Count) -> Metric:
        family = GaugeMetricFamily(f"cryptopattern_{count.name}", count.means, labels=count.labels)
        for *labels, number in self._database.counts(count):
            family.add_metric([str(label) for label in labels], number)
        return family

    def _requests(self) -> Iterator[Metric]:
        """What all runs have asked venues, ever, as counters and histograms."""
        total = CounterMetricFamily(
            "cryptopattern_venue_requests", "questions sent to venues", labels=["venue", "path", "outcome"]
        )
        seconds = HistogramMetricFamily(
            "cryptopattern_venue_seconds", "seconds until a venue answered", labels=["venue", "path"]
        )
        answered: dict[tuple[str, str], dict[float, tuple[int, float]]] = {}
        outcomes: Counter[tuple[str, str, str]] = Counter()
        for venue, path, outcome, within, requests, took in self._database.venue_requests():
            outcomes[venue, path, outcome] += requests
            classes = answered.setdefault((venue, path), dict.fromkeys(WITHIN, (0, 0.0)))
            # Rows of a release that had other classes count in the next greater one of ours.
            end = next(end for end in WITHIN if end >= within)
            before = classes[end]
            classes[end] = (before[0] + requests, before[1] + took)
        for labels, requests in sorted(outcomes.items()):
            total.add_metric(labels, requests)
        for where, classes in sorted(answered.items()):
            sums = itertools.accumulate(number for number, _ in classes.values())
            buckets = [
                ("+Inf" if end == WITHIN[-1] else str(end), float(number))
                for end, number in zip(classes, sums, strict=True)
            ]
            seconds.add_metric(where, buckets, sum(took for _, took in classes.values()))
        yield total
        yield seconds

    def _scores(self) -> Iterator[Metric]:
        """How forecasts of late came true, beside what the card of their model says."""
        families = {
            name: GaugeMetricFamily(f"cryptopattern_forecast_{name}", said, labels=["target"])
            for name, said in SCORE_COLUMNS.items()
        }
        for target, *values in self._database.forecast_scores():
            for family, value in zip(families.values(), values, strict=True):
                if value is not None:
                    family.add_metric([target], value)
        yield from families.values()
