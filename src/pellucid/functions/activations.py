"""Activation functions and their derivatives.

An activation turns a layer's pre-activation z into its activation ``a = f(z)``. Going backward it turns
``da = ∂L/∂a`` into ``dz = ∂L/∂z``, the factor ``∂a/∂z`` of the chain rule. ``backward`` is given both z and
a, so that it computes again nothing that forward propagation has computed already.

At a kink, where f has no derivative, the derivative is a convention: the derivative on the side where f is flatter,
unless the class says otherwise. Every class here is finite, in value and derivative, for every finite z of
moderate size (tested up to ±10⁴ in float32).
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, TypeAlias, final

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Float

Values: TypeAlias = Float[Array, "*shape"]
"""One number for each neuron of each example; within one call all have the same shape."""


class Activation(Displayed, ABC):
    """A function applied to the pre-activations of a layer.

    Attributes:
        formula: f, of z and the fields.
        derivative_formula: ∂a/∂z, of z, a and the fields.
        range: the interval that the values lie in.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED
    derivative_formula: ClassVar[Formula] = UNSTATED
    range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def value(self, z: Values) -> Values:
        """Compute the activation ``a = f(z)``."""

    @abstractmethod
    def backward(self, z: Values, a: Values, da: Values) -> Values:
        """Compute the vector–Jacobian product ``dz = da · ∂a/∂z``."""


class Elementwise(Activation):
    """Activation of each neuron by its own z alone: ∂a/∂z is diagonal."""

    @abstractmethod
    def derivative(self, z: Values, a: Values) -> Values:
        """Compute the derivative ``f′(z)``, where ``a = f(z)`` is known."""

    @final
    def backward(self, z: Values, a: Values, da: Values) -> Values:
        """Compute ``dz = da · f′(z)``, neuron by neuron."""
        return da * self.derivative(z, a)


activations = Registry("activation", Activation)
"""Every activation by name."""


@activations.register("linear")
class Linear(Elementwise):
    """Identity: ``f(z) = z``, ``f′(z) = 1``.

    A deep network of linear layers computes no more than one linear layer does.

    Example:
        >>> Linear().value(jnp.array([-2.0, 3.0])).tolist()
        [-2.0, 3.0]
    """

    formula = Formula("z")
    derivative_formula = Formula("1")
    range = (-math.inf, math.inf)

    def value(self, z: Values) -> Values:
        return z

    def derivative(self, z: Values, a: Values) -> Values:
        return jnp.ones_like(z)


@activations.register("sigmoid")
class Sigmoid(Elementwise):
    """Logistic sigmoid, a probability from a logit: ``f(z) = 1 / (1 + e^(−z))``, ``f′(z) = a · (1 − a)``.

    For the output of a binary classifier. In hidden layers its derivative, at most ¼, makes gradients vanish
    with depth, and its values are not centred on zero.

    Example:
        >>> Sigmoid().value(jnp.array([-1e4, 0.0, 1e4])).tolist()
        [0.0, 0.5, 1.0]

    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986.
    """

    formula = Formula("1 / (1 + exp(-z))")
    derivative_formula = Formula("a * (1 - a)")
    range = (0.0, 1.0)

    def value(self, z: Values) -> Values:
        return jax.nn.sigmoid(z)

    def derivative(self, z: Values, a: Values) -> Values:
        return a * (1 - a)


@activations.register("tanh")
class Tanh(Elementwise):
    """Hyperbolic tangent: ``f(z) = (e^z − e^(−z)) / (e^z + e^(−z))``, ``f′(z) = 1 − a²``.

    A sigmoid centred on zero. Its derivative reaches 1, four times the sigmoid's, and still vanishes at large |z|.

    Example:
        >>> Tanh().value(jnp.array([-1e4, 0.0, 1e4])).tolist()
        [-1.0, 0.0, 1.0]

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.
    """

    formula = Formula("(exp(z) - exp(-z)) / (exp(z) + exp(-z))")
    derivative_formula = Formula("1 - a**2")
    range = (-1.0, 1.0)

    def value(self, z: Values) -> Values:
        return jnp.tanh(z)

    def derivative(self, z: Values, a: Values) -> Values:
        return 1 - a * a


