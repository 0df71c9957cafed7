"""The archive's files: the committed ones come out of the code again, and they are what a reader of it expects."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptopattern_tests.samples.archive import LIQUIDATIONS, METRICS, archive_files, write_archive, zipped
from cryptopattern_tests.samples.market import COINS, Coin, Market


@pytest.fixture(scope="module")
def written(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("archive")
    write_archive(market, to)
    return to


def _zips(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted((folder / "data").rglob("*.zip"))}


def _text(path: Path) -> bytes:
    with zipfile.ZipFile(path) as packed:
        (name,) = packed.namelist()
        assert name == path.with_suffix(".csv").name
        return packed.read(name)


def _rows(path: Path, **options: object) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(_text(path)), **options)


def test_a_rerun_makes_the_committed_market_byte_for_byte(written: Path, committed: Path) -> None:
    # What is within the zips is compared: another zlib may pack the same bytes in another way.
    made, kept = _zips(written), _zips(committed)
    assert list(made) == list(kept)
    assert [file for file in made if _text(made[file]) != _text(kept[file])] == []


def test_two_runs_on_one_machine_make_the_same_files(written: Path, market: Market) -> None:
    path, rows, header = next(archive_files(market))
    text = rows.to_csv(index=False, header=header, lineterminator="\n")
    assert zipped(path.with_suffix(".csv").name, text) == (written / path).read_bytes()


def test_every_committed_zip_has_its_checksum(committed: Path) -> None:
    zips = _zips(committed)
    assert len(zips) > 300
    for path in zips.values():
        expected = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        assert path.with_name(path.name + ".CHECKSUM").read_text() == expected


def test_futures_have_a_header_and_milliseconds_and_spot_none_and_microseconds_from_2025(written: Path) -> None:
    futures = _rows(written / "data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip")
    spot = written / "data/spot/monthly/klines/BTCUSDT/1h"
    old = _rows(spot / "BTCUSDT-1h-2024-12.zip", header=None)
    new = _rows(spot / "BTCUSDT-1h-2025-01.zip", header=None)
    assert list(futures.columns)[:7] == ["open_time", "open", "high", "low", "close", "volume", "close_time"]
    assert pd.to_datetime(futures["open_time"].iloc[0], unit="ms") == pd.Timestamp("2025-01-01")
    assert futures["close_time"].iloc[0] - futures["open_time"].iloc[0] == 3_600_000 - 1
    assert pd.to_datetime(old[0].iloc[0], unit="ms") == pd.Timestamp("2024-12-01")
    assert pd.to_datetime(new[0].iloc[0], unit="us") == pd.Timestamp("2025-01-01")
    assert new[6].iloc[0] - new[0].iloc[0] == 3_600_000_000 - 1
    assert (len(old), len(new)) == (31 * 24, 29 * 24)


@pytest.mark.parametrize("coin", METRICS)
def test_a_snapshot_of_metrics_holds_what_stood_when_its_hour_began(written: Path, market: Market, coin: str) -> None:
    folder = written / f"data/futures/um/daily/metrics/{coin}USDT"
    rows = pd.concat([_rows(path) for path in sorted(folder.glob("*.zip"))])
    at = pd.to_datetime(rows["create_time"], utc=True)
    hours = market.hours[coin].set_index("hour").loc[at - pd.Timedelta(hours=1)]
    assert len(rows) == 24 * 90 - 1
    np.testing.assert_array_equal(rows["sum_open_interest"], hours["open_interest_base"])
    np.testing.assert_array_equal(rows["count_long_short_ratio"], hours["account_ratio"])


@pytest.mark.parametrize("coin", [coin for coin in COINS if coin.name in LIQUIDATIONS], ids=lambda c: c.name)
def test_liquidation_orders_lie_on_their_candle_and_add_up(written: Path, market: Market, coin: Coin) -> None:
    folder = written / f"data/futures/um/daily/liquidationSnapshot/{coin.name}USDT"
    files = sorted(folder.glob("*.zip"))
    rows = pd.concat([_rows(path).assign(day=path.stem[-10:]) for path in files])
    at = pd.to_datetime(rows["time"], unit="ms", utc=True)
    hours = market.hours[coin.name].set_index("hour")
    candle = hours.loc[at.dt.floor("h")]
    assert len(files) == 90
    assert (at.dt.strftime("%Y-%m-%d") == rows["day"]).all()
    assert (rows["average_price"].to_numpy() >= candle["low"].to_numpy() - coin.tick).all()
    assert (rows["average_price"].to_numpy() <= candle["high"].to_numpy() + coin.tick).all()
    assert (rows["last_fill_quantity"] <= rows["accumulated_fill_quantity"]).all()
    usd = rows["average_price"] * rows["accumulated_fill_quantity"]
    for side, column in (("SELL", "long_liquidated_usd"), ("BUY", "short_liquidated_usd")):
        total = usd[rows["side"] == side].groupby(at.dt.floor("h")[rows["side"] == side]).sum()
        large = hours[column][hours[column] > 100_000]
        np.testing.assert_allclose(total.reindex(large.index), large, rtol=0.01)
