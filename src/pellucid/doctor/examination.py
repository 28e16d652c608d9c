"""What the doctor measures of a training: the network before and after, the data, the scores. No judgement here."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.padding import keep_padding
from pellucid.functions.activations import Activation as Function
from pellucid.functions.activations import activations
from pellucid.functions.losses import Loss
from pellucid.functions.regularizers import regularizers
from pellucid.layers import Activation, Frozen, Layer
from pellucid.layers.layer import weights_of
from pellucid.network import backpropagate, rows_that_fit
from pellucid.network.memory import SINGLE_PASS
from pellucid.runs.outputs import outputs_of
from pellucid.runs.ready import summary_of
from pellucid.runs.trained import Trained as Run
from pellucid.training import initial_state

SAMPLE, FEWER = 4000, 1024
"""Most rows of a part that are read; fewer without looks."""
PROBE_ROWS = 256
"""Most rows of the batch on which the network is looked at."""
ACCURACIES = ("accuracy", "binary_accuracy")
RECORDS = 4
"""Last measurements of the recorder that tell of the end of a training."""
SAME_COLUMN = 0.9
"""A target that goes with its input as closely is that input, scaled or with noise; of so many all are."""
RECORDED_BATCH = 8
"""Fewest rows of a batch on which a unit that is always 0 means something."""

LOGITS = ("sigmoid_binary_cross_entropy", "softmax_cross_entropy", "sparse_softmax_cross_entropy")
PROBABILITIES = (
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "sparse_categorical_cross_entropy",
    "kl_divergence",
    "negative_log_of_output",
)
MARGINS = ("hinge", "squared_hinge", "categorical_hinge")
DISTANCES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


class Look(NamedTuple):
    """The network on the probe batch, as NumPy arrays."""

    loss: float
    outputs: tuple[np.ndarray, ...]
    deltas: tuple[np.ndarray | None, ...]
    grads: tuple[dict[str, Any], ...]


class Hidden(NamedTuple):
    """One activation inside the network."""

    number: int
    """Of its layer."""
    function: Function

    @property
    def bounded(self) -> bool:
        """Whether it has two ends, a unit by itself."""
        return bool(np.isfinite(self.function.range).all()) and self.function.name != "softmax"


@dataclass
class Examination:
    """A run and everything measured of it, each thing when it is first asked for.

    Args:
        run: the run.
        looks: whether the network is looked at, with a forward and a backward pass that are compiled for it; without,
            the recorder's measures tell of the layers, where there are enough of them.
    """

    run: Run
    looks: bool = True

    def __post_init__(self) -> None:
        if self.run.training is None:
            raise DataError("the doctor needs the rows of the training, which this run does not hold.")

    # ------------------------------------------------------------------------------------ the program

    @property
    def training(self) -> Any:
        """The training that the run came of."""
        return self.run.training

    @property
    def network(self) -> Any:
        """The network."""
        return self.run.network

    @property
    def loss(self) -> Any:
        """The loss."""
        return self.run.program.loss

    @property
    def task(self) -> str:
        """What is predicted."""
        return self.run.facts.task

    @property
    def classifies(self) -> bool:
        """One class of several for each example."""
        return self.task in ("binary", "multiclass")

    @cached_property
    def rate(self) -> float:
        """The learning rate, of the last step where a schedule changes it."""
        rates = self.run.history.step_rows[:, 2]
        rate = self.training.optimizer.learning_rate
        return float(rate) if isinstance(rate, (int, float)) else float(rates[-1]) if len(rates) else np.nan

    @cached_property
    def penalties(self) -> tuple[float, float]:
        """(λ₁, λ₂) of the penalties on the weights."""
        rule = self.training.state.regularizer
        if rule is None:
            return 0.0, 0.0
        strength = float(getattr(rule, "strength", 0.0))
        l1 = float(getattr(rule, "l1", strength if rule.name == "l1" else 0.0))
        l2 = float(getattr(rule, "l2", strength if rule.name == "l2" else 0.0))
        return l1, l2

    @property
    def penalty_share(self) -> float:
        """The penalty on the weights after training by the loss of the last epoch, which does not hold it."""
        l1, l2 = self.penalties
        weights = [np.asarray(w, np.float64) for params in self.run.params for w in weights_of(params)]
        penalty = sum(l1 * np.abs(w).sum() + l2 * (w**2).sum() for w in weights)
        return float(penalty / max(abs(float(self.losses[-1])), 1e-12)) if len(self.losses) else np.nan

    @property
    def shrinkage(self) -> float:
        """The length of all weights after training by that before."""
        after, before = (
            sum(float((np.asarray(w, np.float64) ** 2).sum()) for params in tree for w in weights_of(params))
            for tree in (self.run.params, self.params_start)
        )
        return float(np.sqrt(after / max(before, 1e-12)))

    @cached_property
    def last(self) -> Function | None:
        """The activation of the output; None where the network ends in a layer with none."""
        layer = self.network.layers[-1]
        return activations.build(layer.function) if isinstance(layer, Activation) else None

    @property
    def last_name(self) -> str:
        """Its name, ``"linear"`` for none; that of a layer of one's own."""
        layer = self.network.layers[-1]
        if self.last is not None:
            return self.last.name
        return "linear" if hasattr(layer, "weights") or isinstance(layer, Frozen) else getattr(layer, "name", "own")

    @cached_property
    def maps(self) -> tuple[int, ...]:
        """The numbers of the layers with weights, frozen ones too."""
        return tuple(
            i
            for i, layer in enumerate(self.network.layers)
            if isinstance(layer, Frozen) or weights_of(self.params_start[i])
        )

    def weights(self, number: int, params: Any = None) -> list[np.ndarray]:
        """The weights of a layer, at the start unless told otherwise."""
        tree = (self.params_start if params is None else params)[number]
        if isinstance(self.network.layers[number], Frozen):
            tree = self.state_start.layer_state[number]["params"]
        return [np.asarray(w) for w in weights_of(tree)]

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Of what the network gives for an example."""
        return summary_of(self.network, self.run.facts.input_shape).rows[-1].output_shape

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an example."""
        return self.output_shape[-1]

    @cached_property
    def narrowest(self) -> int:
        """The fewest numbers that an example is turned into between input and output."""
        rows = summary_of(self.network, self.run.facts.input_shape).rows
        return min(int(np.prod(row.output_shape)) for row in rows)

    @cached_property
    def reconstructs(self) -> bool:
        """Whether each target is a column of the inputs, or nearly: an autoencoder, by whatever name."""
        x, y = self.finite, as_rows(self.y)
        if self.task != "regression" or y.shape != x.shape or x.shape[1] < 2 or len(x) < 3:
            return False
        x, y = x - x.mean(0), y - y.mean(0)
        sizes = np.sqrt((x**2).sum(0) * (y**2).sum(0))
        return bool((np.abs((x * y).sum(0)) >= SAME_COLUMN * sizes).mean() > SAME_COLUMN)

    @cached_property
    def linear(self) -> bool:
        """Whether nothing in the network but its output activation bends a line."""
        inner = self.network.layers[:-1] if self.last is not None else self.network.layers
        return not any(_bends(layer) for layer in inner)

    # ---------------------------------------------------------------------------------------- the rows

    @property
    def rows(self) -> int:
        """Training rows."""
        return self.training.train.rows

    def scaled(self, x: Any) -> np.ndarray:
        """Stored inputs as the network sees them."""
        scaling = self.training.scaling
        shift, scale = (np.asarray(number) for number in (scaling.shift, scaling.scale))
        x = np.asarray(x).astype(scale.dtype)
        scaled = (x - shift) * scale
        return scaled if scaling.padding is None else keep_padding(np, x, scaled, np.asarray(scaling.padding))

    @cached_property
    def x(self) -> np.ndarray:
        """The sample of the training inputs."""
        return self.scaled(np.asarray(self.training.train.x)[self.sample])

    @cached_property
    def y(self) -> np.ndarray:
        """The sample's targets, as the loss takes them."""
        train = self.training.train
        return self.x if train.y is None else np.asarray(train.y)[self.sample]

    @cached_property
    def x_new(self) -> np.ndarray | None:
        """Held-out inputs: all, or some drawn once."""
        monitor = self.training.monitor
        return None if monitor is None else self.scaled(np.asarray(monitor.x)[self.sample_new])

    @cached_property
    def y_new(self) -> np.ndarray | None:
        """Their targets."""
        monitor = self.training.monitor
        if monitor is None:
            return None
        return self.x_new if monitor.y is None else np.asarray(monitor.y)[self.sample_new]

    @cached_property
    def finite(self) -> np.ndarray:
        """The sample's inputs as rows of numbers, 0 where they are no numbers."""
        x = as_rows(self.x).astype(np.float64)
        return np.where(np.isfinite(x), x, 0)

    @cached_property
    def standard(self) -> tuple[np.ndarray, np.ndarray]:
        """What standardises the inputs, mean and 1 / spread: of a table by column, of anything else as a whole."""
        axes = 0 if self.x.ndim == 2 else None
        mean, spread = np.nanmean(self.x, axes), np.nanstd(self.x, axes)
        return mean, 1 / np.where(spread > 1e-12, spread, 1)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Class numbers of the sample; None where there are no classes."""
        return self.labels_of(self.y)

    @cached_property
    def labels_new(self) -> np.ndarray | None:
        """Class numbers of the held-out rows."""
        return None if self.y_new is None else self.labels_of(self.y_new)

    def labels_of(self, y: np.ndarray) -> np.ndarray | None:
        """Targets as class numbers."""
        return class_numbers(y) if self.classifies else None

    # ------------------------------------------------------------------------- the network on its rows

    @cached_property
    def state_start(self) -> Any:
        """The training's state before its first step, drawn again, by the program that drew it."""
        told = self.run.experiment.regularizer
        regularizer = None if told is None else regularizers.build(told)
        return initial_state(
            self.network,
            self.training.optimizer,
            regularizer,
            self.run.facts.input_shape,
            self.run.experiment.seed,
            recorder=self.run.program.recorder,
        )

    @property
    def params_start(self) -> Any:
        """The parameters before training."""
        return self.state_start.params

    @cached_property
    def sample(self) -> np.ndarray:
        """The numbers of the training rows that are read, in their order: all, or some drawn once."""
        return drawn(self.rows, SAMPLE if self.looks else FEWER)

    @cached_property
    def sample_new(self) -> np.ndarray:
        """The same of the held-out rows."""
        return drawn(self.training.monitor.rows, SAMPLE if self.looks else FEWER)

    @cached_property
    def probe(self) -> np.ndarray:
        """The rows of the sample that the network is looked at with: drawn once, without regard to their order."""
        rows = np.arange(len(self.x))
        most = min(PROBE_ROWS, rows_that_fit(self.network, self.run.facts.input_shape, SINGLE_PASS))
        return rows if len(rows) <= most else np.random.default_rng(0).permutation(rows)[:most]

    def look(self, params: Any, state: Any, x: np.ndarray | None = None) -> Look:
        """Forward and backward pass over the probe, or over other inputs in its place, in training mode."""
        inputs = jnp.asarray(self.x[self.probe] if x is None else x)
        found = _look(self.network, self.loss, params, state, inputs, jnp.asarray(self.y[self.probe]))
        return Look(
            float(found.loss),
            tuple(np.asarray(output) for output in found.outputs),
            tuple(None if delta is None else np.asarray(delta) for delta in found.deltas),
            jax.tree.map(np.asarray, found.grads),
        )

    @cached_property
    def start(self) -> Look:
        """Before training."""
        return self.look(self.params_start, self.state_start.layer_state)

    def look_scaled(self, params: Any, state: Any) -> Look:
        """The same with standardised inputs."""
        mean, scale = self.standard
        return self.look(params, state, ((self.x[self.probe] - mean) * scale).astype(self.x.dtype))

    @cached_property
    def end(self) -> Look:
        """After training."""
        return self.look(self.run.params, self.run.layer_state)

    @cached_property
    def recorded(self) -> bool:
        """Whether the recorder is asked of the layers, and saw enough of them."""
        if self.looks or self.run.program.batch_size < RECORDED_BATCH:
            return False
        seen = (self.measure(name) for name in ("dead_units", "fraction_saturated", "gradient_norm"))
        return min(len(rows) for rows in seen) > 1

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """The activations inside the network."""
        layers = self.network.layers[:-1]
        return tuple(
            Hidden(i, layer.function)  # pyright: ignore[reportArgumentType]
            for i, layer in enumerate(layers)
            if isinstance(layer, Activation)
        )

    def dead(self, hidden: Hidden) -> tuple[float, float]:
        """The share of an activation's units that are 0 for every row, before training and after."""
        if not self.recorded:
            return dead_share(self.start.outputs[hidden.number]), dead_share(self.end.outputs[hidden.number])
        history, name = self.run.history, self.network.names[hidden.number]
        active = history.active[history.unit_layers.index(name)]
        dead = self.measure("dead_units")[:, hidden.number]
        last = len(dead) - min(RECORDS, len(dead) - 1)
        return float(dead[0]) / len(active), float((active < last * history.recorder.every).mean())

    def flat(self, hidden: Hidden) -> tuple[float, float]:
        """The share of its outputs that are within 1 % of the end of its range, before training and after."""
        if not self.recorded:
            ends = hidden.function.range
            outputs = (self.start.outputs[hidden.number], self.end.outputs[hidden.number])
            return _at_end(outputs[0], ends), _at_end(outputs[1], ends)
        shares = self.measure("fraction_saturated")[:, hidden.number]
        return float(shares[0]), float(shares[-RECORDS:].mean())

    @cached_property
    def gradients(self) -> list[float]:
        """The size of the gradients at each layer with weights, before training; those that are known.

        Of a look that of ∂L/∂z, of the recorder that of ∂L/∂W.
        """
        if self.recorded:
            sizes = [float(self.measure("gradient_norm")[0, i]) for i in self.maps]
        else:
            sizes = [_size(self.start.deltas[i]) for i in self.maps]
        return [size for size in sizes if np.isfinite(size)]

    @cached_property
    def gradient_lengths(self) -> tuple[float, float]:
        """‖∂L/∂W‖ of the layer where it is longest, before training and in all that was measured."""
        norms = self.measure("gradient_norm")
        if not len(norms):
            norms = np.array([[np.sqrt(sum((g**2).sum() for g in grads.values())) for grads in self.start.grads]])
        known = np.nan_to_num(norms, nan=0.0, posinf=0.0)
        return float(known[0].max()), float(known.max())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs for stored inputs, by the program that evaluated the training."""
        like = self.run.facts.held_out_rows or None
        run = self.run
        return outputs_of(self.network, run.params, run.layer_state, x, self.training.scaling, like=like)

    @cached_property
    def prediction(self) -> np.ndarray:
        """Outputs for the sample of the training rows."""
        return self.predict(np.asarray(self.training.train.x)[self.sample])

    @cached_property
    def prediction_new(self) -> np.ndarray | None:
        """Outputs for the held-out rows."""
        monitor = self.training.monitor
        return None if monitor is None else self.predict(np.asarray(monitor.x)[self.sample_new])

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """The classes that outputs name."""
        return classes_named(outputs, self.loss)

    def skill(self, outputs: np.ndarray, y: np.ndarray) -> float:
        """How far outputs are on the way from guessing, 0, to perfect, 1."""
        if not self.classifies:
            if self.task == "multilabel":
                yes = y > 0.5
                right = ((outputs > threshold_of(self.loss)) == yes).mean()
                common = np.maximum(yes.mean(0), 1 - yes.mean(0)).mean()
                return float(max(0.0, (right - common) / max(1 - common, 1e-9)))
            return skill_of_numbers(outputs, y)
        labels = self.labels_of(y)
        assert labels is not None  # there are classes
        return skill_of_classes(self.decide(outputs), labels)

    @cached_property
    def skill_train(self) -> float:
        """Skill on the sample of the training rows; without looks by the accuracy of the last epoch, if it is known."""
        table, name = self.run.history.epochs, self.run.history.metric_name
        if self.looks or self.labels is None or name not in ACCURACIES or not len(table["epoch"]):
            return self.skill(self.prediction, self.y)
        commonest = float(np.unique(self.labels, return_counts=True)[1].max() / len(self.labels))
        return float(max(0.0, (table[name][-1] - commonest) / max(1 - commonest, 1e-9)))

    @cached_property
    def skill_new(self) -> float:
        """Skill on the held-out rows; on the training rows where there are none."""
        if self.prediction_new is None or self.y_new is None:
            return self.skill_train
        return self.skill(self.prediction_new, self.y_new)

    # ------------------------------------------------------------------------------------- the history

    @cached_property
    def losses(self) -> np.ndarray:
        """Mean training loss of each epoch; of each step where not one epoch was finished."""
        epochs = np.asarray(self.run.history.epochs["loss"])
        return epochs if len(epochs) else np.asarray(self.run.history.step_rows[:, 0], np.float64)

    @property
    def steps(self) -> int:
        """Updates made."""
        return self.run.history.steps_made

    @property
    def diverged(self) -> bool:
        """Whether the loss ceased to be finite."""
        return self.run.stopped == "diverged" or not np.isfinite(self.losses).all()

    def measure(self, name: str) -> np.ndarray:
        """(recorded steps, layers) of one of the recorder's measures; no rows where it was not recorded."""
        table = self.run.history.layers
        layers = len(self.network.names)
        return np.asarray(table[name]).reshape(-1, layers) if name in table else np.zeros((0, layers))


