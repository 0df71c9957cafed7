"""Pictures sent to the service: what it answers, what it keeps, and that the run comes to the same numbers."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from cryptopattern_pipelines.automation.partitions import Window
from cryptopattern_pipelines.reading.reading import read_file, to_dict
from cryptopattern_tests.api.conftest import PICTURES, Service, serving, upload
from cryptopattern_tests.integration.installation import Installation

ALL, OPTI = (
    next(picture for picture in PICTURES if kind in picture.name and "01-29" in picture.name)
    for kind in ("kingfisher_all", "kingfisher_opti")
)
ADDRESS = "/api/v1/analyze/BTC"
HOUR = timedelta(hours=1)


def analyze(service: Service, *pictures: Path, **fields: str) -> dict[str, Any]:
    answer = service.client.post(ADDRESS, files=upload(*pictures), data=fields)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["success"] is True
    assert told["processing_time"] > 0
    data: dict[str, Any] = told["data"]
    return data


@pytest.fixture(scope="module")
def empty_landing(tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str]) -> Installation:
    """An installation that has market data of some hours, and no picture yet."""
    folder = tmp_path_factory.mktemp("empty")
    made = Installation.at(folder, fresh_database(), landing=folder / "landing")
    made.run("hourly", Window(datetime(2025, 1, 29, 4, tzinfo=UTC), datetime(2025, 1, 29, 7, tzinfo=UTC)))
    return made


@pytest.fixture(scope="module")
def empty(empty_landing: Installation) -> Iterator[Service]:
    with serving(empty_landing.settings) as made:
        yield made


def test_the_run_after_it_comes_to_the_same_rows(empty: Service, empty_landing: Installation) -> None:
    told = analyze(empty, ALL)
    hour = datetime(2025, 1, 29, 6, tzinfo=UTC)
    assert told["squeeze_analysis"]["hour"] == hour.isoformat()
    assert told["squeeze_analysis"]["provisional"] is False
    [reading] = told["readings"]
    assert reading["captured_at"] == "2025-01-29T06:10:00+00:00"
    [kept] = [file for file in empty_landing.settings.landing_folder.rglob("*") if file.is_file()]
    assert kept.parent.name == "BTC"
    assert kept.read_bytes() == ALL.read_bytes()

    assert empty_landing.run("hourly", Window(hour, hour + HOUR)).success
    readings = empty_landing.rows("liquidation_readings", hour, hour + HOUR)
    shown = {row["symbol"]: (row["long_pct"], row["short_pct"]) for row in reading["readings"]}
    assert {row.symbol: (row.long_pct, row.short_pct) for row in readings.itertuples()} == shown
    analyses = empty_landing.rows("squeeze_analyses", hour, hour + HOUR)
    [row] = analyses[analyses["symbol"] == "BTC"].to_dict("records")
    assert row["dominance_sha256"] == reading["sha256"]
    for name, value in row.items():
        said = told["squeeze_analysis"][str(name)]
        assert said is None if pd.isna(value) else said == (value.isoformat() if name == "hour" else value), name


def test_the_same_picture_again_is_kept_once_and_counts_when_it_first_came(empty: Service) -> None:
    first = analyze(empty, ALL)
    again = empty.client.post(ADDRESS, files=[("images", ("other.png", ALL.read_bytes()))]).json()["data"]
    assert again["readings"][0]["captured_at"] == first["readings"][0]["captured_at"]
    assert again["squeeze_analysis"] == first["squeeze_analysis"]
    assert len([file for file in empty.settings.landing_folder.rglob("*.png") if file.is_file()]) == 1


def test_a_picture_of_an_hour_that_is_not_told_yet_meets_the_newest_snapshot_and_says_so(service: Service) -> None:
    picture = ("images", ("2025-01-30 07.20.00.png", OPTI.read_bytes()))
    told = service.client.post(ADDRESS, files=[picture]).json()["data"]
    assert told["squeeze_analysis"]["hour"] == "2025-01-29T23:00:00+00:00"
    assert told["squeeze_analysis"]["provisional"] is True
    assert "provisional" in told["notes"][0]


def test_a_picture_of_now_meets_no_market_of_long_ago(service: Service) -> None:
    picture = ("images", ("chart.png", OPTI.read_bytes() + b"sent by no one before"))
    told = service.client.post(ADDRESS, files=[picture]).json()["data"]
    assert told["squeeze_analysis"] is None
    assert told["notes"][0].startswith("the market of BTC is known up to 2025-01-29 23:00 UTC alone, long before")
    [reading] = told["readings"]
    age = datetime.now(UTC) - datetime.fromisoformat(reading["captured_at"])
    assert timedelta(0) <= age < timedelta(minutes=2)


def test_the_answer_holds_readings_rates_and_history_as_they_are_asked_for(service: Service) -> None:
    told = analyze(service, OPTI, ALL, timeframes="24h", include_historical="true")
    wanted = [to_dict(read_file(picture)) for picture in (OPTI, ALL)]
    for reading, read in zip(told["readings"], wanted, strict=True):
        assert {name: reading[name] for name in read if name != "file"} == {
            name: value for name, value in read.items() if name != "file"
        }
        assert reading["kept"] is True
    assert {rate["timeframe"] for rate in told["win_rates"]} == {"24h"}
    events = service.get("events/BTC")["events"]
    assert told["historical"]["squeeze_events"] == events[:20]
    assert "historical" not in analyze(service, OPTI)


def test_what_was_read_is_had_by_the_hash_and_drawn_on_the_picture(service: Service) -> None:
    [reading] = analyze(service, ALL)["readings"]
    by_hash = service.get(f"readings/{reading['sha256']}")
    assert by_hash["readings"] == reading["readings"]
    picture = service.client.get(f"/api/v1/readings/{reading['sha256']}/picture")
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).width == 900
    again = service.client.get(
        f"/api/v1/readings/{reading['sha256']}/picture", headers={"If-None-Match": picture.headers["ETag"]}
    )
    assert again.status_code == 304
    assert service.client.get(f"/api/v1/readings/{'0' * 64}").status_code == 404
    assert service.client.get(f"/api/v1/readings/{'0' * 64}/picture").status_code == 404


def test_a_coin_without_market_data_is_read_and_the_answer_says_what_lacks(service: Service) -> None:
    answer = service.client.post("/api/v1/analyze/NOSUCHCOIN", files=upload(ALL)).json()["data"]
    assert answer["squeeze_analysis"] is None
    assert "no market data of NOSUCHCOIN" in answer["notes"][0]
    assert answer["readings"][0]["readings"]


def test_of_several_pictures_none_is_kept_when_one_is_broken(service: Service, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(OPTI.read_bytes()[:-2000])
    fresh = tmp_path / "fresh.png"
    picture = Image.open(OPTI).convert("RGB")
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(fresh)
    before = set(service.settings.landing_folder.rglob("*"))
    answer = service.client.post(ADDRESS, files=upload(fresh, broken))
    assert (answer.status_code, answer.json()["error"]) == (422, "unreadable_picture")
    assert "picture 2" in answer.json()["message"]
    assert set(service.settings.landing_folder.rglob("*")) == before


def test_twenty_at_once_are_all_answered_alike(service: Service) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: analyze(service, OPTI), range(20)))
    assert all(answer["squeeze_analysis"] == answers[0]["squeeze_analysis"] for answer in answers)
