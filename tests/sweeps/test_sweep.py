"""Sweeps: what each trial is, which rows it sees, what is kept and continued, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, StorageError, TrainingDiverged, UnknownName
from pellucid.data import validation_rows
from pellucid.sweeps import Range, Trial, importances
from pellucid.sweeps.methods import rungs
from pellucid.sweeps.space import as_space

IRIS = pel.load_dataset("iris")
RATES = {"learning_rate": Range(1e-3, 1e-1, log=True)}
SHORT = {"epochs": 6, "progress": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "rates"
    space = RATES | {"activation": ["relu", "tanh"]}
    return pel.sweep((4,), IRIS, space=space, trials=12, seeds=2, folder=folder, **SHORT)


def part(seed):
    """The dataset of a seed: what its trainings learn from, and what they are judged on."""
    rows, aside = validation_rows(IRIS, 0.2, seed)
    return IRIS.refit(IRIS.train.take(rows), IRIS.train.take(aside))


def test_a_trial_is_a_training_on_the_rows_that_its_seed_leaves(made):
    for trial in made.trials[:2]:
        settings = {"learning_rate": trial.point["learning_rate"], "activation": trial.settings["activation"]}
        for seed in range(2):
            run = pel.train((4,), part(seed), seed=seed, **settings, **SHORT)
            assert trial.losses[seed] == pytest.approx(run.result["loss"], rel=1e-4)
            assert trial.values[seed] == pytest.approx(run.result["accuracy"], abs=1e-6)
        assert trial.epochs == [6, 6]
        assert len(trial.curve) == 6


def test_the_held_out_rows_have_no_part_in_the_trials(made):
    other = replace(IRIS, held_out=IRIS.held_out.take(np.arange(3)))
    again = pel.sweep((4,), other, space=made.space, trials=12, seeds=2, **SHORT)
    assert [trial.losses for trial in again.trials] == [trial.losses for trial in made.trials]


def test_the_best_is_trained_on_all_training_rows(made):
    values = [trial.value for trial in made.trials]
    assert made.best.value == max(values)
    run = pel.train((4,), IRIS, **made.best_settings, **SHORT)
    assert made.run.result == run.result
    assert pel.load(made.folder / "best").result == run.result
    assert any("the best of a sweep" in note for note in made.run.notes.choices)


def test_the_table_as_text_frame_page_and_picture(made):
    text = str(made)
    assert text.startswith("Best of 12 trials: learning_rate ")
    assert "on the held-out rows" in text
    frame = made.to_frame()
    assert list(frame.columns[:4]) == ["trial", "learning_rate", "activation", "accuracy"]
    assert frame["accuracy"].is_monotonic_decreasing
    assert made.to_frame("polars").shape == made.to_frame("pyarrow").shape == frame.shape
    assert made._repr_html_().count("<svg") >= 1
    assert "<svg" in (made.folder / "report.html").read_text()
    assert made.plot().axes
    assert json.loads(json.dumps(made.to_dict()))["trials"][0]["number"] == made.best.number
    with pytest.raises(InvalidValue, match="spark"):
        made.to_frame("spark")


def test_a_sweep_that_was_killed_goes_on_and_only_with_what_is_missing(made, tmp_path, monkeypatch):
    lines = (made.folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "sweep.toml").write_bytes((made.folder / "sweep.toml").read_bytes())
    (folder / "trials.jsonl").write_bytes(b"".join(lines[:7]) + lines[7][:20])  # killed while writing
    with pytest.raises(StorageError, match=r"has not ended\. Continue it"):
        pel.sweeps.load(folder)
    trained = []
    train = pel.sweeps.trainer.Trainer.train
    monkeypatch.setattr(
        pel.sweeps.trainer.Trainer,
        "train",
        lambda self, batch, *more: trained.extend(batch) or train(self, batch, *more),
    )
    again = pel.sweep((4,), IRIS, space=made.space, trials=12, seeds=2, folder=folder, **SHORT)
    assert len(trained) == 5
    for one, other in zip(again.trials, made.trials, strict=True):
        assert (one.number, one.point) == (other.number, other.point)
        np.testing.assert_allclose(one.losses, other.losses, rtol=1e-5)
    assert again.run.result == made.run.result
    trained.clear()
    more = pel.sweep((4,), IRIS, space=made.space, trials=14, seeds=2, folder=folder, **SHORT)
    assert [number for number, _ in trained] == [12, 13]
    assert more.trials[:12] == again.trials
    assert pel.sweeps.load(folder).trials == more.trials
    with pytest.raises(StorageError, match="a sweep with another seeds, space: give the same"):
        pel.sweep((4,), IRIS, space=RATES, trials=14, seeds=3, folder=folder, **SHORT)


def test_halving_trains_the_survivors_as_if_alone():
    halved = pel.sweep((4,), IRIS, space=RATES, method="halving", trials=9, seeds=2, epochs=9, progress=False)
    whole = pel.sweep((4,), IRIS, space=RATES, method="random", trials=9, seeds=2, epochs=9, progress=False)
    ended = [trial for trial in halved.trials if not trial.dropped]
    assert sorted({trial.epochs[0] for trial in halved.trials}) == [1, 3, 9]
    assert len(ended) == 1
    assert sum(trial.epochs[0] == 3 for trial in halved.trials) == 2
    for trial in halved.trials:
        other = whole.trials[trial.number]
        assert trial.point == other.point
        np.testing.assert_allclose(trial.curve, other.curve[: trial.epochs[0]], atol=1e-6)
    assert halved.ranked[0] is ended[0]
    after_one = sorted(whole.trials, key=lambda trial: -trial.curve[0])
    kept = {trial.number for trial in halved.trials if trial.epochs[0] > 1}
    assert min(trial.curve[0] for trial in whole.trials if trial.number in kept) >= after_one[3].curve[0]


def test_the_rungs_of_halving():
    assert rungs(1, 10) == [10]
    assert rungs(64, 2) == [1, 2]
    assert rungs(27, 81) == [3, 9, 27, 81]


def test_folds_of_the_training_rows_alone():
    swept = pel.sweep((4,), IRIS, space={"learning_rate": [0.01, 0.03]}, method="grid", folds=3, seeds=1, **SHORT)
    validated = pel.cross_validate((4,), replace(IRIS, held_out=None), folds=3, learning_rate=0.03, **SHORT)
    np.testing.assert_allclose(swept.trials[1].losses, validated.values("held_out_loss"), rtol=1e-4)


def test_without_epochs_a_trial_counts_at_its_best_epoch_and_the_best_trains_as_long():
    swept = pel.sweep((4,), IRIS, space={"learning_rate": [0.003, 0.1]}, seeds=2, progress=False)
    for trial in swept.trials:
        assert max(trial.epochs) < 667  # the recipe's 4,000 steps of 6 to an epoch
    assert any("the trial had its lowest losses after" in note for note in swept.notes)
    assert swept.run.experiment.early_stopping is None
    steps = np.mean(swept.best.epochs) * 6
    assert swept.run.history.steps_made == pytest.approx(steps, abs=8)


def test_early_stopping_of_the_trials_watches_rows_of_their_own():
    patient = {"early_stopping": 2, "epochs": 30, "progress": False}
    swept = pel.sweep((4,), IRIS, space={"learning_rate": [0.01, 0.1]}, method="grid", seeds=1, **patient)
    run = pel.train((4,), part(0), learning_rate=0.1, **patient)
    assert swept.trials[1].losses[0] == pytest.approx(run.result["loss"], rel=1e-4)
    assert swept.trials[1].epochs == [run.best_epoch]


def test_fields_of_a_network_by_name():
    x = np.random.default_rng(0).normal(size=(40, 5, 2)).astype(np.float32)
    data = (x, (x[:, :, 0].sum(axis=1) > 0).astype(int))
    space = {"network.units": [[3, 2]], "optimizer.beta1": [0.8]}
    swept = pel.sweep("gru", data, space=space, method="grid", seeds=1, epochs=1, progress=False)
    assert swept.trials[0].settings == {"network.units": "3-2", "optimizer.beta1": "0.8"}
    network, optimizer = {"name": "gru", "units": [3, 2]}, pel.Adam(beta1=0.8)
    run = pel.train(network, data, optimizer=optimizer, epochs=1, progress=False)
    assert run.result == swept.run.result
    assert run.network == swept.run.network


def test_a_diverged_trial_is_last_and_where_all_diverge_it_is_said():
    sgd = {"optimizer": "sgd", "seeds": 1} | SHORT
    data = pel.make_dataset(IRIS.train.x, IRIS.train.x[:, 0], task="regression")
    swept = pel.sweep((4,), data, space={"learning_rate": [1e30, 0.01]}, **sgd)
    assert swept.ranked[-1].diverged == 1
    assert np.isfinite(swept.best.value)
    assert "diverged" in str(swept)
    with pytest.raises(TrainingDiverged, match="every trial has a training whose loss became NaN or infinite"):
        pel.sweep((4,), data, space={"learning_rate": [1e29, 1e30]}, **sgd)


REFUSED = {
    "an unknown setting": ({"space": {"learning_rat": [0.1]}}, InvalidValue, "Did you mean 'learning_rate'"),
    "an unknown value": ({"space": {"activation": ["relu", "rellu"]}}, UnknownName, "Did you mean 'relu'"),
    "twice": ({"space": {"epochs": [1, 2]}}, InvalidValue, "epochs: in the space and beside it"),
    "a GAN": ({"network": "wgan"}, InvalidValue, "by which a GAN cannot be tested"),
    "a path": ({"space": {"optimizer.beta.x": [1]}}, InvalidValue, "leads nowhere"),
    "no seeds": ({"seeds": 0}, InvalidValue, "seeds must be a whole number"),
    "seeds twice": ({"seeds": [1, 1]}, InvalidValue, "different numbers"),
    "a method": ({"method": "tpee"}, InvalidValue, "Did you mean 'tpe'"),
    "a pruner": ({"pruner": "median"}, InvalidValue, "trains all to the end"),
    "another pruner": ({"method": "tpe", "pruner": "mean"}, InvalidValue, "pruner must be a pruner of Optuna"),
    "a grid of ranges": ({"method": "grid"}, InvalidValue, "a grid needs values"),
    "a grid of so many": (
        {"method": "grid", "space": {"dropout": [0, 0.1]}, "trials": 5},
        InvalidValue,
        "this grid has 2 settings",
    ),
    "halving and patience": ({"method": "halving", "early_stopping": 2}, InvalidValue, "do not watch"),
    "halving elsewhere": ({"method": "halving", "cluster": "tcp://127.0.0.1:9"}, InvalidValue, "leave cluster out"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_costs_no_sweep_that_is_there(case, tmp_path):
    changes, error, text = REFUSED[case]
    there = tmp_path / "sweep.toml"
    there.write_text("a sweep")
    arguments = {"network": (4,), "space": RATES, "trials": None, **SHORT, **changes}
    with pytest.raises(error, match=text):
        pel.sweep(arguments.pop("network"), IRIS, folder=tmp_path, overwrite=True, **arguments)
    assert there.read_text() == "a sweep"


def test_importance_is_that_of_what_decides():
    rng = np.random.default_rng(0)
    space = as_space({"learning_rate": "log:1e-4:1e-1", "dropout": [0, 0.5], "units": "4:64"})

    def trial(number, decides):
        point = {
            "learning_rate": float(10 ** rng.uniform(-4, -1)),
            "dropout": int(rng.integers(2)),
            "units": int(rng.integers(4, 65)),
        }
        value = -abs(np.log10(point["learning_rate"]) + 2.5) if decides else rng.normal()
        return Trial(number=number, point=point, settings={}, values=[value], losses=[0.0], epochs=[1])

    explained = importances(space, [trial(i, True) for i in range(60)])
    assert next(iter(explained)) == "learning_rate"
    assert explained["learning_rate"] > 0.7
    assert sum(explained.values()) <= 1
    assert importances(space, [trial(i, False) for i in range(60)]) is None
    assert importances(space, [trial(i, True) for i in range(9)]) is None


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["sweep", *arguments, "--no-progress"])
        assert result.exit_code == code, result.output
        return result

    rate = ("--space", "learning_rate=log:1e-3:1e-1")
    space = (*rate, "--space", "regularizer=,l2:strength=1e-3", "--epochs", "2", "--network", "4")
    result = run("iris", *space, "--trials", "3", "--seeds", "1", "--figure", "sweep.png")
    assert "Best of 3 trials" in result.stdout
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
    folder = "runs/iris-sweep-001"
    assert run(folder).stdout == result.stdout
    assert len(json.loads(run(folder, "--trials", "4", "--json").stdout)["trials"]) == 4
    assert "--space: settled by a sweep that is there" in run(folder, *rate, code=2).stderr
    assert "give the settings to vary" in run("iris", code=2).stderr
    (tmp_path / "mine.toml").write_text(
        'network = [4]\nseeds = 1\nmethod = "grid"\ndata = {name = "iris"}\n'
        'settings = {epochs = 1}\n[space]\nactivation = ["relu", "tanh"]\n'
    )
    assert "Best of 2 trials" in run("mine.toml").stdout
    assert pel.sweeps.load("runs/mine-sweep-001").run.facts.name == "iris"
    assert "Examples:" in run("--help").output
