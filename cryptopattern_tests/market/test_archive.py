"""The archive source: on the real history, against plain reading of its files, and on small archives made here."""

import csv
import hashlib
import io
import random
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cryptopattern_pipelines.market.archive import FUNDING, KLINES, LIQUIDATIONS, METRICS, ArchiveSource
from cryptopattern_pipelines.market.archive_files import ArchiveError, ChecksumError
from cryptopattern_pipelines.market.snapshots import LOOKBACK, exchange_snapshots
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, MARKET_CANDLES, REALISED_LIQUIDATIONS
from cryptopattern_tests.replay import Reply, files_of, serving

HOUR = timedelta(hours=1)
UM = "data/futures/um"
CRASH = datetime(2024, 8, 5, 13, tzinfo=UTC)


def plain(archive: Path, path: str) -> list[list[str]]:
    """A file's rows as the csv module reads them."""
    with zipfile.ZipFile(archive / path) as opened, opened.open(opened.namelist()[0]) as lines:
        return list(csv.reader(io.TextIOWrapper(lines)))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def put(archive: Path, path: str, columns: Iterable[str], rows: list[list[object]], header: bool = True) -> Path:
    """Write a file into an archive as Binance lays it out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([list(columns), *rows] if header else rows)
    place = archive / path
    place.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(place.stem + ".csv", text.getvalue())
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    (place.parent / f"{place.name}.CHECKSUM").write_text(f"{digest}  {place.name}\n")
    return place


def kline(hour: datetime, close: float = 10.0, *, scale: int = 1, count: int = 7, taker: float = 2.0) -> list[object]:
    begin = ms(hour) * scale
    ends = begin + 3_600_000 * scale - 1
    return [begin, close, close + 1, close - 1, close, 5.0, ends, 50.0, count, taker, taker * 10, 0]


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    return shared / "market" / "archive"


def test_btc_at_the_hour_of_the_crash(real: Path) -> None:
    """Close, 24h volume change, funding and open interest, worked out by hand from the files."""
    source = ArchiveSource(real)
    candles = source.candles(["BTC"], CRASH - LOOKBACK, CRASH + HOUR)
    metrics = source.derivatives_metrics(["BTC"], CRASH - LOOKBACK, CRASH + HOUR)
    [row] = exchange_snapshots(candles, metrics, REALISED_LIQUIDATIONS.empty(), CRASH, CRASH + HOUR).to_dict("records")

    klines = {
        int(line[0]): line
        for line in plain(real, f"{UM}/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-08.zip")
        if line[0].isdigit()
    }
    day = [float(klines[ms(CRASH - n * HOUR)][7]) for n in range(24)]
    day_before = [float(klines[ms(CRASH - n * HOUR)][7]) for n in range(24, 48)]
    settled = plain(real, f"{UM}/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-08.zip")
    [rate] = [float(line[2]) for line in settled if line[0] == str(ms(CRASH.replace(hour=8)))]
    taken = {line[0]: line for line in plain(real, f"{UM}/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-08-05.zip")}

    assert row["average_price"] == float(klines[ms(CRASH)][4]) == 51927.7
    assert row["volume_24h_usd"] == pytest.approx(sum(day))
    assert row["volume_change_24h_pct"] == pytest.approx(100 * (sum(day) / sum(day_before) - 1))
    assert row["volume_change_24h_pct"] == pytest.approx(324.67, abs=0.01)
    assert row["funding_rate"] == rate == 0.00004429
    assert row["open_interest_base"] == float(taken["2024-08-05 13:55:00"][2]) == 77469.74
    assert row["open_interest_usd"] == float(taken["2024-08-05 13:55:00"][3])
    assert row["long_short_account_ratio"] == float(taken["2024-08-05 13:55:00"][6])
    assert row["venues"] == "binance:perpetual"


def test_the_real_history_keeps_the_tables_rules(real: Path) -> None:
    source = ArchiveSource(real)
    start, end = datetime(2024, 6, 20, tzinfo=UTC), datetime(2024, 8, 19, tzinfo=UTC)
    candles = source.candles(["btcusdt", "ETH", "SOL-USDT-SWAP"], start, end)
    MARKET_CANDLES.pandera.validate(candles)
    assert candles.groupby(["symbol", "market"]).size().to_dict() == {
        ("BTC", "perpetual"): 1440,
        ("ETH", "perpetual"): 1440,
        ("SOL", "spot"): 1440,
    }
    # The sources of this copy counted no trades; that isn't the same as none.
    assert candles[["trades", "taker_buy_volume_base"]].isna().all(axis=None)
    metrics = source.derivatives_metrics(["BTC", "ETH", "SOL"], start, end)
    DERIVATIVES_METRICS.pandera.validate(metrics)
    assert metrics.groupby("symbol").size().to_dict() == {"BTC": 1440, "ETH": 1440, "SOL": 1440}
    assert source.problems == []


def test_micro_and_milliseconds_meet_without_a_seam(real: Path) -> None:
    turn = datetime(2025, 1, 1, tzinfo=UTC)
    candles = ArchiveSource(real).candles(["SOL"], turn - 2 * HOUR, turn + 2 * HOUR)
    assert candles["hour"].tolist() == [turn + n * HOUR for n in (-2, -1, 0, 1)]
    assert (candles["open"].to_numpy()[1:] - candles["close"].to_numpy()[:-1]).max() < 1


def test_funding_that_changes_its_interval(real: Path) -> None:
    """SOL went from eight hours to four, and then to two, on 2022-11-09."""
    start = datetime(2022, 11, 9, 14, tzinfo=UTC)
    rows = ArchiveSource(real).derivatives_metrics(["SOL"], start, start + 8 * HOUR)
    assert rows["funding_interval_hours"].tolist() == [8] * 6 + [4] * 2
    assert rows["funding_rate"].tolist() == [-0.0075] * 2 + [-0.015] * 4 + [-0.02] * 2


@pytest.mark.parametrize("seed", range(3))
def test_an_hour_alone_is_the_same_as_in_a_range(real: Path, seed: int) -> None:
    chance = random.Random(seed)
    source = ArchiveSource(real)
    names = ["BTC", "SOL"]
    start = datetime(2024, 6, 1, tzinfo=UTC) + chance.randrange(1500) * HOUR
    end = start + 72 * HOUR
    candles, metrics = source.candles(names, start, end), source.derivatives_metrics(names, start, end)
    # The ends of days and months are where another set of files is read.
    for hour in {start, *(start + n * HOUR for n in chance.sample(range(72), 4)), start + (24 - start.hour) * HOUR}:
        for whole, alone in (
            (candles, source.candles(names, hour, hour + HOUR)),
            (metrics, source.derivatives_metrics(names, hour, hour + HOUR)),
        ):
            part = whole[whole["hour"] == hour].reset_index(drop=True)
            pd.testing.assert_frame_equal(part, alone, check_exact=True)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("scale", [1, 1000])
def test_klines_with_and_without_header_in_milli_and_microseconds(tmp_path: Path, header: bool, scale: int) -> None:
    hour = datetime(2025, 2, 3, 4, tzinfo=UTC)
    rows = [kline(hour, 10.0, scale=scale), kline(hour + HOUR, 11.0, scale=scale, count=0, taker=0)]
    put(tmp_path, "data/spot/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, rows, header)
    candles = ArchiveSource(tmp_path).candles(["ABC"], hour, hour + 2 * HOUR)
    assert candles[["hour", "close", "volume_base", "volume_usd"]].to_numpy().tolist() == [
        [hour, 10.0, 5.0, 50.0],
        [hour + HOUR, 11.0, 5.0, 50.0],
    ]
    assert candles["trades"].tolist() == [7, pd.NA]
    assert candles["taker_buy_volume_base"].isna().tolist() == [False, True]


def test_a_months_days_stand_in_for_a_month_that_is_not_there(tmp_path: Path) -> None:
    last = datetime(2025, 2, 28, 23, tzinfo=UTC)
    folder = f"{UM}/monthly/klines/ABCUSDT/1h"
    put(tmp_path, f"{folder}/ABCUSDT-1h-2025-02.zip", KLINES, [kline(last)])
    for day in (1, 3):
        begin = datetime(2025, 3, day, tzinfo=UTC)
        path = f"{UM}/daily/klines/ABCUSDT/1h/ABCUSDT-1h-{begin:%Y-%m-%d}.zip"
        put(tmp_path, path, KLINES, [kline(begin + n * HOUR) for n in range(24)])
    candles = ArchiveSource(tmp_path).candles(["ABC"], last, last + 49 * HOUR)
    assert candles["hour"].tolist() == [last, *(last + n * HOUR for n in range(1, 25))]
    assert len(ArchiveSource(tmp_path).candles(["ABC"], last, last + 73 * HOUR)) == 49


def test_a_coin_in_bundles_is_counted_in_coins_and_once_an_hour(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    bundle = f"{UM}/monthly/klines/1000PEPEUSDT/1h/1000PEPEUSDT-1h-2025-02.zip"
    single = f"{UM}/monthly/klines/PEPEUSDT/1h/PEPEUSDT-1h-2025-02.zip"
    put(tmp_path, bundle, KLINES, [kline(hour, 10.0)])
    put(tmp_path, single, KLINES, [kline(hour, 77.0), kline(hour + HOUR, 77.0)])
    candles = ArchiveSource(tmp_path).candles(["pepe"], hour, hour + 2 * HOUR)
    assert candles[["symbol", "instrument", "close", "volume_base", "volume_usd"]].to_numpy().tolist() == [
        ["PEPE", "1000PEPEUSDT", 0.01, 5000.0, 50.0],
        ["PEPE", "PEPEUSDT", 77.0, 5.0, 50.0],
    ]


def test_a_file_that_differs_from_its_checksum_is_an_error_that_names_it(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    place = put(tmp_path, f"{UM}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, [kline(hour)])
    place.write_bytes(place.read_bytes() + b"x")
    with pytest.raises(ChecksumError, match=r"ABCUSDT-1h-2025-02\.zip is not what its CHECKSUM says: copy"):
        ArchiveSource(tmp_path).candles(["ABC"], hour, hour + HOUR)


def test_a_file_without_checksum_is_an_error(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    place = put(tmp_path, f"{UM}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, [kline(hour)])
    (place.parent / f"{place.name}.CHECKSUM").unlink()
    with pytest.raises(ChecksumError, match=r"ABCUSDT-1h-2025-02\.zip has no CHECKSUM beside it"):
        ArchiveSource(tmp_path).candles(["ABC"], hour, hour + HOUR)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (["open_time", "price"], [1, 2], "has columns open_time,price"),
        (KLINES, ["1738540800000", "ten", *range(10)], "is not as expected"),
    ],
)
def test_a_file_of_another_form_is_an_error_that_names_it(
    tmp_path: Path, columns: Iterable[str], row: list[object], message: str
) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    put(tmp_path, f"{UM}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", columns, [row])
    with pytest.raises(ArchiveError, match=rf"ABCUSDT-1h-2025-02\.zip {message}"):
        ArchiveSource(tmp_path).candles(["ABC"], hour, hour + HOUR)


def test_what_is_no_zip_is_an_error_that_names_it(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    place = put(tmp_path, f"{UM}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, [kline(hour)])
    place.write_bytes(b"<html>")
    (place.parent / f"{place.name}.CHECKSUM").write_text(f"{hashlib.sha256(b'<html>').hexdigest()}  {place.name}")
    with pytest.raises(ArchiveError, match=r"ABCUSDT-1h-2025-02\.zip is no zip"):
        ArchiveSource(tmp_path).candles(["ABC"], hour, hour + HOUR)


def test_an_absent_coin_is_no_error_but_is_told(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    source = ArchiveSource(tmp_path)
    rows = source.candles(["NOPE"], hour, hour + HOUR)
    assert list(rows.columns) == MARKET_CANDLES.names
    assert rows.empty
    assert [str(problem) for problem in source.problems] == [
        "binance NOPE: the archive has no market_candles of these hours"
    ]


def test_an_empty_window_is_empty(real: Path) -> None:
    source = ArchiveSource(real)
    for rows in (
        source.candles(["BTC"], CRASH, CRASH),
        source.derivatives_metrics(["BTC"], CRASH, CRASH),
        source.realised_liquidations(["BTC"], CRASH, CRASH),
    ):
        assert rows.empty


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nowhere is not there"):
        ArchiveSource(tmp_path / "nowhere")


def test_metrics_of_both_layouts_of_a_day(tmp_path: Path) -> None:
    """Older files hold 00:05 to 00:00 of the next day; an hour after midnight needs the one of the day before."""
    midnight = datetime(2025, 2, 3, tzinfo=UTC)

    def shot(moment: datetime, interest: float) -> list[object]:
        return [f"{moment:%Y-%m-%d %H:%M:%S}", "ABCUSDT", interest, interest * 10, 1.1, 1.2, 1.3, ""]

    folder = f"{UM}/daily/metrics/ABCUSDT"
    put(tmp_path, f"{folder}/ABCUSDT-metrics-2025-02-02.zip", METRICS, [shot(midnight, 5.0)])
    put(
        tmp_path,
        f"{folder}/ABCUSDT-metrics-2025-02-03.zip",
        METRICS,
        [shot(midnight + timedelta(minutes=115), 6.0), shot(midnight + timedelta(minutes=116), 7.0)],
    )
    path = f"{UM}/monthly/fundingRate/ABCUSDT/ABCUSDT-fundingRate-2025-02.zip"
    put(tmp_path, path, FUNDING, [[ms(midnight) + 4, 8, 0.0003]], header=False)
    rows = ArchiveSource(tmp_path).derivatives_metrics(["ABC"], midnight, midnight + 10 * HOUR)
    assert rows["open_interest_base"].fillna(0).tolist() == [5.0, 6.0, 7.0, 7.0, 7.0, 0.0, 0.0, 0.0]
    assert rows["long_short_account_ratio"].tolist()[0] == 1.3
    assert rows["top_account_ratio"].tolist()[0] == 1.1
    assert rows["top_position_ratio"].tolist()[0] == 1.2
    assert rows["taker_volume_ratio"].isna().all()
    assert rows["funding_rate"].tolist() == [0.0003] * 8


def test_liquidations_count_a_repeated_line_once_and_a_quiet_hour_as_zero(tmp_path: Path) -> None:
    day = datetime(2023, 7, 31, tzinfo=UTC)

    def order(minute: int, side: str, price: float, amount: float) -> list[object]:
        when = ms(day + timedelta(minutes=minute))
        return [when, side, "LIMIT", "IOC", amount, price * 1.01, price, "FILLED", amount / 2, amount]

    long = order(5, "SELL", 100.0, 2.0)
    path = f"{UM}/daily/liquidationSnapshot/ABCUSDT/ABCUSDT-liquidationSnapshot-2023-07-31.zip"
    put(tmp_path, path, LIQUIDATIONS, [long, long, order(6, "SELL", 50.0, 1.0), order(125, "BUY", 10.0, 3.0)])
    rows = ArchiveSource(tmp_path).realised_liquidations(["ABC"], day - 2 * HOUR, day + 4 * HOUR)
    REALISED_LIQUIDATIONS.pandera.validate(rows)
    assert rows[["hour", "long_liquidated_usd", "short_liquidated_usd"]].to_numpy().tolist() == [
        [day, 250.0, 0.0],
        [day + HOUR, 0.0, 0.0],
        [day + 2 * HOUR, 0.0, 30.0],
        [day + 3 * HOUR, 0.0, 0.0],
    ]
    assert set(rows["completeness"]) == {"sampled"}


def test_a_mirror_gives_the_same_rows_and_its_files_are_fetched_once(real: Path, tmp_path: Path) -> None:
    start, end = datetime(2024, 7, 31, 20, tzinfo=UTC), datetime(2024, 8, 1, 4, tzinfo=UTC)
    folder = ArchiveSource(real)
    with serving(files_of(real)) as mirror:
        for _ in range(2):
            source = ArchiveSource(mirror.url, cache=tmp_path)
            for name in ("candles", "derivatives_metrics", "realised_liquidations"):
                pd.testing.assert_frame_equal(
                    getattr(source, name)(["BTC", "SOL"], start, end), getattr(folder, name)(["BTC", "SOL"], start, end)
                )
        asked = [path for path, _ in mirror.asked]
    month = f"/{UM}/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-08.zip"
    assert asked.count(month) == 1
    assert asked.count(f"{month}.CHECKSUM") == 2


def test_a_kept_file_that_was_harmed_is_fetched_again(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    put(tmp_path / "mirror", "data/spot/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, [kline(hour)])
    with serving(files_of(tmp_path / "mirror")) as mirror:
        before = ArchiveSource(mirror.url, cache=tmp_path / "kept").candles(["ABC"], hour, hour + HOUR)
        [kept] = (tmp_path / "kept").rglob("*.zip")
        kept.write_bytes(b"")
        after = ArchiveSource(mirror.url, cache=tmp_path / "kept").candles(["ABC"], hour, hour + HOUR)
    pd.testing.assert_frame_equal(before, after)
    assert len(before) == 1


def test_a_mirror_that_errs_is_asked_again_and_one_that_lies_is_an_error(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    path = "data/spot/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip"
    put(tmp_path / "mirror", path, KLINES, [kline(hour)])
    with serving(files_of(tmp_path / "mirror")) as mirror:
        source = ArchiveSource(mirror.url, cache=tmp_path / "kept")
        mirror.faults[f"/{path}"] += [Reply(b"", 503), Reply(b"x" * 100, cut=True)]
        assert len(source.candles(["ABC"], hour, hour + HOUR)) == 1
        (next((tmp_path / "kept").rglob("*.zip"))).unlink()
        mirror.faults[f"/{path}"] += [Reply(b"another file")]
        with pytest.raises(ChecksumError, match="use another mirror"):
            source.candles(["ABC"], hour, hour + HOUR)
        (tmp_path / "mirror" / f"{path}.CHECKSUM").unlink()
        with pytest.raises(ChecksumError, match="has no CHECKSUM"):
            source.candles(["ABC"], hour, hour + HOUR)
        mirror.faults[f"/{path}.CHECKSUM"] += [Reply(b"", 403)]
        with pytest.raises(ArchiveError, match="status 403"):
            source.candles(["ABC"], hour, hour + HOUR)


def test_rows_that_stand_twice_and_rows_of_zeros(tmp_path: Path) -> None:
    hour = datetime(2025, 2, 3, tzinfo=UTC)
    failed: list[object] = [ms(hour + HOUR), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    rows = [kline(hour, 10.0), kline(hour, 11.0), failed, kline(hour + 2 * HOUR, 12.0)]
    put(tmp_path, f"{UM}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2025-02.zip", KLINES, rows)
    candles = ArchiveSource(tmp_path).candles(["ABC"], hour, hour + 4 * HOUR)
    assert candles[["hour", "close"]].to_numpy().tolist() == [[hour, 11.0], [hour + 2 * HOUR, 12.0]]


def test_a_day_that_spot_months_have_wrong_is_taken_from_its_own_file(tmp_path: Path) -> None:
    """https://github.com/binance/binance-public-data/issues/475"""
    hour = datetime(2021, 9, 29, 23, tzinfo=UTC)
    for market, folder in (("spot", "data/spot"), ("perpetual", UM)):
        month = f"{folder}/monthly/klines/ABCUSDT/1h/ABCUSDT-1h-2021-09.zip"
        put(tmp_path, month, KLINES, [kline(hour, 10.0), kline(hour + HOUR, 11.0)], header=False)
        day = f"{folder}/daily/klines/ABCUSDT/1h/ABCUSDT-1h-2021-09-29.zip"
        put(tmp_path, day, KLINES, [kline(hour, 20.0)], header=False)
        candles = ArchiveSource(tmp_path).candles(["ABC"], hour, hour + 2 * HOUR)
        closes = candles[candles["market"] == market]["close"].tolist()
        assert closes == ([20.0, 11.0] if market == "spot" else [10.0, 11.0])


