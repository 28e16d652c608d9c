"""An experiment as plain data: everything needed to run a training again."""

from typing import Any

import msgspec

from pellucid.core.checks import InvalidValue, StorageError
from pellucid.data import Dataset, load_dataset, load_table


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
    record_every: int = 10
    data: dict[str, Any] = {}  # noqa: RUF012 (msgspec copies it)

    def to_dict(self) -> dict[str, Any]:
        """All settings that are set, for TOML, which knows no null."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}

    @staticmethod
    def from_dict(settings: dict[str, Any]) -> "Experiment":
        """The experiment of a table read from TOML.

        Raises:
            StorageError: a field is missing, unknown, or of the wrong type.
        """
        try:
            return msgspec.convert(settings, Experiment)
        except msgspec.ValidationError as error:
            raise StorageError(f"experiment.toml does not describe an experiment: {error}.") from error


def check_counts(epochs: Any, batch_size: Any, rows: int) -> None:
    """Refuse epochs or a batch size that cannot be trained with.

    Raises:
        InvalidValue: naming the value and what is allowed.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidValue(f"{name} must be a whole number of at least 1. Received: {value!r}.")
    if batch_size > rows:
        raise InvalidValue(
            f"batch_size is {batch_size}, but the training part has only {rows} rows. "
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
