"""Every activation of the registry against the laws of a function with a derivative.

One compiled program for each activation and one shape serve most laws: compiling is what takes the time here.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.core.registry import describe
from pellucid.functions.activations import ELU, LeakyReLU, activations

ITEMS = [activations.build(name) for name in activations] + [LeakyReLU(alpha=0.3), ELU(alpha=0.5)]
EVERY = pytest.mark.parametrize("activation", ITEMS, ids=str)
SHAPE = (40, 4)

KINKS = {
    "relu": (0.0,),
    "step": (0.0,),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (-3.0, 3.0),
}

# What the derivative is called to be at each kink.
SLOPE_AT_KINK = {
    "relu": 0.0,
    "step": 0.0,
    "leaky_relu": 0.01,
    "elu": 1.0,
    "selu": 1.7580993408473766,
    "hard_tanh": 0.0,
    "hard_sigmoid": 0.0,
}

TORCH = {
    "linear": lambda item: torch.nn.Identity(),
    "sigmoid": lambda item: torch.nn.Sigmoid(),
    "tanh": lambda item: torch.nn.Tanh(),
    "hard_tanh": lambda item: torch.nn.Hardtanh(),
    "softmax": lambda item: torch.nn.Softmax(dim=-1),
    "relu": lambda item: torch.nn.ReLU(),
    "leaky_relu": lambda item: torch.nn.LeakyReLU(item.alpha),
    "elu": lambda item: torch.nn.ELU(item.alpha),
    "selu": lambda item: torch.nn.SELU(),
    "gelu": lambda item: torch.nn.GELU(),
    "silu": lambda item: torch.nn.SiLU(),
    "softplus": lambda item: torch.nn.Softplus(threshold=1000),
    "softsign": lambda item: torch.nn.Softsign(),
    "exponential": lambda item: torch.exp,
    # Not torch.nn.Hardsigmoid, whose float64 gradient is 1/6 in float32.
    "hard_sigmoid": lambda item: lambda z: torch.nn.functional.relu6(z + 3) / 6,
}
WITHOUT_TORCH = {"step"}


def away_from_kinks(name, z, distance=1e-2):
    for kink in KINKS.get(name, ()):
        z = jnp.where(jnp.abs(z - kink) < distance, kink + 2 * distance, z)
    return z


@partial(jax.jit, static_argnames="activation")
def value_and_backward(activation, z, da):
    a = activation.value(z)
    return a, activation.backward(z, a, da)


@jax.jit
def every_backward_and_vjp(z, da):
    """By activation, dz by hand and dz by autodiff, of z away from the kinks."""
    results = {}
    for activation in ITEMS:
        near = away_from_kinks(activation.name, z)
        a, pull = jax.vjp(activation.value, near)
        results[str(activation)] = activation.backward(near, a, da), pull(da)[0]
    return results


def test_tables_cover_the_registry():
    assert set(TORCH) | WITHOUT_TORCH == set(activations)
    assert set(KINKS) <= set(activations)
    assert set(SLOPE_AT_KINK) == set(KINKS)


@settings(max_examples=5, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 2**31))
def test_backward_is_the_vector_jacobian_product(shape, seed):
    rng = np.random.default_rng(seed)
    z, da = (jnp.asarray(scale * rng.normal(size=shape), jnp.float32) for scale in (3, 1))
    for name, (by_hand, derived) in every_backward_and_vjp(z, da).items():
        assert by_hand.shape == z.shape
        np.testing.assert_allclose(by_hand, derived, rtol=2e-5, atol=2e-6, err_msg=name)


@EVERY
def test_backward_is_the_finite_difference(activation, float64):
    rng = np.random.default_rng(1)
    z, da, direction = rng.normal(size=(3, *SHAPE))
    z, h = np.asarray(away_from_kinks(activation.name, 3 * z)), 1e-6
    forward, back = (value_and_backward(activation, z + s * h * direction, da)[0] for s in (1, -1))
    change = np.sum(da * np.asarray(forward - back) / (2 * h), axis=-1)
    dz = np.asarray(value_and_backward(activation, z, da)[1])
    np.testing.assert_allclose(np.sum(dz * direction, axis=-1), change, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", sorted(KINKS))
def test_derivative_at_a_kink_is_the_stated_one(name):
    z = np.resize(np.float32(KINKS[name]), SHAPE)
    _, derivative = value_and_backward(activations.build(name), z, np.ones_like(z))
    np.testing.assert_allclose(derivative, SLOPE_AT_KINK[name], rtol=1e-6)


@pytest.mark.parametrize("activation", [LeakyReLU(alpha=0.3), ELU(alpha=0.5)], ids=str)
def test_derivative_at_the_kink_with_another_alpha_is_alpha(activation):
    z = np.zeros(SHAPE, np.float32)
    _, derivative = value_and_backward(activation, z, np.ones_like(z))
    np.testing.assert_allclose(derivative, activation.alpha, rtol=1e-6)


@EVERY
def test_finite_far_from_zero(activation):
    z = np.resize(np.float32([-1e4, -100, -30, 0, 30, 100, 1e4]), SHAPE)
    a, derivative = value_and_backward(activation, z, np.ones_like(z))
    assert np.all(np.isfinite(a))
    assert np.all(np.isfinite(derivative))


@EVERY
def test_values_stay_in_the_range_and_come_near_its_ends(activation):
    low, high = activation.range
    z = np.linspace(-60, 60, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE[::-1]).T
    z[1::2] = np.linspace(-3, 3, z[1::2].size, dtype=np.float32).reshape(z[1::2].shape)
    a, _ = value_and_backward(activation, z, z)
    assert np.all(np.asarray(a) >= low - 1e-6)
    assert np.all(np.asarray(a) <= high + 1e-6)
    assert np.min(a) < (low + 0.03 if np.isfinite(low) else -0.1)
    assert np.max(a) > (high - 0.03 if np.isfinite(high) else 10)


@EVERY
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_dtype_and_shape_are_kept(activation, dtype, float64):
    z = jax.ShapeDtypeStruct((2, 3), dtype)
    for result in jax.eval_shape(partial(value_and_backward, activation), z, z):
        assert result.dtype == dtype
        assert result.shape == (2, 3)


@EVERY
def test_survives_jit_scan_and_vmap(activation):
    z = np.random.default_rng(2).normal(size=(2, *SHAPE)).astype(np.float32)
    run = partial(value_and_backward, activation)
    expected = [np.stack(parts) for parts in zip(*[run(half, half) for half in z], strict=True)]

    @jax.jit
    def mapped_and_scanned(z):
        return jax.vmap(run)(z, z), jax.lax.scan(lambda carry, half: (carry, run(half, half)), 0, z)[1]

    for result in mapped_and_scanned(z):
        for one, other in zip(expected, result, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


@EVERY
def test_agrees_with_pytorch(activation, float64):
    if activation.name in WITHOUT_TORCH:
        pytest.skip("PyTorch has no such activation")
    rng = np.random.default_rng(3)
    z, da = rng.normal(size=(2, *SHAPE)) * [[[4.0]], [[1.0]]]
    z[0] = 0  # a kink at zero has the same convention there
    there = torch.tensor(z, requires_grad=True)
    expected = TORCH[activation.name](activation)(there)
    expected.backward(torch.tensor(da))
    a, dz = value_and_backward(activation, z, da)
    np.testing.assert_allclose(a, expected.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dz, there.grad, rtol=1e-10, atol=1e-10)


@EVERY
def test_described_and_built_again(activation):
    again = activations.build(describe(activation))
    assert again == activation
    assert hash(again) == hash(activation)
    assert activation.formula


def test_softmax_is_a_distribution_that_a_shift_does_not_change():
    z = np.random.default_rng(4).normal(size=SHAPE).astype(np.float32)
    a, _ = value_and_backward(activations.build("softmax"), z, z)
    shifted, _ = value_and_backward(activations.build("softmax"), z + 1000, z)
    np.testing.assert_allclose(jnp.sum(a, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(shifted, a, rtol=1e-3)


def test_gelu_keeps_its_lower_tail():
    z = np.full(SHAPE, -8, np.float32)
    a, _ = value_and_backward(activations.build("gelu"), z, z)
    np.testing.assert_allclose(a, -8 * 6.220960574271785e-16, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("cls", [LeakyReLU, ELU])
def test_alpha_must_be_above_zero(cls, alpha):
    with pytest.raises(InvalidValue, match="alpha"):
        cls(alpha=alpha)


def test_a_slip_of_the_pen_finds_advice():
    with pytest.raises(UnknownName, match="'relu'"):
        activations.build("rellu")
    assert activations.build({"name": "leaky_relu", "alpha": 0.1}) == LeakyReLU(alpha=0.1)
