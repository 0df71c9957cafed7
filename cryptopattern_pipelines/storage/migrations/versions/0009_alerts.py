"""Alerts, and the log of what came of sending them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "squeeze_alerts",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("rule", sa.Text(), autoincrement=False, nullable=False, comment="name of the rule"),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "claim",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="what is claimed: the squeeze of an analysis or of one under way, or the target of a forecast",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="analysis: an hour's score; forecast: a calibrated chance; squeeze: one is under way",
        ),
        sa.Column(
            "squeeze_type",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="the claim where it is a squeeze; empty for a target that is only a move",
        ),
        sa.Column(
            "side",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="long: the price may rise; short: it may fall; empty for either",
        ),
        sa.Column("price", sa.Double(), autoincrement=False, nullable=True, comment="USD at the end of the hour"),
        sa.Column(
            "severity",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis by its score, of a squeeze by its sigmas",
        ),
        sa.Column(
            "probability",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis the guide's heuristic score, of a forecast its calibrated chance, percent; empty for a squeeze that is seen",
        ),
        sa.Column(
            "direction_confidence",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis, as in squeeze_analyses",
        ),
        sa.Column(
            "signal_count",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis: signals present",
        ),
        sa.Column(
            "estimated_timeframe",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis: by the score, as the guide has it",
        ),
        sa.Column(
            "risk_level",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="of an analysis: by the score and the number of signals",
        ),
        sa.Column(
            "status",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="NEW: it is told; COOLDOWN: the rule told the same not long before; QUIET: it falls in quiet hours",
        ),
        sa.Column(
            "told_at",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="hour of the alert whose cool-down holds this one back",
        ),
        sa.Column(
            "odds_of",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="what the odds are: condition of win_rates (24h, of the side), or forecast; empty where none are known",
        ),
        sa.Column(
            "odds_day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
            comment="day by whose end those win rates were counted",
        ),
        sa.Column(
            "odds_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="win rate of such analyses, or the forecast's chance, percent",
        ),
        sa.Column(
            "interval_low_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="its interval at 95 %, lower end",
        ),
        sa.Column("interval_high_pct", sa.Double(), autoincrement=False, nullable=True, comment="the same, upper end"),
        sa.Column(
            "sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="windows, or days of the validation, behind the interval",
        ),
        sa.Column(
            "base_rate_pct",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="the same of every hour, percent; of a squeeze under way, how often one begins within 24 hours",
        ),
        sa.Column(
            "base_sample_size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="windows behind the base rate that do not overlap",
        ),
        sa.Column("lift", sa.Double(), autoincrement=False, nullable=True, comment="odds over base rate"),
        sa.Column(
            "verdict",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="of the win rate: EDGE, ADVERSE or NO_EDGE",
        ),
        sa.Column(
            "sentence", sa.Text(), autoincrement=False, nullable=False, comment="what is told, in a sentence or two"
        ),
        sa.PrimaryKeyConstraint("hour", "rule", "symbol", "claim"),
        schema="serving",
        comment="one hour, symbol and claim that a rule for alerts asks for, beside its odds, and whether it is told",
    )
    op.create_index(
        "ix_squeeze_alerts_severity_hour", "squeeze_alerts", ["severity", "hour"], unique=False, schema="serving"
    )
    op.create_index(
        "ix_squeeze_alerts_symbol_hour", "squeeze_alerts", ["symbol", "hour"], unique=False, schema="serving"
    )
    op.create_table(
        "alert_deliveries",
        sa.Column(
            "hour", sa.TIMESTAMP(timezone=True), nullable=False, comment="hour of the alert in squeeze_alerts, UTC"
        ),
        sa.Column("rule", sa.Text(), nullable=False, comment="its rule"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="its symbol"),
        sa.Column("claim", sa.Text(), nullable=False, comment="its claim"),
        sa.Column(
            "address", sa.Text(), nullable=False, comment="service, and a hash of the address without its secrets"
        ),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="WAITING; SENDING: begun, and cut off if it stays; SENT; FAILED: tried again; GIVEN_UP",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="times that it was begun"),
        sa.Column("next_attempt_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="not tried again before"),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when the service took it"),
        sa.Column("last_error", sa.Text(), nullable=True, comment="why it wasn't taken the last time, in one line"),
        sa.PrimaryKeyConstraint("hour", "rule", "symbol", "claim", "address"),
        schema="serving",
        comment="one alert and one address that it is sent to",
    )


def downgrade() -> None:
    """Take the tables away again."""
    op.drop_table("alert_deliveries", schema="serving")
    op.drop_table("squeeze_alerts", schema="serving")
