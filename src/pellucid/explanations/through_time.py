"""A weight, neuron or layer along a training, with the reason for its moves.

At each snapshot of the training the gradient is computed again, by backpropagation over the same training rows, and
the optimiser's rule is applied to it; both are compared with the change of the weights up to the next snapshot.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.core.precision import in_its_precision
from pellucid.core.types import PyTree
from pellucid.data import Dataset
from pellucid.explanations.trace import activation_after, arrays_of, leaf
from pellucid.explanations.weight import check_array, checked_index, parsed_index
from pellucid.network import Network, backpropagate, rows_that_fit
from pellucid.network.memory import SINGLE_PASS
from pellucid.report import html
from pellucid.report.chart import ImageGrid, LineChart, Series
from pellucid.report.document import Chart, Columns, Document
from pellucid.report.print_figure import to_matplotlib
from pellucid.runs.fit import training_again
from pellucid.runs.trained import Trained
from pellucid.training import Supervised, TrainingState
from pellucid.training.rows import take

ROWS = 1024
"""Training rows of the gradients, the same at each snapshot."""
MAX_TIMES, MAX_UNITS = 6, 12
"""Most snapshots and units whose weights are shown as pictures."""


class Followed(NamedTuple):
    """A part of one array of a layer's parameters.

    Attributes:
        kind: ``weight``, ``neuron`` or ``layer``.
        text: as it was asked for.
        layer: the number of the layer.
        array: the path of the array.
        place: the index in the array: all of it for a weight, the last number alone for a neuron, none for a layer.
        output: the layer whose output is shown: the activation that follows, where there is one.
    """

    kind: str
    text: str
    layer: int
    array: str
    place: tuple[int, ...]
    output: int

    def numbers(self, params: PyTree) -> jax.Array:
        """The followed numbers, in a row; of a neuron the bias is the last."""
        own = params[self.layer]
        array = leaf(own, self.array)
        if self.kind == "weight":
            return array[self.place].reshape(1)
        if self.kind == "layer":
            return array.reshape(-1)
        path = self.array.rpartition("/")[0]
        biases = (leaf(own, path) if path else own).get("biases")
        parts = [array[..., self.place[0]].reshape(-1)]
        if biases is not None and biases.shape[-1] == array.shape[-1]:
            parts.append(biases[self.place[0]].reshape(1))
        return jnp.concatenate(parts)


@dataclass(frozen=True)
class ThroughTime:
    """A weight, neuron or layer along a training.

    Attributes:
        kind: ``weight``, ``neuron`` or ``layer``.
        name: the followed part.
        rows: training rows that the gradients were computed over.
        table: one row for each snapshot. For a weight its numbers, with their signs; for neurons and layers norms
            (‖·‖₂):

            - ``step``, ``epoch``: steps and epochs made.
            - ``loss``: over those rows, in prediction mode.
            - ``value``: the weight, or the norm of the weights.
            - ``gradient``: ∂L/∂ of it.
            - ``update``: the optimiser's update for that gradient, from its state at that step.
            - ``move``: the change up to the next snapshot, ``steps`` later.
            - ``with_gradient``: cosine between the move and −gradient; for a weight 1 where it went down the gradient
              and −1 where it went up.
            - ``with_update``: cosine between the move and the update.
            - ``mean_output``, ``share_active``: of a neuron, over those rows: mean output, fraction that is not 0.
        pictures: (snapshots, units, height, width, channels): the weights as pictures, where they read one.
    """

    kind: str
    name: str
    rows: int
    table: dict[str, np.ndarray]
    pictures: np.ndarray | None

    @property
    def charts(self) -> list[Chart]:
        """Value, loss, gradient, moves and their directions; pictures where the weights form some."""
        table = self.table
        step, norm = table["step"], "" if self.kind == "weight" else "norm of the "
        moves = [
            Series("move in a step, mean up to the next snapshot", step, table["move"] / table["steps"]),
            Series("the rule's update for the gradient", step, table["update"]),
        ]
        cosines = [
            Series("with −gradient", step, table["with_gradient"]),
            Series("with the rule's update", step, table["with_update"]),
        ]
        charts: list[Chart] = [
            LineChart(
                f"{self.name}: {norm}{'weights' if norm else 'value'}", [Series("", step, table["value"])], "step"
            ),
            LineChart(f"loss over {self.rows:,} training rows", [Series("", step, table["loss"])], "step"),
            LineChart(f"{norm}gradient over these rows", [Series("", step, table["gradient"])], "step"),
            LineChart("moves", moves, "step", log=False),
            LineChart("cosine of the move", cosines, "step", log=False),
        ]
        if self.kind == "neuron":
            outputs = [
                Series("fraction of rows with an output other than 0", step, table["share_active"]),
                Series("mean output", step, table["mean_output"]),
            ]
            charts.append(LineChart("output over these rows", outputs, "step", log=False))
        return charts if self.pictures is None else [*charts, self._pictures(self.pictures)]

    def _pictures(self, pictures: np.ndarray) -> Chart:
        count, units = pictures.shape[:2]
        times = np.unique(np.linspace(0, count - 1, MAX_TIMES).round().astype(int))
        shown = min(units, MAX_UNITS)
        tiles = pictures[times][:, :shown]
        steps = [f"step {self.table['step'][time]:,}" for time in times]
        captions = steps if shown == 1 else [f"{j}: {step}" for step in steps for j in range(shown)]
        tiles = tiles.reshape(-1, *tiles.shape[2:])
        if tiles.shape[-1] == 1:
            title = "the weights: blue above 0, orange below" + ("" if shown == 1 else "; one column for each unit")
            return ImageGrid(title, tiles[..., 0], captions, len(steps) if shown == 1 else shown, signed=True)
        colours = np.rint(127.5 + 127.5 * tiles / (abs(tiles).max() or 1.0)).astype(np.uint8)
        return ImageGrid("the weights, grey for 0", colours, captions, len(steps) if shown == 1 else shown)

    def plot(self) -> Any:
        """The charts as a matplotlib figure.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*self.charts)

    def _repr_html_(self) -> str:
        return html.fragment(Document(self.name, *str(self).splitlines(), Columns(*self.charts)))

    def __repr__(self) -> str:
        return f"<ThroughTime of {self.name}>"

    def __str__(self) -> str:
        table = self.table
        steps, value = table["step"], table["value"]
        subject = self.name if self.kind == "weight" else f"the norm of {self.name}"
        lines = [f"{subject} went from {value[0]:.4g} to {value[-1]:.4g} in {steps[-1] - steps[0]:,} steps."]
        cosines = table["with_gradient"][:-1]
        cosines = cosines[np.isfinite(cosines)]
        if len(cosines):
            down = int((cosines > 0).sum())
            others = (
                ""
                if down == len(cosines)
                else "; in the others momentum, the batches in between or a penalty carried it against that gradient"
            )
            lines.append(
                f"Between {down} of {len(cosines)} pairs of snapshots it moved down the gradient of the loss over the "
                f"same {self.rows:,} training rows (median cosine {np.median(cosines):.2f}){others}."
            )
        active = table.get("share_active")
        if active is not None and active[-1] == 0:
            lines.append("At the end it is active for none of these rows.")
        return "\n".join(lines)


