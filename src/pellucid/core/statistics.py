"""Confidence intervals, paired tests and effect sizes for comparing trainings.

Trainings with the same seed see the same rows in the same order, so that two settings are compared pair by pair: the
common effect of a seed cancels, and few seeds suffice.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from pellucid.core.constraints import Interval, require
from pellucid.core.errors import ShapeError

CONFIDENCE = Interval(0, 1, closed="neither")


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval."""

    mean: float
    std: float
    """Standard deviation of the values, by n − 1; NaN for one value."""
    low: float
    """Lower end of the mean's interval."""
    high: float
    count: int
    """Number of values that are not NaN."""


@dataclass(frozen=True)
class Paired:
    """The difference between the means of paired values, with its test."""

    difference: float
    """Mean of a − b."""
    interval: tuple[float, float]
    """Of that mean."""
    p: float
    """Probability of so large a difference of either sign if there were none (paired t-test)."""
    d: float
    """Effect size: the mean difference in standard deviations of the differences. 0.2 is small, 0.8 is large."""
    count: int
    """Number of pairs without NaN."""


def interval(values: Any, confidence: float = 0.95) -> Estimate:
    """Estimate a mean, with standard deviation and confidence interval.

    NaN, as of a diverged training, is left out; the ends are NaN for fewer than two values.

    Formula:
        mean ± t · s / √n, where t is Student's quantile for n − 1 degrees of freedom

    Example:
        >>> accuracy = interval([0.95, 0.96, 0.97])
        >>> round(accuracy.mean, 3), round(accuracy.low, 3), round(accuracy.high, 3)
        (0.96, 0.935, 0.985)

    Source: Student, The probable error of a mean, 1908.
    """
    require(confidence, CONFIDENCE, "confidence")
    numbers = _numbers(values)
    numbers = numbers[np.isfinite(numbers)]
    count = len(numbers)
    mean = float(numbers.mean()) if count else np.nan
    if count < 2:
        return Estimate(mean, np.nan, np.nan, np.nan, count)
    std = float(numbers.std(ddof=1))
    margin = float(_special().stdtrit(count - 1, (1 + confidence) / 2)) * std / np.sqrt(count)
    return Estimate(mean, std, float(mean - margin), float(mean + margin), count)


def paired(a: Any, b: Any, confidence: float = 0.95) -> Paired:
    """Test whether ``a`` differs from ``b``, pair by pair.

    A pair with a NaN is left out; for fewer than two pairs all but the difference is NaN. Where all differences are
    alike, p is 1 if they are 0, else 0, and d is 0 or infinite.

    Formula:
        δ = a − b; t = δ̄ / (s / √n), p by Student's distribution for n − 1 degrees of freedom; d = δ̄ / s

    Example:
        >>> gain = paired([0.95, 0.96, 0.97], [0.93, 0.95, 0.95])
        >>> round(gain.difference, 4), round(gain.p, 3), round(gain.d, 2)
        (0.0167, 0.038, 2.89)

    Source: Student, The probable error of a mean, 1908; Cohen, Statistical power analysis for the behavioral
    sciences, 1988 (d of paired samples).
    """
    first, second = _numbers(a), _numbers(b)
    if first.shape != second.shape:
        raise ShapeError(f"paired values must be as many in a as in b. Received: {len(first)} and {len(second)}.")
    differences = first - second
    mean, std, low, high, count = astuple(interval(differences, confidence))
    if count < 2:
        return Paired(mean, (np.nan, np.nan), np.nan, np.nan, count)
    limit = float(np.copysign(np.inf, mean)) if mean else 0.0
    d = mean / std if std else limit
    p = float(2 * _special().stdtr(count - 1, -abs(d) * np.sqrt(count)))
    return Paired(mean, (low, high), p, d, count)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for multiple tests by Holm's step-down method.

    Formula:
        sorted upwards, pᵢ ← max(pᵢ₋₁, min(1, (m − i) · pᵢ)), i from 0; m counts those that are numbers

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    corrected = np.asarray(p_values, float).copy()
    order = np.argsort(corrected)[: int(np.isfinite(corrected).sum())]
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def _numbers(values: Any) -> np.ndarray:
    numbers = np.asarray(values, float)
    if numbers.ndim != 1:
        raise ShapeError(f"values must have one axis. Received: shape {numbers.shape}.")
    return numbers


def _special() -> Any:
    from scipy import special  # a tenth of a second, which no start should wait for

    return special
