"""The embedded server, on the real one: started by many, killed, healed, and kept away from what isn't its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from cryptopattern_pipelines.storage import embedded
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError

START = "import sys; from pathlib import Path; from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres; "


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "post gres")
    yield made
    made.stop()


def ask(server: EmbeddedPostgres, query: str) -> str:
    connection = psycopg2.connect(server.url())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return str(cursor.fetchone()[0]) if cursor.description else ""
    finally:
        connection.close()


def test_it_is_made_started_stopped_and_keeps_its_rows(server: EmbeddedPostgres) -> None:
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.stop()
    assert not server.status().running
    assert not server.stop()
    server.start()
    assert ask(server, "SELECT answer FROM kept") == "42"


def test_it_is_postgres_18_in_utc_with_no_port_open_and_no_danger_to_data(server: EmbeddedPostgres) -> None:
    server.start()
    assert ask(server, "SHOW server_version").startswith("18.")
    wanted = {
        "listen_addresses": "",
        "timezone": "UTC",
        "server_encoding": "UTF8",
        "fsync": "on",
        "synchronous_commit": "on",
    }
    assert {name: ask(server, f"SHOW {name}") for name in wanted} == wanted
    sockets = Path(ask(server, "SHOW unix_socket_directories"))
    assert sockets.stat().st_mode & 0o077 == 0


def test_eight_starters_at_once_share_one_server(server: EmbeddedPostgres) -> None:
    code = START + "print(EmbeddedPostgres(Path(sys.argv[1])).start())"
    command = [sys.executable, "-c", code, str(server.folder)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=False), range(8)))
    assert {(one.returncode, one.stdout.strip()) for one in done} == {(0, server.url())}, done[0].stderr
    assert len([p for p in server._processes() if p.parent() not in list(server._processes())]) == 1


def test_it_outlives_its_starter_and_holds_no_pipe_of_it(server: EmbeddedPostgres) -> None:
    code = START + "EmbeddedPostgres(Path(sys.argv[1])).start()"
    # Waits for the end of both pipes: a server that held one would make it wait for ever.
    subprocess.run([sys.executable, "-c", code, str(server.folder)], capture_output=True, timeout=60, check=True)
    assert server.status().running


@pytest.mark.parametrize("whom", ["leader", "everyone"])
def test_it_is_healed_after_kill_9(server: EmbeddedPostgres, whom: str) -> None:
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = server.status().pid
    assert pid is not None
    for process in [psutil.Process(pid), *(psutil.Process(pid).children() if whom == "everyone" else [])]:
        process.send_signal(signal.SIGKILL)
    server.start()
    assert server.status().pid != pid
    assert ask(server, "SELECT answer FROM kept") == "42"


def test_a_pid_file_that_names_a_stranger_after_a_reboot_harms_nobody(server: EmbeddedPostgres) -> None:
    server.start()
    pid_file = server.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        server._sockets().mkdir(mode=0o700, exist_ok=True)
        lines[0] = str(stranger.pid)
        pid_file.write_text("\n".join(lines) + "\n")
        for name in (f".s.PGSQL.{embedded._PORT}.lock", f".s.PGSQL.{embedded._PORT}"):
            (server._sockets() / name).write_text(f"{stranger.pid}\n")
        assert not server.stop()
        server.start()
        assert stranger.poll() is None
        server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedPostgresError, match=r"thesis\.txt"):
        EmbeddedPostgres(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_unfinished_cluster_of_a_killed_first_start_is_made_anew(server: EmbeddedPostgres) -> None:
    unfinished = server.folder / "cluster.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server.start()
    assert not unfinished.exists()


def test_a_cluster_of_another_release_is_not_touched(server: EmbeddedPostgres) -> None:
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by Postgres 17"):
        server.start()
    shutil.rmtree(server.cluster)


def test_a_path_too_long_for_a_socket_is_no_hindrance(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("deep" * 12) / ("er" * 20))
    try:
        server.start()
        assert ask(server, "SELECT 1") == "1"
    finally:
        server.stop()


def test_a_socket_folder_that_someone_else_has_put_there_is_refused(server: EmbeddedPostgres) -> None:
    sockets = server._sockets()
    sockets.mkdir(parents=True, mode=0o777)
    sockets.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private folder"):
            server.start()
    finally:
        sockets.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to close a folder and to become another user")
class TestAsRoot:
    def test_a_closed_folder_above_stays_closed(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        before = [path.stat().st_mode for path in (closed, *closed.parents)]
        server = EmbeddedPostgres(closed / "postgres")
        try:
            server.start()
            pid = server.status().pid
            assert pid is not None
            assert psutil.Process(pid).uids().real != 0
        finally:
            server.stop()
        assert [path.stat().st_mode for path in (closed, *closed.parents)] == before

    def test_a_plain_user_has_a_server_too(self, tmp_path: Path) -> None:
        python = shutil.which("python3", path="/usr/bin:/bin")
        packages = Path(psutil.__file__).parents[1]
        project = Path(embedded.__file__).parents[2]
        code = START + "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.stop())"
        as_nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        environment = {"PYTHONPATH": f"{packages}:{project}", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        probe = subprocess.run(
            [python or "python3", "-c", "import psutil, filelock"], env=environment, check=False, **as_nobody
        )
        if probe.returncode != 0:
            pytest.skip("no Python and packages that user nobody can reach")
        home = Path("/tmp") / f"cryptopattern-test-{os.getpid()}"
        home.mkdir(mode=0o777)
        home.chmod(0o777)
        try:
            done = subprocess.run(
                [python or "python3", "-c", code, str(home / "postgres")],
                env=environment, capture_output=True, text=True, check=False, cwd="/", **as_nobody,
            )  # fmt: skip
        finally:
            shutil.rmtree(home)
        assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
