"""Parquet tables: a range in, one file a partition, the same rows and the same bytes out."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.storage.parquet import (
    KeptBytesError,
    ParquetTable,
    TableStore,
    UnreadablePartitionError,
    Written,
)
from cryptopattern_pipelines.storage.rows import InvalidRowsError
from cryptopattern_pipelines.storage.schemas import (
    CLASSIFIED_IMAGES,
    LIQUIDATION_READINGS,
    MARKET_CANDLES,
    TABLES,
    WIN_RATES,
    TableSchema,
)

START = datetime(2024, 8, 5, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def candles(hours: int, start: datetime = START, symbols: tuple[str, ...] = ("BTC", "ETH")) -> pd.DataFrame:
    count = hours * len(symbols)
    close = np.arange(1.0, count + 1)
    return pd.DataFrame(
        {
            "hour": np.repeat(pd.date_range(start, periods=hours, freq="h"), len(symbols)),
            "symbol": list(symbols) * hours,
            "venue": "binance",
            "market": "spot",
            "instrument": "x",
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume_base": 1.5,
            "volume_usd": 2.5,
            "trades": pd.array([None if i % 3 else i + 1 for i in range(count)], dtype="Int64"),
        }
    )


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(params=["folder", "memory://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


def test_a_range_is_written_and_read(root: str) -> None:
    table = ParquetTable(MARKET_CANDLES, root)
    rows = candles(5)
    written = table.write(rows.sample(frac=1, random_state=1), START, START + 6 * HOUR)
    assert written == Written(partitions=6, empty=1, rows=10, size_bytes=written.size_bytes)
    assert written.size_bytes > 0
    pd.testing.assert_frame_equal(table.read(START, START + 6 * HOUR), MARKET_CANDLES.conform(rows))
    pd.testing.assert_frame_equal(
        table.read(START + HOUR, START + 2 * HOUR), MARKET_CANDLES.conform(rows[2:4].reset_index(drop=True))
    )


def test_an_hourly_table_has_a_file_an_hour_and_a_daily_one_a_file_a_day(tmp_path: Path) -> None:
    ParquetTable(MARKET_CANDLES, tmp_path).write([], START, START + 3 * HOUR)
    midnight = START.replace(hour=0)
    ParquetTable(WIN_RATES, tmp_path).write([], midnight, midnight + timedelta(days=2))
    assert list(files_of(tmp_path)) == [
        "market_candles/date=2024-08-05/22.parquet",
        "market_candles/date=2024-08-05/23.parquet",
        "market_candles/date=2024-08-06/00.parquet",
        "win_rates/date=2024-08-05/day.parquet",
        "win_rates/date=2024-08-06/day.parquet",
    ]


def test_present_tells_empty_from_never_written(root: str) -> None:
    table = ParquetTable(MARKET_CANDLES, root)
    table.write(candles(1), START, START + 2 * HOUR)
    table.write([], START + 3 * HOUR, START + 4 * HOUR)
    present = table.present(START - 5 * HOUR, START + 30 * HOUR)
    assert list(present) == [pd.Timestamp(START) + n * HOUR for n in (0, 1, 3)]
    assert str(present.dtype) == "datetime64[us, UTC]"
    assert len(table.read(START - 5 * HOUR, START + 30 * HOUR)) == 2
    assert len(table.present(START, START)) == 0


@pytest.mark.parametrize("schema", TABLES.values(), ids=lambda schema: schema.name)
def test_types_are_the_schemas_without_a_row_too(schema: TableSchema, tmp_path: Path) -> None:
    table = ParquetTable(schema, tmp_path)
    midnight = START.replace(hour=0)
    never = table.read(midnight, midnight + timedelta(days=1))
    table.write([], midnight, midnight + timedelta(days=1))
    empty = table.read(midnight, midnight + timedelta(days=1))
    assert never.dtypes.equals(schema.empty().dtypes)
    assert empty.dtypes.equals(schema.empty().dtypes)
    assert len(empty) == 0


def test_columns_and_rows_are_chosen(root: str) -> None:
    table = ParquetTable(MARKET_CANDLES, root)
    table.write(candles(4), START, START + 4 * HOUR)
    found = table.read(
        START, START + 4 * HOUR, ["close", "hour"], where=(pc.field("symbol") == "ETH") & (pc.field("close") > 2)
    )
    assert list(found.columns) == ["close", "hour"]
    assert found["close"].tolist() == [4.0, 6.0, 8.0]
    nothing = table.read(START, START + 4 * HOUR, ["trades"], where=pc.field("symbol") == "DOGE")
    assert (len(nothing), str(nothing["trades"].dtype)) == (0, "Int64")
    with pytest.raises(KeyError, match="volume"):
        table.read(START, START + HOUR, ["volume"])


def test_a_window_is_replaced_and_its_neighbours_keep_their_bytes(tmp_path: Path) -> None:
    table = ParquetTable(MARKET_CANDLES, tmp_path)
    table.write(candles(4), START, START + 4 * HOUR)
    before = files_of(tmp_path)
    table.write(candles(1, START + HOUR, ("SOL",)), START + HOUR, START + 3 * HOUR)
    after = files_of(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {
        "market_candles/date=2024-08-05/23.parquet",
        "market_candles/date=2024-08-06/00.parquet",
    }
    assert table.read(START, START + 4 * HOUR)["symbol"].tolist() == ["BTC", "ETH", "SOL", "BTC", "ETH"]


def test_a_wrong_row_anywhere_writes_nothing(tmp_path: Path) -> None:
    table = ParquetTable(MARKET_CANDLES, tmp_path)
    rows = candles(4)
    rows.loc[7, "low"] = 100.0
    with pytest.raises(InvalidRowsError, match="low <= open, close <= high"):
        table.write(rows, START, START + 4 * HOUR)
    with pytest.raises(InvalidRowsError, match="hour"):
        table.write(candles(4), START, START + 3 * HOUR)
    assert files_of(tmp_path) == {}


def test_the_bytes_say_nothing_of_pandas_or_of_how_the_range_was_cut(tmp_path: Path) -> None:
    rows = candles(30)
    ParquetTable(MARKET_CANDLES, tmp_path / "once").write(rows, START, START + 30 * HOUR)
    for hour in range(30):
        at = START + hour * HOUR
        one = rows[rows["hour"] == at].sample(frac=1, random_state=hour)
        ParquetTable(MARKET_CANDLES, tmp_path / "hourly").write(one, at, at + HOUR)
    assert files_of(tmp_path / "once") == files_of(tmp_path / "hourly")
    footer = pq.read_metadata(tmp_path / "once/market_candles/date=2024-08-05/22.parquet")
    assert footer.metadata is None
    assert footer.schema.to_arrow_schema() == MARKET_CANDLES.arrow


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
times = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
images = st.fixed_dictionaries(
    {
        "hour": st.integers(0, 40).map(lambda hour: START + hour * HOUR),
        "sha256": st.integers(0, 10_000).map("{:064x}".format),
        "captured_at": times,
        "image_type": st.just("unknown"),
        "confidence": st.floats(0, 1),
        "evidence": texts,
        "title": st.none() | texts,
        "chart_time": st.none() | times,
        "current_price": st.none() | st.floats(min_value=0, exclude_min=True, allow_nan=False),
        "reader_version": texts,
    }
)


@given(
    st.lists(images, max_size=8, unique_by=lambda row: (row["hour"], row["sha256"])),
    st.integers(0, 41),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_any_rows_make_the_round_trip_in_any_order(rows: list[dict[str, object]], cut: int, shuffle: object) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    end = START + 41 * HOUR
    shuffled = list(rows)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    table = ParquetTable(CLASSIFIED_IMAGES, root)
    assert table.write(shuffled, START, end).rows == len(rows)
    expected = CLASSIFIED_IMAGES.conform(rows).sort_values(["hour", "sha256"], ignore_index=True)
    pd.testing.assert_frame_equal(table.read(START, end), expected)
    # A range is the sum of its parts.
    middle = START + cut * HOUR
    parts = [part for part in (table.read(START, middle), table.read(middle, end)) if len(part)]
    if parts:
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), expected)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    table = ParquetTable(MARKET_CANDLES, tmp_path)
    table.write(candles(2), START, START + 2 * HOUR)
    damaged = tmp_path / "market_candles/date=2024-08-05/23.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(UnreadablePartitionError, match=r"23\.parquet can't be read as market_candles .* again") as told:
        table.read(START, START + 2 * HOUR)
    assert "\n" not in str(told.value)


def test_a_file_from_before_a_nullable_column_came_is_read_and_one_without_a_needed_column_is_refused(
    tmp_path: Path,
) -> None:
    table = ParquetTable(MARKET_CANDLES, tmp_path)
    table.write(candles(1), START, START + HOUR)
    path = tmp_path / "market_candles/date=2024-08-05/22.parquet"
    whole = pq.ParquetFile(path).read()
    pq.write_table(whole.drop_columns(["trades"]), path)
    assert table.read(START, START + HOUR)["trades"].isna().all()
    pq.write_table(whole.drop_columns(["close"]), path)
    with pytest.raises(UnreadablePartitionError, match="column close is missing"):
        table.read(START, START + HOUR)


def test_a_file_from_before_a_needed_column_came_says_what_held_then(tmp_path: Path) -> None:
    table = ParquetTable(WIN_RATES, tmp_path)
    day = datetime(2024, 8, 5, tzinfo=UTC)
    row = {
        "day": day, "symbol": "BTC", "condition": "severity:MAJOR", "timeframe": "24h", "side": "long", "wins": 1,
        "sample_size": 2, "effective_sample_size": 2, "base_sample_size": 9, "verdict": "NO_EDGE",
    }  # fmt: skip
    table.write([row], day, day + timedelta(days=1))
    path = tmp_path / "win_rates/date=2024-08-05/day.parquet"
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["condition", "lift_low"]), path)
    found = table.read(day, day + timedelta(days=1))
    assert found["condition"].tolist() == ["all"]
    assert found["lift_low"].isna().all()


def test_a_store_knows_its_tables(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    assert store.table("liquidation_readings").schema is LIQUIDATION_READINGS
    with pytest.raises(KeyError, match="no table 'readings'; there are raw_screenshots"):
        store.table("readings")


def test_pictures_are_kept_once_by_their_hash(root: str) -> None:
    store = TableStore(root)
    data = b"a picture"
    sha256 = hashlib.sha256(data).hexdigest()
    path = store.keep_bytes(sha256, data, ".PNG")
    assert path == f"_screenshots/{sha256[:2]}/{sha256}.png"
    assert store.keep_bytes(sha256, data, "png") == path
    assert store.kept_bytes(path) == data


def test_pictures_that_are_not_what_they_say_are_refused(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    with pytest.raises(KeptBytesError, match="have SHA-256"):
        store.keep_bytes("0" * 64, b"a picture", "png")
    with pytest.raises(KeptBytesError, match="suffix"):
        store.keep_bytes(hashlib.sha256(b"").hexdigest(), b"", "../x")
    with pytest.raises(KeptBytesError, match="not a path"):
        store.kept_bytes("_screenshots/../secrets")
    with pytest.raises(KeptBytesError, match="is missing"):
        store.kept_bytes(f"_screenshots/00/{'0' * 64}.png")
    assert files_of(tmp_path) == {}


def test_models_are_kept_by_their_hash_with_their_card_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    sha256 = store.keep_model(b"{}", "# a card")
    assert store.keep_model(b"{}", "# a card") == sha256
    assert store.kept_model(sha256) == b"{}"
    [model, card] = sorted((tmp_path / "_models").rglob("*.*"), key=lambda path: path.suffix)
    assert (model.suffix, card.read_text()) == (".json", "# a card")
    model.write_bytes(b"{ }")
    with pytest.raises(KeptBytesError, match=r"is damaged: materialise squeeze_forecaster again"):
        store.kept_model(sha256)
    with pytest.raises(KeptBytesError, match="is missing"):
        store.kept_model("0" * 64)
