"""The embedding against PyTorch, and its padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import DataError
from pellucid.layers import Embedding

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("mask_zero", [True, False])
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.float64])
def test_values_and_gradients_equal_those_of_pytorch(mask_zero, dtype, rng, float64):
    layer = Embedding(7, 3, mask_zero=mask_zero)
    params, state, shape = layer.init(jax.random.key(0), (5,))
    assert shape == (5, 3)
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    words, dy = rng.integers(0, 7, (4, 5)), rng.normal(size=(4, 5, 3))
    y, _, cache = layer.forward(params, state, jnp.asarray(words, dtype))
    dx, grads = layer.backward(params, cache, jnp.asarray(dy))

    table = np.array(params["weights"])
    if mask_zero:
        table[0] = 0
    module = torch.nn.Embedding(7, 3, padding_idx=0 if mask_zero else None, _weight=torch.from_numpy(table))
    ty = module(torch.from_numpy(words))
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_allclose(grads["weights"], module.weight.grad.numpy(), rtol=1e-8, atol=1e-12)
    assert dx.dtype == dtype
    assert not dx.any()


def test_padding_is_zero_whatever_its_row_holds():
    layer = Embedding(4, 2, mask_zero=True)
    y, _, cache = layer.forward({"weights": jnp.ones((4, 2))}, {}, jnp.array([[0, 3]]))
    assert y.tolist() == [[[0.0, 0.0], [1.0, 1.0]]]
    _, grads = layer.backward({"weights": jnp.ones((4, 2))}, cache, jnp.ones((1, 2, 2)))
    assert grads["weights"].tolist() == [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("word", [-1, 4])
def test_words_outside_the_vocabulary_are_refused_or_clipped(word):
    layer = Embedding(4, 2)
    params, state, _ = layer.init(jax.random.key(0), (1,))
    x = jnp.array([[word]])
    with pytest.raises(DataError, match=rf"0 to 3.*{word}"):
        layer.forward(params, state, x)
    y = jax.jit(lambda x: layer.forward(params, state, x)[0])(x)
    np.testing.assert_array_equal(y[0, 0], params["weights"][max(0, min(word, 3))])
