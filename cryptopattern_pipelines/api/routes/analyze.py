"""Pictures sent to be read and analysed, and what was read from a picture."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile, params
from pydantic import BaseModel, Field, create_model

from cryptopattern_pipelines.api import formats
from cryptopattern_pipelines.api.errors import ApiError, documented
from cryptopattern_pipelines.api.parameters import Sha256, Symbol
from cryptopattern_pipelines.api.pictures import Upload
from cryptopattern_pipelines.api.services import Services
from cryptopattern_pipelines.reading.annotate import small_copy
from cryptopattern_pipelines.reading.picture import UnreadablePicture, too_large
from cryptopattern_pipelines.reading.reading import READER_VERSION, to_dict
from cryptopattern_pipelines.storage.parquet import KeptBytesError
from cryptopattern_pipelines.storage.schemas import IMAGE_TYPES, SQUEEZE_ANALYSES, SQUEEZE_EVENTS, WIN_RATES

MOST_PICTURES = 10

_ONE = "24h|7d|1m"
_TIMEFRAMES = f"^({_ONE})(,({_ONE})){{0,2}}$"
_FOR_EVER = 365 * 24 * 3600  # a picture's hash and the reader's version say all that the answer depends on
_OF_THE_FIRST_PICTURE = {
    operation: {"operationId": operation, "parameters": {"sha256": "$response.body#/data/readings/0/sha256"}}
    for operation in ("readings", "picture")
}
_COPIES = 64  # of annotated pictures held ready, some 100 kB each


class Share(BaseModel):
    """A symbol's shares on a chart."""

    symbol: str | None
    long_pct: float
    short_pct: float
    arrows: int | None
    method: str
    confidence: float


class PriceLevel(BaseModel):
    """A price level on a chart."""

    price: float
    side: str | None
    strength: float


class Metric(BaseModel):
    """A metric on a dashboard."""

    name: str
    value: float
    unit: str | None
    change: float | None


class PictureReading(BaseModel):
    """What was read from a picture."""

    file: str = Field(description="its name, as it was sent or as it lies in the landing folder")
    sha256: str
    image_type: Literal[tuple(IMAGE_TYPES)]  # type: ignore[valid-type]
    confidence: float
    title: str | None
    symbol: str | None
    venue: str | None
    timeframe: str | None
    leverage: str | None
    current_price: float | None
    chart_time: str | None
    readings: list[Share]
    levels: list[PriceLevel]
    metrics: list[Metric]
    error: str | None = Field(description="what could not be read")


class SentReading(PictureReading):
    """What was read from a picture that was sent."""

    captured_at: datetime = Field(description="when it was taken, as well as is known, UTC")
    captured_at_source: Literal["file_name", "exif", "file_time"]
    kept: bool = Field(description="whether it lies in the landing folder, for the next run")


class Moment(BaseModel):
    """An hour that looked alike, and what came after it."""

    hour: datetime
    distance: float
    move_pct: float
    long_won: bool
    short_won: bool


class Odds(BaseModel):
    """How often a side won after such moments, beside any hour."""

    side: Literal["long", "short"]
    wins: int
    n: int = Field(description="moments that the rate is of")
    rate_pct: float | None
    interval_low_pct: float | None
    interval_high_pct: float | None
    base_rate_pct: float | None
    base_n: int


class SimilarMoments(BaseModel):
    """Hours at which the market looked most like now."""

    timeframe: str
    moments: list[Moment]
    odds: list[Odds]
    looked_at: list[str]


