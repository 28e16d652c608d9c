"""Every item with a formula: the formula evaluates to what the code computes, and the docstring says it."""

import dataclasses
import importlib
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pellucid.core.errors import InvalidValue
from pellucid.functions.activations import Elementwise, activations
from pellucid.functions.initializers import fans, initializers
from pellucid.functions.losses import PerOutput, losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers, sparsities
from pellucid.functions.schedules import CosineRestarts, rate_at, schedules
from pellucid.functions.set_metrics import SetMetric
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


SMOOTHED = [
    losses.build({"name": name, "label_smoothing": 0.2})
    for name in losses
    if "label_smoothing" in inspect.signature(losses.find(name)).parameters
]


@each(losses, *SMOOTHED)
def test_term_and_gradient_of_a_loss(item, float64, rng):
    if item.of_sequences:
        pytest.skip("computed by an algorithm")
    positive = item.reads in ("probabilities", "rates")
    prediction = rng.uniform(0.05, 0.95, 5) if positive else 2 * rng.normal(size=5)
    if not isinstance(item, PerOutput):
        prediction = prediction / prediction.sum() if item.reads == "probabilities" else prediction
        y = np.int32(3) if item.target_kind == "classes" else rng.dirichlet(np.ones(5))
    else:
        finite = np.isfinite(item.target_range).all()
        y = (
            rng.choice(item.target_range, 5)
            if finite
            else rng.poisson(2.0, 5) + item.of_difference * rng.normal(size=5)
        )
    letter = "z" if item.reads in ("logits", "log_rates") else "yhat"
    given = {letter: prediction, "y": y}
    batch = jnp.asarray(prediction)[None], jnp.asarray(y)[None]
    value = item.formula.evaluate(**given, **item.formula.fields(item))
    gradient = item.gradient_formula.evaluate(**given, **item.gradient_formula.fields(item))
    if isinstance(item, PerOutput):
        read = batch[0], item._target(*batch)
        close(value, item.term(*read)[0])
        close(gradient, item.term_gradient(*read)[0])
    else:
        close(value, item.value(*batch)[0])
        close(gradient, item.gradient(*batch)[0])


@each(metrics)
def test_value_of_a_metric(item, rng):
    if isinstance(item, SetMetric) or item.of_sequences:
        pytest.skip("of counts, rows or sequences")
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


@each(schedules, CosineRestarts(0.2, epochs=1.5, growth=3, final=0.01))
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
    for t in range(1, 9):  # from the sixth on RAdam divides
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


ONE_OF_EACH = """
import jax.numpy as jnp
from pellucid.core.constraints import POSITIVE, constrained
from pellucid.core.formula import Formula
from pellucid.core.errors import InvalidValue
from pellucid.functions.activations import Elementwise, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.functions.losses import Distance, losses
from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.regularizers import Regularizer, regularizers
from pellucid.functions.schedules import Schedule, schedules
from pellucid.optimizers import Optimizer, optimizers


@activations.register("scaled_square")
class ScaledSquare(Elementwise):
    scale: float = constrained(2.0, POSITIVE, "factor")

    formula = Formula("scale * z**2")
    derivative_formula = Formula("2 * scale * z")
    range = (0.0, float("inf"))

    def value(self, z):
        return self.scale * z * z

    def derivative(self, z, a):
        return 2 * self.scale * z


@losses.register("fourth_power")
class FourthPower(Distance):
    formula = Formula("(yhat - y)**4")
    gradient_formula = Formula("4 * (yhat - y)**3")

    def term(self, prediction, target):
        return (prediction - target) ** 4

    def term_gradient(self, prediction, target):
        return 4 * (prediction - target) ** 3


@optimizers.register("sign_descent")
class SignDescent(Optimizer):
    formula = Formula("w = w - learning_rate * sign(g)")

    def direction(self, g, w, slots, t):
        return jnp.sign(g), slots


@regularizers.register("fourth_power_penalty")
class FourthPowerPenalty(Regularizer):
    strength: float = constrained(0.1, POSITIVE, "strength")

    formula = Formula("strength * sum(w**4)")
    gradient_formula = Formula("4 * strength * w**3")
    proximal_formula = Formula("w")

    def penalty(self, weights):
        return self.strength * (weights**4).sum()

    def gradient(self, weights):
        return 4 * self.strength * weights**3

    def proximal(self, weights, step):
        return weights


@schedules.register("reciprocal_decay")
class ReciprocalDecay(Schedule):
    learning_rate: float = constrained(0.1, POSITIVE, "at the start")

    formula = Formula("learning_rate / (1 + t)")

    def rate(self, progress):
        return self.learning_rate / (1 + progress)


@initializers.register("half_uniform")
class HalfUniform(Initializer):
    formula = Formula("w in U(-1/2, 1/2)")

    def __call__(self, key, shape, dtype=jnp.float32):
        import jax
        return jax.random.uniform(key, shape, dtype, -0.5, 0.5)


@metrics.register("within_tenth")
class WithinTenth(Metric):
    higher_is_better = True
    formula = Formula("1 if abs(yhat - y) < 0.1 else 0")

    def value(self, prediction, target):
        return (jnp.abs(prediction - target) < 0.1).astype(prediction.dtype).mean(axis=1)
"""


def test_adding_one_of_each_is_one_class_with_a_decorator(tmp_path, monkeypatch, float64, rng):
    """Each is found by name, described, built again, typeset, keeps the laws, and its numbers are leaves."""
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    (tmp_path / "one_of_each.py").write_text(ONE_OF_EACH)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("one_of_each")
    laws = {
        "scaled_square": (activations, lambda item: test_value_and_derivative_of_an_activation(item, None, rng)),
        "fourth_power": (losses, lambda item: test_term_and_gradient_of_a_loss(item, None, rng)),
        "sign_descent": (optimizers, lambda item: test_update_of_an_optimizer(item, None, rng)),
        "fourth_power_penalty": (
            regularizers,
            lambda item: test_penalty_gradient_and_proximal_step_of_a_regularizer(item, None, rng),
        ),
        "reciprocal_decay": (schedules, lambda item: test_rate_of_a_schedule(item, None)),
        "half_uniform": (initializers, lambda item: test_distribution_of_an_initializer(item, None)),
        "within_tenth": (metrics, lambda item: test_value_of_a_metric(item, rng)),
    }
    for name, (registry, law) in laws.items():
        item = registry.build(name)
        assert registry.describe(item) == name
        assert registry.build(registry.describe(item)) == item
        assert hash(item) == hash(registry.build(name))
        assert item.formula.text
        assert item.formula.latex
        law(item)
    changed = activations.build({"name": "scaled_square", "scale": 3.0})
    assert activations.describe(changed) == {"name": "scaled_square", "scale": 3.0}
    with pytest.raises(InvalidValue, match=r"ScaledSquare.scale"):
        activations.build({"name": "scaled_square", "scale": -1.0})
    for name in ("sign_descent", "fourth_power_penalty", "reciprocal_decay"):
        registry = laws[name][0]
        assert jax.tree.leaves(registry.build(name)), "its numbers are leaves, so another one compiles nothing"
