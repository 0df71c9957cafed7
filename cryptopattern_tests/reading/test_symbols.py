import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS, base_of, is_near_known, meant_symbol, relative_width


def test_every_known_symbol_means_itself() -> None:
    assert {symbol: meant_symbol(symbol) for symbol in KNOWN_SYMBOLS} == {symbol: symbol for symbol in KNOWN_SYMBOLS}


@pytest.mark.parametrize(
    ("read", "meant"),
    [("Al16Z", "AI16Z"), ("1OOOPEPE", "1000PEPE"), ("l000BONK", "1000BONK"), ("TOOOSHIB", "1000SHIB"), ("UNK", "LINK"),
     ("UC", "LTC"), ("0P", "OP"), ("btc", "BTC")],
)  # fmt: skip
def test_letters_that_look_alike_are_set_right(read: str, meant: str) -> None:
    assert meant_symbol(read) == meant


@pytest.mark.parametrize("read", ["", "BTX", "ETHH", "ZXQV", "1D", "XRQ9"])
def test_other_letters_are_left_alone(read: str) -> None:
    assert meant_symbol(read) is None


@given(st.text(max_size=12))
def test_what_is_meant_is_always_known(text: str) -> None:
    assert meant_symbol(text) in KNOWN_SYMBOLS | {None}


@pytest.mark.parametrize(
    ("pair", "base"),
    [("BTC/USDT", "BTC"), ("BTCUSDT", "BTC"), ("BTC-USDT-SWAP", "BTC"), ("ETHUSDT.P", "ETH"),
     ("1000PEPEUSDT", "1000PEPE"), ("SOL", "SOL"), ("USDT", "USDT"), ("btcusdc", "BTC")],
)  # fmt: skip
def test_the_coin_of_a_pair(pair: str, base: str) -> None:
    assert base_of(pair) == base


@pytest.mark.parametrize(("text", "near"), [("BTCC", True), ("AVEX", True), ("TC", True), ("QWERTY", False)])
def test_a_near_miss_of_a_known_symbol_is_told(text: str, near: bool) -> None:
    assert is_near_known(text) is near


def test_wide_letters_make_wide_symbols() -> None:
    assert relative_width("WLD") > relative_width("JTO") > relative_width("T")
