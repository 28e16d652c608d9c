"""What a page says of predictions, compared with scikit-learn and against counting by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve as oracle_calibration_curve

from pellucid.data import make_dataset
from pellucid.functions.losses import losses
from pellucid.report import html
from pellucid.report.document import Document
from pellucid.report.predictions import confusion_matrix, precision_recall, prediction_sections, probabilities_of
from pellucid.report.run_page import constant_output
from pellucid.report.threshold_curves import calibration_curve, precision_recall_curve, roc_curve


def page_of(data, outputs):
    return html.page(Document("predictions", *prediction_sections(data, outputs)))


def test_counts_precision_and_recall_are_those_of_scikit_learn(rng):
    true, predicted = rng.integers(0, 6, 300), rng.integers(0, 5, 300)  # class 5 is never predicted
    counts = confusion_matrix(true, predicted, 6)
    np.testing.assert_array_equal(counts, oracle.confusion_matrix(true, predicted, labels=range(6)))
    found = precision_recall(np.diag(counts), counts.sum(axis=0), counts.sum(axis=1))
    expected = oracle.precision_recall_fscore_support(true, predicted, labels=range(6), zero_division=0)
    np.testing.assert_allclose(found, np.stack(expected[:3], axis=1))


def test_the_roc_curve_is_that_of_scikit_learn(rng):
    true, scores = rng.integers(0, 2, 200), rng.integers(0, 20, 200) / 20  # with ties
    false, found, area = roc_curve(true, scores)
    expected_false, expected_found, _ = oracle.roc_curve(true, scores, drop_intermediate=False)
    np.testing.assert_allclose(false, expected_false)
    np.testing.assert_allclose(found, expected_found)
    assert area == pytest.approx(oracle.roc_auc_score(true, scores))


def test_the_curve_of_precision_and_recall_is_that_of_scikit_learn(rng):
    true, scores = rng.integers(0, 2, 200), rng.integers(0, 20, 200) / 20  # with ties
    precision, recall, average = precision_recall_curve(true, scores)
    expected_precision, expected_recall, _ = oracle.precision_recall_curve(true, scores, drop_intermediate=False)
    np.testing.assert_allclose(precision, expected_precision[::-1])
    np.testing.assert_allclose(recall, expected_recall[::-1])
    assert average == pytest.approx(oracle.average_precision_score(true, scores))


def test_the_calibration_curve_is_that_of_scikit_learn(rng):
    chance = rng.random(300) ** 3
    true = (rng.random(300) < chance).astype(int)
    mean, fraction, error = calibration_curve(true, chance, 10)
    expected_fraction, expected_mean = oracle_calibration_curve(true, chance, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(mean, expected_mean)
    np.testing.assert_allclose(fraction, expected_fraction)
    assert error == pytest.approx(np.abs(mean - fraction).mean())  # all bins hold 30 rows


def test_the_curves_of_more_than_two_classes_are_of_each_against_the_others(rng):
    data = make_dataset(rng.normal(size=(300, 2)), rng.integers(0, 9, 300), seed=0)
    p = rng.dirichlet(np.ones(9), len(data.held_out))
    page = page_of(data, p)
    areas = [oracle.roc_auc_score(data.held_out.labels == k, p[:, k]) for k in range(9)]
    assert f"{np.argmin(areas)}, area {min(areas):.3g}" in page
    assert "of the smallest area, of 9" in page
    assert "probability of the predicted class" in page


def test_probabilities_of_logits(rng):
    z = rng.standard_normal((5, 3)) * 100
    p = probabilities_of(z)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(p.argmax(axis=1), z.argmax(axis=1))
    np.testing.assert_allclose(probabilities_of(np.array([[-1000.0], [1000.0]])), [[1, 0], [0, 1]], atol=1e-12)


@pytest.mark.parametrize("name", ["sparse_categorical_cross_entropy", "sparse_softmax_cross_entropy"])
def test_no_constant_of_classes_is_better(name, rng):
    loss, y = losses.build(name), rng.integers(0, 3, 60).astype(np.int32)
    best = constant_output(loss, y, 3)
    smallest = float(loss(jnp.tile(best, (60, 1)), jnp.asarray(y)))
    other = np.roll(best, 1)
    assert smallest <= float(loss(jnp.tile(other, (60, 1)), jnp.asarray(y)))
    shares = np.bincount(y) / 60
    assert smallest == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-5)  # their entropy


def test_the_worst_mistake_of_a_table_comes_first_with_its_values():
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    y = np.tile(["ham", "spam"], 10)
    data = make_dataset(x, y, held_out=(x[:4], y[:4]), features=("alpha", "beta"))
    outputs = np.array([[0.9], [0.8], [0.7], [0.6]], np.float32)  # all “spam”; rows 0 and 2 are not
    text = page_of(data, outputs)
    assert "2 of 4 held-out rows are predicted wrongly" in text
    worst = text[text.index("worst-mistakes") :]
    assert worst.index("90.0 %") < worst.index("70.0 %")
    assert "alpha" in worst
    assert "80.0 %" not in worst


def test_labels_and_numbers_are_scored(rng):
    x = rng.standard_normal((30, 3)).astype(np.float32)
    labels = (x > 0).astype(int)
    outputs = np.where(labels > 0, 0.9, 0.1)
    outputs[0] = 1 - outputs[0]
    data = make_dataset(x, labels, task="multilabel", classes=("a", "b", "c"), held_out=(x, labels))
    assert "All labels are right for 96.7 % of the 30 held-out rows" in page_of(data, outputs)
    y = x @ np.array([[1.0], [2.0], [3.0]], np.float32)
    data = make_dataset(x, y, task="regression", held_out=(x, y))
    text = page_of(data, y + 1)
    assert f"{oracle.r2_score(y, y + 1):.4g}" in text
    broken = np.full_like(y, np.nan)
    assert "30 held-out rows have outputs that are not finite" in page_of(data, broken)
