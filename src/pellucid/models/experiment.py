"""An experiment as plain data: everything needed to run a training again."""

from numbers import Integral
from typing import Any

import msgspec

from pellucid.core.checks import InvalidValue, StorageError, WholeNumber, require
from pellucid.data import Dataset, load_dataset, load_table

COUNTS = {"epochs": 1, "batch_size": 1, "seed": 0, "record_every": 0}
"""Settings that are whole numbers, with the least value of each."""


class Experiment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The settings of one training, as ``experiment.toml`` holds them.

    Layers, loss, optimiser and the rest are *specifications*: a name, or a table of name and fields.

    Example:
        >>> Experiment(network=["flatten"], loss="mean_squared_error", metric="accuracy", optimizer="adam").epochs
        10
    """

    network: list[Any]
    loss: Any
    metric: Any
    optimizer: Any
    regularizer: Any = None
    epochs: int = 10
    batch_size: int = 32
    seed: int = 0
    class_weights: Any = None
    patience: int | None = None
    min_delta: float = 0.0
    validation: float = 0.1
    record_every: int = 20
    data: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if isinstance(value, Integral) and not isinstance(value, bool):  # NumPy's as Python's
                setattr(self, name, int(value))

    def to_dict(self) -> dict[str, Any]:
        """All settings that are set, for TOML, which knows no null; NumPy's numbers as Python's."""
        return {
            name: value
            for name, value in msgspec.to_builtins(self, enc_hook=lambda number: number.item()).items()
            if value is not None
        }

    @staticmethod
    def from_dict(settings: dict[str, Any]) -> "Experiment":
        """The experiment of a table read from TOML.

        Raises:
            StorageError: a field is missing, unknown, or of the wrong type.
        """
        try:
            return msgspec.convert(settings, Experiment)
        except msgspec.ValidationError as error:
            fields = ", ".join(Experiment.__struct_fields__)
            raise StorageError(
                f"experiment.toml does not describe an experiment: {error}. Its fields: {fields}."
            ) from error


def check_counts(experiment: Experiment, rows: int) -> None:
    """Refuse epochs, a batch size, a seed … that cannot be trained with on ``rows`` rows.

    Raises:
        InvalidValue: naming the value and what is allowed.
    """
    for name, least in COUNTS.items():
        require(getattr(experiment, name), WholeNumber(least), name)
    if experiment.batch_size > rows:
        raise InvalidValue(
            f"batch_size is {experiment.batch_size}, but the training part has only {rows} rows. "
            f'Take at most {rows}, or batch_size="all" for gradient descent on all rows at once.'
        )


def open_data(settings: dict[str, Any]) -> Dataset:
    """The dataset that an experiment's ``data`` table names: a registered one, or a table file.

    Raises:
        DataError: no dataset of that name, as where the data came as arrays, which only the caller can give again.
    """
    options = {name: value for name, value in settings.items() if name not in ("file", "name")}
    if "file" in settings:
        return load_table(settings["file"], **options)
    return load_dataset(settings["name"], **options)
