"""How things are compared: in turn, round after round, each contender in a process of its own.

Machines are noisy, and noise comes in waves of seconds or minutes. So no contender is timed to the end before
the next begins: in each round every contender does the same work once, and what is compared is the ratio
of two times of the *same* round.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

SETTLING = 0.3
"""Seconds between two contenders. Threads of OpenMP and OpenBLAS stay awake for a while after their work, OpenBLAS's
some 30 ms, and would take a core from the next contender, which was always the same one."""

Run = Callable[[], float]
"""Does a contender's work of one round and returns what was measured."""


class Unavailable(Exception):
    """A contender that cannot run on this machine; the message is the reason that the tables show."""


class Spread(NamedTuple):
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float


@dataclass
class Case:
    """One comparison: what every contender measured, round by round.

    Args:
        name: such as ``batch 128``.
        unit: of the samples.
        reference: the contender that the others are compared with.
        samples: by contender, one number a round.
        skipped: by contender, why it was not run.
    """

    name: str
    unit: str
    reference: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def spread(self, contender: str) -> Spread:
        """Median and quartiles of a contender's samples."""
        return _spread(np.array(self.samples[contender]))

    def ratio(self, contender: str) -> Spread:
        """Median and quartiles of a contender's samples, each over the reference's of the same round.

        Example:
            >>> Case("batch 32", "ms", "a", {"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 8.0]}).ratio("b")
            Spread(median=2.0, low=2.0, high=2.0)
        """
        return _spread(np.array(self.samples[contender]) / np.array(self.samples[self.reference]))

    def fastest(self, *contenders: str) -> str | None:
        """Which of the contenders has the lowest median; None where none of them was measured."""
        measured = [name for name in contenders if name in self.samples]
        return min(measured, key=lambda name: self.spread(name).median, default=None)

    def to_dict(self) -> dict[str, Any]:
        """The case as plain data, for JSON."""
        return asdict(self)


def _spread(samples: np.ndarray) -> Spread:
    return Spread(*(float(number) for number in np.percentile(samples, (50, 25, 75))))


class Worker:
    """A contender in a process of its own, so that the thread pools of two libraries never meet.

    Args:
        build: called once in that process, to import, prepare and warm up; returns the contender's `Run`.

    Raises:
        Unavailable: it cannot run on this machine.
    """

    def __init__(self, build: Callable[[], Run]) -> None:
        self._pool = fresh_process()
        try:
            self._pool.submit(_build, build).result()
        except ModuleNotFoundError as error:
            self.close()
            raise Unavailable(str(error)) from error
        except Unavailable:
            self.close()
            raise

    def __call__(self) -> float:
        """One round, once the threads of the contender before have fallen asleep."""
        time.sleep(SETTLING)
        return self._pool.submit(_run).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def fresh_process() -> ProcessPoolExecutor:
    """A process that shares nothing with this one, to submit work to."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


_built: list[Run] = []


def _build(build: Callable[[], Run]) -> None:
    _built.append(build())


def _run() -> float:
    return _built[0]()


def compare(case: Case, builds: Mapping[str, Callable[[], Run]], rounds: int) -> Case:
    """Fill a case: every contender in a process of its own, only one working at a time."""
    workers: dict[str, Worker] = {}
    try:
        for name, build in builds.items():
            say(f"{case.name}: preparing {name}")
            try:
                workers[name] = Worker(build)
            except Unavailable as reason:
                if name == case.reference:
                    raise
                case.skipped[name] = str(reason)
                say(f"{case.name}: {name} is left out: {reason}")
        return alternate(case, workers, rounds)
    finally:
        for worker in workers.values():
            worker.close()


def alternate(case: Case, runs: Mapping[str, Run], rounds: int) -> Case:
    """Fill a case: in each round every contender once, another one first each time.

    Example:
        >>> case = alternate(Case("case", "ms", "a"), {"a": lambda: 1.0, "b": lambda: 3.0}, rounds=2)
        >>> case.samples
        {'a': [1.0, 1.0], 'b': [3.0, 3.0]}
    """
    names = list(runs)
    case.samples = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measured = runs[name]()
            case.samples[name].append(measured)
            say(f"{case.name}: round {number + 1} of {rounds}, {name}: {measured:.4g} {case.unit}")
    return case


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
