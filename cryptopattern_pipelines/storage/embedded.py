"""The embedded PostgreSQL 18: started on need, shared by every process, healed after a crash or a reboot.

What belongs here: a supervisor for the server. Where its binaries are and who runs them is in
`embedded_binaries.py`; what is done with the server once it runs does not belong here.

A server's folder, `data/postgres` say:

    cryptopattern-postgres   marks the folder as ours and gives it an identity
    supervisor.lock          held while a process starts, heals or stops the server
    cluster/                 the data folder that initdb made
    server.log               what the server says, and the run before last's in server.log.1

Truth is not a pid. Whoever launches the server locks the cluster folder (flock) and hands the open folder
to the server, whose children inherit it: the lock is held as long as any of them lives, and by nobody
after a `kill -9` or a reboot, whatever process has got the old pid since. Pids serve to send a signal
alone, and only to a postgres process that works in our cluster folder.

The server listens on a Unix socket in a private folder in /tmp, never on a port: a socket's path may have
107 bytes at most, 103 on macOS, and the data folder's is often longer.

Runs on Linux and macOS, on x86-64 and ARM. Not on Windows (WSL is Linux), and not on Alpine or another
musl system, for which no wheel exists: set CRYPTOPATTERN_DATABASE_URL to a server there.
"""

import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import psycopg2
from filelock import FileLock, Timeout

from cryptopattern_pipelines.storage.embedded_binaries import (
    VERSION,
    Account,
    EmbeddedPostgresError,
    as_seen_by,
    binaries_for,
    environment,
    installed_binaries,
    server_user,
    user_name,
)

if sys.platform != "win32":
    import fcntl

__all__ = ["DATABASE", "USER", "EmbeddedPostgres", "EmbeddedPostgresError", "ServerStatus"]

# Dagster's own tables and the serving tables lie in two schemas of it, so that people name one address.
DATABASE = "cryptopattern"
USER = "cryptopattern"
_PORT = 5432  # names the socket file; nothing listens on a port

_MARKER = "cryptopattern-postgres"
_OURS = (_MARKER, "cluster", "supervisor.lock", "server.log")
_SOCKET = f".s.PGSQL.{_PORT}"
# Not TMPDIR, which differs between a login, cron and a service; a folder of another user's is refused.
_SOCKETS = Path("/tmp")  # noqa: S108
_LOG_LIMIT = 10_000_000
_ANSWER = 2  # seconds that a healthy server has to answer in
_GRACE = 5.0  # seconds that a server has to come to its socket in
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "io_method": "sync",  # saves three processes that a desk's load has no use for
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": "cryptopattern",
}


@dataclass(frozen=True)
class ServerStatus:
    """How a folder's server is."""

    state: Literal["stopped", "running", "not answering"]
    folder: Path
    log: Path
    pid: int | None
    url: str | None

    @property
    def running(self) -> bool:
        """Whether it takes connections."""
        return self.state == "running"


