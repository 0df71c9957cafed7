"""Distribution charts of many symbols: one two-coloured bar a symbol, read by its pixels and by its text.

What belongs here: the shares of the rows, which of bar and text is believed. What does not: how bars
are found (`bars.py`), where texts stand (`row_texts.py`), what the rows are called (`row_symbols.py`), badges
(`badges.py`), titles and types (`classify.py`), charts of one symbol (`histogram.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptopattern_pipelines.reading.badges import arrows_beside, with_sane_arrows
from cryptopattern_pipelines.reading.bars import BarTable
from cryptopattern_pipelines.reading.ocr import Engine, Line, Word
from cryptopattern_pipelines.reading.row_symbols import read_symbols
from cryptopattern_pipelines.reading.row_texts import (
    Column,
    Item,
    columns_beside,
    read_items,
    texts_above,
    texts_on,
)
from cryptopattern_pipelines.reading.shares import Method, ShareReading
from cryptopattern_pipelines.reading.sides import long_is_left

_DIGITS = "0123456789.,%"
_COVERED = 1.5  # percentage points: something lies over a boundary that can be off by more
_NUMBER = re.compile(r"(\d+)(?:[.,](\d+))?")
_CLEAR = 0.85  # confidence of a text that counts without a second one
_SETTLED = 0.9  # confidence from which a row isn't read again


@dataclass(frozen=True)
class DistributionChart:
    """What the rows of a chart say; `error` tells of rows left out, None where none was."""

    readings: tuple[ShareReading, ...]
    words: tuple[Word, ...]
    error: str | None = None


@dataclass
class _Text:
    """One text that may say a row's share: at which end of the bar it stands (None: unknown) and what it was read as.

    `left` tells whose share it says: the left colour's, the right one's.
    """

    row: int
    item: Item
    left: bool | None
    lines: list[Line]


@dataclass(frozen=True)
class _Said:
    """What one row's texts say its left share is; `rights` by way of 100, `clear` those that were read plainly."""

    lefts: set[float]
    rights: set[float]
    clear: set[float]


def read_distribution(
    picture: np.ndarray, table: BarTable, engine: Engine, around: Sequence[Word] = ()
) -> DistributionChart:
    """Read the rows of a distribution chart, from top to bottom.

    `picture` is RGB, uint8; `table` holds its bars; `around` are the words outside the table, which may say which
    colour stands for longs. A row whose symbol can't be read is left out and told of: a share under a wrong name is
    worse than none.
    """
    on, above = texts_on(picture, table), texts_above(picture, table)
    captions = _captions(above)
    behind = columns_beside(picture, table, left=False, captions=bool(captions))
    beside = [*columns_beside(picture, table, left=True, captions=bool(captions)), *behind]
    candidates = [*beside[:1], *captions, *beside[1:], *_in_the_middle(on, table)]
    symbols, named = read_symbols(candidates, engine)
    taken = {id(item) for item in named if item is not None}
    texts = _texts_on(on, table, taken)
    _read_texts(_of_larger_shares(texts, table), engine)
    if _borne_out(texts, table) < 0.5:
        _read_texts([text for text in texts if not text.lines], engine)
    if _borne_out(texts, table) < 0.3:
        others = [column for column in beside if not any(id(item) in taken for item in column)]
        others += _caption_columns(above, taken)
        beside_texts, numbers = _texts_beside(others, table, engine)
        texts = beside_texts or texts
        taken |= numbers
    places = _usual_places(texts)
    table = _calibrated(table, texts, places)
    shares = _shares(table, texts, places)
    doubtful = {row for row, share in enumerate(shares) if share.confidence < _SETTLED}
    for singly in (False, True):
        again = [text for text in texts if text.row in doubtful and (singly or not text.lines)]
        if again:
            _read_texts(again, engine, singly=singly)
            shares = _shares(table, texts, places)
            doubtful = {row for row in doubtful if shares[row].confidence < _SETTLED}
    long_left = long_is_left(picture, table, around)
    words = _in_lines(symbols, texts)
    if long_left is None:
        return DistributionChart((), words, "red stands at the left, and nothing says which colour the longs have")
    arrows = arrows_beside(picture, table, behind, taken)
    return _chart(table, symbols, shares, arrows, words, long_left=long_left)


