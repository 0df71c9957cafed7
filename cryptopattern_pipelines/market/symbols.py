"""One name a coin: from the spellings of people and venues to it, and from it to a venue's instruments.

Only markets quoted in USD or a dollar coin are understood. Some perpetuals trade a bundle of coins (`1000PEPE`):
the bundle's size is the multiplier, and prices are divided by it, volumes multiplied. A coin that changed its name goes
by the new one at all times, and its instruments under the old one are its own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from cryptopattern_pipelines.market.renames import RENAMES
from cryptopattern_pipelines.market.source import SymbolError
from cryptopattern_pipelines.storage.schemas import TEXT

Market = Literal["spot", "perpetual"]

MARKETS: tuple[Market, ...] = ("spot", "perpetual")

_OKX_SUFFIXES = {"spot": "-USDT", "perpetual": "-USDT-SWAP"}

# Longest first, so that FDUSD isn't read as FD quoted in USD.
_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD")
# Coins whose own name ends like a quote.
_DOLLAR_COINS = {*_QUOTES, "PYUSD", "SUSD", "GUSD", "LUSD", "RLUSD", "USDE", "USDP", "DAI", "USD1", "BFUSD"}
# Coins that end in the first letter of BUSD or TUSD: BNBUSD is BNB in dollars, not BN in BUSD.
_DOLLARS_AFTER = {
    *("ARB", "BNB", "RLB", "SHIB"),
    *("ACT", "ANT", "APT", "BAT", "CAT", "DOT", "FET", "FTT", "GMT", "GRT", "HFT", "HNT", "LIT", "LPT", "MNT", "NMT"),
    *("NOT", "PROMPT", "QNT", "SNT", "SWEAT", "TWT", "WBT", "WCT", "XBT"),
}

_BUNDLES = {"1000000": 1_000_000, "10000": 10_000, "1000": 1_000}

# Bundles that Binance lists, as USD-M perpetual or spot. A bundle that isn't here is found when it is asked for
# by its own name (`1000FOO`).
_BUNDLED = {
    "BABYDOGE": 1_000_000,
    "BOB": 1_000_000,
    "MOG": 1_000_000,
    "BONK": 1_000,
    "CAT": 1_000,
    "CHEEMS": 1_000,
    "FLOKI": 1_000,
    "LUNC": 1_000,
    "PEPE": 1_000,
    "RATS": 1_000,
    "SATS": 1_000,
    "SHIB": 1_000,
    "WHY": 1_000,
    "X": 1_000,
    "XEC": 1_000,
}
# Binance writes this one bundle with an M.
_MILLION_AS_M = {"BABYDOGE"}

# Names that some venues and people write for a coin that most write otherwise.
_OTHER_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_RENAMED = {rename.old: rename for rename in RENAMES}


@dataclass(frozen=True)
class Symbol:
    """A coin, and how many of it one unit of the named instrument is."""

    coin: str
    multiplier: int = 1


@dataclass(frozen=True)
class Instrument:
    """One market that a venue may have for a coin."""

    coin: str
    market: Market
    name: str
    multiplier: int = 1


def parse(name: str) -> Symbol:
    """Read a coin's name in any usual spelling.

    Understood: `BTC`, `btcusdt`, `XBT`, `BTC-USDT-SWAP`, `BTC/USDT:USDT`, `BTCUSDT.P`, `BINANCE:BTCUSDT`,
    `BTCUSD_PERP`, bundles `1000PEPE`, `1000000MOGUSDT`, `1MBABYDOGE`, `SHIB1000USDT`, and names of before a rename
    (`MATIC` is POL).

    Raises:
        SymbolError: it names no coin, a dated future, or a market that isn't quoted in dollars.
    """
    return renamed(as_listed(name))


def by_coin(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows read from charts, under the coins that their labels mean and at the price of one coin.

    A label that names no coin stays as it is, a missing one missing.

    Args:
        rows: with `symbol`; `price`, USD, where there is one, is of what the label names: a bundle, or a coin under
            the name and by the size that it had before a rename.
    """
    meant = {label: _meant(label) for label in rows["symbol"].dropna().unique()}
    known = rows["symbol"].map(meant)
    found = rows.assign(symbol=known.map(lambda symbol: symbol.coin, na_action="ignore").astype(TEXT))
    if "price" not in rows:
        return found
    size = known.map(lambda symbol: symbol.multiplier, na_action="ignore").astype("float64").fillna(1.0)
    return found.assign(price=rows["price"] / size)


def _meant(label: str) -> Symbol:
    try:
        return parse(label)
    except SymbolError:
        return Symbol(label)


def renamed(symbol: Symbol) -> Symbol:
    """The coin under the name that it goes by."""
    while symbol.coin in _RENAMED:
        rename = _RENAMED[symbol.coin]
        symbol = Symbol(rename.new, symbol.multiplier * rename.ratio)
    return symbol


def is_dollar(coin: str) -> bool:
    """Whether a coin is worth a dollar by its design."""
    return coin in _DOLLAR_COINS


