"""Dashboards of market metrics: name, value, unit and change of each tile or row.

What belongs here: finding lines of text, binding a value to its label, what the metrics are called. What does not:
how a number is written (`axes.py`).
"""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.axes import Box, channel_max, enlarged, parse_number, writes_decimal_comma
from cryptopattern_pipelines.reading.ocr import Engine, Word

# Label as printed (letters and digits alone) -> the metric's name, and its unit where no sign is printed.
METRICS: dict[str, tuple[str, str | None]] = {
    "price": ("price", "USD"),
    "last price": ("price", "USD"),
    "mark price": ("mark_price", "USD"),
    "index price": ("index_price", "USD"),
    "24h volume": ("volume_24h", "USD"),
    "volume 24h": ("volume_24h", "USD"),
    "24h vol": ("volume_24h", "USD"),
    "volume": ("volume_24h", "USD"),
    "open interest": ("open_interest", "USD"),
    "funding rate": ("funding_rate", "%"),
    "funding": ("funding_rate", "%"),
    "long short ratio": ("long_short_ratio", None),
    "long short": ("long_short_ratio", None),
    "24h liquidation": ("24h_liquidation", "USD"),
    "24h liquidations": ("24h_liquidation", "USD"),
    "liquidation 24h": ("24h_liquidation", "USD"),
    "liquidations": ("liquidations", "USD"),
    "long liquidations": ("long_liquidations", "USD"),
    "short liquidations": ("short_liquidations", "USD"),
    "market cap": ("market_cap", "USD"),
    "fear greed index": ("fear_greed_index", None),
    "fear greed": ("fear_greed_index", None),
    "btc dominance": ("btc_dominance", "%"),
    "rsi 14": ("rsi", None),
    "rsi": ("rsi", None),
    "24h high": ("24h_high", "USD"),
    "24h low": ("24h_low", "USD"),
    "high 24h": ("24h_high", "USD"),
    "low 24h": ("24h_low", "USD"),
    "24h change": ("24h_change", "%"),
    "change 24h": ("24h_change", "%"),
    "basis": ("basis", "%"),
    "circulating supply": ("circulating_supply", None),
}
_CHANGE = re.compile(r"([+-])\s?(\d+[.,]\d+)\s?%")
_SIGNED = re.compile(r"\W*?(-|\+?)\s?(\$?)\s?(-|\+?)(\d[\d.,]*\d|\d)\s?([KMBT]?)\s?(%?)(?![A-Za-z\d]|[.,]\d)")
_DASHES = str.maketrans("\u2212\u2013\u2014", "---")  # minus sign, en dash and em dash: OCR reads minus as any
_INK = 26  # least difference of text from its surroundings
_TALLEST = 60  # pixels of the tallest glyph that is read
_VALUE_CHARACTERS = "0123456789.,KMBT$%+-"


@dataclass(frozen=True)
class Metric:
    """One metric: `value` with K, M, B and T multiplied out, `unit` USD, % or None, `change` in percent, if shown."""

    name: str
    value: float
    unit: str | None
    change: float | None


