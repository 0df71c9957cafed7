"""Indexes for the filters of the REST interface, and what an alert's delivery may come to: too old when it was found."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INDEXES = (
    ("squeeze_analyses", ("symbol", "severity", "hour")),
    ("win_rates", ("symbol", "condition", "day")),
    ("pattern_library", ("symbol", "day", "success_rate_pct")),
    ("squeeze_alerts", ("kind", "hour")),
    ("squeeze_alerts", ("status", "hour")),
)
# What that of the patterns takes the place of.
_BEFORE = ("pattern_library", ("symbol", "day"))
_STATUS = "WAITING; SENDING: begun, and cut off if it stays; SENT; FAILED: tried again; GIVEN_UP"
_STATUS_NOW = f"{_STATUS}; TOO_OLD when it was found, never sent"


def upgrade() -> None:
    """Make the indexes; of millions of rows it takes minutes."""
    for table, columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), schema="serving")
    table, columns = _BEFORE
    op.drop_index(f"ix_{table}_{'_'.join(columns)}", table, schema="serving")
    _say(_STATUS_NOW, _STATUS)


def downgrade() -> None:
    """Make them as before."""
    table, columns = _BEFORE
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), schema="serving")
    for name, names in _INDEXES:
        op.drop_index(f"ix_{name}_{'_'.join(names)}", name, schema="serving")
    _say(_STATUS, _STATUS_NOW)


def _say(now: str, before: str) -> None:
    op.alter_column(
        "alert_deliveries", "status", comment=now, existing_comment=before, existing_nullable=False, schema="serving"
    )
