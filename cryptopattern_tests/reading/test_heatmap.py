"""Heatmaps drawn with known bands are read back; labelled screenshots where they are at hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cryptopattern_pipelines.reading.heatmap import Heatmap, read_heatmap, with_first_digit_of
from cryptopattern_pipelines.reading.heatmap_plot import find_plot
from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.palettes import PALETTES
from cryptopattern_pipelines.reading.picture import load_picture
from cryptopattern_pipelines.reading.printed_numbers import Number

LEFT, TOP, RIGHT, BOTTOM = 120, 80, 1080, 680
LOW, HIGH = 60_000.0, 72_000.0
BANDS = {61_500.0: 1.0, 63_300.0: 0.75, 66_900.0: 0.6, 68_700.0: 0.9, 70_500.0: 0.5}


def read(picture: np.ndarray) -> Heatmap:
    return read_heatmap(picture, [], default_engine(), find_plot(picture))


def colour(palette: str, place: float) -> tuple[int, ...]:
    stops = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in PALETTES[palette]], dtype=float)
    at = place * (len(stops) - 1)
    return tuple(round(np.interp(at, np.arange(len(stops)), stops[:, i])) for i in range(3))


def row_of(price: float) -> float:
    return TOP + (HIGH - price) / (HIGH - LOW) * (BOTTOM - TOP)


def drawn(palette: str, page: tuple[int, int, int], ink: tuple[int, int, int], tag: str = "") -> np.ndarray:
    image = Image.new("RGB", (1200, 760), page)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=15)
    draw.rectangle((LEFT, TOP, RIGHT - 1, BOTTOM - 1), fill=colour(palette, 0.0))
    random = np.random.default_rng(7)
    for row in range(TOP, BOTTOM, 6):
        draw.rectangle(
            (int(random.integers(LEFT, RIGHT - 200)), row, RIGHT - 1, row + 5),
            fill=colour(palette, random.uniform(0, 0.2)),
        )
    for price, place in BANDS.items():
        row = round(row_of(price))
        draw.rectangle((LEFT + 300, row - 3, RIGHT - 1, row + 2), fill=colour(palette, place))
    for price in range(60_000, 72_001, 2_000):
        draw.text((RIGHT + 12, row_of(price)), str(price), fill=ink, font=font, anchor="lm")
    if tag:
        row = round(row_of(65_000))
        draw.rectangle((RIGHT + 6, row - 11, RIGHT + 80, row + 11), fill=(230, 60, 75))
        draw.text((RIGHT + 12, row), tag, fill=(255, 255, 255), font=font, anchor="lm")
    return np.array(image)


@pytest.mark.parametrize("palette", ["viridis", "magma", "cividis", "blue", "inferno", "plasma", "turbo", "jet"])
@pytest.mark.parametrize("dark", [True, False])
def test_the_bands_are_read_back_as_prices_in_their_order(palette: str, dark: bool) -> None:
    page, ink = ((24, 26, 32), (150, 155, 165)) if dark else ((255, 255, 255), (90, 95, 105))
    heatmap = read(drawn(palette, page, ink))
    assert heatmap.error is None
    assert heatmap.palette == palette
    strongest = sorted(BANDS, key=lambda price: -BANDS[price])
    for level, price in zip(heatmap.levels[:5], strongest, strict=True):
        assert level.price == pytest.approx(price, abs=0.005 * (HIGH - LOW))
        assert level.strength == pytest.approx(BANDS[price], abs=0.03)
        assert level.side is None


def test_the_tag_beside_the_axis_is_the_current_price_and_gives_the_levels_their_sides() -> None:
    heatmap = read(drawn("viridis", (24, 26, 32), (150, 155, 165), tag="65043.5"))
    assert heatmap.current_price == 65043.5
    assert {level.side for level in heatmap.levels if level.price < 65_000} == {"long"}
    assert {level.side for level in heatmap.levels if level.price > 65_100} == {"short"}


def test_labels_at_the_left_are_the_axis_where_there_are_none_at_the_right() -> None:
    picture = drawn("viridis", (24, 26, 32), (150, 155, 165))
    picture[:, 20:100] = picture[:, RIGHT + 5 : RIGHT + 85]
    picture[:, RIGHT:] = (24, 26, 32)
    heatmap = read(picture)
    strongest = max(BANDS, key=lambda price: BANDS[price])
    assert heatmap.levels[0].price == pytest.approx(strongest, abs=0.005 * (HIGH - LOW))


def test_marks_from_the_axis_to_its_labels_are_no_part_of_them() -> None:
    """As after a messenger's JPEG: a mark begins at the plot and runs into the label's first digit."""
    picture = drawn("viridis", (24, 26, 32), (150, 155, 165))
    picture[:, RIGHT + 6 : RIGHT + 86] = picture[:, RIGHT + 11 : RIGHT + 91].copy()
    for price in range(60_000, 72_001, 2_000):
        row = round(row_of(price))
        picture[row, RIGHT : RIGHT + 8] = (110, 115, 125)
    heatmap = read(picture)
    strongest = max(BANDS, key=lambda price: BANDS[price])
    assert heatmap.levels[0].price == pytest.approx(strongest, abs=0.005 * (HIGH - LOW))


def test_a_pop_up_over_the_right_edge_is_no_band_and_hides_none() -> None:
    picture = drawn("magma", (255, 255, 255), (90, 95, 105))
    row = round(row_of(66_900))
    picture[row - 40 : row + 40, RIGHT - 60 : RIGHT + 8] = (252, 252, 252)
    heatmap = read(picture)
    for level, price in zip(heatmap.levels[:5], sorted(BANDS, key=lambda price: -BANDS[price]), strict=True):
        assert level.price == pytest.approx(price, abs=0.005 * (HIGH - LOW))


def test_a_dashed_line_at_the_current_price_is_no_band() -> None:
    picture = drawn("viridis", (24, 26, 32), (150, 155, 165), tag="65043.5")
    row = round(row_of(65_043))
    for left in range(LEFT, RIGHT, 8):
        picture[row : row + 2, left : left + 4] = (250, 232, 40)
    heatmap = read(picture)
    assert all(abs(level.price - 65_043) > 120 or level.strength < 0.4 for level in heatmap.levels)


def kingfisher(last: int = 6) -> np.ndarray:
    """A Kingfisher-like plot on a page of its ground's colour, its last candle `last` pixels wide at the right edge."""
    image = Image.new("RGB", (1000, 660), colour("kingfisher", 0.0))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=13)
    random = np.random.default_rng(2)
    for row in range(22, 620, 4):
        draw.rectangle((70, row, 869, row + 1), fill=colour("kingfisher", random.uniform(0, 0.2)))
    for place, row in ((0.9, 100), (0.7, 250), (0.6, 400), (0.8, 520)):
        draw.rectangle((70, row, 869, row + 2), fill=colour("kingfisher", place))
    for x in range(120, 860, 9):
        draw.rectangle((x, 300, x + 4, 330), fill=(255, 51, 51))
    draw.rectangle((869 - last, 312, 869, 340), fill=(200, 51, 60))
    draw.rectangle((70, 20, 71, 620), fill=(87, 95, 114))
    draw.rectangle((870, 20, 871, 620), fill=(87, 95, 114))
    draw.rectangle((70, 620, 871, 621), fill=(87, 95, 114))
    for number, row in enumerate(range(20, 620, 80)):
        draw.text((878, row), f"{4.3 - 0.1 * number:.1f}K", fill=(64, 190, 240), font=font, anchor="ls")
    for x in (70, 870):
        draw.text((x, 632), "5/18 4:00", fill=(64, 190, 240), font=font, anchor="mm")
    return np.array(image)


