"""`cryptopattern serve`, `api-key`, which makes a key for it, and `code-location`, which serves Dagster's services."""

import os
import sys
from pathlib import Path

import click

from cryptopattern_pipelines.resources.settings import API_KEYS_VARIABLE, load_settings


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

    settings = load_settings()
    if settings.log_format == "text":
        click.echo(f"pages: http://{host}:{port}/   REST interface: http://{host}:{port}/docs", err=True)
    app.serve(settings, host, port)


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
    load_settings(api_keys=line)  # refuses a name that can't be used
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
