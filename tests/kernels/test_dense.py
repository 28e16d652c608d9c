"""The kernels of `Dense` compute what its code defines, in each compiled instruction set."""

import ctypes

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import kernels
from pellucid.layers import Dense
from pellucid.layers.dense import _affine, _inputs, _weights

pytestmark = pytest.mark.skipif(kernels.load()[0] is None, reason="the kernels are not compiled")
SIZES = st.integers(1, 300)
HANDLERS = ("dense_forward", "dense_weights", "dense_inputs")


def instruction_sets():
    """Those that this machine runs: the best one, and the ones below it."""
    order = ["baseline", "avx2", "avx512"]
    best = kernels.load()[1]
    return order[: order.index(best) + 1] if best in order else []


def of_library(name, instruction_set, results, *operands):
    library = ctypes.CDLL(str(kernels.FOLDER / f"libpellucid_{instruction_set}.so"))
    target = f"test_{name}_{instruction_set}"
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return jax.ffi.ffi_call(target, results, vmap_method="expand_dims")(*operands)


def arrays(rows, inputs, units, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (rows, inputs), (inputs, units), (units,), (rows, units)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def close(actual, expected):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1e-30, float(jnp.abs(b).max(initial=0))))


@pytest.mark.parametrize("instruction_set", instruction_sets())
@settings(deadline=None, max_examples=12)
@given(SIZES, SIZES, SIZES)
def test_products_are_those_of_the_definition(instruction_set, rows, inputs, units):
    x, W, b, dz = arrays(rows, inputs, units)
    z, dW, db, dx = (kernels.floats(*a.shape) for a in (dz, W, b, x))
    close(of_library("dense_forward", instruction_set, z, x, W, b), _affine(x, W, b))
    close(of_library("dense_forward", instruction_set, z, x, W, jnp.zeros(0)), _affine(x, W, None))
    close(tuple(of_library("dense_weights", instruction_set, (dW, db), x, dz)), _weights(x, dz))
    close(of_library("dense_inputs", instruction_set, dx, dz, W), _inputs(dz, W))


@pytest.mark.parametrize("shape", [(32, 784, 128), (1000, 1100, 33), (1024, 1024, 64), (5, 2048, 2048), (700, 3, 500)])
def test_large_products_and_their_tails(shape):
    x, W, b, dz = arrays(*shape)
    layer = Dense(shape[2])
    params = {"weights": W, "biases": b}
    close(layer.forward(params, {}, x)[0], _affine(x, W, b))
    dx, grads = layer.backward(params, x, dz)
    close((dx, grads["weights"], grads["biases"]), (_inputs(dz, W), *_weights(x, dz)))


def test_members_of_a_population_and_what_they_share():
    x, _, b, _ = arrays(9, 40, 21)
    W = jnp.stack([arrays(9, 40, 21, seed)[1] for seed in range(3)])
    layer = Dense(21)

    def run(W, x):
        params = {"weights": W, "biases": b}
        z, _, cache = layer.forward(params, {}, x)
        return z, layer.backward(params, cache, z)

    alone = [run(W[i], x) for i in range(3)]
    together = jax.vmap(run, in_axes=(0, None))(W, x)
    jax.tree.map(np.testing.assert_array_equal, together, jax.tree.map(lambda *a: jnp.stack(a), *alone))


def test_axes_before_the_last_are_rows():
    x, W, b, _ = arrays(12, 7, 5)
    layer, params = Dense(5), {"weights": W, "biases": b}
    z = layer.forward(params, {}, x.reshape(3, 4, 7))[0]
    np.testing.assert_array_equal(z, layer.forward(params, {}, x)[0].reshape(3, 4, 5))
    dx, _ = layer.backward(params, x.reshape(3, 4, 7), z)
    assert dx.shape == (3, 4, 7)


@pytest.mark.parametrize("shape", [(128, 784, 128), (512, 300, 300)])
def test_the_same_bits_every_time(shape):
    x, W, b, dz = arrays(*shape)
    layer, params = Dense(shape[2]), {"weights": W, "biases": b}
    run = jax.jit(lambda: (layer.forward(params, {}, x)[0], layer.backward(params, x, dz)))
    first = run()
    for _ in range(20):
        jax.tree.map(np.testing.assert_array_equal, run(), first)


def test_numbers_below_the_normal_range_are_the_same_on_every_thread():
    # XLA's threads take them for 0, Python's do not: the workers must do as the thread that called them.
    x, W = jnp.full((400, 256), 1e-30, jnp.float32), jnp.full((256, 256), 1e-11, jnp.float32)

    @jax.jit
    def run(x, W):
        product = lambda x: kernels.call("dense_forward", kernels.floats(400, 256), x, W, jnp.zeros(0))  # noqa: E731
        return jax.lax.fori_loop(0, 50, lambda i, z: jnp.maximum(z, product(x + z.mean() * 0)), jnp.zeros((400, 256)))

    for _ in range(5):
        assert len(np.unique(run(x, W))) == 1


def test_a_derivative_of_the_passes_is_that_of_the_definition():
    x, W, b, _ = arrays(6, 5, 4)
    layer = Dense(4)

    def penalty(W, passes):
        dx, grads = passes(W)
        return (dx**2).sum() + (grads["weights"] ** 3).sum()

    def native(W):
        params = {"weights": W, "biases": b}
        return layer.backward(params, x, layer.forward(params, {}, x)[0])

    def defined(W):
        z = _affine(x, W, b)
        return _inputs(z, W), dict(zip(("weights", "biases"), _weights(x, z), strict=True))

    close(jax.grad(penalty)(W, native), jax.grad(penalty)(W, defined))


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_special_values_stay(special):
    x, W, b, _ = arrays(8, 9, 3)
    z = Dense(3).forward({"weights": W, "biases": b}, {}, x.at[2, 4].set(special))[0]
    assert not np.isfinite(z[2]).any()
    assert np.isfinite(np.delete(z, 2, 0)).all()


def test_no_rows():
    x, W, b, dz = arrays(0, 9, 3)
    dx, grads = Dense(3).backward({"weights": W, "biases": b}, x, dz)
    assert dx.shape == (0, 9)
    assert not grads["weights"].any()
    assert not grads["biases"].any()
