"""What an answer looks like: JSON, CSV or Parquet by `Accept`, with an ETag and how long it may be kept.

What belongs here: media types, caching, and the models by which OpenAPI tells of rows. What does not: which rows.
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

import pandas as pd
import pyarrow
import pyarrow.parquet as pq
from fastapi import Request, Response
from pydantic import BaseModel, Field, create_model

from cryptopattern_pipelines.storage.schemas import REAL, TEXT, TIME, TRUTH, WHOLE, TableSchema

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"

# Partitions that ended so long ago change by late screenshots and backfills alone.
_SETTLED_AFTER = timedelta(days=2)
_SETTLED_SECONDS, _FRESH_SECONDS = 3600, 60
_RUN_AT_MINUTE = 7  # of each hour: see `automation/schedules.py`
_PYTHON: dict[str, type] = {TIME: datetime, TEXT: str, REAL: float, WHOLE: int, TRUTH: bool}


def media_type(request: Request) -> str:
    """The media type to answer in: the first of ours that `Accept` names, JSON otherwise."""
    for part in request.headers.get("accept", "").split(","):
        name, _, quality = part.partition(";")
        if name.strip().lower() in (JSON, CSV, PARQUET) and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return name.strip().lower()
    return JSON


def answer(request: Request, body: bytes, kind: str, seconds: int, **headers: str) -> Response:
    """An answer with its ETag, or 304 where the caller has just that already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    told = {"ETag": tag, "Cache-Control": f"private, max-age={seconds}", "Vary": "Accept", **headers}
    held = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if tag in held or "*" in held:
        return Response(status_code=304, headers=told)
    return Response(body, media_type=kind, headers=told)


def keep_for(end: datetime | None) -> int:
    """Seconds for which rows may be kept: long where the partitions asked for are long over, else to the next run."""
    now = datetime.now(UTC)
    if end is not None and end < now - _SETTLED_AFTER:
        return _SETTLED_SECONDS
    to_next_run = (60 * (_RUN_AT_MINUTE - now.minute) - now.second) % 3600
    return max(1, min(_FRESH_SECONDS, to_next_run))


def json_of(data: dict[str, Any], rows: Sequence[str], name: str) -> bytes:
    """`{"success": true, "data": {…}}`, with rows that are JSON already in it under a name."""
    plain = json.dumps({**data, "count": len(rows)}, default=_plain)
    return f'{{"success":true,"data":{plain[:-1]},"{name}":[{",".join(rows)}]}}}}'.encode()


def plain_json(data: Any) -> bytes:
    """`{"success": true, "data": …}`."""
    return dumped({"success": True, "data": data})


def dumped(data: Any) -> bytes:
    """JSON with times in ISO 8601."""
    return json.dumps(data, default=_plain).encode()


def csv_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as CSV with a header; times in ISO 8601, empty where nothing is known.

    Pandas writes the same bytes, and takes four to six times the CPU for a page, which a hundred a second don't leave.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([value.isoformat() if isinstance(value, datetime) else value for value in row] for row in rows)
    return sink.getvalue().encode()


def parquet_of(table: TableSchema, frame: pd.DataFrame) -> bytes:
    """A frame of a whole table's columns as a Parquet file of its schema."""
    sink = io.BytesIO()
    pq.write_table(pyarrow.Table.from_pandas(frame, schema=table.arrow, preserve_index=False), sink)
    return sink.getvalue()


def link_to_next(request: Request, cursor: str | None) -> dict[str, str]:
    """The `Link` header of the next page; empty on the last."""
    if cursor is None:
        return {}
    query = urlencode({**request.query_params, "cursor": cursor})
    # Some coins have Chinese names, and a header's text is ASCII.
    return {"Link": f'<{quote(request.url.path)}?{query}>; rel="next"'}


def rows_model(table: TableSchema, name: str, *, with_symbol: bool = True, **more: Any) -> type[BaseModel]:
    """How OpenAPI tells of an answer that is a page of a table's rows."""
    row = row_model(table, **more)
    data: dict[str, Any] = {"count": (int, Field(description="rows on this page"))}
    if with_symbol:
        data["symbol"] = (str, Field(description="the coin's canonical name"))
    data["next"] = (str | None, Field(description="cursor of the next page; null on the last"))
    data[name] = list_of(row, table.row)
    return success_model(f"{name}_answer", create_model(f"{name}_data", **data))


def row_model(table: TableSchema, **more: Any) -> type[BaseModel]:
    """How OpenAPI tells of a table's row."""
    fields: dict[str, Any] = {
        column.name: (
            _PYTHON[column.dtype] | None if column.nullable else _PYTHON[column.dtype],
            Field(description=column.description),
        )
        for column in table.columns
    }
    return create_model(f"{table.name}_row", **fields, **more)


def list_of(row: type[BaseModel], told: str = "") -> Any:
    """How OpenAPI tells of rows within an answer."""
    return list[row], Field(description=told)  # type: ignore[valid-type]


def success_model(name: str, data: Any) -> type[BaseModel]:
    """How OpenAPI tells of an answer: `success` and `data`."""
    return create_model(name, success=(Literal[True], True), data=(data, ...))


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
