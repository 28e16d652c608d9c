"""Rosenblatt's perceptron: one neuron, its learning rule, and a proof where no perceptron can learn.

`Perceptron` learns, `FittedPerceptron` predicts and shows each step, `separability` decides with a proof
whether any perceptron could classify the data without a mistake. `and_gate` and `spam_detection` are the
worked examples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich
from rich.table import Table

from pellucid.core.checks import (
    POSITIVE,
    DataError,
    Interval,
    InvalidValue,
    ShapeError,
    WholeNumber,
    constrained,
    validate,
)
from pellucid.data.arrays import split_rows
from pellucid.data.text import Vocabulary, bag_of_words
from pellucid.functions.activations import Step

TOLERANCE = 1e-9
"""How far apart, relative to the largest value of an input, rounding alone may put two equal points."""

EXACT_EXAMPLES = 40
"""A certificate of at most so many examples is solved in fractions (40 of arbitrary floats: a second)."""


# ---------------------------------------------------------------------------------------------- the neuron


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
                raise InvalidValue(
                    "Perceptron.weights must be finite numbers, one for each input. "
                    f"Received: {self.weights!r}. Leave them out to start from zeros."
                )
            object.__setattr__(self, "weights", tuple(weights.tolist()))

    def start(self, inputs: int) -> np.ndarray:
        """The weights to start from, followed by the bias: shape (inputs + 1,)."""
        weights = np.zeros(inputs) if self.weights is None else np.asarray(self.weights)
        if len(weights) != inputs:
            raise ShapeError(
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
        x = _table(x)
        classes, y = _two_classes(y, len(x))
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
    x: jax.Array,
    y: jax.Array,
    start_z: jax.Array,
    learning_rate: jax.Array,
    carry: tuple[jax.Array, jax.Array, jax.Array],
    order: jax.Array,
    *,
    record: bool,
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
    """The record of one pass, as the rule is written down by hand."""
    steps = []
    for row, z, prediction, corrections in zip(order, *(part.tolist() for part in trace), strict=True):
        error = int(y[row] - prediction)
        change = rate * error * np.append(x[row], 1) + 0.0  # + 0 makes −0.0 into 0.0
        after = start + rate * np.asarray(corrections)
        steps.append(
            LearningStep(
                epoch=epoch,
                example=int(row),
                x=tuple(x[row].tolist()),
                y=int(y[row]),
                z=z,
                prediction=int(prediction),
                error=error,
                weight_change=tuple(change[:-1].tolist()),
                bias_change=float(change[-1]),
                weights=tuple(after[:-1].tolist()),
                bias=float(after[-1]),
            )
        )
    return steps


@dataclass(frozen=True, eq=False)
class FittedPerceptron:
    """What a perceptron has learnt: weights and bias, the mistakes on the way, and why it stopped.

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
        """Whether the last pass made no mistake."""
        return self.mistakes_per_epoch[-1] == 0

    def net_input(self, x: Any) -> np.ndarray:
        """The net input ``z = Σ w_i x_i + b`` of each row of x: shape (rows,)."""
        x = _table(x)
        if x.shape[1] != self.x.shape[1]:
            raise ShapeError(
                f"the perceptron was fitted on {self.x.shape[1]} inputs. Received: x of shape {x.shape}. "
                "Give the same inputs in the same order."
            )
        # The sum is split as in training, so that a net input of exactly 0 is one here too.
        start, learnt = self.perceptron.start(x.shape[1]), self.corrections
        return (x @ start[:-1] + start[-1]) + self.perceptron.learning_rate * (x @ learnt[:-1] + learnt[-1])

    def predict(self, x: Any) -> np.ndarray:
        """The class of each row of x, shape (rows,): the second class where z ≥ 0, else the first."""
        with jax.enable_x64(True):
            fires = np.asarray(Step().value(jnp.asarray(self.net_input(x))), np.int64)
        return np.asarray(self.classes)[fires]

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
            raise ShapeError(f"{len(names)} names were given for {len(weights)} inputs. Give one for each.")
        order = np.argsort(weights, kind="stable")
        second = [str(names[i]) for i in order[::-1][:count] if weights[i] > 0]
        first = [str(names[i]) for i in order[:count] if weights[i] < 0]
        return second, first

    @cached_property
    def separability(self) -> "Separable | NotSeparable":
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
        bound = found.mistake_bound(self.x, self.perceptron)
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
            raise InvalidValue("no steps were recorded. Fit with record=True to see them.")
        table = Table(title="Perceptron learning rule, step by step", box=None, padding=(0, 1))
        for heading in ("epoch", "row", "x", "y", "z", "ŷ", "y − ŷ", "Δw", "Δb", "w", "b"):
            table.add_column(heading, justify="right", no_wrap=True)
        for step in self.steps:
            epoch, row, *values = step
            table.add_row(
                str(epoch),
                str(row),
                *(_written_point(v) if isinstance(v, tuple) else f"{v:.4g}" for v in values),
                style="bold" if step.error else None,
            )
        rich.print(table)


