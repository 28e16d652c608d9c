"""Initialisers: the first weights of a layer, drawn from a random key.

The scaled initialisers choose the spread of the weights so that signals keep their size through the layers.
They count the connections into and out of a neuron (`fans`). Weights have the shape (…, inputs, outputs):
(inputs, units) in a dense layer, (height, width, channels in, channels out) in a convolution.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, Interval, constrained, validate
from pellucid.core.errors import ShapeError
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Float, Key, Shape

RandomKey: TypeAlias = Key[Array, ""]
Weights: TypeAlias = Float[Array, "..."]


class Initializer(ABC):
    """Draws an array of first values.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """An array of ``shape``, the same for the same key."""


initializers = Registry("initializer", Initializer)
"""Every initialiser by name."""


def fans(shape: Shape) -> tuple[int, int]:
    """The number of connections into and out of one neuron, for weights of shape (…, inputs, outputs).

    ``fan in = … · inputs`` and ``fan out = … · outputs``, where … is the size of a convolution's window.

    Raises:
        ShapeError: fewer than two axes, as biases have; choose an initialiser that does not scale.

    Example:
        >>> fans((784, 128)), fans((3, 3, 16, 32))
        ((784, 128), (144, 288))
    """
    if len(shape) < 2:
        raise ShapeError(
            f"a scaled initializer needs weights of shape (…, inputs, outputs). Received: {tuple(shape)}. "
            "For biases choose 'zeros', 'constant' or 'normal'."
        )
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _normal(key: RandomKey, shape: Shape, std: float, dtype: Any) -> Weights:
    return std * jax.random.normal(key, shape, dtype)


def _uniform(key: RandomKey, shape: Shape, limit: float, dtype: Any) -> Weights:
    return jax.random.uniform(key, shape, dtype, -limit, limit)


