"""The code location as a whole: it loads, its lineage is the design's, its schedules ask for the right partitions."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG

from cryptopattern_pipelines.automation.partitions import DAILY, FIRST_DAY, HOURLY
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.resources.settings import PROJECT, load_settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_pipelines.storage.schemas import TABLES


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(load_settings(data=tmp_path_factory.mktemp("data")))


def test_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_the_workspace_file_loads(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    # Dagster takes the project's dagster.yaml from the working folder, and so starts the embedded server.
    environment = {**os.environ, "CRYPTOPATTERN_DATA": str(tmp_path), "CRYPTOPATTERN_DATABASE_URL": "embedded"}
    try:
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    finally:
        EmbeddedPostgres(tmp_path / "postgres").stop()
    assert done.returncode == 0, done.stderr
    assert "cryptopattern" in done.stdout + done.stderr


def test_every_table_is_an_asset_with_its_partition_and_a_serving_table(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for table in TABLES.values():
        own, serving = dg.AssetKey(table.name), dg.AssetKey(["serving", table.name])
        for key in (own, serving):
            node = graph.get(key)
            assert node.partitions_def == (HOURLY if table.partition == "hour" else DAILY)
            assert node.backfill_policy == dg.BackfillPolicy.single_run()
            assert node.description
        assert graph.get(serving).parent_keys == {own}
        assert graph.get(own).check_keys, f"{table.name} has no check"


def test_the_lineage_has_the_designs_five_groups(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {"screenshots", "market", "squeeze", "outcomes", "serving"}


@pytest.mark.parametrize(
    ("asset", "comes_from"),
    [
        ("win_rates", "raw_screenshots"),
        ("win_rates", "market_candles"),
        ("squeeze_analyses", "derivatives_metrics"),
        ("liquidation_readings", "ocr_outputs"),
    ],
)
def test_a_row_can_be_followed_back_to_its_source(definitions: dg.Definitions, asset: str, comes_from: str) -> None:
    graph = definitions.resolve_asset_graph()
    assert dg.AssetKey(comes_from) in graph.get_ancestor_asset_keys(dg.AssetKey(asset))


def test_schedules_ask_for_the_partition_that_has_just_ended(definitions: dg.Definitions) -> None:
    asked = {}
    for name, at in (
        ("every_hour", datetime(2025, 1, 30, 12, 7, tzinfo=UTC)),
        ("every_day", datetime(2025, 1, 30, 0, 25, tzinfo=UTC)),
    ):
        schedule = definitions.resolve_schedule_def(name)
        with (
            dg.instance_for_test() as instance,
            dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context,
        ):
            [request] = schedule.evaluate_tick(context).run_requests or []
        asked[name] = request.partition_key or request.tags[ASSET_PARTITION_RANGE_END_TAG]
        assert not any("asked_again" in tag for tag in request.tags)
    assert asked == {"every_hour": "2025-01-30-11:00", "every_day": "2025-01-29"}


def test_the_largest_asset_stays_under_dagsters_advised_number_of_partitions() -> None:
    hours = (datetime(2031, 1, 1, tzinfo=UTC) - FIRST_DAY) / timedelta(hours=1)
    assert HOURLY.get_num_partitions() < hours < 100_000
