"""Supervised training: a network learns targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, PyTree, Scalar
from pellucid.functions.losses import JointLoss, Loss, losses_of
from pellucid.functions.masking import masked_value
from pellucid.functions.metrics import JointMetric, Metric
from pellucid.functions.regularizers import Regularizer
from pellucid.layers.layer import WEIGHTS
from pellucid.network import Backpropagation, Network, backpropagate, rows_that_fit
from pellucid.optimizers import Update
from pellucid.training.program import BAD_BATCH, Program, Step, first_affected, is_finite, is_large
from pellucid.training.recorder import Recorder, unit_layers
from pellucid.training.rows import Rows, Scaling, epoch_order, rows_of_step, shapes_of, take
from pellucid.training.state import TrainingState

ALIKE = 256
"""Rows of similar length that are evaluated at a time."""


class Batch(NamedTuple):
    """The rows of one step, scaled."""

    x: PyTree
    target: PyTree
    weights: Array
    """0 for a row that only fills a short batch."""
    total: Array
    """Divisor of the step's mean: its number of rows, whatever their weights.

    Weights of training rows have mean 1, so L = Σ wᵢ lᵢ / B. Divided by their own Σ wᵢ, a row's weight would depend on
    the other rows of its batch, and at B = 1 it would cancel.
    """


@dataclass(frozen=True)
class Supervised(Program):
    """A network, its loss and its metric; a joint one of each for several outputs."""

    keeps_large = True

    network: Network
    loss: Loss | JointLoss
    metric: Metric | JointMetric
    batch_size: int
    recorder: Recorder = Recorder()
    shuffle: bool = True
    """False takes the rows in their own order in every epoch."""
    accumulate: int = 1
    """Parts of a batch that go through the network one after another, their gradients added up."""
    rate_factors: tuple[float, ...] | None = None
    """A factor of the learning rate for each layer; None for 1."""
    cuts: tuple[int, ...] = ()
    """Lengths that batches of sequences of similar length are cut to, the last one being that of all; none for one."""
    cut: int | None = None
    """The length that this program cuts sequences to."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        return self.network.names

    @property
    def metric_name(self) -> str:
        return self.metric.name

    @property
    def extra_names(self) -> tuple[str, ...]:
        if not isinstance(self.metric, JointMetric):
            return ()
        outputs = self.metric.outputs
        others = zip(outputs[1:], self.metric.metrics[1:], strict=True)
        return (*(f"{name} loss" for name in outputs), *(f"{name} {metric.name}" for name, metric in others))

    @property
    def unit_layers(self) -> tuple[str, ...]:
        return unit_layers(self.network)

    @property
    def dtype(self) -> Any:
        return self.network.dtype

    def step(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, measured: bool) -> Step:
        if train.lengths is None:
            return self._step(state, scaling, train, order, measured)
        chosen, _ = rows_of_step(state, train, order, self.batch_size)
        return self._at_length(take(train.lengths, chosen), Supervised._step, state, scaling, train, order, measured)

    def _at_length(self, lengths: Array, run: Callable[..., Any], *arguments: Any) -> Any:
        """Run a method with sequences cut to the first length that holds all of these rows."""
        which = jnp.searchsorted(jnp.asarray(self.cuts, lengths.dtype), lengths.max())
        branches = [partial(run, replace(self, cut=cut), *arguments) for cut in self.cuts]
        return jax.lax.switch(which, branches)

    def _step(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, measured: bool) -> Step:
        pass_, loss, *others = self.pass_of(state, scaling, train, order)
        progress = train.progress(state, self.batch_size, scaling.dtype)
        after = partial(self._after, state, pass_, loss, others, progress, measured)
        if not is_large(state):
            return after()
        nothing = jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), jax.eval_shape(after)._replace(state=None))
        unchanged = nothing._replace(state=state, metrics=nothing.metrics.at[0].set(loss))
        return jax.lax.cond(jnp.isfinite(loss), after, lambda: unchanged)

    def _after(
        self,
        state: TrainingState,
        pass_: Backpropagation,
        loss: Scalar,
        others: Sequence[Scalar],
        progress: Scalar,
        measured: bool,
    ) -> Step:
        # Update and measurements, once the gradients are known.
        update = self.update(state, pass_.grads, progress)

        metric, *extra = others
        metrics = jnp.stack([loss, metric, update.learning_rate.astype(loss.dtype), *extra])
        average = state.average and state.average.follow(state.step, update.params, pass_.state)
        new_state = state._replace(
            params=update.params, layer_state=pass_.state, optimizer=update.state, step=state.step + 1, average=average
        )
        if not measured:
            return Step(new_state, metrics, None)
        taken = self.recorder.measure(
            self.network, update.params, update.changes, pass_, state.recorder, state.step, update.sums
        )
        return Step(new_state._replace(recorder=taken.memory), metrics, taken.layers, taken.histograms)

    def pass_of(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array) -> tuple[Any, ...]:
        """Forward and backward with the rows of a step: pass, loss, metric and extra measures.

        Of a batch in parts the outputs are those of the last one; gradients, loss and metric are of all.
        """
        if self.accumulate == 1:
            return self._pass_of_part(state, scaling, train, order)
        *parts, last = range(self.accumulate)

        def add(carry: tuple, part: Array) -> tuple:
            layer_state, totals = carry
            pass_, *numbers = self._pass_of_part(state._replace(layer_state=layer_state), scaling, train, order, part)
            return (pass_.state, jax.tree.map(jnp.add, totals, (pass_.grads, *numbers))), None

        shapes = jax.eval_shape(lambda: self._pass_of_part(state, scaling, train, order))
        nothing = jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), (shapes[0].grads, *shapes[1:]))
        (layer_state, totals), _ = jax.lax.scan(add, (state.layer_state, nothing), jnp.asarray(parts, jnp.int32))
        pass_, *numbers = self._pass_of_part(state._replace(layer_state=layer_state), scaling, train, order, last)
        grads, *numbers = jax.tree.map(jnp.add, totals, (pass_.grads, *numbers))
        return pass_._replace(grads=grads), *numbers

    def _pass_of_part(
        self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, part: Array | int = 0
    ) -> tuple[Any, ...]:
        batch = self.take_batch(state, scaling, train, order, part)
        pass_ = backpropagate(
            self.network, self.loss, state.params, state.layer_state, *batch, key=self.key_of(state, part)
        )
        loss, *measures = (
            (each * batch.weights).sum() / batch.total
            for each in self._measures(pass_.outputs, pass_.masks, batch.target, scaling)
        )
        if isinstance(self.loss, Loss):  # taken already, from the logits where it is fused
            loss = pass_.loss if self.loss.reduction == "mean" else pass_.loss / batch.total
        return pass_, loss, *measures

    def update(self, state: TrainingState, grads: PyTree, progress: Scalar) -> Update:
        """Update the parameters by optimiser and regulariser, ``progress`` epochs in."""
        rule = state.regularizer
        if rule is not None:
            grads = self._penalised(rule, lambda g, w: g + rule.gradient(w), grads, state.params)
        factors = self.factors_of(state.params)
        update = state.optimizer.rule.update(grads, state.optimizer, state.params, progress, factors)
        if rule is None:
            return update
        rates = () if factors is None else (jax.tree.map(lambda factor: update.learning_rate * factor, factors),)
        params = self._penalised(
            rule, lambda w, rate=update.learning_rate: rule.proximal(w, rate), update.params, *rates
        )
        changes = jax.tree.map(jnp.subtract, params, state.params)
        return update._replace(params=params, changes=changes, sums=None)

    def factors_of(self, params: PyTree) -> PyTree | None:
        """The factor of the learning rate for each array of the parameters; None for 1."""
        if self.rate_factors is None:
            return None
        each = zip(params, self.rate_factors, strict=True)
        return tuple(jax.tree.map(lambda _, factor=factor: factor, own) for own, factor in each)

    def _penalised(self, rule: Regularizer, change: Callable[..., Array], *trees: PyTree) -> PyTree:
        # The first tree with its weights changed, in the layers that the regulariser covers.
        def changed(path: Any, leaf: Array, *more: Array) -> Array:
            penalised = path[-1].key in WEIGHTS and rule.covers(self.layer_names[path[0].idx])
            return change(leaf, *more) if penalised else leaf

        return jax.tree_util.tree_map_with_path(changed, *trees)

    def metric_of(self, prediction: Array, target: Array, scaling: Scaling, mask: Array | None = None) -> Array:
        """The metric of each example, in the target's own units."""
        assert isinstance(self.metric, Metric)
        return masked_value(self.metric, scaling.own_units(prediction), scaling.own_units(target), mask)

    def output(self, number: int) -> "Supervised":
        """The program of one of several outputs alone: the same layers, its loss and its metric."""
        if not isinstance(self.metric, JointMetric) or not isinstance(self.loss, JointLoss):
            return self
        network = self.network.ending_in(self.metric.outputs[number])
        return replace(self, network=network, loss=self.loss.losses[number], metric=self.metric.metrics[number])

    def _measures(
        self, outputs: tuple[Array, ...], masks: Mapping[str, Array], target: PyTree, scaling: Scaling
    ) -> list[Array]:
        """Loss, metric and extra measures of each example."""
        losses, values, total = [], [], []
        several = isinstance(self.loss, JointLoss)
        for k, (end, y) in enumerate(zip(self.network.ends, target if several else (target,), strict=True)):
            part, mask = self.output(k), masks.get(self.layer_names[end])
            losses.append(masked_value(part.loss, outputs[end], y, mask))  # pyright: ignore[reportArgumentType]
            values.append(part.metric_of(outputs[end], y, scaling.of_output(k), mask))
            total.append((self.loss.weights or ())[k] * losses[k] if isinstance(self.loss, JointLoss) else losses[k])
        extra = [*losses, *values[1:]] if several else []
        return [sum(total[1:], start=total[0]), values[0], *extra]

    def key_of(self, state: TrainingState, part: Array | int = 0) -> Array:
        """The random key of the layers in the state's step, of one part of its batch."""
        key = jax.random.fold_in(state.key, -1 - state.step)
        return key if self.accumulate == 1 else jax.random.fold_in(key, part)

    def take_batch(
        self, state: TrainingState, scaling: Scaling, train: Rows, order: Array, part: Array | int = 0
    ) -> Batch:
        """The batch of the state's step, or one part of it."""
        if not self.shuffle and train.window is None:
            order = jnp.arange(order.shape[0], dtype=jnp.int32) % train.counted
        chosen, first = rows_of_step(state, train, order, self.batch_size)
        # The last batch is filled with rows of weight 0.
        counted = first + jnp.arange(self.batch_size, dtype=jnp.int32) < train.counted
        total = counted.sum(dtype=scaling.dtype)
        if self.accumulate > 1:
            size = -(-self.batch_size // self.accumulate)
            index = part * size + jnp.arange(size, dtype=jnp.int32)
            chosen, counted = (jnp.take(rows, index, mode="clip") for rows in (chosen, counted))
            counted = counted & (index < self.batch_size)
        x = scaling(self._cut(take(train.x, chosen)))
        target = x if train.y is None else take(train.y, chosen)
        weights = counted.astype(scaling.dtype)
        if train.weights is not None:
            weights = weights * take(train.weights, chosen).astype(weights.dtype)
        return Batch(x, target, weights, total)

    def _cut(self, x: PyTree) -> PyTree:
        return x if self.cut is None else x[:, : self.cut]

    def evaluate(self, state: TrainingState, scaling: Scaling, part: Rows) -> Array:
        """Weighted means of loss, metric and extra measures of ``part``, in prediction mode.

        By the averaged weights where there are.
        """
        rows = part.rows
        parts = -(-rows // rows_that_fit(self.network, shapes_of(part.x)))
        by_length = None
        if part.lengths is not None:
            parts = max(parts, rows // ALIKE)
            by_length = jnp.argsort(part.lengths).astype(jnp.int32)
        size = -(-rows // parts)

        def add(i: Array, totals: Array) -> Array:
            indices = i * size + jnp.arange(size, dtype=jnp.int32)
            chosen = jnp.minimum(indices, rows - 1)
            if part.lengths is None or by_length is None:
                return self._add(totals, state, scaling, part, indices, chosen)
            chosen = take(by_length, chosen)
            lengths = take(part.lengths, chosen)
            return self._at_length(lengths, Supervised._add, totals, state, scaling, part, indices, chosen)

        totals = jax.lax.fori_loop(0, parts, add, jnp.zeros(2 + len(self.extra_names), jnp.float32))
        weighed = jnp.asarray(part.counted) if part.weights is None else part.weights.sum()
        return totals / weighed.astype(jnp.float32)

    def _add(
        self, totals: Array, state: TrainingState, scaling: Scaling, part: Rows, indices: Array, chosen: Array
    ) -> Array:
        """Add the measures of some rows; those whose index is too large weigh 0."""
        x = scaling(self._cut(take(part.x, chosen)))
        y = x if part.y is None else take(part.y, chosen)
        forward = self.network.forward(*state.learned, x)
        measures = self._measures(forward.outputs, forward.masks, y, scaling)
        weights = (indices < part.counted).astype(measures[0].dtype)
        if part.weights is not None:
            weights = weights * take(part.weights, chosen).astype(weights.dtype)
        return totals + jnp.stack([(each * weights).sum() for each in measures]).astype(jnp.float32)

    def cause_of_divergence(self, state: TrainingState, scaling: Scaling, train: Rows) -> str:
        order, cause = epoch_order(state, train, self.batch_size), None
        for part in range(self.accumulate):
            if not is_finite(self.take_batch(state, scaling, train, order, part).x):
                return BAD_BATCH
            pass_, *_ = self._pass_of_part(state, scaling, train, order, part)
            cause = cause or first_affected(self.network, state.params, pass_.outputs)
        return cause or (
            f"All layers' outputs are finite; the loss {_names_of(self.loss)} itself overflows or is undefined on "
            "them: check the targets, the scale of the predictions and the match of output activation and loss."
        )


def _names_of(loss: Loss | JointLoss) -> str:
    return ", ".join(repr(part.name) for part in losses_of(loss))
