"""Training from one call, and what can be done with the run."""

import errno
import json
import os
import shutil
import signal
import sys
import threading
import time

import jax
import numpy as np
import optax
import pandas
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, ShapeError, StorageError, UnknownName
from pellucid.core.registry import describe
from pellucid.data import Part
from pellucid.doctor.remedies import plan_of_run
from pellucid.doctor.successive_halving import Candidate, Change
from pellucid.functions.schedules import CosineDecay
from pellucid.optimizers import as_optimizer
from pellucid.runs.experiment import Experiment
from pellucid.runs.many import many
from pellucid.runs.plan import settle
from pellucid.runs.ready import make_ready

IRIS = pel.load_dataset("iris")
SMALL = {"epochs": 4, "progress": False}


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), one, other)


def parities():
    """Three labels of each handwritten digit: even, at least five, prime."""
    digits = load_digits()
    labels = np.stack([digits.target % 2 == 0, digits.target >= 5, np.isin(digits.target, (2, 3, 5, 7))], axis=1)
    return pel.make_dataset(digits.data.astype(np.float32), labels.astype(int), name="parities")


TASKS = {
    "binary": lambda: pel.load_dataset("breast-cancer"),
    "multiclass": lambda: IRIS,
    "multilabel": parities,
    "regression": lambda: pel.load_dataset("diabetes"),
}


@pytest.mark.parametrize("task", TASKS)
def test_each_task_learns_and_a_loaded_run_predicts_the_same_bits(task, tmp_path):
    data = TASKS[task]()
    assert data.task == task
    hidden = (8,) if task == "multiclass" else (32,)  # few programs for many tests
    run = pel.train(hidden, data, optimizer=pel.Adam(0.02), epochs=25, progress=False)
    name = run.program.metric.name
    x, y = data.held_out.x, data.held_out.y
    if task == "regression":
        assert run.result[name] < 0.85 * np.abs(y - data.train.y.mean()).mean()  # better than the mean
    else:
        assert run.result[name] > 0.9
    assert run.evaluate(x, y) == pytest.approx(run.result)
    assert run.evaluate() == run.result
    run.save(tmp_path / "run")
    loaded = pel.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.outputs(x), run.outputs(x))
    np.testing.assert_array_equal(loaded.predict(x), run.predict(x))
    assert loaded.predict(x).dtype == run.predict(x).dtype
    same_bits(loaded.params, run.params)
    assert loaded.result == run.result
    assert str(loaded) == str(run)
    assert str(loaded.history) == str(run.history)
    # One by one or together, the prediction is the same.
    np.testing.assert_allclose(loaded.outputs(x[:1]), run.outputs(x)[:1], rtol=1e-5)
    assert run.predict(x[:0]).shape[0] == 0


@pytest.fixture(scope="module")
def iris_run(tmp_path_factory):
    """A finished run of a few epochs, in a folder."""
    return pel.train((8,), IRIS, folder=tmp_path_factory.mktemp("runs") / "iris", **SMALL)


