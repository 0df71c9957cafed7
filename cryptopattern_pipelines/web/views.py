"""What the pages show, asked of the serving tables: the state of every symbol, and all of one.

What belongs here: questions and what is put together from them. What does not: how it looks (the templates). As in
`api/queries.py`, names come from the schemas and values are bound: nothing of a request becomes SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from cryptopattern_pipelines.api.queries import Database
from cryptopattern_pipelines.storage.postgres import SERVING
from cryptopattern_pipelines.storage.schemas import (
    CLASSIFIED_IMAGES,
    EXCHANGE_SNAPSHOTS,
    LIQUIDATION_LEVELS,
    LIQUIDATION_READINGS,
    PATTERN_LIBRARY,
    SIDE_OF,
    SIGNALS,
    SQUEEZE_ANALYSES,
    SQUEEZE_EVENTS,
    SQUEEZE_FORECASTS,
    TARGETS,
    WIN_RATES,
)

Rows = list[dict[str, Any]]

SORTS = {"score": "highest score", "symbol": "name", "change": "largest move in 24 h", "volume": "most traded"}
SPANS = {7: "7 days", 30: "30 days", 90: "90 days"}
PER_PAGE = 25

_HOUR = timedelta(hours=1)
_SPARK_DAYS = 7
_LEVELS_DAYS = 30  # how far before the newest hour a chart may lie whose levels are shown
_LEVELS, _PICTURES, _EVENTS = 12, 4, 12
_LATE_HOURS = 3.0  # as the freshness policy of the hourly tables has it

# What stands beside every score: what analyses of that side were worth by then, in 24 hours.
_ODDS_COLUMNS = (
    "day", "condition", "side", "win_rate_pct", "interval_low_pct", "interval_high_pct", "effective_sample_size",
    "base_rate_pct", "base_sample_size", "lift", "verdict",
)  # fmt: skip


def _table(name: str) -> str:
    return f"{SERVING}.{name}"


# A loose index scan, as in `api/queries.py`; of each symbol the newest analysis, and the snapshot of the same hour.
_STATES = sa.text(f"""
    WITH RECURSIVE names AS (
        (SELECT symbol FROM {_table(SQUEEZE_ANALYSES.name)} ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT symbol FROM {_table(SQUEEZE_ANALYSES.name)} WHERE symbol > names.symbol ORDER BY symbol LIMIT 1)
        FROM names WHERE names.symbol IS NOT NULL
    )
    SELECT names.symbol, a.hour, a.price, a.squeeze_type, a.probability, a.severity, a.risk_level, a.signal_count,
        a.long_pct, a.short_pct, a.dominance_source,
        s.price_change_24h_pct, s.volume_24h_usd
    FROM names
    JOIN LATERAL (SELECT * FROM {_table(SQUEEZE_ANALYSES.name)} newest
        WHERE newest.symbol = names.symbol ORDER BY hour DESC LIMIT 1) a ON true
    LEFT JOIN {_table(EXCHANGE_SNAPSHOTS.name)} s ON s.symbol = a.symbol AND s.hour = a.hour""")

# What analyses of that side were worth by the end of that hour. The side is asked of the analysis first: without one
# the win rates are not looked at.
_ODDS = sa.text(f"""
    SELECT asked.symbol, odds.* FROM unnest(CAST(:symbols AS text[]), CAST(:sides AS text[]),
        CAST(:hours AS timestamptz[])) AS asked(symbol, side, hour)
    JOIN LATERAL (SELECT {", ".join(_ODDS_COLUMNS)} FROM {_table(WIN_RATES.name)} w
        WHERE w.symbol = asked.symbol AND w.condition = 'all' AND w.timeframe = '24h' AND w.side = asked.side
        AND w.day <= asked.hour - interval '23 hours' ORDER BY w.day DESC LIMIT 1) odds ON true""")

_NEWEST_FORECASTS = sa.text(f"""
    SELECT f.* FROM unnest(CAST(:symbols AS text[])) AS asked(symbol)
    JOIN LATERAL (SELECT hour FROM {_table(SQUEEZE_FORECASTS.name)} n
        WHERE n.symbol = asked.symbol ORDER BY hour DESC LIMIT 1) newest ON true
    JOIN {_table(SQUEEZE_FORECASTS.name)} f ON f.symbol = asked.symbol AND f.hour = newest.hour""")

_LAST_EVENTS = sa.text(f"""
    SELECT e.* FROM unnest(CAST(:symbols AS text[])) AS asked(symbol)
    JOIN LATERAL (SELECT * FROM {_table(SQUEEZE_EVENTS.name)} n
        WHERE n.symbol = asked.symbol ORDER BY day DESC, started_at DESC LIMIT 1) e ON true""")

_SPARKS = sa.text(f"""
    SELECT asked.symbol, array_agg(s.average_price ORDER BY s.hour) AS prices
    FROM unnest(CAST(:symbols AS text[]), CAST(:hours AS timestamptz[])) AS asked(symbol, hour)
    JOIN {_table(EXCHANGE_SNAPSHOTS.name)} s ON s.symbol = asked.symbol AND s.hour <= asked.hour
        AND s.hour > asked.hour - interval '{_SPARK_DAYS} days'
    WHERE extract(hour FROM s.hour) % 2 = extract(hour FROM asked.hour) % 2
    GROUP BY asked.symbol""")

_NEWEST_SNAPSHOT = sa.text(f"""
    SELECT * FROM {_table(EXCHANGE_SNAPSHOTS.name)} WHERE symbol = :symbol ORDER BY hour DESC LIMIT 1""")
_NEWEST_ANALYSIS = sa.text(f"""
    SELECT * FROM {_table(SQUEEZE_ANALYSES.name)} WHERE symbol = :symbol ORDER BY hour DESC LIMIT 1""")
_PRICES = sa.text(f"""
    SELECT hour, average_price FROM {_table(EXCHANGE_SNAPSHOTS.name)}
    WHERE symbol = :symbol AND hour > :since AND hour <= :hour ORDER BY hour""")
_EVENTS_SINCE = sa.text(f"""
    SELECT * FROM {_table(SQUEEZE_EVENTS.name)} WHERE symbol = :symbol AND day >= :since ORDER BY started_at DESC""")
_EVENTS_NEWEST = sa.text(f"""
    SELECT * FROM {_table(SQUEEZE_EVENTS.name)}
    WHERE symbol = :symbol ORDER BY day DESC, started_at DESC LIMIT {_EVENTS}""")

# Of each kind of chart the newest that shows the symbol.
_LEVELS_OF = sa.text(f"""
    WITH newest AS (
        SELECT DISTINCT ON (image_type) image_type, hour, sha256 FROM {_table(LIQUIDATION_LEVELS.name)}
        WHERE symbol = :symbol AND captured_at > :since ORDER BY image_type, captured_at DESC
    )
    SELECT l.* FROM {_table(LIQUIDATION_LEVELS.name)} l JOIN newest USING (hour, sha256)
    WHERE l.symbol = :symbol ORDER BY l.strength_share DESC, l.price LIMIT {_LEVELS}""")

_NEWEST_WIN_RATES = sa.text(f"""
    SELECT * FROM {_table(WIN_RATES.name)} w WHERE symbol = :symbol
    AND day = (SELECT max(day) FROM {_table(WIN_RATES.name)} WHERE symbol = :symbol)""")
_NEWEST_PATTERNS = sa.text(f"""
    SELECT * FROM {_table(PATTERN_LIBRARY.name)} WHERE symbol = :symbol
    AND day = (SELECT max(day) FROM {_table(PATTERN_LIBRARY.name)} WHERE symbol = :symbol)
    AND status <> 'NO_DATA'""")

_NEWEST_PICTURES = sa.text(f"""
    WITH shown AS (
        (SELECT hour, sha256 FROM {_table(LIQUIDATION_READINGS.name)}
            WHERE symbol = :symbol ORDER BY captured_at DESC LIMIT {2 * _PICTURES})
        UNION
        (SELECT hour, sha256 FROM {_table(CLASSIFIED_IMAGES.name)}
            WHERE symbol = :symbol ORDER BY hour DESC LIMIT {2 * _PICTURES})
    )
    SELECT c.sha256, c.captured_at, c.image_type, c.title, r.long_pct, r.short_pct
    FROM shown JOIN {_table(CLASSIFIED_IMAGES.name)} c USING (hour, sha256)
    LEFT JOIN {_table(LIQUIDATION_READINGS.name)} r
        ON r.hour = c.hour AND r.sha256 = c.sha256 AND r.symbol = :symbol
    ORDER BY c.captured_at DESC LIMIT {2 * _PICTURES}""")


@dataclass(frozen=True)
class Overview:
    """A page of symbols, each with its state; how many there are, and how many were asked for."""

    symbols: Rows
    found: int
    known: int
    page: int
    pages: int
    newest: datetime | None


def overview(
    database: Database, wanted: str = "", sort: Literal["score", "symbol", "change", "volume"] = "score", page: int = 1
) -> Overview:
    """The state of the symbols whose name holds `wanted` (upper case), sorted, 25 a page.

    Raises:
        ApiError: 503: the database is away.
    """
    known = _rows(database, _STATES)
    found = sorted((row for row in known if wanted in row["symbol"]), key=lambda row: _place(row, sort))
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(page, pages)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    _add_state(database, shown)
    newest = max((row["hour"] for row in known), default=None)
    return Overview(shown, len(found), len(known), page, pages, newest)


def symbol(database: Database, coin: str, days: int) -> dict[str, Any] | None:
    """All that a symbol's page shows, prices of so many days among it; None where nothing is known of the coin.

    Raises:
        ApiError: 503: the database is away.
    """
    of_coin = {"symbol": coin}
    snapshot = _first(_rows(database, _NEWEST_SNAPSHOT, **of_coin))
    if snapshot is None:
        return None
    hour = snapshot["hour"]
    since = hour - timedelta(days=days)
    analysis = _first(_rows(database, _NEWEST_ANALYSIS, **of_coin))
    rates = _rows(database, _NEWEST_WIN_RATES, **of_coin)
    prices = _rows(database, _PRICES, **of_coin, since=since, hour=hour)
    levels = _rows(database, _LEVELS_OF, **of_coin, since=hour - timedelta(days=_LEVELS_DAYS))
    for level in levels:
        level["distance_pct"] = 100.0 * (level["price"] / snapshot["average_price"] - 1.0)
    patterns = _rows(database, _NEWEST_PATTERNS, **of_coin)
    return {
        "coin": coin,
        "snapshot": snapshot,
        "analysis": analysis,
        "signals": [] if analysis is None else signals(analysis),
        "odds": None if analysis is None else odds_of(database, [analysis]).get(coin),
        **age(hour),
        "hours": [row["hour"] for row in prices],
        "prices": [row["average_price"] for row in prices],
        "days": daily(prices),
        "drawn_events": _rows(database, _EVENTS_SINCE, **of_coin, since=since - timedelta(days=1)),
        "events": _rows(database, _EVENTS_NEWEST, **of_coin),
        "levels": sorted(levels, key=lambda level: -level["price"]),
        "win_rates": [row for row in sorted(rates, key=_by_timeframe) if row["condition"] == "all"],
        "by_severity": [
            row
            for row in sorted(rates, key=_by_timeframe)
            if row["condition"] != "all" and row["effective_sample_size"]
        ],
        "forecasts": _sorted_forecasts(_rows(database, _NEWEST_FORECASTS, symbols=[coin])),
        "patterns": sorted(patterns, key=lambda row: (_STATUS.index(row["status"]), -(row["lift"] or 0.0))),
        "pictures": _rows(database, _NEWEST_PICTURES, **of_coin),
    }


def odds_of(database: Database, analyses: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What analyses of their side were worth by then, by symbol; none for those that name no side."""
    asked = [row for row in analyses if row["squeeze_type"] in SIDE_OF]
    found = _rows(
        database,
        _ODDS,
        symbols=[row["symbol"] for row in asked],
        sides=[SIDE_OF[row["squeeze_type"]] for row in asked],
        hours=[row["hour"] for row in asked],
    )
    return {row["symbol"]: row for row in found}


