"""An experiment as plain data: everything needed to run a training again."""

import math
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import msgspec

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue, StorageError
from pellucid.data import Dataset, load_dataset, load_table, reconstruction
from pellucid.functions.schedules import watches_loss
from pellucid.optimizers import as_optimizer
from pellucid.runs.scaling import ScalingChoice
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
    batch_size: int | Literal["all"] = 32
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

    def check_counts(self) -> None:
        """Refuse epochs, a seed … that are no whole numbers, or too small; ``batch_size`` may be ``"all"`` too."""
        if isinstance(self.batch_size, str) and self.batch_size != "all":
            raise InvalidValue(
                f'batch_size must be a whole number of at least 1, or "all". Received: {self.batch_size!r}.'
            )
        for name, least in self.counts.items():
            if name != "batch_size" or self.batch_size != "all":
                require(getattr(self, name), WholeNumber(least), name)

    def training_rows(self, rows: int) -> int:
        """How many of ``rows`` rows are trained on: without the validation part, where something is decided on one."""
        return rows - (math.ceil(self.validation * rows) if self.decides else 0)

    @property
    def decides(self) -> bool:
        """Whether something is decided during the training (early stopping, a schedule on plateaus)."""
        # An optimiser from Optax is not described, and its schedules see no loss.
        rate = None if self.optimizer == "optax" else as_optimizer(self.optimizer).learning_rate
        return self.patience is not None or watches_loss(rate)

    def rows_of_step(self, rows: int) -> int:
        """The rows of one step, where ``rows`` are trained on."""
        return rows if self.batch_size == "all" else self.batch_size


USUAL_BATCH_SIZE = 32
"""Rows of a step where nothing is said."""


def with_usual_batch_size(experiment: Experiment, rows: int, full_batch: bool) -> Experiment:
    """The experiment with the batch size that is taken where none is given: all rows, or 32, for few rows fewer.

    Args:
        experiment: the settings.
        rows: training rows of its data, those for validation included.
        full_batch: whether its optimiser takes all rows at once.
    """
    few = max(1, experiment.training_rows(rows))
    return msgspec.structs.replace(experiment, batch_size="all" if full_batch else min(USUAL_BATCH_SIZE, few))


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
    lipschitz_constraint: Any = None
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
    if experiment.batch_size != "all" and experiment.batch_size > rows:
        raise InvalidValue(
            f"batch_size is {experiment.batch_size}, but there are only {rows} rows to train on"
            f"{', without those for validation' if experiment.decides else ''}. "
            f'Take at most {rows}, or "all" for gradient descent on all rows at once.'
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
    data = load_table(settings["file"], **options) if "file" in settings else load_dataset(settings["name"], **options)
    return reconstruction(data) if to_itself else data
