"""The program: many steps, over as many epochs as they reach, compiled as one.

Shuffle, batches, forward, backward, update, measurements and the evaluation on held-out rows are one XLA
program. It runs from any step to any other without recompiling, so the loop around it may stop where a person
wants to see progress, and a resumed training passes through the very same states.
"""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, PyTree
from pellucid.training.recorder import MEASURES
from pellucid.training.shuffle import permutation
from pellucid.training.state import TrainingState

CAPACITY = 4096
"""Most steps of one call: the room for their measurements."""


class Rows(NamedTuple):
    """Examples as they are stored."""

    x: PyTree
    """Inputs, rows first; several arrays where the network has several inputs."""
    y: PyTree | None
    """Targets; None where the inputs, scaled, are the targets themselves (an autoencoder)."""
    weights: Array | None = None
    """One an example; None: all alike."""

    @property
    def rows(self) -> int:
        """How many examples."""
        return jax.tree.leaves(self.x)[0].shape[0]


class Scaling(NamedTuple):
    """The preprocessing of a batch: (x − shift) · scale."""

    shift: Array
    scale: Array

    def __call__(self, x: PyTree) -> PyTree:
        """Scaled inputs, in the dtype of ``scale``; each array alike where there are several."""

        def scaled(x: Array) -> Array:
            shift, scale = (jnp.broadcast_to(number, x.shape) for number in self)
            return (x.astype(self.scale.dtype) - shift) * scale

        return jax.tree.map(scaled, x)


class Step(NamedTuple):
    """What one step of a program leaves."""

    state: TrainingState
    figures: Array
    """(3,): loss, metric, learning rate. A loss that is not finite ends the training."""
    layers: Array | None
    """(layers, measures), where the step was asked to measure them."""


class Program(ABC):
    """What is compiled: a frozen, hashable dataclass of structure without numbers, and its step.

    ``batch_size`` is the rows that one step takes, ``record_every`` the steps between two measurements of the
    layers (0 for none).
    """

    batch_size: int
    record_every: int

    @property
    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """The layers that are measured."""

    @property
    @abstractmethod
    def metric_name(self) -> str:
        """What is measured beside the loss."""

    @abstractmethod
    def step(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, measured: bool) -> Step:
        """One step: batch, forward, backward, update, measurements."""

    @abstractmethod
    def evaluate(self, state: TrainingState, scaling: Scaling, part: Rows) -> Array:
        """(2,): loss and metric over all rows of ``part``, in prediction mode."""

    @abstractmethod
    def explain_divergence(self, state: TrainingState, scaling: Scaling, train: Rows) -> str:
        """Why the step that ``state`` is at has no finite loss, and what to look at."""


class Records(NamedTuple):
    """What the steps of one call measured, with room to spare at the end."""

    steps: Array
    """(capacity, 3): loss, metric, learning rate."""
    layers: Array
    """(room, layers, measures), one entry for every ``record_every``-th step."""
    epochs: Array
    """(room, 2): loss and metric on the held-out rows, one entry for each epoch that ended."""


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Steps of one epoch; the last may be short."""
    return -(-rows // batch_size)


@partial(jax.jit, static_argnums=0)
def advance(
    program: Program,
    state: TrainingState,
    scaling: Scaling,
    train: Rows,
    held_out: Rows | None,
    stop: Array,
) -> tuple[TrainingState, Records]:
    """Train from ``state.step`` up to step ``stop``, at most `CAPACITY` steps on.

    Stops early, after the first step whose loss is not finite.
    """
    rows = train.rows
    per_epoch = steps_per_epoch(rows, program.batch_size)
    start = state.step
    records = Records(
        jnp.zeros((CAPACITY, 3), jnp.float32),
        jnp.zeros((_recorded(CAPACITY, program), len(program.layer_names), len(MEASURES)), jnp.float32),
        jnp.zeros((CAPACITY // per_epoch + 2, 2), jnp.float32),
    )

    def write(records: Records, step: Array, made: Step) -> Records:
        # Not .at[].set(), whose check of the bounds costs three more kernels a step.
        place = (step - start, jnp.int32(0))
        steps = jax.lax.dynamic_update_slice(records.steps, made.figures.astype(jnp.float32)[None], place)
        layers = records.layers
        if made.layers is not None:
            layers = layers.at[_recorded(step, program) - _recorded(start, program)].set(made.layers)
        return records._replace(steps=steps, layers=layers)

    def epoch(carry: tuple) -> tuple:
        state, records, _ = carry
        number = state.step // per_epoch
        order = epoch_order(state, rows, program.batch_size)
        end = jnp.minimum(stop, (number + 1) * per_epoch)

        def step(carry: tuple, measured: bool) -> tuple:
            state, records, _ = carry
            made = program.step(state, scaling, train, order, measured)
            return made.state, write(records, state.step, made), jnp.isfinite(made.figures[0])

        def runs(carry: tuple) -> Array:
            return (carry[0].step < end) & carry[2]

        def group(carry: tuple) -> tuple:
            """The steps up to one whose layers are measured, and that one."""
            every = program.record_every
            if not every:
                return jax.lax.while_loop(runs, partial(step, measured=False), carry)
            for measured in (False, True):
                carry = jax.lax.while_loop(
                    lambda carry, measured=measured: runs(carry) & ((carry[0].step % every == 0) == measured),
                    partial(step, measured=measured),
                    carry,
                )
            return carry

        # Two loops rather than a condition inside the step, which costs small networks a fifth of it.
        carry = jax.lax.while_loop(runs, group, (state, records, jnp.asarray(True)))
        if held_out is None:
            return carry
        state, records, sound = carry
        figures = jax.lax.cond(
            (state.step == (number + 1) * per_epoch) & sound,
            partial(program.evaluate, state, scaling, held_out),
            lambda: jnp.full(2, jnp.nan, jnp.float32),
        )
        place = number - start // per_epoch
        return state, records._replace(epochs=records.epochs.at[place].set(figures)), sound

    state, records, _ = jax.lax.while_loop(
        lambda carry: (carry[0].step < stop) & carry[2], epoch, (state, records, jnp.asarray(True))
    )
    return state, records


def epoch_order(state: TrainingState, rows: int, batch_size: int) -> Array:
    """The rows in the order of the epoch that ``state`` is in, begun again to fill the last batch."""
    per_epoch = steps_per_epoch(rows, batch_size)
    order = permutation(jax.random.fold_in(state.key, state.step // per_epoch), rows)
    return jnp.concatenate([order, order[: per_epoch * batch_size - rows]])


def rows_of_step(program: Program, state: TrainingState, order: Array) -> tuple[Array, Array]:
    """Which rows the step that ``state`` is at takes, and at which place of the epoch's order they begin."""
    size = program.batch_size
    first = state.step % (order.shape[0] // size) * size
    return jax.lax.dynamic_slice_in_dim(order, first, size), first


def take(rows: PyTree, chosen: Array) -> PyTree:
    """The chosen rows of an array, or of each of several."""
    return jax.tree.map(lambda array: jnp.take(array, chosen, axis=0, mode="clip"), rows)


def _recorded(step: Any, program: Program) -> Any:
    """How many steps before ``step`` have their layers measured."""
    return -(-step // program.record_every) if program.record_every else 0