def test_metrics_bear_the_end_of_their_period_and_its_start_from_2026_06_25_on(tmp_path: Path) -> None:
    """The day before ends with the label 00:00, as the day itself begins: they mean 00:00 and 00:05."""
    turn = datetime(2026, 6, 25, tzinfo=UTC)

    def shot(moment: datetime, interest: float) -> list[object]:
        return [f"{moment:%Y-%m-%d %H:%M:%S}", "ABCUSDT", interest, interest, 1, 1, 1, 1]

    folder = f"{UM}/daily/metrics/ABCUSDT/ABCUSDT-metrics"
    before = [shot(turn - timedelta(minutes=5), 1.0), shot(turn, 2.0)]
    since = [shot(turn, 3.0), shot(turn + timedelta(minutes=50), 4.0), shot(turn + timedelta(minutes=55), 5.0)]
    put(tmp_path, f"{folder}-2026-06-24.zip", METRICS, before, header=False)
    put(tmp_path, f"{folder}-2026-06-25.zip", METRICS, since)
    rows = ArchiveSource(tmp_path).derivatives_metrics(["ABC"], turn - HOUR, turn + 2 * HOUR)
    # Published five minutes later: 23:55 by midnight, 00:55 (labelled 00:50) by 01:00, 01:00 (labelled 00:55) after.
    assert rows["open_interest_base"].tolist() == [1.0, 4.0, 5.0]
    assert rows["open_interest_time"].tolist() == [
        turn - timedelta(minutes=5), turn + timedelta(minutes=55), turn + HOUR
    ]  # fmt: skip
