"""What /metrics tells of tables and runs: right counts, few and cheap questions, and nothing that grows without end."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from cryptopattern_pipelines.api.queries import COUNTS, Database
from cryptopattern_pipelines.market.transport import Sent
from cryptopattern_pipelines.resources.database import ServingDatabase
from cryptopattern_pipelines.resources.settings import PROJECT, Settings, load_settings
from cryptopattern_pipelines.storage.counts import SCORE_COLUMNS, keep_scores
from cryptopattern_pipelines.storage.schemas import CLASSIFIED_IMAGES, LIQUIDATION_READINGS, TableSchema
from cryptopattern_tests.api.conftest import serving
from cryptopattern_tests.storage.test_postgres import ask

NOW = pd.Timestamp(datetime.now(UTC)).floor("h").as_unit("us")
PATH = "/api/v5/market/candles"


def picture(number: int, kind: str, confidence: float, hours_ago: int = 1) -> dict[str, Any]:
    hour = NOW - pd.Timedelta(hours=hours_ago)
    return {
        "hour": hour,
        "sha256": f"{number:064x}",
        "captured_at": hour,
        "image_type": kind,
        "confidence": confidence,
        "evidence": "title",
        "reader_version": "1",
    }


def reading(number: int, symbol: str, confidence: float) -> dict[str, Any]:
    shown = picture(number, "liquidation_distribution_all", confidence)
    kept = {name: shown[name] for name in ("hour", "sha256", "captured_at", "image_type", "confidence")}
    return {**kept, "symbol": symbol, "long_pct": 40.0, "short_pct": 60.0, "method": "both"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Settings:
    found = load_settings(data=tmp_path_factory.mktemp("data"), database_url=fresh_database())
    database = ServingDatabase(found)

    def publish(table: TableSchema, rows: list[dict[str, Any]]) -> None:
        frame = table.conform(rows)
        database.publish(table, lambda: frame, (NOW - timedelta(hours=48)).to_pydatetime(), NOW.to_pydatetime())

    publish(
        CLASSIFIED_IMAGES,
        [
            picture(1, "liquidation_map", 0.99),
            picture(2, "liquidation_map", 0.96, 20),
            picture(3, "unknown", 0.2),
            picture(4, "liquidation_map", 0.99, 30),  # longer ago than a day
        ],
    )
    publish(LIQUIDATION_READINGS, [reading(5, "BTC", 0.9), reading(5, "ETH", 0.94), reading(5, "SOL", 0.6)])
    for seconds, outcome in ((0.03, "ok"), (0.2, "ok"), (31.0, "timeout")):
        database.count_requests([Sent("okx", PATH, outcome, seconds)])
    for day in (NOW.floor("D") - pd.Timedelta(days=1), NOW.floor("D")):
        values = {**dict.fromkeys(SCORE_COLUMNS, 0.25), "forecasts": day.day, "card_brier": None}
        keep_scores(database.address(), pd.DataFrame([{"day": day, "target": "up_move", **values}]))
    return found


@pytest.fixture(scope="module")
def told(settings: Settings) -> dict[str, float]:
    with serving(settings) as service:
        text = service.client.get("/metrics").text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def test_pictures_and_readings_of_a_day_are_counted_by_kind_and_confidence(told: dict[str, float]) -> None:
    counted = {name: value for name, value in told.items() if re.match("cryptopattern_(pictures_read|readings)", name)}
    assert counted == {
        'cryptopattern_pictures_read{confidence="0.95-1",image_type="liquidation_map"}': 2,
        'cryptopattern_pictures_read{confidence="0-0.5",image_type="unknown"}': 1,
        'cryptopattern_readings{confidence="0.9-0.95",image_type="liquidation_distribution_all"}': 2,
        'cryptopattern_readings{confidence="0.5-0.75",image_type="liquidation_distribution_all"}': 1,
    }


def test_what_runs_asked_venues_is_a_counter_and_a_histogram(told: dict[str, float]) -> None:
    where = f'path="{PATH}",venue="okx"'
    assert told[f'cryptopattern_venue_requests_total{{outcome="ok",{where}}}'] == 2
    assert told[f'cryptopattern_venue_requests_total{{outcome="timeout",{where}}}'] == 1
    ends = {end: told[f'cryptopattern_venue_seconds_bucket{{le="{end}",{where}}}'] for end in ("0.05", "0.25", "+Inf")}
    assert ends == {"0.05": 1, "0.25": 2, "+Inf": 3}
    assert told[f"cryptopattern_venue_seconds_count{{{where}}}"] == 3
    assert told[f"cryptopattern_venue_seconds_sum{{{where}}}"] == pytest.approx(31.23)


def test_classes_of_another_release_make_no_error(settings: Settings) -> None:
    address = ServingDatabase(settings).address()
    row = "('gate', '/api/v4/futures/usdt/liq_orders', 'ok', 7.5, 3, 21.0)"
    ask(address, f"INSERT INTO serving.venue_requests VALUES {row} RETURNING 1")
    with serving(settings) as service:
        text = service.client.get("/metrics").text
    where = 'path="/api/v4/futures/usdt/liq_orders",venue="gate"'
    assert f'cryptopattern_venue_seconds_bucket{{le="5.0",{where}}} 0.0' in text
    assert f'cryptopattern_venue_seconds_bucket{{le="10.0",{where}}} 3.0' in text


def test_scores_are_those_of_the_newest_day_and_what_is_not_known_is_absent(told: dict[str, float]) -> None:
    assert told['cryptopattern_forecast_forecasts{target="up_move"}'] == NOW.day
    assert told['cryptopattern_forecast_brier{target="up_move"}'] == 0.25
    assert 'cryptopattern_forecast_card_brier{target="up_move"}' not in told


def test_the_database_is_asked_once_in_five_seconds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = Database.ask

    def listening(self: Database, question: sa.TextClause, values: Mapping[str, Any]) -> Sequence[Any]:
        asked.append(question.text)
        return answer(self, question, values)

    monkeypatch.setattr(Database, "ask", listening)
    with serving(settings) as service:
        for _ in range(3):
            service.client.get("/metrics")
        once = len(asked)
        later = time.monotonic() + 6
        monkeypatch.setattr("cryptopattern_pipelines.api.held.time.monotonic", lambda: later)
        service.client.get("/metrics")
    assert 0 < once <= len(COUNTS) + 3
    assert len(asked) == 2 * once


def test_every_metric_and_label_of_the_dashboard_is_told(settings: Settings, told: dict[str, float]) -> None:
    board = json.loads((PROJECT / "deploy" / "grafana" / "dashboard.json").read_text())
    targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(targets) > 20
    with serving(settings) as service:
        service.client.get("/api/v1/symbols")
        text = service.client.get("/metrics").text
    families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    known = {name + part for name, kind in families.items() for part in parts.get(kind, ("",))}
    asked = {name for target in targets for name in re.findall(r"cryptopattern_\w+", target["expr"])}
    assert asked <= known
    # Beside those of the service itself, whatever is told is drawn.
    assert {name for name in families if not name.endswith("_created")} <= {
        re.sub("_(bucket|sum|count)$", "", name) for name in asked
    } | {"cryptopattern_forecast_forecasts"}
    labels = set(re.findall(r"(\w+)=", " ".join(told) + text)) | {label for count in COUNTS for label in count.labels}
    for target in targets:
        named = re.findall(r"by \(([^)]*)\)|(\w+)[!=~]+\"", target["expr"])
        used = {label.strip() for by, one in named for label in (by or one).split(",")}
        assert used | set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels


def test_a_count_reads_the_hours_that_it_counts_by_an_index(settings: Settings) -> None:
    database = Database(settings)
    filler = """INSERT INTO serving.squeeze_alerts (hour, rule, symbol, claim, kind, status, sentence)
        SELECT now() - n * interval '1 hour', 'a rule', 'BTC', 'up_move', 'forecast', 'NEW', ''
        FROM generate_series(1, 20000) n"""
    engine = sa.create_engine(ServingDatabase(settings).address())
    with engine.begin() as connection:
        connection.execute(sa.text(filler))
        connection.execute(sa.text("ANALYZE serving.squeeze_alerts"))
        plan = connection.execute(
            sa.text("EXPLAIN SELECT count(*) FROM serving.squeeze_alerts WHERE hour >= now() - interval '24 hours'")
        )
        assert "Seq Scan" not in str(plan.fetchall())
    [(kind, status, number)] = database.counts(next(count for count in COUNTS if count.name == "alerts"))
    assert (kind, status) == ("forecast", "NEW")
    assert 23 <= number <= 24
    database.close()
