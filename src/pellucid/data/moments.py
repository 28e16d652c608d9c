"""Means, standard deviations and ranges of columns, gathered some rows at a time."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Moments:
    """What scalings are fitted to: for each column its known values, their mean, squares about it, and range.

    Example:
        >>> x = np.array([[1.0, 7.0], [3.0, 7.0], [8.0, 7.0]], np.float32)
        >>> both = Moments.of(x[:1]).merge(Moments.of(x[1:]))
        >>> both.mean, both.fit("standardise").scale.round(3)
        (array([4., 7.]), array([0.34, 1.  ], dtype=float32))

    Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(x: np.ndarray) -> "Moments":
        """The moments of the columns of ``x``, shape (rows, columns), without what is NaN."""
        known = ~np.isnan(x)
        count = known.sum(axis=0)
        whole = bool(known.all())
        values = x.astype(np.float64)
        with np.errstate(invalid="ignore"):
            mean = (values if whole else np.where(known, values, 0)).sum(axis=0) / np.maximum(count, 1)
        away = values - mean
        away = away if whole else np.where(known, away, 0)
        low, high = (
            np.where(known, x, bound).min(axis=0, initial=bound)
            if sign > 0
            else np.where(known, x, bound).max(axis=0, initial=bound)
            for bound, sign in ((np.inf, 1), (-np.inf, -1))
        )
        return Moments(count, mean, np.einsum("rc,rc->c", away, away), low.astype(float), high.astype(float))

    @staticmethod
    def constant(values: np.ndarray, count: np.ndarray) -> "Moments":
        """The moments of columns that hold one value each, so many times."""
        low, high = (np.where(count > 0, values, bound) for bound in (np.inf, -np.inf))
        return Moments(count, values, np.zeros(len(values)), low, high)

    def merge(self, other: "Moments") -> "Moments":
        """The moments of the rows of both."""
        count = self.count + other.count
        weight = other.count / np.maximum(count, 1)
        difference = np.where(other.count > 0, other.mean - self.mean, 0)
        return Moments(
            count,
            self.mean + difference * weight,
            self.squares + other.squares + difference**2 * self.count * weight,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def take(self, columns: Any) -> "Moments":
        """The moments of some of the columns."""
        return Moments(*(array[columns] for array in self.arrays))

    @staticmethod
    def beside(parts: "list[Moments]") -> "Moments":
        """The moments of columns side by side."""
        return Moments(*(np.concatenate(arrays) for arrays in zip(*(part.arrays for part in parts), strict=True)))

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Its arrays in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def fit(self, scaling: str) -> Preprocessing:
        """The scaling of a name, as `pellucid.data.preprocessing.SCALINGS` fits it to the rows themselves.

        Raises:
            DataError: logarithms, of which these are no moments.
        """
        if scaling == "none":
            return Preprocessing()
        if scaling == "min_max":
            return Preprocessing(self.low, 1 / np.where(self.high > self.low, self.high - self.low, 1))
        if scaling not in ("standardise", "auto"):
            raise DataError(f"the scaling {scaling!r} is not fitted to rows that are read while they are trained on.")
        std = np.sqrt(self.squares / np.maximum(self.count, 1))
        constant = (self.high == self.low) | (std < np.finfo(np.float32).tiny)
        return Preprocessing(self.mean, 1 / np.where(constant, 1, std))

    def to_dict(self) -> dict[str, list[Any]]:
        """As lists, which keep every bit."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @staticmethod
    def from_dict(plain: dict[str, list[Any]]) -> "Moments":
        """Rebuild the moments that `to_dict` wrote."""
        return Moments(**{name: np.array(values) for name, values in plain.items()})
