"""What is done once a day for the installation itself: old logs go, and what stayed failed or is late is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

# What `define_asset_job` returns; it has no public name.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from cryptopattern_pipelines import logs
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY
from cryptopattern_pipelines.automation.scoring import score_forecasts
from cryptopattern_pipelines.resources.dagster_storage import BatchingEventLogStorage
from cryptopattern_pipelines.storage.schemas import TABLES

KEEP_LOGS = timedelta(days=30)
FAILED_CHECK = "no_partition_stays_failed"
# Where hours and days come together: these are late when anything before them is.
LAST_OF_HOUR, LAST_OF_DAY = dg.AssetKey("squeeze_analyses"), dg.AssetKey("win_rates")

LATE_CHECK = "newest_partition_is_there"
# The schedules run at seven past the hour and 25 past midnight; a run takes minutes, with venues down 15 more.
_HOUR_IS_LATE_AFTER = timedelta(minutes=30)
_DAY_IS_LATE_AFTER = timedelta(hours=1)

_OVER = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_SHOWN = 50


@dg.op(
    description=f"Deletes logs of runs older than {KEEP_LOGS.days} days, but for what the partitions' state rests on."
)
def forget_old_logs(context: dg.OpExecutionContext) -> None:
    """Delete what was logged long ago, so that a year of hours does not grow without end."""
    storage = context.instance.event_log_storage
    if not isinstance(storage, BatchingEventLogStorage):
        context.log.info("Dagster's history is not in a storage of this project's: nothing is deleted")
        return
    forgotten = storage.forget(datetime.now(UTC) - KEEP_LOGS)
    context.log.info(f"{forgotten} events deleted that were older than {KEEP_LOGS.days} days")


@dg.job(
    description="Deletes old logs, but for materialisations and the checks' last results; scores the last forecasts.",
    config=logs.CONFIG,
)
def housekeeping() -> None:
    """Keep the history from growing without end, and count what nobody else does."""
    forget_old_logs()
    score_forecasts()


def failed_partitions(instance: dg.DagsterInstance, asset: dg.AssetKey) -> list[str]:
    """The partitions of an asset whose last attempt failed, or was ended, and was not made up for; oldest first."""
    attempts = instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        asset
    )
    runs = list({run_id for run_id, _ in attempts.values()})
    failed = (
        {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=runs)) if run.status in _OVER} if runs else {}
    )
    return sorted(partition for partition, (run_id, _) in attempts.items() if run_id in failed)


def late_partition(instance: dg.DagsterInstance, asset: dg.AssetKey, now: datetime) -> str | None:
    """The partition that should have been run by now (UTC) and was not; None when it was."""
    if asset == LAST_OF_HOUR:
        ended = (now - _HOUR_IS_LATE_AFTER).replace(minute=0, second=0, microsecond=0)
        due = (ended - timedelta(hours=1)).strftime(HOURLY.fmt)
    else:
        ended = (now - _DAY_IS_LATE_AFTER).replace(hour=0, minute=0, second=0, microsecond=0)
        due = (ended - timedelta(days=1)).strftime(DAILY.fmt)
    return None if due in instance.get_materialized_partitions(asset) else due


def health_checks() -> dg.AssetChecksDefinition:
    """The checks that look at partitions rather than rows: which failed and stayed so, and which are late."""
    assets = [dg.AssetKey(table) for table in TABLES]
    last = [LAST_OF_HOUR, LAST_OF_DAY]

    @dg.multi_asset_check(
        name="health_of_partitions",
        specs=[
            *(
                dg.AssetCheckSpec(
                    FAILED_CHECK, asset=asset, description="Partitions whose last attempt failed are listed."
                )
                for asset in assets
            ),
            *(
                dg.AssetCheckSpec(LATE_CHECK, asset=asset, description="The newest partition that is due has been run.")
                for asset in last
            ),
        ],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for asset in assets:
            failed = failed_partitions(context.instance, asset)
            more = f" and {len(failed) - _SHOWN} before" if len(failed) > _SHOWN else ""
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=FAILED_CHECK,
                passed=not failed,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"run again: {', '.join(failed[-_SHOWN:])}{more}" if failed else "none",
                metadata={"failed partitions": len(failed)},
            )
        for asset in last:
            late = late_partition(context.instance, asset, datetime.now(UTC))
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=LATE_CHECK,
                passed=late is None,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{late} is missing: is the daemon up? (make doctor)" if late else "it is there",
            )

    return checks


def health_job(checks: dg.AssetChecksDefinition) -> UnresolvedAssetJobDefinition:
    """The job of these checks."""
    return dg.define_asset_job(
        "health",
        dg.AssetSelection.checks(checks),
        config=logs.CONFIG,
        description="Which partitions failed and stayed so, and whether the newest hour and day are there.",
    )
