"""The code of an autoencoder."""

from typing import Literal

import jax.numpy as jnp

from pellucid.core.types import Array, Bool, Cache, Params, Shape, Specification, State
from pellucid.functions.regularizers import Sparsity, sparsities
from pellucid.layers.layer import AnyKey, Layer, Units, layers, specified


@layers.register("code")
class Code(Layer):
    """Mark an autoencoder's code; optionally penalise its activity.

    Formula:
        y = a; backward dx = dy + ∂penalty/∂a

    The outputs pass unchanged. A sparsity penalty P(a) is added to the objective of training (not to the loss
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

    sparsity: Sparsity | Specification | None = specified(None, sparsities)
    precise = True
    depends_on_batch = True
    linear = True
    formula = "unchanged"

    @property
    def masks(self) -> Literal["passes"] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A penalty is of the activations of all steps together."""
        return "passes" if self.sparsity is None else None

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {} if self.sparsity is None else {"penalty": jnp.zeros((), jnp.float32)}, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Units,
        *,
        key: AnyKey = None,
        training: bool = False,
        sample_mask: Bool[Array, " batch"] | None = None,
    ) -> tuple[Units, State, Cache]:
        if self.sparsity is None or not training:
            return x, state, None
        counts = jnp.ones(len(x), x.dtype) if sample_mask is None else sample_mask.astype(x.dtype)
        fractions = counts / jnp.maximum(counts.sum(), 1)
        penalty = sparsities.build(self.sparsity).penalty(x.reshape(len(x), -1), fractions)
        return x, {"penalty": penalty}, (x, fractions)

    def backward(self, params: Params, cache: Cache, dy: Units) -> tuple[Units, Params]:
        if cache is None:
            return dy, {}
        a, fractions = cache
        gradient = sparsities.build(self.sparsity).gradient(a.reshape(len(a), -1), fractions)
        return dy + gradient.reshape(a.shape), {}
