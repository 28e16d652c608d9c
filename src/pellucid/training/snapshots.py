"""Snapshots: states along a training, limited in number, evenly spaced.

They are taken at the steps 0, d, 2d, 3d …; where these would exceed the limit, d doubles and every second one is
dropped. Which steps have one depends on the current step alone, so a resumed training keeps the same ones as one that
was never stopped.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.constraints import WholeNumber, constrained, validate
from pellucid.core.precision import double_precision
from pellucid.training.state import TrainingState, from_arrays, to_arrays

Arrays = dict[str, np.ndarray]


def interval(step: int, most: int) -> int:
    """Steps between two snapshots at ``step``: a power of two.

    Example:
        >>> [interval(step, most=4) for step in (3, 4, 7, 8, 100)]
        [1, 2, 2, 4, 32]
    """
    return 1 << max(0, (step // most).bit_length())


def next_due(step: int, most: int) -> int:
    """The first step after ``step`` that has a snapshot.

    Example:
        >>> next_due(4, most=4), next_due(7, most=4)
        (6, 8)
    """
    due = step + 1
    while due % (every := interval(due, most)):
        due += every - due % every
    return due


@dataclass
class SnapshotTaker:
    """The snapshots of a training under way, held until they are written.

    Example:
        >>> SnapshotTaker(4).kept(range(100), at=100)
        [0, 32, 64, 96]
    """

    most: int = constrained(50, WholeNumber(2), "snapshots kept at most")
    taken: dict[int, Arrays] = field(default_factory=dict)

    def __post_init__(self) -> None:
        validate(self)

    def kept(self, steps: "Mapping[int, Arrays] | range | list[int]", at: int) -> list[int]:
        """Those of ``steps`` whose snapshots a training at step ``at`` keeps."""
        every = interval(at, self.most)
        return [step for step in steps if step <= at and step % every == 0]

    def follow(self, state: TrainingState) -> None:
        """Take the snapshot of a state if due; drop expired ones."""
        step = int(state.step)
        if step % interval(step, self.most) == 0:
            self.taken[step] = arrays_of(state)
        self.taken = {step: self.taken[step] for step in self.kept(self.taken, step)}


def arrays_of(state: TrainingState) -> Arrays:
    """A state as named arrays, without the recorder's memory."""
    return to_arrays({"state": state._replace(recorder=None)})


@dataclass(frozen=True)
class Snapshots(Mapping[int, TrainingState]):
    """The states along a training by step, each read on access.

    ``template`` gives a state of the same shapes as that of a step.
    """

    steps: tuple[int, ...]
    read: Callable[[int], Arrays]
    template: Callable[[int], TrainingState]

    def __getitem__(self, step: int) -> TrainingState:
        if step not in self.steps:
            raise KeyError(step)
        template, arrays = self.template(step)._replace(recorder=None), self.read(step)
        with double_precision(any(array.dtype == np.float64 for array in arrays.values())):
            return from_arrays({"state": template}, arrays)["state"]

    def __iter__(self) -> Iterator[int]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)