NAMINGS = {
    "text": (["malignant", "benign"], np.str_),
    "numbers": ([3, -7], np.int64),
    "whole floats": ([0.0, 1.0], np.int64),
    "booleans": ([False, True], np.bool_),
    "digits with a text": (["1", "2nd"], np.str_),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_predictions_and_targets_speak_the_callers_names(naming, tmp_path):
    names, kind = NAMINGS[naming]
    x, target = load_breast_cancer(return_X_y=True)
    y = np.array(names)[target]
    data = pel.make_dataset(x, y, task="binary")
    run = pel.train((32,), data, epochs=6, optimizer=pel.Adam(0.01), progress=False)
    run.save(tmp_path / "run")
    for one in (run, pel.load(tmp_path / "run")):
        predicted = one.predict(x)
        assert np.issubdtype(predicted.dtype, kind)
        right = (predicted == y).mean()
        assert right > 0.9
        for form in (y, y[:, None], y.tolist(), y.astype(object), pandas.Series(y.tolist())):
            assert one.evaluate(x, form)["binary_accuracy"] == pytest.approx(right)
    with pytest.raises(DataError, match="no known class"):
        run.evaluate(x[:2], ["other", "other"])


def test_class_numbers_are_taken_where_names_are_text(iris_run):
    x, y = load_iris(return_X_y=True)
    names = load_iris().target_names
    assert iris_run.evaluate(x, y) == iris_run.evaluate(x, names[y])
    with pytest.raises(DataError, match=r"label 3 at row 0.*Allowed: 0, 1, 2"):
        iris_run.evaluate(x[:1], [3])
    with pytest.raises(DataError, match=r"label 'rose' at row 1.*'setosa', 'versicolor', 'virginica'"):
        iris_run.evaluate(x[:2], ["setosa", "rose"])
    with pytest.raises(DataError, match=r"0\.5 at row 0.*whole numbers"):
        iris_run.evaluate(x[:2], [0.5, 1])


def test_examples_that_do_not_fit_are_refused(iris_run):
    x, y = IRIS.held_out.x, IRIS.held_out.y
    with pytest.raises(ShapeError, match=r"\(batch, 4\)\. Received: \(30, 3\)"):
        iris_run.predict(x[:, :3])
    with pytest.raises(ShapeError, match=r"x\[None\]"):
        iris_run.predict(x[0])
    with pytest.raises(ShapeError, match="differ in length"):
        iris_run.predict([[1, 2, 3, 4], [1, 2]])
    broken = x.copy()
    broken[7, 2] = np.nan
    with pytest.raises(DataError, match="nan at row 7, column 2"):
        iris_run.predict(broken)
    with pytest.raises(DataError, match="'a'"):
        iris_run.predict([["a", "b", "c", "d"]])
    with pytest.raises(ShapeError, match="x has 30 rows and y has 29"):
        iris_run.evaluate(x, y[:-1])
    with pytest.raises(DataError, match="needs the targets y"):
        iris_run.evaluate(x)


def test_whole_numbers_lists_and_jax_arrays_predict_as_floats_do(iris_run):
    x = np.round(IRIS.held_out.x)
    expected = iris_run.outputs(x)
    for form in (x.astype(int), x.tolist(), x.astype(np.float64), jax.numpy.asarray(x), x.astype(np.uint8)):
        np.testing.assert_array_equal(iris_run.outputs(form), expected)


# ------------------------------------------------------------------------------------------- weights of rows


def test_balanced_class_weights_raise_the_recall_of_a_rare_class():
    """Which digits are an eight? With 30 eights among 1,623 others the plain network finds few of the rest."""
    digits = load_digits()
    x, y = digits.data.astype(np.float32), digits.target == 8
    eights = np.flatnonzero(y)[30:]
    seen = np.setdiff1d(np.arange(len(y)), eights)
    data = pel.make_dataset(x[seen], y[seen], held_out=(x[eights], y[eights]))
    gains = []
    for seed in range(3):
        plain, balanced = (
            pel.train((), data, epochs=3, seed=seed, class_weights=weights, progress=False)
            for weights in (None, "balanced")
        )
        gains.append(balanced.result["binary_accuracy"] - plain.result["binary_accuracy"])
    assert min(gains) > 0.05, gains
    assert np.mean(gains) > 0.1, gains
    # By definition rows / (classes · rows of the class), which may also be given by name.
    share = data.train.y.mean()
    given = {True: 1 / (2 * share), False: 1 / (2 * (1 - share))}
    same = pel.train((), data, epochs=3, seed=2, class_weights=given, progress=False)
    close(same.params, balanced.params)


FULL = {"optimizer": pel.optimizers.GradientDescent(0.1), "epochs": 20, "progress": False, "record_every": 0}


def unscaled(x, y):
    return pel.make_dataset(x, y, held_out=None, preprocessing="none")


def test_a_row_of_weight_two_counts_as_two_rows():
    x, y = IRIS.train.x, IRIS.train.y
    twice = np.arange(len(x)) % 3 == 0
    weighted = pel.train((), unscaled(x, y), sample_weights=1.0 + twice, **FULL)
    doubled = pel.train((), unscaled(np.concatenate([x, x[twice]]), np.concatenate([y, y[twice]])), **FULL)
    close(weighted.params, doubled.params)


def test_a_row_of_weight_zero_counts_as_none_whatever_its_label():
    x, y = IRIS.train.x, IRIS.train.y
    spoilt = np.arange(len(x)) % 4 == 0
    wrong = np.where(spoilt, (y + 1) % 3, y)
    weighted = pel.train((), unscaled(x, wrong), sample_weights=1.0 - spoilt, **FULL)
    without = pel.train((), unscaled(x[~spoilt], y[~spoilt]), **FULL)
    close(weighted.params, without.params)


def half_wrong():
    """Rows of one number: where it is above 0 the target is wrong and weighs 0; the others say 1."""
    x = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32)
    wrong = x[:, 0] > 0
    return x, np.where(wrong, 100.0, 1.0).astype(np.float32), np.where(wrong, 0.0, 1.0)


WAYS = {
    "arrays": lambda x, y, w, fit: fit((x, y), sample_weights=w),
    "a dataset": lambda x, y, w, fit: fit(pel.make_dataset(x, y, weights=w)),
    "a table": lambda x, y, w, fit: fit(
        pel.load_table(pandas.DataFrame({"x": x[:, 0], "y": y, "w": w}), target="y", weights="w")
    ),
    "a split by hand": lambda x, y, w, fit: fit(
        pel.make_dataset(x[20:], y[20:], weights=w[20:], held_out=(x[:20], y[:20], w[:20]))
    ),
    "training rows": lambda x, y, w, fit: fit(pel.make_dataset(x, y, held_out=None), sample_weights=w),
}


