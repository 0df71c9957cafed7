"""Rows from a user's own files: kept apart, and filling up what an asset's source lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.storage.files import DiskFiles, Put
from cryptopattern_pipelines.storage.imported import Taken, keep_rejected, take_in, with_imported, without_imported
from cryptopattern_pipelines.storage.parquet import TableStore, UnreadablePartitionError
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, REALISED_LIQUIDATIONS, TEXT

START = datetime(2024, 7, 31, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = list(DERIVATIVES_METRICS.key)

_numbers = st.none() | st.floats(0, 1e9)


def metrics(rows: dict[tuple[int, str], tuple[float | None, float | None]]) -> pd.DataFrame:
    """Rows by hour and coin: open interest and account ratio."""
    return DERIVATIVES_METRICS.conform(
        {
            "hour": START + HOUR * hour,
            "symbol": coin,
            "venue": "binance",
            "instrument": f"{coin}USDT",
            "open_interest_base": interest,
            "long_short_account_ratio": ratio,
        }
        for (hour, coin), (interest, ratio) in sorted(rows.items())
    )


frames = st.dictionaries(
    st.tuples(st.integers(0, 5), st.sampled_from(["BTC", "ETH"])), st.tuples(_numbers, _numbers), max_size=8
).map(metrics)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def cells(frame: pd.DataFrame) -> dict[tuple[object, ...], object]:
    """Every value that is there, by its row's key and its column."""
    long = frame.melt(KEY).dropna(subset="value")
    return {tuple(row[:-1]): row[-1] for row in long.itertuples(index=False)}


@settings(deadline=None)
@given(frames, frames)
def test_a_sources_values_come_first_and_imported_ones_fill_the_rest(
    source: pd.DataFrame, imported: pd.DataFrame
) -> None:
    together = DERIVATIVES_METRICS.filled_up(source, imported)
    DERIVATIVES_METRICS.pandera.validate(together)
    assert cells(together) == cells(imported) | cells(source)
    assert together.equals(together.sort_values(KEY, ignore_index=True))
    again = DERIVATIVES_METRICS.filled_up(together, imported)
    pd.testing.assert_frame_equal(again, together)


@settings(max_examples=50, deadline=None)
@given(frames, frames)
def test_what_the_source_told_can_be_told_from_what_was_imported(
    tmp_path_factory: pytest.TempPathFactory, source: pd.DataFrame, brought: pd.DataFrame
) -> None:
    store = TableStore(tmp_path_factory.mktemp("store"))
    take_in(store, DERIVATIVES_METRICS, brought)
    together = with_imported(store, DERIVATIVES_METRICS, source, START, START + 6 * HOUR)
    DERIVATIVES_METRICS.pandera.validate(together)
    pd.testing.assert_frame_equal(without_imported(DERIVATIVES_METRICS, together), source)
    told = cells(together.drop(columns="from_import"))
    assert told == cells(brought) | cells(source)
    filled = {
        (*row[:-1], name) for row in together[[*KEY, "from_import"]].dropna().itertuples(index=False)
        for name in row[-1].split(",")
    }  # fmt: skip
    assert filled == told.keys() - cells(source).keys()


@settings(max_examples=25, deadline=None)
@given(st.lists(frames, min_size=1, max_size=3))
def test_later_imports_win_and_once_more_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, imports: list[pd.DataFrame]
) -> None:
    root = tmp_path_factory.mktemp("store")
    store = TableStore(root)
    wanted: dict[tuple[object, ...], object] = {}
    for rows in imports:
        take_in(store, DERIVATIVES_METRICS, rows)
        wanted |= cells(rows)
    assert cells(store.imported("derivatives_metrics").read(START, START + 6 * HOUR)) == wanted
    before = files_of(root)
    assert take_in(store, DERIVATIVES_METRICS, imports[-1]) == Taken(0, None, None)
    assert files_of(root) == before


@settings(max_examples=25, deadline=None)
@given(frames, st.randoms(use_true_random=False))
def test_the_order_of_files_that_share_no_key_is_irrelevant(
    tmp_path_factory: pytest.TempPathFactory, rows: pd.DataFrame, chance: object
) -> None:
    parts = [rows.iloc[[n]] for n in range(len(rows))]
    roots = []
    for order in (parts, chance.sample(parts, len(parts)), [rows]):  # type: ignore[attr-defined]
        root = tmp_path_factory.mktemp("store")
        for part in order:
            take_in(TableStore(root), DERIVATIVES_METRICS, part)
        roots.append(files_of(root))
    assert roots[0] == roots[1] == roots[2]