# --------------------------------------------------------------------------------------- what can be learnt


@dataclass(frozen=True, eq=False)
class Separable:
    """The proof that a perceptron can learn the data: a hyperplane between the classes.

    Formula:
        w·x + b > 0 on class 1, w·x + b < 0 on class 0; margin = min |w·x + b| / ‖w‖₂

    Attributes:
        weights: w, shape (inputs,), the largest entry ±1.
        bias: b, halfway between the classes.
        margin: the Euclidean distance from the hyperplane to the nearest example, so a lower bound on the
            widest margin there is. (The linear program widens the gap for max |w_k| = 1, not for ‖w‖₂ = 1.)

    Example:
        >>> found = separability([[0, 0], [4, 0]], [0, 1])
        >>> found.weights.tolist(), found.bias, found.margin
        ([1.0, 0.0], -2.0, 2.0)
    """

    weights: np.ndarray
    bias: float
    margin: float

    def verify(self, x: Any, y: Any) -> bool:
        """Whether every example lies strictly on its side, by more than rounding can account for."""
        x = _table(x)
        _, y = _two_classes(y, len(x))
        sides = np.where(y, 1, -1) * (x @ self.weights + self.bias)
        # Higham 2002, section 3.1: a sum of n products is wrong by at most n ε Σ |products|, to first order.
        size = np.abs(x, dtype=np.float64) @ np.abs(self.weights) + abs(self.bias)
        return bool((sides > 2 * (len(self.weights) + 1) * np.finfo(np.float64).eps * size).all())

    def mistake_bound(self, x: Any, perceptron: Perceptron) -> int:
        """The most mistakes that a perceptron can make on these examples, visited in any order.

        Formula:
            k ≤ (R/γ)² from a start at zero, R = max ‖(x, 1)‖₂, γ = min |w·x + b| / ‖(w, b)‖₂

        Why: let u = (w, b) / ‖(w, b)‖₂ and v the perceptron's own weights and bias. A mistake adds at least
        ηγ to v·u, and at most η²R² to ‖v‖². So after k of them, from the start v₀,
        v₀·u + kηγ ≤ v·u ≤ ‖v‖ ≤ √(‖v₀‖² + kη²R²), and the bound is the greatest such k. As γ is this
        hyperplane's and not the best one's, the bound is safe and often far from tight.

        Args:
            x: the examples that this hyperplane separates, shape (rows, inputs).
            perceptron: whose start and learning rate are used.

        Example:
            >>> separability([[0.0], [3.0]], [0, 1]).mistake_bound([[0.0], [3.0]], Perceptron())
            14

        Source: Novikoff, "On convergence proofs on perceptrons", 1962.
        """
        x, rate = _table(x), perceptron.learning_rate
        start, plane = perceptron.start(x.shape[1]), np.append(self.weights, self.bias)
        radius2 = float((np.square(x, dtype=np.float64).sum(axis=1) + 1).max())
        gain = rate * self.margin * float(np.linalg.norm(self.weights) / np.linalg.norm(plane))
        ahead = float(start @ plane / np.linalg.norm(plane))
        # (v₀·u + k ηγ)² = ‖v₀‖² + k η²R², solved for k.
        half = rate**2 * radius2 / 2 - ahead * gain
        across = max(float(start @ start) - ahead**2, 0.0)
        most = (half + math.sqrt(half**2 + gain**2 * across)) / gain**2
        return math.floor(most * (1 + TOLERANCE))  # rounding must not cost a mistake

    def __str__(self) -> str:
        return f"Linearly separable: a hyperplane keeps {self.margin:.4g} away from every example."


