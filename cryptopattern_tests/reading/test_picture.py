import contextlib
import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cryptopattern_pipelines.reading import picture as pictures
from cryptopattern_pipelines.reading.picture import captured_at, load_picture, time_in_name

FILE_TIME = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def png_of_nothing(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def two_halves() -> Image.Image:
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    image.paste((0, 0, 255), (20, 0, 40, 20))
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_becomes_rgb_whatever_the_name_says(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "chart.txt"
    file.write_bytes(encoded(two_halves(), kind))
    picture = load_picture(file)
    assert picture.format == kind.lower()
    assert (picture.width, picture.height) == (40, 20)
    assert picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels[10, 5].astype(int) - (255, 0, 0)).max() < 60
    assert np.abs(picture.pixels[10, 35].astype(int) - (0, 0, 255)).max() < 60


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", pictures.EmptyFile),
        (b"not a picture at all", pictures.NotAPicture),
        (b"%PDF-1.7\n" + bytes(500), pictures.NotAPicture),
        (bytes(pictures.MAX_BYTES + 1), pictures.FileTooLarge),
        (png_of_nothing(50_000, 50_000), pictures.TooManyPixels),
        (png_of_nothing(9_000, 9_000), pictures.TooManyPixels),
        (encoded(two_halves())[:60], pictures.TruncatedPicture),
        (encoded(Image.effect_noise((200, 200), 90).convert("RGB"), "JPEG")[:3000], pictures.TruncatedPicture),
    ],
    ids=["empty", "text", "pdf", "too many bytes", "bomb", "too many pixels", "cut png", "cut jpeg"],
)
def test_refusals_have_names_and_one_line(data: bytes, refusal: type[Exception]) -> None:
    with pytest.raises(refusal) as caught:
        load_picture(data)
    assert isinstance(caught.value, pictures.UnreadablePicture)
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mutated_file_is_a_picture_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]))
    broken = bytearray(encoded(two_halves(), kind))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(broken) - 1), st.integers(0, 255)), max_size=8)
    ):
        broken[place] = value
    with contextlib.suppress(pictures.UnreadablePicture):
        assert load_picture(bytes(broken)).pixels.shape[2] == 3


def test_exif_rotation_is_undone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = load_picture(encoded(two_halves(), "JPEG", exif=exif))
    assert (picture.width, picture.height) == (20, 40)
    assert picture.pixels[5, 10, 0] > 200
    assert picture.pixels[35, 10, 2] > 200


@pytest.mark.parametrize(("ink", "ground"), [((240, 240, 240), 0), ((20, 20, 20), 255)])
def test_alpha_is_laid_over_the_ground_that_shows_the_drawing(ink: tuple[int, int, int], ground: int) -> None:
    image = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    image.paste((*ink, 255), (10, 10, 12, 30))
    pixels = load_picture(encoded(image)).pixels
    assert tuple(pixels[35, 50]) == (ground, ground, ground)
    assert tuple(pixels[20, 11]) == ink


def test_cmyk_and_deep_pictures_keep_their_brightness() -> None:
    cmyk = load_picture(encoded(two_halves().convert("CMYK"), "JPEG")).pixels
    assert np.abs(cmyk[10, 5].astype(int) - (255, 0, 0)).max() < 90
    deep = Image.fromarray(np.linspace(0, 65535, 400, dtype=np.uint16).reshape(20, 20))
    pixels = load_picture(encoded(deep)).pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert 120 < pixels[10, 0, 0] < 140


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (30, 30), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(load_picture(data).pixels[15, 15]) == (255, 0, 0)


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
    taken = load_picture(encoded(two_halves(), "JPEG", exif=exif)).exif_time
    found = captured_at("chart.jpg", taken, FILE_TIME)
    assert (found.time, found.source) == (datetime(2024, 8, 5, 11, 22, 1, tzinfo=UTC), "exif")
    assert captured_at("2024-01-01 00.00.00.jpg", taken, FILE_TIME).source == "file_name"


def test_times_are_utc() -> None:
    local = FILE_TIME.astimezone(datetime.now(UTC).astimezone().tzinfo) + timedelta(0)
    assert captured_at("a.png", None, local).time == FILE_TIME
    assert captured_at("a.png", None, local).time.utcoffset() == timedelta(0)
