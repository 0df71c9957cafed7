"""The landing folder's sensor, tick by tick."""

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cryptopattern_pipelines.automation import sensors
from cryptopattern_pipelines.automation.partitions import HOURLY
from cryptopattern_pipelines.automation.sensors import HOUR, new_screenshots, windows_to_run
from cryptopattern_pipelines.resources.stores import LandingFolder

REACH = timedelta(hours=3)
LAST = datetime(2024, 8, 31, 23, tzinfo=UTC)
START_TAG, END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Ticks:
    """A sensor over a folder, whose cursor lives on from tick to tick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "landing"
        self.folder.mkdir()
        self.resource = LandingFolder(
            folder=str(self.folder), index=str(folder / "index"), extensions=["png"], max_bytes=1_000_000
        )
        self.sensor = new_screenshots(dg.DefaultSensorStatus.STOPPED, REACH)
        self.cursor: str | None = None

    def tick(self) -> tuple[list[dict[str, str]], str]:
        """The tags of the runs asked for, and why none was."""
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance, cursor=self.cursor, resources={"landing_folder": self.resource})
            result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return [dict(run.tags) for run in result.run_requests or []], result.skip_message or ""

    def drop(self, name: str, shade: int = 0) -> Path:
        path = self.folder / name
        Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(path)
        return path


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    monkeypatch.setattr(sensors, "SETTLED_AFTER_SECONDS", 0.0)
    return Ticks(tmp_path)


def test_a_late_screenshot_asks_for_its_hour_and_what_follows(ticks: Ticks) -> None:
    assert "no new file" in ticks.tick()[1]
    ticks.drop("2024-08-05 13.22.01.png")
    [run], _ = ticks.tick()
    assert (run[START_TAG], run[END_TAG]) == ("2024-08-05-13:00", "2024-08-05-15:00")
    assert HOURLY.has_partition_key(run[START_TAG])
    assert ticks.tick()[0] == []


def test_thousands_of_files_are_few_runs(ticks: Ticks) -> None:
    first = ticks.drop("2024-08-05 13.00.00.png").read_bytes()
    for number in range(1500):
        (ticks.folder / f"2024-08-{5 + number % 2:02d} 13.{number % 60:02d}.00 {number}.png").write_bytes(
            first + number.to_bytes(2)
        )
    assert len(ticks.tick()[0]) == 2


def test_a_file_still_being_written_is_left_for_the_next_tick(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "SETTLED_AFTER_SECONDS", 60.0)
    ticks.drop("2024-08-05 13.22.01.png")
    assert ticks.tick()[0] == []
    monkeypatch.setattr(sensors, "SETTLED_AFTER_SECONDS", 0.0)
    assert len(ticks.tick()[0]) == 1


def test_a_file_that_keeps_an_old_date_of_modification_is_not_passed_over(ticks: Ticks) -> None:
    ticks.drop("2024-08-05 13.22.01.png", 1)
    ticks.tick()
    old = ticks.drop("2024-08-01 10.00.00.png", 2)
    os.utime(old, (1, 1))
    assert ticks.tick()[0][0][START_TAG] == "2024-08-01-10:00"


def test_an_earlier_copy_asks_for_both_hours(ticks: Ticks) -> None:
    ticks.drop("2024-08-05 13.22.01.png")
    ticks.tick()
    ticks.drop("2024-08-01 10.00.00.png")
    assert [run[START_TAG] for run in ticks.tick()[0]] == ["2024-08-01-10:00", "2024-08-05-13:00"]


def test_the_hour_still_going_on_is_left_to_the_schedule(ticks: Ticks) -> None:
    ticks.drop(f"{datetime.now(UTC):%Y-%m-%d %H.%M.%S}.png")
    runs, why = ticks.tick()
    assert runs == []
    assert "still going on" in why


@given(st.lists(st.integers(0, 800), max_size=30), st.integers(0, 30))
def test_windows_hold_every_hour_with_what_follows_and_do_not_touch(hours: list[int], reach: int) -> None:
    times = {LAST - HOUR * hour for hour in hours}
    windows = windows_to_run(times, HOUR * reach, LAST)
    for time in times:
        until = min(time + HOUR * max(reach, 1), LAST + HOUR)
        assert any(window.start <= time and until <= window.end for window in windows)
    for one, following in itertools.pairwise(windows):
        assert one.end < following.start
    assert all(window.start in times and window.end <= LAST + HOUR for window in windows)
