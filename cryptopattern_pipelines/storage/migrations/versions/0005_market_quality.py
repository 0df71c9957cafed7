"""Weighted price, spread and outliers in snapshots; tables of contradictions and of market rows set aside."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _snapshot_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column(
            "volume_weighted_price",
            sa.Double(),
            comment="mean of the same closes by the coins traded in the hour, USD; empty where nothing was traded",
        ),
        sa.Column("price_spread_bps", sa.Double(), comment="the same over the closes' median, basis points"),
        sa.Column(
            "liquidation_venues",
            sa.Text(),
            comment="venues that the two are sums of, comma between; all for an aggregate",
        ),
        sa.Column(
            "outlier_venues",
            sa.Text(),
            comment="those whose close is further than 3 % from the median that most are near, comma between; empty text for none",
        ),
    ]


def upgrade() -> None:
    """Add the columns, empty for rows published before, and make the tables."""
    for column in _snapshot_columns():
        op.add_column("exchange_snapshots", column, schema="serving")
    op.create_table(
        "market_contradictions",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("symbol", sa.Text(), autoincrement=False, nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column(
            "what",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="what they are of: price (lowest and highest close), funding_sign and funding_rate (lowest and highest, for 8 hours), open_interest_usd (against coins x price), volume_usd (against coins x typical price), liquidated_usd (all against the venues' sum), imported_… (that column of a source and of an import)",
        ),
        sa.Column(
            "source_a",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="who tells the first: venue, or venue:market",
        ),
        sa.Column(
            "source_b",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="who tells the second, or what it is worked out from",
        ),
        sa.Column(
            "value_a",
            sa.Double(),
            nullable=False,
            comment="in the unit that its kind has: USD, coins, or a fraction for 8 hours",
        ),
        sa.Column("value_b", sa.Double(), nullable=False, comment="in the same unit"),
        sa.Column("ratio", sa.Double(), comment="the first over the second; empty where the second is 0"),
        sa.PrimaryKeyConstraint("hour", "symbol", "what", "source_a", "source_b"),
        schema="serving",
        comment="two figures of one symbol and hour that can't both be right, or that lie further apart than markets do",
    )
    op.create_index(
        "ix_market_contradictions_symbol_hour", "market_contradictions", ["symbol", "hour"], schema="serving"
    )
    op.create_table(
        "quarantined_market_rows",
        sa.Column(
            "hour",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="start of the hour that the row belongs to, UTC",
        ),
        sa.Column("table_name", sa.Text(), autoincrement=False, nullable=False, comment="table that it was meant for"),
        sa.Column(
            "number",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="1, 2, ... among that table's rows of the hour",
        ),
        sa.Column("symbol", sa.Text(), nullable=False, comment="coin's canonical name, e.g. BTC"),
        sa.Column("venue", sa.Text(), nullable=False, comment="e.g. binance"),
        sa.Column("reason", sa.Text(), nullable=False, comment="what is wrong with it, in one line"),
        sa.Column(
            "row_json",
            sa.Text(),
            nullable=False,
            comment="the whole row as a JSON object; numbers that JSON lacks as text",
        ),
        sa.PrimaryKeyConstraint("hour", "table_name", "number"),
        schema="serving",
        comment="one row that a source told and that can't be, set aside with the reason",
    )
    op.create_index(
        "ix_quarantined_market_rows_symbol_hour", "quarantined_market_rows", ["symbol", "hour"], schema="serving"
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("quarantined_market_rows", schema="serving")
    op.drop_table("market_contradictions", schema="serving")
    for column in _snapshot_columns():
        op.drop_column("exchange_snapshots", column.name, schema="serving")
