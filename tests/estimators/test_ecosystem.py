"""Estimators among scikit-learn's tools, and what they have beyond its own."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, ShapeError
from pellucid.functions.losses import losses
from pellucid.optimizers import optimizers
from pellucid.sklearn import (
    GAN,
    Autoencoder,
    CNNClassifier,
    LSTMClassifier,
    LSTMRegressor,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
)
from pellucid.training.program import advance

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
DIGITS, DIGIT = (part[:200] for part in load_digits(return_X_y=True))
SMALL = partial(MLPClassifier, (8,), learning_rate_init=0.02, max_iter=30, random_state=0)


def test_pipelines_searches_and_calibration():
    pipeline = make_pipeline(StandardScaler(), SMALL())
    assert cross_val_score(pipeline, X, Y, cv=3).min() > 0.85
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 10.0]}, cv=3, error_score="raise")
    search.fit(X, Y)
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}
    calibrated = CalibratedClassifierCV(SMALL(), cv=3).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_threads_and_one_after_another_give_the_same_scores():
    from joblib import parallel_config

    alone = cross_val_score(SMALL(), X, Y, cv=3)
    with parallel_config("threading", n_jobs=3):
        np.testing.assert_array_equal(cross_val_score(SMALL(), X, Y, cv=3), alone)


def test_weights_of_rows_are_routed():
    weights = np.where(Y == 0, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = SMALL().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        routed = cross_validate(asking, X, Y, cv=3, params={"sample_weight": weights}, return_estimator=True)
        plain = cross_validate(SMALL().set_score_request(sample_weight=False), X, Y, cv=3, return_estimator=True)
    one, two = (result["estimator"][0].coefs_[0] for result in (routed, plain))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("kind", [MLPClassifier, CNNClassifier, LSTMRegressor, Perceptron, Autoencoder, GAN])
def test_a_clone_and_a_pickle_are_the_same(kind):
    fitted = kind(random_state=0, max_iter=1).fit(X[:40], Y[:40])
    method = next(name for name in ("predict", "transform", "score_samples") if hasattr(fitted, name))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(getattr(again, method)(X), getattr(fitted, method)(X))
    assert clone(fitted).get_params() == fitted.get_params()
    assert len(pickle.dumps(fitted)) < 2_000_000
    if kind is MLPClassifier:
        with pytest.raises(InvalidValue, match="leaves its training rows behind"):
            _ = again.run_


@pytest.mark.parametrize("frame", [pd.DataFrame, polars.DataFrame], ids=["pandas", "polars"])
def test_a_data_frame_keeps_its_names_and_its_categories(frame):
    columns = {"size": np.arange(60.0) % 7, "city": ["Bern", "Basel", "Chur"] * 20, "new": [True, False] * 30}
    table, y = frame(columns), columns["size"] + 5 * (np.array(columns["city"]) == "Bern")
    fitted = MLPRegressor(hidden_layer_sizes=6, solver="lbfgs", random_state=0).fit(table, y)
    assert fitted.score(table, y) > 0.99
    assert fitted.feature_names_in_.tolist() == ["size", "city", "new"]
    assert fitted.run_.data.features[:4] == ("size", "city=Basel", "city=Bern", "city=Chur")
    np.testing.assert_allclose(fitted.run_.predict(table), fitted.predict(table), rtol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(table), fitted.predict(table))
    with pytest.raises(DataError, match="Rome"):
        fitted.predict(frame(columns | {"city": ["Rome", "Basel", "Chur"] * 20}))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame({"length": columns["size"], "city": columns["city"], "new": columns["new"]}))


def test_a_frame_of_numbers_keeps_its_names():
    frame = load_iris(as_frame=True).data
    fitted = SMALL().fit(frame, Y)
    assert fitted.run_.data.features == tuple(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame.rename(columns={"sepal length (cm)": "a"}))


def test_other_numbers_and_other_rows_compile_nothing():
    MLPClassifier((9,), max_iter=2, random_state=0).fit(X, Y).predict(X)
    before = advance._cache_size()
    numbers = {"alpha": 0.5, "learning_rate_init": 0.1, "beta_1": 0.5, "epsilon": 1e-3, "tol": 0.1, "max_iter": 5}
    MLPClassifier((9,), random_state=4, **numbers).fit(X[::-1], Y).predict(X)
    MLPClassifier((9,), max_iter=2).fit(X[10:140], Y[10:140])
    MLPClassifier((9,), max_iter=2, batch_size=149).fit(X[1:], Y[1:])
    assert advance._cache_size() == before
    many, answers = np.tile(X, (4, 1)), np.tile(Y, 4)
    for rows in (577, 600, 578):
        MLPClassifier((9,), max_iter=2).fit(many[:rows], answers[:rows])
    assert advance._cache_size() == before + 1


def test_the_run_explains_diagnoses_and_proves():
    fitted = MLPClassifier((8,), max_iter=40, early_stopping=True, learning_rate_init=1e-4, random_state=0).fit(X, Y)
    run = fitted.run_
    assert isinstance(run, pel.Run)
    np.testing.assert_array_equal(run.predict(X), fitted.predict(X))
    np.testing.assert_allclose(run.outputs(X), fitted.predict_proba(X), rtol=1e-5)
    assert run.result["accuracy"] == pytest.approx(fitted.validation_scores_[-1], abs=0.5)
    assert len(run.history.epochs["loss"]) == fitted.n_iter_
    assert run.explain(X[0], "0").checks is not None
    assert any(finding.name for finding in run.diagnose())


def test_the_run_of_numbers_predicts_in_their_units():
    settings = {"hidden_layer_sizes": 8, "scale_inputs": "standardise", "scale_targets": "standardise"}
    fitted = MLPRegressor(**settings, learning_rate_init=0.02, random_state=0).fit(X[:, :3], 1000 + 50 * X[:, 3])
    assert fitted.score(X[:, :3], 1000 + 50 * X[:, 3]) > 0.9
    np.testing.assert_allclose(fitted.run_.predict(X[:, :3]), fitted.predict(X[:, :3]), rtol=1e-5)


def test_rows_to_validate_on_are_followed_and_decide():
    fitted = SMALL(max_iter=5).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert len(fitted.validation_loss_curve_) == 5
    assert fitted.validation_scores_[-1] == pytest.approx(fitted.score(X[1::2], Y[1::2]))
    decided = SMALL(early_stopping=True).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert decided.score(X[1::2], Y[1::2]) == pytest.approx(max(decided.validation_scores_))


@pytest.mark.parametrize("name", ["adamw", "rmsprop", {"name": "momentum", "learning_rate": 0.1}])
def test_any_optimizer_and_schedule(name):
    fitted = SMALL(solver=name, learning_rate="cosine_decay", max_iter=20).fit(X, Y)
    rates = fitted.run_.history.steps["learning_rate"]
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] < 0.001
    assert fitted.run_.experiment.optimizer["name"] in optimizers


@pytest.mark.parametrize("loss", ["hinge", "sparse_categorical_focal", "squared_hinge"])
def test_any_loss_of_classes(loss):
    fitted = SMALL(loss=loss, learning_rate_init=0.05, max_iter=150).fit(X, Y)
    assert fitted.score(X, Y) > 0.9
    assert hasattr(fitted, "predict_proba") == (losses.find(loss).reads != "margins")
    np.testing.assert_array_equal(fitted.run_.predict(X), fitted.predict(X))


def test_any_loss_of_numbers_and_one_that_does_not_fit():
    fitted = MLPRegressor("huber", (8,), learning_rate_init=0.02, random_state=0).fit(X[:, :3], X[:, 3])
    assert fitted.score(X[:, :3], X[:, 3]) > 0.9
    with pytest.raises(ValueError, match="takes probabilities"):
        MLPRegressor("binary_cross_entropy").fit(X[:, :3], X[:, 3] / 9)


def test_batch_normalisation_and_dropout_are_of_the_training():
    fitted = SMALL(batch_norm=True, dropout=0.2, max_iter=60).fit(X, Y)
    assert fitted.score(X, Y) > 0.85
    np.testing.assert_array_equal(fitted.predict(X[:3]), fitted.predict(X)[:3])


def test_weights_of_classes_count():
    heavy = SMALL(class_weight={0: 1, 1: 1, 2: 50}).fit(X, Y)
    assert (heavy.predict(X) == 2).sum() > (SMALL().fit(X, Y).predict(X) == 2).sum()


def test_images_in_every_form():
    settings = {
        "filters": (4,),
        "hidden_layer_sizes": (),
        "max_iter": 40,
        "learning_rate_init": 0.05,
        "random_state": 0,
    }
    flat = CNNClassifier(**settings, image_shape=(8, 8)).fit(DIGITS, DIGIT)
    images = CNNClassifier(**settings).fit(DIGITS.reshape(-1, 8, 8), DIGIT)
    channels = CNNClassifier(**settings).fit(DIGITS.reshape(-1, 8, 8, 1), DIGIT)
    assert flat.score(DIGITS, DIGIT) > 0.9
    np.testing.assert_allclose(flat.predict_proba(DIGITS), images.predict_proba(DIGITS.reshape(-1, 8, 8)), rtol=1e-4)
    assert channels.score(DIGITS.reshape(-1, 8, 8, 1), DIGIT) > 0.9
    with pytest.raises(ShapeError, match="64 pixels"):
        CNNClassifier(image_shape=(8, 8)).fit(X, Y)
    with pytest.raises(ShapeError, match=r"shape \(batch, 8, 8\)"):
        images.predict(DIGITS.reshape(-1, 8, 4, 2)[..., 0])
    with pytest.raises(ShapeError, match="2 or 3 or 4 axes"):
        CNNClassifier().fit(np.zeros((3, 2, 2, 2, 2)), [0, 1, 1])


def test_sequences_in_every_form():
    sequences = np.random.default_rng(0).normal(size=(80, 6, 1))
    after = sequences[:, 1, 0] > 0
    settings = {"hidden_layer_sizes": (4,), "learning_rate_init": 0.1, "random_state": 0}
    fitted = LSTMClassifier(**settings).fit(sequences, after)
    assert fitted.score(sequences, after) > 0.9
    assert fitted.predict(sequences).dtype == bool
    columns = LSTMClassifier(**settings).fit(sequences[..., 0], after)
    np.testing.assert_array_equal(columns.predict(sequences[..., 0]), fitted.predict(sequences))
    pairs = LSTMClassifier((2,), steps=3, max_iter=1).fit(sequences[..., 0], after)
    assert pairs.run_.data.input_shape == (3, 2)
    with pytest.raises(ShapeError, match="does not divide"):
        LSTMClassifier(steps=4).fit(sequences[..., 0], after)


def test_a_perceptron_separates_what_a_line_can():
    rows, gate = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "no", "no", "yes"]
    fitted = Perceptron(random_state=0).fit(rows, gate)
    assert fitted.predict(rows).tolist() == gate
    np.testing.assert_allclose(fitted.decision_function(rows), (rows @ fitted.coef_.T + fitted.intercept_)[:, 0])
    assert set(fitted.coef_.ravel().tolist()) <= set(range(-9, 10))  # sums of examples
    assert not hasattr(fitted, "predict_proba")
    assert Perceptron(fit_intercept=False, random_state=0).fit(rows, gate).intercept_.tolist() == [0.0]


def test_an_autoencoder_is_a_transformer():
    coder = Autoencoder(2, hidden_layer_sizes=(8,), learning_rate_init=0.02, max_iter=80, random_state=0)
    frame = load_iris(as_frame=True).data
    codes = coder.set_output(transform="pandas").fit_transform(frame)
    assert codes.columns.tolist() == ["autoencoder0", "autoencoder1"]
    assert coder.score(frame) > 0.8
    np.testing.assert_allclose(coder.inverse_transform(codes), coder.run_.predict(frame), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(codes, coder.run_.encode(frame.to_numpy(np.float32)), rtol=1e-4, atol=1e-5)
    errors = coder.reconstruction_errors(frame)
    assert errors.shape == (150,)
    assert coder.reconstruction_errors(frame + 5).min() > errors.mean()
    assert make_pipeline(coder.set_output(transform="default"), SMALL(max_iter=60)).fit(X, Y).score(X, Y) > 0.8
    with pytest.raises(ShapeError, match="2 numbers"):
        coder.inverse_transform(X)


def test_a_gan_samples_rows_in_their_units():
    points = np.random.default_rng(0).normal(5.0, 0.1, (64, 2))
    fitted = GAN(max_iter=2, random_state=0).fit(points)
    assert fitted.sample(7).shape == (7, 2)
    np.testing.assert_array_equal(fitted.sample(3), fitted.sample(3))
    assert not np.array_equal(fitted.sample(3, random_state=1), fitted.sample(3))
    assert fitted.score_samples(points).shape == (64,)
    assert len(fitted.loss_curve_) == fitted.n_iter_ == 2
