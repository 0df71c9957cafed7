from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.bars import Bar, find_table
from cryptopattern_pipelines.reading.distribution import DistributionChart, numbers_in, read_distribution
from cryptopattern_pipelines.reading.ocr import Word, default_engine
from cryptopattern_pipelines.reading.picture import load_picture

from . import drawn

ROWS = [
    ("SAND", 27.9), ("ETH", 87.6), ("AVAX", 67.7), ("TRX", 3.2), ("1000PEPE", 27.9), ("BTC", 63.0), ("XLM", 52.6),
    ("WIF", 0.0), ("DOGE", 100.0), ("LINK", 61.7), ("TAO", 48.8), ("FARTCOIN", 42.1),
]  # fmt: skip


def read(picture: np.ndarray) -> DistributionChart:
    table = find_table(picture)
    assert table is not None
    return read_distribution(picture, table, default_engine())


def arrows_of(share: float) -> int:
    most = max(share, 100 - share)
    return (0 if most < 60 else 1 if most < 75 else 2) * (-1 if share > 50 else 1)


def test_a_drawn_chart_is_read_back_row_by_row() -> None:
    chart = read(drawn.distribution(ROWS))
    assert chart.error is None
    assert [(row.symbol, row.long_pct) for row in chart.readings] == ROWS
    assert [row.arrows for row in chart.readings] == [arrows_of(share) for _, share in ROWS]
    assert all(row.long_pct + row.short_pct == pytest.approx(100) for row in chart.readings)
    assert {row.method for row in chart.readings} == {"both"}


def test_the_bar_counts_where_the_text_disagrees() -> None:
    texts = [("30.0%", "70.0%"), ("30.0%", "70.0%"), ("30.0%", "71.0%")]
    picture = drawn.bars([30.0, 42.0, 30.0], texts=texts)
    picture[:, :95] = drawn.distribution([("BTC", 30.0), ("ETH", 42.0), ("SOL", 30.0)])[:, :95]
    rows = {row.symbol: row for row in read(picture).readings}
    assert rows["BTC"].method == "both"
    assert rows["ETH"].method == "bar"
    assert rows["ETH"].long_pct == pytest.approx(42, abs=0.2)
    assert rows["ETH"].agreement == pytest.approx(12, abs=0.2)
    assert rows["SOL"].long_pct == 30.0  # one text is borne out by the bar, the other isn't


def test_a_row_without_a_symbol_is_left_out_and_told_of() -> None:
    picture = drawn.distribution(ROWS[:4])
    picture[64 + 35 : 64 + 58, :95] = drawn.GROUND
    chart = read(picture)
    assert [row.symbol for row in chart.readings] == ["SAND", "AVAX", "TRX"]
    assert chart.error is not None
    assert "row 2" in chart.error


def test_the_text_counts_where_something_lies_over_the_bar() -> None:
    picture = drawn.distribution(ROWS[:8])
    picture[64 + 35 : 87 + 35, 300:560] = 255  # ETH, both texts still seen
    picture[64 + 70 : 87 + 70, 250:698] = 255  # AVAX, one text covered
    chart = read(picture)
    rows = {row.symbol: row for row in chart.readings}
    assert (rows["ETH"].long_pct, rows["ETH"].method) == (87.6, "text")
    assert "AVAX" not in rows
    assert chart.error is not None
    assert "row 3" in chart.error


def test_a_symbol_that_stands_twice_is_read_once() -> None:
    chart = read(drawn.distribution([("SAND", 20.0), ("ETH", 30.0), ("SAND", 40.0)]))
    assert [row.symbol for row in chart.readings] == ["SAND", "ETH"]
    assert chart.error is not None
    assert "twice" in chart.error


def test_badges_that_are_cut_off_are_not_known() -> None:
    assert {row.arrows for row in read(drawn.distribution(ROWS)[:, :715]).readings} == {None}


