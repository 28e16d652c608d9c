"""Linear separability of two classes, decided with a proof that anyone can check.

`separability` finds a hyperplane between the classes (`Separable`) or a point that examples of both classes
mix to (`NotSeparable`, with its `Certificate`).
"""

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import pellucid as pel
from pellucid.core.constraints import POSITIVE, require
from pellucid_textbook.two_classes import as_table, as_two_classes

TOLERANCE = 1e-9
"""How far apart, relative to the largest value of an input, rounding alone may put two equal points."""

EXACT_EXAMPLES = 40
"""A certificate of at most so many examples is solved in fractions (40 of arbitrary floats: a second)."""


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
        x = as_table(x)
        _, y = as_two_classes(y, len(x))
        sides = np.where(y, 1, -1) * (x @ self.weights + self.bias)
        # Higham 2002, section 3.1: a sum of n products is wrong by at most n ε Σ |products|, to first order.
        size = np.abs(x, dtype=np.float64) @ np.abs(self.weights) + abs(self.bias)
        return bool((sides > 2 * (len(self.weights) + 1) * np.finfo(np.float64).eps * size).all())

    def mistake_bound(self, x: Any, start: Any = None, learning_rate: float = 1.0) -> int:
        """The most mistakes that the perceptron's rule can make on these examples, visited in any order.

        Formula:
            k ≤ (R/γ)² from a start at zero, R = max ‖(x, 1)‖₂, γ = min |w·x + b| / ‖(w, b)‖₂

        Why: let u = (w, b) / ‖(w, b)‖₂ and v the learner's own weights and bias. A mistake adds at least
        ηγ to v·u, and at most η²R² to ‖v‖². So after k of them, from the start v₀,
        v₀·u + kηγ ≤ v·u ≤ ‖v‖ ≤ √(‖v₀‖² + kη²R²), and the bound is the greatest such k. As γ is this
        hyperplane's and not the best one's, the bound is safe and often far from tight.

        Args:
            x: the examples that this hyperplane separates, shape (rows, inputs).
            start: v₀, the weights to start from and then the bias, shape (inputs + 1,); None for zeros.
            learning_rate: η > 0; from zeros it makes no difference.

        Raises:
            ShapeError: x or the start has not the hyperplane's inputs.
            InvalidValue: the learning rate is not positive.

        Example:
            >>> separability([[0.0], [3.0]], [0, 1]).mistake_bound([[0.0], [3.0]])
            14

        Source: Novikoff, "On convergence proofs on perceptrons", 1962.
        """
        require(learning_rate, POSITIVE, "learning_rate")
        x, plane = as_table(x), np.append(self.weights, self.bias)
        start = np.zeros(len(plane)) if start is None else np.asarray(start, np.float64)
        if x.shape[1] + 1 != len(plane) or start.shape != plane.shape:
            raise pel.ShapeError(
                f"the hyperplane has {len(self.weights)} inputs. Received: x of shape {x.shape}, start of "
                f"shape {start.shape}. Give x the same inputs, and the start one weight for each and a bias."
            )
        radius2 = float((np.square(x, dtype=np.float64).sum(axis=1) + 1).max())
        gain = learning_rate * self.margin * float(np.linalg.norm(self.weights) / np.linalg.norm(plane))
        ahead = float(start @ plane / np.linalg.norm(plane))
        # (v₀·u + k ηγ)² = ‖v₀‖² + k η²R², solved for k.
        half = learning_rate**2 * radius2 / 2 - ahead * gain
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
        """True if the coefficients are fractions, so that the proof has no rounding in it."""
        return all(isinstance(share, Fraction) for side in self.shares for share in side)

    def mixture(self, side: int) -> list[Fraction | float]:
        """The point that the rows of class ``side`` mix to: in fractions if exact, else rounded once."""
        columns = [
            [(share, value) for share, value in zip(self.shares[side], column, strict=True) if value]
            for column in self.points[side].T.tolist()
        ]
        if self.exact:
            return [sum((share * Fraction(value) for share, value in mixed), Fraction(0)) for mixed in columns]
        return [math.fsum(share * value for share, value in mixed) for mixed in columns]

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
        x = as_table(x)
        _, y = as_two_classes(y, len(x))
        allowed = 0.0 if self.exact else TOLERANCE
        return (
            all(row < len(x) for side in self.rows for row in side)
            and all(np.array_equal(x[list(rows)], kept) for rows, kept in zip(self.rows, self.points, strict=True))
            and all((y[list(rows)] == side).all() for side, rows in enumerate(self.rows))
            and all(share >= 0 for side in self.shares for share in side)
            and all(abs(sum(side) - 1) <= allowed for side in self.shares)
            and self.residual <= allowed
        )

    def __str__(self) -> str:
        short = self.points[0].shape[1] <= 6
        sides = []
        for rows, shares, points in zip(self.rows, self.shares, self.points, strict=True):
            names = [write_point(p) if short else f"x[{row}]" for row, p in zip(rows, points, strict=True)]
            mixed = zip(shares, names, strict=True)
            sides.append(" + ".join(name if share == 1 else f"{_written(share)}·{name}" for share, name in mixed))
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
        y: one of two values for each row; the one that sorts last is class 1.

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
    x = as_table(x)
    _, y = as_two_classes(y, len(x))
    twins = _twins(x, y)
    if twins is not None:
        return NotSeparable(twins)
    weights, shares = _widest_gap(x, y)
    projections = x @ weights
    above, below = projections[y == 1].min(), projections[y == 0].max()
    if above > below:
        margin = float((above - below) / 2 / np.linalg.norm(weights))
        separable = Separable(weights, float(-(above + below) / 2), margin)
        if separable.verify(x, y):
            return separable
    certificate = _certificate(x, y, shares)
    if certificate.verify(x, y):
        return NotSeparable(certificate)
    raise pel.DataError(
        "the two classes touch so nearly that float64 cannot tell whether they overlap: their nearest "
        f"mixtures differ by {certificate.residual:.1g} of an input's size, and {TOLERANCE:g} is the limit. "
        "Scale the inputs to similar sizes, or subtract what they have in common."
    )


