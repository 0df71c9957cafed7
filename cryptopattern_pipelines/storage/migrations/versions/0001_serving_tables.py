"""The serving tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "classified_images",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when the picture was taken, UTC",
        ),
        sa.Column("image_type", sa.Text(), autoincrement=False, nullable=False, comment="kind of chart"),
        sa.Column("confidence", sa.Double(), autoincrement=False, nullable=False, comment="fraction"),
        sa.Column("evidence", sa.Text(), autoincrement=False, nullable=False, comment="what the type was told by"),
        sa.Column("title", sa.Text(), autoincrement=False, nullable=True, comment="title as it stands on the picture"),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=True, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "venue", sa.Text(), autoincrement=False, nullable=True, comment="venue or venues that the chart names"
        ),
        sa.Column(
            "timeframe",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="span of the chart as it says, e.g. 24 hour",
        ),
        sa.Column(
            "leverage",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="leverage filter as it says, e.g. all_leverage",
        ),
        sa.Column(
            "chart_time",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="time that stands on the chart, UTC",
        ),
        sa.Column(
            "current_price",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="price that the chart marks as current, USD",
        ),
        sa.Column(
            "reader_version",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="version of the reader that read the picture",
        ),
        sa.Column(
            "error",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="why the picture or a part of it could not be read",
        ),
        sa.PrimaryKeyConstraint("hour", "sha256"),
        schema="serving",
        comment="one picture and what kind of chart it is",
    )
    op.create_index(
        "ix_classified_images_symbol_hour", "classified_images", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "dashboard_metrics",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=True, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when the picture was taken, UTC",
        ),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False, comment="metric, e.g. open_interest"),
        sa.Column(
            "value",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="in the unit beside it; K, M, B and T are multiplied out",
        ),
        sa.Column("unit", sa.Text(), autoincrement=False, nullable=True, comment="USD, % or none"),
        sa.Column(
            "change", sa.Double(), autoincrement=False, nullable=True, comment="change that stands beside it, percent"
        ),
        sa.PrimaryKeyConstraint("hour", "sha256", "name"),
        schema="serving",
        comment="one metric that a picture shows",
    )
    op.create_index(
        "ix_dashboard_metrics_symbol_captured_at",
        "dashboard_metrics",
        ["symbol", "captured_at"],
        unique=False,
        schema="serving",
    )
    op.create_table(
        "derivatives_metrics",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column("venue", sa.Text(), autoincrement=False, nullable=False, comment="e.g. binance"),
        sa.Column(
            "instrument", sa.Text(), autoincrement=False, nullable=False, comment="the venue's own name, e.g. BTCUSDT"
        ),
        sa.Column(
            "funding_rate",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="last settled funding rate, fraction for one interval",
        ),
        sa.Column(
            "funding_interval_hours",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="hours that one funding rate pays for",
        ),
        sa.Column(
            "funding_time",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="when that rate was settled, UTC",
        ),
        sa.Column("open_interest_base", sa.Double(), autoincrement=False, nullable=True, comment="coins"),
        sa.Column("open_interest_usd", sa.Double(), autoincrement=False, nullable=True, comment="USD"),
        sa.Column(
            "open_interest_time",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="when the snapshot of the figures below was taken, UTC",
        ),
        sa.Column(
            "long_short_account_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="accounts long over accounts short",
        ),
        sa.Column(
            "top_account_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="the same of the top traders' accounts",
        ),
        sa.Column(
            "top_position_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="top traders' long over short positions",
        ),
        sa.Column(
            "taker_volume_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="takers' buy over sell volume",
        ),
        sa.PrimaryKeyConstraint("hour", "symbol", "venue"),
        schema="serving",
        comment="what one venue's derivatives market said of one symbol by the end of the hour",
    )
    op.create_index(
        "ix_derivatives_metrics_symbol_hour", "derivatives_metrics", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "exchange_snapshots",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "average_price", sa.Double(), autoincrement=False, nullable=False, comment="mean of the venues' closes, USD"
        ),
        sa.Column(
            "price_variance",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="largest minus smallest close, USD (the guide's name for it)",
        ),
        sa.Column("high_24h", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column("low_24h", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column(
            "price_change_1h_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="against the price one hour before, percent",
        ),
        sa.Column(
            "price_change_24h_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="against the price 24 hours before, percent",
        ),
        sa.Column(
            "volume_24h_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="traded in the 24 hours, all venues, USD",
        ),
        sa.Column(
            "volume_change_24h_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="against the 24 hours before those, percent",
        ),
        sa.Column("open_interest_usd", sa.Double(), autoincrement=False, nullable=True, comment="all venues, USD"),
        sa.Column("open_interest_base", sa.Double(), autoincrement=False, nullable=True, comment="all venues, coins"),
        sa.Column(
            "open_interest_change_24h_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="of the coins, against 24 hours before, percent",
        ),
        sa.Column(
            "funding_rate",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="mean over venues, fraction for 8 hours",
        ),
        sa.Column(
            "funding_percentile",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its rank in the symbol's trailing 30 days, percent",
        ),
        sa.Column(
            "long_short_account_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="accounts long over accounts short, mean over venues",
        ),
        sa.Column(
            "taker_volume_ratio",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="takers' buy over sell volume, mean over venues",
        ),
        sa.Column(
            "long_liquidated_24h_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="USD of longs sold off in 24 hours, where a feed exists",
        ),
        sa.Column(
            "short_liquidated_24h_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="USD of shorts bought in in 24 hours, where a feed exists",
        ),
        sa.Column(
            "venues",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="venue:market of every candle that was seen, comma between",
        ),
        sa.Column("venue_count", sa.BigInteger(), autoincrement=False, nullable=False, comment="how many those are"),
        sa.Column(
            "metrics_age_hours",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="age of the open-interest snapshot at the hour's end",
        ),
        sa.Column(
            "quality_flags",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="what is missing or doubtful, comma between; empty when nothing is",
        ),
        sa.PrimaryKeyConstraint("hour", "symbol"),
        schema="serving",
        comment="one symbol over all its venues as it stood at the end of the hour",
    )
    op.create_index(
        "ix_exchange_snapshots_symbol_hour", "exchange_snapshots", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "liquidation_levels",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=True, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when the picture was taken, UTC",
        ),
        sa.Column("image_type", sa.Text(), autoincrement=False, nullable=False, comment="kind of chart"),
        sa.Column(
            "rank", sa.BigInteger(), autoincrement=False, nullable=False, comment="1 for the chart's strongest level"
        ),
        sa.Column("price", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column(
            "side",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="whose positions wait there: long below the price, short above",
        ),
        sa.Column(
            "strength",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="strength in the chart's own unit, or as a share where it shows none",
        ),
        sa.Column(
            "strength_share",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="strength as a fraction of the chart's largest",
        ),
        sa.PrimaryKeyConstraint("hour", "sha256", "rank"),
        schema="serving",
        comment="one price level on one chart at which liquidations wait",
    )
    op.create_index(
        "ix_liquidation_levels_symbol_captured_at",
        "liquidation_levels",
        ["symbol", "captured_at"],
        unique=False,
        schema="serving",
    )
    op.create_table(
        "liquidation_readings",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when the picture was taken, UTC",
        ),
        sa.Column("image_type", sa.Text(), autoincrement=False, nullable=False, comment="kind of chart"),
        sa.Column(
            "long_pct", sa.Double(), autoincrement=False, nullable=False, comment="share of long liquidations, percent"
        ),
        sa.Column(
            "short_pct",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="share of short liquidations, percent",
        ),
        sa.Column(
            "arrows",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="badge: +1, +2 up (shorts dominate), -1, -2 down",
        ),
        sa.Column("method", sa.Text(), autoincrement=False, nullable=False, comment="what the share was read from"),
        sa.Column(
            "agreement",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="distance between the bar's and the text's share, percentage points",
        ),
        sa.Column("confidence", sa.Double(), autoincrement=False, nullable=False, comment="fraction"),
        sa.PrimaryKeyConstraint("hour", "sha256", "symbol"),
        schema="serving",
        comment="one symbol on one chart: which side's liquidations dominate",
    )
    op.create_index(
        "ix_liquidation_readings_symbol_captured_at",
        "liquidation_readings",
        ["symbol", "captured_at"],
        unique=False,
        schema="serving",
    )
    op.create_table(
        "market_candles",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column("venue", sa.Text(), autoincrement=False, nullable=False, comment="e.g. binance, okx"),
        sa.Column("market", sa.Text(), autoincrement=False, nullable=False, comment="spot or perpetual"),
        sa.Column(
            "instrument", sa.Text(), autoincrement=False, nullable=False, comment="the venue's own name, e.g. BTCUSDT"
        ),
        sa.Column("open", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column("high", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column("low", sa.Double(), autoincrement=False, nullable=False, comment="USD"),
        sa.Column(
            "close",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="USD, the last price before the hour's end",
        ),
        sa.Column("volume_base", sa.Double(), autoincrement=False, nullable=False, comment="coins traded"),
        sa.Column("volume_usd", sa.Double(), autoincrement=False, nullable=False, comment="USD traded"),
        sa.Column(
            "trades",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="number of trades, empty where the source doesn't know",
        ),
        sa.Column(
            "taker_buy_volume_base",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="coins bought by takers, empty where not known",
        ),
        sa.PrimaryKeyConstraint("hour", "symbol", "venue", "market"),
        schema="serving",
        comment="one closed hourly candle of one symbol on one venue's market",
    )
    op.create_index(
        "ix_market_candles_symbol_hour", "market_candles", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "ocr_outputs",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False, comment="line on the picture, from 0"),
        sa.Column("word", sa.BigInteger(), autoincrement=False, nullable=False, comment="word in the line, from 0"),
        sa.Column("text", sa.Text(), autoincrement=False, nullable=False, comment="the word"),
        sa.Column(
            "confidence", sa.Double(), autoincrement=False, nullable=False, comment="the engine's confidence, fraction"
        ),
        sa.Column(
            "box_left", sa.BigInteger(), autoincrement=False, nullable=False, comment="box in the picture's pixels"
        ),
        sa.Column(
            "box_top", sa.BigInteger(), autoincrement=False, nullable=False, comment="box in the picture's pixels"
        ),
        sa.Column(
            "box_width", sa.BigInteger(), autoincrement=False, nullable=False, comment="box in the picture's pixels"
        ),
        sa.Column(
            "box_height", sa.BigInteger(), autoincrement=False, nullable=False, comment="box in the picture's pixels"
        ),
        sa.PrimaryKeyConstraint("hour", "sha256", "line", "word"),
        schema="serving",
        comment="one word that stands on a picture",
    )
    op.create_table(
        "quarantined_screenshots",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="time of the file, as well as is known, UTC",
        ),
        sa.Column("file", sa.Text(), autoincrement=False, nullable=False, comment="path within the landing folder"),
        sa.Column("size_bytes", sa.BigInteger(), autoincrement=False, nullable=False, comment="bytes"),
        sa.Column(
            "reason", sa.Text(), autoincrement=False, nullable=False, comment="why it was set aside, in one line"
        ),
        sa.PrimaryKeyConstraint("hour", "sha256"),
        schema="serving",
        comment="one file from the landing folder that is no readable picture, with the reason",
    )
    op.create_index(
        "ix_quarantined_screenshots_hour", "quarantined_screenshots", ["hour"], unique=False, schema="serving"
    )
    op.create_table(
        "raw_screenshots",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("sha256", sa.Text(), autoincrement=False, nullable=False, comment="SHA-256 of the picture's bytes"),
        sa.Column(
            "captured_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when the picture was taken, as well as is known, UTC",
        ),
        sa.Column(
            "captured_at_source",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="how that is known: from the file's name, its EXIF data, or the file's own time",
        ),
        sa.Column("file", sa.Text(), autoincrement=False, nullable=False, comment="path within the landing folder"),
        sa.Column(
            "symbol_hint", sa.Text(), autoincrement=False, nullable=True, comment="coin that the folder's name gives"
        ),
        sa.Column(
            "source_hint",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="maker of the chart that the file's name gives: kingfisher or coinglass",
        ),
        sa.Column(
            "kept_at",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="where the bytes are kept, within the store",
        ),
        sa.Column(
            "format",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="picture format as decoded: png, jpeg, webp, gif or bmp",
        ),
        sa.Column("width", sa.BigInteger(), autoincrement=False, nullable=False, comment="pixels"),
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False, comment="pixels"),
        sa.Column("size_bytes", sa.BigInteger(), autoincrement=False, nullable=False, comment="bytes"),
        sa.PrimaryKeyConstraint("hour", "sha256"),
        schema="serving",
        comment="one picture that was put into the landing folder",
    )
    op.create_index(
        "ix_raw_screenshots_captured_at", "raw_screenshots", ["captured_at"], unique=False, schema="serving"
    )
    op.create_table(
        "realised_liquidations",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "venue", sa.Text(), autoincrement=False, nullable=False, comment="e.g. binance; all for an aggregate"
        ),
        sa.Column(
            "long_liquidated_usd", sa.Double(), autoincrement=False, nullable=False, comment="USD of longs sold off"
        ),
        sa.Column(
            "short_liquidated_usd", sa.Double(), autoincrement=False, nullable=False, comment="USD of shorts bought in"
        ),
        sa.Column(
            "completeness",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="complete: every order; sampled: the feed shows at most one order a second",
        ),
        sa.PrimaryKeyConstraint("hour", "symbol", "venue"),
        schema="serving",
        comment="positions that one venue closed by force in one symbol in the hour",
    )
    op.create_index(
        "ix_realised_liquidations_symbol_hour",
        "realised_liquidations",
        ["symbol", "hour"],
        unique=False,
        schema="serving",
    )
    op.create_table(
        "squeeze_analyses",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column("price", sa.Double(), autoincrement=False, nullable=False, comment="USD at the end of the hour"),
        sa.Column(
            "squeeze_type",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="side that would be squeezed; NONE without a dominant side",
        ),
        sa.Column(
            "probability",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="the guide's heuristic score, 0 to 100; not a calibrated probability",
        ),
        sa.Column(
            "direction_confidence",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="2 x (dominant share - 50), percent",
        ),
        sa.Column("severity", sa.Text(), autoincrement=False, nullable=False, comment="by the score"),
        sa.Column(
            "estimated_timeframe",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="by the score, as the guide has it",
        ),
        sa.Column(
            "risk_level",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="by the score and the number of signals",
        ),
        sa.Column("signal_count", sa.BigInteger(), autoincrement=False, nullable=False, comment="signals present"),
        sa.Column(
            "liquidation_dominance_strength",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="strength of liquidation_dominance, empty when absent",
        ),
        sa.Column(
            "liquidation_dominance_weight",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its weight, empty when absent",
        ),
        sa.Column(
            "volume_spike_strength",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="strength of volume_spike, empty when absent",
        ),
        sa.Column(
            "volume_spike_weight",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its weight, empty when absent",
        ),
        sa.Column(
            "price_acceleration_strength",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="strength of price_acceleration, empty when absent",
        ),
        sa.Column(
            "price_acceleration_weight",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its weight, empty when absent",
        ),
        sa.Column(
            "funding_extreme_strength",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="strength of funding_extreme, empty when absent",
        ),
        sa.Column(
            "funding_extreme_weight",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its weight, empty when absent",
        ),
        sa.Column(
            "open_interest_change_strength",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="strength of open_interest_change, empty when absent",
        ),
        sa.Column(
            "open_interest_change_weight",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its weight, empty when absent",
        ),
        sa.Column(
            "long_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="share of long liquidations that was used, percent",
        ),
        sa.Column(
            "short_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="share of short liquidations that was used, percent",
        ),
        sa.Column(
            "dominance_source", sa.Text(), autoincrement=False, nullable=True, comment="where the shares are from"
        ),
        sa.Column(
            "dominance_sha256",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="picture that they were read from",
        ),
        sa.Column(
            "dominance_age_hours",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="age of that picture at the hour's end",
        ),
        sa.Column(
            "market_sources",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="venue:market of the snapshot, comma between",
        ),
        sa.PrimaryKeyConstraint("hour", "symbol"),
        schema="serving",
        comment="one symbol: the five signals and the squeeze that they point to",
    )
    op.create_index(
        "ix_squeeze_analyses_hour_probability",
        "squeeze_analyses",
        ["hour", "probability"],
        unique=False,
        schema="serving",
    )
    op.create_index(
        "ix_squeeze_analyses_severity_hour", "squeeze_analyses", ["severity", "hour"], unique=False, schema="serving"
    )
    op.create_index(
        "ix_squeeze_analyses_symbol_hour", "squeeze_analyses", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "squeeze_events",
        sa.Column(
            "day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="midnight at which the day that the row belongs to begins, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "squeeze_type",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="side that was squeezed: SHORT_SQUEEZE price up, LONG_SQUEEZE price down",
        ),
        sa.Column(
            "started_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the move's first hour, UTC",
        ),
        sa.Column(
            "peaked_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour in which the price went furthest, UTC",
        ),
        sa.Column(
            "ended_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="end of the last hour that drove the move on, UTC",
        ),
        sa.Column(
            "known_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="when that was known: after the quiet hours that followed, UTC",
        ),
        sa.Column(
            "trigger_price",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="price from which the move went, USD",
        ),
        sa.Column("peak_price", sa.Double(), autoincrement=False, nullable=False, comment="furthest price, USD"),
        sa.Column(
            "move_pct",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="from trigger to peak, percent; negative for a fall",
        ),
        sa.Column(
            "move_sigmas",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="the move of its fastest window in trailing sigmas",
        ),
        sa.Column(
            "open_interest_drop_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="fall of open interest in coins, percent; empty where it is not known, and then no condition",
        ),
        sa.Column(
            "liquidated_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="USD of the squeezed side closed by force within the move; empty without a feed, and then no condition",
        ),
        sa.Column(
            "liquidated_percentile",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="rank of its greatest hour among the hours before the start, percent; empty without a feed",
        ),
        sa.Column(
            "liquidated_proxy_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="no liquidations but a stand-in: coins that left open interest x trigger price, USD",
        ),
        sa.Column("severity", sa.Text(), autoincrement=False, nullable=False, comment="by move_sigmas"),
        sa.Column(
            "evidence",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="what was known beside the price and held: open_interest, liquidations, comma between; may be empty",
        ),
        sa.Column(
            "signals_before",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="signals of squeeze_analyses in the hour before the start, comma between; empty text for none, missing where that hour has no analysis",
        ),
        sa.PrimaryKeyConstraint("day", "symbol", "started_at"),
        schema="serving",
        comment="one squeeze that happened, and was known to be over by the end of the day",
    )
    op.create_index(
        "ix_squeeze_events_squeeze_type_started_at",
        "squeeze_events",
        ["squeeze_type", "started_at"],
        unique=False,
        schema="serving",
    )
    op.create_index("ix_squeeze_events_symbol_day", "squeeze_events", ["symbol", "day"], unique=False, schema="serving")
    op.create_table(
        "win_rates",
        sa.Column(
            "day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="midnight at which the day that the row belongs to begins, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "timeframe", sa.Text(), autoincrement=False, nullable=False, comment="how long an outcome is waited for"
        ),
        sa.Column(
            "side",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="long: price was to rise (SHORT_SQUEEZE); short: to fall",
        ),
        sa.Column(
            "wins",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="analyses whose target was touched first",
        ),
        sa.Column(
            "sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="analyses of that side with a known outcome",
        ),
        sa.Column(
            "effective_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of those, how many windows do not overlap",
        ),
        sa.Column(
            "win_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="wins over the windows that do not overlap, percent",
        ),
        sa.Column(
            "interval_low_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="Wilson interval at 95 %, lower end",
        ),
        sa.Column(
            "interval_high_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="Wilson interval at 95 %, upper end",
        ),
        sa.Column(
            "base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="the same of every hour, whatever the analysis said, percent",
        ),
        sa.Column(
            "base_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="windows behind the base rate that do not overlap",
        ),
        sa.Column("lift", sa.Double(), autoincrement=False, nullable=True, comment="win rate over base rate"),
        sa.Column(
            "verdict",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="EDGE: interval above the base rate; ADVERSE: below; NO_EDGE: holds it; NO_DATA: no outcome",
        ),
        sa.PrimaryKeyConstraint("day", "symbol", "timeframe", "side"),
        schema="serving",
        comment="one symbol, timeframe and side: how often an analysis of that side was right by the end of the day",
    )
    op.create_index("ix_win_rates_symbol_day", "win_rates", ["symbol", "day"], unique=False, schema="serving")


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_win_rates_symbol_day", table_name="win_rates", schema="serving")
    op.drop_table("win_rates", schema="serving")
    op.drop_index("ix_squeeze_events_symbol_day", table_name="squeeze_events", schema="serving")
    op.drop_index("ix_squeeze_events_squeeze_type_started_at", table_name="squeeze_events", schema="serving")
    op.drop_table("squeeze_events", schema="serving")
    op.drop_index("ix_squeeze_analyses_symbol_hour", table_name="squeeze_analyses", schema="serving")
    op.drop_index("ix_squeeze_analyses_severity_hour", table_name="squeeze_analyses", schema="serving")
    op.drop_index("ix_squeeze_analyses_hour_probability", table_name="squeeze_analyses", schema="serving")
    op.drop_table("squeeze_analyses", schema="serving")
    op.drop_index("ix_realised_liquidations_symbol_hour", table_name="realised_liquidations", schema="serving")
    op.drop_table("realised_liquidations", schema="serving")
    op.drop_index("ix_raw_screenshots_captured_at", table_name="raw_screenshots", schema="serving")
    op.drop_table("raw_screenshots", schema="serving")
    op.drop_index("ix_quarantined_screenshots_hour", table_name="quarantined_screenshots", schema="serving")
    op.drop_table("quarantined_screenshots", schema="serving")
    op.drop_table("ocr_outputs", schema="serving")
    op.drop_index("ix_market_candles_symbol_hour", table_name="market_candles", schema="serving")
    op.drop_table("market_candles", schema="serving")
    op.drop_index("ix_liquidation_readings_symbol_captured_at", table_name="liquidation_readings", schema="serving")
    op.drop_table("liquidation_readings", schema="serving")
    op.drop_index("ix_liquidation_levels_symbol_captured_at", table_name="liquidation_levels", schema="serving")
    op.drop_table("liquidation_levels", schema="serving")
    op.drop_index("ix_exchange_snapshots_symbol_hour", table_name="exchange_snapshots", schema="serving")
    op.drop_table("exchange_snapshots", schema="serving")
    op.drop_index("ix_derivatives_metrics_symbol_hour", table_name="derivatives_metrics", schema="serving")
    op.drop_table("derivatives_metrics", schema="serving")
    op.drop_index("ix_dashboard_metrics_symbol_captured_at", table_name="dashboard_metrics", schema="serving")
    op.drop_table("dashboard_metrics", schema="serving")
    op.drop_index("ix_classified_images_symbol_hour", table_name="classified_images", schema="serving")
    op.drop_table("classified_images", schema="serving")
