"""Dashboards of market metrics: name, value, unit and change of each tile or row.

What belongs here: where texts stand, binding values and changes to labels, reading values twice. What does not: what
labels and values say (`metrics.py`), how digits are grouped (`axes.py`).
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cryptopattern_pipelines.reading.glyphs import ink_of, joined, text_box
from cryptopattern_pipelines.reading.lines import close_words
from cryptopattern_pipelines.reading.metrics import (
    MetricReading,
    Value,
    can_be_negative,
    is_nearly_known,
    is_possible,
    metric_of,
    name_of,
    parse_value,
)
from cryptopattern_pipelines.reading.ocr import Engine, Line, Word
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.printed_numbers import writes_decimal_comma
from cryptopattern_pipelines.reading.signs import Signs, is_filled
from cryptopattern_pipelines.reading.tick_labels import enlarged

_TALLEST = 60  # pixels of the tallest glyph that is read
_VALUE_CHARACTERS = "0123456789.,KMBT$%+-"
_LEAST_KNOWN = 3  # tiles with a known label that it takes to believe one with an unknown label


@dataclass(frozen=True)
class Dashboard:
    """What a dashboard shows; `error` says in one line why nothing was found, None where something was.

    `rows` counts the metrics that stand in each row, top to bottom.
    """

    metrics: tuple[MetricReading, ...] = ()
    rows: tuple[int, ...] = ()
    error: str | None = None


@dataclass(eq=False)
class _Text:
    """A line of text: what the whole page's reading has there (surely?), and what its own crop was read as.

    `after` is the text that it was parted from, if it is a value's rest.
    """

    box: Box
    page: str
    sure: bool
    own: str = ""
    words: tuple[Word, ...] = ()
    after: "_Text | None" = None

    @property
    def readings(self) -> tuple[str, ...]:
        """What was read, the page's first."""
        return tuple(text for text in (self.page, self.own) if text)


def read_dashboard(picture: np.ndarray, words: Sequence[Word], engine: Engine) -> Dashboard:
    """Every metric whose label is known, and those of the same tiles whose label isn't, top to bottom, left to right.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. A value is reported where its
    readings agree: the whole page's, its own line's, and if these two differ, that line's in four other ways.
    """
    texts = _texts(picture, words)
    _read_again(picture, texts, engine)
    labels = [text for text in texts if _known(text)]
    if not labels:
        return Dashboard(error="no known metric's name could be read")
    comma = writes_decimal_comma(reading for text in texts for reading in text.readings[-1:])
    texts = [part for text in texts for part in _parted(text, comma)]
    values = [text for text in texts if text not in labels and _value(text, comma) is not None]
    others = [text for text in texts if text not in labels and text not in values and _looks_like_label(text)]
    pairs = [
        (label, value)
        for label, value in _paired(labels, others, values)
        if (_known(label) or _is_sure(picture, label, engine)) and not _touches(value, texts)
    ]
    bound = {id(value) for _, value in pairs}
    free = [text for text in texts if id(text) not in bound]
    places = _changes(free, [value for _, value in pairs], [*labels, *others])
    signs = Signs(picture, engine, comma)
    signs.learn(place.box for place in places.values())
    metrics: dict[str, MetricReading] = {}
    rows: Counter[int] = Counter()
    # One pitch for all: labels of one row differ in height by their letters' descenders.
    pitch = max(8.0, 2 * float(np.median([label.box.height for label, _ in pairs]))) if pairs else 8.0
    for label, value in sorted(pairs, key=lambda pair: (round(pair[0].box.y / pitch), pair[0].box.left)):
        name, usual = _known(label) or (name_of(label.page or label.own), None)
        read = None if name in metrics else _agreed(picture, value, engine, comma, name)
        if read is None:
            continue
        place = places.get(id(value))
        change = None if place is None else signs.change(place.box, place.readings)
        number, unit = read.number, read.unit or usual
        # An arrow before a price tells of its change.
        if not read.signed and can_be_negative(name) and signs.mark(value.box)[0] == "-":
            number = -number
        if name.endswith("_change") and change is not None and unit != "%":
            number, unit, change = change, "%", None  # `-1,234.5 -1.81%`: the change of the price, then in percent
        elif name.endswith("_change") and not read.signed and number > 0:
            number = -number if signs.colour(value.box) == "-" else number
        metrics[name] = MetricReading(name, number, unit, change)
        rows[round(label.box.y / pitch)] += 1
    if not metrics:
        return Dashboard(error="no value could be read with certainty")
    return Dashboard(tuple(metrics.values()), tuple(count for _, count in sorted(rows.items())))


