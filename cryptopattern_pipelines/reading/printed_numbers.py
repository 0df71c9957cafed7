"""Printed numbers -> values.

What belongs here: how a number is written, signs of decimals and thousands. What does not: units and signs of metrics
(`metrics.py`), where numbers stand (`tick_labels.py`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NUMBER_CHARACTERS = "0123456789.,KMBT$"

_COMMA_WORDS = re.compile(r"Liquidations-|liquidaci|liquida\u00e7", re.IGNORECASE)  # German, Spanish, Portuguese
_POWERS = {"": 0, "K": 3, "M": 6, "B": 9, "T": 12}
_NUMBER = re.compile(r"(\d[\d.,]*\d|\d|[.,]\d+)([KMBT]?)", re.IGNORECASE)
# Groups of thousands, no needless zero in front: a number that begins with one has lost its point in reading.
_WRITTEN = r"[1-9]\d{{0,2}}(?:{t}\d{{3}})+(?:{d}\d+)?|(?:0|[1-9]\d*)(?:{d}\d+)?|{d}\d+"


@dataclass(frozen=True)
class Number:
    """A number as printed: its value, and half a unit of its last digit (what rounding may have hidden)."""

    value: float
    half_unit: float


def writes_decimal_comma(texts: Iterable[str]) -> bool:
    """Whether the page writes 1.234,5: told by numbers that have one reading alone, US style where none has.

    One plain number like `16,1` is not enough: it may be a day and the beginning of a time.
    """
    comma = dot = 0
    for text in texts:
        for match in re.finditer(r"(?<![\d:])\d[\d.,]*\d(?![\d.,:])", text):
            number = match[0]
            last = max(number.rfind(","), number.rfind("."))
            if last < 0:
                continue
            digits, both = len(number) - last - 1, "," in number and "." in number
            # 0,251 and 12,5 can't be thousands; 1.234,5 says it by its two signs.
            small = re.fullmatch(r"0[.,]\d+", number) is not None
            if both or digits != 3 or small:
                marked = text[: match.start()].endswith("$") or text[match.end() :].startswith(
                    ("K", "M", "B", "T", "%")
                )
                weight = 2 if both or small or marked else 1
                comma += weight * (number[last] == ",")
                dot += weight * (number[last] == ".")
    return comma > dot + 1


def parse_number(text: str, *, decimal_comma: bool = False) -> Number | None:
    """The number in a text that holds just one, K, M, B and T multiplied out, None where there is none or doubt.

    A number with a leading zero but no separator has lost its point in reading, so it is refused.
    """
    found = [match for match in _NUMBER.finditer(text.replace(" ", "")) if match[0]]
    if len(found) != 1:
        return None
    digits, suffix = found[0][1], found[0][2].upper()
    usual = (",", ".") if decimal_comma else (".", ",")
    for decimal, thousands in (usual, usual[::-1]):  # 12,5 and 1.234.567 have one reading on any page
        if re.fullmatch(_WRITTEN.format(d=re.escape(decimal), t=re.escape(thousands)), digits):
            break
    else:
        return None
    whole, _, fraction = digits.replace(thousands, "").partition(decimal)
    power = _POWERS[suffix]
    return Number(float(f"{whole or '0'}.{fraction}e{power}"), float(f"5e{power - len(fraction) - 1}"))


def numbers_of(texts: Iterable[str], *, decimal_comma: bool = False) -> list[Number]:
    """The numbers that several readings of one text hold, those that are none left out."""
    numbers = (parse_number(text, decimal_comma=decimal_comma) for text in texts)
    return [number for number in numbers if number is not None]


def is_ambiguous(texts: Sequence[str]) -> bool:
    """Whether texts say other numbers where the decimal sign is the comma than where it is the point."""
    return numbers_of(texts) != numbers_of(texts, decimal_comma=True)


def is_foreign(texts: Iterable[str]) -> bool:
    """Whether words are of a language that writes decimal commas, but not on all of its pages."""
    return any(_COMMA_WORDS.search(text) for text in texts)


def with_lost_points(readings: list[list[Number]]) -> list[list[Number]]:
    """The readings and, for those without a point, what they say if they have lost the one that most labels have.

    So they do where one label was read with a point and without: a point is lost more easily than it is made up.
    """
    decimals = Counter(number.half_unit for several in readings for number in several[:1] if number.half_unit < 0.5)
    unit, count = decimals.most_common(1)[0] if decimals else (0.5, 0)
    if count < max(3, 0.3 * len(readings)):
        unit = next((found for several in readings if (found := _point_lost_once(several)) is not None), 0.5)
        if unit == 0.5:
            return readings
    return [
        [
            *several,
            *(Number(n.value * 2 * unit, unit) for n in several if n.half_unit == 0.5 and n.value * 2 * unit > 0),
        ]
        for several in readings
    ]


def _point_lost_once(several: Sequence[Number]) -> float | None:
    """Half a unit of a number that was read with its point and without, None where none was."""
    plain = {number.value for number in several if number.half_unit == 0.5}
    return next(
        (n.half_unit for n in several if n.half_unit < 0.5 and round(n.value / (2 * n.half_unit)) in plain), None
    )