def routes(services: Services, for_writes: Sequence[params.Depends] = ()) -> APIRouter:
    """The routes about pictures; `for_writes` are dependencies of the one that writes."""
    router = APIRouter(prefix="/api/v1", tags=["pictures"])
    copies = _Copies(services)

    @router.post(
        "/analyze/{symbol}",
        dependencies=list(for_writes),
        summary="Read pictures now, and analyse a symbol with them and the newest market data",
        operation_id="analyze",
        responses={200: {"model": _analysis_model(), "links": _OF_THE_FIRST_PICTURE}, **documented(408, 413, 415, 422)},
    )
    async def analyze(
        request: Request,
        symbol: Symbol,
        images: Annotated[
            list[UploadFile],
            File(min_length=1, max_length=MOST_PICTURES, description="PNG, JPEG, WebP, GIF or BMP pictures"),
        ],
        include_historical: Annotated[Literal["true", "false"], Form(description="past squeezes, too")] = "false",
        timeframes: Annotated[str, Form(pattern=_TIMEFRAMES, description="of the win rates")] = "24h,7d,1m",
    ) -> Response:
        started, now = time.perf_counter(), datetime.now(UTC)
        most = services.settings.max_content_length
        uploads = [Upload(image.filename or "", await image.read(most + 1), now) for image in images]
        request.state.audit = {
            "symbol": symbol,
            "pictures": [{"name": upload.name[:200], "bytes": len(upload.data)} for upload in uploads],
        }
        for number, upload in enumerate(uploads, 1):
            if len(upload.data) > most:
                raise ApiError(413, f"picture {number}: {too_large(images[number - 1].size or most + 1, most)}")
        work = partial(
            _analyze, services, symbol, uploads, timeframes.split(","), include_historical=include_historical == "true"
        )
        data = await services.worked_off(work, pictures=len(uploads))
        request.state.audit["sha256"] = [reading["sha256"] for reading in data["readings"]]
        body = {
            "success": True,
            "data": data,
            "processing_time": round(time.perf_counter() - started, 4),
            "timestamp": now.isoformat(),
        }
        return Response(formats.dumped(body), media_type=formats.JSON, headers={"Cache-Control": "no-store"})

    @router.get(
        "/readings/{sha256}",
        operation_id="readings",
        summary="What was read from a picture",
        responses={
            200: {"model": formats.success_model("reading_answer", PictureReading)},
            304: {"description": "not modified"},
            **documented(404),
        },
    )
    def reading(request: Request, sha256: Sha256) -> Response:
        found = services.pictures.reading(sha256)
        if found is None:
            raise ApiError(404, f"no picture of this hash was read by version {READER_VERSION} of the reader")
        return formats.answer(request, formats.plain_json(to_dict(found)), formats.JSON, _FOR_EVER)

    @router.get(
        "/readings/{sha256}/picture",
        operation_id="picture",
        summary="The picture with what was read drawn on it",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
            304: {"description": "not modified"},
            **documented(404),
        },
    )
    def picture(request: Request, sha256: Sha256) -> Response:
        return formats.answer(request, copies.get(sha256), "image/jpeg", _FOR_EVER)

    return router


def _analyze(
    services: Services, coin: str, uploads: list[Upload], timeframes: list[str], *, include_historical: bool
) -> dict[str, Any]:
    return services.analyst.analyze(coin, uploads, timeframes, include_historical=include_historical)


class _Copies:
    """Annotated pictures, the last of them held ready: drawing one takes some 50 ms of a core."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str) -> bytes:
        """The JPEG; raises ApiError 404 where the picture isn't kept or wasn't read."""
        with self._lock:
            if sha256 in self._held:
                self._held.move_to_end(sha256)
                return self._held[sha256]
        drawn = self._draw(sha256)
        with self._lock:
            self._held[sha256] = drawn
            while len(self._held) > _COPIES:
                self._held.popitem(last=False)
        return drawn

    def _draw(self, sha256: str) -> bytes:
        pictures = self._services.pictures
        found = pictures.reading(sha256)
        try:
            data = None if found is None else pictures.picture_bytes(sha256)
            if found is not None and data is not None:
                return small_copy(data, found, max_bytes=self._services.settings.max_content_length)
        except (KeptBytesError, UnreadablePicture):
            pass  # removed since, or larger than the setting that was lowered since
        raise ApiError(404, "no picture of this hash is kept")


def _analysis_model() -> type[BaseModel]:
    analysis: Any = formats.row_model(
        SQUEEZE_ANALYSES,
        provisional=(bool, Field(description="whether the hour of the pictures has no market data of its own yet")),
    )
    historical: Any = create_model(
        "historical",
        squeeze_events=formats.list_of(formats.row_model(SQUEEZE_EVENTS), "the newest, of all that happened"),
        similar_moments=(SimilarMoments | None, Field(description="null where there are none; see notes")),
    )
    data: dict[str, Any] = {
        "symbol": (str, ...),
        "readings": (list[SentReading], ...),
        "squeeze_analysis": (
            analysis | None,
            Field(description="null without any market data of the symbol; see notes"),
        ),
        "win_rates": formats.list_of(formats.row_model(WIN_RATES), "of the newest day"),
        "notes": (list[str], Field(description="what a person should know of the analysis")),
        "historical": (historical | None, None),
    }
    return create_model(
        "analysis_answer",
        success=(Literal[True], True),
        data=(create_model("analysis_data", **data), ...),
        processing_time=(float, Field(description="seconds")),
        timestamp=(datetime, ...),
    )
