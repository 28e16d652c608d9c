"""Step through time: how one weight, one neuron or one layer moved during a training, and why.

At each snapshot of the training the gradient is computed again, by backpropagation over the same training rows, and
the optimiser's rule is applied to it; both are held against the move that the weights made up to the next snapshot.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.core.types import PyTree
from pellucid.data import Dataset
from pellucid.explanations.choice import check_place
from pellucid.explanations.time_figure import draw
from pellucid.layers import Activation
from pellucid.network import AnyNetwork, backpropagate, rows_that_fit
from pellucid.network.memory import SINGLE_PASS
from pellucid.runs.run import Run
from pellucid.runs.train import training_again
from pellucid.training import Supervised, TrainingState, steps_per_epoch
from pellucid.training.epoch import take

ROWS = 1024
"""Training rows that the gradients are taken over, drawn once and the same at each snapshot."""


class Followed(NamedTuple):
    """What is followed: a part of one array of a layer's parameters."""

    kind: str
    """``weight``, ``neuron`` or ``layer``."""
    text: str
    """As it was asked for."""
    layer: int
    array: str
    place: tuple[int, ...]
    """The place in the array: all of it for a weight, the last number alone for a neuron, none for a layer."""
    output: int
    """The layer whose output is looked at: the activation that follows, where one does."""

    def numbers(self, params: PyTree) -> jax.Array:
        """The numbers that are followed, in a row: of a neuron the bias is the last."""
        array = _array(params[self.layer], self.array)
        if self.kind == "weight":
            return array[self.place].reshape(1)
        if self.kind == "layer":
            return array.reshape(-1)
        parts = [array[..., self.place[0]].reshape(-1)]
        biases = _biases(params[self.layer], self.array)
        if biases is not None and biases.shape[-1] == array.shape[-1]:
            parts.append(biases[self.place[0]].reshape(1))
        return jnp.concatenate(parts)