def _chart(
    table: BarTable,
    symbols: Sequence[Word | None],
    shares: Sequence[ShareReading],
    arrows: Sequence[int | None],
    words: tuple[Word, ...],
    *,
    long_left: bool,
) -> DistributionChart:
    """The rows that could be read, each symbol once; `shares` are of the left colour."""
    rows: dict[str, ShareReading] = {}
    problems = []
    for number, (symbol, share) in enumerate(zip(symbols, shares, strict=True)):
        if share.confidence == 0:
            problems.append(f"row {number + 1}: share not readable")
        elif symbol is None:
            problems.append(f"row {number + 1}: symbol not readable")
        elif symbol.text in rows:
            problems.append(f"row {number + 1}: {symbol.text} read twice")
        else:
            sides = (share.long_pct, share.short_pct) if long_left else (share.short_pct, share.long_pct)
            rows[symbol.text] = replace(
                share,
                symbol=symbol.text,
                long_pct=sides[0],
                short_pct=sides[1],
                arrows=arrows[number],
                confidence=round(min(share.confidence, symbol.confidence), 3),
            )
    problems += _gaps(table)
    readings = with_sane_arrows(tuple(rows.values()))
    return DistributionChart(readings, words, "; ".join(problems) or None)


def _gaps(table: BarTable) -> list[str]:
    """What to say of rows whose bars weren't found between others."""
    steps = np.round(np.diff([bar.top for bar in table.bars]) / table.pitch).astype(int).tolist()
    return [f"below row {number + 1}: {step - 1} not found" for number, step in enumerate(steps) if step > 1]


# --- texts that may say shares ---------------------------------------------------------------------------------------


def _captions(above: Sequence[Sequence[Item]]) -> list[Column]:
    """The first texts of the rows' captions as one column, where most rows have one."""
    first = tuple(items[0] if items else None for items in above)
    return [first] if sum(item is not None for item in first) >= 0.7 * len(first) else []


def _caption_columns(above: Sequence[Sequence[Item]], taken: set[int]) -> list[Column]:
    """The other texts of the captions, counted from the right."""
    rest = [[item for item in items if id(item) not in taken][::-1] for items in above]
    return [
        tuple(items[place] if len(items) > place else None for items in rest)
        for place in range(max(map(len, rest), default=0))
    ]


def _in_the_middle(on: Sequence[Sequence[Item]], table: BarTable) -> list[Column]:
    """Texts in the middle of most bars as one column."""
    middle, reach = (table.left + table.right) / 2, 0.03 * table.width
    column = tuple(next((item for item in items if abs(item.x - middle) < reach), None) for items in on)
    return [column] if sum(item is not None for item in column) >= 0.7 * len(column) else []


def _texts_on(on: Sequence[Sequence[Item]], table: BarTable, taken: set[int]) -> list[_Text]:
    """The texts on the bars, with the side that each belongs to.

    Where most stand at the bars' ends, an end's text belongs to that end's colour even where a short share leaves it
    on the other's; elsewhere it belongs to the colour that it stands on.
    """
    rows = [[item for item in items if id(item) not in taken] for items in on]
    height = float(np.median([item.height for items in rows for item in items] or [0]))
    first = _anchor([items[0].left for items in rows if items], len(rows), height)
    last = _anchor([items[-1].right for items in rows if items], len(rows), height)
    texts = []
    for row, items in enumerate(rows):
        for item in items:
            at_first = first is not None and abs(item.left - first) <= height
            at_last = last is not None and abs(item.right - last) <= height
            left = at_first if at_first != at_last else item.x < table.boundary(table.bars[row])
            texts.append(_Text(row, item, left, []))
    return texts


def _of_larger_shares(texts: Sequence[_Text], table: BarTable) -> list[_Text]:
    """One text a row, of those that have two: the larger share's, which stands on its own colour as a whole.

    With the bar's word that is enough in most rows, and reading is what costs.
    """
    chosen: dict[int, _Text] = {}
    for text in texts:
        if text.row not in chosen or text.left == (table.left_pct(table.bars[text.row]) > 50):
            chosen[text.row] = text
    return list(chosen.values())


def _anchor(edges: Sequence[int], rows: int, height: float) -> float | None:
    """Where most rows' texts begin (or end), None where they don't line up."""
    if not edges:
        return None
    usual = float(np.median(edges))
    return usual if sum(abs(edge - usual) <= height for edge in edges) >= 0.6 * rows else None


