"""The settings of a training, declared once.

Each setting is a field of `Experiment` with its default, constraint and help, or a word of `WORDS` that is settled into
one of them. The keywords of `pellucid.train`, the options of ``pellucid train``, ``experiment.toml`` and the table of
the documentation are made from these two; adding a setting adds a field here and its line in `Settings`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Self,
    TypeAlias,
    TypedDict,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from pellucid.core.constraints import Constraint, Interval, OneOf, OrElse, WholeNumber, require
from pellucid.core.errors import InvalidValue, StorageError, did_you_mean

if TYPE_CHECKING:  # ``--help`` shows the settings and imports neither jax nor numpy
    from pellucid.data import Dataset
    from pellucid.training import EarlyStopping

ScalingChoice: TypeAlias = Literal["auto", "standardise", "min_max", "none"]
TargetScalingChoice: TypeAlias = Literal["auto", "standardise", "min_max", "log", "none"]
Precision: TypeAlias = Literal["float32", "bfloat16", "float64"]
CHOICES, TARGET_CHOICES = get_args(ScalingChoice), get_args(TargetScalingChoice)
PRECISIONS = get_args(Precision)
RECORD = ("activations", "gradients", "updates", "weights")
"""Measurements of the layers by default."""
SEEDS = WholeNumber(0, 2**32 - 1)


@dataclass(frozen=True)
class Setting:
    """Declaration of a setting beside its type.

    Args:
        help: what it means, in a sentence.
        constraint: the values that are allowed, where one constraint says it.
        program: the kind of training that it belongs to; None for all.
        kind: what its text on the command line is read as: a name with fields, or what the type says.
        by_recipe: what `train` takes where no number of epochs is given; None for the field's default.
    """

    help: str
    constraint: Constraint | None = None
    program: Literal["supervised", "adversarial"] | None = None
    kind: Literal["specification", "specifications", "network", "names", "weights", "numbers", "path"] | None = None
    by_recipe: str | None = None


_SUPERVISED: Literal["supervised"] = "supervised"
_ADVERSARIAL: Literal["adversarial"] = "adversarial"


class Experiment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The settings of one training, as ``experiment.toml`` holds them.

    Networks, loss, optimiser and the rest are *specifications*: a name, or a table of name and fields. A table with
    ``generator`` and ``critic`` as network makes the training adversarial.

    Example:
        >>> Experiment(network=["flatten"], loss="mean_squared_error", optimizer="adam").epochs
        10
    """

    network: Annotated[
        Any,
        Setting(
            "Units of the hidden layers, a network by name with its fields (cnn, lstm, wgan …), or layers.",
            kind="network",
        ),
    ]
    loss: Annotated[
        Any,
        Setting(
            "Loss; chosen from the target if not given; of several outputs a table with one for each.",
            kind="specification",
        ),
    ]
    loss_weights: Annotated[
        Any,
        Setting("Weight of each of several outputs' losses in their sum, by name; 1.", None, _SUPERVISED, "weights"),
    ] = None
    metric: Annotated[
        Any,
        Setting(
            "Metric measured beside the loss; of several outputs a table with one for each.",
            program=_SUPERVISED,
            kind="specification",
        ),
    ] = None
    metrics: Annotated[
        Any,
        Setting(
            "Metrics of the whole held-out part at the end: f1, roc_auc, r2 …; exact, by class and by output; a table "
            "with a list for each of several outputs.",
            program=_SUPERVISED,
            kind="specifications",
        ),
    ] = None
    optimizer: Annotated[Any, Setting("Optimizer and its hyperparameters; adam.", kind="specification")]
    critic_optimizer: Annotated[
        Any, Setting("Optimizer of a GAN's critic; as the generator's.", program=_ADVERSARIAL, kind="specification")
    ] = None
    learning_rate_multipliers: Annotated[
        dict[str, float] | None,
        Setting(
            "Factor of the learning rate for layers by name or pattern; of several that match a layer the last.",
            program=_SUPERVISED,
            kind="numbers",
        ),
    ] = None
    regularizer: Annotated[
        Any, Setting("Penalty on all weights: l1, l2 or elastic_net.", program=_SUPERVISED, kind="specification")
    ] = None
    initial: Annotated[
        Any,
        Setting(
            "Weights that layers start from, matched by name and shape: a run or its folder, arrays by layer, a model "
            "of PyTorch or Keras.",
            program=_SUPERVISED,
            kind="path",
        ),
    ] = None
    epochs: Annotated[
        int,
        Setting(
            "Passes over the training rows; 0 for none, which evaluates the starting weights.",
            WholeNumber(0),
            by_recipe="until a validation part stops improving, at most 4,000 steps; 10,000 of more than 20,000 rows",
        ),
    ] = 10
    batch_size: Annotated[
        int | Literal["all"],
        Setting(
            'Rows of a step, or "all" of those trained on.',
            OrElse(WholeNumber(1), "all"),
            by_recipe="by the rows, 16 to 256; 32 with a number of epochs",
        ),
    ] = 32
    precision: Annotated[
        Precision,
        Setting(
            'Of the computation: "bfloat16" for layers in 16 bits with weights in float32, made for GPU and TPU; '
            '"float64" for study.',
            OneOf(PRECISIONS),
        ),
    ] = "float32"
    accumulate: Annotated[
        int, Setting("Batches whose gradients are added up for one update.", WholeNumber(1), _SUPERVISED)
    ] = 1
    remat: Annotated[
        bool,
        Setting(
            "Compute the activations again in the backward pass instead of keeping them: less memory for a deep "
            "network, more time.",
            program=_SUPERVISED,
        ),
    ] = False
    shuffle: Annotated[bool, Setting("Draw a new order of the rows for each epoch.", program=_SUPERVISED)] = True
    group_by_length: Annotated[
        bool,
        Setting(
            "Batches of sequences of similar length, cut to the longest of them: less time for texts of many lengths.",
            program=_SUPERVISED,
        ),
    ] = False
    seed: Annotated[int, Setting("Seed of initial weights, order of the rows, dropout and split.", SEEDS)] = 0
    class_weights: Annotated[
        Any, Setting('"balanced", or a weight for each class name.', program=_SUPERVISED, kind="weights")
    ] = None
    scale_inputs: Annotated[
        ScalingChoice,
        Setting(
            'How inputs are scaled; "auto": tables and sequences standardised, pixels by their range.',
            OneOf(CHOICES),
            _SUPERVISED,
        ),
    ] = "auto"
    scale_targets: Annotated[
        TargetScalingChoice,
        Setting(
            'How the targets of a regression are scaled; "auto": standardised where output and loss allow it; "log": '
            "their logarithms standardised. Predictions and metrics are in the target's own units.",
            OneOf(TARGET_CHOICES),
            _SUPERVISED,
        ),
    ] = "auto"
    early_stopping: Annotated[
        int | dict[str, Any] | None,
        Setting("Epochs without a lower loss on a validation part after which the training ends.", None, _SUPERVISED),
    ] = None
    average_weights: Annotated[
        float | None,
        Setting(
            "Decay of a moving average of the weights to predict with, such as 0.99; none.",
            Interval(0, 1, closed="neither"),
            _SUPERVISED,
        ),
    ] = None
    validation: Annotated[
        float,
        Setting(
            "Fraction of the training rows watched by early stopping and plateau schedules.",
            Interval(0, 1, closed="neither"),
            _SUPERVISED,
        ),
    ] = 0.1
    critic_steps: Annotated[
        int | None, Setting("Critic updates to one of the generator.", WholeNumber(1), _ADVERSARIAL)
    ] = None
    lipschitz_constraint: Annotated[
        Any, Setting("Lipschitz constraint of a GAN's critic, or none.", program=_ADVERSARIAL, kind="specification")
    ] = None
    record_every: Annotated[
        int, Setting("Steps between two measurements of the layers; 0 for none.", WholeNumber(0))
    ] = 20
    record: Annotated[
        tuple[str, ...], Setting(f"What is measured of the layers: any of {', '.join(RECORD)} and noise.", kind="names")
    ] = RECORD
    histograms_every: Annotated[
        int, Setting("Steps between two histograms of what is measured; 0 for none.", WholeNumber(0))
    ] = 0
    snapshots: Annotated[
        int, Setting("States along the training to keep at most; 0 for none.", WholeNumber(0), _SUPERVISED)
    ] = 0
    name: Annotated[str, Setting("Name of the run; made from data and network if not given.")] = ""
    data: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Integral) and not isinstance(value, bool):  # NumPy's as Python's
                setattr(self, name, int(value))

    @property
    def adversarial(self) -> bool:
        """True where two networks are trained against each other."""
        return isinstance(self.network, Mapping) and "generator" in self.network

    @property
    def stopping(self) -> "EarlyStopping | None":
        """The early stopping that is asked for."""
        return as_early_stopping(self.early_stopping)

    @property
    def watched(self) -> str:
        """The rows evaluated after each epoch: ``"held out"``; ``"validation"`` where they decide something."""
        return "validation" if not self.adversarial and self.decides else "held out"

    @property
    def decides(self) -> bool:
        """True with early stopping or a plateau schedule, which decide during the training."""
        from pellucid.functions.schedules import watches_loss
        from pellucid.optimizers import as_optimizer

        # An optimiser from Optax is not described, and its schedules see no loss.
        rate = None if self.optimizer == "optax" else as_optimizer(self.optimizer).learning_rate
        return self.early_stopping is not None or watches_loss(rate)

    def training_rows(self, rows: int) -> int:
        """Number of ``rows`` rows trained on: all but the validation part, if any."""
        return rows - (math.ceil(self.validation * rows) if self.decides else 0)

    def rows_of_step(self, rows: int) -> int:
        """The rows of one step, where ``rows`` are trained on."""
        return rows if self.batch_size == "all" else self.batch_size * self.accumulate * (self.critic_steps or 1)

    def check(self) -> None:
        """Refuse settings outside what their constraints allow.

        Raises:
            InvalidValue: naming the value and what is allowed.
        """
        fields = [name for name, setting in SETTINGS.items() if setting.program in (None, self.program)]
        check_values({name: getattr(self, name) for name in fields if name not in WORDS})
        _ = self.stopping

    @property
    def program(self) -> Literal["supervised", "adversarial"]:
        """The kind of training."""
        return "adversarial" if self.adversarial else "supervised"

    def to_dict(self) -> dict[str, Any]:
        """Convert the settings to a dictionary for TOML, without those that are None."""
        plain = msgspec.to_builtins(self, enc_hook=lambda number: number.item())
        return {
            name: value
            for name, value in plain.items()
            if value not in (None, "") and (name == "data" or SETTINGS[name].program in (None, self.program))
        }

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The experiment of a table read from TOML.

        Raises:
            StorageError: a field is missing, unknown, or of the wrong type.
        """
        try:
            return msgspec.convert(settings, cls)
        except msgspec.ValidationError as error:
            fields = ", ".join(cls.__struct_fields__)
            raise StorageError(
                f"experiment.toml does not describe an experiment: {error}. Its fields: {fields}."
            ) from error


WORDS: dict[str, Setting] = {
    "learning_rate": Setting(
        "Learning rate of the optimizer, or a schedule of it.",
        by_recipe="0.003 falling to 0; that of the optimizer with a number of epochs",
    ),
    "schedule": Setting("Learning-rate schedule and its hyperparameters.", kind="specification"),
    "activation": Setting("Activation of the hidden layers; relu.", kind="specification"),
    "initializer": Setting(
        "Initializer of the hidden layers' weights.",
        kind="specification",
        by_recipe="glorot_uniform; he_normal with a number of epochs",
    ),
    "dropout": Setting("Fraction of neurons dropped after each hidden layer.", Interval(0, 1, closed="left")),
    "freeze": Setting(
        "Layers that training leaves as they are: names or patterns, such as conv2d_*.",
        program=_SUPERVISED,
        kind="names",
    ),
}
"""Words that are settled into the optimiser or the network."""

TYPES: dict[str, Any] = {"learning_rate": float, "dropout": float}
"""Types of the options that are numbers on the command line; those of the fields follow."""

SETTINGS: dict[str, Setting] = {}
"""Every setting by name, the fields of `Experiment` first."""

for _name, _hint in get_type_hints(Experiment, include_extras=True).items():
    if get_origin(_hint) is Annotated:
        TYPES[_name], SETTINGS[_name] = get_args(_hint)[:2]
SETTINGS |= WORDS


class Settings(TypedDict, total=False):
    """The keywords of `pellucid.train` for the type checker; a test holds them to `SETTINGS`."""

    loss: Any
    loss_weights: Mapping[str, float] | None
    metric: Any
    metrics: Sequence[Any] | None
    optimizer: Any
    critic_optimizer: Any
    learning_rate_multipliers: Mapping[str, float] | None
    regularizer: Any
    initial: Any
    epochs: int
    batch_size: int | Literal["all"] | None
    precision: Precision
    remat: bool
    accumulate: int
    shuffle: bool
    group_by_length: bool
    seed: int
    class_weights: Literal["balanced"] | Mapping[Any, float] | None
    scale_inputs: ScalingChoice
    scale_targets: TargetScalingChoice
    early_stopping: "EarlyStopping | int | None"
    average_weights: float | None
    validation: float
    critic_steps: int
    lipschitz_constraint: Any
    record_every: int
    record: Sequence[str]
    histograms_every: int
    snapshots: int
    name: str
    learning_rate: Any
    schedule: Any
    activation: Any
    initializer: Any
    dropout: float
    freeze: str | Sequence[str]


def check_names(settings: Mapping[str, Any], verb: str = "train") -> None:
    """Refuse a setting that there is none of.

    Raises:
        InvalidValue: naming the nearest settings, or all.

    Example:
        >>> check_names({"dropuot": 0.1})
        Traceback (most recent call last):
            ...
        pellucid.core.errors.InvalidValue: train has no setting 'dropuot'. Did you mean 'dropout'?
    """
    known = [name for name in SETTINGS if name != "network"]
    if "callbacks" in settings:
        raise InvalidValue(
            "callbacks are of one training, which calls them between its epochs; many trainings at once run side by "
            "side and call none. Leave them out, or call train for each."
        )
    for name in settings:
        if name not in known:
            advice = did_you_mean(name, known) or f" Settings: {', '.join(known)}."
            raise InvalidValue(f"{verb} has no setting {name!r}.{advice}")


def check_values(settings: Mapping[str, Any]) -> None:
    """Refuse values of settings that their constraints do not allow.

    Raises:
        InvalidValue: naming the value and what is allowed.
    """
    for name, value in settings.items():
        constraint = SETTINGS[name].constraint
        if constraint is not None and value is not None:
            require(value, constraint, name)


def describe_settings() -> str:
    """The settings as the lines of a docstring's ``Args``.

    Example:
        >>> print(describe_settings().splitlines()[0])
        loss: loss; chosen from the target if not given; of several outputs a table with one for each.
    """
    lines = []
    for name, setting in SETTINGS.items():
        by_default = "" if setting.by_recipe is None else f" By default {setting.by_recipe}."
        if name != "network":
            lines.append(f"{name}: {_lower(setting.help)}{by_default}")
    return "\n".join(lines)


def _lower(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def as_early_stopping(given: Any) -> "EarlyStopping | None":
    """Convert a patience, or a table of fields, to `EarlyStopping`.

    Raises:
        InvalidValue: none of these.

    Example:
        >>> as_early_stopping(5)
        EarlyStopping(patience=5, min_delta=0.0)
    """
    from pellucid.training import EarlyStopping

    if given is None or isinstance(given, EarlyStopping):
        return given
    if isinstance(given, Mapping):
        return EarlyStopping(**given)
    return EarlyStopping(given)


def describe_early_stopping(stopping: "EarlyStopping") -> int | dict[str, Any]:
    """Describe early stopping as an experiment keeps it: a patience, or a table where ``min_delta`` is not 0.

    Example:
        >>> describe_early_stopping(as_early_stopping(5))
        5
    """
    whole = {"patience": stopping.patience, "min_delta": stopping.min_delta}
    return whole if stopping.min_delta else stopping.patience


def vary(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """A copy of an experiment with some settings changed.

    Args:
        experiment: the settings.
        changes: new values by name; a dotted name reaches into a table or list, which a bare name of an optimiser
            or layer first becomes: ``{"optimizer.learning_rate": 0.1, "network.0.units": 64}``.

    Raises:
        InvalidValue: a name that there is no setting of.

    Example:
        >>> before = Experiment(network=["flatten"], loss="mean_squared_error", optimizer="adam")
        >>> vary(before, {"optimizer.learning_rate": 0.1}).optimizer
        {'name': 'adam', 'learning_rate': 0.1}
    """
    settings = msgspec.to_builtins(experiment, enc_hook=lambda number: number.item())
    for path, value in changes.items():
        *way, last = path.split(".")
        if (way or [last])[0] not in settings:
            raise InvalidValue(f"an experiment has no setting {path!r}. Its settings: {', '.join(settings)}.")
        at: Any = settings
        try:
            for name in way:
                key: Any = int(name) if isinstance(at, list) else name
                if isinstance(at[key], str):
                    at[key] = {"name": at[key]}
                at = at[key]
            at[int(last) if isinstance(at, list) else last] = value
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise InvalidValue(f"{path!r} leads nowhere in this experiment: {at!r:.200}.") from error
    return Experiment.from_dict(settings)


def open_data(settings: Mapping[str, Any], kept: Any = None) -> "Dataset":
    """Open the dataset named by an experiment's ``data`` table: a built-in one, or a file; or a fold of it.

    Args:
        settings: the table.
        kept: what was found out about all rows of a stream, so that they are not read again.

    Raises:
        UnknownName: no dataset of that name, as where the data came as arrays, which only the caller can give again.
    """
    from pellucid.data import folds, generation, load_dataset, load_translations, reconstruction
    from pellucid.data.files import open_file
    from pellucid.data.targets import UNTARGETED

    options = {name: value for name, value in settings.items() if name not in ("file", "fold", "name", "pairs")}
    fold = settings.get("fold")
    if fold is not None and "file" in settings:
        options["held_out"] = None
    untargeted = options.pop("task") if options.get("task") in UNTARGETED else None
    if "pairs" in settings:
        data = load_translations(settings["pairs"], **options)
    elif "file" in settings:
        data = open_file(settings["file"], **options | ({} if kept is None else {"kept": kept}))
    else:
        data = load_dataset(settings["name"], **options)
    if fold is not None:
        data, _ = folds(data, fold["of"], fold["seed"])[fold["number"] - 1]
    if untargeted is None:
        return data
    return reconstruction(data) if untargeted == "reconstruction" else generation(data)
