"""The same function over many items, in processes that may crash or hang without harm to the others.

What belongs here: handing out items, time limits, starting a process anew. What does not: what is computed.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """An item's process crashed or took too long; `reason` says which in one line."""

    reason: str


@dataclass
class _Worker(Generic[Item, Result]):
    process: BaseProcess
    connection: Connection
    index: int | None = None
    started: float = 0.0


def map_isolated(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int, seconds: float
) -> Iterator[Result | Failure]:
    """`function` of each item, in their order, computed in up to `processes` processes at once.

    The processes are spawned, so `function` must be importable, and items and results must be picklable. An item whose
    process dies, or that takes longer than `seconds`, becomes a Failure; the others go on in a fresh process.
    """
    done: dict[int, Result | Failure] = {}
    waiting = iter(range(len(items)))
    workers = [_start(function) for _ in range(max(1, min(processes, len(items))))] if items else []
    try:
        for worker in workers:
            _hand_out(worker, waiting, items)
        for index in range(len(items)):
            while index not in done:
                busy = [worker for worker in workers if worker.index is not None]
                first = min(worker.started for worker in busy) + seconds
                ready = wait([worker.connection for worker in busy], timeout=max(0.0, first - time.monotonic()))
                for place, worker in enumerate(workers):
                    if worker.index is None:
                        continue
                    if worker.connection in ready:
                        outcome: Result | Failure
                        try:
                            outcome = worker.connection.recv()
                        except (EOFError, OSError):
                            worker.process.join()
                            outcome = Failure(f"the reader crashed (exit code {worker.process.exitcode})")
                    elif time.monotonic() - worker.started >= seconds:
                        outcome = Failure(f"reading took longer than {seconds:g} s")
                    else:
                        continue
                    done[worker.index] = outcome
                    if isinstance(outcome, Failure):
                        _stop(worker)
                        workers[place] = _start(function)
                    _hand_out(workers[place], waiting, items)
            yield done.pop(index)
    finally:
        for worker in workers:
            _stop(worker)


def _start(function: Callable[[Item], Result]) -> "_Worker[Item, Result]":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(function, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _hand_out(worker: "_Worker[Item, Result]", waiting: Iterator[int], items: Sequence[Item]) -> None:
    worker.index = next(waiting, None)
    worker.started = time.monotonic()
    if worker.index is not None:
        with suppress(OSError):  # it died already: its closed connection tells so when it is waited for
            worker.connection.send(items[worker.index])


def _stop(worker: "_Worker[Item, Result]") -> None:
    worker.process.terminate()
    worker.process.join(5)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.connection.close()


def _serve(function: Callable[[Item], Result], connection: Connection) -> None:
    cv2.setNumThreads(1)  # the processes are as many as the cores already
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(function(item))
