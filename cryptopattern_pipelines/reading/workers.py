"""The same function over many items, in processes that may crash or hang without harm to the others.

What belongs here: handing out items, time limits, starting a process anew. What does not: what is computed.
"""

import multiprocessing
import queue
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import cv2

_START_SECONDS = 60.0  # allowed to a process until it takes its first item

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
    ready: bool = False  # has begun to take items: a start on a busy machine may take longer than an item
    deadline: float = 0.0


def attempt(function: Callable[[Item], Result], item: Item) -> Result | Failure:
    """`function` of an item; an exception becomes a Failure, its traceback going to stderr."""
    try:
        return function(item)
    except Exception as error:  # noqa: BLE001 (whatever one item raises must not cost the others)
        traceback.print_exc()
        told = " ".join(str(error).split())
        return Failure(f"the reader failed ({type(error).__name__}{': ' if told else ''}{told[:300]})")


def map_isolated(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int, seconds: float
) -> Iterator[Result | Failure]:
    """`function` of each item, in their order, computed in up to `processes` processes at once.

    The processes are spawned, so `function` must be importable, and items and results must be picklable. An item whose
    process dies, or that takes longer than `seconds`, becomes a Failure, and the others go on in a fresh process; so
    does one that raises, without a fresh process. The time that a process needs to start isn't counted.
    """
    done: dict[int, Result | Failure] = {}
    waiting = iter(range(len(items)))
    workers = [_start(function) for _ in range(max(1, min(processes, len(items))))] if items else []
    try:
        for worker in workers:
            _hand_out(worker, waiting, items, seconds)
        for index in range(len(items)):
            while index not in done:
                busy = [worker for worker in workers if worker.index is not None]
                first = min(worker.deadline for worker in busy)
                ready = wait([worker.connection for worker in busy], timeout=max(0.0, first - time.monotonic()))
                for place, worker in enumerate(workers):
                    came = _what_came(worker, worker.connection in ready, seconds)
                    if worker.index is None or not came:
                        continue
                    done[worker.index] = came[0]
                    if worker.connection.closed:
                        _stop(worker)
                        workers[place] = _start(function)
                    _hand_out(workers[place], waiting, items, seconds)
            yield done.pop(index)
    finally:
        for worker in workers:
            _stop(worker)


class Crew(Generic[Item, Result]):
    """The same, for items that come one by one and can't wait until a process has started: these stay.

    Calls from many threads wait for each other where there are more of them than processes.
    """

    def __init__(self, function: Callable[[Item], Result], processes: int, seconds: float) -> None:
        self._function, self._seconds = function, seconds
        # None stands for a process that is yet to be started; those that are there are taken first.
        self._free: queue.LifoQueue[_Worker[Item, Result] | None] = queue.LifoQueue()
        self._processes = processes
        for _ in range(processes):
            self._free.put(None)

    def __call__(self, item: Item) -> Result | Failure:
        """`function` of an item, computed in a process; a crash or a hang is a Failure."""
        worker = self._free.get() or _start(self._function)
        try:
            _hand_out(worker, iter([0]), [item], self._seconds)
            while True:
                ready = wait([worker.connection], timeout=max(0.0, worker.deadline - time.monotonic()))
                came = _what_came(worker, bool(ready), self._seconds)
                if came:
                    worker.index = None
                    return came[0]
        finally:
            if worker.index is not None or worker.connection.closed:
                _stop(worker)
                worker = _start(self._function)
            self._free.put(worker)

    def warm_up(self) -> None:
        """Start all processes now instead of on need."""
        taken = [self._free.get() for _ in range(self._processes)]
        for worker in taken:
            self._free.put(worker or _start(self._function))

    def close(self) -> None:
        """End the processes; waits for those that are at work."""
        for _ in range(self._processes):
            if (worker := self._free.get()) is not None:
                _stop(worker)


def _what_came(worker: "_Worker[Item, Result]", answered: bool, seconds: float) -> tuple[()] | tuple[Result | Failure]:
    """What came of a worker's item, if anything did yet; after a crash or a hang its connection is closed."""
    if answered:
        try:
            outcome = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            worker.connection.close()
            return (Failure(f"the reader crashed (exit code {worker.process.exitcode})"),)
        if worker.ready:
            return (outcome,)
        worker.ready, worker.deadline = True, time.monotonic() + seconds
    elif worker.index is not None and time.monotonic() >= worker.deadline:
        worker.connection.close()
        return (Failure(f"reading took longer than {seconds:g} s"),)
    return ()


def _start(function: Callable[[Item], Result]) -> "_Worker[Item, Result]":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(function, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _hand_out(worker: "_Worker[Item, Result]", waiting: Iterator[int], items: Sequence[Item], seconds: float) -> None:
    worker.index = next(waiting, None)
    worker.deadline = time.monotonic() + seconds + (0 if worker.ready else _START_SECONDS)
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started this process, and ends it
    cv2.setNumThreads(1)  # the processes are as many as the cores already
    connection.send(None)  # ready
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(attempt(function, item))
