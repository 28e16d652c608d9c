"""The doctor names the fault that was put into a healthy program, and lets the healthy one be."""

import json
import re

import numpy as np
import pytest
from benchmarks.doctor_cases import Case, run_of
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.rule import CAUSES, RULES

ZEROS = {"init": "zeros"}
GLOROT = {"init": "glorot_uniform"}


def dense(units, activation, **changes):
    return {"type": "dense", "units": units, "activation": activation, "weights": GLOROT, "biases": ZEROS} | changes


HIDDEN, OUTPUT = dense(16, "relu"), dense(3, "softmax")
PROGRAM = {
    "task": "multiclass",
    "network": [HIDDEN, OUTPUT],
    "loss": "categorical_cross_entropy",
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "epochs": 25,
    "batch_size": 16,
    "data": {"file": "iris.npz", "one_hot": True, "transform": [{"op": "standardise"}]},
}

FAULTS = {
    "gradient_ascent": {"optimizer": {"name": "sgd", "learning_rate": -0.05}},
    "learning_rate_too_high": {"optimizer": {"name": "sgd", "learning_rate": 30.0}},
    "learning_rate_too_low": {"optimizer": {"name": "sgd", "learning_rate": 1e-5}},
    "constant_init": {"network": [dense(16, "relu", weights={"init": "constant", "value": 0.2}), OUTPUT]},
    "frozen_parameters": {"network": [HIDDEN | {"trainable": False}, OUTPUT | {"trainable": False}]},
    "output_loss_mismatch": {"loss_options": {"softmax_axis": "batch"}},
    "train_test_mismatch": {"data": PROGRAM["data"] | {"transform": [{"op": "standardise", "only": "train"}]}},
}
"""A fault, and the change that puts it in."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A case of the iris data with some fields of its program changed."""
    folder = tmp_path_factory.mktemp("cases")
    data = pel.load_dataset("iris")
    assert data.held_out is not None
    arrays = {"x_train": data.train.x, "y_train": data.train.y, "x_test": data.held_out.x, "y_test": data.held_out.y}
    np.savez(folder / "iris.npz", **arrays)
    return lambda **changes: Case("iris", "injected", PROGRAM | changes, None, (), (), folder)


def test_every_rule_names_a_cause_of_the_vocabulary():
    assert {rule.name for rule in RULES} == set(CAUSES)
    assert all(cause.meaning and cause.about and cause.alike and cause.remedies for cause in CAUSES.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_names_the_fault_first(fault, case):
    findings = pel.diagnose(run_of(case(**FAULTS[fault])))
    assert findings[0].label == fault
    assert findings[0].evidence or findings[0].because


def test_a_healthy_training_has_no_problem(case):
    assert not [finding for finding in diagnose(run_of(case())) if finding.severity == "problem"]


def test_check_learns_a_batch_by_heart_and_verifies_the_gradient():
    checkup = pel.check((16,), pel.load_dataset("iris"))
    assert not checkup.problems
    assert checkup.facts["error of the backward pass"] < 0.05
    assert checkup.facts["skill on one batch learnt by heart"] == 1
    assert checkup.facts["first loss"] == pytest.approx(checkup.facts["loss of guessing"], rel=1)


def test_story_of_a_run_that_does_not_learn(tmp_path):
    """Check before, train, diagnose after: codes for pipelines, JSON for machines, words for people."""
    run = str(tmp_path / "slow")
    terminal = CliRunner()
    terminal.invoke(
        main, ["train", "iris", "--learning-rate", "1e-6", "--epochs", "4", "--folder", run, "--no-progress"]
    )
    sound = terminal.invoke(main, ["check", f"{run}/experiment.toml", "--json"])
    assert sound.exit_code == 0, sound.output
    assert json.loads(sound.stdout)["facts"]["first loss"] > 0
    sick = terminal.invoke(main, ["diagnose", run])
    assert sick.exit_code == 1
    assert re.search(r"learning rate too low\n.*problem", sick.stdout)
    assert "pellucid prove" in sick.stderr
    again = json.loads(terminal.invoke(main, ["diagnose", run, "--json"]).stdout)
    assert again[0]["remedies"][0] == "larger learning rate"
