"""A measured quantity: one value a seed, its mean and 95 % interval."""

import math
from typing import Any

import msgspec

import pellucid as pel
from pellucid.core.statistics import interval
from pellucid.report.document import number


class Quantity(msgspec.Struct, frozen=True):
    """A measured quantity: one value for each seed.

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
    def of(name: str, values: Any) -> "Quantity":
        """The quantity of any sequence of numbers; a unit follows the name in square brackets."""
        name, _, unit = name.partition(" [")
        return Quantity(name, tuple(float(value) for value in values), unit.rstrip("]"))

    def __post_init__(self) -> None:
        if len(self.values) < 2 or not all(map(math.isfinite, self.values)):
            raise pel.InvalidValue(
                f"the quantity {self.name!r} needs at least two finite values. Received: {self.values}."
            )

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return interval(self.values).mean

    @property
    def low(self) -> float:
        """Lower end of Student's 95 % interval of the mean."""
        return interval(self.values).low

    @property
    def high(self) -> float:
        """Upper end of Student's 95 % interval of the mean."""
        return interval(self.values).high

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        low, mean, high = (number(value, 3) for value in (self.low, self.mean, self.high))
        return f"{mean} [{low}, {high}]{unit}"
