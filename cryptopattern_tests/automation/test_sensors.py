"""The landing folder's sensor, tick by tick."""

import itertools
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cryptopattern_pipelines.automation import sensors
from cryptopattern_pipelines.automation.again import AGAIN_TAG
from cryptopattern_pipelines.automation.jobs import WRITES
from cryptopattern_pipelines.automation.partitions import HOURLY
from cryptopattern_pipelines.automation.sensors import (
    HOUR,
    MISSED_TAG,
    days_after_late_hours,
    forecasts_after_late_days,
    missed_hours,
    new_screenshots,
    windows_to_run,
)
from cryptopattern_pipelines.resources.stores import LandingFolder, Store
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES

REACH = timedelta(hours=3)
LAST = datetime(2024, 8, 31, 23, tzinfo=UTC)
START_TAG, END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Ticks:
    """A sensor over a folder, whose cursor lives on from tick to tick."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.folder = folder / "landing"
        self.folder.mkdir()
        self.resource = LandingFolder(
            folder=str(self.folder), index=str(folder / "index"), extensions=["png"], max_bytes=1_000_000
        )
        self.sensor = new_screenshots(dg.DefaultSensorStatus.STOPPED, REACH)
        self.cursor: str | None = None

    def tick(self) -> tuple[list[dict[str, str]], str]:
        """The tags of the runs asked for, and why none was."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources={"landing_folder": self.resource}
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return [dict(run.tags) for run in result.run_requests or []], result.skip_message or ""

    def drop(self, name: str, shade: int = 0) -> Path:
        path = self.folder / name
        Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(path)
        return path


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticks]:
    monkeypatch.setattr(sensors, "SETTLED_AFTER_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(tmp_path, instance)


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


def test_a_file_of_a_time_to_come_is_not_waited_for(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "SETTLED_AFTER_SECONDS", 60.0)
    ticks.drop("2024-08-05 13.22.01.png")
    an_hour_ago = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr("cryptopattern_pipelines.automation.sensors.time.time_ns", lambda: an_hour_ago)
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


def test_a_folder_moved_in_brings_its_files_though_they_did_not_change(ticks: Ticks) -> None:
    ticks.drop("2024-08-05 13.22.01.png", 1)
    elsewhere = ticks.folder.parent / "BTC"
    elsewhere.mkdir()
    ticks.drop("../BTC/2024-08-01 10.00.00.png", 2)
    ticks.tick()
    elsewhere.rename(ticks.folder / "BTC")
    assert [run[START_TAG] for run in ticks.tick()[0]] == ["2024-08-01-10:00"]


def test_a_change_of_permissions_asks_for_nothing_again(ticks: Ticks) -> None:
    path = ticks.drop("2024-08-05 13.22.01.png")
    ticks.tick()
    path.chmod(0o600)
    assert ticks.tick()[0] == []


def test_an_index_made_anew_is_seen_from_its_beginning(ticks: Ticks) -> None:
    ticks.drop("2024-08-05 13.22.01.png")
    ticks.tick()
    for file in ticks.folder.parent.glob("index*"):
        file.unlink()
    ticks.drop("2024-08-01 10.00.00.png", 2)
    assert [run[START_TAG] for run in ticks.tick()[0]] == ["2024-08-01-10:00", "2024-08-05-13:00"]


def test_names_that_are_not_utf_8_and_links_to_themselves_stop_nothing(ticks: Ticks) -> None:
    (ticks.folder / "loop.png").symlink_to("loop.png")
    with open(os.fsencode(ticks.folder) + b"/\xff.png", "wb") as file:  # noqa: PTH123 (such names need bytes)
        file.write(b"x")
    ticks.drop("2024-08-05 13.22.01.png")
    assert len(ticks.tick()[0]) == 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    now = [datetime(2024, 8, 5, 13, 30, tzinfo=UTC)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return now[0].astimezone(tz)

    monkeypatch.setattr(sensors, "datetime", Clock)
    return now


class TestHourStillGoingOn:
    """A file of the hour that has not closed yet is the schedule's; if the schedule did not run, the sensor's."""

    def test_is_left_to_the_schedule(self, ticks: Ticks, clock: list[datetime]) -> None:
        ticks.drop("2024-08-05 13.22.01.png")
        runs, why = ticks.tick()
        assert runs == []
        assert "still going on" in why
        clock[0] += timedelta(minutes=40)
        assert ticks.tick()[0] == []

    def test_is_asked_for_when_the_schedule_did_not_run_it(self, ticks: Ticks, clock: list[datetime]) -> None:
        ticks.drop("2024-08-05 13.22.01.png")
        ticks.tick()
        clock[0] += timedelta(hours=12)
        assert [run[START_TAG] for run in ticks.tick()[0]] == ["2024-08-05-13:00"]
        assert ticks.tick()[0] == []

    def test_is_asked_for_again_when_another_file_of_it_comes_after_the_schedule(
        self, ticks: Ticks, clock: list[datetime]
    ) -> None:
        ticks.drop("2024-08-05 13.22.01.png", 1)
        ticks.tick()
        ticks.instance.report_runless_asset_event(
            dg.AssetMaterialization("raw_screenshots", partition="2024-08-05-13:00")
        )
        clock[0] += timedelta(minutes=40)
        ticks.drop("2024-08-05 13.40.00.png", 2)
        assert [run[START_TAG] for run in ticks.tick()[0]] == ["2024-08-05-13:00"]

    def test_is_not_asked_for_when_the_schedule_has_run_it(self, ticks: Ticks, clock: list[datetime]) -> None:
        ticks.drop("2024-08-05 13.22.01.png")
        ticks.tick()
        ticks.instance.report_runless_asset_event(
            dg.AssetMaterialization("raw_screenshots", partition="2024-08-05-13:00")
        )
        clock[0] += timedelta(hours=12)
        assert ticks.tick()[0] == []


class TestMissedHours:
    """Hours that nobody ran are asked for, the newest gap first, each again after longer and longer waits."""

    @pytest.fixture
    def desk(self, tmp_path: Path, clock: list[datetime]) -> Iterator["Desk"]:
        with dg.DagsterInstance.ephemeral() as instance:
            yield Desk(Store(root=str(tmp_path)), instance, clock)

    def test_nothing_is_asked_for_before_the_first_hour_was_run(self, desk: "Desk") -> None:
        assert desk.tick() is None

    def test_an_hour_that_its_schedule_may_still_run_is_left_to_it(self, desk: "Desk") -> None:
        desk.has_run(desk.hour(11), desk.hour(13))
        assert desk.tick() is None
        desk.clock[0] += timedelta(minutes=45)
        assert desk.tick() is None
        desk.clock[0] += timedelta(minutes=10)
        assert desk.tick() == (desk.hour(13), desk.hour(13))

    def test_the_newest_gap_comes_first_and_its_run_goes_on_to_now(self, desk: "Desk") -> None:
        for first, end in ((1, 3), (5, 8), (10, 11)):
            desk.has_run(desk.hour(first), desk.hour(end))
        assert [desk.tick() for _ in range(4)] == [
            (desk.hour(11), desk.hour(12)),
            (desk.hour(8), desk.hour(12)),
            (desk.hour(3), desk.hour(12)),
            None,
        ]

    def test_a_gap_that_stays_is_asked_for_again_later_and_not_for_ever(self, desk: "Desk") -> None:
        desk.has_run(desk.hour(1), desk.hour(12))
        assert desk.tick() is not None
        for wait in (15, 60, 240, 960, 3840):
            desk.clock[0] += timedelta(minutes=wait - 1)
            assert desk.tick() is None
            desk.clock[0] += timedelta(minutes=1)
            assert desk.tick() is not None
        desk.clock[0] += timedelta(days=20)
        assert desk.tick() is None

    def test_a_clock_that_is_put_back_asks_for_nothing_twice_and_loses_nothing(self, desk: "Desk") -> None:
        desk.has_run(desk.hour(1), desk.hour(12))
        asked = desk.tick()
        assert asked == (desk.hour(12), desk.hour(12))
        desk.clock[0] -= timedelta(hours=6)
        assert [desk.tick() for _ in range(3)] == [None] * 3
        desk.clock[0] += timedelta(hours=6, minutes=15)
        assert desk.tick() == asked

    def test_nothing_is_asked_for_while_a_run_writes_tables(self, desk: "Desk") -> None:
        desk.has_run(desk.hour(1), desk.hour(12))
        desk.instance.add_run(desk.run(dg.DagsterRunStatus.STARTED, WRITES))
        assert desk.tick() is None


class Desk:
    """A store and an instance in which runs of `missed_hours` are begun but fill nothing."""

    def __init__(self, store: Store, instance: dg.DagsterInstance, clock: list[datetime]) -> None:
        self.store, self.instance, self.clock = store, instance, clock
        self.sensor = missed_hours(dg.DefaultSensorStatus.STOPPED)

    @staticmethod
    def hour(hour: int) -> datetime:
        return datetime(2024, 8, 5, hour, tzinfo=UTC)

    def has_run(self, start: datetime, end: datetime) -> None:
        self.store.table(SQUEEZE_ANALYSES).write(SQUEEZE_ANALYSES.empty(), start, end)

    @staticmethod
    def run(status: dg.DagsterRunStatus, tags: Mapping[str, str]) -> dg.DagsterRun:
        return dg.DagsterRun("hourly", run_id=str(uuid.uuid4()), status=status, tags=tags)

    def tick(self) -> tuple[datetime, datetime] | None:
        """The first and the last hour of the run that is asked for; it is kept as one that has failed."""
        with dg.build_sensor_context(self.instance, resources={"store": self.store}) as context:
            requests = self.sensor.evaluate_tick(context).run_requests
        if not requests:
            return None
        [request] = requests
        failed = self.run(dg.DagsterRunStatus.FAILURE, request.tags)
        self.instance.run_storage.add_historical_run(failed, self.clock[0])
        first, last = (HOURLY.time_window_for_partition_key(request.tags[tag]).start for tag in (START_TAG, END_TAG))
        return first, last


@pytest.mark.parametrize(
    ("job", "tags", "asks"),
    [
        ("late_screenshots", {}, True),
        ("hourly", {MISSED_TAG: "2024-08-05T13:00:00+00:00"}, True),
        ("hourly", {AGAIN_TAG: "2024-08-05T13:00:00+00:00"}, True),
        ("hourly", {}, False),
    ],
)
def test_late_hours_ask_for_the_days_that_have_counted_them(job: str, tags: dict[str, str], asks: bool) -> None:
    sensor = days_after_late_hours(dg.DefaultSensorStatus.STOPPED)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    nothing = dg.GraphDefinition(job, node_defs=[dg.op(name="nothing")(lambda: None)]).to_job()
    with dg.DagsterInstance.ephemeral() as instance:
        result = nothing.execute_in_process(
            instance=instance, tags={START_TAG: f"{yesterday - timedelta(days=1):%Y-%m-%d}-13:00", **tags}
        )
        context = dg.build_run_status_sensor_context(
            "days_after_late_hours", result.get_run_success_event(), instance, result.dagster_run
        )
        request = sensor(context)
    assert isinstance(request, dg.RunRequest if asks else dg.SkipReason)
    if isinstance(request, dg.RunRequest):
        assert request.tags[START_TAG] == f"{yesterday - timedelta(days=1):%Y-%m-%d}"
        assert request.tags[END_TAG] == f"{yesterday:%Y-%m-%d}"


@pytest.mark.parametrize(("tags", "asks"), [({START_TAG: "2024-08-05"}, True), ({}, False)])
def test_late_days_ask_for_the_forecasts_that_take_their_models(tags: dict[str, str], asks: bool) -> None:
    sensor = forecasts_after_late_days(dg.DefaultSensorStatus.STOPPED)
    nothing = dg.GraphDefinition("daily", node_defs=[dg.op(name="nothing")(lambda: None)]).to_job()
    with dg.DagsterInstance.ephemeral() as instance:
        result = nothing.execute_in_process(instance=instance, tags=tags)
        context = dg.build_run_status_sensor_context(
            "forecasts_after_late_days", result.get_run_success_event(), instance, result.dagster_run
        )
        request = sensor(context)
    assert isinstance(request, dg.RunRequest if asks else dg.SkipReason)
    if isinstance(request, dg.RunRequest):
        # The models of a day are for the hours after it.
        assert request.tags[START_TAG] == "2024-08-06-00:00"


@given(st.lists(st.integers(0, 800), max_size=30), st.integers(0, 30))
def test_windows_hold_every_hour_with_what_follows_and_do_not_touch(hours: list[int], reach: int) -> None:
    times = {LAST - HOUR * hour for hour in hours}
    windows = windows_to_run(times, HOUR * reach, LAST)
    for at in times:
        until = min(at + HOUR * max(reach, 1), LAST + HOUR)
        assert any(window.start <= at and until <= window.end for window in windows)
    for one, following in itertools.pairwise(windows):
        assert one.end < following.start
    assert all(window.start in times and window.end <= LAST + HOUR for window in windows)
