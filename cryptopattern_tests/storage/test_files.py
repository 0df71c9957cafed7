"""Files are put whole or not at all, and what a killed writer left goes with the next one."""

import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from upath import UPath

from cryptopattern_pipelines.storage.files import files_at

WRITER = """
import sys, time
from cryptopattern_pipelines.storage.files import files_at
with files_at(sys.argv[1]).writing("table") as put:
    put("table/done", b"whole")
    for folder in __import__("pathlib").Path(sys.argv[1], "table").glob(".writing-*"):
        (folder / "half").write_bytes(b"ha")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["folder", "file://", "memory://", "s3://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory://":
        return f"memory://{uuid.uuid4().hex}"
    if request.param == "s3://":
        return f"{request.getfixturevalue('bucket')}/a b"
    return str(tmp_path / "a b") if request.param == "folder" else f"file://{tmp_path}/a b"


def test_what_is_put_is_got_listed_and_replaced(root: str) -> None:
    files = files_at(root)
    assert files.get("table/x/1") is None
    assert files.names("table/x") == []
    assert not files.exists("table/x/1")
    with files.writing("table") as put:
        put("table/x/1", b"one")
        put("table/x/1", b"uno")
        put("table/x/2", b"")
    again = files_at(UPath(root))
    assert (again.get("table/x/1"), again.get("table/x/2")) == (b"uno", b"")
    assert sorted(again.names("table/x")) == ["1", "2"]
    assert again.exists("table/x/1")
    assert not again.exists("table/x")
    assert again.names("table") == ["x"]  # nothing else is left there
    assert again.where("table/x/1").endswith("table/x/1")


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_all_are_before_the_writer_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    names = [str(number) for number in range(20)]

    def here() -> int:
        return sum((tmp_path / "table" / name).exists() for name in names)

    monkeypatch.setattr("cryptopattern_pipelines.storage.files.os.fsync", lambda _: told.append(f"one, {here()} there"))
    monkeypatch.setattr("cryptopattern_pipelines.storage.files._wait_for_disk", lambda _: told.append(f"all {here()}"))
    with files_at(tmp_path).writing("table") as put:
        for name in names:
            put(f"table/{name}", b"whole")
    assert told == [*(f"one, {number} there" for number in range(8)), "all 20"]


def test_a_failed_writer_leaves_no_temporary(tmp_path: Path) -> None:
    def write() -> None:
        with files_at(tmp_path).writing("table") as put:
            put("table/1", b"one")
            put("table/1/under a file", b"two")

    with pytest.raises(OSError, match="table/1"):
        write()
    assert [path.name for path in (tmp_path / "table").iterdir()] == ["1"]


def test_the_temporaries_of_a_dead_writer_are_swept_and_those_of_a_live_one_stay(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout:
        assert writer.stdout.readline() == "writing\n"
    temporaries = list((tmp_path / "table").glob(".writing-*"))
    assert len(temporaries) == 1
    with files_at(tmp_path).writing("table") as put:
        put("table/2", b"two")
    assert (temporaries[0] / "half").exists()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    with files_at(tmp_path).writing("table"):
        pass
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == ["2", "done"]


def test_a_reader_beside_a_writer_sees_whole_files_alone(tmp_path: Path) -> None:
    files = files_at(tmp_path)
    wholes = {bytes([number]) * 200_000 for number in range(4)}
    with files.writing("table") as put:
        put("table/1", next(iter(wholes)))
    code = (
        "import sys\nfrom cryptopattern_pipelines.storage.files import files_at\n"
        "with files_at(sys.argv[1]).writing('table') as put:\n"
        "    for number in range(200): put('table/1', bytes([number % 4]) * 200_000)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    seen = set()
    give_up = time.monotonic() + 30
    while writer.poll() is None and time.monotonic() < give_up:
        seen.add(files.get("table/1"))
    assert writer.wait() == 0
    assert seen <= wholes
    assert len(seen) > 1
