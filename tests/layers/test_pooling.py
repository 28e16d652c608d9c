"""Poolings against PyTorch, their conventions, and what they refuse."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers import AveragePool1D, AveragePool2D, GlobalAveragePool, GlobalMaxPool, MaxPool1D, MaxPool2D, layers


@partial(jax.jit, static_argnums=0)
def ours(layer, x):
    y, _, cache = layer.forward({}, {}, x)
    dy = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
    return y, dy, layer.backward({}, cache, dy)[0]


def theirs(function, x, dy):
    x = torch.tensor(np.moveaxis(np.asarray(x), -1, 1), requires_grad=True)
    y = function(x)
    y.backward(torch.tensor(np.moveaxis(np.asarray(dy), -1, 1) if dy.ndim > 2 else np.asarray(dy)))
    moved = y.detach().numpy()
    return np.moveaxis(moved, 1, -1) if y.ndim > 2 else moved, np.moveaxis(x.grad.numpy(), 1, -1)


@pytest.mark.parametrize(
    ("layer", "function", "shape"),
    [
        (MaxPool2D(2), lambda x: functional.max_pool2d(x, 2), (7, 6, 3)),
        (MaxPool2D((3, 2), stride=(2, 1)), lambda x: functional.max_pool2d(x, (3, 2), (2, 1)), (7, 6, 3)),
        (MaxPool2D(3, stride=2, padding="same"), lambda x: functional.max_pool2d(x, 3, 2, 1), (7, 5, 2)),
        (MaxPool2D(2, stride=3), lambda x: functional.max_pool2d(x, 2, 3), (8, 8, 1)),
        (MaxPool1D(3, stride=1), lambda x: functional.max_pool1d(x, 3, 1), (9, 2)),
        (AveragePool2D(2), lambda x: functional.avg_pool2d(x, 2), (7, 6, 3)),
        (AveragePool2D(3, 2, "same"), lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False), (7, 5, 2)),
        (AveragePool1D(3, stride=2), lambda x: functional.avg_pool1d(x, 3, 2), (9, 2)),
        (GlobalAveragePool(), lambda x: x.mean((2, 3)), (4, 3, 2)),
        (GlobalMaxPool(), lambda x: functional.max_pool2d(x, (4, 3)).flatten(1), (4, 3, 2)),
        (GlobalMaxPool(), lambda x: functional.max_pool1d(x, 5).flatten(1), (5, 2)),
    ],
    ids=lambda value: "" if inspect.isfunction(value) else str(value),
)
@pytest.mark.parametrize("ties", [False, True])
def test_pooling_equals_pytorch(layer, function, shape, ties, float64):
    x = jax.random.normal(jax.random.key(0), (2, *shape), jnp.float64)
    x = jnp.round(x) if ties else x
    y, dy, dx = ours(layer, x)
    y_oracle, dx_oracle = theirs(function, x, dy)
    np.testing.assert_allclose(y, y_oracle, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(dx, dx_oracle, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("layer", [MaxPool2D(2), MaxPool2D(2, stride=1), GlobalMaxPool()], ids=str)
def test_the_gradient_goes_to_the_first_of_equals(layer):
    x = jnp.zeros((1, 2, 2, 1))
    _, _, cache = layer.forward({}, {}, x)
    dy = jnp.ones(layer.forward({}, {}, x)[0].shape)
    assert layer.backward({}, cache, dy)[0].ravel().tolist() == [1, 0, 0, 0]


def test_average_with_same_leaves_padding_out_of_the_mean():
    y, _, _ = AveragePool1D(2, padding="same").forward({}, {}, jnp.full((1, 3, 1), 6.0))
    assert y.ravel().tolist() == [6, 6]


def test_maximum_with_same_does_not_see_padding():
    y, _, _ = MaxPool1D(2, padding="same").forward({}, {}, jnp.full((1, 3, 1), -6.0))
    assert y.ravel().tolist() == [-6, -6]


def test_a_number_that_is_none_stays_visible():
    x = jnp.array([[1.0, jnp.nan, 2.0, 3.0]]).reshape(1, 4, 1)
    y, _, _ = MaxPool1D(2).forward({}, {}, x)
    np.testing.assert_array_equal(y.ravel(), [np.nan, 3])


def test_a_stride_of_the_size_is_no_other_layer():
    assert MaxPool2D((2, 2), stride=[2, 2]) == MaxPool2D(2) == layers.build("max_pool2d")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaxPool2D(0), r"MaxPool2D.size.*Received: 0"),
        (lambda: MaxPool1D(2, stride=(1, 2)), r"MaxPool1D.stride must be a whole number of at least 1. Received"),
        (lambda: AveragePool2D(2, padding="half"), r"AveragePool2D.padding.*'half'"),
    ],
)
def test_refuses_hyperparameters(build, message):
    with pytest.raises(InvalidValue, match=message):
        build()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (MaxPool2D(2), (28, 28), r"MaxPool2D.*Reshape\(\(28, 28, 1\)\)"),
        (MaxPool2D(3), (2, 5, 1), r"window of \(3, 3\).*\(2, 5\)"),
        (AveragePool1D(2), (4, 4, 1), r"\(time, features\).*\(4, 4, 1\)"),
        (GlobalAveragePool(), (4,), r"at least one axis before the channels.*\(4,\)"),
    ],
)
def test_refuses_examples(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer.init(None, shape)
    with pytest.raises(ShapeError, match=message):
        layer.forward({}, {}, jnp.ones((2, *shape)))
