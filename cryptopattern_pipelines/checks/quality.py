"""Checks on what the market's tables tell. They warn and block nothing: what is doubtful is better than what is old.

Rows that can't be are another matter: those are set aside before a table is written, and `no_row_is_set_aside` says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import pandas as pd

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.market import quality
from cryptopattern_pipelines.market.snapshots import STALE_AFTER_HOURS
from cryptopattern_pipelines.storage.schemas import (
    DERIVATIVES_METRICS,
    EXCHANGE_SNAPSHOTS,
    MARKET_CANDLES,
    MARKET_TABLES,
    TableSchema,
)

NO_ROW_IS_SET_ASIDE = "no_row_is_set_aside"

_SHOWN = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class QualityCheck:
    """One check: what it looks for, how far back and in which columns, and the finder of its faults.

    The finder is handed rows, start and end; and what was listed, where the check is held against that.
    """

    name: str
    description: str
    find: Callable[..., pd.DataFrame]
    columns: tuple[str, ...]
    lookback: timedelta = timedelta(0)
    by_listing: bool = False


QUALITY_CHECKS: dict[str, tuple[QualityCheck, ...]] = {
    MARKET_CANDLES.name: (
        QualityCheck(
            "no_hours_are_missing",
            "Every market that is listed, or of which no listing speaks and that was seen within the day before, has a "
            "candle of every hour.",
            quality.missing_hours,
            ("hour", "symbol", "venue", "market"),
            quality.LISTED_FOR,
            by_listing=True,
        ),
        QualityCheck(
            "no_price_jumps_alone",
            f"No market's close moves by {quality.LONE_JUMP:.0%} against the symbol's other markets within an hour.",
            quality.lone_jumps,
            ("hour", "symbol", "venue", "market", "close"),
            timedelta(hours=1),
        ),
    ),
    DERIVATIVES_METRICS.name: (
        QualityCheck(
            "feeds_are_fresh",
            f"No open interest is older than {STALE_AFTER_HOURS:.0f} hours, or gone since the day before.",
            quality.stale_feeds,
            ("hour", "symbol", "venue", "open_interest_time"),
            quality.LISTED_FOR,
        ),
    ),
    EXCHANGE_SNAPSHOTS.name: (
        QualityCheck(
            "venues_agree_on_the_price",
            "No snapshot has an outlier among its venues, or prices of which none can be called the wrong one.",
            lambda rows, start, end: quality.prices_apart(rows),
            ("hour", "symbol", "price_spread_bps", "outlier_venues", "quality_flags"),
        ),
    ),
}


def quality_specs(table: TableSchema, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a table beside its schema's; none for a table that is not the market's."""
    specs = [
        dg.AssetCheckSpec(name=check.name, asset=key, blocking=False, description=check.description)
        for check in QUALITY_CHECKS.get(table.name, ())
    ]
    if table in MARKET_TABLES:
        described = "No row had to be set aside; those that were lie in quarantined_market_rows, with the reason."
        specs.append(dg.AssetCheckSpec(name=NO_ROW_IS_SET_ASIDE, asset=key, blocking=False, description=described))
    return specs


def quality_results(
    table: TableSchema,
    key: dg.AssetKey,
    rows: pd.DataFrame,
    window: Window,
    *,
    read: Callable[[Window, list[str]], pd.DataFrame],
    listed: Callable[[Window, set[str]], pd.DataFrame],
) -> Iterator[dg.AssetCheckResult]:
    """What a table's checks say of the rows of a window.

    Args:
        table: whose rows they are.
        key: its asset.
        rows: the window's rows.
        window: where they lie.
        read: reads these columns of the table's rows of another window, for what lies before.
        listed: tells on which markets coins were listed at the ends of a window's days (`listings.markets_listed`).
    """
    for check in QUALITY_CHECKS.get(table.name, ()):
        columns = list(check.columns)
        known = rows[columns]
        if check.lookback:
            before = read(Window(window.start - check.lookback, window.start), columns)
            known = pd.concat([before, known], ignore_index=True)
        if check.by_listing:
            days = Window(window.start - _DAY, window.end)
            faults = check.find(known, *window, listed(days, set(known["symbol"])))
        else:
            faults = check.find(known, *window)
        yield _result(key, check.name, faults)


def set_aside_result(table: TableSchema, key: dg.AssetKey, broken: pd.DataFrame) -> Iterator[dg.AssetCheckResult]:
    """What is said of the rows of a table from outside that had to be set aside; nothing for any other table."""
    if table in MARKET_TABLES:
        yield _result(key, NO_ROW_IS_SET_ASIDE, broken[["hour", "symbol", "venue", "reason"]])


def _result(key: dg.AssetKey, name: str, faults: pd.DataFrame) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {"found": dg.MetadataValue.int(len(faults))}
    if len(faults):
        shown = faults.head(_SHOWN).map(str).to_dict("records")
        records = [dg.TableRecord({str(column): value for column, value in row.items()}) for row in shown]
        metadata["the first of them"] = dg.MetadataValue.table(records)
    return dg.AssetCheckResult(
        asset_key=key, check_name=name, passed=faults.empty, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )
