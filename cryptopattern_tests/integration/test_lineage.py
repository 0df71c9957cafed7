"""The lineage from end to end: each asset by itself, a bad row, a late screenshot, and real history."""

import base64
import csv
import io
import json
import re
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import psycopg2
import pytest

from cryptopattern_pipelines.assets import forecasts, market, outcomes, screenshots, squeeze, symbols
from cryptopattern_pipelines.assets.serving import serving_asset
from cryptopattern_pipelines.automation.partitions import HOURLY, Window, partitions_of, range_tags
from cryptopattern_pipelines.checks.quality import NO_ROW_IS_SET_ASIDE
from cryptopattern_pipelines.checks.schema import CHECK
from cryptopattern_pipelines.definitions import build_definitions
from cryptopattern_pipelines.market.source import Problem
from cryptopattern_pipelines.reading.picture import load_picture
from cryptopattern_pipelines.storage.imported import take_in
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, TABLES
from cryptopattern_tests.integration.installation import HOUR, SAMPLES, Installation

LAST_DAY = Window(datetime(2025, 1, 29, tzinfo=UTC), datetime(2025, 1, 30, tzinfo=UTC))
# An hour of the sample with screenshots in it.
AN_HOUR = datetime(2025, 1, 29, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, module_postgres_url: str) -> Installation:
    installation = Installation.at(tmp_path_factory.mktemp("filled"), module_postgres_url)
    installation.fill(LAST_DAY)
    return installation


def assets_by_name() -> dict[str, dg.AssetsDefinition]:
    tables = dg.load_assets_from_modules([screenshots, market, symbols, squeeze, outcomes, forecasts])
    return {asset.key.to_user_string(): asset for asset in tables if isinstance(asset, dg.AssetsDefinition)} | {
        f"serving/{table.name}": serving_asset(table) for table in TABLES.values()
    }


@pytest.mark.parametrize("name", sorted(assets_by_name()))
def test_an_asset_materialises_one_partition_by_itself(filled: Installation, name: str) -> None:
    table = TABLES[name.removeprefix("serving/")]
    key = (AN_HOUR if table.partition == "hour" else LAST_DAY.start).strftime(partitions_of(table).fmt)
    before = filled.files()
    resources = dict(build_definitions(filled.settings).resources or {})
    result = dg.materialize([assets_by_name()[name]], partition_key=key, resources=resources)
    assert result.success
    [event] = result.get_asset_materialization_events()
    assert event.partition == key
    assert filled.files() == before, "one partition by itself differs from the same among a range"
    if not name.startswith("serving/"):
        checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        assert CHECK in checks
        assert all(checks.values()), checks


def test_the_pages_of_hours_with_charts_show_what_was_read_of_them(filled: Installation) -> None:
    resources = dict(build_definitions(filled.settings).resources or {})
    with dg.DagsterInstance.ephemeral() as instance:
        tags = range_tags(HOURLY, LAST_DAY)
        result = dg.materialize([screenshots.classified_images], resources=resources, instance=instance, tags=tags)
    shown = {
        event.partition: re.findall(rb"data:image/jpeg;base64,([\w+/=]+)", str(page.value).encode())
        for event in result.get_asset_materialization_events()
        if (page := event.materialization.metadata.get("what was read"))
    }
    rows = filled.rows("classified_images", *LAST_DAY).query("image_type != 'unknown'")
    newest = rows.groupby("hour").head(3).tail(6).groupby("hour").size()
    assert {key: len(copies) for key, copies in shown.items()} == newest.rename(
        lambda x: x.strftime(HOURLY.fmt)
    ).to_dict()
    for copy in (base64.b64decode(text) for copies in shown.values() for text in copies):
        assert load_picture(copy).pixels.shape[1] <= 900
        assert len(copy) < 150_000


