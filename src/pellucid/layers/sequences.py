"""Masks of the steps of sequences."""

import jax.numpy as jnp

from pellucid.core.types import Array, Bool, Shape


def real_in_all(masks: tuple[Bool[Array, "batch ..."] | None, ...]) -> Bool[Array, "batch ..."] | None:
    """Combine masks: True where all are True; None stands for no padding.

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
