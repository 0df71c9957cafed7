"""Rows of the serving tables: snapshots, analyses, win rates, events, alerts, symbols."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from cryptopattern_pipelines.api import formats
from cryptopattern_pipelines.api.errors import ApiError, documented
from cryptopattern_pipelines.api.held import Held
from cryptopattern_pipelines.api.parameters import Condition, PageParameters, Pattern, RangeParameters, Symbol
from cryptopattern_pipelines.api.queries import Asked
from cryptopattern_pipelines.api.services import Services
from cryptopattern_pipelines.squeeze.win_rates import ALL
from cryptopattern_pipelines.storage.schemas import (
    ALERT_KINDS,
    ALERT_STATUSES,
    EXCHANGE_SNAPSHOTS,
    PATTERN_LIBRARY,
    SEVERITIES,
    SIDE_OF,
    SIDES,
    SQUEEZE_ALERTS,
    SQUEEZE_ANALYSES,
    SQUEEZE_EVENTS,
    SQUEEZE_FORECASTS,
    TARGETS,
    WIN_RATES,
    TableSchema,
)

_OF_SYMBOL = ("snapshots", "analyses", "win-rates", "events", "forecasts", "patterns")
_OF_THE_FIRST_SYMBOL = {
    operation: {"operationId": operation, "parameters": {"symbol": "$response.body#/data/symbols/0"}}
    for operation in _OF_SYMBOL
}
# For so long the list of symbols is handed out again: of five hundred it takes Postgres some 10 ms and Python 5 ms, and
# callers may keep it for a minute.
_SYMBOLS_SECONDS = 5.0


class AnalysesParameters(RangeParameters):
    """Which analyses of a symbol."""

    severity: Literal[tuple(SEVERITIES)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]


class WinRatesParameters(RangeParameters):
    """Which win rates of a symbol; without a range those of the newest day."""

    condition: Condition = Field(ALL, description="which claims: all, severity:MAJOR, pattern:…")
    timeframe: Literal["24h", "7d", "1m"] | SkipJsonSchema[None] = None
    side: Literal[tuple(SIDES)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]


class ForecastsParameters(RangeParameters):
    """Which forecasts of a symbol."""

    target: Literal[tuple(TARGETS)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]


class PatternsParameters(RangeParameters):
    """Which patterns of a symbol; without a range those of the newest day."""

    type: Pattern | SkipJsonSchema[None] = Field(None, description="name of a pattern")
    min_success_rate: float = Field(0.0, ge=0, le=100, allow_inf_nan=False, description="least success rate, percent")


class EventsParameters(RangeParameters):
    """Which squeezes of a symbol."""

    type: Literal[tuple(SIDE_OF)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]


class AlertsParameters(PageParameters):
    """Which alerts of all symbols."""

    severity: Literal[tuple(SEVERITIES)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]
    hours_back: int = Field(24, ge=1, le=8760, description="how far back, hours")
    min_probability: float = Field(
        50.0,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="least score of an analysis, 0 to 100: the guide's heuristic, no chance; other kinds have no score",
    )
    kind: Literal[tuple(ALERT_KINDS)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]
    status: Literal[tuple(ALERT_STATUSES)] | SkipJsonSchema[None] = None  # type: ignore[valid-type]


def routes(services: Services) -> APIRouter:
    """The routes over tables."""
    router = APIRouter(prefix="/api/v1", tags=["tables"])

    def page(
        request: Request, table: TableSchema, name: str, asked: Asked, coin: str | None = None, **data: Any
    ) -> Response:
        """A page of a table, in the form that the caller accepts."""
        kind, seconds = formats.media_type(request), formats.keep_for(asked.end)
        if kind == formats.JSON:
            found = services.database.page(table, asked)
            known, cursor, count = {**data, "next": found.next}, found.next, len(found.rows)
            body = formats.json_of(known, found.rows, name)
        elif kind == formats.CSV:
            rows, cursor = services.database.rows(table, asked, table.names)
            count, body = len(rows), formats.csv_of(table.names, rows)
        else:
            frame, cursor = services.database.frame(table, asked)
            count, body = len(frame), formats.parquet_of(table, frame)
        if not count and coin is not None:
            _refuse_unknown(services, table, coin)
        return formats.answer(request, body, kind, seconds, **formats.link_to_next(request, cursor))

    def of_symbol(
        table: TableSchema, name: str, path: str, parameters: type[RangeParameters], summary: str
    ) -> Callable[..., Any]:
        """A route that answers with a symbol's rows of a table."""

        def answer(request: Request, symbol: Symbol, query: Any) -> Response:
            equal = query.model_dump(exclude={"start", "end", "limit", "cursor"}, exclude_none=True)
            if "type" in equal:
                equal["pattern" if table is PATTERN_LIBRARY else "squeeze_type"] = equal.pop("type")
            least = equal.pop("min_success_rate", 0.0)
            start, end = query.start, query.end
            if table in (WIN_RATES, PATTERN_LIBRARY) and start is end is None:
                start = services.database.newest(table, symbol)
            minima = {"success_rate_pct": least} if least else None
            asked = Asked({"symbol": symbol, **equal}, start, end, query.limit, query.cursor, minima)
            return page(request, table, name, asked, symbol, symbol=symbol)

        answer.__annotations__["query"] = Annotated[parameters, Query()]
        answer.__annotations__["symbol"] = Symbol
        return router.get(
            f"/{path}/{{symbol}}",
            summary=summary,
            description=f"A row is {table.row}. Newest first; JSON, CSV or Parquet by `Accept`.",
            name=path,
            operation_id=path,
            responses={**in_three_forms(formats.rows_model(table, name), path, of_symbol=True), **documented(404)},
        )(answer)

    of_symbol(EXCHANGE_SNAPSHOTS, "snapshots", "snapshots", RangeParameters, "A symbol over all its venues, by hour")
    of_symbol(SQUEEZE_ANALYSES, "analyses", "analyses", AnalysesParameters, "A symbol's squeeze analyses, by hour")
    of_symbol(WIN_RATES, "win_rates", "win-rates", WinRatesParameters, "How often analyses of a symbol were right")
    of_symbol(SQUEEZE_EVENTS, "events", "events", EventsParameters, "Squeezes of a symbol that happened")

    of_symbol(
        SQUEEZE_FORECASTS,
        "forecasts",
        "forecasts",
        ForecastsParameters,
        "Chances of the next 24 hours, each beside its base rate",
    )
    of_symbol(PATTERN_LIBRARY, "patterns", "patterns", PatternsParameters, "What named patterns were worth")

    @router.get(
        "/squeeze-alerts",
        summary="What the rules for alerts find in all symbols, each beside its odds and their base rate",
        description=f"A row is {SQUEEZE_ALERTS.row}. Newest first; JSON, CSV or Parquet by `Accept`. Without rules "
        "every analysis with a score of 50 or more is one.",
        operation_id="squeeze-alerts",
        responses={**in_three_forms(_alerts_model(), "squeeze-alerts", of_symbol=False), **documented()},
    )
    def squeeze_alerts(request: Request, query: Annotated[AlertsParameters, Query()]) -> Response:
        since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=query.hours_back)
        asked = Asked(
            query.model_dump(include={"severity", "kind", "status"}, exclude_none=True),
            start=since,
            limit=query.limit,
            cursor=query.cursor,
            minima={"probability": query.min_probability},
            minima_of=("kind", "analysis"),
        )
        return page(request, SQUEEZE_ALERTS, "alerts", asked, filters=query.model_dump(exclude={"limit", "cursor"}))

    def list_symbols() -> bytes:
        found = services.database.symbols()
        newest = max((row["newest_hour"] for row in found), default=None)
        data = {"symbols": [row["symbol"] for row in found], "count": len(found), "last_updated": newest}
        return formats.plain_json({**data, "hours": found})

    listed = Held(list_symbols, _SYMBOLS_SECONDS)

    @router.get(
        "/symbols",
        summary="Every symbol that has analyses",
        operation_id="symbols",
        responses={
            200: {"model": _symbols_model(), "links": _OF_THE_FIRST_SYMBOL},
            304: {"description": "not modified"},
            **documented(),
        },
    )
    def symbols(request: Request) -> Response:
        return formats.answer(request, listed(), formats.JSON, formats.keep_for(None))

    return router