def test_only_the_hours_that_changed_are_written_and_told(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    rows = metrics({(0, "BTC"): (1.0, None), (3, "BTC"): (2.0, None), (5, "ETH"): (3.0, None)})
    assert take_in(store, DERIVATIVES_METRICS, rows) == Taken(3, START, START + 5 * HOUR)
    assert [name[-26:] for name in files_of(tmp_path)] == [
        f"date=2024-0{day}.parquet" for day in ("7-31/22", "8-01/01", "8-01/03")
    ]
    more = metrics({(0, "BTC"): (1.0, None), (3, "BTC"): (None, 9.0)})
    assert take_in(store, DERIVATIVES_METRICS, more) == Taken(1, START + 3 * HOUR, START + 3 * HOUR)


def test_cut_off_half_way_and_run_again_it_is_as_if_it_had_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = metrics({(hour, coin): (1.0 + hour, None) for hour in range(6) for coin in ("BTC", "ETH")})
    take_in(TableStore(tmp_path / "once"), DERIVATIVES_METRICS, rows)
    write = DiskFiles.writing

    @contextmanager
    def cut(self: DiskFiles, folder: str) -> Iterator[Put]:
        with write(self, folder) as put:
            done: list[str] = []

            def some(name: str, data: bytes) -> None:
                if done:
                    raise KeyboardInterrupt
                done.append(name)
                put(name, data)

            yield some

    with monkeypatch.context() as patched:
        patched.setattr(DiskFiles, "writing", cut)
        with pytest.raises(KeyboardInterrupt):
            take_in(TableStore(tmp_path / "twice"), DERIVATIVES_METRICS, rows)
    assert 0 < len(files_of(tmp_path / "twice")) < 6
    take_in(TableStore(tmp_path / "twice"), DERIVATIVES_METRICS, rows)
    assert files_of(tmp_path / "twice") == files_of(tmp_path / "once")


def test_an_assets_rows_are_filled_up_and_stay_as_they_are_without_imports(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    rows = metrics({(0, "BTC"): (1.0, None)})
    assert with_imported(store, DERIVATIVES_METRICS, rows, START, START + HOUR) is rows
    take_in(
        store, DERIVATIVES_METRICS, metrics({(0, "BTC"): (7.0, 1.5), (0, "ETH"): (8.0, None), (1, "ETH"): (9.0, None)})
    )
    filled = with_imported(store, DERIVATIVES_METRICS, rows, START, START + HOUR)
    expected = metrics({(0, "BTC"): (1.0, 1.5), (0, "ETH"): (8.0, None)})
    brought = ["long_short_account_ratio", "instrument,open_interest_base"]
    pd.testing.assert_frame_equal(filled, expected.assign(from_import=pd.Series(brought, dtype=TEXT)))


def test_what_was_set_aside_is_kept_by_file_and_replaced(tmp_path: Path) -> None:
    store, file = TableStore(tmp_path / "store"), tmp_path / "mine.csv.gz"
    file.write_bytes(b"something")
    assert keep_rejected(store, REALISED_LIQUIDATIONS, file, pd.DataFrame()) is None
    rejected = pd.DataFrame({"row": [3], "reason": ["symbol is empty"], "liq": ["5"]})
    place = keep_rejected(store, REALISED_LIQUIDATIONS, file, rejected)
    assert place is not None
    assert "_imported/_rejected/realised_liquidations/mine-" in place
    assert Path(place).read_text() == "row,reason,liq\n3,symbol is empty,5\n"
    assert keep_rejected(store, REALISED_LIQUIDATIONS, file, rejected.iloc[:0]) is None
    assert Path(place).read_text() == "row,reason,liq\n"


def test_a_file_from_before_span_hours_came_covers_an_hour_and_lacks_nothing_else(tmp_path: Path) -> None:
    table = TableStore(tmp_path).table("realised_liquidations")
    row = {
        "hour": START, "symbol": "BTC", "venue": "okx", "span_hours": 24, "long_liquidated_usd": 1.0,
        "short_liquidated_usd": 2.0, "completeness": "complete",
    }  # fmt: skip
    table.write([row], START, START + HOUR)
    [path] = tmp_path.rglob("*.parquet")
    whole = pq.ParquetFile(path).read()
    pq.write_table(whole.drop_columns(["span_hours"]), path)
    assert table.read(START, START + HOUR)["span_hours"].tolist() == [1]
    pq.write_table(whole.drop_columns(["completeness"]), path)
    with pytest.raises(
        UnreadablePartitionError, match=r"read as realised_liquidations \(column completeness is missing.* again"
    ):
        table.read(START, START + HOUR)