def test_a_plot_on_a_page_of_its_own_colour_ends_where_its_axis_line_does() -> None:
    plot = find_plot(kingfisher())
    assert plot is not None
    assert plot.palette.name == "kingfisher"
    assert abs(plot.box.top - 20) <= 1
    assert 616 <= plot.box.bottom <= 620


def test_the_last_candle_is_no_band() -> None:
    heatmap = read(kingfisher())
    assert heatmap.error is None
    rows = [20 + (4300 - level.price) / 100 * 80 for level in heatmap.levels[:4]]
    assert all(min(abs(row - band) for band in (101, 251, 401, 521)) < 3 for row in rows)
    weak = [level for level in heatmap.levels if 308 < 20 + (4300 - level.price) / 100 * 80 < 344]
    assert all(level.strength < 0.25 for level in weak)


@pytest.mark.parametrize(("price", "wanted"), [(9.574, [9.6, 9.5]), (8.574, [8.6, 8.5]), (4.2, [])])
def test_a_first_digit_that_is_blurred_is_the_one_of_the_price_over_the_plot(price: float, wanted: list[float]) -> None:
    numbers = [Number(8.6, 0.05), Number(8.5, 0.05)]
    found = with_first_digit_of(price, numbers)
    assert [number.value for number in found] == pytest.approx(wanted)


def test_a_blurred_plot_has_no_levels_and_says_so() -> None:
    picture = drawn("viridis", (255, 255, 255), (90, 95, 105))
    picture[:, :] = cv2.GaussianBlur(picture, (0, 0), 14)
    heatmap = read(picture)
    assert heatmap.levels == ()
    assert heatmap.error is not None
    assert "not loaded" in heatmap.error


def test_without_price_labels_there_are_no_levels() -> None:
    picture = drawn("viridis", (24, 26, 32), (150, 155, 165))
    picture[:, RIGHT + 2 :] = (24, 26, 32)
    heatmap = read(picture)
    assert heatmap.levels == ()
    assert heatmap.error is not None
    assert "labels" in heatmap.error


def test_labelled_heatmaps(shared: Path) -> None:
    folder = shared / "screenshots" / "varied"
    truths = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    hits = of = 0
    for truth in [t for t in truths if t["image_type"] == "price_chart_heatmap" and t["levels"]]:
        heatmap = read(load_picture(folder / truth["file"]).pixels)
        reach = 0.005 * (truth["price_range"][1] - truth["price_range"][0])
        off = [
            min((abs(level.price - w["price"]) for level in heatmap.levels), default=np.inf) for w in truth["levels"]
        ]
        hits += sum(distance <= reach for distance in off)
        of += len(off)
        if heatmap.current_price is not None and truth["current_price"] is not None:
            assert heatmap.current_price == pytest.approx(truth["current_price"], rel=5e-4), truth["file"]
    assert hits >= 0.9 * of
