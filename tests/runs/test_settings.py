"""Settings are declared once: keywords, options, experiment.toml and docstring come from the same declaration."""

import inspect

import msgspec
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.cli.train import train as train_command
from pellucid.core.errors import InvalidValue
from pellucid.runs import experiment as declared
from pellucid.runs.experiment import SETTINGS, WORDS, Experiment, Setting, Settings
from pellucid.runs.plan import plan_of, settle

IRIS = pel.load_dataset("iris")


def options_of(command):
    import click

    return {parameter.name for parameter in command.get_params(click.Context(command))}


def test_every_setting_is_a_keyword_an_option_and_documented():
    keywords = set(Settings.__annotations__)
    assert keywords == set(SETTINGS) - {"network"}
    assert set(SETTINGS) <= options_of(train_command)
    assert set(SETTINGS) - set(WORDS) == set(Experiment.__struct_fields__) - {"data"}
    text = inspect.getdoc(pel.train)
    for name, setting in SETTINGS.items():
        assert f"{name}: " in text
        assert setting.help.endswith(".")


def test_a_new_setting_is_one_declaration(monkeypatch):
    vars(train_command).pop("options", None)
    monkeypatch.setitem(SETTINGS, "patience_of_job", Setting("How long to wait."))
    monkeypatch.setitem(declared.TYPES, "patience_of_job", int)
    assert "patience_of_job" in options_of(train_command)
    assert "patience_of_job: how long to wait." in declared.describe_settings()
    with pytest.raises(InvalidValue, match="Did you mean 'patience_of_job'"):
        pel.train((4,), IRIS, patience_of_jo=3)
    vars(train_command).pop("options", None)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"learning_rat": 0.1}, r"no setting 'learning_rat'. Did you mean 'learning_rate'"),
        ({"critic_steps": 2}, "critic_steps is a setting for a GAN"),
        ({"epochs": -1}, "epochs must be a whole number of at least 0. Received: -1"),
        ({"batch_size": "most"}, 'batch_size must be a whole number of at least 1, or "all"'),
        ({"validation": 1.5}, "validation must be"),
        ({"scale_inputs": "log"}, "scale_inputs must be one of"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(settings, text):
    with pytest.raises(InvalidValue, match=text):
        pel.train((4,), IRIS, progress=False, **settings)
    with pytest.raises(InvalidValue, match="early_stopping is a setting for a network"):
        pel.train("wgan", IRIS, early_stopping=3, progress=False)


def test_words_are_settled_into_the_network_and_the_optimiser():
    plan = settle((6, 5), IRIS, {"activation": "tanh", "dropout": 0.2, "initializer": "normal", "learning_rate": 0.3})
    assert plan.experiment.optimizer == {"name": "adam", "learning_rate": 0.3}
    assert [name.split("_")[0] for name in plan.network.names][:3] == ["dense", "tanh", "dropout"]
    assert plan.network.layers[0].weights.name == "normal"
    falling = settle((6,), IRIS, {"schedule": {"name": "cosine_decay", "epochs": 5}, "learning_rate": 0.1})
    rate = falling.experiment.optimizer["learning_rate"]
    assert rate == {"name": "cosine_decay", "learning_rate": 0.1, "epochs": 5}
    with pytest.raises(InvalidValue, match=r"'rnn' has no activation. Its fields"):
        settle("rnn", pel.load_dataset("digits"), {"activation": "tanh"})
    with pytest.raises(InvalidValue, match="given as an object"):
        settle(plan.network, IRIS, {"dropout": 0.1})


def test_the_command_line_says_what_python_says(tmp_path):
    words = ["--network", "6-5", "--activation", "tanh", "--learning-rate", "0.3", "--epochs", "2", "--no-shuffle"]
    words += ["--early-stopping", "4", "--batch-size", "all", "--class-weights", "setosa=2,virginica=1"]
    folder = tmp_path / "run"
    result = CliRunner().invoke(main, ["train", "iris", *words, "--folder", str(folder), "--no-progress"])
    assert result.exit_code == 0, result.output
    weights = {"setosa": 2.0, "virginica": 1.0}
    settings = {"activation": "tanh", "learning_rate": 0.3, "epochs": 2, "shuffle": False, "early_stopping": 4}
    plan = settle((6, 5), pel.load_dataset("iris"), settings | {"batch_size": "all", "class_weights": weights})
    expected = msgspec.structs.replace(plan.experiment, data={"name": "iris", "seed": 0})
    assert pel.load(folder).experiment == expected
    assert plan_of(expected, IRIS).network == plan.network


def test_runs_are_named_listed_and_put_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    for words in (["--network", "8", "--epochs", "2"], ["--network", "8-4", "--epochs", "3"]):
        assert runner.invoke(main, ["train", "iris", *words, "--no-progress"]).exit_code == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"iris-8-001", "iris-8-4-001"}
    listed = runner.invoke(main, ["runs"]).stdout
    assert "runs/iris-8-4-001" in listed
    assert "dense 8, dense 4, dense 3" in listed
    assert "accuracy" in listed
    both = runner.invoke(main, ["compare", "runs/iris-8-001", "runs/iris-8-4-001"]).stdout
    rows = {line.split("  ")[0]: line for line in both.splitlines()}
    assert {"network", "epochs", "loss", "accuracy", "finding"} <= set(rows)
    assert "optimizer" not in rows  # the same in both
    assert pel.load("runs/iris-8-001").name == "iris-8"
    assert runner.invoke(main, ["runs", "nowhere"]).exit_code == 4