@initializers.register("zeros")
@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0. For biases; neurons whose weights all start equal stay equal for ever.

    Example:
        >>> Zeros()(jax.random.key(0), (2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w = 0``."""
        return jnp.zeros(shape, dtype)


@initializers.register("ones")
@dataclass(frozen=True)
class Ones(Initializer):
    """All 1. For scales, such as those of batch normalization.

    Example:
        >>> Ones()(jax.random.key(0), (2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w = 1``."""
        return jnp.ones(shape, dtype)


@initializers.register("constant")
@dataclass(frozen=True)
class Constant(Initializer):
    """All the same value. For biases, for example that of an LSTM's forget gate.

    Args:
        value: any finite number.

    Raises:
        InvalidValue: value is not a finite number.

    Example:
        >>> Constant(0.5)(jax.random.key(0), (2,)).tolist()
        [0.5, 0.5]
    """

    value: float = constrained(0.0, Interval(), "every weight")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w = value``."""
        return jnp.full(shape, self.value, dtype)


@initializers.register("normal")
@dataclass(frozen=True)
class Normal(Initializer):
    """A Gaussian around 0: ``w ~ N(0, std²)``.

    Args:
        std: standard deviation, above 0.

    Raises:
        InvalidValue: std is not above 0.

    Example:
        >>> weights = Normal(std=0.1)(jax.random.key(0), (784, 128))
        >>> f"{weights.std():.2f}"
        '0.10'
    """

    std: float = constrained(0.05, POSITIVE, "standard deviation")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ N(0, std²)``."""
        return _normal(key, shape, self.std, dtype)


@initializers.register("truncated_normal")
@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """A Gaussian without tails: ``w ~ N(0, std²)``, drawn again until ``|w| ≤ 2 std``.

    The standard deviation of what remains is 0.88 std.

    Args:
        std: standard deviation before the cut, above 0.

    Raises:
        InvalidValue: std is not above 0.

    Example:
        >>> bool(jnp.abs(TruncatedNormal()(jax.random.key(0), (1000,))).max() <= 0.1)
        True
    """

    std: float = constrained(0.05, POSITIVE, "standard deviation before the cut")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ N(0, std²)`` given ``|w| ≤ 2 std``."""
        return self.std * jax.random.truncated_normal(key, -2, 2, shape, dtype)


@initializers.register("uniform")
@dataclass(frozen=True)
class Uniform(Initializer):
    """Equally likely between two limits: ``w ~ U(−limit, limit)``.

    Args:
        limit: the largest weight, above 0.

    Raises:
        InvalidValue: limit is not above 0.

    Example:
        >>> bool(jnp.abs(Uniform()(jax.random.key(0), (1000,))).max() <= 0.05)
        True
    """

    limit: float = constrained(0.05, POSITIVE, "largest weight")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ U(−limit, limit)``."""
        return _uniform(key, shape, self.limit, dtype)


@initializers.register("glorot_uniform")
@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Keeps signals and gradients alike: ``w ~ U(−r, r)``, ``r = √(6 / (fan in + fan out))``.

    Made for tanh and other activations that are near to linear around 0.

    Example:
        >>> bool(jnp.abs(GlorotUniform()(jax.random.key(0), (2, 4))).max() <= 1.0)
        True

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ U(−r, r)``, ``r = √(6 / (fan in + fan out))``."""
        return _uniform(key, shape, math.sqrt(6 / sum(fans(shape))), dtype)


@initializers.register("glorot_normal")
@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """The Gaussian with `GlorotUniform`'s variance: ``w ~ N(0, 2 / (fan in + fan out))``.

    Example:
        >>> weights = GlorotNormal()(jax.random.key(0), (100, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: a plain Gaussian, as in PyTorch; Keras and ``jax.nn.initializers`` cut it at two standard
    deviations and widen it.

    Source: as for `GlorotUniform`.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ N(0, 2 / (fan in + fan out))``."""
        return _normal(key, shape, math.sqrt(2 / sum(fans(shape))), dtype)


@initializers.register("he_uniform")
@dataclass(frozen=True)
class HeUniform(Initializer):
    """Keeps the size of signals through ReLU layers: ``w ~ U(−r, r)``, ``r = √(6 / fan in)``.

    Example:
        >>> bool(jnp.abs(HeUniform()(jax.random.key(0), (6, 9))).max() <= 1.0)
        True

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ U(−r, r)``, ``r = √(6 / fan in)``."""
        return _uniform(key, shape, math.sqrt(6 / fans(shape)[0]), dtype)


@initializers.register("he_normal")
@dataclass(frozen=True)
class HeNormal(Initializer):
    """The Gaussian with `HeUniform`'s variance: ``w ~ N(0, 2 / fan in)``.

    Example:
        >>> weights = HeNormal()(jax.random.key(0), (200, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: as for `GlorotNormal`.

    Source: as for `HeUniform`.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ N(0, 2 / fan in)``."""
        return _normal(key, shape, math.sqrt(2 / fans(shape)[0]), dtype)


@initializers.register("lecun_uniform")
@dataclass(frozen=True)
class LecunUniform(Initializer):
    """Keeps the size of signals through linear layers: ``w ~ U(−r, r)``, ``r = √(3 / fan in)``.

    Example:
        >>> bool(jnp.abs(LecunUniform()(jax.random.key(0), (3, 9))).max() <= 1.0)
        True

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ U(−r, r)``, ``r = √(3 / fan in)``."""
        return _uniform(key, shape, math.sqrt(3 / fans(shape)[0]), dtype)


@initializers.register("lecun_normal")
@dataclass(frozen=True)
class LecunNormal(Initializer):
    """The Gaussian with `LecunUniform`'s variance, the partner of SELU: ``w ~ N(0, 1 / fan in)``.

    Example:
        >>> weights = LecunNormal()(jax.random.key(0), (100, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: as for `GlorotNormal`.

    Source: as for `LecunUniform`.
    """

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``w ~ N(0, 1 / fan in)``."""
        return _normal(key, shape, math.sqrt(1 / fans(shape)[0]), dtype)


@initializers.register("orthogonal")
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random rotation, which keeps the length of signals: ``WᵀW = gain² 1`` or ``W Wᵀ = gain² 1``.

    W has the shape (fan in, outputs); the shorter of rows and columns is orthogonal. The factor Q of a
    Gaussian matrix, with the signs of R's diagonal, is uniform over all rotations and reflections.

    Args:
        gain: length of each orthogonal row or column, above 0.

    Raises:
        InvalidValue: gain is not above 0.
        ShapeError: fewer than two axes.

    Example:
        >>> W = Orthogonal()(jax.random.key(0), (4, 3))
        >>> bool(jnp.allclose(W.T @ W, jnp.eye(3), atol=1e-6))
        True

    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", 2014; Mezzadri, "How to generate random matrices from the classical compact
    groups", 2007.
    """

    gain: float = constrained(1.0, POSITIVE, "length of each orthogonal row or column")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """``gain · Q sign(diag R)``, where ``Q R`` is a Gaussian matrix."""
        rows, columns = fans(shape)[0], shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        Q, R = jnp.linalg.qr(jax.random.normal(key, tall, dtype))
        Q = Q * jnp.sign(jnp.diagonal(R))[None, :]
        return self.gain * (Q if rows >= columns else Q.T).reshape(shape)
