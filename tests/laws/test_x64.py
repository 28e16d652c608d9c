"""With ``jax_enable_x64`` everything stays in the dtype that it was given; only JAX's own default is another."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.tunable import as_arrays
from pellucid.functions.initializers import initializers
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import schedules
from pellucid.functions.set_metrics import SetMetric
from pellucid.optimizers import optimizers

SINGLE = jnp.float32
OUTPUTS = jax.ShapeDtypeStruct((4, 6), SINGLE)
LABELS = jax.ShapeDtypeStruct((4,), jnp.int32)
EPOCHS = {name: {"epochs": 3} for name in ("cosine_decay", "cosine_restarts", "one_cycle")}
"""Fields that a schedule needs beside its rate."""

every = pytest.mark.parametrize
switched = every("x64", [False, True], ids=["float32", "x64"])


def dtypes(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


@switched
@every("name", list(losses))
def test_losses(name, x64):
    loss = losses.build(name)
    outputs, target = OUTPUTS, LABELS if loss.target_kind == "classes" else OUTPUTS
    if loss.of_sequences:
        outputs, target = jax.ShapeDtypeStruct((4, 5, 6), SINGLE), jax.ShapeDtypeStruct((4, 2), jnp.int32)

    def numbers(prediction, target):
        return loss.value(prediction, target), loss.gradient(prediction, target), loss(prediction, target)

    with jax.enable_x64(x64):
        assert dtypes(jax.eval_shape(numbers, outputs, target)) == {"float32"}


@switched
@every("name", [name for name in metrics if not issubclass(metrics.find(name), SetMetric)])
def test_metrics(name, x64):
    outputs, target = OUTPUTS, LABELS if "accuracy" in name and "binary" not in name else OUTPUTS
    if metrics.find(name).of_sequences:
        outputs, target = jax.ShapeDtypeStruct((4, 5, 6), SINGLE), jax.ShapeDtypeStruct((4, 2), jnp.int32)
    with jax.enable_x64(x64):
        assert dtypes(jax.eval_shape(metrics.build(name).value, outputs, target)) == {"float32"}


@switched
@every("name", list(initializers))
def test_initializers(name, x64):
    with jax.enable_x64(x64):
        drawn = jax.eval_shape(lambda key: initializers.build(name)(key, (3, 3)), jax.random.key(0))
        assert dtypes(drawn) == {"float32"}


@switched
@every("name", list(regularizers))
def test_regularizers(name, x64):
    def numbers(w, rate):
        rule = as_arrays(regularizers.build(name))
        return rule.penalty(w), rule.gradient(w), rule.proximal(w, rate)

    with jax.enable_x64(x64):
        assert dtypes(jax.eval_shape(numbers, OUTPUTS, jax.ShapeDtypeStruct((), SINGLE))) == {"float32"}


@switched
@every("schedule", [None, *schedules])
@every("name", list(optimizers))
def test_optimizers_and_schedules(name, schedule, x64):
    """An update keeps parameters and state as they are, by the number of updates or of epochs."""
    rate = 0.1 if schedule is None else {"name": schedule, "learning_rate": 0.1, **EPOCHS.get(schedule, {})}
    rule, params = optimizers.build({"name": name, "learning_rate": rate}), {"weights": OUTPUTS}
    with jax.enable_x64(x64):
        state = jax.eval_shape(rule.init, params)
        for progress in (None, jax.ShapeDtypeStruct((), SINGLE)):
            update = jax.eval_shape(lambda *given: rule.update(*given), params, state, params, progress)
            assert (update.params, update.state) == (params, state)
            assert dtypes((update.changes, update.learning_rate)) == {"float32"}


def test_a_whole_training():
    """As a user has it who turned x64 on: the numbers are those of single precision."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    network = pel.Network(
        # Without biases: before a normalisation their gradient is rounding alone, which Adam makes steps of.
        pel.Dense(4, use_biases=False),
        pel.BatchNorm(),
        pel.Activation("tanh"),
        pel.LayerNorm(),
        pel.Dense(1, "sigmoid"),
    )
    settings = {"early_stopping": 3, "class_weights": "balanced", "histograms_every": 20, "snapshots": 2}
    train = partial(pel.train, network, (x, (x.sum(axis=1) > 0).astype(int)), epochs=2)
    plain = train(progress=False, **settings)
    with jax.enable_x64(True):
        run = train(progress=False, **settings)
        assert dtypes((run.params, run.layer_state)) == {"float32"}
        assert dtypes(run.training.state.optimizer) <= {"float32", "int32"}
        assert run.outputs(x).dtype == np.float32
        assert run.evaluate() == pytest.approx(plain.evaluate(), rel=1e-4)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), run.params, plain.params)