@pytest.mark.parametrize("way", WAYS)
def test_weights_stay_with_their_rows_through_every_split(way):
    x, y, w = half_wrong()
    network = pel.Network(pel.Dense(1, weights="zeros"))
    settings = {"optimizer": pel.Adam(0.1), "epochs": 80, "early_stopping": 30, "record_every": 0}
    run = WAYS[way](x, y, w, lambda data, **more: pel.train(network, data, progress=False, **settings, **more))
    assert run.predict(np.array([[-1.0]])) == pytest.approx(1, abs=0.02)
    if run.result:
        assert run.result["loss"] < 0.01
    assert run.history.epochs["held_out_loss"].min() < 0.01  # of the validation part
    assert run.evaluate(x, y, weights=w)["loss"] < 0.01 < run.evaluate(x, y)["loss"]


@pytest.mark.parametrize("batch_size", [1, 7, "all"])
def test_figures_of_an_epoch_are_weighted_means_whatever_the_batches(batch_size):
    x, y, _ = half_wrong()
    w = np.linspace(0.1, 5, len(x))
    data = pel.make_dataset(x, y, weights=w, preprocessing="none")
    network = pel.Network(pel.Dense(1, weights="ones"))
    still = pel.SGD(1e-30)  # so that every step sees the same network
    run = pel.train(
        network, data, optimizer=still, batch_size=batch_size, epochs=1, progress=False, scale_targets="none"
    )
    metrics = run.history.epochs
    for part, name in ((data.train, ""), (data.held_out, "held_out_")):
        error = np.abs(part.x - part.y)[:, 0]
        np.testing.assert_allclose(metrics[f"{name}loss"], np.average(error**2, weights=part.weights), rtol=1e-5)
        mean = np.average(error, weights=part.weights)
        np.testing.assert_allclose(metrics[f"{name}mean_absolute_error"], mean, rtol=1e-5)


def test_weights_do_not_cancel_at_batch_size_one():
    x, y = np.ones((4, 1), np.float32), np.array([1.0, 1.0, -1.0, -1.0], np.float32)
    options = {"held_out": None, "preprocessing": "none", "task": "regression"}
    data = pel.make_dataset(x, y, weights=[3, 3, 1, 1], **options)
    network = pel.Network(pel.Dense(1, weights="zeros"))
    run = pel.train(network, data, batch_size=1, optimizer=pel.SGD(1e-30), shuffle=False, epochs=1, progress=False)
    np.testing.assert_allclose(run.history.steps["loss"], [1.5, 1.5, 0.5, 0.5], rtol=1e-6)  # by the mean weight, 2
    run = pel.train(network, data, batch_size=1, optimizer=pel.SGD(0.01), epochs=200, progress=False)
    assert run.predict(x)[0] == pytest.approx((3 * 1 + 1 * -1) / 4, abs=0.05)


def test_gans_refuse_weights():
    data = pel.make_dataset(np.eye(40, 2), np.arange(40.0), weights=np.ones(40))
    with pytest.raises(InvalidValue, match="a GAN takes all its rows alike"):
        pel.train("wgan", data, epochs=1, batch_size=2, progress=False)


ON_PLATEAU = {"name": "on_plateau", "learning_rate": 0.01}
BATCHES = {"all": {"batch_size": "all"}, "gradient descent": {"optimizer": "gradient_descent"}, "the usual": {}}


@pytest.mark.parametrize("rows", [100, 42])
@pytest.mark.parametrize("decides", [{"early_stopping": 5}, {"optimizer": pel.SGD(ON_PLATEAU)}], ids=["stops", "rate"])
@pytest.mark.parametrize("batch", BATCHES)
def test_rows_of_a_step_are_counted_without_the_validation_part(batch, decides, rows):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    for more in ({}, decides):
        planned = settle((2,), (x, x[:, 0]), BATCHES[batch] | more)
        experiment, ready = planned.experiment, make_ready(planned.experiment, planned.data)
        kept = len(planned.data.train) - (0 if ready.monitor.rows == len(planned.data.held_out) else ready.monitor.rows)
        assert ready.train.rows == kept == experiment.training_rows(len(planned.data.train))
        assert ready.decides == experiment.decides == bool(more)
        if experiment.batch_size != "all":
            assert experiment.batch_size == min(32, kept)
        assert ready.program.batch_size == (kept if experiment.batch_size == "all" else min(32, kept))
        assert Experiment.from_dict(experiment.to_dict()) == experiment


def test_a_loaded_run_of_all_rows_knows_its_steps(tmp_path):
    run = pel.train((8,), IRIS, batch_size="all", early_stopping=2, folder=tmp_path / "run", **SMALL)
    loaded = pel.load(tmp_path / "run")
    assert loaded.experiment.batch_size == "all"
    assert loaded.program == run.program
    assert loaded.history.epochs_made == run.history.epochs_made == 4


