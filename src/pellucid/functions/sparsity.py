"""Sparsity penalties: what keeps most activations of a code low (subject 7.9), each next to its gradient.

A penalty sees the activations of a whole batch, shape (batch, units), and a share for each example that sums to 1
(rows that only fill up a short batch have 0).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, Interval, constrained, validate
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Float, Scalar

Activations: TypeAlias = Float[Array, "batch units"]
Shares: TypeAlias = Float[Array, " batch"]


class Sparsity(ABC):
    """A penalty on the activations of a layer.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def penalty(self, a: Activations, shares: Shares) -> Scalar:
        """What is added to the loss."""

    @abstractmethod
    def gradient(self, a: Activations, shares: Shares) -> Activations:
        """The gradient of the penalty, to be added to that of the loss."""


sparsities = Registry("sparsity penalty", Sparsity)
"""Every sparsity penalty by name."""


@sparsities.register("l1_activity")
@dataclass(frozen=True)
class L1Activity(Sparsity):
    """The mean sum of absolute activations: ``λ · 1/N Σ_i Σ_j |a_ij|``, gradient ``λ/N · sign(a)`` (0 at 0).

    Args:
        strength: λ, at least 0.

    Example:
        >>> L1Activity(0.5).penalty(jnp.array([[1.0, -2.0]]), jnp.ones(1)).item()
        1.5

    Source: Glorot, Bordes, Bengio, Deep sparse rectifier neural networks, 2011.
    """

    strength: float = constrained(1e-4, NOT_NEGATIVE, "strength of the penalty")

    def penalty(self, a: Activations, shares: Shares) -> Scalar:
        """λ · 1/N Σ_i Σ_j |a_ij|."""
        return self.strength * (jnp.abs(a).sum(axis=1) * shares).sum()

    def gradient(self, a: Activations, shares: Shares) -> Activations:
        """λ/N · sign(a)."""
        return self.strength * jnp.sign(a) * shares[:, None]


@sparsities.register("kl_activity")
@dataclass(frozen=True)
class KLActivity(Sparsity):
    """How far each unit's mean activation is from a low target, as a Kullback–Leibler divergence.

    Formula:
        ρ̂_j = 1/N Σ_i a_ij; penalty λ Σ_j [ρ log(ρ/ρ̂_j) + (1 − ρ) log((1 − ρ)/(1 − ρ̂_j))];
        gradient λ/N · [(1 − ρ)/(1 − ρ̂_j) − ρ/ρ̂_j]

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

    def penalty(self, a: Activations, shares: Shares) -> Scalar:
        """λ Σ_j KL(ρ ‖ ρ̂_j)."""
        rho, mean = self.target, self._mean(a, shares)
        divergence = rho * jnp.log(rho / mean) + (1 - rho) * jnp.log((1 - rho) / (1 - mean))
        return self.strength * divergence.sum()

    def gradient(self, a: Activations, shares: Shares) -> Activations:
        """λ/N · [(1 − ρ)/(1 − ρ̂_j) − ρ/ρ̂_j]."""
        rho, mean = self.target, self._mean(a, shares)
        return self.strength * ((1 - rho) / (1 - mean) - rho / mean)[None] * shares[:, None]

    def _mean(self, a: Activations, shares: Shares) -> Float[Array, " units"]:
        return jnp.clip((a * shares[:, None]).sum(axis=0), 1e-6, 1 - 1e-6)