@in_its_precision
def through_time(
    run: Trained,
    *,
    weight: str | None = None,
    neuron: str | None = None,
    layer: str | None = None,
    data: Dataset | None = None,
) -> ThroughTime:
    """Follow one weight, neuron or layer along a training that kept snapshots.

    Args:
        run: a run that was trained with ``snapshots``.
        weight: ``"LAYER:i,j"``, or ``"LAYER:ARRAY:i,j"`` for another array than the weights (``lstm_1:recurrent:3,5``).
        neuron: ``"LAYER:UNIT"``: the weights that lead to one unit, and its bias; of a convolution one filter.
        layer: ``"LAYER"``: all its weights. By default the first layer that has any.
        data: its data, where they came as arrays and cannot be loaded by name or path.

    Raises:
        InvalidValue: a run without snapshots, more than one thing to follow, or an index out of range.
        UnknownName: a layer or array that does not exist.
        StorageError: snapshots that cannot be read, or data other than those of the run.

    Example:
        >>> import pellucid as pel
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=5, snapshots=6, progress=False)
        >>> through_time(run, weight="dense_1:2,3").table["step"].tolist()
        [0, 4, 8, 12, 16, 20]
    """
    snapshots = run.snapshots
    if len(snapshots) < 2:
        raise InvalidValue("this run has no snapshots to step through. Train it with snapshots=50 (--snapshots 50).")
    program, batch, per_epoch = _batch(run, data)
    steps = np.array(list(snapshots))
    followed = _followed(run.network, snapshots[int(steps[0])].params, weight, neuron, layer)
    measured = []
    for step in steps:
        progress = jnp.asarray(step / per_epoch, run.network.dtype)
        measured.append([np.asarray(m) for m in _measure(program, followed, snapshots[int(step)], *batch, progress)])
    loss, numbers, gradient, update, mean, active = (np.array(column) for column in zip(*measured, strict=True))
    move = np.full_like(numbers, np.nan)
    move[:-1] = numbers[1:] - numbers[:-1]
    size = (lambda rows: rows[:, 0]) if followed.kind == "weight" else (lambda rows: np.linalg.norm(rows, axis=1))
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
    if followed.kind == "neuron":
        table |= {"mean_output": mean, "share_active": active}
    return ThroughTime(followed.kind, followed.text, len(batch[0]), table, _pictures(run, followed, numbers))


