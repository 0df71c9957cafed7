"""From a venue's forced orders to hours: what was closed by force, and which hours a feed could tell wholly.

What belongs here: the rule that an hour is told whole or not at all, the same for every venue. What does not: where
the orders come from (`gate.py`, `okx.py`, `coinglass.py`).
"""

from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from cryptopattern_pipelines.market.source import Problem
from cryptopattern_pipelines.market.transport import Host
from cryptopattern_pipelines.storage.schemas import REALISED_LIQUIDATIONS


@dataclass(frozen=True)
class Liquidations:
    """Rows of REALISED_LIQUIDATIONS, and why others are missing."""

    rows: pd.DataFrame
    problems: list[Problem]


class Feed(Protocol):
    """What a venue's module offers that tells liquidations."""

    VENUE: str

    async def liquidations(self, host: Host, coins: set[str], hours: pd.DatetimeIndex) -> Liquidations:
        """What was closed by force in these coins and closed hours.

        Raises:
            VenueError: nothing could be had.
        """
        ...


def no_orders() -> pd.DataFrame:
    """Orders that there are none of, with their columns: `time` (UTC), `symbol`, `long` (a long was sold), `usd`."""
    dtypes = {"time": "datetime64[us, UTC]", "symbol": "str", "long": "bool", "usd": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})


def hourly_rows(orders: pd.DataFrame, told: pd.DataFrame, venue: str, completeness: str) -> pd.DataFrame:
    """One row for every symbol and hour that was told wholly, zeros where nothing was closed.

    Args:
        orders: as `no_orders`; those of hours that weren't told wholly count for nothing.
        told: `hour`, `symbol` of what was told wholly.
        venue: e.g. gate.
        completeness: see REALISED_LIQUIDATIONS.
    """
    sides = pd.DataFrame(
        {
            "hour": orders["time"].dt.floor("h"),
            "symbol": orders["symbol"],
            "long_liquidated_usd": orders["usd"].where(orders["long"], 0.0),
            "short_liquidated_usd": orders["usd"].where(~orders["long"], 0.0),
        }
    )
    # In one order, so that a sum doesn't depend on how the answers came.
    sides = sides.sort_values(list(sides.columns)).groupby(["hour", "symbol"], as_index=False).sum()
    rows = told.drop_duplicates().merge(sides, on=["hour", "symbol"], how="left")
    amounts = ["long_liquidated_usd", "short_liquidated_usd"]
    rows[amounts] = rows[amounts].fillna(0.0)
    return REALISED_LIQUIDATIONS.conform(rows.assign(venue=venue, span_hours=1, completeness=completeness))


def untold(venue: str, instruments: list[str], hours: int, reason: str, *, passing: bool = False) -> Problem:
    """The problem of hours that a feed can't tell wholly."""
    return Problem(
        venue, "perpetual", ", ".join(sorted(instruments)), f"no liquidations in {hours} rows: {reason}", passing
    )
