"""Backpropagation through whole networks against `jax.grad`, the derivative of the library underneath."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import InvalidValue, ShapeError, UnknownName
from pellucid.functions.losses import losses
from pellucid.layers import Activation, Dense, Dropout, Flatten, Layer
from pellucid.network import Network, backpropagate, summarize

PAIRS = [
    ("softmax", "categorical_cross_entropy"),
    ("softmax", "sparse_categorical_cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "mean_squared_error"),
    ("sigmoid", "mean_squared_error"),
    ("linear", "mean_squared_error"),
    ("linear", "mean_absolute_error"),
    ("linear", "huber"),
    ("linear", "log_cosh"),
    ("linear", "softmax_cross_entropy"),
    ("linear", "sparse_softmax_cross_entropy"),
    ("linear", "sigmoid_binary_cross_entropy"),
    ("softmax", "kl_divergence"),
    ("linear", "wasserstein"),
]


def targets(loss, rng, rows=6, outputs=3):
    labels = rng.integers(0, outputs, rows)
    if loss.target_kind == "classes":
        return jnp.asarray(labels)
    if loss.target_kind == "one_hot":
        return jnp.asarray(np.eye(outputs)[labels])
    if "binary" in loss.name:
        return jnp.asarray(rng.integers(0, 2, (rows, outputs)), jnp.float64)
    return jnp.asarray(rng.normal(size=(rows, outputs)))


@pytest.mark.parametrize(("activation", "name"), PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_equal_those_of_jax(activation, name, reduction, rng, float64):
    loss = losses.build({"name": name, "reduction": reduction})
    network = Network(Dense(5, "tanh"), Dropout(0.3), Dense(4, "gelu"), Dense(3, activation))
    params, state, _ = network.init(jax.random.key(1), (4,))
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    x, y, key = jnp.asarray(rng.normal(size=(6, 4))), targets(loss, rng), jax.random.key(2)
    weights = jnp.asarray(rng.uniform(0.1, 2.0, 6))

    def value(params, x):
        prediction = network.forward(params, state, x, key=key, training=True).outputs[-1]
        return loss(prediction, y, weights)

    result = backpropagate(network, loss, params, state, x, y, weights, key=key)
    expected, grads = jax.value_and_grad(value)(params, x)
    np.testing.assert_allclose(result.loss, expected, rtol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12), result.grads, grads)


def test_deltas_are_the_gradients_of_every_output(float64, rng):
    """∂L/∂z and ∂L/∂a of each layer, by adding a small disturbance to that layer's output."""
    network = Network(Dense(4, "sigmoid"), Dense(2, "linear"))
    loss = losses.build("mean_squared_error")
    params, state, _ = network.init(jax.random.key(0), (3,))
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    x, y = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(5, 2)))
    result = backpropagate(network, loss, params, state, x, y, jnp.ones(5))
    for i, delta in enumerate(result.deltas):
        rest = network.layers[i + 1 :]

        def value(output, rest=rest, i=i):
            for j, layer in enumerate(rest, i + 1):
                output, _, _ = layer.forward(params[j], state[j], output, key=None, training=True)
            return loss(output, y)

        np.testing.assert_allclose(delta, jax.grad(value)(result.outputs[i]), rtol=1e-9, atol=1e-12)


def test_extreme_logits_leave_finite_gradients():
    network = Network(Dense(3, "softmax"))
    params = ({"weights": jnp.full((2, 3), 1e4).at[:, 1].set(-1e4), "biases": jnp.zeros(3)}, {})
    loss = losses.build("sparse_categorical_cross_entropy")
    result = backpropagate(network, loss, params, ({}, {}), jnp.ones((4, 2)), jnp.array([0, 1, 2, 1]), jnp.ones(4))
    assert np.isfinite(result.loss)
    assert np.isfinite(result.grads[0]["weights"]).all()


