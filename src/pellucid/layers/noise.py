"""Noise on the inputs, in training only: what a denoising autoencoder learns to take away."""

from dataclasses import dataclass

import jax

from pellucid.core.constraints import FRACTION, NOT_NEGATIVE, constrained, validate
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, State
from pellucid.layers.layer import Layer, layers


@layers.register("gaussian_noise")
@dataclass(frozen=True)
class GaussianNoise(Layer):
    """Normally distributed noise added to every input in training, none in prediction (subject 1.8).

    Formula:
        training: y = x + spread · n, n ~ N(0, 1) for each element; prediction: y = x; backward dx = dy

    Args:
        spread: standard deviation of the noise, in the units of x, at least 0.

    Raises:
        InvalidValue: a spread below 0.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.zeros((1, 100_000))
        >>> y, _, _ = GaussianNoise(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> round(float(y.std()), 2)
        0.5

    Source: Vincent, Larochelle, Bengio, Manzagol, Extracting and composing robust features with denoising
    autoencoders, 2008.
    """

    masks = "passes"

    spread: float = constrained(0.1, NOT_NEGATIVE, "standard deviation of the noise")

    def __post_init__(self) -> None:
        validate(self)

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; the shape stays."""
        return {}, {}, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """y = x + spread · n in training, y = x in prediction."""
        if not training:
            return x, state, None
        if key is None:
            raise ValueError("noise in training needs a random key")
        return x + self.spread * jax.random.normal(key, x.shape, x.dtype), state, None

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dx = dy."""
        return dy, {}


@layers.register("masking_noise")
@dataclass(frozen=True)
class MaskingNoise(Layer):
    """Inputs set to 0 at random in training, none in prediction (subject 1.8).

    Formula:
        training: y = x · m, m ~ Bernoulli(1 − p) for each element; prediction: y = x; backward dx = dy · m

    Unlike `Dropout` it does not divide by 1 − p: the inputs that stay keep the values they have in prediction.

    Args:
        rate: the share p of inputs set to 0, 0 ≤ p < 1.

    Raises:
        InvalidValue: a rate outside its range.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.ones((1, 9))
        >>> y, _, _ = MaskingNoise(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 1.0]

    Source: Vincent, Larochelle, Bengio, Manzagol, Extracting and composing robust features with denoising
    autoencoders, 2008.
    """

    masks = "passes"

    rate: float = constrained(0.25, FRACTION, "share of inputs set to 0 in training")

    def __post_init__(self) -> None:
        validate(self)

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; the shape stays."""
        return {}, {}, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """y = x · m in training, y = x in prediction."""
        if not training:
            return x, state, None
        if key is None:
            raise ValueError("noise in training needs a random key")
        kept = jax.random.bernoulli(key, 1 - self.rate, x.shape).astype(x.dtype)
        return x * kept, state, kept

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dx = dy · m."""
        return (dy if cache is None else dy * cache), {}
