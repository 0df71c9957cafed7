"""Which venues a snapshot's volume, open interest, funding and account ratio are of."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COMMENTS = {
    "volume_venues": "venue:market of every one that is in volume_24h_usd, comma between",
    "open_interest_venues": "venues that open_interest_base is the sum of, comma between",
    "funding_venues": "venues that funding_rate is the mean of, comma between",
    "account_ratio_venues": "venues that long_short_account_ratio is the mean of, comma between",
}


def upgrade() -> None:
    """Add the columns, empty for rows published before."""
    for name, comment in _COMMENTS.items():
        op.add_column(
            "exchange_snapshots", sa.Column(name, sa.Text(), nullable=True, comment=comment), schema="serving"
        )


def downgrade() -> None:
    """Take them away again."""
    for name in _COMMENTS:
        op.drop_column("exchange_snapshots", name, schema="serving")
