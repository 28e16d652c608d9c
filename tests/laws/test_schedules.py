"""Every learning-rate schedule of the registry."""

import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.core.tunable import as_arrays
from pellucid.functions.schedules import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    OnPlateau,
    StepDecay,
    WarmUp,
    rate_at,
    schedules,
)

REQUIRED = {"learning_rate": 0.2, "epochs": 8.0}


def example(name):
    """A schedule of that name, with only the fields that it cannot do without."""
    parameters = inspect.signature(schedules.find(name)).parameters.values()
    needed = {p.name: REQUIRED[p.name] for p in parameters if p.default is p.empty}
    return schedules.build({"name": name, **needed})


ITEMS = [example(name) for name in schedules] + [
    WarmUp(CosineDecay(0.2, epochs=6.0, final=0.01), epochs=2.0),
    OnPlateau(0.2, patience=2, scale=0.1),
    CosineRestarts(0.2, epochs=2.5, growth=3, final=0.01),
    OneCycle(0.2, epochs=8.0, rise=0.5, start_factor=1.0, final_factor=1.0),
]
EVERY = pytest.mark.parametrize("schedule", ITEMS, ids=str)
EPOCHS = np.arange(0, 20, 0.25, dtype=np.float32)


@EVERY
def test_rates_are_finite_and_between_zero_and_the_learning_rate(schedule):
    rates = np.asarray(schedule.rate(jnp.asarray(EPOCHS)))
    assert rates.shape == EPOCHS.shape
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)
    assert np.all(rates <= 0.2 * (1 + 1e-6))


@EVERY
def test_survives_jit_scan_and_vmap(schedule):
    progress = jnp.asarray(EPOCHS)
    expected = schedule.rate(progress)
    _, scanned = jax.lax.scan(lambda carry, t: (carry, schedule.rate(t)), 0, progress)
    for rates in (jax.jit(schedule.rate)(progress), jax.vmap(schedule.rate)(progress), scanned):
        np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-7)


@EVERY
def test_dtype_is_kept_with_numbers_and_with_arrays(schedule, float64):
    for dtype in (jnp.float32, jnp.float64):
        progress = jax.ShapeDtypeStruct((3,), dtype)
        for item in (schedule, as_arrays(schedule, dtype)):
            rates = jax.eval_shape(item.rate, progress)
            assert (rates.dtype, rates.shape) == (dtype, (3,))


@EVERY
def test_numbers_are_leaves_so_other_numbers_do_not_compile_again(schedule):
    traced = []

    @jax.jit
    def rate(schedule, progress):
        traced.append(1)
        return schedule.rate(progress)

    halved = jax.tree.map(lambda number: number / 2, as_arrays(schedule))
    progress = jnp.float32(3)
    np.testing.assert_allclose(rate(as_arrays(schedule), progress), schedule.rate(3.0), rtol=1e-5)
    np.testing.assert_allclose(rate(halved, progress), halved.rate(progress), rtol=1e-5)
    assert len(traced) == 1
    population = jax.tree.map(lambda *numbers: jnp.stack(numbers), as_arrays(schedule), halved)
    rates = jax.vmap(lambda member: member.rate(progress))(population)
    np.testing.assert_allclose(rates, [schedule.rate(3.0), halved.rate(progress)], rtol=1e-5)


@EVERY
def test_described_and_built_again(schedule):
    assert schedules.build(describe(schedule)) == schedule


def test_rates_of_the_formulas():
    progress = jnp.asarray([0.0, 4.0, 8.0, 12.0])
    np.testing.assert_allclose(StepDecay(1.0, 0.5, every=4.0).rate(progress), [1, 0.5, 0.25, 0.125])
    np.testing.assert_allclose(ExponentialDecay(1.0, 0.5).rate(progress), 0.5 ** np.asarray(progress))
    cosine = CosineDecay(1.0, epochs=8.0, final=0.2)
    np.testing.assert_allclose(cosine.rate(progress), [1, 0.6, 0.2, 0.2], rtol=1e-6)
    np.testing.assert_allclose(WarmUp(1.0, epochs=8.0).rate(progress), [0, 0.5, 1, 1])


OPTAX = [
    (StepDecay(0.2, 0.3, every=5.0), optax.exponential_decay(0.2, 5, 0.3, staircase=True)),
    (ExponentialDecay(0.2, 0.9), optax.exponential_decay(0.2, 1, 0.9)),
    (CosineDecay(0.2, epochs=8.0, final=0.02), optax.cosine_decay_schedule(0.2, 8, alpha=0.1)),
    (WarmUp(0.2, epochs=4.0), optax.linear_schedule(0.0, 0.2, 4)),
    (
        WarmUp(CosineDecay(0.2, epochs=8.0, final=0.02), epochs=4.0),
        optax.warmup_cosine_decay_schedule(0.0, 0.2, 4, 12, 0.02),
    ),
    (
        WarmUp(StepDecay(0.2, every=3.0), epochs=4.0),
        optax.join_schedules(
            [optax.linear_schedule(0.0, 0.2, 4), optax.exponential_decay(0.2, 3, 0.1, staircase=True)], [4]
        ),
    ),
]


