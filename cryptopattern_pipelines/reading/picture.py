"""A file becomes pixels: safe loading of pictures, and when they were taken.

What belongs here: what may be opened at all, rotation, alpha, colour modes, the time of capture. What does not:
what stands on the picture.
"""

import io
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePath
from typing import Literal

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

MAX_BYTES = 16 * 1024 * 1024
MAX_PIXELS = 25_000_000

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


@dataclass(frozen=True)
class CapturedAt:
    """When a picture was taken (UTC, aware), and what says so."""

    time: datetime
    source: Literal["file_name", "exif", "file_time"]


def load_picture(source: bytes | Path, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture's first frame, upright, alpha laid over a ground on which its drawing can be seen.

    The header is looked at before anything is decoded, so a bomb costs nothing.

    Raises:
        UnreadablePicture: one of its kinds: EmptyFile, FileTooLarge, NotAPicture, TooManyPixels, TruncatedPicture.
        OSError: the file itself can't be opened.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size == 0:
        raise EmptyFile("the file is empty (0 bytes)")
    if size > max_bytes:
        raise FileTooLarge(too_large(size, max_bytes))
    data = source if isinstance(source, bytes) else source.read_bytes()
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
        try:
            image.load()
            exif = image.getexif()
            time = _exif_time(exif)
            pixels = _rgb(image)
        except (*_BROKEN, MemoryError, Image.DecompressionBombError) as error:
            raise TruncatedPicture(f"truncated or broken {image.format} picture: {error}") from None
    return Picture(pixels, _FORMATS[image.format or ""], time)


def too_large(size: int, max_bytes: int = MAX_BYTES) -> str:
    """Why a file of that many bytes is set aside."""
    return f"the file has {size:,} bytes, more than the {max_bytes:,} that a screenshot may have"


def captured_at(name: str, exif_time: datetime | None, file_time: datetime) -> CapturedAt:
    """When a picture was taken: by its file name where that bears a time, else by EXIF, else by the file's own time.

    A time without an offset is taken for UTC: neither file names nor most EXIF data say where the clock stood.
    `name` is the file's name or path, `exif_time` comes from `load_picture`, `file_time` must be aware.
    """
    named = time_in_name(PurePath(name).name)
    if named is not None:
        return CapturedAt(named, "file_name")
    if exif_time is not None:
        return CapturedAt(exif_time, "exif")
    return CapturedAt(file_time.astimezone(UTC), "file_time")


_GAP = r"[\s_.,@-]*(?:at|um|à|,)?[\s_.,T-]*"
_CLOCK = r"(?P<H>[01]?\d|2[0-3])[-_.:h](?P<M>[0-5]\d)(?:[-_.:m](?P<S>[0-5]\d))?(?:[.,]\d{1,9})?"
_ZONE = r"(?:\s?(?P<half>[AaPp])\.?[Mm]\b|(?P<zone>Z|[+-][01]\d[:-]?[0-5]\d))?(?!\d)"
_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        # 2024-08-05 13.22.01, photo_2024-08-05_13-22-01, Screenshot 2024-08-05 at 1.22.01 PM, 2024-08-05T13:22:01Z
        rf"(?<!\d)(?P<y>20\d\d)[-_.](?P<m>\d\d)[-_.](?P<d>\d\d){_GAP}(?<!\d){_CLOCK}{_ZONE}",
        # 20250328_172525, Screenshot_20240805-132201, IMG_20240805_132201123, 20240805132201, 2024-08-05 132201
        r"(?<!\d)(?P<y>20\d\d)(?P<dash>-?)(?P<m>\d\d)(?P=dash)(?P<d>\d\d)[\s_T-]?"
        r"(?P<H>[01]\d|2[0-3])(?P<M>[0-5]\d)(?P<S>[0-5]\d)(?:\d{3})?(?P<zone>Z|[+-][01]\d:?[0-5]\d)?(?!\d)",
        # Telegram Desktop's export: photo_5@05-08-2024_13-22-01
        rf"@(?P<d>\d\d)-(?P<m>\d\d)-(?P<y>20\d\d)_{_CLOCK}{_ZONE}",
    )
)
_UNIX = re.compile(r"(?<![\d.])(?:(?P<s>\d{10})(?:\.\d+)?|(?P<ms>\d{13}))(?!\d)")
# Unix times before 2010 are no times of capture: Android numbers its pictures from 1000000000.
_FIRST, _LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def time_in_name(name: str) -> datetime | None:
    """The time (UTC) that a file's name bears, None where it bears none or a date alone.

    Known are dates with a clock in the forms that phones, desktops, messengers and scripts write, with or without
    offset or AM/PM, and Unix seconds or milliseconds.
    """
    for pattern in _NAMES:
        for match in pattern.finditer(name):
            time = _time_of(match.groupdict())
            if time is not None:
                return time
    for match in _UNIX.finditer(name):
        seconds = int(match["s"]) if match["s"] else int(match["ms"]) / 1000
        if _FIRST.timestamp() <= seconds < _LAST.timestamp():
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _time_of(part: dict[str, str | None]) -> datetime | None:
    hour = int(part["H"] or 0)
    half = (part.get("half") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    zone = (part.get("zone") or "Z").replace(":", "").replace("Z", "+0000")
    zone = zone[0] + zone[1:].replace("-", "")
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * (-1 if zone[0] == "-" else 1)
    date = (int(part["y"] or 0), int(part["m"] or 0), int(part["d"] or 0))
    try:
        time = datetime(*date, hour, int(part["M"] or 0), int(part["S"] or 0), tzinfo=timezone(offset)).astimezone(UTC)
    except ValueError:
        return None
    return time if _FIRST <= time < _LAST else None


def _exif_time(exif: Image.Exif) -> datetime | None:
    """Time of capture by EXIF: the original's, else the file's, with its offset where one stands there."""
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for stamp, offset in (
        (details.get(ExifTags.Base.DateTimeOriginal), details.get(ExifTags.Base.OffsetTimeOriginal)),
        (exif.get(ExifTags.Base.DateTime), details.get(ExifTags.Base.OffsetTime)),
    ):
        match = re.match(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", str(stamp or ""))
        if match is None:
            continue
        zone = re.fullmatch(r"[+-]\d\d:\d\d", str(offset or "").strip("\0 "))
        time = _time_of(dict(zip("ymdHMS", match.groups(), strict=True)) | {"zone": zone[0] if zone else None})
        if time is not None:
            return time
    return None


def _rgb(image: Image.Image) -> np.ndarray:
    """Upright 8-bit RGB pixels of a loaded picture of any mode."""
    rotation = _ROTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    if image.mode.startswith(("I", "F")):
        # 16-bit grey: Pillow's own conversion would cut at 255 instead of scaling.
        deep = np.asarray(image)
        image = Image.fromarray((deep / 257 if deep.max() > 255 else deep).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = _over_ground(image.convert("RGBA"))
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image.transpose(rotation) if rotation is not None else image)


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
