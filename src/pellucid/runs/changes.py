"""Numbers that a callback changes during a training: which ones may, and what they are after each change.

The settings of an experiment stay those that it began with. A change is an entry ``{"epoch", "step", "callback",
"setting", "before", "after"}`` in the checkpoints and the manifest of a run; `described` gives the settings after all
of them.
"""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec

from pellucid.core.constraints import Interval
from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import Schedule
from pellucid.optimizers import FromOptax, as_optimizer
from pellucid.runs.experiment import Experiment
from pellucid.runs.trained import Trained

PARTS = ("optimizer", "critic_optimizer", "regularizer")
"""Settings of whose numbers any may change."""


def in_force(changes: Sequence[Mapping[str, Any]], resumed: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those changes by callbacks that no later change of settings, on resuming, holds already.

    Args:
        changes: all changes by callbacks, in order.
        resumed: the changes on resuming; see `pellucid.runs.trained.Trained`.
    """
    held = {name: entry.get("changes", 0) for entry in resumed for name in entry["changed"]}
    return [
        change
        for i, change in enumerate(changes)
        if "setting" in change and i >= held.get(change["setting"].partition(".")[0], 0)
    ]


def described(experiment: Experiment, changes: Iterable[Mapping[str, Any]], parts: Iterable[str] = PARTS) -> Experiment:
    """The settings of an experiment after changes by callbacks.

    Example:
        >>> experiment = Experiment(network=["flatten"], loss="mean_squared_error", optimizer="adam")
        >>> described(experiment, [{"setting": "optimizer.beta1", "after": 0.8}]).optimizer
        {'name': 'adam', 'beta1': 0.8}
    """
    for change in changes:
        part, _, way = change["setting"].partition(".")
        if part in parts:
            item = _put(_part(experiment, part), way.split("."), change["after"], change["setting"])[1]
            experiment = msgspec.structs.replace(experiment, **{part: describe(item)})
    return experiment


def changed(run: Trained, setting: str, value: float | None = None) -> tuple[Any, str, Any]:
    """Change one number of a training.

    Args:
        run: its record as it is.
        setting: as for `pellucid.callbacks.TrainingView.set`.
        value: the new number; None to look it up.

    Returns:
        The number before, its full name, and the optimiser or regulariser with the new one.

    Raises:
        InvalidValue: no such number, one that the compiled program depends on, or a value outside what is allowed.
    """
    path = f"optimizer.{setting}" if setting.partition(".")[0] == "learning_rate" else setting
    part, _, way = path.partition(".")
    if part not in PARTS or not way:
        raise InvalidValue(
            f"no number {setting!r} can be read or changed during a training. Name one of the optimizer or the "
            "regularizer: learning_rate, optimizer.beta1, regularizer.strength."
        )
    experiment = described(run.experiment, in_force(run.changes, run.resumed))
    if part == "critic_optimizer" and experiment.critic_optimizer is None:
        raise InvalidValue(
            f"{setting}: there is no optimizer of a critic's own. Begin a GAN with a critic_optimizer to change its "
            "numbers apart from the generator's."
        )
    item = _part(experiment, part)
    if item is None:
        raise InvalidValue(f"{setting}: this training has no {part}. Begin it with one.")
    before, new = _put(item, way.split("."), value, path)
    return before, path, new


def _part(experiment: Experiment, part: str) -> Any:
    written = getattr(experiment, part)
    if part == "regularizer":
        return None if written is None else regularizers.build(written)
    if written == FromOptax.name:
        raise InvalidValue(
            f"{part}: an optimizer from Optax holds its numbers inside, where no callback can change them. Use one of "
            "pellucid's."
        )
    return as_optimizer(written)


def _leaves(item: Any) -> dict[str, Any]:
    """The numbers of a tunable object, and the tunable objects in it."""
    return {
        field.name: getattr(item, field.name)
        for field in fields(item)
        if isinstance(field.metadata.get("constraint"), Interval) or "tunable" in field.metadata
    }


def _put(item: Any, way: list[str], value: Any, path: str) -> tuple[Any, Any]:
    """The number at the end of a way into an object, and a copy of the object with another number there."""
    name, *rest = way
    leaves = _leaves(item)
    own = getattr(item, "name", type(item).__name__)
    numbers_here = [leaf for leaf, current in leaves.items() if current is not None]
    if name not in leaves:
        why = f"the compiled program depends on {name}" if hasattr(item, name) else f"{own} has no number {name!r}"
        raise InvalidValue(f"{path}: {why}. Those that can change: {', '.join(numbers_here)}.")
    current = leaves[name]
    if rest:
        if not is_dataclass(current):
            raise InvalidValue(f"{path}: {name} is a number, {current!r}, that holds no others.")
        before, inner = _put(current, rest, value, path)
        return before, replace(item, **{name: inner})
    if current is None:
        raise InvalidValue(
            f"{path}: {name} is not in use in this training, whose program does without it. Begin with a value that "
            "changes nothing, and set it later."
        )
    if isinstance(current, Schedule):
        ways = ", ".join(f"{path}.{name}" for name in _leaves(current))
        raise InvalidValue(f"{path} is the schedule {current.name!r} here. Name one of its numbers: {ways}.")
    if value is None:
        return current, item
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidValue(f"{path} must be a number. Received: {value!r}.")
    return current, replace(item, **{name: float(value)})