def in_three_forms(model: type[BaseModel], operation: str, *, of_symbol: bool) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI tells of an operation's answer that is had as JSON, CSV or Parquet, page after page."""
    symbol = {"symbol": "$request.path.symbol"} if of_symbol else {}
    after = {"operationId": operation, "parameters": {**symbol, "cursor": "$response.body#/data/next"}}
    link = {"Link": {"description": "the next page, rel=next", "schema": {"type": "string"}}}
    other: dict[str, Any] = {formats.CSV: {}, formats.PARQUET: {}}
    return {
        200: {"model": model, "content": other, "headers": link, "links": {"next": after}},
        304: {"description": "not modified: what the caller holds (If-None-Match) is what there is"},
    }


def _refuse_unknown(services: Services, table: TableSchema, coin: str) -> None:
    """An empty page of a coin that nothing is known of is an error; one of a known coin is an answer."""
    for known_by in dict.fromkeys((EXCHANGE_SNAPSHOTS, table)):
        if services.database.newest(known_by, coin) is not None:
            return
    raise ApiError(404, f"nothing is known of {coin}: /api/v1/symbols names those that are")


def _alerts_model() -> type[BaseModel]:
    filters = create_model(
        "alerts_filters",
        severity=(str | None, ...),
        hours_back=(int, ...),
        min_probability=(float, ...),
        kind=(str | None, ...),
        status=(str | None, ...),
    )
    alert = formats.row_model(SQUEEZE_ALERTS)
    data = create_model(
        "alerts_data",
        filters=(filters, ...),
        count=(int, ...),
        next=(str | None, ...),
        alerts=(list[alert], ...),  # type: ignore[valid-type]
    )
    return formats.success_model("alerts_answer", data)


def _symbols_model() -> type[BaseModel]:
    hours = create_model("symbol_hours", symbol=(str, ...), first_hour=(datetime, ...), newest_hour=(datetime, ...))
    data = create_model(
        "symbols_data",
        symbols=(list[str], ...),
        count=(int, ...),
        last_updated=(datetime | None, Field(description="start of the newest hour that is analysed, UTC")),
        hours=(list[hours], ...),  # type: ignore[valid-type]
    )
    return formats.success_model("symbols_answer", data)
