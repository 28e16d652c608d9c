"""Rosenblatt's perceptron: one neuron and its learning rule.

`Perceptron` learns, `FittedPerceptron` predicts, shows each step, and states why training stopped. `and_gate` is
the worked example.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich

import pellucid as pel
from pellucid.activations import Step
from pellucid.core.constraints import POSITIVE, Interval, WholeNumber, constrained, validate
from pellucid.report import terminal
from pellucid.report.document import Document, Table
from pellucid_textbook.separable import NotSeparable, Separable, separability, write_point
from pellucid_textbook.two_classes import as_table, as_two_classes


class LearningStep(NamedTuple):
    """One example seen by a perceptron: the neuron's arithmetic, and what the rule changed.

    ``weights`` and ``bias`` are those after the step.

    Example:
        >>> step = Perceptron().fit([[2.0], [3.0]], [0, 1], record=True).steps[0]
        >>> step.z, step.prediction, step.error, step.weight_change, step.bias_change
        (0.0, 1, -1, (-2.0,), -1.0)
    """

    epoch: int
    example: int
    x: tuple[float, ...]
    y: int
    z: float
    prediction: int
    error: int
    weight_change: tuple[float, ...]
    bias_change: float
    weights: tuple[float, ...]
    bias: float


@dataclass(frozen=True)
class Perceptron:
    """One neuron with a step activation, taught by correcting its mistakes.

    Formula:
        z = Σ w_i x_i + b; ŷ = 1 if z ≥ 0 else 0; on a mistake w ← w + η (y − ŷ) x, b ← b + η (y − ŷ)

    Examples are visited in order until a whole pass makes no mistake. On linearly separable data that happens
    after finitely many mistakes; on other data it never does, and `FittedPerceptron.verdict` proves it.

    Args:
        learning_rate: η > 0. From a start at zero it scales w and b together and changes no prediction.
        max_epochs: passes over the examples before giving up, at least 1.
        shuffle: visit the examples in a new random order in each pass.
        seed: of that order.
        weights: the weights to start from, one for each input; None for zeros.
        bias: the bias to start from.
        averaged: predict with the mean of the weights after every example visited, in place of the last
            weights, which depend on which mistake happened to be the last.

    Raises:
        InvalidValue: a hyperparameter outside what is allowed.

    Example:
        >>> fitted = Perceptron().fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
        >>> fitted.weights.tolist(), fitted.bias, fitted.mistakes_per_epoch
        ([2.0, 1.0], -3.0, (2, 3, 3, 2, 1, 0))

    scikit-learn's ``Perceptron`` predicts class 1 only where z > 0, shuffles by default, and stops once the
    loss no longer falls, so also on data that it has not learnt.

    Source: Rosenblatt, "The perceptron", 1958; averaged: Freund & Schapire, "Large margin classification
    using the perceptron algorithm", 1999.
    """

    learning_rate: float = constrained(1.0, POSITIVE, "step of a correction")
    max_epochs: int = constrained(1000, WholeNumber(1), "passes before giving up")
    shuffle: bool = False
    seed: int = constrained(0, WholeNumber(0), "seed of the order of visits")
    weights: Sequence[float] | None = None
    bias: float = constrained(0.0, Interval(), "bias to start from")
    averaged: bool = False

    def __post_init__(self) -> None:
        validate(self)
        if self.weights is not None:
            weights = np.asarray(self.weights, np.float64)
            if weights.ndim != 1 or not np.isfinite(weights).all():
                raise pel.InvalidValue(
                    "Perceptron.weights must be finite numbers, one for each input. "
                    f"Received: {self.weights!r}. Leave them out to start from zeros."
                )
            object.__setattr__(self, "weights", tuple(weights.tolist()))

    def start(self, inputs: int) -> np.ndarray:
        """The weights to start from, followed by the bias: shape (inputs + 1,)."""
        weights = np.zeros(inputs) if self.weights is None else np.asarray(self.weights)
        if len(weights) != inputs:
            raise pel.ShapeError(
                f"the perceptron starts from {len(weights)} weights and x has {inputs} inputs. "
                "Give one weight for each input, or none to start from zeros."
            )
        return np.append(weights, self.bias)

    def fit(self, x: Any, y: Any, *, record: bool = False) -> "FittedPerceptron":
        """Visit the examples until a whole pass makes no mistake, or ``max_epochs`` are over.

        Args:
            x: examples, shape (rows, inputs), any type of number; kept in that type.
            y: one of two values for each row: 0 and 1, False and True, or two names. The one that sorts last
                is class 1.
            record: keep every step, for `FittedPerceptron.steps`; costs a row of inputs for each visit.

        Returns:
            The fitted perceptron. This object stays as it was.

        Raises:
            ShapeError: x is not a table, or does not fit y or the start.
            DataError: x holds something other than finite numbers, or y other than two classes.

        Example:
            >>> fitted = Perceptron(max_epochs=10).fit([[1.0], [2.0]], ["ham", "spam"])
            >>> fitted.predict([[0.5], [3.0]]).tolist()
            ['ham', 'spam']
        """
        x = as_table(x)
        classes, y = as_two_classes(y, len(x))
        start = self.start(x.shape[1])
        visits = np.random.default_rng(self.seed)
        mistakes: list[int] = []
        steps: list[LearningStep] = []
        # In float64, and with η outside the sum of corrections: whole-number inputs then add up without
        # rounding, so that from a start at zero z ≥ 0 is decided as it would be by hand, whatever η.
        with jax.enable_x64(True):
            data = jnp.asarray(x), jnp.asarray(y, jnp.float64), jnp.asarray(x @ start[:-1] + start[-1])
            carry = (jnp.zeros(len(start)), jnp.zeros(len(start)), jnp.zeros(()))
            while len(mistakes) < self.max_epochs and (not mistakes or mistakes[-1] > 0):
                order = visits.permutation(len(x)) if self.shuffle else np.arange(len(x))
                carry, wrong, trace = _epoch(*data, self.learning_rate, carry, order, record=record)
                mistakes.append(int(wrong))
                if record:
                    steps += _steps(len(mistakes), order, x, y, start, self.learning_rate, trace)
        last, late, visited = (np.asarray(part) for part in carry)
        corrections = last - late / visited if self.averaged else last
        return FittedPerceptron(self, classes, corrections, tuple(mistakes), tuple(steps), x, y)


@partial(jax.jit, static_argnames="record")
def _epoch(
    x: Any, y: Any, start_z: Any, learning_rate: Any, carry: Any, order: Any, *, record: bool
) -> tuple[Any, jax.Array, Any]:
    """One pass over the examples, as one compiled loop.

    ``corrections`` is Σ (y − ŷ) (x, 1) over the mistakes so far, so that (w, b) is start + η · corrections.
    In ``late`` each correction counts as often as there were visits before it, so that the mean of the
    corrections after every visit is corrections − late / visits.
    """

    def visit(carry: Any, row: jax.Array) -> Any:
        corrections, late, visits = carry
        example = jnp.append(x[row].astype(corrections.dtype), 1.0)
        z = start_z[row] + learning_rate * (corrections @ example)
        prediction = Step().value(z)
        error = y[row] - prediction
        corrections = corrections + error * example
        late = late + visits * error * example
        trace = (z, prediction, corrections) if record else None
        return (corrections, late, visits + 1), (error != 0, trace)

    carry, (wrong, trace) = jax.lax.scan(visit, carry, order)
    return carry, wrong.sum(), trace


def _steps(
    epoch: int, order: np.ndarray, x: np.ndarray, y: np.ndarray, start: np.ndarray, rate: float, trace: Any
) -> list[LearningStep]:
    steps = []
    for row, z, prediction, corrections in zip(order, *(part.tolist() for part in trace), strict=True):
        error = int(y[row] - prediction)
        change = rate * error * np.append(x[row], 1) + 0.0  # + 0 makes −0.0 into 0.0
        after = start + rate * np.asarray(corrections)
        (*change_w, change_b), (*weights, bias) = change.tolist(), after.tolist()
        seen = (epoch, int(row), tuple(x[row].tolist()), int(y[row]), z, int(prediction), error)
        steps.append(LearningStep(*seen, tuple(change_w), change_b, tuple(weights), bias))
    return steps


@dataclass(frozen=True, eq=False)
class FittedPerceptron:
    """A fitted perceptron: weights and bias, the mistakes on the way, the reason to stop.

    Formula:
        (w, b) = start + η · corrections, where corrections = Σ (y − ŷ) (x, 1) over the mistakes made

    Attributes:
        perceptron: the hyperparameters.
        classes: the two values of y; the second is class 1.
        corrections: shape (inputs + 1,), the bias last; the mean over all visits where ``averaged``.
        mistakes_per_epoch: mistakes in each pass; the last is 0 if it converged.
        steps: every step, if recorded.

    Example:
        >>> print(Perceptron(max_epochs=20).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]))
        A perceptron of 2 inputs after 20 epochs and 78 mistakes, 4 of them in the last epoch.
        Not linearly separable, so no perceptron can classify every example correctly:
        ½·(0,0) + ½·(1,1) = ½·(0,1) + ½·(1,0) = (½, ½).
        The left side mixes class 0, the right side class 1: a hyperplane between the classes
        would have this point on both sides.
    """

    perceptron: Perceptron
    classes: tuple[Any, Any]
    corrections: np.ndarray
    mistakes_per_epoch: tuple[int, ...]
    steps: tuple[LearningStep, ...] = field(repr=False)
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)

    @property
    def weights(self) -> np.ndarray:
        """The learnt weights, shape (inputs,)."""
        return self._weights_and_bias()[:-1]

    @property
    def bias(self) -> float:
        """The learnt bias."""
        return float(self._weights_and_bias()[-1])

    def _weights_and_bias(self) -> np.ndarray:
        return self.perceptron.start(self.x.shape[1]) + self.perceptron.learning_rate * self.corrections

    @property
    def epochs(self) -> int:
        """Passes made over the examples."""
        return len(self.mistakes_per_epoch)

    @property
    def mistakes(self) -> int:
        """Mistakes made in all."""
        return sum(self.mistakes_per_epoch)

    @property
    def converged(self) -> bool:
        """True if the last pass made no mistake."""
        return self.mistakes_per_epoch[-1] == 0

    def net_input(self, x: Any) -> np.ndarray:
        """The net input ``z = Σ w_i x_i + b`` of each row of x: shape (rows,)."""
        x = as_table(x)
        if x.shape[1] != self.x.shape[1]:
            raise pel.ShapeError(
                f"the perceptron was fitted on {self.x.shape[1]} inputs. Received: x of shape {x.shape}. "
                "Give the same inputs in the same order."
            )
        # The sum is split as in training, so that a net input of exactly 0 is one here too.
        start, learnt = self.perceptron.start(x.shape[1]), self.corrections
        return (x @ start[:-1] + start[-1]) + self.perceptron.learning_rate * (x @ learnt[:-1] + learnt[-1])

    def predict(self, x: Any) -> np.ndarray:
        """The class of each row of x, shape (rows,): the second class where z ≥ 0, else the first."""
        return np.where(self.net_input(x) >= 0, self.classes[1], self.classes[0])

    def strongest_inputs(self, names: Sequence[str], count: int = 10) -> tuple[list[str], list[str]]:
        """The names of the inputs that speak loudest for the second class, and those for the first.

        Args:
            names: a name for each input, in order.
            count: how many on each side, at most.

        Returns:
            Names by weight, the greatest first; names by weight, the most negative first.

        Example:
            >>> fitted = Perceptron().fit([[1, 0], [0, 1]], ["ham", "spam"])
            >>> fitted.strongest_inputs(["lunch", "prize"])
            (['prize'], ['lunch'])
        """
        weights = self.weights
        if len(names) != len(weights):
            raise pel.ShapeError(f"{len(names)} names were given for {len(weights)} inputs. Give one for each.")
        order = np.argsort(weights, kind="stable")
        second = [str(names[i]) for i in order[::-1][:count] if weights[i] > 0]
        first = [str(names[i]) for i in order[:count] if weights[i] < 0]
        return second, first

    @cached_property
    def separability(self) -> Separable | NotSeparable:
        """The proof of whether the training data are linearly separable, found when first asked for."""
        return separability(self.x, self.y)

    @cached_property
    def verdict(self) -> str:
        """Why training stopped; if without success, the proof that it must, or how long it may yet take."""
        if self.converged:
            return "Converged: a whole epoch without a mistake."
        found = self.separability
        if isinstance(found, NotSeparable):
            return str(found)
        bound = found.mistake_bound(self.x, self.perceptron.start(self.x.shape[1]), self.perceptron.learning_rate)
        return (
            f"{found}\nMore epochs are needed: from this start a perceptron makes at most {bound:,} mistakes "
            f"on these examples (Novikoff 1962), of which {self.mistakes:,} are made. Raise max_epochs."
        )

    def __str__(self) -> str:
        return (
            f"A perceptron of {self.x.shape[1]} inputs after {self.epochs} epochs and {self.mistakes:,} "
            f"mistakes, {self.mistakes_per_epoch[-1]:,} of them in the last epoch.\n{self.verdict}"
        )

    def print_steps(self) -> None:
        """Print every recorded step as a table: the rule as one would work it by hand.

        Raises:
            InvalidValue: the steps were not recorded.
        """
        if not self.steps:
            raise pel.InvalidValue("no steps were recorded. Fit with record=True to see them.")
        head = ("epoch", "row", "x", "y", "z", "ŷ", "y − ŷ", "Δw", "Δb", "w", "b")
        rows = [[write_point(value) if isinstance(value, tuple) else value for value in step] for step in self.steps]
        rich.print(terminal.renderable(Document("Perceptron learning rule, step by step", Table(head, rows))))


class Gate(NamedTuple):
    """A truth table and a perceptron to start from."""

    x: np.ndarray
    y: np.ndarray
    perceptron: Perceptron


def and_gate() -> Gate:
    """The AND gate, and the perceptron with w₁ = w₂ = 0.5 and b = −0.7.

    Formula:
        z = 0.5 x₁ + 0.5 x₂ − 0.7 is −0.7, −0.2, −0.2 and 0.3 on the four rows

    This start is already right on all four rows, so the learning rule finds nothing to correct. A perceptron
    that starts from zeros has to learn the gate.

    Returns:
        x of shape (4, 2), y of shape (4,), and the perceptron.

    Example:
        >>> x, y, perceptron = and_gate()
        >>> perceptron.fit(x, y).mistakes_per_epoch, Perceptron().fit(x, y).mistakes_per_epoch
        ((0,), (2, 3, 3, 2, 1, 0))
    """
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return Gate(x, x.all(axis=1).astype(int), Perceptron(weights=(0.5, 0.5), bias=-0.7))
