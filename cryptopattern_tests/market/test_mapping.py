"""Mappings from a file's columns to a table's: those that ship, and what is refused."""

import pytest

from cryptopattern_pipelines.market.mapping import (
    IMPORTABLE,
    MappingError,
    by_name,
    importable,
    parse_mapping,
    read_mapping,
    shipped,
)

GOOD = """
table = "derivatives_metrics"
time = { column = "t", is = "snapshot" }
[columns]
symbol = "coin"
funding_rate = "funding"
[constants]
venue = "bybit"
[scale]
funding_rate = 0.01
"""


def test_every_mapping_that_ships_can_be_used_and_says_what_it_is_for() -> None:
    for name, about in shipped().items():
        assert read_mapping(name).table.name in IMPORTABLE
        assert len(about) > 20, name


def test_a_mapping_says_which_columns_it_needs() -> None:
    mapping = parse_mapping(GOOD, "mine.toml")
    assert mapping.needs == ["t", "coin", "funding"]
    assert mapping.with_constants({"symbol": "BTC"}).needs == ["t", "funding"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('venue = "bybit"', "", "derivatives_metrics needs venue: say which columns"),
        ("funding_rate = 0.01", "venue = 2", r"\[scale\] of venue, which is no number"),
        ("funding_rate = 0.01", 'funding_rate = "1"', r"\[scale\] is a list of name = value"),
        ('symbol = "coin"', 'symbol = "coin"\nprice = "p"', "has no column price: it has symbol, venue"),
        ('"snapshot"', '"whenever"', "where is says one of hour, hour_end, snapshot, day"),
        ('"snapshot"', '"day"', "figures of days can't be told in it"),
        ("derivatives_metrics", "squeeze_analyses", "squeeze_analyses is made from other tables: import into one of"),
        ("derivatives_metrics", "prices", "prices is no table"),
        ("[scale]", "[units]", "says units: a mapping has columns, constants, scale, table, time"),
        ("[scale]", "[scale", "is no TOML"),
    ],
)
def test_what_a_mapping_may_not_say_is_refused_in_one_line(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(MappingError, match=told) as error:
        parse_mapping(GOOD.replace(old, new), "mine.toml")
    assert "\n" not in str(error.value)


def test_columns_are_known_by_the_tables_own_names() -> None:
    mapping = by_name(importable("market_candles"), ["hour", "symbol", "open", "whatever"])
    assert (mapping.time_column, mapping.time_is) == ("hour", "hour")
    assert mapping.columns == {"symbol": "symbol", "open": "open"}
    with pytest.raises(MappingError, match="needs venue, market, high"):
        mapping.check()


def test_a_mapping_that_is_not_there_is_named() -> None:
    with pytest.raises(MappingError, match="no mapping nope: give a file that ends in"):
        read_mapping("nope")
    with pytest.raises(MappingError, match=r"nope\.toml can't be read"):
        read_mapping("nope.toml")
