"""What is known of a training without sending rows through the network: program, rows, history. No judgement here."""

from functools import cached_property
from typing import Any

import jax
import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.padding import keep_padding
from pellucid.data.targets import AT_STEPS
from pellucid.doctor.losses import reads_of
from pellucid.doctor.skill import as_rows, class_numbers
from pellucid.functions.activations import Activation as Function
from pellucid.functions.activations import activations
from pellucid.functions.regularizers import regularizers
from pellucid.layers import Activation, Frozen
from pellucid.layers.layer import weights_of
from pellucid.runs.ready import summary_of
from pellucid.runs.trained import Trained
from pellucid.training import initial_state

SAMPLE, FEWER = 4000, 1024
"""Most rows of a part that are read; fewer where nothing may be compiled."""
SAME_COLUMN = 0.9
"""A target that correlates with its input as closely is that input, scaled or with noise; of so many all are."""


def filled(y: np.ndarray) -> np.ndarray:
    """Targets with blanks taken as the mean of the others of their column; of labels as the more frequent answer.

    Example:
        >>> filled(np.array([[1.0, 0.5], [1.0, np.nan], [np.nan, 2.5]])).tolist()
        [[1.0, 0.5], [1.0, 1.5], [1.0, 2.5]]
    """
    blank = np.isnan(y) if y.ndim == 2 and y.dtype.kind == "f" else np.zeros(1, bool)
    if not blank.any():
        return y
    mean = np.nansum(y, axis=0) / np.maximum((~blank).sum(axis=0), 1)
    answers = np.unique(y[~blank])
    if len(answers) <= 2:
        mean = np.where(mean > answers.mean(), answers[-1], answers[0])
    return np.where(blank, mean, y).astype(y.dtype)


