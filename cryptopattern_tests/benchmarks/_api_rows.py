"""Made-up rows of the serving tables, as many as a large desk has after years, made by the server itself.

What belongs here: how many rows of which table, and what stands in them. What does not: what is asked of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.schemas import SIGNALS, TARGETS

SYMBOLS = 500
# Those that the charts sent to be analysed show; the others are C31, C32, ...
COINS = (
    "BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "BNB", "AVAX", "LINK", "DOT", "LTC", "BCH", "TRX", "ATOM", "UNI", "ETC",
    "FIL", "NEAR", "APT", "ARB", "OP", "SUI", "INJ", "SEI", "TIA", "AAVE", "MKR", "RUNE", "FTM", "GALA",
)  # fmt: skip
_AT_ONCE = 400  # hours that one statement fills: sorted in memory
_HOURS = "generate_series(%(first)s, %(last)s) ago"
_DAYS = "generate_series(greatest(%(first)s / 24, 1), %(last)s / 24) ago"
_AN_HOUR = "date_trunc('hour', now()) - ago * interval '1 hour'"
_A_DAY = "date_trunc('day', now()) - ago * interval '1 day'"
_SHA = "encode(sha256((({})::text)::bytea), 'hex')"


@dataclass(frozen=True)
class Filled:
    """What was filled: hours of each symbol, and the rows of each table."""

    hours: int
    rows: dict[str, int]


def coin(number: int) -> str:
    """The name of a made-up symbol, by its number from 0 on."""
    return COINS[number] if number < len(COINS) else f"C{number + 1}"


def fill(url: str, analyses: int) -> Filled:
    """Fill the serving tables with so many analyses up to now, and with the rest in proportion; once.

    Indexes are made afterwards, which is several times as fast, and the server waits for no disk meanwhile.
    """
    postgres.migrate(url)
    hours = max(400, analyses // SYMBOLS)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            if not _is_filled(cursor):
                _fill(cursor, hours)
            cursor.execute("SELECT count(DISTINCT hour) FROM serving.squeeze_analyses WHERE symbol = 'BTC'")
            [(hours,)] = cursor.fetchall()
            cursor.execute(
                "SELECT relname, reltuples::bigint FROM pg_class WHERE relnamespace = 'serving'::regnamespace "
                "AND relkind = 'r' AND reltuples > 0 ORDER BY relname"
            )
            return Filled(hours, dict(cursor.fetchall()))
    finally:
        connection.close()


def _is_filled(cursor: Any) -> bool:
    cursor.execute("SELECT 1 FROM serving.symbols LIMIT 1")  # the last that is filled
    return cursor.fetchone() is not None


def _fill(cursor: Any, hours: int) -> None:
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'serving' AND indexname LIKE 'ix_%'")
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX serving.{name}")
    for setting in ("fsync = off", "max_wal_size = '8GB'"):
        cursor.execute(f"ALTER SYSTEM SET {setting}")
    cursor.execute("SELECT pg_reload_conf()")
    cursor.execute("SELECT setseed(0.5)")
    cursor.execute("CREATE TEMP TABLE coins (number int, symbol text)")
    named = [(number, coin(number)) for number in range(SYMBOLS)]
    cursor.executemany("INSERT INTO coins VALUES (%s, %s)", named)
    for statement in (*_statements(), _LAST):
        # Oldest first, as runs write them.
        for first in range(hours, 0, -_AT_ONCE):
            last = max(1, first - _AT_ONCE + 1)
            cursor.execute(statement, {"first": last, "last": first, "hours": hours})
    for _, definition in indexes:
        cursor.execute(definition)
    for setting in ("fsync", "max_wal_size"):
        cursor.execute(f"ALTER SYSTEM RESET {setting}")
    cursor.execute("SELECT pg_reload_conf()")
    cursor.execute("CHECKPOINT")
    cursor.execute("VACUUM (ANALYZE)")  # which the server would begin while the first address is measured


def _statements() -> Iterator[str]:
    """A statement a table: fills the hours, or the days, from `first` to `last` before now."""
    signals = ", ".join(f"{signal}_strength, {signal}_weight" for signal in SIGNALS)
    strengths = ", ".join("round((100 * random())::numeric, 1), 0.2" for _ in SIGNALS)
    yield f"""
        INSERT INTO serving.squeeze_analyses (hour, symbol, price, squeeze_type, probability, direction_confidence,
            severity, estimated_timeframe, risk_level, signal_count, {signals}, long_pct, short_pct, dominance_source,
            dominance_sha256, dominance_age_hours, all_leverage_long_pct, all_leverage_short_pct,
            all_leverage_age_hours, nearest_cluster_above, cluster_above_distance_pct, cluster_above_strength,
            market_sources, explanation)
        SELECT {_AN_HOUR}, symbol, 100 + 10 * random(), type, score, round((100 * random())::numeric, 1),
            CASE WHEN score >= 80 THEN 'EXTREME' WHEN score >= 65 THEN 'MAJOR' WHEN score >= 45 THEN 'MODERATE'
            ELSE 'MINOR' END, '24-72 hours', 'LOW_CONFIDENCE', 5, {strengths}, 60, 40, 'all_leverage',
            {_SHA.format("ago")}, 3, 60, 40, 3, 120 + random(), 11, random(),
            'binance:perpetual,binance:spot,okx:perpetual,okx:spot',
            'Shorts hold 78 %% of the liquidations on the newest chart (3 h old), volume rose by 80 %%, funding is '
            'higher than in 97 %% of 30 days: a short squeeze may come.'
        FROM {_HOURS}, coins, LATERAL (SELECT round((100 * random() ^ 4)::numeric, 1) + 0 * ago AS score,
            (ARRAY['SHORT_SQUEEZE', 'LONG_SQUEEZE'])[1 + (random() + 0 * number < 0.5)::int] AS type) made
        ORDER BY ago DESC, symbol"""
    yield f"""
        INSERT INTO serving.exchange_snapshots (hour, symbol, average_price, volume_weighted_price, price_variance,
            price_spread_bps, high_24h, low_24h, price_change_1h_pct, price_change_24h_pct, volume_24h_usd,
            volume_change_24h_pct, open_interest_usd, open_interest_base, open_interest_change_24h_pct, funding_rate,
            funding_percentile, long_short_account_ratio, taker_volume_ratio, venues, venue_count, volume_venues,
            open_interest_venues, funding_venues, account_ratio_venues, outlier_venues, metrics_age_hours,
            quality_flags)
        SELECT {_AN_HOUR}, symbol, 100 + 10 * random(), 100 + 10 * random(), random(), random(), 120, 90, random(),
            5 * random(), 1e9 * random(), 10 * random(), 1e8 * random(), 1e6 * random(), random(), .0001,
            100 * random(), 1 + random(), 1 + random(), 'binance:perpetual,binance:spot,okx:perpetual,okx:spot', 4,
            'binance:perpetual,binance:spot,okx:perpetual,okx:spot', 'binance,okx', 'binance,okx', 'binance', '', 1, ''
        FROM {_HOURS}, coins ORDER BY ago DESC, symbol"""
    # Each hour brings a chart with the shares of thirty coins, and one with twenty levels of one of them.
    yield f"""
        INSERT INTO serving.liquidation_readings (hour, sha256, symbol, captured_at, image_type, long_pct, short_pct,
            arrows, method, agreement, confidence)
        SELECT {_AN_HOUR}, {_SHA.format("ago")}, symbol, {_AN_HOUR} + interval '5 minutes',
            'liquidation_distribution_all', 60, 40, -1, 'both', 0.1, 0.98
        FROM {_HOURS}, coins WHERE number < {len(COINS)} ORDER BY ago DESC, symbol"""
    yield f"""
        INSERT INTO serving.liquidation_levels (hour, sha256, symbol, captured_at, image_type, rank, price, side,
            strength, strength_share)
        SELECT {_AN_HOUR}, {_SHA.format("-ago")}, symbol, {_AN_HOUR} + interval '6 minutes', 'liquidation_map', rank,
            100 + rank, 'short', 1e6 / rank, 1.0 / rank
        FROM {_HOURS} JOIN coins ON number = ago %% {len(COINS)}, generate_series(1, 20) rank ORDER BY ago DESC, rank"""
    # Feeds of liquidations are there for some coins.
    yield f"""
        INSERT INTO serving.realised_liquidations (hour, symbol, venue, span_hours, long_liquidated_usd,
            short_liquidated_usd, completeness)
        SELECT {_AN_HOUR}, symbol, 'gate', 1, 1e5 * random(), 1e5 * random(), 'complete'
        FROM {_HOURS}, coins WHERE number < {len(COINS)} ORDER BY ago DESC, symbol"""
    # The forecaster began later: a fifth of the hours, five targets each.
    targets = ", ".join(f"'{target}'" for target in TARGETS)
    yield f"""
        INSERT INTO serving.squeeze_forecasts (hour, symbol, target, probability_pct, base_rate_pct, base_sample_size,
            interval_low_pct, interval_high_pct, interval_sample_size, drivers, model_kind, model_version)
        SELECT {_AN_HOUR}, symbol, target, 20 * random(), 7, 4000, 5, 12, 90,
            'volume_ratio +0.41, funding_percentile +0.22, open_interest_change -0.10', 'blend', '2025-01-01-abcdef12'
        FROM {_HOURS}, coins, unnest(ARRAY[{targets}]) target WHERE ago <= %(hours)s / 5
        ORDER BY ago DESC, symbol, target"""
    yield f"""
        INSERT INTO serving.win_rates (day, symbol, condition, timeframe, side, wins, sample_size,
            effective_sample_size, win_rate_pct, interval_low_pct, interval_high_pct, base_rate_pct,
            base_sample_size, lift, lift_low, lift_high, net_return_pct, base_net_return_pct, costs_bps, verdict)
        SELECT {_A_DAY}, symbol, condition, timeframe, side, 5, 12, 10, 50, 24, 76, 48, 300, 1.04, .5, 1.6, .1, .05, 14,
            'NO_EDGE'
        FROM {_DAYS}, coins, unnest(ARRAY['all', 'severity:MODERATE', 'severity:MAJOR']) condition,
            unnest(ARRAY['24h', '7d', '1m']) timeframe, unnest(ARRAY['long', 'short']) side
        ORDER BY ago DESC, symbol, condition, timeframe, side ON CONFLICT DO NOTHING"""
    yield f"""
        INSERT INTO serving.pattern_library (day, pattern, symbol, timeframe, side, conditions, occurrences,
            effective_sample_size, success_rate_pct, interval_low_pct, interval_high_pct, base_rate_pct,
            base_sample_size, lift, average_return_pct, average_duration_hours, discovery_windows, discovery_rate_pct,
            p_value, q_value, confirmation_windows, confirmation_rate_pct, confirmation_base_rate_pct,
            confirmation_p_value, status)
        SELECT {_A_DAY}, 'pattern_' || pattern, symbol, timeframe, side, 'volume_ratio > 3 and funding > 95', 40, 20,
            60 * random(), 30, 70, 48, 300, 1.04, .1, 5, 14, 50, .4, .8, 6, 50, 48, .4, 'NO_EDGE'
        FROM {_DAYS}, coins, generate_series(1, 4) pattern, unnest(ARRAY['24h', '7d']) timeframe,
            unnest(ARRAY['long', 'short']) side WHERE ago <= %(hours)s / 24 / 5
        ORDER BY ago DESC, pattern, symbol, timeframe, side ON CONFLICT DO NOTHING"""
    # Some sixty squeezes a year and symbol.
    yield f"""
        INSERT INTO serving.squeeze_events (day, symbol, squeeze_type, started_at, peaked_at, ended_at, known_at,
            trigger_price, peak_price, move_pct, move_sigmas, severity, evidence, signals_before)
        SELECT {_A_DAY}, symbol, (ARRAY['SHORT_SQUEEZE', 'LONG_SQUEEZE'])[1 + ago %% 2], {_A_DAY}, {_A_DAY}, {_A_DAY},
            {_A_DAY}, 100, 110, 10, 3, 'MAJOR', 'open_interest', ''
        FROM {_DAYS}, coins WHERE (ago + number) %% 6 = 0 ORDER BY ago DESC, symbol ON CONFLICT DO NOTHING"""
    yield f"""
        INSERT INTO serving.squeeze_alerts (hour, rule, symbol, claim, kind, squeeze_type, side, price, severity,
            probability, direction_confidence, signal_count, estimated_timeframe, risk_level, status, odds_of,
            odds_day, odds_pct, interval_low_pct, interval_high_pct, sample_size, base_rate_pct, base_sample_size,
            lift, verdict, sentence)
        SELECT hour, 'high scores', symbol, squeeze_type, 'analysis', squeeze_type, 'long', price, severity,
            probability, direction_confidence, signal_count, estimated_timeframe, risk_level,
            CASE WHEN random() < .2 THEN 'NEW' ELSE 'COOLDOWN' END, 'all',
            date_trunc('day', hour) - interval '1 day', 50, 24, 76, 10, 48, 300, 1.04, 'NO_EDGE', explanation
        FROM serving.squeeze_analyses WHERE probability >= 50 AND hour >= {_AN_HOUR.replace("ago", "%(last)s")}
            AND hour <= {_AN_HOUR.replace("ago", "%(first)s")} ORDER BY hour, symbol"""


# Of the newest days.
_LAST = f"""
    INSERT INTO serving.symbols (day, symbol, status, venues, markets, instruments, multiplier, first_seen, last_seen)
    SELECT {_A_DAY}, symbol, 'listed', 'binance', 'binance:perpetual', 'binance:perpetual:' || symbol || 'USDT', 1,
        {_A_DAY}, {_A_DAY}
    FROM {_DAYS}, coins WHERE ago <= 30 ORDER BY ago DESC, symbol ON CONFLICT DO NOTHING"""


def moment(ago_hours: int) -> str:
    """An hour before now, as an address has it."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return f"{now - timedelta(hours=ago_hours):%Y-%m-%dT%H:00:00Z}"
