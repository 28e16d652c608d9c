"""Every layer against the same laws: as its class says of itself (`Layer.example`), and in the rows below."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_rows import BATCH, OWN, ROWS, assert_close, derive, predict, set_up, train
from pellucid.core.errors import ShapeError
from pellucid.core.registry import describe
from pellucid.layers import Activation, Dense, Dropout, Layer, Reshape, layers
from pellucid.network import Network, build_network
from pellucid.training import from_arrays, to_arrays

every_layer = pytest.mark.parametrize("row", ROWS, ids=str)


def test_the_table_has_every_layer():
    assert {row.layer.name for row in ROWS} == set(OWN)


@every_layer
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_backward_equals_the_vjp_of_forward(row, seed):
    arrays = set_up(row, seed)
    assert_close(train(row, *arrays), derive(row, *arrays))


@every_layer
def test_backward_equals_finite_differences(row, float64):
    if row.layer == Activation("step") or row.oracle is not None:
        pytest.skip("a step has no gradient to difference across its jump")
    params, state, x, dy, key = set_up(row, dtype=jnp.float64)
    if row.inputs is None:
        x = jax.tree.map(lambda x: jnp.where(jnp.abs(x) < 1e-3, 0.5, x), x)  # away from the kinks at 0
    _, _, dx, grads = train(row, params, state, x, dy, key)

    def value(params, x):
        y, penalty, _, _ = train(row, params, state, x, dy, key)
        return (y * dy).sum() + penalty

    step = 1e-6
    direction = jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape), (params, x))
    if row.inputs is not None:
        direction = (direction[0], jnp.zeros_like(x))
    ahead, behind = (jax.tree.map(lambda a, d, s=s: a + s * step * d, (params, x), direction) for s in (1, -1))
    measured = (value(*ahead) - value(*behind)) / (2 * step)
    predicted = sum(
        (g * d).sum() for g, d in zip(jax.tree.leaves((grads, dx)), jax.tree.leaves(direction), strict=True)
    )
    np.testing.assert_allclose(predicted, measured, rtol=1e-6, atol=1e-8)


@every_layer
def test_a_batch_equals_its_examples_one_by_one(row):
    params, state, x, _, _ = set_up(row)
    together = predict(row, params, state, x)
    alone = [predict(row, params, state, jax.tree.map(lambda x, i=i: x[i : i + 1], x)) for i in range(len(together))]
    np.testing.assert_allclose(together, jnp.concatenate(alone), rtol=1e-6, atol=1e-6)


@every_layer
def test_survives_scan_and_vmap(row):
    params, state, x, dy, key = set_up(row)
    expected = train(row, params, state, x, dy, key)
    stacked = jax.tree.map(lambda x: jnp.stack([x, x]), x)

    def step(x):
        return train(row, params, state, x, dy, key)

    twice = jax.tree.map(lambda x: jnp.stack([x, x]), stacked)
    _, outcome = jax.lax.scan(lambda carry, x: (carry, jax.vmap(step)(x)), 0, twice)
    assert_close(jax.tree.map(lambda a: a[1, 1], outcome), expected)


@every_layer
def test_keeps_the_dtype(row, float64):
    outcome = train(row, *set_up(row, dtype=jnp.float64))
    assert all(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(outcome))


@every_layer
@pytest.mark.parametrize("training", [False, True], ids=["predicting", "training"])
def test_stays_in_float32_where_jax_may_use_more(row, training, float64):
    """A layer is drawn in float32, and a training loop needs the state that it was begun with."""
    one = row.layer.inputs == 1
    shapes = (row.input_shape,) if one else row.input_shape
    x = tuple(jax.ShapeDtypeStruct((BATCH, *shape), jnp.float32) for shape in shapes)
    x = x[0] if one else x

    def passes(key, x):
        params, state, _ = row.layer.init(key, row.input_shape)
        y, new_state, cache = row.layer.forward(params, state, x, key=key, training=training)
        return params, state, new_state, y, row.layer.backward(params, cache, y) if training else ()

    params, state, new_state, *others = jax.eval_shape(passes, jax.random.key(0), x)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((params, state, new_state, others)))
    assert new_state == state


@every_layer
def test_saves_and_loads_to_the_same_bits(row):
    params, state, *_ = set_up(row)
    again = from_arrays((params, state), to_arrays((params, state)))
    jax.tree.map(np.testing.assert_array_equal, again, (params, state))


@every_layer
def test_its_description_builds_it_again(row):
    assert layers.build(describe(row.layer)) == row.layer
    names = tuple(f"x{i}" for i in range(len(row.input_shape)))
    network = (
        Network(row.layer)
        if row.layer.inputs == 1
        else Network.graph(inputs=names, nodes={"y": (row.layer, names)}, outputs="y")
    )
    assert build_network(network.describe()) == network


@every_layer
def test_says_its_output_shape(row):
    params, state, x, _, _ = set_up(row)
    _, _, output_shape = row.layer.init(jax.random.key(0), row.input_shape)
    assert predict(row, params, state, x).shape == (BATCH, *output_shape)


def test_dense_refuses_inputs_of_another_width():
    params, state, _ = Dense(3).init(jax.random.key(0), (4,))
    with pytest.raises(ShapeError, match=r"Dense.*4.*5"):
        Dense(3).forward(params, state, jnp.ones((2, 5)))


def test_reshape_refuses_another_size():
    with pytest.raises(ShapeError, match=r"\(5,\).*\(2, 3\)"):
        Reshape((2, 3)).init(None, (5,))


def test_dropout_drops_its_share_and_keeps_the_mean():
    x = jnp.ones((200, 500))
    y, _, _ = Dropout(0.3).forward({}, {}, x, key=jax.random.key(0), training=True)
    assert abs(float((y == 0).mean()) - 0.3) < 0.01
    assert abs(float(y.mean()) - 1.0) < 0.01


def test_a_layer_without_backward_has_it_derived():
    @dataclass(frozen=True)
    class Squared(Layer):
        name = "squared"

        def init(self, key, input_shape):
            return {"weights": jnp.full(input_shape, 2.0)}, {}, input_shape

        def forward(self, params, state, x, *, key, training):
            return x * x * jnp.broadcast_to(params["weights"], x.shape), state, None

    params, state, _ = Squared().init(None, (3,))
    x = jnp.array([[1.0, 2.0, 3.0]])
    y, _, cache = Squared().forward(params, state, x, key=None, training=True)
    dx, grads = Squared().backward(params, cache, jnp.ones_like(y))
    np.testing.assert_allclose(dx, 4 * x)
    np.testing.assert_allclose(grads["weights"], (x * x)[0])