@activations.register("hard_tanh")
class HardTanh(Elementwise):
    """Tanh without exponentials: ``f(z) = min(max(z, −1), 1)``, ``f′(z) = 1 if |z| < 1, else 0``.

    Cheap on low-power devices. No gradient passes outside [−1, 1]; at ±1 the derivative is 0.

    Example:
        >>> hard = HardTanh()
        >>> z = jnp.array([-2.0, 0.5, 1.0])
        >>> hard.value(z).tolist(), hard.derivative(z, hard.value(z)).tolist()
        ([-1.0, 0.5, 1.0], [0.0, 1.0, 0.0])

    Source: Collobert, "Large scale machine learning", thesis, 2004.
    """

    formula = Formula("min(max(z, -1), 1)")
    derivative_formula = Formula("1 if abs(z) < 1 else 0")
    range = (-1.0, 1.0)

    def value(self, z: Values) -> Values:
        return jnp.clip(z, -1, 1)

    def derivative(self, z: Values, a: Values) -> Values:
        return (jnp.abs(z) < 1).astype(z.dtype)


@activations.register("softmax")
class Softmax(Activation):
    """Probabilities over the last axis: ``a_i = e^(z_i) / Σ_j e^(z_j)``, ``∂a_i/∂z_j = a_i · ([i = j] − a_j)``.

    For the output of a multi-class classifier. The values sum to 1, so each depends on every z of its
    example: ``dz = a · (da − Σ_j da_j a_j)``. The largest z is subtracted first, which changes nothing in
    the formula and keeps the exponentials from overflowing.

    Example:
        >>> Softmax().value(jnp.array([[0.0, 0.0], [1e4, 0.0]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """

    formula = Formula("exp(z[i]) / sum(j, exp(z[j]))")
    derivative_formula = Formula("a[i] * ((i == j) - a[j])")
    range = (0.0, 1.0)

    def value(self, z: Values) -> Values:
        exponentials = jnp.exp(z - jnp.max(z, axis=-1, keepdims=True))
        return exponentials / jnp.sum(exponentials, axis=-1, keepdims=True)

    def backward(self, z: Values, a: Values, da: Values) -> Values:
        return a * (da - jnp.sum(da * a, axis=-1, keepdims=True))


@activations.register("relu")
class ReLU(Elementwise):
    """Rectified linear unit, the positive part: ``f(z) = max(0, z)``, ``f′(z) = 1 if z > 0, else 0``.

    The default of hidden layers: cheap, and its derivative does not vanish at large z. A neuron whose z is
    negative for every example passes no gradient and learns no more (dying ReLU).

    Example:
        >>> relu = ReLU()
        >>> z = jnp.array([-1.0, 0.0, 2.0])
        >>> relu.value(z).tolist(), relu.derivative(z, relu.value(z)).tolist()
        ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])

    Others: ``f′(0) = 0`` in PyTorch and ``jax.nn.relu`` too; differentiating ``jnp.maximum(z, 0)`` gives ½ there.

    Source: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """

    formula = Formula("max(0, z)")
    derivative_formula = Formula("1 if z > 0 else 0")
    range = (0.0, math.inf)

    def value(self, z: Values) -> Values:
        return jnp.maximum(z, 0)

    def derivative(self, z: Values, a: Values) -> Values:
        return (z > 0).astype(z.dtype)


@activations.register("step")
class Step(Elementwise):
    """Threshold of the perceptron: ``f(z) = 1 if z ≥ 0, else 0``, ``f′(z) = 0``.

    The derivative is 0 at the jump too, so no gradient passes: a network with steps cannot be trained by
    backpropagation. The perceptron has its own learning rule.

    Example:
        >>> Step().value(jnp.array([-0.2, 0.0, 0.3])).tolist()
        [0.0, 1.0, 1.0]

    Source: Rosenblatt, "The perceptron", 1958.
    """

    formula = Formula("1 if z >= 0 else 0")
    derivative_formula = Formula("0")
    range = (0.0, 1.0)

    def value(self, z: Values) -> Values:
        return (z >= 0).astype(z.dtype)

    def derivative(self, z: Values, a: Values) -> Values:
        return jnp.zeros_like(z)


