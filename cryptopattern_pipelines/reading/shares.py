"""What every reader of shares hands back: one symbol's long and short share, and how they were obtained.

What belongs here: the shape of the answer alone. What does not: reading (`distribution.py`, `histogram.py`).
"""

from dataclasses import dataclass
from typing import Literal

Method = Literal["bar", "text", "both", "area", "line"]


@dataclass(frozen=True)
class ShareReading:
    """One symbol's shares on a chart, in percent, summing to 100.

    `arrows` is the badge: +1, +2 where shorts dominate, -1, -2 where longs do, 0 where none stands, None where the
    badge's place isn't on the picture. `method` says what the value was taken from: "both" where bar and text agree.
    `agreement` is the distance between the two in percentage points, None where one of them is missing.
    """

    symbol: str | None
    long_pct: float
    short_pct: float
    method: Method
    confidence: float
    arrows: int | None = None
    agreement: float | None = None