@dataclass(frozen=True, eq=False)
class Certificate:
    """A point that is a mixture of class-0 examples and also of class-1 examples.

    Formula:
        Σ β_j x_j = Σ α_i x_i, with α, β ≥ 0, Σ α = Σ β = 1, i over class 1 and j over class 0

    Why no hyperplane separates: if w·x + b were < 0 on all x_j and ≥ 0 on all x_i, it would be < 0 at the
    left-hand side and ≥ 0 at the right-hand side, which are one point.

    Attributes:
        rows: the numbers of the rows that are mixed, those of class 0 and those of class 1.
        shares: β and α, in the order of the rows: fractions if the proof is exact, else floats.
        points: the rows themselves, class 0 first.

    Example:
        >>> certificate = separability([[0.0], [4.0], [1.0]], [0, 0, 1]).certificate
        >>> print(certificate)
        ¾·(0) + ¼·(4) = (1) = (1)
        >>> certificate.exact, certificate.verify([[0.0], [4.0], [1.0]], [0, 0, 1])
        (True, True)

    Source: Kirchberger, "Über Tchebychefsche Annäherungsmethoden", 1903: inputs + 2 rows are enough.
    """

    rows: tuple[tuple[int, ...], tuple[int, ...]]
    shares: tuple[tuple[Fraction | float, ...], tuple[Fraction | float, ...]]
    points: tuple[np.ndarray, np.ndarray]

    @property
    def exact(self) -> bool:
        """Whether the shares are fractions, so that the proof has no rounding in it."""
        return all(isinstance(share, Fraction) for side in self.shares for share in side)

    def mixture(self, side: int) -> list[Fraction | float]:
        """The point that the rows of class ``side`` mix to: in fractions if exact, else rounded once."""
        columns = self.points[side].T.tolist()
        if self.exact:
            return [sum((s * Fraction(v) for s, v in self._mixed(side, c)), Fraction(0)) for c in columns]
        return [math.fsum(share * value for share, value in self._mixed(side, column)) for column in columns]

    def _mixed(self, side: int, column: list[Any]) -> list[tuple[Any, Any]]:
        return [(share, value) for share, value in zip(self.shares[side], column, strict=True) if value]

    @property
    def residual(self) -> float:
        """The largest difference of the two mixtures in any input, relative to that input's largest value."""
        sizes = np.abs(np.concatenate(self.points).astype(np.float64)).max(axis=0)
        both = zip(self.mixture(0), self.mixture(1), sizes.tolist(), strict=True)
        return max(float(abs(left - right)) / (size or 1.0) for left, right, size in both)

    def verify(self, x: Any, y: Any) -> bool:
        """Whether this proves that x and y are not separable, worked out again from the data.

        Exactly, if the shares are fractions; else sums of shares and mixtures may differ by `TOLERANCE`.
        """
        x = _table(x)
        _, y = _two_classes(y, len(x))
        allowed = 0.0 if self.exact else TOLERANCE
        return (
            all(
                np.array_equal(x[list(rows)], kept) for rows, kept in zip(self.rows, self.points, strict=True)
            )
            and all((y[list(rows)] == side).all() for side, rows in enumerate(self.rows))
            and all(share >= 0 for side in self.shares for share in side)
            and all(abs(sum(side) - 1) <= allowed for side in self.shares)
            and self.residual <= allowed
        )

    def __str__(self) -> str:
        short = self.points[0].shape[1] <= 6
        sides = []
        for rows, shares, points in zip(self.rows, self.shares, self.points, strict=True):
            names = [_written_point(p) if short else f"x[{row}]" for row, p in zip(rows, points, strict=True)]
            mixed = zip(shares, names, strict=True)
            sides.append(
                " + ".join(name if share == 1 else f"{_written(share)}·{name}" for share, name in mixed)
            )
        common = f" = ({', '.join(map(_written, self.mixture(0)))})" if short else ""
        rounding = "" if self.exact else f" (to within {self.residual:.1g})"
        return f"{sides[0]} = {sides[1]}{common}{rounding}"


@dataclass(frozen=True)
class NotSeparable:
    """The proof that no hyperplane separates the classes: a certificate that anyone can check."""

    certificate: Certificate

    def __str__(self) -> str:
        return (
            "Not linearly separable, so no perceptron can classify every example correctly:\n"
            f"{self.certificate}.\n"
            "The left side mixes class 0, the right side class 1: a hyperplane between the classes\n"
            "would have this point on both sides."
        )


