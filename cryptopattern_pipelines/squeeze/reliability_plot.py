"""A reliability diagram as a small PNG: what was stated against what came, nothing else."""

from collections.abc import Mapping
from itertools import pairwise

import cv2
import numpy as np

from cryptopattern_pipelines.squeeze.scores import Reliability

_SIZE, _MARGIN = 420, 52
# Blue, orange, green, grey: told apart by people who don't see red.
_COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (120, 120, 120))
_BLACK, _PALE = (40, 40, 40), (200, 200, 200)


def reliability_png(title: str, curves: Mapping[str, Reliability]) -> bytes:
    """Draw the curves over the diagonal of a perfect one; axes go from 0 to the greatest figure shown."""
    figures = [figure for curve in curves.values() for figure in (curve.chance, curve.came)]
    greatest = max((float(figure.max()) for figure in figures if len(figure)), default=1.0)
    top = max(0.05, min(1.0, np.ceil(greatest * 20) / 20))
    picture = np.full((_SIZE, _SIZE, 3), 255, dtype=np.uint8)
    span = _SIZE - 2 * _MARGIN

    def at(x: float, y: float) -> tuple[int, int]:
        return round(_MARGIN + span * x / top), round(_SIZE - _MARGIN - span * y / top)

    def write(text: str, place: tuple[int, int], colour: tuple[int, int, int] = _BLACK) -> None:
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)

    cv2.rectangle(picture, at(0, 0), at(top, top), _PALE, 1)
    cv2.line(picture, at(0, 0), at(top, top), _PALE, 1, cv2.LINE_AA)
    for share in (0.0, 0.5, 1.0):
        write(f"{100 * share * top:.3g} %", (at(share * top, 0)[0] - 12, _SIZE - _MARGIN + 16))
        write(f"{100 * share * top:.3g} %", (6, at(0, share * top)[1] + 4))
    write(title, (_MARGIN, 20))
    write("stated (across), came (up)", (_MARGIN, _SIZE - 12))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [at(x, y) for x, y in zip(curve.chance.tolist(), curve.came.tolist(), strict=True)]
        for here, there in pairwise(points):
            cv2.line(picture, here, there, colour, 1, cv2.LINE_AA)
        for point in points:
            cv2.circle(picture, point, 3, colour, -1, cv2.LINE_AA)
        write(name, (_MARGIN + 8, _MARGIN + 14 + 16 * number), colour)
    done, encoded = cv2.imencode(".png", picture)
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return encoded.tobytes()
