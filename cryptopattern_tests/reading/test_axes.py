"""Numbers as charts print them, and axes fitted to labels of which some are misread."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cryptopattern_pipelines.reading.axes import category_axis, fit_axis
from cryptopattern_pipelines.reading.printed_numbers import Number, parse_number, with_lost_points, writes_decimal_comma


@pytest.mark.parametrize(
    ("text", "value", "half_unit"),
    [
        ("114620", 114620.0, 0.5),
        ("3,764.6", 3764.6, 0.05),
        ("$8.063", 8.063, 0.0005),
        ("3.7K", 3700.0, 50.0),
        ("88.28M", 88_280_000.0, 5_000.0),
        ("1.10T", 1.10e12, 0.5e10),
        ("0.0115147", 0.0115147, 0.5e-7),
        ("67,498", 67498.0, 0.5),
    ],
)
def test_a_printed_number_keeps_its_value_and_what_rounding_may_hide(text: str, value: float, half_unit: float) -> None:
    number = parse_number(text)
    assert number is not None
    assert number.value == pytest.approx(value, rel=1e-12)
    assert number.half_unit == pytest.approx(half_unit)


def test_the_decimal_comma_is_the_pages_way_of_writing() -> None:
    assert writes_decimal_comma(["$7,853", "1,30B", "0,0002%"])
    assert not writes_decimal_comma(["$7,853", "67,498.5", "0.0002%"])
    assert not writes_decimal_comma(["14, 07:00", "15,23:12"])
    comma = parse_number("$7,853", decimal_comma=True)
    point = parse_number("$7,853")
    assert comma is not None
    assert point is not None
    assert (comma.value, point.value) == (7.853, 7853.0)


@pytest.mark.parametrize("text", ["", "Price", "012345", "1.2 3.4 5", "1,23,456.7,8"])
def test_what_is_no_one_number_is_refused(text: str) -> None:
    assert parse_number(text) is None


@given(
    top=st.floats(0.5, 100_000),
    share=st.floats(0.02, 0.6),
    count=st.integers(6, 14),
    wrong=st.lists(st.integers(0, 13), max_size=2, unique=True),
)
def test_misread_labels_do_not_bend_the_axis(top: float, share: float, count: int, wrong: list[int]) -> None:
    step = top * share / count
    pixels = [50.0 + 60 * i for i in range(count)]
    values = [top - step * i for i in range(count)]
    misread = [Number(value * 1.83 if i in wrong else value, step * 1e-6) for i, value in enumerate(values)]
    axis = fit_axis(pixels, [[number] for number in misread])
    assume(sum(i in wrong for i in range(count)) * 3 < count)
    assert axis is not None
    for pixel, value in zip(pixels, values, strict=True):
        assert math.isclose(axis.value(pixel), value, abs_tol=0.02 * step)


@given(offset=st.floats(-49, 49), step=st.floats(150, 400))
def test_rounded_labels_pin_the_axis_down_to_less_than_their_rounding(offset: float, step: float) -> None:
    pixels = [40.0 * i for i in range(10)]
    true = [4300 + offset - step * i for i in range(10)]
    numbers = [[Number(round(value / 100) * 100.0, 50.0)] for value in true]
    axis = fit_axis(pixels, numbers)
    assert axis is not None
    assert all(abs(axis.value(pixel) - value) <= 75 for pixel, value in zip(pixels, true, strict=True))


def test_a_round_grid_is_exact_where_nothing_speaks_against_it() -> None:
    pixels = [40.0 * i for i in range(8)]
    rounded = [[Number(0.84 - 0.02 * i, 0.005)] for i in range(8)]
    exact = fit_axis(pixels, rounded, grid=True)
    assert exact is not None
    assert exact.error < 0.0005
    loose = fit_axis(pixels, rounded)
    assert loose is not None
    assert loose.error > 0.001
    # An end label that is off the grid by more than its rounding shows that the grid was rounded.
    off = fit_axis([*pixels, 300.0], [*rounded, [Number(0.68, 0.005)]], grid=True)
    assert off is not None
    assert off.error > 0.0005


def test_a_label_misread_by_no_more_than_its_rounding_does_not_bend_a_grid() -> None:
    """0.43 for 0.41: with half a unit of slack all five lie on one line, which is not the four's."""
    labels = {110.5: 0.42, 224.0: 0.43, 451.0: 0.39, 564.5: 0.38, 678.0: 0.37}
    axis = fit_axis(list(labels), [[Number(value, 0.005)] for value in labels.values()], grid=True)
    assert axis is not None
    assert axis.value(224.0) == pytest.approx(0.41, abs=0.0005)


def test_a_point_that_one_label_has_lost_once_may_be_lost_by_all() -> None:
    eight = [Number(8.2, 0.05), Number(82.0, 0.5)]
    readings = with_lost_points([[Number(84.0, 0.5)], eight, [Number(78.0, 0.5)]])
    assert [number.value for number in readings[0]] == [84.0, pytest.approx(8.4)]
    assert fit_axis([100.0, 168.0, 304.0], readings) is None
    untouched = [[Number(84.0, 0.5)], [Number(82.0, 0.5)]]
    assert with_lost_points(untouched) == untouched


def test_an_axis_on_which_labels_disagree_is_none() -> None:
    numbers = [[Number(value, 0.5)] for value in (100.0, 900.0, 250.0, 4.0, 777.0)]
    assert fit_axis([10, 60, 110, 160, 210], numbers) is None


def test_a_digit_misread_all_along_is_caught_by_the_price_that_is_known() -> None:
    pixels = [20.0 + 40 * i for i in range(8)]
    eight_for_nine = [[Number(8.9 - 0.1 * i, 0.0005)] for i in range(8)]
    assert fit_axis(pixels, eight_for_nine) is not None
    assert fit_axis(pixels, eight_for_nine, near=9.574) is None
    assert fit_axis(pixels, eight_for_nine, near=8.5) is not None
    assert fit_axis(pixels, eight_for_nine, near=95_000.0) is not None


def test_between_labels_of_a_category_axis_the_value_is_theirs_alone() -> None:
    pixels = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    values = [100.0, 110.0, 120.0, 145.0, 155.0, 165.0]
    readings = [[Number(value, 0.5)] for value in values]
    readings[1] = [Number(710.0, 0.5)]
    axis = category_axis(pixels, readings)
    assert axis is not None
    assert axis.value(350) == pytest.approx(132.5)
    assert axis.value(200) == pytest.approx(110.0)
    assert axis.value(650) == pytest.approx(170.0)
