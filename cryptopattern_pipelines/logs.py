"""Logs as JSON, a line each: run, asset, partition, venue, symbol and the like are fields, where they are known.

What belongs here: the fields, and where lines go. What does not: what is said. structlog makes the lines, which Dagster
uses for its own services (`--log-format json`).
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import dagster as dg
import structlog
from dagster._core.log_manager import get_log_record_metadata, has_log_record_metadata

from cryptopattern_pipelines.automation.partitions import partitions_told
from cryptopattern_pipelines.resources.settings import LogFormat

_Fields = MutableMapping[str, Any]

# Each tells every request in a line of its own; what fails is told by us.
_TALKATIVE = ("httpx", "httpcore", "alembic", "asyncio", "PIL", "matplotlib", "apprise")
# Dagster's whole account of a record, and uvicorn's message with colours.
_NOT_SHOWN = ("dagster_meta", "dagster_event", "dagster_event_batch_metadata", "color_message")


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Makes a line of JSON from a record: `time` (UTC), `level`, `logger`, `message`, and what else is known."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _of_run,
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(sort_keys=True, default=str, ensure_ascii=False),
        ],
    )


def _of_run(_logger: Any, _level: str, fields: _Fields) -> _Fields:
    """Dagster's account of a record, which is nested and holds whole events, as plain fields."""
    record: logging.LogRecord = fields["_record"]
    for name in _NOT_SHOWN:
        fields.pop(name, None)
    if not has_log_record_metadata(record):
        return fields
    about = get_log_record_metadata(record)
    event = about["dagster_event"]
    step = about["step_key"]
    asset = event.asset_key.to_user_string() if event and event.asset_key else step and step.replace("__", "/")
    known = {
        "event": about["orig_message"],
        "run": about["run_id"],
        "job": about["job_name"],
        "asset": asset,
        "partition": (event and event.partition) or partitions_told(about["job_tags"]),
        "kind": event and event.event_type_value,
        "error": _error_in(event),
    }
    fields.update({name: value for name, value in known.items() if value is not None})
    return fields


def _error_in(event: dg.DagsterEvent | None) -> str | None:
    error = getattr(event.event_specific_data, "error", None) if event else None
    return None if error is None else error.to_string()


def handler(stream: TextIO | None = None) -> logging.Handler:
    """Writes lines of JSON to a stream, stderr by default."""
    made = logging.StreamHandler(stream or sys.stderr)
    made.setFormatter(formatter())
    return made


def set_up(log_format: LogFormat) -> None:
    """Have this process log as the settings say; as text all stays as Python and the libraries have it."""
    if log_format != "json":
        return
    root = logging.getLogger()
    root.handlers[:] = [handler()]
    root.setLevel(logging.INFO)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


# The logger of runs, for which every job asks by name (`CONFIG`): a run without that is logged by Dagster's own.
NAME = "console"


def from_level(level: str) -> dict[str, Any]:
    """The run configuration with which a run logs what is of this level or above."""
    return {"loggers": {NAME: {"config": {"log_level": level}}}}


CONFIG = from_level("DEBUG")
_LEVEL = {"log_level": dg.Field(str, is_required=False, default_value="DEBUG")}


@dg.logger(_LEVEL, description="A line of JSON for each message and event of a run.")
def _json_logger(context: dg.InitLoggerContext) -> logging.Logger:
    made = logging.Logger("cryptopattern.run", context.logger_config["log_level"])
    made.addHandler(handler())
    return made


def loggers(log_format: LogFormat) -> dict[str, dg.LoggerDefinition]:
    """The loggers of the code location: runs' messages as JSON, or as Dagster's coloured text."""
    return {NAME: _json_logger if log_format == "json" else dg.colored_console_logger}


def of_range(job: dg.JobDefinition) -> dict[str, Any]:
    """The run configuration of a range that a person waits for, whose events are hundreds of thousands.

    As text nothing is said, since its progress is shown; as JSON what is said besides those events.
    """
    return from_level("INFO" if job.loggers.get(NAME) is _json_logger else "CRITICAL")
