"""A moving average of the weights, to predict with."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, PyTree
from pellucid.optimizers import dtype_of
from pellucid.training.stopping import Learned


class Average(NamedTuple):
    """The exponential moving average of the weights over the steps, corrected for its beginning.

    Formula:
        θ̄ ← θ̄ + (θ − θ̄) · (1 − d) / (1 − dᵗ) after step t, which is Σᵢ (1 − d) · dᵗ⁻ⁱ · θᵢ / (1 − dᵗ)

    The initial weights have no part in it. What the layers carry, such as the running mean and variance of a batch
    normalisation, is averaged alike, so that it stays that of the weights.

    Where other libraries differ: Optax's ``ema`` is the same; PyTorch's ``AveragedModel`` with ``get_ema_multi_avg_fn``
    begins with the first weights and does not correct for it, and averages buffers only where it is told to.

    Source: Polyak, Juditsky, Acceleration of stochastic approximation by averaging, 1992; Kingma, Ba, Adam, 2015 (the
    correction).
    """

    decay: Array
    """d, above 0 and below 1: the average is over about the last 1 / (1 − d) steps."""
    learned: Learned

    @staticmethod
    def begin(decay: float, params: PyTree, layer_state: PyTree) -> "Average":
        """The average before the first step, which replaces it."""
        return Average(jnp.asarray(decay, dtype_of(params)), Learned(params, layer_state))

    def follow(self, step: Array, params: PyTree, layer_state: PyTree) -> "Average":
        """The average after step number ``step``, counted from 0."""
        # By the logarithm both differences from 1 keep their digits, and in the first step their quotient is 1.
        log = jnp.log(self.decay)
        part = jnp.expm1(log) / jnp.expm1((step + 1).astype(log.dtype) * log)

        def towards(mean: Any, new: Array) -> Array:
            if not jnp.issubdtype(new.dtype, jnp.floating):
                return new
            return mean + (new - mean) * part.astype(new.dtype)

        return self._replace(learned=jax.tree.map(towards, self.learned, Learned(params, layer_state)))
