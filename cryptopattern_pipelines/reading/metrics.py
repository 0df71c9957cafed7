"""Market metrics as text: what labels mean, how values and changes are written.

What belongs here: names, units, signs, ranges. What does not: where labels and values stand (`dashboard.py`), how
digits are grouped (`axes.py`).
"""

import difflib
import functools
import re
from dataclasses import dataclass

from cryptopattern_pipelines.reading.printed_numbers import parse_number

# Label as printed (letters and digits, the span of time taken out) -> the metric's name and its unit where no sign is
# printed. `{}` stands for the span where it is part of the name; `*` after it: only labels that say a span are meant.
_NAMES: dict[str, tuple[str, str | None]] = {
    "price": ("price", "USD"),
    "last price": ("price", "USD"),
    "current price": ("price", "USD"),
    "mark price": ("mark_price", "USD"),
    "mark": ("mark_price", "USD"),
    "index price": ("index_price", "USD"),
    "index": ("index_price", "USD"),
    "volume": ("volume_{}", "USD"),
    "vol": ("volume_{}", "USD"),
    "trading volume": ("volume_{}", "USD"),
    "volume usd": ("volume_{}", "USD"),
    "volume usdt": ("volume_{}", "USD"),
    "vol usdt": ("volume_{}", "USD"),
    "turnover": ("volume_{}", "USD"),
    "open interest": ("open_interest", "USD"),
    "total open interest": ("open_interest", "USD"),
    "open interest usd": ("open_interest", "USD"),
    "open interest usdt": ("open_interest", "USD"),
    "oi": ("open_interest", "USD"),
    "funding rate": ("funding_rate", "%"),
    "funding": ("funding_rate", "%"),
    "funding countdown": ("funding_rate", "%"),
    "funding rate countdown": ("funding_rate", "%"),
    "long short ratio": ("long_short_ratio", None),
    "long short": ("long_short_ratio", None),
    "l s ratio": ("long_short_ratio", None),
    "ls ratio": ("long_short_ratio", None),
    "liquidation": ("{}_liquidation", "USD"),
    "liquidations": ("{}_liquidation", "USD"),
    "total liquidation": ("{}_liquidation", "USD"),
    "total liquidations": ("{}_liquidation", "USD"),
    "rekt": ("{}_liquidation*", "USD"),
    "long liquidations": ("{}_long_liquidations", "USD"),
    "long liquidation": ("{}_long_liquidations", "USD"),
    "longs liquidated": ("{}_long_liquidations", "USD"),
    "long rekt": ("{}_long_liquidations", "USD"),
    "short liquidations": ("{}_short_liquidations", "USD"),
    "short liquidation": ("{}_short_liquidations", "USD"),
    "shorts liquidated": ("{}_short_liquidations", "USD"),
    "short rekt": ("{}_short_liquidations", "USD"),
    "market cap": ("market_cap", "USD"),
    "total market cap": ("market_cap", "USD"),
    "fear greed index": ("fear_greed_index", None),
    "fear greed": ("fear_greed_index", None),
    "btc dominance": ("btc_dominance", "%"),
    "bitcoin dominance": ("btc_dominance", "%"),
    "rsi": ("rsi", None),
    "rsi 14": ("rsi", None),
    "high": ("{}_high*", "USD"),
    "low": ("{}_low*", "USD"),
    "change": ("{}_change*", "%"),
    "basis": ("basis", "%"),
    "circulating supply": ("circulating_supply", None),
}
# Names without a span that are not the template with the usual span in it.
_WITHOUT_SPAN = {
    "{}_liquidation": "liquidations",
    "{}_long_liquidations": "long_liquidations",
    "{}_short_liquidations": "short_liquidations",
}
# What a metric can be at least and at most: a sign read as a digit makes 40.01 % of +0.01 %, a B read as 8 makes 4.258
# of 4.25B.
_RANGES = {
    "open_interest": (1_000.0, 1e15),
    "volume_24h": (1_000.0, 1e15),
    "market_cap": (1_000.0, 1e15),
    "funding_rate": (-5.0, 5.0),
    "long_short_ratio": (0.01, 100.0),
    "fear_greed_index": (0.0, 100.0),
    "btc_dominance": (0.0, 100.0),
    "rsi": (0.0, 100.0),
    "basis": (-50.0, 50.0),
}
_NEVER_NEGATIVE = re.compile(
    r"price$|^volume|open_interest$|market_cap$|_ratio$|_high$|_low$|supply$|dominance$|liquidations?$|index$|^rsi$"
)
_SPAN = re.compile(r"\b(\d{1,2}|2an?)\s?(h|n|hr|hrs|hour|hours|d|day|days)\b|\b2a[hn]\b")
_OPPOSITES = re.compile(r"\b(?:longs?|shorts?|high|low)\b")

_DASHES = str.maketrans("\u2212\u2013\u2014", "---")  # minus sign, en dash and em dash: OCR reads minus as any
_MONEY = r"\$|US\$|USDT?"
_VALUE = re.compile(
    rf"[^\w$+(-]*(?P<open>\()?\s?(?P<sign>[+-]?)\s?(?P<before>(?:{_MONEY})?)\s?(?P<sign2>[+-]?)\s?(?P<number>\d[\d.,]*\d|\d)"
    rf"(?:\s?(?P<power>[KMBTkb])n?(?=USD|[^A-Za-z\d]|$))?(?:\s?(?P<after>%|\$(?!\s?\d)|USD[TC]?\b))?\s?(?P<close>\))?"
    rf"(?![A-Za-z\d]|[.,:]\d)",
)
# What goes on with digits has been read in parts, unless it is a change without a sign.
_GOES_ON = re.compile(r"[.,:;'\s]*\d(?!\d*[.,]\d+\s?%)")
_CHANGE = re.compile(r"(?P<sign>[+-]?)\s?(?<![\d.,])(?P<number>\d+[.,]\d+)\s?%")


