"""From a case of training programs, faulty or healthy, to a pellucid run: data, network, loss and optimiser as it says.

The doctor is handed the run, never the case. What a careful library refuses is done here all the same (a loss that
takes probabilities on raw outputs, a softmax over the batch, a negative learning rate), because the programs of the
cases did it; the odd layers and losses are classes of this file.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.checks import TrainingDiverged
from pellucid.core.types import Array
from pellucid.data import Dataset, Part
from pellucid.data.encoding import Task
from pellucid.functions.initializers import initializers
from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.regularizers import ElasticNet
from pellucid.layers import (
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Frozen,
    Layer,
    MaxPool2D,
)
from pellucid.models.experiment import Experiment, GanExperiment
from pellucid.models.gan_run import GanRun
from pellucid.models.run import DataFacts, Run
from pellucid.network import Network
from pellucid.optimizers import SGD, optimizers
from pellucid.training import Adversarial, History, Rows, Scaling, Supervised, Training, initial_state

READ = (
    "task", "data", "network", "loss", "loss_options", "threshold", "regularization", "optimizer", "epochs",
    "batch_size", "shuffle", "class_weights", "metric", "latent", "steps", "discriminator_steps",
)  # fmt: skip
"""The fields that a program's author has; nothing else of a case is read to make its run."""

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

AS_IT_IS = Scaling(jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32))


@dataclass(frozen=True)
class Case:
    """One file: the program, and apart from it the answers to score with."""

    identity: str
    origin: str
    program: dict[str, Any]
    primary: str | None
    faults: tuple[str, ...]
    tolerated: tuple[str, ...]
    folder: Path

    @property
    def aside(self) -> bool:
        """Whether it belongs to the third of the cases that is not looked at while the doctor is tuned."""
        return int(hashlib.sha256(self.identity.encode()).hexdigest(), 16) % 3 == 0


