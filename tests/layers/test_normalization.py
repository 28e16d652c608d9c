"""Normalisation against PyTorch in double precision, and a short batch against the same batch filled up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.api import train
from pellucid.core.errors import InvalidValue
from pellucid.data import load_dataset
from pellucid.layers import Activation, BatchNorm, Dense, LayerNorm
from pellucid.network import Network
from pellucid.optimizers import Adam

SHAPES = [(6, 4), (3, 5, 2, 4)]


def in_torch(array):
    """A torch tensor with its channels second, as PyTorch has them."""
    return torch.tensor(np.moveaxis(np.asarray(array), -1, 1), requires_grad=True)


def channels_last(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def drawn(rng, shape):
    x, dy = (jnp.asarray(rng.normal(3, 2, shape)) for _ in range(2))
    params = {"scale": jnp.asarray(rng.normal(size=shape[-1])), "shift": jnp.asarray(rng.normal(size=shape[-1]))}
    return x, dy, params


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_is_pytorchs(shape, training, rng, float64):
    x, dy, params = drawn(rng, shape)
    layer = BatchNorm(momentum=0.8, epsilon=1e-4)
    state = {"mean": jnp.asarray(rng.normal(size=4)), "variance": jnp.asarray(rng.uniform(1, 2, 4))}

    make = torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d
    peer = make(4, eps=1e-4, momentum=0.2, dtype=torch.float64).train(training)
    with torch.no_grad():
        for name, array in (("weight", params["scale"]), ("bias", params["shift"])):
            getattr(peer, name).copy_(torch.tensor(np.asarray(array)))
        peer.running_mean.copy_(torch.tensor(np.asarray(state["mean"])))
        peer.running_var.copy_(torch.tensor(np.asarray(state["variance"])))
    x_torch = in_torch(x)
    y_torch = peer(x_torch)
    y_torch.backward(in_torch(dy).detach())

    y, state, cache = layer.forward(params, state, x, training=training)
    dx, grads = layer.backward(params, cache, dy)
    close = {"rtol": 1e-8, "atol": 1e-8}
    np.testing.assert_allclose(y, channels_last(y_torch), **close)
    np.testing.assert_allclose(dx, channels_last(x_torch.grad), **close)
    np.testing.assert_allclose(grads["scale"], peer.weight.grad, **close)
    np.testing.assert_allclose(grads["shift"], peer.bias.grad, **close)
    np.testing.assert_allclose(state["mean"], peer.running_mean, **close)
    np.testing.assert_allclose(state["variance"], peer.running_var, **close)


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_is_pytorchs(shape, rng, float64):
    x, dy, params = drawn(rng, shape)
    peer = torch.nn.LayerNorm(4, eps=1e-5, dtype=torch.float64)
    with torch.no_grad():
        peer.weight.copy_(torch.tensor(np.asarray(params["scale"])))
        peer.bias.copy_(torch.tensor(np.asarray(params["shift"])))
    x_torch = torch.tensor(np.asarray(x), requires_grad=True)
    y_torch = peer(x_torch)
    y_torch.backward(torch.tensor(np.asarray(dy)))

    y, _, cache = LayerNorm().forward(params, {}, x)
    dx, grads = LayerNorm().backward(params, cache, dy)
    close = {"rtol": 1e-8, "atol": 1e-8}
    np.testing.assert_allclose(y, y_torch.detach(), **close)
    np.testing.assert_allclose(dx, x_torch.grad, **close)
    np.testing.assert_allclose(grads["scale"], peer.weight.grad, **close)
    np.testing.assert_allclose(grads["shift"], peer.bias.grad, **close)


@pytest.mark.parametrize("real", [1, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_filled_up_is_the_short_batch(shape, real, rng, float64):
    x, dy, params = drawn(rng, (real, *shape[1:]))
    filling, gradient_of_filling, _ = drawn(rng, shape)
    layer = BatchNorm()
    _, start, _ = layer.init(None, shape[1:])
    y, state, cache = layer.forward(params, start, x, training=True)
    dx, grads = layer.backward(params, cache, dy)

    full, full_dy = jnp.concatenate([x, filling]), jnp.concatenate([dy, gradient_of_filling])
    sample_mask = jnp.arange(len(full)) < real
    full_y, full_state, cache = layer.forward(params, start, full, training=True, sample_mask=sample_mask)
    full_dx, full_grads = layer.backward(params, cache, full_dy)

    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(full_y[:real], y, **close)
    np.testing.assert_allclose(full_dx[:real], dx, **close)
    assert not full_dx[real:].any()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), full_grads, grads)
    # Running averages are kept in float32, whatever the inputs are.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), full_state, state)


def test_one_vector_gives_the_shift_and_leaves_the_statistics():
    layer = BatchNorm()
    params, state, _ = layer.init(None, (3,))
    params["shift"] = jnp.array([1.0, 2.0, 3.0])
    y, new_state, cache = layer.forward(params, state, jnp.array([[5.0, -5.0, 1e6]]), training=True)
    np.testing.assert_array_equal(y[0], params["shift"])
    jax.tree.map(np.testing.assert_array_equal, new_state, state)
    assert not layer.backward(params, cache, jnp.ones((1, 3)))[0].any()


def test_a_large_mean_does_not_cost_the_variance():
    x = 1e4 + jnp.asarray(np.random.default_rng(0).normal(size=(512, 2)), jnp.float32)
    params, state, _ = BatchNorm().init(None, (2,))
    y, _, _ = BatchNorm().forward(params, state, x, training=True)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-3)


@pytest.mark.parametrize("fields", [{"momentum": 1.0}, {"epsilon": 0.0}])
def test_numbers_outside_their_range_are_refused(fields):
    with pytest.raises(InvalidValue, match=next(iter(fields))):
        BatchNorm(**fields)


def test_a_network_trains_and_predicts_with_the_running_statistics():
    network = Network(Dense(16), BatchNorm(), Activation("relu"), Dense(3, "softmax"))
    # 120 training rows, so that each epoch ends with a short batch of 24.
    run = train(network, load_dataset("iris"), optimizer=Adam(0.02), epochs=20, batch_size=32, progress=False)
    assert run.result["accuracy"] > 0.9
    x = load_dataset("iris").held_out.x
    np.testing.assert_allclose(run.outputs(x[:1]), run.outputs(x)[:1], rtol=1e-5)
