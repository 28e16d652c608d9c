"""The gated recurrent unit."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from pellucid.core.constraints import Interval, WholeNumber, constrained, validate
from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers import sequences
from pellucid.layers.layer import Layer, layers


@layers.register("gru")
@dataclass(frozen=True)
class GRU(Layer):
    """A recurrent layer with two gates and no cell beside its state: three quarters of an LSTM's weights.

    Formula:
        s = h·R + b′; r, u = σ(x·W + b + s); n = tanh(x·W + b + r·s), each with its own third of W, R, b and b′;
        h ← u·h + (1 − u)·n; h begins at 0

    The columns of W, R and both biases are in the order reset gate r, update gate u, candidate n. The reset gate
    acts after the product with R, which is why the candidate needs two biases.

    Args:
        units: number of units, at least 1.
        return_sequences: True gives the state after every step, (batch, time, units), as a layer stacked on top reads
            it; False the last state, (batch, units).
        mask_value: a step whose features all equal it is padding: the state is carried over it unchanged, so that
            the last state is that of the short sequence alone; with ``return_sequences`` its output is padding again.
            In a network, the steps of its input are meant: the padding found there is carried through the layers up to
            this one and on. None for no padding but that which another layer declares.
        weights: how the weights of the inputs, shape (features, 3·units), are initialised.
        recurrent_weights: how those of the state, shape (units, 3·units), are; they are called "recurrent".
        biases: how the biases b and b′, "biases" and "recurrent_biases", shape (3·units,) each, are initialised.

    Raises:
        ShapeError: examples that are not (time, features), or of other features than in ``init``.

    Example:
        >>> params, state, shape = GRU(8, return_sequences=True).init(jax.random.key(0), (28, 3))
        >>> params["weights"].shape, params["recurrent"].shape, params["recurrent_biases"].shape, shape
        ((3, 24), (8, 24), (24,), (28, 8))

    PyTorch, cuDNN and Keras (``reset_after=True``) reset after the product too; the paper resets before it. Keras puts
    the update gate first.

    Source: Cho et al., Learning phrase representations using RNN encoder–decoder, 2014.
    """

    takes_mask = True

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of units")
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = "glorot_uniform"
    recurrent_weights: Initializer | Specification = "orthogonal"
    biases: Initializer | Specification = "zeros"

    def __post_init__(self) -> None:
        validate(self)
        for field in ("weights", "recurrent_weights", "biases"):
            object.__setattr__(self, field, initializers.build(getattr(self, field)))

    @property
    def masks(self) -> Literal["passes", "ends"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Padding goes on where the steps do."""
        return "passes" if self.return_sequences else "ends"

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        """Weights (features, 3·units), recurrent (units, 3·units) and two biases (3·units,)."""
        output_shape = sequences.sequence_shape(self, input_shape)
        keys, gates = jax.random.split(key, 4), 3 * self.units
        params = {
            "weights": initializers.build(self.weights)(keys[0], (input_shape[1], gates)),
            "recurrent": initializers.build(self.recurrent_weights)(keys[1], (self.units, gates)),
            "biases": initializers.build(self.biases)(keys[2], (gates,)),
            "recurrent_biases": initializers.build(self.biases)(keys[3], (gates,)),
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
        """h ← u·h + (1 − u)·n, step by step; the cache holds every gate at every time under its name."""
        sequences.check_sequences(self, x, params["weights"])
        xs = sequences.time_major(x)
        real = sequences.real_steps(xs, self.mask_value, mask)

        def step(h: Array, arrays: Any) -> tuple[Any, Any]:
            z, real = arrays
            s = h @ params["recurrent"]
            s = s + jnp.broadcast_to(params["recurrent_biases"], s.shape)
            (z_r, z_u, z_n), (s_r, s_u, s_n) = jnp.split(z, 3, axis=1), jnp.split(s, 3, axis=1)
            r, u = jax.nn.sigmoid(z_r + s_r), jax.nn.sigmoid(z_u + s_u)
            n = jnp.tanh(z_n + r * s_n)
            h = sequences.keep(real, u * h + (1 - u) * n, h)
            return h, {"reset": r, "update": u, "candidate": n, "recalled": s_n, "state": h}

        z = sequences.project(xs, params["weights"], params["biases"])
        cache = jax.lax.scan(step, jnp.zeros((x.shape[0], self.units), x.dtype), (z, real))[1]
        return (sequences.outputs(self, cache["state"], real), state, {"x": xs, "real": real, **cache})

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *time units"]
    ) -> tuple[Float[Array, "batch time features"], Params]:
        """∂L/∂s of each gate step by step, last to first; then every gradient in one product over all times."""
        r, u, n = (cache[name] for name in ("reset", "update", "candidate"))
        # The factors that do not depend on what comes from later, for all times at once.
        by_n = (1 - u) * (1 - n * n)
        by_r, by_u = (by_n * cache["recalled"] * r * (1 - r), (sequences.before(cache["state"]) - n) * u * (1 - u))
        transposed = params["recurrent"].T

        def step(carry: Any, factors: Any) -> tuple[Any, Any]:
            (dh,), (by_r, by_u, by_s, u, real) = carry, factors
            real_dh = sequences.keep(real, dh, jnp.zeros_like(dh))
            ds = jnp.concatenate([real_dh * by_r, real_dh * by_u, real_dh * by_s], axis=1)
            return (sequences.keep(real, dh * u + ds @ transposed, dh),), (ds, real_dh)

        ds, dh = sequences.through_time_backward(
            self, step, dy, cache["real"], (by_r, by_u, by_n * r, u, cache["real"])
        )
        # What reaches the inputs differs from ds in the candidate alone, which the reset gate has not scaled.
        dz = jnp.concatenate([ds[:, :, : 2 * self.units], dh * by_n], axis=2)
        grads = {
            "weights": sequences.gradient(cache["x"], dz),
            "recurrent": sequences.recurrent_gradient(cache["state"], ds),
            "biases": dz.sum(axis=(0, 1)),
            "recurrent_biases": ds.sum(axis=(0, 1)),
        }
        return sequences.time_major(sequences.project_back(dz, params["weights"])), grads