def as_listed(name: str) -> Symbol:
    """As `parse`, but under the name that a venue lists it by, be it an old one.

    Raises:
        SymbolError: as `parse`.
    """
    text = name.strip().upper()
    # `BTC/USDT:USDT` has its settlement coin after the colon, `BINANCE:BTCUSDT` its venue before it.
    text = text.split(":")[0] if "/" in text else text.split(":")[-1]
    parts = re.split(r"[-_/.]", text)
    if parts[-1] in ("SWAP", "PERP", "P") and len(parts) > 1:
        parts.pop()
    if len(parts) == 2 and parts[1] in _QUOTES:
        base = parts[0]
    elif len(parts) == 1:
        base = _without_quote(parts[0])
    elif parts[-1].isdigit():
        raise SymbolError(f"{name!r} is a dated future: give its coin, e.g. BTC")
    else:
        raise SymbolError(f"{name!r} is not quoted in dollars: give a coin, e.g. BTC, or BTC/USDT")
    if not re.fullmatch(r"[^\W_]{1,30}", base):
        raise SymbolError(f"{name!r} names no coin: give one as BTC, BTCUSDT or BTC-USDT-SWAP")
    symbol = _unbundled(base)
    return Symbol(_OTHER_NAMES.get(symbol.coin, symbol.coin), symbol.multiplier)


def coins(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The coins that `names` name, sorted, each with the sizes of bundle in which it may be listed, smallest first.

    Raises:
        SymbolError: as `parse`.
    """
    sizes: dict[str, set[int]] = {}
    for name in names:
        symbol = parse(name)
        known = {1, _BUNDLED.get(symbol.coin, 1), symbol.multiplier}
        sizes[symbol.coin] = sizes.get(symbol.coin, set()) | known
    return {coin: tuple(sorted(sizes[coin])) for coin in sorted(sizes)}


def binance_instruments(names: Iterable[str], market: Market) -> list[list[Instrument]]:
    """For each coin, the USDT instruments that Binance may have for it; of two in one hour the first counts.

    Spot lists most coins one by one, the perpetual market in bundles, so the preference differs.

    Raises:
        SymbolError: as `parse`.
    """
    choices = []
    for coin, sizes in coins(names).items():
        order = sizes if market == "spot" else sizes[::-1]
        instruments = [Instrument(coin, market, f"{_bundle_name(coin, size)}USDT", size) for size in order]
        choices.append([*instruments, *(Instrument(coin, market, f"{old}USDT", size) for old, size in _formerly(coin))])
    return choices


def okx_instruments(names: Iterable[str], market: Market) -> list[list[Instrument]]:
    """For each coin, the USDT instruments that OKX may have for it; OKX counts in coins and bundles none.

    Raises:
        SymbolError: as `parse`.
    """
    suffix = _OKX_SUFFIXES[market]
    return [
        [Instrument(coin, market, f"{name}{suffix}", size) for name, size in ((coin, 1), *_formerly(coin))]
        for coin in coins(names)
    ]


def binance_instrument(name: str, market: Market) -> Instrument | None:
    """The instrument that Binance lists by this name; None when it isn't quoted in USDT or is a dated future."""
    if not name.endswith("USDT") or name == "USDT" or "_" in name:
        return None
    symbol = parse(name)
    return Instrument(symbol.coin, market, name, symbol.multiplier)


def okx_instrument(name: str, market: Market) -> Instrument | None:
    """The instrument that OKX lists by this name; None when it isn't quoted in USDT."""
    suffix = _OKX_SUFFIXES[market]
    if not name.endswith(suffix):
        return None
    symbol = renamed(Symbol(name.removesuffix(suffix)))
    return Instrument(symbol.coin, market, name, symbol.multiplier)


def _formerly(coin: str) -> list[tuple[str, int]]:
    """The names that a coin had, latest first, and how many of it one of that name is."""
    found: list[tuple[str, int]] = []
    for rename in RENAMES[::-1]:
        if rename.new == coin:
            found += [(rename.old, rename.ratio)]
            found += [(old, size * rename.ratio) for old, size in _formerly(rename.old)]
    return found


def _without_quote(text: str) -> str:
    if text in _DOLLAR_COINS:
        return text
    if text.removesuffix("USD") in _DOLLARS_AFTER:
        return text.removesuffix("USD")
    for quote in _QUOTES:
        if text.endswith(quote) and text != quote:
            return text.removesuffix(quote)
    return text


def _unbundled(base: str) -> Symbol:
    for digits, size in _BUNDLES.items():
        if base.startswith(digits) and base.removeprefix(digits)[:1].isalpha():
            return Symbol(base.removeprefix(digits), size)
        # Bybit writes SHIB1000.
        if base.endswith(digits) and base.removesuffix(digits) in _BUNDLED:
            return Symbol(base.removesuffix(digits), size)
    if base.removeprefix("1M") in _MILLION_AS_M and base.startswith("1M"):
        return Symbol(base.removeprefix("1M"), 1_000_000)
    return Symbol(base)


def _bundle_name(coin: str, size: int) -> str:
    if size == 1:
        return coin
    return f"1M{coin}" if coin in _MILLION_AS_M and size == 1_000_000 else f"{size}{coin}"
