"""`cryptopattern serve` and `api-key`, which makes a key for it; `code-location` and `worker`, which serve Dagster."""

import os
import sys
from pathlib import Path

import click

from cryptopattern_pipelines.resources.settings import API_KEYS_VARIABLE, SettingsError, load_settings


@click.command(epilog="The whole of it: docs/api.md.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen at.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at. One that other machines reach needs a key (api-key).",
)
def serve(port: int, host: str) -> None:
    """Serve the pages and the REST interface until Ctrl-C.

    \b
    cryptopattern serve --port 5000
    curl http://127.0.0.1:5000/api/v1/analyses/BTC
    curl -F images=@chart.png http://127.0.0.1:5000/api/v1/analyze/BTC
    """
    from cryptopattern_pipelines.api import app

    app.serve(load_settings(), host, port)


@click.command("api-key")
@click.argument("name")
def api_key(name: str) -> None:
    """Make a key of the REST service for NAME, and print it with the line that lets it in.

    The key is shown once and kept nowhere; the settings hold its hash.

    \b
    cryptopattern api-key desk
    """
    from cryptopattern_pipelines.api.security import new_key

    key, hashed = new_key()
    line = f"{name}:{hashed}"
    try:
        load_settings(api_keys=line)  # refuses a name that can't be used
    except SettingsError:
        raise click.UsageError(f"{name!r} is no name of a key: up to 40 letters, digits, dots and dashes") from None
    click.echo(f"key, for the caller: {key}")
    click.echo(f"setting, for the service: {API_KEYS_VARIABLE}={line} (more of them with a comma between)")


@click.command("code-location", epilog="Who needs it: docs/deploy.md.")
@click.option("--port", type=click.IntRange(1, 65535), default=4000, show_default=True, help="Port to listen at.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
def code_location(port: int, host: str) -> None:
    """Serve the code location to a Dagster webserver and daemon that run apart from it, and run what they launch.

    Runs that went on when it was last ended died with it: they are ended first, so that the daemon tries them again.
    It becomes `dagster api grpc`, which asks nobody who they are: keep its port to the services' own network.

    \b
    cryptopattern code-location --port 4000
    """
    from cryptopattern_pipelines import local

    settings = load_settings()
    local.prepare_home(settings)
    local.clear_orphaned_runs(settings)
    program = Path(sys.executable).with_name("dagster")
    served = ["--module-name", "cryptopattern_pipelines.definitions", *local.log_options(settings)]
    os.execv(program, [str(program), "api", "grpc", "--host", host, "--port", str(port), *served])  # noqa: S606 - a list, no shell


@click.command(epilog="Who needs it: docs/cluster.md.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="Runs that it does at once.")
@click.option(
    "--name",
    default="%h",
    show_default=True,
    help="Its name among all workers, %h is this machine's; two on one machine need names that differ.",
)
def worker(runs: int, name: str) -> None:
    """Take runs from the broker of CRYPTOPATTERN_BROKER_URL, on this machine, until it is told to stop.

    It needs this machine's settings to name the same store and database as everyone's. Celery does the rest.

    \b
    cryptopattern worker --runs 2
    """
    from cryptopattern_pipelines import local
    from cryptopattern_pipelines.resources.settings import BROKER_VARIABLE

    settings = load_settings()
    if not settings.broker_url.get_secret_value():
        raise click.ClickException(f"{BROKER_VARIABLE} is not set: name the Redis that runs are handed out by")
    local.prepare_home(settings)
    try:
        from cryptopattern_pipelines.resources.celery_app import app
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"{missing.name} is not installed: pip install 'cryptopattern[distributed]'"
        ) from None
    # A process for each run, so that the worker answers while it works, and outlives a run that crashes.
    processes = ["--pool", "prefork", "--concurrency", str(runs), "--queues", "dagster"]
    app.worker_main(["worker", *processes, "--hostname", f"cryptopattern@{name}", "--loglevel", "WARNING"])
