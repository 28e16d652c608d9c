"""Optuna's samplers and pruners: what they are asked and told, and that their study is continued."""

from contextlib import contextmanager

import numpy as np
import optuna
import pytest

import pellucid as pel
from pellucid.sweeps import Range

IRIS = pel.load_dataset("iris")


@contextmanager
def study_in(folder):
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    yield optuna.load_study(study_name="sweep", storage=storage)
    storage.remove_session()
    storage.engine.dispose()


SPACE = {"learning_rate": Range(1e-3, 1e-1, log=True), "optimizer.beta1": [0.8, 0.9]}


def test_a_sampler_chooses_by_the_trials_before_and_its_study_is_continued(tmp_path):
    short = {"epochs": 3, "seeds": 1, "progress": False, "folder": tmp_path / "tpe"}
    few = pel.sweep((4,), IRIS, space=SPACE, method="tpe", trials=9, **short)
    more = pel.sweep((4,), IRIS, space=SPACE, method="tpe", trials=11, **short)
    assert more.trials[:9] == few.trials
    with study_in(tmp_path / "tpe") as study:
        direction, trials = study.direction.name, study.trials
    assert direction == "MAXIMIZE"
    assert [trial.value for trial in trials] == pytest.approx([trial.value for trial in more.trials])
    for trial, other in zip(trials, more.trials, strict=True):
        assert trial.params["learning_rate"] == other.point["learning_rate"]
        assert trial.params["optimizer.beta1"] == other.settings["optimizer.beta1"]
    assert pel.sweeps.load(tmp_path / "tpe").best == more.best


def test_a_trial_that_a_kill_left_open_is_asked_for_anew(tmp_path):
    short = {"epochs": 1, "seeds": 1, "progress": False, "folder": tmp_path / "killed"}
    pel.sweep((4,), IRIS, space=SPACE, method="tpe", trials=3, **short)
    with study_in(tmp_path / "killed") as study:
        study.ask()
    again = pel.sweep((4,), IRIS, space=SPACE, method="tpe", trials=5, **short)
    assert [trial.number for trial in again.trials] == [0, 1, 2, 4, 5]


def test_a_pruner_drops_trials_and_the_rest_are_as_if_alone(tmp_path):
    sampler = optuna.samplers.RandomSampler(seed=1)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=0, n_warmup_steps=0)
    short = {"epochs": 10, "seeds": 2, "progress": False}
    swept = pel.sweep(
        (4,), IRIS, space=SPACE, method=sampler, pruner=pruner, trials=16, folder=tmp_path / "pruned", **short
    )
    dropped = [trial for trial in swept.trials if trial.dropped]
    assert 1 <= len(dropped) <= 8
    assert all(trial.epochs[0] < 10 for trial in dropped)
    assert swept.best.epochs == [10, 10]
    assert swept.ranked[-1].dropped
    for trial in (swept.best, dropped[0]):
        grid = {name: [value] for name, value in settings_of(swept, trial).items()}
        alone = pel.sweep((4,), IRIS, space=grid, method="grid", **short)
        np.testing.assert_allclose(trial.curve, alone.trials[0].curve[: len(trial.curve)], atol=1e-6)


def settings_of(swept, trial):
    return pel.sweeps.space.settings_at(swept.space, trial.point)
