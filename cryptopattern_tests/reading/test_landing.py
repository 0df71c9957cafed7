"""The landing folder: times, copies, quarantine, and files that were taken out again."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from cryptopattern_pipelines.reading.landing import Landing, with_rows_of_removed_files
from cryptopattern_pipelines.reading.picture import load_picture

START = datetime(2024, 8, 5, tzinfo=UTC)
END = datetime(2024, 8, 6, tzinfo=UTC)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    folder = tmp_path / "landing"
    folder.mkdir()
    extensions = ("png", "jpg", "webp", "gif", "bmp")
    return Landing(folder, tmp_path / "index.sqlite", extensions, 1_000_000, datetime(2020, 1, 1, tzinfo=UTC))


def picture(path: Path, shade: int = 10, **save: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), shade, np.uint8)).save(path, **save)
    return path


def set_file_time(path: Path, time: datetime) -> None:
    os.utime(path, (time.timestamp(), time.timestamp()))


def test_time_comes_from_the_name_then_exif_then_the_file(landing: Landing) -> None:
    picture(landing.folder / "shot 2024-08-05 13.22.01.png", 1)
    exif = Image.Exif()
    exif[0x0132] = "2024:08:05 09:10:11"
    picture(landing.folder / "phone.jpg", 2, exif=exif)
    set_file_time(picture(landing.folder / "plain.png", 3), datetime(2024, 8, 5, 7, tzinfo=UTC))
    pictures = landing.examine(START, END).pictures
    assert pictures[["file", "captured_at_source"]].to_numpy().tolist() == [
        ["plain.png", "file_time"],
        ["phone.jpg", "exif"],
        ["shot 2024-08-05 13.22.01.png", "file_name"],
    ]
    assert [f"{hour:%H}" for hour in pictures["hour"]] == ["07", "09", "13"]


def test_names_tell_the_time_of_the_zone_that_is_set(landing: Landing) -> None:
    picture(landing.folder / "shot 2024-08-05 13.22.01.png")
    exif = Image.Exif()
    exif[0x0132] = "2024:08:05 09:10:11"
    picture(landing.folder / "phone.jpg", 2, exif=exif)
    tokyo = replace(landing, zone=ZoneInfo("Asia/Tokyo"), index=landing.index.with_name("tokyo"))
    assert [f"{hour:%H}" for hour in tokyo.examine(START, END).pictures["hour"]] == ["00", "04"]


def test_a_time_before_the_first_partition_or_long_after_the_file_is_not_believed(landing: Landing) -> None:
    for name in ("2015-01-01 10.00.00.png", "2099-01-01 10.00.00.png"):
        set_file_time(picture(landing.folder / name, len(name)), datetime(2024, 8, 5, 7, tzinfo=UTC))
    assert set(landing.entries()["captured_at_source"]) == {"file_time"}


def test_the_same_bytes_are_one_row_at_their_best_known_and_earliest_time(landing: Landing) -> None:
    early = picture(landing.folder / "2024-08-05 10.00.00.png")
    for name in ("2024-08-05 12.00.00.png", "BTC/2024-08-05 11.00.00.png", "copy.png"):
        copy = landing.folder / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(early.read_bytes())
        set_file_time(copy, datetime(2024, 8, 5, 1, tzinfo=UTC) if name == "copy.png" else END)
    assert landing.examine(START, END).pictures["file"].tolist() == ["2024-08-05 10.00.00.png"]


def test_folder_and_name_give_hints(landing: Landing) -> None:
    picture(landing.folder / "eth" / "Kingfisher 2024-08-05 10.00.00.png")
    [row] = landing.examine(START, END).pictures.to_dict("records")
    assert (row["symbol_hint"], row["source_hint"]) == ("ETH", "kingfisher")


def test_what_is_no_picture_is_set_aside_with_its_reason(landing: Landing) -> None:
    whole = picture(landing.folder / "2024-08-05 10.00.00.png").read_bytes()
    (landing.folder / "2024-08-05 11.00.00 cut.png").write_bytes(whole[: len(whole) // 2])
    (landing.folder / "2024-08-05 12.00.00.pdf").write_bytes(b"%PDF-1.7")
    (landing.folder / "2024-08-05 13.00.00.png").write_bytes(b"")
    (landing.folder / "2024-08-05 14.00.00.jpg").write_bytes(b"<html>not found</html>")
    examined = landing.examine(START, END)
    assert len(examined.pictures) == 1
    reasons = dict(examined.rejected[["file", "reason"]].itertuples(index=False))
    assert "truncated" in reasons["2024-08-05 11.00.00 cut.png"]
    assert "png, jpg" in reasons["2024-08-05 12.00.00.pdf"]
    assert "empty" in reasons["2024-08-05 13.00.00.png"]
    assert "not a PNG" in reasons["2024-08-05 14.00.00.jpg"]


@pytest.mark.parametrize("name", [".DS_Store", "a.png.part", "shot.png~", "x.crdownload", ".hidden/2024.png"])
def test_unfinished_and_hidden_files_are_passed_over(landing: Landing, name: str) -> None:
    path = landing.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert landing.entries().empty


def test_the_index_changes_nothing_and_follows_a_changed_file(landing: Landing) -> None:
    path = picture(landing.folder / "2024-08-05 10.00.00.png", 1)
    first = landing.entries()
    assert landing.entries().equals(first)
    picture(path, 2)
    assert landing.entries()["sha256"].item() != first["sha256"].item()
    landing.index.unlink()
    assert len(landing.entries()) == 1


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "none", tmp_path / "index", ("png",), 1, START)
    assert landing.examine(START, END).pictures.empty


def test_rows_of_files_taken_out_of_the_folder_stay(landing: Landing) -> None:
    path = picture(landing.folder / "2024-08-05 10.00.00.png", 1)
    kept = landing.examine(START, END).pictures
    path.unlink()
    picture(landing.folder / "2024-08-05 11.00.00.png", 2)
    examined = landing.examine(START, END)
    rows = with_rows_of_removed_files(kept, examined.pictures, examined.present)
    assert sorted(rows["file"]) == ["2024-08-05 10.00.00.png", "2024-08-05 11.00.00.png"]


def test_what_cannot_be_opened_is_told_and_costs_no_other(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(landing.folder / "2024-08-05 10.00.00.png")
    for hour in (11, 12):
        picture(landing.folder / f"2024-08-05 {hour}.00.00.png", hour)

    def locked(file: Path, *args: Any, **more: Any) -> Any:
        if " 11." in file.name:
            raise PermissionError(13, "Permission denied")
        return load_picture(file, *args, **more)

    monkeypatch.setattr("cryptopattern_pipelines.reading.landing.load_picture", locked)
    assert landing.examine(START, END).pictures["file"].tolist() == ["2024-08-05 12.00.00.png"]
    assert [("regular" in told, "denied" in told) for told in landing.unreadable] == [(True, False), (False, True)]
