"""Claims on hours of tables: who overlaps waits, who doesn't goes on, and nobody's outlive him."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopattern_pipelines.storage.claims import _locks, claimed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 30, tzinfo=UTC)
HOLDER = """
import sys, time
from datetime import datetime
from cryptopattern_pipelines.storage.claims import claimed
with claimed(sys.argv[1], ["market_candles"], *map(datetime.fromisoformat, sys.argv[2:])):
    print("held", flush=True)
    time.sleep(60)
"""

hours = st.integers(0, 24 * 150).map(lambda number: datetime(2024, 1, 1, tzinfo=UTC) + number * HOUR)


def conflict(one: dict[str, bool], other: dict[str, bool]) -> bool:
    return any(one[name] or other[name] for name in one.keys() & other.keys())


@given(st.tuples(hours, hours), st.tuples(hours, hours))
def test_two_windows_conflict_when_they_touch_the_same_day(
    one: tuple[datetime, datetime], other: tuple[datetime, datetime]
) -> None:
    (start, end), (start_too, end_too) = sorted(one), sorted(other)
    end, end_too = end + HOUR, end_too + HOUR
    days, days_too = (
        {(at + number * DAY).date() for number in range((until - at) // DAY + 2) if (at + number * DAY).date() <= last}
        for at, until, last in ((start, end, (end - HOUR).date()), (start_too, end_too, (end_too - HOUR).date()))
    )
    touch = bool(days & days_too)
    assert conflict(_locks(["a"], start, end), _locks(["a"], start_too, end_too)) is touch
    assert not conflict(_locks(["a"], start, end), _locks(["b"], start_too, end_too))


def test_four_years_of_a_dozen_tables_are_some_hundreds_of_locks() -> None:
    year = _locks(
        [str(number) for number in range(12)], datetime(2021, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    )
    assert len(year) == 12 * 48


def test_one_who_wants_the_same_day_waits_and_says_so_once(postgres_url: str) -> None:
    order: list[str] = []
    took = threading.Event()

    def second() -> None:
        with claimed(postgres_url, ["a", "b"], START + 5 * HOUR, START + 6 * HOUR, lambda: order.append("waits")):
            order.append("second")
            took.set()

    with claimed(postgres_url, ["b"], START, START + 3 * HOUR, lambda: order.append("never")):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(2.5)
        order.append("first ends")
    assert took.wait(20)
    thread.join()
    assert order == ["waits", "first ends", "second"]


def test_others_do_not_wait(postgres_url: str) -> None:
    def never() -> None:
        pytest.fail("it had to wait")

    with ExitStack() as held:
        for tables, start, end in (
            (["a"], START, START + DAY),
            (["b"], START, START + 400 * DAY),
            (["a"], START + DAY, START + 60 * DAY),
            (["a"], START - HOUR, START),
        ):
            held.enter_context(claimed(postgres_url, tables, start, end, never))


def test_claims_are_gone_with_a_killed_process(postgres_url: str) -> None:
    command = [sys.executable, "-c", HOLDER, postgres_url, START.isoformat(), (START + DAY).isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited: list[bool] = []

        def kill() -> None:
            waited.append(True)
            holder.send_signal(signal.SIGKILL)

        with claimed(postgres_url, ["market_candles"], START, START + HOUR, kill):
            assert waited == [True]
