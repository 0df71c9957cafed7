"""Which values a user's import filled in; and an hour's and a day's liquidations of one venue beside each other."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = ("market_candles", "derivatives_metrics", "realised_liquidations")
_KEY = "realised_liquidations_pkey"


def upgrade() -> None:
    """Add the column, empty for rows of before, and let the span into the key."""
    for table in _TABLES:
        op.add_column(
            table,
            sa.Column(
                "from_import",
                sa.Text(),
                nullable=True,
                comment="columns whose values a user's own file brought, comma between; empty where the source told them all",
            ),
            schema="serving",
        )
    op.drop_constraint(_KEY, "realised_liquidations", schema="serving")
    op.create_primary_key(_KEY, "realised_liquidations", ["hour", "symbol", "venue", "span_hours"], schema="serving")


def downgrade() -> None:
    """Take the column away again, and the totals of several hours that stand beside an hour's."""
    op.execute(
        "DELETE FROM serving.realised_liquidations AS day USING serving.realised_liquidations AS hour "
        "WHERE day.span_hours > hour.span_hours "
        "AND (day.hour, day.symbol, day.venue) = (hour.hour, hour.symbol, hour.venue)"
    )
    op.drop_constraint(_KEY, "realised_liquidations", schema="serving")
    op.create_primary_key(_KEY, "realised_liquidations", ["hour", "symbol", "venue"], schema="serving")
    for table in _TABLES:
        op.drop_column(table, "from_import", schema="serving")