@activations.register("leaky_relu")
class LeakyReLU(Elementwise):
    """ReLU that cannot die: ``f(z) = z if z > 0, else α · z``, ``f′(z) = 1 if z > 0, else α``.

    Args:
        alpha: derivative on the negative side, above 0. At 0 the derivative is α.

    Example:
        >>> LeakyReLU(alpha=0.5).value(jnp.array([-2.0, 2.0])).tolist()
        [-1.0, 2.0]

    Others: α is 0.01 in PyTorch and JAX, 0.3 in Keras.

    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    alpha: float = constrained(0.01, POSITIVE, "derivative on the negative side")

    formula = Formula("z if z > 0 else alpha * z")
    derivative_formula = Formula("1 if z > 0 else alpha")
    range = (-math.inf, math.inf)

    def value(self, z: Values) -> Values:
        return jnp.where(z > 0, z, self.alpha * z)

    def derivative(self, z: Values, a: Values) -> Values:
        return jnp.where(z > 0, jnp.ones_like(z), self.alpha)


@activations.register("elu")
class ELU(Elementwise):
    """Exponential linear unit: ``f(z) = z if z > 0, else α · (e^z − 1)``, ``f′(z) = 1 if z > 0, else a + α``.

    Negative values bring the mean activation nearer to zero.

    Args:
        alpha: the value that −f approaches far below 0, above 0. At 0 the derivative is α, which is 1 by default.

    Example:
        >>> ELU().value(jnp.array([-1e4, 0.0, 2.0])).tolist()
        [-1.0, 0.0, 2.0]

    Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential
    linear units", 2016.
    """

    alpha: float = constrained(1.0, POSITIVE, "depth of the negative side")

    formula = Formula("z if z > 0 else alpha * (exp(z) - 1)")
    derivative_formula = Formula("1 if z > 0 else a + alpha")

    @property
    def range(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """From −α upwards."""
        return (-self.alpha, math.inf)

    def value(self, z: Values) -> Values:
        # The minimum keeps the unused branch from overflowing, which would turn derived gradients into nan.
        return jnp.where(z > 0, z, self.alpha * jnp.expm1(jnp.minimum(z, 0)))

    def derivative(self, z: Values, a: Values) -> Values:
        return jnp.where(z > 0, jnp.ones_like(z), a + self.alpha)


@activations.register("selu")
class SELU(Elementwise):
    """Self-normalising ELU: ``f(z) = λ · z if z > 0, else λ · α · (e^z − 1)``, ``f′(z) = λ if z > 0, else a + λ · α``.

    λ ≈ 1.0507 and α ≈ 1.6733 are the numbers for which activations of mean 0 and variance 1 keep both from layer to
    layer, if `LecunNormal` initialises the weights. At 0 the derivative is λ α ≈ 1.758.

    Example:
        >>> SELU().value(jnp.array([-1e4, 0.0, 1.0])).tolist()
        [-1.7580993175506592, 0.0, 1.0507010221481323]

    Source: Klambauer, Unterthiner, Mayr & Hochreiter, "Self-normalizing neural networks", 2017.
    """

    formula = Formula("lam * z if z > 0 else lam * alpha * (exp(z) - 1)")
    derivative_formula = Formula("lam if z > 0 else a + lam * alpha")
    lam: ClassVar[float] = 1.0507009873554805
    alpha: ClassVar[float] = 1.6732632423543772
    range = (-lam * alpha, math.inf)

    def value(self, z: Values) -> Values:
        return self.lam * jnp.where(z > 0, z, self.alpha * jnp.expm1(jnp.minimum(z, 0)))

    def derivative(self, z: Values, a: Values) -> Values:
        return jnp.where(z > 0, jnp.full_like(z, self.lam), a + self.lam * self.alpha)


@activations.register("gelu")
class GELU(Elementwise):
    """Gaussian error linear unit: ``f(z) = z · Φ(z)``, ``f′(z) = Φ(z) + z · φ(z)``.

    Φ is the standard normal distribution function, ``Φ(z) = ½ erfc(−z / √2)``, and φ its density.

    Example:
        >>> GELU().value(jnp.array([-1e4, 0.0, 1e4])).tolist()
        [-0.0, 0.0, 10000.0]

    Others: this is the exact form, PyTorch's default; ``jax.nn.gelu`` uses a tanh approximation by default,
    which differs by up to 5·10⁻⁴.

    Source: Hendrycks & Gimpel, "Gaussian error linear units", 2016.
    """

    formula = Formula("z * Phi(z)")
    derivative_formula = Formula("Phi(z) + z * phi(z)")
    range = (-0.17, math.inf)

    def value(self, z: Values) -> Values:
        return z * _normal_cdf(z)

    def derivative(self, z: Values, a: Values) -> Values:
        density = jnp.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return _normal_cdf(z) + z * density


def _normal_cdf(z: Values) -> Values:
    # erfc, not 1 + erf, which cancels to zero already at z = −6 in float32.
    return jax.lax.erfc(-z / math.sqrt(2)) / 2


@activations.register("silu")
class SiLU(Elementwise):
    """Sigmoid linear unit, or swish: ``f(z) = z · σ(z)``, ``f′(z) = σ(z) + a · (1 − σ(z))``.

    Example:
        >>> SiLU().value(jnp.array([-1e4, 0.0, 1e4])).tolist()
        [-0.0, 0.0, 10000.0]

    Source: Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning", 2018.
    """

    formula = Formula("z * sigma(z)")
    derivative_formula = Formula("sigma(z) + a * (1 - sigma(z))")
    range = (-0.2785, math.inf)

    def value(self, z: Values) -> Values:
        return z * jax.nn.sigmoid(z)

    def derivative(self, z: Values, a: Values) -> Values:
        sigmoid = jax.nn.sigmoid(z)
        return sigmoid + a * (1 - sigmoid)


@activations.register("softplus")
class Softplus(Elementwise):
    """Smooth ReLU: ``f(z) = log(1 + e^z)``, ``f′(z) = σ(z)``.

    Computed as ``max(z, 0) + log(1 + e^−|z|)``, which is the same and cannot overflow.

    Example:
        >>> Softplus().value(jnp.array([-1e4, 1e4])).tolist()
        [0.0, 10000.0]

    Source: Dugas, Bengio, Bélisle, Nadeau & Garcia, "Incorporating second-order functional knowledge for
    better option pricing", 2001.
    """

    formula = Formula("log(1 + exp(z))")
    derivative_formula = Formula("sigma(z)")
    range = (0.0, math.inf)

    def value(self, z: Values) -> Values:
        return jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z)))

    def derivative(self, z: Values, a: Values) -> Values:
        return jax.nn.sigmoid(z)


@activations.register("exponential")
class Exponential(Elementwise):
    """Inverse of the logarithm: ``f(z) = e^z``, ``f′(z) = a``.

    Of an output layer whose answers are above 0 and change by factors: rates, of which z is the logarithm. Cut off at
    the root of the largest number of the dtype (1.8·10¹⁹ in float32), so that not even its square overflows.

    Example:
        >>> Exponential().value(jnp.array([0.0, -1e4])).tolist()
        [1.0, 0.0]

    Source: Nelder & Wedderburn, "Generalized linear models", 1972.
    """

    formula = Formula("exp(z)")
    derivative_formula = Formula("a")
    range = (0.0, math.inf)

    def value(self, z: Values) -> Values:
        return jnp.exp(jnp.minimum(z, math.log(float(jnp.finfo(z.dtype).max)) / 2))

    def derivative(self, z: Values, a: Values) -> Values:
        return a


@activations.register("softsign")
class Softsign(Elementwise):
    """Tanh that saturates slowly: ``f(z) = z / (1 + |z|)``, ``f′(z) = 1 / (1 + |z|)²``.

    Example:
        >>> Softsign().value(jnp.array([-1.0, 0.0, 3.0])).tolist()
        [-0.5, 0.0, 0.75]

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    formula = Formula("z / (1 + abs(z))")
    derivative_formula = Formula("1 / (1 + abs(z))**2")
    range = (-1.0, 1.0)

    def value(self, z: Values) -> Values:
        return z / (1 + jnp.abs(z))

    def derivative(self, z: Values, a: Values) -> Values:
        return 1 / jnp.square(1 + jnp.abs(z))


@activations.register("hard_sigmoid")
class HardSigmoid(Elementwise):
    """Sigmoid without exponentials: ``f(z) = min(max(z + 3, 0), 6) / 6``, ``f′(z) = 1/6 if |z| < 3, else 0``.

    At ±3 the derivative is 0.

    Example:
        >>> HardSigmoid().value(jnp.array([-4.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]

    Others: PyTorch, JAX and Keras 3 use this form; earlier Keras and ONNX by default use ``0.2 z + 0.5``, clipped.

    Source: Howard and others, "Searching for MobileNetV3", 2019.
    """

    formula = Formula("min(max(z + 3, 0), 6) / 6")
    derivative_formula = Formula("1/6 if abs(z) < 3 else 0")
    range = (0.0, 1.0)

    def value(self, z: Values) -> Values:
        return jnp.clip(z + 3, 0, 6) / 6

    def derivative(self, z: Values, a: Values) -> Values:
        return (jnp.abs(z) < 3).astype(z.dtype) / 6
