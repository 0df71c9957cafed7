"""Distribution charts of one symbol: bars of both sides over price, with the two shares in words.

What belongs here: the shares, by text, by the bar that shows them and by the bars' area; the current price. What does
not: the charts of many symbols (`distribution.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

import cv2
import numpy as np

from cryptopattern_pipelines.reading.axes import fit_axis
from cryptopattern_pipelines.reading.bars import BarTable, find_share_bar, sides_of
from cryptopattern_pipelines.reading.lines import TextLine, text_lines
from cryptopattern_pipelines.reading.liquidation_map import price_range_under
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import channel_max, channel_min, distance_from, runs_of
from cryptopattern_pipelines.reading.printed_numbers import Number, parse_number, writes_decimal_comma
from cryptopattern_pipelines.reading.row_texts import ink_of_text
from cryptopattern_pipelines.reading.shares import Method, ShareReading

_NUMBER = r"(100(?:[.,]0)?|\d{1,2}[.,]\d)9?"  # a % may have been read as a 9: the sum tells
_SHARES = (
    re.compile(rf"ongs?\W{{0,4}}{_NUMBER}(?!\d)", re.IGNORECASE),
    re.compile(rf"(?<![\d.,]){_NUMBER}\s?\S?\s?\w?ongs?\b", re.IGNORECASE),
    re.compile(rf"hor\w{{0,3}}\W{{0,4}}{_NUMBER}(?!\d)", re.IGNORECASE),
    re.compile(rf"(?<![\d.,]){_NUMBER}\s?\S?\s?\w?hor\w{{0,3}}\b", re.IGNORECASE),
)
_MOST_CROPS = 4  # rows of text that are read again for the shares
_LIKE_A_SLASHED_ZERO = "689"
_PRICE = re.compile(r"\b(?:c\w{3,6}t\s?[a-z]{3,7}|price)\W{0,3}(?P<number>[\d.,]*\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Histogram:
    """What such a chart shows; `error` says in one line why the shares are missing, None where they are not."""

    reading: ShareReading | None = None
    current_price: float | None = None
    error: str | None = None


def read_histogram(picture: np.ndarray, words: Sequence[Word], engine: Engine) -> Histogram:
    """Shares and current price of a distribution chart of one symbol; the reading bears no symbol.

    `picture` is RGB, uint8; `words` are all of its words.
    """
    lines = text_lines(words, gap=4, join=True)
    decimal_comma = writes_decimal_comma(word.text for word in words)
    price = _current_price(picture, lines, engine, decimal_comma)
    bar = find_share_bar(picture)
    text = _shares_in([line.text for line in lines])
    if text is None:
        text = _shares_again(picture, lines, bar, engine)
    reading = _settled(text, bar, _long_area(picture))
    missing = "no shares stand on the chart, and no bars of two colours were found"
    return Histogram(reading, price, None if reading else missing)


def _settled(text: float | None, bar: BarTable | None, area: float | None) -> ShareReading | None:
    """What text, share bar and area say together: the bar counts where the text disagrees, the area where both lack."""
    if bar is not None:
        measured = bar.bars[0]
        distance = None if text is None else abs(text - measured.long_pct)
        if text is not None and distance is not None and distance <= measured.error + 0.2:
            return _reading(text, "both", 0.99, distance)
        return _reading(round(measured.long_pct, 1), "bar", 0.7 if text is None else 0.6, distance)
    if text is not None:
        distance = None if area is None else abs(text - area)
        return _reading(text, "text", 0.95 if distance is None or distance < 8 else 0.8, distance)
    return None if area is None else _reading(round(area, 1), "area", 0.6, None)


def _reading(long_pct: float, method: Method, confidence: float, distance: float | None) -> ShareReading:
    agreement = None if distance is None else round(distance, 3)
    return ShareReading(None, long_pct, round(100 - long_pct, 1), method, confidence, agreement=agreement)


def _shares_in(texts: Sequence[str]) -> float | None:
    """The long share that a text says, if the short share stands there too and the two sum to 100."""
    for text in texts:
        long_a, long_b, short_a, short_b = ([float(x.replace(",", ".")) for x in way.findall(text)] for way in _SHARES)
        for long_pct in long_a + long_b:
            for short_pct in short_a + short_b:
                if abs(long_pct + short_pct - 100) < 0.05:
                    return long_pct
    return None


def _shares_again(picture: np.ndarray, lines: Sequence[TextLine], bar: BarTable | None, engine: Engine) -> float | None:
    """The long share from the lines that seem to speak of shares, and from the share bar, read again enlarged."""
    crops = []
    for left, top, right, bottom in _speaking_of_shares(lines)[:_MOST_CROPS]:
        margin, reach = max(2, (bottom - top) // 3), 12 * (bottom - top)  # the other side's share stands beside it
        part = picture[max(0, top - margin) : bottom + margin, max(0, left - reach) : right + reach]
        crops += [part, ink_of_text(part), channel_max(part), distance_from(part, np.median(part, axis=(0, 1)))]
    text = _shares_in([line.text for line in engine.lines(crops)])
    if text is not None or bar is None:
        return text
    top, bottom = bar.bars[0].top, bar.bars[0].bottom
    first, last = int(np.ceil(bar.left)) + 1, int(bar.right) - 1
    boundary = round((last - first) * bar.bars[0].long_pct / 100)
    strip = picture[top + 1 : bottom - 1, first:last]
    for channel in (ink_of_text(strip), channel_min(strip), channel_max(strip)):
        halves = [_with_text(part) for part in (channel[:, : boundary - 2], channel[:, boundary + 2 :])]
        text = _shares_in([" ".join(line.text for line in engine.lines(halves))])
        if text is not None:
            return text
    return None


def _speaking_of_shares(lines: Sequence[TextLine]) -> list[tuple[int, int, int, int]]:
    """Boxes of the rows of text that seem to name longs or shorts, those parts taken together that stand near."""
    boxes: list[tuple[int, int, int, int]] = []
    for line in lines:
        if not re.search(r"ong|\bsh|hor", line.text, re.IGNORECASE) or line.height < 5:
            continue
        left, top, right, bottom = line.left, line.top, line.right, line.bottom
        for other in lines:
            level = abs(other.top + other.bottom - line.top - line.bottom) < 1.2 * line.height
            if level and -8 * line.height < other.left - line.right and other.right - line.left < 24 * line.height:
                left, right = min(left, other.left), max(right, other.right)
                top, bottom = min(top, other.top), max(bottom, other.bottom)
        if (left, top, right, bottom) not in boxes:
            boxes.append((left, top, right, bottom))
    return boxes


def _with_text(part: np.ndarray) -> np.ndarray:
    """The columns of a flat strip on which something stands, with a margin."""
    apart = np.abs(part.astype(np.int16) - np.median(part)).max(axis=0, initial=0)
    columns = np.flatnonzero(apart > 60)
    if columns.size == 0:
        return part
    margin = max(2, part.shape[0] // 2)
    return part[:, max(0, int(columns[0]) - margin) : int(columns[-1]) + margin]


def _long_area(picture: np.ndarray) -> float | None:
    """Percent of the bars' area that has the longs' colour, None where there is too little of both."""
    sides = sides_of(picture)
    joined = cv2.morphologyEx(sides[0] | sides[1], cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    bars = (areas > 0.02 * areas.sum())[labels]  # buttons and legends are smaller
    longs, shorts = (int(np.count_nonzero(side[bars])) for side in sides)
    return 100 * longs / (longs + shorts) if longs + shorts > 0.01 * picture[..., 0].size else None


def _current_price(picture: np.ndarray, lines: Sequence[TextLine], engine: Engine, decimal_comma: bool) -> float | None:
    """The price after `Current Price`, else the number over the dashed line that marks it.

    It must lie on the chart's price axis, where that can be read: small print loses points and zeros.
    """
    axis = _price_range(picture, lines, engine, decimal_comma)
    for texts in _price_texts(picture, lines, engine):
        plain = [text for text in texts if "." in text and texts.count(text) > 2]
        if plain and axis is not None and axis[0] < 0.6 * axis[1]:
            # Not a range that prices have: the other axis was taken for it.
            axis = None
        # Beside labels with decimals a number without has lost its point, unless the axis has a place for it.
        whole = axis is not None or not _usual_places(_labels(lines))
        believed = [text for text in texts if whole or re.search(r"[.,]", text)]
        said = [value for text in believed for value in _meant(text, axis, decimal_comma)]
        best = max(said, key=lambda value: (said.count(value), -said.index(value)), default=None)
        if best is not None and (axis is not None or said.count(best) > 1):
            return best
    return None


def _price_texts(picture: np.ndarray, lines: Sequence[TextLine], engine: Engine) -> Iterator[list[str]]:
    """What may be the current price, each read in several ways; first all that is called so."""
    named = []
    for line in lines:
        match = _PRICE.search(line.text)
        word = next((word for word in line.words if match and word.text.endswith(match["number"])), None)
        if match is not None and word is not None:
            start = word.right - round(word.width * len(match["number"]) / len(word.text))
            named += [match["number"], *_read_again(picture, word, start, engine)]
    yield named
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)
    words = [word for line in lines for word in _whole_numbers(line)]
    numbers = [word for word in words if re.search(r"\d", word.text)]
    for word in words:
        # The line's first dash may have been taken for a part of the number, and garbled it.
        if len(word.text) > 13 or "%" in word.text or _is_label(word, numbers):
            continue
        if _stands_on_dashes(grey, word) or (word in numbers and _ends_dashes(grey, word)):
            yield [word.text, *_read_again(picture, word, word.left, engine)]


def _whole_numbers(line: TextLine) -> list[Word]:
    """A line's words, the parts of a number that was read as two made one."""
    words: list[Word] = []
    for word in line.words:
        last = words[-1] if words else None
        numbers = (
            last is not None and re.fullmatch(r"[\d.,]+", last.text) and re.fullmatch(r"[\dA-Z.,]{1,6}", word.text)
        )
        if last is not None and numbers and word.left - last.right < 0.4 * max(word.height, last.height):
            top, bottom = min(last.top, word.top), max(last.bottom, word.bottom)
            words[-1] = replace(
                last, text=last.text + word.text, top=top, width=word.right - last.left, height=bottom - top
            )
        else:
            words.append(word)
    return words


