"""The table of remedies."""

from collections.abc import Callable

from pellucid.core.checks import InvalidValue, ShapeError
from pellucid.doctor.race import Candidate
from pellucid.doctor.setup import Setup

Make = Callable[[Setup], list[tuple[str, Setup]]]
"""The trainings of a remedy with the change in words; none where it does not apply."""

REMEDIES: dict[str, Make] = {}
"""Every remedy by name."""


def remedy(*names: str) -> Callable[[Make], Make]:
    """Enter a function under one or several names."""

    def enter(make: Make) -> Make:
        REMEDIES.update(dict.fromkeys(names, make))
        return make

    return enter


def candidates(name: str, setup: Setup) -> list[Candidate]:
    """The trainings that a remedy makes of one; none where it does not apply or does not fit.

    Example:
        >>> candidates("no such remedy", None)
        []
    """
    if name not in REMEDIES:
        return []
    try:
        return [Candidate(name, change, made) for change, made in REMEDIES[name](setup)]
    except (InvalidValue, ShapeError):
        return []
