"""The kernel that updates all parameters in one pass does what the optimisers' code defines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import kernels
from pellucid.optimizers import Adam, Optimizer, _update, optimizers, sums_of

pytestmark = pytest.mark.skipif(kernels.load()[0] is None, reason="the kernels are not compiled")
COVERED = [name for name in optimizers if optimizers.build(name).coefficients(jnp.float32(1)) is not None]


def trees(sizes=((7, 5), (3,), (300, 100), (8192,), (1,)), seed=0):
    rng = np.random.default_rng(seed)
    make = lambda: tuple({"weights": jnp.asarray(rng.normal(size=size), jnp.float32)} for size in sizes)  # noqa: E731
    params = make()
    params[0]["weights"] = params[0]["weights"].at[0].set(0)
    return params, make()


def test_which_rules_it_covers():
    assert set(COVERED) == {
        "sgd", "gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "nadam", "adamw", "radam"
    }  # fmt: skip


@pytest.mark.parametrize("name", COVERED)
def test_updates_are_those_of_the_definition(name):
    params, grads = trees()
    rule = optimizers.build(name)
    state = defined = rule.init(params)
    of_definition = params
    for i in range(7):  # from the sixth on RAdam divides
        grads = jax.tree.map(lambda g, i=i: g * (-1.0) ** i * (i + 1), grads)
        t = (defined.step + 1).astype(jnp.float32)
        expected = _update(grads, defined, of_definition, jnp.float32(rule.learning_rate), t)
        update = jax.jit(rule.update)(grads, state, params)
        for a, b in zip(
            jax.tree.leaves((update.params, update.state, update.changes)),
            jax.tree.leaves((expected.params, expected.state, expected.changes)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(1e-30, float(jnp.abs(b).max())))
        sums = jax.tree.map(sums_of, grads, expected.changes, expected.params)
        for a, b in zip(jax.tree.leaves(update.sums), jax.tree.leaves(sums), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4)
        params, state = update.params, update.state
        of_definition, defined = expected.params, expected.state


def test_zeros_are_counted_without_the_lanes_beyond_the_end():
    params = ({"weights": jnp.zeros(37, jnp.float32)},)
    rule = Adam()
    sums = rule.update(params, rule.init(params), params).sums
    assert sums[0]["weights"].tolist() == [0, 0, 0, 37]


def test_a_clipped_gradient_is_not_the_one_that_is_measured():
    params, grads = trees()
    rule = Adam(clip_norm=0.1)
    assert rule.update(grads, rule.init(params), params).sums is None


def test_members_have_their_own_rates_and_share_what_is_shared():
    params, grads = trees()
    rates = jnp.asarray([0.1, 0.01])

    def run(rate):
        rule = Adam(0.5)
        state = rule.init(params)
        state = state._replace(rule=jax.tree.map(lambda x: x, state.rule))
        object.__setattr__(state.rule, "learning_rate", rate)
        return rule.update(grads, state, params).params

    together = jax.vmap(run)(rates)
    alone = [run(rate) for rate in rates]
    jax.tree.map(np.testing.assert_array_equal, together, jax.tree.map(lambda *a: jnp.stack(a), *alone))


def test_the_same_bits_every_time():
    params, grads = trees(((784, 128), (128,), (128, 10)))
    rule = Adam()
    run = jax.jit(rule.update)
    first = run(grads, rule.init(params), params)
    for _ in range(20):
        again = run(grads, rule.init(params), params)
        jax.tree.map(np.testing.assert_array_equal, again.sums, first.sums)
        jax.tree.map(np.testing.assert_array_equal, again.params, first.params)


def test_another_direction_has_no_coefficients_of_its_parent():
    class Sign(Adam):
        def direction(self, g, w, slots, t):
            return jnp.sign(g), slots

    assert Sign.coefficients is Optimizer.coefficients


def test_a_derivative_with_respect_to_the_gradient():
    params, grads = trees(((4, 3),))
    rule = Adam()
    moved = lambda g: rule.update(g, rule.init(params), params).params[0]["weights"].sum()  # noqa: E731
    assert np.isfinite(jax.grad(moved)(grads)[0]["weights"]).all()
