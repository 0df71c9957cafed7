"""Partitions that failed and stayed so are told, a late one too, and old logs go without what rests on them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from cryptopattern_pipelines.automation import housekeeping as housekeeping_module
from cryptopattern_pipelines.automation.housekeeping import (
    FAILED_CHECK,
    LAST_OF_DAY,
    LAST_OF_HOUR,
    LATE_CHECK,
    failed_partitions,
    health_checks,
    health_job,
    housekeeping,
    late_partition,
)
from cryptopattern_pipelines.automation.partitions import HOURLY
from cryptopattern_pipelines.resources.dagster_storage import BatchingEventLogStorage
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.resources.stores import Store

KEYS = [f"2024-08-05-{hour:02d}:00" for hour in range(4)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


def run(instance: dg.DagsterInstance, first: str, last: str, fails: bool = False) -> None:
    """Materialise hours of `squeeze_analyses`, or fail to."""

    @dg.asset(
        name=LAST_OF_HOUR.path[0], partitions_def=HOURLY, backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("is_whole", asset=LAST_OF_HOUR)],
    )  # fmt: skip
    def analyses(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        context.log.info("working")
        if fails:
            raise dg.Failure("broken", allow_retries=False)
        yield dg.AssetCheckResult(check_name="is_whole", passed=True)
        preview = dg.MetadataValue.table([dg.TableRecord({"price": "1"})])
        yield dg.MaterializeResult(metadata={"rows": 1, "preview": preview}, tags={"made_by": "test"})

    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    assert dg.materialize([analyses], instance=instance, tags=tags, raise_on_error=False).success is not fails


def test_partitions_that_failed_are_listed_until_they_are_made_up_for(instance: dg.DagsterInstance) -> None:
    run(instance, KEYS[0], KEYS[3], fails=True)
    run(instance, KEYS[1], KEYS[2])
    assert failed_partitions(instance, LAST_OF_HOUR) == [KEYS[0], KEYS[3]]
    run(instance, KEYS[2], KEYS[2], fails=True)  # it was there, but its last attempt failed
    assert failed_partitions(instance, LAST_OF_HOUR) == [KEYS[0], KEYS[2], KEYS[3]]
    run(instance, KEYS[0], KEYS[3])
    assert failed_partitions(instance, LAST_OF_HOUR) == []


def test_a_partition_is_late_only_once_its_run_should_be_over(instance: dg.DagsterInstance) -> None:
    run(instance, KEYS[0], KEYS[1])
    at = datetime(2024, 8, 5, 3, tzinfo=UTC)
    assert late_partition(instance, LAST_OF_HOUR, at + timedelta(minutes=29)) is None
    assert late_partition(instance, LAST_OF_HOUR, at + timedelta(minutes=31)) == KEYS[2]
    assert late_partition(instance, LAST_OF_DAY, at) == "2024-08-04"


def test_the_health_job_warns_of_a_bad_partition_on_its_asset_alone(instance: dg.DagsterInstance) -> None:
    run(instance, KEYS[0], KEYS[0], fails=True)
    checks = health_checks()
    job = dg.Definitions(asset_checks=[checks], jobs=[health_job(checks)]).resolve_job_def("health")
    found = job.execute_in_process(instance=instance).get_asset_check_evaluations()
    failed = {check.asset_key: check for check in found if check.check_name == FAILED_CHECK and not check.passed}
    assert set(failed) == {LAST_OF_HOUR}
    assert KEYS[0] in (failed[LAST_OF_HOUR].description or "")
    late = {check.asset_key: check.passed for check in found if check.check_name == LATE_CHECK}
    assert late == {LAST_OF_HOUR: False, LAST_OF_DAY: False}
    assert all(check.severity == dg.AssetCheckSeverity.WARN for check in found)


def state(instance: dg.DagsterInstance) -> object:
    """What the UI shows of the asset: its partitions, its last materialisation, its check, and what failed."""
    event = instance.get_latest_materialization_event(LAST_OF_HOUR)
    assert event is not None
    assert event.asset_materialization is not None
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(LAST_OF_HOUR, "is_whole")]
    )
    return (
        instance.get_materialized_partitions(LAST_OF_HOUR),
        event.asset_materialization.metadata["rows"],
        event.asset_materialization.tags,
        {key: record.status for key, record in checks.items()},
        failed_partitions(instance, LAST_OF_HOUR),
    )


def test_old_logs_go_and_the_state_of_the_partitions_stays(
    tmp_path: Path, fresh_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", fresh_database())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.get() as instance:
        for _ in range(3):
            run(instance, KEYS[0], KEYS[2])
        run(instance, KEYS[2], KEYS[3], fails=True)
        storage = instance.event_log_storage
        assert isinstance(storage, BatchingEventLogStorage)

        def events() -> int:
            with storage.index_connection() as connection:
                return int(connection.execute(sa.text("SELECT count(*) FROM event_logs")).scalar_one())

        before, count = state(instance), events()
        assert storage.forget(datetime.now(UTC) - timedelta(days=1)) == 0
        monkeypatch.setattr(housekeeping_module, "KEEP_LOGS", timedelta(0))
        given = {"store": Store(root=str(tmp_path / "store")), "database": ServingDatabase(load_settings())}
        assert housekeeping.execute_in_process(instance=instance, resources=given).success
        assert state(instance) == before
        newest = instance.fetch_materializations(LAST_OF_HOUR, limit=9).records
        assert [set(record.asset_materialization.metadata) for record in newest] == [{"rows"}] * 3  # type: ignore[union-attr]
        # The newest materialisation of three hours, the attempts at two since, and what housekeeping itself logged.
        assert storage.forget(datetime.now(UTC)) > 0
        assert (events(), state(instance)) == (5, before)
        assert count > 60
