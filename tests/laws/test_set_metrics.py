"""Every metric of a whole set against scikit-learn, with weights and ties."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pellucid.core.errors import DataWarning, InvalidValue
from pellucid.core.registry import describe
from pellucid.functions.metrics import TopKAccuracy, metrics
from pellucid.functions.set_metrics import AVERAGES, Answers, Averaged, Ranking, SetMetric

NAMES = [name for name in metrics if issubclass(metrics.find(name), SetMetric)]
NAMES.remove("label_error_rate")  # of sequences: test_transcription
ITEMS = [metrics.build(name) for name in NAMES]
ITEMS += [type(item)(average=average) for item in ITEMS if isinstance(item, Averaged) for average in AVERAGES]
EVERY = pytest.mark.parametrize("metric", ITEMS, ids=lambda metric: metric.label)
DRAWN = given(seed=st.integers(0, 2**31), rows=st.integers(4, 40))
TASKS = ("binary", "multiclass", "multilabel", "regression")


def draw(task, seed, rows=30, blanks=False):
    """Answers with ties and weights, some of them 0; every class has a row that weighs something."""
    rng = np.random.default_rng(seed)
    width = {"binary": 1, "regression": 2}.get(task, 3)
    weights = rng.integers(0, 4, rows) / 2
    weights[:4] = 1.5
    if task == "multiclass":
        outputs = rng.integers(1, 5, (rows, width)).astype(float)
        outputs /= outputs.sum(axis=1, keepdims=True)
        target = np.append([0, 1, 2], rng.integers(0, width, rows - 3))
    else:
        outputs = rng.integers(0, 9, (rows, width)) / 8
        target = rng.integers(0, 2, (rows, width)).astype(float)
        target[:2] = [[0.0], [1.0]]
    if task == "regression":
        target = target + rng.integers(1, 3, target.shape)
        target[:2] = [[1.0], [3.0]]
    if blanks:
        target = np.where(rng.random(target.shape) < 0.3, np.nan, target)
        target[:2] = [[0.0], [1.0]]
    return Answers(task, outputs, target, weights, probabilities=None if task == "regression" else outputs)


def sklearn_columns(function, answers, average="macro", **options):
    """A function of scikit-learn of each class or label against the rest."""
    columns = (answers.truth[:, None] == np.arange(3)) if answers.task == "multiclass" else answers.target
    return function(columns, answers.outputs, average=average, sample_weight=answers.weights, **options)


def of_decisions(function):
    def expected(metric, answers):
        average = metric.average or ("binary" if answers.task == "binary" else "macro")
        if answers.task == "multilabel":
            true, given_ = answers.target, answers.outputs > 0.5
        else:
            true, given_ = answers.truth, answers.decisions
        return function(true, given_, average=average, sample_weight=answers.weights, zero_division=0)

    return expected


def of_columns(function):
    """Of labels, the mean over the columns."""

    def expected(metric, answers):
        if answers.task != "multilabel":
            return function(metric, answers)
        return np.mean([function(metric, column) for _, column in answers.columns()])

    return expected


def one_probability(answers):
    return answers.outputs if answers.task == "multiclass" else answers.outputs[:, 0]


def calibration_error(metric, answers):
    """By its definition, bin by bin."""
    p = answers.outputs if answers.task == "multiclass" else np.hstack([1 - answers.outputs, answers.outputs])
    confidence, right, total = p.max(axis=1), p.argmax(axis=1) == answers.truth, 0.0
    for m in range(metric.bins):
        inside = (confidence > m / metric.bins) & (confidence <= (m + 1) / metric.bins)
        weights = answers.weights[inside]
        if weights.sum() > 0:
            accuracy, mean = (np.average(v[inside], weights=weights) for v in (right, confidence))
            total += weights.sum() * abs(accuracy - mean)
    return total / answers.weights.sum()


def of_numbers(function):
    return lambda metric, answers: function(answers.target, answers.outputs, sample_weight=answers.weights)


SKLEARN = {
    "precision": of_decisions(sk.precision_score),
    "recall": of_decisions(sk.recall_score),
    "f1": of_decisions(sk.f1_score),
    "balanced_accuracy": of_columns(
        lambda metric, a: sk.balanced_accuracy_score(a.truth, a.decisions, sample_weight=a.weights)
    ),
    "matthews_correlation": of_columns(
        lambda metric, a: sk.matthews_corrcoef(a.truth, a.decisions, sample_weight=a.weights)
    ),
    "roc_auc": lambda metric, a: sklearn_columns(sk.roc_auc_score, a, metric.average or "macro"),
    "average_precision": lambda metric, a: sklearn_columns(sk.average_precision_score, a, metric.average or "macro"),
    "log_loss": of_columns(lambda metric, a: sk.log_loss(a.truth, one_probability(a), sample_weight=a.weights)),
    "brier_score": of_columns(
        lambda metric, a: sk.brier_score_loss(a.truth, one_probability(a), sample_weight=a.weights)
    ),
    "expected_calibration_error": of_columns(calibration_error),
    "r2": of_numbers(sk.r2_score),
    "root_mean_squared_error": of_numbers(sk.root_mean_squared_error),
    "mean_absolute_percentage_error": of_numbers(sk.mean_absolute_percentage_error),
}


def test_the_table_covers_the_registry():
    assert set(SKLEARN) == set(NAMES)


@EVERY
@settings(max_examples=25, deadline=None)
@DRAWN
def test_agrees_with_scikit_learn(metric, seed, rows):
    for task in set(TASKS) & set(metric.tasks):
        answers = draw(task, seed, rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # scikit-learn's, of classes that are never predicted
            expected = SKLEARN[metric.name](metric, answers)
        assert metric.of(answers)[""] == pytest.approx(expected, rel=1e-6, abs=1e-9), task


@EVERY
@settings(max_examples=10, deadline=None)
@DRAWN
def test_weights_are_repetitions_and_the_order_of_rows_is_none(metric, seed, rows):
    for task in set(TASKS) & set(metric.tasks):
        answers = draw(task, seed, rows)
        counts = (2 * answers.weights).astype(int)
        again = np.random.default_rng(seed).permutation(np.repeat(np.arange(rows), counts))
        repeated = Answers(
            task,
            answers.outputs[again],
            answers.target[again],
            probabilities=None if answers.probabilities is None else answers.probabilities[again],
        )
        weighed, plain = metric.of(answers)[""], metric.of(repeated)[""]
        if isinstance(metric, Averaged) and not isinstance(metric, Ranking) and set(counts) & {0}:
            continue  # a class whose rows weigh nothing still occurs
        assert plain == pytest.approx(weighed, rel=1e-9, abs=1e-12), task


@EVERY
@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_blanks_are_left_out_column_by_column(metric, task):
    if task not in metric.tasks or getattr(metric, "average", None) == "micro":
        pytest.skip("not of this task")
    answers = draw(task, 3, blanks=True)
    assert np.isnan(answers.target).any()
    values = metric.of(answers)
    each = []
    for i in range(answers.outputs.shape[1]):
        known = ~np.isnan(answers.target[:, i])
        alone = Answers(
            "binary" if task == "multilabel" else task,
            answers.outputs[known, i : i + 1],
            answers.target[known, i : i + 1],
            answers.weights[known],
            probabilities=answers.outputs[known, i : i + 1],
        )
        of_one = type(metric)() if isinstance(metric, Averaged) else metric
        each.append(of_one.of(alone)[""])
        if f"output {i + 1}" in values:
            assert values[f"output {i + 1}"] == pytest.approx(each[-1])
    if getattr(metric, "average", None) != "weighted":
        assert values[""] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", ["f1", "recall", "roc_auc", "average_precision"])
def test_each_class_has_its_own_value(name):
    answers = draw("multiclass", 5)
    values = metrics.build(name).of(answers)
    assert list(values)[1:] == ["0", "1", "2"]
    assert values[""] == pytest.approx(np.mean(list(values.values())[1:]))
    for i in range(3):
        one = Answers(
            "binary", answers.outputs[:, i : i + 1], (answers.truth == i)[:, None].astype(float), answers.weights
        )
        if name.startswith(("roc", "average")):
            assert values[str(i)] == pytest.approx(metrics.build(name).of(one)[""])


@EVERY
def test_one_example_has_no_value_and_says_where_it_belongs(metric):
    with pytest.raises(InvalidValue, match=rf"metrics=\['{metric.label}'\]"):
        metric.value(jnp.ones((2, 1)), jnp.ones((2, 1)))


@EVERY
def test_described_and_built_again(metric):
    assert metrics.build(describe(metric)) == metric


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_a_ranking_of_one_class_is_undefined_and_says_why(name):
    metric = metrics.build(name)
    for value, kind in ((0.0, "positive"), (1.0, "negative")):
        answers = Answers("binary", np.array([[0.1], [0.7]]), np.full((2, 1), value))
        with pytest.warns(DataWarning, match=rf"{name} is not defined: the set has no {kind} row"):
            assert np.isnan(metric.of(answers)[""])
    answers = draw("multilabel", 0)
    answers.target[:, 1] = 0
    with pytest.warns(DataWarning, match="no positive row of output 2"):
        values = metric.of(answers)
    assert np.isnan(values["output 2"])
    assert values[""] == pytest.approx((values["output 1"] + values["output 3"]) / 2)


def test_r2_of_a_constant_target_is_undefined_and_says_why():
    with pytest.warns(DataWarning, match="r2 is not defined: the target .* does not vary in the 3 rows"):
        assert np.isnan(metrics.build("r2").of(Answers("regression", np.ones((3, 1)), np.ones((3, 1))))[""])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(2, 4))
def test_top_k_agrees_with_scikit_learn_on_classes_in_reverse(seed, k):
    """Of equally likely classes the first is taken here, the last there."""
    rng = np.random.default_rng(seed)
    prediction, labels = rng.integers(0, 4, (20, 5)).astype(np.float32), rng.integers(0, 5, 20)
    weights = rng.integers(1, 4, 20)
    value = np.average(
        np.asarray(TopKAccuracy(k).value(jnp.asarray(prediction), jnp.asarray(labels, jnp.int32))), weights=weights
    )
    there = sk.top_k_accuracy_score(4 - labels, prediction[:, ::-1], k=k, labels=range(5), sample_weight=weights)
    assert value == pytest.approx(there, rel=1e-6)
