"""Padded steps of a sequence kept apart when its numbers are scaled."""

from typing import Any

import numpy as np


def keep_padding(xp: Any, x: Any, scaled: Any, padding: Any) -> Any:
    """Scaled sequences in which padding, and nothing else, still has the value of padding.

    ``padding`` holds the features of a padded step, all alike; ``xp`` is ``numpy`` or ``jax.numpy``.

    Example:
        >>> x, padding = np.array([[3.0, 5.0, -1.0]], np.float32), np.array([-1.0], np.float32)
        >>> keep_padding(np, x, x - 4, padding).round(3).tolist()  # 3 − 4 is a hair beside the value of padding
        [[-1.0, 1.0, -1.0]]
    """
    padding = padding.astype(scaled.dtype)
    steps = x.reshape(x.shape[0], -1, padding.shape[0]).astype(scaled.dtype)
    padded = (steps == xp.broadcast_to(padding, steps.shape)).all(axis=-1, keepdims=True)
    padded = xp.broadcast_to(padded, steps.shape).reshape(x.shape)
    value = xp.broadcast_to(padding[0], x.shape)
    small = np.finfo(scaled.dtype)
    beside = xp.where(value == 0, xp.asarray(float(small.tiny), scaled.dtype), value * (1 + 2 * float(small.eps)))
    return xp.where(padded, value, xp.where(scaled == value, beside, scaled))
