"""What plain methods reach on the same rows, and what the rows say of themselves: the doctor's yardstick.

A training is called sick only by comparison. Nearest neighbours judge the labels; a linear model and a support vector
machine say how much of the task is linear, and how much there is to learn at all.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pellucid.doctor.examination import Examination, class_numbers, drawn, skill_of_classes, skill_of_numbers
from pellucid.doctor.limits import Limit, values

ROWS = 1000
"""Most rows that the plain methods learn from, and most held-out rows that they are judged on."""
NEIGHBOURS = 5

HEALTH = {
    "share": Limit(0.1, "of the best skill: what the choice of a method is worth"),
    "least": Limit(0.05, "of skill: where there is next to nothing to reach, nothing need be wrong"),
    "errors": Limit(2, "standard deviations of the difference between two shares of the held-out rows"),
    "most": Limit(
        0.2, "of skill: with so few rows that drawing them is worth more, more is still a shortfall"
    ),
}
"""How far a network may stay behind the best plain method."""


@dataclass
class Reference:
    """Plain methods on the rows of an examination; all figures are skills, 0 for guessing and 1 for perfect."""

    examination: Examination
    limits: dict[str, Limit] = field(default_factory=lambda: HEALTH)

    @cached_property
    def possible(self) -> bool:
        """Whether there is a table of classes or numbers to learn from, with held-out rows."""
        e = self.examination
        return e.task in ("binary", "multiclass", "regression") and e.x_new is not None and len(e.x) > 1

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and held-out inputs: rows of numbers, imputed and standardised by the training rows."""
        e = self.examination
        assert e.x_new is not None  # as ``possible`` says
        train, new = (e.flat(x).astype(np.float64) for x in (e.x[e.sample], e.x_new[self._new]))
        train[~np.isfinite(train)] = np.nan
        new[~np.isfinite(new)] = np.nan
        mean, spread = np.nan_to_num(np.nanmean(train, 0)), np.nanstd(train, 0)
        spread = np.where(spread > 1e-12, spread, 1)
        train, new = (np.nan_to_num((part - mean) / spread).clip(-50, 50) for part in (train, new))
        return train, new

    @cached_property
    def chosen(self) -> np.ndarray:
        """The training rows that the plain methods learn from."""
        rows = len(self.rows[0])
        return np.random.default_rng(0).permutation(rows)[:ROWS]

    @cached_property
    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Class numbers, or numbers, of both parts."""
        e = self.examination
        assert e.y_new is not None  # as ``possible`` says
        y, y_new = e.y[e.sample], e.y_new[self._new]
        if e.classifies:
            return class_numbers(y), class_numbers(y_new)
        return y.reshape(len(y), -1), y_new.reshape(len(y_new), -1)

    @cached_property
    def _new(self) -> np.ndarray:
        assert self.examination.x_new is not None  # as ``possible`` says
        return drawn(len(self.examination.x_new), ROWS)

    def skill(self, decided: np.ndarray, target: np.ndarray) -> float:
        """Of classes or numbers."""
        of = skill_of_classes if self.examination.classifies else skill_of_numbers
        return of(decided, target)

    def _learn(self, method: Any) -> tuple[float, float]:
        """Skill on training and held-out rows of a method that learns the training rows."""
        import warnings

        x, x_new = self.rows
        y, y_new = self.targets
        x, y = x[self.chosen], y[self.chosen]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a plain method that has not converged is still a yardstick
            method.fit(x, y if self.examination.classifies or y.shape[1] > 1 else y[:, 0])
        return self.skill(method.predict(x), y), self.skill(method.predict(x_new), y_new)

    @cached_property
    def linear(self) -> tuple[float, float]:
        """A linear model: skill on training and held-out rows."""
        from sklearn.linear_model import LogisticRegression, Ridge

        if self._one_class:
            return 1.0, 1.0
        return self._learn(LogisticRegression(max_iter=200) if self.examination.classifies else Ridge(1.0))

    @cached_property
    def line(self) -> float:
        """The skill on the training rows of a line made to separate them: hardly bound, rare classes as heavy."""
        from sklearn.linear_model import LogisticRegression

        if self._one_class:
            return 1.0
        method = LogisticRegression(C=100.0, class_weight="balanced", max_iter=500)
        return max(self.linear[0], self._learn(method)[0])

    @cached_property
    def curved(self) -> tuple[float, float]:
        """A support vector machine: skill on training and held-out rows."""
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.svm import SVC, SVR

        if self._one_class:
            return 1.0, 1.0
        if self.examination.classifies:
            return self._learn(SVC(C=10.0))
        if self.targets[0].shape[1] > 1:
            return self._learn(KernelRidge(alpha=0.1, kernel="rbf"))  # pyright: ignore[reportArgumentType]
        scale = float(self.targets[0].std()) or 1.0
        return self._learn(SVR(C=10.0 * scale, epsilon=0.05 * scale))

    @property
    def _one_class(self) -> bool:
        return self.examination.classifies and len(np.unique(self.targets[0][self.chosen])) < 2

    @cached_property
    def agreement(self) -> tuple[float, float]:
        """Do like rows have like labels, among the training rows and among the held-out rows?

        For classes Cohen's κ, the agreement beyond that of chance, which rare classes do not lower; for numbers the
        variance explained.
        """
        x, y = self.rows[0][self.chosen], self.targets[0][self.chosen]
        agree = []
        for target, guess in ((y, self._guess(x, y)), (self.targets[1][:ROWS], self._guess_new)):
            if guess is None:
                agree.append(0.0)
            elif not self.examination.classifies:
                agree.append(skill_of_numbers(guess, target))
            else:
                chance = sum(
                    (guess == value).mean() * (target == value).mean() for value in np.unique(target)
                )
                agree.append(float(((guess == target).mean() - chance) / max(1 - chance, 1e-9)))
        return agree[0], agree[1]

    @cached_property
    def _guess_new(self) -> np.ndarray | None:
        return self._guess(self.rows[1][:ROWS], self.targets[1][:ROWS])

    @cached_property
    def of_new(self) -> float:
        """Skill on the held-out rows of what is learnt from other held-out rows."""
        return 0.0 if self._guess_new is None else self.skill(self._guess_new, self.targets[1][:ROWS])

    @cached_property
    def across(self) -> float:
        """Held-out rows named by the training rows nearest to them."""
        x, y = self.rows[0][self.chosen], self.targets[0][self.chosen]
        return self.skill(self.vote(x, y, self.rows[1], False), self.targets[1])

    def _guess(self, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        """Each row's target by its neighbours; by a support vector machine learnt in thirds where that is better."""
        if len(x) < 30:
            return None
        near = self.vote(x, y, x, True)
        if not self.examination.classifies or len(np.unique(y)) < 2:
            return near
        from sklearn.svm import SVC

        guess = np.empty(len(y), y.dtype)
        part = np.random.default_rng(1).permutation(len(y)) % 3
        for i in range(3):
            if len(np.unique(y[part != i])) < 2:
                return near
            guess[part == i] = SVC(C=10.0).fit(x[part != i], y[part != i]).predict(x[part == i])
        return max((near, guess), key=lambda decided: self.skill(decided, y))

    def vote(self, x: np.ndarray, y: np.ndarray, asked: np.ndarray, leave_out: bool) -> np.ndarray:
        """The targets that the nearest rows give those asked for; ``leave_out``: without each row itself."""
        from sklearn.neighbors import NearestNeighbors

        count = min(NEIGHBOURS + leave_out, len(x))
        near = NearestNeighbors(n_neighbors=count).fit(x).kneighbors(asked, return_distance=False)
        votes = y[near[:, 1:] if leave_out else near]
        if not self.examination.classifies:
            return votes.mean(1)
        counts = np.stack([(votes == value).sum(1) for value in range(int(y.max()) + 1)], 1)
        return counts.argmax(1)

    @cached_property
    def best(self) -> float:
        """The best of them on the held-out rows: what there is to reach."""
        if not self.possible:
            return np.nan
        return max(self.linear[1], self.curved[1], self.across, self.of_new)

    @cached_property
    def shortfall(self) -> float:
        """How far the network stays behind the best plain method on the held-out rows."""
        return float(self.best - self.examination.skill_new) if self.possible else np.nan

    @property
    def tolerance(self) -> float:
        """The shortfall that need not mean anything."""
        limits = values(self.limits)
        rows, classes = len(self.targets[1]), len(np.unique(self.targets[1]))
        noise = 0.0
        if self.examination.classifies and classes > 1:
            right = 1 / classes + self.best * (1 - 1 / classes)
            noise = np.sqrt(2 * max(right * (1 - right), 1 / rows) / rows) / (1 - 1 / classes)
        drawing = min(limits["errors"] * noise, limits["most"])
        return float(max(limits["least"], limits["share"] * self.best, drawing))

    @property
    def healthy(self) -> bool:
        """Whether the network is near enough to what there is to reach that nothing need be wrong."""
        e = self.examination
        if e.diverged:
            return False
        if not self.possible or 1 - e.skill_new <= self.limits["share"].value:
            return True  # no plain method need be asked
        surely = e.skill_new + max(limit.value for name, limit in self.limits.items() if name != "errors")
        if self.across > surely or self.linear[1] > surely:
            return False  # nor need the slower ones
        return self.shortfall <= self.tolerance
