"""Constraints on the values of fields.

A constraint is declared once, on the dataclass field it limits::

    @dataclass(frozen=True)
    class Dropout(Layer):
        rate: float = constrained(0.5, Interval(0, 1, closed="left"), "fraction of neurons dropped")

and drives the validation, the error text and the help texts.
"""

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.core.errors import InvalidValue


@dataclass(frozen=True)
class Interval:
    """Numbers between ``low`` and ``high``; ``closed`` says which ends belong to it."""

    low: float = -math.inf
    high: float = math.inf
    closed: Literal["both", "left", "right", "neither"] = "both"

    def allows(self, value: Any) -> bool:
        """Tell whether ``value`` is a finite number inside the interval."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return False
        if not math.isfinite(value):
            return False
        number = float(value)
        above = number >= self.low if self.closed in ("both", "left") else number > self.low
        below = number <= self.high if self.closed in ("both", "right") else number < self.high
        return above and below

    def __str__(self) -> str:
        left = "[" if self.closed in ("both", "left") and math.isfinite(self.low) else "("
        right = "]" if self.closed in ("both", "right") and math.isfinite(self.high) else ")"
        return f"a number in {left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True)
class WholeNumber:
    """Integers from ``low`` to ``high``; without an end where it is None."""

    low: int = 1
    high: int | None = None

    def allows(self, value: Any) -> bool:
        """Tell whether ``value`` is an integer within the ends."""
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            return False
        return self.low <= int(value) and (self.high is None or int(value) <= self.high)

    def __str__(self) -> str:
        return f"a whole number {f'of at least {self.low}' if self.high is None else f'from {self.low} to {self.high}'}"


@dataclass(frozen=True)
class OneOf:
    """One of the listed values."""

    options: tuple[Any, ...]

    def allows(self, value: Any) -> bool:
        """Tell whether ``value`` is listed."""
        return value in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(option) for option in self.options)


@dataclass(frozen=True)
class OrElse:
    """What another constraint allows, or one word."""

    constraint: Interval | WholeNumber
    word: str

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is the word, or allowed by the constraint."""
        return value == self.word if isinstance(value, str) else self.constraint.allows(value)

    def __str__(self) -> str:
        return f'{self.constraint}, or "{self.word}"'


Constraint = Interval | WholeNumber | OneOf | OrElse

POSITIVE = Interval(low=0, closed="neither")
NOT_NEGATIVE = Interval(low=0)
FRACTION = Interval(0, 1, closed="left")
"""A rate or decay factor: 0 is allowed, 1 is not."""


def constrained(default: Any, constraint: Constraint, help: str) -> Any:
    """Declare a dataclass field that ``validate`` checks.

    ``dataclasses.MISSING`` as default makes it required; ``None`` as default makes it optional.
    """
    return dataclasses.field(default=default, metadata={"constraint": constraint, "help": help})


def require(value: Any, constraint: Constraint, name: str, advice: str = "") -> None:
    """Raise `InvalidValue` unless ``constraint`` allows ``value``."""
    if not constraint.allows(value):
        text = f"{name} must be {constraint}. Received: {value!r}."
        raise InvalidValue(f"{text} {advice}".rstrip())


def validate(instance: Any) -> None:
    """Check every constrained field of a dataclass instance."""
    for field in dataclasses.fields(instance):
        constraint = field.metadata.get("constraint")
        value = getattr(instance, field.name)
        if constraint is not None and not (value is None and field.default is None):
            name = f"{type(instance).__name__}.{field.name} ({field.metadata['help']})"
            require(value, constraint, name)
