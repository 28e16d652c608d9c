"""Convolutions against PyTorch and against themselves: both ways of computing them, and what they refuse."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from pellucid import kernels
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D, layers, patches
from pellucid.network import Network

FORWARD = [
    (Conv2D(4, 3), (6, 5, 1)),
    (Conv2D(4, (2, 3), stride=(2, 1), dilation=(1, 2)), (6, 7, 3)),
    (Conv2D(6, 3, padding="same", groups=2, use_biases=False), (5, 4, 4)),
    (Conv2D(6, 3, stride=2, groups=3), (7, 6, 3)),
    (Conv2D(3, 1), (2, 3, 5)),
    (Conv1D(4, 3, stride=2, dilation=2), (11, 3)),
    (Conv1D(3, 7), (12, 1)),
]
TRANSPOSED = [
    (ConvTranspose2D(4, 3, stride=2), (3, 4, 2)),
    (ConvTranspose2D(4, 2, stride=2, padding="same", groups=2), (3, 2, 4)),
    (ConvTranspose2D(2, (3, 5), dilation=(2, 1), use_biases=False), (4, 3, 1)),
    (ConvTranspose1D(3, 4, stride=2), (5, 2)),
]


def set_up(layer, shape):
    params, state, output_shape = layer.init(jax.random.key(0), shape)
    rng = np.random.default_rng(1)
    params = {name: jnp.asarray(rng.normal(size=p.shape)) for name, p in params.items()}
    return (params, state, jnp.asarray(rng.normal(size=(2, *shape))), jnp.asarray(rng.normal(size=(2, *output_shape))))


@partial(jax.jit, static_argnums=0)
def ours(layer, params, state, x, dy):
    y, _, cache = layer.forward(params, state, x)
    dx, grads = layer.backward(params, cache, dy)
    return y, dx, grads


def channels_first(array):
    return torch.tensor(np.moveaxis(np.asarray(array), -1, 1), requires_grad=True)


def channels_last(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def theirs(function, weights, params, x, dy, **options):
    """What PyTorch makes of it: outputs, the gradient of x, and the gradients of weights and biases."""
    x, weights = channels_first(x), weights.clone().requires_grad_()
    biases = torch.tensor(np.asarray(params["biases"]), requires_grad=True) if "biases" in params else None
    y = function(x, weights, biases, **options)
    y.backward(channels_first(dy).detach())
    grads = {"weights": weights.grad} | ({"biases": biases.grad} if biases is not None else {})
    return channels_last(y), channels_last(x.grad), grads


def compare(mine, oracle, to_ours):
    (y, dx, grads), (y_oracle, dx_oracle, grads_oracle) = mine, oracle
    np.testing.assert_allclose(y, y_oracle, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(dx, dx_oracle, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(grads["weights"], to_ours(grads_oracle["weights"]), rtol=1e-8, atol=1e-8)
    assert grads.keys() == grads_oracle.keys()
    if "biases" in grads:
        np.testing.assert_allclose(grads["biases"], grads_oracle["biases"], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("layer", "shape"), FORWARD, ids=str)
def test_convolution_equals_pytorch(layer, shape, float64):
    params, state, x, dy = set_up(layer, shape)
    rank = layer.rank
    weights = torch.tensor(np.moveaxis(np.asarray(params["weights"]), (-1, -2), (0, 1)).copy())
    options = {"stride": layer.stride, "dilation": layer.dilation, "padding": layer.padding, "groups": layer.groups}
    oracle = theirs((functional.conv1d, functional.conv2d)[rank - 1], weights, params, x, dy, **options)
    compare(ours(layer, params, state, x, dy), oracle, lambda dW: np.moveaxis(dW.numpy(), (0, 1), (-1, -2)))


@pytest.mark.parametrize(("layer", "shape"), TRANSPOSED, ids=str)
def test_transposed_convolution_equals_pytorch(layer, shape, float64):
    params, state, x, dy = set_up(layer, shape)
    rank, g = layer.rank, layer.groups
    *kernel, inputs, filters = params["weights"].shape

    def to_theirs(W):  # (kernel…, inputs / groups, filters) → (inputs, filters / groups, kernel…)
        split = np.asarray(W).reshape(*kernel, inputs, g, filters // g)
        return np.moveaxis(split, (-2, -3, -1), (0, 1, 2)).reshape(g * inputs, filters // g, *kernel)

    def to_ours(W):
        split = W.numpy().reshape(g, inputs, filters // g, *kernel)
        return np.moveaxis(split, (0, 1, 2), (-2, -3, -1)).reshape(*kernel, inputs, filters)

    options = {"stride": layer.stride, "dilation": layer.dilation, "groups": g}
    weights = torch.tensor(to_theirs(params["weights"]).copy())
    oracle = theirs(
        (functional.conv_transpose1d, functional.conv_transpose2d)[rank - 1], weights, params, x, dy, **options
    )
    compare(ours(layer, params, state, x, dy), oracle, to_ours)


@pytest.mark.parametrize("size", [4, 5, 6])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 3), (4, 2), (1, 3)])
def test_same_pads_as_xla_does_an_odd_place_after(size, kernel, stride):
    x = jnp.arange(1.0, size + 1).reshape(1, size, 1)
    y, _, _ = Conv1D(1, kernel, stride=stride, padding="same").forward(
        {"weights": jnp.ones((kernel, 1, 1)), "biases": jnp.zeros(1)}, {}, x
    )
    expected = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, kernel, 1), (1, stride, 1), "SAME")
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [(3, 2, "valid", 9), (3, 2, "same", 8), (2, 3, "valid", 12), (5, 1, "same", 4), (4, 2, "same", 8)],
)
def test_transposed_convolution_has_the_size_that_keras_gives(kernel, stride, padding, size):
    layer = ConvTranspose1D(2, kernel, stride=stride, padding=padding)
    assert layer.init(jax.random.key(0), (4, 3))[2] == (size, 2)


WINDOWS = [
    (patches.slide("test", (6, 5), (3, 2), (2, 1), "same"), 1, 3, 4),
    (patches.slide("test", (7, 6), 3, 1, "valid", 2), 2, 4, 6),
    (patches.slide("test", (5, 5), 3), 3, 3, 6),
    (patches.slide("test", (5, 6), 3), 1, 1, 4),
    (patches.slide("test", (9,), 4, 4), 1, 2, 3),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("windows", "groups", "channels", "filters"), WINDOWS, ids=str)
def test_by_patches_and_directly_are_the_same(windows, groups, channels, filters, dtype, rng, float64):
    x = jnp.asarray(rng.normal(size=(3, *windows.inputs, channels)), dtype)
    W = jnp.asarray(rng.normal(size=(*windows.size, channels // groups, filters)), dtype)
    dz = jnp.asarray(rng.normal(size=(3, *windows.outputs, filters)), dtype)
    for by_patches, directly, arrays in [
        (patches.convolve_by_patches, patches.convolve_directly, (x, W)),
        (patches.gradient_of_input_by_patches, patches.gradient_of_input_directly, (dz, W)),
        (patches.gradient_of_weights_by_patches, patches.gradient_of_weights_directly, (x, dz)),
    ]:
        one, other = jax.jit(
            lambda *arrays, f=by_patches, g=directly: (f(*arrays, windows, groups), g(*arrays, windows, groups))
        )(*arrays)
        tolerance = 1e-5 if dtype == "float32" else 1e-10
        assert one.dtype == other.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())


def test_scatter_is_the_transpose_of_views(rng, float64):
    for windows, *_ in (WINDOWS[1], WINDOWS[4]):
        x = jax.random.normal(jax.random.key(0), (2, *windows.inputs, 3), jnp.float64)
        views = patches.views(x, windows)
        pieces = [jax.random.normal(jax.random.key(i), view.shape, jnp.float64) for i, view in enumerate(views)]
        one = sum(float((view * piece).sum()) for view, piece in zip(views, pieces, strict=True))
        assert one == pytest.approx(float((x * patches.scatter(pieces, windows)).sum()))


def test_on_the_cpu_it_is_a_product_of_patches():
    layer = Conv2D(4, 3)
    params, state, _ = layer.init(jax.random.key(0), (6, 6, 2))

    def step(x):
        y, _, cache = layer.forward(params, state, x)
        return layer.backward(params, cache, y)

    with kernels.definitions():
        text = jax.jit(step).lower(jnp.ones((1, 6, 6, 2))).as_text()
    assert "dot_general" in text
    assert "dot_general" in text
    assert ("stablehlo.convolution" in text) == (jax.default_backend() != "cpu")


def test_initialisers_count_the_connections_of_a_filter():
    params, *_ = Conv2D(64, 5).init(jax.random.key(0), (9, 9, 32))
    assert float(params["weights"].std()) == pytest.approx((2 / (25 * 32)) ** 0.5, rel=0.02)
    params, *_ = Conv2D(64, 5, groups=16).init(jax.random.key(0), (9, 9, 32))
    assert float(params["weights"].std()) == pytest.approx((2 / (25 * 2)) ** 0.5, rel=0.05)


def test_a_network_splits_the_activation_off():
    assert Network(Conv2D(4, 3, "relu"), ConvTranspose2D(1, 3, "tanh")).names == (
        "conv2d_1",
        "relu_1",
        "conv2d_transpose_1",
        "tanh_1",
    )


def test_equal_lengths_are_one_number():
    assert Conv2D(4, [3, 3], stride=(2, 2)) == Conv2D(4, 3, stride=2)
    assert layers.build({"name": "conv2d", "filters": 4, "kernel": [3, 5]}).kernel == (3, 5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Conv2D(0, 3), r"Conv2D.filters.*at least 1.*0"),
        (lambda: Conv2D(4, 0), r"Conv2D.kernel must be a whole number of at least 1 or 2 of them. Received: 0"),
        (lambda: Conv2D(4, (3, 3, 3)), r"Conv2D.kernel.*\(3, 3, 3\)"),
        (lambda: Conv1D(4, 3, stride=0), r"Conv1D.stride must be a whole number of at least 1. Received: 0"),
        (lambda: Conv2D(4, 3, padding="full"), r"Conv2D.padding.*'valid', 'same'.*'full'"),
        (lambda: Conv2D(4, 3, groups=3), r"4 filters do not fall into 3 equal groups"),
    ],
)
def test_refuses_hyperparameters(build, message):
    with pytest.raises(InvalidValue, match=message):
        build()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(4, 3), (28, 28), r"\(height, width, channels\).*\(28, 28\).*Reshape\(\(28, 28, 1\)\)"),
        (Conv2D(4, 3), (784,), r"Reshape\(\(28, 28, 1\)\)"),
        (Conv2D(4, 3), (10,), r"Received: \(10,\)\.$"),
        (Conv1D(4, 3), (9, 9, 1), r"\(time, features\).*\(9, 9, 1\)\.$"),
        (Conv1D(4, 3), (100,), r"Reshape\(\(100, 1\)\)"),
        (Conv2D(4, 3, groups=2), (5, 5, 3), r"3 channels into 2 equal groups"),
        (Conv2D(4, 3, dilation=2), (4, 9, 1), r"window of \(5, 5\).*input of \(4, 9\).*same"),
        (ConvTranspose2D(4, 3), (7, 7), r"ConvTranspose2D.*Reshape\(\(7, 7, 1\)\)"),
    ],
)
def test_refuses_examples(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer.init(jax.random.key(0), shape)


@pytest.mark.parametrize("layer", [Conv2D(4, 3), ConvTranspose2D(4, 3)], ids=str)
def test_refuses_other_channels_than_it_was_made_for(layer):
    params, state, _ = layer.init(jax.random.key(0), (5, 5, 2))
    with pytest.raises(ShapeError, match=r"\(4\) was made for 2 channels. Received: 3"):
        layer.forward(params, state, jnp.ones((1, 5, 5, 3)))
    with pytest.raises(ShapeError, match=r"Received: \(5, 5\)"):
        layer.forward(params, state, jnp.ones((1, 5, 5)))
