"""What a loss reads: by its own word, and where a custom loss gives none by its values and gradients."""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from pellucid.functions.losses import Loss, Reads

CLASSES = 3
"""Of the example that a loss of classes is probed with; the first one is true."""


def _declares(loss: Loss, name: str) -> bool:
    classes = type(loss).__mro__[: type(loss).__mro__.index(Loss)]
    return type(loss).__module__.startswith("pellucid.functions.") or any(name in vars(cls) for cls in classes)


def _probe(loss: Loss, output: float, truth: float) -> tuple[float, float]:
    """The value of one example, and the derivative at the output that is probed; NaN where neither can be taken."""
    if loss.target_kind == "numbers":
        prediction, target = jnp.full((1, 1), output, jnp.float32), jnp.full((1, 1), truth, jnp.float32)
    else:
        prediction = jnp.full((1, CLASSES), 0.3, jnp.float32).at[0, 0].set(output)
        one_hot = jnp.zeros((1, CLASSES), jnp.float32).at[0, 0].set(1.0)
        target = one_hot if loss.target_kind == "one_hot" else jnp.zeros(1, jnp.int32)
    try:
        value, gradient = loss.value(prediction, target), loss.gradient(prediction, target)
        return float(np.asarray(value)[0]), float(np.asarray(gradient).reshape(-1)[0])
    except Exception:  # a custom loss may need another shape: then nothing is known of it
        return np.nan, np.nan


@lru_cache(maxsize=256)
def reads_of(loss: Loss) -> Reads:
    """What predictions mean to a loss.

    A custom loss that does not declare ``reads`` is probed on one example whose truth is yes. Where it is undefined or
    flat for outputs below 0, but falls between 0 and 1, it takes probabilities. Where it falls for ever it takes
    logits; where it comes to rest above 1, margins. What has its minimum at the truth, or cannot be
    probed, takes numbers.
    """
    if _declares(loss, "reads"):
        return loss.reads
    outputs = (-2.0, -1.0, 0.2, 0.8, 5.0, 8.0)
    low, lower, inside, further, far, farther = (_probe(loss, output, 1.0)[0] for output in outputs)
    if not further < inside:
        return "numbers"
    if not np.isfinite([low, lower]).all() or low == lower:
        return "probabilities"
    if farther < far < further:
        return "logits"
    return "margins" if farther == far < further else "numbers"


@lru_cache(maxsize=256)
def is_distance(loss: Loss) -> bool:
    """Whether a loss depends on prediction − target alone, by its own word or by shifted examples."""
    if loss.of_difference or _declares(loss, "of_difference") or loss.target_kind != "numbers":
        return loss.of_difference
    pairs = [(_probe(loss, 0.3 + shift, shift)[0], _probe(loss, -0.7 + shift, shift)[0]) for shift in (0.0, 1.0)]
    return bool(np.allclose(pairs[0], pairs[1], rtol=1e-4, atol=1e-6))


@lru_cache(maxsize=256)
def has_constant_gradient(loss: Loss) -> bool:
    """Whether the gradient of a distance is as large for a small mistake as for a large one."""
    small, large = (abs(_probe(loss, mistake, 0.0)[1]) for mistake in (0.05, 0.95))
    return is_distance(loss) and small > 0 and bool(np.isclose(small, large, rtol=1e-3))


def threshold_of(loss: Loss) -> float:
    """Above which an output means yes: 0 of logits and margins, one half of probabilities."""
    return 0.0 if reads_of(loss) in ("logits", "margins") else loss.threshold
