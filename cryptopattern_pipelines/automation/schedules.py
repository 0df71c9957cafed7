"""The schedules: each hour once it has closed, with those before it that lack rows; each day once it is over."""

from datetime import UTC, timedelta

import dagster as dg

# What `build_schedule_from_partitioned_job` returns for asset jobs; it has no public name.
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.again import AGAIN_TAG, first_to_ask_again
from cryptopattern_pipelines.automation.housekeeping import housekeeping
from cryptopattern_pipelines.automation.partitions import HOURLY, Window, range_tags

# An hour takes seconds, with venues down and asked again a quarter of an hour. Run monitoring ends what hangs, and the
# hour is then missed and filled like any other. Backfills have the limit of `dagster.yaml`.
_ENDS_WITHIN_HALF_AN_HOUR = {MAX_RUNTIME_SECONDS_TAG: "1800"}


def schedules(
    status: dg.DefaultScheduleStatus, health: UnresolvedAssetJobDefinition
) -> list[UnresolvedPartitionedAssetScheduleDefinition | dg.ScheduleDefinition]:
    """The schedules, on or off from the start."""
    return [
        _every_hour(status),
        dg.build_schedule_from_partitioned_job(
            jobs.daily,
            name="every_day",
            hour_of_day=0,
            minute_of_hour=25,
            tags=_ENDS_WITHIN_HALF_AN_HOUR,
            default_status=status,
            description="The day that has just ended, once its last hour has been run.",
        ),
        dg.ScheduleDefinition(
            name="every_day_health",
            job=health,
            cron_schedule="15 1 * * *",
            execution_timezone="UTC",
            default_status=status,
            description="Once the day's run should be over.",
        ),
        dg.ScheduleDefinition(
            name="every_day_housekeeping",
            job=housekeeping,
            cron_schedule="35 1 * * *",
            execution_timezone="UTC",
            default_status=status,
            description="When nothing else is due.",
        ),
    ]


def _every_hour(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="every_hour",
        job=jobs.hourly,
        # Venues close a candle at once but publish open interest up to five minutes later.
        cron_schedule="7 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="The hour that has just closed, seven minutes later, when venues have published it; from the first "
        "hour of the last 24 on that lacks rows which a venue may have by now.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        end = context.scheduled_execution_time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        closed = end - timedelta(hours=1)
        first = first_to_ask_again(context.instance, closed)
        again = {AGAIN_TAG: first.isoformat()} if first else {}
        tags = range_tags(HOURLY, Window(first or closed, end))
        return dg.RunRequest(run_key=closed.strftime(HOURLY.fmt), tags={**_ENDS_WITHIN_HALF_AN_HOUR, **again, **tags})

    return schedule
