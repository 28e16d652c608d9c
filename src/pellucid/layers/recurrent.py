"""The plain recurrent layer, and the reading of a sequence from both ends."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from pellucid.core.constraints import Interval, OneOf, WholeNumber, constrained, validate
from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers import sequences
from pellucid.layers.layer import Layer, layers


@layers.register("rnn")
@dataclass(frozen=True)
class RNN(Layer):
    """A recurrent layer: its state is made from the inputs of a step and its own state before (subject 1.5).

    Formula:
        z = x·W + h·R + b; h ← f(z); h begins at 0

    Going back through time the gradient is multiplied by f′(z) and Rᵀ at every step, so over many steps it vanishes or
    explodes; `LSTM` is the remedy.

    Args:
        units: number of neurons, at least 1.
        activation: name or object of f.
        return_sequences: True gives the state after every step, (batch, time, units), as a layer stacked on top reads
            it; False the last state, (batch, units).
        mask_value: a step whose features all equal it is padding: the state is carried over it unchanged, so that
            the last state is that of the short sequence alone; with ``return_sequences`` its output is padding again.
            In a network, the steps of its input are meant: the padding found there is carried through the layers up to
            this one and on. None for no padding but that which another layer declares.
        weights: how the weights of the inputs, shape (features, units), are initialised.
        recurrent_weights: how those of the state, shape (units, units), are; they are called "recurrent".
        biases: how the biases, shape (units,), are initialised.

    Raises:
        ShapeError: examples that are not (time, features), or of other features than in ``init``.

    Example:
        >>> params, state, shape = RNN(8).init(jax.random.key(0), (28, 3))
        >>> params["weights"].shape, params["recurrent"].shape, params["biases"].shape, shape
        ((3, 8), (8, 8), (8,), (8,))

    PyTorch adds a second bias to the first, which adds nothing.

    Source: Elman, Finding structure in time, 1990; Werbos, Backpropagation through time, 1990.
    """

    activation_inside = True
    takes_mask = True

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of neurons")
    activation: Activation | Specification = "tanh"
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = "glorot_uniform"
    recurrent_weights: Initializer | Specification = "orthogonal"
    biases: Initializer | Specification = "zeros"

    def __post_init__(self) -> None:
        validate(self)
        object.__setattr__(self, "activation", activations.build(self.activation))
        for field in ("weights", "recurrent_weights", "biases"):
            object.__setattr__(self, field, initializers.build(getattr(self, field)))

    @property
    def masks(self) -> Literal["passes", "ends"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Padding goes on where the steps do."""
        return "passes" if self.return_sequences else "ends"

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        """Weights (features, units), recurrent (units, units) and biases (units,)."""
        output_shape = sequences.sequence_shape(self, input_shape)
        keys = jax.random.split(key, 3)
        params = {
            "weights": initializers.build(self.weights)(keys[0], (input_shape[1], self.units)),
            "recurrent": initializers.build(self.recurrent_weights)(keys[1], (self.units, self.units)),
            "biases": initializers.build(self.biases)(keys[2], (self.units,)),
        }
        return params, {}, output_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch time features"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        mask: Bool[Array, "batch time"] | None = None,
    ) -> tuple[Float[Array, "batch *time units"], State, Cache]:
        """h ← f(x·W + h·R + b), step by step."""
        sequences.check_sequences(self, x, params["weights"])
        xs = sequences.time_major(x)
        real = sequences.real_steps(xs, self.mask_value, mask)
        function = activations.build(self.activation)

        def step(h: Array, arrays: Any) -> tuple[Any, Any]:
            z, real = arrays
            z = z + h @ params["recurrent"]
            a = function.value(z)
            h = sequences.keep(real, a, h)
            return h, {"z": z, "a": a, "state": h}

        z = sequences.project(xs, params["weights"], params["biases"])
        cache = jax.lax.scan(step, jnp.zeros((x.shape[0], self.units), x.dtype), (z, real))[1]
        return (sequences.outputs(self, cache["state"], real), state, {"x": xs, "real": real, **cache})

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *time units"]
    ) -> tuple[Float[Array, "batch time features"], Params]:
        """Backward dz = dh · ∂h/∂z step by step, last to first; then every gradient in one product over all times."""
        function, transposed = activations.build(self.activation), params["recurrent"].T

        def step(carry: Any, arrays: Any) -> tuple[Any, Any]:
            (dh,), (z, a, real) = carry, arrays
            dz = function.backward(z, a, sequences.keep(real, dh, jnp.zeros_like(dh)))
            return (sequences.keep(real, dz @ transposed, dh),), dz

        arrays = (cache["z"], cache["a"], cache["real"])
        dz = sequences.through_time_backward(self, step, dy, cache["real"], arrays)
        grads = {
            "weights": sequences.gradient(cache["x"], dz),
            "recurrent": sequences.recurrent_gradient(cache["state"], dz),
            "biases": dz.sum(axis=(0, 1)),
        }
        return sequences.time_major(sequences.project_back(dz, params["weights"])), grads


