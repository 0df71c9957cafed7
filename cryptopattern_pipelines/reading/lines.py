"""Words -> lines of text.

What belongs here: which words stand in one line, whatever they say. What does not: what lines mean (`classify.py`,
`dashboard.py`, `top_bar.py`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptopattern_pipelines.reading.ocr import Word

_DASHES = ("-", "\u2013", "\u2014")


@dataclass(frozen=True)
class TextLine:
    """Words that stand beside each other without a wide gap; the box is in the picture's pixels."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with a blank between them, dashes and quotes made one kind."""
        text = " ".join(word.text for word in self.words)
        return re.sub("[\u2013\u2014]", "-", text).replace("\u2019", "'").strip()

    @property
    def left(self) -> int:
        """First column."""
        return self.words[0].left

    @property
    def right(self) -> int:
        """First column to the right."""
        return self.words[-1].right

    @property
    def top(self) -> int:
        """First row."""
        return min(word.top for word in self.words)

    @property
    def bottom(self) -> int:
        """First row below."""
        return max(word.bottom for word in self.words)

    @property
    def height(self) -> int:
        """Usual height of its words."""
        return sorted(word.height for word in self.words)[len(self.words) // 2]


def text_lines(words: Sequence[Word], gap: float = 1.6, *, join: bool = False) -> list[TextLine]:
    """Words as lines from top to bottom, parted where a gap is wider than `gap` times their height.

    With `join`, what the engine took for two lines is one where it stands that close: a label and its number, but also
    a title and the button beside it.
    """
    said = [word for word in words if word.text in _DASHES or any(character.isalnum() for character in word.text)]
    lines = [TextLine(tuple(run)) for run in _runs(said, lambda last, word: gap * max(word.height, last.height, 6))]
    return sorted(_joined(lines, gap) if join else lines, key=lambda line: (line.top, line.left))


def _joined(lines: Sequence[TextLine], gap: float) -> list[TextLine]:
    """Lines that go on with each other made one."""
    joined: list[TextLine] = []
    for line in sorted(lines, key=lambda line: line.left):
        for place, other in enumerate(joined):
            level = abs(line.top + line.bottom - other.top - other.bottom) <= 0.5 * min(line.height, other.height)
            alike = 0.6 <= line.height / max(1, other.height) <= 1.6
            if level and alike and -2 <= line.left - other.right <= gap * max(line.height, other.height, 6):
                joined[place] = TextLine(other.words + line.words)
                break
        else:
            joined.append(line)
    return joined


def close_words(words: Sequence[Word]) -> list[list[Word]]:
    """Words of one of the engine's lines without a gap between them that is wider than most letters."""
    return _runs(words, lambda last, word: 0.9 * max(min(last.height, word.height), 6))


def rows_of_words(words: Sequence[Word]) -> list[list[Word]]:
    """Words at one level, from left to right, whatever the gaps between them."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.y):
        if rows and abs(word.y - rows[-1][0].y) <= 0.6 * max(word.height, rows[-1][0].height):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _runs(words: Sequence[Word], widest: Callable[[Word, Word], float]) -> list[list[Word]]:
    """Words of one of the engine's lines, parted where a gap is wider than `widest` says for those at its sides."""
    runs: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.line, word.left)):
        last = runs[-1][-1] if runs else None
        if last is not None and last.line == word.line and word.left - last.right <= widest(last, word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs
