import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopattern_pipelines.reading.bars import find_share_bar, find_table

from . import drawn

shares = st.integers(0, 1000).map(lambda tenths: tenths / 10)


@settings(max_examples=25, deadline=None)
@given(st.lists(shares, min_size=3, max_size=12), st.integers(240, 900))
def test_each_share_is_measured_to_a_pixel(wanted: list[float], width: int) -> None:
    table = find_table(drawn.bars(wanted, width=width))
    assert table is not None
    assert len(table.bars) == len(wanted)
    for bar, share in zip(table.bars, wanted, strict=True):
        assert abs(bar.long_pct - share) <= bar.error


@pytest.mark.parametrize("quality", [90, 50, 25])
def test_a_jpeg_costs_less_than_a_third_of_a_point(quality: int) -> None:
    wanted = [7.3, 21.9, 33.3, 48.8, 50.1, 66.6, 91.2]
    squeezed = cv2.imencode(".jpg", drawn.bars(wanted), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    picture = cv2.imdecode(squeezed, cv2.IMREAD_COLOR)
    assert picture is not None
    table = find_table(picture)
    assert table is not None
    assert np.abs([bar.long_pct - share for bar, share in zip(table.bars, wanted, strict=True)]).max() < 0.34


@pytest.mark.parametrize(
    ("long", "short"),
    [((38, 166, 154), (239, 83, 80)), ((59, 130, 246), (249, 115, 22)), ((124, 252, 124), (177, 108, 255))],
)
def test_sides_are_told_by_colour_whatever_the_palette(long: tuple[int, int, int], short: tuple[int, int, int]) -> None:
    table = find_table(drawn.bars([20.0, 50.0, 80.0], long=long, short=short))
    assert table is not None
    assert [round(bar.long_pct) for bar in table.bars] == [20, 50, 80]


def test_a_table_the_other_way_round_is_told() -> None:
    table = find_table(drawn.bars([20.0, 50.0, 80.0], long=drawn.RED, short=drawn.GREEN))
    assert table is not None
    assert table.mirrored
    assert [round(bar.long_pct) for bar in table.bars] == [80, 50, 20]
    assert [round(table.left_pct(bar)) for bar in table.bars] == [20, 50, 80]


@pytest.mark.parametrize("frame", [(240, 240, 244), (12, 12, 14)])
def test_a_frame_around_the_chart_is_neither_its_ground_nor_a_bar(frame: tuple[int, int, int]) -> None:
    wanted = [20.0, 35.5, 50.0, 80.0]
    picture = drawn.bars(wanted)
    picture = cv2.copyMakeBorder(picture, 25, 23, 70, 70, cv2.BORDER_CONSTANT, value=frame)
    table = find_table(picture)
    assert table is not None
    assert [bar.long_pct for bar in table.bars] == pytest.approx(wanted, abs=0.2)


def test_nothing_is_found_in_noise_or_on_an_empty_page() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    for picture in (noise, np.full((300, 400, 3), 200, np.uint8)):
        assert find_table(picture) is None
        assert find_share_bar(picture) is None


def test_what_lies_over_a_bar_widens_its_error() -> None:
    picture = drawn.bars([30.0, 50.0, 70.0, 80.0, 90.0])
    picture[99:122, 370:440] = 255  # over the boundary of the second
    picture[169:192, 150:650] = 255  # over most of the fourth
    table = find_table(picture)
    assert table is not None
    assert [bar.error > 3 for bar in table.bars] == [False, True, False, True, False]


def test_a_share_bar_is_a_rectangle_and_a_histogram_is_none() -> None:
    page = np.full((400, 800, 3), 20, np.uint8)
    page[100:122, 40:200], page[100:122, 200:440] = drawn.GREEN, drawn.RED
    found = find_share_bar(page)
    assert found is not None
    assert found.bars[0].long_pct == pytest.approx(40, abs=0.3)
    for x in range(40, 760, 8):
        page[300 - x % 90 : 360, x : x + 8] = drawn.GREEN if x < 400 else drawn.RED
    page[100:122] = 20
    assert find_share_bar(page) is None