@dataclass(frozen=True)
class MetricReading:
    """One metric of a dashboard: K, M, B and T multiplied out; unit USD, % or None; change in percent, if shown."""

    name: str
    value: float
    unit: str | None
    change: float | None


@dataclass(frozen=True)
class Value:
    """A value as printed: K, M, B and T multiplied out; `unit` USD, % or None as its signs say; what follows it.

    `signed` and `pointed` say whether it has a sign and a decimal one.
    """

    number: float
    unit: str | None
    signed: bool
    pointed: bool
    rest: str


@functools.lru_cache(4096)
def metric_of(text: str) -> tuple[str, str | None] | None:
    """Name and usual unit of the metric that a label means, None where it is none that is known."""
    plain = re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
    spans = _SPAN.findall(plain)
    span = _span(_SPAN.search(plain)) if len(spans) == 1 else None
    base = re.sub(r"\s+", " ", _SPAN.sub(" ", plain)).strip() if span else plain
    if base in _NAMES:
        return _named(base, span)
    # An icon before a label is read as a letter; not so the beginning of `OI / Market Cap` or of `1h Liquidations`.
    shorter = re.sub(r"^\w ", "", base)
    if shorter in _NAMES and "/" not in text and (span or "{}" not in _NAMES[shorter][0]):
        return _named(shorter, span)
    if len(base) < 6:
        return None
    near = difflib.get_close_matches(base, _NAMES, n=3, cutoff=0.85)
    # Long and short, high and low are near in letters only.
    meant = {
        _named(name, span)
        for name in near
        if set(_OPPOSITES.findall(name)) <= set(base.split()) and _alike_by_word(name.split(), base.split())
    }
    return meant.pop() if len(meant) == 1 else None


def _alike_by_word(one: list[str], other: list[str]) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(difflib.SequenceMatcher(None, a, b).ratio() >= 0.6 for a, b in pairs)


def _span(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    number = match[1] if match[1] and match[1].isdigit() else "24"
    return f"{number}{'d' if (match[2] or '').startswith('d') else 'h'}"


def _named(base: str, span: str | None) -> tuple[str, str | None] | None:
    template, unit = _NAMES[base]
    needs_span = template.endswith("*")
    template = template.rstrip("*")
    if span is None and needs_span:
        return None
    if span is None:
        return _WITHOUT_SPAN.get(template, template.format("24h")), unit
    return template.format(span), unit


@functools.lru_cache(4096)
def is_label(text: str) -> bool:
    """Whether a text is a known metric's label letter by letter, and nothing else."""
    plain = re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
    base = re.sub(r"\s+", " ", _SPAN.sub(" ", plain)).strip()
    return base in _NAMES and _named(base, _span(_SPAN.search(plain))) is not None


@functools.lru_cache(4096)
def is_nearly_known(base: str) -> bool:
    """Whether a label is so near to a known one that it may be that one misread."""
    words = re.sub(r"[^a-z]*\d[a-z\d]*|[^a-z]+", " ", base.lower()).strip()
    return bool(difflib.get_close_matches(words, _NAMES, n=1, cutoff=0.7))


def name_of(label: str) -> str:
    """The name of a metric that isn't known: its label in small letters, other characters made underscores."""
    words = re.sub(r"[^a-z0-9]+", " ", label.lower()).split()
    return "_".join("oi" if word in ("ol", "o1", "01", "0l", "0i") else word for word in words)


def can_be_negative(name: str) -> bool:
    """Whether a metric can lie below zero: rates, changes, differences."""
    return _NEVER_NEGATIVE.search(name) is None


def is_possible(name: str, value: Value) -> bool:
    """Whether a metric can have that value, and a rate or a change its decimal sign, which is lost easily."""
    low, high = _RANGES.get(name, (-float("inf"), float("inf")))
    pointed = value.pointed or value.number == 0 or not (name.endswith("_change") or name in ("funding_rate", "basis"))
    return low <= value.number <= high and pointed and (not name.endswith("price") or value.number > 0)


def plain_dashes(text: str) -> str:
    """A text in which minus signs and dashes are hyphens."""
    return text.translate(_DASHES)


def parse_value(text: str, *, decimal_comma: bool = False) -> Value | None:
    """The value at a text's beginning, None where there is none. A value in brackets is negative."""
    text = plain_dashes(text)
    match = _VALUE.match(text)
    if match is None or (match["open"] and not match["close"]):
        return None
    number = parse_number(match["number"] + (match["power"] or ""), decimal_comma=decimal_comma)
    if number is None:
        return None
    if _GOES_ON.match(text[match.end() :]):
        return None
    sign = match["sign"] or match["sign2"]
    unit = "%" if match["after"] == "%" else "USD" if match["before"] or match["after"] else None
    bracketed = bool(match["open"]) and not sign and unit != "%"
    value = -number.value if sign == "-" or bracketed else number.value
    return Value(
        value,
        unit,
        bool(sign) or bracketed,
        "." in match["number"] or "," in match["number"],
        text[match.end() :].strip(),
    )


def parse_change(text: str, *, decimal_comma: bool = False) -> tuple[float, str] | None:
    """The last change in percent in a text: its size, and its sign as printed (`+`, `-` or '').

    A change without a decimal sign has lost it in reading, so it is left out.
    """
    matches = list(_CHANGE.finditer(plain_dashes(text)))
    if not matches:
        return None
    number = parse_number(matches[-1]["number"], decimal_comma=decimal_comma)
    return None if number is None else (number.value, matches[-1]["sign"])
