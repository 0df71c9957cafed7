"""Metrics in the bar over a chart: label and value side by side in one row, as pages print them at their top.

What belongs here: finding such a row, which words of it are a label's value. What does not: how labels and values are
written (`metrics.py`).
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cryptopattern_pipelines.reading.lines import rows_of_words
from cryptopattern_pipelines.reading.metrics import MetricReading, is_possible, metric_of, parse_change, parse_value
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.printed_numbers import writes_decimal_comma
from cryptopattern_pipelines.reading.tick_labels import enlarged

_LEAST_LABELS = 2  # in a row: one alone is a menu's or a sentence's
_LONGEST_LABEL = 3  # words
_WIDEST_VALUE = 18  # heights from a label to the end of its value
_DOUBTFUL = re.compile(r"\d,\d{3}\.\d{3}(?!\d)|\d\.\d{3},\d{3}(?!\d)")  # one of the two signs may be misread


def read_top_bar(picture: np.ndarray, words: Sequence[Word], engine: Engine, bottom: int) -> tuple[MetricReading, ...]:
    """The metrics in rows that end above `bottom` (pixels) and hold two known labels or more.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. A value counts where two of three
    readings agree on it: the page's, its own crop's, and that crop's when it is enlarged.
    """
    decimal_comma = writes_decimal_comma(word.text for word in words)
    found: list[MetricReading] = []
    for row in rows_of_words([word for word in words if word.bottom <= bottom]):
        labels = _labels(row)
        if len(labels) < _LEAST_LABELS:
            continue
        gaps = [_gap(row, last, following) for (_, _, last), following in zip(labels, _starts(labels), strict=True)]
        crops = [box.of(picture) for box, _ in gaps]
        ways = (engine.lines(crops), engine.lines([enlarged(c, 0.2) if min(c.shape[:2]) > 4 else c for c in crops]))
        for ((name, unit), _, _), (_, page), *lines in zip(labels, gaps, *ways, strict=True):
            texts = [page, *(line.text for line in lines)]
            read = [parse_value(text, decimal_comma=decimal_comma) for text in texts if not _DOUBTFUL.search(text)]
            possible = [value for value in read if value is not None and is_possible(name, value)]
            counted = Counter((value.number, value.unit) for value in possible).most_common(1)
            value, count = counted[0] if counted else (None, 0)
            is_share = name == "long_short_ratio" and ("/" in page or "%" in page)  # 51.5%/48.5% is no ratio
            if value is not None and count >= 2 and not is_share:
                change = _change_in(texts, decimal_comma)
                found.append(MetricReading(name, value[0], value[1] or unit, change))
    return tuple(found)


def _change_in(texts: Sequence[str], decimal_comma: bool) -> float | None:
    """The change in percent behind a value, with the sign that is printed, if two readings agree on both."""
    values = (parse_value(text, decimal_comma=decimal_comma) for text in texts)
    read = [parse_change(value.rest, decimal_comma=decimal_comma) for value in values if value is not None]
    counted = Counter(change for change in read if change is not None and change[1]).most_common(1)
    (size, sign), count = counted[0] if counted else ((0.0, ""), 0)
    return None if count < 2 else -size if sign == "-" else size


def _labels(row: Sequence[Word]) -> list[tuple[tuple[str, str | None], int, int]]:
    """Name and usual unit of each metric whose label stands in a row, the places of its first and its last word."""
    labels = []
    at = 0
    while at < len(row):
        lengths = range(min(_LONGEST_LABEL, len(row) - at), 0, -1)
        texts = {n: " ".join(word.text for word in row[at : at + n]) for n in lengths}
        length, metric = next(((n, m) for n, text in texts.items() if (m := metric_of(text))), (1, None))
        if metric is not None:
            labels.append((metric, at, at + length - 1))
        at += length
    return labels


def _starts(labels: Sequence[tuple[tuple[str, str | None], int, int]]) -> list[int | None]:
    """For each label the place of the next one's first word, None for the last."""
    return [*(first for _, first, _ in labels[1:]), None]


def _gap(row: Sequence[Word], last: int, following: int | None) -> tuple[Box, str]:
    """Where the value of a label stands whose last word is given, and what the page's reading has there."""
    label = row[last]
    end = label.right + _WIDEST_VALUE * label.height
    end = min(end, row[following].left - 2) if following is not None else end
    inside = [word.text for word in row[last + 1 : following] if word.right <= end + label.height]
    top, bottom = label.top - label.height // 3, label.bottom + label.height // 3
    return Box(label.right + 2, max(0, top), max(label.right + 3, end), bottom), " ".join(inside)
