"""Errors told to Sentry, or to what speaks its protocol, where CRYPTOPATTERN_SENTRY_DSN names one.

What belongs here: what is told, and what is taken out of it. What does not: when something is an error worth telling.

Nothing of a person, no key and nothing of a picture leaves: no integration of the SDK is on (they would add requests,
headers, command lines and packages), no local variables, no breadcrumbs, no name of this machine; addresses with
passwords, secrets of the settings, folders and names of picture files are taken out of what messages say.
"""

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cryptopattern_pipelines.resources.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk.types import Event

_FLUSH_SECONDS = 5.0
_LONGEST = 500
_PASSWORD = re.compile(r"(\w+://)[^/\s@]+@")
_PICTURE = re.compile(r"[^\s'\"/\\=]+\.(?:png|jpe?g|webp|gif|bmp)\b", re.IGNORECASE)


class ErrorTracker:
    """Tells errors of one process; does nothing where the settings name no address."""

    def __init__(self, settings: Settings) -> None:
        self._hidden = _secrets_of(settings)
        self._folders = [str(folder) for folder in (settings.landing_folder, settings.data, Path.home())]
        self._client = None
        if settings.sentry_dsn is None:
            return
        import sentry_sdk  # noqa: PLC0415 - an extra, and slow to load

        self._client = sentry_sdk.Client(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=importlib.metadata.version("cryptopattern"),
            server_name="cryptopattern",
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=self._cleaned,
        )

    def exception(self, error: BaseException, **tags: str) -> None:
        """Tell an exception, in the background."""
        if self._client is None:
            return
        from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = tags
        self._client.capture_event(event, hint)

    def run_failed(self, run_id: str, reason: str, **tags: str) -> None:
        """Tell a run that failed for good, and wait until that is sent; the same run twice is one event."""
        if self._client is None:
            return
        # Of two events with one number the second is dropped at the other end.
        number = run_id.replace("-", "")
        message = f"{tags.get('job', 'run')}: {reason}"
        self._client.capture_event({"event_id": number, "level": "error", "message": message, "tags": {**tags}})
        self._client.flush(_FLUSH_SECONDS)

    def close(self) -> None:
        """Send what waits."""
        if self._client is not None:
            self._client.flush(_FLUSH_SECONDS)

    def _cleaned(self, event: "Event", _hint: dict[str, Any]) -> "Event":
        for name in ("message", "tags"):
            if name in event:
                event[name] = self._without_secrets(event[name])
        for exception in event.get("exception", {}).get("values", ()):
            # What follows the first line of a database's error are the values that it was given.
            exception["value"] = self._without_secrets(str(exception.get("value", "")).split("\n", 1)[0])
            for frame in exception.get("stacktrace", {}).get("frames", ()):
                frame.pop("abs_path", None)
                frame.pop("vars", None)
        return event

    def _without_secrets(self, said: Any) -> Any:
        if isinstance(said, dict):
            return {name: self._without_secrets(value) for name, value in said.items()}
        text = _PASSWORD.sub(r"\1[hidden]@", str(said))
        for secret in self._hidden:
            text = text.replace(secret, "[hidden]")
        for folder in self._folders:
            text = text.replace(folder, "[folder]")
        return _PICTURE.sub("[picture]", text)[:_LONGEST]


def _secrets_of(settings: Settings) -> list[str]:
    """Every secret of the settings, the longest first: one may be in another."""
    values: Iterable[Any] = (value for name in type(settings).model_fields for value in _each(getattr(settings, name)))
    secrets = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    return sorted({*secrets, *settings.api_keys} - {""}, key=len, reverse=True)


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
