"""When a picture was taken: by its file's name, its EXIF data, or the file's own time.

What belongs here: the forms that names and EXIF data bear times in. What does not: opening the file (`picture.py`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import PurePath
from typing import Literal

from PIL import ExifTags, Image


@dataclass(frozen=True)
class CapturedAt:
    """When a picture was taken (UTC, aware), and what says so."""

    time: datetime
    source: Literal["file_name", "exif", "file_time"]


def captured_at(name: str, exif: datetime | None, file_time: datetime, zone: tzinfo = UTC) -> CapturedAt:
    """When a picture was taken: by its file name where that bears a time, else by EXIF, else by the file's own time.

    `name` is the file's name or path, `exif` the time that `load_picture` found, `file_time` must be aware; `zone` is
    where the clock stood: few file names say.
    """
    named = time_in_name(PurePath(name).name, zone)
    if named is not None:
        return CapturedAt(named, "file_name")
    if exif is not None:
        return CapturedAt(exif, "exif")
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


def time_in_name(name: str, zone: tzinfo = UTC) -> datetime | None:
    """The time (UTC) that a file's name bears, None where it bears none or a date alone.

    Known are dates with a clock in the forms that phones, desktops, messengers and scripts write, with or without
    offset or AM/PM, and Unix seconds or milliseconds. Without an offset the clock stood in `zone`; an hour that summer
    time's end repeats is taken for the first.
    """
    for pattern in _NAMES:
        for match in pattern.finditer(name):
            time = _time_of(match.groupdict(), zone)
            if time is not None:
                return time
    for match in _UNIX.finditer(name):
        seconds = int(match["s"]) if match["s"] else int(match["ms"]) / 1000
        if _FIRST.timestamp() <= seconds < _LAST.timestamp():
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _time_of(part: dict[str, str | None], zone: tzinfo) -> datetime | None:
    hour = int(part["H"] or 0)
    half = (part.get("half") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    date = (int(part["y"] or 0), int(part["m"] or 0), int(part["d"] or 0))
    try:
        time = datetime(*date, hour, int(part["M"] or 0), int(part["S"] or 0), tzinfo=_zone_of(part, zone)).astimezone(
            UTC
        )
    except ValueError:
        return None
    return time if _FIRST <= time < _LAST else None


def _zone_of(part: dict[str, str | None], zone: tzinfo) -> tzinfo:
    """The zone that is written with a time, else `zone`."""
    written = (part.get("zone") or "").replace(":", "")
    if not written:
        return zone
    if written == "Z":
        return UTC
    digits = written[1:].replace("-", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-offset if written[0] == "-" else offset)


def exif_time(exif: Image.Exif, zone: tzinfo = UTC) -> datetime | None:
    """Time of capture by EXIF (UTC): the original's, else the file's, by its offset if it has one, else in `zone`."""
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for stamp, offset in (
        (details.get(ExifTags.Base.DateTimeOriginal), details.get(ExifTags.Base.OffsetTimeOriginal)),
        (exif.get(ExifTags.Base.DateTime), details.get(ExifTags.Base.OffsetTime)),
    ):
        match = re.match(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", str(stamp or ""))
        if match is None:
            continue
        written = re.fullmatch(r"[+-]\d\d:\d\d", str(offset or "").strip("\0 "))
        time = _time_of(dict(zip("ymdHMS", match.groups(), strict=True)) | {"zone": written and written[0]}, zone)
        if time is not None:
            return time
    return None
