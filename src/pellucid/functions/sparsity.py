"""Sparsity penalties, which keep most activations of a code low, and their gradients.

A penalty is given the activations of a whole batch, shape (batch, units), and a fraction for each example, 1/N unless
they are weighted; they sum to 1 (rows that only fill up a short batch have 0).
"""

from abc import ABC, abstractmethod
from typing import ClassVar, TypeAlias

import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, Interval, constrained, validate
from pellucid.core.formula import Formula
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Float, Scalar

Activations: TypeAlias = Float[Array, "batch units"]
Fractions: TypeAlias = Float[Array, " batch"]


class Sparsity(ABC):
    """A penalty on the activations of a layer.

    Attributes:
        formula: the penalty, of the activations a (N examples) and the fields.
        gradient_formula: its gradient with respect to a.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula]
    gradient_formula: ClassVar[Formula]

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def penalty(self, a: Activations, fractions: Fractions) -> Scalar:
        """Compute the penalty that is added to the loss."""

    @abstractmethod
    def gradient(self, a: Activations, fractions: Fractions) -> Activations:
        """Compute the gradient of the penalty, to be added to that of the loss."""


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
