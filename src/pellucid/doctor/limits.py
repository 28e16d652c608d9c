"""A limit that evidence is held against, with its reason, and how evidence near it counts."""

from typing import NamedTuple


class Limit(NamedTuple):
    """A number, and why it is not another."""

    value: float
    reason: str


HELPS = Limit(0.15, "seeds alone rarely add more to the skill")
"""What a trial must gain before its change counts as a cure."""
WORTH = Limit(0.25, "of the skill that is missing: less is not worth another training")
"""What a trial must gain of a network that does as well as plain methods, before it is told of."""
THROWN = Limit(2, "times the first loss: a training that learns goes down; steps that are too large throw it up")
"""The greatest loss from which on a training counts as thrown about."""


def values(limits: dict[str, Limit]) -> dict[str, float]:
    """The numbers alone."""
    return {name: limit.value for name, limit in limits.items()}


def above(value: float, limit: float, steepness: float = 4.0) -> float:
    """How far a positive number lies above a limit, from 0 to 1: no cliff, one half at the limit itself.

    Formula:
        1 / (1 + (limit / value)^steepness)

    Example:
        >>> [round(above(value, 2.0), 2) for value in (1.0, 2.0, 4.0)]
        [0.06, 0.5, 0.94]
    """
    if not value > 0:
        return 0.0
    return 1 / (1 + min(limit / value, 1e6) ** steepness)


def below(value: float, limit: float, steepness: float = 4.0) -> float:
    """How far a positive number lies below a limit: 1 less `above`; of no number (NaN) 0."""
    return 0.0 if value != value else 1 - above(value, limit, steepness)
