"""The most traded coins of the day before, through the real assets: chosen without the day, alike in any range."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from cryptopattern_pipelines.assets.market import market_candles
from cryptopattern_pipelines.assets.symbols import symbols
from cryptopattern_pipelines.automation.partitions import DAILY, HOURLY, Window, range_tags
from cryptopattern_pipelines.market.archive import KLINES
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.resources.stores import Store
from cryptopattern_pipelines.storage.parquet import TableStore
from cryptopattern_tests.market.test_archive import UM, kline, put

START = datetime(2025, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# USD an hour by coin and day, from the day before START on.
VOLUMES = {"AAA": [9.0, 1.0, 1.0], "BBB": [1.0, 5.0, 1.0], "CCC": [0.5, 0.5, 7.0]}


def archive(folder: Path, volumes: dict[str, list[float]]) -> Path:
    for coin, by_day in volumes.items():
        rows = []
        for day, volume in enumerate(by_day, start=-1):
            for hour in range(24):
                row = kline(START + day * DAY + hour * HOUR)
                row[7] = volume
                rows.append(row)
        put(folder, f"{UM}/monthly/klines/{coin}USDT/1h/{coin}USDT-1h-2025-03.zip", KLINES, rows)
    return folder


def settings_of(data: Path, archive: Path, symbols: str = "top:1") -> Settings:
    return load_settings(data=data, market_source="archive", archive=str(archive), symbols=symbols)


def run(asset: dg.AssetsDefinition, settings: Settings, window: Window) -> None:
    partitions = DAILY if asset is symbols else HOURLY
    resources = {"store": Store.of(settings), "market": Market.of(settings), "database": ServingDatabase(settings)}
    assert dg.materialize([asset], tags=range_tags(partitions, window), resources=resources).success


def followed(settings: Settings) -> list[str]:
    """Each day's coins."""
    rows = TableStore(settings.store_root).table("market_candles").read(START, START + 2 * DAY)
    return [",".join(sorted(set(coins))) for _, coins in rows.groupby(rows["hour"].dt.floor("D"))["symbol"]]


def test_each_day_follows_what_traded_most_on_the_day_before(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", archive(tmp_path / "archive", VOLUMES))
    window = Window(START, START + 2 * DAY)
    run(market_candles, settings, window)
    assert followed(settings) == ["AAA", "BBB"]
    whole = TableStore(settings.store_root).table("market_candles").read(*window)

    # With the rows of `symbols` filled first, and hour by hour, it is the same.
    other = settings_of(tmp_path / "other", tmp_path / "archive")
    run(symbols, other, Window(START - DAY, START + DAY))
    for hour in (START, START + 23 * HOUR, START + DAY):
        run(market_candles, other, Window(hour, hour + HOUR))
        alone = TableStore(other.store_root).table("market_candles").read(hour, hour + HOUR)
        pd.testing.assert_frame_equal(whole[whole["hour"] == hour].reset_index(drop=True), alone)


def test_a_bundle_that_nobody_has_heard_of_is_found_by_its_listing(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", archive(tmp_path / "archive", {**VOLUMES, "1000NEW": [99.0, 99.0, 99.0]}))
    run(market_candles, settings, Window(START, START + DAY))
    rows = TableStore(settings.store_root).table("market_candles").read(START, START + DAY)
    assert rows[["symbol", "instrument"]].drop_duplicates().to_numpy().tolist() == [["NEW", "1000NEWUSDT"]]
    assert set(rows["close"]) == {0.01}


def test_what_trades_later_chooses_nothing(tmp_path: Path) -> None:
    later = {coin: [*volumes[:2], 1000.0 * number] for number, (coin, volumes) in enumerate(VOLUMES.items())}
    settings = settings_of(tmp_path / "data", archive(tmp_path / "archive", later), "CCC,top:1")
    run(market_candles, settings, Window(START, START + 2 * DAY))
    assert followed(settings) == ["AAA,CCC", "BBB,CCC"]


def test_symbols_keep_what_the_day_before_knew(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", archive(tmp_path / "archive", VOLUMES))
    run(symbols, settings, Window(START - DAY, START))
    run(symbols, settings, Window(START, START + DAY))
    rows = TableStore(settings.store_root).table("symbols").read(START, START + DAY)
    assert rows[["symbol", "status", "volume_24h_usd"]].to_numpy().tolist() == [
        ["AAA", "listed", 24.0],
        ["BBB", "listed", 120.0],
        ["CCC", "listed", 12.0],
    ]
    assert set(rows["first_seen"]) == {START - DAY}


def test_days_that_nobody_tells_of_are_refused_in_one_line(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", archive(tmp_path / "archive", VOLUMES))
    resources = {"store": Store.of(settings), "market": Market.of(settings), "database": ServingDatabase(settings)}
    tags = range_tags(HOURLY, Window(START + 40 * DAY, START + 40 * DAY + HOUR))
    with pytest.raises(Exception, match=r"most traded coins of 2025-04-10 are not known: .* or name coins in"):
        dg.materialize([market_candles], tags=tags, resources=resources)
