"""Our storage of Dagster's history says the same as Dagster's own, and keeps its tables in a schema of its own."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._serdes import serialize_value

from cryptopattern_pipelines.resources.dagster_storage import BatchingEventLogStorage
from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres

HOURS = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", timezone="UTC")
KEYS = HOURS.get_partition_keys()[:30]
# Smaller than the range, and no divisor of it: several batches and a rest.
BATCH = 7
POLICY = dg.BackfillPolicy.single_run()


@dg.asset(
    code_version="1",
    partitions_def=HOURS,
    backfill_policy=POLICY,
    check_specs=[dg.AssetCheckSpec("is_whole", asset="first", blocking=True)],
)
def first() -> Any:
    yield dg.AssetCheckResult(check_name="is_whole", passed=True)
    yield dg.MaterializeResult(metadata={"rows": 3}, data_version=dg.DataVersion("one"), tags={"made_by": "test"})


@dg.asset(code_version="1", partitions_def=HOURS, backfill_policy=POLICY, deps=[first])
def second(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    # One partition of the range says more than the others, and one says nearly the same.
    context.add_asset_metadata({"note": "'quoted' {braces} %s :name \\ ü"}, partition_key=KEYS[3])
    context.add_asset_metadata({"rows": 5.0}, partition_key=KEYS[8])
    return dg.MaterializeResult(metadata={"rows": 5})


# In the name of a tag that tells which event an input came from, by number.
_POINTER = "event_pointer"
ASSETS = [first, second]
ASSET_KEYS = [asset.key for asset in ASSETS]


def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return dg.DagsterInstance.get()


def run_over_the_range(instance: dg.DagsterInstance) -> None:
    tags = {ASSET_PARTITION_RANGE_START_TAG: KEYS[0], ASSET_PARTITION_RANGE_END_TAG: KEYS[-1]}
    assert dg.materialize(ASSETS, instance=instance, tags=tags).success


def history(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster can be asked of the range's run, without ids and times, which differ from run to run."""
    [run] = instance.get_runs()
    log = instance.event_log_storage
    events = [
        (event.event_type_value, str(event.asset_key), event.partition)
        for event in (entry.dagster_event for entry in instance.all_logs(run.run_id))
        if event is not None and event.asset_key is not None
    ]
    records = {
        record.asset_entry.asset_key.to_user_string(): record.asset_entry
        for record in instance.get_asset_records(ASSET_KEYS)
    }
    return {
        "events": sorted(events, key=str),
        "materialised": {str(key): sorted(instance.get_materialized_partitions(key)) for key in ASSET_KEYS},
        "planned and not materialised": {
            str(key): sorted(log.get_latest_asset_partition_materialization_attempts_without_materializations(key))
            for key in ASSET_KEYS
        },
        "latest": {str(key): _latest(instance, key) for key in ASSET_KEYS},
        "entries": {
            name: (
                entry.last_run_id == run.run_id,
                _partition_of(entry.last_materialization),
                entry.last_planned_materialization_run_id == run.run_id,
            )
            for name, entry in records.items()
        },
        "tags": {
            str(key): sorted(
                (event.partition, sorted(tag for tag in (event.tags or {}).items() if _POINTER not in tag[0]))
                for event in (
                    record.asset_materialization
                    for record in instance.fetch_materializations(key, limit=len(KEYS) * 2).records
                )
                if event is not None
            )
            for key in ASSET_KEYS
        },
        "tagged rows": _event_tags(instance),
        "planned, as it is kept": sorted(_planned_without_run_and_time(instance)),
        "checks": _rows(
            instance, "SELECT asset_key, check_name, partition, execution_status FROM asset_check_executions"
        ),
        "checks are said by": _rows(
            instance,
            "SELECT DISTINCT c.check_name, e.dagster_event_type, c.evaluation_event = e.event"
            " FROM asset_check_executions c JOIN event_logs e ON e.id = c.evaluation_event_storage_id",
        ),
    }


def _partition_of(entry: dg.EventLogEntry | None) -> str | None:
    made = entry.asset_materialization if entry is not None else None
    return made.partition if made is not None else None


