"""What is counted for Prometheus: requests to venues, and how forecasts came true."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "venue_requests",
        sa.Column("host", sa.Text(), nullable=False, comment="venue's server, e.g. binance spot"),
        sa.Column("path", sa.Text(), nullable=False, comment="path of its interface"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="ok, or what kind of failure"),
        sa.Column("within", sa.Double(), nullable=False, comment="least of the classes that the seconds lie in"),
        sa.Column("requests", sa.BigInteger(), nullable=False, comment="questions sent, ever"),
        sa.Column("seconds", sa.Double(), nullable=False, comment="seconds of all of them"),
        sa.PrimaryKeyConstraint("host", "path", "outcome", "within"),
        schema="serving",
        comment="questions sent to venues by all runs, by what came of them and how long it took",
    )
    op.create_table(
        "forecast_scores",
        sa.Column("day", sa.TIMESTAMP(timezone=True), nullable=False, comment="day by whose end they are known, UTC"),
        sa.Column("target", sa.Text(), nullable=False, comment="what is forecast"),
        sa.Column(
            "forecasts",
            sa.BigInteger(),
            nullable=True,
            comment="forecasts of the last 30 days whose outcome is known",
        ),
        sa.Column("brier", sa.Double(), nullable=True, comment="their Brier score"),
        sa.Column("brier_base", sa.Double(), nullable=True, comment="that of the base rate that stood beside each"),
        sa.Column(
            "calibration_error", sa.Double(), nullable=True, comment="their expected calibration error, a fraction"
        ),
        sa.Column(
            "card_brier",
            sa.Double(),
            nullable=True,
            comment="Brier score of the model that stands, in its validation",
        ),
        sa.Column("card_calibration_error", sa.Double(), nullable=True, comment="its expected calibration error there"),
        sa.PrimaryKeyConstraint("day", "target"),
        schema="serving",
        comment="how forecasts came true that were made, beside what their model's card says",
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("forecast_scores", schema="serving")
    op.drop_table("venue_requests", schema="serving")
