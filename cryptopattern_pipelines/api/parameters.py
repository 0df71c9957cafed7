"""What callers may ask with: symbols, moments, pages. Each is checked before anything else is done.

What belongs here: the forms of parameters, and what OpenAPI says of them. What does not: what is done with them.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from cryptopattern_pipelines.api.errors import ApiError
from cryptopattern_pipelines.market.symbols import parse

_ANY_CASE = "|".join("".join(f"[{x}{x.lower()}]" for x in quote) for quote in ("FDUSD", "USDT", "USDC", "BUSD", "USD"))
_KINDS = "|".join("".join(f"[{x}{x.lower()}]" for x in kind) for kind in ("SWAP", "PERP", "P"))
# Every word of this form names a coin, in the spellings that people and venues have: BTC, btcusdt, BTC-USDT-SWAP,
# BINANCE:BTCUSDT.P. Letters are ASCII, or Chinese: some coins are named so.
_LETTER = "[A-Za-z0-9\u4e00-\u9fff]"
SYMBOL_FORM = rf"^([A-Za-z]{{1,20}}:)?{_LETTER}{{1,30}}([-_.]({_ANY_CASE}))?([-_.]({_KINDS}))?$"

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(?:(\.\d{1,6})\d*)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)

Symbol = Annotated[
    str,
    Path(
        pattern=SYMBOL_FORM,
        description="a coin in any usual spelling: BTC, btcusdt, BTC-USDT-SWAP",
        examples=["BTC"],
    ),
    AfterValidator(lambda name: parse(name).coin),
]
Pattern = Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$")]
Condition = Annotated[str, Field(pattern="^[A-Za-z0-9_:]{1,80}$")]
Sha256 = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the picture's bytes", examples=["0" * 64])
]


def moment(text: object) -> datetime:
    """A date, or a time in ISO 8601 (UTC where it bears no offset), as an aware time.

    Raises:
        ValueError: it is neither.
    """
    match = _MOMENT.fullmatch(str(text))
    if match is None:
        raise ValueError("must be a date or a time, e.g. 2024-08-05 or 2024-08-05T13:00:00Z")
    date, clock, seconds, fraction, zone = match.groups()
    # A leap second is taken for the second before it: Python's clock has none.
    seconds = ":59" if seconds == ":60" else seconds or ":00"
    written = f"{date}T{clock or '00:00'}{seconds}{fraction or ''}{'+00:00' if zone in (None, 'Z', 'z') else zone}"
    time = datetime.fromisoformat(written)
    with suppress(OverflowError):
        return time.astimezone(UTC)
    return time.replace(tzinfo=UTC)  # within a day of the calendar's ends


Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]
Cursor = Annotated[
    str,
    Field(
        max_length=600,
        pattern="^[A-Za-z0-9_-]+$",
        description="`next` of the page before",
        json_schema_extra={"format": "cursor"},
    ),
]


class Parameters(BaseModel):
    """Parameters of a request: one that isn't known is refused, since a misspelt filter would filter nothing."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class PageParameters(Parameters):
    """Which page of a table."""

    limit: int = Field(100, ge=1, le=1000, description="rows at most")
    cursor: Cursor | SkipJsonSchema[None] = None


class RangeParameters(PageParameters):
    """Which page of which range of a table."""

    start: Moment | SkipJsonSchema[None] = Field(None, alias="from", description="first hour or day, UTC")
    end: Moment | SkipJsonSchema[None] = Field(None, alias="to", description="hour or day before which to stop, UTC")

    def model_post_init(self, _context: Any) -> None:
        """Refuse a range that holds nothing."""
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ApiError(400, "from: must be before to, which is not included")
