"""Maps drawn with known bars and lines are read back; labelled screenshots where they are at hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cryptopattern_pipelines.reading.liquidation_map import find_bars, legend_of, read_map
from cryptopattern_pipelines.reading.ocr import Word, default_engine
from cryptopattern_pipelines.reading.picture import load_picture
from cryptopattern_pipelines.reading.pixels import Box
from cryptopattern_pipelines.reading.reading import read_pixels
from cryptopattern_tests.samples import pages
from cryptopattern_tests.samples.lookalikes import chart, resent

LEFT, RIGHT, TOP, BASE = 100, 1100, 90, 560
LOW, HIGH = 90_000, 110_000
PRICE = 100_400
PEAKS = {92_000: 380, 96_400: 300, 98_000: 340, 103_200: 420, 107_600: 260}


def column_of(price: float) -> float:
    return LEFT + (price - LOW) / (HIGH - LOW) * (RIGHT - LEFT)


def drawn(long_top: int, short_top: int, *, lines: bool = True) -> np.ndarray:
    image = Image.new("RGB", (1200, 680), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15)
    random = np.random.default_rng(3)
    for price in range(LOW, HIGH + 1, 200):
        x, height = round(column_of(price)), PEAKS.get(price, int(random.integers(10, 90)))
        draw.rectangle((x - 2, BASE - height, x + 2, BASE - 1), fill=(255, 165, 60))
        draw.rectangle((x - 2, BASE - height // 3, x + 2, BASE - 1), fill=(80, 130, 240))
    now = column_of(PRICE)
    if lines:
        for end, top, ink in ((LEFT, long_top, (242, 54, 69)), (RIGHT, short_top, (34, 171, 148))):
            draw.line(
                [(end, BASE - top), (now + (end - now) * 0.5, BASE - top * 0.6), (now, BASE - 2)], fill=ink, width=2
            )
    for price in range(LOW, HIGH + 1, 2_000):
        draw.text((column_of(price), BASE + 18), str(price), fill=(60, 60, 70), font=font, anchor="mm")
    return np.array(image)


def test_clusters_and_shares_are_read_back() -> None:
    words = [Word("Current", 0.9, 520, 60, 60, 14), Word("Price:100400", 0.9, 584, 60, 90, 14)]
    read = read_map(drawn(300, 100), words, default_engine())
    assert read.error is None
    assert read.current_price == PRICE
    assert read.long_share == pytest.approx(75, abs=1)
    tallest = sorted(PEAKS, key=lambda price: -PEAKS[price])
    for level, price in zip(read.levels[:5], tallest, strict=True):
        assert level.price == pytest.approx(price, abs=0.005 * (HIGH - LOW))
        assert level.strength == pytest.approx(PEAKS[price] / 420, abs=0.02)
        assert level.side == ("long" if price < PRICE else "short")


def test_labels_whose_sign_may_be_the_decimal_one_are_not_believed_on_a_page_in_such_a_language() -> None:
    picture = drawn(300, 100)
    picture[BASE + 4 : BASE + 34] = 255
    image = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    for price in range(LOW, HIGH + 1, 2_000):
        draw.text((column_of(price), BASE + 18), f"{price / 10:,.0f}", fill=(60, 60, 70), font=font, anchor="mm")
    german = [Word("Liquidations-Karte", 0.9, 420, 20, 160, 14)]
    read = read_map(np.array(image), german, default_engine())
    assert read.error is not None
    assert "decimal" in read.error
    assert (read.levels, read.current_price) == ((), None)
    assert read_map(np.array(image), [], default_engine()).levels


def test_labels_that_have_lost_their_points_are_set_right_by_the_price_over_its_place() -> None:
    picture = drawn(300, 100)
    picture[BASE + 4 : BASE + 34] = 255
    image = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    for price in range(LOW, HIGH + 1, 2_000):
        draw.text((column_of(price), BASE + 18), str(10 * price), fill=(60, 60, 70), font=font, anchor="mm")
    over = Word(f"{PRICE}.0", 0.9, round(column_of(PRICE)) - 30, 60, 60, 14)
    read = read_map(np.array(image), [over], default_engine())
    assert read.current_price == PRICE
    assert read.levels[0].price == pytest.approx(103_200, abs=0.005 * (HIGH - LOW))
    assert read_map(np.array(image), [], default_engine()).levels[0].price == pytest.approx(1_032_000, rel=0.001)


def test_where_bins_are_left_out_every_label_tells_the_prices_near_it() -> None:
    """The axis leaps from 92 to 94 thousand within one pitch: the label in the gap is one of those left out of 12."""
    picture = drawn(300, 100, lines=False)
    picture[BASE + 4 : BASE + 34] = 255
    image = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=11)
    columns = np.linspace(LEFT, RIGHT, 24)
    prices = [90_000 + 400 * i + (1_500 if i > 12 else 0) for i in range(24)]
    for column, price in zip(columns, prices, strict=True):
        draw.text((column, BASE + 18), str(price), fill=(60, 60, 70), font=font, anchor="mm")
    levels = read_map(np.array(image), [], default_engine()).levels
    wanted = [float(np.interp(column_of(price), columns, prices)) for price in PEAKS]
    found = [level.price for level in levels]
    assert all(min(abs(price - other) for other in found) < 60 for price in wanted)


def test_a_price_off_the_axis_is_not_the_current_price() -> None:
    words = [Word("Price:10040", 0.9, 584, 60, 90, 14)]
    read = read_map(drawn(300, 100), words, default_engine())
    assert read.current_price is None
    assert {level.side for level in read.levels} == {None}


def test_a_slider_is_not_the_baseline_and_grid_lines_are_no_bars() -> None:
    picture = drawn(300, 100)
    picture[620:648, LEFT : RIGHT + 1] = (120, 150, 230)
    for column in range(LEFT + 60, RIGHT, 180):
        picture[100:BASE, column] = (150, 160, 230)
    plot = find_bars(picture)
    assert plot is not None
    assert abs(plot.bottom - BASE) <= 1
    levels = read_map(picture, [], default_engine()).levels
    for level, price in zip(levels[:3], sorted(PEAKS, key=lambda price: -PEAKS[price]), strict=False):
        assert level.price == pytest.approx(price, abs=0.005 * (HIGH - LOW))


def legend(texts: list[str]) -> tuple[np.ndarray, list[Word]]:
    image = Image.new("RGB", (900, 400), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    words = []
    for i, text in enumerate(texts):
        x = 100 + 100 * i
        draw.rectangle((x - 26, 14, x - 8, 26), fill=(90, 120, 240))
        draw.text((x, 20), text, fill=(30, 30, 40), font=ImageFont.load_default(size=14), anchor="lm")
        words.append(Word(text, 0.9, x, 13, 70, 14))
    return np.array(image), words


def test_a_legend_names_venues_or_leverages_if_all_of_it_was_read() -> None:
    plot = Box(60, 60, 860, 380)
    picture, words = legend(["Binance", "OKX", "Bybit"])
    assert legend_of(picture, words, plot) == ("binance_okx_bybit", None)
    assert legend_of(picture, words[1:], plot) == (None, None)
    assert legend_of(picture, words[:-1], plot) == (None, None)
    picture, words = legend(["10x", "25x", "50x", "100x", "Cumulative"])
    assert legend_of(picture, words, plot) == (None, "10x_25x_50x_100x")


def test_without_lines_there_is_no_share() -> None:
    assert read_map(drawn(0, 0, lines=False), [], default_engine()).long_share is None


def test_red_and_green_bars_are_no_lines() -> None:
    page = drawn(0, 0, lines=False)
    page[BASE - 200 : BASE, LEFT : LEFT + 60] = (238, 102, 102)
    page[BASE - 100 : BASE, RIGHT - 60 : RIGHT] = (59, 162, 114)
    assert read_map(page, [], default_engine()).long_share is None


def test_a_page_without_bars_says_so() -> None:
    read = read_map(np.full((600, 900, 3), 240, np.uint8), [], default_engine())
    assert read.levels == ()
    assert read.error is not None


def test_labelled_maps(shared: Path) -> None:
    engine = default_engine()
    hits, of, off = 0, 0, []
    for name in ("genuine", "kingfisher-like", "varied"):
        folder = shared / "screenshots" / name
        truths = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
        for truth in [t for t in truths if t["image_type"] == "liquidation_map"]:
            read = read_map(load_picture(folder / truth["file"]).pixels, [], engine)
            reach = 0.005 * (truth["price_range"][1] - truth["price_range"][0])
            for wanted in truth["levels"]:
                of += 1
                hits += any(abs(level.price - wanted["price"]) <= reach for level in read.levels)
            if truth["long_share"] is not None:
                assert read.long_share is not None, truth["file"]
                off.append(abs(read.long_share - truth["long_share"]))
    assert hits >= 0.9 * of
    assert np.mean(off) <= 0.5
    assert max(off) <= 1.5


def totals_in(picture: Image.Image) -> dict[str, tuple[float, str | None]]:
    read = read_pixels(np.asarray(picture), default_engine())
    return {metric.name: (metric.value, metric.unit) for metric in read.metrics}


@pytest.mark.parametrize("kind", ["kingfisher_map", "leverage_map"])
@pytest.mark.parametrize("seed", range(4))
def test_the_cumulated_totals_are_read_on_the_axis_at_the_right(kind: str, seed: int) -> None:
    """Its labels stand at an angle and in a unit of its own on the Kingfisher's map, upright and in USD on others."""
    drawn = chart(kind, seed)
    unit = None if kind == "kingfisher_map" else "USD"
    for picture, reach in ((drawn.picture, 0.015), (resent(drawn.picture), 0.03)):
        assert totals_in(picture) == {
            metric["name"]: (pytest.approx(metric["value"], rel=reach), unit) for metric in drawn.truth["metrics"]
        }


def test_totals_are_not_told_where_the_turned_labels_are_those_of_another_axis() -> None:
    """Raised by a quarter of the plot they no longer begin at the bars' feet; two of them alone are too few."""
    picture = np.array(chart("kingfisher_map", 1).picture)
    height, width = picture.shape[:2]
    right = round(0.903 * width)
    labels = picture[:, right:].copy()
    picture[: height * 3 // 4, right:] = labels[height // 4 :]
    assert totals_in(Image.fromarray(picture)) == {}
    picture[:, right:] = labels
    picture[: height * 6 // 10, right:] = picture[-1, -1]
    assert totals_in(Image.fromarray(picture)) == {}


def test_totals_are_not_told_where_the_axis_at_the_right_is_missing() -> None:
    prices = np.linspace(90.5, 109.5, 60)
    waiting = np.random.RandomState(0).gamma(1.0, 1.0, (4, 60))
    picture = np.array(pages.leverage_map("ETH", prices, waiting, 99.7).picture)
    picture[:, 1112:] = picture[0, 0]
    read = read_pixels(picture, default_engine())
    assert read.metrics == ()
    assert read.readings != ()