def _texts_beside(columns: Sequence[Column], table: BarTable, engine: Engine) -> tuple[list[_Text], set[int]]:
    """The texts of the columns whose numbers the bars bear out, and what these columns consist of.

    Other columns (ranks, prices, changes) happen to fit a bar here and there, and are left aside.
    """
    texts: list[_Text] = []
    numbers: set[int] = set()
    for column in columns:
        found = [_Text(row, item, None, []) for row, item in enumerate(column) if item is not None]
        if float(np.median([text.item.width / text.item.height for text in found] or [0])) < 1.2:
            continue  # arrows, ranks
        _read_texts(found, engine, whitelist=_DIGITS + "/")
        if _borne_out(found, table) < 0.5:
            continue
        left = sum(_fits(text, table, left=True) for text in found)
        right = sum(_fits(text, table, left=False) for text in found)
        for text in found:
            two = any(len(_NUMBER.findall(line.text)) > 1 for line in text.lines)
            text.left = None if two else left >= right
        texts += found
        numbers |= {id(text.item) for text in found}
    return texts, numbers


def _read_texts(texts: Sequence[_Text], engine: Engine, *, whitelist: str = _DIGITS, singly: bool = False) -> None:
    """Read texts (again), each text's line added to those that it was read as."""
    if not texts:
        return
    widths = sorted(text.item.width / text.item.height for text in texts)
    with_words = widths[len(widths) // 2] > 8  # `Long 62.8%`
    lines = read_items([text.item for text in texts], engine, "" if with_words else whitelist, singly=singly)
    for text, line in zip(texts, lines, strict=True):
        text.lines.append(line)


def _borne_out(texts: Sequence[_Text], table: BarTable) -> float:
    """Share of the rows of which some text fits the bar."""
    read = [text for text in texts if text.lines]
    fitting = {text.row for text in read if any(_fits(text, table, left=left) for left in (True, False))}
    return len(fitting) / max(1, len({text.row for text in read}))


def _fits(text: _Text, table: BarTable, *, left: bool) -> bool:
    bar = table.bars[text.row]
    share = table.left_pct(bar) if left else 100 - table.left_pct(bar)
    return any(
        abs(value - share) <= bar.error + 0.6
        for line in text.lines
        for places in (1, 0, 2)
        for value in numbers_in(line.text, places)
    )


def _usual_places(texts: Sequence[_Text]) -> int:
    """How many decimals the chart's percentages have, by most of those that were read; 1 where none was."""
    found = [len(match[1]) for text in texts for line in text.lines for match in _NUMBER.findall(line.text)]
    if not found:
        return 1
    with_point = [places for places in found if places]
    if len(with_point) < 0.3 * len(found):
        return 0
    return min(2, max(set(with_point), key=with_point.count))


def numbers_in(text: str, places: int) -> list[float]:
    """The percentages that a text says where the chart writes `places` decimals, each as it may be meant.

    A `%` that was read as digits is cut off, a point that was lost is put back: whether it is right is the bar's to
    say.
    """
    values = []
    for whole, decimals in _NUMBER.findall(text.replace(" ", "")):
        if decimals:
            values.append(float(f"{whole}.{decimals[: max(places, 1)]}"))
        else:
            values.append(float(whole))
            if len(whole) > places > 0:
                values.append(float(f"{whole[:-places]}.{whole[-places:]}"))
    return [value for value in values if value <= 100]


# --- shares ----------------------------------------------------------------------------------------------------------


def _shares(table: BarTable, texts: Sequence[_Text], places: int) -> list[ShareReading]:
    """Each row's share of the left colour (as `long_pct`), of bar and texts."""
    said: list[tuple[set[float], set[float]]] = [(set(), set()) for _ in table.bars]
    clear: list[set[float]] = [set() for _ in table.bars]
    for text in texts:
        lefts, rights = said[text.row]
        for line in text.lines:
            values = numbers_in(line.text, places)
            if line.confidence > _CLEAR and text.left is not None:
                clear[text.row] |= {value if text.left else round(100 - value, 2) for value in values}
            if text.left is None and len(values) == 2:
                # Both shares in one text: the order is the bar's to say.
                a, b = values
                share = table.left_pct(table.bars[text.row])
                values = values if abs(a - share) <= abs(b - share) else [b, a]
                lefts.add(values[0])
                rights.add(values[1])
            elif text.left is not None:
                (lefts if text.left else rights).update(values)
    return [
        _settled(
            _Said(lefts, {round(100 - value, 2) for value in rights}, sure), table.left_pct(bar), bar.error, places
        )
        for bar, (lefts, rights), sure in zip(table.bars, said, clear, strict=True)
    ]


def _settled(said: _Said, measured: float, error: float, places: int) -> ShareReading:
    """One row's left share from the bar's boundary and what the texts say it is.

    The texts count where the bar bears them out; else the bar's own word does, unless something lies over its boundary
    and the texts sum to 100. The confidence is 0 where neither can be trusted.
    """
    distances = {value: abs(value - measured) for value in said.lefts | said.rights}
    agreement = round(min(distances.values()), 3) if distances else None
    summed = said.lefts & said.rights
    if error > _COVERED:
        return _share(min(summed, default=0.0), "text", 0.75 if len(summed) == 1 else 0.0, None)
    reach = error + (0.1 if places else 0.6)
    near = {value for value, distance in distances.items() if distance <= reach}
    if len(near & summed) == 1:
        return _share(min(near & summed), "both", 0.99, agreement)
    if len(near) == 1:
        clear = near <= said.clear and min(distances.values()) <= (0.2 if places else 0.6)
        return _share(min(near), "both", 0.95 if clear else 0.85, agreement)
    # No text, none that fits the bar, or two that both do and don't sum to 100.
    return _share(round(measured, min(places, 1)), "bar", 0.8 if near or not distances else 0.6, agreement)


def _calibrated(table: BarTable, texts: Sequence[_Text], places: int) -> BarTable:
    """The table with its ends where the rows' own texts say that they are.

    Blurred or washed-out colours can shift the ends or the boundaries of all bars alike. Where five rows or more have
    two texts that sum to 100 (one text, where most rows have but one), and they lie on one line against the bars to
    within half a point, that line is the scale.
    """
    pairs, alone = [], []
    for row, bar in enumerate(table.bars):
        values: list[list[float]] = [[], []]
        for text in (text for text in texts if text.row == row and text.lines):
            found = numbers_in(text.lines[0].text, places)[:2]
            if text.left is None and len(found) == 2:
                values = [[value] for value in found]
            elif text.left is not None and len(found) == 1:
                values[not text.left] += found
        if len(values[0]) == len(values[1]) == 1 and abs(values[0][0] + values[1][0] - 100) < 0.05:
            pairs.append((table.left_pct(bar), values[0][0]))
        elif len(values[0]) + len(values[1]) == 1:
            alone.append((table.left_pct(bar), values[0][0] if values[0] else 100 - values[1][0]))
    pairs = pairs if len(pairs) >= len(alone) else alone
    inner = np.array([pair for pair in pairs if 2 < pair[0] < 98])
    if len(inner) < 5 or np.ptp(inner[:, 0]) < 20:
        return table
    off = inner[:, 1] - inner[:, 0]
    inner = inner[np.abs(off - np.median(off)) < 1.5]
    if len(inner) < 5 or np.ptp(inner[:, 0]) < 20:
        return table
    slope, shift = np.polyfit(inner[:, 0], inner[:, 1], 1)
    missed = np.abs(slope * inner[:, 0] + shift - inner[:, 1])
    if len(inner) < max(5, 0.6 * len(pairs)) or np.quantile(missed, 0.9) > 0.5 or abs(slope - 1) > 0.1:
        return table
    bars = []
    for bar in table.bars:
        share = float(np.clip(slope * table.left_pct(bar) + shift, 0, 100))
        inside = 0 < bar.long_pct < 100
        bars.append(replace(bar, long_pct=100 - share if table.mirrored else share) if inside else bar)
    return replace(table, bars=tuple(bars))


def _share(left_pct: float, method: Method, confidence: float, agreement: float | None) -> ShareReading:
    return ShareReading(None, left_pct, round(100 - left_pct, 2), method, confidence, agreement=agreement)


def _in_lines(symbols: Sequence[Word | None], texts: Sequence[_Text]) -> tuple[Word, ...]:
    """The rows' words, numbered by line and word from 0."""
    words = []
    for number, symbol in enumerate(symbols):
        own = [word for text in texts if text.row == number and text.lines for word in text.lines[0].words]
        row = [*([symbol] if symbol else []), *own]
        words += [replace(word, line=number, word=place) for place, word in enumerate(row)]
    return tuple(words)
