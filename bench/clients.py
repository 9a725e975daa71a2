"""Clients side by side: processes with a connection each, which do one side's work for a while, then the other's."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Self

from django.db import connections

Operation = Callable[[], object]
Side = Callable[[int], Operation]
_WARM_UP_SECONDS = 0.3


@dataclass(slots=True)
class Rates:
    """Operations per second of each side by round, the rounds taken in turn."""

    by_side: dict[str, list[float]] = field(default_factory=dict)

    def median(self, side: str) -> float:
        return statistics.median(self.by_side[side])

    def ratio(self, side: str, other: str) -> float:
        """The median of the ratios round by round, so that a machine that slows down slows both."""
        pairs = zip(self.by_side[side], self.by_side[other], strict=True)
        return statistics.median(one / two for one, two in pairs)


class Clients:
    """A pool of client processes; each makes its own operation of every side. A context manager."""

    def __init__(self, count: int, sides: Mapping[str, Side], *, operations: int | None = None) -> None:
        """`sides` maps a name to a function that, in the client with this number, makes the operation to repeat.

        A client stops a turn early after so many `operations`.
        """
        self._operations = operations
        self._sides = dict(sides)
        self._context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._count = count

    def __enter__(self) -> Self:
        connections.close_all()
        for number in range(self._count):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_work, args=(theirs, self._sides, number, self._operations), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            _answer(pipe)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.send(None)  # closing it would not do: the clients forked later hold copies of it
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.kill()

    def rate(self, side: str, seconds: float, *, clients: int | None = None) -> float:
        """Operations per second of so many clients at once (default: all)."""
        pipes = self._pipes[:clients]
        for pipe in pipes:
            pipe.send((side, seconds, False))
        return sum(_answer(pipe) for pipe in pipes)

    def durations(self, side: str, seconds: float) -> list[float]:
        """How long each operation took, in seconds, all clients working at once; shortest first."""
        for pipe in self._pipes:
            pipe.send((side, seconds, True))
        return sorted(spent for pipe in self._pipes for spent in _checked(pipe.recv()))

    def in_turn(self, sides: Sequence[str], *, seconds: float, rounds: int, clients: int | None = None) -> Rates:
        """Each side for `seconds`, one after the other, `rounds` times."""
        rates = Rates({side: [] for side in sides})
        for side in sides:
            self.rate(side, min(_WARM_UP_SECONDS, seconds), clients=clients)
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else list(reversed(sides)):
                rates.by_side[side].append(self.rate(side, seconds, clients=clients))
        return rates


def _answer(pipe: Connection) -> float:
    return float(_checked(pipe.recv()))


def _checked(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _work(pipe: Connection, sides: Mapping[str, Side], number: int, at_most: int | None) -> None:
    try:
        operations = {name: side(number) for name, side in sides.items()}
        pipe.send(0)
        while (order := pipe.recv()) is not None:
            name, seconds, is_timed = order
            operation = operations[name]
            spent: list[float] = []
            began = last = time.perf_counter()
            while last - began < seconds and len(spent) != at_most:
                operation()
                now = time.perf_counter()
                spent.append(now - last)
                last = now
            pipe.send(spent if is_timed else len(spent) / (last - began) if spent else 0)
    except EOFError:
        return
    except Exception as problem:  # noqa: BLE001 - whatever it is, the parent shows it
        pipe.send(RuntimeError(f"{type(problem).__name__}: {problem}"))
