"""The layers of the cases, two of them odd."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from benchmarks.doctor_cases.case import CannotTranslate
from pellucid.core.types import Array
from pellucid.functions.initializers import initializers
from pellucid.layers import LSTM, RNN, Activation, BatchNorm, Conv2D, Dense, Dropout, Flatten, Frozen, Layer, MaxPool2D
from pellucid.network import Network


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
class StaleBatchNorm(BatchNorm):
    """Batch normalisation whose running statistics are never updated."""

    def forward(self, params: Any, state: Any, x: Array, **options: Any) -> Any:
        """As batch normalisation, with the state as it was."""
        y, _, cache = super().forward(params, state, x, **options)
        return y, state, cache

    def backward(self, params: Any, cache: Any, dy: Array) -> Any:
        """As batch normalisation."""
        return super().backward(params, cache, dy)


@dataclass(frozen=True)
class Threshold(Layer):
    """The perceptron's step, whose gradient is passed straight through."""

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
        if isinstance(made[-1], Activation):
            made.pop()
        made.append(BatchSoftmax())  # pyright: ignore[reportAbstractUsage] (the base derives backward)
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
        fields = {name: layer[name] for name in ("filters", "kernel", "stride", "padding") if name in layer}
        made = Conv2D(**fields, use_biases=layer.get("use_bias", True), **weights)
    elif kind in ("lstm", "simple_rnn"):
        if "recurrent" in layer:
            weights["recurrent_weights"] = _initializer(layer["recurrent"])
        if kind == "simple_rnn" and activation:
            weights["activation"] = _function(layer)
        elif activation not in (None, "tanh"):
            raise CannotTranslate(f"an LSTM with activation {activation!r}; those of pellucid have tanh.")
        build = LSTM if kind == "lstm" else RNN
        return _maybe_frozen(
            build(layer["units"], return_sequences=layer.get("return_sequences", False), **weights), layer
        )
    elif kind == "max_pool2d":
        made = MaxPool2D(layer["size"])
    elif kind == "dropout":
        made = Dropout(layer["rate"])
    elif kind == "batch_norm":
        learnt = layer.get("trainable", True)  # without its scale and shift it has nothing to learn
        normalise = BatchNorm if layer.get("update_statistics", True) else StaleBatchNorm
        made = normalise(momentum=layer.get("momentum", 0.9), scale=learnt, shift=learnt)
        layer = layer | {"trainable": True}
    elif kind == "flatten":
        made = Flatten()
    elif kind == "activation":
        return [_activation(layer)]
    else:
        raise CannotTranslate(f"layer type {kind!r}.")
    return _maybe_frozen(made, layer) + ([] if activation in (None, "linear") else [_activation(layer)])


def _maybe_frozen(made: Layer, layer: dict[str, Any]) -> list[Layer]:
    return [made if layer.get("trainable", True) else Frozen(made)]


def _activation(layer: dict[str, Any]) -> Layer:
    name = layer["activation"]
    if name == "step":
        return Threshold()
    return Activation(_function(layer))


def _function(layer: dict[str, Any]) -> Any:
    return {"name": layer["activation"]} | ({"alpha": layer["alpha"]} if "alpha" in layer else {})


def _initializer(settings: dict[str, Any]) -> Any:
    fields = {name: value for name, value in settings.items() if name in ("value", "limit", "std", "gain")}
    if any(fields.get(spread) == 0 for spread in ("limit", "std", "gain")):
        return initializers.build("zeros")
    return initializers.build({"name": settings["init"], **fields})


KERNELS = ("dense", "conv2d", "lstm", "simple_rnn")


def kernels_of(layers: list[dict[str, Any]], network: Network) -> dict[str, dict[str, Any]]:
    """The layers of a case that have kernels, by the names that they have in the network."""
    described = [layer for layer in layers if layer["type"] in KERNELS]
    names = [
        name
        for name, layer in zip(network.names, network.layers, strict=True)
        if isinstance(layer, (Dense, Conv2D, LSTM, RNN, Frozen))
    ]
    return dict(zip(names, described, strict=True))
