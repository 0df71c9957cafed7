"""Questions to pixels: colours, runs, noise."""

import itertools

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.reading.pixels import (
    channel_max,
    channel_min,
    is_noise,
    runs_of,
    saturation,
    usual_colours,
    without_gaps,
)


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 5))
def test_runs_hold_all_true_values_and_leap_no_gap_that_is_too_wide(values: list[bool], gap: int) -> None:
    on = np.array(values, dtype=bool)
    runs = runs_of(on, gap)
    filled = without_gaps(on, gap)
    assert [i for start, end in runs for i in range(start, end)] == np.flatnonzero(filled).tolist()
    assert (filled | ~on).all()
    assert all(on[start] and on[end - 1] for start, end in runs)
    assert all(later - end > gap for (_, end), (later, _) in itertools.pairwise(runs))
    inner = [end - start for start, end in runs_of(~on) if start > 0 and end < len(on)]
    assert int(filled.sum()) == int(on.sum()) + sum(length for length in inner if length <= gap)


def test_channels_are_those_of_numpy_in_pictures_rows_of_colours_and_empty_ones() -> None:
    draw = np.random.default_rng(1)
    for shape in ((7, 5, 3), (11, 3), (0, 4, 3)):
        pixels = draw.integers(0, 256, shape, dtype=np.uint8)
        assert np.array_equal(channel_max(pixels), pixels.max(axis=-1, initial=0))
        assert np.array_equal(channel_min(pixels), pixels.min(axis=-1, initial=255))
        assert np.array_equal(saturation(pixels), channel_max(pixels) - channel_min(pixels))


def test_the_usual_colours_come_by_how_often_they_are_met() -> None:
    pixels = np.array([[10, 20, 30]] * 6 + [[200, 200, 200]] * 3 + [[90, 0, 0]], np.uint8)
    assert usual_colours(pixels)[0].tolist() == [10, 20, 30]
    assert [colour.tolist() for colour in usual_colours(pixels, 5, 0.2)] == [[10, 20, 30], [200, 200, 200]]


def test_noise_is_told_from_pages_and_from_photographs_of_them() -> None:
    draw = np.random.default_rng(1)
    noise = draw.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    page = np.full((300, 400, 3), 40, np.uint8)
    page[::20, ::3] = 220
    photograph = np.clip(page + draw.normal(0, 6, page.shape), 0, 255).astype(np.uint8)
    assert is_noise(noise)
    assert is_noise(cv2.GaussianBlur(noise, (0, 0), 0.7))
    assert not is_noise(page)
    assert not is_noise(photograph)
