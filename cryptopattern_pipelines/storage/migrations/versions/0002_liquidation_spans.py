"""Liquidations that a feed tells by days alone: how many hours a row covers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW = "positions that one venue closed by force in one symbol, in the hour or in a span that ends with it"
_EARLIER_ROW = "positions that one venue closed by force in one symbol in the hour"


def upgrade() -> None:
    """Add the column; what was published before came from hourly feeds."""
    op.add_column(
        "realised_liquidations",
        sa.Column(
            "span_hours",
            sa.BigInteger(),
            nullable=False,
            server_default="1",
            comment="hours that the figures cover, the last of them being this one: 1, or 24 where a feed tells days alone",
        ),
        schema="serving",
    )
    op.alter_column("realised_liquidations", "span_hours", server_default=None, schema="serving")
    op.create_table_comment("realised_liquidations", _ROW, existing_comment=_EARLIER_ROW, schema="serving")


def downgrade() -> None:
    """Take the column away again."""
    op.create_table_comment("realised_liquidations", _EARLIER_ROW, existing_comment=_ROW, schema="serving")
    op.drop_column("realised_liquidations", "span_hours", schema="serving")
