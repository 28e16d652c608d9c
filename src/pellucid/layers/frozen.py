"""A layer kept as it is: its parameters are carried, not trained."""

from dataclasses import dataclass
from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.layers.layer import Layer, layers


@layers.register("frozen")
@dataclass(frozen=True)
class Frozen(Layer):
    """A layer that training leaves alone, while the gradients still pass through it.

    Formula:
        y and ∂L/∂x of the layer itself; no gradients, since its parameters are part of the state

    No optimiser, regulariser or weight decay meets them.

    Args:
        layer: the layer, or its table, without an activation: `Activation` follows as a layer of its own.

    Raises:
        InvalidValue: a layer with an activation after it, one that mixes the examples of a batch, or one that reads
            several arrays.

    Example:
        >>> import jax
        >>> params, state, shape = Frozen({"name": "dense", "units": 3}).init(jax.random.key(0), (2,))
        >>> params, state["params"]["weights"].shape, shape
        ({}, (2, 3), (3,))

    Keras sets ``trainable=False`` on a layer, PyTorch ``requires_grad=False`` on its parameters.
    """

    layer: Layer | Specification

    def __post_init__(self) -> None:
        layer = layers.build(self.layer)
        object.__setattr__(self, "layer", layer)
        outside = getattr(layer, "activation", None) is not None and not layer.activation_inside
        if outside or layer.depends_on_batch or layer.inputs != 1:
            raise InvalidValue(
                "Frozen.layer must read one array, keep the examples of a batch apart and have no activation after it: "
                f"write Frozen(Dense(8)), Activation('relu'). Received: {describe(layer)!r}."
            )

    @property
    def mask_value(self) -> float | None:
        """That of the layer."""
        return getattr(self.layer, "mask_value", None)

    @property
    def masks(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As for the layer."""
        return self.layer.masks  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def takes_mask(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As for the layer."""
        return self.layer.takes_mask  # pyright: ignore[reportAttributeAccessIssue]

    def output_mask(self, x: Any, mask: Any) -> Any:
        """As for the layer."""
        return layers.build(self.layer).output_mask(x, mask)

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; those of the layer, and its state, in the state."""
        params, state, shape = layers.build(self.layer).init(key, input_shape)
        return {}, {"params": params, "state": state}, shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Any,
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        **masks: Any,
    ) -> tuple[Float[Array, "batch *outputs"], State, Cache]:
        """The layer's own output."""
        y, inner, cache = layers.build(self.layer).forward(
            state["params"], state["state"], x, key=key, training=training, **masks
        )
        return y, {"params": state["params"], "state": inner}, (state["params"], cache)

    def backward(self, params: Params, cache: Cache, dy: Float[Array, "batch *outputs"]) -> tuple[Any, Params]:
        """∂L/∂x of the layer; no gradients."""
        frozen, inner = cache
        dx, _ = layers.build(self.layer).backward(frozen, inner, dy)
        return dx, {}
