"""About the service itself: health, and metrics for Prometheus."""

import importlib.metadata
from datetime import UTC, datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cryptopattern_pipelines.api import formats
from cryptopattern_pipelines.api.errors import documented
from cryptopattern_pipelines.api.health import Health, status_of
from cryptopattern_pipelines.api.services import Services


def routes(services: Services) -> APIRouter:
    """The routes about the service."""
    router = APIRouter(tags=["service"])

    @router.get(
        "/api/v1/health",
        operation_id="health",
        summary="Whether the service can do its work: 200, or 503 when it can't",
        responses={200: {"model": Health}, **documented(), 503: {"model": Health, "description": "unhealthy"}},
    )
    def health() -> Response:
        components = services.health.look()
        status = status_of(components)
        told = Health(
            status=status,
            timestamp=datetime.now(UTC).isoformat(),
            version=importlib.metadata.version("cryptopattern"),
            components=components,
        )
        return Response(told.model_dump_json(), 503 if status == "unhealthy" else 200, media_type=formats.JSON)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}, **documented()},
    )
    def metrics() -> Response:
        return Response(services.telemetry.text(), media_type=CONTENT_TYPE_LATEST)

    return router
