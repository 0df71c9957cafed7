"""Rows by HTTP: the same rows as the tables', page by page, in three forms."""

import io
from contextlib import closing

import pandas as pd
import psycopg2
import pytest

from cryptopattern_pipelines.storage.schemas import TABLES
from cryptopattern_tests.api.conftest import WINDOW, Service, serving
from cryptopattern_tests.integration.installation import Installation

PATHS = {
    "snapshots": "exchange_snapshots",
    "analyses": "squeeze_analyses",
    "win-rates": "win_rates",
    "events": "squeeze_events",
    "forecasts": "squeeze_forecasts",
    "patterns": "pattern_library",
}


@pytest.mark.parametrize("path", PATHS)
def test_pages_join_to_exactly_the_rows_of_the_table_newest_first(
    service: Service, installation: Installation, path: str
) -> None:
    table = TABLES[PATHS[path]]
    wanted = installation.rows(table.name, *WINDOW)
    wanted = wanted[(wanted["symbol"] == "BTC") & (wanted.get("condition", "all") == "all")].sort_values(
        list(table.key), ascending=False
    )
    query = f"{path}/BTC?from=2025-01-29&to=2025-01-30&limit=7"
    found, cursor = [], ""
    while True:
        data = service.get(query + cursor)
        found += data[path.replace("-", "_")]
        assert data["count"] <= 7
        if data["next"] is None:
            break
        cursor = f"&cursor={data['next']}"
    assert len(found) == len(wanted)
    assert [list(row) for row in found] == [table.names] * len(found)
    if found:
        pd.testing.assert_frame_equal(table.conform(_parsed(found, table.name)), wanted.reset_index(drop=True))


def _parsed(rows: list[dict[str, object]], name: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for column in TABLES[name].columns:
        if column.dtype.startswith("datetime"):
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
    return frame


def test_csv_and_parquet_hold_the_same_rows_and_name_the_next_page(service: Service) -> None:
    path = "/api/v1/analyses/BTC?limit=5"
    rows = service.client.get(path).json()["data"]["analyses"]
    parquet = service.client.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    csv = service.client.get(path, headers={"Accept": "text/csv"})
    frame = pd.read_parquet(io.BytesIO(parquet.content))
    assert [time.isoformat() for time in frame["hour"]] == [row["hour"] for row in rows]
    assert frame["probability"].tolist() == [row["probability"] for row in rows]
    read = pd.read_csv(io.StringIO(csv.text))
    assert read["hour"].tolist() == [row["hour"] for row in rows]
    assert read["price"].tolist() == [row["price"] for row in rows]
    following = service.client.get(csv.links["next"]["url"]).json()["data"]["analyses"]
    assert following[0]["hour"] < rows[-1]["hour"]
    assert csv.links == parquet.links


def test_a_page_of_a_coin_with_a_chinese_name_names_the_next_one(installation: Installation) -> None:
    coin = "\u5e01\u5b89\u4eba\u751f"
    columns = ", ".join(TABLES["exchange_snapshots"].names)
    others = columns.replace("symbol", "%s", 1)
    with (
        serving(installation.settings) as service,
        closing(psycopg2.connect(installation.settings.database_url)) as server,
    ):
        with server, server.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO serving.exchange_snapshots ({columns}) SELECT {others} FROM serving.exchange_snapshots "
                "WHERE symbol = 'BTC' ORDER BY hour DESC LIMIT 3",
                (coin,),
            )
        try:
            first = service.client.get(f"/api/v1/snapshots/{coin}?limit=2")
            assert first.status_code == 200
            following = service.client.get(first.links["next"]["url"])
            assert [following.json()["data"]["count"], following.links] == [1, {}]
        finally:
            with server, server.cursor() as cursor:
                cursor.execute("DELETE FROM serving.exchange_snapshots WHERE symbol = %s", (coin,))