def signals(analysis: dict[str, Any]) -> Rows:
    """The five signals of an analysis, those that are there first."""
    told = [
        {"name": name, "strength": analysis[f"{name}_strength"], "weight": analysis[f"{name}_weight"]}
        for name in SIGNALS
    ]
    return sorted(told, key=lambda signal: signal["strength"] is None)


def age(hour: datetime) -> dict[str, Any]:
    """How old what is known by the end of an hour is now, hours, and whether that is late."""
    hours = (datetime.now(UTC) - hour - _HOUR) / _HOUR
    return {"known_at": hour + _HOUR, "age_hours": hours, "late": hours > _LATE_HOURS}


def daily(prices: Sequence[dict[str, Any]]) -> Rows:
    """Each day's first, lowest, highest and last price, newest first: a price chart as a table."""
    days: dict[datetime, list[float]] = {}
    for row in prices:
        days.setdefault(row["hour"].astimezone(UTC).replace(hour=0), []).append(row["average_price"])
    return [
        {"day": day, "first": of_day[0], "low": min(of_day), "high": max(of_day), "last": of_day[-1]}
        for day, of_day in reversed(days.items())
    ]


_STATUS = ["CONFIRMED", "FOUND", "NOT_CONFIRMED", "NO_EDGE", "NO_DATA"]
_TIMEFRAMES = ["24h", "7d", "1m"]


