"""Change every fact of an archive and a landing folder that was published after a moment, and nothing before it.

And spoil some hours of an archive, so that there is something to set aside and to contradict.
"""

import csv
import hashlib
import io
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptopattern_pipelines.reading.capture_time import time_in_name

# What is changed: by one factor, so that a changed candle is still a possible one.
FACTOR = 1.37
# Index of each kind of file's time column, of the columns that are changed, and how long after that time the fact
# is published.
_KINDS = {
    "klines": (0, (1, 2, 3, 4, 5, 7), timedelta(hours=1)),
    "fundingRate": (0, (2,), timedelta(0)),
    "metrics": (0, (2, 3, 4, 5, 6, 7), timedelta(minutes=5)),
    "liquidationSnapshot": (0, (4, 8, 9), timedelta(0)),
}


# Of each day of BTC's spot candles: hours whose high and low change places, and hours of half as much USD again.
IMPOSSIBLE_AT, CONTRADICTORY_AT = (5, 20), (17,)


def spoil_archive(source: Path, target: Path) -> None:
    """Copy an archive, with candles in it that can't be, and volumes that contradict themselves."""
    shutil.copytree(source, target)
    for place in (target / "spot" / "monthly" / "klines" / "BTCUSDT").rglob("*.zip"):
        name, rows = _rows(place)
        for row in rows:
            time = _time(row[0])
            hour = -1 if time is None else time.hour
            if hour in IMPOSSIBLE_AT:
                row[2], row[3] = row[3], row[2]
            if hour in CONTRADICTORY_AT:
                row[7] = repr(float(row[7]) * 1.5)
        _write(place, name, rows)


def change_archive_after(moment: datetime, source: Path, target: Path) -> int:
    """Copy an archive, changing every row published after the moment; how many rows were changed."""
    changed = 0
    for original in source.rglob("*.zip"):
        copy = target / original.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        kind = next(kind for kind in _KINDS if kind in original.parts)
        name, rows = _rows(original)
        count = sum(_change(row, kind, moment) for row in rows)
        changed += count
        if count:
            _write(copy, name, rows)
        else:
            shutil.copy(original, copy)
            shutil.copy(f"{original}.CHECKSUM", f"{copy}.CHECKSUM")
    return changed


def _rows(place: Path) -> tuple[str, list[list[str]]]:
    """The name of the one file in a zip, and its rows."""
    with zipfile.ZipFile(place) as archive:
        [name] = archive.namelist()
        return name, list(csv.reader(io.StringIO(archive.read(name).decode())))


def _write(place: Path, name: str, rows: list[list[str]]) -> None:
    """Write a zip of one file, and its CHECKSUM."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.getvalue())
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    place.with_name(place.name + ".CHECKSUM").write_text(f"{digest}  {place.name}\n")


def _change(row: list[str], kind: str, moment: datetime) -> bool:
    at, columns, delay = _KINDS[kind]
    time = _time(row[at])
    if time is None or time + delay <= moment:
        return False
    for column in columns:
        row[column] = repr(float(row[column]) * FACTOR)
    return True


def _time(text: str) -> datetime | None:
    if text.isdigit():
        micros = int(text) if len(text) > 13 else int(text) * 1000
        return datetime.fromtimestamp(micros / 1e6, UTC)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None  # the header


def change_landing_after(moment: datetime, source: Path, target: Path) -> int:
    """Copy a landing folder; the pictures captured after the moment change their bytes round; how many did."""
    pictures = sorted(path for path in source.rglob("*") if path.is_file() and time_in_name(path.name))
    later = [path for path in pictures if (time_in_name(path.name) or moment) > moment]
    contents = [path.read_bytes() for path in later]
    given = dict(zip(later, contents[1:] + contents[:1], strict=True))
    for path in pictures:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(given.get(path) or path.read_bytes())
    return len(later)
