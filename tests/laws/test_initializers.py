"""Every initialiser of the registry: the distribution it states, from a key alone."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.registry import describe
from pellucid.functions.initializers import Constant, Normal, Orthogonal, Uniform, fans, initializers

ITEMS = [initializers.build(name) for name in initializers]
ITEMS += [Constant(value=0.5), Normal(std=0.3), Uniform(limit=0.3), Orthogonal(gain=2.0)]
EVERY = pytest.mark.parametrize("initializer", ITEMS, ids=str)

IN, OUT = 90, 160


def uniform(limit):
    return stats.uniform(-limit, 2 * limit)


# The distribution of every single weight of an array of shape (IN, OUT).
DISTRIBUTIONS = {
    "normal": stats.norm(scale=0.05),
    "truncated_normal": stats.truncnorm(-2, 2, scale=0.05),
    "uniform": uniform(0.05),
    "glorot_uniform": uniform(math.sqrt(6 / (IN + OUT))),
    "glorot_normal": stats.norm(scale=math.sqrt(2 / (IN + OUT))),
    "he_uniform": uniform(math.sqrt(6 / IN)),
    "he_normal": stats.norm(scale=math.sqrt(2 / IN)),
    "lecun_uniform": uniform(math.sqrt(3 / IN)),
    "lecun_normal": stats.norm(scale=math.sqrt(1 / IN)),
}
FIXED = {"zeros": 0.0, "ones": 1.0, "constant": 0.0}
SCALED = {name for name in initializers if name.startswith(("glorot", "he_", "lecun", "orthogonal"))}


def test_tables_cover_the_registry():
    assert set(DISTRIBUTIONS) | set(FIXED) | {"orthogonal"} == set(initializers)


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_weights_follow_the_stated_distribution(name):
    weights = np.asarray(initializers.build(name)(jax.random.key(1), (IN, OUT)), np.float64).ravel()
    expected = DISTRIBUTIONS[name]
    error = expected.std() / math.sqrt(weights.size)
    assert abs(weights.mean()) < 4 * error
    assert weights.std() == pytest.approx(expected.std(), rel=0.02)
    low, high = expected.support()
    assert low <= weights.min()
    assert weights.max() <= high
    assert stats.kstest(weights, expected.cdf).pvalue > 0.001


@pytest.mark.parametrize("name", sorted(FIXED))
def test_fixed_values(name):
    assert np.unique(initializers.build(name)(jax.random.key(0), (3,))).tolist() == [FIXED[name]]


def test_fields_set_the_scale():
    key = jax.random.key(2)
    assert Constant(0.5)(key, ()).item() == 0.5
    shape = (IN, OUT)
    np.testing.assert_allclose(Normal(std=0.3)(key, shape), 6 * Normal(std=0.05)(key, shape), rtol=1e-6)
    assert np.abs(Uniform(limit=0.3)(key, shape)).max() == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("shape", [(8, 4), (4, 8), (2, 2, 2, 4)])
def test_orthogonal_keeps_lengths(shape):
    W = np.asarray(Orthogonal(gain=2.0)(jax.random.key(3), shape)).reshape(-1, shape[-1])
    short = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    np.testing.assert_allclose(short, 4 * np.eye(len(short)), atol=1e-5)


def test_orthogonal_prefers_no_direction():
    # Without the signs of R's diagonal, the diagonal of Q would lean to one side.
    keys = jax.random.split(jax.random.key(4), 500)
    squares = jax.jit(jax.vmap(lambda key: Orthogonal()(key, (3, 3))))(keys)
    np.testing.assert_allclose(np.mean(squares, axis=0), 0, atol=0.1)
    np.testing.assert_allclose(np.var(squares, axis=0), 1 / 3, atol=0.06)


def test_fans_count_the_connections_of_a_neuron():
    assert fans((784, 128)) == (784, 128)
    assert fans((3, 5, 16, 32)) == (240, 480)
    for shape in ((), (4,)):
        with pytest.raises(ShapeError, match="biases"):
            fans(shape)


@pytest.mark.parametrize("name", sorted(SCALED))
def test_scaled_initializers_refuse_biases(name):
    with pytest.raises(ShapeError, match="zeros"):
        initializers.build(name)(jax.random.key(0), (4,))


def test_the_key_alone_decides_alone_and_in_vmap():
    def both(item, keys):
        return item(keys[0], (6, 4)), jax.vmap(partial(item, shape=(6, 4)))(keys)

    @jax.jit
    def alone_and_mapped(keys):
        return {str(item): both(item, keys) for item in ITEMS}

    drawn = alone_and_mapped(jax.random.split(jax.random.key(5), 2))
    for item in ITEMS:
        alone, mapped = drawn[str(item)]
        np.testing.assert_allclose(mapped[0], alone, rtol=1e-5, atol=1e-6, err_msg=str(item))
        assert (item.name in FIXED) == np.allclose(mapped[0], mapped[1])


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_shape(initializer, dtype, float64):
    drawn = jax.eval_shape(lambda: initializer(jax.random.key(0), (2, 3, 4), jnp.dtype(dtype)))
    assert (drawn.shape, drawn.dtype) == ((2, 3, 4), dtype)


@EVERY
def test_described_and_built_again(initializer):
    assert initializers.build(describe(initializer)) == initializer


@pytest.mark.parametrize(
    "specification",
    [
        {"name": "normal", "std": 0.0},
        {"name": "uniform", "limit": -1.0},
        {"name": "truncated_normal", "std": float("inf")},
        {"name": "orthogonal", "gain": 0.0},
        {"name": "constant", "value": float("nan")},
    ],
    ids=str,
)
def test_wrong_fields_are_refused(specification):
    with pytest.raises(InvalidValue, match="Received"):
        initializers.build(specification)
