"""The settings of a sweep, as ``sweep.toml`` holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue, StorageError
from pellucid.core.registry import describe
from pellucid.data.folds import Splitter
from pellucid.network import Network, build_network
from pellucid.runs.compare import shown
from pellucid.runs.experiment import SEEDS, describe_early_stopping
from pellucid.sweeps.space import Point, Range, Space, as_space, draws, grid, size_of
from pellucid.training import EarlyStopping

OWN = ("random", "grid", "halving")
"""Methods that need nothing else; any other is a sampler of Optuna."""
TRIALS = 64
"""Trials by default, but of a grid, which has its own number."""


class SweepFile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The fields of ``sweep.toml``; see `pellucid.sweep`."""

    space: dict[str, list[Any] | str]
    data: dict[str, Any]
    network: Any = ""
    method: str = "random"
    trials: int | None = None
    seeds: int | list[int] = 3
    folds: int | str | None = None
    seed: int = 0
    pruner: str | None = None
    settings: dict[str, Any] = {}
    fingerprint: str | None = None
    """SHA-256 of the rows, where the sweep has begun."""

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "SweepFile":
        """The file that a table read from TOML describes.

        Raises:
            StorageError: a field is missing, unknown, or of the wrong type.
        """
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            fields = ", ".join(cls.__struct_fields__)
            raise StorageError(f"sweep.toml does not describe a sweep: {error}. Its fields: {fields}.") from error


@dataclass(frozen=True)
class Search:
    """What is searched, and how; see `pellucid.sweep`, whose arguments these are."""

    network: Any
    space: Space
    method: Any
    trials: int
    seeds: tuple[int, ...]
    folds: int | Splitter | None
    seed: int
    pruner: Any
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        network: Any,
        space: Mapping[str, Any],
        *,
        method: Any = "random",
        trials: int | None = None,
        seeds: int | Sequence[int] = 3,
        folds: int | Splitter | None = None,
        seed: int = 0,
        pruner: Any = None,
        settings: Mapping[str, Any],
    ) -> "Search":
        """Check the arguments of a sweep.

        Raises:
            InvalidValue: one that cannot be used, or two that do not go together.
        """
        checked = as_space(space)
        twice = [name for name in checked if name in settings]
        if twice:
            raise InvalidValue(f"{', '.join(twice)}: in the space and beside it. Leave one out.")
        if isinstance(seeds, int):
            require(seeds, WholeNumber(1), "seeds")
        numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        for number in (*numbers, seed):
            require(number, SEEDS, "seeds" if number in numbers else "seed")
        if len(set(numbers)) < max(len(numbers), 1):
            raise InvalidValue(f"seeds must be different numbers, at least one. Received: {list(numbers)}.")
        if trials is not None:
            require(trials, WholeNumber(1), "trials")
        if pruner is not None and method in OWN:
            raise InvalidValue(
                f"pruner is for a sampler of Optuna, such as method='tpe'; method={method!r} "
                f"{'drops trials by its own rule' if method == 'halving' else 'trains all to the end'}. Leave it out."
            )
        if "epochs" in checked and (method == "halving" or pruner is not None):
            raise InvalidValue(
                "epochs cannot be in the space where trials are dropped on the way: they are compared after the same "
                "number of epochs. Give epochs beside the space, or take method='random'."
            )
        combinations = size_of(checked)
        if isinstance(method, str) and method == "grid":
            count = len(grid(checked))
            if trials not in (None, count):
                raise InvalidValue(f"this grid has {count} settings, and trials is {trials}. Leave trials out.")
            trials = count
        elif method in OWN and combinations is not None:
            trials = min(trials or TRIALS, combinations)
        return cls(network, checked, method, trials or TRIALS, numbers, folds, seed, pruner, dict(settings))

    @property
    def by_recipe(self) -> bool:
        """True where the number of epochs is given nowhere."""
        return self.settings.get("epochs") is None and "epochs" not in self.space

    @property
    def drops(self) -> bool:
        """True where trials are dropped on the way."""
        return self.method == "halving" or self.pruner is not None

    def points(self) -> list[tuple[int, Point]]:
        """The trials of a method whose trials are known before."""
        if self.method == "grid":
            return list(enumerate(grid(self.space)))
        return [
            (number, point) for number, point in zip(range(self.trials), draws(self.space, self.seed), strict=False)
        ]

    def to_file(self, data: Mapping[str, Any], fingerprint: str) -> SweepFile:
        """What ``sweep.toml`` holds of it."""
        space = {name: str(v) if isinstance(v, Range) else list(map(plain, v)) for name, v in self.space.items()}
        return SweepFile(
            space=space,
            data=dict(data),
            network=plain(self.network),
            method=_name(self.method),
            trials=self.trials,
            seeds=list(self.seeds),
            folds=repr(self.folds) if isinstance(self.folds, Splitter) else self.folds,
            seed=self.seed,
            pruner=None if self.pruner is None else _name(self.pruner),
            settings={name: plain(value) for name, value in self.settings.items()},
            fingerprint=fingerprint,
        )


def from_file(file: SweepFile) -> Search:
    """The search that a file describes.

    Raises:
        InvalidValue: folds by a splitter, which only Python can give again.
    """
    if isinstance(file.folds, str):
        raise InvalidValue(
            f"this sweep divides the rows by {file.folds}, which its file cannot make again. Call pellucid.sweep with "
            "the same arguments and folder."
        )
    space = {
        name: values if isinstance(values, str) else [from_plain(name, value) for value in values]
        for name, values in file.space.items()
    }
    return Search.of(
        from_plain("network", file.network),
        space,
        method=file.method,
        trials=None if file.method == "grid" else file.trials,
        seeds=file.seeds,
        folds=file.folds,
        seed=file.seed,
        pruner=file.pruner,
        settings={name: from_plain(name, value) for name, value in file.settings.items()},
    )


def plain(value: Any) -> Any:
    """A value of a setting as TOML holds it; ``""`` for None, which TOML does not know.

    Example:
        >>> import pellucid as pel
        >>> plain([None, (64, 64), pel.Adam(0.1)])
        ['', [64, 64], {'name': 'adam', 'learning_rate': 0.1}]
    """
    if value is None:
        return ""
    if isinstance(value, Network):
        return value.describe()
    if isinstance(value, EarlyStopping):
        return describe_early_stopping(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return list(map(plain, value))
    try:
        described = describe(value)
    except InvalidValue:  # no registered object: its name at least
        return shown(value)
    return described if isinstance(described, (str, int, float, bool, dict, list)) else shown(value)


def from_plain(name: str, value: Any) -> Any:
    """The value that `plain` wrote for the setting of a name."""
    if value == "":
        return None
    if name != "network" or isinstance(value, str) or (isinstance(value, Mapping) and "name" in value):
        return value
    return tuple(value) if all(isinstance(units, int) for units in value) else build_network(value)


def _name(given: Any) -> str:
    return given if isinstance(given, str) else type(given).__name__
