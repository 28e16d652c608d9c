"""Layers that are random in training only: dropout and noise."""

from abc import abstractmethod

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import FRACTION, NOT_NEGATIVE, constrained
from pellucid.core.types import Array, Cache, Key, Params, State
from pellucid.layers.layer import AnyKey, Layer, Units, layers


class Random(Layer):
    """Base of layers that change their inputs at random in training, and are the identity in prediction.

    They draw in float32 whatever the precision, so that trainings in another see the same noise.
    """

    masks = "passes"
    linear = True
    in_prediction = "Dropout and noise are off, as they are in prediction."
    formula = "unchanged in prediction"

    def forward(
        self, params: Params, state: State, x: Units, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        """The disturbed inputs in training, y = x in prediction; the cache holds what they are multiplied by."""
        if not training or self.off:
            return x, state, None
        if key is None:
            raise ValueError(f"{self.name} in training needs a random key")
        y, factor = self.disturb(x, key)
        return y, state, factor

    @property
    def off(self) -> bool:
        """True where training is like prediction."""
        return False

    @abstractmethod
    def disturb(self, x: Units, key: Key[Array, ""]) -> tuple[Units, Units | None]:
        """The output, and its derivative for the input; None for 1."""

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Units, Params]:
        return (dy if cache is None else dy * cache), {}


@layers.register("dropout")
class Dropout(Random):
    """Neurons dropped at random in training, none in prediction.

    Formula:
        training: y = x · m / (1 − p), m ~ Bernoulli(1 − p) for each element; prediction: y = x

    Dividing by 1 − p in training keeps the expected output the same in both modes.

    Args:
        rate: the fraction p of neurons dropped, 0 ≤ p < 1.

    Raises:
        InvalidValue: a rate of 1 or more would drop every neuron.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> x = jnp.ones((1, 4))
        >>> y, _, _ = Dropout(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 2.0]
        >>> bool((Dropout(0.5).forward({}, {}, x, training=False)[0] == x).all())
        True

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.
    """

    example = {"rate": 0.4}, (7,)

    rate: float = constrained(0.5, FRACTION, "fraction of neurons dropped in training")

    @property
    def off(self) -> bool:
        return self.rate == 0

    def disturb(self, x: Units, key: Key[Array, ""]) -> tuple[Units, Units | None]:
        kept = jax.random.bernoulli(key, np.float32(1 - self.rate), x.shape)
        factor = jnp.where(kept, jnp.asarray(1 / (1 - self.rate), x.dtype), jnp.zeros((), x.dtype))
        return x * factor, factor


@layers.register("gaussian_noise")
class GaussianNoise(Random):
    """Normally distributed noise added to every input in training, none in prediction.

    Formula:
        training: y = x + std · n, n ~ N(0, 1) for each element; prediction: y = x; backward dx = dy

    Args:
        std: standard deviation of the noise, in the units of x, at least 0.

    Raises:
        InvalidValue: a standard deviation below 0.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> x = jnp.zeros((1, 100_000))
        >>> y, _, _ = GaussianNoise(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> round(float(y.std()), 2)
        0.5

    Source: Vincent, Larochelle, Bengio, Manzagol, Extracting and composing robust features with denoising
    autoencoders, 2008.
    """

    example = {"std": 0.3}, (2, 3)

    std: float = constrained(0.1, NOT_NEGATIVE, "standard deviation of the noise")

    def disturb(self, x: Units, key: Key[Array, ""]) -> tuple[Units, Units | None]:
        return x + self.std * jax.random.normal(key, x.shape, jnp.float32).astype(x.dtype), None


@layers.register("masking_noise")
class MaskingNoise(Random):
    """Inputs set to 0 at random in training, none in prediction.

    Formula:
        training: y = x · m, m ~ Bernoulli(1 − p) for each element; prediction: y = x; backward dx = dy · m

    Unlike `Dropout` it does not divide by 1 − p: the inputs that stay keep the values they have in prediction.

    Args:
        rate: the fraction p of inputs set to 0, 0 ≤ p < 1.

    Raises:
        InvalidValue: a rate outside its range.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> x = jnp.ones((1, 9))
        >>> y, _, _ = MaskingNoise(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 1.0]

    Source: Vincent, Larochelle, Bengio, Manzagol, Extracting and composing robust features with denoising
    autoencoders, 2008.
    """

    example = {"rate": 0.3}, (7,)

    rate: float = constrained(0.25, FRACTION, "fraction of inputs set to 0 in training")

    def disturb(self, x: Units, key: Key[Array, ""]) -> tuple[Units, Units | None]:
        kept = jax.random.bernoulli(key, np.float32(1 - self.rate), x.shape).astype(x.dtype)
        return x * kept, kept


@layers.register("salt_and_pepper_noise")
class SaltAndPepperNoise(Random):
    """Inputs set to the lowest or the highest value at random in training, none in prediction.

    Formula:
        training: y = x · (1 − m) + m · s, m ~ Bernoulli(p), s = low or high with equal probability, for each element;
        prediction: y = x; backward dx = dy · (1 − m)

    Args:
        rate: the fraction p of inputs replaced, 0 ≤ p < 1.
        low: the lowest value, as the layer sees it.
        high: the highest value.

    Raises:
        InvalidValue: a rate outside its range.
        ValueError: in ``forward``, in training without a key.

    Example:
        >>> x = jnp.full((1, 99), 0.5)
        >>> y, _, _ = SaltAndPepperNoise(0.5).forward({}, {}, x, key=jax.random.key(0), training=True)
        >>> sorted(set(y.ravel().tolist()))
        [0.0, 0.5, 1.0]

    Source: Vincent, Larochelle, Lajoie, Bengio, Manzagol, Stacked denoising autoencoders, 2010.
    """

    example = {"rate": 0.3}, (7,)

    rate: float = constrained(0.2, FRACTION, "fraction of inputs replaced in training")
    low: float = 0.0
    high: float = 1.0

    def disturb(self, x: Units, key: Key[Array, ""]) -> tuple[Units, Units | None]:
        draw = jax.random.uniform(key, x.shape, jnp.float32)
        kept = draw >= self.rate
        extreme = jnp.where(draw < self.rate / 2, self.low, self.high).astype(x.dtype)
        return jnp.where(kept, x, extreme), kept.astype(x.dtype)
