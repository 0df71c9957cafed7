"""What is asked of pixels everywhere: boxes, channels, the colours that are met most, runs.

What belongs here: questions that know nothing of charts or text. What does not: colour scales (`palettes.py`).
"""

from dataclasses import dataclass

import cv2
import numpy as np

_EVEN = 8  # grey levels by which neighbours on an even ground differ at most: what JPEG and sensors leave


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; `right` and `bottom` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def x(self) -> float:
        """Middle column."""
        return (self.left + self.right - 1) / 2

    @property
    def y(self) -> float:
        """Middle row."""
        return (self.top + self.bottom - 1) / 2

    def moved(self, x: int, y: int) -> "Box":
        """The same box on a picture of which this one's is a crop that begins at (x, y)."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def of(self, picture: np.ndarray, margin: int = 0) -> np.ndarray:
        """The pixels inside, with a margin as far as the picture goes."""
        return picture[
            max(0, self.top - margin) : self.bottom + margin, max(0, self.left - margin) : self.right + margin
        ]


def channel_max(pixels: np.ndarray) -> np.ndarray:
    """The greatest of each pixel's three channels; numpy's own `max` over its last axis is many times slower."""
    if pixels.ndim == 3 and pixels.size:
        first, second, third = cv2.split(pixels)
        return cv2.max(cv2.max(first, second), third)
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def channel_min(pixels: np.ndarray) -> np.ndarray:
    """The least of each pixel's three channels."""
    if pixels.ndim == 3 and pixels.size:
        first, second, third = cv2.split(pixels)
        return cv2.min(cv2.min(first, second), third)
    return np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def saturation(pixels: np.ndarray) -> np.ndarray:
    """Greatest less least channel of each pixel, 0 to 255."""
    return channel_max(pixels) - channel_min(pixels)


def distance_from(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The greatest difference of any channel from a colour, pixel by pixel, uint8."""
    return channel_max(cv2.absdiff(pixels, np.array([*np.round(colour), 0.0])))


def colour_keys(pixels: np.ndarray, bits: int) -> np.ndarray:
    """One number (int32) for each pixel's colour of so many bits a channel; `pixels` are RGB, uint8, any shape x 3."""
    coarse = (pixels >> (8 - bits)).astype(np.int32)
    return (coarse[..., 0] << 2 * bits) | (coarse[..., 1] << bits) | coarse[..., 2]


def usual_colours(pixels: np.ndarray, most: int = 1, least_share: float = 0.0) -> list[np.ndarray]:
    """The colours (RGB, float) that are met most, most frequent first, each the mean of what is all but alike.

    `pixels` are RGB, uint8, n x 3. No more than `most`, each of `least_share` of all pixels at least.
    """
    keys = colour_keys(pixels, 5)
    counts = np.bincount(keys, minlength=1 << 15)
    if most == 1:
        often = [int(counts.argmax())]
    else:
        often = sorted(np.flatnonzero(counts >= least_share * len(keys)).tolist(), key=lambda each: -int(counts[each]))
    return [pixels[keys == each].mean(axis=0) for each in often[:most]]


def off_ground(pixels: np.ndarray) -> np.ndarray:
    """How far each pixel is from the most frequent colour: the greatest of its channels' distances, float32."""
    ground = usual_colours(pixels.reshape(-1, 3))[0].astype(np.float32)
    return channel_max(np.abs(pixels.astype(np.float32) - ground))


def runs_of(on: np.ndarray, gap: int = 0) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of true values in a row of them, gaps of up to `gap` false ones leapt."""
    steps = np.diff(np.concatenate([[0], on.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if gap and starts.size:
        apart = np.flatnonzero(starts[1:] - ends[:-1] > gap)
        starts, ends = starts[np.concatenate([[0], apart + 1])], ends[np.concatenate([apart, [len(ends) - 1]])]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def without_gaps(on: np.ndarray, gap: int) -> np.ndarray:
    """The same row of truths with its gaps of up to `gap` false ones between true ones filled."""
    filled = np.zeros(len(on), dtype=bool)
    for start, end in runs_of(on, gap):
        filled[start:end] = True
    return filled


def is_noise(pixels: np.ndarray) -> bool:
    """Whether hardly a pixel is like its neighbours, as in noise and photographs of grass: no page was drawn there.

    A few rows tell. Pages have three quarters of even pixels, photographs of a screen half of them.
    """
    rows = np.linspace(0, max(0, len(pixels) - 13), 24).astype(int)
    bands = np.stack([cv2.cvtColor(pixels[row : row + 13], cv2.COLOR_RGB2GRAY) for row in rows]).astype(np.int16)
    here = bands[:, 1:, 1:]
    even = (np.abs(here - bands[:, :-1, 1:]) <= _EVEN) & (np.abs(here - bands[:, 1:, :-1]) <= _EVEN)
    return bool(even.mean() < 0.27)


def flickers(grey: np.ndarray) -> bool:
    """Whether a picture turns from dark to light at every other pixel: Tesseract takes seconds to find no text on it.

    Five places are looked at; the densest print has a third of what is taken for noise here.
    """
    height, width = grey.shape
    changes = []
    for down, across in ((0.25, 0.25), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (0.75, 0.75)):
        y, x = round(height * down), round(width * across)
        part = grey[max(0, y - 96) : y + 96, max(0, x - 96) : x + 96]
        dark = cv2.threshold(part, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
        changes.append((np.mean(dark[:, 1:] != dark[:, :-1]) + np.mean(dark[1:] != dark[:-1])) / 2)
    return bool(min(changes) > 0.25)
