"""What a program is, and the short words that the tables are written in."""

import copy
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

STANDARDISE = {"op": "standardise"}
MIN_MAX = {"op": "min_max"}
STANDARDISE_Y = {"op": "standardise", "target": "y"}
FLAT = {"type": "flatten"}
STEPS = "data.transform"


def dense(units: int, activation: str = "linear", init: Any = "glorot_uniform", **more: Any) -> dict[str, Any]:
    """A dense layer, drawn as Keras draws it unless said otherwise."""
    layer = {"type": "dense", "units": units, "activation": activation, "use_bias": True}
    return layer | {"weights": _drawn(init), "biases": {"init": "zeros"}} | more


def mlp(*widths: int, by: str = "relu", out: tuple[int, str] = (1, "linear"), **more: Any) -> list[dict[str, Any]]:
    """Dense hidden layers and an output layer."""
    return [*(dense(width, by, **more) for width in widths), dense(*out, **more)]


def conv(filters: int, kernel: int = 3, activation: str = "relu", **more: Any) -> dict[str, Any]:
    """A convolution that keeps the size of the image."""
    layer = {"type": "conv2d", "filters": filters, "kernel": kernel, "stride": 1, "padding": "same"}
    ends = {"activation": activation, "weights": {"init": "glorot_uniform"}, "biases": {"init": "zeros"}}
    return layer | ends | more


def pool(size: int = 2) -> dict[str, Any]:
    """Max pooling."""
    return {"type": "max_pool2d", "size": size}


def lstm(units: int, **more: Any) -> dict[str, Any]:
    """An LSTM that gives its last state."""
    layer = {"type": "lstm", "units": units, "return_sequences": False}
    return layer | {"weights": {"init": "glorot_uniform"}, "recurrent": {"init": "orthogonal"}} | more


def rnn(units: int, activation: str = "tanh", **more: Any) -> dict[str, Any]:
    """A simple recurrent layer that gives its last state."""
    return lstm(units) | {"type": "simple_rnn", "activation": activation} | more


def dropout(rate: float) -> dict[str, Any]:
    """Dropout."""
    return {"type": "dropout", "rate": rate}


def norm(**more: Any) -> dict[str, Any]:
    """Batch normalisation."""
    return {"type": "batch_norm", "momentum": 0.9} | more


def sgd(rate: float, momentum: float = 0.0, **more: Any) -> dict[str, Any]:
    """Gradient descent."""
    return {"name": "sgd", "learning_rate": rate, "momentum": momentum, "nesterov": False} | more


def adam(rate: float = 0.001, **more: Any) -> dict[str, Any]:
    """Adam."""
    return {"name": "adam", "learning_rate": rate} | more


def rmsprop(rate: float = 0.001, **more: Any) -> dict[str, Any]:
    """RMSprop."""
    return {"name": "rmsprop", "learning_rate": rate} | more


def _drawn(init: Any) -> dict[str, Any]:
    return {"init": init} if isinstance(init, str) else init


MSE, MAE, BCE = "mean_squared_error", "mean_absolute_error", "binary_cross_entropy"
CCE, SPARSE = "categorical_cross_entropy", "sparse_categorical_cross_entropy"


@dataclass(frozen=True)
class Program:
    """A row of a table."""

    name: str
    title: str
    task: str
    data: str
    """The data set, a function of `benchmarks.doctor_programs.data`."""
    network: list[dict[str, Any]]
    loss: str
    optimizer: dict[str, Any]
    epochs: int
    batch_size: int
    metric: str = "accuracy"
    transform: list[dict[str, Any]] = field(default_factory=list)
    one_hot: bool = False
    repairs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of a faulty program: a fault that may hold, the author's suspicion first, and the change that mends it alone."""
    fix: tuple[str, ...] = ()
    """The faults whose repairs together are the fix; empty: all that come first for another part of the program."""
    reference: tuple[float, float, str] | None = None
    """Of a healthy program: a score, by how much less will do, and what reached it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """``shuffle``, ``class_weights``, ``regularization``, ``loss_options``, ``threshold`` where they are said."""
    of_data: dict[str, Any] = field(default_factory=dict)
    """Further settings of the data: ``flatten``, ``channels``, ``train_rows``."""

    @property
    def aside(self) -> bool:
        """Whether it belongs to the half that is not looked at while the doctor is changed."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1

    @property
    def fixed(self) -> tuple[str, ...]:
        """The faults that the fix mends."""
        return self.fix or tuple(self.repairs)

    def fixing(self, without: str = "") -> dict[str, Any]:
        """The change that mends the whole program, or all ``without`` one fault.

        Steps that two repairs add to the data are made one after the other.
        """
        whole: dict[str, Any] = {}
        for label in self.fixed:
            if label == without:
                continue
            for path, value in self.repairs[label].items():
                if path == STEPS and path in whole:
                    whole[path] = whole[path] + value[len(self.transform) :]
                elif not any(_overlap(path, other) for other in whole):
                    whole[path] = value
        return whole

    @property
    def plain(self) -> dict[str, Any]:
        """The fields of the format that its author has."""
        data = {"file": f"{self.data}.npz", "one_hot": self.one_hot, "transform": self.transform} | self.of_data
        program = {
            "task": self.task,
            "data": data,
            "network": self.network,
            "loss": self.loss,
            "regularization": None,
            "optimizer": self.optimizer,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "shuffle": True,
            "metric": self.metric,
        }
        return copy.deepcopy(program | self.settings)

    @property
    def digest(self) -> str:
        """Of all that its verification depends on but the data."""
        parts = [self.plain, self.repairs, self.fixing(), self.reference]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _overlap(path: str, other: str) -> bool:
    return f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")


def changed(plain: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A program after a change: dotted paths, and their new values."""
    plain = copy.deepcopy(plain)
    for path, value in change.items():
        *above, last = (int(name) if name.isdigit() else name for name in path.split("."))
        place: Any = plain
        for name in above:
            place = place[name]
        place[last] = copy.deepcopy(value)
    return plain
