"""Every metric of an example; those of a whole set are in `test_set_metrics`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.registry import describe
from pellucid.functions.losses import losses
from pellucid.functions.metrics import Accuracy, BinaryAccuracy, Top5Accuracy, default_metric, metrics
from pellucid.functions.set_metrics import SetMetric

NAMES = [name for name in metrics if not issubclass(metrics.find(name), SetMetric)]
NAMES = [name for name in NAMES if not metrics.find(name).of_sequences]  # those: test_transcription
ITEMS = [metrics.build(name) for name in NAMES] + [BinaryAccuracy(threshold=0.0)]
EVERY = pytest.mark.parametrize("metric", ITEMS, ids=str)
CLASSES = {"accuracy", "top_5_accuracy", "top_k_accuracy"}
SHAPE = (40, 8)

# What scikit-learn says of a whole set, from prediction (examples, outputs) and target.
SKLEARN = {
    "accuracy": lambda item, p, t: sklearn_metrics.accuracy_score(t, p.argmax(1)),
    "top_5_accuracy": lambda item, p, t: sklearn_metrics.top_k_accuracy_score(t, p, k=5, labels=range(8)),
    "top_k_accuracy": lambda item, p, t: sklearn_metrics.top_k_accuracy_score(t, p, k=3, labels=range(8)),
    "binary_accuracy": lambda item, p, t: sklearn_metrics.accuracy_score(
        t.ravel() > item.threshold, p.ravel() > item.threshold
    ),
    "mean_squared_error": lambda item, p, t: sklearn_metrics.mean_squared_error(t, p),
    "mean_absolute_error": lambda item, p, t: sklearn_metrics.mean_absolute_error(t, p),
}


@partial(jax.jit, static_argnames="metric")
def measure(metric, prediction, target):
    return metric.value(prediction, target)


def draw(metric, seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    prediction = jnp.asarray(rng.uniform(size=shape), jnp.float32)
    if metric.name in CLASSES:
        return prediction, jnp.asarray(rng.integers(0, shape[-1], size=shape[:-1]), jnp.int32)
    return prediction, jnp.asarray(rng.integers(0, 2, size=shape), jnp.float32)


@EVERY
def test_agrees_with_scikit_learn(metric):
    assert set(SKLEARN) == set(NAMES)
    prediction, target = draw(metric, 0)
    value = np.asarray(measure(metric, prediction, target))
    assert value.shape == SHAPE[:1]
    expected = SKLEARN[metric.name](metric, np.asarray(prediction), np.asarray(target))
    assert value.mean() == pytest.approx(expected, rel=1e-6)


@EVERY
def test_a_perfect_prediction_is_the_best(metric):
    _, target = draw(metric, 1)
    perfect = jax.nn.one_hot(target, SHAPE[1]) if metric.name in CLASSES else target
    worse = -perfect if metric.name in CLASSES else 1 - target
    best, other = (float(np.mean(measure(metric, p, target))) for p in (perfect, worse))
    assert best == (1.0 if metric.higher_is_better else 0.0)
    assert (best > other) == metric.higher_is_better


@EVERY
def test_survives_jit_scan_and_vmap(metric):
    pairs = [jnp.stack(parts) for parts in zip(draw(metric, 2), draw(metric, 3), strict=True)]
    expected = np.stack([measure(metric, p, t) for p, t in zip(*pairs, strict=True)])

    @jax.jit
    def mapped_and_scanned(pairs):
        run = metric.value
        return jax.vmap(run)(*pairs), jax.lax.scan(lambda carry, pair: (carry, run(*pair)), 0, pairs)[1]

    for result in mapped_and_scanned(pairs):
        np.testing.assert_allclose(result, expected, rtol=1e-6)


@EVERY
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_dtype_is_kept(metric, dtype, float64):
    _, target = draw(metric, 4)
    value = jax.eval_shape(metric.value, jax.ShapeDtypeStruct(SHAPE, dtype), target)
    assert (value.dtype, value.shape) == (dtype, SHAPE[:1])


@EVERY
def test_shapes_that_differ_are_refused(metric):
    prediction, target = draw(metric, 5)
    for wrong in (target[:3], target[..., None], target[:, None]):
        with pytest.raises(ShapeError) as error:
            metric.value(prediction, wrong)
        assert str(SHAPE) in str(error.value)
        assert str(wrong.shape) in str(error.value)


@EVERY
def test_further_axes_are_averaged(metric):
    pairs = zip(draw(metric, 6), draw(metric, 7), strict=True)
    prediction, target = (np.stack(pair, axis=1) for pair in pairs)
    steps = [measure(metric, prediction[:, step], target[:, step]) for step in range(2)]
    np.testing.assert_allclose(measure(metric, prediction, target), np.mean(steps, axis=0), rtol=1e-6)


@EVERY
def test_described_and_built_again(metric):
    assert metrics.build(describe(metric)) == metric


@pytest.mark.parametrize("metric", [Accuracy(), Top5Accuracy()], ids=str)
def test_one_hot_targets_and_small_labels_give_the_same(metric):
    prediction, labels = draw(metric, 7)
    expected = measure(metric, prediction, labels)
    for target in (labels.astype(jnp.uint8), jax.nn.one_hot(labels, 8), jax.nn.one_hot(labels, 8, dtype=int)):
        np.testing.assert_array_equal(measure(metric, prediction, target), expected)


def test_a_network_that_says_the_same_of_every_class_gets_no_credit_for_it():
    same = jnp.full((8, 8), 1 / 8)
    labels = jnp.arange(8)
    assert Accuracy().value(same, labels).tolist() == [1.0] + [0.0] * 7
    assert Top5Accuracy().value(same, labels).tolist() == [1.0] * 5 + [0.0] * 3


def test_nan_and_labels_that_are_no_class_are_not_right():
    nan = jnp.full((8, 8), jnp.nan)
    for metric in (Accuracy(), Top5Accuracy()):
        assert not np.any(metric.value(nan, jnp.arange(8)))
    assert not np.any(BinaryAccuracy().value(nan, jnp.zeros((8, 8))))
    outside = jnp.asarray([-1, 8] * 4)
    for metric in (Accuracy(), Top5Accuracy()):
        assert not np.any(metric.value(-jnp.ones((8, 8)), outside))


def test_top_5_of_few_classes_is_refused():
    with pytest.raises(ShapeError, match="accuracy"):
        Top5Accuracy().value(jnp.ones((3, 5)), jnp.zeros(3, jnp.int32))


DEFAULTS = {
    "mean_squared_error": "mean_absolute_error",
    "mean_absolute_error": "mean_absolute_error",
    "huber": "mean_absolute_error",
    "log_cosh": "mean_absolute_error",
    "wasserstein": "mean_absolute_error",
    "binary_cross_entropy": "binary_accuracy",
    "sigmoid_binary_cross_entropy": {"name": "binary_accuracy", "threshold": 0.0},
    "hinge": {"name": "binary_accuracy", "threshold": 0.0},
    "perceptron_criterion": {"name": "binary_accuracy", "threshold": 0.0},
    "squared_hinge": {"name": "binary_accuracy", "threshold": 0.0},
    "categorical_cross_entropy": "accuracy",
    "sparse_categorical_cross_entropy": "accuracy",
    "softmax_cross_entropy": "accuracy",
    "sparse_softmax_cross_entropy": "accuracy",
    "kl_divergence": "accuracy",
    "binary_focal": "binary_accuracy",
    "sigmoid_focal": {"name": "binary_accuracy", "threshold": 0.0},
    "categorical_focal": "accuracy",
    "sparse_categorical_focal": "accuracy",
    "softmax_focal": "accuracy",
    "sparse_softmax_focal": "accuracy",
    "poisson": "mean_absolute_error",
    "log_poisson": "mean_absolute_error",
    "quantile": "mean_absolute_error",
    "cosine": "mean_absolute_error",
    "contrastive": "binary_accuracy",
    "ctc": "accuracy",
}


def test_every_loss_has_its_default_metric():
    assert {name: describe(default_metric(losses.build(name))) for name in losses} == DEFAULTS


def test_wrong_threshold_is_refused():
    with pytest.raises(InvalidValue, match="threshold"):
        BinaryAccuracy(threshold=float("nan"))
