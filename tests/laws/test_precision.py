"""Every layer, loss and optimiser in float64 and in bfloat16, against float32."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from laws.test_layers import ROWS
from laws.test_losses import ITEMS, SHAPE, draw
from layer_rows import set_up
from pellucid.core.precision import cast
from pellucid.layers import Dense
from pellucid.network import Network, backpropagate
from pellucid.optimizers import optimizers

UNIT = {"float32": 2.0**-24, "bfloat16": 2.0**-8}
"""Half the distance from 1 to the next number: the relative error of one rounding."""


def network_of(row):
    if row.layer.inputs == 1:
        return Network(row.layer)
    names = tuple(f"x{i}" for i in range(len(row.input_shape)))
    return Network.graph(inputs=names, nodes={"y": (row.layer, names)}, outputs="y")


@partial(jax.jit, static_argnums=0)
def passed(network, params, state, x, dy, key):
    """Outputs, state, ∂L/∂x and gradients of one pass in training."""
    forward = network.forward((params,), (state,), x, key=key, training=True)
    backward = network.backward((params,), forward.caches, {0: dy})
    return forward.outputs[0], forward.state, backward.dx, backward.grads


def roundings(row):
    """Most roundings of a number on its way through the layer.

    Eight: of input and weight, of their product, the sum and the activation, and going back of gradient, product and
    sum; a recurrent layer makes them at each of its steps.
    """
    params, *_ = jax.eval_shape(lambda: row.layer.init(jax.random.key(0), row.input_shape)[:2])
    recurrent = "recurrent" in str(params) or row.layer.surrogate
    return 8 * (row.input_shape[0] if recurrent else 1)


def error(ours, theirs):
    """Largest difference of two trees, for each array relative to its largest number."""
    worst = 0.0
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if a.size:
            worst = max(worst, float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)))
    return worst


def dtypes(*trees):
    return {leaf.dtype.name for leaf in jax.tree.leaves(trees)}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_layers(row):
    """Outputs, states and gradients are those of float32 up to rounding; weights, gradients and states stay wide."""
    arrays = set_up(row)
    network = network_of(row)
    expected = passed(network, *arrays)
    reduced = passed(network.in_precision("bfloat16"), *arrays)
    assert dtypes(reduced) == {"float32"}
    assert error(reduced, expected) <= roundings(row) * UNIT["bfloat16"]
    with jax.enable_x64(True):
        *wide, key = arrays
        double = passed(network.in_precision("float64"), *cast(wide, jnp.float64), key)
        assert dtypes(double) == {"float64"}
        assert error(expected, double) <= 2 * roundings(row) * UNIT["float32"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
def test_layers_begin_with_the_same_weights(precision):
    network = Network(Dense(3, "relu"), Dense(2, "softmax"))
    expected = network.init(jax.random.key(0), (4,))[0]
    with jax.enable_x64(precision == "float64"):
        params, *_ = network.in_precision(precision).init(jax.random.key(0), (4,))
        assert dtypes(params) == {"float64" if precision == "float64" else "float32"}
    jax.tree.map(np.testing.assert_array_equal, params, expected)


@pytest.mark.parametrize("loss", ITEMS, ids=str)
def test_losses(loss):
    """A loss reads float32 whatever the layers compute in: its gradient differs as far as the prediction does."""
    prediction, target = draw(loss, np.random.default_rng(0), SHAPE)
    network, ones = Network("flatten"), jnp.ones(len(prediction))

    def whole(network, dtype=jnp.float32):
        x = jnp.asarray(prediction, dtype)
        return backpropagate(network, loss, ({},), ({},), x, target, ones.astype(dtype))

    expected = jax.jit(partial(whole, network))()
    reduced = jax.jit(partial(whole, network.in_precision("bfloat16")))()
    assert dtypes(reduced.loss, reduced.deltas) == {"float32"}
    np.testing.assert_array_equal(reduced.loss, expected.loss)
    with jax.enable_x64(True):
        double = jax.jit(partial(whole, network.in_precision("float64"), jnp.float64))()
        assert dtypes(double.loss, double.deltas) == {"float64"}
        assert error((expected.loss, expected.deltas), (double.loss, double.deltas)) <= 64 * UNIT["float32"]


@pytest.mark.parametrize("name", list(optimizers))
def test_optimizers(name):
    """Parameters and running averages have the precision of the weights, and its updates those of float32."""
    rule = optimizers.build({"name": name, "learning_rate": 0.1})
    network, rng = Network(Dense(3)), np.random.default_rng(0)
    grads = [{"weights": rng.normal(size=(2, 3)), "biases": rng.normal(size=3)} for _ in range(5)]

    def trained(precision):
        wide = network.in_precision(precision)
        params, *_ = wide.init(jax.random.key(0), (2,))
        state = rule.init(params)
        for gradient in grads:
            given = (jax.tree.map(partial(jnp.asarray, dtype=wide.dtype), gradient),)
            params, state, *_ = rule.update(given, state, params)
        assert dtypes(params, state.slots) == {wide.dtype.name}
        return params

    expected = trained("float32")
    jax.tree.map(np.testing.assert_array_equal, trained("bfloat16"), expected)
    with jax.enable_x64(True):
        assert error(expected, trained("float64")) <= 100 * UNIT["float32"]
