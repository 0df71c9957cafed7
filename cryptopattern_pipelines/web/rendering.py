"""From a template and what it shows to a page: Jinja with escaping on, how figures are written, the page's own files.

What belongs here: how pages are made. What does not: what is on them (`views.py`, the templates). Nothing here knows of
the service's other parts, so that errors can be told as pages from anywhere.
"""

import hashlib
import importlib.metadata
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import Scope

from cryptopattern_pipelines.for_people import NOTHING, metric, price, timeframe, usd

_HERE = Path(__file__).parent
_MINUS = "\N{MINUS SIGN}"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Everything comes from here, and nothing is written into the page that could run. `data:` is for a picture that was
# sent to be read and isn't kept.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Without any referrer browsers would send their own forms as those of a page that isn't known, which are refused.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
# Addresses for programs: their errors are JSON, whoever asks.
_FOR_PROGRAMS = ("/api/", "/metrics", "/openapi.json")


def wants_page(scope: Scope) -> bool:
    """Whether an answer, also an error, is to be a page: a browser asks, and not for what is made for programs."""
    if scope["path"].startswith(_FOR_PROGRAMS):
        return False
    accepted = Headers(scope=scope).get("accept", "").lower()
    return "text/html" in accepted or "application/xhtml" in accepted


def page(template: str, status: int = 200, headers: dict[str, str] | None = None, **shown: Any) -> HTMLResponse:
    """A template as an answer, with what browsers hold it to."""
    return HTMLResponse(render(template, **shown), status, {**HEADERS, **(headers or {})})


def error_page(status: int, name: str, message: str, headers: dict[str, str] | None = None) -> HTMLResponse:
    """An error for people."""
    title = name.replace("_", " ").capitalize()
    return page("error.html", status, {"Cache-Control": "no-store", **(headers or {})}, title=title, message=message)


def render(template: str, **shown: Any) -> str:
    """A template with what it shows."""
    return _environment().get_template(template).render(**shown)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """The page's own files by name: bytes and media type. Looked up by whole names, so no path can lead out."""
    files = sorted((_HERE / "static").iterdir())
    return {file.name: (file.read_bytes(), _KINDS[file.suffix]) for file in files if file.suffix in _KINDS}


@cache
def _static_address(name: str) -> str:
    """A file's address, which changes with its bytes, so that browsers may keep it for good."""
    return f"/static/{name}?v={hashlib.sha256(static_files()[name][0]).hexdigest()[:12]}"


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
    )
    made.globals |= {"static": _static_address, "version": importlib.metadata.version("cryptopattern")}
    made.filters |= {
        "price": price, "usd": usd, "pct": pct, "change": change, "count": count, "metric": metric, "when": when,
        "day": day, "ago": ago, "words": words, "iso": datetime.isoformat, "timeframe": timeframe,
    }  # fmt: skip
    return made


def pct(value: float | None, digits: int = 0) -> str:
    """A percentage: 47 %; a no-break space before the sign."""
    return NOTHING if value is None else f"{value:.{digits}f}\N{NO-BREAK SPACE}%".replace("-", _MINUS)


def change(value: float | None, digits: int = 1) -> str:
    """A change with its sign: +2.4 %."""
    if value is None:
        return NOTHING
    return f"{round(value, digits) + 0.0:+.{digits}f}\N{NO-BREAK SPACE}%".replace("-", _MINUS)


def count(value: int | None) -> str:
    """A number of things: 1,204."""
    return NOTHING if value is None else f"{value:,}"


def when(moment: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def day(moment: datetime | None) -> str:
    """The day of a time in UTC."""
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}"


def ago(span: timedelta | float | None) -> str:
    """How long ago, by a span or hours: 12 min, 5 h, 3 days."""
    if span is None:
        return NOTHING
    hours = span / timedelta(hours=1) if isinstance(span, timedelta) else span
    if hours < 1:
        return f"{max(0, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:,.0f} days"


def words(name: str | None) -> str:
    """A name of the tables as words: LONG_SQUEEZE is long squeeze."""
    return NOTHING if name is None else name.replace("_", " ").lower()
