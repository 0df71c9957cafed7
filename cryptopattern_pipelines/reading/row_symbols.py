"""What the rows of a distribution chart are called: their symbols, read until two readings agree.

What belongs here: choosing the column that holds the symbols, and how sure a symbol is. What does not: where texts
stand (`row_texts.py`), which coins there are (`symbols.py`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cryptopattern_pipelines.reading.ocr import Engine, Line, Word
from cryptopattern_pipelines.reading.row_texts import Column, Item, read_again, read_items
from cryptopattern_pipelines.reading.symbols import (
    KNOWN_SYMBOLS,
    LIKE_A_SLASH,
    is_near_known,
    meant_symbol,
    relative_width,
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/"
_CAPITAL = 718  # height of a capital letter, in `relative_width`'s unit
_NARROWEST, _WIDEST = 0.6, 1.7  # how much narrower or wider than usual a face can be
# USDT behind the coin, with the letters that it is read as.
_QUOTE = re.compile(r"[/|-]?(?:U[S5][DO0Q][TI1C]?|PERP)$")


def read_symbols(candidates: Sequence[Column], engine: Engine) -> tuple[list[Word | None], Column]:
    """The rows' symbols, None where one can't be read for sure, and the column that they were read from.

    The first column that looks like one of symbols counts.
    """
    best: tuple[float, Column, list[Line]] = (0.25, (), [])
    for column in candidates:
        some = [item for item in column if item is not None][:: max(1, len(column) // 4)]
        if column is not candidates[0] and _share_of_names(read_items(some, engine, _LETTERS)) < 0.2:
            continue
        lines = read_items(column, engine, _LETTERS)
        share = _share_of_names(lines)
        if share > best[0]:
            best = (share, column, lines)
        if share > 0.6:
            break
    _, column, lines = best
    if not column:
        rows = len(candidates[0]) if candidates else 0
        return [None] * rows, (None,) * rows
    return _settled(column, lines, engine), column


def _share_of_names(lines: Sequence[Line]) -> float:
    """How many of the texts look like symbols: a known one counts in full, other capitals a little."""
    worth = 0.0
    for line in lines:
        text = _bare(line.text, quoted=True)
        if meant_symbol(text) and not text.isdigit():
            worth += 1
        elif re.fullmatch(r"[0-9]{0,7}[A-Z]{2}[A-Z0-9]{0,9}", text):
            worth += 0.6
    return worth / max(1, sum(line.text != "" for line in lines))


def _bare(text: str, *, quoted: bool) -> str:
    """A text in capitals without blanks, and without its quote where the chart writes one."""
    text = re.sub(r"\s", "", text).upper()
    if not quoted or not _QUOTE.search(text):
        return text.strip("/")
    coin = _QUOTE.sub("", text) or text
    # A slash may have been read as a letter.
    slashed = coin not in KNOWN_SYMBOLS and coin[-1] in LIKE_A_SLASH and coin[:-1] in KNOWN_SYMBOLS
    return coin[:-1] if slashed else coin


def _settled(column: Column, lines: Sequence[Line], engine: Engine) -> list[Word | None]:
    """The symbol of each text: those that aren't plain are read again in other ways, until two readings agree."""
    present = [line for line in lines if line.text]
    quoted = sum(_QUOTE.search(line.text.replace(" ", "").upper()) is not None for line in present) > 0.6 * len(present)
    read = [[line] for line in lines]
    unit = _width_unit(lines, column, quoted=quoted)
    chosen: list[Word | None] = [_agreed(read[row], item, unit, quoted=quoted) for row, item in enumerate(column)]
    ways: tuple[Callable[[list[Item]], list[Line]], ...] = (
        lambda items: read_items(items, engine),
        lambda items: read_again(items, engine, _LETTERS, 23, 1.0),
        lambda items: read_again(items, engine, _LETTERS, 28, 1.25),
        lambda items: read_items(items, engine, _LETTERS, singly=True),
    )
    for way in ways:
        left = {row: item for row, item in enumerate(column) if item is not None and chosen[row] is None}
        for (row, item), line in zip(left.items(), way(list(left.values())), strict=True):
            read[row].append(line)
            chosen[row] = _agreed(read[row], item, unit, quoted=quoted)
    return chosen


def _agreed(lines: Sequence[Line], item: Item | None, unit: float, *, quoted: bool) -> Word | None:
    """The symbol that readings of one label agree on, None where they don't (yet).

    One is enough where it is a known symbol read with confidence, two where it is known or clearly meant, or, for a
    coin that isn't known, where both read it the same with confidence and the picture's edge doesn't cut it. A symbol
    that would be drawn much wider or narrower than the label is, in the chart's own lettering, is none.
    """
    votes: dict[str, float] = {}
    words: dict[str, Word] = {}
    for line in lines:
        text = _bare(line.text, quoted=quoted)
        symbol = meant_symbol(text) or text
        if item is None or not 0 < len(text) <= 12 or not symbol.isalnum():
            continue
        known = symbol in KNOWN_SYMBOLS
        drawn = _drawn_width(symbol, quoted=quoted)
        wide = item.width / (unit * drawn) if unit else 1.0
        if not (0.78 < wide < 1.28 if known else 0.89 < wide < 1.12):
            continue
        # Without other labels to measure by, the letters' own height tells at least S from SOL.
        if not unit and not _NARROWEST < item.width / item.height * _CAPITAL / drawn < _WIDEST:
            continue
        if not known and (item.cut or line.confidence < (0.9 if is_near_known(symbol) else 0.7)):
            continue
        sure = known and symbol == text and len(symbol) > 2 and line.confidence > 0.8
        # That it is as wide as it should be bears a known symbol out as a second reading does.
        fits = known and len(symbol) > 2 and line.confidence > 0.6 and unit > 0 and 0.92 < wide < 1.08
        votes[symbol] = votes.get(symbol, 0) + (2 if sure or fits else 1)
        confidence = max(line.confidence, 0.95 if sure else 0.8 if known else 0.5)
        words[symbol] = replace(
            line.words[0], left=item.left, top=item.top, width=item.width, height=item.height, text=symbol,
            confidence=confidence,
        )  # fmt: skip
    best = max(votes, key=lambda symbol: votes[symbol], default=None)
    others = max((count for symbol, count in votes.items() if symbol != best), default=0)
    return words[best] if best is not None and votes[best] >= 2 and votes[best] > others else None


def _drawn_width(symbol: str, *, quoted: bool) -> float:
    return relative_width(symbol) + (relative_width("USDT") if quoted else 0)


def _width_unit(lines: Sequence[Line], column: Column, *, quoted: bool) -> float:
    """Pixels for one of `relative_width`, by the labels that read as known symbols at once; 0 where they are few."""
    units = [
        item.width / _drawn_width(text, quoted=quoted)
        for line, item in zip(lines, column, strict=True)
        if item is not None and (text := _bare(line.text, quoted=quoted)) in KNOWN_SYMBOLS and len(text) > 2
    ]
    return float(np.median(units)) if len(units) >= 3 else 0.0
