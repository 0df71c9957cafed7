"""Prices over venues that come and go: what is left of a move when what the venues differ by is taken out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.market.snapshots import exchange_snapshots
from cryptopattern_pipelines.squeeze import signals
from cryptopattern_pipelines.squeeze.grid import HourGrid, epoch_hours
from cryptopattern_pipelines.squeeze.prices import PRICE_COLUMNS, comparable_log_prices
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, REALISED_LIQUIDATIONS
from cryptopattern_tests.squeeze.frames import utc

START = utc("2024-01-01")
VENUES = ("a:spot", "b:spot", "c:perpetual")
# What the venues ask for the same coin: a basis of up to 2 %, which no outlier is.
DEARER = np.array([1.0, 1.004, 1.02])
HOUR = pd.Timedelta("1h")


def snapshots_of(price: np.ndarray, silent: np.ndarray, first: int = 0) -> pd.DataFrame:
    """Snapshots of a price that each venue tells with its own basis, but in the hours in which it is silent."""
    hours = pd.date_range(START, periods=len(price), freq="h").as_unit("us")
    frames = []
    for number, venue in enumerate(VENUES):
        name, market = venue.split(":")
        close = price * DEARER[number]
        frame = pd.DataFrame({"hour": hours, "symbol": "BTC", "venue": name, "market": market, "close": close})
        frames.append(frame[~silent[:, number]])
    candles = pd.concat(frames, ignore_index=True).astype({"symbol": "str", "venue": "str", "market": "str"})
    candles = candles.assign(high=candles["close"], low=candles["close"], volume_base=1.0, volume_usd=1.0)
    end = START + len(price) * HOUR
    return exchange_snapshots(
        candles, DERIVATIVES_METRICS.empty(), REALISED_LIQUIDATIONS.empty(), START + first * HOUR, end
    )


def logs(rows: pd.DataFrame, first: int, length: int) -> np.ndarray:
    begin = epoch_hours(pd.Series([START]))[0] + first
    grid = HourGrid(begin, length, ("BTC",))
    rows = rows[rows["hour"] >= START + first * HOUR]
    found = comparable_log_prices(
        grid, grid.cells(epoch_hours(rows["hour"]), rows["symbol"]), rows[list(PRICE_COLUMNS)]
    )
    return found[:, 0]


@st.composite
def markets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Prices, and which venues are silent when; of one hour to the next one venue stays."""
    steps = draw(st.lists(st.floats(-0.02, 0.02), min_size=10, max_size=30))
    silent = draw(st.lists(st.sampled_from([(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]), min_size=30, max_size=30))
    return 100 * np.exp(np.cumsum(steps)), np.array(silent[: len(steps)], dtype=bool)


@given(markets())
def test_moves_are_those_of_the_venues_that_stay(market: tuple[np.ndarray, np.ndarray]) -> None:
    price, silent = market
    found = logs(snapshots_of(price, silent), 0, len(price))
    np.testing.assert_allclose(np.diff(found), np.diff(np.log(price)), atol=1e-10)


@given(markets(), st.integers(1, 9))
def test_a_move_is_the_same_to_the_last_bit_wherever_the_range_begins(
    market: tuple[np.ndarray, np.ndarray], first: int
) -> None:
    price, silent = market
    rows = snapshots_of(price, silent)
    whole, part = logs(rows, 0, len(price)), logs(rows, first, len(price) - first)
    for span in (1, 2, 5):
        np.testing.assert_array_equal(part[span:] - part[:-span], (whole[span:] - whole[:-span])[first:])


def test_the_same_venues_all_along_are_their_average() -> None:
    price = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 50)))
    rows = snapshots_of(price, np.zeros((50, 3), dtype=bool))
    np.testing.assert_allclose(logs(rows, 0, 50), np.log(rows["average_price"]), rtol=0, atol=2**-40)


def test_after_a_gap_the_average_is_taken_as_it_is() -> None:
    price, silent = np.full(6, 100.0), np.zeros((6, 3), dtype=bool)
    silent[2] = True
    silent[3:, 2] = True
    found = logs(snapshots_of(price, silent), 0, 6)
    assert np.isnan(found[2])
    assert found[3] - found[1] == pytest.approx(np.log(DEARER[:2].mean() / DEARER.mean()))


def test_a_dear_venue_that_falls_silent_is_no_acceleration() -> None:
    settings = signals.SignalSettings()
    length = settings.sigma_hours + 20
    price = 100 * np.exp(0.0002 * (-1.0) ** np.arange(length))
    silent = np.zeros((length, 3), dtype=bool)
    silent[-2:, 2] = True
    rows = snapshots_of(price, silent)
    averages = np.log(rows["average_price"].to_numpy())[:, None]
    # The basis alone would be a move of many sigmas.
    assert signals.price_acceleration(averages, settings)[-1] == 100
    assert np.isnan(signals.price_acceleration(logs(rows, 0, length)[:, None], settings)[-1])
