"""The table of remedies: what each makes of a training. One that changes nothing is neither tried nor offered."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from pellucid.core.errors import DataError, InvalidValue, ShapeError
from pellucid.doctor.setup import Setup
from pellucid.doctor.successive_halving import Candidate
from pellucid.runs.trained import Trained
from pellucid.training import Rows

Make = Callable[[Setup], list[tuple[str, Setup]]]
"""The trainings of a remedy with the change in words; none where it does not apply."""

REMEDIES: dict[str, Make] = {}
"""Every remedy by name."""
SLOW: set[str] = set()
"""Those that fit something to all rows: offered without being made."""
ALIKE = 0.02
"""Inputs whose means and standard deviations differ by less than this share of a deviation are scaled alike."""


def remedy(*names: str, slow: bool = False) -> Callable[[Make], Make]:
    """Enter a function under one or several names; ``slow`` where it fits something to all rows."""

    def enter(make: Make) -> Make:
        REMEDIES.update(dict.fromkeys(names, make))
        SLOW.update(names if slow else ())
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
        changed = REMEDIES[name](setup)
    except (InvalidValue, ShapeError):
        return []
    return [Candidate(name, change, made) for change, made in changed if not same(setup, made)]


def offered(names: Iterable[str], setup: Setup) -> tuple[str, ...]:
    """Those of some remedies that would change a training, and those that no program makes."""
    return tuple(name for name in names if name not in REMEDIES or name in SLOW or candidates(name, setup))


def setup_to_offer(run: Trained) -> Setup | None:
    """The parts of a run that remedies are asked of; where there are no held-out targets others stand in."""
    try:
        return Setup.of(run)
    except DataError:
        pass
    training: Any = run.training
    if training is None:
        return None

    def filled(rows: Rows) -> Rows:
        return rows._replace(y=rows.x) if rows.y is None else rows

    train, monitor = filled(training.train), filled(training.monitor or training.train)
    return Setup.of(replace(run, training=replace(training, train=train, monitor=monitor)))


def same(a: Setup, b: Setup) -> bool:
    """Whether two setups make the same training, whatever a remedy calls the second."""
    plain = ((one.program, one.optimizer, one.epochs, jax.tree.structure(one.regularizer)) for one in (a, b))
    numbers = zip(jax.tree.leaves(a.regularizer), jax.tree.leaves(b.regularizer), strict=False)
    first, second = plain
    return (
        first == second
        and all(float(x) == float(y) for x, y in numbers)
        and _equal(a.train.x, b.train.x)
        and _equal(a.held_out, b.held_out)
        and _equal(a.train.y, b.train.y)
        and _equal(_weights(a), _weights(b))
        and _scaled_alike(a, b)
    )


def _equal(a: Any, b: Any) -> bool:
    if a is b or a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    return np.array_equal(a, b) or (a.dtype.kind == b.dtype.kind == "f" and np.allclose(a, b, 1e-3, 1e-5))


def _weights(setup: Setup) -> np.ndarray | None:
    """The weights of the rows; None where all weigh alike."""
    weights = setup.train.weights
    return None if weights is None or np.ptp(np.asarray(weights)) == 0 else np.asarray(weights)


def _scaled_alike(a: Setup, b: Setup) -> bool:
    """Whether the network sees the same inputs, give or take the rows that the scaling was learnt from."""
    if a.scaling is b.scaling:
        return True
    (shift, scale), (other, by) = ([np.asarray(n) for n in one.scaling[:2]] for one in (a, b))
    with np.errstate(all="ignore"):
        apart = np.abs((shift - other) * scale)
        times = np.abs(np.log(np.abs(by) / np.abs(scale)))
    return bool((apart < ALIKE).all() and (times < ALIKE).all())
