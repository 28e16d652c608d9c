"""Is there anything to learn? Permutation tests of whether inputs and targets have to do with each other.

A skill near 0 may be bad luck of few rows, and a skill above 0 good luck. A test says which: the targets are dealt out
anew to the same rows, many times, and what a method reaches on the true targets is compared with what it reaches on
those. It holds for any number of rows and any fractions of classes. The targets of all tasks are read alike: classes
one-hot, labels and numbers as they are, every column standardised.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from pellucid.doctor.passes import Passes
from pellucid.doctor.rule import Limit
from pellucid.doctor.skill import as_rows, class_numbers

LEVEL = Limit(0.01, "a hundredth of the rows without a signal would be taken for rows with one")
"""Above this p-value, of all tests together, no signal was found."""
FEWEST_ROWS = Limit(20, "training rows: of fewer only a perfect order is beyond chance, so a test tells nothing")
ROWS, FEWER_ROWS = 700, 400
"""Most rows of a part that baselines are tested on; without trials."""
ORDERS, FEWER_ORDERS = 999, 499
"""Permutations of a test; without trials."""
CHUNK = 99
"""Permutations at a time."""
ENOUGH = 20
"""Permutations as good as the true order: so many tell the p-value well enough."""
SURELY = 8.0
"""Standard deviations above the mean of the permutations: no permutation would come near."""
NEIGHBOURS = 5
RIDGE, RIDGE_OF_LINE = 0.1, 1.0
"""λ of the kernel ridge regressions, whose kernels are about 1 from a row to itself: how much of it is noise."""
COLUMNS = 16
"""Most columns of targets that are tested; more are projected at random on so many."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""From (permutations, rows) row numbers to (permutations, methods) agreements of methods and permuted targets."""


def permutation_test(statistic: Statistic, rows: int, orders: int) -> float:
    """The p-value of the largest of several statistics, each in standard deviations of its permutations.

    Formula:
        p = (1 + #{π : max_m z_m(π) ≥ max_m z_m}) / (1 + number of π)

    No more permutations are drawn than it takes to reach what was found twenty times, or to be sure without.

    Source: Westfall, Young, Resampling-based multiple testing, 1993 (the maximum over the methods);
    Besag, Clifford, Sequential Monte Carlo p-values, 1991.
    """
    rng = np.random.default_rng(0)
    values = statistic(np.arange(rows)[None]).astype(np.float64)
    reached = np.ones(1, bool)
    while len(values) <= orders:
        dealt = statistic(rng.permuted(np.tile(np.arange(rows), (CHUNK, 1)), axis=1))
        values = np.concatenate([values, dealt])
        mean, deviation = values[1:].mean(0), np.maximum(values[1:].std(0), 1e-12)
        if ((values[0] - mean) / deviation).max() > SURELY:
            return 1 / (1 + orders)
        z = ((values - values.mean(0)) / np.maximum(values.std(0), 1e-12)).max(1)
        reached = z >= z[0] - 1e-6
        if reached.sum() > ENOUGH:
            break
    return float(reached.mean())


def coded(columns: np.ndarray) -> np.ndarray:
    """Columns of targets or predictions, standardised: 0 where one is constant; of many, some random mixtures."""
    columns = as_rows(columns).astype(np.float64)
    deviation = columns.std(0)
    known = np.isfinite(deviation) & (deviation > 1e-12)
    columns = np.where(known, (columns - columns.mean(0)) / np.where(known, deviation, 1), 0)
    if columns.shape[1] > COLUMNS:
        columns = columns @ np.random.default_rng(0).normal(size=(columns.shape[1], COLUMNS)) / COLUMNS
    return columns.astype(np.float32)