def as_rows(x: np.ndarray) -> np.ndarray:
    """Examples as rows of numbers."""
    return x.reshape(len(x), -1)


def drawn(rows: int, most: int) -> np.ndarray:
    """The numbers of all rows, or of some drawn once, in their order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def class_numbers(y: np.ndarray) -> np.ndarray:
    """Targets of classes as their numbers: one-hot, a column (of 0 and 1, or −1 and 1), or numbers already."""
    return y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else np.maximum(y.reshape(len(y)), 0).astype(int)


def threshold_of(loss: Loss) -> float:
    """Above which an output says yes: 0 of logits and margins, one half of probabilities."""
    return 0.0 if loss.name in LOGITS + MARGINS else loss.threshold


def classes_named(outputs: np.ndarray, loss: Loss) -> np.ndarray:
    """The classes that outputs name."""
    if outputs.shape[-1] > 1:
        return np.nan_to_num(outputs, nan=-np.inf).argmax(-1)
    return (outputs.reshape(len(outputs)) > threshold_of(loss)).astype(int)


def skill_of_classes(decided: np.ndarray, labels: np.ndarray) -> float:
    """Mean recall of the classes, from guessing (0) to perfect (1); never below 0."""
    values = np.unique(labels)
    recall = np.mean([(decided[labels == value] == value).mean() for value in values])
    if len(values) < 2:
        return float(recall)
    return float(max(0.0, (recall - 1 / len(values)) / (1 - 1 / len(values))))


def skill_of_numbers(outputs: np.ndarray, y: np.ndarray) -> float:
    """Variance explained, 0 where negative or not finite."""
    y = y.reshape(len(y), -1).astype(np.float64)
    outputs = outputs.reshape(len(outputs), -1).astype(np.float64)
    if outputs.shape != y.shape or not np.isfinite(outputs).all():
        return 0.0
    total = ((y - y.mean(0)) ** 2).sum()
    return float(max(0.0, 1 - ((outputs - y) ** 2).sum() / max(total, 1e-12)))


def dead_share(outputs: np.ndarray) -> float:
    """The share of units that are 0 for every row."""
    return float((outputs.reshape(-1, outputs.shape[-1]) == 0).all(0).mean())


def _at_end(outputs: np.ndarray, ends: tuple[float, float]) -> float:
    low, high = ends
    margin = 0.01 * (high - low)
    return float(((outputs < low + margin) | (outputs > high - margin)).mean())


def _size(delta: np.ndarray | None) -> float:
    return np.nan if delta is None else float(np.sqrt((delta.astype(np.float64) ** 2).mean()))


def _bends(layer: Layer) -> bool:
    return not layer.linear


@partial(jax.jit, static_argnums=(0, 1))
def _look(network: Any, loss: Any, params: Any, state: Any, x: Any, y: Any) -> Any:
    ones = jnp.ones(x.shape[0], x.dtype)
    return backpropagate(network, loss, params, state, x, y, ones, key=jax.random.key(0))
