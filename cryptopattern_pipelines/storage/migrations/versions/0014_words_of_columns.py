"""What columns say to who meets them first: what a score of 0 claims, what 1m is, where shares and strengths are from."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Table, column, what is said from now on, and what was said before.
_WORDS = (
    (
        "liquidation_levels",
        "strength",
        "in the chart's own unit where its colour bar was read; else a fraction, of the colour scale "
        "(heatmap) or of the highest bar (map)",
        "strength in the chart's own unit, or as a share where it shows none",
    ),
    (
        "squeeze_analyses",
        "squeeze_type",
        "side that would be squeezed, by who holds more; NONE without a dominant side; nothing is claimed "
        "where probability is 0",
        "side that would be squeezed; NONE without a dominant side",
    ),
    (
        "squeeze_analyses",
        "dominance_source",
        "where the shares are from; all_leverage: a distribution of that name, or a map",
        "where the shares are from",
    ),
    (
        "win_rates",
        "timeframe",
        "how long an outcome is waited for: 24 hours, 7 days, or 1m, a month of 30 days",
        "how long an outcome is waited for",
    ),
    (
        "squeeze_events",
        "evidence",
        "what was known beside the price and held: open_interest, liquidations, comma between; empty: price alone",
        "what was known beside the price and held: open_interest, liquidations, comma between; may be empty",
    ),
    (
        "squeeze_forecaster",
        "calibration",
        "map from its chances to those that came true; none where no map did better",
        "map from its chances to those that came true",
    ),
    (
        "squeeze_forecasts",
        "probability_pct",
        "chance, percent; calibrated as squeeze_forecaster says",
        "calibrated chance, percent",
    ),
    (
        "squeeze_alerts",
        "kind",
        "analysis: an hour's score; forecast: a chance; squeeze: one is under way",
        "analysis: an hour's score; forecast: a calibrated chance; squeeze: one is under way",
    ),
    (
        "squeeze_alerts",
        "probability",
        "of an analysis the guide's heuristic score, of a forecast its chance, percent; empty for a squeeze "
        "that is seen",
        "of an analysis the guide's heuristic score, of a forecast its calibrated chance, percent; empty for "
        "a squeeze that is seen",
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
