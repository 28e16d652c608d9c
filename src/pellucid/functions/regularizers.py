"""Regularisers: penalties on weights or activities, added to the loss, and their gradients.

A penalty on weights enters training in two ways. Its smooth part adds its `gradient` to the gradient of the loss. Its
part with a kink at zero, the L1 penalty, is applied after the update as a `proximal` step,

    ``prox(w) = argmin_v ½ (v − w)² + step · λ |v| = sign(w) · max(|w| − step · λ, 0)``,

which sets small weights to exactly 0. Descent along a sub-gradient λ sign(w) cannot: near zero each update
of size ``step · λ`` jumps past it to the other side, and the weight swings around zero for ever.

A penalty on activities keeps most activations of a code low. It is given those of a whole batch, shape (batch, units),
and a fraction for each example, 1/N unless they are weighted; they sum to 1 (rows that only fill up a batch have 0).

A regulariser of weights is `tunable`: its strengths may be arrays in the training state.

Source: Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems", 2009; Parikh &
Boyd, "Proximal algorithms", 2014.
"""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeAlias

import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, Interval, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.tunable import tunable
from pellucid.core.types import Array, Float, Scalar

Weights: TypeAlias = Float[Array, "*shape"]
Activations: TypeAlias = Float[Array, "batch units"]
Fractions: TypeAlias = Float[Array, " batch"]


@dataclass(frozen=True)
class Regularizer(Displayed, ABC):
    """A penalty on an array of weights.

    Attributes:
        formula: the penalty, of w and the fields.
        gradient_formula: the gradient of its smooth part.
        proximal_formula: the new w of the proximal step, of w, step and the fields.

    Args:
        layers: names of the layers whose weights it acts on, such as ``("dense_1",)``; None for all.

    Raises:
        InvalidValue: a strength below 0.
    """

    _: KW_ONLY
    layers: tuple[str, ...] | list[str] | None = None

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED
    gradient_formula: ClassVar[Formula] = UNSTATED
    proximal_formula: ClassVar[Formula] = UNSTATED

    def __post_init__(self) -> None:
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        validate(self)

    def covers(self, layer: str) -> bool:
        """Tell whether it acts on the weights of a layer."""
        return self.layers is None or layer in self.layers

    @abstractmethod
    def penalty(self, weights: Weights) -> Scalar:
        """Compute the penalty that is added to the loss."""

    @abstractmethod
    def gradient(self, weights: Weights) -> Weights:
        """Compute the gradient of the penalty's smooth part."""

    @abstractmethod
    def proximal(self, weights: Weights, step: Scalar | float) -> Weights:
        """Apply the penalty's part with a kink at 0 to updated weights.

        Args:
            weights: as they are after the update.
            step: the learning rate of that update.
        """


regularizers = Registry("regularizer", Regularizer, tunable)
"""Every regulariser by name."""


def soft_threshold(weights: Weights, threshold: Scalar | float) -> Weights:
    """Move every weight towards 0 by ``threshold``, and no further: ``sign(w) · max(|w| − threshold, 0)``.

    Example:
        >>> soft_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0).tolist()
        [-2.0, 0.0, 1.0]
    """
    return jnp.sign(weights) * jnp.maximum(jnp.abs(weights) - threshold, 0)


