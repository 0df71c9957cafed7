"""What is learned beyond win rates: the forecasters, their forecasts and the pattern library."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "squeeze_forecaster",
        sa.Column(
            "day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="midnight at which the day that the row belongs to begins, UTC",
        ),
        sa.Column(
            "target", sa.Text(), autoincrement=False, nullable=False, comment="what is forecast, within 24 hours"
        ),
        sa.Column(
            "status",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="PROMOTED: a model was trained and beat the one that stood; KEPT: it did not; CARRIED: no training; NO_DATA: nothing stands, too little is known",
        ),
        sa.Column(
            "reason",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="the status in words, with what it was judged by",
        ),
        sa.Column("model_kind", sa.Text(), autoincrement=False, nullable=True, comment="kind of the model that stands"),
        sa.Column(
            "model_version",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="its day of training and the beginning of its hash",
        ),
        sa.Column(
            "model_sha256",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="hash by which the model is kept in the store",
        ),
        sa.Column(
            "trained_on",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="the day by whose end it was trained",
        ),
        sa.Column(
            "calibration",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="map from its chances to those that came true",
        ),
        sa.Column(
            "training_sha256",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="hash of the rows that it learned from and was judged on",
        ),
        sa.Column(
            "training_from",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="first hour that it learned from",
        ),
        sa.Column(
            "training_to",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="last hour that it learned from",
        ),
        sa.Column(
            "training_rows", sa.BigInteger(), autoincrement=False, nullable=True, comment="rows that it learned from"
        ),
        sa.Column(
            "validation_from",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="first hour that it was judged on, none of which it learned from",
        ),
        sa.Column(
            "validation_to",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="last hour that it was judged on",
        ),
        sa.Column(
            "validation_rows", sa.BigInteger(), autoincrement=False, nullable=True, comment="rows that it was judged on"
        ),
        sa.Column(
            "base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="how often the target came in the hours it learned from, percent",
        ),
        sa.Column(
            "base_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="windows behind the base rate that do not overlap, all symbols",
        ),
        sa.Column(
            "brier",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its Brier score in the validation, before calibration",
        ),
        sa.Column("brier_base", sa.Double(), autoincrement=False, nullable=True, comment="that of the base rate"),
        sa.Column(
            "brier_before",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="that of the model that stood before",
        ),
        sa.Column("skill", sa.Double(), autoincrement=False, nullable=True, comment="1 - brier / brier_base"),
        sa.Column(
            "calibration_error",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="expected calibration error in the validation, before calibration",
        ),
        sa.PrimaryKeyConstraint("day", "target"),
        schema="serving",
        comment="one target: the model that stands at the end of the day, and what the day's training did",
    )
    op.create_index(
        "ix_squeeze_forecaster_target_day", "squeeze_forecaster", ["target", "day"], unique=False, schema="serving"
    )
    op.create_table(
        "squeeze_forecasts",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "target",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="what is forecast, within the 24 hours after the hour",
        ),
        sa.Column(
            "probability_pct", sa.Double(), autoincrement=False, nullable=False, comment="calibrated chance, percent"
        ),
        sa.Column(
            "base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=False,
            comment="how often the target came in the hours that the model learned from, percent",
        ),
        sa.Column(
            "base_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="windows behind the base rate that do not overlap, all symbols",
        ),
        sa.Column(
            "interval_low_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="Wilson interval at 95 % of how often it came in the validation after such a chance, lower end; empty for a base rate alone",
        ),
        sa.Column("interval_high_pct", sa.Double(), autoincrement=False, nullable=True, comment="the same, upper end"),
        sa.Column(
            "interval_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="days of the validation behind the interval",
        ),
        sa.Column(
            "drivers",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="the features that move the log-odds most, each with how far; empty for a base rate",
        ),
        sa.Column("model_kind", sa.Text(), autoincrement=False, nullable=False, comment="kind of the model"),
        sa.Column("model_version", sa.Text(), autoincrement=False, nullable=False, comment="as in squeeze_forecaster"),
        sa.PrimaryKeyConstraint("hour", "symbol", "target"),
        schema="serving",
        comment="one symbol and target: its chance within 24 hours, by the model that stood before the hour's day began",
    )
    op.create_index(
        "ix_squeeze_forecasts_symbol_hour", "squeeze_forecasts", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_index(
        "ix_squeeze_forecasts_target_hour", "squeeze_forecasts", ["target", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "pattern_library",
        sa.Column(
            "day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="midnight at which the day that the row belongs to begins, UTC",
        ),
        sa.Column("pattern", sa.Text(), autoincrement=False, nullable=False, comment="name of the pattern"),
        sa.Column(
            "symbol",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="coin's canonical name, or all for every coin together",
        ),
        sa.Column(
            "timeframe", sa.Text(), autoincrement=False, nullable=False, comment="how long an outcome is waited for"
        ),
        sa.Column(
            "side",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="long: the price was to rise; short: to fall",
        ),
        sa.Column(
            "conditions", sa.Text(), autoincrement=False, nullable=False, comment="what makes the pattern, in words"
        ),
        sa.Column(
            "occurrences",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="times that it began, with a known outcome",
        ),
        sa.Column(
            "effective_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of those, how many windows do not overlap",
        ),
        sa.Column(
            "success_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="wins over those windows, by the triple barrier, percent",
        ),
        sa.Column(
            "interval_low_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="Wilson interval at 95 %, lower end",
        ),
        sa.Column("interval_high_pct", sa.Double(), autoincrement=False, nullable=True, comment="the same, upper end"),
        sa.Column(
            "base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="wins over every hour of the same symbol and period, percent",
        ),
        sa.Column(
            "base_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="windows of those hours that do not overlap",
        ),
        sa.Column("lift", sa.Double(), autoincrement=False, nullable=True, comment="success rate over base rate"),
        sa.Column(
            "average_return_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="mean return of a trade of that side, net of costs, percent",
        ),
        sa.Column(
            "average_duration_hours",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="how long the pattern held on, at most the timeframe",
        ),
        sa.Column(
            "discovery_windows",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="windows in the earlier two thirds of the period",
        ),
        sa.Column(
            "discovery_rate_pct", sa.Double(), autoincrement=False, nullable=True, comment="wins over those, percent"
        ),
        sa.Column(
            "p_value",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="chance of such a rate, or a better one, in the earlier part without an edge",
        ),
        sa.Column(
            "q_value",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="the same, corrected for all tests of the day (Benjamini-Hochberg)",
        ),
        sa.Column(
            "confirmation_windows",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="windows in the later third",
        ),
        sa.Column(
            "confirmation_rate_pct", sa.Double(), autoincrement=False, nullable=True, comment="wins over those, percent"
        ),
        sa.Column(
            "confirmation_base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="wins over every hour of the later third, percent",
        ),
        sa.Column(
            "confirmation_p_value",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="chance of such a rate there without an edge",
        ),
        sa.Column(
            "status",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="NO_DATA: too few windows; NO_EDGE: no better than the base rate; FOUND: better in the earlier part, the later can't tell yet; CONFIRMED: better there too; NOT_CONFIRMED: not there",
        ),
        sa.PrimaryKeyConstraint("day", "pattern", "symbol", "timeframe", "side"),
        schema="serving",
        comment="one named pattern, symbol (or all), timeframe and side: what it was worth by the end of the day",
    )
    op.create_index(
        "ix_pattern_library_symbol_day", "pattern_library", ["symbol", "day"], unique=False, schema="serving"
    )
    op.create_index(
        "ix_pattern_library_status_day", "pattern_library", ["status", "day"], unique=False, schema="serving"
    )


def downgrade() -> None:
    """Take the tables away again."""
    op.drop_index("ix_pattern_library_symbol_day", table_name="pattern_library", schema="serving")
    op.drop_index("ix_pattern_library_status_day", table_name="pattern_library", schema="serving")
    op.drop_table("pattern_library", schema="serving")
    op.drop_index("ix_squeeze_forecasts_symbol_hour", table_name="squeeze_forecasts", schema="serving")
    op.drop_index("ix_squeeze_forecasts_target_hour", table_name="squeeze_forecasts", schema="serving")
    op.drop_table("squeeze_forecasts", schema="serving")
    op.drop_index("ix_squeeze_forecaster_target_day", table_name="squeeze_forecaster", schema="serving")
    op.drop_table("squeeze_forecaster", schema="serving")
