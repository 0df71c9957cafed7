"""Where the service is put together: settings become an ASGI application, and uvicorn serves it."""

import errno
import importlib.metadata
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer

from cryptopattern_pipelines.api.errors import tell_errors
from cryptopattern_pipelines.api.limits import BodyLimit
from cryptopattern_pipelines.api.routes import analyze, service, tables
from cryptopattern_pipelines.api.security import Guard
from cryptopattern_pipelines.api.services import Services
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.tracking import ErrorTracker
from cryptopattern_pipelines.web import routes as pages

_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){3}")
_FORMS = ("/api/v1/analyze/", "/read")
_KEEP_ALIVE_SECONDS, _GOING_DOWN_SECONDS = 5, 30

_ABOUT = """Liquidation screenshots and exchange data as squeeze analyses and honest win rates.

`probability` in an analysis is the guide's heuristic score, **no** chance; what such scores were worth stands in win
rates, each beside its base rate, its interval and its sample size. Times are UTC. Errors are
`{"success": false, "error": …, "message": …}`."""


class ServeError(click.ClickException):
    """The service can't be started as it was asked for; the message says why and what to do."""


def build_app(settings: Settings, *, warm_up: bool = False) -> FastAPI:
    """The service of these settings; `warm_up` starts the processes that read before the first picture comes."""
    services, tracker = Services.of(settings), ErrorTracker(settings)

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        if warm_up:
            services.pictures.warm_up()
        yield
        services.close()
        tracker.close()

    app = FastAPI(
        title="cryptopattern",
        description=_ABOUT,
        version=importlib.metadata.version("cryptopattern"),
        lifespan=running,
        docs_url=None,  # ours needs no scripts, see `web/reference.py`
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    tell_errors(app)
    # The key is looked at before any of this is reached (`security.py`); these lines tell OpenAPI of it.
    needed = [Depends(HTTPBearer(auto_error=False, description="an API key"))] if settings.api_keys else []
    for_reads = needed if settings.api_key_for_reads else []
    app.include_router(service.routes(services))
    app.include_router(tables.routes(services), dependencies=for_reads)
    app.include_router(analyze.routes(services, for_writes=needed), dependencies=for_reads)
    app.include_router(pages.open_routes(app.openapi))
    app.include_router(pages.routes(services))
    # The last that is added is the first that a request meets.
    app.add_middleware(BodyLimit, most_bytes=settings.api_max_body, seconds=settings.api_body_seconds, forms=_FORMS)
    if settings.api_cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.api_cors),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", "If-None-Match"],
            expose_headers=["ETag", "Link", "Retry-After", "X-Request-Id"],
        )
    app.add_middleware(Guard, settings=settings, telemetry=services.telemetry, tracker=tracker)
    return app


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until told to stop.

    Raises:
        ServeError: the address can be reached from other machines and there is no key, or it can't be listened at.
    """
    if not settings.api_keys and not _LOOPBACK.fullmatch(host):
        raise ServeError(
            f"{host} can be reached from other machines, and there is no key: make one with "
            "`cryptopattern api-key NAME`, and set CRYPTOPATTERN_API_KEYS to what it prints"
        )
    _refuse_a_taken_port(host, port)
    if settings.log_format == "text":
        click.echo(f"pages: http://{host}:{port}/   REST interface: http://{host}:{port}/docs", err=True)
    uvicorn.run(
        build_app(settings, warm_up=True),
        host=host,
        port=port,
        server_header=False,
        # An address that a caller writes itself would get around the limits: only a proxy's is believed.
        proxy_headers=bool(settings.api_proxies),
        forwarded_allow_ips=list(settings.api_proxies),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GOING_DOWN_SECONDS,
        access_log=False,
        log_level="info",
        # As JSON its messages go where all go.
        log_config=None if settings.log_format == "json" else uvicorn.config.LOGGING_CONFIG,
    )


def _refuse_a_taken_port(host: str, port: int) -> None:
    """Say in one line what uvicorn would tell after the service has started, and with an exit code of its own."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            said = "is in use: stop what uses it, or name another one with --port"
        else:
            said = f"of {host} can't be listened at: {error.strerror or error}"
        raise ServeError(f"port {port} {said}") from error
