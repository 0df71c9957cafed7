"""Figures and names as people read them, the same on pages, terminals, plots and in messages.

What belongs here: how one figure is written. What does not: tables, JSON and files, which keep it as it is. Imports
nothing but the standard library, so that any part of the project may write this way.
"""

import math

NOTHING = "\N{EN DASH}"
_SIZES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_TIMEFRAMES = {"24h": "24 hours", "7d": "7 days", "1m": "1 month"}


def price(value: float | None) -> str:
    """A price in USD with as many digits as tell something: 107,544 and 3,542.5 and 0.01234."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value <= 0:
        return f"{value:g}"
    digits = max(0, 4 - math.floor(math.log10(value)))
    return f"{value:,.{min(digits, 12) if value < 10_000 else 0}f}"


def usd(value: float | None) -> str:
    """An amount in USD: $1.24B."""
    return NOTHING if value is None else f"${_shortened(value, 3, 1e3)}"


def number(value: float | None, digits: int = 4) -> str:
    """Any number with so many digits that count: 1.068, 114,620, and from a million on 3.786B, never an exponent."""
    return NOTHING if value is None else _shortened(value, digits, 1e6)


def metric(name: str, value: float) -> str:
    """A metric that a picture shows, by its name and value: prices as prices are written."""
    return price(value) if name == "price" else number(value)


def strength(value: float, share: float, *, in_unit: bool) -> str:
    """How strong a level is: 8.91M of the chart's own unit, or where that isn't known 0.93 of the chart's strongest."""
    return number(value, 3) if in_unit else f"{share:.2f}"


def timeframe(name: str) -> str:
    """How long an outcome is waited for, by its name in the tables: 24 hours, 7 days, 1 month."""
    return _TIMEFRAMES[name]


def _shortened(value: float, digits: int, least: float) -> str:
    """A number rounded to so many digits that count, with K, M, B or T from `least` on."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    # Rounded first: 999,960 with four digits is 1M and not 1,000K. Digits before the point always stay.
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places if abs(value) >= least else max(0, places))
    for size, letter in _SIZES:
        if size >= least and abs(rounded) >= size:
            return f"{rounded / size:,.{max(digits, 6)}g}{letter}"
    return f"{rounded:,.{max(0, min(places, 15))}f}".rstrip("0").rstrip(".") if places > 0 else f"{rounded:,.0f}"
