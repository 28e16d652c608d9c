"""The program: many steps, over any number of epochs, compiled as one.

Shuffle, batches, forward, backward, update, measurements and the evaluation on held-out rows are one XLA program. It
runs from any step to any other without recompiling, so the loop around it may stop wherever the user should see
progress, and a resumed training passes through the very same states.
"""

from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, Params, PyTree
from pellucid.network import Network
from pellucid.training.recorder import BINS, Recorder
from pellucid.training.rows import Rows, Scaling, epoch_order, steps_per_epoch
from pellucid.training.state import TrainingState
from pellucid.training.stopping import Watch

CAPACITY = 4096
"""Most steps of one call: the room for their measurements."""
MAPS = 20_000
"""Most memory maps of the process before a new training releases all compiled programs.

A compiled training takes about 450 of the 65,530 memory maps that Linux grants a process, and jax keeps every program;
after some 140 trainings of different structure XLA would abort the process. Programs are kept, since the same structure
may come again, until a third of the maps is taken; then all are released, and compiled again or read from the cache on
disk when they are needed.
"""


class Step(NamedTuple):
    """The result of one training step."""

    state: TrainingState
    metrics: Array
    """(3 + extra,): loss, metric, learning rate, extra measures. A NaN or infinite loss ends the training."""
    layers: Array | None
    """(layers, measures), where the step was asked to measure them."""
    histograms: Array | None = None
    """(layers, kinds, numbers), where the program takes histograms; see `pellucid.training.recorder.Measurements`."""


class Program(ABC):
    """A training step to compile: structure without numbers.

    A subclass is a frozen, hashable dataclass. ``batch_size`` is the number of rows that one step takes.
    """

    batch_size: int
    recorder: Recorder
    keeps_large: ClassVar[bool] = False
    """True where a step whose loss is NaN or infinite leaves a large state (`is_large`) as it was."""

    @property
    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """Names of the measured layers."""

    @property
    @abstractmethod
    def metric_name(self) -> str:
        """The name of the number that is measured beside the loss."""

    @property
    def extra_names(self) -> tuple[str, ...]:
        """The names of further numbers that are measured: loss and metric of each of several outputs."""
        return ()

    @property
    @abstractmethod
    def unit_layers(self) -> tuple[str, ...]:
        """The layers whose units the recorder watches, in order."""

    @property
    @abstractmethod
    def dtype(self) -> Any:
        """Of parameters and scaled rows."""

    @abstractmethod
    def step(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, measured: bool) -> Step:
        """Run one step: batch, forward, backward, update, measurements."""

    @abstractmethod
    def evaluate(self, state: TrainingState, scaling: Scaling, part: Rows) -> Array:
        """(2 + extra,): loss, metric and extra measures over all rows of ``part``, in prediction mode."""

    def explain_divergence(self, state: TrainingState, scaling: Scaling, train: Rows) -> str:
        """Explain why the next step diverges, and what to check."""
        step = int(state.step)
        epoch = step // int(train.steps_per_epoch(self.batch_size)) + 1
        cause = self.cause_of_divergence(state, scaling, train)
        return (
            f"The loss became NaN or infinite at step {step} (epoch {epoch}). {cause} A run folder keeps the state "
            "before this step."
        )

    @abstractmethod
    def cause_of_divergence(self, state: TrainingState, scaling: Scaling, train: Rows) -> str:
        """Name the first non-finite number of the next step, with advice."""


class Records(NamedTuple):
    """The measurements of one call's steps, with spare room at the end."""

    steps: Array
    """(capacity, 3 + extra): loss, metric, learning rate, extra measures."""
    layers: Array
    """(room, layers, measures), one entry for every ``record_every``-th step."""
    histograms: Array | None
    """(room, layers, kinds, numbers), one entry for every ``histograms_every``-th step."""
    epochs: Array
    """(room, 2 + extra): loss, metric and extra measures on the held-out rows, one entry for each epoch that ended."""
    memory: PyTree = None
    """The recorder's memory after the last step."""
    watch: Watch | None = None
    """Early stopping after the last epoch that ended; None without it."""

    def finite_steps(self, steps: int) -> int:
        """Count the steps before the first NaN or infinite loss."""
        finite = np.isfinite(np.asarray(self.steps)[:steps, 0])
        return steps if finite.all() else int(finite.argmin())


LARGE = 2**22
"""Bytes of the state from which on a step leaves it as it was where the loss is NaN or infinite.

Such a state can be updated where it lies (`advance_in_place`), which halves what a training holds beside its gradients:
160 instead of 280 MB of 10 million parameters with Adam. It costs a condition in each step, a fifth of the step of a
small network, nothing that can be measured from 1 MB on.
"""


