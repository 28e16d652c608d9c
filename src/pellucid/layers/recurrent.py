"""Recurrent layers: their state goes from step to step; gates decide what is kept.

A recurrence is a loop whose step needs the state of the step before. Only ``h·R`` has to be in that loop. What does not
depend on the state is computed for all times in one matrix product: the input projections before the loop, and the
gradients of the weights after the loop that goes backward. Arrays inside are time-major, (time, batch, …), so that the
arrays of one step lie together in memory.

On a CPU the loops are native kernels (``kernels/lstm.cpp``, ``gru.cpp``, ``rnn.cpp``); `Recurrent.scan` and
`Recurrent.scan_back` define what they compute.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import Interval, OneOf, WholeNumber, constrained
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.precision import cast, wide
from pellucid.core.registry import describe
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.kernels import recurrent as kernel
from pellucid.kernels import run
from pellucid.layers.layer import AnyKey, Layer, Mask, Wrapper, layers, specified
from pellucid.layers.peers import Carried, Peer, Peers, Setting, same, turned
from pellucid.layers.sequences import keep

TORCH_BIASES = (("biases", "bias_ih"), ("recurrent_biases", "bias_hh"))
"""The biases of a `GRU` in PyTorch."""
Series = Float[Array, "batch time features"]
States = Float[Array, "batch *time units"]
Steps = Float[Array, "time batch _"]


class Recurrent(Layer):
    """The base of `RNN`, `LSTM` and `GRU`: initialisation, the reading of sequences, and masks."""

    takes_mask = True
    gates: ClassVar[tuple[tuple[str, str | None], ...]]
    """The gates in the order of the columns of the weights: their name in the cache, and their activation; None for the
    layer's own."""
    carried: ClassVar[int] = 1
    """Number of arrays, (batch, units), that go from step to step."""
    cached: ClassVar[tuple[str, ...]]
    """Names of the arrays of all times, (time, batch, units), in the cache."""
    keys: ClassVar[int] = 4
    """Number of random keys that the initialisation splits its key into."""

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """PyTorch has a bias of the inputs and one of the state, which add up here; Keras has the arrays as here."""
        torch, keras = type(self).__name__, {"RNN": "SimpleRNN"}.get(type(self).__name__, type(self).__name__)
        weights = (turned("weights", "weight_ih"), turned("recurrent", "weight_hh"))
        both = Carried(
            ("biases",), ("bias_ih", "bias_hh"), lambda b: (b, np.zeros_like(b)), lambda b, c: (b + c,), or_zeros=True
        )
        keras_arrays = (same("weights", "kernel"), same("recurrent", "recurrent_kernel"), same("biases", "bias"))
        backwards = Setting("go_backwards", False, "")
        sequences = Setting("return_sequences", self.return_sequences, "return_sequences")
        sigmoid = Setting("recurrent_activation", lambda f: f.__name__ == "sigmoid", "")
        tanh = Setting("activation", lambda f: f.__name__ == "tanh", "")
        return {
            "torch": Peer((torch,), (*weights, both), channels_first=False),
            "keras": Peer((keras,), keras_arrays, (tanh, sigmoid, sequences, backwards)),
        }

    units: int
    return_sequences: bool
    weights: Initializer | Specification
    recurrent_weights: Initializer | Specification
    biases: Initializer | Specification

    @property
    def masks(self) -> Literal["passes", "ends"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Padding stays padding where the layer returns each step."""
        return "passes" if self.return_sequences else "ends"

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        if len(input_shape) != 2:
            raise ShapeError(
                f"{describe(self)} reads sequences, (time, features). Received: examples of shape {input_shape}. "
                "One number a time step is (time, 1)."
            )
        width = len(self.gates) * self.units
        params = self._draw(jax.random.split(key, self.keys), (input_shape[1], width), (self.units, width))
        return params, {}, (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def _draw(self, keys: Key[Array, " keys"], shape: Shape, recurrent_shape: Shape) -> Params:
        return {
            "weights": initializers.build(self.weights)(keys[0], shape),
            "recurrent": initializers.build(self.recurrent_weights)(keys[1], recurrent_shape),
            "biases": initializers.build(self.biases)(keys[2], shape[1:]),
        }

    def forward(
        self, params: Params, state: State, x: Series, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[States, State, Cache]:
        """Go through time; the cache holds every gate at every time under its name."""
        if x.ndim != 3 or x.shape[2] != params["weights"].shape[0]:
            raise ShapeError(
                f"{describe(self)} was made for sequences of shape (batch, time, {params['weights'].shape[0]}). "
                f"Received: {x.shape}."
            )
        xs = x.swapaxes(0, 1)
        if mask is not None:
            real = mask.T[..., None]
        else:  # a network carries the mask; alone, the layer finds padding by its value
            real = None if self.mask_value is None else (xs != self.mask_value).any(axis=2, keepdims=True)
        cache = run(self._native(kernel.forward), self.scan, params, xs, real)
        h = cache["state"]
        if not self.return_sequences:
            y = h[-1]
        else:  # padding is padding again
            y = (h if real is None else jnp.where(real, h, self.mask_value or 0)).swapaxes(0, 1)
        return y, state, {"x": xs, "real": real, **cache}

    def backward(self, params: Params, cache: Cache, dy: States) -> tuple[Series, Params]:
        """Go back through time, then to the inputs: ∂L/∂x = dz·Wᵀ."""
        dz, grads = run(self._native(kernel.backward), self.scan_back, params, cache, dy)
        return (_rows(dz) @ params["weights"].T).reshape(*dz.shape[:2], -1).swapaxes(0, 1), grads

    def scan(self, params: Params, xs: Steps, real: Array | None) -> dict[str, Array]:
        """Scan `step` from the first time to the last; every gate and state at every time, by name."""
        z = _rows(xs) @ params["weights"]
        z = (z + jnp.broadcast_to(params["biases"], z.shape)).reshape(*xs.shape[:2], -1)
        start = (wide(jnp.zeros((xs.shape[1], self.units), xs.dtype)),) * self.carried

        def step(carry: Any, arrays: Any) -> tuple[Any, dict[str, Array]]:
            carry, cached = self.step(params, carry, wide(arrays))
            return carry, cast(cached, xs.dtype)

        return jax.lax.scan(step, start, (z, real))[1]

    @abstractmethod
    def step(self, params: Params, carry: Any, arrays: Any) -> tuple[Any, dict[str, Array]]:
        """One time step: from carry, ``x·W + b`` and mask to the new carry and the cached arrays."""

    @abstractmethod
    def scan_back(self, params: Params, cache: Cache, dy: States) -> tuple[Steps, Params]:
        """Scan from the last time to the first: ∂L/∂(x·W + b) at all times, and the gradients of the parameters."""

    def _native(self, loop: Callable[..., Any]) -> Callable[..., Any] | None:
        # The loop of this layer's kernel; None where it has none.
        return partial(loop, self.name, self.cached)

    def _gradients(self, cache: Cache, dz: Steps, ds: Steps) -> Params:
        # From the gradients of ``x·W + b`` and of ``h·R`` at all times.
        return {
            "weights": _rows(cache["x"]).T @ _rows(dz),
            # The state before the first step is 0 and adds nothing.
            "recurrent": _rows(cache["state"][:-1]).T @ _rows(ds[1:]),
            "biases": dz.sum(axis=(0, 1)),
        }


def _product(h: Array, weights: Array) -> Array:
    # In the precision of the weights; the state itself is kept wide, so that it adds up over many steps.
    return (h.astype(weights.dtype) @ weights).astype(h.dtype)


def _rows(x: Steps) -> Array:
    return x.reshape(-1, x.shape[2])


def _before(h: Steps) -> Steps:
    return jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])


def _scan_back(
    step: Callable[[Any, Any], tuple[Any, Any]], dy: Array, real: Array | None, arrays: Any, *carried: Array
) -> Any:
    """Scan ``step`` from the last time to the first.

    ``step`` goes from the carry (∂L/∂h, …) and the arrays of one time to the carry one time earlier and what to keep;
    ``carried`` is carried beside ∂L/∂h. ``dy`` is (batch, time, units) or, of the last state alone, (batch, units).
    """

    def at_once(carry: Any, arrays: Any) -> tuple[Any, Any]:
        carry, kept = step(carry, wide(arrays))
        return carry, cast(kept, dy.dtype)

    if dy.ndim == 2:
        return jax.lax.scan(at_once, wide((dy, *carried)), arrays, reverse=True)[1]
    dys = dy.swapaxes(0, 1)
    dys = keep(real, dys, jnp.zeros_like(dys))

    def add_gradient(carry: Any, arrays: Any) -> tuple[Any, Any]:
        dy, arrays = arrays
        return at_once((carry[0] + wide(dy), *carry[1:]), arrays)

    return jax.lax.scan(add_gradient, wide((jnp.zeros_like(dys[0]), *carried)), (dys, arrays), reverse=True)[1]


@layers.register("rnn")
class RNN(Recurrent):
    """Plain recurrent layer: each state from the inputs of a step and the state before.

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
    gates = (("a", None),)
    cached = ("z", "a", "state")
    keys = 3
    formula = "h ← f(x·W + h·R + b)"
    example = {"units": 3, "return_sequences": True}, (4, 2)

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of neurons")
    activation: Activation | Specification = specified("tanh", activations)
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = specified("glorot_uniform", initializers)
    recurrent_weights: Initializer | Specification = specified("orthogonal", initializers)
    biases: Initializer | Specification = specified("zeros", initializers)

    @property
    def peers(self) -> Peers:
        """Those of the base, with the activation of the layer."""
        torch, keras = super().peers["torch"], super().peers["keras"]
        name = activations.build(self.activation).name
        own = Setting("activation", lambda f: f.__name__ == name, "activation")
        settings = (own, *(one for one in keras.settings if not one.peer.endswith("activation")))
        return {
            "torch": replace(torch, settings=(Setting("nonlinearity", name, "activation"),)),
            "keras": replace(keras, settings=settings),
        }

    def step(self, params: Params, carry: Any, arrays: Any) -> tuple[Any, dict[str, Array]]:
        (h,), (z, real) = carry, arrays
        z = z + _product(h, params["recurrent"])
        a = activations.build(self.activation).value(z)
        h = keep(real, a, h)
        return (h,), {"z": z, "a": a, "state": h}

    def _native(self, loop: Callable[..., Any]) -> Callable[..., Any] | None:
        code = kernel.ACTIVATIONS.get(activations.build(self.activation).name)
        return None if code is None else partial(loop, self.name, self.cached, activation=code)

    def scan_back(self, params: Params, cache: Cache, dy: States) -> tuple[Steps, Params]:
        function, transposed = activations.build(self.activation), params["recurrent"].T

        def step(carry: Any, arrays: Any) -> tuple[Any, Any]:
            (dh,), (z, a, real) = carry, arrays
            dz = function.backward(z, a, keep(real, dh, jnp.zeros_like(dh)))
            return (keep(real, _product(dz, transposed), dh),), dz

        dz = _scan_back(step, dy, cache["real"], (cache["z"], cache["a"], cache["real"]))
        return dz, self._gradients(cache, dz, dz)


@layers.register("lstm")
class LSTM(Recurrent):
    """A recurrent layer with a memory cell, for dependencies over long times.

    Formula:
        i, f, o = σ(x·W + h·R + b), g = tanh(x·W + h·R + b), each with its own quarter of W, R and b;
        c ← f·c + i·g; h ← o·tanh(c); both begin at 0

    The columns of W, R and b are in the order input gate i, forget gate f, candidate g, output gate o. Along the cell
    the gradient is only multiplied by f: where the forget gate is near 1, it does not vanish.

    Args:
        units: number of cells, at least 1.
        return_sequences: as in `RNN`.
        mask_value: as in `RNN`.
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

    gates = (("input", "sigmoid"), ("forget", "sigmoid"), ("candidate", "tanh"), ("output", "sigmoid"))
    cached = ("input", "forget", "candidate", "output", "cell", "state")
    carried = 2
    formula = "c ← f·c + i·g, h ← o·tanh(c)"
    example = {"units": 3}, (4, 2)

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of cells")
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = specified("glorot_uniform", initializers)
    recurrent_weights: Initializer | Specification = specified("orthogonal", initializers)
    biases: Initializer | Specification = specified("zeros", initializers)
    forget_bias: float = constrained(1.0, Interval(), "first bias of the forget gate")
    memory: int | None = constrained(None, WholeNumber(3), "steps remembered at first")

    def _draw(self, keys: Key[Array, " keys"], shape: Shape, recurrent_shape: Shape) -> Params:
        params, units = super()._draw(keys, shape, recurrent_shape), self.units
        biases = params["biases"]
        if self.memory is None:
            forget = jnp.full(units, self.forget_bias, biases.dtype)
        else:
            forget = jnp.log(jax.random.uniform(keys[3], (units,), biases.dtype, 1.0, self.memory - 1.0))
            biases = biases.at[:units].add(-forget)
        return params | {"biases": biases.at[units : 2 * units].add(forget)}

    def step(self, params: Params, carry: Any, arrays: Any) -> tuple[Any, dict[str, Array]]:
        (h, c), (z, real) = carry, arrays
        i, f, g, o = jnp.split(z + _product(h, params["recurrent"]), 4, axis=1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        new_c = f * c + i * g
        h, c = keep(real, o * jnp.tanh(new_c), h), keep(real, new_c, c)
        return (h, c), {"input": i, "forget": f, "candidate": g, "output": o, "cell": c, "state": h}

    def scan_back(self, params: Params, cache: Cache, dy: States) -> tuple[Steps, Params]:
        i, f, g, o = (cache[name] for name in ("input", "forget", "candidate", "output"))
        tanh_c = jnp.tanh(cache["cell"])
        # The factors that do not depend on what comes from later, for all times at once. Those of the gates lie in one
        # array: this loop alone then took 6 ms against 12 (batch 128), though a whole training step gained hardly any.
        by_gate = jnp.concatenate(
            [g * i * (1 - i), _before(cache["cell"]) * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], axis=2
        )
        factors = (by_gate, o * (1 - tanh_c * tanh_c), f, cache["real"])
        transposed = params["recurrent"].T

        def step(carry: Any, factors: Any) -> tuple[Any, Any]:
            (dh, dc), (by_gate, by_c, f, real) = carry, factors
            real_dh, later_dc = keep(real, dh, jnp.zeros_like(dh)), dc
            dc = keep(real, dc, jnp.zeros_like(dc)) + real_dh * by_c
            dz = by_gate * jnp.concatenate([dc, dc, dc, real_dh], axis=1)
            return (keep(real, _product(dz, transposed), dh), keep(real, dc * f, later_dc)), dz

        dz = _scan_back(step, dy, cache["real"], factors, jnp.zeros_like(cache["cell"][0]))
        return dz, self._gradients(cache, dz, dz)


@layers.register("gru")
class GRU(Recurrent):
    """Gated recurrent unit: two gates, no cell, three quarters of an LSTM's weights.

    Formula:
        s = h·R + b′; r, u = σ(x·W + b + s); n = tanh(x·W + b + r·s), each with its own third of W, R, b and b′;
        h ← u·h + (1 − u)·n; h begins at 0

    The columns of W, R and both biases are in the order reset gate r, update gate u, candidate n. The reset gate
    acts after the product with R, which is why the candidate needs two biases.

    Args:
        units: number of units, at least 1.
        return_sequences: as in `RNN`.
        mask_value: as in `RNN`.
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

    gates = (("reset", "sigmoid"), ("update", "sigmoid"), ("candidate", "tanh"))
    cached = ("reset", "update", "candidate", "recalled", "state")
    formula = "h ← u·h + (1 − u)·n"
    example = {"units": 3, "return_sequences": True}, (4, 2)

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of units")
    return_sequences: bool = False
    mask_value: float | None = constrained(None, Interval(), "value of padding")
    weights: Initializer | Specification = specified("glorot_uniform", initializers)
    recurrent_weights: Initializer | Specification = specified("orthogonal", initializers)
    biases: Initializer | Specification = specified("zeros", initializers)

    @property
    def peers(self) -> Peers:
        """PyTorch has both biases as here; Keras both in one array, its update gate first."""
        torch, keras = super().peers["torch"], super().peers["keras"]

        def exchanged(w: np.ndarray) -> np.ndarray:
            reset, update, candidate = np.split(w, 3, axis=-1)
            return np.concatenate([update, reset, candidate], axis=-1)

        def weights(own: str, peer: str) -> Carried:
            return Carried((own,), (peer,), lambda w: (exchanged(w),), lambda w: (exchanged(w),))

        biases = Carried(
            ("biases", "recurrent_biases"),
            ("bias",),
            lambda b, c: (exchanged(np.stack([b, c])),),
            lambda b: tuple(exchanged(b)),
        )
        of_torch = (Carried((own,), (peer,), or_zeros=True) for own, peer in TORCH_BIASES)
        after = Setting("reset_after", True, "")
        return {
            "torch": replace(torch, arrays=(*torch.arrays[:2], *of_torch)),
            "keras": replace(
                keras,
                arrays=(weights("weights", "kernel"), weights("recurrent", "recurrent_kernel"), biases),
                settings=(*keras.settings, after),
            ),
        }

    def _draw(self, keys: Key[Array, " keys"], shape: Shape, recurrent_shape: Shape) -> Params:
        second = initializers.build(self.biases)(keys[3], shape[1:])
        return super()._draw(keys, shape, recurrent_shape) | {"recurrent_biases": second}

    def step(self, params: Params, carry: Any, arrays: Any) -> tuple[Any, dict[str, Array]]:
        (h,), (z, real) = carry, arrays
        s = _product(h, params["recurrent"])
        s = s + jnp.broadcast_to(wide(params["recurrent_biases"]), s.shape)
        (z_r, z_u, z_n), (s_r, s_u, s_n) = jnp.split(z, 3, axis=1), jnp.split(s, 3, axis=1)
        r, u = jax.nn.sigmoid(z_r + s_r), jax.nn.sigmoid(z_u + s_u)
        n = jnp.tanh(z_n + r * s_n)
        h = keep(real, u * h + (1 - u) * n, h)
        return (h,), {"reset": r, "update": u, "candidate": n, "recalled": s_n, "state": h}

    def scan_back(self, params: Params, cache: Cache, dy: States) -> tuple[Steps, Params]:
        r, u, n = (cache[name] for name in ("reset", "update", "candidate"))
        # The factors that do not depend on what comes from later, for all times at once.
        by_n = (1 - u) * (1 - n * n)
        by_r, by_u = by_n * cache["recalled"] * r * (1 - r), (_before(cache["state"]) - n) * u * (1 - u)
        transposed = params["recurrent"].T

        def step(carry: Any, factors: Any) -> tuple[Any, Any]:
            (dh,), (by_r, by_u, by_s, u, real) = carry, factors
            real_dh = keep(real, dh, jnp.zeros_like(dh))
            ds = jnp.concatenate([real_dh * by_r, real_dh * by_u, real_dh * by_s], axis=1)
            return (keep(real, dh * u + _product(ds, transposed), dh),), (ds, real_dh)

        factors = (by_r, by_u, by_n * r, u, cache["real"])
        ds, dh = _scan_back(step, dy, cache["real"], factors)
        # What reaches the inputs differs from ds in the candidate alone, which the reset gate has not scaled.
        dz = jnp.concatenate([ds[:, :, : 2 * self.units], dh * by_n], axis=2)
        return dz, self._gradients(cache, dz, ds) | {"recurrent_biases": ds.sum(axis=(0, 1))}


@layers.register("bidirectional")
class Bidirectional(Wrapper):
    """Two equal recurrent layers, one forward in time, the other backward.

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

    formula = "both directions, side by side or summed"
    example = {"layer": {"name": "lstm", "units": 3, "return_sequences": True}}, (4, 2)

    layer: Layer | Specification = specified(dataclasses.MISSING, layers)
    merge: str = constrained("concatenate", OneOf(("concatenate", "sum")), "how the two directions are joined")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not hasattr(self.layer, "return_sequences"):
            raise InvalidValue(
                f"Bidirectional.layer must be a recurrent layer: rnn, lstm or gru. Received: {describe(self.layer)!r}."
            )

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """PyTorch has both directions in the recurrent layer, side by side; Keras a layer around two."""
        inner = layers.build(self.layer).peers
        ahead, back = (
            tuple(one.under("forward", lambda name: name) for one in inner["torch"].arrays),
            tuple(one.under("backward", lambda name: f"{name}_reverse") for one in inner["torch"].arrays),
        )
        directions = [
            one.under(way, lambda name, way=way: f"{way}/{name}")
            for way in ("forward", "backward")
            for one in inner["keras"].arrays
        ]
        mode = Setting("merge_mode", {"concatenate": "concat", "sum": "sum"}[self.merge], "merge")
        of_layer = (
            one._replace(peer=f"forward_layer.{one.peer}", own=one.own and f"layer.{one.own}")
            for one in inner["keras"].settings
        )
        return {
            "torch": replace(inner["torch"], arrays=(*ahead, *back)),
            "keras": Peer(("Bidirectional",), tuple(directions), (mode, *of_layer)),
        }

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        layer, keys = layers.build(self.layer), jax.random.split(key)
        forward, _, shape = layer.init(keys[0], input_shape)
        backward, _, _ = layer.init(keys[1], input_shape)
        width = shape[-1] * (2 if self.merge == "concatenate" else 1)
        return {"forward": forward, "backward": backward}, {}, (*shape[:-1], width)

    def forward(
        self, params: Params, state: State, x: Series, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[States, State, Cache]:
        layer = layers.build(self.layer)
        masks = ({}, {}) if mask is None else ({"mask": mask}, {"mask": mask[:, ::-1]})
        ahead, _, cache = layer.forward(params["forward"], {}, x, key=None, training=training, **masks[0])
        back, _, back_cache = layer.forward(params["backward"], {}, x[:, ::-1], key=None, training=training, **masks[1])
        back = self._in_time(back)
        y = jnp.concatenate([ahead, back], axis=-1) if self.merge == "concatenate" else ahead + back
        return y, state, {"forward": cache, "backward": back_cache}

    def backward(self, params: Params, cache: Cache, dy: States) -> tuple[Series, Params]:
        layer = layers.build(self.layer)
        ahead, back = jnp.split(dy, 2, axis=-1) if self.merge == "concatenate" else (dy, dy)
        dx, grads = layer.backward(params["forward"], cache["forward"], ahead)
        back_dx, back_grads = layer.backward(params["backward"], cache["backward"], self._in_time(back))
        return dx + back_dx[:, ::-1], {"forward": grads, "backward": back_grads}

    def _in_time(self, y: Array) -> Array:
        return y[:, ::-1] if self.layer.return_sequences else y  # pyright: ignore[reportAttributeAccessIssue]
