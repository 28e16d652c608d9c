"""The default recipe: what it settles, what it leaves alone, and that its runs repeat and resume like any other."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import TrainingDiverged
from pellucid.runs import recipe
from pellucid.runs.experiment import SETTINGS, Experiment
from pellucid.runs.fit import begin, fit
from pellucid.runs.folder import RunFolder
from pellucid.runs.plan import plan_of, settle

IRIS = pel.load_dataset("iris")
RANDOM = np.random.default_rng(0)


def blobs(rows, task, outputs=3):
    """Rows of two features that tell a target of a task."""
    x = RANDOM.normal(size=(rows, 2))
    if task == "regression":
        return x, 300_000 + 90_000 * np.sin(x[:, 0]) + 50_000 * x[:, 1]
    if task == "multilabel":
        return x, (x > 0).astype(int)
    turns = np.floor((np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi) + 0.5) * outputs).astype(int)
    return x, np.minimum(turns, outputs - 1)


def settled(data, network=None, **settings):
    return settle(network, data, settings, by_recipe=True)


@pytest.mark.parametrize(
    ("rows", "size", "retrains"), [(150, 16, True), (2_000, 128, True), (20_000, 256, True), (40_000, 256, False)]
)
def test_the_recipe_goes_by_the_rows(rows, size, retrains):
    x = RANDOM.normal(size=(rows, 2)).astype(np.float32)
    data = pel.make_dataset(x, x[:, 0] > 0, held_out=None)
    plan = settled(data)
    experiment = plan.experiment
    assert experiment.batch_size == size
    assert (plan.retraining is not None) == retrains
    per_epoch = -(-experiment.training_rows(rows) // size)
    steps, patience = (recipe.STEPS, recipe.PATIENCE) if retrains else (recipe.STEPS_OF_MANY, recipe.PATIENCE_OF_MANY)
    assert steps <= experiment.epochs * per_epoch < steps + per_epoch
    assert experiment.stopping.patience >= recipe.PATIENT_EPOCHS
    assert experiment.stopping.patience * per_epoch >= patience
    rate = experiment.optimizer["learning_rate"]
    falling = {"name": "cosine_decay", "learning_rate": recipe.RATE, "epochs": experiment.epochs}
    assert rate == (recipe.RATE if retrains else falling)
    texts = " ".join(plan.choices)
    for word in ("epochs: at most", "batch size: ", "learning rate: ", "initializer: "):
        assert word in texts
    assert experiment.record_every == (0 if retrains else 20)


GIVEN = {
    "batch size": ({"batch_size": 7}, lambda e: e.batch_size == 7),
    "all rows": ({"batch_size": "all"}, lambda e: e.batch_size == "all" and e.epochs == recipe.STEPS),
    "rate": ({"learning_rate": 0.02}, lambda e: e.optimizer == {"name": "adam", "learning_rate": 0.02}),
    "optimizer": ({"optimizer": "sgd"}, lambda e: e.optimizer == "sgd"),
    "full batch": ({"optimizer": "gradient_descent"}, lambda e: e.batch_size == "all"),
    "part of it": ({"optimizer.beta1": 0.8}, lambda e: e.optimizer == {"name": "adam", "beta1": 0.8}),
    "schedule": (
        {"schedule": {"name": "cosine_decay", "epochs": 9}},
        lambda e: e.optimizer["learning_rate"] == {"name": "cosine_decay", "learning_rate": 0.001, "epochs": 9},
    ),
    "initializer": ({"initializer": "he_uniform"}, lambda e: e.network[0]["weights"] == "he_uniform"),
}
ONCE = {
    "early stopping": ({"early_stopping": 3}, lambda e: e.early_stopping == 3),
    "validation": ({"validation": 0.3}, lambda e: e.validation == 0.3 and e.early_stopping is not None),
    "plateaus": ({"schedule": "on_plateau"}, lambda e: e.decides),
}


@pytest.mark.parametrize("name", [*GIVEN, *ONCE])
def test_settings_that_are_given_stay(name):
    settings, holds = (GIVEN | ONCE)[name]
    plan = settled(IRIS, (8,), **settings)
    assert holds(plan.experiment)
    assert (plan.retraining is None) == (name in ONCE)  # whoever decides on a validation part keeps what it decided
    if plan.retraining is not None:
        own_rate = name in ("rate", "optimizer", "full batch", "part of it", "schedule")
        assert plan.retraining.decay != own_rate
        assert (plan.retraining.stretch == 1) == own_rate


def test_with_epochs_all_is_as_without_the_recipe():
    assert settled(IRIS, (8,), epochs=4) == settle((8,), IRIS, {"epochs": 4})
    experiment = settled(IRIS, (8,), epochs=4).experiment
    assert (experiment.batch_size, experiment.early_stopping, experiment.optimizer) == (32, None, "adam")
    assert settle((8,), IRIS, {}).experiment.epochs == 10  # members of a population
    gan = settled(RANDOM.normal(size=(200, 2)), "wgan").experiment
    assert (gan.epochs, gan.batch_size) == (100, 64)


def test_help_says_what_the_recipe_does():
    said = SETTINGS["epochs"].by_recipe
    assert f"{recipe.STEPS:,} steps; {recipe.STEPS_OF_MANY:,} of more than {recipe.FEW_ROWS:,} rows" in said
    assert "16 to 256" in SETTINGS["batch_size"].by_recipe
    assert recipe.BATCH_SIZES == (16, 256)
    assert f"{recipe.RATE:g}" in SETTINGS["learning_rate"].by_recipe
    assert recipe.INITIALIZER in SETTINGS["initializer"].by_recipe
    shown = " ".join(CliRunner().invoke(main, ["train", "--help"]).output.split())
    assert "[default: until a validation part stops improving" in shown
    assert "[default: 10]" in " ".join(CliRunner().invoke(main, ["compare", "--help"]).output.split())


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_every_task_is_learnt_by_default(task):
    x, y = blobs(400, task, outputs=2 if task == "binary" else 4)
    run = pel.train(None, (x, y), progress=False)
    assert run.facts.task == task
    outputs, held_out = run.predict(run.data.held_out.x), run.data.held_out.y
    if task == "regression":
        error = ((outputs - held_out[:, 0]) ** 2).mean() / held_out.var()
        assert error < 0.05
    else:
        metric = next(value for name, value in run.result.items() if name != "loss")
        assert metric > 0.9


def test_inputs_are_learnt_again_by_default():
    x = np.outer(RANDOM.normal(size=300), [1.0, 2.0, -1.0, 0.5]).astype(np.float32)
    run = pel.train({"name": "autoencoder", "code": 1}, x, progress=False)
    assert run.result["loss"] < 0.1
    assert run.experiment.early_stopping is None


def test_xor_is_learnt_by_default():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    run = pel.train(None, pel.make_dataset(corners, [0, 1, 1, 0], held_out=None), progress=False)
    assert run.predict(corners.astype(float)).tolist() == [0, 1, 1, 0]
    many = np.repeat(corners, 20, axis=0)
    assert pel.train(None, (many, many[:, 0] ^ many[:, 1]), progress=False).result["binary_accuracy"] == 1


def test_iris_is_learnt_by_default_and_the_experiment_repeats_it(tmp_path):
    run = pel.train(None, IRIS, folder=tmp_path / "run", record_every=10, progress=False)
    assert run.result["accuracy"] >= 0.93
    assert run.experiment.early_stopping is None
    assert run.experiment.record_every == 10
    assert run.training.train.rows == len(IRIS.train)
    steps = f"then trained on all 120 rows for {run.history.steps_made:,} steps, the learning rate falling to 0"
    assert any(text.startswith(f"epochs: {run.experiment.epochs}; 10%") and steps in text for text in run.notes.choices)
    assert run.experiment.optimizer["learning_rate"]["epochs"] == run.experiment.epochs
    assert run.history.steps["learning_rate"][-1] < 1e-5
    again = fit(
        begin(plan_of(Experiment.from_dict(RunFolder(tmp_path / "run").read_experiment()), IRIS)), progress=False
    )
    for layer, same in zip(run.params, again.params, strict=True):
        for name in layer:
            np.testing.assert_array_equal(layer[name], same[name])


def test_many_rows_keep_the_best_network():
    x = RANDOM.normal(size=(21_000, 3)).astype(np.float32)
    data = pel.make_dataset(x, (x[:, 0] + RANDOM.normal(size=len(x)) > 0).astype(int), held_out=None)
    run = pel.train((4,), data, progress=False)
    losses = run.history.held_out[:, 0]
    assert run.best_epoch == int(losses.argmin()) + 1
    assert run.stopped in ("early", "epochs")
    assert run.experiment.early_stopping is not None


def interrupt_after(monkeypatch, calls, of):
    """Press Ctrl-C after so many calls of the training that is number ``of``."""
    from pellucid.training import Training

    begun, original = [], Training.run

    def run(self, epochs):
        begun.append(self)
        for number, now in enumerate(original(self, epochs), 1):
            if len(begun) == of and number == calls:
                signal.raise_signal(signal.SIGINT)
            yield now

    monkeypatch.setattr(Training, "run", run)


def test_interrupted_in_the_first_training_nothing_is_kept(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    earlier = pel.train((4,), IRIS, epochs=1, folder=folder, progress=False)
    assert threading.current_thread() is threading.main_thread()
    interrupt_after(monkeypatch, 2, of=1)
    with pytest.raises(KeyboardInterrupt):
        pel.train((8,), IRIS, folder=folder, overwrite=True, progress=False)
    assert pel.load(folder).experiment == earlier.experiment


def test_interrupted_in_the_second_training_it_resumes_with_the_same_bits(tmp_path, monkeypatch):
    whole = pel.train((8,), IRIS, progress=False)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2, of=2)
        cut = pel.train((8,), IRIS, folder=tmp_path / "run", progress=False)
    assert cut.stopped == "interrupted"
    assert cut.experiment == whole.experiment
    resumed = pel.resume(tmp_path / "run", progress=False)
    assert resumed.stopped == "epochs"
    assert resumed.notes.choices == whole.notes.choices
    for layer, same in zip(whole.params, resumed.params, strict=True):
        for name in layer:
            np.testing.assert_array_equal(layer[name], same[name])


def test_a_first_training_that_diverges_leaves_the_second_to_show_it(tmp_path):
    x = RANDOM.normal(size=(200, 2)).astype(np.float32)
    with pytest.raises(TrainingDiverged):
        pel.train((8,), (x, x[:, 0]), optimizer=pel.SGD(1e6), folder=tmp_path / "run", progress=False)
    notes = json.loads((tmp_path / "run" / "notes.json").read_text())
    assert notes["failure"]
    assert "NaN or infinite" in " ".join(notes["choices"])


def test_the_command_line_shows_both_trainings(tmp_path):
    words = ["train", "iris", "--network", "4", "--folder", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "pellucid.cli.main", *words], capture_output=True, text=True, timeout=280, check=True
    )
    assert "a first training, on 90% of the rows, finds the steps" in done.stderr
    assert "epochs: at most" in done.stderr
    assert "then trained on all 120 rows" in done.stderr
    assert (tmp_path / "run" / "experiment.toml").exists()
