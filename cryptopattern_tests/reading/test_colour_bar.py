"""Colour bars are found whatever their palette is, and what only looks like one is not."""

import numpy as np
import pytest

from cryptopattern_pipelines.reading.colour_bar import find_colour_bar
from cryptopattern_pipelines.reading.palettes import OFF, PALETTES, STEPS, Palette, best_palette, known_palettes

# A palette that is none of the known ones.
STOPS = np.array([[10, 60, 20], [30, 160, 60], [240, 240, 240], [230, 120, 200], [90, 10, 90]], np.float32)


def with_bar(stops: np.ndarray, upright: bool, page: int = 245) -> np.ndarray:
    picture = np.full((600, 900, 3), page, np.uint8)
    place = np.linspace(0, len(stops) - 1, 240)
    colours = np.stack([np.interp(place, np.arange(len(stops)), stops[:, i]) for i in range(3)], axis=1).round()
    if upright:
        picture[100:340, 40:56] = colours[::-1, None]
    else:
        picture[540:556, 300:540] = colours[None]
    return picture


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("page", [245, 16])
def test_a_bar_of_any_palette_is_found_and_its_colours_run_from_weak_to_strong(upright: bool, page: int) -> None:
    bar = find_colour_bar(with_bar(STOPS, upright, page))
    assert bar is not None
    assert bar.upright is upright
    left, top, right, bottom = (40, 100, 56, 340) if upright else (300, 540, 540, 556)
    found = (bar.box.left, bar.box.top, bar.box.right, bar.box.bottom)
    assert found == pytest.approx((left, top, right, bottom), abs=12)
    places = bar.palette.places(STOPS.astype(np.uint8)).astype(int)
    assert places == pytest.approx([0, 50, 100, 150, 200], abs=8)


def test_flat_colours_noise_and_shades_of_one_are_no_bars() -> None:
    random = np.random.default_rng(3)
    assert find_colour_bar(np.full((600, 900, 3), 40, np.uint8)) is None
    assert find_colour_bar(random.integers(0, 255, (600, 900, 3), np.uint8)) is None
    assert find_colour_bar(with_bar(np.array([[40.0, 40, 40], [60, 60, 60]], np.float32), upright=True)) is None


@pytest.mark.parametrize("palette", known_palettes(), ids=lambda palette: palette.name)
def test_a_colour_of_a_palette_has_its_place_there(palette: Palette) -> None:
    stops = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in PALETTES[palette.name]], np.uint8)
    places = palette.places(stops).astype(int)
    assert places == pytest.approx(np.linspace(0, STEPS, len(stops)), abs=5)


@pytest.mark.parametrize("name", ["viridis", "magma", "cividis", "plasma", "inferno", "kingfisher"])
def test_a_colour_that_no_palette_has_is_off_it(name: str) -> None:
    palette = next(palette for palette in known_palettes() if palette.name == name)
    assert int(palette.places(np.array([0, 255, 0], np.uint8))) == OFF


def test_the_palette_is_the_one_that_most_colours_lie_on() -> None:
    random = np.random.default_rng(5)
    own = Palette("own", STOPS)
    for palette in (*known_palettes()[:2], own):
        points = palette._points[random.integers(0, STEPS, 400)].astype(np.uint8)
        others = palette._points[random.integers(0, STEPS, 400)].astype(np.uint8)
        assert best_palette(points, others, [own]).name == palette.name
