"""A local installation: Dagster's home, and the UI and daemon as background processes that can be stopped again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path

import click
import dagster as dg
import psutil
from dagster._core.launcher import DefaultRunLauncher

from cryptopattern_pipelines.automation.jobs import PROCESS_TAG
from cryptopattern_pipelines.resources.settings import DATA_VARIABLE, PROJECT, Settings

_START_SECONDS = 300  # it takes a quarter of a minute, and minutes on a machine that is busy or slow
_STOP_SECONDS = 20


class LocalError(click.ClickException):
    """The local installation can't do what it was asked; the message says why and what to do."""


def dagster_yaml(settings: Settings) -> str:
    """How Dagster runs here: as the project's dagster.yaml says, or by Celery's workers where there is a broker."""
    if not settings.broker_url.get_secret_value():
        return (PROJECT / "dagster.yaml").read_text()
    told = (PROJECT / "deploy" / "celery" / "dagster.yaml").read_text()
    return re.sub(r"(max_concurrent_runs:) \d+", rf"\1 {settings.workers}", told)


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's home with its `dagster.yaml` in it, and point this process and its children at it."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    settings.landing_folder.mkdir(parents=True, exist_ok=True)
    wanted = dagster_yaml(settings).encode()
    kept = home / "dagster.yaml"
    if not kept.exists() or kept.read_bytes() != wanted:
        # No pid in its name: containers that share the folder have the same ones.
        beside = home / f"dagster.yaml.{uuid.uuid4().hex}"
        beside.write_bytes(wanted)
        beside.replace(kept)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ[DATA_VARIABLE] = str(settings.data)
    return home


def address(settings: Settings) -> str:
    """Where the UI is found."""
    return f"http://127.0.0.1:{settings.port}"


def start_ui(settings: Settings) -> bool:
    """Start the UI and the daemon in the background, and wait until the UI answers; False if they were up already.

    Raises:
        LocalError: the port is taken, or the UI doesn't come up.
    """
    if _leader(settings) is not None:
        return False
    if _answers("127.0.0.1", settings.port):
        raise LocalError(f"port {settings.port} is in use: stop what uses it, or set CRYPTOPATTERN_PORT to another one")
    log = settings.data / "ui.log"
    program = Path(sys.executable).with_name("dg")  # of this environment, activated or not
    with log.open("wb") as output:
        leader = subprocess.Popen(
            [program, "dev", "--host", "127.0.0.1", "--port", str(settings.port), *log_options(settings)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _state(settings).write_text(json.dumps({"pid": leader.pid, "created": psutil.Process(leader.pid).create_time()}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if leader.poll() is not None:
            break
        if is_up(settings):
            return True
        time.sleep(0.3)
    told = f"it ended: {_last_line(log)}"
    if leader.poll() is None:
        told = f"it did not answer within {_START_SECONDS} s, and was stopped; its last words: {_last_line(log)}"
    stop_ui(settings)
    raise LocalError(f"the UI did not come up: {told} (all of it in {log})")


def log_options(settings: Settings) -> list[str]:
    """What Dagster's own programs are told so that they log as the settings say."""
    return ["--log-format", "json"] if settings.log_format == "json" else []


def end_orphaned_runs(settings: Settings, instance: dg.DagsterInstance) -> int:
    """Report as failed the runs that went on when the daemon and all its processes died; how many.

    Nobody else would: they would hold back every run after them until their time is over. The daemon tries them again.
    Runs whose workers live elsewhere, by another launcher than Dagster's own, are left alone, and so is everything
    while any process of this installation's Dagster lives.
    """
    if not isinstance(instance.run_launcher, DefaultRunLauncher) or _dagster_lives(settings):
        return 0
    going = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    orphans = [run for run in instance.get_runs(dg.RunsFilter(statuses=going)) if PROCESS_TAG not in run.tags]
    for run in orphans:
        instance.report_run_failed(run, "its process is gone (killed, or the machine was restarted)")
    return len(orphans)


def clear_orphaned_runs(settings: Settings) -> None:
    """End the runs whose processes are gone, and tell a person on stderr how many there were."""
    with dg.DagsterInstance.get() as instance:
        orphans = end_orphaned_runs(settings, instance)
    if orphans:
        click.echo(f"{orphans} runs had been cut off; the daemon tries them again", err=True)


def _dagster_lives(settings: Settings) -> bool:
    """Whether any other process works on this installation's Dagster."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            at_home = process.environ().get("DAGSTER_HOME") == str(settings.dagster_home)
            if at_home and process.pid != os.getpid() and any("dagster" in word for word in process.cmdline()):
                return True
    return False


def stop_ui(settings: Settings) -> bool:
    """Stop the UI and the daemon; False if they were not up."""
    leader = _leader(settings)
    _state(settings).unlink(missing_ok=True)
    if leader is None:
        return False
    family = [leader, *leader.children(recursive=True)]
    # The leader ends its children in order; a signal to them all would have it start them anew.
    leader.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
    return True


def _state(settings: Settings) -> Path:
    return settings.data / "ui.json"


def _leader(settings: Settings) -> psutil.Process | None:
    """The leader that `start_ui` started, if it is still the same process."""
    try:
        state = json.loads(_state(settings).read_text())
        process = psutil.Process(state["pid"])
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    same = process.create_time() == state["created"] and process.status() != psutil.STATUS_ZOMBIE
    return process if same else None


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def is_up(settings: Settings) -> bool:
    """Whether the UI answers."""
    try:
        with urllib.request.urlopen(f"{address(settings)}/server_info", timeout=2) as answer:  # noqa: S310 - of this machine
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
