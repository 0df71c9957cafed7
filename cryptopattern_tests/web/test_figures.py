"""From prices to coordinates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.web.figures import Chart, price_chart, price_ticks, sparkline

HOUR = timedelta(hours=1)
START = datetime(2025, 1, 1, tzinfo=UTC)


def hours(count: int) -> list[datetime]:
    return [START + number * HOUR for number in range(count)]


def points(path: str) -> list[tuple[float, float]]:
    numbers = [float(word) for word in path.replace("M", " ").split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def chart(prices: list[float], events: Any = (), levels: Any = (), times: Any = None) -> Chart:
    drawn = price_chart(times or hours(len(prices)), prices, events, levels, width=1000, height=300)
    assert drawn is not None
    return drawn


@given(st.lists(st.floats(1e-8, 1e8), min_size=2, max_size=3000))
def test_every_price_lies_within_the_plot_and_the_extremes_are_drawn(prices: list[float]) -> None:
    drawn = chart(prices)
    at = points(drawn.path)
    assert all(drawn.left - 0.1 <= x <= drawn.right + 0.1 for x, _ in at)
    assert all(drawn.top - 0.1 <= y <= drawn.bottom + 0.1 for _, y in at)
    assert at == sorted(at, key=lambda point: point[0])
    assert at[-1] == pytest.approx(drawn.last, abs=0.06)
    # Of thousands of hours a few hundred points are left, and no top or bottom is lost.
    assert len(at) <= 2 * (drawn.right - drawn.left) / 2.5 + 3
    whole = points(chart([min(prices), max(prices)]).path)
    assert min(y for _, y in at) == pytest.approx(min(y for _, y in whole), abs=0.11)
    assert max(y for _, y in at) == pytest.approx(max(y for _, y in whole), abs=0.11)


def test_hours_without_a_price_break_the_line() -> None:
    times = [*hours(10), *(START + timedelta(hours=30 + number) for number in range(10))]
    assert chart([float(10 + number % 3) for number in range(20)], times=times).path.count("M") == 2


def test_a_squeeze_is_shaded_over_its_hours_and_one_of_before_is_not() -> None:
    def squeeze(begin: int, end: int) -> dict[str, Any]:
        return {"started_at": START + begin * HOUR, "ended_at": START + end * HOUR, "squeeze_type": "LONG_SQUEEZE"}

    drawn = chart([float(100 + number) for number in range(101)], [squeeze(51, 61), squeeze(-30, -20), squeeze(-5, 11)])
    middle, cut = drawn.bands
    scale = (drawn.right - drawn.left) / 100
    assert middle.x == pytest.approx(drawn.left + 50 * scale)
    assert middle.width == pytest.approx(10 * scale)
    assert (cut.x, cut.width) == (pytest.approx(drawn.left), pytest.approx(10 * scale))


def test_levels_near_the_prices_are_drawn_and_the_strongest_get_the_room_for_their_prices() -> None:
    levels = [
        {"price": 105.0, "strength_share": 0.5},
        {"price": 105.1, "strength_share": 1.0},
        {"price": 500.0, "strength_share": 1.0},
    ]
    drawn = chart([100.0, 110.0, 104.0], levels=levels)
    assert [(line.level["price"], line.labelled) for line in drawn.lines] == [(105.1, True), (105.0, False)]


@given(st.floats(1e-9, 1e7), st.floats(1.0001, 50))
def test_ticks_are_round_few_and_within(low: float, factor: float) -> None:
    ticks = price_ticks(low, low * factor, 5)
    assert 1 <= len(ticks) <= 6
    for price, label in ticks:
        assert low * 0.999999 <= price <= low * factor * 1.000001
        assert float(label.replace(",", "")) == pytest.approx(price, rel=1e-6)
    assert len({label for _, label in ticks}) == len(ticks)


def test_too_few_prices_are_no_chart() -> None:
    assert price_chart(hours(1), [1.0], [], [], width=100, height=100) is None
    assert sparkline([1.0], width=10, height=10) == ""
    assert np.isfinite(points(sparkline([1.0, 1.0], width=10, height=10))).all()