# --------------------------------------------------------------------------------------------- ends and resumes


def test_early_stopping_keeps_the_best_epoch_and_is_told_from_the_end():
    run = pel.train((8,), IRIS, epochs=400, optimizer=pel.Adam(0.1), early_stopping=4, progress=False)
    watched = run.history.epochs["held_out_loss"]
    assert run.stopped == "early"
    assert len(watched) < 400
    assert len(watched) == int(np.argmin(watched)) + 1 + 4
    assert "stopped early" in str(run)
    shorter = pel.train(
        (8,), IRIS, epochs=int(np.argmin(watched)) + 1, optimizer=pel.Adam(0.1), early_stopping=4, progress=False
    )
    assert shorter.stopped == "epochs"
    same_bits(run.params, shorter.params)
    assert run.result == shorter.result


def noisy():
    """Two classes that a wide network soon learns by heart."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    y = (x[:, 0] + 0.5 * x[:, 1] + 0.6 * rng.normal(size=120) > 0).astype(int)
    return pel.make_dataset(x, y, name="noisy", seed=0)


NOISY = noisy()
NORMALISED = pel.Network(pel.Dense(16), pel.BatchNorm(), pel.Activation("relu"), pel.Dense(1, "sigmoid"))
STATISTICS = {"optimizer": pel.Adam(0.05), "batch_size": 16, "early_stopping": 4, "progress": False}


def as_trained(folder):
    return pel.train(NORMALISED, NOISY, epochs=60, **STATISTICS)


def among_others(folder):
    settings = {k: v for k, v in STATISTICS.items() if k != "progress"}
    planned = settle(NORMALISED, NOISY, settings | {"epochs": 60})
    return pel.Run.of(many([planned.experiment] * 2, NOISY)[1])


def resumed(folder):
    best = as_trained(folder).best_epoch
    pel.train(NORMALISED, NOISY, epochs=best + 1, folder=folder, **STATISTICS)
    return pel.resume(folder, NOISY, epochs=60, progress=False)


@pytest.mark.parametrize("way", [as_trained, among_others, resumed])
def test_the_best_epochs_running_statistics_are_kept_with_its_weights(way, tmp_path):
    run = way(tmp_path / "resumed")
    losses = run.history.epochs["held_out_loss"]
    assert run.stopped == "early"
    assert run.best_epoch == int(np.argmin(losses)) + 1 < len(losses)
    watched = run.training.monitor
    part = Part(np.asarray(watched.x), np.asarray(watched.y))
    assert run.evaluate_part(part)["loss"] == pytest.approx(losses.min(), rel=1e-5)
    run.save(tmp_path / "saved")
    loaded = pel.load(tmp_path / "saved")
    same_bits(loaded.layer_state, run.layer_state)
    assert str(loaded) == str(run)
    assert f"{len(losses)} of 60 epochs" in str(run)
    assert f"best epoch kept, number {run.best_epoch}" in str(run)


def test_ctrl_c_returns_the_run_and_it_goes_on_to_the_same_bits(tmp_path):
    folder = tmp_path / "run"
    settings = {"checkpoint_every": 0, "progress": False, "seed": 2}
    handler = signal.getsignal(signal.SIGINT)

    def press_ctrl_c():
        while not list(folder.glob("checkpoints/*.json")):  # till the training is well under way
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press_ctrl_c)
    thread.start()
    run = pel.train((8,), IRIS, epochs=100_000, folder=folder, **settings)
    thread.join()
    assert run.stopped == "interrupted"
    assert signal.getsignal(signal.SIGINT) is handler
    assert 0 < run.history.steps_made < 400_000
    assert "interrupted" in str(run)
    assert run.predict(IRIS.held_out.x).shape == (30,)
    assert pel.load(folder).stopped == "interrupted"
    epochs = run.history.epochs_made + 3
    again = pel.resume(folder, epochs=epochs, progress=False)
    assert again.stopped == "epochs"
    same_bits(again.params, pel.train((8,), IRIS, epochs=epochs, progress=False, seed=2).params)


def test_a_disk_that_fills_up_while_training_loses_nothing(tmp_path, monkeypatch):
    """Whichever write fails first, the run resumes afterwards to the bits of the undisturbed one."""
    expected = pel.train((8,), IRIS, folder=tmp_path / "whole", **SMALL)
    real = os.fsync
    for failing in (1, 5, 8, 11, 16):
        folder, calls = tmp_path / f"full-{failing}", []

        def full(descriptor, failing=failing, calls=calls):
            calls.append(descriptor)
            if len(calls) >= failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot write .*No space left on device.*Free some space"):
            pel.train((8,), IRIS, folder=folder, checkpoint_every=0, **SMALL)
        monkeypatch.setattr(os, "fsync", real)
        assert not list(folder.rglob("*.tmp"))
        if (folder / "experiment.toml").exists():
            again = pel.resume(folder, progress=False)
        else:  # nothing had begun: the same call may be made again
            again = pel.train((8,), IRIS, folder=folder, **SMALL)
        same_bits(again.params, expected.params)
        for name in ("weights.safetensors", "history/steps.parquet", "result.json"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (failing, name)


RESUMED = {
    "rate": ({"learning_rate": 1e-4}, {"name": "adam", "learning_rate": 1e-4}),
    "optimiser of the kind": ({"optimizer": pel.Adam(1e-4, beta1=0.5)}, None),
    "optimiser of another": ({"optimizer": "sgd"}, "sgd"),
    "with its rate": ({"optimizer": "sgd", "learning_rate": 0.2}, {"name": "sgd", "learning_rate": 0.2}),
    "optax": ({"optimizer": optax.sgd(0.1)}, "optax"),
}


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """A run that is resumed in many ways; each takes a copy."""
    folder = tmp_path_factory.mktemp("runs") / "two"
    return pel.train((8,), IRIS, optimizer=pel.Adam(0.02), epochs=2, snapshots=4, folder=folder, progress=False).folder


@pytest.mark.parametrize("change", RESUMED)
def test_a_resumed_run_takes_another_optimiser_and_writes_it_down(change, two_epochs, tmp_path):
    settings, written = RESUMED[change]
    shutil.copytree(two_epochs, tmp_path / "run")
    run = pel.resume(tmp_path / "run", epochs=4, progress=False, **settings)
    chosen = as_optimizer(settings.get("optimizer", "adam"))
    rate = settings.get("learning_rate", getattr(chosen, "learning_rate", np.nan))
    used = run.history.steps["learning_rate"]
    np.testing.assert_allclose(used[:8], 0.02, rtol=1e-6)
    if change != "optax":  # which may tell its rate or not
        np.testing.assert_allclose(used[8:], rate, rtol=1e-6)
    # The running averages of the same kind are kept, with the count of its updates.
    assert int(run.training.state.optimizer.step) == (16 if chosen.name == "adam" else 8)
    loaded = pel.load(tmp_path / "run")
    assert loaded.experiment.optimizer == (describe(chosen) if written is None else written)
    (entry,) = loaded.resumed
    assert (entry["epoch"], entry["step"]) == (2, 8)
    assert entry["changed"]["optimizer"]["before"] == {"name": "adam", "learning_rate": 0.02}
    assert entry["changed"]["epochs"] == {"before": 2, "after": 4}
    assert "resumed" in (tmp_path / "run/report.html").read_text()
    if change != "optax":
        # The states before and after it are read with the optimiser of their time.
        first, *_, last = (len(state.optimizer.slots) for state in loaded.snapshots.values())
        assert (first, last) == (2, len(run.training.state.optimizer.slots))
        again = pel.resume(tmp_path / "run", epochs=5, progress=False)  # and from there bit for bit
        assert len(again.resumed) == 2
        assert float(again.history.steps["learning_rate"][-1]) == pytest.approx(rate)


def test_a_killed_run_that_was_resumed_with_another_optimiser_is_not_mixed_up(two_epochs, tmp_path, monkeypatch):
    """The settings are written before the first checkpoint with them: a kill in between leaves the old state."""
    shutil.copytree(two_epochs, tmp_path / "run")
    expected = pel.resume(shutil.copytree(two_epochs, tmp_path / "whole"), epochs=4, optimizer="sgd", progress=False)
    monkeypatch.setattr(sys.modules["pellucid.runs.fit"], "run", lambda *rest, **settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pel.resume(tmp_path / "run", epochs=4, optimizer="sgd", progress=False)
    monkeypatch.undo()
    assert pel.load(tmp_path / "run").experiment.optimizer == "sgd"
    same_bits(pel.resume(tmp_path / "run", progress=False).params, expected.params)


REFUSED = {
    "fewer epochs": ({"epochs": 1}, r"epochs counts all of a run, and 2 are made.*Received: 1"),
    "patience": ({"early_stopping": 3}, "begun without it.*Begin a new run with it"),
    "schedule": ({"optimizer": pel.Adam(CosineDecay(0.1, epochs=3))}, "cosine_decay.*from the beginning"),
    "all rows": ({"optimizer": pel.optimizers.GradientDescent(0.1)}, r"all rows a step.*of 32\. Take sgd"),
    "rate of optax": ({"optimizer": optax.sgd(0.1), "learning_rate": 1.0}, "holds its rate inside"),
    "no rate": ({"learning_rate": -1.0}, "learning_rate"),
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_a_resumed_run_cannot_take_is_refused_by_name(change, two_epochs):
    settings, message = REFUSED[change]
    before = (two_epochs / "experiment.toml").read_bytes()
    with pytest.raises(InvalidValue, match=message):
        pel.resume(two_epochs, **{"epochs": 4} | settings, progress=False)
    assert (two_epochs / "experiment.toml").read_bytes() == before


def test_after_an_early_stop_more_patience_goes_on_and_nothing_less_is_silent(tmp_path):
    settings = STATISTICS | {"early_stopping": 2}
    run = pel.train(NORMALISED, NOISY, epochs=40, folder=tmp_path / "run", **settings)
    assert run.stopped == "early"
    made, before = run.history.epochs_made, (tmp_path / "run/experiment.toml").read_bytes()
    message = rf"stopped early after {made} epochs.*since epoch {run.best_epoch}.*early_stopping=4.*--early-stopping 4"
    for changes in ({}, {"epochs": 50}, {"learning_rate": 1e-4}):
        with pytest.warns(pel.ResumeWarning, match=message):
            same = pel.resume(tmp_path / "run", NOISY, progress=False, **changes)
        assert same.history.epochs_made == made
        assert (tmp_path / "run/experiment.toml").read_bytes() == before  # what had no part in it is not recorded
    again = pel.resume(tmp_path / "run", NOISY, early_stopping=4, progress=False)
    whole = pel.train(NORMALISED, NOISY, epochs=40, **STATISTICS)
    assert again.history.epochs_made == whole.history.epochs_made > made
    same_bits((again.params, again.layer_state), (whole.params, whole.layer_state))
    assert pel.load(tmp_path / "run").experiment.early_stopping == 4


def test_what_the_terminal_says_of_a_training_stays_in_its_folder(tmp_path, capfd):
    run = pel.train((8,), IRIS, epochs=2, optimizer=pel.SGD(1e-4), folder=tmp_path / "run")
    message = capfd.readouterr().err.splitlines()[-1]
    suspicion = message.removeprefix("the doctor suspects ").partition(";")[0]
    kept = json.loads((tmp_path / "run/notes.json").read_text())
    assert kept["suspicion"] == suspicion
    assert kept["ended"] == str(run).splitlines()
    assert kept["choices"][0].startswith("output layer: softmax, 3 wide")
    loaded = pel.load(tmp_path / "run")
    assert loaded.notes == run.notes
    page = (tmp_path / "run/report.html").read_text()
    for text in (suspicion, *kept["choices"]):
        assert text.replace("'", "&#x27;") in page or text in page
    # Nothing of it is lost where the training resumes, but what it was suspected of before.
    more = pel.resume(tmp_path / "run", epochs=30, learning_rate=0.5, progress=False)
    assert more.notes.choices == run.notes.choices
    assert more.notes.suspicion != suspicion


def test_objects_print_in_a_line_without_their_data(two_epochs, iris_run):
    candidate = Candidate(Change("adam", "optimizer sgd → adam", plan_of_run(iris_run)), {0: 0.5})
    things = (iris_run, iris_run.training, iris_run.history, candidate, candidate.change, pel.load(two_epochs))
    for thing in things:
        assert "\n" not in repr(thing), type(thing)
        assert len(repr(thing)) < 400, (type(thing), repr(thing))
    assert str(candidate) == "<Candidate: optimizer sgd → adam, 1 scores>"


def test_a_run_with_all_epochs_made_says_so(two_epochs):
    with pytest.warns(pel.ResumeWarning, match=r"all 2 epochs.*resume\(.*epochs=4\)"):
        pel.resume(two_epochs, progress=False)


def test_a_run_with_an_optimiser_from_optax_asks_for_it(tmp_path):
    pel.train((8,), IRIS, optimizer=optax.sgd(0.1), folder=tmp_path / "run", **SMALL)
    with pytest.raises(InvalidValue, match=r"came from Optax.*give it again: resume"):
        pel.resume(tmp_path / "run", epochs=6)
    run = pel.resume(tmp_path / "run", optimizer=optax.sgd(0.1), epochs=6, progress=False)
    same_bits(run.params, pel.train((8,), IRIS, optimizer=optax.sgd(0.1), **SMALL | {"epochs": 6}).params)


def test_arrays_and_sample_weights_must_be_given_again(tmp_path):
    x, y = IRIS.train.x, IRIS.train.y
    data = pel.make_dataset(x, y, name="mine")
    weights = np.linspace(0, 1, len(data.train))
    pel.train((8,), data, sample_weights=weights, folder=tmp_path / "run", **SMALL)
    with pytest.raises(StorageError, match=r"'mine'.*resume\(folder, data\)"):
        pel.resume(tmp_path / "run", epochs=6)
    with pytest.raises(StorageError, match=r"weights of the training rows.*Give the same sample_weights"):
        pel.resume(tmp_path / "run", data, epochs=6)
    with pytest.raises(StorageError, match=r"not those of the run.*SHA-256"):
        pel.resume(tmp_path / "run", pel.make_dataset(x + 1, y, name="mine"), epochs=6)
    again = pel.resume(tmp_path / "run", data, epochs=6, sample_weights=weights, progress=False)
    whole = pel.train((8,), data, sample_weights=weights, epochs=6, progress=False)
    same_bits(again.params, whole.params)


def test_an_optax_optimizer_is_given_again_to_resume(tmp_path):
    """The line of the documentation trains, and is resumed to the same bits where the optimiser is given again."""
    lion = optax.lion(1e-3)
    run = pel.train((8,), IRIS, optimizer=lion, folder=tmp_path / "run", **SMALL)
    assert run.history.epochs["loss"][-1] < run.history.epochs["loss"][0]
    assert np.isnan(run.history.epochs["learning_rate"]).all()
    loaded = pel.load(tmp_path / "run")
    same_bits(loaded.params, run.params)
    for asks_for_it in (lambda: pel.resume(tmp_path / "run", epochs=6), loaded.diagnose):
        with pytest.raises(InvalidValue, match=r"came from Optax.*give it again: resume\(folder, optimizer"):
            asks_for_it()
    again = pel.resume(tmp_path / "run", optimizer=lion, epochs=6, progress=False)
    same_bits(again.params, pel.train((8,), IRIS, optimizer=lion, epochs=6, progress=False).params)


def test_optax_rates_that_are_told_are_recorded_and_serve_a_penalty():
    """L1 needs the learning rate of each update: taken where Optax tells it, else refused before the first step."""
    halved = optax.exponential_decay(0.02, 4, 0.5, staircase=True)  # four updates an epoch
    told = optax.inject_hyperparams(optax.adam)(learning_rate=halved)
    run = pel.train((8,), IRIS, optimizer=told, regularizer="l1", epochs=2, progress=False)
    np.testing.assert_allclose(run.history.epochs["learning_rate"], [0.02, 0.01])
    np.testing.assert_allclose(run.history.steps["learning_rate"][3:5], [0.02, 0.01])
    assert all(np.isfinite(w).all() for w in jax.tree.leaves(run.params))
    with pytest.raises(InvalidValue, match=r"'l1' needs the learning rate.*inject_hyperparams"):
        pel.train((8,), IRIS, optimizer=optax.adam(0.01), regularizer="l1", **SMALL)


def test_four_accumulated_batches_are_one():
    """`optax.MultiSteps`: four batches of 30 rows move the weights as one of 120 does."""
    settings = {"shuffle": False, "epochs": 5, "progress": False}
    whole = pel.train((8,), IRIS, optimizer=pel.Adam(0.01), batch_size=120, **settings)
    parts = optax.MultiSteps(optax.adam(0.01), 4)
    close(pel.train((8,), IRIS, optimizer=parts, batch_size=30, **settings).params, whole.params)


def test_a_folder_with_a_run_is_replaced_only_on_demand(iris_run, tmp_path):
    folder = iris_run.folder
    before = (folder / "experiment.toml").read_bytes()
    with pytest.raises(StorageError, match=r"holds a run.*overwrite=True"):
        pel.train((8,), IRIS, folder=folder, seed=1, **SMALL)
    other = pel.train((8,), IRIS, seed=1, **SMALL)
    with pytest.raises(StorageError, match="holds a run"):
        other.save(folder)
    assert (folder / "experiment.toml").read_bytes() == before
    mine = pel.load(folder)
    mine.save(folder)  # its own folder: nothing is lost
    assert list((folder / "checkpoints").iterdir())
    mine.save(tmp_path / "copy")
    other.save(tmp_path / "copy", overwrite=True)
    same_bits(pel.load(tmp_path / "copy").params, other.params)


def test_numpy_numbers_and_class_weights_by_number_can_be_written_down(tmp_path):
    run = pel.train(
        (8,),
        (IRIS.train.x, IRIS.train.y),
        epochs=np.int64(2),
        class_weights={0: np.float32(2), 1: 1},
        folder=tmp_path / "run",
        progress=False,
    )
    same_bits(pel.load(tmp_path / "run").params, run.params)
    assert pel.load(tmp_path / "run").experiment.class_weights == {"0": 2.0, "1": 1}


def test_progress_is_silent_where_it_is_not_wanted(capfd):
    pel.train((8,), IRIS, **SMALL)
    assert capfd.readouterr() == ("", "")
    pel.train((8,), IRIS, epochs=4)
    out, message = capfd.readouterr()
    assert out == ""
    choices, *epochs, doctor = [line.partition(":")[0] for line in message.splitlines()]
    assert choices == "output layer"  # what was chosen is said first
    assert epochs == [f"epoch {i}/4" for i in range(1, 5)]
    assert doctor.startswith("the doctor suspects too few epochs")


# ----------------------------------------------------------------------------------------------------- bad input


def test_a_run_that_was_cut_before_its_end_has_no_weights_yet(tmp_path, iris_run):
    (tmp_path / "experiment.toml").write_bytes((iris_run.folder / "experiment.toml").read_bytes())
    with pytest.raises(StorageError, match=r"has not ended: it has no weights yet\. Resume it first"):
        pel.load(tmp_path)


PROBABILITY = pel.Network(pel.Dense(1, "sigmoid"))
WRONG = {
    "activation": ({"network": pel.Network(pel.Dense(3))}, InvalidValue, r"takes probabilities.*ends in linear"),
    "width": ({"network": pel.Network(pel.Dense(4, "softmax"))}, ShapeError, r"shape \(4,\).*needs \(3,\)"),
    "hidden": ({"network": (8, 0)}, InvalidValue, r"units of a hidden layer.*at least 1.*Received: 0"),
    "data": ({"data": "iris"}, InvalidValue, r"Dataset or a pair of arrays.*'iris'.*load_dataset"),
    "loss": ({"loss": "huberr"}, UnknownName, "Did you mean 'huber'"),
    "loss for the task": ({"loss": "huber"}, ShapeError, r"'huber' does not fit.*multiclass"),
    "optimizer": ({"optimizer": "admw"}, UnknownName, "Did you mean 'adamw'"),
    "targets of the loss": (
        {"network": PROBABILITY, "data": pel.load_dataset("diabetes"), "loss": "binary_cross_entropy"},
        InvalidValue,
        r"targets from 0 to 1; those of 'diabetes' run from 25 to 346.*mean_squared_error",
    ),
    "epochs": ({"epochs": -1}, InvalidValue, "epochs must be a whole number of at least 0. Received: -1"),
    "half epochs": ({"epochs": 1.5}, InvalidValue, r"epochs must be a whole number.*Received: 1\.5"),
    "batch": ({"batch_size": 500}, InvalidValue, r'batch_size is 500.*120 rows.*"all"'),
    "batch in words": ({"batch_size": "al"}, InvalidValue, r"whole number of at least 1, or \"all\".*'al'"),
    "batch with validation": (
        {"batch_size": 120, "early_stopping": 2},
        InvalidValue,
        r"batch_size is 120.*only 108 rows",
    ),
    "seed": ({"seed": -1}, InvalidValue, "seed must be a whole number from 0 to 4294967295. Received: -1"),
    "patience": ({"early_stopping": 0}, InvalidValue, r"EarlyStopping\.patience.*Received: 0"),
    "class weights": ({"class_weights": "balance"}, InvalidValue, r'must be "balanced" or.*\'balance\''),
    "class": ({"class_weights": {"rose": 1}}, InvalidValue, r"'rose'.*setosa, versicolor, virginica"),
    "infinite weight": ({"class_weights": {"setosa": np.inf}}, InvalidValue, r"'setosa'.*Received: inf"),
    "text as weight": ({"class_weights": {"setosa": "2"}}, InvalidValue, r"'setosa'.*Received: '2'"),
    "number of weights": ({"sample_weights": np.ones(3)}, ShapeError, r"120 rows need as many.*Received: 3 weights"),
    "weights of all rows": ({"sample_weights": np.ones(150)}, InvalidValue, r"all 150 rows.*make_dataset"),
    "negative weights": ({"sample_weights": -np.ones(120)}, DataError, "-1 at row 0.*at least 0"),
    "weights of 0": ({"sample_weights": np.zeros(120)}, DataError, "all weights are 0"),
    "weights twice": (
        {"data": pel.make_dataset(np.eye(20), np.arange(20.0), weights=np.ones(20)), "sample_weights": np.ones(16)},
        InvalidValue,
        "have weights already",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_are_not_allowed_leave_the_folder_alone(case, iris_run):
    changed, kind, message = WRONG[case]
    settings = {"network": (8,), "data": IRIS, "folder": iris_run.folder, "overwrite": True, **SMALL} | changed
    with pytest.raises(kind, match=message):
        pel.train(settings.pop("network"), settings.pop("data"), **settings)
    assert pel.load(iris_run.folder).result == iris_run.result


@pytest.mark.parametrize(
    ("x", "y", "kind", "message"),
    [
        ([[1.0], [np.nan]], [0, 1], DataError, "nan at row 1, column 0"),
        (np.array([[1.0], ["two"]], object), [0, 1], DataError, "'two'.* at row 1, column 0"),
        ([[1.0], [2.0]], [0, 0], DataError, "one class only"),
        ([[1.0], [2.0]], [0, 1, 1], ShapeError, "2 rows and y has 3"),
        ([1.0, 2.0], [0, 1], ShapeError, "reshape"),
        (np.zeros((0, 2)), np.zeros(0), DataError, "empty"),
        ([[1.0], [2.0, 3.0]], [0, 1], ShapeError, "differ in length"),
    ],
)
def test_arrays_that_cannot_be_trained_on(x, y, kind, message):
    with pytest.raises(kind, match=message):
        pel.train(None, (x, y))
