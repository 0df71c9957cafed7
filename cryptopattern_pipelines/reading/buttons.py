"""Buttons in a page's header: the span that is chosen, the market that is shown.

What belongs here: finding small filled boxes and reading what stands on them. What does not: titles (`classify.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cryptopattern_pipelines.reading.classify import Title, market_of
from cryptopattern_pipelines.reading.lines import TextLine, text_lines
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import channel_max

_SPAN = re.compile(r"([1lIiTt]|\d{1,3})\s?(hours?|days?|weeks?|months?|years?|[hdwy])(?:\s?[vy]|\s\d)?", re.IGNORECASE)
_USUAL = {
    "h": (1, 2, 3, 4, 6, 8, 12, 24, 48, 72), "d": (1, 2, 3, 5, 7, 10, 14, 15, 30, 60, 90, 180, 365), "w": (1, 2, 3, 4),
    "m": (1, 2, 3, 4, 6, 9, 12), "y": (1, 2, 3, 4, 5),
}  # fmt: skip
_APART = 6  # least difference of a button's ground from the page's, in any channel
_FULL = 0.85  # least share of its bounding box that a button covers
_SPAN_LETTERS = "0123456789hdwmy"
_SAME = 4  # greatest difference of two buttons of one colour
_LARGEST = 24  # boxes that are read at most


@dataclass(frozen=True)
class Header:
    """What a page's header says beside its title; None where it doesn't."""

    timeframe: str | None = None
    symbol: str | None = None
    venue: str | None = None


@dataclass(frozen=True)
class _Box:
    left: int
    top: int
    width: int
    height: int
    colour: tuple[int, int, int]


def read_header(picture: np.ndarray, title: Title, words: Sequence[Word], engine: Engine) -> Header:
    """Read the header around a title: `picture` is RGB, uint8; `words` are all of its words.

    Of several spans on buttons the one whose button differs from the others' counts; without buttons, a span that
    stands alone counts if it is the only one. Labels like `24h Volume` are no spans: other words stand by them.
    """
    if title.box is None:
        return Header()
    _, top, _, bottom = title.box
    height = max(8, bottom - top)
    first, last = max(0, top - 8 * height), min(picture.shape[0], bottom + 8 * height)
    region = picture[first:last]
    boxes = _filled_boxes(region, height)
    crops = [region[box.top : box.top + box.height, box.left : box.left + box.width] for box in boxes]
    texts = [line.text for line in engine.lines(crops)]
    markets = [market for text in texts if (market := market_of(text))]
    symbol, venue = markets[0] if markets else (None, None)
    # Without its frame, which may be taken for letters; then with the letters alone that short spans have.
    unread = [i for i, box in enumerate(boxes) if box.width < 6 * box.height and parse_span(texts[i]) is None]
    tight = {i: _inside(crops[i]) for i in unread}
    for i, line in zip(unread, engine.lines([tight[i] for i in unread]), strict=True):
        texts[i] = line.text if parse_span(line.text) else texts[i]
    small = [i for i in unread if boxes[i].width < 3.5 * boxes[i].height and parse_span(texts[i]) is None]
    for again in ([crops[i] for i in small], [tight[i] for i in small]):
        for i, line in zip(small, engine.lines(again, whitelist=_SPAN_LETTERS), strict=True):
            said, before = parse_span(line.text), parse_span(texts[i])
            # A digit is lost more easily than made up.
            texts[i] = line.text if said and len(said) > len(before or "") else texts[i]
    spans = [(box, span) for box, text in zip(boxes, texts, strict=True) if (span := parse_span(text))]
    if len(spans) > 1:
        spans = [pair for pair in spans if sum(_alike(pair[0], other) for other, _ in spans) == 1]
    ground = np.median(region[::3, ::3].reshape(-1, 3), axis=0)
    strength = sorted(((float(np.abs(box.colour - ground).max()), span) for box, span in spans), reverse=True)
    if len(spans) == 1 or (len(spans) > 1 and strength[0][0] > 3 * strength[1][0]):
        return Header(strength[0][1], symbol, venue)
    lines = [line for line in text_lines(words, gap=0.9) if first <= line.top < last]
    alone = [line for line in lines if _SPAN.fullmatch(line.text)]
    if spans or len(alone) != 1 or any(_is_button_beside(line, alone[0]) for line in lines):
        return Header(None, symbol, venue)
    return Header(parse_span(alone[0].text), symbol, venue)


def _inside(crop: np.ndarray) -> np.ndarray:
    """A button without the pixels of its edge."""
    edge = max(2, len(crop) // 9)
    return crop[edge:-edge, edge:-edge]


def _is_button_beside(line: TextLine, span: TextLine) -> bool:
    """Whether a short text stands in the row of a span: another button, maybe the chosen one, that wasn't read."""
    level = abs(line.top + line.bottom - span.top - span.bottom) <= max(line.height, span.height)
    apart = max(line.left - span.right, span.left - line.right)
    short = len(line.text) <= 10 and any(letter.isdigit() for letter in line.text)
    return line is not span and level and apart < 8 * span.height and short


