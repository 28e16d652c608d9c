"""Every activation of the registry against the laws of a function with a slope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.checks import InvalidValue, UnknownName
from pellucid.core.registry import describe
from pellucid.functions.activations import ELU, Elementwise, LeakyReLU, activations

ITEMS = [activations.build(name) for name in activations] + [LeakyReLU(alpha=0.3), ELU(alpha=0.5)]
EVERY = pytest.mark.parametrize("activation", ITEMS, ids=str)

KINKS = {
    "relu": (0.0,),
    "step": (0.0,),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (-3.0, 3.0),
}

# What the slope is called to be at each kink.
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
    "hard_sigmoid": lambda item: torch.nn.Hardsigmoid(),
}
WITHOUT_TORCH = {"step"}


def away_from_kinks(name, z, distance=1e-2):
    for kink in KINKS.get(name, ()):
        z = np.where(np.abs(z - kink) < distance, kink + 2 * distance, z)
    return z


def test_tables_cover_the_registry():
    assert set(TORCH) | WITHOUT_TORCH == set(activations)
    assert set(KINKS) <= set(activations)
    assert set(SLOPE_AT_KINK) == set(KINKS)


@EVERY
@settings(max_examples=6, deadline=None)
@given(shape=st.lists(st.integers(1, 3), min_size=1, max_size=3), seed=st.integers(0, 2**31))
def test_backward_is_the_vector_jacobian_product(activation, shape, seed):
    rng = np.random.default_rng(seed)
    z = jnp.asarray(away_from_kinks(activation.name, 3 * rng.normal(size=shape)), jnp.float32)
    da = jnp.asarray(rng.normal(size=shape), jnp.float32)
    a, pull = jax.vjp(activation.value, z)
    assert a.shape == z.shape
    np.testing.assert_allclose(activation.backward(z, a, da), pull(da)[0], rtol=2e-5, atol=2e-6)


@EVERY
def test_backward_is_the_finite_difference(activation):
    rng = np.random.default_rng(1)
    z, da, direction = rng.normal(size=(3, 40, 5))
    z, h = away_from_kinks(activation.name, 3 * z), 1e-6
    with jax.enable_x64(True):
        forward, back = (activation.value(jnp.asarray(z + s * h * direction)) for s in (1, -1))
        change = np.sum(da * (forward - back) / (2 * h), axis=-1)
        dz = activation.backward(jnp.asarray(z), activation.value(jnp.asarray(z)), jnp.asarray(da))
    np.testing.assert_allclose(np.sum(np.asarray(dz) * direction, axis=-1), change, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", sorted(KINKS))
def test_slope_at_a_kink_is_the_stated_one(name):
    activation = activations.build(name)
    assert isinstance(activation, Elementwise)
    z = jnp.asarray(KINKS[name], jnp.float32)
    np.testing.assert_allclose(activation.slope(z, activation.value(z)), SLOPE_AT_KINK[name], rtol=1e-6)


def test_slope_at_the_kink_with_another_alpha_is_alpha():
    z = jnp.zeros(1)
    for activation in (LeakyReLU(alpha=0.3), ELU(alpha=0.5)):
        np.testing.assert_allclose(activation.slope(z, activation.value(z)), activation.alpha, rtol=1e-6)


@EVERY
@pytest.mark.parametrize("size", [30.0, 100.0, 1e4])
def test_finite_far_from_zero(activation, size):
    z = jnp.asarray([[-size, 0.0, size], [size, size, -size]], jnp.float32)
    a = activation.value(z)
    assert np.all(np.isfinite(a))
    assert np.all(np.isfinite(activation.backward(z, a, jnp.ones_like(z))))


@EVERY
def test_values_stay_in_the_range_and_come_near_its_ends(activation):
    low, high = activation.range
    z = jnp.linspace(-50, 50, 20_001, dtype=jnp.float32)[:, None] * jnp.asarray([[1.0, 0.0]])
    a = np.asarray(activation.value(z))
    assert np.all(a >= low - 1e-6)
    assert np.all(a <= high + 1e-6)
    assert a.min() < (low + 0.03 if np.isfinite(low) else -0.1)
    assert a.max() > (high - 0.03 if np.isfinite(high) else 10)


@EVERY
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_dtype_and_shape_are_kept(activation, dtype):
    with jax.enable_x64(True):
        z = jnp.asarray([[-1.5, 0.5], [2.0, -4.0]], dtype)
        a = activation.value(z)
        dz = activation.backward(z, a, a)
    assert a.dtype == dz.dtype == z.dtype
    assert a.shape == dz.shape == z.shape


@EVERY
def test_survives_jit_scan_and_vmap(activation):
    z = jnp.asarray(np.random.default_rng(2).normal(size=(4, 3, 2)), jnp.float32)

    def both(z):
        a = activation.value(z)
        return a, activation.backward(z, a, z)

    expected = both(z)
    _, scanned = jax.jit(lambda z: jax.lax.scan(lambda carry, row: (carry, both(row)), 0, z))(z)
    mapped = jax.jit(jax.vmap(both))(z)
    for one, two, three in zip(expected, scanned, mapped, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(three, one, rtol=1e-5, atol=1e-6)


@EVERY
def test_agrees_with_pytorch(activation):
    if activation.name in WITHOUT_TORCH:
        pytest.skip("PyTorch has no such activation")
    rng = np.random.default_rng(3)
    z, da = rng.normal(size=(2, 30, 4)) * [[[4.0]], [[1.0]]]
    z[0] = [0.0, 0.0, 0.0, 0.0]  # kinks at zero have the same convention
    there = torch.tensor(z, requires_grad=True)
    expected = TORCH[activation.name](activation)(there)
    expected.backward(torch.tensor(da))
    with jax.enable_x64(True):
        a = activation.value(jnp.asarray(z))
        dz = activation.backward(jnp.asarray(z), a, jnp.asarray(da))
    np.testing.assert_allclose(a, expected.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dz, there.grad, rtol=1e-10, atol=1e-10)


@EVERY
def test_described_and_built_again(activation):
    again = activations.build(describe(activation))
    assert again == activation
    assert hash(again) == hash(activation)
    assert activation.formula


def test_softmax_is_a_distribution_that_a_shift_does_not_change():
    softmax = activations.build("softmax")
    z = jnp.asarray(np.random.default_rng(4).normal(size=(5, 7)), jnp.float32)
    np.testing.assert_allclose(jnp.sum(softmax.value(z), axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(softmax.value(z + 1000), softmax.value(z), rtol=1e-3)


def test_gelu_keeps_its_lower_tail():
    z = jnp.asarray([-8.0], jnp.float32)
    np.testing.assert_allclose(activations.build("gelu").value(z), -8 * 6.220960574271785e-16, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), "1"])
@pytest.mark.parametrize("cls", [LeakyReLU, ELU])
def test_alpha_must_be_above_zero(cls, alpha):
    with pytest.raises(InvalidValue, match="alpha"):
        cls(alpha=alpha)


def test_a_slip_of_the_pen_finds_advice():
    with pytest.raises(UnknownName, match="'relu'"):
        activations.build("rellu")
    assert activations.build({"name": "leaky_relu", "alpha": 0.1}) == LeakyReLU(alpha=0.1)
