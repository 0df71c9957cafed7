"""Coins' symbols: which are known, and what a misread one was meant to be.

What belongs here: the list, and the letters that readers of text confuse. What does not: where a symbol stands.
"""

import re
from importlib import resources

# Coins with a perpetual contract on a large venue, from general knowledge; 1000 and k coins as the venues write them.
KNOWN_SYMBOLS = frozenset(resources.files(__package__).joinpath("symbols.txt").read_text("ascii").split())

_QUOTES = ("USDT", "USDC", "USD", "BUSD", "FDUSD", "PERP")
# Characters that look alike to a reader of text, brought to one of them; last, letters that run into one.
_ALIKE = str.maketrans("OQDIL|!SZGB", "00011115268")
# Letters as which the slash between a coin and its quote is read.
LIKE_A_SLASH = frozenset("IJLVY1|")
_RUN_TOGETHER = (("11", "U"), ("1T", "U"), ("VV", "W"), ("RN", "M"))


def _looks(text: str) -> str:
    text = text.upper().translate(_ALIKE)
    for pair, one in _RUN_TOGETHER:
        text = text.replace(pair, one)
    return text


_BY_LOOKS: dict[str, set[str]] = {}
for _symbol in KNOWN_SYMBOLS:
    _BY_LOOKS.setdefault(_looks(_symbol), set()).add(_symbol)


def base_of(text: str) -> str:
    """The coin of a pair as it stands on charts: BTC of `BTC/USDT`, `BTCUSDT`, `BTC-USDT-SWAP`, `BTCUSDT.P`."""
    text = re.sub(r"(\.P|-SWAP|-PERP|_PERP|PERP)$", "", text.strip().upper())
    text = re.split(r"[/:_-]", text)[0]
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote):
            return text[: -len(quote)]
    return text


def meant_symbol(text: str) -> str | None:
    """The known symbol that a text is, or clearly was meant to be; None where none or more than one is.

    Only characters that look alike are exchanged (O and 0, I, l and 1, S and 5, LI and U): a letter that is missing
    or quite another makes another coin of many, so such texts are left alone.
    """
    text = re.sub(r"[^A-Za-z0-9|!]", "", text)
    if text.upper() in KNOWN_SYMBOLS:
        return text.upper()
    text = re.sub(r"^[TIl17JLVY]?[OQ0]{3}(?=[A-Z]{2})", "1000", text)
    meant = _BY_LOOKS.get(_looks(text), set())
    if not meant and re.search(r"[A-Z]N[1I]?\d", text):  # AI16Z, its I and 1 run into an N
        meant = _BY_LOOKS.get(_looks(re.sub(r"N[1I]?(?=\d)", "11", text)), set())
    return next(iter(meant)) if len(meant) == 1 else None


def is_near_known(text: str) -> bool:
    """Whether one character more, less or other makes a known symbol of a text that is none."""
    places = range(len(text) + 1)
    shorter = {text[:i] + text[i + 1 :] for i in places}
    return bool(shorter & KNOWN_SYMBOLS) or any(
        len(known) in (len(text), len(text) + 1) and (known == text or _one_apart(known, text))
        for known in KNOWN_SYMBOLS
    )


def _one_apart(longer: str, text: str) -> bool:
    same = next((i for i, (a, b) in enumerate(zip(longer, text, strict=False)) if a != b), min(len(longer), len(text)))
    rest = text[same + 1 :] if len(longer) == len(text) else text[same:]
    return longer[same + 1 :] == rest


# Widths of capitals in a sans-serif face (Helvetica's, thousandths of its height; J between it and other faces').
_WIDTHS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (667, 667, 722, 722, 667, 611, 778, 722, 278, 400, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667,
         944, 667, 667, 611),
        strict=True,
    )
)  # fmt: skip


def relative_width(symbol: str) -> float:
    """How wide a symbol is drawn in a sans-serif face, in no unit: for comparing one with another."""
    return float(sum(_WIDTHS.get(letter, 556) for letter in symbol))
