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

from pellucid.core.padding import keep_padding
from pellucid.core.types import Array, PyTree
from pellucid.training.recorder import BINS, Recorder
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
    """One an example; None: all alike. Those of training rows have mean 1."""

    @property
    def rows(self) -> int:
        """How many examples."""
        return jax.tree.leaves(self.x)[0].shape[0]


class TargetScaling(NamedTuple):
    """How stored targets were scaled for the loss, ``y' = (y − shift) · scale``, one number for each output."""

    shift: Array
    scale: Array

    def invert(self, y: Array) -> Array:
        """Targets or predictions in the target's own units: ``y = y' / scale + shift``."""
        shift, scale = (jnp.broadcast_to(number.astype(y.dtype), y.shape) for number in self)
        return y / scale + shift


class Scaling(NamedTuple):
    """The preprocessing of a batch: (x − shift) · scale, and how its targets, stored scaled already, came to be so."""

    shift: Array
    scale: Array
    targets: TargetScaling | None = None
    """None where targets are stored as they are."""
    padding: Array | None = None
    """The features of a padded step of a sequence, which stays as it is; None where there is no padding."""

    def __call__(self, x: PyTree) -> PyTree:
        """Scaled inputs, in the dtype of ``scale``; each array alike where there are several."""

        def scaled(x: Array) -> Array:
            shift, scale = (jnp.broadcast_to(number, x.shape) for number in (self.shift, self.scale))
            x = x.astype(self.scale.dtype)
            scaled = (x - shift) * scale
            return scaled if self.padding is None else keep_padding(jnp, x, scaled, self.padding)

        return jax.tree.map(scaled, x)

    def own_units(self, y: PyTree) -> PyTree:
        """Scaled targets, or predictions of them, in the target's own units."""
        return y if self.targets is None else self.targets.invert(y)


class Step(NamedTuple):
    """What one step of a program leaves."""

    state: TrainingState
    figures: Array
    """(3,): loss, metric, learning rate. A loss that is not finite ends the training."""
    layers: Array | None
    """(layers, measures), where the step was asked to measure them."""
    histograms: Array | None = None
    """(layers, kinds, numbers), where the program takes histograms; see `pellucid.training.recorder.Seen`."""


