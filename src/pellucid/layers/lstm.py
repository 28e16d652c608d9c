"""Long short-term memory: a recurrent layer whose gates keep what is to be remembered."""

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


@layers.register("lstm")
@dataclass(frozen=True)
class LSTM(Layer):
    """A recurrent layer with a memory cell, for dependencies over long times (subject 1.6).

    Formula:
        i, f, o = σ(x·W + h·R + b), g = tanh(x·W + h·R + b), each with its own quarter of W, R and b;
        c ← f·c + i·g; h ← o·tanh(c); both begin at 0

    The columns of W, R and b are in the order input gate i, forget gate f, candidate g, output gate o. Along the cell
    the gradient is only multiplied by f: where the forget gate is near 1, it does not vanish.

    Args:
        units: number of cells, at least 1.
        return_sequences: True gives the state after every step, (batch, time, units), as a layer stacked on top reads
            it; False the last state, (batch, units).
        mask_value: a step whose features all equal it is padding: the state is carried over it unchanged, so that
            the last state is that of the short sequence alone; with ``return_sequences`` its output is padding again.
            In a network, the steps of its input are meant: the padding found there is carried through the layers up to
            this one and on. None for no padding but that which another layer declares.
        weights: how the weights of the inputs, shape (features, 4·units), are initialised.
        recurrent_weights: how those of the state, shape (units, 4·units), are; they are called "recurrent".
        biases: how the biases, shape (4·units,), are initialised.
        forget_bias: the forget gate's biases begin higher by this much, so that the cell remembers at first.
        memory: for long times, how many steps the cells remember at first, at least 3: each forget gate begins with a
            bias of log u, u between 1 and memory − 1, and the input gate beside it with −log u, so that what enters
            does not wash out what is kept. None for ``forget_bias`` alone.

    Raises:
        ShapeError: examples that are not (time, features), or of other features than in ``init``.

    Example:
        >>> params, state, shape = LSTM(8).init(jax.random.key(0), (28, 3))
        >>> params["weights"].shape, params["recurrent"].shape, params["biases"].shape, shape
        ((3, 32), (8, 32), (32,), (8,))
        >>> y, _, cache = LSTM(8).forward(params, state, jnp.ones((2, 28, 3)))
        >>> y.shape, cache["forget"].shape  # the forget gate at every time, (time, batch, units)
        ((2, 8), (28, 2, 8))

    PyTorch adds a second bias to the first, which adds nothing, and starts with no ``forget_bias``; Keras orders alike.

    Source: Hochreiter & Schmidhuber, Long short-term memory, 1997; Gers, Schmidhuber & Cummins, Learning to forget,
    2000 (forget gate); Jozefowicz, Zaremba & Sutskever, An empirical exploration of recurrent network architectures,
    2015 (its bias); Tallec & Ollivier, Can recurrent neural networks warp time?, 2018 (``memory``).
    """

    takes_mask = True

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of cells")
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = "glorot_uniform"
    recurrent_weights: Initializer | Specification = "orthogonal"
    biases: Initializer | Specification = "zeros"
    forget_bias: float = constrained(1.0, Interval(), "first bias of the forget gate")
    memory: int | None = constrained(None, WholeNumber(3), "steps remembered at first")

    def __post_init__(self) -> None:
        validate(self)
        for field in ("weights", "recurrent_weights", "biases"):
            object.__setattr__(self, field, initializers.build(getattr(self, field)))

    @property
    def masks(self) -> Literal["passes", "ends"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Padding goes on where the steps do."""
        return "passes" if self.return_sequences else "ends"

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        """Weights (features, 4·units), recurrent (units, 4·units) and biases (4·units,)."""
        output_shape = sequences.sequence_shape(self, input_shape)
        keys, units = jax.random.split(key, 4), self.units
        biases = initializers.build(self.biases)(keys[2], (4 * units,))
        if self.memory is None:
            kept = jnp.full(units, self.forget_bias, biases.dtype)
        else:
            kept = jnp.log(jax.random.uniform(keys[3], (units,), biases.dtype, 1.0, self.memory - 1.0))
            biases = biases.at[:units].add(-kept)
        params = {
            "weights": initializers.build(self.weights)(keys[0], (input_shape[1], 4 * units)),
            "recurrent": initializers.build(self.recurrent_weights)(keys[1], (units, 4 * units)),
            "biases": biases.at[units : 2 * units].add(kept),
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
        """c ← f·c + i·g, h ← o·tanh(c), step by step; the cache holds every gate at every time under its name."""
        sequences.check_sequences(self, x, params["weights"])
        xs = sequences.time_major(x)
        real = sequences.real_steps(xs, self.mask_value, mask)

        def step(carry: Any, arrays: Any) -> tuple[Any, Any]:
            (h, c), (z, real) = carry, arrays
            i, f, g, o = jnp.split(z + h @ params["recurrent"], 4, axis=1)
            i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
            new_c = f * c + i * g
            h, c = sequences.keep(real, o * jnp.tanh(new_c), h), sequences.keep(real, new_c, c)
            return (h, c), {"input": i, "forget": f, "candidate": g, "output": o, "cell": c, "state": h}

        start = jnp.zeros((x.shape[0], self.units), x.dtype)
        z = sequences.project(xs, params["weights"], params["biases"])
        cache = jax.lax.scan(step, (start, start), (z, real))[1]
        return (sequences.outputs(self, cache["state"], real), state, {"x": xs, "real": real, **cache})

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *time units"]
    ) -> tuple[Float[Array, "batch time features"], Params]:
        """∂L/∂z of each gate step by step, last to first; then every gradient in one product over all times."""
        i, f, g, o = (cache[name] for name in ("input", "forget", "candidate", "output"))
        tanh_c = jnp.tanh(cache["cell"])
        # The factors that do not depend on what comes from later, for all times at once. Those of the gates lie in one
        # array: this loop alone then took 6 ms against 12 (batch 128), though a whole training step gained hardly any.
        by_gate = jnp.concatenate(
            [g * i * (1 - i), sequences.before(cache["cell"]) * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)],
            axis=2,
        )
        factors = (by_gate, o * (1 - tanh_c * tanh_c), f, cache["real"])
        transposed = params["recurrent"].T

        def step(carry: Any, factors: Any) -> tuple[Any, Any]:
            (dh, dc), (by_gate, by_c, f, real) = carry, factors
            real_dh, later_dc = sequences.keep(real, dh, jnp.zeros_like(dh)), dc
            dc = sequences.keep(real, dc, jnp.zeros_like(dc)) + real_dh * by_c
            dz = by_gate * jnp.concatenate([dc, dc, dc, real_dh], axis=1)
            new_dh = dz @ transposed
            if real is not None:
                new_dh = jnp.where(real, new_dh, dh)
            return (new_dh, sequences.keep(real, dc * f, later_dc)), dz

        dz = sequences.through_time_backward(self, step, dy, cache["real"], factors, jnp.zeros_like(cache["cell"][0]))
        grads = {
            "weights": sequences.gradient(cache["x"], dz),
            "recurrent": sequences.recurrent_gradient(cache["state"], dz),
            "biases": dz.sum(axis=(0, 1)),
        }
        return sequences.time_major(sequences.project_back(dz, params["weights"])), grads
