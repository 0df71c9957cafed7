"""Coins that changed their name: the old one, the new one, and since when; a small list, each entry with its source.

What belongs here: changes of name of one and the same coin, whole units against whole units. What does not: coins
that split, merged, or went to a chain of their own beside the old one.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Rename:
    """One change of a coin's name.

    Attributes:
        old: the name before.
        new: the name since.
        day: on which a venue ended trading under the old name, as the source tells it, UTC.
        source: where that is told.
        ratio: new coins for one old one.
    """

    old: str
    new: str
    day: date
    source: str
    ratio: int = 1


RENAMES = (
    Rename("RNDR", "RENDER", date(2024, 7, 9), "https://azc.news/okx-delists-rndr-futures-and-margin-trading-id24185"),
    Rename(
        "MATIC",
        "POL",
        date(2024, 9, 10),
        "https://coingape.com/binance-announces-matic-to-pol-token-swap-support-is-breakout-imminent",
    ),
    Rename("KLAY", "KAIA", date(2024, 10, 28), "https://www.binance.com/en/square/post/14937325490873"),
    Rename("FTM", "S", date(2025, 1, 13), "https://www.binance.com/en/square/post/17987822306257"),
    Rename(
        "STPT",
        "AWE",
        date(2025, 5, 19),
        "https://www.binance.com/en/support/announcement/detail/f653fab995c348f8a7d510354f475023",
    ),
    # OKX's; the swap went on until 2025-05-28.
    Rename("EOS", "A", date(2025, 5, 26), "https://www.pptfa.com/7382.html"),
)
