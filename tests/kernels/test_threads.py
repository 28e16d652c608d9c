"""Kernels of several programs at once: no stall, and the same bits as alone."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import kernels
from pellucid.layers import LSTM, Conv2D, Dense, Flatten, MaxPool2D
from pellucid.network import Network

STEPS = 10_000
LAYERS = {
    "recurrent": (Network(LSTM(8), Dense(3)), (3, 4)),
    "convolution": (Network(Conv2D(8, 3), MaxPool2D(2), Conv2D(8, 3, padding="same"), Flatten(), Dense(3)), (6, 6, 1)),
    "dense": (Network(Dense(96, "relu"), Dense(96, "relu"), Dense(3)), (48,)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_four_programs_at_once_do_not_stall(kind):
    if kernels.load()[0] is None:
        pytest.skip(kernels.load()[1])
    network, shape = LAYERS[kind]
    start, state, _ = network.init(jax.random.key(0), shape)
    x = jax.random.normal(jax.random.key(1), (32, *shape))

    def step(_, params):
        forward = network.forward(params, state, x, training=True)
        grads = network.backward(params, forward.caches, {len(network.layers) - 1: forward.outputs[-1]}).grads
        return jax.tree.map(lambda w, g: w - 1e-4 * g, params, grads)

    @jax.jit
    def train(params):
        return jax.lax.fori_loop(0, STEPS // 4, step, params)

    alone = jax.block_until_ready(train(start))
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: jax.block_until_ready(train(start)), range(4)))
    for params in together:
        jax.tree.map(np.testing.assert_array_equal, params, alone)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(alone))
