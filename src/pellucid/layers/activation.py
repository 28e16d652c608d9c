"""An activation as a separate layer, so that z (its input) and a (its output) are both visible."""

import dataclasses

from pellucid.core.types import Cache, Params, Specification, State
from pellucid.functions.activations import Activation as ActivationFunction
from pellucid.functions.activations import Elementwise, activations
from pellucid.layers.layer import AnyKey, Layer, Units, layers, specified


@layers.register("activation")
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
    example = {"function": "tanh"}, (4,)

    function: ActivationFunction | Specification = specified(dataclasses.MISSING, activations)

    @property
    def output_range(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The range of the function."""
        return activations.build(self.function).range

    @property
    def linear(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True for the identity."""
        return activations.build(self.function).name == "linear"

    @property
    def precise(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True where a value depends on several: their exponentials are added up."""
        return not isinstance(activations.build(self.function), Elementwise)

    def forward(
        self, params: Params, state: State, x: Units, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Units, State, Cache]:
        a = activations.build(self.function).value(x)
        return a, state, (x, a)

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Units, Params]:
        z, a = cache
        return activations.build(self.function).backward(z, a, dy), {}