def _known(text: _Text) -> tuple[str, str | None] | None:
    """The metric that a label means; what the page's reading was not sure of counts only without another."""
    if text.sure:
        return metric_of(text.page) or metric_of(text.own)
    return metric_of(text.own or text.page)


def _value(text: _Text, comma: bool) -> Value | None:
    found = (parse_value(reading, decimal_comma=comma) for reading in text.readings)
    return next((value for value in found if value is not None and not re.search(r"[A-Za-z]{4,}", value.rest)), None)


def _looks_like_label(text: _Text) -> bool:
    read = text.page if text.sure else text.own
    return re.search(r"[A-Za-z]{3}", read) is not None and len(read) <= 40


def _is_sure(picture: np.ndarray, label: _Text, engine: Engine) -> bool:
    """Whether two readings give the same name to a label that isn't known, and it isn't a known one misread."""
    names = [name_of(reading) for reading in (label.page if label.sure else "", label.own) if reading]
    box, more = label.box, label.box.height // 2  # a last letter may be outside of the box
    wider = replace(box, left=max(0, box.left - more), right=box.right + more)
    names.append(name_of(engine.lines([wider.of(picture, 3)])[0].text))
    alike = len(names) > 1 and len(set(names)) == 1
    return alike and not is_nearly_known(names[0].replace("_", " "))


def _touches(value: _Text, texts: Sequence[_Text]) -> bool:
    """Whether other text goes on right beside a value: then it is but a part of one."""
    box = value.box
    return any(
        text is not value
        and text.after is not value
        and abs(text.box.y - box.y) < 0.4 * box.height
        and 0.6 * box.height <= text.box.height <= 1.6 * box.height
        and -0.5 * box.height < max(text.box.left - box.right, box.left - text.box.right) < box.height
        and re.search(r"\d(?!.*%)", " ".join(text.readings))
        for text in texts
    )


def _parted(text: _Text, comma: bool) -> list[_Text]:
    """A text that begins with a value, as the value and what follows it in the line."""
    whole = parse_value(" ".join(word.text for word in text.words), decimal_comma=comma)
    if whole is None or not whole.rest:
        return [text]
    for count in range(1, len(text.words)):
        first = parse_value(" ".join(word.text for word in text.words[:count]), decimal_comma=comma)
        if first is not None and (first.number, first.unit) == (whole.number, whole.unit) and not first.rest:
            middle = (text.words[count - 1].right + text.words[count].left) // 2
            if not text.box.left + 4 < middle < text.box.right - 4:
                break
            heads = [_head(reading, comma) for reading in (text.page, text.own)]
            value = _Text(replace(text.box, right=middle), heads[0][0], text.sure, heads[1][0])
            return [value, _Text(replace(text.box, left=middle), heads[0][1], False, heads[1][1], after=value)]
    return [text]


def _head(reading: str, comma: bool) -> tuple[str, str]:
    """A reading as its value and the rest of it."""
    value = parse_value(reading, decimal_comma=comma)
    return (reading, "") if value is None else (reading[: len(reading) - len(value.rest)], value.rest)


