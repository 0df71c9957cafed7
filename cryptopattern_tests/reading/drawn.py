"""Charts drawn with known numbers, for reading them back."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GROUND, GREEN, RED, WHITE = (45, 55, 82), (40, 125, 40), (190, 0, 0), (245, 245, 245)


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def lines_of_text(
    lines: Sequence[str],
    size: int = 20,
    ink: tuple[int, int, int] = (20, 20, 30),
    ground: tuple[int, int, int] = (250, 250, 250),
) -> np.ndarray:
    """A page with a line of text every two heights."""
    page = Image.new("RGB", (900, 2 * size * (len(lines) + 1)), ground)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((30, 2 * size * number + size), line, ink, font(size))
    return np.array(page)


def bars(
    shares: Sequence[float], *, left: int = 100, width: int = 600, long: tuple[int, int, int] = GREEN,
    short: tuple[int, int, int] = RED, texts: Sequence[tuple[str, str]] = (), right: int = 100,
) -> np.ndarray:  # fmt: skip
    """A table of two-coloured bars, 23 pixels high every 35; boundaries fall on fractions of a pixel."""
    fine = 8
    page = Image.new("RGB", ((left + width + right), 70 + 35 * len(shares)), GROUND)
    pixels = np.array(page)
    for number, share in enumerate(shares):
        row = np.zeros((width * fine, 3))
        row[:] = short
        row[: round(width * fine * share / 100)] = long
        pixels[64 + 35 * number : 87 + 35 * number, left : left + width] = row.reshape(width, fine, 3).mean(axis=1)
    page = Image.fromarray(pixels)
    draw = ImageDraw.Draw(page)
    for number, (longs, shorts) in enumerate(texts):
        draw.text((left + 15, 67 + 35 * number), longs, WHITE, font(15))
        draw.text((left + width - 20, 67 + 35 * number), shorts, WHITE, font(15), anchor="ra")
    return np.array(page)


def distribution(
    rows: Sequence[tuple[str, float]], title: str = "Long/Short Liquidations Distribution (all_leverage)"
) -> np.ndarray:
    """A chart of many symbols as the Kingfisher draws it, with badges."""
    texts = [(f"{share:.1f}%", f"{100 - share:.1f}%") for _, share in rows]
    page = Image.fromarray(bars([share for _, share in rows], texts=texts))
    draw = ImageDraw.Draw(page)
    draw.text((400, 8), title, WHITE, font(25), anchor="ma")
    for number, (symbol, share) in enumerate(rows):
        top = 64 + 35 * number
        draw.text((80, top + 3), symbol, WHITE, font(15), anchor="ra")
        most = max(share, 100 - share)
        if most >= 60:
            draw.rectangle((720, top, 799, top + 26), (43, 106, 63) if share > 50 else (145, 41, 39))
            for place in range(2 if most >= 75 else 1):
                x = 752 + 12 * place
                draw.line((x, top + 6, x, top + 18), (220, 220, 220), 2)
                tip = (top + 18, top + 14) if share > 50 else (top + 6, top + 10)
                draw.line((x - 3, tip[1], x, tip[0], x + 3, tip[1]), (220, 220, 220), 1)
    return np.array(page)
