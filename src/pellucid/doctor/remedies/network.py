"""Remedies inside the network: activations, initial weights, normalisation, size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.doctor.remedies.table import Changed, remedy
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Frozen, Layer
from pellucid.network import Network
from pellucid.runs.plan import Plan


def layers_of(plan: Plan) -> tuple[Layer, ...]:
    """The layers of a network."""
    return network_of(plan).layers


def network_of(plan: Plan) -> Network:
    """The network of a supervised training."""
    assert isinstance(plan.network, Network)
    return plan.network


def has_weights(layer: Layer) -> bool:
    """Whether a layer has weights, frozen ones too."""
    return hasattr(layer.layer if isinstance(layer, Frozen) else layer, "weights")


def with_layers(plan: Plan, layers: Sequence[Layer]) -> Plan:
    """Other layers: as many in the same places, or any number in a row.

    Raises:
        InvalidValue: another number of layers of a graph.
    """
    network = network_of(plan)
    if len(layers) == len(network.layers):
        return plan._replace(network=network.with_layers(layers))
    if not network.is_chain:
        raise InvalidValue("layers of a graph are neither added nor left out.")
    return plan._replace(network=Network(*layers))


def _changed(plan: Plan, change: str, layers: Sequence[Layer]) -> Changed:
    return [(change, with_layers(plan, layers))] if layers else []


def _hidden(plan: Plan) -> list[int]:
    """The numbers of the layers with weights, without the last."""
    return [i for i, layer in enumerate(layers_of(plan)) if has_weights(layer)][:-1]


def _activated(plan: Plan, function: Any) -> list[Layer]:
    """Every hidden dense or convolutional layer followed by this activation alone; in a graph, where there is one."""
    if not network_of(plan).is_chain:
        hidden = [isinstance(at, Activation) and i not in network_of(plan).ends for i, at in enumerate(layers_of(plan))]
        return [Activation(function) if inner else at for inner, at in zip(hidden, layers_of(plan), strict=True)]
    made: list[Layer] = []
    hidden = set(_hidden(plan))
    last = _last(plan)
    for i, layer in enumerate(layers_of(plan)):
        if isinstance(layer, Activation) and i < last:
            continue
        made.append(layer)
        if i in hidden and not layer.activation_inside and not hasattr(layer, "return_sequences"):
            made.append(Activation(function))
    return made


@remedy("relu in the hidden layers", "relu")
def _relu(plan: Plan) -> Changed:
    layers = _activated(plan, "relu")
    plain = _changed(plan, "relu in the hidden layers", layers)
    if not plain:
        return []
    initialised = _initialised(layers, "he_normal")
    return plain + _changed(plan, "relu in the hidden layers, He initialisation", initialised)


@remedy("leaky relu")
def _leaky(plan: Plan) -> Changed:
    if any(
        isinstance(layer, Activation) and getattr(layer.function, "name", "") == "leaky_relu"
        for layer in layers_of(plan)
    ):
        return []
    layers = _initialised(_activated(plan, {"name": "leaky_relu", "alpha": 0.1}), "he_normal")
    return _changed(plan, "leaky relu in the hidden layers, He initialisation", layers)


def _initialised(layers: list[Layer], initializer: str) -> list[Layer]:
    def initialised(layer: Layer) -> Layer:
        if not hasattr(layer, "weights"):
            return layer
        fields: dict[str, Any] = {"weights": initializer}
        if hasattr(layer, "biases"):
            fields |= {"biases": "zeros"}
        if hasattr(layer, "recurrent_weights"):
            fields |= {"weights": "glorot_uniform", "recurrent_weights": "orthogonal"}
        return replace(layer, **fields)  # pyright: ignore[reportArgumentType]

    return [initialised(layer) for layer in layers]


@remedy("He initialisation")
def _he(plan: Plan) -> Changed:
    return _changed(plan, "weights initialised by He, biases 0", _initialised(list(layers_of(plan)), "he_normal"))


@remedy("Glorot initialisation", "smaller initial weights")
def _glorot(plan: Plan) -> Changed:
    return _changed(
        plan, "weights initialised by Glorot, biases 0", _initialised(list(layers_of(plan)), "glorot_uniform")
    )


@remedy("biases")
def _biases(plan: Plan) -> Changed:
    layers = [replace(layer, use_biases=True) if isinstance(layer, Dense) else layer for layer in layers_of(plan)]
    return _changed(plan, "with biases", layers)


@remedy("batch normalisation")
def _normalised(plan: Plan) -> Changed:
    hidden, made = set(_hidden(plan)), []
    if any(isinstance(layer, BatchNorm) for layer in layers_of(plan)):
        return []
    for i, layer in enumerate(layers_of(plan)):
        made += [layer, BatchNorm()] if i in hidden and not hasattr(layer, "return_sequences") else [layer]
    return _changed(plan, "batch normalisation after each hidden layer", made)


@remedy("update the statistics")
def _statistics_kept(plan: Plan) -> Changed:
    layers = [BatchNorm() if isinstance(layer, BatchNorm) else layer for layer in layers_of(plan)]
    return _changed(plan, "running statistics updated", layers)


@remedy("train all layers")
def _thawed(plan: Plan) -> Changed:
    layers = [layer.layer if isinstance(layer, Frozen) else layer for layer in layers_of(plan)]
    return _changed(plan, "all layers trained", layers)  # pyright: ignore[reportArgumentType]


def _widths(plan: Plan, factor: float) -> list[Layer]:
    hidden = set(_hidden(plan))
    return [
        replace(layer, units=max(2, round(layer.units * factor))) if i in hidden and isinstance(layer, Dense) else layer
        for i, layer in enumerate(layers_of(plan))
    ]


@remedy("more units")
def _wider(plan: Plan) -> Changed:
    wider = _changed(plan, "four times the hidden units", _widths(plan, 4))
    return wider + (_more_layers(plan) if network_of(plan).is_chain else [])


@remedy("fewer units")
def _narrower(plan: Plan) -> Changed:
    return _changed(plan, "a quarter of the hidden units", _widths(plan, 0.25))


@remedy("more layers", "a hidden layer")
def _more_layers(plan: Plan) -> Changed:
    layers = list(layers_of(plan))
    places = [i for i, layer in enumerate(layers) if has_weights(layer)]
    if not places:
        return []
    layers[places[-1] : places[-1]] = [Dense(32, weights="he_normal"), Activation("relu")]
    return _changed(plan, "one more hidden layer of 32 units", layers)


@remedy("fewer layers")
def _shallower(plan: Plan) -> Changed:
    layers, hidden = layers_of(plan), _hidden(plan)
    if len(hidden) < 3:
        return []
    return _changed(plan, "two hidden layers left", [*layers[: hidden[2]], *layers[_last(plan) :]])


def _last(plan: Plan) -> int:
    """The number of the last layer with weights; 0 of none, as of a graph."""
    return max((i for i, layer in enumerate(layers_of(plan)) if has_weights(layer)), default=0)


@remedy("dropout")
def _dropped(plan: Plan) -> Changed:
    layers, last = list(layers_of(plan)), _last(plan)
    if any(isinstance(layer, Dropout) for layer in layers) or not _hidden(plan):
        return []
    places = [i for i, layer in enumerate(layers[:last]) if isinstance(layer, Activation)]
    for i in reversed(places):
        layers.insert(i + 1, Dropout(0.3))
    return _changed(plan, "dropout of 0.3 after each hidden layer", layers)


@remedy("less dropout")
def _undropped(plan: Plan) -> Changed:
    layers = [layer for layer in layers_of(plan) if not isinstance(layer, Dropout)]
    light = [
        replace(layer, rate=min(layer.rate, 0.1)) if isinstance(layer, Dropout) else layer for layer in layers_of(plan)
    ]
    return _changed(plan, "no dropout", layers) + _changed(plan, "dropout of 0.1", light)