def _texts(picture: np.ndarray, words: Sequence[Word]) -> list[_Text]:
    """Lines of text: boxes of ink with the words of the page's reading in them, and words that stand in no box."""
    texts = []
    outside = list(words)
    boxes = _text_boxes(picture)
    held: dict[int, list[Word]] = {}
    for word in words:
        reach = [
            (abs(word.y - box.y), i)
            for i, box in enumerate(boxes)
            if box.left - 4 <= word.x <= box.right + 4 and box.top - 3 <= word.y <= box.bottom + 3
        ]
        if reach:
            held.setdefault(min(reach)[1], []).append(word)
    for i, box in enumerate(boxes):
        inside = held.get(i, [])
        runs = close_words(inside)
        if len({run[0].line for run in runs}) > 1 and box.height > 2 * max(word.height for word in inside):
            continue  # several lines, joined by something that is no text
        inside.sort(key=lambda word: word.left)
        read = {id(word) for word in inside}
        outside = [word for word in outside if id(word) not in read]
        texts += _label_and_value(box, inside)
    for run in close_words(outside):
        box = Box(run[0].left, min(w.top for w in run), run[-1].right, max(w.bottom for w in run))
        if box.height <= _TALLEST:
            texts += _label_and_value(box, run)
    return texts


def _label_and_value(box: Box, words: Sequence[Word]) -> list[_Text]:
    """The words in a box as one text, or as a label and the value behind it (`Mark 67,123.4`, `Price: $5`)."""
    text = _text_of(box, words)
    if metric_of(text.page) is None:
        for i in range(len(words) - 1, 0, -1):
            middle = (words[i - 1].right + words[i].left) // 2
            if not box.left + 4 < middle < box.right - 4:
                continue
            label = _text_of(replace(box, right=middle), words[:i])
            value = _text_of(replace(box, left=middle), words[i:])
            if metric_of(label.page) is not None and parse_value(value.page) is not None:
                return [label, value]
    return [text]


def _text_of(box: Box, words: Sequence[Word]) -> _Text:
    """A box's words as a text; surely read where each word is and together they fill it."""
    covered = sum(word.width for word in words)
    sure = bool(words) and min(word.confidence for word in words) > 0.6 and covered > 0.7 * box.width
    return _Text(box, " ".join(word.text for word in words), sure, words=tuple(words))


def _text_boxes(picture: np.ndarray) -> list[Box]:
    """Boxes of the lines of text: ink that stands out from its surroundings, but is no curve, frame or rule."""
    ink = ink_of(picture, 15)
    parts = cv2.connectedComponentsWithStats(ink, connectivity=8)[2][1:]
    glyphs = [
        part
        for part in parts.tolist()
        if part[3] <= _TALLEST and part[2] <= 3 * _TALLEST and part[4] >= 2 and not _is_curve(*part[2:])
    ]
    _, lines = joined(np.array(glyphs, dtype=int).reshape(-1, 5), ink.shape)
    return [
        text_box(left, top, across, down, ink.shape[1])
        for left, top, across, down, _ in lines[1:].tolist()
        if 5 <= down <= _TALLEST and across >= 1.3 * down
    ]


def _is_curve(across: int, down: int, area: int) -> bool:
    """Whether a piece of ink is a sparkline's, a frame's or a rule's: long, with next to nothing in its box."""
    if max(across, down) <= 24:
        return False
    return min(across, down) <= 2 or (min(across, down) > 5 and area < (0.25 if across > 40 else 0.15) * across * down)


def _read_again(picture: np.ndarray, texts: Sequence[_Text], engine: Engine) -> None:
    """Read all but labels that are known a second time, each on its own, as one column."""
    small, usual = np.percentile([text.box.height for text in texts], (20, 50)) if texts else (0.0, 0.0)
    again = [
        text
        for text in texts
        if not (text.sure and (metric_of(text.page) or not (_has_digit(text.page) or is_nearly_known(text.page))))
        and not re.fullmatch(r"\d\d?[:.]\d\d", text.page)
        and text.box.height <= 3 * usual
        and (text.page or (text.box.height >= 0.6 * small and text.box.width >= 1.6 * small))
    ]
    margins = [
        -max(1, round(0.06 * text.box.height)) if is_filled(picture, text.box) else max(3, round(0.4 * text.box.height))
        for text in again
    ]
    crops = [text.box.of(picture, margin) for text, margin in zip(again, margins, strict=True)]
    for text, line, margin in zip(again, engine.stacked(crops), margins, strict=True):
        _take(text, line, margin)
    unsure = [text for text in again if _is_doubtful(text)]
    for text, line in zip(unsure, engine.lines([text.box.of(picture, 3) for text in unsure]), strict=True):
        _take(text, line, 3)


