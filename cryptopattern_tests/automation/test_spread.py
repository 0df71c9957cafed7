"""A range cut into parts: what each waits for, and that everything is run once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.automation.spread import STAGES, Stage, _assets, may_start, parts_of, plan
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage.schemas import TABLES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 1, 5, tzinfo=UTC)

BY_NAME = {stage.name: stage for stage in STAGES}


def needed(stage: Stage) -> set[str]:
    """The stages that a stage waits for, by itself or through others."""
    return {name for need in stage.needs for name in {need, *needed(BY_NAME[need])}}


@given(st.integers(1, 24 * 400), st.integers(1, 50))
def test_parts_are_the_whole_window_cut_at_midnights_into_nearly_as_many_days(hours: int, count: int) -> None:
    window = Window(START, START + hours * HOUR)
    parts = parts_of(window, count)
    assert len(parts) <= count
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all(part.start < part.end for part in parts)
    assert all((part.start.hour, part.start.minute) == (0, 0) for part in parts[1:])
    days = [(part.end - part.start) / DAY for part in parts[1:-1]]
    assert not days or max(days) - min(days) <= 1


def test_every_table_is_in_one_stage_of_the_job_that_a_backfill_runs_it_by() -> None:
    definitions = build_definitions(load_settings())
    tables = [table for stage in STAGES for table in stage.tables]
    assert sorted(tables) == sorted(TABLES)
    for job in ("history", "daily", "forecasts"):
        selected = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        assert {key for stage in STAGES if stage.job == job for key in _assets(stage.tables)} == set(selected)


def test_a_stage_waits_for_every_table_that_its_own_are_made_of() -> None:
    graph = build_definitions(load_settings()).resolve_asset_graph()
    stage_of = {table: stage for stage in STAGES for table in stage.tables}
    for table, stage in stage_of.items():
        for parent in graph.get(dg.AssetKey(table)).parent_keys:
            before = stage_of[parent.path[-1]]
            # Within a stage nothing looks back: each reads its own hours alone.
            assert before is stage or before.name in needed(stage), f"{table} reads {parent.path[-1]}"


@pytest.mark.parametrize("table", ["symbols", "squeeze_forecaster"])
def test_what_goes_on_from_the_day_before_goes_in_order(table: str) -> None:
    assert next(stage for stage in STAGES if table in stage.tables).in_order


def test_a_part_starts_when_all_before_it_of_what_it_reads_are_there() -> None:
    stages = plan(Window(START, START + 10 * DAY), 3)
    nothing = dict.fromkeys(stages, 0)
    ready = [part for parts in stages.values() for part in parts if may_start(part, nothing)]
    assert ready == stages["sources"]
    first, second, _ = stages["snapshots"]
    assert may_start(first, nothing | {"sources": 1})
    assert not may_start(second, nothing | {"sources": 1})
    model = stages["models"][1]
    assert not may_start(model, nothing | {"outcomes": 3})
    assert may_start(model, nothing | {"outcomes": 3, "models": 1})


def test_a_part_without_a_whole_day_has_no_days() -> None:
    stages = plan(Window(START, START + 7 * HOUR), 2)
    assert [part.window for part in stages["outcomes"]] == [None]
    assert [part.window for part in stages["forecasts"]] == [Window(START, START + 7 * HOUR)]
