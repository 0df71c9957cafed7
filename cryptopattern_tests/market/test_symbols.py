import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.market import symbols
from cryptopattern_pipelines.market.renames import RENAMES
from cryptopattern_pipelines.market.source import SymbolError
from cryptopattern_pipelines.market.symbols import Symbol
from cryptopattern_pipelines.storage.schemas import LIQUIDATION_LEVELS, TEXT

coin_names = st.from_regex(r"[A-Z][A-Z0-9]{1,7}", fullmatch=True).filter(
    lambda name: not name.endswith(("USD", "USDT", "USDC", "1000"))
)


@pytest.mark.parametrize(
    "name",
    ["BTC", "btc", " btcusdt ", "BTCUSDC", "BTCUSD", "BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC/USDT",
     "BTC/USDT:USDT", "BTC_USDT", "BTCUSD_PERP", "BTCUSDT.P", "BINANCE:BTCUSDT", "BINANCE:BTCUSDT.P",
     "XBT", "XBTUSD", "XBT/USD", "BTC_USDC", "BTCFDUSD"],
)  # fmt: skip
def test_every_usual_spelling_names_the_coin(name: str) -> None:
    assert symbols.parse(name) == Symbol("BTC")


@pytest.mark.parametrize(
    ("name", "coin", "multiplier"),
    [
        ("1000PEPE", "PEPE", 1000),
        ("1000PEPEUSDT", "PEPE", 1000),
        ("1000PEPE/USDT:USDT", "PEPE", 1000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1000000MOGUSDT", "MOG", 1_000_000),
        ("1MBABYDOGEUSDT", "BABYDOGE", 1_000_000),
        ("10000LADYSUSDT", "LADYS", 10_000),
        ("SHIB1000USDT", "SHIB", 1000),
        ("1000FOO", "FOO", 1000),
        ("BNBUSD_PERP", "BNB", 1),
        ("DOTUSD", "DOT", 1),
        ("SHIBBUSD", "SHIB", 1),
        ("ETHTUSD", "ETH", 1),
        ("1INCHUSDT", "1INCH", 1),
        ("USDT", "USDT", 1),
        ("USDCUSDT", "USDC", 1),
        ("FDUSD", "FDUSD", 1),
        ("PERPUSDT", "PERP", 1),
    ],
)
def test_bundles_and_names_that_look_like_something_else(name: str, coin: str, multiplier: int) -> None:
    assert symbols.parse(name) == Symbol(coin, multiplier)


@pytest.mark.parametrize("name", ["", "ETH/BTC", "BTC-EUR", "BTCUSDT_240628", "BTC-USDT-240628", "BTC USDT", "??"])
def test_what_names_no_dollar_market_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(SymbolError, match="give"):
        symbols.parse(name)


@given(coin_names, st.sampled_from([1, 1000, 1_000_000]))
def test_binance_names_lead_back_to_the_coin(coin: str, size: int) -> None:
    asked = coin if size == 1 else f"{size}{coin}"
    for market in symbols.MARKETS:
        [choice] = symbols.binance_instruments([asked], market)
        assert (coin, size) in {(each.coin, each.multiplier) for each in choice}
        for each in choice:
            assert symbols.binance_instrument(each.name, market) == each


@given(coin_names)
def test_okx_names_lead_back_to_the_coin(coin: str) -> None:
    for market in symbols.MARKETS:
        [[each]] = symbols.okx_instruments([coin], market)
        assert symbols.okx_instrument(each.name, market) == each


def test_a_known_bundle_is_looked_for_whatever_it_is_called() -> None:
    for name in ("PEPE", "1000PEPE", "pepeusdt"):
        [perpetual] = symbols.binance_instruments([name], "perpetual")
        [spot] = symbols.binance_instruments([name], "spot")
        assert [each.name for each in perpetual] == ["1000PEPEUSDT", "PEPEUSDT"]
        assert [each.name for each in spot] == ["PEPEUSDT", "1000PEPEUSDT"]


def test_two_spellings_of_a_coin_are_one_coin() -> None:
    assert symbols.coins(["ethusdt", "BTC", "BTC-USDT-SWAP", "ETH"]) == {"BTC": (1,), "ETH": (1,)}


def test_dated_futures_and_other_quotes_are_not_listed() -> None:
    assert symbols.binance_instrument("BTCUSDT_240628", "perpetual") is None
    assert symbols.binance_instrument("ETHBTC", "spot") is None
    assert symbols.okx_instrument("BTC-USD-SWAP", "perpetual") is None
    assert symbols.okx_instrument("BTC-USDT-SWAP", "spot") is None


@pytest.mark.parametrize(("old", "new"), [("MATIC", "POL"), ("FTM", "S"), ("EOS", "A"), ("RNDR", "RENDER")])
def test_a_renamed_coin_is_one_coin_with_the_instruments_of_both_names(old: str, new: str) -> None:
    for name in (old, f"{old}USDT", f"{old}-USDT-SWAP", new.lower()):
        assert symbols.parse(name) == Symbol(new)
        [binance] = symbols.binance_instruments([name], "perpetual")
        assert [(each.coin, each.name) for each in binance] == [(new, f"{new}USDT"), (new, f"{old}USDT")]
        [okx] = symbols.okx_instruments([name], "spot")
        assert [(each.coin, each.name) for each in okx] == [(new, f"{new}-USDT"), (new, f"{old}-USDT")]
    assert symbols.as_listed(f"{old}USDT") == Symbol(old)
    assert symbols.binance_instrument(f"{old}USDT", "spot") == symbols.Instrument(new, "spot", f"{old}USDT")
    assert symbols.okx_instrument(f"{old}-USDT", "spot") == symbols.Instrument(new, "spot", f"{old}-USDT")


def test_each_rename_is_told_once_and_its_source_with_it() -> None:
    assert len({rename.old for rename in RENAMES}) == len(RENAMES)
    assert not {rename.old for rename in RENAMES} & {rename.new for rename in RENAMES}
    assert all(rename.source.startswith("https://") for rename in RENAMES)


def test_rows_of_charts_go_by_the_coin_at_the_price_of_one() -> None:
    labels = pd.Series(["1000PEPE", "PEPE", "XBT", None, "a b c", "1000000MOGUSDT"], dtype=TEXT)
    rows = pd.DataFrame({"symbol": labels, "price": [0.012, 0.000012, 60_000.0, 5.0, 7.0, 1.5]})
    found = symbols.by_coin(rows)
    expected = pd.Series(["PEPE", "PEPE", "BTC", None, "a b c", "MOG"], dtype=TEXT)
    pd.testing.assert_series_equal(found["symbol"], expected, check_names=False)
    assert found["price"].tolist() == pytest.approx([0.000012, 0.000012, 60_000.0, 5.0, 7.0, 0.0000015])
    pd.testing.assert_frame_equal(symbols.by_coin(found), found)


def test_rows_without_a_price_or_without_rows_go_by_the_coin_too() -> None:
    rows = pd.DataFrame({"symbol": pd.Series(["1000PEPE"], dtype=TEXT), "long_pct": [40.0]})
    assert symbols.by_coin(rows).to_dict("list") == {"symbol": ["PEPE"], "long_pct": [40.0]}
    none = symbols.by_coin(LIQUIDATION_LEVELS.empty())
    assert none.empty
    LIQUIDATION_LEVELS.pandera.validate(none)
