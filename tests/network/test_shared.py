"""One layer used twice: its parameters are stored once, its gradients add up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.losses import MeanSquaredError
from pellucid.layers import Add, BatchNorm, Concatenate, Dense, Dropout, Frozen
from pellucid.network import Network, arrays_by_layer, backpropagate, build_network, freeze, summarize

DENSE, NORM, DROP = Dense(4, "tanh"), BatchNorm(), Dropout(0.5)
SHAPES = ((3,), (3,))


def twins(first, second, *, norm=True):
    nodes = {"a": (first, "x"), "b": (second, "y"), "both": (Concatenate(), ("a", "b")), "end": (Dense(1), "both")}
    if norm:
        nodes |= {"na": (NORM, "a"), "nb": (NORM, "b"), "both": (Concatenate(), ("na", "nb"))}
    return Network.graph(inputs=("x", "y"), nodes=nodes, outputs="end")


BY_OBJECT = twins(DENSE, DENSE)
BY_NAME = twins(DENSE, {"name": "shared", "layer": "a"})


def test_the_same_object_and_a_name_share_and_equal_layers_do_not():
    assert BY_OBJECT == BY_NAME
    assert {BY_OBJECT.names[i]: BY_OBJECT.names[owner] for i, owner in BY_OBJECT.shares} == {"b": "a", "nb": "na"}
    assert twins(Dense(4, "tanh"), Dense(4, "tanh"), norm=False).shares == ()
    # In a chain each place is a layer of its own; what has no parameters is never shared.
    assert Network(DENSE, DENSE).shares == ()
    assert Network.graph(inputs="x", nodes={"a": (DROP, "x"), "b": (DROP, "a")}, outputs="b").shares == ()


def test_the_description_makes_the_same_network():
    described = BY_OBJECT.describe()
    assert described["nodes"]["b"] == {"name": "shared", "layer": "a", "reads": "y"}
    assert build_network(described) == BY_OBJECT


def test_parameters_are_stored_and_counted_once():
    params, state, _ = BY_OBJECT.init(jax.random.key(0), SHAPES)
    held = {name for name, of_layer in zip(BY_OBJECT.names, params, strict=True) if of_layer}
    assert held == {"a", "na", "end"}
    assert sum(bool(of_layer) for of_layer in state) == 1
    assert summarize(BY_OBJECT, SHAPES).parameters == (3 * 4 + 4) + (4 + 4) + (8 + 1)


def test_a_layer_may_be_shared_before_its_own_place():
    network = twins({"name": "shared", "layer": "b"}, DENSE, norm=False)
    params, _, _ = network.init(jax.random.key(0), SHAPES)
    assert params[network.names.index("a")] == {}
    assert params[network.names.index("b")]["weights"].shape == (3, 4)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_and_statistics_are_those_of_both_uses(training, rng, float64):
    params, state, _ = BY_OBJECT.init(jax.random.key(0), SHAPES)
    params, state = (jax.tree.map(lambda a: a.astype(jnp.float64), tree) for tree in (params, state))
    x = tuple(jnp.asarray(rng.normal(size=(6, 3))) for _ in range(2))
    y, ones, loss = jnp.asarray(rng.normal(size=(6, 1))), jnp.ones(6), MeanSquaredError()

    def value(params):
        return loss(BY_OBJECT.forward(params, state, x, training=training).outputs[-1], y)

    result = backpropagate(BY_OBJECT, loss, params, state, x, y, ones, training=training)
    expected = jax.grad(value)(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), result.grads, expected)
    # The running statistics go on from one use to the next, as in PyTorch and Keras.
    momentum, mean = NORM.momentum, np.zeros(4)
    for side in x:
        batch = np.tanh(np.asarray(side) @ np.asarray(params[0]["weights"]) + np.asarray(params[0]["biases"])).mean(0)
        mean = momentum * mean + (1 - momentum) * batch if training else mean
    np.testing.assert_allclose(result.state[BY_OBJECT.names.index("na")]["mean"], mean, atol=1e-12)


def test_a_frozen_layer_is_shared_by_its_state():
    frozen = Frozen(Dense(4))
    network = twins(frozen, frozen, norm=False)
    params, state, _ = network.init(jax.random.key(0), SHAPES)
    x = jnp.ones((2, 3))
    both = network.forward(params, state, (x, x)).outputs[network.names.index("both")]
    np.testing.assert_array_equal(both[:, :4], both[:, 4:])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"a and b share their weights.*'b', of shape \(5,\)"):
        twins(DENSE, DENSE, norm=False).init(jax.random.key(0), ((3,), (5,)))
    with pytest.raises(InvalidValue, match="name of another node"):
        twins(DENSE, {"name": "shared", "layer": "c"}, norm=False)
    with pytest.raises(InvalidValue, match="that is its own: a shares b shares a"):
        twins({"name": "shared", "layer": "b"}, {"name": "shared", "layer": "a"}, norm=False)
    with pytest.raises(InvalidValue, match="name of another node"):
        Network.graph(
            inputs="x",
            nodes={"a": (DENSE, "x"), "b": ({"name": "shared", "layer": "a", "units": 3}, "x"), "s": (Add(), "ab")},
            outputs="s",
        )


def test_all_uses_of_a_shared_layer_are_frozen_together():
    for name in ("a", "b"):
        network = freeze(twins(DENSE, DENSE, norm=False), SHAPES, [name])
        assert [network.layers[network.names.index(use)].trainable for use in ("a", "b")] == [False, False]
        params, state, _ = network.init(jax.random.key(0), SHAPES)
        assert list(arrays_by_layer(network, params, state)) == ["a", "end"]
