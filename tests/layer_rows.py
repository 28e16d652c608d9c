"""What the laws of the layers are checked with: an instance, a shape of its inputs, and both ways to its derivative."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.registry import describe
from pellucid.layers import Layer, layers


@dataclass(frozen=True)
class Row:
    layer: Layer
    input_shape: tuple[Any, ...]
    """A tuple of shapes for a layer that reads several arrays."""
    oracle: Callable[..., Any] | None = None
    """What stands for ``forward`` in the derivative, where the layer is not to have its own (a spike's gradient)."""
    inputs: Callable[[Any], Any] | None = None
    """Turns normal numbers into valid inputs, which are then not to be differenced (words, padding)."""

    def __str__(self) -> str:
        return f"{describe(self.layer)}"


def words(vocabulary, x):
    return jnp.clip(jnp.floor(2 * jnp.abs(x)), 0, vocabulary - 1)


def example_row(name: str) -> Row:
    """A registered layer as it says of itself."""
    fields, input_shape = layers.find(name).example
    layer = layers.build({"name": name, **fields})
    return Row(layer, input_shape, inputs=None if layer.vocabulary is None else partial(words, layer.vocabulary))


BATCH = 3


def set_up(row: Row, seed: int = 0, dtype=jnp.float32):
    rng, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed))
    params, state, output_shape = row.layer.init(keys[0], row.input_shape)
    params = jax.tree.map(lambda w: (w + 0.1).astype(dtype), params)
    state = jax.tree.map(lambda w: w.astype(dtype), state)

    def draw(shape):
        return jnp.asarray(rng.normal(size=(BATCH, *shape)), dtype)

    x = draw(row.input_shape) if row.layer.inputs == 1 else tuple(map(draw, row.input_shape))
    x = x if row.inputs is None else row.inputs(x)
    return params, state, x, draw(output_shape), keys[1]


# Compiled whole, and once for all laws: operation by operation, a loop over time would compile at every call.
@partial(jax.jit, static_argnums=0)
def train(row: Row, params, state, x, dy, key):
    """Output, penalty, dx and grads by the layer's own forward and backward."""
    y, new_state, cache = row.layer.forward(params, state, x, key=key, training=True)
    return y, new_state.get("penalty", jnp.zeros((), y.dtype)), *row.layer.backward(params, cache, dy)


@partial(jax.jit, static_argnums=0)
def derive(row: Row, params, state, x, dy, key):
    """The same by `jax.vjp`."""

    def outputs(params, x):
        y, new_state, _ = (row.oracle or row.layer.forward)(params, state, x, key=key, training=True)
        return y, new_state.get("penalty", jnp.zeros((), y.dtype))

    (y, penalty), pull_back = jax.vjp(outputs, params, x)
    grads, dx = pull_back((dy, jnp.ones((), y.dtype)))
    return y, penalty, dx, grads


@partial(jax.jit, static_argnums=0)
def predict(row: Row, params, state, x):
    return row.layer.forward(params, state, x, key=None, training=False)[0]


def assert_close(ours, theirs, rtol=1e-5, atol=1e-5):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), ours, theirs)
