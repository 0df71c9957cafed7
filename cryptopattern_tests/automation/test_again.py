"""Hours with missing rows are found by the next tick of the hourly schedule, and asked for again for a day at most."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cryptopattern_pipelines.assets.market import market_candles
from cryptopattern_pipelines.automation.again import AGAIN_TAG, ASK_AGAIN
from cryptopattern_pipelines.automation.housekeeping import health_checks, health_job
from cryptopattern_pipelines.automation.partitions import HOURLY, Window, range_tags
from cryptopattern_pipelines.automation.schedules import schedules
from cryptopattern_pipelines.market import limits
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES
from cryptopattern_tests.replay import faults, serving
from cryptopattern_tests.replay.world import World
from cryptopattern_tests.storage.test_postgres import ask

HOUR = timedelta(hours=1)
NOW = datetime(2025, 1, 30, 12, 7, tzinfo=UTC)
START_TAG, END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    # A schedule opens its instance by its address, which an ephemeral one has not.
    with dg.instance_for_test() as instance:
        yield instance


def key(hour: datetime) -> str:
    return hour.strftime(HOURLY.fmt)


def materialised(instance: dg.DagsterInstance, hour: datetime, problems: int, asset: str = "market_candles") -> None:
    event = dg.AssetMaterialization(asset, partition=key(hour), metadata={ASK_AGAIN: problems})
    instance.report_runless_asset_event(event)


def tick(instance: dg.DagsterInstance, at: datetime = NOW) -> dg.RunRequest:
    schedule = schedules(dg.DefaultScheduleStatus.STOPPED, health_job(health_checks()))[0]
    assert isinstance(schedule, dg.ScheduleDefinition)
    # Left open, it would leave an instance of its own behind that later definitions are loaded with.
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        [request] = schedule.evaluate_tick(context).run_requests or []
    return request


def asked(request: dg.RunRequest) -> tuple[str, str, bool]:
    return request.tags[START_TAG], request.tags[END_TAG], AGAIN_TAG in request.tags


def test_hours_that_came_whole_are_left_alone(instance: dg.DagsterInstance) -> None:
    materialised(instance, NOW.replace(hour=10, minute=0), 0)
    assert asked(tick(instance)) == ("2025-01-30-11:00", "2025-01-30-11:00", False)


@pytest.mark.parametrize("asset", ["market_candles", "derivatives_metrics", "realised_liquidations"])
def test_an_hour_with_missing_rows_is_in_the_next_run(instance: dg.DagsterInstance, asset: str) -> None:
    materialised(instance, NOW.replace(hour=8, minute=0), 2, asset)
    materialised(instance, NOW.replace(hour=9, minute=0), 0, asset)
    assert asked(tick(instance)) == ("2025-01-30-08:00", "2025-01-30-11:00", True)


def test_an_hour_that_came_whole_on_the_second_time_is_left_alone(instance: dg.DagsterInstance) -> None:
    materialised(instance, NOW.replace(hour=8, minute=0), 2)
    materialised(instance, NOW.replace(hour=8, minute=0), 0)
    assert asked(tick(instance)) == ("2025-01-30-11:00", "2025-01-30-11:00", False)


def test_an_hour_is_asked_for_again_for_a_day_at_most(instance: dg.DagsterInstance) -> None:
    old = datetime(2025, 1, 29, 11, tzinfo=UTC)
    materialised(instance, old, 1)
    assert asked(tick(instance)) == (key(old), "2025-01-30-11:00", True)
    assert asked(tick(instance, NOW + HOUR)) == ("2025-01-30-12:00", "2025-01-30-12:00", False)


def test_an_hour_that_lacks_a_venue_is_asked_for_again_and_comes_whole(
    instance: dg.DagsterInstance, tmp_path: Path, postgres_url: str
) -> None:
    world = World(("BTC",), hours=2)
    store, database = Store(root=str(tmp_path)), ServingDatabase(load_settings(database_url=postgres_url))
    first = world.start

    def run(tags: Mapping[str, str]) -> list[tuple[datetime, str]]:
        limits.forget()
        resources = {"store": store, "market": venues, "database": database}
        assert dg.materialize([market_candles], instance=instance, resources=resources, tags=tags).success
        rows = store.read(MARKET_CANDLES, Window(first, world.end))
        return sorted(set(zip(rows["hour"].dt.to_pydatetime(), rows["venue"], strict=True)))

    with serving(world.binance(), world.okx()) as server:
        server.now = world.now
        addresses = dict.fromkeys(("binance_spot_url", "binance_usdm_url", "okx_url"), server.url)
        venues = Market(
            source="live", symbols=["BTC"], archive="", archive_cache="", venues=["binance", "okx"], **addresses
        )
        server.lasting["/api/v5/market/candles"] = faults.status(451)
        assert run(range_tags(HOURLY, Window(first, first + HOUR))) == [(first, "binance")]
        server.lasting.clear()
        # Now the other venue is down: what it brought the first time stays.
        server.lasting["/api/v3/klines"] = server.lasting["/fapi/v1/klines"] = faults.status(451)
        request = tick(instance, first + 2 * HOUR + timedelta(minutes=7))
        assert asked(request) == (key(first), key(first + HOUR), True)
        both = [(first, "binance"), (first, "okx"), (first + HOUR, "okx")]
        assert run(request.tags) == both
        server.lasting.clear()
        request = tick(instance, first + 3 * HOUR + timedelta(minutes=7))
        assert asked(request) == (key(first), key(first + 2 * HOUR), True)
        assert run(range_tags(HOURLY, Window(first, first + 2 * HOUR))) == sorted([*both, (first + HOUR, "binance")])
        assert not asked(tick(instance, first + 3 * HOUR + timedelta(minutes=7)))[2]
    counted = ask(database.address(), "SELECT DISTINCT host, outcome FROM serving.venue_requests")
    assert set(counted) == {
        (host, outcome) for host in ("binance spot", "binance perpetual", "okx") for outcome in ("ok", "refused")
    }


def test_an_hour_is_worth_having_though_nobody_counts_its_requests(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    world = World(("BTC",), hours=2)
    nowhere = ServingDatabase(load_settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    with serving(world.binance(), world.okx()) as server:
        server.now = world.now
        limits.forget()
        addresses = dict.fromkeys(("binance_spot_url", "binance_usdm_url", "okx_url"), server.url)
        market = Market(source="live", symbols=["BTC"], archive="", archive_cache="", venues=["okx"], **addresses)
        resources = {"store": Store(root=str(tmp_path)), "market": market, "database": nowhere}
        tags = range_tags(HOURLY, Window(world.start, world.start + HOUR))
        assert dg.materialize([market_candles], instance=instance, resources=resources, tags=tags).success
    assert len(Store(root=str(tmp_path)).read(MARKET_CANDLES, Window(world.start, world.end))) > 0
