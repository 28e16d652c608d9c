"""What passes through the network measure: outputs, gradients, dead and saturated units, skill."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.doctor.facts import Facts
from pellucid.doctor.losses import threshold_of
from pellucid.doctor.skill import class_numbers, classes_named, skill_of_classes, skill_of_labels, skill_of_numbers
from pellucid.functions.activations import Activation as Function
from pellucid.functions.activations import Elementwise
from pellucid.layers import Activation
from pellucid.network import backpropagate, rows_that_fit
from pellucid.network.memory import SINGLE_PASS
from pellucid.runs.outputs import outputs_of

PROBE_ROWS = 256
"""Most rows of the batch that is sent through the network."""
ACCURACIES = ("accuracy", "binary_accuracy")
RECORDS = 4
"""Last measurements of the recorder that stand for the end of a training."""
RECORDED_BATCH = 8
"""Fewest rows of a batch on which a unit that is always 0 means something."""


class Pass(NamedTuple):
    """A forward and a backward pass of the probe batch, as NumPy arrays."""

    loss: float
    outputs: tuple[np.ndarray, ...]
    deltas: tuple[np.ndarray | None, ...]
    grads: tuple[dict[str, Any], ...]
    state: tuple[Any, ...]


@dataclass(frozen=True)
class Hidden:
    """One activation inside the network, by the index of its layer."""

    index: int
    function: Function

    @property
    def shares(self) -> bool:
        """Whether its units compete, as those of a softmax do."""
        return not isinstance(self.function, Elementwise)

    @property
    def bounded(self) -> bool:
        """Whether it has two ends, a unit by itself."""
        return bool(np.isfinite(self.function.range).all()) and not self.shares

    @property
    def rectifies(self) -> bool:
        """Whether it is 0, and flat, for all negative inputs."""
        return self.function.name == "relu"


class Passes(Facts):
    """The facts of a run, and what passes through its network measure.

    Where nothing may be compiled, the recorder's measures stand for the layers, where there are enough of them, and the
    program that evaluated the training gives the outputs.
    """

    @cached_property
    def probe(self) -> np.ndarray:
        """The indices, in the sample, of the probe batch: chosen once, without regard to their order."""
        rows = np.arange(len(self.x))
        most = min(PROBE_ROWS, rows_that_fit(self.network, self.run.facts.input_shape, SINGLE_PASS))
        return rows if len(rows) <= most else np.random.default_rng(0).permutation(rows)[:most]

    def passed(self, params: Any, state: Any, x: np.ndarray | None = None) -> Pass:
        """A pass of the probe batch, or of other inputs in its place, in training mode."""
        inputs = jnp.asarray(self.x[self.probe] if x is None else x)
        result = _pass(self.network, self.loss, params, state, inputs, jnp.asarray(self.y[self.probe]))
        return Pass(
            float(result.loss), *jax.tree.map(np.asarray, (result.outputs, result.deltas, result.grads, result.state))
        )

    @cached_property
    def start(self) -> Pass:
        """Before training."""
        return self.passed(self.params_start, self.state_start.layer_state)

    @cached_property
    def end(self) -> Pass:
        """After training."""
        return self.passed(self.run.params, self.run.layer_state)

    def passed_standardised(self, params: Any, state: Any) -> Pass:
        """The same with standardised inputs."""
        mean, scale = self.standard
        return self.passed(params, state, ((self.x[self.probe] - mean) * scale).astype(self.x.dtype))

    @cached_property
    def recorded(self) -> bool:
        """Whether the recorder stands for the layers, and saw enough of them."""
        if self.compiles or self.run.program.batch_size < RECORDED_BATCH:
            return False
        return min(len(self.measure(name)) for name in ("dead_units", "fraction_saturated", "gradient_norm")) > 1

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """The activations inside the network."""
        inner = [(i, layer) for i, layer in enumerate(self.network.layers) if i not in self.network.ends]
        return tuple(Hidden(i, layer.function) for i, layer in inner if isinstance(layer, Activation))  # pyright: ignore[reportArgumentType]

    def dead(self, hidden: Hidden) -> tuple[float, float]:
        """The fraction of an activation's units that are 0 for every row, before training and after."""
        if not self.recorded:
            return dead_fraction(self.start.outputs[hidden.index]), dead_fraction(self.end.outputs[hidden.index])
        history, name = self.run.history, self.network.names[hidden.index]
        active = history.active[history.unit_layers.index(name)]
        dead = self.measure("dead_units")[:, hidden.index]
        last = len(dead) - min(RECORDS, len(dead) - 1)
        return float(dead[0]) / len(active), float((active < last * history.recorder.every).mean())

    def saturated(self, hidden: Hidden) -> tuple[float, float]:
        """The fraction of its outputs that are within 1 % of the end of its range, before training and after."""
        if self.recorded:
            fractions = self.measure("fraction_saturated")[:, hidden.index]
            return float(fractions[0]), float(fractions[-RECORDS:].mean())
        low, high = hidden.function.range
        margin = 0.01 * (high - low)
        outputs = (self.start.outputs[hidden.index], self.end.outputs[hidden.index])
        before, after = (float(((a < low + margin) | (a > high - margin)).mean()) for a in outputs)
        return before, after

    @cached_property
    def gradients(self) -> list[float]:
        """The size of the gradients at each layer with weights, before training: of a pass ∂L/∂z, recorded ∂L/∂W."""
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
        run, like = self.run, self.run.facts.held_out_rows or None
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

    @cached_property
    def decides_hard(self) -> bool:
        """Whether every output is 0 or 1 and nothing between, as a perceptron's are."""
        custom = self.last is None and self.last_name != "linear"
        return custom and set(np.unique(self.prediction)) <= {0.0, 1.0}

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """The classes that outputs name."""
        return classes_named(outputs, self.loss)

    def skill(self, outputs: np.ndarray, y: np.ndarray) -> float:
        """How far outputs are on the way from guessing, 0, to perfect, 1."""
        if self.classifies:
            return skill_of_classes(self.decide(outputs), class_numbers(y))
        if self.task == "multilabel":
            return skill_of_labels(outputs > threshold_of(self.loss), y)
        return skill_of_numbers(outputs, y)

    @cached_property
    def skill_train(self) -> float:
        """Skill on the sample of the training rows; without passes by the last epoch's accuracy, if it is known."""
        table, name = self.run.history.epochs, self.run.history.metric_name
        if self.compiles or self.labels is None or name not in ACCURACIES or not len(table["epoch"]):
            return self.skill(self.prediction, self.y)
        common = float(np.unique(self.labels, return_counts=True)[1].max() / len(self.labels))
        return float(max(0.0, (table[name][-1] - common) / max(1 - common, 1e-9)))

    @cached_property
    def skill_new(self) -> float:
        """Skill on the held-out rows; on the training rows where there are none."""
        if self.prediction_new is None or self.y_new is None:
            return self.skill_train
        return self.skill(self.prediction_new, self.y_new)


def dead_fraction(outputs: np.ndarray) -> float:
    """The fraction of units that are 0 for every row."""
    return float((outputs.reshape(-1, outputs.shape[-1]) == 0).all(0).mean())


def _size(delta: np.ndarray | None) -> float:
    return np.nan if delta is None else float(np.sqrt((delta.astype(np.float64) ** 2).mean()))


@partial(jax.jit, static_argnums=(0, 1))
def _pass(network: Any, loss: Any, params: Any, state: Any, x: Any, y: Any) -> Any:
    ones = jnp.ones(x.shape[0], x.dtype)
    return backpropagate(network, loss, params, state, x, y, ones, key=jax.random.key(0))
