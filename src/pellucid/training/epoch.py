"""The program: many steps, over as many epochs as they reach, compiled as one.

Shuffle, batches, forward, backward, update, measurements and the evaluation on held-out rows are one XLA
program. It runs from any step to any other without recompiling, so the loop around it may stop where a person
wants to see progress, and a resumed training passes through the very same states.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.types import Array
from pellucid.functions.losses import Loss
from pellucid.functions.metrics import Metric
from pellucid.network import Network, backpropagate
from pellucid.training.recorder import MEASURES, measure_layers
from pellucid.training.shuffle import permutation
from pellucid.training.state import TrainingState

CAPACITY = 4096
"""Most steps of one call: the room for their measurements."""
EVALUATION_ROWS = 1024
"""Rows of one forward pass in evaluation."""


class Rows(NamedTuple):
    """Examples as they are stored: inputs, targets, and a weight each (None: all alike)."""

    x: Array
    y: Array
    weights: Array | None = None


class Scaling(NamedTuple):
    """The preprocessing of a batch: (x − shift) · scale."""

    shift: Array
    scale: Array

    def __call__(self, x: Array) -> Array:
        """Scaled inputs, in the dtype of ``scale``."""
        shift, scale = (jnp.broadcast_to(number, x.shape) for number in self)
        return (x.astype(self.scale.dtype) - shift) * scale


@dataclass(frozen=True)
class Program:
    """All that the compiled program depends on: structure, no numbers.

    Args:
        network: the network.
        loss: its loss.
        metric: what is measured beside the loss.
        batch_size: rows of a step.
        record_every: steps between two measurements of the layers; 0 for none.
    """

    network: Network
    loss: Loss
    metric: Metric
    batch_size: int
    record_every: int = 20


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
    rows = train.x.shape[0]
    per_epoch = steps_per_epoch(rows, program.batch_size)
    start = state.step
    records = Records(
        jnp.zeros((CAPACITY, 3), jnp.float32),
        jnp.zeros((_recorded(CAPACITY, program), len(program.network.layers), len(MEASURES)), jnp.float32),
        jnp.zeros((CAPACITY // per_epoch + 2, 2), jnp.float32),
    )

    def epoch(carry: tuple) -> tuple:
        state, records, _ = carry
        number = state.step // per_epoch
        order = epoch_order(state, rows, program.batch_size)
        end = jnp.minimum(stop, (number + 1) * per_epoch)

        def step(carry: tuple, measured: bool) -> tuple:
            return one_step(program, carry[0], carry[1], scaling, train, order, start, measured)

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
            partial(evaluate, program, state, scaling, held_out),
            lambda: jnp.full(2, jnp.nan, jnp.float32),
        )
        place = number - start // per_epoch
        return state, records._replace(epochs=records.epochs.at[place].set(figures)), sound

    state, records, _ = jax.lax.while_loop(
        lambda carry: (carry[0].step < stop) & carry[2], epoch, (state, records, jnp.asarray(True))
    )
    return state, records


def one_step(
    program: Program,
    state: TrainingState,
    records: Records,
    scaling: Scaling,
    train: Rows,
    order: Array,
    start: Array,
    measured: bool,
) -> tuple[TrainingState, Records, Array]:
    """One step: batch, forward, backward, update, measurements."""
    batch = take_batch(program, state, scaling, train, order)
    pass_ = backpropagate(
        program.network, program.loss, state.params, state.layer_state, *batch,
        key=jax.random.fold_in(state.key, -1 - state.step),
    )  # fmt: skip
    sound = jnp.isfinite(pass_.loss)
    progress = state.step.astype(batch.x.dtype) / steps_per_epoch(train.x.shape[0], program.batch_size)

    grads = _add_slope(state.regularizer, state.params, pass_.grads)
    update = state.optimizer.rule.update(grads, state.optimizer, state.params, progress)
    params = _proximal(state.regularizer, update.params, update.learning_rate)

    share = batch.weights / jnp.maximum(batch.weights.sum(), jnp.finfo(batch.weights.dtype).tiny)
    metric = (program.metric.value(pass_.outputs[-1], batch.target) * share).sum()
    row = jnp.stack([pass_.loss, metric, update.learning_rate.astype(pass_.loss.dtype)])
    # Not .at[].set(), whose check of the bounds costs three more kernels a step.
    place = (state.step - start, jnp.int32(0))
    steps = jax.lax.dynamic_update_slice(records.steps, row.astype(jnp.float32)[None], place)
    layers = records.layers
    if measured:
        place = _recorded(state.step, program) - _recorded(start, program)
        layers = layers.at[place].set(measure_layers(program.network, state.params, params, pass_))
    new_state = state._replace(
        params=params, layer_state=pass_.state, optimizer=update.state, step=state.step + 1
    )
    return new_state, Records(steps, layers, records.epochs), sound


def epoch_order(state: TrainingState, rows: int, batch_size: int) -> Array:
    """The rows in the order of the epoch that ``state`` is in, begun again to fill the last batch."""
    per_epoch = steps_per_epoch(rows, batch_size)
    order = permutation(jax.random.fold_in(state.key, state.step // per_epoch), rows)
    return jnp.concatenate([order, order[: per_epoch * batch_size - rows]])


class Batch(NamedTuple):
    """The rows of one step, scaled."""

    x: Array
    target: Array
    weights: Array


def take_batch(program: Program, state: TrainingState, scaling: Scaling, train: Rows, order: Array) -> Batch:
    """The batch of the step that ``state`` is at."""
    rows, size = train.x.shape[0], program.batch_size
    first = state.step % steps_per_epoch(rows, size) * size
    chosen = jax.lax.dynamic_slice_in_dim(order, first, size)
    x = scaling(jnp.take(train.x, chosen, axis=0, mode="clip"))
    # The last batch is filled up with rows that weigh nothing.
    weights = (first + jnp.arange(size) < rows).astype(x.dtype)
    if train.weights is not None:
        weights = weights * jnp.take(train.weights, chosen, mode="clip")
    return Batch(x, jnp.take(train.y, chosen, axis=0, mode="clip"), weights)


def _recorded(step: Any, program: Program) -> Any:
    """How many steps before ``step`` have their layers measured."""
    return -(-step // program.record_every) if program.record_every else 0


def _add_slope(regularizer: Any, params: tuple, grads: tuple) -> tuple:
    if regularizer is None:
        return grads
    return tuple(
        {name: g + regularizer.slope(p[name]) if name == "weights" else g for name, g in layer.items()}
        for layer, p in zip(grads, params, strict=True)
    )


def _proximal(regularizer: Any, params: tuple, learning_rate: Array) -> tuple:
    if regularizer is None:
        return params
    return tuple(
        {name: regularizer.proximal(w, learning_rate) if name == "weights" else w for name, w in p.items()}
        for p in params
    )


def evaluate(program: Program, state: TrainingState, scaling: Scaling, part: Rows) -> Array:
    """Loss and metric over all rows of ``part``, in prediction mode."""
    rows = part.x.shape[0]
    size = min(rows, EVALUATION_ROWS)

    def add(i: Array, totals: Array) -> Array:
        places = i * size + jnp.arange(size)
        chosen = jnp.minimum(places, rows - 1)
        x, y = scaling(part.x[chosen]), part.y[chosen]
        prediction = program.network.forward(state.params, state.layer_state, x).outputs[-1]
        real = (places < rows).astype(x.dtype)
        loss = (program.loss.value(prediction, y) * real).sum()
        metric = (program.metric.value(prediction, y) * real).sum()
        return totals + jnp.stack([loss, metric]).astype(jnp.float32)

    totals = jax.lax.fori_loop(0, -(-rows // size), add, jnp.zeros(2, jnp.float32))
    divisor = jnp.asarray([rows if program.loss.reduction == "mean" else 1, rows], jnp.float32)
    return totals / divisor
