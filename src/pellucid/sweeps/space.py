"""The space of a sweep: the values or the range of each setting."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pellucid.core.constraints import Interval, require
from pellucid.core.display import Displayed
from pellucid.core.errors import InvalidValue
from pellucid.runs.compare import shown

NOT_VARIED = {
    "seed": "seeds takes the seeds",
    "metric": "trials are compared by the same metric",
    "metrics": "trials are compared by the same metric",
}
"""Settings that cannot be in a space, with the reason."""
MOST_REPEATS = 1000
"""Draws in a row that were all made before, after which a space counts as exhausted."""


@dataclass(frozen=True)
class Range(Displayed):
    """All numbers between two ends, whole ones where both ends are whole.

    Args:
        low: the lowest.
        high: the highest; it belongs to the range.
        log: draw the logarithm evenly, as suits a rate or a strength.

    Example:
        >>> Range(1e-4, 1e-1, log=True)
        Range(low=0.0001, high=0.1, log=True)
        >>> Range(0.1, 0.1)
        Traceback (most recent call last):
            ...
        pellucid.core.errors.InvalidValue: Range: high must be above low. Received: low 0.1, high 0.1.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            require(getattr(self, name), Interval(), f"Range.{name}")
        if not self.low < self.high:
            raise InvalidValue(f"Range: high must be above low. Received: low {self.low!r}, high {self.high!r}.")
        if self.log and self.low <= 0:
            raise InvalidValue(f"Range: with log, low must be above 0. Received: {self.low!r}.")

    @property
    def whole(self) -> bool:
        """True where both ends are whole numbers, and so is all that is drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, fraction: float) -> float:
        """Take the number at a fraction of the way from ``low`` to ``high``.

        Example:
            >>> Range(1, 100, log=True).at(0.5), Range(0.0, 1.0).at(0.25)
            (7, 0.25)
        """
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + fraction * (math.log(high) - math.log(low)))
        else:
            value = low + fraction * (high - low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value

    def __str__(self) -> str:
        return f"{'log:' * self.log}{self.low}:{self.high}"

    @classmethod
    def parse(cls, text: str) -> "Range | None":
        """Read ``LOW:HIGH`` or ``log:LOW:HIGH``; None for any other text.

        Example:
            >>> str(Range.parse("log:1e-4:1e-1")), Range.parse("16:128").whole, Range.parse("adam:beta1=0.8")
            ('log:0.0001:0.1', True, None)
        """
        log, rest = text.startswith("log:"), text.removeprefix("log:")
        ends = rest.split(":")
        try:
            numbers = [int(end) if end.strip().lstrip("+-").isdecimal() else float(end) for end in ends]
        except ValueError:
            return None
        return cls(*numbers, log=log) if len(numbers) == 2 else None


Values: TypeAlias = "tuple[Any, ...] | Range"
Space: TypeAlias = dict[str, Values]
Point: TypeAlias = dict[str, float]
"""A place in a space: of a range the number, of a list the index of the value."""


def as_space(given: Mapping[str, Any]) -> Space:
    """Check the space of a sweep: a list of values, a `Range` or its text for each setting.

    Raises:
        InvalidValue: neither of them, a list with nothing in it or the same value twice, or a setting that is not
            varied.

    Example:
        >>> as_space({"learning_rate": "log:1e-4:1e-1", "dropout": [0, 0.2]})["dropout"]
        (0, 0.2)
    """
    if not isinstance(given, Mapping) or not given:
        raise InvalidValue(
            'space names nothing to vary. Give it values, or a range: {"dropout": [0, 0.2], "learning_rate": '
            "Range(1e-4, 1e-1, log=True)}."
        )
    return {name: _values(name, values) for name, values in given.items()}


def _values(name: str, given: Any) -> Values:
    if name in NOT_VARIED:
        raise InvalidValue(f"{name} cannot be in the space: {NOT_VARIED[name]}.")
    if isinstance(given, str):
        given = Range.parse(given) or given
    if isinstance(given, Range):
        return given
    if isinstance(given, str) or not isinstance(given, (Sequence, np.ndarray)) or not len(given):
        raise InvalidValue(
            f"space[{name!r}] must be a list of values, a Range, or the text of one such as 'log:1e-4:1e-1'. "
            f"Received: {given!r}."
        )
    values = tuple(value.item() if isinstance(value, np.generic) else value for value in given)
    labels = [shown(value) for value in values]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InvalidValue(f"space[{name!r}] holds {twice} twice. Received: {given!r}.")
    return values


def size_of(space: Space) -> int | None:
    """Number of settings of a space of lists and whole numbers; None where it holds a range of fractions.

    Example:
        >>> size_of(as_space({"units": "8:11", "dropout": [0, 0.5]}))
        8
    """
    sizes = [_count(values) for values in space.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _count(values: Values) -> int | None:
    if not isinstance(values, Range):
        return len(values)
    return int(values.high - values.low) + 1 if values.whole else None


def settings_at(space: Space, point: Point) -> dict[str, Any]:
    """The setting of a point: of a range its number, of a list the value at its index.

    Example:
        >>> space = as_space({"units": [8, 16], "learning_rate": Range(0.001, 0.1)})
        >>> settings_at(space, {"units": 1, "learning_rate": 0.01})
        {'units': 16, 'learning_rate': 0.01}
    """
    return {name: _value_at(values, point[name]) for name, values in space.items()}


def _value_at(values: Values, at: float) -> Any:
    if isinstance(values, Range):
        return int(at) if values.whole else at
    return values[int(at)]


def grid(space: Space) -> list[Point]:
    """Every combination of the values.

    Raises:
        InvalidValue: a range, which has no end of values.

    Example:
        >>> grid({"units": (8, 16), "dropout": (0, 0.5)})[1]
        {'units': 0, 'dropout': 1}
    """
    for name, values in space.items():
        if isinstance(values, Range):
            raise InvalidValue(
                f"a grid needs values, and space[{name!r}] is the range {values}. Give a list, such as "
                f"{[values.at(fraction) for fraction in (0.0, 0.5, 1.0)]}, or take method='random'."
            )
    indices = [range(len(values)) for values in space.values() if not isinstance(values, Range)]
    return [dict(zip(space, at, strict=True)) for at in itertools.product(*indices)]


def draws(space: Space, seed: int) -> Iterator[Point]:
    """Draw points by chance, each at most once; more draws begin with the same ones.

    Example:
        >>> space = as_space({"units": [8, 16], "dropout": [0, 0.5]})
        >>> len(list(draws(space, seed=0)))
        4
    """
    chance, drawn, size, repeats = np.random.default_rng(seed), set(), size_of(space), 0
    while (size is None or len(drawn) < size) and repeats < MOST_REPEATS:
        point = {
            name: values.at(chance.random()) if isinstance(values, Range) else int(chance.integers(len(values)))
            for name, values in space.items()
        }
        key = tuple(point.values())
        repeats = repeats + 1 if key in drawn else 0
        if not repeats:
            drawn.add(key)
            yield point
