"""Metrics in the bar over a chart: label and value side by side in one row, as pages print them at their top.

What belongs here: finding such a row, which words of it are a label's value. What does not: how labels and values are
written (`metrics.py`).
"""

from collections.abc import Sequence

import numpy as np

from cryptopattern_pipelines.reading.axes import Box, writes_decimal_comma
from cryptopattern_pipelines.reading.dashboard import Metric
from cryptopattern_pipelines.reading.metrics import metric_of, parse_value
from cryptopattern_pipelines.reading.ocr import Engine, Word

_LEAST_LABELS = 2  # in a row: one alone is a menu's or a sentence's
_LONGEST_LABEL = 3  # words
_WIDEST_GAP = 2.5  # heights between a label and its value


def read_top_bar(picture: np.ndarray, words: Sequence[Word], engine: Engine, bottom: int) -> tuple[Metric, ...]:
    """The metrics in rows that end above `bottom` (pixels) and hold two known labels or more, each with a value.

    `picture` is RGB, uint8, height x width x 3; `words` are the whole picture's. A value counts where the page's
    reading and its own crop's say the same.
    """
    decimal_comma = writes_decimal_comma(word.text for word in words)
    found: list[Metric] = []
    for row in _rows([word for word in words if word.bottom <= bottom]):
        bound = _bound(row, decimal_comma)
        if len(bound) < _LEAST_LABELS:
            continue
        crops = [Box(word.left, word.top, word.right, word.bottom).of(picture, 3) for _, _, word, _ in bound]
        for (name, unit, word, change), line in zip(bound, engine.lines(crops), strict=True):
            page, own = (parse_value(text, decimal_comma=decimal_comma) for text in (word.text, line.text))
            if page is not None and page == own:
                found.append(Metric(name, page.number, page.unit or unit, change))
    return tuple(found)


def _rows(words: Sequence[Word]) -> list[list[Word]]:
    """Words at one level, from left to right, whatever the gaps between them."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.y):
        if rows and abs(word.y - rows[-1][0].y) <= 0.6 * max(word.height, rows[-1][0].height):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _bound(row: Sequence[Word], decimal_comma: bool) -> list[tuple[str, str | None, Word, float | None]]:
    """Name and usual unit of each metric whose label stands in a row, the word that is its value, and its change."""
    bound = []
    at = 0
    while at < len(row):
        lengths = range(min(_LONGEST_LABEL, len(row) - at - 1), 0, -1)
        texts = {n: " ".join(word.text for word in row[at : at + n]) for n in lengths}
        length, metric = next(((n, m) for n, text in texts.items() if (m := metric_of(text))), (0, None))
        at += max(1, length)
        if metric is None:
            continue
        value = row[at]
        near = value.left - row[at - 1].right <= _WIDEST_GAP * max(value.height, 8)
        if near and parse_value(value.text, decimal_comma=decimal_comma) is not None:
            change = parse_value(row[at + 1].text, decimal_comma=decimal_comma) if at + 1 < len(row) else None
            is_change = change is not None and change.unit == "%" and change.signed
            bound.append((*metric, value, change.number if change and is_change else None))
    return bound