def test_what_a_caller_holds_is_not_sent_again(service: Service) -> None:
    path = "/api/v1/snapshots/BTC?from=2025-01-29&to=2025-01-30"
    first = service.client.get(path)
    assert first.headers["Cache-Control"] == "private, max-age=3600"
    again = service.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = service.client.get("/api/v1/snapshots/ETH", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200
    assert 0 < int(other.headers["Cache-Control"].removeprefix("private, max-age=")) <= 60


@pytest.mark.parametrize("spelling", ["btc", "BTCUSDT", "BTC-USDT-SWAP", "XBT", "BINANCE:BTCUSDT.P"])
def test_a_coin_is_known_by_any_usual_spelling(service: Service, spelling: str) -> None:
    assert service.get(f"analyses/{spelling}?limit=1") == service.get("analyses/BTC?limit=1")


def test_a_coin_that_nothing_is_known_of_is_an_error_and_an_empty_page_of_a_known_one_is_not(service: Service) -> None:
    answer = service.client.get("/api/v1/analyses/NOSUCHCOIN")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert service.get("analyses/BTC?to=2020-01-01")["analyses"] == []


def test_win_rates_without_a_range_are_those_of_the_newest_day_with_base_rate_interval_and_sample(
    service: Service,
) -> None:
    rates = service.get("win-rates/BTC")["win_rates"]
    assert {row["day"] for row in rates} == {"2025-01-29T00:00:00+00:00"}
    assert {(row["timeframe"], row["side"]) for row in rates} == {
        (timeframe, side) for timeframe in ("24h", "7d", "1m") for side in ("long", "short")
    }
    beside = {"base_rate_pct", "interval_low_pct", "interval_high_pct", "effective_sample_size", "base_sample_size"}
    assert all(beside <= set(row) for row in rates)
    assert {row["side"] for row in service.get("win-rates/BTC?side=long")["win_rates"]} == {"long"}


def test_symbols_are_told_with_their_first_and_newest_hour(service: Service) -> None:
    data = service.get("symbols")
    assert data["symbols"] == ["BTC", "ETH", "SOL"]
    assert data["count"] == 3
    assert data["last_updated"] == "2025-01-29T23:00:00+00:00"
    assert {row["first_hour"] for row in data["hours"]} == {"2025-01-29T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("analyses/BTC?limit=0", "limit: "),
        ("analyses/BTC?limit=1001", "limit"),
        ("analyses/BTC?limit=many", "limit"),
        ("analyses/BTC?from=yesterday", "from: must be a date or a time, e.g. 2024-08-05 or 2024-08-05T13:00:00Z"),
        ("analyses/BTC?from=2025-01-02&to=2025-01-01", "from: must be before to"),
        ("analyses/BTC?severity=HUGE", "severity: "),
        ("analyses/BTC?sevrity=MAJOR", "sevrity"),
        ("analyses/BTC?cursor=AAAA", "cursor: "),
        ("analyses/BTC-EUR", "symbol"),
        ("squeeze-alerts?min_probability=nan", "min_probability"),
        ("squeeze-alerts?hours_back=0", "hours_back"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(service: Service, query: str, told: str) -> None:
    answer = service.client.get(f"/api/v1/{query}")
    assert answer.status_code == 400
    shown = answer.json()
    assert list(shown) == ["success", "error", "message"]
    assert (shown["success"], shown["error"]) == (False, "validation_error")
    assert shown["message"].startswith(told)
    assert shown["message"].count(": ") == 1  # of one parameter nothing is said twice


def test_a_cursor_of_another_table_is_refused(service: Service) -> None:
    cursor = service.get("analyses/BTC?limit=1")["next"]
    assert service.client.get(f"/api/v1/snapshots/BTC?cursor={cursor}").status_code == 400


def test_what_is_not_there_is_told_in_the_one_shape(service: Service) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/api/v1/symbols", 405)):
        answer = service.client.request(method, path)
        assert answer.status_code == status
        assert list(answer.json()) == ["success", "error", "message"]


def test_connections_that_the_server_ended_are_made_anew(service: Service) -> None:
    before = service.get("analyses/BTC")
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    with closing(psycopg2.connect(service.settings.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}")
        assert cursor.fetchone()[0] >= 1
    assert service.get("analyses/BTC") == before


def test_metrics_tell_rows_requests_and_how_far_behind_each_table_is(service: Service) -> None:
    service.get("analyses/BTC")
    service.client.get("/made/up/by/a/caller")
    text = service.client.get("/metrics").text
    assert "cryptopattern_database_up 1.0" in text
    assert 'cryptopattern_hours_behind{table="squeeze_analyses"}' in text
    assert 'cryptopattern_rows{table="squeeze_analyses"}' in text
    assert 'route="/api/v1/analyses/{symbol}",status="200"' in text
    assert "made/up" not in text


def test_health_names_each_part_and_nothing_of_the_inside(service: Service) -> None:
    answer = service.client.get("/api/v1/health")
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "degraded")  # the sample is old
    assert list(told["components"]) == ["database", "storage", "tesseract", "venues", "data"]
    assert told["components"]["data"]["said"].startswith("the newest hour is 2025-01-29 23:00 UTC")
    assert str(service.settings.data) not in answer.text
