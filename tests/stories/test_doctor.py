"""A training that does not learn, from the first warning to the repaired run, through the command line."""

import json
import re

import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.doctor.check import glance
from pellucid.functions.initializers import Constant
from pellucid.runs.fit import begin
from pellucid.runs.plan import settle


def pellucid(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    unexpected = None if isinstance(result.exception, SystemExit) else result.exception
    assert (result.exit_code, unexpected) == (code, None), result.output
    return result


def test_from_a_run_that_does_not_learn_to_a_repaired_one(tmp_path):
    run, repaired = tmp_path / "slow", tmp_path / "repaired"
    pellucid(
        "train", "iris", "--network", "8", "--learning-rate", "1e-5", "--epochs", 15, "--folder", run, "--no-progress"
    )
    checked = json.loads(pellucid("check", run / "experiment.toml", "--json").stdout)
    assert checked["facts"]["skill on one batch learnt by heart"] > 0.9  # the network itself is sound

    found = json.loads(pellucid("diagnose", run, "--json", code=1).stdout)
    assert found[0]["label"] == "learning_rate_too_low"
    assert json.loads((run / "findings.json").read_text())["findings"][0]["label"] == "learning_rate_too_low"
    page = (run / "report.html").read_text()
    assert "pellucid show " in page
    assert 'id="proof"' not in page

    told = pellucid("prove", run, "--apply", "--budget", 2, "--seeds", 4, "--no-random")
    assert "proven" in told.stdout
    assert "What helps: learning rate 1e-05" in told.stdout
    proof = json.loads((run / "proof.json").read_text())["proof"]
    assert proof["best"]["proven"]
    page = (run / "report.html").read_text()
    for words in ("learning rate too low", "What helps: learning rate 1e-05", "dropped after", "confusion"):
        assert words in page

    pellucid("train", run / "repaired.toml", "--folder", repaired, "--no-progress")
    assert pel.load(repaired).result["accuracy"] > 0.8

    # Trained further, the run is another: what was found of the old weights is not shown any more.
    pellucid("resume", run, "--epochs", 16, "--no-progress")
    assert 'id="findings"' not in (run / "report.html").read_text()


def alike():
    return pel.Network(pel.Dense(8, "tanh", weights=Constant(0.1)), pel.Dense(3, "softmax", weights=Constant(0.1)))


def test_a_training_that_cannot_work_is_warned_of_and_made_all_the_same():
    with pytest.warns(pel.DoctorWarning, match=r"constant init \(\d+%\).*pellucid.check"):
        run = pel.train(alike(), pel.load_dataset("iris"), epochs=2, progress=False)
    assert run.history.epochs_made == 2


def test_the_command_line_warns_in_a_line(tmp_path):
    network = tmp_path / "network.toml"
    network.write_text(
        '[[layers]]\nname = "dense"\nunits = 8\nactivation = "tanh"\nweights = {name = "constant", value = 0.1}\n'
        '[[layers]]\nname = "dense"\nunits = 3\nactivation = "softmax"\n'
    )
    told = pellucid("train", "iris", "--network", network, "--epochs", 1, "--folder", tmp_path / "run", "--no-progress")
    line = r"problem: constant init \(\d\d%\): the units of dense_1 all begin with the same weights"
    assert re.search(line, told.stderr)
    assert f"pellucid check {tmp_path / 'run' / 'experiment.toml'}" in told.stderr
    checked = pellucid("check", tmp_path / "run" / "experiment.toml", code=1)
    assert "pellucid show constant_init" in checked.stdout


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_sound_trainings_are_begun_in_silence(name):
    data = pel.load_dataset(name)
    assert glance(begin(settle((16,), data, {"epochs": 1}))) == []


def test_a_run_that_diverged_can_be_diagnosed(tmp_path):
    run = tmp_path / "wild"
    pellucid(
        "train",
        "diabetes",
        "--network",
        "16",
        "--optimizer",
        "sgd",
        "--learning-rate",
        10,
        "--epochs",
        5,
        "--folder",
        run,
        "--no-progress",
        code=5,
    )
    assert pel.load(run).stopped == "diverged"
    found = json.loads(pellucid("diagnose", run, "--json", code=1).stdout)
    assert found[0]["severity"] == "problem"
    assert "became NaN or infinite" in " ".join(one["because"] for one in found)
