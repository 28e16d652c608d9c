"""Metrics of a whole part: settled, refused, measured, kept, shown."""

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn import metrics as sk

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, DataWarning, InvalidValue, ShapeError, UnknownName
from pellucid.runs.plan import settle

IRIS, CANCER, DIABETES = map(pel.load_dataset, ("iris", "breast-cancer", "diabetes"))
SETTINGS = {"epochs": 3, "record_every": 0, "progress": False}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype(np.float32)
NOISE = 2 * RNG.normal(size=X.shape)
LABELS = pel.make_dataset(X, (X + NOISE > 0.3).astype(int), classes=["a", "b", "c"], name="labels")


def trained(data, metrics, **settings):
    return pel.train((6,), data, metrics=metrics, **SETTINGS | settings)


def test_they_are_scikit_learns_of_the_predictions():
    run = trained(IRIS, ["f1", "f1_weighted", "accuracy", "roc_auc"])
    part = IRIS.held_out
    truth, predicted = np.array(IRIS.classes)[part.y], run.predict(part.x)
    assert run.result["f1"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert run.result["f1_weighted"] == pytest.approx(sk.f1_score(truth, predicted, average="weighted"))
    assert run.result["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    area = sk.roc_auc_score(part.y, run.outputs(part.x), multi_class="ovr")
    assert run.result["roc_auc"] == pytest.approx(area, rel=1e-4)  # float32 probabilities sum to 1 ± 1e-7
    each = sk.f1_score(truth, predicted, average=None)
    assert [run.result[f"f1 of {name}"] for name in IRIS.classes] == pytest.approx(each.tolist())


def test_weights_of_rows_count():
    run = trained(CANCER, None)
    part, weights = CANCER.held_out, RNG.integers(1, 4, len(CANCER.held_out))
    values = run.evaluate(part.x, part.y[:, 0], weights=weights, metrics=["f1", "roc_auc", "brier_score"])
    probability = run.outputs(part.x)[:, 0]
    expected = [
        sk.f1_score(part.y, probability > 0.5, sample_weight=weights),
        sk.roc_auc_score(part.y, probability, sample_weight=weights),
        sk.brier_score_loss(part.y[:, 0], probability, sample_weight=weights),
    ]
    assert [values[name] for name in ("f1", "roc_auc", "brier_score")] == pytest.approx(expected, rel=1e-6)


def test_a_regression_is_measured_in_its_own_units_and_by_output():
    y = np.stack([100 * X[:, 0] + 1000, X[:, 1]], axis=1) + NOISE[:, :2] * [50, 0.5]
    data = pel.make_dataset(X, y, name="two")
    run = trained(data, ["r2", "root_mean_squared_error", "mean_absolute_error"], epochs=30)
    truth, predicted = data.held_out.y, run.predict(data.held_out.x)
    assert run.result["root_mean_squared_error of output 1"] == pytest.approx(
        sk.root_mean_squared_error(truth[:, 0], predicted[:, 0]), rel=1e-5
    )
    assert run.result["r2"] == pytest.approx(sk.r2_score(truth, predicted), rel=1e-5)
    assert run.result["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(truth, predicted), rel=1e-5)


@pytest.mark.parametrize("loss", ["sigmoid_binary_cross_entropy", "binary_cross_entropy"])
def test_probabilities_are_what_the_loss_says(loss):
    run = trained(CANCER, ["log_loss"], loss=loss)
    assert run.result["log_loss"] == pytest.approx(run.result["loss"], rel=1e-4)


def test_labels_have_the_mean_over_them():
    run = trained(LABELS, ["f1", "roc_auc", "accuracy", "log_loss"], epochs=20)
    truth, outputs = LABELS.held_out.y, run.outputs(LABELS.held_out.x)
    assert run.result["f1"] == pytest.approx(sk.f1_score(truth, outputs > 0.5, average="macro"))
    assert run.result["roc_auc of b"] == pytest.approx(sk.roc_auc_score(truth[:, 1], outputs[:, 1]))
    assert run.result["accuracy"] == run.result["binary_accuracy"]


@pytest.mark.parametrize(
    ("data", "settings", "error", "says"),
    [
        (IRIS, {"metrics": ["r2"]}, InvalidValue, "'r2' is of a target that is regression; that of 'iris' is multicl"),
        (DIABETES, {"metrics": ["f1"]}, InvalidValue, "Metrics for it: mean_absolute_error, .*r2"),
        (IRIS, {"metrics": "f1"}, InvalidValue, r"metrics is a list. Received: 'f1'. Write metrics=\['f1'\]"),
        (IRIS, {"metrics": ["roc_ac"]}, UnknownName, "Did you mean 'roc_auc'"),
        (IRIS, {"metric": "f1"}, InvalidValue, r"Give it as metrics=\['f1'\]"),
        (IRIS, {"metrics": ["top_k_accuracy"]}, ShapeError, "always 1 for fewer than 4 classes"),
        (CANCER, {"metrics": ["log_loss"], "loss": "hinge"}, InvalidValue, "takes margins, which are none"),
    ],
)
def test_what_a_task_cannot_have_is_refused_before_training(data, settings, error, says):
    with pytest.raises(error, match=says):
        pel.train((6,), data, **SETTINGS, **settings)


def test_they_are_kept_with_the_run_and_shown_on_its_page(tmp_path):
    run = trained(IRIS, ["f1_macro", {"name": "top_k_accuracy", "k": 2}], folder=tmp_path / "run")
    loaded = pel.load(tmp_path / "run")
    assert loaded.result == run.result
    assert loaded.evaluate(IRIS.held_out.x, IRIS.held_out.y) == pytest.approx(run.result)
    assert "f1 of" not in str(run)
    assert "f1 macro" in str(run)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Metrics of each class" in page
    with pytest.raises(DataError, match="holds no rows to measure other metrics on"):
        loaded.evaluate(metrics=["recall"])
    assert "recall" in run.evaluate(metrics=["recall"])


def test_what_a_set_leaves_undefined_is_nan_and_no_alarm(tmp_path):
    data = pel.make_dataset(X, (X + NOISE > 0)[:, 0].astype(int), held_out=(X[:4], np.ones(4, int)), name="one")
    with pytest.warns(DataWarning, match="roc_auc is not defined: the set has no negative row"):
        run = trained(data, ["roc_auc"], folder=tmp_path / "run")
    assert np.isnan(run.result["roc_auc"])
    assert not run.not_finite
    assert np.isnan(pel.load(tmp_path / "run").result["roc_auc"])


def test_an_autoencoder_is_measured_as_it_is_trained_and_a_translator_refuses():
    network = {"name": "autoencoder", "hidden": [4], "code": 2}
    run = pel.train(network, X, metrics=["root_mean_squared_error", "mean_squared_error"], **SETTINGS)
    assert run.result["mean_squared_error"] == pytest.approx(run.result["loss"])
    assert run.result["root_mean_squared_error"] == pytest.approx(run.result["loss"] ** 0.5)
    with pytest.raises(InvalidValue, match=r"'r2' is of a target that is regression; that of .* is reconstruction"):
        pel.train(network, X, metrics=["r2"], **SETTINGS)


def test_comparisons_and_folds_have_them():
    comparison = pel.compare(
        IRIS, {"activation": ["relu", "tanh"]}, network=(6,), seeds=2, metrics=["f1", "log_loss"], **SETTINGS
    )
    assert comparison.values("held_out_f1").shape == (2, 2)
    assert comparison.higher_is_better("held_out_f1 of setosa")
    assert not comparison.higher_is_better("held_out_log_loss")
    assert "log loss" in str(comparison)
    folds = pel.cross_validate((6,), IRIS, folds=3, metrics=["f1"], **SETTINGS)
    estimate = folds.to_dict()["metrics"]["held_out_f1"]
    assert estimate["mean"] == pytest.approx(np.mean([run.result["f1"] for run in folds.runs]))
    with pytest.raises(InvalidValue, match="metrics cannot be compared over"):
        settle((6,), IRIS, {}) and pel.compare(IRIS, {"metrics": [["f1"]]}, seeds=1, **SETTINGS)


def test_the_command_line_takes_a_list(tmp_path):
    folder = str(tmp_path / "run")
    words = ["--epochs", "2", "--folder", folder, "--no-progress", "--metrics", "f1_macro,top_k_accuracy:k=2"]
    result = CliRunner().invoke(main, ["train", "iris", "--network", "6", *words])
    assert result.exit_code == 0, result.output
    assert pel.load(folder).experiment.metrics == [
        {"name": "f1", "average": "macro"},
        {"name": "top_k_accuracy", "k": 2},
    ]
    said = CliRunner().invoke(main, ["evaluate", folder, "iris", "--metrics", "roc_auc,balanced_accuracy"])
    assert said.exit_code == 0, said.output
    assert "balanced accuracy: " in said.stdout
    assert "roc auc of setosa: " in said.stdout
