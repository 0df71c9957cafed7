"""Targets counted by hand: what comes within a day after an hour, and from when on that is known."""

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hour
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.squeeze.targets import HORIZON_HOURS, KNOWN_AFTER_HOURS, Targets, targets
from cryptopattern_pipelines.storage.schemas import MARKET_CANDLES, TARGETS
from cryptopattern_tests.squeeze.frames import candles, utc, walk

START = utc("2024-01-11")
DAYS = 12
LENGTH = 24 * DAYS
LEAD = pd.Timedelta(hours=OutcomeSettings().volatility_hours)
FREE = OutcomeSettings(fee_bps=0, slippage_bps=0)


def told(*events: tuple[str, str, int]) -> pd.DataFrame:
    """Events of a symbol and type that start so many hours after START."""
    return pd.DataFrame(
        [(symbol, kind, START + pd.Timedelta(hours=hour)) for symbol, kind, hour in events],
        columns=["symbol", "squeeze_type", "started_at"],
    ).astype({"symbol": "str", "squeeze_type": "str", "started_at": "datetime64[us, UTC]"})


def days(first: int = -1, last: int = DAYS + 4) -> pd.DatetimeIndex:
    return pd.date_range(START + first * pd.Timedelta(days=1), START + last * pd.Timedelta(days=1), freq="D").as_unit(
        "us"
    )


def priced(**closes: np.ndarray) -> pd.DataFrame:
    """Candles from a week before START on."""
    return candles((START - LEAD).to_pydatetime(), closes)


def calm(hours: int = LENGTH) -> np.ndarray:
    """Up and down by .1 % an hour: a day's barrier stands .49 % away, and is never touched."""
    return np.where(np.arange(int(LEAD / pd.Timedelta(hours=1)) + hours) % 2 == 0, 100.0, 100.1)


def made(
    events: pd.DataFrame,
    market: pd.DataFrame,
    told_days: pd.DatetimeIndex | None = None,
    symbols: tuple[str, ...] = ("BTC",),
    length: int = LENGTH,
) -> Targets:
    grid = HourGrid(epoch_hour(START), length, symbols)
    return targets(grid, events, days() if told_days is None else told_days, market, FREE)


def hours_of(came: Targets, target: str, symbol: int = 0) -> list[int]:
    return np.flatnonzero(came.of(target)[0][:, symbol]).tolist()


def test_a_squeeze_comes_for_the_24_hours_before_the_one_in_which_it_begins() -> None:
    found = made(told(("BTC", "LONG_SQUEEZE", 100), ("ETH", "SHORT_SQUEEZE", 60)), priced(BTC=calm()))
    # An hour's own squeeze is no forecast: at the end of hour 100 it has begun already.
    assert hours_of(found, "long_squeeze") == list(range(76, 100))
    assert hours_of(found, "short_squeeze") == []


def test_each_side_and_symbol_has_its_own_squeezes() -> None:
    events = told(("BTC", "LONG_SQUEEZE", 100), ("ETH", "SHORT_SQUEEZE", 60), ("XRP", "LONG_SQUEEZE", 60))
    found = made(events, priced(BTC=calm(), ETH=calm()), symbols=("BTC", "ETH"))
    assert hours_of(found, "long_squeeze", 1) == []
    assert hours_of(found, "short_squeeze", 1) == list(range(36, 60))
    assert hours_of(found, "long_squeeze", 0) == list(range(76, 100))


@pytest.mark.parametrize(("sign", "comes", "other"), [(1, "up_move", "down_move"), (-1, "down_move", "up_move")])
def test_a_move_comes_where_its_barrier_is_touched_within_24_hours(sign: int, comes: str, other: str) -> None:
    series = calm()
    jump = int(LEAD / pd.Timedelta(hours=1)) + 100
    series[jump:] *= 1 + 0.02 * sign
    found = made(told(), priced(BTC=series))
    assert [hour for hour in hours_of(found, comes) if hour <= 100] == list(range(76, 100))
    assert [hour for hour in hours_of(found, other) if hour <= 100] == []
    assert hours_of(found, "any_move") == sorted({*hours_of(found, comes), *hours_of(found, other)})


def test_nothing_is_known_of_the_last_24_hours_nor_without_candles() -> None:
    found = made(told(("BTC", "LONG_SQUEEZE", LENGTH - 5)), priced(BTC=calm()), symbols=("BTC", "ETH"))
    for target in TARGETS:
        came, known = found.of(target)
        assert known[:, 0].tolist() == [True] * (LENGTH - HORIZON_HOURS) + [False] * HORIZON_HOURS
        assert not known[:, 1].any()
        # What is not known did not come.
        assert not (came & ~known).any()
    none = made(told(), MARKET_CANDLES.empty())
    assert not none.known.any()


def test_a_squeeze_is_known_only_where_every_day_is_told_that_may_tell_it() -> None:
    lacking = START + pd.Timedelta(days=6)
    found = made(told(), priced(BTC=calm()), days()[days() != lacking])
    known = found.of("long_squeeze")[1][:, 0]
    # The hours of which one of the 81 after them is in that day; the price is known all the same.
    first, last = 24 * 6 - KNOWN_AFTER_HOURS, 24 * 7 - 2
    assert np.flatnonzero(~known[: LENGTH - HORIZON_HOURS]).tolist() == list(range(first, last + 1))
    assert found.of("any_move")[1][: LENGTH - HORIZON_HOURS, 0].all()
    assert not made(told(), priced(BTC=calm()), pd.DatetimeIndex([])).of("short_squeeze")[1].any()


def test_the_longest_squeeze_that_begins_in_the_horizon_is_told_by_the_last_hour_that_is_waited_for() -> None:
    # Event of 48 hours, then 4 quiet ones, told by the end of the day in which those end: at most 81 hours after.
    assert KNOWN_AFTER_HOURS >= HORIZON_HOURS + 48 + 4


def test_what_comes_after_the_grid_and_its_horizon_changes_nothing() -> None:
    rising = walk(4, len(calm(LENGTH + 48)))
    other = rising.copy()
    other[len(calm()) :] *= 3
    events = told(("BTC", "LONG_SQUEEZE", 100))
    later = told(("BTC", "LONG_SQUEEZE", 100), ("BTC", "LONG_SQUEEZE", LENGTH + 30))
    here, there = made(events, priced(BTC=rising)), made(later, priced(BTC=other))
    np.testing.assert_array_equal(here.came, there.came)
    np.testing.assert_array_equal(here.known, there.known)


def test_a_shorter_grid_knows_less_but_nothing_else() -> None:
    market = priced(BTC=walk(4, len(calm())))
    events = told(("BTC", "LONG_SQUEEZE", 100), ("BTC", "SHORT_SQUEEZE", 150))
    whole, shorter = made(events, market), made(events, market, length=160)
    both = slice(0, 160 - HORIZON_HOURS)
    np.testing.assert_array_equal(whole.came[both], shorter.came[both])
    assert shorter.known[both].all()
    assert not shorter.known[160 - HORIZON_HOURS :].any()
