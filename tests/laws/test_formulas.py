"""Every item with a formula: the formula evaluates to what the code computes, and the docstring says it."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pellucid.functions.activations import Elementwise, activations
from pellucid.functions.initializers import fans, initializers
from pellucid.functions.losses import PerOutput, losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import rate_at, schedules
from pellucid.functions.sparsity import sparsities
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid.optimizers import Momentum, RMSprop, optimizers
from pellucid.training.lipschitz import GradientPenalty, between, input_gradients, lengths, lipschitz_constraints

NEEDED = {"learning_rate": 0.2, "epochs": 8.0}
"""Values of the fields that have no default."""


def items_of(registry):
    """An item of each class of the package, with values for the fields that it cannot do without."""
    for name in registry:
        cls = registry.find(name)
        if cls.__module__.startswith("pellucid"):
            needed = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
            yield registry.build({"name": name, **{field: NEEDED[field] for field in needed}})


def each(registry, *more):
    return pytest.mark.parametrize("item", [*items_of(registry), *more], ids=str)


REGISTRIES = [activations, initializers, losses, metrics, optimizers, regularizers, schedules, sparsities]
ITEMS = [item for registry in [*REGISTRIES, lipschitz_constraints] for item in items_of(registry)]


def close(computed, expected, rtol=1e-9):
    np.testing.assert_allclose(np.broadcast_to(computed, np.shape(expected)), expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_the_docstring_states_the_formula(item):
    text = " ".join(inspect.getdoc(item).split())
    formulas = [getattr(item, name) for name in dir(item) if name == "formula" or name.endswith("_formula")]
    assert formulas
    for formula in formulas:
        assert formula.text in text, formula.text


@each(activations)
def test_value_and_derivative_of_an_activation(item, float64, rng):
    z = 3 * rng.normal(size=20)
    a = np.asarray(item.value(jnp.asarray(z)))
    close(item.formula.evaluate(z=z, **item.formula.fields(item)), a)
    derivative = item.derivative_formula.evaluate(z=z, a=a, **item.derivative_formula.fields(item))
    if isinstance(item, Elementwise):
        close(derivative, item.derivative(jnp.asarray(z), jnp.asarray(a)))
    else:
        close(derivative, jax.jacobian(item.value)(jnp.asarray(z)))


@each(losses)
def test_term_and_gradient_of_a_loss(item, float64, rng):
    prediction = rng.uniform(0.05, 0.95, 5) if item.reads == "probabilities" else 2 * rng.normal(size=5)
    if not isinstance(item, PerOutput):
        prediction = prediction / prediction.sum() if item.reads == "probabilities" else prediction
        y = np.int32(3) if item.target_kind == "classes" else rng.dirichlet(np.ones(5))
    else:
        y = rng.normal(size=5) if item.of_difference else rng.choice(item.target_range, 5)
    letter = "z" if item.reads == "logits" else "yhat"
    given = {letter: prediction, "y": y}
    batch = jnp.asarray(prediction)[None], jnp.asarray(y)[None]
    value = item.formula.evaluate(**given, **item.formula.fields(item))
    gradient = item.gradient_formula.evaluate(**given, **item.gradient_formula.fields(item))
    if isinstance(item, PerOutput):
        close(value, item.term(*batch)[0])
        close(gradient, item.term_gradient(*batch)[0])
    else:
        close(value, item.value(*batch)[0])
        close(gradient, item.gradient(*batch)[0])


@each(metrics)
def test_value_of_a_metric(item, rng):
    for seed in range(8):
        prediction = np.random.default_rng(seed).uniform(size=(1, 8)).astype(np.float32)
        of_classes = "argmax" in item.formula.source or "[y]" in item.formula.source
        y = np.int32(seed) if of_classes else (prediction[0] > 0.7).astype(np.float32)
        value = item.formula.evaluate(yhat=prediction[0], y=y, **item.formula.fields(item))
        close(np.mean(value), item.value(jnp.asarray(prediction), jnp.asarray(y)[None])[0], rtol=1e-6)


@each(regularizers)
def test_penalty_gradient_and_proximal_step_of_a_regularizer(item, float64, rng):
    w, step = rng.normal(size=(4, 3)), 0.5
    given = {"w": w, "step": step}
    close(item.formula.evaluate(**given, **item.formula.fields(item)), item.penalty(jnp.asarray(w)))
    close(item.gradient_formula.evaluate(**given, **item.gradient_formula.fields(item)), item.gradient(jnp.asarray(w)))
    moved = item.proximal_formula.evaluate(**given, **item.proximal_formula.fields(item))
    close(moved, item.proximal(jnp.asarray(w), step))


@each(sparsities)
def test_penalty_and_gradient_of_a_sparsity_penalty(item, float64, rng):
    a = rng.uniform(0.1, 0.9, size=(6, 4))
    given = {"a": a, "N": 6}
    fractions = jnp.full(6, 1 / 6)
    close(item.formula.evaluate(**given, **item.formula.fields(item)), item.penalty(jnp.asarray(a), fractions))
    gradient = item.gradient_formula.evaluate(**given, **item.gradient_formula.fields(item))
    close(gradient, item.gradient(jnp.asarray(a), fractions))


@each(schedules)
def test_rate_of_a_schedule(item, float64):
    for t in np.linspace(0, 12, 25):
        given = {"t": t, "inner": lambda t: rate_at(item.learning_rate, t)}
        rate = item.formula.evaluate(**given, **item.formula.fields(item))
        close(rate, item.rate(jnp.asarray(t)), rtol=1e-7)


@each(initializers)
def test_distribution_of_an_initializer(item, float64):
    shape = (60, 50)
    fan_in, fan_out = fans(shape)
    w = np.asarray(item(jax.random.key(0), shape, jnp.float64))
    given = {"fan_in": fan_in, "fan_out": fan_out, "W": w, "I": np.eye(50)}
    stated = item.formula.evaluate(**given, **item.formula.fields(item))
    if hasattr(stated, "cdf"):
        assert stats.kstest(w.ravel(), stated.cdf).pvalue > 0.01
    elif stated.dtype == bool:
        assert stated.all()
    else:
        close(stated, w)


@each(optimizers, Momentum(average=False), RMSprop(momentum=0.9))
def test_update_of_an_optimizer(item, float64, rng):
    w = {"weights": jnp.asarray(rng.normal(size=3))}
    state = item.init(w)
    for t in range(1, 4):
        g = {"weights": jnp.asarray(rng.normal(size=3))}
        given = {letter: state.slots[slot]["weights"] for slot, letter in item.slots.items()}
        given |= {"g": g["weights"], "w": w["weights"], "t": t}
        results = item.formula.results(**given, **item.formula.fields(item))
        update = item.update(g, state, w)
        w, state = update.params, update.state
        close(results["w"], w["weights"])
        for slot, letter in item.slots.items():
            close(results[letter], state.slots[slot]["weights"])


def test_gradient_penalty_and_weight_clipping(float64, rng):
    critic = Network(Dense(4, "tanh"), Dense(1))
    params, state, _ = critic.init(jax.random.key(0), (3,))
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    real, generated = (jnp.asarray(rng.normal(size=(5, 3))) for _ in range(2))
    item, key = GradientPenalty(2.0), jax.random.key(1)
    line_key, layer_key = jax.random.split(key)
    epsilon = jax.random.uniform(line_key, (5,), jnp.float64)
    x = between(real, generated, epsilon)
    given = {"epsilon": np.asarray(epsilon)[:, None], "x": real, "G": generated}
    given["length"] = lengths(input_gradients(critic, params, state, x, layer_key))
    results = item.formula.results(**given, strength=2.0)
    close(results["xhat"], x)
    close(results[""], item.penalty(critic, params, state, real, generated, key)[0])
    for item in items_of(lipschitz_constraints):
        if item.name == "weight_clipping":
            clipped = item.project(params)[0]["weights"]
            w = np.asarray(params[0]["weights"])
            close(item.formula.evaluate(w=w, **item.formula.fields(item)), clipped)
