"""Dot-product attention."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.constraints import Interval, constrained
from pellucid.core.errors import ShapeError
from pellucid.core.precision import wide
from pellucid.core.types import Array, Bool, Cache, Float, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, layers

Query = Float[Array, "batch queries features"]
Keys = Float[Array, "batch steps features"]


class Attended(NamedTuple):
    """The cache of a forward pass of `Attention`."""

    query: Query
    keys: Keys
    weights: Float[Array, "batch queries steps"]
    """Attention of each query to each key step: rows sum to 1, or to 0 where all steps are masked."""


@layers.register("attention")
class Attention(Layer):
    """Dot-product attention of a query on a sequence whose steps are keys and values at once.

    Formula:
        scores S = s · Q·Kᵀ, weights A = softmax over the steps of S, context C = A·K, with s = 1/√features;
        backward dA = dC·Kᵀ, dS = A ⊙ (dA − Σ_steps A ⊙ dA), dQ = s · dS·K, dK = Aᵀ·dC + s · dSᵀ·Q

    Reads two inputs, the query (batch, queries, features) and the keys (batch, steps, features). It has no
    parameters: projections are `Dense` layers before it. Query and keys may be the same node (self-attention).

    Args:
        scaled: True for s = 1/√features, which keeps the softmax out of saturation; False for s = 1 (Luong).
        mask_value: a key step whose features all equal it is left out: its weight is 0. In a network, the steps of its
            input are meant, as for `LSTM`. None leaves out only the padding that another layer declares.

    Raises:
        ShapeError: at ``init``, when query and keys are no sequences or differ in their features.
        InvalidValue: a mask value that is not a finite number.

    Example:
        >>> query, keys = jnp.ones((1, 1, 2)), jnp.array([[[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]])
        >>> context, _, cache = Attention(mask_value=0).forward({}, {}, (query, keys))
        >>> cache.weights.tolist(), context.tolist()
        ([[[0.5, 0.5, 0.0]]], [[[1.0, 1.0]]])

    Keras's ``Attention`` scales only on request; PyTorch's ``scaled_dot_product_attention`` always does.

    Source: Luong, Pham, Manning, Effective approaches to attention-based neural machine translation, 2015;
    Vaswani et al., Attention is all you need, 2017.
    """

    scaled: bool = True
    mask_value: float | None = constrained(None, Interval(), "features of a step that is left out")

    inputs = 2
    masks = "passes"
    takes_mask = True
    formula = "softmax(s · Q·Kᵀ)·K"
    example = {"mask_value": 0.0}, ((3, 2), (4, 2))

    def output_mask(self, x: Any, mask: Any) -> Any:
        """That of the query: there is a context for each of its steps."""
        return mask[0]

    def init(self, key: AnyKey, input_shape: tuple[Shape, ...]) -> tuple[Params, State, Shape]:
        query, keys = input_shape
        if len(query) != 2 or len(keys) != 2 or query[-1] != keys[-1]:
            raise ShapeError(
                "Attention needs a query (queries, features) and keys (steps, features) of as many features. "
                f"Received: {query} and {keys}. A Dense layer before it brings them to the same width."
            )
        return {}, {}, query

    def forward(
        self,
        params: Params,
        state: State,
        x: tuple[Query, Keys],
        *,
        key: AnyKey = None,
        training: bool = False,
        mask: tuple[Bool[Array, "batch queries"] | None, Bool[Array, "batch steps"] | None] = (None, None),
    ) -> tuple[Query, State, Cache]:
        query, keys = x
        scores = wide(self._scale(query) * jnp.einsum("bqf,btf->bqt", query, keys))
        real = mask[1]
        if real is None and self.mask_value is not None:
            real = (keys != self.mask_value).any(axis=-1)
        if real is None:
            weights = jax.nn.softmax(scores, axis=-1)
        else:
            attended = jnp.broadcast_to(real[:, None, :], scores.shape)
            # The lowest finite number, not −∞: a row whose steps are all left out must not become NaN.
            weights = jax.nn.softmax(jnp.where(attended, scores, jnp.finfo(scores.dtype).min), axis=-1)
            weights = jnp.where(attended, weights, 0)
        weights = weights.astype(query.dtype)
        return jnp.einsum("bqt,btf->bqf", weights, keys), state, Attended(query, keys, weights)

    def backward(self, params: Params, cache: Cache, dy: Query) -> tuple[tuple[Query, Keys], Params]:
        query, keys, weights = cache
        shares, dweights = wide(weights), wide(jnp.einsum("bqf,btf->bqt", dy, keys))
        dscores = shares * (dweights - (shares * dweights).sum(axis=-1, keepdims=True)) * self._scale(query)
        dscores = dscores.astype(query.dtype)
        dquery = jnp.einsum("bqt,btf->bqf", dscores, keys)
        dkeys = jnp.einsum("bqt,bqf->btf", weights, dy) + jnp.einsum("bqt,bqf->btf", dscores, query)
        return (dquery, dkeys), {}

    def _scale(self, query: Array) -> float:
        return query.shape[-1] ** -0.5 if self.scaled else 1.0
