"""Venues beside those that `live.py` knows by itself: each is a module of ours and an entry here.

docs/extending.md adds one. What belongs here: which there are, and how they are asked. What does not: their paths and
fields, which stand in a venue's own module.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cryptopattern_pipelines.market.symbols import Instrument, Market


@dataclass(frozen=True)
class Venue:
    """One venue with one server.

    Args:
        module: with `VENUE`, `costs`, `candles`, `tickers` and `listed_since` as `okx.py` has them; `funding` and
            `snapshots` too where `markets` has perpetuals; `busy` where the venue says so in its answers.
        url: base address of its public interface.
        markets: which of its markets are followed.
        instruments: the names that it may have for coins, as `symbols.okx_instruments`.
        listed: the instrument behind a name that it lists, as `symbols.okx_instrument`.
    """

    module: Any
    url: str
    markets: tuple[Market, ...]
    instruments: Callable[[Iterable[str], Market], list[list[Instrument]]]
    listed: Callable[[str, Market], Instrument | None]

    @property
    def name(self) -> str:
        """As rows and settings have it."""
        return str(self.module.VENUE)


MORE: tuple[Venue, ...] = ()