def separability(x: Any, y: Any) -> Separable | NotSeparable:
    """Decide with a proof whether a perceptron can classify every example correctly.

    Formula:
        maximise γ subject to w·x_i + b ≥ γ on class 1, w·x_j + b ≤ −γ on class 0, |w_k| ≤ 1,
        every input first scaled to lie in [−1, 1]

    Why it decides: by the duality of linear programs 2γ is the least ‖Σ α_i x_i − Σ β_j x_j‖₁ over mixtures
    α of class 1 and β of class 0, the distance of their convex hulls in the 1-norm. So γ > 0 gives a
    hyperplane, and γ = 0 gives, in the dual solution, a point of both hulls. The tie z = 0 adds no third
    case: a perceptron needs z ≥ 0 on class 1 and z < 0 on class 0; as the examples are finitely many, z ≤ −ε
    on class 0 for some ε > 0, and with b + ε/2 both are strict. Hulls that share a point allow neither.

    Whatever the program rounds, the answer is checked. A hyperplane is returned only if every example lies on
    its side by more than rounding explains; a certificate of at most `EXACT_EXAMPLES` examples is solved
    again in fractions, a greater one is good to `TOLERANCE`.

    Args:
        x: examples, shape (rows, inputs).
        y: two classes, as for `Perceptron.fit`.

    Returns:
        `Separable`, with a hyperplane, or `NotSeparable`, with a certificate; either can ``verify`` itself.

    Raises:
        ShapeError: x is not a table, or does not fit y.
        DataError: x holds something other than finite numbers, y other than two classes, or the classes touch
            so nearly that float64 cannot tell which of the two it is.

    Example:
        >>> print(separability([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]).certificate)
        ½·(0,0) + ½·(1,1) = ½·(0,1) + ½·(1,0) = (½, ½)
        >>> print(separability([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]))
        Linearly separable: a hyperplane keeps 0.3536 away from every example.

    Source: Mangasarian, "Linear and nonlinear separation of patterns by linear programming", 1965; Minsky &
    Papert, "Perceptrons", 1969.
    """
    x = _table(x)
    _, y = _two_classes(y, len(x))
    twins = _twins(x, y)
    if twins is not None:
        return NotSeparable(_certificate(x, *twins))
    weights, shares = _widest_gap(x, y)
    projections = x @ weights
    above, below = projections[y == 1].min(), projections[y == 0].max()
    if above > below:
        margin = float((above - below) / 2 / np.linalg.norm(weights))
        separable = Separable(weights, float(-(above + below) / 2), margin)
        if separable.verify(x, y):
            return separable
    zeros, ones = (np.flatnonzero((y == side) & (shares > TOLERANCE)) for side in (0, 1))
    certificate = _certificate(x, zeros, ones, shares)
    if certificate.verify(x, y):
        return NotSeparable(certificate)
    raise DataError(
        "the two classes touch so nearly that float64 cannot tell whether they overlap: their nearest "
        f"mixtures differ by {certificate.residual:.1g} of an input's size, and {TOLERANCE:g} is the limit. "
        "Scale the inputs to similar sizes, or subtract what they have in common."
    )


