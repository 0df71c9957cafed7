"""Alerts: analyses with a high score, each beside what such analyses were worth by then."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage import postgres, schemas
from cryptopattern_tests.api.conftest import Service, serving

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = NOW.replace(hour=0)


def analysis(hours_ago: int, symbol: str, score: float, side: str = "SHORT_SQUEEZE") -> dict[str, Any]:
    claims = score > 0
    return {
        "hour": NOW - hours_ago * HOUR,
        "symbol": symbol,
        "price": 100.0,
        "squeeze_type": side if claims else "NONE",
        "probability": score,
        "direction_confidence": score,
        "severity": "EXTREME" if score >= 80 else "MAJOR" if score >= 65 else "MINOR",
        "estimated_timeframe": "uncertain",
        "risk_level": "LOW_CONFIDENCE",
        "signal_count": 1,
        "market_sources": "binance:perpetual",
    }


def rate(day: datetime, side: str, won: float) -> dict[str, Any]:
    return {
        "day": day, "symbol": "BTC", "condition": "all", "timeframe": "24h", "side": side, "wins": 1, "sample_size": 9,
        "effective_sample_size": 7, "win_rate_pct": won, "interval_low_pct": 10.0, "interval_high_pct": 90.0,
        "base_rate_pct": 40.0, "base_sample_size": 100, "lift": won / 40.0, "verdict": "NO_EDGE",
    }  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Iterator[Service]:
    settings = load_settings(data=tmp_path_factory.mktemp("alerts"), database_url=fresh_database())
    with serving(settings) as made:
        assert settings.database_url
        postgres.migrate(settings.database_url)
        rows = [analysis(h, s, x) for h, s, x in ((1, "BTC", 85.0), (1, "ETH", 50.0), (2, "BTC", 0.0), (30, "BTC", 66))]
        rows.append(analysis(3, "BTC", 70.0, "LONG_SQUEEZE"))
        frame = schemas.SQUEEZE_ANALYSES.conform(pd.DataFrame(rows)).sort_values(["hour", "symbol"])
        postgres.publish(settings.database_url, schemas.SQUEEZE_ANALYSES, lambda: frame, NOW - 48 * HOUR, NOW)
        rates = [rate(TODAY - 9 * DAY, "long", 30.0), rate(TODAY - 3 * DAY, "long", 60.0), rate(TODAY, "long", 99.0)]
        frame = schemas.WIN_RATES.conform(pd.DataFrame(rates))
        postgres.publish(settings.database_url, schemas.WIN_RATES, lambda: frame, TODAY - 10 * DAY, TODAY + DAY)
        yield made


def told(service: Service, query: str) -> list[tuple[str, float]]:
    return [(row["symbol"], row["probability"]) for row in service.get(f"squeeze-alerts?{query}")["alerts"]]


def test_they_are_the_last_day_s_from_a_score_of_50_on(service: Service) -> None:
    data = service.get("squeeze-alerts")
    assert [(row["symbol"], row["probability"]) for row in data["alerts"]] == [("ETH", 50), ("BTC", 85), ("BTC", 70)]
    assert data["filters"] == {"severity": None, "hours_back": 24, "min_probability": 50.0}
    assert data["count"] == 3


def test_each_filter_filters(service: Service) -> None:
    assert told(service, "severity=EXTREME") == [("BTC", 85)]
    assert told(service, "min_probability=60") == [("BTC", 85), ("BTC", 70)]
    assert told(service, "hours_back=48&severity=MAJOR") == [("BTC", 70), ("BTC", 66)]
    # A score of 0 claims nothing.
    assert told(service, "min_probability=0&hours_back=2") == [("ETH", 50), ("BTC", 85)]


def test_pages_follow_each_other(service: Service) -> None:
    first = service.get("squeeze-alerts?limit=2")
    second = service.get(f"squeeze-alerts?limit=2&cursor={first['next']}")
    assert [row["probability"] for row in first["alerts"] + second["alerts"]] == [50, 85, 70]
    assert second["next"] is None


def test_odds_are_of_the_side_that_would_gain_and_of_the_newest_day_that_was_over_by_then(service: Service) -> None:
    alerts = {(row["symbol"], row["probability"]): row["odds_24h"] for row in service.get("squeeze-alerts")["alerts"]}
    odds = alerts["BTC", 85]
    assert (odds["side"], odds["win_rate_pct"], odds["base_rate_pct"]) == ("long", 60.0, 40.0)
    assert (odds["interval_low_pct"], odds["interval_high_pct"], odds["effective_sample_size"]) == (10.0, 90.0, 7)
    assert alerts["BTC", 70] is None  # no rate of the other side is known
    assert alerts["ETH", 50] is None


def test_as_csv_they_are_the_same_rows(service: Service) -> None:
    text = service.client.get("/api/v1/squeeze-alerts", headers={"Accept": "text/csv"}).text
    assert [line.split(",")[1] for line in text.splitlines()] == ["symbol", "ETH", "BTC", "BTC"]
