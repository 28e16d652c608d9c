"""An activation as a layer of its own, so that z (its input) and a (its output) are both visible."""

from dataclasses import dataclass

from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation as ActivationFunction
from pellucid.functions.activations import activations
from pellucid.layers.layer import Layer, layers


@layers.register("activation")
@dataclass(frozen=True)
class Activation(Layer):
    """a = f(z), element by element or, for softmax, over the last axis.

    Formula:
        a = f(z); backward dz = da · ∂a/∂z

    Args:
        function: name or object of the activation.

    Raises:
        UnknownName: no activation of that name.

    Example:
        >>> import jax.numpy as jnp
        >>> a, _, _ = Activation("relu").forward({}, {}, jnp.array([[-1.0, 2.0]]))
        >>> a.tolist()
        [[0.0, 2.0]]
    """

    masks = "passes"

    function: ActivationFunction | Specification

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", activations.build(self.function))

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
        """a = f(z)."""
        a = activations.build(self.function).value(x)
        return a, state, (x, a)

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dz = da · ∂a/∂z."""
        z, a = cache
        return activations.build(self.function).backward(z, a, dy), {}
