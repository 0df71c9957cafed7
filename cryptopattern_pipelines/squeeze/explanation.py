"""What an analysis says, in one sentence, put together from three phrases that are written once for all rows.

What belongs here: the words. What does not: the figures (`analyses.py`).
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from cryptopattern_pipelines.squeeze.dominance import READING_SOURCES, SOURCES
from cryptopattern_pipelines.squeeze.grid import Floats, Truths, Whole
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.storage.schemas import SIGNALS

# A map counts as all_leverage whatever filter it was drawn with, so the sentence calls it what it is.
_MAP = "liquidation map"
_LEADERS = ("Longs", "Shorts", "Longs and shorts")
_EVEN = 2
_SHARES = range(50, 101)
# Above this rise of the volume, percent, the sentence says "more than".
_MOST_RISE = 999
_SIGNS = {
    "price_acceleration": "the price moves fast",
    "funding_extreme": "funding is extreme",
    "open_interest_change": "open interest changed much",
}


def explanations(  # noqa: PLR0917 (what a sentence is made of)
    source: npt.NDArray[np.int8],
    of_map: Truths,
    long_pct: Floats,
    age_hours: Floats,
    volume_change_pct: Floats,
    present: dict[str, Truths],
    score: Floats,
    settings: SignalSettings,
) -> pyarrow.Array:
    """One sentence for each row.

    E.g. "Shorts hold 78 % of the liquidations read 3 h ago (all_leverage), volume is up 120 %: a short squeeze may come
    (score 61 of 100, 2 of 5 signals)."

    Args:
        source: number of the shares' source in SOURCES, -1 for none.
        of_map: whether that is a liquidation map.
        long_pct: share of longs, percent, NaN for none.
        age_hours: age of that source, NaN where it has none.
        volume_change_pct: of the 24h volume.
        present: for each of SIGNALS, whether it is.
        score: 0 to 100.
        settings: as the analyses were made with.

    Returns:
        Arrow's large_string, one a row.
    """
    known = ~np.isnan(long_pct)
    long_share = np.where(known, long_pct, 50.0)
    leader = np.select([long_share > 50, long_share < 50], [0, 1], _EVEN)
    share = _whole(np.abs(long_share - 50))
    ages = _ages(settings)
    age = np.minimum(np.where(np.isnan(age_hours), 0, age_hours), ages - 1).astype(np.int64)
    sides = ((np.where(of_map, len(SOURCES), source.astype(np.int64)) + 1) * len(_LEADERS) + leader) * len(
        _SHARES
    ) + share
    rise = np.where(present["volume_spike"], np.clip(volume_change_pct, 0, _MOST_RISE + 1), -1)
    signs, count = np.zeros((2, len(score)), dtype=np.int64)
    for place, name in enumerate(_SIGNS):
        signs += present[name] * (1 << place)
    for name in SIGNALS:
        count += present[name]
    leader = np.where(known, leader, _EVEN)
    phrases = (
        _take(_side_phrases(settings), sides * ages + age),
        _take(_signal_phrases(), signs * (_MOST_RISE + 3) + _whole(rise) + 1),
        _take(_verdict_phrases(), (leader * 101 + _whole(score)) * (len(SIGNALS) + 1) + count),
    )
    return pc.binary_join_element_wise(*phrases, pyarrow.scalar("", pyarrow.large_string()))


def _whole(values: Floats) -> Whole:
    return np.rint(values).astype(np.int64)


def _take(phrases: pyarrow.Array, codes: Whole) -> pyarrow.Array:
    return phrases.take(pyarrow.array(codes))


def _ages(settings: SignalSettings) -> int:
    """How many whole hours of age a source may have, 0 among them."""
    return math.floor(max(settings.max_reading_age_hours, settings.max_daily_age_hours)) + 1


@lru_cache(maxsize=4)
def _side_phrases(settings: SignalSettings) -> pyarrow.Array:
    """By source (none first, a map last), leader, share and age."""
    return pyarrow.array(
        [
            _side_phrase(source, leader, share, age, settings)
            for source in (None, *SOURCES, _MAP)
            for leader in range(len(_LEADERS))
            for share in _SHARES
            for age in range(_ages(settings))
        ],
        pyarrow.large_string(),
    )


def _side_phrase(source: str | None, leader: int, share: int, age: int, settings: SignalSettings) -> str:
    if source is None:
        return f"No chart of the last {settings.max_reading_age_hours:g} h and no liquidations say which side dominates"
    hold, each = ("hold", " each") if leader == _EVEN else ("hold", "")
    ago = f"{age} h ago" if age else "just now"
    if source in READING_SOURCES or source == _MAP:
        return f"{_LEADERS[leader]} {hold} {share} %{each} of the liquidations read {ago} ({source})"
    if source == "realised_liquidations":
        span = f"in the last {settings.realised_hours} h"
    else:
        span = f"in the day that ended {age} h ago" if age else "in the day that just ended"
    return f"{_LEADERS[leader]} were {share} %{each} of what was liquidated {span}"


@lru_cache(maxsize=1)
def _signal_phrases() -> pyarrow.Array:
    """By which of _SIGNS are there, and by the volume's rise from none on."""
    rises = ["", *(f", volume is up {rise} %" for rise in range(_MOST_RISE + 1))]
    rises.append(f", volume is up more than {_MOST_RISE} %")
    signs = [
        "".join(f", {words}" for place, words in enumerate(_SIGNS.values()) if code >> place & 1)
        for code in range(2 ** len(_SIGNS))
    ]
    return pyarrow.array([rise + sign for sign in signs for rise in rises], pyarrow.large_string())


@lru_cache(maxsize=1)
def _verdict_phrases() -> pyarrow.Array:
    """By leader, score and number of signals."""
    return pyarrow.array(
        [
            _verdict_phrase(leader, score, count)
            for leader in range(len(_LEADERS))
            for score in range(101)
            for count in range(len(SIGNALS) + 1)
        ],
        pyarrow.large_string(),
    )


def _verdict_phrase(leader: int, score: int, count: int) -> str:
    figures = f"score {score} of 100, {count} of {len(SIGNALS)} signals"
    if leader == _EVEN:
        return f": no squeeze is named ({count} of {len(SIGNALS)} signals)."
    squeeze = ("long", "short")[leader]
    return (
        f": a {squeeze} squeeze may come ({figures})." if count else f": no signal of a {squeeze} squeeze ({figures})."
    )
