"""Who may call: keys, addresses, browsers; and what every answer bears so that browsers keep to it.

What belongs here: deciding whether a request goes on, and the record of those that write. What does not: what a
request does.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cryptopattern_pipelines.api.errors import ApiError, error_answer
from cryptopattern_pipelines.api.limits import RateLimit, too_many
from cryptopattern_pipelines.api.telemetry import Telemetry, route_of
from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.tracking import ErrorTracker

log = logging.getLogger(__name__)

_READS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Open even where reads need a key: what tells a load balancer that the service is up, and how to use it.
_ALWAYS_OPEN = ("/api/v1/health", "/openapi.json", "/docs")
_FILES = "/static/"
_GUESSES_A_MINUTE = 10
# Refused requests of one address that are written down. They cost a caller nothing and need no key: without an end to
# them anyone could fill the disk.
_REFUSALS_A_MINUTE = 60
_REFUSED = (401, 403, 429)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def new_key() -> tuple[str, str]:
    """A new key, and the hash of it that the settings hold."""
    key = secrets.token_urlsafe(32)
    return key, hash_of(key)


def hash_of(key: str) -> str:
    """The SHA-256 of a key, as hex. A key is random and long, so that no slower hash is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def name_of(key: str, known: dict[str, str]) -> str | None:
    """The name under which a key's hash is known, None where it isn't; how long this takes tells nothing."""
    hashed, found = hash_of(key), None
    for kept, name in known.items():
        if hmac.compare_digest(kept, hashed):
            found = name
    return found


class AuditLog:
    """A line of JSON for each request that writes, or tried to, in a file of the data folder.

    Of those that an address was refused, so many a minute and no more; all are counted in the metrics.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line. JSON escapes line ends, so that no name can forge a second one."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(), **entry}) + "\n"
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(line)


class Guard:
    """Lets a request through, or answers it: 401, 403 or 429. Outermost, so that nothing is read before."""

    def __init__(self, app: ASGIApp, settings: Settings, telemetry: Telemetry, tracker: ErrorTracker) -> None:
        self.app, self.settings, self.telemetry, self.tracker = app, settings, telemetry, tracker
        self.audit = AuditLog(settings.data / "audit.jsonl")
        self.reads = RateLimit(settings.api_reads_per_minute)
        self.writes = RateLimit(settings.api_writes_per_minute)
        self.guesses = RateLimit(_GUESSES_A_MINUTE)
        self.refusals = RateLimit(_REFUSALS_A_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that may go on, count it, and write those down that write."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["number"], state["caller"] = secrets.token_hex(8), _address(scope)
        started, status, begun = time.perf_counter(), 500, False

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                self._write_down(scope, state, status)
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-Id"] = state["number"]
            await send(message)

        try:
            self._check(scope, state)
        except ApiError as refused:
            answer = error_answer(scope, refused.status_code, refused.detail, refused.headers)
            await answer(scope, receive, sending)
        else:
            try:
                await self.app(scope, receive, sending)
            except Exception as error:
                self.tracker.exception(error, request=state["number"], route=route_of(scope), method=scope["method"])
                if begun:
                    raise
                log.exception("request %s failed", state["number"], extra={"request": state["number"]})
                told = f"the service failed; its log says more under request {state['number']}"
                await error_answer(scope, 500, told)(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            self.telemetry.count(scope, status, seconds)
            if not begun:
                self._write_down(scope, state, status)
            log.info("answered", extra=_told(scope, state, status, seconds))

    def _check(self, scope: Scope, state: dict[str, Any]) -> None:
        """Whether a request may go on.

        Raises:
            ApiError: it may not.
        """
        headers, address = Headers(scope=scope), _address(scope)
        reads = scope["method"] in _READS
        # Without keys the service is for this machine alone: a page in its browser must not reach it by a name that was
        # made to point here.
        if not self.settings.api_keys and _host(headers.get("host", "")) not in _LOOPBACK:
            raise ApiError(403, "without API keys the service answers to localhost alone")
        if not reads:
            self._refuse_other_pages(headers)
        key = _key_in(headers)
        if key is not None and self.settings.api_keys:
            wait = self.guesses.wait(address)
            if wait:
                raise too_many(wait, "too many wrong keys from this address: wait as long as Retry-After says")
            name = name_of(key, self.settings.api_keys)
            if name is None:
                self.guesses.take(address)
                raise _unauthorized(scope, "this key is not known")
            state["caller"] = f"key {name}"
        elif self._needs_key(scope):
            raise _unauthorized(scope, "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY")
        wait = (self.reads if reads else self.writes).take(state["caller"])
        if wait:
            raise too_many(wait)

    def _needs_key(self, scope: Scope) -> bool:
        if not self.settings.api_keys or scope["method"] == "OPTIONS":
            return False
        # A browser asks for the key where the form is: before a picture is sent, not after.
        if scope["method"] not in _READS or scope["path"] == "/read":
            return True
        open_to_all = scope["path"] in _ALWAYS_OPEN or scope["path"].startswith(_FILES)
        return self.settings.api_key_for_reads and not open_to_all

    def _refuse_other_pages(self, headers: Headers) -> None:
        """Browsers send forms to any address without asking: one that another site's page sends is refused."""
        origin = headers.get("origin")
        if origin is None or origin in self.settings.api_cors:
            return
        if urlsplit(origin).netloc != headers.get("host"):
            raise ApiError(403, "pages of other sites may not write here (CRYPTOPATTERN_API_CORS names those that may)")

    def _write_down(self, scope: Scope, state: dict[str, Any], status: int) -> None:
        """Before the answer leaves: whoever has it finds its line in the log."""
        if scope["method"] in _READS:
            return
        if status in _REFUSED and self.refusals.take(_address(scope)):
            return
        entry = {
            "request": state["number"],
            "caller": state["caller"],
            "address": _address(scope),
            "method": scope["method"],
            "path": scope["path"][:300],
            "status": status,
            **state.get("audit", {}),
        }
        try:
            self.audit.write(entry)
        except OSError as error:
            log.error("the audit log can't be written (%s): %s", error.strerror, json.dumps(entry))


def _told(scope: Scope, state: dict[str, Any], status: int, seconds: float) -> dict[str, Any]:
    """A request in the log; nothing of who asked but the name of a key, nothing of what was sent."""
    told = {
        "request": state["number"],
        "method": scope["method"],
        "route": route_of(scope),
        "status": status,
        "seconds": round(seconds, 4),
    }
    symbol = scope.get("path_params", {}).get("symbol")
    key = state["caller"] if state["caller"].startswith("key ") else None
    return told | {name: value for name, value in (("symbol", symbol), ("caller", key)) if value}


def _unauthorized(scope: Scope, message: str) -> ApiError:
    """A browser, which wants a page or a picture on one, is told to ask the person: any name, the key as password."""
    is_browser = any(kind in Headers(scope=scope).get("accept", "") for kind in ("text/html", "image/"))
    asks = 'Basic realm="cryptopattern: the key as password", charset="UTF-8"' if is_browser else "Bearer"
    return ApiError(401, message, {"WWW-Authenticate": asks})


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _key_in(headers: Headers) -> str | None:
    """The key that a request bears, None where it bears none."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key.strip():
        return key.strip()
    if kind.lower() == "basic":  # what browsers can send with a page: the key is the password
        try:
            return base64.b64decode(key.strip(), validate=True).decode().partition(":")[2] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return headers.get("x-api-key") or None


def _host(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
