"""Many trainings at once, side by side in one program.

A member's seed, its weights and all hyperparameters that are numbers live in its state (`TrainingState`), so ``vmap``
over states trains networks of different rates, penalties and initial weights in one program. The step, which they
share, is not mapped over: the loops of the program keep one end for all. Rows that they share are not either; members
with rows of their own, such as the folds of a cross-validation, have them stacked along the members.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.precision import double_precision
from pellucid.core.types import Array
from pellucid.training.history import History
from pellucid.training.loop import Job, Training, steps_in
from pellucid.training.program import Program, Records, advance, make_room, run_steps
from pellucid.training.rows import Rows, Scaling
from pellucid.training.state import TrainingState

WIDTH = 32
"""Most members of one program: more no longer shorten a step of 64–32–10, and their states leave the cache."""
STACK_BYTES = 2**26
"""Most bytes of the states of one program, and of the rows that they do not share."""
FIRST_STEPS = 16
"""Steps of the first call, which measures the speed."""
SECONDS_PER_CALL = 0.5
"""Target length of one call."""
COMPILING = 2.0
"""Seconds that other stacks take to compile: 1–2 for a chain of two to four layers."""

_FIRST: list[Any] = [0] * len(TrainingState._fields)
AXES: Any = TrainingState(*_FIRST)._replace(step=None)
"""Axes of a stack: members lie along the first axis of all leaves but the step, which they share."""


class Inputs(NamedTuple):
    """What a training reads beside its state."""

    scaling: Scaling
    train: Rows
    held_out: Rows | None


@partial(jax.jit, static_argnums=0, static_argnames="shared")
def advance_together(
    program: Program, stack: TrainingState, inputs: Inputs, stop: Array, *, shared: bool
) -> tuple[TrainingState, Records]:
    """Train all members of a stack, as `advance` trains one.

    A member whose loss is NaN or infinite stays as it was before that step; its further records are meaningless.

    Args:
        program: of all members.
        stack: their states.
        inputs: of all members where ``shared``, else stacked as their states are.
        stop: the step to stop at.
        shared: whether the members read the same.
    """

    def member(state: TrainingState, inputs: Inputs) -> tuple[TrainingState, Records]:
        return run_steps(program, state, *inputs, stop, together=True)

    return jax.vmap(member, in_axes=(AXES, None if shared else 0), out_axes=(AXES, 0))(stack, inputs)


class Population(Job):
    """Trainings under way that share a program, and rows or at least their shapes.

    ``inputs`` are one for all members or one for each; ``states`` are one a member, all at the same step, as
    `members_of` gives them.

    They are cut into stacks, as many as there are processor cores or a multiple of it, each trained by a thread of its
    own: small networks leave a core idle otherwise (``python -m benchmarks populations``). On an accelerator one
    stack follows the other.

    Attributes:
        histories: the history of each member; it ends before the step whose loss was NaN or infinite.
        diverged: whether each member has reached such a step; it stays as it was before it.
    """

    def __init__(self, program: Program, inputs: Sequence[Inputs], states: Sequence[TrainingState]) -> None:
        super().__init__(program, *inputs[0])
        self.histories = [History.begin(program, self.train.rows) for _ in states]
        self.diverged = np.zeros(len(states), bool)
        self.step = int(states[0].step)
        self._inputs = list(inputs)
        self._shared = len(self._inputs) == 1
        self._pace = 0.0
        self._stack(states)

    @property
    def states(self) -> list[TrainingState]:
        """The state of each member; before its bad step if diverged."""
        states = [state for stack in self._stacks for state in members_of(stack)][: len(self.histories)]
        return [
            state._replace(step=np.asarray(history.steps_made, np.int32))
            for state, history in zip(states, self.histories, strict=True)
        ]

    def run(self, epochs: int) -> Iterator[int]:
        """Train to the end of ``epochs``, yielding each call's number of steps."""
        end, size = epochs * self.steps_per_epoch, FIRST_STEPS
        make_room()
        # Compiled before the threads begin, which would compile it once each.
        self._call(self._stacks[0], self._inputs_of_stacks[0], self.step)
        with threads_of_precision() as pool:
            while self.step < end and not self.diverged.all():
                stop = min(self.step + size, end)
                began = time.perf_counter()
                results = list(pool.map(partial(self._call, stop=stop), self._stacks, self._inputs_of_stacks))
                self._stacks = [stack for stack, _ in results]
                self._record([records for _, records in results], stop)
                steps, self.step = stop - self.step, stop
                taken = time.perf_counter() - began
                size, self._pace = steps_in(SECONDS_PER_CALL, steps, taken), taken / steps
                yield steps

    def keep(self, members: Sequence[int], steps: int | None = None) -> None:
        """Continue with these members alone, in this order.

        Args:
            members: their indices.
            steps: that are still to be made: few are made in stacks as large as before, which are compiled already.
        """
        states = self.states
        width = self._width if steps is not None and steps * self._pace < COMPILING else None
        self.histories = [self.histories[i] for i in members]
        self.diverged = self.diverged[list(members)]
        if len(self._inputs) > 1:
            self._inputs = [self._inputs[i] for i in members]
        self._stack([states[i]._replace(step=np.asarray(self.step, np.int32)) for i in members], width)

    def _stack(self, states: Sequence[TrainingState], width: int | None = None) -> None:
        size = width or stack_size(len(states), states[0] if self._shared else (states[0], self._inputs[0]))
        self._width = size
        count = -(-len(states) // size)
        # Filled with copies of the last member, whose results are discarded, so that all stacks are one program.
        members = [min(i, len(states) - 1) for i in range(count * size)]
        groups = [members[start : start + size] for start in range(0, len(members), size)]
        self._stacks = [stack_of([states[i] for i in group]) for group in groups]
        self._inputs_of_stacks = [
            self._inputs[0] if self._shared else _stacked([self._inputs[i] for i in group]) for group in groups
        ]

    def _call(self, stack: TrainingState, inputs: Inputs, stop: int) -> tuple[TrainingState, Records]:
        after, records = advance_together(
            self.program, stack, inputs, jnp.asarray(stop, jnp.int32), shared=self._shared
        )
        return jax.block_until_ready(after), jax.tree.map(np.asarray, records)

    def _record(self, of_stacks: list[Records], stop: int) -> None:
        size = of_stacks[0].steps.shape[0]
        for i, history in enumerate(self.histories):
            if not self.diverged[i]:
                records = jax.tree.map(lambda array, index=i % size: array[index], of_stacks[i // size])
                steps = records.finite_steps(stop - self.step)
                self.diverged[i] = steps < stop - self.step
                history.append(records, steps, self.monitor is not None)


def run_in_threads(trainings: Sequence[Training], run: Callable[[Training], Any]) -> list[Any]:
    """Call ``run`` on trainings of one structure, `threads` at a time."""
    make_room()
    first = trainings[0]
    jax.block_until_ready(first.call(advance, first.state, 0))  # compiles, which the threads would do once each
    with threads_of_precision() as pool:
        return list(pool.map(run, trainings))


def threads_of_precision() -> ThreadPoolExecutor:
    """`threads` threads, which compute in float64 if the caller does: jax keeps that by thread."""
    double = jnp.asarray(0.0).dtype == np.float64
    return ThreadPoolExecutor(threads(), initializer=lambda: double_precision(double).__enter__())


def threads() -> int:
    """Concurrent programs: one per processor core, one on an accelerator."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stack_size(members: int, member: Any) -> int:
    """Members per program, such that none waits and their arrays fit, of which ``member`` holds those of one."""
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(member))
    most = max(1, min(WIDTH, STACK_BYTES // max(size, 1)))
    count = -(-members // most)
    together = min(threads(), members)
    return -(-members // (-(-count // together) * together))


def stack_of(states: Sequence[TrainingState]) -> TrainingState:
    """Stack the members' leaves, all but the step."""
    stacked = _stacked(states)
    return stacked._replace(step=jnp.asarray(states[0].step), key=jax.random.wrap_key_data(stacked.key))


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *trees)


def members_of(stack: TrainingState) -> list[TrainingState]:
    """The members of a stack as NumPy arrays; keys as numbers."""
    host = jax.tree.map(np.asarray, stack._replace(key=jax.random.key_data(stack.key)))
    count, step = host.key.shape[0], np.asarray(host.step)

    def member(i: int) -> TrainingState:
        return jax.tree.map(lambda leaf: leaf[i], host._replace(step=None))._replace(step=step)

    return [member(i) for i in range(count)]


def to_device(state: Any) -> TrainingState:
    """A member of `members_of` as `advance` takes it."""
    return jax.device_put(state)._replace(key=jax.random.wrap_key_data(jnp.asarray(state.key)))
