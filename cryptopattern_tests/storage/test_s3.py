"""The store on S3, by its real client against a server on loopback: as in a folder, byte for byte."""

import gzip
import hashlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pandas as pd
import pytest

from cryptopattern_pipelines.storage.files import StoreError, files_at
from cryptopattern_pipelines.storage.imported import imported, take_in
from cryptopattern_pipelines.storage.parquet import ParquetTable, TableStore
from cryptopattern_pipelines.storage.raw_answers import RawAnswer, keep_raw_answers
from cryptopattern_pipelines.storage.readings import ReadingCache
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, QUARANTINED_MARKET_ROWS
from cryptopattern_pipelines.storage.set_aside import rows_set_aside, set_aside
from cryptopattern_tests.storage.test_parquet import START, candles

HOUR = timedelta(hours=1)
END = START + 3 * HOUR
PICTURE = b"a picture's bytes"


def everything_in(bucket: str) -> dict[str, bytes]:
    """Every object of a bucket, by its key."""
    client, name = boto3.client("s3"), bucket.removeprefix("s3://")
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=name).get("Contents", ())]
    return {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


def everything_under(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(root: str) -> None:
    """Put one of each kind of thing into a store."""
    store = TableStore(root)
    rows = candles(3)
    store.table(MARKET_CANDLES.name).write(rows.iloc[:4], START, END)
    broken = {"hour": START, "table_name": "market_candles", "number": 1, "symbol": "BTC", "venue": "x"}
    told = QUARANTINED_MARKET_ROWS.conform([{**broken, "reason": "low above high", "row_json": "{}"}])
    set_aside(store, MARKET_CANDLES, told, START, END)
    take_in(store, MARKET_CANDLES, MARKET_CANDLES.conform(rows))
    store.keep_bytes(hashlib.sha256(PICTURE).hexdigest(), PICTURE, "png")
    store.keep_model(b"{}", "# a card")
    ReadingCache(root, "1").put("ab" * 32, "{}")
    keep_raw_answers(root, [RawAnswer("okx", "/a", {}, 0, 200, "", "[]")], START)


def test_each_thing_that_the_store_keeps_is_the_same_bytes_as_in_a_folder(bucket: str, tmp_path: Path) -> None:
    fill(str(tmp_path))
    fill(bucket)
    kept = everything_in(bucket)
    assert kept == everything_under(tmp_path)
    assert {key.split("/")[0] for key in kept} == {
        "market_candles", "_set_aside", "_imported", "_screenshots", "_models", "_readings", "_raw_answers",
    }  # fmt: skip
    assert gzip.decompress(next(data for key, data in kept.items() if key.startswith("_raw_answers")))


def test_each_thing_is_read_back(bucket: str) -> None:
    fill(f"{bucket}/a prefix")
    store = TableStore(f"{bucket}/a prefix")
    table = store.table(MARKET_CANDLES.name)
    month = (START - 720 * HOUR, START + 24 * HOUR)
    pd.testing.assert_frame_equal(table.read(*month), MARKET_CANDLES.conform(candles(3).iloc[:4]))
    assert list(table.present(*month)) == list(pd.date_range(START, END, freq="h", inclusive="left"))
    assert list(table.days()) == [pd.Timestamp("2024-08-05", tz="UTC"), pd.Timestamp("2024-08-06", tz="UTC")]
    assert len(rows_set_aside(store, START, END)) == 1
    assert len(imported(store, MARKET_CANDLES, START, END)) == 6
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    assert store.kept_bytes(f"_screenshots/{sha256[:2]}/{sha256}.png") == PICTURE
    assert store.kept_model(hashlib.sha256(b"{}").hexdigest()) == b"{}"
    assert ReadingCache(store.root, "1").get_all(["ab" * 32, "cd" * 32]) == {"ab" * 32: "{}"}


def test_what_another_process_writes_is_seen_at_once(bucket: str) -> None:
    files = files_at(bucket)
    client, name = boto3.client("s3"), bucket.removeprefix("s3://")
    client.put_object(Bucket=name, Key="table/one", Body=b"1")
    assert files.names("table") == ["one"]
    assert files.get("table/one") == b"1"
    client.put_object(Bucket=name, Key="table/two", Body=b"2")
    client.put_object(Bucket=name, Key="table/one", Body=b"a longer one")
    assert (files.names("table"), files.exists("table/two")) == (["one", "two"], True)
    assert files.get("table/one") == b"a longer one"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_has_a_client_of_its_own(bucket: str) -> None:
    with files_at(bucket).writing("table") as put:
        put("table/one", b"1")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_read_and_pid, (bucket,)).get(timeout=60) == (b"1", False)


def _read_and_pid(root: str) -> tuple[bytes | None, bool]:
    return files_at(root).get("table/one"), os.getpid() == os.getppid()


@pytest.mark.parametrize(
    "ask",
    [
        lambda table: table.files.get("market_candles/x"),
        lambda table: table.files.exists("market_candles/x"),
        lambda table: table.days(),
        lambda table: table.read(START, START + 48 * HOUR),
        lambda table: table.write(candles(1), START, START + HOUR),
    ],
    ids=["get", "exists", "list", "read", "write"],
)
def test_a_bucket_that_is_not_there_is_no_empty_store(s3_server: str, ask: Callable[[ParquetTable], object]) -> None:
    table = ParquetTable(MARKET_CANDLES, "s3://nobody-made-this/store")
    with pytest.raises(StoreError, match=r"s3://nobody-made-this/store: there is no such bucket"):
        ask(table)


def test_an_address_that_nothing_here_knows_is_refused_with_what_to_install() -> None:
    with pytest.raises(StoreError, match="install fsspec's package for gs://"):
        files_at("gs://bucket/store")


def test_a_long_look_back_asks_for_no_day_that_was_never_written(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ParquetTable(MARKET_CANDLES, bucket)
    table.write(candles(2, datetime(2024, 8, 5, 12, tzinfo=UTC)), START - 10 * HOUR, START - 8 * HOUR)
    asked: list[str] = []
    real = table.files.get

    def get(name: str) -> bytes | None:
        asked.append(name)
        return real(name)

    monkeypatch.setattr(table.files, "get", get)
    listed: list[str] = []
    names = table.files.names

    def list_names(folder: str) -> list[str]:
        listed.append(folder)
        return names(folder)

    monkeypatch.setattr(table.files, "names", list_names)
    assert len(table.read(START - 8760 * HOUR, START)) == 4
    assert {name.split("/")[1] for name in asked} == {"date=2024-08-05"}
    assert len(table.present(START - 8760 * HOUR, START)) == 2
    assert listed == ["market_candles", "market_candles", "market_candles/date=2024-08-05"]
