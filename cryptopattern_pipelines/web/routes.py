"""The addresses of the pages: `/`, a symbol's, a picture's, and the one that reads what is dropped onto it."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from cryptopattern_pipelines.api import formats
from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.api.parameters import SYMBOL_FORM, Sha256, Symbol
from cryptopattern_pipelines.api.pictures import Upload
from cryptopattern_pipelines.api.services import Services
from cryptopattern_pipelines.for_people import strength
from cryptopattern_pipelines.market.symbols import parse
from cryptopattern_pipelines.reading.annotate import small_copy
from cryptopattern_pipelines.reading.picture import too_large
from cryptopattern_pipelines.reading.reading import Reading, to_dict
from cryptopattern_pipelines.web import figures, rendering, views
from cryptopattern_pipelines.web.reference import reference

_FOR_EVER = 365 * 24 * 3600
_WIDE, _NARROW = (1000, 340), (380, 260)
_SPARK = (132, 34)
_MOST_PICTURES = 4
_HTML = "text/html; charset=utf-8"


class OverviewParameters(BaseModel):
    """Which symbols are listed, and how."""

    q: str = Field("", max_length=40)
    sort: Literal["score", "symbol", "change", "volume"] = "score"
    page: int = Field(1, ge=1, le=10_000)


class SymbolParameters(BaseModel):
    """How far back a symbol's chart goes."""

    days: Literal["7", "30", "90"] = "30"


def routes(services: Services) -> APIRouter:
    """The pages; none of them is in the OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def overview(request: Request, query: Annotated[OverviewParameters, Query()]) -> Response:
        wanted = _name_in(query.q)
        found = views.overview(services.database, wanted, query.sort, query.page)
        for row in found.symbols:
            row["path"] = figures.sparkline(row["spark"], width=_SPARK[0], height=_SPARK[1])
        return _rendered(request, "overview.html", found=found, query=query, sorts=views.SORTS, spark=_SPARK)

    @router.get("/symbols/{symbol}")
    def symbol(request: Request, symbol: Symbol, query: Annotated[SymbolParameters, Query()]) -> Response:
        days = int(query.days)
        shown = views.symbol(services.database, symbol, days)
        if shown is None:
            raise ApiError(404, f"nothing is known of {symbol}: the first page lists the symbols that are followed")
        charts = [
            figures.price_chart(
                shown["hours"], shown["prices"], shown["drawn_events"], shown["levels"], width=width, height=height
            )
            for width, height in (_WIDE, _NARROW)
        ]
        pictures = [one for one in shown["pictures"] if services.pictures.can_be_shown(one["sha256"])][:_MOST_PICTURES]
        shown |= {"charts": charts, "span": days, "spans": views.SPANS, "pictures": pictures}
        return _rendered(request, "symbol.html", **shown)

    @router.get("/pictures/{sha256}")
    def picture(request: Request, sha256: Sha256) -> Response:
        found = services.pictures.reading(sha256)
        if found is None:
            raise ApiError(404, "no picture of this hash was read by this version of the reader")
        address = f"/api/v1/readings/{sha256}/picture" if services.pictures.can_be_shown(sha256) else None
        return _rendered(request, "picture.html", read=_shown(found, address))

    @router.get("/read")
    def form(request: Request) -> Response:
        return _rendered(request, "read.html", answer=None, coin="", keep=False)

    @router.post("/read")
    async def read(
        request: Request,
        images: Annotated[list[UploadFile], File(default_factory=list)],
        symbol: Annotated[str, Form(max_length=60)] = "",
        keep: Annotated[Literal["", "yes"], Form()] = "",
    ) -> Response:
        coin, now = _coin_in(symbol), datetime.now(UTC)
        most = services.settings.max_content_length
        images = [image for image in images if image.filename or image.size]  # a form without a file sends an empty one
        uploads = [Upload(image.filename or "", await image.read(most + 1), now) for image in images]
        request.state.audit = {
            "symbol": coin,
            "kept": bool(keep),
            "pictures": [{"name": upload.name[:200], "bytes": len(upload.data)} for upload in uploads],
        }
        if not 1 <= len(uploads) <= _MOST_PICTURES:
            raise ApiError(400, f"choose a picture to read, {_MOST_PICTURES} at most")
        for image, upload in zip(images, uploads, strict=True):
            if len(upload.data) > most:
                raise ApiError(413, too_large(image.size or most + 1, most))
        work = partial(_read, services, coin, uploads, keep=bool(keep))
        answer = await services.worked_off(work, pictures=len(uploads))
        request.state.audit["sha256"] = [one["sha256"] for one in answer["read"]]
        return rendering.page(
            "read.html", headers={"Cache-Control": "no-store"}, answer=answer, coin=coin or "", keep=bool(keep)
        )

    return router


def open_routes(openapi: Callable[[], dict[str, Any]]) -> APIRouter:
    """What anyone may have who reaches the service: how to use it, and the pages' own files."""
    router = APIRouter(include_in_schema=False)

    @cache
    def rendered() -> bytes:
        return rendering.render("docs.html", **reference(openapi())).encode()

    @router.get("/docs")
    def docs(request: Request) -> Response:
        return _page(request, rendered())

    @router.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        found = rendering.static_files().get(name)
        if found is None:
            raise ApiError(404, "there is no such file")
        return formats.answer(request, found[0], found[1], _FOR_EVER)

    return router