def _batch(run: Trained, data: Dataset | None) -> tuple[Supervised, tuple[Any, Any, Any], int]:
    """The program, the scaled rows with targets and weights, and the steps of an epoch."""
    training = run.training or training_again(run, data)
    train, count = training.train, training.train.rows
    most = min(ROWS, rows_that_fit(run.network, run.facts.input_shape, SINGLE_PASS))
    chosen = jnp.asarray(np.random.default_rng(0).permutation(count)[:most])
    x = training.scaling(take(train.x, chosen))
    target = x if train.y is None else take(train.y, chosen)
    weights = jnp.ones(len(chosen), x.dtype) if train.weights is None else take(train.weights, chosen).astype(x.dtype)
    return run.program, (x, target, weights), training.steps_per_epoch


@partial(jax.jit, static_argnums=(0, 1))
def _measure(
    program: Supervised, followed: Followed, state: TrainingState, x: Any, target: Any, weights: Any, progress: Any
) -> tuple[Any, ...]:
    passes = backpropagate(
        program.network, program.loss, state.params, state.layer_state, x, target, weights, training=False
    )
    update = program.update(state, passes.grads, progress)
    mean = active = jnp.asarray(jnp.nan, jnp.float32)
    if followed.kind == "neuron":
        output = passes.outputs[followed.output]
        output = output[..., followed.place[0] % output.shape[-1]]
        mean, active = output.mean(), (output != 0).mean(dtype=jnp.float32)
    parts = (followed.numbers(tree) for tree in (state.params, passes.grads, update.changes))
    return passes.loss, *parts, mean, active


def _followed(network: Network, params: PyTree, weight: str | None, neuron: str | None, layer: str | None) -> Followed:
    asked = {
        kind: text for kind, text in (("weight", weight), ("neuron", neuron), ("layer", layer)) if text is not None
    }
    weighted = [name for name, own in zip(network.names, params, strict=True) if arrays_of(own)]
    if len(asked) > 1:
        raise InvalidValue(f"follow one thing: a weight, a neuron or a layer. Received: {', '.join(asked)}.")
    if not weighted:
        raise InvalidValue("the network has no weights, so there is nothing that moves.")
    (kind, text) = next(iter(asked.items()), ("layer", weighted[0]))
    parts = text.split(":")
    last = [] if kind == "layer" else [parts.pop()]
    name, array = [*parts, "weights"][:2] if len(parts) < 3 else ("", "")
    if name not in weighted:
        forms = {"weight": "LAYER:i,j", "neuron": "LAYER:UNIT", "layer": "LAYER"}
        raise UnknownName(
            f"write {forms[kind]}, of a layer that has weights: {', '.join(weighted)}. Received: {text!r}."
        )
    number = network.names.index(name)
    arrays = arrays_of(params[number])
    check_array(array, arrays, name)
    place: tuple[int, ...] = ()
    if last:
        shape = arrays[array].shape
        place = parsed_index(last[0], text)
        place = checked_index(place, shape if kind == "weight" else shape[-1:], f"{array} of {name!r}")
    after = activation_after(network, number)
    return Followed(kind, text, number, array, place, number if after is None else after)


def _cosine(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    product = (left * right).sum(axis=1)
    return np.divide(product, norms, out=np.full_like(product, np.nan), where=norms > 0)


def _pictures(run: Trained, followed: Followed, numbers: np.ndarray) -> np.ndarray | None:
    """Followed weights as pictures, of a dense layer or convolution that reads the image."""
    if followed.kind == "weight" or followed.array != "weights":
        return None
    shape = run.facts.input_shape
    shape = shape if len(shape) == 3 else (*shape, 1)
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    weights = np.asarray(run.params[followed.layer]["weights"])
    read = run.network.reads[followed.layer][0]
    first = read in run.network.inputs or not any(map(arrays_of, run.params[: followed.layer]))
    if not first or not (len(weights) == np.prod(shape) or weights.ndim == 4):
        return None
    units = 1 if followed.kind == "neuron" else weights.shape[-1]
    size = weights.size // weights.shape[-1] * units
    frame = weights.shape[:3] if weights.ndim == 4 else shape
    return np.moveaxis(numbers[:, :size].reshape(len(numbers), *frame, units), -1, 1)
