"""A file becomes pixels: safe loading of pictures.

What belongs here: what may be opened at all, rotation, alpha, colour modes. What does not: when a picture was taken
(`capture_time.py`) and what stands on it.
"""

import io
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from stat import S_ISREG

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from cryptopattern_pipelines.reading.capture_time import exif_time

MAX_BYTES = 16 * 1024 * 1024
MAX_PIXELS = 25_000_000
_MOST_SCANS = 24  # of a progressive JPEG: cameras and browsers write ten; each is decoded over the whole picture


_FORMATS = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
# What Pillow's decoders raise on broken files, found by fuzzing them.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, ArithmeticError)

_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadablePicture(ValueError):  # noqa: N818 (its kinds are named for what the file is)
    """A file that is set aside; the message says why in one line."""


class EmptyFile(UnreadablePicture):
    """Zero bytes."""


class FileTooLarge(UnreadablePicture):
    """More bytes than a screenshot may have."""


class NotAPicture(UnreadablePicture):
    """Not a PNG, JPEG, WebP, GIF or BMP, whatever its name says."""


class TooManyPixels(UnreadablePicture):
    """Width x height is more than a screenshot may have: a decompression bomb."""


class TruncatedPicture(UnreadablePicture):
    """Begins as a picture but breaks off or can't be decoded."""


class NotAFile(UnreadablePicture):
    """A pipe, device, socket or folder: opening it may wait for ever, reading it may never end."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `pixels` is RGB, uint8, height x width x 3; `format` is png, jpeg, webp, gif or bmp."""

    pixels: np.ndarray
    format: str
    exif_time: datetime | None = None

    @property
    def width(self) -> int:
        """Pixels across, after rotation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down, after rotation."""
        return int(self.pixels.shape[0])


def load_picture(
    source: bytes | Path, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, zone: tzinfo = UTC
) -> Picture:
    """Decode a picture's first frame, upright, alpha laid over a ground on which its drawing can be seen.

    The header is looked at before anything is decoded, so a bomb costs nothing. `zone` is where the clock of an EXIF
    time without an offset stood.

    Raises:
        UnreadablePicture: one of its kinds: EmptyFile, FileTooLarge, NotAFile, NotAPicture, TooManyPixels,
            TruncatedPicture.
        OSError: the file itself can't be opened.
    """
    data = source if isinstance(source, bytes) else file_bytes(source, max_bytes)
    if not data:
        raise EmptyFile("the file is empty (0 bytes)")
    if len(data) > max_bytes:
        raise FileTooLarge(too_large(len(data), max_bytes))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP", "GIF", "BMP"])
    except UnidentifiedImageError:
        raise NotAPicture("not a PNG, JPEG, WebP, GIF or BMP picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"decompression bomb: {error}") from None
    except _BROKEN as error:
        raise TruncatedPicture(f"broken picture header: {error}") from None
    with image:
        width, height = image.size
        if width * height > max_pixels:
            raise TooManyPixels(f"{width} x {height} pixels are more than the {max_pixels:,} that may be decoded")
        if _FORMATS[image.format or ""] == "jpeg" and data.count(b"\xff\xda") > _MOST_SCANS:
            raise TooManyPixels(f"decompression bomb: a JPEG of more than {_MOST_SCANS} scans")
        try:
            image.load()
            exif = image.getexif()
            time = exif_time(exif, zone)
            pixels = _rgb(image)
        except (*_BROKEN, MemoryError, Image.DecompressionBombError) as error:
            raise TruncatedPicture(f"truncated or broken {image.format} picture: {error}") from None
    return Picture(pixels, _FORMATS[image.format or ""], time)


def file_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's bytes, if it is a file that holds no more than `max_bytes`.

    Raises:
        UnreadablePicture: FileTooLarge or NotAFile.
        OSError: the file can't be opened.
    """
    stat = path.stat()
    if not S_ISREG(stat.st_mode):
        raise NotAFile("not a regular file: a pipe, device, socket or folder")
    if stat.st_size > max_bytes:
        raise FileTooLarge(too_large(stat.st_size, max_bytes))
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def too_large(size: int, max_bytes: int = MAX_BYTES) -> str:
    """Why a file of that many bytes is set aside."""
    return f"the file has {size:,} bytes, more than the {max_bytes:,} that a screenshot may have"


def _rgb(image: Image.Image) -> np.ndarray:
    """Upright 8-bit RGB pixels of a loaded picture of any mode."""
    rotation = _ROTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    if image.mode.startswith(("I", "F")):
        # 16-bit grey: Pillow's own conversion would cut at 255 instead of scaling.
        deep = np.asarray(image)
        image = Image.fromarray((deep // 257 if deep.max() > 255 else deep).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = _over_ground(image.convert("RGBA"))
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image.transpose(rotation) if rotation is not None else image)


def _over_ground(image: Image.Image) -> Image.Image:
    """Lay a picture with alpha over white or near-black: whichever its drawing stands out from.

    What is drawn next to nothing (text, lines, edges) tells: light strokes were made for a dark page.
    """
    alpha = image.getchannel("A")
    least, _ = alpha.getextrema()
    if least == 255:
        return image.convert("RGB")
    step = max(1, round((image.width * image.height / 3_000_000) ** 0.5))
    size = (max(1, image.width // step), max(1, image.height // step))
    rgba = np.asarray(image.resize(size, Image.Resampling.NEAREST))
    opaque = rgba[..., 3]
    empty = cv2.dilate((opaque < 32).astype(np.uint8), np.ones((5, 5), np.uint8))
    strokes = (empty > 0) & (opaque > 160)
    seen = strokes if strokes.any() else opaque > 0
    light = cv2.cvtColor(np.ascontiguousarray(rgba[..., :3]), cv2.COLOR_RGB2GRAY)[seen]
    ground = 0 if light.size and float(light.mean()) > 127 else 255
    page = Image.new("RGB", image.size, (ground, ground, ground))
    page.paste(image, mask=alpha)
    return page
