"""Which coins a run takes: those named, and so many of the most traded ones.

What belongs here: reading the setting. What does not: who is most traded (`listings.py`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptopattern_pipelines.market.source import SymbolError
from cryptopattern_pipelines.market.symbols import parse


@dataclass(frozen=True)
class Choice:
    """Coins by their names, and how many of the most traded ones besides."""

    names: tuple[str, ...]
    top: int = 0

    def __iter__(self) -> Iterator[str]:
        """As texts, which `choice_of` reads again."""
        return iter((*self.names, *([f"top:{self.top}"] if self.top else [])))


def choice_of(texts: Iterable[str]) -> Choice:
    """A choice from names of coins in any usual spelling and, at most once, `top:100`.

    Raises:
        SymbolError: a text is neither.
    """
    names, top = [], 0
    for text in texts:
        told = text.strip().lower()
        if not told.startswith("top:"):
            names.append(parse(text).coin)
        elif top or not re.fullmatch(r"top:[1-9]\d{0,3}", told):
            raise SymbolError(f"{text!r} is no number of coins: give one as top:100, once")
        else:
            top = int(told.removeprefix("top:"))
    return Choice(tuple(dict.fromkeys(names)), top)
