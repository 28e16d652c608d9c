"""The code of an autoencoder."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp

from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.sparsity import Sparsity, sparsities
from pellucid.layers.layer import Layer, layers


@layers.register("code")
@dataclass(frozen=True)
class Code(Layer):
    """Marks the activations that are an autoencoder's code, and may keep most of them low (subject 1.8, 7.9).

    Formula:
        y = a; backward dx = dy + ∂penalty/∂a

    The outputs pass unchanged. A sparsity penalty P(a) is added to what training makes small (not to the loss
    that is reported) by adding its gradient on the way back; its value is kept in the state as ``penalty``.

    Args:
        sparsity: a sparsity penalty, by name or as an object; None for none.

    Raises:
        UnknownName: no penalty of that name.

    Example:
        >>> layer = Code({"name": "l1_activity", "strength": 0.5})
        >>> y, state, cache = layer.forward({}, {}, jnp.array([[2.0, -1.0]]), training=True)
        >>> state["penalty"].item(), layer.backward({}, cache, jnp.zeros((1, 2)))[0].tolist()
        (1.5, [[0.5, -0.5]])
    """

    sparsity: Sparsity | Specification | None = None
    depends_on_batch = True

    @property
    def masks(self) -> Literal["passes"] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A penalty is of the activations of all steps together."""
        return "passes" if self.sparsity is None else None

    def __post_init__(self) -> None:
        if self.sparsity is not None:
            object.__setattr__(self, "sparsity", sparsities.build(self.sparsity))

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; the shape stays."""
        return {}, {} if self.sparsity is None else {"penalty": jnp.zeros((), jnp.float32)}, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """y = a."""
        if self.sparsity is None or not training:
            return x, state, None
        counts = jnp.ones(len(x), x.dtype) if sample_mask is None else sample_mask.astype(x.dtype)
        shares = counts / jnp.maximum(counts.sum(), 1)
        penalty = sparsities.build(self.sparsity).penalty(x.reshape(len(x), -1), shares)
        return x, {"penalty": penalty}, (x, shares)

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dx = dy + ∂penalty/∂a."""
        if cache is None:
            return dy, {}
        a, shares = cache
        gradient = sparsities.build(self.sparsity).gradient(a.reshape(len(a), -1), shares)
        return dy + gradient.reshape(a.shape), {}