def _rendered(request: Request, template: str, **shown: Any) -> Response:
    return _page(request, rendering.render(template, **shown).encode())


def _page(request: Request, body: bytes) -> Response:
    """A page with its ETag; browsers ask each time whether it is still the same."""
    answer = formats.answer(request, body, _HTML, 0)
    answer.headers.update(rendering.HEADERS)
    return answer


def _name_in(text: str) -> str:
    """What a person typed to find a symbol, as symbols are written: btcusdt finds BTC, and bt finds it, too."""
    text = text.strip()
    return parse(text).coin if re.fullmatch(SYMBOL_FORM, text) else text.upper()


def _coin_in(text: str) -> str | None:
    text = text.strip()
    if not text:
        return None
    if not re.fullmatch(SYMBOL_FORM, text):
        raise ApiError(400, "symbol: a coin in any usual spelling, e.g. BTC or btcusdt, or nothing")
    return parse(text).coin


def _read(services: Services, coin: str | None, uploads: list[Upload], *, keep: bool) -> dict[str, Any]:
    """Read pictures, and where a coin is named analyse it with them; nothing is kept unless asked."""
    read = services.pictures.read(coin, uploads, keep=keep)
    most = services.settings.max_content_length
    shown = []
    for picture, upload in zip(read, uploads, strict=True):
        drawn = base64.b64encode(small_copy(upload.data, picture.reading, max_bytes=most)).decode()
        seen = _shown(picture.reading, f"data:image/jpeg;base64,{drawn}")
        shown.append({**seen, "name": picture.name, "kept": picture.kept, "captured_at": picture.captured.time})
    told = None if coin is None else services.analyst.of_pictures(coin, read)
    analysis = None if told is None else told["squeeze_analysis"]
    odds = None
    if analysis is not None:
        analysis["hour"] = datetime.fromisoformat(analysis["hour"])
        odds = views.odds_of(services.database, [analysis]).get(analysis["symbol"])
    return {
        "read": shown,
        "analysis": analysis,
        "signals": [] if analysis is None else views.signals(analysis),
        "odds": odds,
        "notes": [] if told is None else told["notes"],
    }


def _shown(reading: Reading, address: str | None) -> dict[str, Any]:
    """A reading for the templates, with where its annotated picture is had; None where it isn't kept."""
    in_unit = reading.strengths_in_unit
    told = to_dict(reading)
    for row, level in zip(told["levels"], reading.levels, strict=True):
        row["strength_told"] = strength(level.strength, level.strength_share, in_unit=in_unit)
    more = {"chart_time": reading.chart_time, "evidence": reading.evidence, "address": address}
    return {**told, **more, "strengths_in_unit": in_unit}
