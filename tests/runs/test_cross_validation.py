"""Folds: every row held out once, each training as if alone, and as scikit-learn splits them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, StratifiedKFold, TimeSeriesSplit

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, StorageError
from pellucid.core.statistics import interval
from pellucid.data import folds
from pellucid.data.preprocessing import standardise
from pellucid.report.cross_validation import cross_validation_charts
from pellucid.runs.experiment import open_data
from pellucid.training.population import advance_together

IRIS = pel.load_dataset("iris")
X = np.concatenate([IRIS.train.x, IRIS.held_out.x])
Y = np.concatenate([IRIS.train.y, IRIS.held_out.y])
NAMES = np.array(IRIS.classes)[Y]
COMMON = {"epochs": 6, "learning_rate": 0.02, "progress": False}


@pytest.fixture(scope="module")
def validated():
    before = advance_together._cache_size()
    result = pel.cross_validate((16,), (X, NAMES), seed=3, **COMMON)
    assert advance_together._cache_size() <= before + 1
    return result


def test_folds_are_those_of_a_loop_over_scikit_learn(validated):
    splits = StratifiedKFold(5, shuffle=True, random_state=3).split(X, Y)
    predictions = np.empty(len(X), object)
    for run, held_out, (train, test) in zip(validated.runs, validated.held_out, splits, strict=True):
        np.testing.assert_array_equal(held_out, test)
        data = pel.make_dataset(X[train], NAMES[train], held_out=(X[test], NAMES[test]))
        alone = pel.train((16,), data, seed=3, **COMMON)
        assert run.result == pytest.approx(alone.result, rel=1e-4)
        np.testing.assert_allclose(run.outputs(X), alone.outputs(X), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(run.history.epochs["loss"], alone.history.epochs["loss"], rtol=1e-4)
        predictions[test] = alone.predict(X[test])
    np.testing.assert_array_equal(validated.predictions, predictions)


def test_each_row_is_predicted_once_and_the_metrics_agree(validated):
    np.testing.assert_array_equal(validated.rows, np.arange(150))
    assert validated.outputs.shape == (150, 3)
    correct = validated.predictions == NAMES
    values = [correct[rows].mean() for rows in validated.held_out]
    assert validated.values() == pytest.approx(values)
    assert validated.estimate() == interval(validated.values())
    assert validated.estimate("held_out_loss").count == 5
    assert validated.curves().shape == (5, 6)
    with pytest.raises(InvalidValue, match="no metric 'accurcy'"):
        validated.values("accurcy")


def test_it_is_shown(validated):
    assert "5 folds: accuracy" in repr(validated)
    text = str(validated)
    assert all(word in text for word in ("fold 1", "fold 5", "mean", "sd", "95 % interval"))
    dots, lines = cross_validation_charts(validated)
    assert (len(dots.strips), len(lines.series)) == (1, 5)
    assert len(validated.plot().axes) == 2
    assert "fold 3" in validated._repr_html_()
    assert json.loads(json.dumps(validated.to_dict()))["metrics"]["held_out_accuracy"]["count"] == 5


def test_the_same_seed_repeats_bit_for_bit(validated):
    again = pel.cross_validate((16,), (X, NAMES), seed=3, **COMMON)
    np.testing.assert_array_equal(again.outputs, validated.outputs)
    other = pel.cross_validate((16,), (X, NAMES), seed=4, **COMMON)
    assert not np.array_equal(other.held_out[0], validated.held_out[0])


def test_a_dataset_is_folded_whole():
    divided = folds(IRIS, 4, 1)
    held_out = np.concatenate([rows for _, rows in divided])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(150))
    for fold, rows in divided:
        np.testing.assert_array_equal(fold.held_out.x, X[rows])
        np.testing.assert_array_equal(fold.train.x, X[np.setdiff1d(np.arange(150), rows)])
        expected = standardise(fold.train.x)
        np.testing.assert_array_equal(fold.preprocessing.shift, expected.shift)
        np.testing.assert_array_equal(fold.preprocessing.scale, expected.scale)


def test_a_table_keeps_its_categories_unscaled_and_pixels_their_scale():
    rows = [{"age": float(i), "city": "Rome" if i % 3 else "Oslo", "ill": "yes" if i % 2 else "no"} for i in range(30)]
    for fold, _ in folds(pel.load_table(rows, target="ill"), 3):
        np.testing.assert_array_equal(fold.preprocessing.scale[1:], 1)
        assert fold.preprocessing.shift[0] == np.float32(fold.train.x[:, 0].mean(dtype=np.float64))
    pixels = pel.make_dataset(np.arange(48, dtype=np.uint8).reshape(12, 2, 2), [0, 1] * 6)
    assert all(fold.preprocessing.scale == np.float32(1 / 255) for fold, _ in folds(pixels, 3))


def test_weights_go_with_their_rows():
    weights = np.linspace(0.5, 2, 150).astype(np.float32)
    data = pel.make_dataset(X, NAMES, weights=weights, held_out=None)
    for fold, rows in folds(data, 5):
        np.testing.assert_array_equal(fold.held_out.weights, weights[rows])
    half = replace(IRIS, train=replace(IRIS.train, weights=np.full(120, 2, np.float32)))
    fold, rows = folds(half, 5)[0]
    np.testing.assert_array_equal(fold.held_out.weights, np.where(rows < 120, 2, 1))


def test_groups_never_straddle():
    groups = np.arange(150) // 5
    data = pel.make_dataset(X, NAMES, held_out=None)
    data = replace(data, train=replace(data.train, groups=groups))
    splits = GroupKFold(5).split(X, groups=groups)
    for (fold, rows), (_, test) in zip(folds(data, 5), splits, strict=True):
        np.testing.assert_array_equal(rows, test)
        assert not set(fold.train.groups) & set(fold.held_out.groups)
    validated = pel.cross_validate((16,), data, **COMMON)
    np.testing.assert_array_equal(validated.rows, np.arange(150))
    with pytest.raises(DataError, match="2 groups cannot be split into 5 folds"):
        folds(replace(data, train=replace(data.train, groups=np.arange(150) % 2)), 5)


def test_numbers_are_drawn_and_scaled_by_their_own_rows():
    y = 1000 + 50 * X[:, 0] * X[:, 1] + 30 * X[:, 3]
    validated = pel.cross_validate((8,), (X[:148], y[:148]), folds=3, **COMMON)  # folds of 50, 49 and 49 rows
    splits = KFold(3, shuffle=True, random_state=0).split(X[:148])
    for rows, (_, test) in zip(validated.held_out, splits, strict=True):
        np.testing.assert_array_equal(rows, test)
    assert validated.metric == "held_out_mean_absolute_error"
    assert not validated.higher_is_better()
    for run in validated.runs:
        alone = pel.train((8,), run.data, **COMMON)
        assert run.result == pytest.approx(alone.result, rel=1e-3)
    assert validated.predictions.shape == (148,)
    errors = np.abs(validated.predictions - y[:148])
    expected = [errors[rows].mean() for rows in validated.held_out]
    assert validated.values() == pytest.approx(expected, rel=1e-3)


def test_rows_in_the_order_of_time():
    validated = pel.cross_validate((8,), (X, NAMES), folds=TimeSeriesSplit(3), **COMMON)
    for run, rows, (train, test) in zip(validated.runs, validated.held_out, TimeSeriesSplit(3).split(X), strict=True):
        np.testing.assert_array_equal(rows, test)
        np.testing.assert_array_equal(run.data.train.x, X[train])
    np.testing.assert_array_equal(validated.rows, np.arange(39, 150))
    assert validated.predictions.shape == (111,)


def test_early_stopping_ends_each_fold_by_itself():
    settings = COMMON | {"epochs": 40, "early_stopping": 2, "learning_rate": 0.1}
    validated = pel.cross_validate((16,), IRIS, folds=3, **settings)
    for run in validated.runs:
        alone = pel.train((16,), run.data, **settings)
        assert run.history.epochs_made == alone.history.epochs_made
        assert run.result == pytest.approx(alone.result, rel=1e-3)


def test_an_autoencoder_restores_the_rows_that_it_did_not_see():
    validated = pel.cross_validate({"name": "autoencoder", "code": 2}, X, folds=3, **COMMON)
    assert validated.predictions.shape == X.shape
    assert "prediction" not in validated.predictions_as_csv().splitlines()[0]


def test_a_fold_that_diverges_is_left_out():
    validated = pel.cross_validate((8,), IRIS, folds=3, optimizer="sgd", **COMMON | {"learning_rate": 1e30})
    assert np.isnan(validated.values()).all()
    assert validated.to_dict()["metrics"]["held_out_accuracy"]["mean"] is None
    assert "diverged" in str(validated)


def test_it_is_saved(validated, tmp_path):
    folder = validated.save(tmp_path / "saved")
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "row,fold,prediction"
    assert [line.split(",")[2] for line in lines[1:]] == validated.predictions.tolist()
    assert json.loads((folder / "cross_validation.json").read_text()) == validated.to_dict()
    assert "fold-2/report.html" in (folder / "report.html").read_text()
    np.testing.assert_array_equal(pel.load(folder / "fold-2").outputs(X), validated.runs[1].outputs(X))
    with pytest.raises(StorageError, match="holds a cross-validation"):
        validated.save(folder)
    validated.save(folder, overwrite=True)
    with pytest.raises(StorageError, match="not a cross-validation folder"):
        validated.save(folder / "fold-1", overwrite=True)


def test_a_saved_fold_opens_its_rows_again(tmp_path):
    validated = pel.cross_validate((8,), IRIS, folds=3, **COMMON)
    run = pel.load(validated.save(tmp_path / "saved") / "fold-3")
    assert run.experiment.data == {"name": "iris", "fold": {"number": 3, "of": 3, "seed": 0}}
    assert run.experiment.name == "iris-8-fold-3"
    np.testing.assert_array_equal(open_data(run.experiment.data).held_out.x, validated.runs[2].data.held_out.x)


@pytest.mark.parametrize(
    ("network", "data", "settings", "text"),
    [
        ((8,), IRIS, {"folds": 1}, "folds must be a whole number of at least 2. Received: 1"),
        ((8,), IRIS, {"folds": "5"}, "folds must be a whole number of at least 2. Received: '5'"),
        ((8,), IRIS, {"folds": RepeatedKFold(n_splits=3)}, "holds some rows out more than once"),
        ((8,), IRIS, {"seed": -1}, "seed must be"),
        ((8,), IRIS, {"epoch": 3}, "Did you mean 'epochs'"),
        ("gan", X, {}, "a GAN cannot be cross-validated"),
    ],
)
def test_what_cannot_be_folded_is_refused(network, data, settings, text):
    with pytest.raises(InvalidValue, match=text):
        pel.cross_validate(network, data, progress=False, **settings)


def test_sentence_pairs_are_refused(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"go {i}\tva {i}\n" for i in range(10)))
    with pytest.raises(InvalidValue, match="a translator cannot be cross-validated"):
        pel.cross_validate("translator", pel.data.load_translations(path))


@pytest.mark.parametrize(
    ("y", "count", "text"),
    [
        ([0, 1], 3, "2 rows cannot be split into 3 folds"),
        ([0, 0, 0, 0, 1], 3, "class '1' has only 1 row"),
        ([0, 0, 0, 1, 1, 1], 4, "no class has 4 rows"),
    ],
)
def test_too_few_rows_are_refused(y, count, text):
    data = pel.make_dataset(np.arange(len(y))[:, None], y, task="binary", held_out=None)
    with pytest.raises(DataError, match=text):
        folds(data, count)


def test_a_rare_class_is_missing_in_some_folds():
    y = np.array([0] * 20 + [1] * 2)
    data = pel.make_dataset(np.arange(22.0)[:, None], y, held_out=None)
    assert sorted(int(fold.held_out.y.sum()) for fold, _ in folds(data, 4)) == [0, 0, 1, 1]
