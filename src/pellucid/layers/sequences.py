"""Sequences through time: masks of their steps, and the base of the recurrent layers.

A recurrence is a loop whose step needs the state of the step before. Only ``h·R`` has to be in that loop. What does not
depend on the state is computed for all times in one matrix product: the input projections before the loop, and the
gradients of the weights after the loop that goes backward. Arrays here are time-major, (time, batch, …), so that the
arrays of one step lie together in memory.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, Bool, Float, Shape

Steps: TypeAlias = Float[Array, "time batch _"]
Real: TypeAlias = Bool[Array, "time batch 1"]
"""False where a time step of an example is padding."""


def real_in_all(masks: tuple[Bool[Array, "batch ..."] | None, ...]) -> Bool[Array, "batch ..."] | None:
    """The steps that are real in each of several arrays; one without a mask (None) has no padding.

    Example:
        >>> real_in_all((jnp.array([[True, True]]), None, jnp.array([[True, False]]))).tolist()
        [[True, False]]
    """
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    shape = max((mask.shape for mask in given), key=len)
    real = jnp.ones(shape, bool)
    for mask in given:
        real = real & broadcast_mask(mask, shape)
    return real


def broadcast_mask(mask: Bool[Array, "batch ..."], shape: Shape) -> Bool[Array, "..."]:
    """A mask for arrays of ``shape``, whose first axes are those of the mask."""
    return jnp.broadcast_to(mask.reshape(*mask.shape, *(1,) * (len(shape) - mask.ndim)), shape)


def keep(real: Array | None, new: Array, old: Array) -> Array:
    """``new`` at real steps, ``old`` at padding."""
    return new if real is None else jnp.where(real, new, old)


def time_major(x: Float[Array, "first second units"]) -> Float[Array, "second first units"]:
    """(batch, time, units) to (time, batch, units), or back."""
    return jnp.swapaxes(x, 0, 1)


def project(x: Steps, weights: Array, biases: Array) -> Steps:
    """``x·W + b`` for all times in one product."""
    z = x.reshape(-1, x.shape[2]) @ weights
    return (z + jnp.broadcast_to(biases, z.shape)).reshape(*x.shape[:2], -1)


def project_back(dz: Steps, weights: Array) -> Steps:
    """``dz·Wᵀ`` for all times in one product."""
    return (dz.reshape(-1, dz.shape[2]) @ weights.T).reshape(*dz.shape[:2], -1)


def gradient(x: Steps, dz: Steps) -> Float[Array, "inputs gates"]:
    """``Σ_t x_tᵀ·dz_t`` in one product."""
    return x.reshape(-1, x.shape[2]).T @ dz.reshape(-1, dz.shape[2])


def recurrent_gradient(h: Steps, dz: Steps) -> Float[Array, "inputs gates"]:
    """``Σ_t h_{t−1}ᵀ·dz_t`` in one product; the state before the first step is 0 and adds nothing."""
    return gradient(h[:-1], dz[1:])


def before(h: Steps) -> Steps:
    """The states before each step: 0, then all but the last."""
    return jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])


def real_steps(x: Steps, mask_value: float | None, mask: Bool[Array, "batch time"] | None) -> Real | None:
    """The steps that are not padding; None where there is no padding.

    Those of ``mask``; where a layer is used without a network, which carries the mask, those with a feature unlike
    ``mask_value``.
    """
    if mask is not None:
        return mask.T[..., None]
    return None if mask_value is None else (x != mask_value).any(axis=2, keepdims=True)


def scan_back(
    step: Callable[[Any, Any], tuple[Any, Any]], dy: Array, real: Array | None, arrays: Any, *carried: Array
) -> Any:
    """The loop from the last step to the first.

    Args:
        step: from the carry (∂L/∂h, …) and the arrays of one time to the carry one time earlier and what to keep.
        dy: ∂L/∂y, (batch, time, units) or, of the last state alone, (batch, units).
        real: the steps that are not padding.
        arrays: the arrays of all times.
        carried: what is carried beside ∂L/∂h, as it is after the last step.

    Returns:
        What ``step`` kept, for all times.
    """
    if dy.ndim == 2:
        return jax.lax.scan(step, (dy, *carried), arrays, reverse=True)[1]
    dys = time_major(dy)
    dys = keep(real, dys, jnp.zeros_like(dys))

    def add_gradient(carry: Any, arrays: Any) -> tuple[Any, Any]:
        dy, arrays = arrays
        return step((carry[0] + dy, *carry[1:]), arrays)

    return jax.lax.scan(add_gradient, (jnp.zeros_like(dys[0]), *carried), (dys, arrays), reverse=True)[1]