def _twins(x: np.ndarray, y: np.ndarray) -> Certificate | None:
    """Two equal rows of different classes, the simplest certificate; None if there are none."""
    first: dict[tuple[bytes, int], int] = {}
    for row, side in enumerate(y.tolist()):
        values = (x[row] + 0).tobytes()  # + 0 makes −0.0 into 0.0
        twin = first.get((values, 1 - side))
        if twin is not None:
            zero, one = (row, twin) if side == 0 else (twin, row)
            return Certificate(((zero,), (one,)), ((Fraction(1),), (Fraction(1),)), (x[[zero]], x[[one]]))
        first.setdefault((values, side), row)
    return None


def _widest_gap(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the hyperplane of largest γ, and each example's share in the hulls' nearest points."""
    from scipy import sparse
    from scipy.optimize import linprog

    # Inputs scaled to [−1, 1] keep the program's own tolerances harmless. Only columns without a zero are
    # shifted: the zeros are what makes a table of words small.
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    shift = np.where((low > 0) | (high < 0), (low + high) / 2, 0.0)
    size = np.maximum(high - shift, shift - low)
    scale = np.where(size > 0, size, 1.0)
    columns = sparse.csc_array(x - shift) * (1 / scale)
    sign = np.where(y, 1.0, -1.0)
    rows, inputs = x.shape
    sides = sparse.hstack([columns * -sign[:, None], -sign[:, None], np.ones((rows, 1))], format="csc")
    objective = np.zeros(inputs + 2)
    objective[-1] = -1.0
    bounds = [(-1.0, 1.0)] * inputs + [(-np.inf, np.inf)] * 2
    # The simplex method ends in a vertex, which mixes at most inputs + 2 examples.
    solved = linprog(objective, A_ub=sides, b_ub=np.zeros(rows), bounds=bounds, method="highs-ds")
    if not solved.success:
        raise pel.DataError(f"the linear program for separability was not solved. HiGHS: {solved.message}")
    weights = np.where(size > 0, solved.x[:inputs] / scale, 0.0)  # a constant input carries no information
    return weights / (np.abs(weights).max() or 1.0), -2 * solved.ineqlin.marginals


def _certificate(x: np.ndarray, y: np.ndarray, shares: np.ndarray) -> Certificate:
    """The certificate that mixes the rows with a share: in fractions where solvable, else as given."""
    zeros, ones = (np.flatnonzero((y == side) & (shares > TOLERANCE)) for side in (0, 1))
    rows = tuple(zeros.tolist()), tuple(ones.tolist())
    points = x[zeros], x[ones]
    exact = _exact_shares(*points) if len(zeros) + len(ones) <= EXACT_EXAMPLES else None
    if exact is not None:
        return Certificate(rows, (tuple(exact[: len(zeros)]), tuple(exact[len(zeros) :])), points)
    beta, alpha = (tuple((shares[side] / shares[side].sum()).tolist()) for side in (zeros, ones))
    return Certificate(rows, (beta, alpha), points)


def _exact_shares(zeros: np.ndarray, ones: np.ndarray) -> list[Fraction] | None:
    """The β and α with Σ β = Σ α = 1 and equal mixtures, by elimination; None if not unique and ≥ 0."""
    unknowns = len(zeros) + len(ones)
    coordinates = np.concatenate([zeros.astype(np.float64), -ones.astype(np.float64)]).T
    equations = [[1.0] * len(zeros) + [0.0] * len(ones) + [1.0], [0.0] * len(zeros) + [1.0] * len(ones) + [1.0]]
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


_SIGNS = {Fraction(unicodedata.numeric(sign)).limit_denominator(8): sign for sign in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}


def _written(value: Fraction | float) -> str:
    if isinstance(value, Fraction) and value in _SIGNS:
        return _SIGNS[value]
    if isinstance(value, Fraction) and value.denominator < 1000:
        return str(value)
    return f"{float(value):.4g}"


def write_point(point: Iterable[float]) -> str:
    """A point, four digits to a number: ``(0.5,1)``."""
    return f"({','.join(f'{value:.4g}' for value in point)})"
