"""An answer that is held: made once for all who ask meanwhile, made anew when it is old, and no failure kept."""

import threading
import time

import pytest

from cryptopattern_pipelines.api.held import Held


def test_callers_share_an_answer_until_it_is_old() -> None:
    made = iter([b"one", b"two"])
    held = Held(lambda: next(made), 0.2)
    assert [held(), held()] == [b"one", b"one"]
    time.sleep(0.25)
    assert held() == b"two"


def test_callers_at_once_wait_for_one_answer() -> None:
    asked: list[None] = []

    def make() -> bytes:
        asked.append(None)
        time.sleep(0.1)
        return b"answer"

    held = Held(make, 60)
    callers = [threading.Thread(target=held) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(asked) == 1


def test_a_failure_is_the_callers_and_not_held() -> None:
    asked: list[None] = []

    def make() -> bytes:
        asked.append(None)
        if len(asked) == 1:
            raise ValueError("away")
        return b"back"

    held = Held(make, 60)
    with pytest.raises(ValueError, match="away"):
        held()
    assert held() == b"back"
