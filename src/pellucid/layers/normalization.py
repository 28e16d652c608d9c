"""Normalisation: activations kept balanced, over the batch or within each example."""

import math
from typing import ClassVar

import jax.numpy as jnp

from pellucid.core.constraints import FRACTION, POSITIVE, constrained
from pellucid.core.types import Array, Bool, Cache, Float, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Mask, layers
from pellucid.layers.peers import Peer, Peers, Setting, same
from pellucid.layers.sequences import real_in_all

Vectors = Float[Array, "batch *positions units"]


@layers.register("batch_norm")
class BatchNorm(Layer):
    """Each unit normalised over the batch, then scaled and shifted by trained numbers.

    Formula:
        training: μ, σ² = mean and variance of x over every axis but the last; prediction: the running ones

        x̂ = (x − μ) / √(σ² + ε), y = γ·x̂ + β; backward, the means over the same axes,
        ∂L/∂x = γ / √(σ² + ε) · (dy − mean(dy) − x̂·mean(dy·x̂)), ∂L/∂γ = Σ dy·x̂, ∂L/∂β = Σ dy

        state: running ← momentum · running + (1 − momentum) · batch's, the variance with n / (n − 1)

    It takes (batch, units) as well as images (batch, height, width, channels), which it normalises by channel. n is
    how many numbers a mean is of; padded steps of sequences are none of them. A batch of one vector (n = 1) is its own
    mean: in training y = β then, and the running statistics stay as they are; one image still has the mean of its
    pixels. γ is the parameter "scale", β is "shift"; regularisers act on "weights", so neither is penalised.

    Args:
        momentum: fraction of the running statistics kept at each step, 0 ≤ momentum < 1.
        epsilon: added to the variance, above 0.
        scale: False leaves out γ, shape (units,), which begins at 1.
        shift: False leaves out β, shape (units,), which begins at 0.

    Raises:
        InvalidValue: a momentum or epsilon outside its range.

    Example:
        >>> layer = BatchNorm(momentum=0.5)
        >>> params, state, _ = layer.init(None, (1,))
        >>> y, state, _ = layer.forward(params, state, jnp.array([[1.0], [3.0]]), training=True)
        >>> y.round(3).tolist(), state["mean"].tolist(), state["variance"].tolist()
        ([[-1.0], [1.0]], [1.0], [1.5])

    PyTorch's ``momentum=0.1`` is this 0.9, and it refuses n = 1; Keras has the running variance with n as well,
    momentum 0.99 and ε = 10⁻³.

    Source: Ioffe, Szegedy, Batch normalization: accelerating deep network training by reducing internal covariate
    shift, 2015.
    """

    precise = True
    depends_on_batch: ClassVar[bool] = True
    masks = "passes"
    takes_mask = True
    linear = True
    in_prediction = "Batch normalisation uses its running statistics, as it does in prediction."
    formula = "γ·(x − μ)/√(σ² + ε) + β"

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Running statistics are carried over; how they follow the batches does not matter in prediction."""
        torch = (same("scale", "weight"), same("shift", "bias"))
        keras = (same("scale", "gamma"), same("shift", "beta"))
        statistics = (same("mean", "running_mean"), same("variance", "running_var"))
        moving = (same("mean", "moving_mean"), same("variance", "moving_variance"))
        kinds = ("BatchNorm1d", "BatchNorm2d")
        return {
            "torch": Peer(kinds, (*torch, *statistics), (Setting("eps", self.epsilon, "epsilon"),)),
            "keras": Peer(("BatchNormalization",), (*keras, *moving), (Setting("epsilon", self.epsilon, "epsilon"),)),
        }

    momentum: float = constrained(0.9, FRACTION, "fraction of the running statistics kept at each step")
    epsilon: float = constrained(1e-5, POSITIVE, "added to the variance")
    scale: bool = True
    shift: bool = True

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        units = input_shape[-1:]
        state = {"mean": jnp.zeros(units, jnp.float32), "variance": jnp.ones(units, jnp.float32)}
        return _scale_and_shift(units, self.scale, self.shift), state, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Vectors,
        *,
        key: AnyKey = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
        mask: Mask = None,
    ) -> tuple[Vectors, State, Cache]:
        if not training:
            mean, variance = (state[name].astype(x.dtype) for name in ("mean", "variance"))
            where, n = None, None
        else:
            axes = tuple(range(x.ndim - 1))
            where = real_in_all((sample_mask, mask))
            rows = x.shape[0] if where is None else where.sum()
            n = jnp.asarray(rows * math.prod(x.shape[1 if where is None else where.ndim : -1]), x.dtype)
            where = None if where is None else where.reshape(*where.shape, *[1] * (x.ndim - where.ndim))
            mean = x.sum(axes, where=where) / jnp.maximum(n, 1)
            # The mean is taken off first: E[x²] − μ² cancels where the mean is large.
            squares = jnp.square(x - jnp.broadcast_to(mean, x.shape)).sum(axes, where=where)
            variance = squares / jnp.maximum(n, 1)
            estimates = {"mean": mean, "variance": squares / jnp.maximum(n - 1, 1)}
            kept = jnp.where(n > 1, self.momentum, 1.0).astype(state["mean"].dtype)
            estimates = {name: estimate.astype(kept.dtype) for name, estimate in estimates.items()}
            state = {name: kept * state[name] + (1 - kept) * estimates[name] for name in state}
        inverse = 1 / jnp.sqrt(variance + self.epsilon)
        normal = (x - jnp.broadcast_to(mean, x.shape)) * jnp.broadcast_to(inverse, x.shape)
        return _scaled_and_shifted(params, normal), state, (normal, inverse, where, n)

    def backward(self, params: Params, cache: Cache, dy: Vectors) -> tuple[Vectors, Params]:
        normal, inverse, where, n = cache
        axes = tuple(range(dy.ndim - 1))
        sums = {"scale": (dy * normal).sum(axes, where=where), "shift": dy.sum(axes, where=where)}
        gradient = inverse * params["scale"] if self.scale else inverse
        dx = dy
        if n is not None:
            along, common = (jnp.broadcast_to(sums[name] / jnp.maximum(n, 1), dy.shape) for name in ("scale", "shift"))
            dx = dx - common - normal * along
        if where is not None:
            dx = jnp.where(where, dx, jnp.zeros((), dx.dtype))
        return dx * jnp.broadcast_to(gradient, dx.shape), {name: sums[name] for name in params}


@layers.register("layer_norm")
class LayerNorm(Layer):
    """Each example normalised over its units, then scaled and shifted by trained numbers.

    Formula:
        μ, σ² = mean and variance of x over the last axis

        x̂ = (x − μ) / √(σ² + ε), y = γ·x̂ + β; backward, g = γ·dy, the means over the last axis,
        ∂L/∂x = (g − mean(g) − x̂·mean(g·x̂)) / √(σ² + ε), ∂L/∂γ = Σ dy·x̂, ∂L/∂β = Σ dy over the other axes

    No example depends on another, and training and prediction are alike; so it suits sequences and small batches.
    γ is the parameter "scale", β is "shift"; regularisers act on "weights", so neither is penalised.

    Args:
        epsilon: added to the variance, above 0.
        scale: False leaves out γ, shape (units,), which begins at 1.
        shift: False leaves out β, shape (units,), which begins at 0.

    Raises:
        InvalidValue: an epsilon that is not above 0.

    Example:
        >>> params, state, _ = LayerNorm().init(None, (2,))
        >>> LayerNorm().forward(params, state, jnp.array([[1.0, 3.0]]))[0].round(3).tolist()
        [[-1.0, 1.0]]

    Keras has ε = 10⁻³; PyTorch can normalise over several last axes.

    Source: Ba, Kiros, Hinton, Layer normalization, 2016.
    """

    precise = True
    masks = "passes"
    formula = "γ·(x − μ)/√(σ² + ε) + β"
    example = {}, (3, 4)

    @property
    def peers(self) -> Peers:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Both may normalise over several axes, which is refused by the shapes."""
        torch = (same("scale", "weight"), same("shift", "bias"))
        keras = (same("scale", "gamma"), same("shift", "beta"))
        epsilon = Setting("epsilon", self.epsilon, "epsilon")
        return {
            "torch": Peer(("LayerNorm",), torch, (Setting("eps", self.epsilon, "epsilon"),), channels_first=False),
            "keras": Peer(("LayerNormalization",), keras, (epsilon,)),
        }

    epsilon: float = constrained(1e-5, POSITIVE, "added to the variance")
    scale: bool = True
    shift: bool = True

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return _scale_and_shift(input_shape[-1:], self.scale, self.shift), {}, input_shape

    def forward(
        self, params: Params, state: State, x: Vectors, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Vectors, State, Cache]:
        centred = x - x.mean(-1, keepdims=True)
        inverse = 1 / jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True) + self.epsilon)
        normal = centred * inverse
        return _scaled_and_shifted(params, normal), state, (normal, inverse)

    def backward(self, params: Params, cache: Cache, dy: Vectors) -> tuple[Vectors, Params]:
        normal, inverse = cache
        axes = tuple(range(dy.ndim - 1))
        sums = {"scale": (dy * normal).sum(axes), "shift": dy.sum(axes)}
        g = dy * jnp.broadcast_to(params["scale"], dy.shape) if self.scale else dy
        dx = (g - g.mean(-1, keepdims=True) - normal * (g * normal).mean(-1, keepdims=True)) * inverse
        return dx, {name: sums[name] for name in params}


def _scale_and_shift(units: Shape, scale: bool, shift: bool) -> Params:
    params = {"scale": jnp.ones(units, jnp.float32)} if scale else {}
    return params | ({"shift": jnp.zeros(units, jnp.float32)} if shift else {})


def _scaled_and_shifted(params: Params, normal: Array) -> Array:
    y = normal
    if "scale" in params:
        y = y * jnp.broadcast_to(params["scale"], y.shape)
    if "shift" in params:
        y = y + jnp.broadcast_to(params["shift"], y.shape)
    return y