@regularizers.register("l1")
class L1(Regularizer):
    """Lasso: ``λ · Σ |w|``; gradient ``0``; proximal step ``sign(w) · max(|w| − step · λ, 0)``.

    Weights that the data do not need become exactly 0. There is no smooth part: all of it is in the proximal step.

    Args:
        strength: λ, at least 0.
        layers: names of the layers it acts on; None for all.

    Example:
        >>> lasso = L1(strength=0.5)
        >>> float(lasso.penalty(jnp.array([-3.0, 1.0])))
        2.0
        >>> lasso.proximal(jnp.array([-3.0, 0.25]), step=1.0).tolist()
        [-2.5, 0.0]

    Others: Keras and PyTorch users add λ sign(w) to the gradient, which makes weights small but not 0.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """

    strength: float = constrained(1e-4, NOT_NEGATIVE, "λ of λ Σ|w|")

    formula = Formula("strength * sum(abs(w))")
    gradient_formula = Formula("0")
    proximal_formula = Formula("sign(w) * max(abs(w) - step * strength, 0)")

    def penalty(self, weights: Weights) -> Scalar:
        return self.strength * jnp.sum(jnp.abs(weights))

    def gradient(self, weights: Weights) -> Weights:
        return jnp.zeros_like(weights)

    def proximal(self, weights: Weights, step: Scalar | float) -> Weights:
        return soft_threshold(weights, step * self.strength)


@regularizers.register("l2")
class L2(Regularizer):
    """Ridge: ``λ · Σ w²``; gradient ``2 · λ · w``; proximal step ``w``. All weights shrink, none to exactly 0.

    Args:
        strength: λ, at least 0.
        layers: names of the layers it acts on; None for all.

    Example:
        >>> L2(strength=0.5).gradient(jnp.array([-3.0, 1.0])).tolist()
        [-3.0, 1.0]

    Others: no factor ½, as in Keras. PyTorch's ``weight_decay=d`` adds ``d w`` to the gradient, so ``d = 2 λ``.

    Source: Hoerl & Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
    """

    strength: float = constrained(1e-4, NOT_NEGATIVE, "λ of λ Σ w²")

    formula = Formula("strength * sum(w**2)")
    gradient_formula = Formula("2 * strength * w")
    proximal_formula = Formula("w")

    def penalty(self, weights: Weights) -> Scalar:
        return self.strength * jnp.sum(jnp.square(weights))

    def gradient(self, weights: Weights) -> Weights:
        return 2 * self.strength * weights

    def proximal(self, weights: Weights, step: Scalar | float) -> Weights:
        return weights


@regularizers.register("elastic_net")
class ElasticNet(Regularizer):
    """Lasso and ridge: ``λ₁ · Σ |w| + λ₂ · Σ w²``. Zeros, as with L1, but correlated inputs share their weight.

    Gradient ``2 · λ₂ · w``, of the smooth part; proximal step ``sign(w) · max(|w| − step · λ₁, 0)``.

    Args:
        l1: λ₁, at least 0.
        l2: λ₂, at least 0.
        layers: names of the layers it acts on; None for all.

    Example:
        >>> float(ElasticNet(l1=0.5, l2=0.25).penalty(jnp.array([-2.0, 1.0])))
        2.75

    Others: scikit-learn has one strength and a ratio, and a factor ½ on the squares.

    Source: Zou & Hastie, "Regularization and variable selection via the elastic net", 2005.
    """

    l1: float = constrained(1e-4, NOT_NEGATIVE, "λ₁ of λ₁ Σ|w|")
    l2: float = constrained(1e-4, NOT_NEGATIVE, "λ₂ of λ₂ Σ w²")

    formula = Formula("l1 * sum(abs(w)) + l2 * sum(w**2)")
    gradient_formula = Formula("2 * l2 * w")
    proximal_formula = Formula("sign(w) * max(abs(w) - step * l1, 0)")

    def penalty(self, weights: Weights) -> Scalar:
        return self.l1 * jnp.sum(jnp.abs(weights)) + self.l2 * jnp.sum(jnp.square(weights))

    def gradient(self, weights: Weights) -> Weights:
        return 2 * self.l2 * weights

    def proximal(self, weights: Weights, step: Scalar | float) -> Weights:
        return soft_threshold(weights, step * self.l1)


# --------------------------------------------------------------------------------------- activities


