import contextlib
import io
import os
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cryptopattern_pipelines.reading import picture as pictures
from cryptopattern_pipelines.reading.picture import load_picture


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


def test_pipes_and_folders_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(pictures.NotAFile):
            load_picture(tmp_path / name)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_a_chunk_of_text_costs_little(kind: bytes) -> None:
    bomb = zlib.compress(bytes(80_000_000), 9)
    body = b"k\0\1\0en\0k\0" + bomb if kind == b"iTXt" else b"k\0\0" + bomb
    data = encoded(two_halves())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(pictures.UnreadablePicture):
        assert load_picture(data[:33] + png_chunk(kind, body) + data[33:]).pixels.shape == (20, 40, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_a_jpeg_of_many_scans_is_refused() -> None:
    data = encoded(two_halves(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(pictures.TooManyPixels, match="scans"):
        load_picture(data[:last] + data[last:-2] * 200 + data[-2:])


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_rotation_is_undone(turn: int) -> None:
    page = np.zeros((24, 40, 3), np.uint8)
    page[:12, :20], page[12:, 20:] = (255, 0, 0), (0, 0, 255)
    turned = {
        1: page, 2: page[:, ::-1], 3: page[::-1, ::-1], 4: page[::-1], 5: page.transpose(1, 0, 2),
        6: np.rot90(page), 7: np.rot90(page, 2).transpose(1, 0, 2), 8: np.rot90(page, 3),
    }[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(Image.fromarray(np.ascontiguousarray(turned)), "PNG", exif=exif)
    assert np.array_equal(load_picture(data).pixels, page)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_keeps_light_and_dark(mode: str) -> None:
    page = np.full((20, 40), 20, np.uint8)
    page[:, 20:] = 240
    image = Image.fromarray(page)
    image = Image.fromarray(page.astype(np.uint16) * 257) if mode == "I;16" else image.convert("RGB").convert(mode)
    pixels = load_picture(encoded(image, "JPEG" if mode == "CMYK" else "PNG")).pixels.astype(int)
    assert pixels.shape == (20, 40, 3)
    assert pixels[:, :15].mean() < 50
    assert pixels[:, 25:].mean() > 205
