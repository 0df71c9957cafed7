import os
import time

from cryptopattern_pipelines.reading.workers import Failure, map_isolated


def work(order: str) -> str:
    """What each order asks for: to answer, to wait, to die or to hang."""
    kind, _, value = order.partition(" ")
    if kind == "die":
        os._exit(3)
    if kind == "raise":
        raise ValueError(value)
    if kind == "hang":
        time.sleep(600)
    time.sleep(float(value))
    return order


def test_answers_come_in_order_whatever_takes_longest() -> None:
    orders = ["wait 0.4", "wait 0", "wait 0.1", "wait 0"]
    assert list(map_isolated(work, orders, 2, 30)) == orders


def test_a_crash_or_a_hang_costs_only_its_own_item() -> None:
    orders = ["wait 0", "die", "hang", "raise it", "wait 0", "wait 0"]
    outcomes = list(map_isolated(work, orders, 2, 3))
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [False, True, True, True, False, False]
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)]
    assert "exit code 3" in reasons[0]
    assert "longer than 3 s" in reasons[1]
    assert "ValueError: it" in reasons[2]


def test_nothing_to_do_starts_nothing() -> None:
    assert list(map_isolated(work, [], 4, 1)) == []


def test_leaving_early_stops_the_processes() -> None:
    started = time.monotonic()
    outcomes = map_isolated(work, ["wait 0", "hang", "hang"], 2, 600)
    assert next(outcomes) == "wait 0"
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 30


def test_the_start_of_a_process_is_not_counted() -> None:
    assert list(map_isolated(work, ["wait 0", "wait 0"], 1, 0.1)) == ["wait 0", "wait 0"]
