"""Recomputed activations: the same gradients, in less memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from every_kind import BRANCHES, CONVOLUTION, DATA
from pellucid.functions.losses import losses
from pellucid.network import Network, backpropagate

DROPPING = Network(*[part for _ in range(4) for part in (pel.Dense(6, "tanh"), pel.Dropout(0.3))], pel.Dense(3))
PADDED = Network(
    pel.LSTM(4, return_sequences=True, mask_value=0.0), pel.LayerNorm(), pel.LSTM(4), pel.Dense(3, "softmax")
)
NETWORKS = {
    "dropout": (DROPPING, (4,)),
    "convolution": (CONVOLUTION, (6, 6, 1)),
    "padding": (PADDED, (5, 2)),
    "graph": (BRANCHES, (4,)),
    "one layer": (Network(pel.Dense(3, "softmax")), (4,)),
}


@partial(jax.jit, static_argnums=(0, 1))
def passed(network, loss, params, state, x, y):
    result = backpropagate(network, loss, params, state, x, y, jnp.ones(len(x)), key=jax.random.key(3))
    return result.loss, result.grads, result.state


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_the_same(name, precision, rng):
    network, shape = NETWORKS[name]
    network = network.in_precision(precision)
    params, state, (outputs,) = network.init(jax.random.key(0), shape)
    x = jnp.asarray(rng.normal(size=(5, *shape)), jnp.float32)
    if name == "padding":
        x = x.at[1, 2:].set(0)
    y = jnp.asarray(rng.random(size=(5, outputs)), jnp.float32)
    loss = losses.build("mean_squared_error")
    kept, again = (passed(network.recomputing(on), loss, params, state, x, y) for on in (False, True))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), again, kept)


def test_a_deep_network_needs_half_of_the_memory():
    network = Network(*[pel.Dense(32, "tanh") for _ in range(32)])
    params, state, _ = network.init(jax.random.key(0), (32,))
    x, loss = jnp.ones((1024, 32)), losses.build("mean_squared_error")

    def memory(network):
        compiled = passed.lower(network, loss, params, state, x, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # 64 outputs, kept or computed again eight at a time.
    assert memory(network.recomputing()) < 0.5 * memory(network)


def test_a_training_is_the_same_and_resumes_with_its_bits(tmp_path):
    settings = {"batch_size": 16, "record_every": 2, "dropout": 0.2, "progress": False}
    data, train = DATA["multiclass"], partial(pel.train, (8, 8, 8), DATA["multiclass"], **settings)
    kept, whole = train(epochs=3), train(epochs=3, remat=True)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), whole.params, kept.params)
    train(epochs=2, remat=True, folder=tmp_path / "run")
    again = pel.resume(tmp_path / "run", data, epochs=3, progress=False)
    assert again.network.remat
    jax.tree.map(np.testing.assert_array_equal, again.params, whole.params)
    assert pel.load(tmp_path / "run").result == whole.result
    assert again.explain(data.held_out.x[0], again.predict(data.held_out.x)[0]).worst_error < 1e-6
