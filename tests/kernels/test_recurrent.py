"""The kernels of the recurrent layers against the layers' own loops, in float32."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import kernels
from pellucid.layers import GRU, LSTM, RNN, Bidirectional

KINDS = {
    "rnn": RNN,
    "rnn, ReLU": lambda units, **fields: RNN(units, "relu", **fields),
    "lstm": LSTM,
    "gru": GRU,
    "bidirectional": lambda units, **fields: Bidirectional(LSTM(units, **fields)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def loaded():
    library, reason = kernels.load()
    if library is None:
        pytest.skip(reason)


def passes(layer, *arguments, native=True):
    """Outputs, ∂L/∂x and gradients, by the kernels or by the definition."""

    def both(params, x, mask, dy):
        y, _, cache = layer.forward(params, {}, x, training=True, mask=mask)
        return y, *layer.backward(params, cache, dy)

    with nullcontext() if native else kernels.definitions():
        return jax.jit(both)(*arguments)


def assert_close(ours, expected):
    """Equal to 1e-5 of an array's largest value; of an array of sums that cancel, to 1e-6 of the largest of all."""
    overall = max(float(jnp.abs(b).max()) for b in jax.tree.leaves(expected))
    for (path, a), b in zip(jax.tree_util.tree_flatten_with_path(ours)[0], jax.tree.leaves(expected), strict=True):
        tolerance = max(1e-5 * float(jnp.abs(b).max()), 1e-6 * overall)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=jax.tree_util.keystr(path))


def draw(seed, kind, batch, time, features, units, sequences, masked):
    rng = np.random.default_rng(seed)
    layer = KINDS[kind](units, return_sequences=sequences)
    params = layer.init(jax.random.key(seed), (time, features))[0]
    params = jax.tree.map(lambda w: w + jnp.asarray(0.1 * rng.normal(size=w.shape), w.dtype), params)
    x = jnp.asarray(rng.normal(size=(batch, time, features)), jnp.float32)
    mask = jnp.asarray(np.arange(time) < rng.integers(0, time + 1, (batch, 1))) if masked else None
    width = units * (2 if kind == "bidirectional" else 1)
    dy = jnp.asarray(rng.normal(size=(batch, time, width) if sequences else (batch, width)), jnp.float32)
    return layer, params, x, mask, dy


@every_kind
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    batch=st.integers(1, 27),
    time=st.integers(1, 7),
    features=st.integers(1, 19),
    units=st.sampled_from((1, 3, 8, 16, 31, 33, 64)),
    sequences=st.booleans(),
    masked=st.booleans(),
)
def test_kernel_equals_the_loop_of_the_layer(kind, seed, batch, time, features, units, sequences, masked):
    layer, *arguments = draw(seed, kind, batch, time, features, units, sequences, masked)
    assert_close(passes(layer, *arguments), passes(layer, *arguments, native=False))


@every_kind
def test_large_batches_take_several_threads_and_the_same_bits(kind):
    layer, *arguments = draw(0, kind, 130, 9, 28, 40, False, True)
    first, again = (passes(layer, *arguments) for _ in range(2))
    assert_close(first, passes(layer, *arguments, native=False))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


@every_kind
def test_networks_side_by_side_equal_one_after_another(kind):
    drawn = [draw(seed, kind, 5, 4, 3, 6, True, False) for seed in range(3)]
    layer, x, dy = drawn[0][0], drawn[0][2], drawn[0][4]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(params for _, params, *_ in drawn))
    together = jax.vmap(lambda params: passes(layer, params, x, None, dy))(stack)
    for i, (_, params, *_) in enumerate(drawn):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), passes(layer, params, x, None, dy))


@every_kind
def test_not_a_number_is_passed_on(kind):
    layer, params, x, mask, dy = draw(0, kind, 3, 4, 2, 5, False, False)
    arguments = params, x.at[1, 2, 0].set(jnp.nan), mask, dy
    ours, expected = (passes(layer, *arguments, native=native) for native in (True, False))
    assert np.isnan(ours[0][1]).all()
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


@every_kind
def test_derivative_of_the_pass_is_that_of_the_definition(kind):
    layer, params, x, mask, dy = draw(0, kind, 3, 4, 2, 5, True, False)

    def squares(native):
        return jax.grad(lambda x: (passes(layer, params, x, mask, dy, native=native)[1] ** 2).sum())(x)

    np.testing.assert_allclose(squares(True), squares(False), rtol=1e-4, atol=1e-5)
