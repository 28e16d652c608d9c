"""Dropout."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pellucid.core.constraints import FRACTION, constrained, validate
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, State
from pellucid.layers.layer import Layer, layers


@layers.register("dropout")
@dataclass(frozen=True)
class Dropout(Layer):
    """Neurons dropped at random in training, none in prediction (subject 7.7).

    Formula:
        training: y = x · m / (1 − p), m ~ Bernoulli(1 − p) for each element; prediction: y = x

    Dividing by 1 − p in training keeps the expected output the same in both modes.

    Args:
        rate: the share p of neurons dropped, 0 ≤ p < 1.

    Raises:
        InvalidValue: a rate of 1 or more would drop every neuron.

    Example:
        >>> x = jnp.ones((1, 4))
        >>> y, _, _ = Dropout(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 2.0]
        >>> bool((Dropout(0.5).forward({}, {}, x, training=False)[0] == x).all())
        True

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.
    """

    masks = "passes"

    rate: float = constrained(0.5, FRACTION, "share of neurons dropped in training")

    def __post_init__(self) -> None:
        validate(self)

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
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
        """y = x · m / (1 − p) in training, y = x in prediction."""
        if not training or self.rate == 0:
            return x, state, None
        if key is None:
            raise ValueError("dropout in training needs a random key")
        kept = jax.random.bernoulli(key, 1 - self.rate, x.shape)
        factor = jnp.where(kept, jnp.asarray(1 / (1 - self.rate), x.dtype), jnp.zeros((), x.dtype))
        return x * factor, state, factor

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dx = dy · m / (1 − p)."""
        return (dy if cache is None else dy * cache), {}
