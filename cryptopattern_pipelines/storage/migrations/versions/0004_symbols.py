"""The names under which venues list coins."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "symbols",
        sa.Column(
            "day",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="midnight at which the day that the row belongs to begins, UTC",
        ),
        sa.Column(
            "symbol",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="the name as venues list it, e.g. MATIC; other tables go by the newest name, POL",
        ),
        sa.Column(
            "status",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="listed: on a venue at the day's end; delisted: on none any more",
        ),
        sa.Column(
            "renamed_to",
            sa.Text(),
            autoincrement=False,
            nullable=True,
            comment="the coin's newer name, once its name has changed",
        ),
        sa.Column(
            "venues",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="where it is listed, or last was, comma between",
        ),
        sa.Column(
            "markets", sa.Text(), autoincrement=False, nullable=False, comment="venue:market of each, comma between"
        ),
        sa.Column(
            "instruments",
            sa.Text(),
            autoincrement=False,
            nullable=False,
            comment="venue:market:name of each, comma between",
        ),
        sa.Column(
            "multiplier",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="coins in one unit of its largest instrument: 1000 for 1000PEPE, 1 where coins trade one by one",
        ),
        sa.Column(
            "first_seen",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="since when it is known to trade, UTC",
        ),
        sa.Column(
            "last_seen",
            sa.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="until when it was seen to trade, at most the day's end, UTC",
        ),
        sa.Column(
            "volume_24h_usd",
            sa.Double(),
            autoincrement=False,
            nullable=True,
            comment="traded in the day's 24 hours, all instruments of the name, USD; empty where no candles were asked for",
        ),
        sa.PrimaryKeyConstraint("day", "symbol"),
        schema="serving",
        comment="one name under which venues list a coin, as it was known by the end of the day",
    )
    op.create_index("ix_symbols_symbol_day", "symbols", ["symbol", "day"], schema="serving")


def downgrade() -> None:
    """Take the table away again."""
    op.drop_table("symbols", schema="serving")
