"""A measured quantity: one value a seed, its mean and 95 % interval."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.core.statistics import interval


class Quantity(msgspec.Struct, frozen=True):
    """A measured quantity: one value for each seed, or for each round of a timing.

    Args:
        name: what it is.
        values: at least two finite numbers.
        unit: of the values; empty for a pure number.

    Raises:
        InvalidValue: fewer than two values, or one that is not finite.

    Example:
        >>> loss = Quantity("loss", (0.3, 0.4, 0.5))
        >>> round(loss.mean, 3), round(loss.low, 3), round(loss.high, 3)
        (0.4, 0.152, 0.648)
        >>> print(loss)
        0.4 [0.152, 0.648]
    """

    name: str
    values: tuple[float, ...]
    unit: str = ""

    @staticmethod
    def of(name: str, values: Any, unit: str = "") -> "Quantity":
        """The quantity of any sequence of numbers."""
        return Quantity(name, tuple(float(value) for value in values), unit)

    def __post_init__(self) -> None:
        if len(self.values) < 2 or not all(map(math.isfinite, self.values)):
            raise InvalidValue(f"the quantity {self.name!r} needs at least two finite values. Received: {self.values}.")

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return interval(self.values).mean

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the mean."""
        return interval(self.values).low

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the mean."""
        return interval(self.values).high

    def minus(self, other: "Quantity", name: str) -> "Quantity":
        """The paired difference, seed by seed."""
        return Quantity.of(name, np.subtract(self.values, other.values), self.unit)

    def over(self, other: "Quantity", name: str) -> "Quantity":
        """The paired ratio, seed by seed."""
        return Quantity.of(name, np.divide(self.values, other.values))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{number(self.mean)} [{number(self.low)}, {number(self.high)}]{unit}"


def number(value: float) -> str:
    """A number for people: three significant digits, a true minus.

    Example:
        >>> number(-1234.5), number(0.00001234), number(0.0)
        ('−1234', '1.23e−5', '0')
    """
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e+").replace("-", "−")


def quantities_by_name(quantities: Sequence[Quantity]) -> dict[str, Quantity]:
    """The quantities by their names."""
    return {quantity.name: quantity for quantity in quantities}