def _take(text: _Text, line: Line, margin: int) -> None:
    """Keep what a text's crop was read as, and the words' boxes where they tell more than the page's."""
    text.own = line.text
    if parse_value(line.text) is not None and (parse_value(text.page) is None or not text.sure):
        x, y = max(0, text.box.left - margin), max(0, text.box.top - margin)
        text.words = tuple(word.moved(x, y) for word in line.words)


def _is_doubtful(text: _Text) -> bool:
    """Whether a text's two readings are a label that is nearly known, or leave a good part of it unread."""
    if _known(text) is not None:
        return False
    read = sum(word.width for word in text.words) if text.words else 0
    return any(map(is_nearly_known, text.readings)) or (
        not text.sure and text.box.width > 2.5 * text.box.height and (not text.own or read < 0.6 * text.box.width)
    )


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _paired(labels: Sequence[_Text], others: Sequence[_Text], values: Sequence[_Text]) -> list[tuple[_Text, _Text]]:
    """Labels with their values: all lie on the same side of their label, the one on which most have one.

    Labels that aren't known count where they look and stand as those that are.
    """
    sides = (_below, _above, _beside)
    found = [_nearest(labels, values, [*labels, *others], side) for side in sides]
    best = max(range(3), key=lambda i: (len(found[i]), -_spread(found[i], sides[i])))
    pairs, side = found[best], sides[best]
    if not pairs:
        return []
    usual = float(np.median([side(label, value) for label, value in pairs]))
    taken = {id(text) for pair in pairs for text in pair}
    rest = [value for value in values if id(value) not in taken]
    if len(pairs) >= _LEAST_KNOWN:
        height = float(np.median([label.box.height for label, _ in pairs]))
        alike = [text for text in others if 0.7 * height <= text.box.height <= 1.4 * height]
        for label, value in _nearest(alike, rest, [*labels, *others], side):
            if side is _beside or abs(side(label, value) - usual) <= 0.35 * usual + 0.5:
                pairs.append((label, value))
                taken |= {id(label), id(value)}
    # Hero figures and the like: a label without a value on the usual side may have one close by on another.
    for other in sides:
        left = [label for label in labels if id(label) not in taken]
        rest = [value for value in values if id(value) not in taken]
        for label, value in _nearest(left, rest, [*labels, *others], other):
            if other(label, value) <= 3:
                pairs.append((label, value))
                taken |= {id(label), id(value)}
    return pairs


_Side = Callable[[_Text, _Text], float]
_FAR = float("inf")


def _aligned(label: Box, value: Box) -> bool:
    """Whether two boxes under each other share an edge or their middle."""
    reach = 2.2 * label.height
    middle = abs(label.x - value.x) <= 1.2 * label.height
    return abs(label.left - value.left) <= reach or abs(label.right - value.right) <= 0.8 * label.height or middle


def _below(label: _Text, value: _Text) -> float:
    """How far a value stands under a label, in heights of the label; infinite where it doesn't."""
    down = (value.box.top - label.box.bottom) / label.box.height
    return max(0.1, down + 0.5) if -0.3 < down <= 4 and _aligned(label.box, value.box) else _FAR


def _above(label: _Text, value: _Text) -> float:
    up = (label.box.top - value.box.bottom) / label.box.height
    return max(0.1, up + 0.5) if -0.3 < up <= 3 and _aligned(label.box, value.box) else _FAR


