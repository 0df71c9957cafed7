"""Metrics as text: labels, values, changes."""

import pytest

from cryptopattern_pipelines.reading.metrics import is_possible, metric_of, name_of, parse_change, parse_value


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Volume (24h)", "volume_24h"),
        ("4h Liquidations", "4h_liquidation"),
        ("Liquidations", "liquidations"),
        ("Total Open Interest", "open_interest"),
        ("Funding / Countdown", "funding_rate"),
        ("L/S Ratio", "long_short_ratio"),
        ("High (24h)", "24h_high"),
        ("@ Market Cap", "market_cap"),
    ],
)
def test_labels_in_other_words_mean_the_same(label: str, name: str) -> None:
    meant = metric_of(label)
    assert meant is not None
    assert meant[0] == name


@pytest.mark.parametrize("label", ["OI / Market Cap", "th Liquidations", "High", "24h Trades", "Long Accounts"])
def test_a_label_that_holds_a_known_one_is_not_that_one(label: str) -> None:
    assert metric_of(label) is None


def test_an_unknown_label_names_itself() -> None:
    assert name_of("Net Inflow (24h)") == "net_inflow_24h"
    assert name_of("Ol / Market Cap") == "oi_market_cap"


@pytest.mark.parametrize(
    ("text", "number", "unit", "rest"),
    [
        ("1.2 B", 1.2e9, None, ""),
        ("$ 1.2 B", 1.2e9, "USD", ""),
        ("119.69B USD", 119.69e9, "USD", ""),
        ("3.5M$", 3.5e6, "USD", ""),
        ("($1.2M)", -1.2e6, "USD", ""),
        ("\u2013$55.96M", -55.96e6, "USD", ""),
        ("$67,123.4 +1.2%", 67_123.4, "USD", "+1.2%"),
        ("0.0100% / 03:21:11", 0.01, "%", "/ 03:21:11"),
    ],
)
def test_values_in_many_writings(text: str, number: float, unit: str | None, rest: str) -> None:
    value = parse_value(text)
    assert value is not None
    assert (value.number, value.unit, value.rest) == (pytest.approx(number), unit, rest)


@pytest.mark.parametrize("text", ["$573 : 682K", "+5 22%", "24h", "5m", "16.2.3"])
def test_what_was_read_in_parts_is_no_value(text: str) -> None:
    assert parse_value(text) is None


def test_a_change_keeps_its_printed_sign_and_needs_its_point() -> None:
    assert parse_change("+$10.00 (+7.06%)") == (7.06, "+")
    assert parse_change("\u22120.15%") == (0.15, "-")
    assert parse_change("2.31%") == (2.31, "")
    assert parse_change("231%") is None


def test_what_a_metric_cannot_be_is_told() -> None:
    for name, text in (("funding_rate", "40.0100%"), ("rsi", "743.5"), ("24h_change", "-117%"), ("price", "-5.1")):
        value = parse_value(text)
        assert value is not None
        assert not is_possible(name, value), name
