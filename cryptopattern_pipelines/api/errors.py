"""Errors as the service tells them: `success`, `error`, `message`, and never more of the inside than that; to browsers
as a page.

What belongs here: the shape and the status codes. What does not: when something is an error.
"""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from cryptopattern_pipelines.web.rendering import error_page, wants_page

# The names are the guide's where it has one.
NAMES = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "file_too_large",
    415: "unsupported_media_type",
    422: "unreadable_picture",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "unavailable",
}
_OTHER = "error"  # of a status that none of our routes answers
# FastAPI tells of this form of wrong parameters for every route that has some; here they are a 400 in our own.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


class ErrorAnswer(BaseModel):
    """What every error looks like."""

    success: Literal[False] = Field(False, description="always false")
    error: Literal[(*NAMES.values(), _OTHER)] = Field(  # type: ignore[valid-type]
        description="what kind of error, for programs"
    )
    message: str = Field(description="what is wrong and what to do, for people")


class ApiError(HTTPException):
    """A request that can't be served; the message says why, and what to do, in one line."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, dict(headers or {}))


def error_answer(scope: Scope, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the one shape that all have, or as a page where a browser asked for one."""
    if wants_page(scope):
        return error_page(status, NAMES.get(status, _OTHER), message, dict(headers or {}))
    shown = {"success": False, "error": NAMES.get(status, _OTHER), "message": message}
    return JSONResponse(shown, status, {"Cache-Control": "no-store", **(headers or {})})


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Error statuses of a route, for its OpenAPI entry; those that any route may answer are added."""
    told = sorted({400, 401, 403, 405, 429, 500, 503, *statuses})
    return {status: {"model": ErrorAnswer, "description": NAMES[status]} for status in told}


def tell_errors(app: FastAPI) -> None:
    """Answer every error of an app in the one shape, and let its OpenAPI document tell of no other."""
    made = app.openapi
    app.openapi = lambda: _in_our_shape(made())  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)


def _in_our_shape(document: dict[str, Any]) -> dict[str, Any]:
    """The document, which FastAPI makes once and hands out, without the answers that this service never gives."""
    for methods in document["paths"].values():
        for operation in methods.values():
            told = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
            if told.get("schema", {}).get("$ref", "").endswith(f"/{_NOT_OURS[0]}"):
                del operation["responses"]["422"]
    for name in _NOT_OURS:
        document["components"]["schemas"].pop(name, None)
    return document


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # Starlette's own, of an unknown path or method, have a mere phrase.
    messages = {404: "there is nothing here: see /docs", 405: "this method is not for this address: see /docs"}
    message = error.detail if isinstance(error, ApiError) else messages.get(error.status_code, error.detail)
    return error_answer(request.scope, error.status_code, message, error.headers)


def _wrong_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Below the parameter's name `loc` goes on with pydantic's names for parts of its type, and has an error for each.
    told: dict[str, str] = {}
    for wrong in error.errors():
        name = ".".join(map(str, wrong["loc"][1:2])) or str(wrong["loc"][0])
        told.setdefault(name, wrong["msg"].removeprefix("Value error, "))
    return error_answer(request.scope, 400, "; ".join(f"{name}: {said}" for name, said in list(told.items())[:5]))