def _latest(instance: dg.DagsterInstance, key: dg.AssetKey) -> Any:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    made = event.asset_materialization
    assert made is not None
    return made.partition, {name: value.value for name, value in made.metadata.items()}


def _event_tags(instance: dg.DagsterInstance) -> list[tuple[Any, ...]]:
    """The rows of the tags' table as such: the UI asks them by asset."""
    rows = _rows(
        instance,
        "SELECT t.asset_key, t.key, t.value, e.dagster_event_type, e.partition, t.event_timestamp = e.timestamp"
        " FROM asset_event_tags t JOIN event_logs e ON e.id = t.event_id",
    )
    return [row for row in rows if _POINTER not in row[1]]


def _planned_without_run_and_time(instance: dg.DagsterInstance) -> list[str]:
    """What is kept of each planned materialisation but for what differs from run to run."""
    [run] = instance.get_runs()
    texts = _texts(instance, "ASSET_MATERIALIZATION_PLANNED")
    return [re.sub(r'"timestamp": [\d.]+', "", text.replace(run.run_id, "RUN")) for text in texts]


def _rows(instance: dg.DagsterInstance, query: str) -> list[tuple[Any, ...]]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return sorted((tuple(row) for row in connection.execute(sa.text(query))), key=str)


def _texts(instance: dg.DagsterInstance, kind: str) -> list[str]:
    """The events of a kind as they are kept, in their order."""
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        wanted = sa.text("SELECT event FROM event_logs WHERE dagster_event_type = :kind ORDER BY id")
        return list(connection.execute(wanted, {"kind": kind}).scalars())


def test_a_range_leaves_the_history_that_dagsters_own_storage_keeps(
    fresh_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(BATCH))
    own, plain = tmp_path / "own", tmp_path / "plain"
    own.mkdir()
    plain.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", own)
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", fresh_database())
    config = {"storage": {"postgres": {"postgres_url": fresh_database()}}, "telemetry": {"enabled": False}}
    # JSON is YAML too.
    (plain / "dagster.yaml").write_text(json.dumps(config))

    given: list[dg.EventLogEntry] = []
    stored = BatchingEventLogStorage._store_alike

    def seen(storage: BatchingEventLogStorage, events: Sequence[dg.EventLogEntry]) -> None:
        given.extend(events)
        stored(storage, events)

    monkeypatch.setattr(BatchingEventLogStorage, "_store_alike", seen)
    with opened(own, monkeypatch) as instance:
        assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
        run_over_the_range(instance)
        ours = history(instance)
        texts = _texts(instance, "ASSET_MATERIALIZATION")
    made = [event for event in given if event.get_dagster_event().is_step_materialization]
    assert texts == [serialize_value(event) for event in made]
    assert len(texts) == len(KEYS) * len(ASSETS)
    with opened(plain, monkeypatch) as instance:
        assert not isinstance(instance.event_log_storage, BatchingEventLogStorage)
        run_over_the_range(instance)
        theirs = history(instance)

    for name, value in theirs.items():
        assert ours[name] == value, name
    assert theirs["materialised"] == {str(key): KEYS for key in ASSET_KEYS}
    planned = [event for event in ours["events"] if event[0] == "ASSET_MATERIALIZATION_PLANNED"]
    assert len(planned) == len(KEYS) * len(ASSETS)
    assert any(("made_by", "test") in tags for _, tags in ours["tags"][str(first.key)])


def test_the_projects_instance_keeps_its_tables_in_a_schema_of_its_own(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", postgres_url)
    with opened(tmp_path, monkeypatch) as instance:
        assert instance.get_runs() == []
    inspector = sa.inspect(sa.create_engine(postgres_url, poolclass=sa.NullPool))
    assert {"runs", "event_logs", "asset_keys", "jobs"} <= set(inspector.get_table_names("dagster"))
    assert inspector.get_table_names("public") == []


def test_an_instance_that_is_open_starts_the_embedded_server_again_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "embedded")
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path))
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        with opened(tmp_path, monkeypatch) as instance:
            kept = instance.add_run(dg.DagsterRun("kept"))
            os.kill(server.status().pid or 0, signal.SIGKILL)
            while server.status().state != "stopped":
                time.sleep(0.01)
            assert instance.get_runs() == [kept]
    finally:
        server.stop()
