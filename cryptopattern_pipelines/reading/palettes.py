"""Palettes: colours -> places on a colour scale.

What belongs here: the palettes that charts use, and finding each pixel's place on one. What does not: where on a
picture a heatmap or its colour bar stands (`heatmap.py`, `colour_bar.py`).
"""

import functools
from collections.abc import Sequence

import numpy as np

from cryptopattern_pipelines.reading.pixels import colour_keys

# Colours from weakest to strongest. blue and kingfisher as the charts draw them, the others matplotlib's and plotly's.
PALETTES: dict[str, tuple[str, ...]] = {
    "viridis": (
        "440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26",
        "fde725",
    ),
    "magma": (
        "000004", "140e36", "3b0f70", "641a80", "8c2981", "b73779", "de4968", "f7705c", "fe9f6d", "fecf92",
        "fcfdbf",
    ),
    "cividis": (
        "00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838",
    ),
    "blue": (
        "0a0b26", "0c1438", "0f2153", "12326e", "144788", "18629c", "1b7faf", "1f9cb3", "28b6b0", "49c89a",
        "70d580", "a1dc5f", "c9de49", "e9d93d", "f7c638", "fba936", "fa7f3a", "f9503e",
    ),
    "kingfisher": (
        "2d3752", "2b485a", "28576b", "245e7a", "237c98", "24839d", "56826b", "5b627a", "61358e", "651d99",
        "762090", "952a76", "b63858",
    ),
    "inferno": (
        "000004", "160b39", "420a68", "6a176e", "932667", "bc3754", "dd513a", "f37819", "fca50a", "f6d746",
        "fcffa4",
    ),
    "plasma": (
        "0d0887", "41049d", "6a00a8", "8f0da4", "b12a90", "cc4778", "e16462", "f2844b", "fca636", "fcce25",
        "f0f921",
    ),
    "turbo": (
        "30123b", "3f3e9c", "4666dd", "458cfd", "2fb2f4", "1ad4d0", "22ebaa", "52fa7a", "8bff4b", "b7f735",
        "dbe236", "f5c53a", "fea130", "f9751d", "e84b0c", "ce2d04", "a91601", "7a0403",
    ),
    "jet": (
        "00007f", "0000ff", "007fff", "00ffff", "7fff7f", "ffff00", "ff7f00", "ff0000", "7f0000",
    ),
    "hot": (
        "000000", "e60000", "ffd200", "ffffff",
    ),
}  # fmt: skip

STEPS = 200  # places on a palette
OFF = 255
_UNKNOWN = 254
_FAR = 20.0  # greatest distance in RGB of a pixel from its place on the palette: JPEG noise and watermarks
_FOREIGN = 75.0  # the same of pixels that are no band at all: candles, lines


class Palette:
    """Colours from weakest to strongest, and which place between them each colour is nearest to.

    Places are worked out for colours of 6 bits a channel when they are first met, and kept: a picture has a few
    thousand of the 262,144 that there are.
    """

    def __init__(self, name: str, stops: np.ndarray) -> None:
        """`stops` are RGB, 0 to 255, n x 3."""
        self.name = name
        place = np.linspace(0, len(stops) - 1, STEPS + 1)
        columns = [np.interp(place, np.arange(len(stops)), stops[:, i]) for i in range(3)]
        self._points = np.stack(columns, axis=1).astype(np.float32)
        self._nearby = np.full(1 << 18, _UNKNOWN, np.uint8)
        self._strict = np.full(1 << 18, _UNKNOWN, np.uint8)

    @property
    def ground(self) -> np.ndarray:
        """The weakest colour, RGB."""
        return self._points[0]

    def places(self, pixels: np.ndarray, *, strict: bool = True) -> np.ndarray:
        """Each pixel's place on the palette in 1/STEPS (uint8), OFF off it; `pixels` are RGB, uint8, any shape x 3.

        Thin bands in a JPEG or a scaled picture blend with their neighbours and leave the palette: `strict=False`.
        """
        return self.places_of(colour_keys(pixels, 6), strict=strict)

    def places_of(self, keys: np.ndarray, *, strict: bool = True) -> np.ndarray:
        """The same for pixels whose `colour_keys` are given."""
        table = self._strict if strict else self._nearby
        places = table[keys]
        if (places == _UNKNOWN).any():
            self._learn(keys[places == _UNKNOWN])
            places = table[keys]
        return places

    def _learn(self, keys: np.ndarray) -> None:
        new = np.flatnonzero(np.bincount(keys, minlength=1))
        colours = np.stack([new >> 12, (new >> 6) & 63, new & 63], axis=1).astype(np.float32) * 4 + 1.5
        square = (self._points**2).sum(axis=1)[None, :] - 2 * colours @ self._points.T
        nearest = square.argmin(axis=1)
        off = square[np.arange(len(new)), nearest] + (colours**2).sum(axis=1)
        vivid = np.ptp(colours, axis=1) > np.ptp(self._points, axis=1).max() + _FAR  # candles
        self._nearby[new] = np.where((off > _FOREIGN**2) | vivid, OFF, nearest)
        self._strict[new] = np.where(off > _FAR**2, OFF, nearest)


@functools.cache
def known_palettes() -> tuple[Palette, ...]:
    """One of each of PALETTES, in their order."""
    return tuple(
        Palette(name, np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in stops], np.float32))
        for name, stops in PALETTES.items()
    )


def best_palette(one: np.ndarray, other: np.ndarray, more: Sequence[Palette] = ()) -> Palette:
    """The palette on which most pairs of colours lie, those far apart counting most (`one` and `other` are n x 3).

    `more` are palettes that the picture itself shows; a known one counts where it explains about as much.
    """
    # Five bits a channel will do here, so that every palette is asked about few colours.
    keys, others = colour_keys(one & 0xF8 | 4, 6), colour_keys(other & 0xF8 | 4, 6)
    apart = np.minimum(np.abs(one.astype(np.int16) - other).max(axis=1), 60)
    palettes = (*known_palettes(), *more)
    explained = []
    for palette in palettes:
        on = (palette.places_of(keys) != OFF) & (palette.places_of(others) != OFF)
        explained.append(float(apart[on].sum()))
    known = int(np.argmax(explained[: len(palettes) - len(more)]))
    return palettes[known if explained[known] >= 0.97 * max(explained) else int(np.argmax(explained))]
