"""Targets at each time step: labels and numbers, padding left out."""

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, ShapeError

QUIET = {"progress": False}
RNG = np.random.default_rng(0)
ROWS, STEPS = 80, 8
LENGTHS = RNG.integers(3, STEPS + 1, ROWS)
REAL = np.arange(STEPS) < LENGTHS[:, None]
X = np.where(REAL[..., None], RNG.normal(size=(ROWS, STEPS, 2)), 0.0)
SUMS = np.cumsum(X[..., 0], axis=1)
LABELS = np.where(REAL, np.where(SUMS > 0, "up", "down"), "")
LSTM = {"name": "lstm", "units": [8], "mask_value": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "tags"


@pytest.fixture(scope="module")
def tagger(folder):
    return pel.train(LSTM, (X, LABELS), epochs=15, learning_rate=0.03, metrics=["f1"], folder=folder, **QUIET)


def test_the_head_is_built_by_the_target(tagger):
    assert tagger.facts.task == "tagging"
    assert tagger.facts.classes == ("down", "up")
    assert tagger.network.names == ("lstm_1", "dense_1", "softmax_1")
    assert tagger.experiment.loss == {"name": "sparse_categorical_cross_entropy", "ignore": -1}


def test_predictions_are_labels_at_each_step_and_empty_at_padding(tagger):
    predictions = tagger.predict(X)
    assert predictions.shape == (ROWS, STEPS)
    np.testing.assert_array_equal(predictions == "", ~REAL)
    assert tagger.outputs(X[:3]).shape == (3, STEPS, 2)


def test_the_accuracy_is_the_mean_over_sequences_of_their_real_steps(tagger):
    result = tagger.evaluate(X, LABELS)
    right = (tagger.predict(X) == LABELS) & REAL
    assert result["accuracy"] == pytest.approx((right.sum(axis=1) / LENGTHS).mean(), rel=1e-6)
    assert result["accuracy"] > 0.8
    sklearn = pytest.importorskip("sklearn.metrics")
    f1 = sklearn.f1_score(LABELS[REAL], tagger.predict(X)[REAL], average="macro")
    assert result["f1"] == pytest.approx(f1, rel=1e-6)


def test_what_stands_at_padding_changes_nothing(tagger):
    blank = tagger.evaluate(X, LABELS)
    assert tagger.evaluate(X, np.where(REAL, LABELS, "up")) == blank
    longer = np.concatenate([X, np.zeros((ROWS, 3, 2))], axis=1)
    network = pel.Network(*tagger.network.layers)
    outputs = network.forward(tagger.params, tagger.layer_state, jnp.asarray(longer, jnp.float32)).outputs[-1]
    short = network.forward(tagger.params, tagger.layer_state, jnp.asarray(X, jnp.float32)).outputs[-1]
    np.testing.assert_allclose(outputs[:, :STEPS][REAL], short[REAL], atol=1e-6)


def test_steps_without_a_label_count_neither_in_loss_nor_in_gradient():
    gaps = RNG.uniform(size=REAL.shape) > 0.3
    gaps[:, 0] = True
    numbers = np.where(REAL & gaps, (LABELS == "up") * 3 + 1, -1)
    data = pel.make_dataset(X, numbers, held_out=None)
    assert data.task == "tagging"
    assert data.classes == ("1", "4")
    assert "a label at each of the 8 steps" in data.notes[0]
    np.testing.assert_array_equal(data.train.y == -1, ~(REAL & gaps))
    run = pel.train(LSTM, data, epochs=1, **QUIET)
    assert set(np.unique(run.predict(X))) <= {-1, 1, 4}


def test_a_saved_run_is_the_same_run(tagger, folder):
    again = pel.load(folder)
    assert again.evaluate(X, LABELS) == tagger.evaluate(X, LABELS)
    assert again.result == tagger.result
    resumed = pel.resume(folder, (X, LABELS), epochs=16, **QUIET)
    assert resumed.history.epochs_made == 16
    page = (folder / "report.html").read_text()
    for text in ("Each step that counts is taken for a row", "always predicting the same gives", "Worst mistakes"):
        assert text in page


def test_one_sequence_is_explained(tagger):
    row = int(np.argmin(LENGTHS))
    explanation = tagger.explain(X[row], LABELS[row])
    assert explanation.worst_error < 1e-6
    words = [label or "·" for label in LABELS[row]]
    assert explanation.facts.target == " ".join(words)


def test_numbers_at_each_step(folder):
    y = np.stack([SUMS, 100 * SUMS], axis=2)
    run = pel.train({**LSTM, "name": "gru"}, (X, y), epochs=3, **QUIET)
    assert run.facts.task == "forecasting"
    # Scaled by the real steps alone.
    np.testing.assert_allclose(run.facts.target_preprocessing.shift, y[run_rows(run)].mean(axis=0), rtol=1e-4)
    predictions = run.predict(X)
    assert predictions.shape == y.shape
    np.testing.assert_array_equal(np.isnan(predictions).all(axis=2), ~REAL)
    result = run.evaluate(X, y)
    error = np.where(REAL, np.abs(np.nan_to_num(predictions) - y).mean(axis=2), 0).sum(axis=1) / LENGTHS
    assert result["mean_absolute_error"] == pytest.approx(error.mean(), rel=1e-5)
    assert run.explain(X[0], y[0]).worst_error < 1e-5


def run_rows(run):
    rows = np.zeros(REAL.shape, bool)
    rows[run.data.train.rows] = REAL[run.data.train.rows]
    return rows


@pytest.mark.parametrize(
    ("layers", "y", "task"),
    [([pel.Dense(1)], SUMS, "forecasting"), ([pel.Dense(2, "softmax")], (SUMS > 0).astype(int), "tagging")],
)
def test_the_network_tells_what_a_target_of_two_axes_means(layers, y, task):
    network = pel.Network(pel.layers.GRU(4, return_sequences=True, mask_value=0.0), *layers)
    run = pel.train(network, (X, y), epochs=1, record_every=0, **QUIET)
    assert run.facts.task == task


def test_the_doctor_reads_the_records_alone(tagger):
    assert "outputs at each step" in tagger.diagnose().compared
    with pytest.raises(InvalidValue, match="outputs at each step"):
        tagger.prove()


def test_what_does_not_fit_is_refused(tagger):
    none = LABELS.copy()
    none[5] = ""
    with pytest.raises(DataError, match="row 5 of y has no label at any step"):
        pel.make_dataset(X, none)
    with pytest.raises(ShapeError, match="return_sequences=True"):
        pel.train(pel.Network(pel.layers.GRU(4), pel.Dense(2)), pel.make_dataset(X, LABELS), epochs=1, **QUIET)
    with pytest.raises(DataError, match="the label 'left'"):
        tagger.evaluate(X[:1], np.full((1, STEPS), "left"))
    with pytest.raises(ShapeError, match=r"\(rows, steps\) for tagging"):
        pel.make_dataset(X, np.zeros(ROWS, int), task="tagging")
    with pytest.raises(InvalidValue, match="this one is tagging"):
        pel.train(LSTM, (X, LABELS), epochs=1, class_weights="balanced", **QUIET)
