"""Bands of a heatmap: in which rows of the plot they stand, and how strong they are.

What belongs here: strengths along the right edge and over all time. What does not: the plot's place
(`heatmap_plot.py`), the prices of rows (`heatmap.py`).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from cryptopattern_pipelines.reading.heatmap_plot import Plot
from cryptopattern_pipelines.reading.palettes import OFF, STEPS, Palette
from cryptopattern_pipelines.reading.pixels import Box, channel_max, runs_of, without_gaps

_LEAST_SIDE = 60  # pixels of the smallest picture or plot in which bands can be told
_LEAST_STRENGTH = 0.03
_ALIKE = 12  # places on the palette by which a band's pixels differ
_PASSED = 0.35  # of a row's pixels may be weaker than the band that stands in it
_NOISE = 0.011  # of a row's strength: two places on the palette


def _right_strip(box: Box, share: float) -> Box:
    return Box(max(box.left, box.right - max(6, round(share * box.width)) - 2), box.top, box.right - 2, box.bottom)


def _row_strength(picture: np.ndarray, plot: Plot) -> np.ndarray:
    """How strong the band is that stands at the right edge in each row of the plot, as a place on the palette, 0 to 1.

    It is the place that all but a third of a row's pixels pass: a dashed line is none. Where a pop-up lies over the
    edge, what stands at the pop-up's left counts.
    """
    box, strip = plot.box, _right_strip(plot.box, 0.012)
    strength = _strength_in(picture, plot.palette, strip)
    if plot.palette.name == "kingfisher":  # its bands fade in slowly: what is at the edge alone is the last candle
        strength = np.minimum(strength, _strength_in(picture, plot.palette, _right_strip(box, 0.03)))
    over = _popup(picture, box)
    if over is not None:
        left = max(box.left, over.left - strip.width - 3)
        rows = slice(over.top - box.top, over.bottom - box.top)
        strength[rows] = _strength_in(picture, plot.palette, Box(left, over.top, over.left - 3, over.bottom))
    return strength


def _strength_in(picture: np.ndarray, palette: Palette, strip: Box) -> np.ndarray:
    places = np.sort(palette.places(strip.of(picture), strict=False), axis=1)  # OFF comes last
    on = (places != OFF).sum(axis=1)
    at = places[np.arange(len(places)), np.maximum(0, (_PASSED * on).astype(int))]
    # Candles and their blurred rims have a place on most palettes, but not one and the same.
    alike = (np.abs(places.astype(np.int16) - at[:, None]) <= _ALIKE).sum(axis=1)
    return np.where((on >= 0.4 * places.shape[1]) & (alike >= 0.5 * on), at / STEPS, 0.0)


def _popup(picture: np.ndarray, box: Box) -> Box | None:
    """The part of the plot under a pop-up that lies over its right edge: there the edge isn't seen."""
    if box.right + 4 > picture.shape[1] or box.width < _LEAST_SIDE:
        return None
    rows = picture[box.top : box.bottom].astype(np.int16)
    inside, outside = rows[:, box.right - 5], rows[:, box.right + 3]
    page = np.median(outside, axis=0)
    covered = (np.abs(inside - outside).max(axis=1) <= 6) & (np.abs(outside - page).max(axis=1) > 6)
    if np.abs(np.median(inside, axis=0) - page).max() > 20:  # the page's colour is none of the plot's
        covered |= (np.abs(inside - page).max(axis=1) <= 6) & (np.abs(outside - page).max(axis=1) <= 6)
    run = max(runs_of(covered, max(2, box.height // 50)), key=lambda run: run[1] - run[0], default=(0, 0))
    if run[1] - run[0] < max(12, box.height // 40):
        return None
    fill = np.median(inside[run[0] : run[1]], axis=0)
    same = (channel_max(np.abs(rows[run[0] : run[1], : box.right] - fill)) <= 8).mean(axis=0) > 0.35
    other = np.flatnonzero(~without_gaps(same[box.left :], max(2, box.width // 30)))
    left = box.left + (int(other[-1]) + 1 if other.size else 0)
    if box.right - left < 8 or left - box.left < 0.3 * box.width:
        return None
    margin = max(2, box.height // 100)  # its rim and shadow
    return Box(
        left - margin, max(box.top, box.top + run[0] - margin), box.right, min(box.bottom, box.top + run[1] + margin)
    )


def strongest_bands(picture: np.ndarray, plot: Plot) -> list[tuple[float, float, bool]]:
    """Row, strength and whether it stands at the right edge, of the ten strongest bands, strongest first.

    CoinGlass ends a band where the price has taken it, so what stands at the right edge counts there. The Kingfisher
    fades bands in and out, so its five strongest over the whole time are reported beside the five that stand.
    """
    standing = _bands(_row_strength(picture, plot), plot.box)
    if plot.palette.name != "kingfisher":
        return [(*band, True) for band in standing[:10]]
    found = _apart([(*band, True) for band in standing], [], plot.box, 5)
    before = []
    for row, strength in _bands(_greatest_strength(picture, plot), plot.box):
        stands = any(abs(row - other) <= 0.005 * plot.box.height for other, _ in standing)
        before.append((row, strength, stands))
    return sorted(_apart(before, found, plot.box, 10), key=lambda band: -band[1])


def _apart(
    bands: Sequence[tuple[float, float, bool]], found: Sequence[tuple[float, float, bool]], box: Box, most: int
) -> list[tuple[float, float, bool]]:
    """What is found and the strongest of the bands that are not at the side of a stronger one, up to `most` in all."""
    taken = list(found)
    for band in bands:
        if len(taken) < most and all(abs(band[0] - other[0]) > 0.0075 * box.height for other in taken):
            taken.append(band)
    return taken


def _greatest_strength(picture: np.ndarray, plot: Plot) -> np.ndarray:
    """For each row of the plot the greatest strength that a band in it keeps up for a while."""
    places = plot.palette.places(plot.box.of(picture))
    run = np.ones((1, max(5, plot.box.width // 60)), np.uint8)
    return cv2.erode(np.where(places == OFF, 0, places).astype(np.uint8), run).max(axis=1) / STEPS


def _bands(strength: np.ndarray, box: Box) -> list[tuple[float, float]]:
    """Row and strength of the bands, strongest first: where the strength has a top, noise of a place or two aside."""
    bands = []
    edges = np.concatenate([[-1.0], strength, [-1.0]])
    peaks = (edges[1:-1] >= edges[:-2]) & (edges[1:-1] >= edges[2:]) & (strength >= _LEAST_STRENGTH)
    for peak in np.flatnonzero(peaks).tolist():
        floor = strength[peak] - _NOISE
        first = last = peak
        while first > 0 and strength[first - 1] >= floor:
            first -= 1
        while last < len(strength) - 1 and strength[last + 1] >= floor:
            last += 1
        top = float(strength[first : last + 1].max())
        if top == strength[peak]:
            bands.append((box.top + (first + last) / 2, top))
    return sorted(set(bands), key=lambda band: (-band[1], band[0]))
