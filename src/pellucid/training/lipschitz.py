"""What keeps a Wasserstein critic's gradient in bounds, without which the loss is no distance."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, constrained, validate
from pellucid.core.registry import Registry
from pellucid.core.tunable import tunable
from pellucid.core.types import Array, Float, Key, Params, PyTree, Scalar, State
from pellucid.network import Network


class LipschitzConstraint(ABC):
    """A hold on the critic; its number travels in the training state, so that another one recompiles nothing."""

    name: ClassVar[str]

    @abstractmethod
    def penalty(
        self,
        critic: Network,
        params: tuple[Params, ...],
        state: tuple[State, ...],
        real: Array,
        generated: Array,
        key: Key[Array, ""],
    ) -> tuple[Scalar, tuple[Params, ...]] | None:
        """What is added to the critic's loss, and its gradients; None for nothing."""

    @abstractmethod
    def project(self, params: PyTree) -> PyTree:
        """The critic's parameters after an update, brought back to where they are allowed."""


lipschitz_constraints: Registry[LipschitzConstraint] = Registry("lipschitz_constraint", LipschitzConstraint)
"""Every lipschitz_constraint by name."""


@lipschitz_constraints.register("gradient_penalty")
@tunable
@dataclass(frozen=True)
class GradientPenalty(LipschitzConstraint):
    """The gradient of the critic for its input is drawn to length 1, on lines between real and generated examples.

    Formula:
        P = λ · mean (‖∇ₓ D(x̂)‖₂ − 1)², x̂ = ε x + (1 − ε) G(z), ε ~ U(0, 1) for each example

    ∇ₓD is the critic's own ``backward``; only the derivative of P for the weights, a second derivative of D, is
    taken by `jax.grad`, through that hand-written pass. Where ∇ₓD = 0 the length has gradient 0.

    Args:
        strength: λ > 0. Gulrajani et al. take 10 for images, 0.1 for points.

    Example:
        >>> GradientPenalty().strength
        10.0

    Source: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, Improved training of Wasserstein GANs, 2017.
    """

    strength: float = constrained(10.0, POSITIVE, "weight of the penalty")

    def __post_init__(self) -> None:
        validate(self)

    def penalty(
        self,
        critic: Network,
        params: tuple[Params, ...],
        state: tuple[State, ...],
        real: Array,
        generated: Array,
        key: Key[Array, ""],
    ) -> tuple[Scalar, tuple[Params, ...]]:
        """λ · mean (‖∇ₓ D(x̂)‖₂ − 1)²."""
        line_key, layer_key = jax.random.split(key)
        x = between(real, generated, jax.random.uniform(line_key, real.shape[:1], real.dtype))

        def penalty(params: tuple[Params, ...]) -> Scalar:
            length = lengths(input_gradients(critic, params, state, x, layer_key))
            return self.strength * ((length - 1) ** 2).mean()

        return jax.value_and_grad(penalty)(params)

    def project(self, params: PyTree) -> PyTree:
        """As they are."""
        return params


@lipschitz_constraints.register("weight_clipping")
@tunable
@dataclass(frozen=True)
class WeightClipping(LipschitzConstraint):
    """Every parameter of the critic is cut off at ±c after each update.

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

    def __post_init__(self) -> None:
        validate(self)

    def penalty(
        self,
        critic: Network,
        params: tuple[Params, ...],
        state: tuple[State, ...],
        real: Array,
        generated: Array,
        key: Key[Array, ""],
    ) -> None:
        """Nothing."""
        return

    def project(self, params: PyTree) -> PyTree:
        """Cut off."""
        return jax.tree.map(lambda w: jnp.clip(w, -self.bound, self.bound), params)


def between(
    real: Float[Array, "batch *shape"], generated: Float[Array, "batch *shape"], share: Float[Array, " batch"]
) -> Float[Array, "batch *shape"]:
    """ε x + (1 − ε) G(z), one ε an example."""
    share = jnp.broadcast_to(share.reshape(share.shape + (1,) * (real.ndim - 1)), real.shape)
    return share * real + (1 - share) * generated


def input_gradients(
    critic: Network,
    params: tuple[Params, ...],
    state: tuple[State, ...],
    x: Float[Array, "batch *shape"],
    key: Key[Array, ""],
) -> Float[Array, "batch *shape"]:
    """∇ₓ D(x) of each example, by the critic's own backward pass."""
    forward = critic.forward(params, state, x, key=key, training=True)
    ones = jnp.ones_like(forward.outputs[-1])
    return critic.backward(params, forward.caches, {len(critic.layers) - 1: ones}).dx


def lengths(gradients: Float[Array, "batch *shape"]) -> Float[Array, " batch"]:
    """‖·‖₂ of each example; of gradient 0, not NaN, where it is 0."""
    square = (gradients * gradients).reshape(gradients.shape[0], -1).sum(axis=1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
