"""Initialisers: the first weights of a layer, from a random key.

The scaled initialisers choose the variance of the weights so that signals keep their size through the layers.
They count the connections into and out of a neuron (`fans`). Weights have the shape (…, inputs, outputs):
(inputs, units) in a dense layer, (height, width, channels in, channels out) in a convolution.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, Interval, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.errors import ShapeError
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Float, Key, Shape

RandomKey: TypeAlias = Key[Array, ""]
Weights: TypeAlias = Float[Array, "..."]


class Initializer(Displayed, ABC):
    """Initialises an array.

    Attributes:
        formula: a weight w, or its distribution, of the fans and the fields.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        """Make an array of ``shape``, the same for the same key."""


initializers = Registry("initializer", Initializer)
"""Every initialiser by name."""


def fans(shape: Shape) -> tuple[int, int]:
    """Count the connections into and out of one neuron.

    Weights have the shape (…, inputs, outputs): ``fan in = … · inputs`` and ``fan out = … · outputs``, where … is the
    size of a convolution's window.

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
class Zeros(Initializer):
    """All zeros: ``w = 0``. For biases; neurons that start equal stay equal.

    Example:
        >>> Zeros()(jax.random.key(0), (2,)).tolist()
        [0.0, 0.0]
    """

    formula = Formula("w = 0")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return jnp.zeros(shape, dtype)


@initializers.register("ones")
class Ones(Initializer):
    """All ones: ``w = 1``. For scales, such as those of batch normalization.

    Example:
        >>> Ones()(jax.random.key(0), (2,)).tolist()
        [1.0, 1.0]
    """

    formula = Formula("w = 1")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return jnp.ones(shape, dtype)


@initializers.register("constant")
class Constant(Initializer):
    """One value for all: ``w = value``. For biases, such as an LSTM's forget gate.

    Args:
        value: any finite number.

    Example:
        >>> Constant(0.5)(jax.random.key(0), (2,)).tolist()
        [0.5, 0.5]
    """

    value: float = constrained(0.0, Interval(), "every weight")

    formula = Formula("w = value")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return jnp.full(shape, self.value, dtype)


@initializers.register("normal")
class Normal(Initializer):
    """Gaussian around 0: ``w ~ N(0, std²)``.

    Args:
        std: standard deviation, above 0.

    Example:
        >>> weights = Normal(std=0.1)(jax.random.key(0), (784, 128))
        >>> f"{weights.std():.2f}"
        '0.10'
    """

    std: float = constrained(0.05, POSITIVE, "standard deviation")

    formula = Formula("w in N(0, std**2)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _normal(key, shape, self.std, dtype)


@initializers.register("truncated_normal")
class TruncatedNormal(Initializer):
    """Gaussian without tails, initialised again until |w| ≤ 2 std: ``w ~ truncated N(0, std, 2 · std)``.

    The standard deviation of what remains is 0.88 std.

    Args:
        std: standard deviation before the cut, above 0.

    Example:
        >>> bool(jnp.abs(TruncatedNormal()(jax.random.key(0), (1000,))).max() <= 0.1)
        True
    """

    std: float = constrained(0.05, POSITIVE, "standard deviation before the cut")

    formula = Formula("w in truncated_N(0, std, 2 * std)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return self.std * jax.random.truncated_normal(key, -2, 2, shape, dtype)


@initializers.register("uniform")
class Uniform(Initializer):
    """Uniform between two limits: ``w ~ U(−limit, limit)``.

    Args:
        limit: the largest weight, above 0.

    Example:
        >>> bool(jnp.abs(Uniform()(jax.random.key(0), (1000,))).max() <= 0.05)
        True
    """

    limit: float = constrained(0.05, POSITIVE, "largest weight")

    formula = Formula("w in U(-limit, limit)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _uniform(key, shape, self.limit, dtype)


@initializers.register("glorot_uniform")
class GlorotUniform(Initializer):
    """Uniform that keeps signals and gradients alike: ``r = √(6 / (fan in + fan out)); w ~ U(−r, r)``.

    Made for tanh and other activations that are near to linear around 0.

    Example:
        >>> bool(jnp.abs(GlorotUniform()(jax.random.key(0), (2, 4))).max() <= 1.0)
        True

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    formula = Formula("r = sqrt(6 / (fan_in + fan_out)); w in U(-r, r)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _uniform(key, shape, math.sqrt(6 / sum(fans(shape))), dtype)


@initializers.register("glorot_normal")
class GlorotNormal(Initializer):
    """Gaussian with the variance of `GlorotUniform`: ``w ~ N(0, 2 / (fan in + fan out))``.

    Example:
        >>> weights = GlorotNormal()(jax.random.key(0), (100, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: a plain Gaussian, as in PyTorch; Keras and ``jax.nn.initializers`` cut it at two standard
    deviations and widen it.

    Source: as for `GlorotUniform`.
    """

    formula = Formula("w in N(0, 2 / (fan_in + fan_out))")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _normal(key, shape, math.sqrt(2 / sum(fans(shape))), dtype)


@initializers.register("he_uniform")
class HeUniform(Initializer):
    """Uniform that keeps the size of signals through ReLU layers: ``r = √(6 / fan in); w ~ U(−r, r)``.

    Example:
        >>> bool(jnp.abs(HeUniform()(jax.random.key(0), (6, 9))).max() <= 1.0)
        True

    Source: He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015.
    """

    formula = Formula("r = sqrt(6 / fan_in); w in U(-r, r)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _uniform(key, shape, math.sqrt(6 / fans(shape)[0]), dtype)


@initializers.register("he_normal")
class HeNormal(Initializer):
    """Gaussian with the variance of `HeUniform`: ``w ~ N(0, 2 / fan in)``.

    Example:
        >>> weights = HeNormal()(jax.random.key(0), (200, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: as for `GlorotNormal`.

    Source: as for `HeUniform`.
    """

    formula = Formula("w in N(0, 2 / fan_in)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _normal(key, shape, math.sqrt(2 / fans(shape)[0]), dtype)


@initializers.register("lecun_uniform")
class LecunUniform(Initializer):
    """Uniform that keeps the size of signals through linear layers: ``r = √(3 / fan in); w ~ U(−r, r)``.

    Example:
        >>> bool(jnp.abs(LecunUniform()(jax.random.key(0), (3, 9))).max() <= 1.0)
        True

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.
    """

    formula = Formula("r = sqrt(3 / fan_in); w in U(-r, r)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _uniform(key, shape, math.sqrt(3 / fans(shape)[0]), dtype)


@initializers.register("lecun_normal")
class LecunNormal(Initializer):
    """Gaussian with the variance of `LecunUniform`, the partner of SELU: ``w ~ N(0, 1 / fan in)``.

    Example:
        >>> weights = LecunNormal()(jax.random.key(0), (100, 100))
        >>> f"{weights.std():.2f}"
        '0.10'

    Others: as for `GlorotNormal`.

    Source: as for `LecunUniform`.
    """

    formula = Formula("w in N(0, 1 / fan_in)")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        return _normal(key, shape, math.sqrt(1 / fans(shape)[0]), dtype)


@initializers.register("orthogonal")
class Orthogonal(Initializer):
    """Random rotation, which keeps the length of signals: ``Wᵀ·W = gain² · I``.

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

    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2014; Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
    """

    gain: float = constrained(1.0, POSITIVE, "length of each orthogonal row or column")

    formula = Formula("W.T @ W == gain**2 * I")

    def __call__(self, key: RandomKey, shape: Shape, dtype: Any = jnp.float32) -> Weights:
        rows, columns = fans(shape)[0], shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        Q, R = jnp.linalg.qr(jax.random.normal(key, tall, dtype))
        Q = Q * jnp.sign(jnp.diagonal(R))[None, :]
        return self.gain * (Q if rows >= columns else Q.T).reshape(shape)