def _alike(one: _Box, other: _Box) -> bool:
    return max(abs(a - b) for a, b in zip(one.colour, other.colour, strict=True)) <= _SAME


def parse_span(text: str) -> str | None:
    """A text that is a span and nothing else, brought to one form: `24h`, `7d`, `1 week`; None where it is none.

    The mark of a box that opens may stand behind it, and a 1 may have been read as a letter.
    """
    match = _SPAN.fullmatch(re.sub(r"[^A-Za-z0-9]+", " ", text).strip())
    if match is None:
        return None
    number, unit = re.sub("[lIiTt]", "1", match[1]), match[2]
    if number == "36" and unit == "d":
        number = "30"  # a slashed zero
    if not number.isdecimal() or int(number) not in _USUAL[unit[0].lower()]:
        return None
    return f"{number}{unit}" if len(unit) == 1 else f"{number} {unit.lower()}"


def _filled_boxes(region: np.ndarray, height: int, depth: int = 0) -> list[_Box]:
    """Filled boxes that stand out from their row's ground, of a size that buttons beside a title of that height have.

    Wide ones are looked into once: a row of buttons often shares a ground on which the chosen one stands out.
    """
    ground = np.median(region, axis=1).astype(np.int16)[:, None]
    apart = (channel_max(np.abs(region.astype(np.int16) - ground)) > _APART).astype(np.uint8)
    # Letters' blurred edges pass through the page's colour: on large buttons they leave holes.
    closed = cv2.morphologyEx(apart, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    found: list[_Box] = []
    half, third = height // 2, height // 3
    # An even and an odd size leave other edges of a button that is little higher than its letters.
    for mask, size in ((apart, half), (apart, third), (closed, half), (apart, half + 1), (apart, third + 1)):
        # Letters are thinner than buttons are high: opening leaves the buttons alone.
        filled = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((max(3, size), max(3, size)), np.uint8))
        outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            left, top, wide, high = cv2.boundingRect(outline)
            if not (0.7 * height <= high <= 3.5 * height and high <= wide <= 24 * height):
                continue
            if cv2.contourArea(outline) < _FULL * (wide - 1) * (high - 1):
                continue
            if any(abs(left - other.left) + abs(top - other.top) < height for other in found):
                continue
            inner = region[top : top + high, left : left + wide]
            colour = np.median(inner.reshape(-1, 3), axis=0)
            # Strong colours ring and bleed where they end.
            contrast = float(np.abs(colour - ground[top + high // 2, 0]).max())
            alike = np.abs(inner - colour).max(axis=2) <= max(2 * _APART, 0.16 * contrast)
            edge = max(3, high // 8) if contrast > 60 else max(2, high // 10)
            end = high // 3  # without the rounded corners
            sides = (
                alike[edge, end:-end],
                alike[-edge - 1, end:-end],
                alike[end:-end, edge],
                alike[end:-end, -edge - 1],
            )
            if min(side.mean() for side in sides) < 0.7:
                continue
            found.append(_Box(left, top, wide, high, (int(colour[0]), int(colour[1]), int(colour[2]))))
            if wide > 4 * high and depth == 0:
                found += [
                    _Box(left + box.left + 2, top + box.top + 2, box.width, box.height, box.colour)
                    for box in _filled_boxes(inner[2:-2, 2:-2], height, 1)
                ]
    return sorted(found, key=lambda box: (box.top // height, box.left))[:_LARGEST]