@dataclass(frozen=True)
class ThroughTime:
    """How something moved.

    Attributes:
        kind: ``weight``, ``neuron`` or ``layer``.
        name: what was followed.
        rows: training rows that the gradients were taken over.
        table: one row a snapshot. For a weight its numbers, with their signs; for neurons and layers lengths (‖·‖₂):

            - ``step``, ``epoch``: steps and epochs made.
            - ``loss``: over those rows, in prediction mode.
            - ``value``: the weight, or the length of the weights.
            - ``gradient``: ∂L/∂ of it.
            - ``update``: what the optimiser, as it stood, makes of that gradient.
            - ``move``: what was added up to the next snapshot, ``steps`` later.
            - ``with_gradient``: cosine between the move and −gradient; for a weight 1 where it went down the gradient and
              −1 where it went up.
            - ``with_update``: cosine between the move and the update.
            - ``mean_output``, ``share_active``: of a neuron, over those rows: mean output, how often it is not 0.
        pictures: (snapshots, units, height, width, channels): the weights as pictures, where they read one.
    """

    kind: str
    name: str
    rows: int
    table: dict[str, np.ndarray]
    pictures: np.ndarray | None

    def plot(self) -> Any:
        """A matplotlib figure: value, gradient and update, moves; and pictures where the weights are such.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return draw(self)

    def __str__(self) -> str:
        table = self.table
        steps, value = table["step"], table["value"]
        what = self.name if self.kind == "weight" else f"the length of {self.name}"
        lines = [f"{what} went from {value[0]:.4g} to {value[-1]:.4g} in {steps[-1] - steps[0]:,} steps."]
        agrees = table["with_gradient"][:-1]
        agrees = agrees[np.isfinite(agrees)]
        if len(agrees):
            down = int((agrees > 0).sum())
            lines.append(
                f"Between {down} of {len(agrees)} pairs of snapshots it moved down the gradient of the loss over the same "
                f"{self.rows:,} training rows (median cosine {np.median(agrees):.2f})"
                + (
                    "."
                    if down == len(agrees)
                    else "; in the others momentum, the batches in between or a penalty carried it against that gradient."
                )
            )
        dead = table.get("share_active")
        if dead is not None and dead[-1] == 0:
            lines.append("At the end it is active for none of these rows.")
        return "\n".join(lines)


def through_time(
    run: Run,
    *,
    weight: str | None = None,
    neuron: str | None = None,
    layer: str | None = None,
    data: Dataset | None = None,
) -> ThroughTime:
    """How one weight, one neuron or one layer moved along a training that kept snapshots, and why.

    Args:
        run: a run that was trained with ``snapshots``.
        weight: ``"LAYER:i,j"``, or ``"LAYER:ARRAY:i,j"`` for another array than the weights (``lstm_1:recurrent:3,5``).
        neuron: ``"LAYER:UNIT"``: the weights that lead to one unit, and its bias; of a convolution one filter.
        layer: ``"LAYER"``: all its weights. By default the first layer that has any.
        data: its data, where they came as arrays and cannot be loaded by name or path.

    Raises:
        InvalidValue: a run without snapshots, more than one thing to follow, or a place that is not there.
        UnknownName: a layer or array that is not there.
        StorageError: snapshots that cannot be read, or data other than those of the run.

    Example:
        >>> import pellucid as pel
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=5, snapshots=6, progress=False)
        >>> told = through_time(run, weight="dense_1:2,3")
        >>> told.table["step"].tolist()
        [0, 4, 8, 12, 16, 20]
    """
    snapshots = run.snapshots
    if len(snapshots) < 2:
        raise InvalidValue("this run has no snapshots to step through. Train it with snapshots=50 (--snapshots 50).")
    program, batch, per_epoch = _batch(run, data)
    steps = np.array(list(snapshots))
    follow = _follow(run.network, snapshots[int(steps[0])].params, weight, neuron, layer)
    seen = []
    for step in steps:
        state = snapshots[int(step)]
        progress = jnp.asarray(step / per_epoch, jnp.float32)
        seen.append([np.asarray(found) for found in _look(program, follow, state, *batch, progress)])
    loss, numbers, gradient, update, mean, active = (np.array(column) for column in zip(*seen, strict=True))
    move = np.full_like(numbers, np.nan)
    move[:-1] = numbers[1:] - numbers[:-1]
    size = (lambda rows: rows[:, 0]) if follow.kind == "weight" else (lambda rows: np.linalg.norm(rows, axis=1))
    table = {
        "step": steps,
        "epoch": steps / per_epoch,
        "loss": loss,
        "value": size(numbers),
        "gradient": size(gradient),
        "update": size(update),
        "move": size(move),
        "steps": np.append(np.diff(steps).astype(float), np.nan),
        "with_gradient": _cosine(move, -gradient),
        "with_update": _cosine(move, update),
    }
    if follow.kind == "neuron":
        table |= {"mean_output": mean, "share_active": active}
    pictures = _pictures(run, follow, numbers)
    return ThroughTime(follow.kind, follow.text, len(batch[0]), table, pictures)


def _batch(run: Run, data: Dataset | None) -> tuple[Supervised, tuple[Any, Any, Any], int]:
    """The program, the scaled rows with targets and weights, and the steps of an epoch."""
    training = run.training or training_again(run, data)
    train, count = training.train, training.train.rows
    most = min(ROWS, rows_that_fit(run.network, run.facts.input_shape, SINGLE_PASS))
    chosen = jnp.asarray(np.random.default_rng(0).permutation(count)[:most])
    x = training.scaling(take(train.x, chosen))
    target = x if train.y is None else take(train.y, chosen)
    weights = jnp.ones(len(chosen), jnp.float32) if train.weights is None else take(train.weights, chosen)
    return run.program, (x, target, weights), steps_per_epoch(count, run.program.batch_size)


@partial(jax.jit, static_argnums=(0, 1))
def _look(
    program: Supervised, follow: Followed, state: TrainingState, x: Any, target: Any, weights: Any, progress: Any
) -> tuple[Any, ...]:
    pass_ = backpropagate(
        program.network, program.loss, state.params, state.layer_state, x, target, weights, training=False
    )
    update = program.update(state, pass_.grads, progress)
    mean = active = jnp.asarray(jnp.nan)
    if follow.kind == "neuron":
        output = pass_.outputs[follow.output]
        output = output[..., follow.place[0] % output.shape[-1]]
        mean, active = output.mean(), (output != 0).mean(dtype=jnp.float32)
    parts = (follow.numbers(tree) for tree in (state.params, pass_.grads, update.changes))
    return pass_.loss, *parts, mean, active


def _follow(network: AnyNetwork, params: PyTree, weight: str | None, neuron: str | None, layer: str | None) -> Followed:
    asked = {
        kind: text for kind, text in (("weight", weight), ("neuron", neuron), ("layer", layer)) if text is not None
    }
    having = [name for name, own in zip(network.names, params, strict=True) if _names(own)]
    if len(asked) > 1:
        raise InvalidValue(f"follow one thing: a weight, a neuron or a layer. Received: {', '.join(asked)}.")
    if not having:
        raise InvalidValue("the network has no weights, so there is nothing that moves.")
    (kind, text) = next(iter(asked.items()), ("layer", having[0]))
    parts = text.split(":")
    last = [] if kind == "layer" else [parts.pop()]
    name, array = [*parts, "weights"][:2] if len(parts) < 3 else ("", "")
    if name not in having:
        forms = {"weight": "LAYER:i,j", "neuron": "LAYER:UNIT", "layer": "LAYER"}
        raise UnknownName(f"write {forms[kind]}, of a layer that has weights: {', '.join(having)}. Received: {text!r}.")
    number = network.names.index(name)
    there = _names(params[number])
    if array not in there:
        raise UnknownName(f"the layer {name!r} has no array {array!r}. It has: {', '.join(there)}.")
    shape = _array(params[number], array).shape
    place: tuple[int, ...] = ()
    if last:
        try:
            place = tuple(int(one) for one in last[0].split(","))
        except ValueError:
            raise InvalidValue(
                f"a place is whole numbers with commas between, as in 3,4. Received: {text!r}."
            ) from None
        place = check_place(place, shape if kind == "weight" else shape[-1:], f"{array} of {name!r}")
    readers = [i for i, reads in enumerate(network.reads) if name in reads]
    after = len(readers) == 1 and isinstance(network.layers[readers[0]], Activation)
    return Followed(kind, text, number, array, place, readers[0] if after else number)


def _names(own: PyTree) -> list[str]:
    flat, _ = jax.tree_util.tree_flatten_with_path(own)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in flat]


def _array(own: PyTree, path: str) -> Any:
    for key in path.split("/"):
        own = own[key]
    return own


def _biases(own: PyTree, path: str) -> Any:
    beside = path.rpartition("/")[0]
    return (_array(own, beside) if beside else own).get("biases")


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    product = (one * other).sum(axis=1)
    return np.divide(product, lengths, out=np.full_like(product, np.nan), where=lengths > 0)


def _pictures(run: Run, follow: Followed, numbers: np.ndarray) -> np.ndarray | None:
    """The followed weights as pictures: of a dense layer that reads the image, or of a convolution of it."""
    if follow.kind == "weight" or follow.array != "weights":
        return None
    shape = run.facts.input_shape
    shape = shape if len(shape) == 3 else (*shape, 1)
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    weights = np.asarray(run.params[follow.layer]["weights"])
    read = run.network.reads[follow.layer][0]
    first = read in run.network.inputs or not any(map(_names, run.params[: follow.layer]))
    if not first or not (len(weights) == np.prod(shape) or weights.ndim == 4):
        return None
    units = 1 if follow.kind == "neuron" else weights.shape[-1]
    size = weights.size // weights.shape[-1] * units
    frame = weights.shape[:3] if weights.ndim == 4 else shape
    return np.moveaxis(numbers[:, :size].reshape(len(numbers), *frame, units), -1, 1)