def test_a_batch_whose_weights_are_all_zero_moves_nothing():
    network = Network(Dense(1))
    params, state, _ = network.init(jax.random.key(0), (2,))
    result = backpropagate(
        network, losses.build("mean_squared_error"), params, state, jnp.ones((3, 2)), jnp.ones((3, 1)), jnp.zeros(3)
    )
    assert float(result.loss) == 0
    assert not np.asarray(result.grads[0]["weights"]).any()


def test_weights_of_two_equal_an_example_twice(rng):
    network = Network(Dense(3, "softmax"))
    params, state, _ = network.init(jax.random.key(0), (2,))
    loss = losses.build("sparse_categorical_cross_entropy")
    x, y = jnp.asarray(rng.normal(size=(3, 2)), jnp.float32), jnp.array([0, 2, 1])
    weighted = backpropagate(network, loss, params, state, x, y, jnp.array([1.0, 2.0, 1.0]))
    twice = jnp.array([0, 1, 1, 2])
    repeated = backpropagate(network, loss, params, state, x[twice], y[twice], jnp.ones(4))
    np.testing.assert_allclose(weighted.loss, repeated.loss, rtol=1e-6)
    np.testing.assert_allclose(weighted.grads[0]["weights"], repeated.grads[0]["weights"], rtol=1e-5, atol=1e-7)


def test_a_layer_of_ones_own_trains_without_a_backward(rng):
    @dataclass(frozen=True)
    class Scale(Layer):
        name = "scale"

        def init(self, key, input_shape):
            return {"factors": jnp.ones(input_shape)}, {}, input_shape

        def forward(self, params, state, x, *, key, training):
            return x * jnp.broadcast_to(params["factors"], x.shape), state, None

    network = Network(Dense(4, "relu"), Scale(), Dense(2, "softmax"))
    params, state, _ = network.init(jax.random.key(0), (3,))
    loss = losses.build("sparse_categorical_cross_entropy")
    x, y = jnp.asarray(rng.normal(size=(5, 3)), jnp.float32), jnp.array([0, 1, 1, 0, 1])
    result = jax.jit(lambda p: backpropagate(network, loss, p, state, x, y, jnp.ones(5)))(params)
    grads = jax.grad(lambda p: loss(network.forward(p, state, x).outputs[-1], y))(params)
    np.testing.assert_allclose(result.grads[2]["factors"], grads[2]["factors"], rtol=1e-5, atol=1e-7)


def test_network_refuses_what_is_no_layer():
    with pytest.raises(InvalidValue, match="at least one layer"):
        Network()
    with pytest.raises(UnknownName, match=r"'dens'.*Did you mean 'dense'"):
        Network("dens")
    with pytest.raises(UnknownName, match=r"'rleu'.*Did you mean 'relu'"):
        Dense(3, "rleu")
    with pytest.raises(InvalidValue, match=r"Dense.units.*at least 1.*0"):
        Dense(0)
    with pytest.raises(InvalidValue, match=r"no field 'unit'.*Did you mean 'units'"):
        Network({"name": "dense", "unit": 3})
    with pytest.raises(InvalidValue, match=r"Dropout.rate.*\[0, 1\).*1"):
        Dropout(1)


def test_check_input_advises_a_batch_of_one():
    with pytest.raises(ShapeError, match=r"x\[None\]"):
        Network(Dense(2)).check_input(np.ones(3), (3,))


def test_accepting_flattens_only_before_a_dense_beginning():
    assert Network(Dense(2)).accepting((4, 4)).layers[0] == Flatten()
    assert Network(Dense(2)).accepting((4,)) == Network(Dense(2))
    assert Network(Activation("relu")).accepting((4, 4)) == Network(Activation("relu"))


def test_summary_counts_by_hand():
    summary = summarize(Network(Dense(128, "relu"), Dense(128, "relu"), Dense(10, "softmax")), (784,))
    assert summary.parameters == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10 == 118_282
    assert summary.multiply_adds == 784 * 128 + 128 * 128 + 128 * 10
    assert [row.output_shape for row in summary.rows] == [(128,), (128,), (128,), (128,), (10,), (10,)]
    assert "118,282" in str(summary)
