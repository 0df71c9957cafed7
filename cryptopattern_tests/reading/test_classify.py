from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cryptopattern_pipelines.reading.classify import Title, classify, market_of
from cryptopattern_pipelines.reading.lines import text_lines
from cryptopattern_pipelines.reading.ocr import Word


def words_of(*lines: str, height: int = 20) -> list[Word]:
    """Lines below each other, 10 pixels a letter; two blanks or more part columns."""
    words: list[Word] = []
    for number, line in enumerate(lines):
        place = 0
        for text in line.split(" "):
            if text:
                left = 20 + 10 * place
                words.append(Word(text, 0.95, left, 2 * height * number, 10 * len(text), height, number, len(words)))
            place += len(text) + 1
    return words


def title_of(*lines: str) -> Title:
    title = classify(words_of(*lines))
    assert title is not None
    return title


def test_all_leverage_in_other_titles_makes_no_distribution() -> None:
    chart = title_of("Long/Short Liquidations Distribution (all_leverage)")
    assert (chart.image_type, chart.leverage, chart.symbol) == ("liquidation_distribution_all", "all_leverage", None)
    heatmap = title_of("The Kingfisher ETH/USDT Liq Heatmap continuous all_leverage")
    assert (heatmap.image_type, heatmap.symbol, heatmap.leverage) == ("price_chart_heatmap", "ETH", "all_leverage")
    chart = title_of("ETH: binance_bitfinex_okx_bybit - Tue, 29 Jul 2025 16:00:00 GMT all leverage")
    assert (chart.image_type, chart.symbol, chart.venue) == ("liquidation_map", "ETH", "binance_bitfinex_okx_bybit")
    assert chart.chart_time == datetime(2025, 7, 29, 16, tzinfo=UTC)
    assert chart.title is not None
    assert chart.title.endswith("all_leverage")


@pytest.mark.parametrize(
    ("line", "image_type", "symbol", "venue", "timeframe"),
    [
        ("Long/Short Liquidations Distribution (optical_opti)", "liquidation_distribution_opti", None, None, None),
        ("GALA/USDT Liquidation Distribution - All Leverage", "liquidation_distribution_all", "GALA", None, None),
        ("Liquidation Distribution: Optical Opti (TRX/USDT)", "liquidation_distribution_opti", "TRX", None, None),
        ("1000SHIB Liquidation Distribution: All Leverage", "liquidation_distribution_all", "1000SHIB", None, None),
        ("Binance BTC/USDT Liquidation Map", "liquidation_map", "BTC", "Binance", None),
        ("AAVE Exchange Liquidation Map", "liquidation_map", "AAVE", None, None),
        ("BTC Liquidation Heatmap", "price_chart_heatmap", "BTC", None, None),
        ("Binance BTC/USDT Liquidation Heatmap(1 month)", "price_chart_heatmap", "BTC", "Binance", "1 month"),
        ("OKX 1000FLOKIUSDT Liquidation Heatmap", "price_chart_heatmap", "1000FLOKI", "OKX", None),
        ("Binance SUIUSDT Liquidaticn Heatmap", "price_chart_heatmap", "SUI", "Binance", None),
        ("Binance ETH/USDT Liquidation Ma", "liquidation_map", "ETH", "Binance", None),
        ("OKX BTC/USDT Liquidation Heatm", "price_chart_heatmap", "BTC", "OKX", None),
        ("SOL/JUSDT Liquidation Heatmap", "price_chart_heatmap", "SOL", None, None),
        ("SOL Market Metrics", "market_metrics_dashboard", "SOL", None, None),
        ("Crypto Market Overview", "market_metrics_dashboard", None, None, None),
        ("GALA Derivatives Overview", "market_metrics_dashboard", "GALA", None, None),
    ],
)
def test_titles(line: str, image_type: str, symbol: str | None, venue: str | None, timeframe: str | None) -> None:
    title = title_of(line)
    assert (title.image_type, title.symbol, title.venue, title.timeframe) == (image_type, symbol, venue, timeframe)


@pytest.mark.parametrize(
    "line",
    [
        "What the liquidation heatmap says about the next move",
        "Liquidation heatmaps now in the app",
        "BTC Total Liquidations Chart",
        "RSI Heatmap",
        "According to data from CoinGlass, the liquidation heatmap shows a pocket",
        "Funding Rate by Exchange",
        "LTCUSDT Perpetual Long Cross 20x",
        "The long/short liquidations distribution on several altcoins is skewed, all leverage",
        "BTCUSDT Perpetual - 1h - BINANCE",
        "",
    ],
)
def test_what_is_no_title(line: str) -> None:
    assert classify(words_of(line)) is None


