"""Lipschitz constraints, without which a Wasserstein critic's loss is no distance."""

from abc import ABC, abstractmethod
from typing import ClassVar, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.tunable import tunable
from pellucid.core.types import Array, Float, Key, Params, PyTree, Scalar, State
from pellucid.network import Network

Trained: TypeAlias = tuple[Params, ...]
States: TypeAlias = tuple[State, ...]
RandomKey: TypeAlias = Key[Array, ""]


class LipschitzConstraint(Displayed, ABC):
    """A constraint on the gradient of a critic.

    Its number travels in the training state, so that another one recompiles nothing.

    Attributes:
        formula: the penalty, or the new weight, of the fields.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def penalty(
        self, critic: Network, params: Trained, state: States, real: Array, generated: Array, key: RandomKey
    ) -> tuple[Scalar, Trained] | None:
        """Compute the penalty on the critic's loss and its gradients, if any."""

    @abstractmethod
    def project(self, params: PyTree) -> PyTree:
        """Bring the critic's parameters back to where they are allowed, after an update."""


lipschitz_constraints: Registry[LipschitzConstraint] = Registry("lipschitz_constraint", LipschitzConstraint, tunable)
"""Every Lipschitz constraint by name."""


@lipschitz_constraints.register("gradient_penalty")
class GradientPenalty(LipschitzConstraint):
    """Penalty on critic gradients of another length than 1, between real and generated examples.

    Formula:
        x̂ = ε · x + (1 − ε) · G; λ · mean((‖∂D/∂x̂‖ − 1)²)

    G are the generated examples, ε ~ U(0, 1) is one number an example. ∂D/∂x̂ is the critic's own ``backward``; only
    the derivative of the penalty for the weights, a second derivative of D, is taken by `jax.grad`, through that
    hand-written pass. Where ∂D/∂x̂ = 0 the length has gradient 0.

    Args:
        strength: λ > 0. Gulrajani et al. take 10 for images, 0.1 for points.

    Example:
        >>> GradientPenalty().strength
        10.0

    Source: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, Improved training of Wasserstein GANs, 2017.
    """

    strength: float = constrained(10.0, POSITIVE, "weight of the penalty")

    formula = Formula(
        "xhat = epsilon * x + (1 - epsilon) * G; strength * mean((length - 1)**2)", length="norm(dD_dxhat)"
    )

    def penalty(
        self, critic: Network, params: Trained, state: States, real: Array, generated: Array, key: RandomKey
    ) -> tuple[Scalar, Trained]:
        line_key, layer_key = jax.random.split(key)
        x = between(real, generated, jax.random.uniform(line_key, real.shape[:1], real.dtype))

        def penalty(params: Trained) -> Scalar:
            length = lengths(input_gradients(critic, params, state, x, layer_key))
            return self.strength * ((length - 1) ** 2).mean()

        return jax.value_and_grad(penalty)(params)

    def project(self, params: PyTree) -> PyTree:
        return params


@lipschitz_constraints.register("weight_clipping")
class WeightClipping(LipschitzConstraint):
    """Clipping of every parameter of the critic to ±c after each update.

    Formula:
        w ← min(max(w, −c), c)

    Args:
        bound: c > 0.

    Example:
        >>> WeightClipping(0.5).project({"weights": jnp.array([-2.0, 0.1])})["weights"].tolist()
        [-0.5, 0.10000000149011612]

    Source: Arjovsky, Chintala, Bottou, Wasserstein generative adversarial networks, 2017, who call it
    "clearly a terrible way"; `GradientPenalty` is the better one.
    """

    bound: float = constrained(0.01, POSITIVE, "largest size of a parameter")

    formula = Formula("w = min(max(w, -bound), bound)", bound="c")

    def penalty(
        self, critic: Network, params: Trained, state: States, real: Array, generated: Array, key: RandomKey
    ) -> None:
        return

    def project(self, params: PyTree) -> PyTree:
        return jax.tree.map(lambda w: jnp.clip(w, -self.bound, self.bound), params)


def between(
    real: Float[Array, "batch *shape"], generated: Float[Array, "batch *shape"], fraction: Float[Array, " batch"]
) -> Float[Array, "batch *shape"]:
    """Mix ε x + (1 − ε) G(z), one ε an example."""
    fraction = jnp.broadcast_to(fraction.reshape(fraction.shape + (1,) * (real.ndim - 1)), real.shape)
    return fraction * real + (1 - fraction) * generated


def input_gradients(
    critic: Network, params: Trained, state: States, x: Float[Array, "batch *shape"], key: RandomKey
) -> Float[Array, "batch *shape"]:
    """Compute ∇ₓ D(x) of each example, by the critic's own backward pass."""
    forward = critic.forward(params, state, x, key=key, training=True)
    ones = jnp.ones_like(forward.outputs[-1])
    return critic.backward(params, forward.caches, {len(critic.layers) - 1: ones}).dx


def lengths(gradients: Float[Array, "batch *shape"]) -> Float[Array, " batch"]:
    """Compute ‖·‖₂ of each example; its own gradient is 0, not NaN, where it is 0."""
    square = (gradients * gradients).reshape(gradients.shape[0], -1).sum(axis=1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