def _twins(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Two equal rows of different classes, the simplest certificate there is; None if there are none."""
    first: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
    for row, side in enumerate(y.tolist()):
        key = (x[row] + 0).tobytes()  # + 0 makes −0.0 into 0.0
        if key in first[1 - side]:
            pair = {side: row, 1 - side: first[1 - side][key]}
            return np.array([pair[0]]), np.array([pair[1]])
        first[side].setdefault(key, row)
    return None


def _widest_gap(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the hyperplane of largest γ, and each example's share in the hulls' nearest points."""
    from scipy import sparse
    from scipy.optimize import linprog

    # Inputs scaled to [−1, 1] keep the program's own tolerances harmless. Only columns without a zero are
    # shifted: the zeros are what makes a table of words small.
    columns = sparse.csc_array(x, dtype=np.float64)
    low, high = columns.min(axis=0).toarray(), columns.max(axis=0).toarray()
    shift = np.where((low > 0) | (high < 0), (low + high) / 2, 0.0)
    size = np.maximum(high - shift, shift - low)
    scale = np.where(size > 0, size, 1.0)
    stored = np.diff(columns.indptr)
    columns.data = (columns.data - np.repeat(shift, stored)) / np.repeat(scale, stored)

    sign = np.where(y, 1.0, -1.0)
    rows, inputs = x.shape
    sides = sparse.hstack([columns * -sign[:, None], -sign[:, None], np.ones((rows, 1))], format="csc")
    objective = np.zeros(inputs + 2)
    objective[-1] = -1.0
    bounds = [(-1.0, 1.0)] * inputs + [(-np.inf, np.inf)] * 2
    # The simplex method ends in a vertex, which mixes at most inputs + 2 examples.
    solved = linprog(objective, A_ub=sides, b_ub=np.zeros(rows), bounds=bounds, method="highs-ds")
    if not solved.success:
        raise DataError(f"the linear program for separability was not solved. HiGHS: {solved.message}")
    weights = np.where(size > 0, solved.x[:inputs] / scale, 0.0)  # a constant input says nothing
    return weights / (np.abs(weights).max() or 1.0), -2 * solved.ineqlin.marginals


def _certificate(
    x: np.ndarray, zeros: np.ndarray, ones: np.ndarray, shares: np.ndarray | None = None
) -> Certificate:
    """The certificate that mixes these rows: in fractions where that can be solved, else by ``shares``."""
    points = x[zeros], x[ones]
    rows = tuple(zeros.tolist()), tuple(ones.tolist())
    exact = _exact_shares(*points) if len(zeros) + len(ones) <= EXACT_EXAMPLES else None
    if exact is not None:
        return Certificate(rows, (tuple(exact[: len(zeros)]), tuple(exact[len(zeros) :])), points)
    assert shares is not None  # twins are always exact
    rounded = (tuple((shares[side] / shares[side].sum()).tolist()) for side in (zeros, ones))
    return Certificate(rows, (next(rounded), next(rounded)), points)


def _exact_shares(zeros: np.ndarray, ones: np.ndarray) -> list[Fraction] | None:
    """The β and α with Σ β = Σ α = 1 and equal mixtures, by elimination; None if not unique and ≥ 0."""
    unknowns = len(zeros) + len(ones)
    coordinates = np.concatenate([zeros.astype(np.float64), -ones.astype(np.float64)]).T
    equations = [
        [1.0] * len(zeros) + [0.0] * len(ones) + [1.0],
        [0.0] * len(zeros) + [1.0] * len(ones) + [1.0],
    ]
    equations += [[*row, 0.0] for row in coordinates[coordinates.any(axis=1)].tolist()]
    rows = [[Fraction(value) for value in row] for row in dict.fromkeys(map(tuple, equations))]
    for column in range(unknowns):
        pivot = next((row for row in range(column, len(rows)) if rows[row][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        lead = [value / rows[column][column] for value in rows[column]]
        rows = [[a - row[column] * b for a, b in zip(row, lead, strict=True)] for row in rows]
        rows[column] = lead
    solution = [row[-1] for row in rows[:unknowns]]
    solved = not any(row[-1] for row in rows[unknowns:])
    return solution if solved and min(solution) >= 0 else None


# -------------------------------------------------------------------------------------------- worked examples


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


@dataclass(frozen=True, eq=False)
class SpamDetection:
    """A perceptron that tells spam by its words, and how it fares on messages it has not seen.

    Attributes:
        fitted: the perceptron; its inputs are ``vocabulary.words``.
        vocabulary: the words of the training messages.
        accuracy: share of held-out messages told rightly.
        precision: share of spam among the held-out messages called spam.
        recall: share of the held-out spam that was called spam.
        spam_words: the words of greatest weight.
        ham_words: the words of most negative weight.
    """

    fitted: FittedPerceptron
    vocabulary: Vocabulary
    accuracy: float
    precision: float
    recall: float
    spam_words: list[str]
    ham_words: list[str]

    def __str__(self) -> str:
        return (
            f"{len(self.fitted.x):,} messages, {len(self.vocabulary):,} words, {self.fitted.epochs} epochs\n"
            f"held out: accuracy {self.accuracy:.1%}, precision {self.precision:.1%}, "
            f"recall {self.recall:.1%}\n"
            f"for spam: {', '.join(self.spam_words)}\nagainst: {', '.join(self.ham_words)}"
        )


def spam_detection(
    texts: Sequence[str], labels: Sequence[Any], perceptron: Perceptron | None = None, *, seed: int = 0
) -> SpamDetection:
    """Teach a perceptron to tell spam by its words, and measure it on a held-out fifth of the messages.

    Formula:
        z = b + Σ w_k over the words k that occur in the message; spam if z ≥ 0

    The held-out messages have the same share of spam as the rest; the words are the training messages' own.

    Args:
        texts: messages, as of `pellucid.data.load_messages`.
        labels: one of two labels for each; the one that sorts last ("spam") is the one looked for.
        perceptron: hyperparameters; None for a shuffled, averaged perceptron with this seed.
        seed: of the split.

    Returns:
        The perceptron, its vocabulary and its held-out figures.

    Raises:
        ShapeError: there is not one label for each text.
        DataError: the labels are not of two classes, or there are too few of one to hold any out.

    Example:
        >>> print(spam_detection(["win cash now", "see you soon"] * 10, ["spam", "ham"] * 10))
        16 messages, 6 words, 2 epochs
        held out: accuracy 100.0%, precision 100.0%, recall 100.0%
        for spam: win, now, cash
        against: see, soon, you

    Source: Almeida, Gómez Hidalgo & Yamakami, "Contributions to the study of SMS spam filtering", 2011.
    """
    from sklearn.metrics import accuracy_score, precision_score, recall_score

    classes, y = _two_classes(labels, len(texts))
    parts = split_rows(y, 0.2, seed, stratify=True, classes=[str(name) for name in classes])
    train, held_out = ([texts[int(row)] for row in rows] for rows in parts)
    train_labels, target = (np.asarray(classes)[y[rows]] for rows in parts)
    vocabulary = bag_of_words(train, minimum_count=1)  # a rare word may be all that tells two messages apart
    perceptron = perceptron or Perceptron(shuffle=True, averaged=True, seed=seed)
    fitted = perceptron.fit(vocabulary.encode(train), train_labels)
    prediction = fitted.predict(vocabulary.encode(held_out))
    spam, ham = fitted.strongest_inputs(vocabulary.words)
    looked_for = {"pos_label": classes[1], "zero_division": 0.0}
    return SpamDetection(
        fitted,
        vocabulary,
        accuracy=float(accuracy_score(target, prediction)),
        precision=float(precision_score(target, prediction, **looked_for)),
        recall=float(recall_score(target, prediction, **looked_for)),
        spam_words=spam,
        ham_words=ham,
    )


# ---------------------------------------------------------------------------------------- reading and writing


def _table(x: Any) -> np.ndarray:
    """The examples as an array of shape (rows, inputs) of finite numbers, in the type it came in."""
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(
            f"x must have shape (rows, inputs), with at least one of each. Received: shape {x.shape}. "
            "Write one example as [[…]], one input as a column."
        )
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"x must hold numbers. Received: an array of {x.dtype}. Encode names as numbers first."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0].tolist()
        raise DataError(f"x must be finite. Received: {x[row, column]} at row {row}, column {column}.")
    return x


def _two_classes(y: Any, rows: int) -> tuple[tuple[Any, Any], np.ndarray]:
    """The two values of y in order, and y as 0 and 1."""
    y = np.asarray(y)
    if y.dtype.kind == "O" and all(isinstance(value, str) for value in y.flat):
        y = y.astype(str)
    if y.shape != (rows,):
        raise ShapeError(
            f"y must hold one class for each row of x, shape ({rows},). Received: shape {y.shape}."
        )
    if y.dtype.kind not in "biufU" or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        kind = "numbers that are not finite" if y.dtype.kind == "f" else f"an array of {y.dtype}"
        raise DataError(f"y must be 0 and 1, False and True, or two names. Received: {kind}.")
    classes, y = np.unique(y, return_inverse=True)
    if len(classes) != 2:
        raise DataError(
            f"a perceptron tells two classes apart. Received: y with {len(classes)} of them, "
            f"{', '.join(map(repr, classes[:5].tolist()))}{', …' if len(classes) > 5 else ''}."
        )
    first, second = classes.tolist()
    return (first, second), y


_SIGNS = {
    Fraction(count, of): sign
    for of, signs in {2: "½", 3: "⅓⅔", 4: "¼ ¾", 5: "⅕⅖⅗⅘", 6: "⅙   ⅚", 8: "⅛ ⅜ ⅝ ⅞"}.items()
    for count, sign in enumerate(signs, start=1)
    if sign != " "
}


def _written(value: Fraction | float) -> str:
    """A number as one would write it: ½, 3/7, 0.4286."""
    if isinstance(value, Fraction) and value in _SIGNS:
        return _SIGNS[value]
    if isinstance(value, Fraction) and value.denominator < 1000:
        return str(value)
    return f"{float(value):.4g}"


def _written_point(point: Any) -> str:
    return f"({','.join(f'{value:.4g}' for value in point)})"
