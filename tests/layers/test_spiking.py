"""Spiking layers: spikes worked out by hand, and values and gradients against PyTorch in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.core.errors import InvalidValue
from pellucid.layers import LeakyIntegrateAndFire, MeanOverTime, Repeat


class Spike(torch.autograd.Function):
    """The step, with the derivative of a fast sigmoid."""

    @staticmethod
    def forward(ctx, z, sharpness):
        ctx.save_for_backward(z)
        ctx.sharpness = sharpness
        return (z >= 0).to(z.dtype)

    @staticmethod
    def backward(ctx, derivative):
        (z,) = ctx.saved_tensors
        return derivative / (ctx.sharpness * z.abs() + 1) ** 2, None


def in_torch(layer, currents):
    """The layer step by step, the reset detached."""
    potential = torch.zeros_like(currents[:, 0])
    spikes = [torch.zeros_like(potential)]
    for t in range(currents.shape[1]):
        before = spikes[-1].detach()
        if layer.reset == "subtract":
            potential = layer.leak * potential + currents[:, t] - layer.threshold * before
        else:
            potential = layer.leak * potential * (1 - before) + currents[:, t]
        spikes.append(Spike.apply(potential - layer.threshold, layer.sharpness))
    return torch.stack(spikes[1:], dim=1)


@pytest.mark.parametrize(
    "layer",
    [
        LeakyIntegrateAndFire(),
        LeakyIntegrateAndFire(leak=0.6, threshold=0.7, reset="zero", sharpness=20.0),
        LeakyIntegrateAndFire(leak=1.0, reset="zero"),
        LeakyIntegrateAndFire(leak=0.0),
    ],
    ids=repr,
)
def test_spikes_and_gradients_are_pytorchs(layer, rng, float64):
    currents, dy = rng.normal(0.3, 0.6, (4, 30, 5)), rng.normal(size=(4, 30, 5))
    currents_torch = torch.tensor(currents, requires_grad=True)
    spikes_torch = in_torch(layer, currents_torch)
    spikes_torch.backward(torch.tensor(dy))

    spikes, _, cache = layer.forward({}, {}, jnp.asarray(currents))
    dx, grads = layer.backward({}, cache, jnp.asarray(dy))
    assert 0.05 < spikes.mean() < 0.95
    np.testing.assert_array_equal(spikes, spikes_torch.detach())
    np.testing.assert_allclose(dx, currents_torch.grad, rtol=1e-8, atol=1e-12)
    assert grads == {}


@pytest.mark.parametrize(
    ("reset", "expected"),
    # v with "subtract": 0.75, 1.125*, 0.3125, 0.90625, 1.203125*, …; with "zero": 0.75, 1.125*, 0.75, 1.125*, …
    [("subtract", [0, 1, 0, 0, 1]), ("zero", [0, 1, 0, 1, 0])],
)
def test_spikes_by_hand(reset, expected):
    layer = LeakyIntegrateAndFire(leak=0.5, reset=reset)
    assert layer.forward({}, {}, jnp.full((1, 5), 0.75))[0][0].tolist() == expected


def test_a_potential_at_the_threshold_spikes():
    assert LeakyIntegrateAndFire().forward({}, {}, jnp.ones((1, 1)))[0].item() == 1


def test_without_a_leak_the_rate_is_the_input():
    """Integrate and fire, reset by subtraction: T steps of current I hold ⌊T·I⌋ spikes, up to one."""
    currents = jnp.linspace(0, 0.9, 10)
    x, _, _ = Repeat(200).forward({}, {}, currents[None])
    spikes, _, _ = LeakyIntegrateAndFire(leak=1.0).forward({}, {}, x)
    rates, _, _ = MeanOverTime().forward({}, {}, spikes)
    np.testing.assert_allclose(rates[0], currents, atol=1 / 200 + 1e-6)


def test_repeat_and_mean_are_each_others_transpose(rng):
    x = jnp.asarray(rng.normal(size=(3, 4)), jnp.float32)
    repeated, _, _ = Repeat(5).forward({}, {}, x)
    mean, _, cache = MeanOverTime().forward({}, {}, repeated)
    np.testing.assert_allclose(mean, x, rtol=1e-6)
    dx, _ = MeanOverTime().backward({}, cache, x)
    np.testing.assert_allclose(Repeat(5).backward({}, None, dx)[0], x, rtol=1e-6)
    assert Repeat(5).init(None, (4,))[2] == (5, 4)
    assert MeanOverTime().init(None, (5, 4))[2] == (4,)


@pytest.mark.parametrize("fields", [{"leak": 1.1}, {"threshold": 0.0}, {"reset": "never"}, {"sharpness": 0.0}])
def test_fields_outside_their_range_are_refused(fields):
    with pytest.raises(InvalidValue, match=next(iter(fields))):
        LeakyIntegrateAndFire(**fields)
    with pytest.raises(InvalidValue, match="steps"):
        Repeat(0)


def test_a_long_run_stays_finite_under_jit():
    x = jnp.full((2, 1000, 3), 0.4)

    @jax.jit
    def derivative(x):
        _, _, cache = LeakyIntegrateAndFire().forward({}, {}, x)
        return LeakyIntegrateAndFire().backward({}, cache, jnp.ones_like(x))[0]

    assert bool(jnp.isfinite(derivative(x)).all())