def test_every_published_row_is_the_parquet_row(filled: Installation) -> None:
    connection = psycopg2.connect(filled.settings.database_url)
    for name, table in TABLES.items():
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(table.names)} FROM serving.{name} ORDER BY {', '.join(table.key)}")
            published = table.conform(pd.DataFrame(cursor.fetchall(), columns=table.names))
        kept = filled.rows(name, *LAST_DAY).sort_values(list(table.key), ignore_index=True)
        pd.testing.assert_frame_equal(published, kept, obj=name)
    connection.close()


def test_the_sample_is_read_analysed_and_partly_set_aside(filled: Installation) -> None:
    types = filled.rows("classified_images", *LAST_DAY)["image_type"].value_counts()
    assert types["liquidation_distribution_all"] == 2
    assert types["unknown"] == 1
    assert "broken" in filled.rows("quarantined_screenshots", *LAST_DAY)["file"].item()
    analyses = filled.rows("squeeze_analyses", LAST_DAY.end - HOUR, LAST_DAY.end).set_index("symbol")
    # The sample's README: at its last hour ETH is in a short squeeze that was planted.
    assert analyses.loc["ETH", "squeeze_type"] == "SHORT_SQUEEZE"
    assert analyses.loc["ETH", "liquidation_dominance_strength"] > 70
    assert pd.isna(analyses.loc["BTC", "liquidation_dominance_strength"])


