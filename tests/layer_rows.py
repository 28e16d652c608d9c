"""What the laws of the layers are checked with: an instance, a shape of its inputs, and both ways to its derivative."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.registry import describe
from pellucid.functions.activations import activations
from pellucid.layers import (
    LSTM,
    RNN,
    Activation,
    Add,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Code,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LeakyIntegrateAndFire,
    MaxPool2D,
    layers,
)


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


def spiking_oracle(leak, threshold, sharpness):
    """A spiking layer, reset to zero, with the surrogate gradient for the step, unrolled in time, for JAX to derive."""

    @jax.custom_jvp
    def step(z):
        return jnp.heaviside(z, jnp.ones((), z.dtype))

    @step.defjvp
    def _(primals, tangents):
        (z,), (dz,) = primals, tangents
        return step(z), dz / (sharpness * jnp.abs(z) + 1) ** 2

    def forward(params, state, x, *, key, training):
        potential, spikes = jnp.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            before = jax.lax.stop_gradient(spikes[-1]) if spikes else jnp.zeros_like(potential)
            potential = leak * jnp.where(before == 1, 0, potential) + x[:, t]
            spikes.append(step(potential - threshold))
        return jnp.stack(spikes, axis=1), state, None

    return forward


def padded(x):
    """The second example ends after one step, the others after three."""
    lengths = jnp.where(jnp.arange(len(x)) == 1, 1, 3)
    return jnp.where((jnp.arange(x.shape[1])[None] < lengths[:, None])[..., None], x, 0)


BY_HAND = [
    Row(Dense(1, use_biases=False), (5,)),
    Row(Dense(4), (6, 3)),
    Row(Dropout(0.0), (2, 3)),
    Row(Flatten(), (3,)),
    Row(Conv2D(6, (2, 3), stride=(2, 1), padding="same", groups=2, use_biases=False), (5, 4, 4)),
    Row(Conv2D(4, 3, groups=2, dilation=2), (6, 5, 2)),
    Row(Conv1D(3, 3, stride=2), (8, 2)),
    Row(ConvTranspose2D(4, 3, stride=2, padding="same"), (3, 2, 2)),
    Row(ConvTranspose1D(4, 2, stride=3, groups=2), (4, 4)),
    Row(MaxPool2D(3, stride=2, padding="same"), (5, 4, 2)),
    Row(AveragePool2D(2, padding="same"), (5, 4, 2)),
    Row(AveragePool1D(3, stride=1), (5, 2)),
    Row(Code({"name": "l1_activity", "strength": 0.3}), (2, 3)),
    Row(Code({"name": "kl_activity", "target": 0.2, "strength": 0.3}), (4,), inputs=jax.nn.sigmoid),
    *[Row(Activation(name), (4,)) for name in activations],
    Row(Activation({"name": "leaky_relu", "alpha": 0.2}), (2, 3)),
    Row(BatchNorm(scale=False, shift=False), (3, 2, 4)),
    Row(LayerNorm(scale=False, shift=False), (4,)),
    Row(Add(), ((3,), (3,), (3,))),
    Row(LeakyIntegrateAndFire(leak=0.7, threshold=0.5, reset="zero"), (4, 3), spiking_oracle(0.7, 0.5, 5.0)),
    Row(RNN(3, "sigmoid", return_sequences=True, mask_value=0.0), (4, 2), inputs=padded),
    Row(LSTM(3, mask_value=0.0), (4, 2), inputs=padded),
    Row(Bidirectional(LSTM(3, return_sequences=True, mask_value=0.0)), (4, 2), inputs=padded),
]
OWN = [name for name in layers if layers.find(name).__module__.startswith("pellucid.")]
ROWS = BY_HAND + [row for row in map(example_row, OWN) if row.layer not in [by_hand.layer for by_hand in BY_HAND]]

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
