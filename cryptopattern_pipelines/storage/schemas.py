"""Every table's columns, written once: pandera checks, Parquet files and Postgres tables come from here.

What belongs here: names, types, units, ranges, natural keys and indexes. What does not: how a table
is written (`parquet.py`, `postgres.py`) or how its rows are made (`reading/`, `market/`, `squeeze/`).

The first column of every table is its partition: `hour` (the start of the hour that a row belongs to,
UTC) or `day` (midnight at which the day begins, UTC). A row holds nothing that was unknown at the end
of that hour or day. Prices and volumes are in USD (USDT counts as USD) unless a name says `_base`;
names that end in `_pct` are percent (0 to 100 for shares), `funding_rate` is a fraction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import pandera.pandas as pa
import pyarrow
import sqlalchemy as sa

TIME = "datetime64[us, UTC]"
TEXT = "str"
REAL = "float64"
WHOLE = "Int64"
TRUTH = "bool"

SIDES = ["long", "short"]
SQUEEZE_TYPES = ["LONG_SQUEEZE", "SHORT_SQUEEZE", "NONE"]
# The side of the market that gains when the squeeze comes.
SIDE_OF = {"SHORT_SQUEEZE": "long", "LONG_SQUEEZE": "short"}
SEVERITIES = ["MINOR", "MODERATE", "MAJOR", "EXTREME"]
IMAGE_TYPES = [
    "liquidation_distribution_all",
    "liquidation_distribution_opti",
    "liquidation_map",
    "price_chart_heatmap",
    "market_metrics_dashboard",
    "unknown",
]
SIGNALS = [
    "liquidation_dominance",
    "volume_spike",
    "price_acceleration",
    "funding_extreme",
    "open_interest_change",
]
# What a forecast is asked for, each within 24 hours: see `squeeze/targets.py`.
TARGETS = ["long_squeeze", "short_squeeze", "up_move", "down_move", "any_move"]
# What an alert is of, and whether it is told: see `squeeze/alerts.py`.
ALERT_KINDS = ["analysis", "forecast", "squeeze"]
ALERT_STATUSES = ["NEW", "COOLDOWN", "QUIET"]
# Kinds of models, from the plainest on: see `squeeze/models.py`.
MODEL_KINDS = ["climatology", "volatility", "logistic", "boosting", "blend"]

_ARROW = {
    TIME: pyarrow.timestamp("us", tz="UTC"),
    TEXT: pyarrow.string(),
    REAL: pyarrow.float64(),
    WHOLE: pyarrow.int64(),
    TRUTH: pyarrow.bool_(),
}
_POSTGRES: dict[str, Any] = {
    TIME: sa.TIMESTAMP(timezone=True),
    TEXT: sa.Text(),
    REAL: sa.Double(),
    WHOLE: sa.BigInteger(),
    TRUTH: sa.Boolean(),
}


# The column that tells an asset's own values from those that a user's import filled in.
FROM_IMPORT = "from_import"


@dataclass(frozen=True)
class Column:
    """One column: its pandas dtype, what it means, and what its values may be.

    `before` is the value of rows from before there was this column; None where none can be told.
    """

    name: str
    dtype: str
    description: str
    nullable: bool = False
    checks: tuple[pa.Check, ...] = ()
    before: str | int | None = None


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns, its natural key, and the indexes that its readers need in Postgres."""

    name: str
    partition: Literal["hour", "day"]
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    rules: tuple[pa.Check, ...] = ()

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return [column.name for column in self.columns]

    @property
    def pandera(self) -> pa.DataFrameSchema:
        """The rules that a frame must keep: types, ranges, no missing value where none may be, unique key."""
        return pa.DataFrameSchema(
            {
                c.name: pa.Column(c.dtype, list(c.checks), nullable=c.nullable, description=c.description)
                for c in self.columns
            },
            checks=list(self.rules),
            strict=True,
            ordered=True,
            unique=list(self.key),
            name=self.name,
        )

    @property
    def arrow(self) -> pyarrow.Schema:
        """The Parquet file's schema."""
        return pyarrow.schema([pyarrow.field(c.name, _ARROW[c.dtype], nullable=c.nullable) for c in self.columns])

    def sql(self, metadata: sa.MetaData) -> sa.Table:
        """The Postgres table, its primary key being the natural key and its comments the descriptions."""
        table = sa.Table(
            self.name,
            metadata,
            *(
                sa.Column(
                    c.name,
                    _POSTGRES[c.dtype],
                    primary_key=c.name in self.key,
                    nullable=c.nullable,
                    autoincrement=False,
                    comment=c.description,
                )
                for c in self.columns
            ),
            comment=self.row,
        )
        for columns in self.indexes:
            sa.Index(f"ix_{self.name}_{'_'.join(columns)}", *(table.c[name] for name in columns))
        return table

    def empty(self) -> pd.DataFrame:
        """A frame of no rows with every column and its type."""
        return pd.DataFrame({c.name: pd.Series(dtype=c.dtype) for c in self.columns})

    def conform(self, rows: pd.DataFrame | Iterable[dict[str, Any]]) -> pd.DataFrame:
        """Bring rows to this table's columns, order and types; a missing nullable column becomes empty.

        Raises:
            KeyError: a column that must be there is missing, or one is there that the table doesn't have.
        """
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
        if frame.empty:
            return self.empty()
        strange = sorted(set(frame.columns) - set(self.names))
        missing = [c.name for c in self.columns if c.name not in frame.columns and not c.nullable]
        if strange or missing:
            raise KeyError(f"{self.name}: missing columns {missing}, unknown columns {strange}")
        columns = {
            c.name: frame[c.name].astype(c.dtype)
            if c.name in frame.columns
            else pd.Series(None, index=frame.index, dtype=c.dtype)
            for c in self.columns
        }
        # Not copied into one block: of millions of rows, both would not fit beside each other.
        return pd.DataFrame(columns, copy=False).reset_index(drop=True)

    def filled_up(self, rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
        """One row a key: cell by cell what `rows` tell, and what `others` tell where those are silent.

        Both have this table's columns and no key twice; so has the result, sorted by the key.
        """
        if others.empty:
            return rows
        key = list(self.key)
        both = pd.concat([rows, others], ignore_index=True) if len(rows) else others
        shared = both.duplicated(key, keep=False)
        if shared.any():
            # `first` is each column's first value that is there.
            one = both[shared].groupby(key, as_index=False, sort=False).first()
            both = pd.concat([both[~shared], one[self.names]], ignore_index=True)
        return self.conform(both.sort_values(key))


def _from_import() -> Column:
    return Column(
        FROM_IMPORT,
        TEXT,
        "columns whose values a user's own file brought, comma between; empty where the source told them all",
        True,
    )


def _hour() -> Column:
    return Column("hour", TIME, "start of the hour that the row belongs to, UTC")


def _day() -> Column:
    return Column("day", TIME, "midnight at which the day that the row belongs to begins, UTC")


def _sha256() -> Column:
    return Column("sha256", TEXT, "SHA-256 of the picture's bytes", checks=(pa.Check.str_matches("^[0-9a-f]{64}$"),))


def _symbol(nullable: bool = False) -> Column:
    return Column("symbol", TEXT, "coin's canonical name, e.g. BTC", nullable)


def _positive() -> tuple[pa.Check, ...]:
    return (pa.Check.gt(0),)


def _not_negative() -> tuple[pa.Check, ...]:
    return (pa.Check.ge(0),)


def _percent() -> tuple[pa.Check, ...]:
    return (pa.Check.in_range(0, 100),)


def _fraction() -> tuple[pa.Check, ...]:
    return (pa.Check.in_range(0, 1),)


def _one_of(values: list[str]) -> tuple[pa.Check, ...]:
    return (pa.Check.isin(values),)


def _candle_is_possible(frame: pd.DataFrame) -> pd.Series:
    inside = frame[["open", "close"]]
    return (frame["low"] <= inside.min(axis=1)) & (inside.max(axis=1) <= frame["high"])


def _shares_sum_to_100(frame: pd.DataFrame) -> pd.Series:
    return (frame["long_pct"] + frame["short_pct"] - 100).abs() < 0.11


RAW_SCREENSHOTS = TableSchema(
    "raw_screenshots",
    "hour",
    "one picture that was put into the landing folder",
    ("hour", "sha256"),
    (
        _hour(),
        _sha256(),
        Column("captured_at", TIME, "when the picture was taken, as well as is known, UTC"),
        Column(
            "captured_at_source",
            TEXT,
            "how that is known: from the file's name, its EXIF data, or the file's own time",
            checks=_one_of(["file_name", "exif", "file_time"]),
        ),
        Column("file", TEXT, "path within the landing folder"),
        Column("symbol_hint", TEXT, "coin that the folder's name gives", True),
        Column(
            "source_hint",
            TEXT,
            "maker of the chart that the file's name gives: kingfisher or coinglass",
            True,
        ),
        Column("kept_at", TEXT, "where the bytes are kept, within the store"),
        Column("format", TEXT, "picture format as decoded: png, jpeg, webp, gif or bmp"),
        Column("width", WHOLE, "pixels", checks=_positive()),
        Column("height", WHOLE, "pixels", checks=_positive()),
        Column("size_bytes", WHOLE, "bytes", checks=_positive()),
    ),
    indexes=(("captured_at",),),
)

QUARANTINED_SCREENSHOTS = TableSchema(
    "quarantined_screenshots",
    "hour",
    "one file from the landing folder that is no readable picture, with the reason",
    ("hour", "sha256"),
    (
        _hour(),
        _sha256(),
        Column("captured_at", TIME, "time of the file, as well as is known, UTC"),
        Column("file", TEXT, "path within the landing folder"),
        Column("size_bytes", WHOLE, "bytes", checks=_not_negative()),
        Column("reason", TEXT, "why it was set aside, in one line"),
    ),
    indexes=(("hour",),),
)

OCR_OUTPUTS = TableSchema(
    "ocr_outputs",
    "hour",
    "one word that stands on a picture",
    ("hour", "sha256", "line", "word"),
    (
        _hour(),
        _sha256(),
        Column("line", WHOLE, "line on the picture, from 0", checks=_not_negative()),
        Column("word", WHOLE, "word in the line, from 0", checks=_not_negative()),
        Column("text", TEXT, "the word"),
        Column("confidence", REAL, "the engine's confidence, fraction", checks=_fraction()),
        Column("box_left", WHOLE, "box in the picture's pixels"),
        Column("box_top", WHOLE, "box in the picture's pixels"),
        Column("box_width", WHOLE, "box in the picture's pixels", checks=_not_negative()),
        Column("box_height", WHOLE, "box in the picture's pixels", checks=_not_negative()),
    ),
)

CLASSIFIED_IMAGES = TableSchema(
    "classified_images",
    "hour",
    "one picture and what kind of chart it is",
    ("hour", "sha256"),
    (
        _hour(),
        _sha256(),
        Column("captured_at", TIME, "when the picture was taken, UTC"),
        Column("image_type", TEXT, "kind of chart", checks=_one_of(IMAGE_TYPES)),
        Column("confidence", REAL, "fraction", checks=_fraction()),
        Column("evidence", TEXT, "what the type was told by"),
        Column("title", TEXT, "title as it stands on the picture", True),
        _symbol(nullable=True),
        Column("venue", TEXT, "venue or venues that the chart names", True),
        Column("timeframe", TEXT, "span of the chart as it says, e.g. 24 hour", True),
        Column("leverage", TEXT, "leverage filter as it says, e.g. all_leverage", True),
        Column("chart_time", TIME, "time that stands on the chart, UTC", True),
        Column("current_price", REAL, "price that the chart marks as current, USD", True, _positive()),
        Column("reader_version", TEXT, "version of the reader that read the picture"),
        Column("error", TEXT, "why the picture or a part of it could not be read", True),
    ),
    indexes=(("symbol", "hour"),),
)

LIQUIDATION_READINGS = TableSchema(
    "liquidation_readings",
    "hour",
    "one symbol on one chart: which side's liquidations dominate",
    ("hour", "sha256", "symbol"),
    (
        _hour(),
        _sha256(),
        _symbol(),
        Column("captured_at", TIME, "when the picture was taken, UTC"),
        Column("image_type", TEXT, "kind of chart", checks=_one_of(IMAGE_TYPES)),
        Column("long_pct", REAL, "share of long liquidations, percent", checks=_percent()),
        Column("short_pct", REAL, "share of short liquidations, percent", checks=_percent()),
        Column(
            "arrows",
            WHOLE,
            "badge: +1, +2 up (shorts dominate), -1, -2 down",
            True,
            (pa.Check.in_range(-2, 2),),
        ),
        Column(
            "method",
            TEXT,
            "what the share was read from",
            checks=_one_of(["bar", "text", "both", "area", "line"]),
        ),
        Column("agreement", REAL, "distance between the bar's and the text's share, percentage points", True),
        Column("confidence", REAL, "fraction", checks=_fraction()),
    ),
    indexes=(("symbol", "captured_at"),),
    rules=(pa.Check(_shares_sum_to_100, error="long_pct and short_pct sum to 100"),),
)

LIQUIDATION_LEVELS = TableSchema(
    "liquidation_levels",
    "hour",
    "one price level on one chart at which liquidations wait",
    ("hour", "sha256", "rank"),
    (
        _hour(),
        _sha256(),
        _symbol(nullable=True),
        Column("captured_at", TIME, "when the picture was taken, UTC"),
        Column("image_type", TEXT, "kind of chart", checks=_one_of(IMAGE_TYPES)),
        Column("rank", WHOLE, "1 for the chart's strongest level", checks=_positive()),
        Column("price", REAL, "USD", checks=_positive()),
        Column(
            "side",
            TEXT,
            "whose positions wait there: long below the price, short above",
            True,
            _one_of(SIDES),
        ),
        Column(
            "strength",
            REAL,
            "in the chart's own unit where its colour bar was read; else a fraction, of the colour scale (heatmap) or "
            "of the highest bar (map)",
        ),
        Column("strength_share", REAL, "strength as a fraction of the chart's largest", checks=_fraction()),
    ),
    indexes=(("symbol", "captured_at"),),
)

DASHBOARD_METRICS = TableSchema(
    "dashboard_metrics",
    "hour",
    "one metric that a picture shows",
    ("hour", "sha256", "name"),
    (
        _hour(),
        _sha256(),
        _symbol(nullable=True),
        Column("captured_at", TIME, "when the picture was taken, UTC"),
        Column("name", TEXT, "metric, e.g. open_interest"),
        Column("value", REAL, "in the unit beside it; K, M, B and T are multiplied out"),
        Column("unit", TEXT, "USD, % or none", True),
        Column("change", REAL, "change that stands beside it, percent", True),
    ),
    indexes=(("symbol", "captured_at"),),
)

MARKET_CANDLES = TableSchema(
    "market_candles",
    "hour",
    "one closed hourly candle of one symbol on one venue's market",
    ("hour", "symbol", "venue", "market"),
    (
        _hour(),
        _symbol(),
        Column("venue", TEXT, "e.g. binance, okx"),
        Column("market", TEXT, "spot or perpetual", checks=_one_of(["spot", "perpetual"])),
        Column("instrument", TEXT, "the venue's own name, e.g. BTCUSDT"),
        Column("open", REAL, "USD", checks=_positive()),
        Column("high", REAL, "USD", checks=_positive()),
        Column("low", REAL, "USD", checks=_positive()),
        Column("close", REAL, "USD, the last price before the hour's end", checks=_positive()),
        Column("volume_base", REAL, "coins traded", checks=_not_negative()),
        Column("volume_usd", REAL, "USD traded", checks=_not_negative()),
        Column("trades", WHOLE, "number of trades, empty where the source doesn't know", True, _positive()),
        Column(
            "taker_buy_volume_base",
            REAL,
            "coins bought by takers, empty where not known",
            True,
            _not_negative(),
        ),
        _from_import(),
    ),
    indexes=(("symbol", "hour"),),
    rules=(pa.Check(_candle_is_possible, error="low <= open, close <= high"),),
)

DERIVATIVES_METRICS = TableSchema(
    "derivatives_metrics",
    "hour",
    "what one venue's derivatives market said of one symbol by the end of the hour",
    ("hour", "symbol", "venue"),
    (
        _hour(),
        _symbol(),
        Column("venue", TEXT, "e.g. binance"),
        Column("instrument", TEXT, "the venue's own name, e.g. BTCUSDT"),
        Column("funding_rate", REAL, "last settled funding rate, fraction for one interval", True),
        Column("funding_interval_hours", WHOLE, "hours that one funding rate pays for", True, _positive()),
        Column("funding_time", TIME, "when that rate was settled, UTC", True),
        Column("open_interest_base", REAL, "coins", True, _not_negative()),
        Column("open_interest_usd", REAL, "USD", True, _not_negative()),
        Column("open_interest_time", TIME, "when the snapshot of the figures below was taken, UTC", True),
        Column("long_short_account_ratio", REAL, "accounts long over accounts short", True, _not_negative()),
        Column("top_account_ratio", REAL, "the same of the top traders' accounts", True, _not_negative()),
        Column("top_position_ratio", REAL, "top traders' long over short positions", True, _not_negative()),
        Column("taker_volume_ratio", REAL, "takers' buy over sell volume", True, _not_negative()),
        _from_import(),
    ),
    indexes=(("symbol", "hour"),),
)

REALISED_LIQUIDATIONS = TableSchema(
    "realised_liquidations",
    "hour",
    "positions that one venue closed by force in one symbol, in the hour or in a span that ends with it",
    ("hour", "symbol", "venue", "span_hours"),
    (
        _hour(),
        _symbol(),
        Column("venue", TEXT, "e.g. binance; all for an aggregate"),
        Column(
            "span_hours",
            WHOLE,
            "hours that the figures cover, the last of them being this one: 1, or 24 where a feed tells days alone",
            checks=_positive(),
            before=1,  # there were hourly feeds alone
        ),
        Column("long_liquidated_usd", REAL, "USD of longs sold off", checks=_not_negative()),
        Column("short_liquidated_usd", REAL, "USD of shorts bought in", checks=_not_negative()),
        Column(
            "completeness",
            TEXT,
            "complete: every order; sampled: the feed shows at most one order a second",
            checks=_one_of(["complete", "sampled"]),
        ),
        _from_import(),
    ),
    indexes=(("symbol", "hour"),),
)

# What comes from outside as rows: one that is broken is set aside and leaves the others be; see `rows.sorted_out`.
MARKET_TABLES = (MARKET_CANDLES, DERIVATIVES_METRICS, REALISED_LIQUIDATIONS)

EXCHANGE_SNAPSHOTS = TableSchema(
    "exchange_snapshots",
    "hour",
    "one symbol over all its venues as it stood at the end of the hour",
    ("hour", "symbol"),
    (
        _hour(),
        _symbol(),
        Column("average_price", REAL, "mean of the venues' closes, USD", checks=_positive()),
        Column(
            "volume_weighted_price",
            REAL,
            "mean of the same closes by the coins traded in the hour, USD; empty where nothing was traded",
            True,
            _positive(),
        ),
        Column(
            "price_variance",
            REAL,
            "largest minus smallest close, USD (the guide's name for it)",
            checks=_not_negative(),
        ),
        Column("price_spread_bps", REAL, "the same over the closes' median, basis points", True, _not_negative()),
        Column("high_24h", REAL, "USD", checks=_positive()),
        Column("low_24h", REAL, "USD", checks=_positive()),
        Column("price_change_1h_pct", REAL, "against the price one hour before, percent", True),
        Column("price_change_24h_pct", REAL, "against the price 24 hours before, percent", True),
        Column("volume_24h_usd", REAL, "traded in the 24 hours, all venues, USD", True, _not_negative()),
        Column("volume_change_24h_pct", REAL, "against the 24 hours before those, percent", True),
        Column("open_interest_usd", REAL, "all venues, USD", True, _not_negative()),
        Column("open_interest_base", REAL, "all venues, coins", True, _not_negative()),
        Column("open_interest_change_24h_pct", REAL, "of the coins, against 24 hours before, percent", True),
        Column("funding_rate", REAL, "mean over venues, fraction for 8 hours", True),
        Column("funding_percentile", REAL, "its rank in the symbol's trailing 30 days, percent", True, _percent()),
        Column("long_short_account_ratio", REAL, "accounts long over accounts short, mean over venues", True),
        Column("taker_volume_ratio", REAL, "takers' buy over sell volume, mean over venues", True),
        Column("long_liquidated_24h_usd", REAL, "USD of longs sold off in 24 hours, where a feed exists", True),
        Column("short_liquidated_24h_usd", REAL, "USD of shorts bought in in 24 hours, where a feed exists", True),
        Column(
            "liquidation_venues", TEXT, "venues that the two are sums of, comma between; all for an aggregate", True
        ),
        Column("venues", TEXT, "venue:market of every candle that was seen, comma between"),
        Column("venue_count", WHOLE, "how many those are", checks=_positive()),
        Column("volume_venues", TEXT, "venue:market of every one that is in volume_24h_usd, comma between", True),
        Column("open_interest_venues", TEXT, "venues that open_interest_base is the sum of, comma between", True),
        Column("funding_venues", TEXT, "venues that funding_rate is the mean of, comma between", True),
        Column(
            "account_ratio_venues", TEXT, "venues that long_short_account_ratio is the mean of, comma between", True
        ),
        Column(
            "outlier_venues",
            TEXT,
            "those whose close is further than 3 % from the median that most are near, comma between; empty text for "
            "none",
            True,
        ),
        Column(
            "metrics_age_hours",
            REAL,
            "age of the open-interest snapshot at the hour's end",
            True,
            _not_negative(),
        ),
        Column(
            "quality_flags",
            TEXT,
            "what is missing or doubtful, comma between; empty when nothing is",
        ),
    ),
    indexes=(("symbol", "hour"),),
)

MARKET_CONTRADICTIONS = TableSchema(
    "market_contradictions",
    "hour",
    "two figures of one symbol and hour that can't both be right, or that lie further apart than markets do",
    ("hour", "symbol", "what", "source_a", "source_b"),
    (
        _hour(),
        _symbol(),
        Column(
            "what",
            TEXT,
            "what they are of: price (lowest and highest close), funding_sign and funding_rate (lowest and highest, "
            "for 8 hours), open_interest_usd (against coins x price), volume_usd (against coins x typical price), "
            "liquidated_usd (all against the venues' sum), imported_… (that column of a source and of an import)",
        ),
        Column("source_a", TEXT, "who tells the first: venue, or venue:market"),
        Column("source_b", TEXT, "who tells the second, or what it is worked out from"),
        Column("value_a", REAL, "in the unit that its kind has: USD, coins, or a fraction for 8 hours"),
        Column("value_b", REAL, "in the same unit"),
        Column("ratio", REAL, "the first over the second; empty where the second is 0", True),
    ),
    indexes=(("symbol", "hour"),),
)

QUARANTINED_MARKET_ROWS = TableSchema(
    "quarantined_market_rows",
    "hour",
    "one row that a source told and that can't be, set aside with the reason",
    ("hour", "table_name", "number"),
    (
        _hour(),
        Column(
            "table_name", TEXT, "table that it was meant for", checks=_one_of([table.name for table in MARKET_TABLES])
        ),
        Column("number", WHOLE, "1, 2, ... among that table's rows of the hour", checks=_positive()),
        _symbol(),
        Column("venue", TEXT, "e.g. binance"),
        Column("reason", TEXT, "what is wrong with it, in one line"),
        Column("row_json", TEXT, "the whole row as a JSON object; numbers that JSON lacks as text"),
    ),
    indexes=(("symbol", "hour"),),
)

SQUEEZE_ANALYSES = TableSchema(
    "squeeze_analyses",
    "hour",
    "one symbol: the five signals and the squeeze that they point to",
    ("hour", "symbol"),
    (
        _hour(),
        _symbol(),
        Column("price", REAL, "USD at the end of the hour", checks=_positive()),
        Column(
            "squeeze_type",
            TEXT,
            "side that would be squeezed, by who holds more; NONE without a dominant side; nothing is claimed where "
            "probability is 0",
            checks=_one_of(SQUEEZE_TYPES),
        ),
        Column(
            "probability",
            REAL,
            "the guide's heuristic score, 0 to 100; not a calibrated probability",
            checks=_percent(),
        ),
        Column("direction_confidence", REAL, "2 x (dominant share - 50), percent", checks=_percent()),
        Column("severity", TEXT, "by the score", checks=_one_of(SEVERITIES)),
        Column("estimated_timeframe", TEXT, "by the score, as the guide has it"),
        Column(
            "risk_level",
            TEXT,
            "by the score and the number of signals",
            checks=_one_of(["HIGH_CONFIDENCE", "MEDIUM_CONFIDENCE", "LOW_CONFIDENCE", "INSUFFICIENT_DATA"]),
        ),
        Column("signal_count", WHOLE, "signals present", checks=(pa.Check.in_range(0, len(SIGNALS)),)),
        *(
            column
            for signal in SIGNALS
            for column in (
                Column(f"{signal}_strength", REAL, f"strength of {signal}, empty when absent", True, _percent()),
                Column(f"{signal}_weight", REAL, "its weight, empty when absent", True, _fraction()),
            )
        ),
        Column("long_pct", REAL, "share of long liquidations that was used, percent", True, _percent()),
        Column("short_pct", REAL, "share of short liquidations that was used, percent", True, _percent()),
        Column(
            "dominance_source",
            TEXT,
            "where the shares are from; all_leverage: a distribution of that name, or a map",
            True,
            _one_of(["all_leverage", "optical_opti", "realised_liquidations", "daily_liquidations"]),
        ),
        Column("dominance_sha256", TEXT, "picture that they were read from", True),
        Column(
            "dominance_age_hours",
            REAL,
            "age at the hour's end of that picture, or of the day that a daily total is of",
            True,
            _not_negative(),
        ),
        *(
            column
            for chart in ("all_leverage", "optical_opti")
            for column in (
                Column(f"{chart}_long_pct", REAL, f"share of longs on the newest {chart} chart", True, _percent()),
                Column(f"{chart}_short_pct", REAL, f"share of shorts on the newest {chart} chart", True, _percent()),
                Column(f"{chart}_age_hours", REAL, "age of that chart at the hour's end", True, _not_negative()),
            )
        ),
        *(
            column
            for place, way in (("above", "at or above"), ("below", "below"))
            for column in (
                Column(
                    f"nearest_cluster_{place}",
                    REAL,
                    f"nearest price {way} the hour's at which the newest heatmap or map shows liquidations, USD",
                    True,
                    _positive(),
                ),
                Column(f"cluster_{place}_distance_pct", REAL, "how far that is, percent", True, _not_negative()),
                Column(
                    f"cluster_{place}_strength",
                    REAL,
                    "its strength as a fraction of the chart's largest",
                    True,
                    _fraction(),
                ),
            )
        ),
        Column("clusters_age_hours", REAL, "age of that heatmap or map at the hour's end", True, _not_negative()),
        Column("market_sources", TEXT, "venue:market of the snapshot, comma between"),
        Column("explanation", TEXT, "what the row says, in one sentence", True),
    ),
    indexes=(("symbol", "hour"), ("symbol", "severity", "hour"), ("severity", "hour"), ("hour", "probability")),
)

WIN_RATES = TableSchema(
    "win_rates",
    "day",
    "one symbol, condition, timeframe and side: how often a claim of that side was right by the end of the day",
    ("day", "symbol", "condition", "timeframe", "side"),
    (
        _day(),
        _symbol(),
        Column(
            "condition",
            TEXT,
            "which claims are counted: all, those of a severity (severity:MAJOR), or of a pattern (pattern:...)",
            checks=(pa.Check.str_length(min_value=1),),
            before="all",
        ),
        Column(
            "timeframe",
            TEXT,
            "how long an outcome is waited for: 24 hours, 7 days, or 1m, a month of 30 days",
            checks=_one_of(["24h", "7d", "1m"]),
        ),
        Column("side", TEXT, "long: price was to rise (SHORT_SQUEEZE); short: to fall", checks=_one_of(SIDES)),
        Column("wins", WHOLE, "windows whose target was touched first, net of costs", checks=_not_negative()),
        Column("sample_size", WHOLE, "claims of that side with a known outcome", checks=_not_negative()),
        Column(
            "effective_sample_size",
            WHOLE,
            "of those, how many windows do not overlap",
            checks=_not_negative(),
        ),
        Column("win_rate_pct", REAL, "wins over the windows that do not overlap, percent", True, _percent()),
        Column("interval_low_pct", REAL, "Wilson interval at 95 %, lower end", True, _percent()),
        Column("interval_high_pct", REAL, "Wilson interval at 95 %, upper end", True, _percent()),
        Column(
            "base_rate_pct",
            REAL,
            "the same of every hour, whatever the analysis said, percent",
            True,
            _percent(),
        ),
        Column(
            "base_sample_size",
            WHOLE,
            "windows behind the base rate that do not overlap",
            checks=_not_negative(),
        ),
        Column("lift", REAL, "win rate over base rate", True, _not_negative()),
        Column(
            "lift_low", REAL, "interval of the lift at 95 %, lower end; both rates are uncertain", True, _not_negative()
        ),
        Column(
            "lift_high", REAL, "interval of the lift at 95 %, upper end; empty where it has none", True, _not_negative()
        ),
        Column("net_return_pct", REAL, "mean return of the windows that do not overlap, net of costs, percent", True),
        Column("base_net_return_pct", REAL, "the same of every hour, percent", True),
        Column("costs_bps", REAL, "fees and slippage of entry and exit together, basis points", True, _not_negative()),
        Column(
            "verdict",
            TEXT,
            "EDGE: interval above the base rate, and so with the base rate's own error and the number of conditions "
            "looked at; ADVERSE: below in the same way; NO_EDGE: neither; NO_DATA: no outcome",
            checks=_one_of(["EDGE", "ADVERSE", "NO_EDGE", "NO_DATA"]),
        ),
        Column(
            "bias",
            TEXT,
            "side that has an EDGE where the other has none, NONE else",
            True,
            _one_of(["LONG", "SHORT", "NONE"]),
        ),
        Column(
            "bias_strength_pct",
            REAL,
            "that side's win rate less its base rate, percentage points; empty without a bias",
            True,
            _percent(),
        ),
    ),
    indexes=(("symbol", "day"), ("symbol", "condition", "day")),
)

SQUEEZE_EVENTS = TableSchema(
    "squeeze_events",
    "day",
    "one squeeze that happened, and was known to be over by the end of the day",
    ("day", "symbol", "started_at"),
    (
        _day(),
        _symbol(),
        Column(
            "squeeze_type",
            TEXT,
            "side that was squeezed: SHORT_SQUEEZE price up, LONG_SQUEEZE price down",
            checks=_one_of(["LONG_SQUEEZE", "SHORT_SQUEEZE"]),
        ),
        Column("started_at", TIME, "start of the move's first hour, UTC"),
        Column("peaked_at", TIME, "start of the hour in which the price went furthest, UTC"),
        Column("ended_at", TIME, "end of the last hour that drove the move on, UTC"),
        Column("known_at", TIME, "when that was known: after the quiet hours that followed, UTC"),
        Column("trigger_price", REAL, "price from which the move went, USD", checks=_positive()),
        Column("peak_price", REAL, "furthest price, USD", checks=_positive()),
        Column("move_pct", REAL, "from trigger to peak, percent; negative for a fall"),
        Column("move_sigmas", REAL, "the move of its fastest window in trailing sigmas", checks=_positive()),
        Column(
            "open_interest_drop_pct",
            REAL,
            "fall of open interest in coins, percent; empty where it is not known, and then no condition",
            True,
            (pa.Check.le(100),),
        ),
        Column(
            "liquidated_usd",
            REAL,
            "USD of the squeezed side closed by force, as far as liquidated_source tells it; empty without any",
            True,
            _not_negative(),
        ),
        Column(
            "liquidated_source",
            TEXT,
            "what liquidated_usd is: hourly_feed: of the move's hours; daily_feed: of the whole days that it touched; "
            "open_interest_proxy: no liquidations but the stand-in of liquidated_proxy_usd",
            True,
            _one_of(["hourly_feed", "daily_feed", "open_interest_proxy"]),
        ),
        Column(
            "liquidated_percentile",
            REAL,
            "rank of its greatest hour among the hours before, or of its greatest day among the days before, percent; "
            "empty without a feed, and then no condition",
            True,
            _percent(),
        ),
        Column(
            "liquidated_proxy_usd",
            REAL,
            "no liquidations but a stand-in: coins that left open interest x trigger price, USD",
            True,
            _not_negative(),
        ),
        Column("severity", TEXT, "by move_sigmas", checks=_one_of(SEVERITIES)),
        Column(
            "evidence",
            TEXT,
            "what was known beside the price and held: open_interest, liquidations, comma between; empty: price alone",
        ),
        Column(
            "signals_before",
            TEXT,
            "signals of squeeze_analyses in the hour before the start, comma between; empty text for none, "
            "missing where that hour has no analysis",
            True,
        ),
    ),
    indexes=(("symbol", "day"), ("squeeze_type", "started_at")),
)

SQUEEZE_FORECASTER = TableSchema(
    "squeeze_forecaster",
    "day",
    "one target: the model that stands at the end of the day, and what the day's training did",
    ("day", "target"),
    (
        _day(),
        Column("target", TEXT, "what is forecast, within 24 hours", checks=_one_of(TARGETS)),
        Column(
            "status",
            TEXT,
            "PROMOTED: a model was trained and beat the one that stood; KEPT: it did not; CARRIED: no training; "
            "NO_DATA: nothing stands, too little is known",
            checks=_one_of(["PROMOTED", "KEPT", "CARRIED", "NO_DATA"]),
        ),
        Column("reason", TEXT, "the status in words, with what it was judged by"),
        Column("model_kind", TEXT, "kind of the model that stands", True, _one_of(MODEL_KINDS)),
        Column("model_version", TEXT, "its day of training and the beginning of its hash", True),
        Column("model_sha256", TEXT, "hash by which the model is kept in the store", True),
        Column("trained_on", TIME, "the day by whose end it was trained", True),
        Column("calibration", TEXT, "map from its chances to those that came true; none where no map did better", True),
        Column("training_sha256", TEXT, "hash of the rows that it learned from and was judged on", True),
        Column("training_from", TIME, "first hour that it learned from", True),
        Column("training_to", TIME, "last hour that it learned from", True),
        Column("training_rows", WHOLE, "rows that it learned from", True, _positive()),
        Column("validation_from", TIME, "first hour that it was judged on, none of which it learned from", True),
        Column("validation_to", TIME, "last hour that it was judged on", True),
        Column("validation_rows", WHOLE, "rows that it was judged on", True, _positive()),
        Column(
            "base_rate_pct", REAL, "how often the target came in the hours it learned from, percent", True, _percent()
        ),
        Column(
            "base_sample_size",
            WHOLE,
            "windows behind the base rate that do not overlap, all symbols",
            True,
            _positive(),
        ),
        Column("brier", REAL, "its Brier score in the validation, before calibration", True, _fraction()),
        Column("brier_base", REAL, "that of the base rate", True, _fraction()),
        Column("brier_before", REAL, "that of the model that stood before, likewise", True, _fraction()),
        Column("skill", REAL, "1 - brier / brier_base", True),
        Column(
            "calibration_error",
            REAL,
            "expected calibration error in the validation, before calibration",
            True,
            _fraction(),
        ),
    ),
    indexes=(("target", "day"),),
)

SQUEEZE_FORECASTS = TableSchema(
    "squeeze_forecasts",
    "hour",
    "one symbol and target: its chance within 24 hours, by the model that stood before the hour's day began",
    ("hour", "symbol", "target"),
    (
        _hour(),
        _symbol(),
        Column("target", TEXT, "what is forecast, within the 24 hours after the hour", checks=_one_of(TARGETS)),
        Column("probability_pct", REAL, "chance, percent; calibrated as squeeze_forecaster says", checks=_percent()),
        Column(
            "base_rate_pct",
            REAL,
            "how often the target came in the hours that the model learned from, percent",
            checks=_percent(),
        ),
        Column(
            "base_sample_size",
            WHOLE,
            "windows behind the base rate that do not overlap, all symbols",
            checks=_positive(),
        ),
        Column(
            "interval_low_pct",
            REAL,
            "Wilson interval at 95 % of how often it came in the validation after such a chance, lower end; "
            "of a base rate alone: after any hour",
            True,
            _percent(),
        ),
        Column("interval_high_pct", REAL, "the same, upper end", True, _percent()),
        Column("interval_sample_size", WHOLE, "days of the validation behind the interval", True, _positive()),
        Column("drivers", TEXT, "the features that move the log-odds most, each with how far; empty for a base rate"),
        Column("model_kind", TEXT, "kind of the model", checks=_one_of(MODEL_KINDS)),
        Column("model_version", TEXT, "as in squeeze_forecaster"),
    ),
    indexes=(("symbol", "hour"), ("target", "hour")),
)

SYMBOLS = TableSchema(
    "symbols",
    "day",
    "one name under which venues list a coin, as it was known by the end of the day",
    ("day", "symbol"),
    (
        _day(),
        Column("symbol", TEXT, "the name as venues list it, e.g. MATIC; other tables go by the newest name, POL"),
        Column(
            "status",
            TEXT,
            "listed: on a venue at the day's end; delisted: on none any more",
            checks=_one_of(["listed", "delisted"]),
        ),
        Column("renamed_to", TEXT, "the coin's newer name, once its name has changed", True),
        Column("venues", TEXT, "where it is listed, or last was, comma between"),
        Column("markets", TEXT, "venue:market of each, comma between"),
        Column("instruments", TEXT, "venue:market:name of each, comma between"),
        Column(
            "multiplier",
            WHOLE,
            "coins in one unit of its largest instrument: 1000 for 1000PEPE, 1 where coins trade one by one",
            checks=_positive(),
        ),
        Column("first_seen", TIME, "since when it is known to trade, UTC"),
        Column("last_seen", TIME, "until when it was seen to trade, at most the day's end, UTC"),
        Column(
            "volume_24h_usd",
            REAL,
            "traded in the day's 24 hours, all instruments of the name, USD; empty where no candles were asked for",
            True,
            _not_negative(),
        ),
    ),
    indexes=(("symbol", "day"),),
)

PATTERN_LIBRARY = TableSchema(
    "pattern_library",
    "day",
    "one named pattern, symbol (or all), timeframe and side: what it was worth by the end of the day",
    ("day", "pattern", "symbol", "timeframe", "side"),
    (
        _day(),
        Column("pattern", TEXT, "name of the pattern"),
        Column("symbol", TEXT, "coin's canonical name, or all for every coin together"),
        Column("timeframe", TEXT, "how long an outcome is waited for", checks=_one_of(["24h", "7d"])),
        Column("side", TEXT, "long: the price was to rise; short: to fall", checks=_one_of(SIDES)),
        Column("conditions", TEXT, "what makes the pattern, in words"),
        Column("occurrences", WHOLE, "times that it began, with a known outcome", checks=_not_negative()),
        Column("effective_sample_size", WHOLE, "of those, how many windows do not overlap", checks=_not_negative()),
        Column("success_rate_pct", REAL, "wins over those windows, by the triple barrier, percent", True, _percent()),
        Column("interval_low_pct", REAL, "Wilson interval at 95 %, lower end", True, _percent()),
        Column("interval_high_pct", REAL, "the same, upper end", True, _percent()),
        Column("base_rate_pct", REAL, "wins over every hour of the same symbol and period, percent", True, _percent()),
        Column("base_sample_size", WHOLE, "windows of those hours that do not overlap", checks=_not_negative()),
        Column("lift", REAL, "success rate over base rate", True, _not_negative()),
        Column("average_return_pct", REAL, "mean return of a trade of that side, net of costs, percent", True),
        Column(
            "average_duration_hours", REAL, "how long the pattern held on, at most the timeframe", True, _positive()
        ),
        Column("discovery_windows", WHOLE, "windows in the earlier two thirds of the period", checks=_not_negative()),
        Column("discovery_rate_pct", REAL, "wins over those, percent", True, _percent()),
        Column(
            "p_value",
            REAL,
            "chance of such a rate, or a better one, in the earlier part without an edge",
            True,
            _fraction(),
        ),
        Column("q_value", REAL, "the same, corrected for all tests of the day (Benjamini-Hochberg)", True, _fraction()),
        Column("confirmation_windows", WHOLE, "windows in the later third", checks=_not_negative()),
        Column("confirmation_rate_pct", REAL, "wins over those, percent", True, _percent()),
        Column(
            "confirmation_base_rate_pct", REAL, "wins over every hour of the later third, percent", True, _percent()
        ),
        Column("confirmation_p_value", REAL, "chance of such a rate there without an edge", True, _fraction()),
        Column(
            "status",
            TEXT,
            "NO_DATA: too few windows; NO_EDGE: no better than the base rate; FOUND: better in the earlier part, the "
            "later can't tell yet; CONFIRMED: better there too; NOT_CONFIRMED: not there",
            checks=_one_of(["NO_DATA", "NO_EDGE", "FOUND", "CONFIRMED", "NOT_CONFIRMED"]),
        ),
    ),
    # A rate that few patterns have is told from the index: without it all rows of a symbol would be looked at.
    indexes=(("symbol", "day", "success_rate_pct"), ("status", "day")),
)

SQUEEZE_ALERTS = TableSchema(
    "squeeze_alerts",
    "hour",
    "one hour, symbol and claim that a rule for alerts asks for, beside its odds, and whether it is told",
    ("hour", "rule", "symbol", "claim"),
    (
        _hour(),
        Column("rule", TEXT, "name of the rule"),
        _symbol(),
        Column(
            "claim",
            TEXT,
            "what is claimed: the squeeze of an analysis or of one under way, or the target of a forecast",
            checks=_one_of([*SQUEEZE_TYPES[:2], *TARGETS]),
        ),
        Column(
            "kind",
            TEXT,
            "analysis: an hour's score; forecast: a chance; squeeze: one is under way",
            checks=_one_of(ALERT_KINDS),
        ),
        Column(
            "squeeze_type",
            TEXT,
            "the claim where it is a squeeze; empty for a target that is only a move",
            True,
            _one_of(SQUEEZE_TYPES[:2]),
        ),
        Column("side", TEXT, "long: the price may rise; short: it may fall; empty for either", True, _one_of(SIDES)),
        Column("price", REAL, "USD at the end of the hour", True, _positive()),
        Column("severity", TEXT, "of an analysis by its score, of a squeeze by its sigmas", True, _one_of(SEVERITIES)),
        Column(
            "probability",
            REAL,
            "of an analysis the guide's heuristic score, of a forecast its chance, percent; empty for a "
            "squeeze that is seen",
            True,
            _percent(),
        ),
        Column("direction_confidence", REAL, "of an analysis, as in squeeze_analyses", True, _percent()),
        Column("signal_count", WHOLE, "of an analysis: signals present", True, _not_negative()),
        Column("estimated_timeframe", TEXT, "of an analysis: by the score, as the guide has it", True),
        Column("risk_level", TEXT, "of an analysis: by the score and the number of signals", True),
        Column(
            "status",
            TEXT,
            "NEW: it is told; COOLDOWN: the rule told the same not long before; QUIET: it falls in quiet hours",
            checks=_one_of(ALERT_STATUSES),
        ),
        Column("told_at", TIME, "hour of the alert whose cool-down holds this one back", True),
        Column(
            "odds_of",
            TEXT,
            "what the odds are: condition of win_rates (24h, of the side), or forecast; empty where none are known",
            True,
        ),
        Column("odds_day", TIME, "day by whose end those win rates were counted", True),
        Column("odds_pct", REAL, "win rate of such analyses, or the forecast's chance, percent", True, _percent()),
        Column("interval_low_pct", REAL, "its interval at 95 %, lower end", True, _percent()),
        Column("interval_high_pct", REAL, "the same, upper end", True, _percent()),
        Column("sample_size", WHOLE, "windows, or days of the validation, behind the interval", True, _not_negative()),
        Column(
            "base_rate_pct",
            REAL,
            "the same of every hour, percent; of a squeeze under way, how often one begins within 24 hours",
            True,
            _percent(),
        ),
        Column("base_sample_size", WHOLE, "windows behind the base rate that do not overlap", True, _not_negative()),
        Column("lift", REAL, "odds over base rate", True, _not_negative()),
        Column("verdict", TEXT, "of the win rate: EDGE, ADVERSE or NO_EDGE", True),
        Column("sentence", TEXT, "what is told, in a sentence or two"),
    ),
    indexes=(("symbol", "hour"), ("severity", "hour"), ("kind", "hour"), ("status", "hour")),
)

TABLES: dict[str, TableSchema] = {
    table.name: table
    for table in (
        RAW_SCREENSHOTS,
        QUARANTINED_SCREENSHOTS,
        OCR_OUTPUTS,
        CLASSIFIED_IMAGES,
        LIQUIDATION_READINGS,
        LIQUIDATION_LEVELS,
        DASHBOARD_METRICS,
        MARKET_CANDLES,
        DERIVATIVES_METRICS,
        REALISED_LIQUIDATIONS,
        QUARANTINED_MARKET_ROWS,
        EXCHANGE_SNAPSHOTS,
        MARKET_CONTRADICTIONS,
        SQUEEZE_ANALYSES,
        WIN_RATES,
        SQUEEZE_EVENTS,
        SQUEEZE_FORECASTER,
        SQUEEZE_FORECASTS,
        PATTERN_LIBRARY,
        SYMBOLS,
        SQUEEZE_ALERTS,
    )
}
