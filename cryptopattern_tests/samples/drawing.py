"""A canvas in the picture's own coordinates: smooth shapes at any scale, text on top. Knows no chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int] | tuple[int, int, int, int]
Point = tuple[float, float]


def rgb(code: str, alpha: int = 255) -> Colour:
    """A colour from `#rrggbb`; alpha from 0 (unseen) to 255."""
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue, alpha


@lru_cache(maxsize=64)
def load_font(size: float, path: str | None) -> ImageFont.FreeTypeFont:
    """The font file at `path`, or Aileron, which is free (CC0) and comes within Pillow.

    Raises:
        OSError: no font file at `path`, or a Pillow without FreeType.
    """
    if path is not None:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("this Pillow has no FreeType, so it can't draw text at a size: install its wheel from PyPI")
    # The basic layout places glyphs alike on every machine; raqm is not built in everywhere.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def _bold_stroke(font: ImageFont.FreeTypeFont) -> float:
    # The built-in font has no bold face: an outline thickens it, and the letters stand that much further apart.
    return font.size * 0.035


def _bold_advances(words: str, font: ImageFont.FreeTypeFont) -> list[float]:
    return [font.getlength(letter) + 1.5 * _bold_stroke(font) for letter in words]


@dataclass(frozen=True)
class _Text:
    """Words to be drawn, in the picture's own pixels."""

    at: Point
    words: str
    font: ImageFont.FreeTypeFont
    fill: Colour
    anchor: str
    bold: bool
    angle: float


class Canvas:
    """A picture being drawn. Coordinates are pixels at scale 1; `scale` makes the picture larger or smaller.

    Shapes are drawn several times as large and averaged down, so that an edge between two pixels
    shades both by the share it covers. Text is drawn last, at the picture's own size.
    """

    def __init__(self, width: float, height: float, background: str, scale: float, font: str | None) -> None:
        self.scale = scale
        self.font = font
        self._over = max(2, round(4 / scale))
        self._size = (round(width * scale), round(height * scale))
        self._large = Image.new("RGB", (self._size[0] * self._over, self._size[1] * self._over), background)
        self._shapes = ImageDraw.Draw(self._large, "RGBA")
        self._texts: list[_Text] = []

    def _at(self, value: float) -> int:
        return round(value * self.scale * self._over)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, *, radius: float = 0) -> None:
        """A filled box from (left, top) up to, not including, (right, bottom); nothing when it is empty."""
        edges = (self._at(left), self._at(top), self._at(right) - 1, self._at(bottom) - 1)
        if edges[2] >= edges[0] and edges[3] >= edges[1]:
            self._shapes.rounded_rectangle(edges, self._at(radius), fill)

    def gradient(
        self, left: float, top: float, right: float, bottom: float, stops: Sequence[str], *, radius: float = 0
    ) -> None:
        """A box whose colour runs from left to right through evenly spaced stops."""
        x0, y0, x1, y1 = (self._at(v) for v in (left, top, right, bottom))
        if x1 <= x0 or y1 <= y0:
            return
        colours = np.array([rgb(stop)[:3] for stop in stops], dtype=float)
        where = np.linspace(0, len(stops) - 1, x1 - x0)
        line = np.stack([np.interp(where, range(len(stops)), colours[:, i]) for i in range(3)], axis=1)
        fill = Image.fromarray(np.round(line)[None].astype(np.uint8)).resize((x1 - x0, y1 - y0))
        mask = Image.new("L", fill.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, x1 - x0 - 1, y1 - y0 - 1), self._at(radius), 255)
        self._large.paste(fill, (x0, y0), mask)

    def cells(self, left: float, top: float, right: float, bottom: float, colours: NDArray[np.uint8]) -> None:
        """An array of colours (rows, columns, 3), each cell a box of even size within the given one."""
        x0, y0, x1, y1 = (self._at(v) for v in (left, top, right, bottom))
        self._large.paste(Image.fromarray(colours).resize((x1 - x0, y1 - y0), Image.Resampling.NEAREST), (x0, y0))

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1) -> None:
        """A line through the points."""
        scaled = [(self._at(x), self._at(y)) for x, y in points]
        self._shapes.line(scaled, fill, max(1, self._at(width)), joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._shapes.polygon([(self._at(x), self._at(y)) for x, y in points], fill)

    def circle(self, centre: Point, radius: float, fill: Colour) -> None:
        """A filled circle."""
        x, y = centre
        self._shapes.ellipse([self._at(v) for v in (x - radius, y - radius, x + radius, y + radius)], fill)

    def text(
        self,
        at: Point,
        words: str,
        size: float,
        fill: Colour,
        anchor: str = "ls",
        *,
        bold: bool = False,
        angle: float = 0,
    ) -> None:
        """Words at a point; `anchor` as Pillow has it (`ls`: left end on the baseline), angle in degrees."""
        x, y = at
        place = (x * self.scale, y * self.scale)
        self._texts.append(_Text(place, words, load_font(size * self.scale, self.font), fill, anchor, bold, angle))

    def bold_length(self, words: str, size: float) -> float:
        """How wide the words would be in bold, in pixels at scale 1."""
        font = load_font(size * self.scale, self.font)
        return sum(_bold_advances(words, font)) / self.scale

    def finish(self) -> Image.Image:
        """The picture."""
        picture = self._large.reduce(self._over)
        draw = ImageDraw.Draw(picture)
        for text in self._texts:
            see_through = len(text.fill) == 4 and text.fill[3] < 255
            if text.bold or text.angle or see_through:
                _stamp(picture, text)
            else:
                draw.text(text.at, text.words, text.fill, text.font, text.anchor)
        return picture


def _stamp(picture: Image.Image, text: _Text) -> None:
    """Draw bold, turned or translucent words, which Pillow doesn't draw by itself."""
    stroke = _bold_stroke(text.font) if text.bold else 0.0
    advances = _bold_advances(text.words, text.font) if text.bold else [text.font.getlength(c) for c in text.words]
    margin = math.ceil(2 * stroke) + 2
    ascent, descent = text.font.getmetrics()
    mask = Image.new("L", (math.ceil(sum(advances)) + 2 * margin, ascent + descent + 2 * margin))
    draw = ImageDraw.Draw(mask)
    pen = float(margin)
    for letter, advance in zip(text.words, advances, strict=True):
        draw.text((pen, margin + ascent), letter, 255, text.font, "ls", stroke_width=stroke)
        pen += advance
    if len(text.fill) == 4:
        mask = mask.point([round(level * text.fill[3] / 255) for level in range(256)])
    middle = mask.height / 2 if text.anchor[1] == "m" else margin + ascent
    across = {"l": 0.0, "m": sum(advances) / 2, "r": sum(advances)}[text.anchor[0]] + margin
    if text.angle:
        # The anchor turns around the mask's middle like the words.
        x, y = across - mask.width / 2, middle - mask.height / 2
        cos, sin = math.cos(math.radians(text.angle)), math.sin(math.radians(text.angle))
        mask = mask.rotate(text.angle, Image.Resampling.BICUBIC, expand=True)
        across, middle = mask.width / 2 + x * cos + y * sin, mask.height / 2 - x * sin + y * cos
    picture.paste(text.fill[:3], (round(text.at[0] - across), round(text.at[1] - middle)), mask)
