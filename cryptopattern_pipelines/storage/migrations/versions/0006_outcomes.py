"""What an analysis says of both charts, of clusters and in words; win rates by condition and net of costs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EARLIER_KEY = ["day", "symbol", "timeframe", "side"]
_KEY = ["day", "symbol", "condition", "timeframe", "side"]
_CONDITION = "which claims are counted: all, those of a severity (severity:MAJOR), or of a pattern (pattern:...)"

# New columns, empty in what was published before: table, then name, type, and what it means.
_ADDED: dict[str, list[tuple[str, sa.types.TypeEngine[Any], str]]] = {
    "squeeze_analyses": [
        ("all_leverage_long_pct", sa.Double(), "share of longs on the newest all_leverage chart"),
        ("all_leverage_short_pct", sa.Double(), "share of shorts on the newest all_leverage chart"),
        ("all_leverage_age_hours", sa.Double(), "age of that chart at the hour's end"),
        ("optical_opti_long_pct", sa.Double(), "share of longs on the newest optical_opti chart"),
        ("optical_opti_short_pct", sa.Double(), "share of shorts on the newest optical_opti chart"),
        ("optical_opti_age_hours", sa.Double(), "age of that chart at the hour's end"),
        (
            "nearest_cluster_above",
            sa.Double(),
            "nearest price at or above the hour's at which the newest heatmap or map shows liquidations, USD",
        ),
        ("cluster_above_distance_pct", sa.Double(), "how far that is, percent"),
        ("cluster_above_strength", sa.Double(), "its strength as a fraction of the chart's largest"),
        (
            "nearest_cluster_below",
            sa.Double(),
            "nearest price below the hour's at which the newest heatmap or map shows liquidations, USD",
        ),
        ("cluster_below_distance_pct", sa.Double(), "how far that is, percent"),
        ("cluster_below_strength", sa.Double(), "its strength as a fraction of the chart's largest"),
        ("clusters_age_hours", sa.Double(), "age of that heatmap or map at the hour's end"),
        ("explanation", sa.Text(), "what the row says, in one sentence"),
    ],
    "win_rates": [
        ("lift_low", sa.Double(), "interval of the lift at 95 %, lower end; both rates are uncertain"),
        ("lift_high", sa.Double(), "interval of the lift at 95 %, upper end; empty where it has none"),
        ("net_return_pct", sa.Double(), "mean return of the windows that do not overlap, net of costs, percent"),
        ("base_net_return_pct", sa.Double(), "the same of every hour, percent"),
        ("costs_bps", sa.Double(), "fees and slippage of entry and exit together, basis points"),
        ("bias", sa.Text(), "side that has an EDGE where the other has none, NONE else"),
        (
            "bias_strength_pct",
            sa.Double(),
            "that side's win rate less its base rate, percentage points; empty without a bias",
        ),
    ],
    "squeeze_events": [
        (
            "liquidated_source",
            sa.Text(),
            "what liquidated_usd is: hourly_feed: of the move's hours; daily_feed: of the whole days that it touched; open_interest_proxy: no liquidations but the stand-in of liquidated_proxy_usd",
        ),
    ],
}
# Table, column, its type, whether it may be empty, and what it was and is said to mean.
_SAID_ANEW: list[tuple[str, str, sa.types.TypeEngine[Any], bool, str, str]] = [
    (
        "squeeze_analyses",
        "dominance_age_hours",
        sa.Double(),
        True,
        "age of that picture at the hour's end",
        "age at the hour's end of that picture, or of the day that a daily total is of",
    ),
    (
        "win_rates",
        "wins",
        sa.BigInteger(),
        False,
        "analyses whose target was touched first",
        "windows whose target was touched first, net of costs",
    ),
    (
        "win_rates",
        "sample_size",
        sa.BigInteger(),
        False,
        "analyses of that side with a known outcome",
        "claims of that side with a known outcome",
    ),
    (
        "win_rates",
        "verdict",
        sa.Text(),
        False,
        "EDGE: interval above the base rate; ADVERSE: below; NO_EDGE: holds it; NO_DATA: no outcome",
        "EDGE: interval above the base rate, and so with the base rate's own error and the number of conditions looked at; ADVERSE: below in the same way; NO_EDGE: neither; NO_DATA: no outcome",
    ),
    (
        "squeeze_events",
        "liquidated_usd",
        sa.Double(),
        True,
        "USD of the squeezed side closed by force within the move; empty without a feed, and then no condition",
        "USD of the squeezed side closed by force, as far as liquidated_source tells it; empty without any",
    ),
    (
        "squeeze_events",
        "liquidated_percentile",
        sa.Double(),
        True,
        "rank of its greatest hour among the hours before the start, percent; empty without a feed",
        "rank of its greatest hour among the hours before, or of its greatest day among the days before, percent; empty without a feed, and then no condition",
    ),
]
# Table, and what one row of it was and is said to be.
_ROWS = [
    (
        "win_rates",
        "one symbol, timeframe and side: how often an analysis of that side was right by the end of the day",
        "one symbol, condition, timeframe and side: how often a claim of that side was right by the end of the day",
    ),
]


def upgrade() -> None:
    """Add the columns; what was counted before counted all claims."""
    for table, columns in _ADDED.items():
        for name, kind, comment in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment), schema="serving")
    op.add_column(
        "win_rates",
        sa.Column("condition", sa.Text(), nullable=False, server_default="all", comment=_CONDITION),
        schema="serving",
    )
    op.alter_column("win_rates", "condition", server_default=None, schema="serving")
    op.drop_constraint("win_rates_pkey", "win_rates", type_="primary", schema="serving")
    op.create_primary_key("win_rates_pkey", "win_rates", _KEY, schema="serving")
    for table, column, kind, nullable, earlier, comment in _SAID_ANEW:
        op.alter_column(
            table,
            column,
            existing_type=kind,
            existing_nullable=nullable,
            existing_comment=earlier,
            comment=comment,
            schema="serving",
        )
    for table, earlier, comment in _ROWS:
        op.create_table_comment(table, comment, existing_comment=earlier, schema="serving")


def downgrade() -> None:
    """Take them away again, and with them the rows of single conditions."""
    op.execute("DELETE FROM serving.win_rates WHERE condition <> 'all'")
    op.drop_constraint("win_rates_pkey", "win_rates", type_="primary", schema="serving")
    op.create_primary_key("win_rates_pkey", "win_rates", _EARLIER_KEY, schema="serving")
    op.drop_column("win_rates", "condition", schema="serving")
    for table, columns in _ADDED.items():
        for name, _, _ in columns:
            op.drop_column(table, name, schema="serving")
    for table, column, kind, nullable, earlier, comment in _SAID_ANEW:
        op.alter_column(
            table,
            column,
            existing_type=kind,
            existing_nullable=nullable,
            existing_comment=comment,
            comment=earlier,
            schema="serving",
        )
    for table, earlier, comment in _ROWS:
        op.create_table_comment(table, earlier, existing_comment=comment, schema="serving")
