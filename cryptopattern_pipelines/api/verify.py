"""What a reading process does with a picture that was sent. It imports no more than reading needs: it starts anew after
every picture that crashes it.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from cryptopattern_pipelines.reading.ocr import TextEngineError
from cryptopattern_pipelines.reading.picture import FileTooLarge, NotAPicture, UnreadablePicture, load_picture
from cryptopattern_pipelines.reading.reading import Reading, read_picture


@dataclass(frozen=True)
class Verified:
    """A picture that decodes: its format, and the time that its EXIF data tells; its reading, where it was read now."""

    format: str
    exif_time: datetime | None
    reading: Reading | None


@dataclass(frozen=True)
class Refused:
    """A file that is no readable picture: the status to answer with, and why."""

    status: int
    reason: str


@dataclass(frozen=True)
class Item:
    """A picture to decode, and to read where `read` says so."""

    data: bytes
    file: str
    max_bytes: int
    zone: tzinfo
    read: bool


def verify_and_read(item: Item) -> Verified | Refused:
    """Decode a picture, and read it unless it was read before; runs in a process that a broken file may crash."""
    try:
        picture = load_picture(item.data, item.max_bytes, zone=item.zone)
    except FileTooLarge as error:
        return Refused(413, str(error))
    except NotAPicture as error:
        return Refused(415, str(error))
    except UnreadablePicture as error:
        return Refused(422, str(error))
    try:
        reading = read_picture(item.data, item.file, max_bytes=item.max_bytes) if item.read else None
    except TextEngineError as error:
        return Refused(503, f"pictures can't be read here: {error}")
    return Verified(picture.format, picture.exif_time, reading)
