"""Remedies inside the network: activations, initial weights, normalisation, size."""

from dataclasses import replace
from typing import Any

from pellucid.doctor.remedies.table import remedy
from pellucid.doctor.setup import Setup
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Frozen, Layer
from pellucid.network import Network


def layers_of(setup: Setup) -> tuple[Layer, ...]:
    """The layers of a network in a row; none of a graph."""
    return setup.program.network.layers if setup.program.network.is_chain else ()


def has_weights(layer: Layer) -> bool:
    """Whether a layer has weights, frozen ones too."""
    return hasattr(layer, "weights") or isinstance(layer, Frozen)


def _with_layers(setup: Setup, layers: list[Layer]) -> Setup:
    return replace(setup, program=replace(setup.program, network=Network(*layers)))


def _changed(setup: Setup, change: str, layers: list[Layer]) -> list[tuple[str, Setup]]:
    if not layers or tuple(layers) == layers_of(setup):
        return []
    return [(change, _with_layers(setup, layers))]


def _hidden(setup: Setup) -> list[int]:
    """The numbers of the layers with weights, without the last."""
    return [i for i, layer in enumerate(layers_of(setup)) if has_weights(layer)][:-1]


def _activated(setup: Setup, function: Any) -> list[Layer]:
    """Every hidden dense or convolutional layer followed by this activation alone."""
    made: list[Layer] = []
    hidden = set(_hidden(setup))
    last = _last(setup)
    for i, layer in enumerate(layers_of(setup)):
        if isinstance(layer, Activation) and i < last:
            continue
        made.append(layer)
        if i in hidden and not layer.activation_inside and not hasattr(layer, "return_sequences"):
            made.append(Activation(function))
    return made


@remedy("relu in the hidden layers", "relu")
def _relu(setup: Setup) -> list[tuple[str, Setup]]:
    layers = _activated(setup, "relu")
    plain = _changed(setup, "relu in the hidden layers", layers)
    if not plain:
        return []
    drawn = _drawn(layers, "he_normal")
    return plain + _changed(setup, "relu in the hidden layers, He initialisation", drawn)


@remedy("leaky relu")
def _leaky(setup: Setup) -> list[tuple[str, Setup]]:
    if any(
        isinstance(layer, Activation) and getattr(layer.function, "name", "") == "leaky_relu"
        for layer in layers_of(setup)
    ):
        return []
    layers = _drawn(_activated(setup, {"name": "leaky_relu", "alpha": 0.1}), "he_normal")
    return _changed(setup, "leaky relu in the hidden layers, He initialisation", layers)


def _drawn(layers: list[Layer], initializer: str) -> list[Layer]:
    def drawn(layer: Layer) -> Layer:
        if not hasattr(layer, "weights"):
            return layer
        fields: dict[str, Any] = {"weights": initializer}
        if hasattr(layer, "biases"):
            fields |= {"biases": "zeros"}
        if hasattr(layer, "recurrent_weights"):
            fields |= {"weights": "glorot_uniform", "recurrent_weights": "orthogonal"}
        return replace(layer, **fields)  # pyright: ignore[reportArgumentType]

    return [drawn(layer) for layer in layers]


@remedy("He initialisation")
def _he(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "weights drawn by He, biases 0", _drawn(list(layers_of(setup)), "he_normal"))


@remedy("Glorot initialisation", "smaller initial weights")
def _glorot(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "weights drawn by Glorot, biases 0", _drawn(list(layers_of(setup)), "glorot_uniform"))


@remedy("biases")
def _biases(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [replace(layer, use_biases=True) if isinstance(layer, Dense) else layer for layer in layers_of(setup)]
    return _changed(setup, "with biases", layers)


@remedy("batch normalisation")
def _normalised(setup: Setup) -> list[tuple[str, Setup]]:
    hidden, made = set(_hidden(setup)), []
    if any(isinstance(layer, BatchNorm) for layer in layers_of(setup)):
        return []
    for i, layer in enumerate(layers_of(setup)):
        made += [layer, BatchNorm()] if i in hidden and not hasattr(layer, "return_sequences") else [layer]
    return _changed(setup, "batch normalisation after each hidden layer", made)


@remedy("update the statistics")
def _statistics_kept(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [BatchNorm() if isinstance(layer, BatchNorm) else layer for layer in layers_of(setup)]
    return _changed(setup, "running statistics updated", layers)


@remedy("train all layers")
def _thawed(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [layer.layer if isinstance(layer, Frozen) else layer for layer in layers_of(setup)]
    return _changed(setup, "all layers trained", layers)  # pyright: ignore[reportArgumentType]


def _widths(setup: Setup, factor: float) -> list[Layer]:
    hidden = set(_hidden(setup))
    return [
        replace(layer, units=max(2, round(layer.units * factor))) if i in hidden and isinstance(layer, Dense) else layer
        for i, layer in enumerate(layers_of(setup))
    ]


@remedy("more units")
def _wider(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "four times the hidden units", _widths(setup, 4)) + _more_layers(setup)


@remedy("fewer units")
def _narrower(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "a quarter of the hidden units", _widths(setup, 0.25))


@remedy("more layers", "a hidden layer")
def _more_layers(setup: Setup) -> list[tuple[str, Setup]]:
    layers = list(layers_of(setup))
    places = [i for i, layer in enumerate(layers) if has_weights(layer)]
    if not places:
        return []
    layers[places[-1] : places[-1]] = [Dense(32, weights="he_normal"), Activation("relu")]
    return _changed(setup, "one more hidden layer of 32 units", layers)


@remedy("fewer layers")
def _shallower(setup: Setup) -> list[tuple[str, Setup]]:
    layers, hidden = layers_of(setup), _hidden(setup)
    if len(hidden) < 3:
        return []
    return _changed(setup, "two hidden layers left", [*layers[: hidden[2]], *layers[_last(setup) :]])


def _last(setup: Setup) -> int:
    """The number of the last layer with weights; 0 of none, as of a graph."""
    return max((i for i, layer in enumerate(layers_of(setup)) if has_weights(layer)), default=0)


@remedy("dropout")
def _dropped(setup: Setup) -> list[tuple[str, Setup]]:
    layers, last = list(layers_of(setup)), _last(setup)
    if any(isinstance(layer, Dropout) for layer in layers) or not _hidden(setup):
        return []
    places = [i for i, layer in enumerate(layers[:last]) if isinstance(layer, Activation)]
    for i in reversed(places):
        layers.insert(i + 1, Dropout(0.3))
    return _changed(setup, "dropout of 0.3 after each hidden layer", layers)


@remedy("less dropout")
def _undropped(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [layer for layer in layers_of(setup) if not isinstance(layer, Dropout)]
    light = [
        replace(layer, rate=min(layer.rate, 0.1)) if isinstance(layer, Dropout) else layer for layer in layers_of(setup)
    ]
    return _changed(setup, "no dropout", layers) + _changed(setup, "dropout of 0.1", light)