class Sparsity(Displayed, ABC):
    """A penalty on the activations of a layer.

    Attributes:
        formula: the penalty, of the activations a (N examples) and the fields.
        gradient_formula: its gradient with respect to a.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED
    gradient_formula: ClassVar[Formula] = UNSTATED

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def penalty(self, a: Activations, fractions: Fractions) -> Scalar:
        """Compute the penalty that is added to the loss."""

    @abstractmethod
    def gradient(self, a: Activations, fractions: Fractions) -> Activations:
        """Compute the gradient of the penalty."""


sparsities = Registry("sparsity penalty", Sparsity)
"""Every sparsity penalty by name."""


@sparsities.register("l1_activity")
class L1Activity(Sparsity):
    """Mean sum of absolute activations: ``λ / N · Σ |a|``; gradient ``λ / N · sign(a)``.

    Args:
        strength: λ, at least 0.

    Example:
        >>> L1Activity(0.5).penalty(jnp.array([[1.0, -2.0]]), jnp.ones(1)).item()
        1.5

    Source: Glorot, Bordes, Bengio, Deep sparse rectifier neural networks, 2011.
    """

    strength: float = constrained(1e-4, NOT_NEGATIVE, "strength of the penalty")

    formula = Formula("strength / N * sum(abs(a))")
    gradient_formula = Formula("strength / N * sign(a)")

    def penalty(self, a: Activations, fractions: Fractions) -> Scalar:
        return self.strength * (jnp.abs(a).sum(axis=1) * fractions).sum()

    def gradient(self, a: Activations, fractions: Fractions) -> Activations:
        return self.strength * jnp.sign(a) * fractions[:, None]


@sparsities.register("kl_activity")
class KLActivity(Sparsity):
    """Kullback–Leibler divergence of each unit's mean activation from a low target.

    Formula:
        ρ̂_j = Σ_i a_ij / N; λ · Σ_j (ρ · log(ρ / ρ̂_j) + (1 − ρ) · log((1 − ρ) / (1 − ρ̂_j)))

    Gradient ``ρ̂_j = Σ_i a_ij / N; λ / N · ((1 − ρ) / (1 − ρ̂_j) − ρ / ρ̂_j)``.

    For activations between 0 and 1, such as a sigmoid's. Means are clipped to [10⁻⁶, 1 − 10⁻⁶].

    Args:
        target: ρ, the mean activation aimed for, between 0 and 1.
        strength: λ, at least 0.

    Example:
        >>> KLActivity(target=0.5).penalty(jnp.array([[0.5], [0.5]]), jnp.array([0.5, 0.5])).item()
        0.0

    Source: Ng, Sparse autoencoder, lecture notes, 2011.
    """

    target: float = constrained(0.05, Interval(0, 1, closed="neither"), "mean activation aimed for")
    strength: float = constrained(1e-2, NOT_NEGATIVE, "strength of the penalty")

    formula = Formula(
        "rhohat[j] = sum(i, a[i, j]) / N;"
        "strength * sum(j, target * log(target / rhohat[j]) + (1 - target) * log((1 - target) / (1 - rhohat[j])))",
        target="rho",
    )
    gradient_formula = Formula(
        "rhohat[j] = sum(i, a[i, j]) / N; strength / N * ((1 - target) / (1 - rhohat[j]) - target / rhohat[j])",
        target="rho",
    )

    def penalty(self, a: Activations, fractions: Fractions) -> Scalar:
        rho, mean = self.target, self._mean(a, fractions)
        divergence = rho * jnp.log(rho / mean) + (1 - rho) * jnp.log((1 - rho) / (1 - mean))
        return self.strength * divergence.sum()

    def gradient(self, a: Activations, fractions: Fractions) -> Activations:
        rho, mean = self.target, self._mean(a, fractions)
        return self.strength * ((1 - rho) / (1 - mean) - rho / mean)[None] * fractions[:, None]

    def _mean(self, a: Activations, fractions: Fractions) -> Float[Array, " units"]:
        return jnp.clip((a * fractions[:, None]).sum(axis=0), 1e-6, 1 - 1e-6)