class Program(ABC):
    """What is compiled: a frozen, hashable dataclass of structure without numbers, and its step.

    ``batch_size`` is the rows that one step takes; ``record_every``, ``record`` and ``histograms_every`` are the fields
    of its `Recorder`.
    """

    batch_size: int
    record_every: int
    record: tuple[str, ...]
    histograms_every: int

    @property
    def recorder(self) -> Recorder:
        """What is measured, and how often."""
        return Recorder(self.record_every, self.record, self.histograms_every)

    @property
    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """The layers that are measured."""

    @property
    @abstractmethod
    def metric_name(self) -> str:
        """What is measured beside the loss."""

    @property
    @abstractmethod
    def unit_layers(self) -> tuple[str, ...]:
        """The layers whose units the recorder watches, in the order of its memory."""

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
    histograms: Array | None
    """(room, layers, kinds, numbers), one entry for every ``histograms_every``-th step."""
    epochs: Array
    """(room, 2): loss and metric on the held-out rows, one entry for each epoch that ended."""
    memory: PyTree = None
    """What the recorder remembers after the last step."""


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Steps of one epoch; the last may be short."""
    return -(-rows // batch_size)


@partial(jax.jit, static_argnums=0)
def advance(
    program: Program, state: TrainingState, scaling: Scaling, train: Rows, held_out: Rows | None, stop: Array
) -> tuple[TrainingState, Records]:
    """Train from ``state.step`` up to step ``stop``, at most `CAPACITY` steps on.

    Stops early, after the first step whose loss is not finite.
    """
    return run_steps(program, state, scaling, train, held_out, stop)


def run_steps(
    program: Program,
    state: TrainingState,
    scaling: Scaling,
    train: Rows,
    held_out: Rows | None,
    stop: Array,
    *,
    together: bool = False,
) -> tuple[TrainingState, Records]:
    """What `advance` compiles; ``together`` with others, under ``vmap``, where no member decides when to end.

    A member whose loss is not finite then stays as it was before that step, while the others go on: were it to end
    the loop, each step would have to choose between all that the loop carries, records included.
    """
    rows = train.rows
    per_epoch = steps_per_epoch(rows, program.batch_size)
    start = state.step
    layers, recorder = len(program.layer_names), program.recorder
    every, histograms_every = recorder.every, recorder.histograms_every
    records = Records(
        jnp.zeros((CAPACITY, 3), jnp.float32),
        jnp.zeros((times(every, CAPACITY), layers, len(recorder.measures)), jnp.float32),
        jnp.zeros((times(histograms_every, CAPACITY), layers, len(recorder.kinds), 2 + BINS), jnp.float32)
        if histograms_every
        else None,
        jnp.zeros((CAPACITY // per_epoch + 2, 2), jnp.float32),
    )

    def write(records: Records, step: Array, made: Step) -> Records:
        # Not .at[].set(), whose check of the bounds costs three more kernels a step.
        place = (step - start, jnp.int32(0))
        steps = jax.lax.dynamic_update_slice(records.steps, made.figures.astype(jnp.float32)[None], place)
        layers, histograms = records.layers, records.histograms
        if made.layers is not None:
            layers = layers.at[times(every, step) - times(every, start)].set(made.layers)
        if histograms is not None and made.histograms is not None:
            # In a step without histograms this is the place of the next ones, which overwrite it.
            place = times(histograms_every, step) - times(histograms_every, start)
            histograms = histograms.at[place].set(made.histograms)
        return records._replace(steps=steps, layers=layers, histograms=histograms)

    def epoch(carry: tuple) -> tuple:
        state = carry[0]
        number = state.step // per_epoch
        order = epoch_order(state, rows, program.batch_size)
        end = jnp.minimum(stop, (number + 1) * per_epoch)

        def step(carry: tuple, measured: bool) -> tuple:
            state, records, sound = carry
            made = program.step(state, scaling, train, order, measured)
            sound = sound & jnp.isfinite(made.figures[0])
            after = _chosen(sound, made.state, state) if together else made.state
            return after, write(records, state.step, made), sound

        def runs(carry: tuple) -> Array:
            return carry[0].step < end if together else (carry[0].step < end) & carry[2]

        def group(carry: tuple) -> tuple:
            """The steps up to one whose layers are measured, and that one."""
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
        carry = jax.lax.while_loop(runs, group, carry)
        if held_out is None:
            return carry
        state, records, sound = carry
        ended = state.step == (number + 1) * per_epoch
        figures = jax.lax.cond(
            ended if together else ended & sound,
            partial(program.evaluate, state, scaling, held_out),
            lambda: jnp.full(2, jnp.nan, jnp.float32),
        )
        place = number - start // per_epoch
        return state, records._replace(epochs=records.epochs.at[place].set(figures)), sound

    state, records, _ = jax.lax.while_loop(
        lambda carry: carry[0].step < stop if together else (carry[0].step < stop) & carry[2],
        epoch,
        (state, records, jnp.asarray(True)),
    )
    return state, records._replace(memory=state.recorder)


def _chosen(sound: Array, new: TrainingState, old: TrainingState) -> TrainingState:
    """The new state where the step was sound, else the old one; the step counts in any case."""

    def chosen(new: Array, old: Array) -> Array:
        return new if new is old else jnp.where(sound, new, old)

    return jax.tree.map(chosen, new, old)._replace(step=new.step)


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


def shapes_of(rows: PyTree) -> Any:
    """The shape of one example; of each of its arrays where there are several."""
    shapes = tuple(tuple(array.shape[1:]) for array in jax.tree.leaves(rows))
    return shapes if isinstance(rows, tuple) else shapes[0]


def times(every: int, step: Any) -> Any:
    """How many of the steps before ``step`` are those that something is done in, each ``every``-th from 0."""
    return -(-step // every) if every else 0
