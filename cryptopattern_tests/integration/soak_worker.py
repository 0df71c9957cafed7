"""A process that runs jobs as it is told by lines on its standard input, until it is killed: the soak's run worker.

{"job": "hourly", "start": "2025-01-28T00:00:00+00:00", "end": "…", "now": "…"}  ->  ok | failed: REASON
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.failures import reason_of
from cryptopattern_pipelines.automation.fill import end_dead_runs, run_tags
from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.local import prepare_home
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.market.transport import Patience, Sent
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import load_settings

QUIET = logs.from_level("CRITICAL")


class _Clock:
    """What time it is in the simulation."""

    now = datetime.min.replace(tzinfo=UTC)


class QuickMarket(Market):
    """The live source, less patient than with real venues, and with the simulation's clock."""

    def _live(self, tell: Callable[[Sent], None] | None) -> LiveSource:
        source = super()._live(tell)
        source.patience = Patience(timeout=2, attempts=3, pause=0.01)
        source._wall = lambda: _Clock.now
        return source


def main() -> None:
    """Run what is asked for, one after the other."""
    settings = load_settings()
    prepare_home(settings)
    definitions = build_definitions(settings, {"market": QuickMarket.of(settings)})
    jobs = {name: definitions.resolve_job_def(name) for name in ("hourly", "daily", "late_screenshots")}
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        _Clock.now = datetime.fromisoformat(asked["now"])
        job, window = jobs[asked["job"]], Window(*(datetime.fromisoformat(asked[end]) for end in ("start", "end")))
        with dg.DagsterInstance.get() as instance:
            end_dead_runs(instance)
            result = job.execute_in_process(QUIET, instance, raise_on_error=False, tags=run_tags(job, window))
        failed = result.filter_events(lambda event: event.is_step_failure or event.is_run_failure)
        print("ok" if result.success else f"failed: {reason_of(failed)}", flush=True)


if __name__ == "__main__":
    main()