@layers.register("bidirectional")
@dataclass(frozen=True)
class Bidirectional(Layer):
    """Two recurrent layers alike, one reading the sequence from its beginning, the other from its end.

    Formula:
        y = [forward(x), backward(x reversed)], side by side or summed

    With ``return_sequences`` the second layer's outputs are put back in the order of time, so that y at a time knows
    what came before and what comes after; without, each gives its state after all it has read.

    Args:
        layer: the recurrent layer (`RNN`, `LSTM`, `GRU`), or its table; both directions have its fields and their own
            parameters, ``{"forward": {…}, "backward": {…}}``.
        merge: ``"concatenate"`` for 2·units outputs, ``"sum"`` for units outputs.

    Raises:
        InvalidValue: a layer that is not recurrent.

    Example:
        >>> layer = Bidirectional({"name": "gru", "units": 4, "return_sequences": True})
        >>> params, _, shape = layer.init(jax.random.key(0), (28, 3))
        >>> shape, params["backward"]["weights"].shape
        ((28, 8), (3, 12))

    Source: Schuster & Paliwal, Bidirectional recurrent neural networks, 1997.
    """

    layer: Layer | Specification
    merge: str = constrained("concatenate", OneOf(("concatenate", "sum")), "how the two directions are joined")

    def __post_init__(self) -> None:
        validate(self)
        object.__setattr__(self, "layer", layers.build(self.layer))
        if not hasattr(self.layer, "return_sequences"):
            raise InvalidValue(
                f"Bidirectional.layer must be a recurrent layer: rnn, lstm or gru. Received: {describe(self.layer)!r}."
            )

    @property
    def mask_value(self) -> float | None:
        """That of the layer."""
        return getattr(self.layer, "mask_value", None)

    @property
    def masks(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As for the layer."""
        return self.layer.masks  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def takes_mask(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As for the layer."""
        return self.layer.takes_mask  # pyright: ignore[reportAttributeAccessIssue]

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        """The parameters of both directions, nested under "forward" and "backward"."""
        layer, keys = layers.build(self.layer), jax.random.split(key)
        forward, _, shape = layer.init(keys[0], input_shape)
        backward, _, _ = layer.init(keys[1], input_shape)
        width = shape[-1] * (2 if self.merge == "concatenate" else 1)
        return {"forward": forward, "backward": backward}, {}, (*shape[:-1], width)

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch time features"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        mask: Bool[Array, "batch time"] | None = None,
    ) -> tuple[Float[Array, "batch *time units"], State, Cache]:
        """Both directions, each in its order, joined in the order of time."""
        layer = layers.build(self.layer)
        masks = ({}, {}) if mask is None else ({"mask": mask}, {"mask": mask[:, ::-1]})
        ahead, _, cache = layer.forward(params["forward"], {}, x, key=None, training=training, **masks[0])
        back, _, back_cache = layer.forward(params["backward"], {}, x[:, ::-1], key=None, training=training, **masks[1])
        back = self._in_time(back)
        y = jnp.concatenate([ahead, back], axis=-1) if self.merge == "concatenate" else ahead + back
        return y, state, {"forward": cache, "backward": back_cache}

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *time units"]
    ) -> tuple[Float[Array, "batch time features"], Params]:
        """Each direction's share of dy through its own backward; dx is the sum of both."""
        layer = layers.build(self.layer)
        ahead, back = jnp.split(dy, 2, axis=-1) if self.merge == "concatenate" else (dy, dy)
        dx, grads = layer.backward(params["forward"], cache["forward"], ahead)
        back_dx, back_grads = layer.backward(params["backward"], cache["backward"], self._in_time(back))
        return dx + back_dx[:, ::-1], {"forward": grads, "backward": back_grads}

    def _in_time(self, y: Array) -> Array:
        return y[:, ::-1] if self.layer.return_sequences else y  # pyright: ignore[reportAttributeAccessIssue]
