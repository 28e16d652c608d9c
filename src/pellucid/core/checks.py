"""What may go wrong, in one tree, and what a field may hold, as data.

The exceptions::

    PellucidError
    ├── InvalidValue      (ValueError)   a hyperparameter outside what is allowed
    ├── UnknownName       (ValueError)   no activation, loss, layer … of that name
    ├── ShapeError        (ValueError)   arrays that do not fit together
    ├── DataError         (ValueError)   a table, label or file that cannot be trained on
    ├── StorageError      (OSError)      a run or checkpoint that cannot be written or read
    ├── MissingExtra      (ImportError)  an optional dependency that is not installed
    └── TrainingDiverged  (ArithmeticError)  a loss or gradient that is not finite

and two warnings (UserWarning): `DoctorWarning`, of a training that begins although something is certainly wrong, and
`ResumeWarning`, of one that is resumed and has nothing left to do.

A constraint is declared once, on the dataclass field it limits::

    @dataclass(frozen=True)
    class Dropout(Layer):
        rate: float = constrained(0.5, Interval(0, 1, closed="left"), "share of neurons dropped")

and drives the validation, the error text and the command line's help.
"""

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


class PellucidError(Exception):
    """Base of every error that pellucid raises on purpose."""


class InvalidValue(PellucidError, ValueError):
    """A hyperparameter outside what is allowed."""


class UnknownName(PellucidError, ValueError):
    """A name that no registry entry has."""


class ShapeError(PellucidError, ValueError):
    """Arrays whose shapes or dtypes do not fit together."""


class DataError(PellucidError, ValueError):
    """Data that cannot be trained on as they are."""


class StorageError(PellucidError, OSError):
    """A file that cannot be written, or that is not what was written."""


class MissingExtra(PellucidError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'pellucid[{extra}]'"
        )


class TrainingDiverged(PellucidError, ArithmeticError):
    """A loss, gradient or weight that is no longer finite."""


class DoctorWarning(UserWarning):
    """A training that begins although something is certainly wrong with its program or rows."""


class ResumeWarning(UserWarning):
    """A training that is resumed although it has nothing left to do."""


@dataclass(frozen=True)
class Interval:
    """Numbers between ``low`` and ``high``; ``closed`` says which ends belong to it."""

    low: float = -math.inf
    high: float = math.inf
    closed: Literal["both", "left", "right", "neither"] = "both"

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is a finite number inside the interval."""
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
    """Integers from ``low`` upwards."""

    low: int = 1

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is an integer no smaller than ``low``."""
        return (
            isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= self.low  # pyright: ignore[reportOperatorIssue]
        )

    def __str__(self) -> str:
        return f"a whole number of at least {self.low}"


@dataclass(frozen=True)
class OneOf:
    """One of the listed values."""

    options: tuple[Any, ...]

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is listed."""
        return value in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(option) for option in self.options)


Constraint = Interval | WholeNumber | OneOf

POSITIVE = Interval(low=0, closed="neither")
NOT_NEGATIVE = Interval(low=0)
SHARE = Interval(0, 1, closed="left")
"""A rate or decay factor: 0 is allowed, 1 is not."""


def constrained(default: Any, constraint: Constraint, help: str) -> Any:
    """A dataclass field that ``validate`` checks.

    ``dataclasses.MISSING`` as default makes it required; ``None`` as default makes it optional.
    """
    return dataclasses.field(default=default, metadata={"constraint": constraint, "help": help})


def require(value: Any, constraint: Constraint, name: str, advice: str = "") -> None:
    """Raise `InvalidValue` unless ``constraint`` allows ``value``."""
    if not constraint.allows(value):
        text = f"{name} must be {constraint}. Received: {value!r}."
        raise InvalidValue(f"{text} {advice}".rstrip())


def validate(instance: Any) -> None:
    """Check every constrained field of a dataclass instance.

    Raises:
        InvalidValue: naming the class, the field, the value, and what is allowed.
    """
    for field in dataclasses.fields(instance):
        constraint = field.metadata.get("constraint")
        value = getattr(instance, field.name)
        if constraint is not None and not (value is None and field.default is None):
            name = f"{type(instance).__name__}.{field.name} ({field.metadata['help']})"
            require(value, constraint, name)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not known, with a space in front: the nearest known ones; empty where none is near.

    Example:
        >>> did_you_mean("rellu", ("relu", "tanh"))
        " Did you mean 'relu'?"
    """
    near = difflib.get_close_matches(name, list(known), n=2)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
