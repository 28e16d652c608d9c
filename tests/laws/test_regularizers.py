"""Every regulariser of the registry: penalty, gradient of its smooth part, proximal step of the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import Lasso, Ridge

from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.core.tunable import as_arrays
from pellucid.functions.losses import MeanSquaredError
from pellucid.functions.metrics import AbsoluteError
from pellucid.functions.regularizers import L1, L2, ElasticNet, regularizers
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid.optimizers import SGD
from pellucid.training import Supervised, initial_state

ITEMS = [regularizers.build(name) for name in regularizers]
ITEMS += [L1(strength=0.3), L2(strength=0.3), ElasticNet(l1=0.3, l2=0.2), L1(strength=0.0), L2(layers=("dense_1",))]
EVERY = pytest.mark.parametrize("regularizer", ITEMS, ids=str)

# The strength of the part with a kink, λ Σ|w|; the rest of the penalty is smooth.
KINK = {"l1": lambda item: item.strength, "l2": lambda item: 0.0, "elastic_net": lambda item: item.l1}


def test_table_covers_the_registry():
    assert set(KINK) == set(regularizers)


@EVERY
def test_gradient_is_that_of_the_smooth_part(regularizer, float64):
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
    kink = KINK[regularizer.name](regularizer) * np.sign(weights)
    gradient = np.asarray(regularizer.gradient(weights))
    np.testing.assert_allclose(gradient + kink, jax.grad(regularizer.penalty)(weights), rtol=1e-10, atol=1e-12)
    direction, h = np.random.default_rng(1).normal(size=weights.shape), 1e-6
    change = regularizer.penalty(weights + h * direction) - regularizer.penalty(weights - h * direction)
    np.testing.assert_allclose(np.sum((gradient + kink) * direction), change / (2 * h), rtol=1e-6, atol=1e-9)


@EVERY
def test_proximal_step_is_the_minimum_it_stands_for(regularizer):
    weights, step = np.linspace(-1, 1, 21), 0.5
    moved = np.asarray(regularizer.proximal(jnp.asarray(weights, jnp.float32), step))
    v = np.linspace(-1.2, 1.2, 24_001)[:, None]
    kink = KINK[regularizer.name](regularizer)
    best = v[np.argmin((v - weights) ** 2 / 2 + step * kink * np.abs(v), axis=0), 0]
    np.testing.assert_allclose(moved, best, atol=2e-4)
    if kink > 0:
        assert np.all(moved[np.abs(weights) <= step * kink] == 0)


@EVERY
def test_dtype_and_shape_are_kept_with_numbers_and_with_arrays(regularizer, float64):
    for dtype in (jnp.float32, jnp.float64):
        weights = jax.ShapeDtypeStruct((2, 3), dtype)
        step = jax.ShapeDtypeStruct((), dtype)
        for item in (regularizer, as_arrays(regularizer, dtype)):
            penalty = jax.eval_shape(item.penalty, weights)
            assert (penalty.dtype, penalty.shape) == (dtype, ())
            for result in (jax.eval_shape(item.gradient, weights), jax.eval_shape(item.proximal, weights, step)):
                assert (result.dtype, result.shape) == (dtype, (2, 3))


@EVERY
def test_survives_jit_scan_and_a_population_of_strengths(regularizer):
    weights = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)

    @jax.jit
    def all_three(item, weights):
        return item.penalty(weights), item.gradient(weights), item.proximal(weights, 0.1)

    expected = all_three(regularizer, weights)
    numbers = as_arrays(regularizer, np.float32)
    doubled = jax.tree.map(lambda strength: 2 * strength, numbers)
    population = jax.tree.map(lambda *pair: np.stack(pair), numbers, doubled)

    @jax.jit
    def members_and_rows(population, weights):
        members = jax.vmap(all_three, in_axes=(0, None))(population, weights)
        return members, jax.lax.scan(lambda carry, row: (carry, all_three(numbers, row)), 0, weights)[1]

    members, rows = members_and_rows(population, weights)
    for place, want in enumerate(expected):
        np.testing.assert_allclose(members[place][0], want, rtol=1e-5, atol=1e-7)
    for place, want in enumerate(all_three(doubled, weights)):
        np.testing.assert_allclose(members[place][1], want, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.sum(rows[0]), expected[0], rtol=1e-5)
    np.testing.assert_allclose(rows[2], expected[2], rtol=1e-5, atol=1e-7)


@EVERY
def test_described_and_built_again(regularizer):
    assert regularizers.build(describe(regularizer)) == regularizer


def descend(regularizer, X, y, proximal=True, rate=0.1, steps=4000):
    """Weights of least squares, ½ mean (Xw − y)², with a penalty, by gradient and proximal steps."""

    def step(w, _):
        gradient = X.T @ (X @ w - y) / len(y) + regularizer.gradient(w)
        if proximal:
            return regularizer.proximal(w - rate * gradient, rate), None
        return w - rate * (gradient + regularizer.strength * jnp.sign(w)), None

    return np.asarray(jax.jit(lambda w: jax.lax.scan(step, w, None, steps)[0])(jnp.zeros(X.shape[1])))


@pytest.fixture
def regression(float64):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 8))
    return X, X @ np.array([3.0, -2.0, 0, 0, 0.5, 0, 0, 0]) + 0.1 * rng.normal(size=60)


# scikit-learn's penalties: alpha Σ|w|; alpha (ratio Σ|w| + ½ (1 − ratio) Σ w²); Ridge: ½ alpha/N Σ w².
SKLEARN = [
    (L1(strength=0.2), Lasso(alpha=0.2, fit_intercept=False, tol=1e-12, max_iter=100_000)),
    (L2(strength=0.2), Ridge(alpha=0.4 * 60, fit_intercept=False)),
    (
        ElasticNet(l1=0.2, l2=0.3),
        SklearnElasticNet(alpha=0.8, l1_ratio=0.25, fit_intercept=False, tol=1e-12, max_iter=100_000),
    ),
]


@pytest.mark.parametrize(("regularizer", "peer"), SKLEARN, ids=[str(item) for item, _ in SKLEARN])
def test_penalised_least_squares_agree_with_scikit_learn(regularizer, peer, regression):
    X, y = regression
    expected = peer.fit(X, y).coef_
    weights = descend(regularizer, X, y)
    np.testing.assert_allclose(weights, expected, atol=1e-8)
    np.testing.assert_array_equal(weights == 0, expected == 0)
    assert np.any(weights == 0) == (KINK[regularizer.name](regularizer) > 0)


def test_the_sub_gradient_never_reaches_zero(regression):
    X, y = regression
    exact = descend(L1(strength=0.2), X, y)
    swinging = descend(L1(strength=0.2), X, y, proximal=False)
    assert np.sum(exact == 0) >= 4
    assert np.all(swinging != 0)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_strengths_below_zero_are_refused(strength):
    for name, field in (("l1", "strength"), ("l2", "strength"), ("elastic_net", "l1"), ("elastic_net", "l2")):
        with pytest.raises(InvalidValue, match=field):
            regularizers.build({"name": name, field: strength})


def test_only_the_layers_named_are_penalised():
    """Without a gradient of the loss, each layer's weights move by its penalty alone."""
    network = Network(Dense(3, "tanh", biases="ones"), Dense(2))
    program = Supervised(network, MeanSquaredError(), AbsoluteError(), 4)
    for rule in (L2(strength=0.5, layers=("dense_2",)), L1(strength=0.5, layers=("dense_2",))):
        state = initial_state(network, SGD(0.1), rule, (4,), 0)
        nothing = jax.tree.map(jnp.zeros_like, state.params)
        moved = program.update(state, nothing, jnp.zeros(())).params
        for before, after in zip(state.params[:2], moved[:2], strict=True):
            jax.tree.map(np.testing.assert_array_equal, before, after)
        w = state.params[2]["weights"]
        expected = w - 0.1 * w if rule.name == "l2" else np.sign(w) * np.maximum(np.abs(w) - 0.05, 0)
        np.testing.assert_allclose(moved[2]["weights"], expected, rtol=1e-6)
        np.testing.assert_array_equal(moved[2]["biases"], state.params[2]["biases"])
    with pytest.raises(InvalidValue, match=r"dense_9.*dense_1, tanh_1, dense_2"):
        initial_state(network, SGD(0.1), L2(layers=("dense_9",)), (4,), 0)
