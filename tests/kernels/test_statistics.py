"""The kernel that measures the layers' outputs agrees with the recorder's own code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import kernels
from pellucid.layers import Activation, Dense, Flatten
from pellucid.network import Network
from pellucid.training.recorder import _native_statistics, _statistics

pytestmark = pytest.mark.skipif(kernels.load()[0] is None, reason="the kernels are not compiled")
SIZES = st.integers(1, 70)
NETWORK = Network(Flatten(), Dense(4), Activation("relu"), Dense(3), Activation("sigmoid"))
STEP = jnp.int32(7)


def outputs_of(rows, units, seed=0):
    rng = np.random.default_rng(seed)
    z = [jnp.asarray(rng.normal(size=(rows, n)) * 5, jnp.float32) for n in (units, units, units + 3)]
    active = jnp.full(units, 2, jnp.int32), jnp.full(units + 3, 3, jnp.int32)
    return (z[0], z[1], jnp.maximum(z[1], 0).at[:, 0].set(0), z[2], jax.nn.sigmoid(z[2])), active


@settings(deadline=None, max_examples=10)
@given(SIZES, SIZES)
def test_statistics_are_those_of_the_definition(rows, units):
    outputs, active = outputs_of(rows, units)
    native, steps = _native_statistics(NETWORK, outputs, active, STEP)
    with kernels.definitions():
        defined, expected_steps = _statistics(NETWORK, outputs, active, STEP)
    np.testing.assert_allclose(native, defined, rtol=2e-5, atol=2e-5)
    jax.tree.map(np.testing.assert_array_equal, steps, expected_steps)


def test_members_are_measured_each_by_itself():
    alone = [outputs_of(33, 20, seed) for seed in range(3)]
    stacked, active = jax.tree.map(lambda *a: jnp.stack(a), *alone)
    together = jax.vmap(lambda outputs, active: _native_statistics(NETWORK, outputs, active, STEP))(stacked, active)
    each = [_native_statistics(NETWORK, outputs, active, STEP) for outputs, active in alone]
    jax.tree.map(np.testing.assert_array_equal, together, jax.tree.map(lambda *a: jnp.stack(a), *each))


def test_a_number_that_is_not_finite_is_seen():
    outputs, active = outputs_of(8, 5)
    outputs = (*outputs[:3], outputs[3].at[2, 1].set(jnp.nan), outputs[4])
    statistics, _ = _native_statistics(NETWORK, outputs, active, STEP)
    assert np.isnan(statistics[3, 0])
    assert np.isfinite(statistics[1, 0])
