"""What is counted for Prometheus and arises in runs, not in the service that Prometheus asks: tables of the database.

What belongs here: `serving.venue_requests`, counts that only grow, and `serving.forecast_scores`, a row a day and
target. Like the log of alerts they are no copies of Parquet tables: where they are lost, counting begins anew.
"""

from contextlib import closing
from typing import Any

import pandas as pd
import psycopg2
import sqlalchemy as sa
from psycopg2.extras import execute_values

from cryptopattern_pipelines.storage.postgres import SERVING

REQUESTS, SCORES = "venue_requests", "forecast_scores"
ASKED = ["host", "path", "outcome", "seconds"]
# Upper ends of the classes that answers' seconds are counted in; each answer is counted in the least that holds it.
WITHIN = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, float("inf"))
SCORE_COLUMNS = {
    "forecasts": "forecasts of the last 30 days whose outcome is known",
    "brier": "their Brier score",
    "brier_base": "that of the base rate that stood beside each",
    "calibration_error": "their expected calibration error, a fraction",
    "card_brier": "Brier score of the model that stands, in its validation",
    "card_calibration_error": "its expected calibration error there",
}


def counts_tables(metadata: sa.MetaData) -> None:
    """The tables as SQLAlchemy has them."""
    text, real = sa.Text(), sa.Double[float]()
    sa.Table(
        REQUESTS,
        metadata,
        sa.Column("host", text, primary_key=True, comment="venue's server, e.g. binance spot"),
        sa.Column("path", text, primary_key=True, comment="path of its interface"),
        sa.Column("outcome", text, primary_key=True, comment="ok, or what kind of failure"),
        sa.Column("within", real, primary_key=True, comment="least of the classes that the seconds lie in"),
        sa.Column("requests", sa.BigInteger(), nullable=False, comment="questions sent, ever"),
        sa.Column("seconds", real, nullable=False, comment="seconds of all of them"),
        comment="questions sent to venues by all runs, by what came of them and how long it took",
    )
    sa.Table(
        SCORES,
        metadata,
        sa.Column("day", sa.TIMESTAMP(timezone=True), primary_key=True, comment="day by whose end they are known, UTC"),
        sa.Column("target", text, primary_key=True, comment="what is forecast"),
        *(
            sa.Column(name, sa.BigInteger() if name == "forecasts" else real, nullable=True, comment=said)
            for name, said in SCORE_COLUMNS.items()
        ),
        comment="how forecasts came true that were made, beside what their model's card says",
    )


def add_requests(url: str, sent: pd.DataFrame) -> None:
    """Add questions, columns ASKED, to the counts, all or none; several processes may do so at once.

    Raises:
        psycopg2.Error: the server can't be reached.
    """
    if sent.empty:
        return
    classes = pd.cut(sent["seconds"], [-1.0, *WITHIN], labels=list(WITHIN)).astype("float64")
    # In one order for all, so that two runs don't wait for each other.
    groups = sent.groupby(["host", "path", "outcome", classes.rename("within")])["seconds"].agg(["size", "sum"])
    rows = [(*key, int(size), float(total)) for key, size, total in groups.sort_index().itertuples()]
    _execute(
        url,
        f"INSERT INTO {SERVING}.{REQUESTS} AS known (host, path, outcome, within, requests, seconds) VALUES %s "
        "ON CONFLICT (host, path, outcome, within) DO UPDATE SET requests = known.requests + excluded.requests, "
        "seconds = known.seconds + excluded.seconds",
        rows,
    )


def keep_scores(url: str, scores: pd.DataFrame) -> None:
    """Keep rows of `day`, `target` and SCORE_COLUMNS in the place of those of the same day and target.

    Raises:
        psycopg2.Error: the server can't be reached.
    """
    if scores.empty:
        return
    names = ["day", "target", *SCORE_COLUMNS]
    rows = [tuple(None if pd.isna(cell) else cell for cell in row) for row in scores[names].itertuples(index=False)]
    changed = ", ".join(f"{name} = excluded.{name}" for name in SCORE_COLUMNS)
    _execute(
        url,
        f"INSERT INTO {SERVING}.{SCORES} ({', '.join(names)}) VALUES %s "
        f"ON CONFLICT (day, target) DO UPDATE SET {changed}",
        rows,
    )


def _execute(url: str, statement: str, rows: list[tuple[Any, ...]]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        execute_values(cursor, statement, rows)