def test_words_keep_their_places_on_the_picture() -> None:
    words = read(drawn.distribution(ROWS[:3])).words
    eth = next(word for word in words if word.text == "ETH")
    assert 64 + 35 <= eth.y <= 64 + 58
    assert eth.right <= 82


@pytest.mark.parametrize(
    ("text", "places", "values"),
    [
        ("27.9%", 1, [27.9]),
        ("100.0%", 1, [100.0]),
        ("0,4 %", 1, [0.4]),
        ("62.896", 1, [62.8]),  # the % read as 96
        ("561%", 1, [56.1]),  # the point lost
        ("63%", 0, [63.0]),
        ("7.25%", 2, [7.25]),
        ("62.8% / 37.2%", 1, [62.8, 37.2]),
        ("Long 62.8%", 1, [62.8]),
        ("", 1, []),
        ("728.5", 1, []),
    ],
)
def test_percentages_as_charts_write_them(text: str, places: int, values: list[float]) -> None:
    assert numbers_in(text, places) == values


def in_another_layout(rows: list[tuple[str, float]], *, swapped: bool = False) -> np.ndarray:
    """Symbols and shares right of the bars; `swapped` has red at the left."""
    left, right = (drawn.RED, drawn.GREEN) if swapped else (drawn.GREEN, drawn.RED)
    page = Image.fromarray(drawn.bars([share for _, share in rows], left=40, right=260, long=left, short=right))
    draw = ImageDraw.Draw(page)
    for number, (symbol, share) in enumerate(rows):
        draw.text((660, 67 + 35 * number), symbol, drawn.WHITE, drawn.font(15))
        draw.text((760, 67 + 35 * number), f"{share:.1f}% / {100 - share:.1f}%", drawn.WHITE, drawn.font(15))
    return np.array(page)


def test_symbols_and_shares_may_stand_right_of_the_bars() -> None:
    rows = [("SAND", 27.9), ("ETH", 87.6), ("AVAX", 67.7), ("1000PEPE", 12.9)]
    chart = read(in_another_layout(rows))
    assert chart.error is None
    assert [(row.symbol, row.long_pct, row.method) for row in chart.readings] == [(*row, "both") for row in rows]
    assert {row.arrows for row in chart.readings} == {None}  # such a chart has no badges


def test_red_at_the_left_counts_only_where_words_tell_the_sides() -> None:
    rows = [("SAND", 27.9), ("ETH", 87.6), ("AVAX", 67.7)]
    picture = in_another_layout(rows, swapped=True)
    table = find_table(picture)
    assert table is not None
    chart = read_distribution(picture, table, default_engine())
    assert chart.readings == ()
    assert chart.error is not None
    heads = [Word("Short", 0.9, 60, 40, 40, 14), Word("Long", 0.9, 560, 40, 40, 14)]
    chart = read_distribution(picture, table, default_engine(), heads)
    assert [(row.symbol, row.short_pct) for row in chart.readings] == rows


def test_an_unknown_coin_is_never_made_a_known_one() -> None:
    chart = read(drawn.distribution([("MOODENG2", 27.9), ("ZORA2", 63.0), ("BTC", 50.0)]))
    assert {row.symbol for row in chart.readings} <= {"MOODENG2", "ZORA2", "BTC"}


def test_all_rows_of_the_genuine_chart(shared: Path) -> None:
    picture = load_picture(shared / "screenshots/genuine/images/zmart_1000138400.jpg").pixels
    rows = {row.symbol: (row.long_pct, row.arrows) for row in read(picture).readings}
    assert len(rows) == 30
    assert rows["SAND"] == (27.9, 1)
    assert rows["ENA"] == (91.3, -2)
    assert rows["WIF"] == (0.0, 2)
    assert rows["AI16Z"] == (26.7, 1)
    assert rows["1000BONK"] == (46.0, 0)
    assert all(arrows == arrows_of(share) for share, arrows in rows.values())


def test_a_bar_knows_its_height() -> None:
    assert Bar(10, 33, 50.0, 0.2).height == 23
