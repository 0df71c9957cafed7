"""Ways to spoil a picture, each with a name: bytes of its file, wear, damage, and pictures of nothing.

What belongs here: pixels and bytes. What does not: what a reader should make of them (`fuzz.py`).
Pictures are numpy arrays, uint8, height x width x 3 (RGB); `draw` decides everything that is left open.
"""

import io
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from cryptopattern_pipelines.reading.palettes import PALETTES

_KINDS = {b"\x89PNG": "png", b"\xff\xd8": "jpg", b"RIFF": "webp", b"GIF8": "gif", b"BM": "bmp"}
Draw = np.random.Generator


def suffix(data: bytes) -> str:
    """What a file of these bytes is called by."""
    return next((kind for start, kind in _KINDS.items() if data.startswith(start)), "bin")


def encoded(pixels: np.ndarray, draw: Draw, kind: str | None = None) -> bytes:
    """The picture as a file: mostly PNG, sometimes a good JPEG."""
    kind = kind or str(draw.choice(["PNG", "PNG", "JPEG"]))
    out = io.BytesIO()
    options = {"quality": 90} if kind in ("JPEG", "WEBP") else {"compress_level": 1} if kind == "PNG" else {}
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def broken_file(pixels: np.ndarray, draw: Draw) -> tuple[str, bytes]:
    """A file of any kind with bytes flipped, cut off, doubled or in another order."""
    kind = str(draw.choice(["PNG", "JPEG", "WEBP", "GIF", "BMP"]))
    data = bytearray(encoded(pixels, draw, kind))
    way = str(draw.choice(["flips", "header flips", "cut", "swapped", "doubled", "zeros"]))
    size = len(data)
    begin, length = int(draw.integers(size)), int(draw.integers(1, max(2, size // 8)))
    if way == "flips":
        for place in draw.integers(0, size, int(draw.integers(1, 40))):
            data[place] ^= 1 << int(draw.integers(8))
    elif way == "header flips":
        for place in draw.integers(0, min(size, 64), int(draw.integers(1, 5))):
            data[place] = int(draw.integers(256))
    elif way == "cut":
        del data[begin:]
    elif way == "swapped":
        other = int(draw.integers(size))
        data[begin : begin + length], data[other : other + length] = (
            data[other : other + length],
            data[begin : begin + length],
        )
    elif way == "doubled":
        data[begin:begin] = data[begin : begin + length]
    else:
        data[begin : begin + length] = bytes(len(data[begin : begin + length]))
    return f"{kind} {way}", bytes(data)


def worn(pixels: np.ndarray, draw: Draw) -> tuple[str, np.ndarray]:
    """A chart as re-sending and photographing leave it: its numbers can still be read, or can't, but don't change."""
    return _one_of(_WEAR, pixels, draw)


def spoilt(pixels: np.ndarray, other: np.ndarray, draw: Draw) -> tuple[str, np.ndarray]:
    """A chart of which parts are gone, turned, mirrored, stretched, or covered by pieces of another picture."""
    if draw.random() < 0.15:
        return "pasted", _pasted(pixels, other, draw)
    return _one_of(_DAMAGE, pixels, draw)


def nothing(draw: Draw) -> tuple[str, np.ndarray]:
    """A picture without a chart: noise of several kinds, and what has a chart's colours but none of its words."""
    height, width = int(draw.integers(60, 700)), int(draw.integers(60, 900))
    return _one_of(_NOTHING, np.full((height, width, 3), draw.integers(0, 256, 3), np.uint8), draw)


def _one_of(
    ways: dict[str, Callable[[np.ndarray, Draw], np.ndarray]], pixels: np.ndarray, draw: Draw
) -> tuple[str, np.ndarray]:
    name = str(draw.choice(list(ways)))
    return name, np.ascontiguousarray(ways[name](pixels, draw))


def _scaled(pixels: np.ndarray, across: float, down: float) -> np.ndarray:
    size = (max(1, int(pixels.shape[1] * across)), max(1, int(pixels.shape[0] * down)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _bordered(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    top, bottom, left, right = (int(side) for side in draw.integers(0, 120, 4))
    colour = [int(part) for part in draw.integers(0, 256, 3)]
    return cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)


def _cropped(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, left = int(draw.integers(height - 20)), int(draw.integers(width - 20))
    return pixels[top : top + int(draw.integers(20, height)), left : left + int(draw.integers(20, width))]


def _pasted(pixels: np.ndarray, other: np.ndarray, draw: Draw) -> np.ndarray:
    page = pixels.copy()
    for _ in range(int(draw.integers(1, 8))):
        side = int(draw.integers(20, min(*other.shape[:2], *page.shape[:2])))
        y, x = (int(draw.integers(size - side + 1)) for size in other.shape[:2])
        top, left = (int(draw.integers(size - side + 1)) for size in page.shape[:2])
        page[top : top + side, left : left + side] = other[y : y + side, x : x + side]
    return page


def _shuffled(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    strips = np.array_split(pixels, int(draw.integers(3, 20)))
    return np.concatenate([strips[place] for place in draw.permutation(len(strips))])


def _clouds(page: np.ndarray, draw: Draw, *, streaks: bool = False) -> np.ndarray:
    field = draw.normal(0, 1, page.shape[:2]).astype(np.float32)
    across = float(draw.uniform(40, 200) if streaks else draw.uniform(2, 30))
    return _coloured(cv2.GaussianBlur(field, (0, 0), sigmaX=across, sigmaY=0.6 if streaks else across), draw)


def _rectangles(page: np.ndarray, draw: Draw, colours: Sequence[tuple[int, int, int]] = ()) -> np.ndarray:
    for _ in range(int(draw.integers(5, 200))):
        top, left = (int(draw.integers(size)) for size in page.shape[:2])
        colour = colours[int(draw.integers(len(colours)))] if colours else draw.integers(0, 256, 3)
        page[top : top + int(draw.integers(2, 60)), left : left + int(draw.integers(2, 300))] = colour
    return page


def _letters(page: np.ndarray, draw: Draw) -> np.ndarray:
    letters = list("ABCDEFGHIKLMNOPRSTUVXYZabcdefghiklmnoprstuvxyz0123456789.,%$/")
    for _ in range(int(draw.integers(5, 80))):
        text, at = "".join(draw.choice(letters, 7)), [int(draw.integers(size)) for size in page.shape[1::-1]]
        ink = [int(part) for part in draw.integers(0, 256, 3)]
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, float(draw.uniform(0.3, 1.2)), ink, 1, cv2.LINE_AA)
    return page


def _bars(page: np.ndarray, draw: Draw) -> np.ndarray:
    """Rows of green and red as a poll or a table of wins has them."""
    height, width = page.shape[:2]
    pitch = int(draw.integers(14, 50))
    left, right = int(0.15 * width), int(draw.uniform(0.5, 0.95) * width)
    for top in range(int(draw.integers(10, 50)), height - pitch, pitch):
        middle = int(draw.integers(left, right))
        page[top : top + int(0.7 * pitch), left:middle] = (38, 140, 60)
        page[top : top + int(0.7 * pitch), middle:right] = (190, 20, 30)
    return page


def _coloured(field: np.ndarray, draw: Draw) -> np.ndarray:
    name = str(draw.choice(list(PALETTES)))
    stops = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in PALETTES[name]], dtype=float)
    low, high = np.percentile(field, [2, 99.5])
    place = np.clip((field - low) / max(high - low, 1e-9), 0, 1) * (len(stops) - 1)
    return _clipped(np.stack([np.interp(place, np.arange(len(stops)), stops[:, i]) for i in range(3)], axis=2))


def _turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    ground = [int(part) for part in pixels[0, 0]]
    return cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=ground)


def _recoded(pixels: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert read is not None
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB)


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


_WEAR: dict[str, Callable[[np.ndarray, Draw], np.ndarray]] = {
    "as it is": lambda pixels, _: pixels,
    "noise": lambda pixels, draw: _clipped(pixels + draw.normal(0, draw.uniform(2, 40), pixels.shape)),
    "blur": lambda pixels, draw: cv2.GaussianBlur(pixels, (0, 0), float(draw.uniform(0.5, 3))),
    "jpeg 5": lambda pixels, _: _recoded(pixels, 5),
    "jpeg": lambda pixels, draw: _recoded(pixels, int(draw.integers(10, 60))),
    "brightness": lambda pixels, draw: _clipped(
        (pixels.astype(float) - 128) * draw.uniform(0.4, 1.5) + 128 + draw.uniform(-40, 40)
    ),
    "tint": lambda pixels, draw: _clipped(pixels * draw.uniform(0.75, 1.1, 3)),
    "scale": lambda pixels, draw: _scaled(pixels, *[float(draw.uniform(0.4, 1.6))] * 2),
    "tilt": lambda pixels, draw: _turned(pixels, float(draw.uniform(-1.5, 1.5))),
    "border": _bordered,
}
_DAMAGE: dict[str, Callable[[np.ndarray, Draw], np.ndarray]] = {
    "crop": _cropped,
    "turned": lambda pixels, draw: _turned(pixels, float(draw.uniform(-180, 180))),
    "mirrored": lambda pixels, draw: pixels[:, ::-1] if draw.random() < 0.5 else pixels[::-1],
    "inverted": lambda pixels, _: 255 - pixels,
    "tiny": lambda pixels, draw: _scaled(pixels, *draw.uniform(0.02, 0.3, 2)),
    "stretched": lambda pixels, draw: _scaled(pixels, *draw.uniform(0.1, 2.5, 2)),
    "smeared": lambda pixels, draw: cv2.blur(pixels, (int(draw.integers(1, 80)), int(draw.integers(1, 80)))),
    "shuffled": _shuffled,
}
_NOTHING: dict[str, Callable[[np.ndarray, Draw], np.ndarray]] = {
    "plain": lambda page, _: page,
    "even noise": lambda page, draw: draw.integers(0, 256, page.shape, dtype=np.uint8),
    "grey noise": lambda page, draw: np.repeat(
        _clipped(draw.normal(128, draw.uniform(5, 80), (*page.shape[:2], 1))), 3, axis=2
    ),
    "clouds": _clouds,
    "streaks": lambda page, draw: _clouds(page, draw, streaks=True),
    "rectangles": _rectangles,
    "two colours": lambda page, draw: _rectangles(page, draw, ((30, 160, 60), (200, 30, 40))),
    "bars": _bars,
    "letters": _letters,
}
