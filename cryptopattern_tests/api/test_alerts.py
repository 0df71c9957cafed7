"""Alerts by REST: the rows of squeeze_alerts, of all symbols, by severity, age and score."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cryptopattern_pipelines.resources.settings import load_settings
from cryptopattern_pipelines.storage import postgres
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ALERTS
from cryptopattern_tests.api.conftest import Service, serving

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)


def alert(hours_ago: int, symbol: str, score: float | None, **more: Any) -> dict[str, Any]:
    """An alert of an analysis, unless told otherwise."""
    severity = None if score is None else "EXTREME" if score >= 80 else "MAJOR" if score >= 65 else "MINOR"
    return {
        "hour": NOW - hours_ago * HOUR, "rule": "r", "symbol": symbol, "claim": "SHORT_SQUEEZE", "kind": "analysis",
        "squeeze_type": "SHORT_SQUEEZE", "side": "long", "price": 100.0, "severity": severity, "probability": score,
        "status": "NEW", "odds_of": "all", "odds_pct": 60.0, "interval_low_pct": 10.0, "interval_high_pct": 90.0,
        "sample_size": 7, "base_rate_pct": 40.0, "base_sample_size": 100, "lift": 1.5, "verdict": "NO_EDGE",
        "sentence": "Shorts hold 78 % of the liquidations.",
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Iterator[Service]:
    settings = load_settings(data=tmp_path_factory.mktemp("alerts"), database_url=fresh_database())
    with serving(settings) as made:
        assert settings.database_url
        postgres.migrate(settings.database_url)
        rows = [
            alert(1, "BTC", 85.0),
            alert(1, "ETH", 50.0),
            alert(2, "BTC", 40.0),
            alert(3, "BTC", 70.0, status="COOLDOWN"),
            alert(30, "BTC", 66.0),
            alert(4, "SOL", 12.0, rule="f", claim="short_squeeze", kind="forecast", severity=None),
            alert(5, "SOL", None, rule="s", kind="squeeze", severity="MAJOR"),
        ]
        frame = SQUEEZE_ALERTS.conform(rows).sort_values(list(SQUEEZE_ALERTS.key))
        postgres.publish(settings.database_url, SQUEEZE_ALERTS, lambda: frame, NOW - 48 * HOUR, NOW)
        yield made


def told(service: Service, query: str = "") -> list[tuple[str, float | None]]:
    return [(row["symbol"], row["probability"]) for row in service.get(f"squeeze-alerts?{query}")["alerts"]]


SCORES: list[tuple[str, float | None]] = [("ETH", 50), ("BTC", 85), ("BTC", 70)]
OTHERS: list[tuple[str, float | None]] = [("SOL", 12), ("SOL", None)]


def test_they_are_the_last_day_s_scores_from_50_on_and_what_else_the_rules_find(service: Service) -> None:
    data = service.get("squeeze-alerts")
    assert [(row["symbol"], row["probability"]) for row in data["alerts"]] == SCORES + OTHERS
    asked = {"severity": None, "hours_back": 24, "min_probability": 50.0, "kind": None, "status": None}
    assert data["filters"] == asked
    assert data["count"] == 5


def test_each_filter_filters(service: Service) -> None:
    assert told(service, "severity=EXTREME") == [("BTC", 85)]
    assert told(service, "severity=MAJOR") == [("BTC", 70), ("SOL", None)]
    assert told(service, "min_probability=60") == [("BTC", 85), ("BTC", 70), *OTHERS]
    assert told(service, "min_probability=0&hours_back=2") == [("ETH", 50), ("BTC", 85), ("BTC", 40)]
    assert told(service, "hours_back=48&kind=analysis") == [*SCORES, ("BTC", 66)]
    assert told(service, "kind=forecast") == [("SOL", 12)]
    assert told(service, "status=COOLDOWN") == [("BTC", 70)]


def test_pages_follow_each_other(service: Service) -> None:
    first = service.get("squeeze-alerts?limit=2")
    second = service.get(f"squeeze-alerts?limit=3&cursor={first['next']}")
    assert [(row["symbol"], row["probability"]) for row in first["alerts"] + second["alerts"]] == SCORES + OTHERS
    assert second["next"] is None


def test_odds_stand_beside_the_base_rate_and_the_guide_s_names_are_kept(service: Service) -> None:
    row = service.get("squeeze-alerts?severity=EXTREME")["alerts"][0]
    assert (row["odds_pct"], row["base_rate_pct"], row["lift"], row["verdict"]) == (60.0, 40.0, 1.5, "NO_EDGE")
    assert (row["interval_low_pct"], row["interval_high_pct"], row["sample_size"]) == (10.0, 90.0, 7)
    guide = ["squeeze_type", "probability", "severity", "direction_confidence", "signal_count"]
    assert set(row) >= {*guide, "estimated_timeframe", "risk_level"}


def test_as_csv_they_are_the_same_rows(service: Service) -> None:
    text = service.client.get("/api/v1/squeeze-alerts", headers={"Accept": "text/csv"}).text
    assert [line.split(",")[2] for line in text.splitlines()] == ["symbol", "ETH", "BTC", "BTC", "SOL", "SOL"]