def _beside(label: _Text, value: _Text) -> float:
    down = (value.box.y - label.box.y) / max(label.box.height, value.box.height)
    gap = (value.box.left - label.box.right) / label.box.height
    # A change under the value lifts it over the middle of the label's line.
    return max(0.1, gap) if -1.1 <= down <= 0.6 and gap > -0.3 else _FAR


def _nearest(
    labels: Sequence[_Text], values: Sequence[_Text], barriers: Sequence[_Text], side: _Side
) -> list[tuple[_Text, _Text]]:
    """Each label with the nearest value at that side of it; no other label stands between, and no label is nearer."""
    possible = []
    for label in labels:
        away = [(side(label, value), i) for i, value in enumerate(values) if _fits(label, value)]
        distance, i = min(away, default=(_FAR, -1))
        if distance < _FAR and not any(side(label, other) < distance for other in barriers if other is not label):
            possible.append((distance, label, values[i]))
    pairs, taken = [], set()
    for _, label, value in sorted(possible, key=lambda pair: pair[0]):
        if id(value) not in taken:
            taken.add(id(value))
            pairs.append((label, value))
    return pairs


def _fits(label: _Text, value: _Text) -> bool:
    """Whether a value can be the label's: only what is a share by its name is printed in percent."""
    known = _known(label)
    return known is None or known[1] == "%" or not all(re.search(r"\d\s?%", text) for text in value.readings)


def _spread(pairs: Sequence[tuple[_Text, _Text]], side: _Side) -> float:
    """Median distance of values from labels, in labels' heights."""
    return float(np.median([side(label, value) for label, value in pairs])) if pairs else _FAR


def _changes(texts: Sequence[_Text], values: Sequence[_Text], labels: Sequence[_Text]) -> dict[int, _Text]:
    """The change that belongs to each value (by its id): behind it or under it, nearer than to any other value."""
    owners: dict[int, tuple[float, _Text]] = {}
    known = {id(value) for value in values}
    for text in texts:
        amount = any("$" in reading and "%" not in reading for reading in text.readings)
        if text.after is not None and id(text.after) in known:
            owners[id(text.after)] = (0.0, text)
        elif not amount and any(re.search(r"\d[.,]\d", reading) for reading in text.readings):
            away = [(min(_beside(value, text), 1.5 * _below(value, text)), i) for i, value in enumerate(values)]
            distance, i = min(away, default=(_FAR, -1))
            label_between = distance < _FAR and any(
                _below(label, text) < _below(values[i], text) < _FAR for label in labels
            )
            if not label_between and distance <= 9 and distance < owners.get(id(values[i]), (_FAR, text))[0]:
                owners[id(values[i])] = (distance, text)
    return {owner: text for owner, (_, text) in owners.items()}


def _agreed(picture: np.ndarray, text: _Text, engine: Engine, comma: bool, name: str) -> Value | None:
    """The value that at least two readings of its line give and more than twice as many as give others, else None."""
    letters = "USD" if any("US" in reading for reading in text.readings) else ""
    crop = text.box.of(picture, 3)
    ways = (
        lambda: crop,
        lambda: text.box.of(picture, 5),
        lambda: cv2.resize(crop, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR),
        lambda: enlarged(crop, 0.1),
        lambda: enlarged(crop, 0.3),
    )
    readings = list(text.readings)
    read: list[Value] = []
    for way in (None, *ways):
        if way is not None:
            readings = [engine.lines([way()], whitelist=_VALUE_CHARACTERS + letters)[0].text]
        parsed = (parse_value(reading, decimal_comma=comma) for reading in readings)
        read += [value for value in parsed if value is not None and is_possible(name, value)]
        counted = Counter(_key(value) for value in read).most_common(1)
        if counted and counted[0][1] >= 2 and counted[0][1] > 2 * (len(read) - counted[0][1]):
            return next(value for value in read if _key(value) == counted[0][0])
    return None


def _key(value: Value) -> tuple[float, str | None]:
    return value.number, value.unit