class Facts:
    """A run and what is known of it, each thing when it is first asked for.

    Args:
        run: the run.
        compiles: whether passes through the network may be compiled, and many rows read.
    """

    def __init__(self, run: Trained, compiles: bool = True) -> None:
        if run.training is None:
            raise DataError("the doctor needs the rows of the training, which this run does not hold.")
        self.run, self.compiles = run, compiles

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
    def reads(self) -> str:
        """What outputs mean to the loss: probabilities, logits, margins, numbers or scores."""
        return reads_of(self.loss)

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
    def penalty_by_loss(self) -> float:
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
        layer = self._last_layer
        return activations.build(layer.function) if isinstance(layer, Activation) else None

    @property
    def _last_layer(self) -> Any:
        return self.network.layers[self.network.ends[0]]

    @property
    def last_name(self) -> str:
        """Its name, ``"linear"`` for none; that of a custom layer."""
        layer = self._last_layer
        if self.last is not None:
            return self.last.name
        return "linear" if hasattr(layer, "weights") or isinstance(layer, Frozen) else getattr(layer, "name", "custom")

    @cached_property
    def maps(self) -> tuple[int, ...]:
        """The indices of the layers with weights, frozen ones too."""
        own = [i for i in range(len(self.network.layers)) if self.network.owner(i) == i]
        return tuple(i for i in own if self.weights(i))

    def weights(self, index: int) -> list[np.ndarray]:
        """The initial weights of a layer."""
        params, _ = self.network.layers[index].unpack(self.params_start[index], self.state_start.layer_state[index])
        return [np.asarray(w) for w in weights_of(params)]

    @cached_property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [row.output_shape for row in summary_of(self.network, self.run.facts.input_shape).rows]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of what the network gives for an example."""
        return self._shapes[self.network.ends[0]]

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an example."""
        return self.output_shape[-1]

    @property
    def narrowest(self) -> int:
        """The fewest numbers that an example is turned into between input and output."""
        return min(int(np.prod(shape)) for shape in self._shapes)

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
        end = self.network.ends[0] if self.last is not None else None
        return all(layer.linear for i, layer in enumerate(self.network.layers) if i != end)

    @cached_property
    def state_start(self) -> Any:
        """The training's state before its first step, initialised again by the program that did it."""
        experiment = self.run.experiment
        penalty = None if experiment.regularizer is None else regularizers.build(experiment.regularizer)
        shape, recorder = self.run.facts.input_shape, self.run.program.recorder
        given = {} if self.run.initial is None else self.run.initial.arrays
        return initial_state(
            self.network, self.training.optimizer, penalty, shape, experiment.seed, recorder=recorder, given=given
        )

    @property
    def params_start(self) -> Any:
        """The parameters before training."""
        return self.state_start.params

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
    def sample(self) -> np.ndarray:
        """The indices of the training rows that are read, in their order: all, or some chosen once."""
        return chosen(self.rows, SAMPLE if self.compiles else FEWER)

    @cached_property
    def sample_new(self) -> np.ndarray:
        """The same of the held-out rows."""
        return chosen(self.training.monitor.rows, SAMPLE if self.compiles else FEWER)

    @cached_property
    def x(self) -> np.ndarray:
        """The sample of the training inputs."""
        return self.scaled(np.asarray(self.training.train.x)[self.sample])

    @cached_property
    def y(self) -> np.ndarray:
        """The sample's targets, as the loss takes them; blanks as `filled` reads them."""
        train = self.training.train
        return self.x if train.y is None else filled(np.asarray(train.y)[self.sample])

    @cached_property
    def x_new(self) -> np.ndarray | None:
        """Held-out inputs: all, or some chosen once."""
        monitor = self.training.monitor
        return None if monitor is None else self.scaled(np.asarray(monitor.x)[self.sample_new])

    @cached_property
    def y_new(self) -> np.ndarray | None:
        """Their targets."""
        monitor = self.training.monitor
        if monitor is None:
            return None
        return self.x_new if monitor.y is None else filled(np.asarray(monitor.y)[self.sample_new])

    @cached_property
    def finite(self) -> np.ndarray:
        """The sample's inputs as rows of numbers, 0 where they are not finite."""
        x = as_rows(self.x).astype(np.float64)
        return np.where(np.isfinite(x), x, 0)

    @cached_property
    def standard(self) -> tuple[np.ndarray, np.ndarray]:
        """What standardises the inputs, mean and 1 / standard deviation: of a table by column, else as a whole."""
        axes = 0 if self.x.ndim == 2 else None
        mean, deviation = np.nanmean(self.x, axes), np.nanstd(self.x, axes)
        return mean, 1 / np.where(deviation > 1e-12, deviation, 1)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Class numbers of the sample; None where there are no classes."""
        return class_numbers(self.y) if self.classifies else None

    @cached_property
    def labels_new(self) -> np.ndarray | None:
        """Class numbers of the held-out rows."""
        return class_numbers(self.y_new) if self.classifies and self.y_new is not None else None

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
        """Whether the loss became NaN or infinite."""
        return self.run.stopped == "diverged" or not np.isfinite(self.losses).all()

    def measure(self, name: str) -> np.ndarray:
        """(recorded steps, layers) of one of the recorder's measures; no rows where it was not recorded."""
        table = self.run.history.layers
        layers = len(self.network.names)
        return np.asarray(table[name]).reshape(-1, layers) if name in table else np.zeros((0, layers))

    @cached_property
    def update_ratio(self) -> float:
        """The size of an update by that of the weights: the median over steps and layers; NaN if unrecorded."""
        ratios = self.measure("update_ratio")
        return float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else float("nan")

    @cached_property
    def falling(self) -> float:
        """The fraction of the loss's fall in the last fifth of the steps, −1 to 1; NaN of less than ten."""
        losses = self.run.history.step_rows[:, 0]
        if len(losses) < 10:
            return float("nan")
        parts = [float(part.mean()) for part in np.array_split(losses, 5)]
        return float(np.clip((parts[3] - parts[4]) / max(parts[0] - parts[4], 1e-12), -1, 1))

    @cached_property
    def jump(self) -> float:
        """The last loss by the least; infinite where it became NaN or infinite."""
        if self.diverged or not len(self.losses):
            return np.inf
        return float(self.losses[-1] / max(abs(float(np.nanmin(self.losses))), 1e-12))

    @cached_property
    def worst_jump(self) -> float:
        """The greatest loss after the first by the first: above 1 the training went up before it went anywhere."""
        losses = self.run.history.step_rows[:, 0]
        if self.diverged or len(losses) < 2:
            return np.inf if self.diverged else 1.0
        return float(np.nanmax(losses[1:]) / max(abs(float(losses[0])), 1e-12))

    @cached_property
    def oscillation(self) -> float:
        """The fraction of the epochs, in the second half, that ended higher than the one before by over a hundredth."""
        losses = self.losses[len(self.losses) // 2 :]
        if len(losses) < 4 or not np.isfinite(losses).all():
            return float("nan")
        return float((losses[1:] > 1.01 * losses[:-1]).mean())

    @property
    def not_finite(self) -> str:
        """Where numbers became NaN or infinite, as the end of a sentence: the first step, the first layer recorded."""
        bad = np.flatnonzero(~np.isfinite(self.run.history.step_rows[:, 0]))
        text = f" at step {int(bad[0]) + 1}" if len(bad) else ""
        sick = self.measure("finite") == 0
        if sick.any():
            layer = int(np.flatnonzero(sick[int(np.flatnonzero(sick.any(1))[0])])[0])
            text += f", first in {self.network.names[layer]}"
        return text


def readable(run: Trained) -> bool:
    """Whether the rules of a supervised training can read a run: of one input and one output, that is of a row."""
    if run.adversarial or run.facts.task in ("translation", *AT_STEPS):
        return False
    return len(run.network.inputs) == len(run.network.outputs) == 1


def chosen(rows: int, most: int) -> np.ndarray:
    """The indices of all rows, or of some chosen once, in their order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def some_rows(part: Any, kept: np.ndarray) -> Any:
    """Some of the rows of a part."""
    return jax.tree.map(lambda array: np.asarray(array)[kept], part)
