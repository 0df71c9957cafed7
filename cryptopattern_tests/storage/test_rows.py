"""What a frame must keep before a store takes it, and how the refusal reads."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from cryptopattern_pipelines.storage.rows import InvalidRowsError, checked, partitions
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_READINGS, TABLES, WIN_RATES

START = datetime(2024, 8, 5, 12, tzinfo=UTC)
END = datetime(2024, 8, 5, 15, tzinfo=UTC)


def reading(**changes: object) -> dict[str, object]:
    return {
        "hour": START,
        "sha256": "a" * 64,
        "symbol": "BTC",
        "captured_at": START,
        "image_type": "liquidation_distribution_all",
        "long_pct": 40.0,
        "short_pct": 60.0,
        "method": "bar",
        "confidence": 0.9,
    } | changes


def refusal(*rows: dict[str, object]) -> str:
    with pytest.raises(InvalidRowsError) as refused:
        checked(LIQUIDATION_READINGS, pd.DataFrame(rows), START, END)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_rows_come_back_sorted_by_partition_and_key_with_the_schemas_types() -> None:
    rows = [reading(symbol="ETH"), reading(symbol="BTC", hour=END - pd.Timedelta("1h")), reading(symbol="ADA")]
    frame = checked(LIQUIDATION_READINGS, rows, START, END)
    assert frame["symbol"].tolist() == ["ADA", "ETH", "BTC"]
    assert frame.dtypes.equals(LIQUIDATION_READINGS.empty().dtypes)


@pytest.mark.parametrize("schema", TABLES.values(), ids=lambda schema: schema.name)
def test_no_rows_are_fine_for_every_table(schema: object) -> None:
    midnight = START.replace(hour=0)
    assert checked(schema, [], midnight, midnight).dtypes.equals(schema.empty().dtypes)  # type: ignore[arg-type, attr-defined]


def test_a_refusal_names_table_column_rule_count_and_one_row() -> None:
    told = refusal(reading(), reading(symbol="ETH", confidence=1.5), reading(symbol="SOL", confidence=2.0))
    assert told.startswith("liquidation_readings: column confidence breaks in_range(0, 1) in 2 of 3 rows, e.g. ")
    assert "symbol=ETH" in told
    assert "confidence=1.5" in told


def test_every_broken_rule_is_told() -> None:
    told = refusal(reading(image_type="cat", long_pct=50.0))
    assert "column image_type breaks isin(" in told
    assert "row breaks 'long_pct and short_pct sum to 100' in 1 of 1 rows" in told
    assert "long_pct=50.0 short_pct=60.0" in told


def test_two_rows_of_one_key_are_refused() -> None:
    assert "key (hour, sha256, symbol) breaks uniqueness in 2 of 2 rows" in refusal(reading(), reading(arrows=1))


def test_a_missing_value_where_none_may_be_is_refused() -> None:
    assert "column symbol breaks not_nullable in 1 of 1 rows" in refusal(reading(symbol=None))


def test_missing_strange_and_unconvertible_columns_are_refused() -> None:
    told = refusal({key: value for key, value in reading(shorts=1).items() if key != "symbol"})
    assert told == "liquidation_readings: missing columns ['symbol'], unknown columns ['shorts']"
    assert "can't become its type" in refusal(reading(long_pct="many"))


@pytest.mark.parametrize(
    "hour", [START - pd.Timedelta("1h"), END, START + pd.Timedelta("30min"), START + pd.Timedelta("1us")]
)
def test_a_row_outside_the_window_or_off_the_hour_is_refused(hour: datetime) -> None:
    told = refusal(reading(symbol="ADA"), reading(hour=hour))
    assert "column hour is off its hour's start or outside [2024-08-05 12:00:00+00:00, 2024-08-05 15:00:00" in told
    assert "in 1 of 2 rows, e.g." in told
    assert "symbol=BTC" in told


def test_a_window_is_utc_whole_and_forward() -> None:
    with pytest.raises(ValueError, match=r"start .* has no time zone"):
        partitions(LIQUIDATION_READINGS, START.replace(tzinfo=None), END)
    with pytest.raises(ValueError, match=r"end .* is not a day's start"):
        partitions(WIN_RATES, START.replace(hour=0), END)
    with pytest.raises(ValueError, match="lies before start"):
        partitions(LIQUIDATION_READINGS, END, START)
    berlin = pd.Timestamp(START).tz_convert("Europe/Berlin")
    assert partitions(LIQUIDATION_READINGS, berlin, END)[0] == pd.Timestamp(START)
