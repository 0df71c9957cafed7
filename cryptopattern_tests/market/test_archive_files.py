"""A mirror's files: fetched once, gone on with after a cut, and listed; and a folder's."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cryptopattern_pipelines.market.archive_files import (
    ArchiveError,
    ChecksumError,
    FolderFiles,
    MirrorFiles,
    NoListingError,
)

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Mirror:
    """A mirror of files that may cut a download short, and remembers the ranges that it was asked for."""

    files: dict[str, bytes]
    ranges: bool = True
    url: str = ""
    cuts: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            if target.query:
                self.answer(200, listing(mirror.files, parse_qs(target.query)))
                return
            body = mirror.files.get(target.path.lstrip("/"))
            if body is None:
                self.answer(404, b"")
                return
            wanted = self.headers.get("Range")
            if target.path.endswith(".zip"):
                mirror.asked.append(wanted)
            if wanted and mirror.ranges:
                begin = int(wanted.removeprefix("bytes=").rstrip("-"))
                if begin >= len(body):
                    self.answer(416, b"")
                    return
                self.answer(206, body[begin:], {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"})
                return
            self.answer(200, body)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response_only(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            cut = mirror.cuts.pop(0) if mirror.cuts and len(body) > 100 else None
            self.wfile.write(body[:cut])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listing(files: dict[str, bytes], query: dict[str, list[str]]) -> bytes:
    """What an object store answers, two entries a page."""
    prefix, marker = query["prefix"][0], query.get("marker", [""])[0]
    below = {name.removeprefix(prefix) for name in files if name.startswith(prefix)}
    keys = sorted({prefix + part.split("/")[0] + ("/" if "/" in part else "") for part in below})
    page = [key for key in keys if key > marker][:2]
    entries = "".join(
        f"<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"
        if key.endswith("/")
        else f"<Contents><Key>{key}</Key></Contents>"
        for key in page
    )
    more = "true" if page and keys[-1] > page[-1] else "false"
    return (
        f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{entries}'
        f"<IsTruncated>{more}</IsTruncated></ListBucketResult>"
    ).encode()


def mirror_of(content: bytes = CONTENT) -> Mirror:
    return Mirror({"a/b.zip": content, "a/b.zip.CHECKSUM": f"{SHA256}  b.zip\n".encode()})


def files_of(mirror: Mirror, cache: Path, attempts: int = 4) -> MirrorFiles:
    return MirrorFiles(mirror.url, cache, attempts=attempts, pause=0)


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(mirror_of()) as mirror:
        mirror.cuts = [4000, 3000]
        assert files_of(mirror, tmp_path).read("a/b.zip") == CONTENT
    assert mirror.asked == [None, "bytes=4000-", "bytes=7000-"]
    assert [path.name for path in tmp_path.rglob("*.zip")] == [f"{SHA256}.zip"]
    assert not list(tmp_path.rglob("*.part"))


def test_a_later_run_goes_on_with_what_a_killed_one_left(tmp_path: Path) -> None:
    with serving(mirror_of()) as mirror:
        mirror.cuts = [4000]
        with pytest.raises(ArchiveError, match="can't be fetched"):
            files_of(mirror, tmp_path, attempts=1).read("a/b.zip")
        assert files_of(mirror, tmp_path, attempts=1).read("a/b.zip") == CONTENT
        # Killed between the last byte and the new name.
        [kept] = tmp_path.rglob("*.zip")
        kept.rename(kept.with_suffix(".part"))
        assert files_of(mirror, tmp_path).read("a/b.zip") == CONTENT
        assert files_of(mirror, tmp_path).read("a/b.zip") == CONTENT
    assert mirror.asked == [None, "bytes=4000-"]


def test_a_mirror_without_ranges_is_asked_from_the_start(tmp_path: Path) -> None:
    with serving(mirror_of()) as mirror:
        mirror.ranges = False
        mirror.cuts = [4000]
        assert files_of(mirror, tmp_path).read("a/b.zip") == CONTENT
    assert mirror.asked == [None, "bytes=4000-"]


@pytest.mark.parametrize("left", [b"x" * 4000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_what_was_left_and_is_harmed_is_fetched_anew(tmp_path: Path, left: bytes) -> None:
    unfinished = tmp_path / SHA256[:2] / f"{SHA256}.part"
    unfinished.parent.mkdir()
    unfinished.write_bytes(left)
    with serving(mirror_of()) as mirror:
        assert files_of(mirror, tmp_path).read("a/b.zip") == CONTENT
    assert mirror.asked == [f"bytes={len(left)}-", None]


def test_a_mirror_that_lies_leaves_nothing(tmp_path: Path) -> None:
    with serving(mirror_of(b"another file")) as mirror, pytest.raises(ChecksumError, match="use another mirror"):
        files_of(mirror, tmp_path).read("a/b.zip")
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".zip", ".part")]


def test_a_mirror_and_a_folder_list_the_same_names(tmp_path: Path) -> None:
    names = ["k/A/1.zip", "k/A/1.zip.CHECKSUM", "k/B/2.zip", "k/C/3.zip", "k/4.zip", "k/5.zip"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with serving(Mirror(dict.fromkeys(names, b""))) as mirror:
        for files in (FolderFiles(tmp_path), files_of(mirror, tmp_path / "cache")):
            assert files.names("k") == ["4.zip", "5.zip", "A", "B", "C"]
            assert files.names("k/A") == ["1.zip", "1.zip.CHECKSUM"]
            assert files.names("nowhere") == []


def test_a_mirror_that_does_not_list_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "listing", lambda files, query: b"<html>")
    with (
        serving(Mirror({})) as mirror,
        pytest.raises(NoListingError, match="doesn't list its files: name coins"),
    ):
        files_of(mirror, tmp_path).names("k")
