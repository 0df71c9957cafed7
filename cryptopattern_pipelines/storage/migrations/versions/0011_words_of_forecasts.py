"""What the columns of forecasts say: a base rate has an interval too, and what stood was judged uncalibrated as well."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Table, column, what is said from now on, and what was said before.
_WORDS = (
    (
        "squeeze_forecasts",
        "interval_low_pct",
        "Wilson interval at 95 % of how often it came in the validation after such a chance, lower end; "
        "of a base rate alone: after any hour",
        "Wilson interval at 95 % of how often it came in the validation after such a chance, lower end; "
        "empty for a base rate alone",
    ),
    (
        "squeeze_forecaster",
        "brier_before",
        "that of the model that stood before, likewise",
        "that of the model that stood before",
    ),
)


def upgrade() -> None:
    """Say it as it is; no row changes."""
    for table, column, now, before in _WORDS:
        op.alter_column(table, column, comment=now, existing_comment=before, schema="serving")


def downgrade() -> None:
    """Say it as before."""
    for table, column, now, before in _WORDS:
        op.alter_column(table, column, comment=before, existing_comment=now, schema="serving")