def smoothers(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Plain methods as matrices S: S·t are the predictions for all rows, each made from the targets of the others.

    Formula:
        neighbours: S_ij = 1/k for the k rows nearest to i; a ridge regression: S_ij = −A_ij / A_ii, A = (K + λI)⁻¹,
        with a Gaussian kernel and with a linear one
    """
    distances = distances_between(x, x)
    np.fill_diagonal(distances, np.inf)
    found = [_nearest(distances)]
    for _, inverse in _ridges(x):
        left_out = -inverse / np.diag(inverse)[:, None]
        np.fill_diagonal(left_out, 0)
        found.append(left_out)
    return tuple(found)


def predictions(x: np.ndarray, t: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the same methods, learnt from rows ``x`` with targets ``t``, give other rows."""
    found = [_nearest(distances_between(new, x)) @ t]
    return (*found, *(kernel(new) @ (inverse @ t) for kernel, inverse in _ridges(x)))


class Signal:
    """Whether anything, the network or a baseline, finds a signal in the rows of a training.

    Args:
        passes: of the network.
        thorough: whether more rows and more permutations are taken.
    """

    def __init__(self, passes: Passes, thorough: bool = True) -> None:
        self.passes = passes
        self.most, self.orders = (ROWS, ORDERS) if thorough else (FEWER_ROWS, FEWER_ORDERS)

    @cached_property
    def possible(self) -> bool:
        """Whether there are enough rows of classes, labels or numbers, and held-out ones."""
        e = self.passes
        table = e.task in ("binary", "multiclass", "multilabel", "regression") and len(e.output_shape) == 1
        return table and e.x_new is not None and e.rows >= FEWEST_ROWS.value and len(e.x_new) > 1

    @cached_property
    def p(self) -> float:
        """The p-value of all tests together: four times the least. 0 where there is nothing to be tested."""
        if not self.possible:
            return 0.0
        least = 1.0
        for test in (self._held_out, self._columns, self._training, self._among_held_out):
            least = min(least, test())
            if 4 * least <= LEVEL.value:
                break
        return min(1.0, 4 * least)

    @property
    def found(self) -> bool:
        """Whether there is a signal."""
        return self.p <= LEVEL.value

    # ------------------------------------------------------------------------------------------ the tests

    def _held_out(self) -> float:
        """The network, and what baselines learn from the training rows, on held-out rows."""
        e, (x, t), (x_new, t_new) = self.passes, self._train, self._new
        every = self._coded(_known(e.y_new))
        of_network = self._test_of_predictions((self._scores(_known(e.prediction_new)),), every)
        if 4 * of_network <= LEVEL.value:
            return of_network
        return min(1.0, 2 * min(of_network, self._test_of_predictions(predictions(x, t, x_new), t_new)))

    def _columns(self) -> float:
        """The column of the inputs that is closest to the targets."""
        x, t = self._train

        def statistic(orders: np.ndarray) -> np.ndarray:
            related = (x.T @ _permuted(t, orders)).reshape(x.shape[1], len(orders), -1)
            return (related**2).sum(2).max(0)[:, None]

        return permutation_test(statistic, len(t), self.orders) if t.any() else 1.0

    def _training(self) -> float:
        """Baselines on training rows that each is predicted from the others."""
        return self._test_of_others(*self._train)

    def _among_held_out(self) -> float:
        """The same on held-out rows, where the training targets alone may be wrong."""
        return self._test_of_others(*self._new)

    def _test_of_others(self, x: np.ndarray, t: np.ndarray) -> float:
        if len(x) < FEWEST_ROWS.value or not t.any():
            return 1.0
        methods = smoothers(x)

        def statistic(orders: np.ndarray) -> np.ndarray:
            dealt = _permuted(t, orders)
            agree = [((s @ dealt) * dealt).sum(0).reshape(len(orders), -1).sum(1) for s in methods]
            return np.stack(agree, 1)

        return permutation_test(statistic, len(t), self.orders)

    def _test_of_predictions(self, predicted: tuple[np.ndarray, ...], t: np.ndarray) -> float:
        methods = [one for one in predicted if one.shape == t.shape]
        if not t.any() or not methods:
            return 1.0

        def statistic(orders: np.ndarray) -> np.ndarray:
            dealt = t[orders]
            return np.stack([np.einsum("nk,pnk->p", one, dealt) for one in methods], 1)

        return permutation_test(statistic, len(t), self.orders)

    # ------------------------------------------------------------------------------------------- the rows

    @cached_property
    def _train(self) -> tuple[np.ndarray, np.ndarray]:
        return self._some(self.passes.x, self.passes.y)

    @cached_property
    def _new(self) -> tuple[np.ndarray, np.ndarray]:
        return self._some(_known(self.passes.x_new), _known(self.passes.y_new))

    def _some(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows: inputs standardised by the training rows, targets coded."""
        some = np.random.default_rng(0).permutation(len(x))[: self.most]
        mean, deviation = self._scale
        rows = as_rows(x[some]).astype(np.float64)
        rows = np.where(np.isfinite(rows), rows, mean)
        return ((rows - mean) / deviation).clip(-50, 50).astype(np.float32), self._coded(y[some])

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        x = self.passes.finite
        deviation = x.std(0)
        return x.mean(0), np.where(deviation > 1e-12, deviation, 1)

    @cached_property
    def _classes(self) -> int:
        return int(max(class_numbers(self.passes.y).max(), class_numbers(_known(self.passes.y_new)).max())) + 1

    def _coded(self, y: np.ndarray) -> np.ndarray:
        return coded(self._one_hot(class_numbers(y)) if self.passes.classifies else y)

    def _one_hot(self, classes: np.ndarray) -> np.ndarray:
        return np.eye(self._classes)[classes.clip(0, self._classes - 1)]

    def _scores(self, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs in the columns of the targets: scores of the classes where it gives them."""
        e = self.passes
        outputs = as_rows(np.nan_to_num(outputs, posinf=0, neginf=0))
        if e.classifies and outputs.shape[1] == 1 and self._classes == 2:
            outputs = np.concatenate([-outputs, outputs], 1)
        if e.classifies and outputs.shape[1] != self._classes:
            outputs = self._one_hot(e.decide(outputs))
        return coded(outputs)


def _known(array: np.ndarray | None) -> np.ndarray:
    assert array is not None  # as ``possible`` says
    return array


def _permuted(t: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """The columns of targets dealt out in all orders, side by side: (rows, permutations · columns)."""
    return t[orders].transpose(1, 0, 2).reshape(len(t), -1)


def _ridges(x: np.ndarray) -> tuple[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray], ...]:
    """Kernel ridge regressions on rows: each kernel, from other rows to these, and (K + λI)⁻¹."""
    columns = x.shape[1]
    width = columns * max(float(x.var()), 1e-9)
    kernels = (
        (lambda rows: np.exp(-distances_between(rows, x) / width), RIDGE),
        (lambda rows: rows @ x.T / np.float32(columns), RIDGE_OF_LINE),
    )
    return tuple(
        (kernel, np.linalg.inv(kernel(x) + ridge * np.eye(len(x), dtype=x.dtype))) for kernel, ridge in kernels
    )


def _nearest(distances: np.ndarray) -> np.ndarray:
    """The mean over the nearest rows, as a matrix."""
    count = min(NEIGHBOURS, distances.shape[1] - 1)
    near = np.argpartition(distances, count - 1, axis=1)[:, :count]
    found = np.zeros(distances.shape, np.float32)
    np.put_along_axis(found, near, np.float32(1 / count), axis=1)
    return found


def distances_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared, from each row of ``a`` to each of ``b``; in single precision, which is enough to tell who is near."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0)
