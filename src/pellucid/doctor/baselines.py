"""What other methods reach on the same rows, and what the rows say of themselves.

A training is called sick only by comparison. Nearest neighbours and kernel ridge regression share one table of
distances: together they say how much there is to learn, and whether like rows have like labels. A linear model says how
much of it is linear.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pellucid.doctor.facts import chosen
from pellucid.doctor.passes import Passes
from pellucid.doctor.rule import Limit
from pellucid.doctor.signal import NEIGHBOURS, RIDGE, Signal, distances_between
from pellucid.doctor.skill import as_rows, class_numbers, commonest, skill_of_classes, skill_of_labels, skill_of_numbers

SCORED = ("binary", "multiclass", "multilabel", "regression")
"""Tasks that baselines can be asked to solve, where an example has one target."""
ROWS, FEWER_ROWS = 1000, 400
"""Most rows that the baselines learn from, and most held-out rows that they are scored on; without trials."""

HEALTH = {
    "fraction": Limit(0.1, "of the best skill: what the choice of a method is worth"),
    "least": Limit(0.05, "of skill: where there is next to nothing to reach, nothing need be wrong"),
    "errors": Limit(2, "standard deviations of the difference between two fractions of the held-out rows"),
    "most": Limit(0.2, "of skill: with so few rows that drawing them is worth more, more is still a shortfall"),
}
"""How far a network may stay behind the best baseline."""

RECALL = Limit(0.15, "of recall: what the choice of a method and the draw of some dozen rare rows are worth")
"""How far a network may find a class less often than the best baseline."""


class Curve(NamedTuple):
    """Kernel ridge regression on some rows: the smoothest curve near their targets.

    Formula:
        k(a, b) = exp(−‖a − b‖² / (d · Var x)); c = (K + λI)⁻¹ t; t̂(x) = Σ_i c_i k(x, x_i)

    Without row i itself it would give that row t_i − c_i / (K + λI)⁻¹_ii: every row is asked of a curve that has not
    seen it, at no further cost.

    Source: Saunders, Gammerman, Vovk, Ridge regression learning algorithm in dual variables, 1998.
    """

    width: float
    weights: np.ndarray
    fitted: np.ndarray
    """Of the rows themselves."""
    left_out: np.ndarray
    """Of each row, by the others."""

    @staticmethod
    def through(distances: np.ndarray, targets: np.ndarray, width: float) -> "Curve":
        """The curve through rows of known squared distances."""
        kernel = np.exp(-distances / width)
        inverse = np.linalg.inv(kernel + RIDGE * np.eye(len(kernel), dtype=kernel.dtype))
        weights = inverse @ targets
        return Curve(width, weights, kernel @ weights, targets - weights / np.diag(inverse)[:, None])

    def at(self, distances: np.ndarray) -> np.ndarray:
        """Its values at (asked, rows) squared distances."""
        return np.exp(-distances / self.width) @ self.weights


@dataclass
class Baselines:
    """Baselines on the rows of a training; all numbers are skills, 0 for guessing and 1 for perfect.

    Args:
        passes: of the network.
        thorough: whether all methods are asked, of more rows.
        limits: how far the network may stay behind.
    """

    passes: Passes
    thorough: bool = True
    limits: dict[str, Limit] = field(default_factory=lambda: HEALTH)

    @cached_property
    def signal(self) -> Signal:
        """Whether there is anything to learn."""
        return Signal(self.passes, self.thorough)

    @cached_property
    def possible(self) -> bool:
        """Whether there is a table of classes, labels or numbers to learn from, with held-out rows."""
        e = self.passes
        table = e.task in SCORED and len(e.output_shape) == 1
        return table and e.x_new is not None and e.rows > 1

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and held-out inputs: rows of numbers, imputed and standardised by the training rows."""
        e = self.passes
        assert e.x_new is not None  # as ``possible`` says
        train, new = (as_rows(x).astype(np.float64) for x in (e.x[self._chosen], e.x_new[self._new]))
        train[~np.isfinite(train)] = np.nan
        new[~np.isfinite(new)] = np.nan
        mean, deviation = np.nan_to_num(np.nanmean(train, 0)), np.nanstd(train, 0)
        deviation = np.where(deviation > 1e-12, deviation, 1)
        train, new = (np.nan_to_num((part - mean) / deviation).clip(-50, 50) for part in (train, new))
        return train, new

    @cached_property
    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Class numbers, or numbers, of both parts."""
        e = self.passes
        assert e.y_new is not None  # as ``possible`` says
        y, y_new = e.y[self._chosen], e.y_new[self._new]
        if e.classifies:
            return class_numbers(y), class_numbers(y_new)
        return as_rows(y), as_rows(y_new)

    @property
    def _most(self) -> int:
        return ROWS if self.thorough else FEWER_ROWS

    @cached_property
    def _chosen(self) -> np.ndarray:
        """Of the sample, those that the baselines learn from."""
        return np.random.default_rng(0).permutation(len(self.passes.x))[: self._most]

    @cached_property
    def _new(self) -> np.ndarray:
        """Of the held-out rows, those that they are scored on."""
        assert self.passes.x_new is not None  # as ``possible`` says
        return chosen(len(self.passes.x_new), self._most)

    def skill(self, decided: np.ndarray, target: np.ndarray) -> float:
        """Of classes, labels or numbers."""
        if self._labels:
            return skill_of_labels(decided, target)
        of = skill_of_classes if self.passes.classifies else skill_of_numbers
        return of(decided, target)

    @property
    def _labels(self) -> bool:
        """Whether several labels may hold at once."""
        return self.passes.task == "multilabel"

    # ------------------------------------------------------------------------------------- linear models

    def _learn(self, method: Any) -> tuple[float, float]:
        """Skill on training and held-out rows of a method that learns the training rows."""
        import warnings

        (x, x_new), (y, y_new) = self.rows, self.targets
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a baseline that has not converged is still a baseline
            method.fit(x, y if self.passes.classifies or y.shape[1] > 1 else y[:, 0])
        decided, new = (method.predict(part).reshape(len(part), *y.shape[1:]) for part in (x, x_new))
        if self._labels:
            decided, new = ((part > 0.5).astype(int) for part in (decided, new))
        return self.skill(decided, y), self.skill(new, y_new)

    @cached_property
    def linear(self) -> tuple[float, float]:
        """A linear model: skill on training and held-out rows. The quick stand-in is the network, where it is one."""
        if not self.thorough:
            return self.passes.skill_train, self.passes.skill_new
        from sklearn.linear_model import LogisticRegression, Ridge

        if self._one_class:
            return 1.0, 1.0
        return self._learn(LogisticRegression(max_iter=200) if self.passes.classifies else Ridge(1.0))

    @cached_property
    def line(self) -> float:
        """The skill on the training rows of a line made to separate them: hardly bound, rare classes as heavy."""
        if not self.thorough:
            return self.linear[0]
        from sklearn.linear_model import LogisticRegression

        if self._one_class:
            return 1.0
        method = LogisticRegression(C=100.0, class_weight="balanced", max_iter=500)
        return max(self.linear[0], self._learn(method)[0])

    @property
    def _one_class(self) -> bool:
        return self.passes.classifies and len(np.unique(self.targets[0])) < 2

    # ------------------------------------------------------------------- curves and neighbours, by distances

    @cached_property
    def _distances(self) -> np.ndarray:
        """From training row to training row, squared."""
        return distances_between(self.rows[0], self.rows[0])

    @cached_property
    def _distances_new(self) -> np.ndarray:
        """From held-out row to training row."""
        return distances_between(self.rows[1], self.rows[0])

    def _curve(self, distances: np.ndarray, x: np.ndarray, y: np.ndarray) -> Curve:
        return Curve.through(distances, self._coded(y), float(x.shape[1] * max(x.var(), 1e-9)))

    def _coded(self, y: np.ndarray) -> np.ndarray:
        """Targets of a curve: 1 for a row's class or labels and −1 for the others, or standardised numbers."""
        if self.passes.classifies:
            return np.where(y[:, None] == np.unique(y), 1, -1).astype(np.float32)
        if self._labels:
            return np.where(y > 0.5, 1, -1).astype(np.float32)
        return ((y - y.mean(0)) / np.maximum(y.std(0), 1e-12)).astype(np.float32)

    def _decided(self, coded: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Classes or numbers from what a curve through ``y`` gives."""
        if self.passes.classifies:
            return np.unique(y)[coded.argmax(1)]
        if self._labels:
            return (coded > 0).astype(int)
        return coded * np.maximum(y.std(0), 1e-12) + y.mean(0)

    @cached_property
    def _curve_of_train(self) -> Curve:
        return self._curve(self._distances, self.rows[0], self.targets[0])

    @cached_property
    def curved(self) -> tuple[float, float]:
        """A curve: skill on training and held-out rows."""
        y, y_new = self.targets
        return self.skill(self._decided(self._curve_of_train.fitted, y), y), self.skill(self._curved_new, y_new)

    @cached_property
    def _curved_new(self) -> np.ndarray:
        """What it gives the held-out rows."""
        return self._decided(self._curve_of_train.at(self._distances_new), self.targets[0])

    @cached_property
    def named(self) -> np.ndarray:
        """The targets that the nearest training rows give the held-out rows."""
        return self._vote(self._distances_new, self.targets[0])

    @cached_property
    def across(self) -> float:
        """The skill of the nearest training rows on the held-out rows."""
        return self.skill(self.named, self.targets[1])

    @cached_property
    def of_new(self) -> float:
        """Skill on the held-out rows of what is learnt from other held-out rows."""
        return 0.0 if self._guess_new is None else self.skill(self._guess_new, self.targets[1])

    @cached_property
    def agreement(self) -> tuple[float, float]:
        """Do like rows have like labels, among the training rows and among the held-out rows?

        For classes Cohen's κ, the agreement beyond that of chance, which rare classes do not lower; for numbers the
        variance explained.
        """
        y, y_new = self.targets
        guess = self._guess(self._distances, y, lambda: self._curve_of_train)
        return self._agree(guess, y), self._agree(self._guess_new, y_new)

    def _agree(self, guess: np.ndarray | None, target: np.ndarray) -> float:
        if guess is None:
            return 0.0
        if not self.passes.classifies:
            return self.skill(guess, target)
        chance = sum((guess == value).mean() * (target == value).mean() for value in np.unique(target))
        return float(((guess == target).mean() - chance) / max(1 - chance, 1e-9))

    @cached_property
    def _guess_new(self) -> np.ndarray | None:
        x, y = self.rows[1], self.targets[1]
        distances = distances_between(x, x)
        return self._guess(distances, y, lambda: self._curve(distances, x, y))

    def _guess(self, distances: np.ndarray, y: np.ndarray, curve: Callable[[], Curve]) -> np.ndarray | None:
        """Each row's target by the others: its neighbours, or a curve where that is better."""
        if len(y) < 30:
            return None
        apart = distances.copy()
        np.fill_diagonal(apart, np.inf)
        near = self._vote(apart, y)
        if not self.passes.classifies or len(np.unique(y)) < 2:
            return near
        left_out = self._decided(curve().left_out, y)
        return max((near, left_out), key=lambda decided: self.skill(decided, y))

    def _vote(self, distances: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The targets that the nearest rows give; none is nearest to itself where its distance is infinite."""
        count = min(NEIGHBOURS, len(y))
        near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        votes = y[near]
        if self._labels:
            return (votes.mean(1) > 0.5).astype(int)
        if not self.passes.classifies:
            return votes.mean(1)
        counts = np.stack([(votes == value).sum(1) for value in range(int(y.max()) + 1)], 1)
        return counts.argmax(1)

    # ------------------------------------------------------------------------------------- the comparison

    @cached_property
    def best(self) -> float:
        """The best of them on the held-out rows: what there is to reach."""
        if not self.possible:
            return np.nan
        if self.passes.reconstructs:
            return self.components
        return max(self.reached.values())

    @cached_property
    def reached(self) -> dict[str, float]:
        """What each of them reaches on the held-out rows."""
        quick = {
            "nearest neighbours": self.across,
            "kernel ridge regression": self.curved[1],
            "neighbours among the held-out rows": self.of_new,
        }
        return quick | ({"a linear model": self.linear[1]} if self.thorough else {})

    def recalls(self, classes: np.ndarray) -> bool:
        """Whether a network that learns as well as baselines also finds these classes as often as they do."""
        e = self.passes
        if not self.possible or not self.healthy or e.prediction_new is None or e.diverged:
            return False
        truth = self.targets[1]
        decided = (e.decide(e.prediction_new[self._new]), self.named, self._curved_new)
        there = np.intersect1d(classes, truth)
        own, *plain = (np.mean([(one[truth == value] == value).mean() for value in there] or [1.0]) for one in decided)
        return bool(own >= max(plain) - RECALL.value)

    @cached_property
    def components(self) -> float:
        """Skill of as many principal components as the network's narrowest layer has units, where inputs are targets.

        To copy a row is no feat, and what nearest rows and curves do of it no baseline; to keep it in few numbers is.
        """
        y, y_new = self.targets
        mean = y.mean(0)
        _, _, axes = np.linalg.svd(y - mean, full_matrices=False)
        axes = axes[: self.passes.narrowest]
        return skill_of_numbers((y_new - mean) @ axes.T @ axes + mean, y_new)

    @cached_property
    def shortfall(self) -> float:
        """How far the network stays behind the best baseline on the held-out rows."""
        return float(self.best - self.passes.skill_new) if self.possible else np.nan

    @property
    def tolerance(self) -> float:
        """The shortfall that need not mean anything."""
        limits = {name: limit.value for name, limit in self.limits.items()}
        rows, classes = len(self.targets[1]), len(np.unique(self.targets[1]))
        noise = 0.0
        if self.passes.classifies and classes > 1:
            right = 1 / classes + self.best * (1 - 1 / classes)
            noise = np.sqrt(2 * max(right * (1 - right), 1 / rows) / rows) / (1 - 1 / classes)
        if self._labels:
            common = commonest(self.targets[1])
            right = common + self.best * (1 - common)
            noise = np.sqrt(2 * max(right * (1 - right), 1 / rows) / rows) / max(1 - common, 1e-9)
        drawing = min(limits["errors"] * noise, limits["most"])
        return float(max(limits["least"], limits["fraction"] * self.best, drawing))

    @property
    def healthy(self) -> bool:
        """Whether the network is near enough to what there is to reach that nothing need be wrong."""
        e = self.passes
        if e.diverged:
            return False
        if not self.possible or 1 - e.skill_new <= self.limits["fraction"].value:
            return True  # no baseline need be asked
        if not self.signal.found:
            return True  # nobody can learn what is not there
        surely = e.skill_new + max(limit.value for name, limit in self.limits.items() if name != "errors")
        if not e.reconstructs and (self.across > surely or self.curved[1] > surely):
            return False  # nor need the slower one
        return self.shortfall <= self.tolerance

    @property
    def compared(self) -> str:
        """How the network does beside the baselines: a sentence with the numbers."""
        with np.errstate(all="ignore"):
            return self._compared()

    def _compared(self) -> str:
        e = self.passes
        if not self.possible:
            if e.x_new is None:
                return "there are no held-out rows, so that nothing is known of new ones"
            return f"there is no baseline to compare it with, where the task is {e.task}"
        best = max(self.reached, key=lambda name: self.reached[name])
        measure = "mean recall of the classes" if e.classifies else "variance explained"
        numbers = (
            f"on held-out rows its skill is {e.skill_new:.2f}, that of the best baseline, {best}, {self.best:.2f} "
            f"(0 is guessing, 1 perfect: {'labels right' if self._labels else measure})"
        )
        if not self.healthy:
            return f"the network stays behind the baselines: {numbers}"
        if self.shortfall <= 0.005:
            return f"the network learns as well as the baselines do: {numbers}"
        return f"the network learns nearly as well as the baselines do: {numbers}"
