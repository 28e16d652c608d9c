"""Attention against PyTorch, and what it does with padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers import Add, Attention, Concatenate, Multiply


def padded(rng, batch=3, steps=5, features=4):
    """Keys whose sequences have different lengths, filled up with rows of 0; and where a step counts."""
    keys = rng.normal(size=(batch, steps, features))
    sample_mask = np.arange(steps) < np.array([[5], [3], [1]])
    return keys * sample_mask[:, :, None], sample_mask


@pytest.mark.parametrize(("scaled", "mask_value"), [(True, None), (True, 0.0), (False, 0.0)])
def test_equals_pytorch(scaled, mask_value, rng, float64):
    query, (keys, sample_mask) = rng.normal(size=(3, 2, 4)), padded(rng)
    dy = rng.normal(size=(3, 2, 4))
    q, k = (torch.tensor(array, requires_grad=True) for array in (query, keys))
    mask = None if mask_value is None else torch.tensor(sample_mask)[:, None, :].expand(3, 2, 5)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=mask, scale=None if scaled else 1.0)
    expected.backward(torch.tensor(dy))

    layer = Attention(scaled, mask_value)
    y, _, cache = layer.forward({}, {}, (jnp.asarray(query), jnp.asarray(keys)))
    dx, grads = layer.backward({}, cache, jnp.asarray(dy))
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-8, atol=1e-10)
    for gradient, oracle in zip(dx, (q.grad, k.grad), strict=True):
        np.testing.assert_allclose(gradient, oracle, rtol=1e-8, atol=1e-10)
    assert grads == {}


def test_padding_gets_no_weight_and_changes_nothing(rng):
    query, (keys, sample_mask) = rng.normal(size=(3, 2, 4)), padded(rng)
    layer = Attention(mask_value=0)
    y, _, cache = layer.forward({}, {}, (jnp.asarray(query), jnp.asarray(keys)))
    assert not np.asarray(cache.weights)[~np.broadcast_to(sample_mask[:, None, :], (3, 2, 5))].any()
    np.testing.assert_allclose(cache.weights.sum(axis=-1), 1, rtol=1e-6)
    shorter = layer.forward({}, {}, (jnp.asarray(query[1:2]), jnp.asarray(keys[1:2, :3])))[0]
    np.testing.assert_allclose(y[1:2], shorter, rtol=1e-6)


def test_a_sequence_of_padding_alone_gives_zero_and_no_nan():
    layer = Attention(mask_value=0)
    y, _, cache = layer.forward({}, {}, (jnp.ones((1, 2, 3)), jnp.zeros((1, 4, 3))))
    dx, _ = layer.backward({}, cache, jnp.ones_like(y))
    assert not any(np.asarray(array).any() for array in (y, cache.weights, *dx))


def test_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"\(3, 4\) and \(5, 2\).*Dense"):
        Attention().init(None, ((3, 4), (5, 2)))
    with pytest.raises(InvalidValue, match="mask_value"):
        Attention(mask_value=float("nan"))
    for layer in (Add(), Multiply()):
        with pytest.raises(ShapeError, match=r"one shape.*\(3,\), \(1,\)"):
            layer.init(None, ((3,), (1,)))
    with pytest.raises(ShapeError, match=r"last axis.*\(2, 3\), \(4, 3\)"):
        Concatenate().init(None, ((2, 3), (4, 3)))


def test_merges_of_one_branch_pass_it_on():
    x = jnp.arange(6.0).reshape(2, 3)
    for layer in (Add(), Multiply(), Concatenate()):
        y, _, cache = layer.forward({}, {}, (x,))
        np.testing.assert_array_equal(y, x)
        dx, _ = jax.jit(layer.backward)({}, cache, x)
        np.testing.assert_array_equal(dx[0], x)