class _Told:
    """A source that tells these rows of MARKET_CANDLES, whatever is asked."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows

    def candles(self, symbols: list[str], start: datetime, end: datetime) -> pd.DataFrame:
        return self.rows


class _ToldMarket(dg.ConfigurableResource[Any]):
    symbols: list[str] = ["BTC"]  # noqa: RUF012 (a pydantic field)
    rows: list[dict[str, Any]]

    def open(self, _sent: object = None) -> _Told:
        return _Told(MARKET_CANDLES.conform([row | {"hour": pd.Timestamp(row["hour"])} for row in self.rows]))


def told_candle(**changes: Any) -> dict[str, Any]:
    names = {
        "hour": AN_HOUR.isoformat(),
        "symbol": "BTC",
        "venue": "binance",
        "market": "spot",
        "instrument": "BTCUSDT",
    }
    figures = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume_base": 1.0, "volume_usd": 10.0}
    return {**names, **figures, **changes}


def run_over(installation: Installation, *rows: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """One hour of candles and of what is made of them, from these rows."""
    resources = dict(build_definitions(installation.settings).resources or {}) | {
        "market": _ToldMarket(rows=list(rows))
    }
    return dg.materialize(
        [
            market.market_candles,
            market.quarantined_market_rows,
            market.exchange_snapshots,
            market.market_contradictions,
        ],
        partition_key=AN_HOUR.strftime(HOURLY.fmt),
        resources=resources,
        raise_on_error=False,
    )


def test_a_row_of_our_own_fault_fails_the_check_and_leaves_the_table_as_it_was(filled: Installation) -> None:
    before = filled.files()
    result = run_over(filled, told_candle(), told_candle(market="swap"))
    assert not result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (CHECK, False)
    assert "column market breaks isin" in str(check.metadata["reason"].value)
    assert result.get_asset_materialization_events() == []
    assert filled.files() == before


def test_a_broken_row_of_a_source_is_set_aside_and_the_hour_goes_on(tmp_path: Path) -> None:
    installation = Installation.at(tmp_path, None)
    window = (AN_HOUR, AN_HOUR + HOUR)
    impossible = told_candle(venue="okx", high=9.0, low=11.0)
    result = run_over(installation, told_candle(), impossible)
    assert result.success
    checks = {check.check_name: check for check in result.get_asset_check_evaluations() if not check.passed}
    assert list(checks) == [NO_ROW_IS_SET_ASIDE]
    assert checks[NO_ROW_IS_SET_ASIDE].severity == dg.AssetCheckSeverity.WARN
    assert installation.rows("exchange_snapshots", *window)["venues"].tolist() == ["binance:spot"]
    [row] = installation.rows("quarantined_market_rows", *window).to_dict("records")
    assert (row["table_name"], row["venue"]) == ("market_candles", "okx")
    assert row["reason"] == "not low <= open, close <= high"
    assert json.loads(row["row_json"])["low"] == 11.0
    # The same again is the same; and a source that has mended its row takes it out.
    before = installation.files()
    assert run_over(installation, told_candle(), impossible).success
    assert installation.files() == before
    assert run_over(installation, told_candle(), told_candle(venue="okx")).success
    assert installation.rows("quarantined_market_rows", *window).empty
    assert installation.rows("exchange_snapshots", *window)["venue_count"].tolist() == [2]


def test_an_import_takes_the_place_of_a_broken_row_and_is_held_against_the_others(tmp_path: Path) -> None:
    installation = Installation.at(tmp_path, None)
    window = (AN_HOUR, AN_HOUR + HOUR)
    own = [told_candle(), told_candle(venue="okx", low=0.0)]
    imported = [told_candle(close=10.2), told_candle(venue="okx", close=10.1)]
    store = installation.store
    take_in(store, MARKET_CANDLES, MARKET_CANDLES.conform([row | {"hour": AN_HOUR} for row in imported]))
    assert run_over(installation, *own).success
    candles = installation.rows("market_candles", *window)
    assert candles[["venue", "close"]].to_numpy().tolist() == [["binance", 10.0], ["okx", 10.1]]
    assert installation.rows("quarantined_market_rows", *window)["venue"].tolist() == ["okx"]
    told = installation.rows("market_contradictions", *window)
    assert told[["what", "source_a", "source_b", "value_a", "value_b"]].to_numpy().tolist() == [
        ["imported_close", "binance:spot", "binance:spot imported", 10.0, 10.2]
    ]


@pytest.mark.parametrize(
    ("earlier", "rows", "check"),
    [
        # Of the hour before there were two markets.
        ([told_candle(), told_candle(venue="okx")], [told_candle()], "no_hours_are_missing"),
        (
            [told_candle(venue=venue) for venue in ("binance", "gate", "okx")],
            [told_candle(), told_candle(venue="gate"), told_candle(venue="okx", close=10.4)],
            "no_price_jumps_alone",
        ),
        ([], [told_candle(), told_candle(venue="okx", close=10.4)], "venues_agree_on_the_price"),
    ],
)
def test_what_is_doubtful_warns_and_is_written(
    earlier: list[dict[str, Any]], rows: list[dict[str, Any]], check: str, tmp_path: Path
) -> None:
    installation = Installation.at(tmp_path, None)
    before = MARKET_CANDLES.conform([row | {"hour": AN_HOUR - HOUR} for row in earlier])
    installation.store.table("market_candles").write(before, AN_HOUR - HOUR, AN_HOUR)
    result = run_over(installation, *rows)
    assert result.success
    failed = {each.check_name: each for each in result.get_asset_check_evaluations() if not each.passed}
    assert check in failed
    assert failed[check].severity == dg.AssetCheckSeverity.WARN
    assert failed[check].metadata["found"].value == 1
    assert len(installation.rows("market_candles", AN_HOUR, AN_HOUR + HOUR)) == len(rows)


def test_what_the_sensor_asks_for_is_run_and_moves_a_late_screenshot_in(tmp_path: Path, postgres_url: str) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    window = Window(AN_HOUR, AN_HOUR + 3 * HOUR)
    installation = Installation.at(tmp_path / "data", postgres_url, landing=landing)
    assert installation.run("hourly", window).success
    assert installation.rows("squeeze_analyses", *window)["dominance_sha256"].isna().all()
    shutil.copy(SAMPLES / "landing" / "kingfisher_all_2025-01-29_06-10-00.png", landing / "2025-01-29 09.30.00.png")
    late = Window(AN_HOUR + HOUR, window.end)
    job = build_definitions(installation.settings).resolve_job_def("late_screenshots")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags=range_tags(HOURLY, late)).success
    used = installation.rows("squeeze_analyses", *window).groupby("hour")["dominance_sha256"].count()
    assert used.tolist() == [0, 3, 3]


# BTC, ETH and SOL around 2024-08-05, with a genuine chart captured in the hour of the cascade's turn.
CASCADE = Window(datetime(2024, 8, 3, tzinfo=UTC), datetime(2024, 8, 6, tzinfo=UTC))
ITS_HOUR = datetime(2024, 8, 5, 13, tzinfo=UTC)


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory, module_postgres_url: str) -> tuple[Installation, Path]:
    folder = tmp_path_factory.mktemp("real")
    landing = folder / "landing"
    landing.mkdir()
    chart = shared / "screenshots" / "genuine" / "images" / "zmart_1000138400.jpg"
    shutil.copy(chart, landing / "2024-08-05 13.22.01.jpg")
    archive = shared / "market" / "archive"
    installation = Installation.at(folder / "data", module_postgres_url, archive, landing)
    assert installation.run("hourly", CASCADE).success
    return installation, archive


def test_spot_values_are_the_archives(real: tuple[Installation, Path]) -> None:
    installation, archive = real
    snapshots = installation.rows("exchange_snapshots", ITS_HOUR, ITS_HOUR + HOUR).set_index("symbol")
    btc = snapshots.loc["BTC"]
    folder = archive / "data" / "futures" / "um"
    candles = rows_of(folder / "monthly" / "klines" / "BTCUSDT" / "1h" / "BTCUSDT-1h-2024-08.zip")
    opens = [datetime.fromtimestamp(int(row["open_time"]) / 1000, UTC) for row in candles]
    at = opens.index(ITS_HOUR)
    volumes = [float(row["quote_volume"]) for row in candles]
    today, day_before = sum(volumes[at - 23 : at + 1]), sum(volumes[at - 47 : at - 23])
    assert btc["average_price"] == float(candles[at]["close"]) == 51927.7
    assert btc["volume_change_24h_pct"] == pytest.approx(100 * (today / day_before - 1))
    assert btc["price_change_24h_pct"] == pytest.approx(
        100 * (float(candles[at]["close"]) / float(candles[at - 24]["close"]) - 1)
    )
    funding = rows_of(folder / "monthly" / "fundingRate" / "BTCUSDT" / "BTCUSDT-fundingRate-2024-08.zip")
    settled = [r for r in funding if int(r["calc_time"]) < (ITS_HOUR + HOUR).timestamp() * 1000]
    assert btc["funding_rate"] == float(settled[-1]["last_funding_rate"])
    metrics = rows_of(folder / "daily" / "metrics" / "BTCUSDT" / "BTCUSDT-metrics-2024-08-05.zip")
    # Snapshots are published up to five minutes after their time: 13:55 is the last that 14:00 knows.
    published = [r for r in metrics if r["create_time"] <= "2024-08-05 13:55:00"]
    assert btc["open_interest_base"] == float(published[-1]["sum_open_interest"])


def test_the_genuine_chart_is_read_and_used(real: tuple[Installation, Path]) -> None:
    installation, _ = real
    readings = installation.rows("liquidation_readings", ITS_HOUR, ITS_HOUR + HOUR)
    assert len(readings) == 30
    analyses = installation.rows("squeeze_analyses", *CASCADE).set_index(["hour", "symbol"])
    ethereum = analyses.loc[(pd.Timestamp(ITS_HOUR), "ETH")]
    # 87.6 % long: LONG_SQUEEZE; the strength is 1.2 x |87.6 - 12.4|.
    assert ethereum["squeeze_type"] == "LONG_SQUEEZE"
    assert ethereum["liquidation_dominance_strength"] == pytest.approx(1.2 * 75.2)
    assert ethereum["dominance_sha256"] == readings["sha256"].iloc[0]
    before = analyses.loc[(pd.Timestamp(ITS_HOUR - timedelta(hours=1)), "ETH")]
    assert pd.isna(before["dominance_sha256"])


def rows_of(path: Path) -> list[dict[str, str]]:
    """A file of the archive, read by hand."""
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