def _read_again(picture: np.ndarray, word: Word, start: int, engine: Engine) -> list[str]:
    margin = max(2, word.height // 3)
    crop = picture[max(0, word.top - margin) : word.bottom + margin, max(0, start - 2) : word.right + margin]
    above = crop[: round(0.65 * len(crop))]  # without the dashes, where they were taken for a part of the word
    return [line.text for line in engine.lines([crop, channel_max(crop), above], whitelist="0123456789.,")]


def _price_range(
    picture: np.ndarray, lines: Sequence[TextLine], engine: Engine, decimal_comma: bool
) -> tuple[float, float] | None:
    """Least and greatest price of the axis: of the row or column of numbers that lie on one line far from zero.

    The other axis counts from 0. Where words don't tell, the labels under the bars are read by themselves.
    """
    labels = _labels(lines)
    best: tuple[int, float, float] = (4, 0.0, 0.0)
    for group, pixels in _rows_and_columns(labels):
        if len(group) <= best[0]:
            continue
        some = np.linspace(0, len(group) - 1, min(len(group), 16)).round().astype(int).tolist()
        usual = _usual_places(group)
        readings = [_readings(group[i].text, usual, decimal_comma) for i in some]
        axis = fit_axis([pixels[i] for i in some], readings, least=5)
        if axis is None:
            continue
        low, high = sorted((axis.value(min(pixels)), axis.value(max(pixels))))
        if low > 0.25 * high:
            best = (axis.inliers, low, high)
    if best[0] > 4:
        return best[1], best[2]
    return price_range_under(picture, engine, decimal_comma)


def _labels(lines: Sequence[TextLine]) -> list[Word]:
    """The words that are plain numbers."""
    return [word for line in lines for word in line.words if re.fullmatch(r"\d[\d.,]*\d", word.text)]


def _usual_places(labels: Sequence[Word]) -> int:
    """How many decimals most of the labels have that have some; 0 where none has."""
    places = [len(word.text) - word.text.rfind(".") - 1 for word in labels if "." in word.text]
    return max(set(places), key=places.count) if places else 0


def _rows_and_columns(labels: Sequence[Word]) -> list[tuple[list[Word], list[float]]]:
    """Numbers that stand in one row or end in one column, with their places along it; the longest first."""
    groups: list[tuple[list[Word], list[float]]] = []
    for across in (True, False):
        left = sorted(labels, key=lambda word: (word.y if across else word.right, word.left))
        while left:
            start = left[0]
            reach = 0.5 * start.height
            near = [w for w in left if (w.y - start.y if across else w.right - start.right) <= reach]
            left = left[len(near) :]
            near.sort(key=lambda word: word.x if across else word.y)
            groups.append((near, [word.x if across else word.y for word in near]))
    return sorted(groups, key=lambda group: -len(group[0]))


def _readings(text: str, places: int, decimal_comma: bool) -> list[Number]:
    """What a label may say: as it stands, with its point at the usual place, with its first digit a slashed zero."""
    digits = re.sub(r"\D", "", text)
    ways = [text]
    if places and len(digits) > places:
        may_be_zero = len(digits) - places == 1 and digits[0] in _LIKE_A_SLASHED_ZERO
        firsts = (digits[0], "0") if may_be_zero else (digits[0],)
        ways += [f"{first}{digits[1:-places]}.{digits[-places:]}" for first in firsts]
    found = [parse_number(way, decimal_comma=decimal_comma and way == text) for way in ways]
    return list({number.value: number for number in found if number is not None}.values())


def _meant(text: str, axis: tuple[float, float] | None, decimal_comma: bool) -> list[float]:
    """The price that a text says, or must have said to lie on the axis: its point lost, or its first 0 misread."""
    if " " in text or sum(letter.isdigit() for letter in text) < 3:
        return []  # something between the digits, or behind them, wasn't read
    number = parse_number(text, decimal_comma=decimal_comma)
    if axis is None:
        return [number.value] if number is not None else []
    low, high = axis[0] - 0.1 * (axis[1] - axis[0]), axis[1] + 0.1 * (axis[1] - axis[0])
    if number is not None and low <= number.value <= high:
        return [number.value]
    digits = re.sub(r"\D", "", text)
    ways = {digits, "0" + digits[1:]} if digits else set()
    meant = {
        value
        for way in ways
        for place in range(1, len(way))
        if low <= (value := float(f"{way[:place]}.{way[place:]}")) <= high
    }
    return list(meant) if len(meant) == 1 else []


def _is_label(word: Word, numbers: Sequence[Word]) -> bool:
    """Whether a word is one of an axis's labels: three other numbers or more stand in its row or end in its column."""
    reach = 0.4 * word.height
    return any(
        sum(abs(end(other) - end(word)) < reach for other in numbers) > 3
        for end in (attrgetter("y"), attrgetter("right"), attrgetter("left"))
    )


def _stands_on_dashes(grey: np.ndarray, word: Word) -> bool:
    """Whether a dashed vertical line begins right under the middle of a word; bars may stand under its end."""
    top, x, reach = word.bottom + 2, round(word.x), max(2, word.height // 4)
    return _begins_dashed(grey[top : top + 7 * word.height, max(0, x - 3 * reach) : x + 3 * reach + 1], reach)


def _ends_dashes(grey: np.ndarray, word: Word) -> bool:
    """Whether a dashed horizontal line comes from the left to a word's middle, or runs on under it."""
    reach = max(2, word.height // 4)
    before = slice(max(0, word.left - 9 * word.height), max(0, word.left - 2))
    for y in (round(word.y), *range(word.bottom + 2, word.bottom + word.height, 2)):
        if _begins_dashed(grey[max(0, y - 3 * reach) : y + 3 * reach + 1, before].T[::-1], reach):
            return True
    return False


def _begins_dashed(patch: np.ndarray, reach: int) -> bool:
    """Whether a dashed line runs down a patch, 6 times `reach` and 1 wide, within `reach` of its middle, from its top.

    Dashes and gaps are of one length each. Numbers of an axis below each other are as regular, but wider.
    """
    if patch.shape[1] != 6 * reach + 1 or len(patch) < 16:
        return False
    drawn = np.abs(patch - (patch[:, :1] + patch[:, -1:]) / 2) > 25
    line = drawn[:, 2 * reach : 4 * reach + 1].any(axis=1)
    dashes = runs_of(line)
    if len(dashes) < 2:
        return False
    first_is_cut = dashes[0][0] == 0 or dashes[0][1] - dashes[0][0] < dashes[1][1] - dashes[1][0] - 1
    dashes = dashes[first_is_cut:]
    first = dashes[0][1] - dashes[0][0] if dashes else 0
    alike = [abs(b - a - first) <= max(1, 0.3 * first) for a, b in dashes]
    count = alike.index(False) if False in alike else len(alike)
    if count < 2:
        return False
    rows = slice(dashes[0][0], dashes[count - 1][1])
    gaps = [after[0] - before[1] for before, after in pairwise(dashes[:count])]
    beside = np.concatenate([drawn[rows, 1:reach], drawn[rows, -reach:-1]], axis=1)
    regular = max(gaps) - min(gaps) <= max(2, 0.5 * min(gaps)) and 0.3 < line[rows].mean() < 0.9
    return bool(regular and beside.any(axis=1).mean() < 0.3)