class EmbeddedPostgres:
    """The server of one folder. Any number of processes may hold one and call any of its methods at once."""

    def __init__(self, folder: str | Path, patience: float = 60.0) -> None:
        """Take the folder, which need not exist yet, and how many seconds to wait for a start or a stop."""
        self.folder = Path(folder).resolve()
        self.patience = patience
        self.cluster = self.folder / "cluster"
        self.log = self.folder / "server.log"
        self._marker = self.folder / _MARKER
        self._log_start = 0

    def start(self) -> str:
        """Start the server where it doesn't run, heal it where it is broken, and return its URL.

        The server outlives this process. The first start makes the cluster and its database.

        Raises:
            EmbeddedPostgresError: the folder isn't ours or the server doesn't start; says why.
        """
        if sys.platform == "win32":
            raise EmbeddedPostgresError(
                "the embedded PostgreSQL runs on Linux and macOS alone; on Windows work in WSL, "
                "or set CRYPTOPATTERN_DATABASE_URL to a PostgreSQL server"
            )
        if not self._serves():
            self._claim()
            with self._supervising():
                if not self._serves():
                    self._bring_up()
        return self.url()

    def stop(self) -> bool:
        """Stop the server and say whether there was one to stop. Open connections are ended.

        Raises:
            EmbeddedPostgresError: it doesn't stop, or it isn't ours to stop.
        """
        if not self._marker.exists() or not self.cluster.exists():
            return False
        with self._supervising():
            if not self._alive():
                return False
            self._end()
            shutil.rmtree(self._sockets(), ignore_errors=True)
        return True

    def status(self) -> ServerStatus:
        """Say how the server is, changing nothing."""
        state: Literal["stopped", "running", "not answering"]
        if not self._marker.exists() or not self._alive():
            state = "stopped"
        else:
            state = "running" if self._serves() else "not answering"
        postmaster = None if state == "stopped" else self._postmaster()
        return ServerStatus(
            state=state,
            folder=self.folder,
            log=self.log,
            pid=postmaster.pid if postmaster else None,
            url=None if state == "stopped" else self.url(),
        )

    def url(self, database: str = DATABASE) -> str:
        """Return a libpq URL of a database; the same for as long as the folder stays where it is."""
        return f"postgresql://{USER}@/{database}?host={self._sockets()}"

    def _sockets(self) -> Path:
        """Return the private folder that the socket lies in."""
        self._claim()
        # The identity tells a folder from another that took its place, the path a folder from its copy.
        identity = self._marker.read_text("utf-8").split()[-1]
        digest = hashlib.sha256(f"{identity} {self.folder}".encode(errors="surrogateescape")).hexdigest()
        return _SOCKETS / f"{_MARKER}-{digest[:16]}"

    def _claim(self) -> None:
        """Make the folder and mark it as ours.

        Raises:
            EmbeddedPostgresError: something lies in it that isn't ours.
        """
        if self._marker.exists():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            strangers = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(_OURS))
            if self._marker.exists():
                return  # another process has been quicker
            if strangers:
                raise EmbeddedPostgresError(
                    f"{self.folder} holds {strangers[0]!r} and isn't a folder that the embedded PostgreSQL made; "
                    "give it an empty folder or one that doesn't exist"
                )
            text = f"The embedded PostgreSQL of cryptopattern keeps its data here. Identity: {uuid.uuid4().hex}\n"
            unfinished = self.folder / f"{_MARKER}-{uuid.uuid4().hex}"
            unfinished.write_text(text, "utf-8")
            try:
                # A link, unlike a rename, leaves the identity of a quicker process standing.
                with suppress(FileExistsError):
                    self._marker.hardlink_to(unfinished)
            finally:
                unfinished.unlink()
        except (PermissionError, NotADirectoryError) as error:
            raise EmbeddedPostgresError(f"can't make {self.folder}: {error.strerror}; choose another folder") from error

    @contextmanager
    def _supervising(self) -> Iterator[None]:
        """Be the only process that starts, heals or stops this server."""
        lock = FileLock(self.folder / "supervisor.lock", timeout=3 * self.patience, poll_interval=0.01)
        try:
            lock.acquire()
        except Timeout as error:
            raise EmbeddedPostgresError(
                f"another process has been starting or stopping the server in {self.folder} for "
                f"{3 * self.patience:.0f} s; end it and try again"
            ) from error
        except PermissionError as error:
            raise EmbeddedPostgresError(self._belongs_to(self.folder)) from error
        try:
            yield
        finally:
            lock.release()

    def _bring_up(self) -> None:
        """Make, heal and launch what is needed, being the only supervisor."""
        made = self.cluster.exists()
        if made:
            self._check_version()
        account = self._account()
        if made and self._settles():
            self._make_database()
            return
        binaries = binaries_for(account)
        held = self._take_cluster(self.cluster) if made else self._initialise(binaries, account)
        try:
            self._launch(binaries, account, held)
        finally:
            os.close(held)
        self._await_start()
        self._make_database()

    def _account(self) -> Account:
        """Choose who the server runs as: never root, and the cluster's owner where there is a cluster."""
        me = os.geteuid()
        if self.cluster.exists():
            owner = self.cluster.stat()
            if owner.st_uid == 0:
                raise EmbeddedPostgresError(
                    f"{self.cluster} belongs to root, as whom PostgreSQL refuses to run; "
                    f"chown -R it to {server_user().pw_name}"
                )
            if me not in {0, owner.st_uid}:
                raise EmbeddedPostgresError(self._belongs_to(self.cluster))
            return Account(owner.st_uid, owner.st_gid, other=me != owner.st_uid)
        if me != 0:
            return Account(me, os.getegid(), other=False)
        user = server_user()
        return Account(user.pw_uid, user.pw_gid, other=True)

    def _belongs_to(self, path: Path) -> str:
        return (
            f"{path} belongs to user {user_name(path.stat().st_uid)}, not to {user_name(os.geteuid())}; "
            "work as that user or as root, or choose another folder"
        )

    def _check_version(self) -> None:
        made_by = self.cluster / "PG_VERSION"
        found = made_by.read_text("ascii").strip() if made_by.exists() else "none"
        if found != VERSION:
            raise EmbeddedPostgresError(
                f"{self.cluster} was made by Postgres {found}, the binaries are version {VERSION}; "
                "dump it with the old version, or move the folder away to start anew"
            )

    def _serves(self) -> bool:
        """Say whether the server answers and has its database. Costs one connection."""
        return self._alive() and _takes_connections(self.url())

    def _answers(self) -> bool | None:
        """Ask the server: True when it takes connections, False when not yet or no longer, None for silence."""
        asked = installed_binaries() / "bin" / "pg_isready"
        command = [str(asked), f"--host={self._sockets()}", f"--port={_PORT}", f"--timeout={_ANSWER}", "--quiet"]
        code = subprocess.run(command, check=False, env=environment(), stdin=subprocess.DEVNULL).returncode
        return {0: True, 1: False}.get(code)

    def _listens(self) -> bool:
        """Say whether a process has the socket open, be it ever so busy."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(1.0)
            try:
                caller.connect(str(self._sockets() / _SOCKET))
            except TimeoutError:
                return True
            except OSError:
                return False
        return True

    def _alive(self) -> bool:
        """Say whether any process of the server lives: whether someone holds the cluster's lock."""
        try:
            held = self._lock_cluster(self.cluster, shared=True)
        except FileNotFoundError:
            return False
        except PermissionError as error:
            raise EmbeddedPostgresError(self._belongs_to(self.cluster)) from error
        if held is None:
            return True
        os.close(held)
        return False

    def _lock_cluster(self, cluster: Path, shared: bool = False) -> int | None:
        """Open a cluster's folder and lock it, or return None when someone holds the lock.

        Who merely looks takes a shared lock, so that two who look at once don't take each other for a server.
        """
        folder = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            return None
        return folder

    def _take_cluster(self, cluster: Path) -> int:
        """Open and lock a cluster's folder that no server uses; others may be looking at it just now."""
        give_up = time.monotonic() + 5.0
        while (held := self._lock_cluster(cluster)) is None:
            if time.monotonic() > give_up:
                raise EmbeddedPostgresError(f"{cluster} was taken by another process just now; try again")
            time.sleep(0.001)
        return held

    def _settles(self) -> bool:
        """Wait until the server of an earlier start serves (True), or until nothing of it is left (False)."""
        give_up = time.monotonic() + self.patience
        silent_since = None
        while self._alive():
            answer = self._answers()
            if answer:
                return True
            now = time.monotonic()
            # A server that listens but is too busy to answer is waited for, never ended.
            if answer is False or self._listens():
                silent_since = None
            elif silent_since is None:
                silent_since = now
            # Orphans mostly leave by themselves, at once; a postmaster may not have come to its socket yet.
            elif now - silent_since > (_GRACE if self._postmaster() else 0.3):
                self._end()
                return False
            if now > give_up:
                raise EmbeddedPostgresError(
                    f"the server in {self.folder} has not become ready in {self.patience:.0f} s; "
                    f"wait or stop it; its log {self.log} ends: {self._last_words()}"
                )
            time.sleep(0.01)
        return False

    def _processes(self) -> list[psutil.Process]:
        """Find the live postgres processes that work in our cluster folder."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                process.name().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and self.cluster.samefile(process.cwd())
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            return False  # it is gone, or another user's, and so not ours

    def _postmaster(self) -> psutil.Process | None:
        """Find the server's leading process: the one that its pid file names, if that is one of ours."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
            process = psutil.Process(pid)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if self._is_ours(process) else None

    def _end(self) -> None:
        """End every process of the server: as PostgreSQL wishes first, then harder."""
        postmaster = self._postmaster()
        if postmaster is not None:
            # INT: end connections, write everything out, leave. QUIT: leave now, recover at the next start.
            for sent, seconds in ((signal.SIGINT, self.patience / 2), (signal.SIGQUIT, 5.0)):
                _send(postmaster, sent)
                if self._gone_within(seconds):
                    return
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes():
                _send(process, sent)
            if self._gone_within(3.0):
                return
        raise EmbeddedPostgresError(
            f"{self.cluster} is in use by a process that can't be seen or ended from here "
            "(another container, or another user's); stop it there, or choose another folder"
        )

    def _gone_within(self, seconds: float) -> bool:
        return _within(seconds, lambda: not self._alive())

    def _initialise(self, binaries: Path, account: Account) -> int:
        """Make the cluster beside its place and move it there whole; return it open and locked."""
        for left in self.folder.glob("cluster.new*"):
            held = self._lock_cluster(left)
            if held is not None:  # its initdb is gone
                os.close(held)
                shutil.rmtree(left, ignore_errors=True)
        unfinished = self.folder / f"cluster.new-{uuid.uuid4().hex[:8]}"
        unfinished.mkdir(mode=0o700)
        if account.other:
            os.chown(unfinished, account.uid, account.gid)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, unfinished, ignore_errors=True)
            held = self._take_cluster(unfinished)
            undo.callback(os.close, held)
            made = subprocess.run(
                [
                    binaries / "bin" / "initdb",
                    f"--pgdata={as_seen_by(account, unfinished, held)}",
                    f"--username={USER}",
                    "--auth=trust",  # who may open the socket's folder may do everything
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                ],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=environment(),
                pass_fds=[held],
                **account.run_as,
            )
            if made.returncode != 0:
                said = [line for line in made.stderr.splitlines() if line.strip()] or ["nothing"]
                raise EmbeddedPostgresError(
                    f"initdb could not make a cluster in {self.folder} as {user_name(account.uid)}: {said[0]}"
                )
            unfinished.rename(self.cluster)
            undo.pop_all()
        return held

    def _launch(self, binaries: Path, account: Account, held: int) -> None:
        """Start the server as nobody's child, with the locked cluster folder as its one inherited file."""
        pid_file = self.cluster / "postmaster.pid"
        if pid_file.exists():
            # Nobody holds the lock, so the server that wrote it is gone; unless someone started one by hand.
            strangers = self._processes()
            if strangers:
                raise EmbeddedPostgresError(
                    f"a postgres that we didn't start (pid {strangers[0].pid}) serves {self.cluster}; stop it first"
                )
            pid_file.unlink()
        sockets = self._make_socket_folder(account)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
        command = [str(binaries / "bin" / "postgres"), "-D", as_seen_by(account, self.cluster, held)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            self._log_start = log.tell()
            # The shell leaves at once, and the server has no parent that would have to bury it.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(),
                pass_fds=[held],
                start_new_session=True,
                **account.run_as,
            )

    def _make_socket_folder(self, account: Account) -> Path:
        """Make the private folder for the socket, and clear it of a dead server's."""
        sockets = self._sockets()
        try:
            sockets.mkdir(mode=0o700)
        except FileExistsError:
            found = sockets.lstat()
            if (
                not stat.S_ISDIR(found.st_mode)
                or stat.S_IMODE(found.st_mode) != 0o700
                or found.st_uid not in {account.uid, os.geteuid()}
            ):
                raise EmbeddedPostgresError(
                    f"{sockets} is not a private folder of {user_name(account.uid)} but was put there by "
                    f"{user_name(found.st_uid)}; have it removed"
                ) from None
        if account.other:
            os.chown(sockets, account.uid, account.gid)
        for stale in (_SOCKET, f"{_SOCKET}.lock"):
            (sockets / stale).unlink(missing_ok=True)
        return sockets

    def _await_start(self) -> None:
        """Wait until the launched server takes connections, recovery included, or has died."""
        if not _within(self.patience, lambda: self._connects() or not self._alive()):
            raise EmbeddedPostgresError(
                f"the server in {self.folder} has not become ready in {self.patience:.0f} s; "
                f"its log {self.log} ends: {self._last_words()}"
            )
        if not self._alive():
            raise EmbeddedPostgresError(
                f"the server in {self.folder} did not start; its log {self.log} ends: {self._last_words()}"
            )

    def _connects(self) -> bool:
        return (self._sockets() / _SOCKET).exists() and _takes_connections(self.url("postgres"))

    def _make_database(self) -> None:
        try:
            with closing(psycopg2.connect(self.url("postgres"), connect_timeout=30)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
                    if cursor.fetchone() is None:
                        cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.Error as error:
            raise EmbeddedPostgresError(
                f"the server in {self.folder} runs but refuses: {str(error).strip().splitlines()[0]}; see {self.log}"
            ) from error

    def _last_words(self) -> str:
        """Return what the server's log says last of what went wrong since the last launch, or just last."""
        with suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 8192))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            # To a caller who is too early the server says FATAL as well.
            own = [line for line in lines if "FATAL:  the database system is" not in line]
            grave = [line for line in own if any(word in line for word in ("FATAL:", "PANIC:", "ERROR:"))]
            return (grave or own or ["(nothing)"])[-1]
        return "(no log)"


def _takes_connections(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=_ANSWER).close()
    except psycopg2.OperationalError:
        return False
    return True


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Ask every few milliseconds whether something holds, for so many seconds at most."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.005)
    return True


def _send(process: psutil.Process, sent: signal.Signals) -> None:
    """Send a signal to a process; psutil makes sure that its pid is not another's by now."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(sent)
