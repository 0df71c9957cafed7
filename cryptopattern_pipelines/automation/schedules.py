"""The schedules: each hour once it has closed, each day once it is over."""

import dagster as dg

# What `build_schedule_from_partitioned_job` returns for asset jobs; it has no public name.
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from cryptopattern_pipelines.automation import jobs
from cryptopattern_pipelines.automation.housekeeping import housekeeping

# An hour takes seconds, with venues down and asked again a quarter of an hour. Run monitoring ends what hangs, and the
# hour is then missed and filled like any other. Backfills have the limit of `dagster.yaml`.
_ENDS_WITHIN_HALF_AN_HOUR = {MAX_RUNTIME_SECONDS_TAG: "1800"}


def schedules(
    status: dg.DefaultScheduleStatus, health: UnresolvedAssetJobDefinition
) -> list[UnresolvedPartitionedAssetScheduleDefinition | dg.ScheduleDefinition]:
    """The schedules, on or off from the start."""
    return [
        # Venues close a candle at once but publish open interest up to five minutes later.
        dg.build_schedule_from_partitioned_job(
            jobs.hourly,
            name="every_hour",
            minute_of_hour=7,
            tags=_ENDS_WITHIN_HALF_AN_HOUR,
            default_status=status,
            description="The hour that has just closed, seven minutes later, when venues have published it.",
        ),
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