@pytest.mark.parametrize(("schedule", "peer"), OPTAX, ids=[str(schedule) for schedule, _ in OPTAX])
def test_agrees_with_optax(schedule, peer):
    with jax.numpy_dtype_promotion("standard"):
        expected = [peer(count) for count in range(20)]
    np.testing.assert_allclose(schedule.rate(jnp.arange(20.0)), expected, rtol=1e-5, atol=1e-8)


def torch_rates(make, epochs):
    """The rates of a PyTorch scheduler that is stepped once an epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler = make(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (StepDecay(0.2, every=5.0), lambda o: torch.optim.lr_scheduler.StepLR(o, 5)),
        (ExponentialDecay(0.2, 0.9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
        (CosineDecay(0.2, epochs=15.0), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 15)),
        (
            CosineRestarts(0.2, epochs=4.0, final=0.01),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 4, eta_min=0.01),
        ),
        (
            CosineRestarts(0.2, epochs=2.0, growth=2),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
        ),
        # PyTorch counts steps, and reaches both ends a step earlier: 0.3 · 15 − 1 of 14 steps rise.
        (OneCycle(0.2, epochs=14.0, rise=3.5 / 14), lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.2, 15)),
        (
            OneCycle(0.2, epochs=14.0, rise=6.5 / 14, start_factor=0.1, final_factor=0.01),
            lambda o: torch.optim.lr_scheduler.OneCycleLR(
                o, 0.2, 15, pct_start=0.5, div_factor=10, final_div_factor=10
            ),
        ),
    ],
    ids=lambda item: str(item) if hasattr(item, "rate") else "",
)
def test_agrees_with_pytorch(schedule, make):
    np.testing.assert_allclose(schedule.rate(jnp.arange(15.0)), torch_rates(make, 15), rtol=1e-5, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    losses=st.lists(st.integers(0, 8).map(lambda n: n / 8) | st.just(float("nan")), max_size=40),
    patience=st.integers(1, 4),
    min_delta=st.sampled_from([0.0, 0.125, 0.3]),
)
def test_plateaus_are_pytorchs_with_one_epoch_less_of_patience(losses, patience, min_delta):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=patience - 1, threshold=min_delta, threshold_mode="abs", eps=0.0
        )
    schedule = OnPlateau(1.0, factor=0.5, patience=patience, min_delta=min_delta)
    for epoch, loss in enumerate(losses, start=1):
        peer.step(loss)
        assert schedule.observe(losses[:epoch]).scale == optimizer.param_groups[0]["lr"]


@settings(max_examples=20, deadline=None)
@given(losses=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), stop=st.integers(0, 20))
def test_a_resumed_run_sees_the_same_rates(losses, stop):
    schedule = OnPlateau(0.2, patience=2)
    resumed = schedule.observe(losses[:stop]).observe(losses)
    assert resumed == schedule.observe(losses)
    arrays = as_arrays(schedule).observe(losses)
    np.testing.assert_allclose(arrays.scale, resumed.scale, rtol=1e-5)


def test_only_a_plateau_looks_at_the_losses():
    losses = [1.0] * 20
    for schedule in ITEMS:
        assert (schedule.observe(losses) == schedule) == (schedule.name != "on_plateau")
    inner = OnPlateau(0.2, patience=2)
    assert WarmUp(inner, epochs=2.0).observe(losses) == WarmUp(inner.observe(losses), epochs=2.0)


def test_rate_at_takes_a_number_or_a_schedule():
    assert rate_at(0.3, 5.0) == 0.3
    np.testing.assert_allclose(rate_at(ExponentialDecay(0.4, 0.5), jnp.float32(2)), 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    "specification",
    [
        {"name": "step_decay", "learning_rate": 0.0},
        {"name": "step_decay", "learning_rate": 0.1, "factor": 0.0},
        {"name": "step_decay", "learning_rate": 0.1, "every": 0.0},
        {"name": "exponential_decay", "learning_rate": 0.1, "factor": 1.5},
        {"name": "cosine_decay", "learning_rate": 0.1},
        {"name": "cosine_decay", "learning_rate": 0.1, "epochs": 5.0, "final": -1.0},
        {"name": "warm_up", "learning_rate": -0.1},
        {"name": "warm_up", "learning_rate": {"name": "step_decay", "learning_rate": 0.0}},
        {"name": "on_plateau", "learning_rate": 0.1, "patience": 0},
        {"name": "on_plateau", "learning_rate": 0.1, "min_delta": -1.0},
    ],
    ids=str,
)
def test_wrong_fields_are_refused(specification):
    with pytest.raises(InvalidValue):
        schedules.build(specification)