@dataclass(frozen=True)
class Dashboard:
    """What a dashboard shows; `error` says in one line why nothing was found, None where something was."""

    metrics: tuple[Metric, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class _Text:
    """A line of text: what its own crop was read as, and what the whole page's reading has there."""

    box: Box
    own: str
    page: str


def read_dashboard(picture: np.ndarray, words: Sequence[Word], engine: Engine) -> Dashboard:
    """Every metric whose label is known, top to bottom, left to right.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. A value is reported where its
    readings agree: the whole page's, its own line's, and if these two differ, that line's in four other ways.
    """
    boxes = text_boxes(picture)
    pages = [_words_in(box, words) for box in boxes]
    lines = engine.lines([box.of(picture, 3) for box in boxes])
    texts = [_Text(box, line.text, page) for box, line, page in zip(boxes, lines, pages, strict=True)]
    texts += _runs_outside(words, boxes)
    labels = [(text, metric) for text in texts if (metric := metric_of(text.own) or metric_of(text.page)) is not None]
    if not labels:
        return Dashboard(error="no known metric's name could be read")
    decimal_comma = writes_decimal_comma(text.own for text in texts)
    known = {id(label) for label, _ in labels}
    below = [_in_tile(label, texts, known, below=True) for label, _ in labels]
    beside = [_in_tile(label, texts, known, below=False) for label, _ in labels]
    tiles = sum(bool(b) and not a for b, a in zip(below, beside, strict=True))
    rows = sum(bool(a) and not b for b, a in zip(below, beside, strict=True))
    places = [b or a if tiles >= rows else a or b for b, a in zip(below, beside, strict=True)]
    metrics: dict[str, Metric] = {}
    for (_, (name, unit)), place in zip(labels, places, strict=True):
        number = _agreed(picture, place[0], engine, decimal_comma) if place and name not in metrics else None
        if number is not None:
            metrics[name] = Metric(name, number[0], number[1] or unit, _change(place, decimal_comma))
    if not metrics:
        return Dashboard(error="no value could be read with certainty")
    return Dashboard(tuple(metrics.values()))


def text_boxes(picture: np.ndarray) -> list[Box]:
    """Boxes of the lines of text: ink that stands out from its surroundings, glyphs closer than a word's gap joined."""
    height, width = picture.shape[:2]
    around = cv2.resize(picture, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.medianBlur(around, 15), (width, height), interpolation=cv2.INTER_LINEAR)
    ink = (channel_max(cv2.absdiff(picture, around)) > _INK).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    joined = np.zeros((height, width), np.uint8)
    for left, top, across, down, area in stats[1:count].tolist():
        if down <= _TALLEST and across <= 3 * _TALLEST and area >= 2:
            reach = 1 + round(0.42 * max(down, min(8, across)))
            cv2.rectangle(joined, (left - reach, top), (left + across - 1 + reach, top + down - 1), 1, cv2.FILLED)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    boxes = []
    for left, top, across, down, _ in stats[1:count].tolist():
        if 5 <= down <= _TALLEST and across >= 1.3 * down:
            reach = round(0.3 * down)
            boxes.append(Box(max(0, left + reach), top, min(width, left + across - reach), top + down))
    return boxes


def _words_in(box: Box, words: Sequence[Word]) -> str:
    """The page's words whose middles lie in a box, from left to right."""
    inside = [w for w in words if box.left - 4 <= w.x <= box.right + 4 and box.top - 3 <= w.y <= box.bottom + 3]
    return " ".join(word.text for word in sorted(inside, key=lambda word: word.left))


def metric_of(text: str) -> tuple[str, str | None] | None:
    """Name and usual unit of the metric that a label means, None where it is none that is known."""
    plain = re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
    if plain in METRICS:
        return METRICS[plain]
    if len(plain) < 6:
        return None
    near = difflib.get_close_matches(plain, METRICS, n=2, cutoff=0.85)
    # Long and short, high and low are near in letters only.
    meant = {
        METRICS[name] for name in near if set(re.findall(r"\b(?:long|short|high|low)\b", name)) <= set(plain.split())
    }
    return meant.pop() if len(meant) == 1 else None


def _runs_outside(words: Sequence[Word], boxes: Sequence[Box]) -> list[_Text]:
    """Words of the page's reading that stand in no box (a watermark lies over them), joined to lines of text."""
    rest = [w for w in words if not any(b.left <= w.x <= b.right and b.top <= w.y <= b.bottom for b in boxes)]
    runs: list[list[Word]] = []
    for word in sorted(rest, key=lambda word: (word.line, word.left)):
        last = runs[-1][-1] if runs else None
        if last is not None and last.line == word.line and word.left - last.right <= last.height:
            runs[-1].append(word)
        else:
            runs.append([word])
    return [
        _Text(
            Box(run[0].left, min(w.top for w in run), run[-1].right, max(w.bottom for w in run)),
            "",
            " ".join(w.text for w in run),
        )
        for run in runs
    ]


def _in_tile(label: _Text, texts: Sequence[_Text], known: set[int], *, below: bool) -> list[_Text]:
    """The label's value and what follows it, as far as the next label: below it with the same left edge, or beside it.

    Empty where the nearest text is no value.
    """
    box, height = label.box, label.box.height
    if below:
        near = [
            text
            for text in texts
            if 0 < text.box.y - box.y <= 9 * height
            and abs(text.box.left - box.left) <= 2.2 * height
            and text is not label
        ]
        near.sort(key=lambda text: text.box.top)
    else:
        near = [
            text
            for text in texts
            if abs(text.box.y - box.y) <= 0.6 * max(height, text.box.height) and text.box.left > box.right
        ]
        near.sort(key=lambda text: text.box.left)
    found: list[_Text] = []
    for text in near:
        if id(text) in known:
            break
        found.append(text)
    if not found or not _looks_like_value(found[0]) or (below and found[0].box.y - box.y > 5 * height):
        return []
    return found[:3]


def _looks_like_value(text: _Text) -> bool:
    return bool(re.search(r"\d", text.own + text.page)) and not re.search(r"[A-Za-z]{4,}", text.own)


def parse_value(text: str, *, decimal_comma: bool = False) -> tuple[float, str | None] | None:
    """The value at a text's beginning and the unit that its signs say: USD, % or None."""
    match = _SIGNED.match(text.translate(_DASHES))
    if match is None:
        return None
    number = parse_number(match[4] + match[5], decimal_comma=decimal_comma)
    if number is None:
        return None
    sign = -1.0 if "-" in match[1] + match[3] else 1.0
    return sign * number.value, "USD" if match[2] else "%" if match[6] else None


def _agreed(picture: np.ndarray, value: _Text, engine: Engine, decimal_comma: bool) -> tuple[float, str | None] | None:
    """The value that at least two readings of its line give and more than twice as many as give others, else None."""
    texts = [value.own, value.page]
    first = parse_value(value.own, decimal_comma=decimal_comma)
    if first is None or first != parse_value(value.page, decimal_comma=decimal_comma):
        crop = value.box.of(picture, 3)
        crops = [cv2.resize(crop, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR), value.box.of(picture, 5)]
        crops += [enlarged(crop, 0.1), enlarged(crop, 0.3)]
        texts += [line.text for line in engine.lines(crops, whitelist=_VALUE_CHARACTERS)]
    read = [parsed for text in texts if (parsed := parse_value(text, decimal_comma=decimal_comma)) is not None]
    counted = Counter(read).most_common(1)
    if not counted or counted[0][1] < 2 or counted[0][1] <= 2 * (len(read) - counted[0][1]):
        return None
    return counted[0][0]


def _change(tile: Sequence[_Text], decimal_comma: bool) -> float | None:
    """The change in percent that stands behind a value or in the line after it, with its sign.

    A change without a decimal sign has lost it in reading, so it is left out.
    """
    # The value itself may be signed and in percent: what is left of its line when it is taken off.
    readings = [_SIGNED.sub("", text.translate(_DASHES), count=1) for text in (tile[0].own, tile[0].page)]
    readings += [text.translate(_DASHES) for line in tile[1:2] for text in (line.own, line.page)]
    for reading in readings:
        match = _CHANGE.search(reading)
        if match is not None:
            number = parse_number(match[2], decimal_comma=decimal_comma)
            if number is not None:
                return number.value if match[1] == "+" else -number.value
    return None