def test_of_several_titles_the_one_that_says_most_counts() -> None:
    title = title_of("LTC Liquidation Heatmap", "HTX LTC/USDT Liquidation Heatmap")
    assert (title.title, title.venue) == ("HTX LTC/USDT Liquidation Heatmap", "HTX")


def test_a_menu_that_names_a_heatmap_is_no_title() -> None:
    menu = "Markets    Options    Liquidation Heatmap    Open Interest"
    assert classify(words_of(menu)) is None
    assert title_of(menu, "BTC Liquidation Map").title == "BTC Liquidation Map"
    assert not title_of("Liquidation Heatmap    24 hour    Binance").strong


@pytest.mark.parametrize(
    "lines",
    [
        ("Popular pages", "ADA Liquidation Heatmap", "BTC Liquidation Map", "OP Liquidation Heatmap"),
        ("BTC Liquidation Heatmap", "Email", "Password", "Forgot it?"),
        ("Ann 12:01", "BTC Liquidation Map", "Ben 12:03", "looks bad 12:04", "Ann 12:09", "yes 12:10"),
        ("Traders watch the map for clusters", "above the price that is current", "BTC Liquidation Heatmap"),
        ("https://www.some.com", "BTC Liquidation Map", "www.other.com/a", "ETH funding"),
        ("BTC Liquidation Map", "some words here", "more of them", "and then more", "which go on", "up to here"),
    ],
    ids=["links", "login", "chat", "article", "search", "text"],
)
def test_a_title_among_others_or_in_a_talk_is_not_strong(lines: tuple[str, ...]) -> None:
    title = classify(words_of(*lines))
    assert title is None or not title.strong


def test_a_title_above_a_larger_heading_is_a_browsers_tab() -> None:
    tab = words_of("BTC Liquidation Heatmap")
    heading = [word.moved(0, 200) for word in words_of("Checking your browser", height=40)]
    assert not (classify([*tab, *(replace(word, line=9) for word in heading)]) or title_of("BTC")).strong


def test_a_title_above_its_legend_stays_strong() -> None:
    assert title_of("BTC Liquidation Map", "1 day    7 day", "10x    25x    50x", "Current Price: 104,230").strong
    assert title_of("BTC Liquidation Heatmap", "12 hour    24 hour", "10:00    11:00    12:00    13:00").strong


def test_a_title_may_go_on_below() -> None:
    title = title_of("Longs and shorts", "GMXUSDT Liquidation Distribution - All", "Leverage")
    assert (title.image_type, title.symbol) == ("liquidation_distribution_all", "GMX")


def test_the_pair_may_stand_under_the_title() -> None:
    assert title_of("Liquidation Distribution - All Leverage", "SAND/USDT").symbol == "SAND"
    assert title_of("Market Metrics", "1000PEPEUSDT").symbol == "1000PEPE"


def test_a_dashboard_is_known_by_its_labels_unless_they_stand_in_one_row() -> None:
    tiles = ("Price    24h Volume    Open Interest", "$1.20    $5M    $9M", "Funding Rate    Long/Short Ratio")
    assert title_of(*tiles).image_type == "market_metrics_dashboard"
    header = words_of("Price    24h Volume    Open Interest    Funding Rate    Market Cap")
    assert classify(header) is None
    uneven = [replace(word, top=76, height=14 if word.text == "Funding" else 10) for word in header]
    assert classify(uneven) is None


@pytest.mark.parametrize(
    ("text", "market"),
    [("Binance BTC/USDT Perpetual", ("BTC", "Binance")), ("ETHUSDT", ("ETH", None)),
     ("OKX SOLUSDT Perpetual v", ("SOL", "OKX")), ("Open Interest", None), ("Binance", None), ("USDT", None)],
)  # fmt: skip
def test_markets_in_headers(text: str, market: tuple[str, str | None] | None) -> None:
    assert market_of(text) == market


def test_lines_are_parted_where_a_gap_is_wide() -> None:
    assert [line.text for line in text_lines(words_of("Open Interest        24h Volume"))] == [
        "Open Interest",
        "24h Volume",
    ]


def test_a_kingfisher_map_whose_leverage_is_covered_is_known_by_its_venues_and_time() -> None:
    words = [
        Word(text, 0.95, 30 + 120 * number, 24, 110, 18, 0, number)
        for number, text in enumerate(
            ["ETH:", "binance_okx_bybit", "-", "Fri,", "25", "Apr", "2025", "16:00:00", "GMT_¢", "liquidafic", "opti"]
        )
    ]
    title = classify(words)
    assert title is not None
    assert (title.image_type, title.symbol, title.leverage) == ("liquidation_map", "ETH", "optical_opti")
    assert title.title == "ETH: binance_okx_bybit - Fri, 25 Apr 2025 16:00:00 GMT optical_opti"
    assert classify([word for word in words if word.text not in ("binance_okx_bybit", "opti")]) is None