def read_cases(folder: Path) -> Iterator[Case]:
    """All cases of a folder, by file name."""
    for path in sorted(folder.glob("*.json")):
        if path.name == "faults.json":
            continue
        plain = json.loads(path.read_text())
        yield Case(
            plain["id"], plain["origin"], {name: plain[name] for name in READ if name in plain},
            plain.get("primary_fault"), tuple(plain["faults"]), tuple(plain.get("tolerated") or ()), folder,
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ data


def arrays_of(case: Case) -> dict[str, np.ndarray]:
    """The four arrays of a case after its transformations, float32; labels not yet encoded."""
    settings = case.program["data"]
    with np.load(case.folder / settings["file"]) as archive:
        arrays = {name: archive[name].astype(np.float32) for name in ARRAYS}
    for part in ("train", "test"):
        rows = settings.get(f"{part}_rows")
        for axis in ("x", "y"):
            arrays[f"{axis}_{part}"] = arrays[f"{axis}_{part}"][:rows]
        x = arrays[f"x_{part}"]
        if settings.get("flatten"):
            x = x.reshape(len(x), -1)
        if settings.get("channels"):
            x = x.reshape(*x.shape, 1)  # images are height, width, channel here
        arrays[f"x_{part}"] = x
    for step in settings.get("transform", []):
        _transform(arrays, **step)
    return arrays


def _transform(
    arrays: dict[str, np.ndarray], *, op: str, target: str = "x", only: str = "", **numbers: Any
) -> None:
    train = arrays[f"{target}_train"]
    axes = 0 if train.ndim <= 2 else None
    if op == "oversample":
        _oversample(arrays)
        return
    if op == "drop_non_finite_rows":
        for part in ("train", "test"):
            sound = np.isfinite(arrays[f"x_{part}"].reshape(len(arrays[f"x_{part}"]), -1)).all(1)
            for axis in ("x", "y"):
                arrays[f"{axis}_{part}"] = arrays[f"{axis}_{part}"][sound]
        return
    finite = np.where(np.isfinite(train), train, np.nan)
    low, high = np.nanmin(finite, axes), np.nanmax(finite, axes)
    mean, spread = np.nanmean(finite, axes, dtype=np.float64), np.nanstd(finite, axes, dtype=np.float64)
    width = np.where(high > low, high - low, 1)
    spread = np.where(spread > 0, spread, 1)
    bottom, top = numbers.get("low", 0), numbers.get("high", 1)
    steps = {
        "divide": lambda x: x / numbers["by"],
        "multiply": lambda x: x * numbers["by"],
        "add": lambda x: x + numbers["value"],
        "log1p": np.log1p,
        "clip": lambda x: np.clip(x, numbers.get("low"), numbers.get("high")),
        "standardise": lambda x: (x - mean) / spread,
        "min_max": lambda x: bottom + (x - low) / width * (top - bottom),
        "impute_mean": lambda x: np.where(np.isfinite(x), x, mean),
        "keep_columns": lambda x: x[:, numbers["columns"]],
        "reverse_columns": lambda x: x[:, ::-1],
    }
    for part in (only,) if only else ("train", "test"):
        arrays[f"{target}_{part}"] = np.asarray(steps[op](arrays[f"{target}_{part}"]), np.float32)


def _oversample(arrays: dict[str, np.ndarray]) -> None:
    y = arrays["y_train"].reshape(len(arrays["y_train"]))
    values, counts = np.unique(y, return_counts=True)
    rows = np.concatenate([np.resize(np.flatnonzero(y == value), counts.max()) for value in values])
    arrays["x_train"], arrays["y_train"] = arrays["x_train"][rows], arrays["y_train"][rows]


def dataset_of(case: Case) -> Dataset:
    """The data as a pellucid dataset, not checked for what pellucid would refuse."""
    arrays = arrays_of(case)
    task = case.program["task"]
    if task == "perceptron":  # labels −1 and +1
        for labels in ("y_train", "y_test"):
            arrays[labels] = (arrays[labels] > 0).astype(np.float32)
    y = arrays["y_train"]
    columns = 1 if y.ndim == 1 else y.shape[1]
    classes: tuple[str, ...] = ()
    kind: Task = "regression"
    if task in ("binary", "perceptron", "multiclass") and columns == 1:
        one_hot = case.program["data"].get("one_hot")
        kind = "multiclass" if task == "multiclass" or one_hot else "binary"
        classes = tuple(str(i) for i in range(int(np.nanmax(y)) + 1))
    elif task == "multiclass":
        kind, classes = "multiclass", tuple(str(i) for i in range(columns))
    elif task in ("binary", "multilabel"):
        kind, classes = "multilabel", tuple(str(i) for i in range(columns))

    def part(name: str) -> Part:
        y = arrays[f"y_{name}"]
        if kind == "multiclass":
            y = (y.reshape(len(y)) if columns == 1 else y.argmax(1)).astype(np.int32)
        return Part(arrays[f"x_{name}"], y.reshape(len(y), -1) if kind != "multiclass" else y)

    return Dataset("arrays", part("train"), part("test"), kind, classes)


# --------------------------------------------------------------------------- losses that nobody should use


class Differentiated(Loss):
    """A loss whose slope is derived from its value."""

    def slope(self, prediction: Array, target: Array) -> Array:
        """Its derivative."""
        return jax.grad(lambda p: self.value(p, target).sum())(prediction)


@dataclass(frozen=True)
class DividedCrossEntropy(Differentiated):
    """``−Σ_j y_j log(ŷ_j / Σ ŷ)``, clipped at 1e-7, as Keras takes it of whatever the network gives."""

    name: ClassVar[str] = "categorical_cross_entropy"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"
    _: KW_ONLY
    raw_log: bool = False
    """No clipping: the logarithm of 0 is −∞."""

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        if self.raw_log:
            return -(target * jnp.log(prediction)).sum(axis=-1)
        # Keras clips after dividing; a sum of 0 gives NaN there too.
        share = jnp.clip(prediction / prediction.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)
        return -(target * jnp.log(share)).sum(axis=-1)


@dataclass(frozen=True)
class NegativeOutput(Differentiated):
    """``−log ŷ_y`` without a look at the other classes, or at what ŷ is."""

    name: ClassVar[str] = "negative_log_of_output"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        return -jnp.log(jnp.maximum((target * prediction).sum(axis=-1), 1e-7))


@dataclass(frozen=True)
class BroadcastError(Differentiated):
    """The targets have lost their last axis, so that every output is compared with every target of the batch."""

    name: ClassVar[str] = "mean_squared_error"
    target_kind: ClassVar[Literal["numbers"]] = "numbers"
    _: KW_ONLY
    absolute: bool = False

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example: its mean over the targets of the batch."""
        error = prediction.reshape(-1, 1) - target.astype(prediction.dtype).reshape(1, -1)
        return (jnp.abs(error) if self.absolute else error**2).mean(axis=1)


class ZeroOne(PerOutput):
    """A margin loss whose labels 0 and 1 are read as −1 and +1."""

    power: ClassVar[int] = 1

    def term(self, prediction: Array, target: Array) -> Array:
        """``max(0, 1 − y ŷ)`` to a power."""
        return jnp.maximum(1 - (2 * target - 1) * prediction, 0) ** self.power

    def term_slope(self, prediction: Array, target: Array) -> Array:
        """Its derivative."""
        sign = 2 * target - 1
        gap = jnp.maximum(1 - sign * prediction, 0)
        return -sign * jnp.where(gap > 0, self.power * gap ** (self.power - 1), 0)


@dataclass(frozen=True)
class HingeOfZeroOne(ZeroOne):
    """``max(0, 1 − y ŷ)``."""

    name: ClassVar[str] = "hinge"


@dataclass(frozen=True)
class SquaredHingeOfZeroOne(ZeroOne):
    """``max(0, 1 − y ŷ)²``."""

    name: ClassVar[str] = "squared_hinge"
    power: ClassVar[int] = 2


@dataclass(frozen=True)
class CategoricalHinge(Differentiated):
    """``max(0, 1 + max_{j≠y} ŷ_j − ŷ_y)``."""

    name: ClassVar[str] = "categorical_hinge"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        right = (target * prediction).sum(axis=-1)
        return jnp.maximum(1 + ((1 - target) * prediction).max(axis=-1) - right, 0)


@dataclass(frozen=True)
class Mistakes(PerOutput):
    """Rosenblatt's rule as a loss: the slope of a mistake, passed straight through the step, is ŷ − y."""

    name: ClassVar[str] = "perceptron"

    def term(self, prediction: Array, target: Array) -> Array:
        """``|ŷ − y|``."""
        return jnp.abs(prediction - target)

    def term_slope(self, prediction: Array, target: Array) -> Array:
        """``ŷ − y``."""
        return prediction - target


def loss_of(program: dict[str, Any]) -> Loss:
    """The loss of a case, with its options."""
    options = program.get("loss_options") or {}
    reduction = options.get("reduction", "mean")
    name = program["loss"]
    if options.get("target_rank") == 1:
        return BroadcastError(absolute=name == "mean_absolute_error", reduction=reduction)
    own = {
        "categorical_cross_entropy": DividedCrossEntropy,
        "negative_log_of_output": NegativeOutput,
        "hinge": HingeOfZeroOne,
        "squared_hinge": SquaredHingeOfZeroOne,
        "categorical_hinge": CategoricalHinge,
        "perceptron": Mistakes,
    }
    logits = {
        "binary_cross_entropy_from_logits": "sigmoid_binary_cross_entropy",
        "categorical_cross_entropy_from_logits": "softmax_cross_entropy",
        "sparse_categorical_cross_entropy_from_logits": "sparse_softmax_cross_entropy",
    }
    if options.get("raw_log"):
        return DividedCrossEntropy(raw_log=True, reduction=reduction)
    ends_in_softmax = program["network"][-1].get("activation") == "softmax" and "softmax_axis" not in options
    if name in own and not (name == "categorical_cross_entropy" and ends_in_softmax):
        return own[name](reduction=reduction)
    return losses.build({"name": logits.get(name, name), "reduction": reduction})


# ---------------------------------------------------------------------------------------------- network


@dataclass(frozen=True)
class BatchSoftmax(Layer):
    """A softmax over the wrong axis: the examples of the batch compete."""

    name: ClassVar[str] = "batch_softmax"

    def init(self, key: Any, input_shape: Any) -> tuple[Any, Any, Any]:
        """Nothing to draw."""
        return {}, {}, input_shape

    def forward(self, params: Any, state: Any, x: Array, *, key: Any = None, training: bool = False) -> Any:
        """Softmax over the first axis."""
        return jax.nn.softmax(x, axis=0), state, None


@dataclass(frozen=True)
class Threshold(Layer):
    """The perceptron's step, whose slope is passed straight through."""

    name: ClassVar[str] = "step"

    def init(self, key: Any, input_shape: Any) -> tuple[Any, Any, Any]:
        """Nothing to draw."""
        return {}, {}, input_shape

    def forward(self, params: Any, state: Any, x: Array, *, key: Any = None, training: bool = False) -> Any:
        """1 where z ≥ 0, else 0."""
        return (x >= 0).astype(x.dtype), state, None

    def backward(self, params: Any, cache: Any, dy: Array) -> Any:
        """Dy as it came."""
        return dy, {}


def network_of(layers: list[dict[str, Any]], batch_softmax: bool = False) -> Network:
    """The layers of a case."""
    made: list[Layer] = []
    for layer in layers:
        made += _layers(layer)
    if batch_softmax:
        made[-1] = BatchSoftmax()  # pyright: ignore[reportAbstractUsage] (the base derives backward)
    return Network(*made)


def _layers(layer: dict[str, Any]) -> list[Layer]:
    kind = layer["type"]
    weights = {"weights": _initializer(layer["weights"])} if "weights" in layer else {}
    if "biases" in layer:
        weights["biases"] = _initializer(layer["biases"])
    activation = layer.get("activation")
    if kind == "dense":
        made: Layer = Dense(layer["units"], use_biases=layer.get("use_bias", True), **weights)
    elif kind == "conv2d":
        fields = {name: layer[name] for name in ("filters", "kernel", "stride", "padding")}
        made = Conv2D(**fields, **weights)
    elif kind in ("lstm", "simple_rnn"):
        if "recurrent" in layer:
            weights["recurrent_weights"] = _initializer(layer["recurrent"])
        if kind == "simple_rnn" and activation:
            weights["activation"] = activation
        build = LSTM if kind == "lstm" else RNN
        return _maybe_frozen(
            build(layer["units"], return_sequences=layer.get("return_sequences", False), **weights), layer
        )
    elif kind == "max_pool2d":
        made = MaxPool2D(layer["size"])
    elif kind == "dropout":
        made = Dropout(layer["rate"])
    elif kind == "batch_norm":
        made = BatchNorm(
            momentum=layer.get("momentum", 0.9), update_statistics=layer.get("update_statistics", True)
        )
    elif kind == "flatten":
        made = Flatten()
    else:
        return [_activation(layer)]
    return _maybe_frozen(made, layer) + ([] if activation in (None, "linear") else [_activation(layer)])


def _maybe_frozen(made: Layer, layer: dict[str, Any]) -> list[Layer]:
    return [made if layer.get("trainable", True) else Frozen(made)]


def _activation(layer: dict[str, Any]) -> Layer:
    name = layer["activation"]
    if name == "step":
        return Threshold()
    return Activation({"name": name, "alpha": layer.get("alpha", 0.01)} if name == "leaky_relu" else name)


def _initializer(settings: dict[str, Any]) -> Any:
    fields = {name: value for name, value in settings.items() if name in ("value", "limit", "std", "gain")}
    return initializers.build({"name": settings["init"], **fields})


# ------------------------------------------------------------------------------------------- optimiser


@dataclass(frozen=True)
class Averaged(SGD):
    """The perceptron's rule, with the mean of all weights kept to predict with."""

    name: ClassVar[str] = "averaged_perceptron"

    slots: ClassVar[tuple[str, ...]] = ("mean",)

    def direction(
        self, g: Array, w: Array, slots: dict[str, Array], t: Array
    ) -> tuple[Array, dict[str, Array]]:
        """G; the mean of the weights so far."""
        return g, {"mean": slots["mean"] + (w - slots["mean"]) / t}


def optimizer_of(settings: dict[str, Any]) -> Any:
    """The optimiser of a case; a learning rate below 0 is put in past the check."""
    settings = dict(settings)
    name, rate = settings.pop("name"), settings.pop("learning_rate")
    nesterov, momentum = settings.pop("nesterov", False), settings.pop("momentum", 0.0)
    fields = {"rho": "decay"}
    settings = {fields.get(field, field): value for field, value in settings.items() if value is not None}
    if name == "perceptron":
        name = "sgd"
    if name == "sgd" and momentum:
        name = "nesterov" if nesterov else "momentum"
        settings |= {"momentum": momentum} | ({} if nesterov else {"average": False})
    elif name == "rmsprop" and momentum:
        raise ValueError("RMSprop with momentum is not translated")
    if name == "adadelta":  # as Keras has it
        settings = {"decay": 0.95, "epsilon": 1e-7} | settings
    settings["learning_rate"] = abs(rate) or 1e-30
    built = Averaged(**settings) if name == Averaged.name else optimizers.build({"name": name, **settings})
    if rate < 0:
        object.__setattr__(built, "learning_rate", rate)
    return built


# -------------------------------------------------------------------------------------------------- run


@dataclass(frozen=True)
class Unmeasured(Metric):
    """No metric fits what this program compares."""

    name: ClassVar[str] = "unmeasured"
    higher_is_better: ClassVar[bool] = True

    def value(self, prediction: Array, target: Array) -> Array:
        """0."""
        return jnp.zeros(prediction.shape[0], prediction.dtype)


def _metric(case: Case, data: Dataset, outputs: int, targets: np.ndarray) -> Metric:
    if data.task == "regression":
        return metrics.build("mean_absolute_error")
    if outputs > 1 and data.task == "multiclass":
        return metrics.build("accuracy")
    if targets.shape[1:] == (outputs,):
        logits = "logits" in case.program["loss"] or "hinge" in case.program["loss"]
        return metrics.build({"name": "binary_accuracy", "threshold": 0.0 if logits else 0.5})
    return Unmeasured()


def run_of(case: Case, seed: int = 0) -> Run | GanRun:
    """Train the program of a case as it is."""
    if case.program["task"] == "gan":
        return gan_run_of(case, seed)
    program, data = case.program, dataset_of(case)
    options = program.get("loss_options") or {}
    network = network_of(program["network"], options.get("softmax_axis") == "batch")
    network = network.accepting(data.input_shape)
    loss, optimizer = loss_of(program), optimizer_of(program["optimizer"])
    outputs = network.init(jax.random.key(0), data.input_shape)[2][-1]
    regularizer = _regularizer(program)

    def rows(part: Part) -> Rows:
        y = part.y
        if data.task == "multiclass" and loss.target_kind != "classes":
            one_hot = program["data"].get("one_hot") or loss.target_kind == "one_hot"
            y = np.eye(len(data.classes), dtype=np.float32)[y] if one_hot else y[:, None].astype(np.float32)
        return Rows(jax.device_put(part.x), jnp.asarray(y))

    train = rows(data.train)
    if program.get("class_weights") == "balanced":
        labels = data.train.y.reshape(-1).astype(int)
        counts = np.bincount(labels, minlength=len(data.classes))
        weights = len(labels) / ((counts > 0).sum() * np.maximum(counts, 1))
        train = train._replace(weights=jnp.asarray(weights[labels], jnp.float32))
    batch_size = min(program["batch_size"], len(data.train.x))
    metric = _metric(case, data, outputs, np.asarray(train.y))
    supervised = Supervised(network, loss, metric, batch_size, shuffle=program.get("shuffle", True))
    state = initial_state(
        network, optimizer, regularizer, data.input_shape, seed, recorder=supervised.recorder
    )
    held_out = None if data.held_out is None else rows(data.held_out)
    training = Training(
        supervised, AS_IT_IS, train, held_out, optimizer, state,
        History.begin(supervised, len(data.train.x)),
    )  # fmt: skip
    stopped = _train(training, program["epochs"])
    params = training.params
    if isinstance(optimizer, Averaged):
        params = training.state.optimizer.slots["mean"]
    experiment = Experiment(
        network=["flatten"], loss=loss.name, metric=metric.name, optimizer=optimizer.name,
        epochs=program["epochs"], batch_size=batch_size, seed=seed, class_weights=program.get("class_weights"),
    )  # fmt: skip
    return Run(
        network, params, training.state.layer_state, supervised, experiment, DataFacts.of(data),
        training.history, {}, stopped, training=training,
    )  # fmt: skip


def _train(training: Training, epochs: int) -> str:
    try:
        for _ in training.run(epochs):
            pass
    except TrainingDiverged:
        return "diverged"
    return "epochs"


def _regularizer(program: dict[str, Any]) -> Any:
    """What is on every kernel; a layer's own must be the same on all, as it is in the cases."""
    common = program.get("regularization") or {}
    kernels = [layer["weights"] for layer in program["network"] if "weights" in layer]
    l1, l2 = (
        common.get(name, 0.0) + max(kernel.get(name, 0.0) for kernel in kernels) for name in ("l1", "l2")
    )
    return ElasticNet(l1=l1, l2=l2) if l1 or l2 else None


def gan_run_of(case: Case, seed: int = 0) -> GanRun:
    """Train the two networks of a case as it says."""
    program, arrays = case.program, arrays_of(case)
    x = arrays["x_train"]
    steps_of_critic = program.get("discriminator_steps") or 1
    adversarial = Adversarial(
        network_of(program["network"]["generator"]), network_of(program["network"]["discriminator"]),
        latent=program["latent"], loss={"gan": "gan", "gan_minimax": "minimax"}[program["loss"]],
        batch_size=program["batch_size"] * steps_of_critic, critic_steps=steps_of_critic,
    )  # fmt: skip
    both = program["optimizer"]
    maker, judge = (optimizer_of(both.get(player, both)) for player in ("generator", "discriminator"))
    state = adversarial.init(maker, judge, None, x.shape[1:], seed)
    per_epoch = -(-len(x) // adversarial.batch_size)
    training = Training(
        adversarial,
        AS_IT_IS,
        Rows(jax.device_put(x), None),
        None,
        None,
        state,
        History.begin(adversarial, len(x)),
    )
    stopped = _train(training, -(-program["steps"] // per_epoch))
    data = Dataset("arrays", Part(x, x), None, "reconstruction")
    experiment = GanExperiment(
        generator=["flatten"], critic=["flatten"], latent=program["latent"], optimizer=maker.name
    )
    params = {name: training.state.params[name] for name in ("generator", "critic")}
    return GanRun(
        adversarial, params, training.state.layer_state, experiment, DataFacts.of(data), training.history,
        stopped, training=training,
    )  # fmt: skip
