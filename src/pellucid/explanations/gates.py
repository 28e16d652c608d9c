"""Recurrent layers opened in time: z, gates, state and ∂L/∂z of every step.

A recurrent layer's own ``forward`` keeps its gates, but the gradient ∂L/∂z of a single time is inside its ``backward``. It
is brought out without a line of new calculus: the layer reads, beside its inputs, one more input for each time that is
1 at that time alone. The gradient of that input's weights (0 themselves) is then ∂L/∂z at that time, and moving such a
weight moves z there, so that finite differences can check it.
"""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, Cache, Key, Params, PyTree, Shape, State
from pellucid.layers import GRU, LSTM, RNN, Layer
from pellucid.network import AnyNetwork

RECURRENT = (RNN, LSTM, GRU)
GATES = {
    RNN: (("a", "tanh"),),
    LSTM: (("input", "sigmoid"), ("forget", "sigmoid"), ("candidate", "tanh"), ("output", "sigmoid")),
    GRU: (("reset", "sigmoid"), ("update", "sigmoid"), ("candidate", "tanh")),
}
"""The gates of a layer in the order of the columns of its weights, with their activations."""


@dataclass(frozen=True)
class Opened(Layer):
    """A recurrent layer that also reads an input which is 1 at one time alone, for each time.

    Args:
        layer: the recurrent layer.
    """

    layer: Any

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the layer."""
        return self.layer.name

    @property
    def mask_value(self) -> float | None:
        """That of the layer."""
        return self.layer.mask_value

    @property
    def masks(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As for the layer."""
        return self.layer.masks

    takes_mask = True

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """That of the layer, with weights of 0 for the inputs that open it."""
        params, state, shape = self.layer.init(key, input_shape)
        return _widened(params, input_shape[0]), state, shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Array,
        *,
        key: Any = None,
        training: bool = False,
        mask: Array | None = None,
    ) -> tuple[Array, State, Cache]:
        """The layer's own forward pass."""
        times = jnp.broadcast_to(jnp.eye(x.shape[1], dtype=x.dtype), (x.shape[0], x.shape[1], x.shape[1]))
        value = self.mask_value
        if value is not None and mask is None:  # a step of padding must stay padding
            times = jnp.where((x != value).any(axis=2, keepdims=True), times, jnp.asarray(value, x.dtype))
        return self.layer.forward(
            params, state, jnp.concatenate([x, times], axis=2), key=key, training=training, mask=mask
        )

    def backward(self, params: Params, cache: Cache, dy: Array) -> tuple[Array, Params]:
        """The layer's own backward pass, without the gradients of the inputs that were added."""
        dx, grads = self.layer.backward(params, cache, dy)
        return dx[:, :, : dx.shape[2] - dx.shape[1]], grads


def open_in_time(network: AnyNetwork, params: PyTree, steps: list[int | None]) -> tuple[AnyNetwork, PyTree]:
    """The same network with its plain recurrent layers opened, and its parameters widened by weights of 0.

    Args:
        network: the network.
        params: its parameters.
        steps: the length in time of what each layer reads; None for a layer that is not recurrent.
    """
    layers, widened = list(network.layers), list(params)
    for i, layer in enumerate(network.layers):
        if isinstance(layer, RECURRENT):
            layers[i] = Opened(layer)
            widened[i] = _widened(params[i], steps[i])
    opened = copy.copy(network)
    object.__setattr__(opened, "layers", tuple(layers))
    return opened, tuple(widened)


def _widened(params: Params, steps: int | None) -> Params:
    """A recurrent layer's parameters with weights of 0 for one more input a step."""
    weights = params["weights"]
    zeros = jnp.zeros((steps, weights.shape[1]), weights.dtype)
    return params | {"weights": jnp.concatenate([weights, zeros])}


class Gate(NamedTuple):
    """One gate of a recurrent layer: (time, units) each."""

    name: str
    activation: str
    z: np.ndarray
    a: np.ndarray
    gradient: np.ndarray
    """∂L/∂z."""
    derivative: np.ndarray
    """∂a/∂z."""


@dataclass(frozen=True)
class Through:
    """A recurrent layer through time, of one example.

    Attributes:
        layer: its name.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        x: what it read, (time, features).
        gates: its gates, in the order of the columns of its weights.
        before: the state before each step, (time, units).
        state: the state after each step, (time, units).
        cell: the memory cell after each step, of an LSTM.
        real: False where a step is padding, (time,).
    """

    layer: str
    kind: str
    x: np.ndarray
    gates: tuple[Gate, ...]
    before: np.ndarray
    state: np.ndarray
    cell: np.ndarray | None
    real: np.ndarray


def through_time(name: str, layer: Opened, params: Params, cache: Cache, grads: Params) -> Through:
    """A recurrent layer's gates from what its forward pass kept and its backward pass gave."""
    kind, units = type(layer.layer), layer.layer.units
    steps = cache["x"].shape[0]
    features = cache["x"].shape[2] - steps
    kept = {key: np.asarray(value)[:, 0] for key, value in cache.items() if value is not None}
    before = np.concatenate([np.zeros_like(kept["state"][:1]), kept["state"][:-1]])
    x, weights = kept["x"][:, :features], np.asarray(params["weights"])[:features]
    recalled = before @ np.asarray(params["recurrent"]) + np.asarray(params.get("recurrent_biases", 0.0))
    z = x @ weights + np.asarray(params["biases"])
    if kind is GRU:  # the candidate's reset gate acts after the product with R
        recalled[:, 2 * units :] *= kept["reset"]
    z = z + recalled
    gradients = np.asarray(grads["weights"])[features:]
    gates = []
    for k, (gate, activation) in enumerate(GATES[kind]):
        columns = slice(k * units, (k + 1) * units)
        a, function = kept[gate], activation
        if kind is RNN:
            function = layer.layer.activation.name
            gradient = np.asarray(
                layer.layer.activation.backward(jnp.asarray(z), jnp.asarray(a), jnp.ones_like(jnp.asarray(a)))
            )
        else:
            gradient = 1 - a * a if activation == "tanh" else a * (1 - a)
        gates.append(Gate(gate, function, z[:, columns], a, gradients[:, columns], gradient))
    real = np.ones(steps, bool) if "real" not in kept else kept["real"][:, 0]
    return Through(name, layer.layer.name, x, tuple(gates), before, kept["state"], kept.get("cell"), real)