def _by_timeframe(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["condition"], _TIMEFRAMES.index(row["timeframe"]), row["side"]


def _sorted_forecasts(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: TARGETS.index(row["target"]))


def _place(row: dict[str, Any], sort: str) -> tuple[Any, ...]:
    """By what a row is sorted; rows of an older hour come after those of the newest where the score decides."""
    if sort == "change":
        return -abs(row["price_change_24h_pct"] or 0.0), row["symbol"]
    if sort == "volume":
        return -(row["volume_24h_usd"] or 0.0), row["symbol"]
    if sort == "score":
        return -row["hour"].timestamp(), -row["probability"], -(row["volume_24h_usd"] or 0.0), row["symbol"]
    return (row["symbol"],)


def _add_state(database: Database, shown: Rows) -> None:
    """Put odds, forecasts, the last squeeze and a week's prices beside each symbol."""
    if not shown:
        return
    names, hours = [row["symbol"] for row in shown], [row["hour"] for row in shown]
    odds = odds_of(database, shown)
    events = {row["symbol"]: row for row in _rows(database, _LAST_EVENTS, symbols=names)}
    sparks = {row["symbol"]: row["prices"] for row in _rows(database, _SPARKS, symbols=names, hours=hours)}
    forecasts: dict[str, Rows] = {}
    for row in _sorted_forecasts(_rows(database, _NEWEST_FORECASTS, symbols=names)):
        forecasts.setdefault(row["symbol"], []).append(row)
    for row in shown:
        name = row["symbol"]
        row |= {
            "odds": odds.get(name),
            "forecasts": [one for one in forecasts.get(name, []) if one["target"] in ("long_squeeze", "short_squeeze")],
            "event": events.get(name),
            "spark": sparks.get(name, []),
            **age(row["hour"]),
        }


def _rows(database: Database, question: sa.TextClause, **values: Any) -> Rows:
    return [dict(row._mapping) for row in database.ask(question, values)]


def _first(rows: Rows) -> dict[str, Any] | None:
    return rows[0] if rows else None
