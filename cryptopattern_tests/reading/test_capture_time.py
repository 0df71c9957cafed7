"""When a picture was taken: what names and EXIF data say, and where their clock stood."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cryptopattern_pipelines.reading.capture_time import captured_at, exif_time, time_in_name

FILE_TIME = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("2024-08-05 13.22.01.png", "2024-08-05T13:22:01"),
        ("20250328_172525.png", "2025-03-28T17:25:25"),
        ("heatmap_20250328_172525.png", "2025-03-28T17:25:25"),
        ("Screenshot_20240805-132201_Chrome.jpg", "2024-08-05T13:22:01"),
        ("Screenshot_2024-08-05-13-22-01-123_com.app.jpg", "2024-08-05T13:22:01"),
        ("Screenshot 2024-08-05 at 1.22.01 PM.png", "2024-08-05T13:22:01"),
        ("Screenshot 2024-08-05 at 12.05.01\u202fAM.png", "2024-08-05T00:05:01"),
        ("Screenshot 2024-08-05 132201.png", "2024-08-05T13:22:01"),
        ("photo_2024-08-05_13-22-01 (2).jpg", "2024-08-05T13:22:01"),
        ("photo_5@05-08-2024_13-22-01.jpg", "2024-08-05T13:22:01"),
        ("WhatsApp Image 2024-08-05 at 13.22.01.jpeg", "2024-08-05T13:22:01"),
        ("IMG_20240805_132201123.jpg", "2024-08-05T13:22:01"),
        ("20240805132201.png", "2024-08-05T13:22:01"),
        ("2024-08-05_13-22.png", "2024-08-05T13:22:00"),
        ("2024-08-05T13:22:01Z.png", "2024-08-05T13:22:01"),
        ("2024-08-05T13:22:01+02:00.png", "2024-08-05T11:22:01"),
        ("BTCUSDT_2024-08-05_13-22-01_a1b2c.png", "2024-08-05T13:22:01"),
        ("1722864121.png", "2024-08-05T13:22:01"),
        ("map_1722864121000.png", "2024-08-05T13:22:01"),
    ],
)
def test_file_names_of_many_kinds_tell_the_time(name: str, time: str) -> None:
    wanted = datetime.fromisoformat(time).replace(tzinfo=UTC)
    assert time_in_name(name) == wanted
    found = captured_at(name, None, FILE_TIME)
    assert (found.time, found.source) == (wanted, "file_name")


@pytest.mark.parametrize(
    "name",
    ["chart.png", "1000138397.jpg", "IMG-20240805-WA0001.jpg", "kg_124759.jpg", "2024-13-05 13.22.01.png",
     "BTC 2024-08-05.png", "2024-08-05 at 13.99.01.png", "6217446549031204567.jpg", "BTC_24h_1920x1080.png"],
)  # fmt: skip
def test_a_name_without_a_time_bears_none(name: str) -> None:
    assert time_in_name(name) is None
    assert captured_at(name, None, FILE_TIME).source == "file_time"


@given(
    st.datetimes(datetime(2010, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 (Hypothesis wants naive bounds)
    st.sampled_from(
        ["%Y-%m-%d %H.%M.%S", "%Y%m%d_%H%M%S", "%Y%m%d-%H%M%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%dT%H%M%SZ", "%Y%m%d%H%M%S"]
    ),
    st.sampled_from(["", "Screenshot_", "photo_", "IMG_", "BTC 4h "]),
)
def test_any_time_written_into_a_name_is_read_back(time: datetime, form: str, before: str) -> None:
    assert time_in_name(f"{before}{time.strftime(form)}.png") == time.replace(microsecond=0, tzinfo=UTC)


def test_exif_counts_before_the_file_time_and_with_its_offset() -> None:
    exif = Image.Exif()
    exif[0x0132] = "2024:08:05 15:22:01"
    exif.get_ifd(0x8769).update({0x9003: "2024:08:05 13:22:01", 0x9011: "+02:00"})
    taken = exif_time(exif)
    found = captured_at("chart.jpg", taken, FILE_TIME)
    assert (found.time, found.source) == (datetime(2024, 8, 5, 11, 22, 1, tzinfo=UTC), "exif")
    assert captured_at("2024-01-01 00.00.00.jpg", taken, FILE_TIME).source == "file_name"


def test_times_are_utc() -> None:
    local = FILE_TIME.astimezone(datetime.now(UTC).astimezone().tzinfo) + timedelta(0)
    assert captured_at("a.png", None, local).time == FILE_TIME
    assert captured_at("a.png", None, local).time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("Europe/Berlin", "2024-08-05T11:22:01"),
        ("America/New_York", "2024-08-05T17:22:01"),
        ("UTC", "2024-08-05T13:22:01"),
    ],
)
def test_a_time_without_an_offset_is_of_the_zone_where_the_clock_stood(zone: str, time: str) -> None:
    wanted = datetime.fromisoformat(time).replace(tzinfo=UTC)
    exif = Image.Exif()
    exif[0x0132] = "2024:08:05 13:22:01"
    assert time_in_name("shot 2024-08-05 13.22.01.png", ZoneInfo(zone)) == wanted
    assert exif_time(exif, ZoneInfo(zone)) == wanted
    assert time_in_name("2024-08-05T13:22:01+02:00.png", ZoneInfo(zone)) == datetime(2024, 8, 5, 11, 22, 1, tzinfo=UTC)


def test_an_hour_that_the_end_of_summer_time_repeats_is_the_first() -> None:
    assert time_in_name("2024-10-27 02.30.00.png", ZoneInfo("Europe/Berlin")) == datetime(
        2024, 10, 27, 0, 30, tzinfo=UTC
    )