def is_large(state: TrainingState) -> bool:
    """True where a state takes at least `LARGE` bytes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((state.params, state.optimizer))) >= LARGE


@partial(jax.jit, static_argnums=0)
def advance(
    program: Program,
    state: TrainingState,
    scaling: Scaling,
    train: Rows,
    held_out: Rows | None,
    stop: Array,
    watch: Watch | None = None,
) -> tuple[TrainingState, Records]:
    """Train from ``state.step`` up to step ``stop``, at most `CAPACITY` steps on.

    Stops early, after the first step whose loss is NaN or infinite, or where ``watch`` ends the training.
    """
    return run_steps(program, state, scaling, train, held_out, stop, watch)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def advance_in_place(
    program: Program,
    state: TrainingState,
    scaling: Scaling,
    train: Rows,
    held_out: Rows | None,
    stop: Array,
    watch: Watch | None = None,
) -> tuple[TrainingState, Records]:
    """Train as `advance` does, in the memory of ``state``, which exists no longer afterwards."""
    return run_steps(program, state, scaling, train, held_out, stop, watch)


def run_steps(
    program: Program,
    state: TrainingState,
    scaling: Scaling,
    train: Rows,
    held_out: Rows | None,
    stop: Array,
    watch: Watch | None = None,
    *,
    together: bool = False,
) -> tuple[TrainingState, Records]:
    """Run steps to a given one; `advance` compiles this.

    ``together`` with others, under ``vmap``, no member ends the loop. One whose loss is NaN or infinite stays as it was
    before that step, while the others continue: were it to end the loop, each step would have to choose between all
    that the loop carries, records included.
    """
    per_epoch = train.steps_per_epoch(program.batch_size)
    # A call of a part of an epoch ends at most one, so that there is room in any case.
    epochs_ended = CAPACITY // steps_per_epoch(train.rows, program.batch_size)
    start = state.step
    layers, recorder, extra = len(program.layer_names), program.recorder, len(program.extra_names)
    every, histograms_every = recorder.every, recorder.histograms_every
    records = Records(
        jnp.zeros((CAPACITY, 3 + extra), jnp.float32),
        jnp.zeros((times(every, CAPACITY), layers, len(recorder.measures)), jnp.float32),
        jnp.zeros((times(histograms_every, CAPACITY), layers, len(recorder.kinds), 2 + BINS), jnp.float32)
        if histograms_every
        else None,
        jnp.zeros((epochs_ended + 2, 2 + extra), jnp.float32),
        watch=watch,
    )

    def write(records: Records, step: Array, result: Step) -> Records:
        # Not .at[].set(), whose check of the bounds costs three more kernels a step.
        index = (step - start, jnp.int32(0))
        steps = jax.lax.dynamic_update_slice(records.steps, result.metrics.astype(jnp.float32)[None], index)
        layers, histograms = records.layers, records.histograms
        if result.layers is not None:
            layers = layers.at[times(every, step) - times(every, start)].set(result.layers)
        if histograms is not None and result.histograms is not None:
            # In a step without histograms this is the index of the next ones, which overwrite it.
            index = times(histograms_every, step) - times(histograms_every, start)
            histograms = histograms.at[index].set(result.histograms)
        return records._replace(steps=steps, layers=layers, histograms=histograms)

    def epoch(carry: tuple) -> tuple:
        state = carry[0]
        number = state.step // per_epoch
        order = epoch_order(state, train, program.batch_size)
        end = jnp.minimum(stop, (number + 1) * per_epoch)

        def step(carry: tuple, measured: bool) -> tuple:
            state, records, finite = carry
            result = program.step(state, scaling, train, order, measured)
            finite = finite & jnp.isfinite(result.metrics[0])
            after = _where(finite, result.state, state) if together else result.state
            return after, write(records, state.step, result), finite

        def runs(carry: tuple) -> Array:
            return carry[0].step < end if together else (carry[0].step < end) & carry[2]

        def group(carry: tuple) -> tuple:
            # The steps up to one whose layers are measured, and that one.
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
        state, records, finite = carry
        ended = state.step == (number + 1) * per_epoch
        metrics = jax.lax.cond(
            ended if together else ended & finite,
            partial(program.evaluate, state, scaling, held_out),
            lambda: jnp.full(2 + extra, jnp.nan, jnp.float32),
        )
        index = number - start // per_epoch
        records = records._replace(epochs=records.epochs.at[index].set(metrics))
        if records.watch is not None:
            now, watch = state.learned, records.watch
            watch = jax.lax.cond(ended & finite, lambda: watch.observe(metrics[0], now), lambda: watch)
            records = records._replace(watch=watch)
        return state, records, finite

    def continues(carry: tuple) -> Array:
        state, records, finite = carry
        if together:
            return state.step < stop
        waiting = True if records.watch is None else records.watch.waiting
        return (state.step < stop) & finite & waiting

    state, records, _ = jax.lax.while_loop(continues, epoch, (state, records, jnp.asarray(True)))
    return state, records._replace(memory=state.recorder)


def _where(finite: Array, new: TrainingState, old: TrainingState) -> TrainingState:
    # The step advances in any case.
    def chosen(new: Array, old: Array) -> Array:
        return new if new is old else jnp.where(finite, new, old)

    return jax.tree.map(chosen, new, old)._replace(step=old.step + 1)


def times(every: int, step: Any) -> Any:
    """Count the multiples of ``every`` from 0 to below ``step``."""
    return -(-step // every) if every else 0


def maps_in_use() -> int:
    """Memory maps of this process; 0 where the system reports none."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def make_room() -> None:
    """Release all compiled programs if they take more than `MAPS` memory maps."""
    if maps_in_use() > MAPS:
        jax.clear_caches()


BAD_BATCH = "The inputs of its batch already hold NaN or infinity: check the data."


def first_affected(network: Network, params: tuple[Params, ...], outputs: tuple[Array, ...]) -> str | None:
    """Name the first layer with non-finite parameters or outputs, with advice."""
    for name, of_layer, output in zip(network.names, params, outputs, strict=True):
        for key, array in of_layer.items():
            if not is_finite(array):
                return (
                    f"First affected: the {key} of layer {name}. The update before it overflowed: lower the learning "
                    "rate, or clip the gradient (clip_norm=1)."
                )
        if not is_finite(output):
            size = max((float(jnp.abs(w).max()) for w in jax.tree.leaves(of_layer)), default=0.0)
            return (
                f"First affected: the output of layer {name}, whose largest weight is {size:.3g}. The weights have "
                "grown too large: lower the learning rate, clip the gradient (clip_norm=1), or standardise the inputs."
            )
    return None


def is_finite(tree: PyTree) -> bool:
    """True if all numbers of a tree are finite."""
    return all(bool(jnp.isfinite(array).all()) for array in jax.tree.leaves(tree))
