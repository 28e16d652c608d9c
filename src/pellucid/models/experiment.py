"""An experiment as plain data: everything needed to run a training again."""

from numbers import Integral
from typing import Any, ClassVar, Self

import msgspec

from pellucid.core.checks import InvalidValue, StorageError, WholeNumber, require
from pellucid.data import Dataset, load_dataset, load_table, reconstruction
from pellucid.models.scaling import ScalingChoice
from pellucid.training.recorder import DEFAULT_GROUPS

COUNTS = {"epochs": 1, "batch_size": 1, "seed": 0, "record_every": 0, "histograms_every": 0}
"""Settings of every training that are whole numbers, with the least value of each."""


class Settings(msgspec.Struct):
    """What the experiments of all kinds of training share: reading, writing, checking."""

    counts: ClassVar[dict[str, int]] = COUNTS

    def __post_init__(self) -> None:
        for name in self.counts:
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

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The experiment of a table read from TOML.

        Raises:
            StorageError: a field is missing, unknown, or of the wrong type.
        """
        if "generator" in settings and cls is not GanExperiment:
            raise StorageError(
                "this is the experiment of a GAN: load it with load_gan, go on with resume_gan, sample it with "
                "pellucid sample."
            )
        try:
            return msgspec.convert(settings, cls)
        except msgspec.ValidationError as error:
            fields = ", ".join(cls.__struct_fields__)
            raise StorageError(
                f"experiment.toml does not describe an experiment: {error}. Its fields: {fields}."
            ) from error

    def check_counts(self) -> None:
        """Refuse epochs, a seed … that are no whole numbers, or too small.

        Raises:
            InvalidValue: naming the value and what is allowed.
        """
        for name, least in self.counts.items():
            require(getattr(self, name), WholeNumber(least), name)


class Experiment(Settings, kw_only=True, forbid_unknown_fields=True):
    """The settings of one training, as ``experiment.toml`` holds them.

    Layers, loss, optimiser and the rest are *specifications*: a name, or a table of name and fields.

    Example:
        >>> Experiment(network=["flatten"], loss="mean_squared_error", metric="accuracy", optimizer="adam").epochs
        10
    """

    counts: ClassVar[dict[str, int]] = COUNTS | {"snapshots": 0}

    network: list[Any] | dict[str, Any]
    loss: Any
    metric: Any
    optimizer: Any
    regularizer: Any = None
    epochs: int = 10
    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    class_weights: Any = None
    scale_inputs: ScalingChoice = "auto"
    scale_targets: ScalingChoice = "auto"
    patience: int | None = None
    min_delta: float = 0.0
    validation: float = 0.1
    record_every: int = 20
    record: tuple[str, ...] = DEFAULT_GROUPS
    histograms_every: int = 0
    snapshots: int = 0
    data: dict[str, Any] = {}


class GanExperiment(Settings, kw_only=True, forbid_unknown_fields=True):
    """The settings of one adversarial training, told from an `Experiment` by its ``generator``.

    Example:
        >>> GanExperiment(generator=["flatten"], critic=["flatten"], latent=2, optimizer="adam").critic_steps
        5
    """

    counts: ClassVar[dict[str, int]] = COUNTS | {"latent": 1, "critic_steps": 1}

    generator: list[Any]
    critic: list[Any]
    latent: int
    loss: str = "wasserstein"
    restraint: Any = None
    optimizer: Any
    critic_optimizer: Any = None
    critic_steps: int = 5
    epochs: int = 100
    batch_size: int = 64
    seed: int = 0
    record_every: int = 20
    record: tuple[str, ...] = DEFAULT_GROUPS
    histograms_every: int = 0
    data: dict[str, Any] = {}


def experiment_of(settings: dict[str, Any]) -> Experiment | GanExperiment:
    """The experiment that ``experiment.toml`` describes, of whichever kind.

    Raises:
        StorageError: a field is missing, unknown, or of the wrong type.
    """
    return (GanExperiment if "generator" in settings else Experiment).from_dict(settings)


def check_counts(experiment: Experiment, rows: int) -> None:
    """Refuse epochs, a batch size, a seed … that cannot be trained with on ``rows`` rows.

    Raises:
        InvalidValue: naming the value and what is allowed.
    """
    experiment.check_counts()
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
    to_itself = options.get("task") == "reconstruction"
    if to_itself:
        del options["task"]
    data = (
        load_table(settings["file"], **options)
        if "file" in settings
        else load_dataset(settings["name"], **options)
    )
    return reconstruction(data) if to_itself else data
